# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which object of the kernel an operation would hit: pure predictions on what was dumped.

The kernel deletes by pattern: what is zero or missing in a request means "any", and the first match in its own order
goes, whoever made it. It also refuses an exclusive add of a rule for one that merely looks alike. Callers ask here
before they send, and leave alone what would hit a stranger. Dumped objects must be in dump order (as the readers
return them).

Sources: fib_table_delete, fib_nh_match and fib_metrics_match (net/ipv4/fib_trie.c, fib_semantics.c), ip6_route_del and
ip6_route_multipath_del (net/ipv6/route.c), rule_find and rule_exists (net/core/fib_rules.c) with the compare functions
in net/ipv4/fib_rules.c and net/ipv6/fib6_rules.c. tests/kernel/test_netlink_match.py holds them against the running
kernel.
"""

from __future__ import annotations

from ansible_collections.kubenode.network.plugins.module_utils._netlink import constants as c
from ansible_collections.kubenode.network.plugins.module_utils._netlink.objects import NextHop, Route, Rule
from ansible_collections.kubenode.network.plugins.module_utils._netlink.routes import normalise

TYPE_CHECKING = False
if TYPE_CHECKING:
    import typing as t


def after_route_delete(route: Route, dumped: t.Iterable[Route]) -> list[Route]:
    """What a dump would show after ``encode_delete(route)`` was sent.

    In IPv4 the first match goes. In IPv6 each next hop of the request takes the first next hop that matches, out of
    whatever route holds it; a request without gateway takes all next hops of the first route that matches.

    ``dumped`` needs the routes of the same family, table and destination only, in dump order.
    Where IPv6 next hops were joined to a stranger's, this is as blind as the dump: it shows the protocol of the first
    only, and not the routes without a gateway that lie between the next hops in the kernel's list.
    """
    remaining = list(dumped)
    route = normalise(route)
    if route.family == c.AF_INET or route.nexthop_id is not None or len(route.next_hops) < 2:
        requests = [route]
    else:
        requests = [route._replace(next_hops=(hop,)) for hop in route.next_hops]
    matches = _ipv4_delete_matches if route.family == c.AF_INET else _ipv6_delete_matches
    for request in requests:
        if request.source_prefix and not any(
            found.source_prefix and found.destination == request.destination and found.table == request.table
            for found in remaining
        ):
            # fib6_locate: where a destination has no routes by source, `from` is not looked at.
            request = request._replace(source_prefix=None)
        for index, candidate in enumerate(remaining):
            if (
                candidate.family == request.family
                and candidate.table == request.table
                and candidate.destination == request.destination
                and matches(request, candidate)
            ):
                remaining[index : index + 1] = _left_of(candidate, request)
                break
    return remaining


def routes_hit(route: Route, dumped: t.Iterable[Route]) -> list[Route]:
    """The dumped routes that ``encode_delete(route)`` would remove or take a next hop from."""
    before = list(dumped)
    after = after_route_delete(route, before)
    return [candidate for candidate in before if before.count(candidate) > after.count(candidate)]


def first_route_match(route: Route, dumped: t.Iterable[Route]) -> Route | None:
    """The first of ``routes_hit``, None where nothing would be removed."""
    return next(iter(routes_hit(route, dumped)), None)


def delete_is_precise(route: Route, dumped: t.Iterable[Route]) -> bool:
    """Whether ``encode_delete(route)`` would remove exactly one route that equals ``route``, and nothing else."""
    before = list(dumped)
    exact = normalise(route)
    if exact not in before:
        return False
    after = after_route_delete(route, before)
    # Of several equal ones it does not matter which goes, but in IPv4 the order of the others decides what is used.
    before.remove(exact)
    return after == before


def _left_of(candidate: Route, request: Route) -> list[Route]:
    """What stays of an IPv6 route when the hop that matches the request is taken out."""
    if candidate.family == c.AF_INET or not (request.next_hops and request.next_hops[0].gateway):
        return []
    hops = list(candidate.next_hops)
    for hop in hops:
        if _hop_matches(request.next_hops[0], hop):
            hops.remove(hop)
            break
    if not hops:
        return []
    if len(hops) == 1:  # the kernel shows weights of multipath routes only
        hops[0] = hops[0]._replace(weight=1)
    return [candidate._replace(next_hops=tuple(hops))]


def _ipv4_delete_matches(route: Route, candidate: Route) -> bool:
    return (
        candidate.tos == route.tos
        and candidate.type == route.type
        and candidate.scope == route.scope
        and (not route.metric or candidate.metric == route.metric)
        and (not route.source or candidate.source == route.source)
        and (not route.protocol or candidate.protocol == route.protocol)
        and _ipv4_hops_match(route, candidate)
        and set(route.metrics) <= set(candidate.metrics)
    )


def _ipv4_hops_match(route: Route, candidate: Route) -> bool:
    if route.nexthop_id is not None:
        return candidate.nexthop_id == route.nexthop_id
    if candidate.nexthop_id is not None:
        return not route.next_hops
    if not route.next_hops:
        return True
    if len(route.next_hops) == 1:
        wanted = route.next_hops[0]
        # One next hop in the request is compared with the first of several.
        return (
            bool(candidate.next_hops)
            and _hop_matches(wanted, candidate.next_hops[0])
            and (not wanted.encap or wanted.encap == candidate.next_hops[0].encap)
        )
    # More next hops in the request than the candidate has do not make a difference to the kernel, fewer do.
    return 0 < len(candidate.next_hops) <= len(route.next_hops) and all(
        _hop_matches(wanted, found) for wanted, found in zip(route.next_hops, candidate.next_hops)
    )


def _hop_matches(wanted: NextHop, found: NextHop) -> bool:
    return (not wanted.interface or wanted.interface == found.interface) and (
        not wanted.gateway or wanted.gateway == found.gateway
    )


def _ipv6_delete_matches(route: Route, candidate: Route) -> bool:
    if (
        candidate.source_prefix != route.source_prefix
        or candidate.metric != route.metric
        or (route.protocol and candidate.protocol != route.protocol)
    ):
        return False
    if route.nexthop_id is not None:
        return candidate.nexthop_id is None or candidate.nexthop_id == route.nexthop_id
    return not route.next_hops or any(_hop_matches(route.next_hops[0], hop) for hop in candidate.next_hops)


def first_rule_match(rule: Rule, dumped: t.Iterable[Rule]) -> Rule | None:
    """The rule that ``encode_rule_delete(rule)`` would remove, None where it would remove nothing.

    ``dumped`` needs the rules of the same family and priority only, in dump order.
    """
    for candidate in dumped:
        # Family, priority and action are never "any". Inversion and the target of a goto are not looked at.
        if candidate[:3] == rule[:3] and _exact(rule, candidate, anything=True) and _prefixes(rule, candidate):
            return candidate
    return None


def first_equal_rule(rule: Rule, dumped: t.Iterable[Rule]) -> Rule | None:
    """The rule for which the kernel would refuse ``encode_rule_add(rule)`` with EEXIST, None where it would not.

    It need not be equal: a rule without `from` (or `to`, `tos`) is taken for one that has it, and inversion and the
    target of a goto are not looked at. Add such a rule with ``exclusive=False``.
    """
    for candidate in dumped:
        if candidate[:3] == rule[:3] and _exact(rule, candidate, anything=False) and _prefixes(rule, candidate):
            return candidate
    return None


def rule_delete_is_precise(rule: Rule, dumped: t.Iterable[Rule]) -> bool:
    """Whether ``encode_rule_delete(rule)`` would remove a rule that equals ``rule``, and not another one before it."""
    return first_rule_match(rule, dumped) == rule


def _exact(rule: Rule, candidate: Rule, anything: bool) -> bool:
    return all(
        wanted == found or (anything and (wanted is None or wanted == 0))
        for wanted, found in zip(_compared(rule), _compared(candidate))
    )


def _compared(rule: Rule) -> tuple[t.Any, ...]:
    return (
        rule.table, rule.fwmark, rule.fwmask, rule.iif, rule.oif, rule.ip_protocol, rule.source_ports,
        rule.destination_ports, rule.uid_range, rule.l3mdev, rule.tun_id, rule.protocol,
        # 0 is a length and a group here: only None means "any".
        (rule.suppress_prefix_length,) if rule.suppress_prefix_length is not None else None,
        (rule.suppress_ifgroup,) if rule.suppress_ifgroup is not None else None,
    )  # fmt: skip


def _prefixes(rule: Rule, candidate: Rule) -> bool:
    """The fields that the address families compare: what is not given means "any", in additions as well."""
    return (
        (not rule.source or rule.source == candidate.source)
        and (not rule.destination or rule.destination == candidate.destination)
        and (not rule.tos or rule.tos == candidate.tos)
        and set(rule.extra) <= set(candidate.extra)
    )
