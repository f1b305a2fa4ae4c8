# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""systemd-networkd's files: sections as they stand, ours from what is wanted, and what others say in theirs. Pure.

Sources: systemd.network(5), systemd.syntax(7), and for what is left out network/networkd-route.c,
networkd-routing-policy-rule.c and networkd-address.c of systemd 252.
"""

from __future__ import annotations

import typing as t
from socket import inet_ntop

from ansible_collections.kubenode.network.plugins.module_utils._netlink.addr import (
    canonical_address,
    canonical_prefix,
    parse_address,
    parse_prefix,
)
from ansible_collections.kubenode.network.plugins.module_utils._netlink.constants import IFA_F_NOPREFIXROUTE, RTAX_MTU
from ansible_collections.kubenode.network.plugins.module_utils._netlink.objects import Address, NextHop, Route, Rule
from ansible_collections.kubenode.network.plugins.module_utils._persist.contract import Dhcp, Nic
from ansible_collections.kubenode.network.plugins.module_utils._state.model import StateError

AF_INET = 2
_STATIC = 4
_SCOPES = {0: "global", 200: "site", 253: "link", 254: "host", 255: "nowhere"}
_TABLES = {"default": 253, "main": 254, "local": 255}
_ROUTE_TYPES = frozenset(("unicast", "blackhole", "unreachable", "prohibit"))
_RULE_ACTIONS = {"lookup": "table", "blackhole": "blackhole", "unreachable": "unreachable", "prohibit": "prohibit"}
_IP_PROTOCOLS = {"icmp": 1, "tcp": 6, "udp": 17, "ipv6-icmp": 58, "sctp": 132}
YES = frozenset(("1", "yes", "y", "true", "t", "on"))


class Section(t.NamedTuple):
    name: str
    first: int
    """Number of the line with its name, from 0."""
    entries: tuple[tuple[int, str, str], ...]
    """(line, key, value)"""


def sections(text: str) -> list[Section]:
    """The sections of a file in order; comments, empty lines and what stands before the first are left out."""
    found: list[tuple[str, int, list[tuple[int, str, str]]]] = []
    lines = text.split("\n")
    number = 0
    while number < len(lines):
        start, line = number, lines[number].strip()
        while line.endswith("\\") and number + 1 < len(lines):
            number += 1
            line = line[:-1].rstrip() + " " + lines[number].strip()
        number += 1
        if line.startswith("[") and line.endswith("]"):
            found.append((line[1:-1], start, []))
        elif line and line[0] not in "#;" and "=" in line and found:
            key, _equals, value = line.partition("=")
            found[-1][2].append((start, key.strip(), value.strip()))
    return [Section(name, first, tuple(entries)) for name, first, entries in found]


def values(found: t.Iterable[Section], section: str, key: str) -> list[str]:
    """All values of a key, over all sections of that name; an empty one clears those before it."""
    result: list[str] = []
    for one in found:
        for _line, name, value in one.entries if one.name == section else ():
            if name == key:
                result = [*result, value] if value else []
    return result


def one_nic(found: t.Iterable[Section], name: str) -> bool:
    """Whether a file can apply to no other NIC than ``name``."""
    names = " ".join(values(found, "Match", "Name")).split()
    macs = " ".join(values(found, "Match", "MACAddress") + values(found, "Match", "PermanentMACAddress")).split()
    return names == [name] or (len(macs) == 1 and not names)


# --- what others say -------------------------------------------------------------------------------------------------


class Said(t.NamedTuple):
    """An object that a file declares, and where."""

    kind: str
    value: t.Any
    path: str
    where: str
    """Section and key, for messages."""
    lines: tuple[int, int]
    """The lines (first, one after the last) that say it and nothing else."""


def said(text: str, path: str, name: str) -> list[Said]:
    """Addresses, routes and rules that a file declares for the NIC ``name``, as far as we have words for them."""
    found: list[Said] = []
    parts = sections(text)
    total = len(text.rstrip("\n").split("\n"))
    for number, part in enumerate(parts):
        end = parts[number + 1].first if number + 1 < len(parts) else total
        try:
            if part.name == "Network":
                for line, key, value in part.entries:
                    if key == "Address" and value:
                        found.append(
                            Said("address", _address(value, name), path, "[Network] Address", (line, line + 1))
                        )
                    elif key == "Gateway" and value and not value.startswith("_"):
                        route = _route({"Gateway": value}, name)
                        found.append(Said("route", route, path, "[Network] Gateway", (line, line + 1)))
                continue
            entries = {key: value for _line, key, value in part.entries}
            if part.name == "Address" and "Address" in entries:
                address = _address(entries["Address"], name)
                found.append(Said("address", address, path, "[Address] Address", (part.first, end)))
            elif part.name == "Route" and "MultiPathRoute" not in entries:
                found.append(Said("route", _route(entries, name), path, "[Route]", (part.first, end)))
            elif part.name == "RoutingPolicyRule":
                found += [
                    Said("rule", rule, path, "[RoutingPolicyRule]", (part.first, end)) for rule in _rules(entries)
                ]
        except (ValueError, KeyError):
            # What networkd would ignore with a warning, or words that we do not know.
            continue
    return found


def without(text: str, gone: t.Iterable[tuple[int, int]]) -> str:
    """The text without some of its lines; where its end goes, so do the empty lines before."""
    dropped = {line for first, end in gone for line in range(first, end)}
    lines = text.split("\n")
    last = max((number for number, line in enumerate(lines) if line), default=-1)
    left = "\n".join(line for number, line in enumerate(lines) if number not in dropped)
    return left.rstrip("\n") + "\n" if last in dropped and left.strip("\n") else left


def _address(value: str, name: str) -> Address:
    text, _slash, length = value.partition("/")
    family, raw = parse_address(text)
    return Address(name, family, canonical_address(text), int(length) if length else len(raw) * 8)


def _prefix(value: str) -> tuple[int, str]:
    return parse_prefix(value).family, canonical_prefix(value)


def _number(value: str) -> int:
    return int(value, 0)


def _table(value: str) -> int:
    return _TABLES[value] if value in _TABLES else _number(value)


def _route(entries: t.Mapping[str, str], name: str) -> Route:
    # Gateway=_dhcp4 is no address, and so a ValueError.
    gateway = canonical_address(entries["Gateway"]) if entries.get("Gateway") else None
    destination = entries.get("Destination")
    if destination:
        family, destination = _prefix(destination)
    else:
        family = parse_address(gateway or entries["PreferredSource"])[0]
        destination = "0.0.0.0/0" if family == AF_INET else "::/0"
    kind = entries.get("Type", "unicast")
    hops = (NextHop(name, gateway, on_link=entries.get("GatewayOnLink", "no").lower() in YES),)
    metric = _number(entries.get("Metric", "0"))
    return Route(
        family,
        _table(entries.get("Table", "main")),
        destination,
        metric or (0 if family == AF_INET else 1024),
        hops if kind == "unicast" else (),
        kind,
        source=entries.get("PreferredSource") or None,
        metrics=((RTAX_MTU, _number(entries["MTUBytes"])),) if entries.get("MTUBytes") else (),
    )


def _rules(entries: t.Mapping[str, str]) -> list[Rule]:
    source = _prefix(entries["From"]) if entries.get("From") else None
    destination = _prefix(entries["To"]) if entries.get("To") else None
    mark, _slash, mask = entries.get("FirewallMark", "").partition("/")
    rule = Rule(
        AF_INET,
        _number(entries.get("Priority", "0")),
        entries.get("Type", "table"),
        _table(entries.get("Table", "main")),
        source[1] if source else None,
        destination[1] if destination else None,
        _number(entries.get("TypeOfService", "0")),
        _number(mark or "0"),
        _number(mask) if mask else 0xFFFFFFFF if mark else 0,
        entries.get("IncomingInterface") or None,
        entries.get("OutgoingInterface") or None,
        _IP_PROTOCOLS.get(entries.get("IPProtocol", ""), 0),
        _range(entries.get("SourcePort")),
        _range(entries.get("DestinationPort")),
        _range(entries.get("User")),
        entries.get("InvertRule", "no").lower() in YES,
        suppress_prefix_length=_number(entries["SuppressPrefixLength"]) if "SuppressPrefixLength" in entries else None,
    )
    rule = rule._replace(action="lookup" if rule.action == "table" else rule.action)
    if rule.action != "lookup":
        rule = rule._replace(table=0)
    given = source or destination
    family = entries.get("Family", "")
    families = [given[0]] if given else {"ipv6": [10], "both": [AF_INET, 10]}.get(family, [AF_INET])
    return [rule._replace(family=one) for one in families]


def _range(value: str | None) -> tuple[int, int] | None:
    if not value:
        return None
    low, _dash, high = value.partition("-")
    return (int(low), int(high or low))


# --- ours ------------------------------------------------------------------------------------------------------------


def expressible(kind: str, value: t.Any) -> bool:
    """Whether a .network file can say all there is to the object."""
    if kind == "address":
        return value.peer is None and not value.label and value.scope in (0, 254)
    if kind == "rule":
        return (
            value.action in _RULE_ACTIONS
            and value.protocol in (_STATIC, 157)
            and not (value.l3mdev or value.tun_id or value.extra or value.suppress_ifgroup is not None)
            and (not value.ip_protocol or value.ip_protocol in _IP_PROTOCOLS.values())
            and (value.uid_range is None)
        )
    return (
        value.type in _ROUTE_TYPES
        and len(value.next_hops) <= 1
        and not (value.tos or value.source_prefix or value.nexthop_id is not None or value.extra)
        and all(number == RTAX_MTU for number, _value in value.metrics)
        and not any(hop.encap for hop in value.next_hops)
    )


def ours(nic: Nic, dhcp_now: t.Sequence[str]) -> str:
    """The sections that say what is wanted; ``dhcp_now`` are the values of DHCP= that others give."""
    link = {"MTUBytes": [str(nic.mtu)] if nic.mtu is not None else []}
    if nic.up is False:
        link["ActivationPolicy"] = ["down"]
    network: dict[str, list[str]] = {}
    accept: dict[str, list[str]] = {}
    dhcp4: dict[str, list[str]] = {}
    dhcp6: dict[str, list[str]] = {}
    _dhcp(nic, dhcp_now, network, dhcp4, dhcp6, accept)
    if nic.resolver is not None:
        if nic.resolver.options:
            raise StateError(
                f"interface {nic.name}: options of the resolver ({' '.join(nic.resolver.options)}): systemd-networkd "
                "has none for one NIC; declare them for the whole node (without interface)"
            )
        if nic.resolver.servers is not None:
            # An empty value first: what others say before does not count.
            network["DNS"] = ["", *nic.resolver.servers]
        if nic.resolver.search is not None:
            network["Domains"] = ["", " ".join(nic.resolver.search)] if nic.resolver.search else [""]
    parts = [
        _section("Link", link), _section("Network", network), _section("DHCPv4", dhcp4), _section("DHCPv6", dhcp6),
        _section("IPv6AcceptRA", accept),
    ]  # fmt: skip
    parts += [
        _section("Address", {"Address": [f"{address.address}/{address.prefix_length}"], **_address_more(address)})
        for address in nic.addresses
    ]
    parts += [_section("Route", _route_entries(route)) for route in nic.routes]
    parts += [_section("RoutingPolicyRule", _rule_entries(rule)) for rule in nic.rules]
    return "\n".join(part for part in parts if part)


def _section(name: str, entries: t.Mapping[str, t.Sequence[str]]) -> str:
    lines = [f"{key}={value}\n" for key, found in entries.items() for value in found]
    return f"[{name}]\n" + "".join(lines) if lines else ""


def _dhcp(
    nic: Nic, now: t.Sequence[str], network: dict[str, list[str]], four: dict[str, list[str]],
    six: dict[str, list[str]], accept: dict[str, list[str]],
) -> None:  # fmt: skip
    value = now[-1].lower() if now else "no"
    has = {AF_INET: value in YES | {"both", "v4", "ipv4"}, 10: value in YES | {"both", "v6", "ipv6"}}
    for family, dhcp in ((AF_INET, nic.dhcp4), (10, nic.dhcp6)):
        if dhcp is not None and dhcp.enabled is not None:
            has[family] = dhcp.enabled
            network["DHCP"] = []
    if "DHCP" in network:
        network["DHCP"] = [{(True, True): "yes", (True, False): "ipv4", (False, True): "ipv6"}.get(
            (has[AF_INET], has[10]), "no")]  # fmt: skip
    if nic.dhcp4 is not None:
        _taken(nic.dhcp4, four, "UseRoutes", "UseGateway", "UseDNS")
    if nic.dhcp6 is None:
        return
    if nic.dhcp6.enabled is False:
        accept["DHCPv6Client"] = ["no"]
    if nic.dhcp6.autoconf is True or nic.dhcp6.enabled is True:
        network["IPv6AcceptRA"] = ["yes"]
    if nic.dhcp6.autoconf is not None:
        accept["UseAutonomousPrefix"] = ["yes" if nic.dhcp6.autoconf else "no"]
    _taken(nic.dhcp6, accept, "UseRoutePrefix", "UseGateway", "UseDNS")
    if not nic.dhcp6.dns:
        six["UseDNS"] = ["no"]


def _taken(dhcp: Dhcp, entries: dict[str, list[str]], routes: str, gateway: str, dns: str) -> None:
    if not dhcp.routes:
        entries[routes] = ["no"]
        if routes == "UseRoutes" and dhcp.gateway:
            # It follows UseRoutes= where nothing is said.
            entries[gateway] = ["yes"]
    if not dhcp.gateway:
        entries[gateway] = ["no"]
    if not dhcp.dns:
        entries[dns] = ["no"]


def usual_broadcast(address: Address) -> str | None:
    """The broadcast address that networkd gives an address where nothing is said of it.

    networkd 252 asks thousands of times a second for an address that the kernel holds with another one, until it fails.
    """
    if address.family != AF_INET or address.prefix_length > 30:
        return None
    whole = int.from_bytes(parse_address(address.address)[1], "big") | ((1 << (32 - address.prefix_length)) - 1)
    return inet_ntop(AF_INET, whole.to_bytes(4, "big"))


def _address_more(address: Address) -> dict[str, list[str]]:
    entries: dict[str, list[str]] = {}
    if address.family == AF_INET and address.broadcast != usual_broadcast(address):
        entries["Broadcast"] = [address.broadcast or "no"]
    if address.scope == 254:
        entries["Scope"] = ["host"]
    if address.route_metric:
        entries["RouteMetric"] = [str(address.route_metric)]
    if address.flags & IFA_F_NOPREFIXROUTE:
        entries["AddPrefixRoute"] = ["no"]
    return entries


def _route_entries(route: Route) -> dict[str, list[str]]:
    entries = {"Destination": [route.destination]}
    hop = route.next_hops[0] if route.next_hops else NextHop()
    if route.type != "unicast":
        entries["Type"] = [route.type]
    if hop.gateway:
        entries["Gateway"] = [hop.gateway]
    if hop.on_link:
        entries["GatewayOnLink"] = ["yes"]
    if route.metric:
        entries["Metric"] = [str(route.metric)]
    if route.table != 254:
        entries["Table"] = [str(route.table)]
    if route.source:
        entries["PreferredSource"] = [route.source]
    if route.family == AF_INET and route.scope != (0 if hop.gateway or route.type != "unicast" else 253):
        entries["Scope"] = [_SCOPES.get(route.scope, str(route.scope))]
    for _metric, value in route.metrics:
        entries["MTUBytes"] = [str(value)]
    entries["Protocol"] = [str(route.protocol)]
    return entries


def _rule_entries(rule: Rule) -> dict[str, list[str]]:
    entries = {"Priority": [str(rule.priority)]}
    for key, value in (("From", rule.source), ("To", rule.destination), ("IncomingInterface", rule.iif),
                       ("OutgoingInterface", rule.oif)):  # fmt: skip
        if value:
            entries[key] = [value]
    if not (rule.source or rule.destination):
        entries["Family"] = ["ipv4" if rule.family == AF_INET else "ipv6"]
    if rule.tos:
        entries["TypeOfService"] = [str(rule.tos)]
    if rule.fwmark or rule.fwmask:
        entries["FirewallMark"] = [f"{rule.fwmark}/{rule.fwmask}"]
    if rule.ip_protocol:
        names = {number: name for name, number in _IP_PROTOCOLS.items()}
        entries["IPProtocol"] = [names[rule.ip_protocol]]
    for key, ports in (("SourcePort", rule.source_ports), ("DestinationPort", rule.destination_ports)):
        if ports:
            entries[key] = [str(ports[0]) if ports[0] == ports[1] else f"{ports[0]}-{ports[1]}"]
    if rule.invert:
        entries["InvertRule"] = ["yes"]
    if rule.suppress_prefix_length is not None:
        entries["SuppressPrefixLength"] = [str(rule.suppress_prefix_length)]
    if rule.action == "lookup":
        entries["Table"] = [str(rule.table)]
    else:
        entries["Type"] = [rule.action]
    return entries
