# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What VLANs, bonds, bridges, VRFs and macvlans have besides addresses, in the terms of ``Link.data``."""

from __future__ import annotations

import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._state import options_values as v
from ansible_collections.kubenode.network.plugins.module_utils._state.model import InterfaceSpec

KIND_OPTIONS: dict[str, frozenset[str]] = {
    "vlan": frozenset(("base_iface", "id", "protocol")),
    "bond": frozenset(("mode", "port", "options")),
    "bridge": frozenset(("port", "options")),
    "vrf": frozenset(("port", "table")),
    "macvlan": frozenset(("base_iface", "mode")),
}
KIND_ALIASES = {
    "base-iface": "base_iface", "ports": "port", "table-id": "table", "table_id": "table",
    "route-table-id": "table", "route_table_id": "table",
}  # fmt: skip

BOND_MODES = ("balance-rr", "active-backup", "balance-xor", "broadcast", "802.3ad", "balance-tlb", "balance-alb")
# Number ranges and words of Documentation/networking/bonding.rst; words also by their number, as in NMState.
BOND_OPTIONS: dict[str, t.Any] = {
    "miimon": (0, 0x7FFFFFFF), "updelay": (0, 0x7FFFFFFF), "downdelay": (0, 0x7FFFFFFF),
    "arp_interval": (0, 0x7FFFFFFF), "min_links": (0, 0x7FFFFFFF), "primary": "interface",
    "primary_reselect": ("always", "better", "failure"), "fail_over_mac": ("none", "active", "follow"),
    "lacp_rate": ("slow", "fast"), "ad_select": ("stable", "bandwidth", "count"),
    "xmit_hash_policy": ("layer2", "layer3+4", "layer2+3", "encap2+3", "encap3+4", "vlan+srcmac"),
}  # fmt: skip
# Seconds here, 1/100 s in the kernel (USER_HZ); ranges of IEEE 802.1D and net/bridge/br_stp.c.
BRIDGE_TIMES = {"forward_delay": (2, 30), "hello_time": (1, 10), "max_age": (6, 40), "ageing_time": (0, 1000000)}
BRIDGE_OPTIONS = frozenset((*BRIDGE_TIMES, "stp", "priority", "vlan_filtering", "multicast_snooping"))
MACVLAN_MODES = ("private", "vepa", "bridge", "passthru", "source")


def with_kind(spec: InterfaceSpec, kinds: v.Entry) -> InterfaceSpec:
    """The interface with its type, parent, ports and data from the one of ``kinds`` it may have."""
    if len(kinds) > 1:
        v.fail(spec.origin, sorted(kinds), "one of them: an interface has one type")
    ((kind, value),) = kinds.items()
    where = f"{spec.origin}.{kind}"
    if spec.type not in (None, kind):
        v.fail(where, value, f"no {kind} options on an interface of type {spec.type}")
    entry = v.tidy(v.mapping(value, where), KIND_OPTIONS[kind], KIND_ALIASES, where)
    parent = v.interface(entry["base_iface"], f"{where}.base_iface") if "base_iface" in entry else None
    if parent == spec.name:
        v.fail(f"{where}.base_iface", parent, "another interface than the one it is the base of")
    ports = _ports(entry["port"], f"{where}.port", spec.name) if "port" in entry else None
    data = _DATA[kind](entry, where)
    return spec._replace(type=kind, parent=parent, ports=ports, data=tuple(sorted(data.items())))


def _ports(value: t.Any, where: str, name: str) -> tuple[str, ...]:
    ports = [
        v.interface(port, f"{where}[{i}]") for i, port in enumerate(v.strings(value, where, "the name of an interface"))
    ]
    if name in ports or len(set(ports)) != len(ports):
        v.fail(where, value, "each interface once, and not the one they are ports of")
    return tuple(sorted(ports))


def _need(entry: v.Entry, key: str, where: str, expected: str) -> t.Any:
    if key not in entry:
        v.fail(f"{where}.{key}", None, expected)
    return entry[key]


def _vlan(entry: v.Entry, where: str) -> v.Entry:
    _need(entry, "base_iface", where, "the interface that carries the VLAN")
    number = v.integer(
        _need(entry, "id", where, "1 to 4094"), 1, 4094, f"{where}.id", "IEEE 802.1Q; 0 and 4095 are reserved"
    )
    protocol = v.choice(entry.get("protocol", "802.1q"), ("802.1q", "802.1ad"), f"{where}.protocol")
    return {"id": number, "protocol": protocol}


def _vrf(entry: v.Entry, where: str) -> v.Entry:
    given = _need(entry, "table", where, "the id of the VRF's routing table")
    table = v.table(given, f"{where}.table")
    if table in (None, 253, 254, 255):
        v.fail(f"{where}.table", given, "a table of the VRF's own (not main, default or local)")
    return {"table": table}


def _macvlan(entry: v.Entry, where: str) -> v.Entry:
    _need(entry, "base_iface", where, "the interface it stands on")
    mode = entry.get("mode", "bridge")
    return {"mode": v.choice("passthru" if mode == "passthrough" else mode, MACVLAN_MODES, f"{where}.mode")}


def _bond(entry: v.Entry, where: str) -> v.Entry:
    data: v.Entry = {}
    if "mode" in entry:
        data["mode"] = _word(entry["mode"], BOND_MODES, f"{where}.mode")
    options = v.mapping(entry.get("options", {}), f"{where}.options")
    names = {name.replace("_", "-"): name for name in BOND_OPTIONS}
    for key, value in v.tidy(options, BOND_OPTIONS.keys(), names, f"{where}.options").items():
        kind, at = BOND_OPTIONS[key], f"{where}.options.{key}"
        if kind == "interface":
            data[key] = v.interface(value, at)
        elif isinstance(kind[0], int):
            data[key] = v.integer(value, kind[0], kind[1], at)
        else:
            data[key] = _word(value, kind, at)
    if data.get("miimon") and data.get("arp_interval"):
        v.fail(f"{where}.options.arp_interval", options.get("arp_interval"), "miimon or arp_interval, not both")
    return data


def _word(value: t.Any, words: tuple[str, ...], where: str) -> str:
    """A word, or its number as the kernel counts them."""
    if isinstance(value, bool) or str(value) not in map(str, range(len(words))):
        return v.choice(value, words, where)
    return words[int(value)]


def _bridge(entry: v.Entry, where: str) -> v.Entry:
    options = v.mapping(entry.get("options", {}), f"{where}.options")
    names = {name.replace("_", "-"): name for name in BRIDGE_OPTIONS}
    data: v.Entry = {}
    for key, value in v.tidy(options, BRIDGE_OPTIONS, names, f"{where}.options").items():
        at = f"{where}.options.{key}"
        if key in BRIDGE_TIMES:
            data[key] = 100 * v.integer(value, *BRIDGE_TIMES[key], at, "seconds")
        elif key == "priority":
            data[key] = v.integer(value, 0, 65535, at)
        else:
            data["stp_state" if key == "stp" else key] = int(v.boolean(value, at))
    return data


_DATA: dict[str, t.Callable[[v.Entry, str], v.Entry]] = {
    "vlan": _vlan, "vrf": _vrf, "macvlan": _macvlan, "bond": _bond, "bridge": _bridge,
}  # fmt: skip
