# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Interfaces as users write them -> InterfaceSpec. What only virtual links have is in options_kinds.py."""

from __future__ import annotations

import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._netlink.addr import parse_address
from ansible_collections.kubenode.network.plugins.module_utils._state import options_values as v
from ansible_collections.kubenode.network.plugins.module_utils._state.model import InterfaceSpec, IpSpec, StateError

KIND_KEYS = ("vlan", "bond", "bridge", "vrf", "macvlan")
INTERFACE_KEYS = frozenset(("name", "identifier", "mac_address", "type", "state", "mtu", "ipv4", "ipv6", *KIND_KEYS))
INTERFACE_ALIASES = {"mac-address": "mac_address", "mac-vlan": "macvlan"}
IP_KEYS = {
    "ipv4": frozenset(("enabled", "dhcp", "addresses", "auto_routes", "auto_gateway", "auto_dns")),
    "ipv6": frozenset(("enabled", "dhcp", "autoconf", "addresses", "auto_routes", "auto_gateway", "auto_dns")),
}
IP_ALIASES = {
    "address": "addresses", "auto-routes": "auto_routes", "auto-gateway": "auto_gateway", "auto-dns": "auto_dns",
}  # fmt: skip
_AUTOMATIC = ("dhcp", "autoconf", "auto_routes", "auto_gateway", "auto_dns")
ADDRESS_KEYS = frozenset(("ip", "prefix_length"))
ADDRESS_ALIASES = {"prefix-length": "prefix_length"}
TYPES = ("ethernet", "dummy", "vlan", "bond", "bridge", "vrf", "macvlan", "veth", "loopback")
TYPE_ALIASES = {"linux-bridge": "bridge", "mac-vlan": "macvlan"}
# Of these only the name, the NIC's identity and the type count; NMState ignores the rest alike.
_ABSENT_KEYS = frozenset(("name", "identifier", "mac_address", "type", "state"))


def parse_interfaces(value: t.Any, owner: str | None, origin: str, warn: v.Warnings) -> tuple[InterfaceSpec, ...]:
    """Interfaces in the order given; equal entries collapse, others of the same name are an error."""
    found: dict[str, InterfaceSpec] = {}
    for position, entry in enumerate(v.entries(value, origin)):
        spec = _interface(entry, owner, f"{origin}[{position}]", warn)
        other = found.setdefault(spec.name, spec)
        if other[2:] != spec[2:]:
            raise StateError(
                f"{spec.origin} contradicts {other.origin}: interface {spec.name} is listed twice with different "
                "content. Put it into one entry"
            )
    return tuple(found.values())


def profile_names(value: t.Any) -> frozenset[str]:
    """Names of entries that find their NIC by MAC address: routes and rules may use them, of any length."""
    if not isinstance(value, (list, tuple)):
        return frozenset()
    named = (entry for entry in value if isinstance(entry, dict) and entry.get("identifier") == "mac-address")
    return frozenset(entry["name"] for entry in named if isinstance(entry.get("name"), str))


def _interface(entry: v.Entry, owner: str | None, where: str, warn: v.Warnings) -> InterfaceSpec:
    entry = v.tidy(entry, INTERFACE_KEYS, INTERFACE_ALIASES, where)
    identifier = v.choice(entry.get("identifier", "name"), ("name", "mac-address"), f"{where}.identifier")
    profile = v.text(entry.get("name"), f"{where}.name", "the name of an interface")
    name = v.interface(profile, f"{where}.name", frozenset((profile,)) if identifier == "mac-address" else frozenset())
    mac = mac_address(entry["mac_address"], f"{where}.mac_address") if "mac_address" in entry else None
    if identifier == "mac-address" and mac is None:
        v.fail(f"{where}.mac_address", None, "the MAC address that identifier mac-address finds the NIC by")
    kind = entry.get("type")
    if kind is not None:
        kind = v.choice(TYPE_ALIASES.get(kind, kind) if isinstance(kind, str) else kind, TYPES, f"{where}.type")
    state = v.choice(entry["state"], ("up", "down", "absent"), f"{where}.state") if "state" in entry else None
    spec = InterfaceSpec(owner, where, name, identifier, mac, kind, state)
    if state == "absent":
        ignored = sorted(entry.keys() - _ABSENT_KEYS)
        if ignored:
            warn.append(f"{where}: state absent makes {', '.join(ignored)} meaningless")
        return spec
    mtu = None
    if "mtu" in entry:
        mtu = v.integer(entry["mtu"], 68, 65536, f"{where}.mtu", "bytes; RFC 791, and 65536 is the loopback's")
    ipv4 = _ip(entry["ipv4"], v.IPV4, f"{where}.ipv4", warn) if "ipv4" in entry else None
    ipv6 = _ip(entry["ipv6"], v.IPV6, f"{where}.ipv6", warn) if "ipv6" in entry else None
    if mtu is not None and mtu < 1280 and ipv6 is not None and (ipv6.enabled or ipv6.addresses):
        v.fail(f"{where}.mtu", entry["mtu"], "at least 1280 on an interface with IPv6 (RFC 8200 5)")
    spec = spec._replace(mtu=mtu, ipv4=ipv4, ipv6=ipv6)
    if not entry.keys().isdisjoint(KIND_KEYS):
        from ansible_collections.kubenode.network.plugins.module_utils._state import options_kinds

        return options_kinds.with_kind(spec, {key: entry[key] for key in KIND_KEYS if key in entry})
    return spec


def mac_address(value: t.Any, where: str) -> str:
    """Six octets with ':' or '-', of one station (IEEE 802: the lowest bit of the first octet is the group bit)."""
    mac = value.lower().replace("-", ":") if isinstance(value, str) else ""
    octets = mac.split(":")
    if len(octets) != 6 or not all(len(octet) == 2 and set(octet) <= set("0123456789abcdef") for octet in octets):
        v.fail(where, value, "a MAC address such as 52:54:00:12:34:56", "Quote it: YAML reads some as numbers")
    if int(octets[0], 16) & 1 or mac == "00:00:00:00:00:00":
        v.fail(where, value, "the MAC address of one NIC, not a group's and not all zero")
    return mac


def _ip(value: t.Any, family: int, where: str, warn: v.Warnings) -> IpSpec:
    keys = IP_KEYS["ipv4" if family == v.IPV4 else "ipv6"]
    entry = v.tidy(v.mapping(value, where), keys, IP_ALIASES, where)
    enabled = v.boolean(entry["enabled"], f"{where}.enabled") if "enabled" in entry else None
    automatic: dict[str, t.Any] = {key: v.boolean(entry[key], f"{where}.{key}") for key in _AUTOMATIC if key in entry}
    if enabled is False and (automatic.get("dhcp") or automatic.get("autoconf")):
        v.fail(f"{where}.dhcp", True, "false where enabled is false: a lease is an address")
    if "addresses" not in entry:
        return IpSpec(enabled, **automatic)
    addresses: dict[str, int] = {}
    for position, item in enumerate(v.entries(entry["addresses"], f"{where}.addresses")):
        address, length = _address(item, family, f"{where}.addresses[{position}]", warn)
        if addresses.setdefault(address, length) != length:
            raise StateError(
                f"{where}.addresses[{position}] contradicts an earlier entry: {address} has prefix length "
                f"{addresses[address]} and {length}. Take one of the two out"
            )
    if addresses and enabled is False:
        v.fail(f"{where}.addresses", list(addresses), "no addresses where enabled is false")
    return IpSpec(enabled, tuple(sorted(addresses.items())), **automatic)


def _address(item: v.Entry, family: int, where: str, warn: v.Warnings) -> tuple[str, int]:
    item = v.tidy(item, ADDRESS_KEYS, ADDRESS_ALIASES, where)
    given = item.get("ip")
    if isinstance(given, str) and "/" in given:
        v.fail(f"{where}.ip", given, "an address alone", "Its prefix length goes into prefix_length")
    address = v.unicast_address(given, f"{where}.ip", family, f"this is ip{'v6' if family == v.IPV6 else 'v4'}")[1]
    bits = 32 if family == v.IPV4 else 128
    if "prefix_length" not in item:
        v.fail(f"{where}.prefix_length", None, f"a number from 1 to {bits}")
    at = f"{where}.prefix_length"
    length = v.integer(item["prefix_length"], 1, bits, at, "0 would put the whole world on this link")
    if length < bits - 1:
        host = int.from_bytes(parse_address(address)[1], "big") & ((1 << (bits - length)) - 1)
        if host == 0 or (family == v.IPV4 and host == (1 << (bits - length)) - 1):
            # RFC 4291 2.6.1: in IPv6 the lowest is the routers' anycast address.
            warn.append(f"{where}.ip: {address}/{length} is the network's own or broadcast address, not a host's")
    return address, length
