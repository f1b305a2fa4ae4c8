# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel's wildcard traps on routes, one by one: what it does, and that match.py says so beforehand.

A stranger's route (protocol 12, as a routing daemon makes it) stands in the kernel first. That on random routes the
predictions hold as well is test_netlink_match.py's; the traps of rules are in test_netlink_rules.py.
"""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._netlink import constants as c
from ansible_collections.kubenode.network.plugins.module_utils._netlink import match
from ansible_collections.kubenode.network.plugins.module_utils._netlink.addresses import encode_address_delete
from ansible_collections.kubenode.network.plugins.module_utils._netlink.objects import Address, NextHop, Route, Rule
from ansible_collections.kubenode.network.plugins.module_utils._netlink.routes import (
    encode_add,
    encode_append,
    encode_delete,
    encode_replace,
    read_routes,
)
from ansible_collections.kubenode.network.plugins.module_utils._netlink.rules import encode_rule_delete

BIRD, OURS = 12, 157
A, B = NextHop("ens224", "10.100.0.1"), NextHop("ens256", "172.16.0.1")
A6, B6 = NextHop("ens224", "2001:db8:a::1"), NextHop("ens256", "2001:db8:c::1")
V4 = Route(c.AF_INET, 1000, "10.200.0.0/16", next_hops=(A,), protocol=OURS)
V6 = Route(c.AF_INET6, 1000, "2001:db8:200::/48", 1024, (A6,), protocol=OURS)


def _make(netns: t.Any, *routes: Route) -> tuple[t.Any, list[Route]]:
    sock, indexes = netns.socket(), netns.indexes
    assert not any(sock.batch([encode_append(route, indexes) for route in routes]))
    return sock, read_routes(sock, netns.names, table=1000)


def _delete(netns: t.Any, route: Route) -> list[Route]:
    sock = netns.socket()
    sock.batch([encode_delete(route, netns.indexes)])
    return read_routes(sock, netns.names, table=1000)


def test_a_delete_with_metric_0_takes_a_route_of_any_metric(wired: t.Any) -> None:
    stranger = V4._replace(metric=100)
    _sock, before = _make(wired, stranger)
    assert match.first_route_match(V4, before) == stranger
    assert not match.delete_is_precise(V4, before)
    assert _delete(wired, V4) == []


def test_a_delete_with_metric_0_takes_metric_0_first_where_it_is(wired: t.Any) -> None:
    _sock, before = _make(wired, V4._replace(metric=100), V4)
    assert match.delete_is_precise(V4, before)
    assert _delete(wired, V4) == [V4._replace(metric=100)]


def test_the_protocol_protects_a_strangers_route(wired: t.Any) -> None:
    stranger = V4._replace(protocol=BIRD)
    _sock, before = _make(wired, stranger, V4)
    assert match.delete_is_precise(V4, before)
    assert _delete(wired, V4) == [stranger]
    assert match.routes_hit(V4, [stranger]) == []
    assert _delete(wired, V4) == [stranger]


def test_a_single_next_hop_is_compared_with_the_first_of_several(wired: t.Any) -> None:
    several = V4._replace(next_hops=(A, B))
    _sock, before = _make(wired, several)
    assert match.routes_hit(V4, before) == [several]
    assert not match.delete_is_precise(V4, before)
    assert _delete(wired, V4) == []


def test_weights_are_not_compared(wired: t.Any) -> None:
    heavy = V4._replace(next_hops=(A._replace(weight=9), B))
    light = V4._replace(next_hops=(A, B))
    _sock, before = _make(wired, heavy)
    assert match.routes_hit(light, before) == [heavy]
    assert _delete(wired, light) == []


def test_a_route_without_source_takes_one_with(wired: t.Any) -> None:
    stranger = V4._replace(source="10.100.0.11")
    _sock, before = _make(wired, stranger, V4)
    assert match.routes_hit(V4, before) == [stranger]
    assert _delete(wired, V4) == [V4]


def test_an_ipv4_replace_takes_over_a_strangers_route(wired: t.Any) -> None:
    sock, _before = _make(wired, V4._replace(protocol=BIRD, next_hops=(B,)))
    assert sock.batch([encode_replace(V4, wired.indexes)]) == [None]
    assert read_routes(sock, wired.names, table=1000) == [V4]


def test_an_exclusive_add_leaves_a_strangers_route_alone(wired: t.Any) -> None:
    strangers = [V4._replace(protocol=BIRD, next_hops=(B,)), V6._replace(protocol=BIRD, next_hops=(B6,))]
    sock, before = _make(wired, *strangers)
    errors = sock.batch([encode_add(route, wired.indexes) for route in (V4, V6)])
    assert [error and error.errno for error in errors] == [17, 17]
    assert read_routes(sock, wired.names, table=1000) == before == strangers


def test_an_ipv6_append_joins_a_strangers_route_and_hides_its_own_protocol(wired: t.Any) -> None:
    sock, _before = _make(wired, V6._replace(protocol=BIRD), V6._replace(next_hops=(B6,)))
    assert read_routes(sock, wired.names, table=1000) == [V6._replace(protocol=BIRD, next_hops=(A6, B6))]


def test_an_ipv6_replace_removes_the_whole_group(wired: t.Any) -> None:
    sock, _before = _make(wired, V6._replace(protocol=BIRD, next_hops=(A6, B6)))
    lone = V6._replace(next_hops=(NextHop("ens224", "2001:db8:a::9"),))
    assert sock.batch([encode_replace(lone, wired.indexes)]) == [None]
    assert read_routes(sock, wired.names, table=1000) == [lone]


def test_an_ipv6_delete_without_gateway_takes_all_next_hops(wired: t.Any) -> None:
    group = V6._replace(next_hops=(A6, B6))
    _sock, before = _make(wired, group)
    wish = V6._replace(next_hops=(NextHop("ens256"),))
    assert match.routes_hit(wish, before) == [group]
    assert _delete(wired, wish) == []


def test_an_ipv6_delete_of_one_type_takes_another(wired: t.Any) -> None:
    _sock, before = _make(wired, V6)
    wish = V6._replace(type="blackhole", next_hops=())
    assert match.routes_hit(wish, before) == [V6]
    assert _delete(wired, wish) == []


def test_an_ipv6_delete_by_source_takes_a_route_for_all_sources(wired: t.Any) -> None:
    _sock, before = _make(wired, V6)
    wish = V6._replace(source_prefix="2001:db8:a::/64")
    assert match.routes_hit(wish, before) == [V6]
    assert not match.delete_is_precise(wish, before)
    assert _delete(wired, wish) == []


def test_an_ipv6_dump_leaves_out_what_lies_between_next_hops(wired: t.Any) -> None:
    """Why joining a stranger's route is a conflict: afterwards nobody can see everything."""
    hidden = V6._replace(type="blackhole", next_hops=())
    sock, seen = _make(wired, V6, hidden, V6._replace(next_hops=(B6,)))
    assert seen == [V6._replace(next_hops=(A6, B6))]
    assert len(wired.routes("-6", 1000)) == 1, "ip sees no more"
    assert sock.batch([encode_delete(seen[0], wired.indexes)]) == [None]
    assert read_routes(sock, wired.names, table=1000) == [hidden]


@pytest.mark.parametrize(
    ("route", "words"),
    [
        (V4._replace(destination="10.200.0.1/16"), "Invalid prefix for given prefix length"),
        (V4._replace(next_hops=(NextHop("ens224", "192.0.2.1"),)), "Nexthop has invalid gateway"),
        (V6._replace(next_hops=(NextHop("ens224", "2001:db8:a::b"),)), "Gateway can not be a local address"),
        (V4._replace(source="10.99.0.1"), "Invalid prefsrc address"),
    ],
)
def test_refusals_are_in_the_kernels_words(wired: t.Any, route: Route, words: str) -> None:
    (error,) = wired.socket().batch([encode_add(route, wired.indexes)])
    assert error is not None
    assert error.message == words


def test_no_delete_carries_the_bit_that_means_bulk(wired: t.Any) -> None:
    """NLM_F_EXCL is NLM_F_BULK on a delete: everything would go."""
    indexes = wired.indexes
    deletes = [
        encode_delete(V4, indexes),
        encode_delete(V6, indexes),
        encode_rule_delete(Rule(c.AF_INET, 1000, table=100)),
        encode_address_delete(Address("ens224", c.AF_INET, "10.100.0.11", 24), indexes),
    ]
    assert {flags for _type, flags, _body in deletes} == {c.NLM_F_REQUEST}
