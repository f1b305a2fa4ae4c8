# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which manager owns a NIC right now. Reads small files below ``root`` and runs nothing.

What a manager wrote about a NIC counts only while the manager runs (its files outlive it): that is looked up in its
control group and, where there is none, among the processes of our own mount namespace.
"""

from __future__ import annotations

import os
import re
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._netlink.objects import Link

NETWORK_MANAGER = "NetworkManager"
NETWORKD = "systemd-networkd"
IFUPDOWN = "ifupdown"
BOTH = " and "
"""Between the two daemons that claim one NIC."""


def managers(links: t.Mapping[str, Link], root: str = "/") -> dict[str, str]:
    """Interface -> manager that configures it: NetworkManager, systemd-networkd, ``netplan (either)`` or ifupdown.

    Interfaces that nobody configures are not in the answer; nor are those that NetworkManager merely watches
    ("connected (externally)") or that a manager is told to leave alone. Three ``stat`` calls where no manager ever was.
    """
    result: dict[str, str] = {}
    folder = os.path.join(root, "run/network")
    if os.path.isdir(folder):
        result.update((name, IFUPDOWN) for name in _ifupdown(folder, root) if name in links and name != "lo")
    folder = os.path.join(root, "run/systemd/netif/links")
    if os.path.isdir(folder):
        found = {name: _networkd(_text(folder, str(link.index))) for name, link in links.items()}
        if any(found.values()) and _runs("systemd-networkd", "systemd-network", root):
            result.update((name, manager) for name, manager in found.items() if manager)
    folder = os.path.join(root, "run/NetworkManager/devices")
    if os.path.isdir(folder):
        states = {
            name: _network_manager(_text(folder, str(link.index))) for name, link in links.items() if name != "lo"
        }
        devices = {name: uuid for name, uuid in states.items() if uuid is not None}
        if devices and _runs("NetworkManager", "NetworkManager", root):
            for name, manager in _by_profile(devices, root):
                other = result.get(name, IFUPDOWN)
                result[name] = manager if other == IFUPDOWN else f"{manager}{BOTH}{other}"
    return result


def comes_back(manager: str, root: str = "/") -> bool:
    """Whether a manager that does not run now is started at the next boot: its NICs are still its own."""
    program = re.sub(r"^netplan \((.*)\)$", r"\1", manager)
    if program not in (NETWORK_MANAGER, NETWORKD):
        return False
    folder = os.path.join(root, "etc/systemd/system")
    return any(
        os.path.lexists(os.path.join(folder, wants, f"{program}.service"))
        for wants in _entries(folder)
        if wants.endswith(".wants")
    )


def _networkd(text: str) -> str | None:
    """The manager by networkd's state file of a link: a .network file applies to it and does not say Unmanaged=yes."""
    values = dict(re.findall(r"^(ADMIN_STATE|NETWORK_FILE)=(.*)$", text, re.MULTILINE))
    state, source = values.get("ADMIN_STATE", "unmanaged"), values.get("NETWORK_FILE", "")
    # NETWORK_FILE is there in every state file of systemd 249 and later once a file applies.
    if state == "unmanaged" or not (source or state in ("configuring", "configured", "failed")):
        return None
    return f"netplan ({NETWORKD})" if os.path.basename(source).startswith("10-netplan-") else NETWORKD


def _network_manager(text: str) -> str | None:
    """The UUID of the active profile by NetworkManager's state file of a device.

    The empty string while it has none (disconnected or connecting), None where the device is left alone.
    """
    values = dict(re.findall(r"^(managed|connection-uuid)[ ]*=[ ]*(.*?)[ ]*$", text, re.MULTILINE))
    return values.get("connection-uuid", "") if values.get("managed") in ("true", "1") else None


def _by_profile(devices: t.Mapping[str, str], root: str) -> t.Iterator[tuple[str, str]]:
    """(interface, manager) of the devices whose profile is not one of "connected (externally)"."""
    folder = os.path.join(root, "run/NetworkManager/system-connections")
    profiles = {name: _text(folder, name) for name in _entries(folder)}
    external: set[str | None] = set()
    netplan: set[str | None] = set()
    for name, text in profiles.items():
        values = dict(re.findall(r"^([a-z-]+)=(.*)$", text, re.MULTILINE))
        # What is merely found on a device gets a generated, volatile profile, which newer versions also call external.
        if values.get("external") == "true" or values.get("nm-generated") == values.get("volatile") == "true":
            external.add(values.get("uuid"))
        elif name.startswith("netplan-"):
            # netplan's profiles have no uuid= of their own; NetworkManager derives one from the file's name.
            netplan.update((values.get("uuid"), values.get("interface-name")))
    for name, uuid in devices.items():
        if uuid not in external:
            yield name, f"netplan ({NETWORK_MANAGER})" if {uuid, name} & netplan else NETWORK_MANAGER


def _entries(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _ifupdown(folder: str, root: str) -> list[str]:
    """Interfaces that ifup configured (``eth0=eth0`` per line), while the program is there."""
    if not any(os.path.exists(os.path.join(root, place)) for place in ("sbin/ifup", "usr/sbin/ifup")):
        return []
    return re.findall(r"^([^=\s]+)=", _text(folder, "ifstate"), re.MULTILINE)


def _runs(unit: str, process: str, root: str) -> bool:
    """Whether a daemon runs: by the control group of its unit, else by name (``comm`` has 15 characters)."""
    for hierarchy in ("", "systemd/", "unified/"):
        if os.path.isdir(os.path.join(root, f"sys/fs/cgroup/{hierarchy}system.slice/{unit}.service")):
            return True
    processes = os.path.join(root, "proc")
    ours = _namespace(processes, "self")
    return any(
        _text(processes, name + "/comm").strip() == process and _namespace(processes, name) in (ours, "")
        for name in _entries(processes)
        if name.isdigit()
    )


def _namespace(processes: str, name: str) -> str:
    try:
        return os.readlink(os.path.join(processes, name, "ns/mnt"))
    except OSError:
        return ""


def _text(folder: str, name: str) -> str:
    try:
        with open(os.path.join(folder, name), encoding="utf-8", errors="replace") as stream:
            return stream.read()
    except OSError:
        return ""
