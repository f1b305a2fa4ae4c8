# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The profiles that NetworkManager has, and the one that is active on a NIC. Reads files below ``root``."""

from __future__ import annotations

import os
import re
import typing as t
import uuid as uuids

from ansible_collections.kubenode.network.plugins.module_utils._netlink.objects import Link
from ansible_collections.kubenode.network.plugins.module_utils._persist.networkmanager_keyfile import Keyfile
from ansible_collections.kubenode.network.plugins.module_utils._state.files import decode
from ansible_collections.kubenode.network.plugins.module_utils._state.model import StateError

SUFFIX = ".nmconnection"
ETC = "/etc/NetworkManager/system-connections"
DEVICES = "/run/NetworkManager/devices"
_RUN = "/run/NetworkManager/system-connections"
_USR = "/usr/lib/NetworkManager/system-connections"
# nm-settings-keyfile(5): the first of these that has a UUID counts.
_FOLDERS = (_RUN, ETC, _USR)
# nm_uuid_ns_1 of libnm-glib-aux/nm-uuid.c.
_NAMESPACE = uuids.UUID("b425e9fb-7598-44b4-9e3b-5a2e3aaa4905")
# Other plugins' files, for the error that names them.
_IFCFG = "/etc/sysconfig/network-scripts"


class Profile(t.NamedTuple):
    path: str
    text: str
    document: Keyfile
    uuid: str

    @property
    def generated(self) -> bool:
        """NetworkManager made it up for a NIC without a profile ("Wired connection 1")."""
        return self.document.flag(".nmmeta", "nm-generated")

    @property
    def external(self) -> bool:
        """Made up from what was found on a NIC: "connected (externally)"."""
        volatile = self.generated and self.document.flag(".nmmeta", "volatile")
        return volatile or self.document.flag(".nmmeta", "external")

    @property
    def bound(self) -> str:
        """The name of the NIC that it is for, where it says one."""
        return self.document.text_of("connection", "interface-name")

    @property
    def writable(self) -> bool:
        return self.path.startswith(f"{ETC}/") or (self.path.startswith(f"{_RUN}/") and not self.generated)

    @property
    def path_in_etc(self) -> str:
        return f"{ETC}/{os.path.basename(self.path)}"


class Device(t.NamedTuple):
    """NetworkManager's state file of a device."""

    uuid: str = ""
    """The active profile; empty while there is none."""
    metric: int | None = None
    """What a route without a metric gets on it."""


def device(link: Link | None, root: str) -> Device:
    """What NetworkManager wrote about the NIC (``/run/NetworkManager/devices/IFINDEX``)."""
    if link is None:
        return Device()
    document = Keyfile(_read(f"{DEVICES}/{link.index}", root) or "")
    metric = document.get("device", "route-metric-default-effective") or ""
    return Device(document.text_of("device", "connection-uuid"), int(metric) if metric.isdigit() else None)


def profiles(root: str) -> list[Profile]:
    """Every keyfile that NetworkManager may take, those that count first."""
    result = []
    for folder in _FOLDERS:
        for name in _names(folder, root):
            # nm_keyfile_utils_ignore_filename: only /etc takes names without the suffix.
            if not name.endswith(SUFFIX) and (
                folder != ETC or re.search(r"^\.|~$|^#.*#$|\.(bak|rpm\w+|ignore)$", name)
            ):
                continue
            path = f"{folder}/{name}"
            text = _read(path, root)
            if text is None:
                continue
            document = Keyfile(text)
            if "connection" in document.groups:
                result.append(
                    Profile(path, text, document, document.text_of("connection", "uuid") or derived_uuid(path))
                )
    return result


def derived_uuid(path: str) -> str:
    """The UUID of a keyfile without ``uuid=``: version 3 of "keyfile" and the path (nm_keyfile_read_ensure_uuid)."""
    return str(uuids.uuid3(_NAMESPACE, f"keyfile\0{path}\0"))


def active(name: str, link: Link | None, uuid: str, found: t.Sequence[Profile], root: str) -> list[Profile]:
    """The files of the profile that is active on a NIC, or would be: the one that counts first. Empty: it has none.

    A file under /run that shadows one in /etc comes with it: the one counts now, the other from the next boot on.
    Raises StateError where the profile cannot be written, naming the way out.
    """
    if not uuid:
        return _waiting(name, link, found)
    mine = [profile for profile in found if profile.uuid == uuid]
    if not mine:
        raise _elsewhere(name, uuid, root)
    first = mine[0]
    _check(name, first)
    stored = [profile for profile in mine if profile.path.startswith(f"{ETC}/")]
    if first.path.startswith(f"{_RUN}/") and not first.generated:
        if not stored:
            raise StateError(
                f"interface {name}: its profile {_id(first)} is in memory only ({first.path}) and gone after a boot: "
                f"expected one in {ETC}. Save it with 'nmcli connection modify {uuid} connection.autoconnect yes'"
            )
        return [first, stored[0]]
    return [first]


def _waiting(name: str, link: Link | None, found: t.Sequence[Profile]) -> list[Profile]:
    """The profile that is made for a NIC on which none is active."""
    macs = {mac.upper() for mac in (link.mac, link.permanent_mac) if mac} if link is not None else set()
    mine = []
    for profile in found:
        if profile.generated or profile.path.startswith(f"{_RUN}/"):
            continue
        mac = _mac(profile.document)
        if (profile.bound == name or (not profile.bound and mac in macs)) and (not mac or not macs or mac in macs):
            mine.append(profile)
    if len(mine) > 1:
        names = ", ".join(f"{_id(profile)} ({profile.path})" for profile in mine)
        raise StateError(
            f"interface {name}: no profile of NetworkManager is active on it, and several are made for it: {names}. "
            "Activate the one that is meant: nmcli connection up uuid UUID"
        )
    for profile in mine:
        _check(name, profile)
    return mine


def _check(name: str, profile: Profile) -> None:
    document = profile.document
    port_of = document.text_of("connection", "controller") or document.text_of("connection", "master")
    if port_of:
        raise StateError(
            f"interface {name}: its profile {_id(profile)} ({profile.path}) makes it a port of {port_of}: expected a "
            f"NIC of its own. Declare addresses and routes for {port_of}"
        )
    if not (profile.bound or _mac(document)) and profile.document.text_of("connection", "type") in (
        "ethernet",
        "802-3-ethernet",
        "",
    ):
        raise StateError(
            f"interface {name}: its profile {_id(profile)} ({profile.path}) is not bound to one NIC, so that its "
            "addresses and routes could come up on another one: expected interface-name or mac-address in it. Give "
            f"{name} a profile of its own: 'nmcli connection clone uuid {profile.uuid} {name}', 'nmcli connection "
            f"modify {name} connection.interface-name {name}', 'nmcli connection up {name}'"
        )


def _elsewhere(name: str, uuid: str, root: str) -> StateError:
    for entry in _names(_IFCFG, root):
        if entry.startswith("ifcfg-") and uuid in (_read(f"{_IFCFG}/{entry}", root) or ""):
            return StateError(
                f"interface {name}: its profile {uuid} is {_IFCFG}/{entry}: expected a keyfile in {ETC}, as the ifcfg "
                f"format is going away. Change it over with 'nmcli connection migrate {uuid}' (NetworkManager 1.38)"
            )
    return StateError(
        f"interface {name}: its active profile {uuid} is in none of {', '.join(_FOLDERS)}: expected a keyfile there; "
        f"it comes from another plugin of NetworkManager (ifupdown, ibft ...). Make one with 'nmcli connection clone "
        f"uuid {uuid} {name}' and activate it with 'nmcli connection up {name}'"
    )


def _id(profile: Profile) -> str:
    return repr(profile.document.text_of("connection", "id") or os.path.basename(profile.path))


def _mac(document: Keyfile) -> str:
    for group in ("ethernet", "802-3-ethernet", "infiniband"):
        found = document.text_of(group, "mac-address")
        if found:
            return found.upper().replace("-", ":")
    return ""


def _names(folder: str, root: str) -> list[str]:
    try:
        return sorted(os.listdir(os.path.join(root, folder.lstrip("/"))))
    except OSError:
        return []


def _read(path: str, root: str) -> str | None:
    try:
        with open(os.path.join(root, path.lstrip("/")), "rb") as stream:
            return decode(stream.read())
    except FileNotFoundError:
        return None
    except IsADirectoryError:
        return None
    except OSError as error:
        raise StateError(f"{path}: cannot be read ({error.strerror}); run as root (become: true)") from None
