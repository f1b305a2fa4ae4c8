# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Creating, changing and deleting links, by pyroute2: rare, and with many attributes.

``data`` speaks the language of ``Link.data`` (links.py), so what was read can be asked for again.
"""

from __future__ import annotations

import errno
import os
import socket
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._netlink import _pyroute2_dep
from ansible_collections.kubenode.network.plugins.module_utils._netlink.links import KIND_DATA
from ansible_collections.kubenode.network.plugins.module_utils._netlink.sock import NetlinkError

# pyroute2 takes IFLA_BOND_MODE as bond_mode, IFLA_BR_MCAST_SNOOPING as br_mcast_snooping ...
_PREFIXES = {"vlan": "vlan", "vrf": "vrf", "macvlan": "macvlan", "bond": "bond", "bridge": "br"}
_SPELLINGS = {"lacp_rate": "ad_lacp_rate", "multicast_snooping": "mcast_snooping"}

KINDS = ("vlan", "bond", "bridge", "vrf", "macvlan", "dummy")
_NEEDS = {"vlan": "id", "vrf": "table"}
_NEEDS_PARENT = ("vlan", "macvlan")

# Options that the kernel changes on a link that exists: the changelink operations of drivers/net/{macvlan,vrf}.c,
# net/8021q/vlan_netlink.c, drivers/net/bonding/bond_netlink.c and net/bridge/br_netlink.c. A bond's mode only without
# members and down; everything else needs the link to be made anew.
CHANGEABLE: dict[str, frozenset[str]] = {
    "macvlan": frozenset(("mode",)),
    "bond": frozenset(name for name, _layout, _words in KIND_DATA["bond"].values()),
    "bridge": frozenset(name for name, _layout, _words in KIND_DATA["bridge"].values()),
}


def create_link(
    name: str,
    kind: str,
    data: t.Mapping[str, t.Any],
    parent: str | None = None,
    mtu: int | None = None,
    mac: str | None = None,
) -> None:
    """Create a link, down. ``parent`` is the name of a VLAN's or macvlan's lower device.

    Raises ValueError for what makes no sense, NetlinkError as the kernel refuses, MissingPyroute2.
    """
    if kind not in KINDS:
        raise ValueError(f"link {name}: kind {kind!r} cannot be created; those that can are {', '.join(KINDS)}")
    if _NEEDS.get(kind, "") not in ("", *data):
        raise ValueError(f"link {name}: a {kind} needs {_NEEDS[kind]!r}")
    if kind in _NEEDS_PARENT and parent is None:
        raise ValueError(f"link {name}: a {kind} needs the interface it is on")
    request = {"ifname": name, "kind": kind, **_request(name, kind, data)}
    if parent is not None:
        request["link"] = _index(parent)
    if mtu is not None:
        request["mtu"] = mtu
    if mac is not None:
        request["address"] = mac
    _link(name, kind, "add", request)


def change_link(name: str, kind: str, data: t.Mapping[str, t.Any]) -> None:
    """Change options of a link in place. Raises as create_link; ValueError for what cannot be changed so."""
    fixed = sorted(set(data) - CHANGEABLE.get(kind, frozenset()))
    if fixed:
        raise ValueError(f"link {name}: {', '.join(fixed)} of a {kind} cannot be changed, it has to be made anew")
    _link(name, kind, "set", {"index": _index(name), "kind": kind, **_request(name, kind, data)})


def delete_link(index: int) -> None:
    """Delete a link by its index, with everything that lies on it. Raises NetlinkError, MissingPyroute2."""
    _link(f"with index {index}", "", "del", {"index": index})


def _request(name: str, kind: str, data: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    fields = {field: (layout, words) for field, layout, words in KIND_DATA.get(kind, {}).values()}
    request = {}
    for option, value in data.items():
        # pyroute2 would take unknown options in silence.
        if option not in fields:
            known = ", ".join(sorted(fields)) or "none"
            raise ValueError(f"link {name}: a {kind} has no option {option!r}; options are: {known}")
        layout, words = fields[option]
        if layout == "L":
            value = _index(value) if value else 0
        elif words and not isinstance(value, int):
            numbers = {word: number for number, word in words.items()}
            if value not in numbers:
                raise ValueError(f"link {name}: {option} must be one of {', '.join(numbers)}, not {value!r}")
            value = numbers[value]
        request[f"{_PREFIXES[kind]}_{_SPELLINGS.get(option, option)}"] = value
    return request


def _index(name: str) -> int:
    try:
        return socket.if_nametoindex(name)
    except OSError:
        raise NetlinkError(errno.ENODEV, f"there is no interface {name!r}") from None


def _link(name: str, kind: str, command: str, request: dict[str, t.Any]) -> None:
    pyroute2 = _pyroute2_dep.load()
    try:
        with pyroute2.IPRoute(ext_ack=True) as ipr:
            ipr.link(command, **request)
    except pyroute2.NetlinkError as error:
        number = int(error.code)
        # pyroute2 gives the kernel's own words behind the number, strerror's where it got none.
        words = str(error.args[1]) if len(error.args) > 1 and error.args[1] else os.strerror(number)
        if command == "add" and number == errno.EOPNOTSUPP:
            if words.startswith("Unknown device type"):
                words = f"this kernel has no link kind {kind!r} (no such module is built in or can be loaded)"
            else:
                words = f"this kernel has no link kind {kind!r}, or not one of the options asked for ({words})"
        raise NetlinkError(number, f"link {name}: {words}", object=name) from None
