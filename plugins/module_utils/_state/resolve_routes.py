# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Declared routes and rules in the kernel's terms (pure): tables by number, next hops on a link that reaches them."""

from __future__ import annotations

import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._netlink.addr import contains
from ansible_collections.kubenode.network.plugins.module_utils._netlink.constants import KUBENODE_PROTOCOL
from ansible_collections.kubenode.network.plugins.module_utils._netlink.objects import NextHop, Route, Rule
from ansible_collections.kubenode.network.plugins.module_utils._state.model import (
    Desired,
    NextHopSpec,
    RouteSpec,
    RuleSpec,
    State,
    StateError,
    Target,
)
from ansible_collections.kubenode.network.plugins.module_utils._state.resolve import AF_INET, AF_INET6, Names, owners_of

MAIN = 254
SCOPE_LINK = 253
RTAX_MTU = 2
# include/net/ip6_route.h IP6_RT_PRIO_USER: what a route without a metric gets.
IPV6_METRIC = 1024
IFA_F_PERMANENT = 0x80


class _Links:
    """Which interface reaches a gateway, from the addresses and device routes that stand or are declared."""

    def __init__(self, target: Target, state: State) -> None:
        self.target = target
        self.state = state
        self._networks: dict[int, list[tuple[str, str]]] | None = None
        self._sources: set[tuple[int, str]] | None = None
        self._hops: dict[NextHopSpec, NextHop] = {}

    def exists(self, name: str) -> bool:
        return name in self.target.links or (name in self.state.links and name not in self.target.absent_links)

    def networks(self, family: int) -> list[tuple[str, str]]:
        """(prefix, interface) of everything that is reached without a gateway, longest prefix first."""
        if self._networks is None:
            found: dict[int, set[tuple[str, str]]] = {AF_INET: set(), AF_INET6: set()}
            for address in self.state.addresses.values():
                if address.interface not in self.target.absent_links:
                    network = f"{address.peer or address.address}/{address.prefix_length}"
                    found[address.family].add((network, address.interface))
            for address, _owners in self.target.addresses.values():
                found[address.family].add((f"{address.address}/{address.prefix_length}", address.interface))
            for routes in self.state.routes.values():
                for route in routes:
                    if route.type == "unicast" and route.table != 255:
                        for hop in route.next_hops:
                            if hop.gateway is None and hop.interface and not route.destination.endswith("/0"):
                                found[route.family].add((route.destination, hop.interface))
            self._networks = {
                family: sorted(prefixes, key=lambda item: -int(item[0].rsplit("/", 1)[1]))
                for family, prefixes in found.items()
            }
        return self._networks[family]

    def sources(self) -> set[tuple[int, str]]:
        """(family, address) of every address that the node has or shall have."""
        if self._sources is None:
            self._sources = {(a.family, a.address) for a in self.state.addresses.values()}
            self._sources.update((a.family, a.address) for a, _owners in self.target.addresses.values())
        return self._sources

    def declare(self, family: int, prefix: str, interface: str) -> None:
        """A declared route without a gateway makes its destination reachable for gateways of later entries."""
        self.networks(family).append((prefix, interface))

    def hop(self, spec: NextHopSpec, names: Names, origin: str) -> NextHop:
        known = self._hops.get(spec)
        if known is None:
            known = self._hops[spec] = self._hop(spec, names, origin)
        return known

    def _hop(self, spec: NextHopSpec, names: Names, origin: str) -> NextHop:
        interface = names.link(spec.interface) if spec.interface else None
        if interface is not None and not self.exists(interface):
            raise StateError(
                f"{origin}: next-hop interface '{spec.interface}' is not an interface of this node; it has "
                f"{', '.join(sorted(self.state.links))}."
            )
        gateway = spec.gateway or None
        if gateway is not None:
            interface = self._reach(spec, gateway, interface, origin)
        if interface is not None and not self._up(interface):
            raise StateError(
                f"{origin}: next-hop interface {interface} is down, and the kernel takes no route over it. Declare it "
                "with state: up."
            )
        return NextHop(interface, gateway, spec.weight, spec.on_link)

    def _up(self, interface: str) -> bool:
        wanted = self.target.links.get(interface)
        return wanted[0].up if wanted is not None else self.state.links[interface].up

    def _reach(self, spec: NextHopSpec, gateway: str, interface: str | None, origin: str) -> str:
        family = AF_INET6 if ":" in gateway else AF_INET
        if interface is not None and (spec.on_link or gateway.startswith("fe80:")):
            return interface
        for prefix, device in self.networks(family):
            if (interface is None or device == interface) and contains(prefix, gateway):
                return device
        if interface is None:
            raise StateError(
                f"{origin}: the gateway {gateway} is on no link of this node: no interface has an address of its "
                "network. Give next_hop_interface (with on_link: true where the gateway lies outside the interface's "
                "networks)."
            )
        own = ", ".join(prefix for prefix, device in self.networks(family) if device == interface) or "none"
        raise StateError(
            f"{origin}: the gateway {gateway} is not on the link of {interface}, whose networks are: {own}. Correct "
            f"the gateway, give {interface} an address in the gateway's network, or set on_link: true."
        )


def _default_table(hops: tuple[NextHop, ...], target: Target, state: State) -> int:
    """The main table, or that of the VRF which the outgoing interface is a port of."""
    for hop in hops:
        if hop.interface is None:
            continue
        wanted = target.links.get(hop.interface)
        link = wanted[0] if wanted is not None else state.links.get(hop.interface)
        if link is not None and link.master:
            master_wanted = target.links.get(link.master)
            master = master_wanted[0] if master_wanted is not None else state.links.get(link.master)
            if master is not None and master.kind == "vrf":
                return int(dict(master.data).get("table", MAIN))
    return MAIN


def resolve_routes(
    desired: Desired, target: Target, state: State, names: Names
) -> tuple[dict[t.Any, tuple[Route, tuple[str, ...], str]], tuple[RouteSpec, ...]]:
    """(key -> (route, owners, origin), patterns of absent routes with numbers and real names)."""
    links = _Links(target, state)
    wanted: dict[t.Any, tuple[Route, tuple[str, ...], str]] = {}
    absent = []
    # Entries that differ in nothing but the destination are worked out once: ten thousand usually do.
    alike: dict[t.Any, tuple[Route, tuple[str, ...]]] = {}
    make = tuple.__new__
    for spec in _leaned_on_first(desired.routes):
        if spec.absent:
            absent.append(_pattern(spec, names))
            continue
        kind = (spec.owner, spec.family, *spec[5:])
        found = alike.get(kind)
        if found is None:
            found = alike[kind] = (_resolved(spec, links, names, target, state), owners_of(spec.owner))
        like, owners = found
        destination = t.cast(str, spec.destination)
        route = make(Route, (*like[:2], destination, *like[3:]))
        if like.next_hops and like.next_hops[0].gateway is None and like.next_hops[0].interface:
            links.declare(like.family, destination, like.next_hops[0].interface)
        key = (like.family, like.table, destination, like.source_prefix, like.tos, like.metric)
        other = wanted.get(key)
        if other is None:
            wanted[key] = (route, owners, spec.origin)
        elif other[0] == route:
            wanted[key] = (route, owners_of(*other[1], spec.owner), other[2])
        else:
            raise StateError(
                f"{other[2]} and {spec.origin} contradict each other: both are {destination} in table {route.table} "
                f"with metric {route.metric}, with different next hops or attributes. Use one entry with next_hops for "
                "multipath, or different metrics."
            )
    return wanted, tuple(absent)


def _leaned_on_first(specs: tuple[RouteSpec, ...]) -> t.Iterable[RouteSpec]:
    """Routes without a gateway make their destination reachable for the gateways of others: they come first."""
    without = [spec for spec in specs if not (spec.next_hops and spec.next_hops[0].gateway)]
    if not without:
        return specs
    return [*without, *(spec for spec in specs if spec.next_hops and spec.next_hops[0].gateway)]


def _resolved(spec: RouteSpec, links: _Links, names: Names, target: Target, state: State) -> Route:
    """The route that an entry declares, in the kernel's terms; its destination does not matter here."""
    family = t.cast(int, spec.family)
    hops = tuple([links.hop(hop, names, spec.origin) for hop in spec.next_hops])
    table = names.table(spec.table, spec.origin) if spec.table is not None else None
    if table is None:
        table = _default_table(hops, target, state)
    if spec.source is not None and (family, spec.source) not in links.sources():
        raise StateError(
            f"{spec.origin}: the source {spec.source} is not an address of this node, and the kernel takes "
            "only its own. Declare it on an interface or leave source out."
        )
    metric = spec.metric or 0
    scope = 0
    if family == AF_INET6:
        metric = metric or IPV6_METRIC
    elif hops and all(hop.gateway is None for hop in hops):
        scope = SCOPE_LINK
    metrics = spec.metrics
    if spec.mtu is not None:
        metrics = tuple(sorted(metrics + ((RTAX_MTU, spec.mtu),)))
    return Route(
        family, table, "", metric, hops, spec.type or "unicast", KUBENODE_PROTOCOL, scope, spec.tos or 0, None,
        spec.source, metrics,
    )  # fmt: skip


def spare_the_cluster(cidrs: tuple[str, ...], target: Target) -> None:
    """A route inside the pod or service networks would shadow the cluster's own; a wider one leaves them alone."""
    for cidr in cidrs:
        for route, _owners, origin in target.routes.values():
            if route.table == MAIN and contains(cidr, route.destination):
                raise StateError(
                    f"{origin}: the route to {route.destination} lies in the cluster's network {cidr} (cluster_cidrs), "
                    "whose routes are the container network's. Choose another destination, or correct cluster_cidrs."
                )
        for address, _owners in target.addresses.values():
            if contains(cidr, address.address):
                raise StateError(
                    f"The address {address.address} of {address.interface} lies in the cluster's network {cidr} "
                    "(cluster_cidrs); nodes and pods must not share addresses. Correct the address or cluster_cidrs."
                )


def _pattern(spec: RouteSpec, names: Names) -> RouteSpec:
    hops = tuple(
        [hop._replace(interface=names.link(hop.interface)) if hop.interface else hop for hop in spec.next_hops]
    )
    table = names.table(spec.table, spec.origin) if spec.table is not None else None
    return spec._replace(next_hops=hops, table=table)


def resolve_rules(
    desired: Desired, target: Target, state: State, names: Names, warnings: list[str]
) -> tuple[tuple[tuple[Rule, tuple[str, ...], str, bool], ...], tuple[RuleSpec, ...]]:
    """Rules with table numbers (priority 0 where the user gave none), and patterns of absent rules."""
    wanted: dict[t.Any, tuple[Rule, tuple[str, ...], str, bool]] = {}
    absent = []
    for spec in desired.rules:
        table = names.table(spec.table, spec.origin) if spec.table is not None else None
        iif, oif = (names.link(name) if name else None for name in (spec.iif, spec.oif))
        if spec.absent:
            absent.append(spec._replace(table=table, iif=iif, oif=oif))
            continue
        for name in (iif, oif):
            if name and name != "lo" and name not in state.links and name not in target.links:
                warnings.append(
                    f"{spec.origin}: there is no interface {name} yet; the rule takes effect when it appears."
                )
        action = spec.action or "lookup"
        rule = Rule(
            family=spec.family or AF_INET,
            priority=spec.priority or 0,
            action=action,
            table=(table if table is not None else MAIN) if action == "lookup" else 0,
            source=spec.source,
            destination=spec.destination,
            tos=spec.tos or 0,
            fwmark=spec.fwmark or 0,
            fwmask=(0xFFFFFFFF if spec.fwmark is not None else 0) if spec.fwmask is None else spec.fwmask,
            iif=iif,
            oif=oif,
            ip_protocol=spec.ip_protocol or 0,
            source_ports=spec.source_ports,
            destination_ports=spec.destination_ports,
            uid_range=spec.uid_range,
            invert=bool(spec.invert),
            protocol=KUBENODE_PROTOCOL,
            suppress_prefix_length=spec.suppress_prefix_length,
        )
        key = rule.key
        if not rule.priority:
            # Without a priority, two rules of equal selectors for different tables are one contradiction too.
            key += (0,)
        other = wanted.get(key)
        if other is None:
            wanted[key] = (rule, owners_of(spec.owner), spec.origin, spec.priority is not None)
        elif other[0] == rule:
            wanted[key] = (rule, owners_of(*other[1], spec.owner), other[2], other[3])
        else:
            raise StateError(
                f"{other[2]} and {spec.origin} contradict each other: equal selectors and priority, but another table "
                "or action."
            )
    return tuple(wanted.values()), tuple(absent)
