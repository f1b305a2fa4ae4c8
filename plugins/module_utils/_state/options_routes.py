# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Routes as users write them -> RouteSpec. The common entry takes a path without function calls: lists are long."""

from __future__ import annotations

import typing as t
from socket import inet_ntop

from ansible_collections.kubenode.network.plugins.module_utils._netlink.addr import parse_prefix
from ansible_collections.kubenode.network.plugins.module_utils._state import options_values as v
from ansible_collections.kubenode.network.plugins.module_utils._state.model import NextHopSpec, RouteSpec, StateError

ROUTE_KEYS = frozenset((
    "destination", "next_hop_address", "next_hop_interface", "next_hops", "metric", "table", "type", "source", "mtu",
    "cwnd", "tos", "on_link", "weight", "state",
))  # fmt: skip
HOP_KEYS = frozenset(("next_hop_address", "next_hop_interface", "weight", "on_link"))
ROUTE_ALIASES = {
    "next-hop-address": "next_hop_address", "next-hop-interface": "next_hop_interface", "next-hops": "next_hops",
    "table-id": "table", "table_id": "table", "route-type": "type", "route_type": "type", "on-link": "on_link",
}  # fmt: skip
ROUTE_TYPES = ("unicast", "blackhole", "unreachable", "prohibit")
_PLAIN = frozenset(("destination", "next_hop_address", "next_hop_interface", "metric", "table", "state"))
_RTAX_CWND = 7
_MTU_LIMIT = 65520  # net/ipv4/metrics.c clamps a route's MTU to 65535 - 15


def parse_routes(
    value: t.Any, owner: str | None, origin: str, warn: v.Warnings, profiles: t.AbstractSet[str] = frozenset()
) -> tuple[RouteSpec, ...]:
    """Routes and patterns (``state: absent``), in the order given.

    ``origin`` is what messages call the list; ``profiles`` are names that ``next_hop_interface`` may have besides
    those of NICs. In the hops of a pattern, weight 0 is "any". Entries of one destination, table and metric that have
    a weight join to one multipath route (NMState). Entries that contradict each other are resolve's to find.
    """
    found: list[RouteSpec] = []
    weighted: dict[t.Any, int] = {}
    hops_of: dict[tuple[t.Any, t.Any], tuple[int, tuple[NextHopSpec, ...]]] = {}
    new = tuple.__new__
    for position, given in enumerate(v.entries(value, origin)):
        entry, where = given, f"{origin}[{position}]"
        plain = entry.keys() <= _PLAIN
        if not plain and not entry.keys() <= ROUTE_KEYS:
            entry = v.tidy(entry, ROUTE_KEYS, ROUTE_ALIASES, where)
            plain = entry.keys() <= _PLAIN
        get = entry.get
        state = get("state")
        absent = state == "absent"
        if state is not None and not absent and state != "present":
            v.fail(f"{where}.state", state, "present or absent")

        gateway, interface = get("next_hop_address"), get("next_hop_interface")
        try:
            gateway_family, hops = hops_of[gateway, interface]
        except (KeyError, TypeError):
            gateway_family, hops = _hops(gateway, interface, where, profiles)
            hops_of[gateway, interface] = gateway_family, hops

        table = get("table")
        if table is not None:
            table = table if v.is_number(table) and 0 < table < 253 else v.table(table, f"{where}.table")
        metric = get("metric")
        if metric is not None and not (v.is_number(metric) and 0 <= metric <= v.U32):
            metric = v.integer(metric, -1, v.U32, f"{where}.metric", "-1 is the kernel's default")
            metric = None if metric == -1 else metric

        destination = get("destination")
        if destination and destination != "default":
            try:
                family, packed, length, host_bits = parse_prefix(destination)
                destination = f"{inet_ntop(family, packed)}/{length}"
                if host_bits:
                    warn.append(f"{where}.destination: host bits of {get('destination')} were masked: {destination}")
            except (ValueError, TypeError, AttributeError):
                family, destination = v.prefix(destination, f"{where}.destination", warn)
        else:
            family, destination = _without_prefix(entry, where, absent, gateway_family)
        if gateway_family and gateway_family != family:
            v.fail(
                f"{where}.next_hop_address", gateway, f"an {v.family_name(family)} address, as the destination is",
                "IPv4 routes over IPv6 next hops (RTA_VIA) are not supported",
            )  # fmt: skip

        if gateway == "" and not absent:
            gateway_family, hops = _hops(None, interface, where, profiles)
        spec: RouteSpec = new(
            RouteSpec,
            (owner, where, absent, family or None, destination, table, metric, None, hops, None, None, None, ()),
        )
        if not plain:
            spec = _extras(spec, entry, where, profiles)
        if table == 255 or (table == 253 and not absent):
            v.fail(f"{where}.table", get("table"), "a table that is not the kernel's (253 is default, 255 local)")
        if absent:
            if spec[3:] == _NOTHING:
                v.fail(
                    where,
                    entry,
                    "at least one field to match by",
                    "An absent entry matches every route by what it says",
                )
            if get("weight") is None and not get("next_hops"):
                spec = spec._replace(next_hops=tuple(hop._replace(weight=0) for hop in spec.next_hops))
        elif not spec.next_hops and spec.type in (None, "unicast"):
            v.fail(
                where,
                entry,
                "next_hop_address or next_hop_interface",
                "A route without next hop has a type: blackhole, unreachable or prohibit",
            )
        elif get("weight") is not None:
            key = (family, table, destination, spec.tos, metric)
            if key in weighted:
                known = weighted[key]
                found[known] = _joined(found[known], spec)
                continue
            weighted[key] = len(found)
        found.append(spec)
    for known in weighted.values():
        found[known] = found[known]._replace(next_hops=canonical_hops(found[known].next_hops))
    return tuple(found)


_NOTHING = RouteSpec(None, "", True, None, None)[3:]


def _hops(
    gateway: t.Any, interface: t.Any, where: str, profiles: t.AbstractSet[str]
) -> tuple[int, tuple[NextHopSpec, ...]]:
    """(family of the gateway or 0, at most one hop)."""
    family = 0
    if interface is not None:
        v.interface(interface, f"{where}.next_hop_interface", profiles)
    if gateway:
        family, gateway = v.unicast_address(gateway, f"{where}.next_hop_address")
        if interface is None and family == v.IPV6 and gateway[:3] in ("fe8", "fe9", "fea", "feb"):
            v.fail(f"{where}.next_hop_address", gateway, "a next_hop_interface beside a link-local next hop")
    elif gateway is not None and gateway != "":
        v.fail(f"{where}.next_hop_address", gateway, "an IPv4 or IPv6 address")
    if gateway is None and interface is None:
        return 0, ()
    return family, (NextHopSpec(interface, gateway),)


def _without_prefix(entry: v.Entry, where: str, absent: bool, gateway_family: int) -> tuple[int, str | None]:
    """Family and destination of an entry whose destination is missing, empty or ``default``."""
    family = gateway_family
    for hop in v.entries(entry.get("next_hops"), f"{where}.next_hops") if not family else ():
        gateway = hop.get("next_hop_address", hop.get("next-hop-address"))
        family = v.address(gateway, f"{where}.next_hops")[0] if gateway else family
    if not family and entry.get("source") is not None:
        family = v.address(entry["source"], f"{where}.source")[0]
    if entry.get("destination") == "default":
        if not family:
            v.fail(f"{where}.destination", "default", "0.0.0.0/0 or ::/0 where no next hop tells the family")
        return family, "0.0.0.0/0" if family == v.IPV4 else "::/0"
    if not absent or entry.get("destination") not in (None, ""):
        v.fail(f"{where}.destination", entry.get("destination"), "an address or a prefix such as 10.200.0.0/16")
    return family, None


def _extras(spec: RouteSpec, entry: v.Entry, where: str, profiles: t.AbstractSet[str]) -> RouteSpec:
    """The same route with what rare options say."""
    absent, family, hops = spec.absent, spec.family or 0, spec.next_hops
    found: dict[str, t.Any] = {}
    given = {key: value for key, value in entry.items() if value is not None}
    if "type" in given:
        found["type"] = v.choice(given["type"], ROUTE_TYPES, f"{where}.type")
        if found["type"] != "unicast" and not absent:
            for name in ("next_hop_address", "next_hop_interface", "next_hops", "weight", "on_link"):
                # NMState shows reject routes on the loopback.
                if (
                    name in given
                    and given[name] not in ("", False)
                    and (name, given[name]) != ("next_hop_interface", "lo")
                ):
                    v.fail(f"{where}.{name}", given[name], f"no next hop in a {found['type']} route")
            hops = ()
    on_link = v.boolean(given.get("on_link", False), f"{where}.on_link")
    if "next_hops" in given:
        for name in ("next_hop_address", "next_hop_interface", "weight", "on_link"):
            if name in given:
                v.fail(f"{where}.{name}", given[name], "nothing beside next_hops", "Say it in each entry of next_hops")
        hops = _listed_hops(given["next_hops"], where, absent, family, profiles)
    elif hops and (on_link or "weight" in given):
        weight = v.integer(given.get("weight", 1), 1, 256, f"{where}.weight")
        hops = (hops[0]._replace(weight=weight, on_link=on_link),)
    elif on_link or "weight" in given:
        v.fail(where, entry, "a next hop, which on_link and weight are about")
    if not absent and any(hop.on_link and not (hop.gateway and hop.interface) for hop in hops):
        v.fail(
            f"{where}.on_link", True, "a next_hop_address and a next_hop_interface beside it", "The kernel needs both"
        )
    if "source" in given:
        found["source"] = v.unicast_address(given["source"], f"{where}.source", family, "the destination is")[1]
    if "mtu" in given:
        low = 1280 if family == v.IPV6 else 68
        found["mtu"] = v.integer(given["mtu"], low, _MTU_LIMIT, f"{where}.mtu", "bytes; RFC 791, RFC 8200 5")
    if "cwnd" in given:
        found["metrics"] = ((_RTAX_CWND, v.integer(given["cwnd"], 1, v.U32, f"{where}.cwnd", "segments")),)
    if "tos" in given:
        tos = v.integer(given["tos"], 0, 252, f"{where}.tos", "the two ECN bits must be 0")
        if tos & 3 or (family == v.IPV6 and tos):
            v.fail(
                f"{where}.tos",
                given["tos"],
                "an IPv4 route and a multiple of 4 (the kernel refuses ECN bits, and IPv6)",
            )
        found["tos"] = tos or None
    return spec._replace(next_hops=hops, **found)


def _listed_hops(
    value: t.Any, where: str, absent: bool, family: int, profiles: t.AbstractSet[str]
) -> tuple[NextHopSpec, ...]:
    hops = []
    for position, given in enumerate(v.entries(value, f"{where}.next_hops")):
        at = f"{where}.next_hops[{position}]"
        entry = v.tidy(given, HOP_KEYS, ROUTE_ALIASES, at)
        gateway_family, found = _hops(entry.get("next_hop_address"), entry.get("next_hop_interface"), at, profiles)
        if not found:
            v.fail(at, entry, "next_hop_address or next_hop_interface")
        if gateway_family and family and gateway_family != family:
            v.fail(
                f"{at}.next_hop_address", entry["next_hop_address"],
                f"an {v.family_name(family)} address, as the destination is",
            )  # fmt: skip
        weight = v.integer(entry.get("weight", 1), 1, 256, f"{at}.weight") if not absent or "weight" in entry else 0
        hops.append(found[0]._replace(weight=weight, on_link=v.boolean(entry.get("on_link", False), f"{at}.on_link")))
    if not hops:
        v.fail(f"{where}.next_hops", value, "at least one next hop")
    for hop in hops:
        if any(same_way(hop, other) and hop != other for other in hops):
            v.fail(f"{where}.next_hops", value, "each next hop once", "A next hop that counts double has weight 2")
    return canonical_hops(tuple(hops))


def same_way(a: NextHopSpec, b: NextHopSpec) -> bool:
    return (a.gateway, a.interface) == (b.gateway, b.interface)


def canonical_hops(hops: tuple[NextHopSpec, ...]) -> tuple[NextHopSpec, ...]:
    """Each hop once, sorted: their order means nothing. A single hop has no weight."""
    found = sorted(set(hops), key=lambda hop: (hop.gateway or "", hop.interface or "", hop.weight))
    if len(found) == 1 and found[0].weight:
        return (found[0]._replace(weight=1),)
    return tuple(found)


def _joined(first: RouteSpec, second: RouteSpec) -> RouteSpec:
    """One multipath route of two entries that have a weight."""
    (hop,) = second.next_hops
    alike = first[4:8] + first[9:] == second[4:8] + second[9:]
    if not alike or any(same_way(hop, known) and hop != known for known in first.next_hops):
        raise StateError(
            f"{second.origin} and {first.origin} contradict each other: both are next hops of {first.destination}, "
            "with another weight or other attributes. Entries that join to one route differ in their next hop alone"
        )
    return first._replace(next_hops=(*first.next_hops, hop))
