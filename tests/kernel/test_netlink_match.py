# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The predictions of match.py against what the running kernel does, on random objects that nearly collide.

The values are few on purpose: wildcards bite where objects share most of their fields.
"""

from __future__ import annotations

import contextlib
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._netlink import match
from ansible_collections.kubenode.network.plugins.module_utils._netlink.constants import AF_INET, AF_INET6
from ansible_collections.kubenode.network.plugins.module_utils._netlink.objects import NextHop, Route, Rule
from ansible_collections.kubenode.network.plugins.module_utils._netlink.routes import (
    default_scope,
    encode_append,
    encode_delete,
    normalise,
    read_routes,
)
from ansible_collections.kubenode.network.plugins.module_utils._netlink.rules import (
    encode_rule_add,
    encode_rule_delete,
    read_rules,
)
from ansible_collections.kubenode.network.tests.kernel.conftest import EVERY_USER
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

_TABLE = 1000
_PROPERTY = settings(
    deadline=None, report_multiple_bugs=False, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

_HOPS4 = [NextHop(i, g) for i in ("ens224", "ens256") for g in (None, "10.100.0.1", "172.16.0.1", "fe80::1")]
_HOPS4 = [hop for hop in _HOPS4 if hop.gateway != ("172.16.0.1" if hop.interface == "ens224" else "10.100.0.1")]
_GATEWAYS6 = {"ens224": ("2001:db8:a::1", "2001:db8:a::2"), "ens256": ("2001:db8:c::1",)}
_HOPS6 = [NextHop(i, g) for i, gateways in _GATEWAYS6.items() for g in gateways]


# Not st.builds: it would draw the fields that are not named as well.
def _route_of(**fields: st.SearchStrategy[t.Any]) -> st.SearchStrategy[Route]:
    def build(values: dict[str, t.Any]) -> Route:
        route = normalise(Route(**values))
        return route._replace(scope=default_scope(route))

    return st.fixed_dictionaries(fields).map(build)


_ipv4_routes = _route_of(
    family=st.just(AF_INET),
    table=st.just(_TABLE),
    destination=st.just("10.200.0.0/16"),
    metric=st.sampled_from((0, 100)),
    next_hops=st.one_of(
        st.sampled_from(_HOPS4).map(lambda hop: (hop,)),
        st.lists(st.sampled_from(_HOPS4[1:]), min_size=2, max_size=3).map(tuple),
    ),
    type=st.sampled_from(("unicast", "unicast", "unicast", "blackhole", "unreachable")),
    protocol=st.sampled_from((0, 4, 12)),
    tos=st.sampled_from((0, 0, 16)),
    source=st.sampled_from((None, None, "10.100.0.11")),
    metrics=st.sampled_from(((), (), ((2, 1400),), ((2, 1400), (8, 1300)))),
)

_ipv6_routes = _route_of(
    family=st.just(AF_INET6),
    table=st.just(_TABLE),
    destination=st.just("2001:db8:200::/48"),
    metric=st.sampled_from((0, 100)),
    next_hops=st.one_of(
        st.sampled_from((*_HOPS6, NextHop("ens224"), NextHop("ens256"))).map(lambda hop: (hop,)),
        st.lists(st.sampled_from(_HOPS6), min_size=2, max_size=3, unique=True).map(tuple),
    ),
    type=st.sampled_from(("unicast", "unicast", "unicast", "blackhole")),
    protocol=st.sampled_from((0, 4, 12)),
    source_prefix=st.sampled_from((None, None, "2001:db8:a::/64")),
)


def _shown_whole(route: Route) -> Route:
    """IPv6 routes of which a dump shows everything.

    Of next hops that joined one route the kernel shows one protocol, so here it depends on the metric. Routes that
    cannot join (without gateway) are left out of a dump where they lie between the next hops of another one of the
    same metric, so here they have metrics of their own.
    """
    if route.next_hops and route.next_hops[0].gateway:
        return route._replace(protocol=4 if route.metric == 1024 else 12)
    return route._replace(metric=route.metric + 1)


@contextlib.contextmanager
def _wired(fresh_netns: t.Any) -> t.Iterator[t.Any]:
    with fresh_netns() as netns:
        netns.veth("ens224", "peer224", "10.100.0.11/24", "2001:db8:a::b/64")
        netns.veth("ens256", "peer256", "172.16.0.11/24", "2001:db8:c::b/64")
        yield netns


def _delete_each(fresh_netns: t.Any, present: list[Route], deleted: list[Route]) -> None:
    with _wired(fresh_netns) as netns:
        sock, names, indexes = netns.socket(), netns.names, netns.indexes
        sock.batch([encode_append(route, indexes) for route in present])
        before = read_routes(sock, names, table=_TABLE)
        for route in deleted:
            predicted = match.after_route_delete(route, before)
            (error,) = sock.batch([encode_delete(route, indexes)])
            after = read_routes(sock, names, table=_TABLE)
            note(f"deleted {route}\nbefore {before}\npredicted {predicted}\nafter {after}\nerror {error}")
            assert after == predicted
            hit = match.routes_hit(route, before)
            assert bool(hit) == (after != before)
            if match.delete_is_precise(route, before):
                assert len(after) == len(before) - 1 and route in before
            before = after


@_PROPERTY
@given(present=st.lists(_ipv4_routes, min_size=2, max_size=6), data=st.data())
def test_ipv4_route_delete_hits_what_is_predicted(
    fresh_netns: t.Any, present: list[Route], data: st.DataObject
) -> None:
    deleted = data.draw(st.lists(st.one_of(st.sampled_from(present), _ipv4_routes), min_size=1, max_size=4))
    _delete_each(fresh_netns, present, deleted)


@_PROPERTY
@given(present=st.lists(_ipv6_routes.map(_shown_whole), min_size=2, max_size=5), data=st.data())
def test_ipv6_route_delete_hits_what_is_predicted(
    fresh_netns: t.Any, present: list[Route], data: st.DataObject
) -> None:
    deleted = data.draw(st.lists(st.one_of(st.sampled_from(present), _ipv6_routes), min_size=1, max_size=4))
    _delete_each(fresh_netns, present, deleted)


_prefixes = {AF_INET: (None, "10.0.0.0/8", "10.1.0.0/16"), AF_INET6: (None, "2001:db8::/32", "2001:db8:1::/48")}


def _rules(family: int) -> st.SearchStrategy[Rule]:
    rarely = {
        "tos": 16, "oif": "ens256", "ip_protocol": 17, "source_ports": (80, 80), "destination_ports": (8000, 8010),
        "uid_range": (0, 7) if EVERY_USER else (0, 0), "invert": True, "tun_id": 9, "suppress_prefix_length": 0,
        "suppress_ifgroup": 0, "iif": "ens224", "fwmark": 5, "destination": _prefixes[family][1],
    }  # fmt: skip
    defaults = Rule(family, 0)

    def build(source: str | None, protocol: int, table: int, action: str, some: set[str]) -> Rule:
        rule = Rule(family, 1000, action, table if action == "lookup" else 0, source, protocol=protocol)
        rule = rule._replace(**{field: rarely[field] for field in some})
        if rule.fwmark:
            rule = rule._replace(fwmask=0xFFFFFFFF)
        if action != "lookup":
            rule = rule._replace(suppress_prefix_length=None, suppress_ifgroup=None)
        return rule._replace(goto=2000) if action == "goto" else rule

    assert all(getattr(defaults, field) in (None, 0, False) for field in rarely)
    return st.builds(
        build,
        st.sampled_from(_prefixes[family]),
        st.sampled_from((0, 4, 12)),
        st.sampled_from((100, 1000)),
        st.sampled_from(("lookup", "lookup", "lookup", "blackhole", "goto")),
        st.sets(st.sampled_from(sorted(rarely)), max_size=2),
    )


def _add_and_delete_rules(fresh_netns: t.Any, present: list[Rule], deleted: list[Rule], family: int) -> None:
    with _wired(fresh_netns) as netns:
        sock = netns.socket()
        for rule in present:
            before = read_rules(sock, family)
            (error,) = sock.batch([encode_rule_add(rule)])
            in_the_way = match.first_equal_rule(rule, before)
            note(f"added {rule}: {error}\nin the way {in_the_way}\n")
            assert (in_the_way is not None) == (error is not None)
            if error is not None:
                assert error.errno == 17
                assert sock.batch([encode_rule_add(rule, exclusive=False)]) == [None]
        before = read_rules(sock, family)
        for rule in deleted:
            hit = match.first_rule_match(rule, before)
            expected = list(before)
            if hit is not None:
                expected.remove(hit)
            sock.batch([encode_rule_delete(rule)])
            after = read_rules(sock, family)
            note(f"deleted {rule}\nbefore {before}\npredicted hit {hit}\nafter {after}")
            assert after == expected
            assert not match.rule_delete_is_precise(rule, before) or rule == hit
            before = after


@_PROPERTY
@given(present=st.lists(_rules(AF_INET), min_size=2, max_size=6), data=st.data())
def test_ipv4_rules_are_added_and_deleted_as_predicted(
    fresh_netns: t.Any, present: list[Rule], data: st.DataObject
) -> None:
    deleted = data.draw(st.lists(st.one_of(st.sampled_from(present), _rules(AF_INET)), min_size=1, max_size=4))
    _add_and_delete_rules(fresh_netns, present, deleted, AF_INET)


@_PROPERTY
@given(present=st.lists(_rules(AF_INET6), min_size=2, max_size=6), data=st.data())
def test_ipv6_rules_are_added_and_deleted_as_predicted(
    fresh_netns: t.Any, present: list[Rule], data: st.DataObject
) -> None:
    deleted = data.draw(st.lists(st.one_of(st.sampled_from(present), _rules(AF_INET6)), min_size=1, max_size=4))
    _add_and_delete_rules(fresh_netns, present, deleted, AF_INET6)
