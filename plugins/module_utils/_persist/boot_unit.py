# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NICs that nobody manages, and what managers cannot say: units of our own that replay lines of `ip -batch` (pure but
for reading what is there).

Per NIC a file of lines below ``FOLDER``, and an instance of a unit bound to its device: systemd starts it when the NIC
appears, at boot or later. No code of ours runs then, only ``sh`` and iproute2. Where no udev tells of devices (most
containers), the node's own unit sets up the NICs that are there at boot.
"""

from __future__ import annotations

import os
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._persist.boot_texts import (
    LINK_UNIT,
    LINK_UNIT_PATH,
    NIC_UNIT,
    NIC_UNIT_PATH,
    NODE_UNIT,
    NODE_UNIT_PATH,
    SCRIPT,
    SCRIPT_PATH,
)
from ansible_collections.kubenode.network.plugins.module_utils._persist.contract import Configuration, Nic
from ansible_collections.kubenode.network.plugins.module_utils._persist.records import NODE
from ansible_collections.kubenode.network.plugins.module_utils._state import iproute2
from ansible_collections.kubenode.network.plugins.module_utils._state.files import read_file
from ansible_collections.kubenode.network.plugins.module_utils._state.model import FileState, State, StateError
from ansible_collections.kubenode.network.plugins.module_utils._state.system import systemd_runs_here

FOLDER = "/etc/kubenode-network/nic.d/"
NODE_PATH = "/etc/kubenode-network/node"
UNITS = "/etc/systemd/system/"
_NODE_WANTS = UNITS + "multi-user.target.wants/kubenode-network.service"


def configure(
    previous: t.Mapping[str, Nic], wanted: t.Mapping[str, Nic], _state: State, root: str = "/", _on_conflict: str = ""
) -> Configuration:
    """The files of the NICs of ``previous`` and ``wanted``; the units are there as long as one NIC has a file.

    Raises StateError where no systemd is installed.
    """
    goal: dict[str, FileState] = {}
    warnings: list[str] = []
    for name in sorted({*previous, *wanted}):
        goal.update(_of_nic(name, previous.get(name), wanted.get(name), warnings))
    others = {FOLDER + name for name in _names(root)}
    if os.path.exists(os.path.join(root, NODE_PATH[1:])):
        others.add(NODE_PATH)
    here = {path for path, file in goal.items() if path.startswith((FOLDER, NODE_PATH)) and file.text is not None}
    goal.update(_common(bool(here or others - goal.keys())))
    files = {path: file for path, file in goal.items() if not _same(file, read_file(path, root))}
    wants = {path: file for path, file in files.items() if file.text is not None}
    if wants and not os.path.isdir(os.path.join(root, UNITS[1:])):
        names = ", ".join(name or "rules and routes of no NIC" for name in sorted(wanted))
        raise StateError(
            f"{names}: nobody manages it, and there is no systemd on this node ({UNITS} is missing) that could set it "
            "up at the next boot: expected NetworkManager, systemd-networkd, netplan, ifupdown or systemd; with "
            "persist: false it is set in the kernel until then"
        )
    reload = (("systemctl", "daemon-reload"),) if files and root == "/" and systemd_runs_here() else ()
    kept = tuple(path for path in goal if path not in files and goal[path].text is not None)
    return Configuration(files, reload, reload, kept=kept, warnings=tuple(warnings))


def _of_nic(name: str, before: Nic | None, nic: Nic | None, warnings: list[str]) -> dict[str, FileState]:
    """Path -> file, of one NIC or of the node."""
    text = "" if nic is None else lines(nic, warnings)
    file = FileState(_head(name) + text if text else None)
    if name == NODE:
        return {NODE_PATH: file}
    files = {FOLDER + name: file}
    if name != "lo":
        # The node's own unit sets up the loopback, which has no device.
        files[_wants(name, f"kubenode-network@{escaped(name)}")] = _enabled(NIC_UNIT_PATH, NIC_UNIT, bool(text))
    # What a link stands on brings it back, whenever it appears.
    for one, there in ((before, False), (nic, True)):
        if one is not None and one.link is not None and one.link.kind and one.link.parent:
            path = _wants(one.link.parent, f"kubenode-network-link@{escaped(name)}")
            files[path] = _enabled(LINK_UNIT_PATH, LINK_UNIT, there)
    return files


def _wants(name: str, unit: str) -> str:
    """The link by which the device of a NIC starts a unit."""
    return f"{UNITS}sys-subsystem-net-devices-{escaped(name)}.device.wants/{unit}.service"


def lines(nic: Nic, warnings: list[str] | None = None) -> str:
    """What the file of a NIC says, without its head; empty where there is nothing to replay.

    ``make`` makes a link that is missing, ``on`` names the link that it stands on, ``port`` its master, ``sysctl`` is a
    kernel setting; ``ip`` and ``ip6`` are lines of `ip -batch` and `ip -6 -batch`.
    """
    found: list[str] = []
    link = nic.link
    if link is not None and link.kind:
        found += [f"make {line}" for line in iproute2.add_link(link._replace(master=None, up=link.up))]
        if link.parent:
            found.append(f"on {link.parent}")
    if link is not None and link.master:
        found.append(f"port {link.master}")
    batch: list[str] = []
    if link is not None and link.mac and not link.kind:
        batch.append(f"link set dev {nic.name} address {link.mac}")
    if nic.mtu is not None:
        batch.append(f"link set dev {nic.name} mtu {nic.mtu}")
    if nic.up is not None or nic.addresses or (nic.routes and nic.name != NODE):
        batch.append(f"link set dev {nic.name} {'down' if nic.up is False else 'up'}")
    for kind, values in (("address", nic.addresses), ("route", nic.routes), ("rule", nic.rules)):
        for value in t.cast("tuple[t.Any, ...]", values):
            try:
                # Of an address with a protocol the second form is for an iproute2 that knows none.
                batch += iproute2.add(kind, value)[-1:]
            except StateError as error:
                if warnings is None:
                    raise
                warnings.append(f"{error.message}; it does not come back at the next boot")
    plain, six = iproute2.split(batch)
    found += [f"ip {line}" for line in plain] + [f"ip6 {line}" for line in six]
    if found:
        found[:0] = [f"sysctl {key.translate(_SLASHES)} {value}" for key, value in nic.sysctls]
    return "".join(f"{line}\n" for line in found)


_SLASHES = str.maketrans("./", "/.")


def escaped(name: str) -> str:
    """A NIC's name as a part of the name of a unit (systemd.unit(5), "String Escaping for Inclusion in Unit Names")."""
    result = ""
    for position, byte in enumerate(name.encode()):
        letter = chr(byte)
        plain = (letter.isascii() and (letter.isalnum() or letter in ":_")) or (letter == "." and position > 0)
        result += letter if plain else f"\\x{byte:02x}"
    return result


def _head(name: str) -> str:
    what = f"interface {name}" if name != NODE else "what belongs to no interface"
    return f"# Written by kubenode.network for the next boot: {what}. Changes made here are lost.\n"


def _common(needed: bool) -> dict[str, FileState]:
    files = {
        SCRIPT_PATH: FileState(SCRIPT, 0o755),
        NODE_UNIT_PATH: FileState(NODE_UNIT),
        NIC_UNIT_PATH: FileState(NIC_UNIT),
        LINK_UNIT_PATH: FileState(LINK_UNIT),
        _NODE_WANTS: FileState(NODE_UNIT, link=NODE_UNIT_PATH),
    }
    return files if needed else dict.fromkeys(files, FileState(None))


def _enabled(unit: str, text: str, enabled: bool) -> FileState:
    return FileState(text, link=unit) if enabled else FileState(None)


def _same(wanted: FileState, found: FileState) -> bool:
    if wanted.text is None:
        return found.text is None and found.link is None
    if wanted.link is not None:
        # What it leads to is a file of its own in the answer.
        return wanted.link == found.link
    return (wanted.text, wanted.mode, None) == (found.text, found.mode, found.link)


def _names(root: str) -> list[str]:
    try:
        return [name for name in os.listdir(os.path.join(root, FOLDER[1:])) if not name.startswith(".")]
    except OSError:
        return []
