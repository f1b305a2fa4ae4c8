# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel's route lookup, and the effect of changes on it, worked out on values (pure).

Rules by priority, in each table the longest prefix, then the lowest metric (ip-rule(8), Documentation/networking of
the kernel). It answers for packets that this node sends itself, without mark.
"""

from __future__ import annotations

import socket
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._netlink.objects import (
    Address,
    Link,
    NextHop,
    Route,
    Rule,
)
from ansible_collections.kubenode.network.plugins.module_utils._state.model import Change, State

AF_INET, AF_INET6 = 2, 10
_LOCAL, _MAIN = 255, 254
_REFUSALS = ("blackhole", "unreachable", "prohibit")
_KERNEL = 2
_SCOPE_LINK = 253
_IFA_F_NOPREFIXROUTE = 0x200
_IFF_UP = 1


class Prefix(t.NamedTuple):
    family: int
    start: int
    length: int

    @property
    def bits(self) -> int:
        return 32 if self.family == AF_INET else 128

    @property
    def end(self) -> int:
        """The last address."""
        return self.start | ((1 << (self.bits - self.length)) - 1)

    def covers(self, address: int) -> bool:
        return self.start <= address <= self.end


def number(address: str) -> tuple[int, int]:
    """(family, address as a number)"""
    family = AF_INET6 if ":" in address else AF_INET
    return family, int.from_bytes(socket.inet_pton(family, address), "big")


def prefix(text: str) -> Prefix:
    address, _slash, length = text.partition("/")
    family, start = number(address)
    return Prefix(family, start, int(length) if length else (32 if family == AF_INET else 128))


class Answer(t.NamedTuple):
    type: str
    hops: frozenset[tuple[str | None, str | None]]
    """(interface, gateway) of each next hop."""
    route: Route

    def same_way(self, other: Answer | None) -> bool:
        return other is not None and self.type == other.type and self.hops == other.hops


class Fib:
    """Looks up addresses in the routes and rules of a state."""

    def __init__(self, state: State, addresses: t.Iterable[tuple[int, int]]) -> None:
        """Only routes that cover one of `addresses` (family, number), and default routes, are kept."""
        self.rules: dict[int, list[Rule]] = {AF_INET: [], AF_INET6: []}
        for rules in state.rules.values():
            for rule in rules:
                self.rules[rule.family].append(rule)
        for rules_of_family in self.rules.values():
            rules_of_family.sort(key=lambda rule: rule.priority)
        self.tables: dict[tuple[int, int], list[tuple[Prefix, Route]]] = {}
        wanted: dict[int, list[int]] = {AF_INET: [], AF_INET6: []}
        for family, address in addresses:
            wanted[family].append(address)
        for (family, table, destination, *_rest), routes in state.routes.items():
            where = prefix(destination)
            if where.length <= 1 or any(where.covers(address) for address in wanted[family]):
                self.tables.setdefault((family, table), []).extend((where, route) for route in routes)
        for entries in self.tables.values():
            entries.sort(key=lambda entry: (-entry[0].length, entry[1].metric))

    def lookup(self, family: int, address: int | None, source: int | None = None) -> Answer | None:
        """The way to `address` (None: to somewhere that only a default route knows); None where there is none."""
        jump = 0
        for rule in self.rules[family]:
            if rule.priority < jump or not _applies(rule, address, source):
                continue
            if rule.action == "goto":
                jump = rule.goto
            elif rule.action == "lookup":
                answer = self._in_table(rule, address)
                if answer is not None:
                    return answer
            elif rule.action != "nop":
                return Answer(rule.action, frozenset(), Route(family, 0, "", type=rule.action))
        return None

    def _in_table(self, rule: Rule, address: int | None) -> Answer | None:
        for where, route in self.tables.get((rule.family, rule.table), ()):
            # 0.0.0.0/1 and 128.0.0.0/1 together are how VPNs take over the default route.
            if not (where.length <= 1 if address is None else where.covers(address)):
                continue
            if route.type == "throw":
                return None
            suppress = rule.suppress_prefix_length
            # Only ways are suppressed, not refusals (net/core/fib_rules.c fib_rules_lookup).
            if suppress is not None and where.length <= suppress and route.type not in _REFUSALS:
                return None
            hops = [(hop.interface, hop.gateway) for hop in route.next_hops]
            if route.family == AF_INET6:
                for other_where, other in self.tables[(rule.family, rule.table)]:
                    if other_where == where and other.metric == route.metric and other.type == route.type:
                        hops.extend((hop.interface, hop.gateway) for hop in other.next_hops)
            return Answer(route.type, frozenset(hops), route)
        return None


def _applies(rule: Rule, address: int | None, source: int | None) -> bool:
    return _selected(rule, address, source) != rule.invert


def _selected(rule: Rule, address: int | None, source: int | None) -> bool:
    if rule.fwmark or rule.oif or rule.ip_protocol or rule.source_ports or rule.destination_ports or rule.tos:
        return False
    if rule.iif not in (None, "lo") or rule.l3mdev or rule.tun_id:
        return False
    if rule.uid_range and not rule.uid_range[0] <= 0 <= rule.uid_range[1]:
        return False
    if rule.destination and not rule.destination.endswith("/0"):
        if address is None or not prefix(rule.destination).covers(address):
            return False
    if rule.source and not rule.source.endswith("/0"):
        # Without a source IPv4 compares 0.0.0.0 (fib4_rule_match), IPv6 does not match at all (fib6_rule_match).
        source = 0 if source is None and rule.family == AF_INET else source
        if source is None or not prefix(rule.source).covers(source):
            return False
    return True


# --- the effect of changes --------------------------------------------------------------------------------------------


def afterwards(state: State, changes: t.Iterable[Change]) -> State:
    """`state` with `changes` made, and what the kernel does on its own with addresses and links: connected and local
    routes come with an address, and everything over a link goes when it goes down.
    """
    future = _Future(state)
    steps: dict[str, t.Callable[[str, t.Any, t.Any], None]] = {
        "link": future.link,
        "address": future.address,
        "route": future.route,
        "rule": future.rule,
    }
    for change in changes:
        step = steps.get(change.kind)
        if step is not None:
            step(change.name, change.before, change.after)
    return state._replace(
        links=future.links,
        addresses=future.addresses,
        routes=future.routes,
        rules={key: group for key, group in future.rules.items() if group},
    )


class _Future:
    """A copy of a state on which changes are tried out, one method for each kind."""

    def __init__(self, state: State) -> None:
        self.links, self.addresses = dict(state.links), dict(state.addresses)
        self.routes, self.rules = dict(state.routes), dict(state.rules)

    def link(self, name: str, before: Link | None, after: Link | None) -> None:
        if after is None or not after.up or (before is not None and before.master != after.master):
            for route in self._all_routes():
                if any(hop.interface == name for hop in route.next_hops):
                    self._drop(route)
        if after is None:
            self.links.pop(name, None)
            for key in [key for key in self.addresses if key[0] == name]:
                del self.addresses[key]
            return
        self.links[name] = after
        if after.up and not (before is not None and before.up):
            for address in self.addresses.values():
                if address.interface == name:
                    self._connect(address)

    def address(self, _name: str, before: Address | None, after: Address | None) -> None:
        if before is not None:
            self.addresses.pop(before.key, None)
            self._disconnect(before)
        if after is not None:
            self.addresses[after.key] = after
            if self.links.get(after.interface) is None or self.links[after.interface].up:
                self._connect(after)

    def route(self, _name: str, before: Route | None, after: Route | None) -> None:
        if before is not None:
            self._drop(before)
        if after is not None:
            self._put(after)

    def rule(self, _name: str, before: Rule | None, after: Rule | None) -> None:
        if before is not None:
            self.rules[before.key] = tuple(rule for rule in self.rules.get(before.key, ()) if rule != before)
        if after is not None:
            self.rules[after.key] = (*self.rules.get(after.key, ()), after)

    def _all_routes(self) -> list[Route]:
        return [route for group in self.routes.values() for route in group]

    def _drop(self, route: Route) -> None:
        left = tuple(other for other in self.routes.get(route.key, ()) if other != route)
        if left:
            self.routes[route.key] = left
        else:
            self.routes.pop(route.key, None)

    def _put(self, route: Route) -> None:
        standing = self.routes.get(route.key, ())
        if route not in standing:
            self.routes[route.key] = (*standing, route)

    def _connect(self, address: Address) -> None:
        for route in connected_routes(address):
            self._put(route)

    def _disconnect(self, address: Address) -> None:
        """Drop what goes with an address: its routes, those with it as source, with IPv4's last one all of IPv4."""
        others = [other for other in self.addresses.values() if other.interface == address.interface]
        kept = {route.key for other in others for route in connected_routes(other)}
        lost = {route.key for route in connected_routes(address)} - kept
        last = address.family == AF_INET and not any(other.family == AF_INET for other in others)
        for route in self._all_routes():
            if (
                route.source == address.address
                or (route.type == "local" and route.destination.split("/")[0] == address.address)
                or (route.protocol == _KERNEL and route.key in lost)
                or (
                    last
                    and route.family == AF_INET
                    and any(hop.interface == address.interface for hop in route.next_hops)
                )
            ):
                self._drop(route)


def connected_routes(address: Address) -> list[Route]:
    """The routes that the kernel makes for an address: its network in main (or nothing with noprefixroute), itself in
    local (net/ipv4/fib_frontend.c fib_add_ifaddr, net/ipv6/addrconf.c).
    """
    family, start = number(address.peer or address.address)
    bits = 32 if family == AF_INET else 128
    length = address.prefix_length
    hop = (NextHop(address.interface),)
    own = f"{address.address}/{bits}"
    routes = [Route(family, _LOCAL, own, 0, hop, "local", _KERNEL)]
    if not address.flags & _IFA_F_NOPREFIXROUTE and length < bits:
        start = start >> (bits - length) << (bits - length)
        text = socket.inet_ntop(family, start.to_bytes(bits // 8, "big"))
        metric = 256 if family == AF_INET6 else 0
        source = address.address if family == AF_INET else None
        routes.append(
            Route(family, _MAIN, f"{text}/{length}", metric, hop, "unicast", _KERNEL, _SCOPE_LINK, source=source)
        )
    return routes
