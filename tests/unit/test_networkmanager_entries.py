# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses, routes and rules in the spelling of NetworkManager's keyfiles, there and back."""

from __future__ import annotations

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._netlink.objects import Address, NextHop, Route, Rule
from ansible_collections.kubenode.network.plugins.module_utils._persist import networkmanager_entries as e
from hypothesis import given
from hypothesis import strategies as st

V4, V6 = 2, 10
GATEWAYS = {V4: "10.0.0.1", V6: "fd00::1"}
PREFIXES = {V4: ("0.0.0.0/0", "10.60.0.0/16", "10.1.2.3/32"), V6: ("::/0", "fd60::/48", "fd00::7/128")}
SOURCES = {V4: "10.0.0.9", V6: "fd00::9"}

DEFAULTS = st.builds(e.Defaults, st.sampled_from((254, 300)), st.sampled_from((None, 100, 0)))


@st.composite
def routes(draw: st.DrawFn) -> Route:
    family = draw(st.sampled_from((V4, V6)))
    gateway = draw(st.sampled_from((None, GATEWAYS[family])))
    metric = draw(st.integers(1, 2**32 - 1) | st.just(0 if family == V4 else 1024))
    metrics = draw(st.lists(st.sampled_from((2, 3, 7, 11, 14)), unique=True).map(sorted))
    lock = sum(1 << number for number in metrics if draw(st.booleans()))
    values = tuple((number, draw(st.integers(1, 9000))) for number in metrics)
    return Route(
        family, draw(st.sampled_from((254, 300, 5))), draw(st.sampled_from(PREFIXES[family])), metric,
        (NextHop("eth2", gateway, on_link=draw(st.booleans()) and gateway is not None),), protocol=157,
        scope=253 if family == V4 and gateway is None else 0, tos=draw(st.sampled_from((0, 16))) if family == V4 else 0,
        source=draw(st.sampled_from((None, SOURCES[family]))), metrics=(((1, lock),) if lock else ()) + values,
    )  # fmt: skip


@given(routes(), DEFAULTS)
def test_a_route_comes_back_as_it_was(route: Route, defaults: e.Defaults) -> None:
    said = e.said_of(route)
    assert said is not None
    value, options = e.route_text(said, defaults)
    assert e.parse_route(value, options or "", route.family, defaults) == said


@given(routes(), routes())
def test_routes_are_equal_in_a_keyfile_where_they_are_to_the_kernel(one: Route, other: Route) -> None:
    if one.family == other.family:
        assert (e.said_of(one) == e.said_of(other)) == (one == other)


UNICAST = Route(V4, 254, "10.60.0.0/16", 0, (NextHop("eth2", "10.0.0.1"),), protocol=157)


@pytest.mark.parametrize(
    "route",
    [
        UNICAST._replace(next_hops=(NextHop("eth2", "10.0.0.1"), NextHop("eth2", "10.0.0.2"))),
        UNICAST._replace(next_hops=(NextHop("eth2", "fe80::1"),)),
        UNICAST._replace(next_hops=(NextHop("eth2", "10.0.0.1", encap=((1, b"x"),)),)),
        UNICAST._replace(type="blackhole", next_hops=()),
        UNICAST._replace(scope=200),
        UNICAST._replace(nexthop_id=7),
        UNICAST._replace(metrics=((8, 1200),)),
        UNICAST._replace(metrics=((1, 1 << 3), (2, 1400))),
        UNICAST._replace(extra=((20, b"\x01"),)),
        Route(V6, 254, "fd60::/48", 1024, (NextHop("eth2", "fd00::1"),), source_prefix="fd61::/48"),
    ],
    ids=lambda route: str(route)[6:60],
)
def test_what_a_keyfile_cannot_say_is_left_to_the_kernel(route: Route) -> None:
    assert e.said_of(route) is None


@pytest.mark.parametrize(
    ("value", "options", "expected"),
    [
        ("10.60.0.0/16,10.0.0.1,5", "", (254, "10.60.0.0/16", 5, "10.0.0.1")),
        ("10.60.0.0/16;10.0.0.1;5;", "table=300", (300, "10.60.0.0/16", 5, "10.0.0.1")),
        ("10.60.9.9/16,0.0.0.0", "", (254, "10.60.0.0/16", 100, None)),
        ("10.60.0.0", "", (254, "10.60.0.0/24", 100, None)),
        ("10.60.0.0/16,,0", "onlink=false,table=0", (254, "10.60.0.0/16", 0, None)),
    ],
)
def test_old_and_short_spellings_are_read(value: str, options: str, expected: tuple[object, ...]) -> None:
    said = e.parse_route(value, options, V4, e.Defaults(metric=100))
    assert said is not None
    assert (said.table, said.destination, said.metric, said.gateway) == expected


@pytest.mark.parametrize("value", ["", "nonsense", "10.0.0.0/99", "10.0.0.0/16,10.0.0.300", "10.0.0.0/16,,x"])
def test_what_networkmanager_would_pass_over_is_no_route(value: str) -> None:
    assert e.parse_route(value, "", V4, e.Defaults()) is None


@st.composite
def rules(draw: st.DrawFn) -> Rule:
    family = draw(st.sampled_from((V4, V6)))
    prefix = st.none() | st.sampled_from(PREFIXES[family][1:])
    ports = st.none() | st.sampled_from(((80, 80), (80, 90)))
    action = draw(st.sampled_from(("lookup", "blackhole", "unreachable", "prohibit")))
    mark, mask = draw(st.sampled_from(((0, 0), (1, 0xFFFFFFFF), (0x10, 0xFF), (0, 0xFF))))
    return Rule(
        family, draw(st.integers(0, 2**32 - 1)), action, draw(st.sampled_from((254, 300))) if action == "lookup" else 0,
        draw(prefix), draw(prefix), draw(st.sampled_from((0, 0x10))), mark, mask, draw(st.none() | st.just("eth3")),
        draw(st.none() | st.just("lo")), draw(st.sampled_from((0, 6, 17))), draw(ports), draw(ports),
        draw(st.none() | st.just((1000, 2000))), draw(st.booleans()),
        suppress_prefix_length=draw(st.none() | st.just(0)) if action == "lookup" else None,
    )  # fmt: skip


@given(rules())
def test_a_rule_comes_back_as_it_was(rule: Rule) -> None:
    text = e.rule_text(rule)
    assert text is not None
    assert e.parse_rule(text, rule.family) == rule


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("priority 5 from 10.0.0.0/8 table 100", Rule(V4, 5, table=100, source="10.0.0.0/8")),
        ("pref 5 from 0.0.0.0/0 lookup main", Rule(V4, 5, table=254)),
        ("not order 0x5 dev eth3 type blackhole", Rule(V4, 5, "blackhole", iif="eth3", invert=True)),
        ("priority 5 fwmark 7 table 1 unreachable", Rule(V4, 5, "unreachable", 1, fwmark=7, fwmask=0xFFFFFFFF)),
    ],
)
def test_rules_in_other_words_are_read(text: str, expected: Rule) -> None:
    assert e.parse_rule(text, V4) == expected


@pytest.mark.parametrize("text", ["", "from 10.0.0.0/8", "priority", "priority 5 l3mdev", "priority 5 type nat"])
def test_unknown_words_are_no_rule(text: str) -> None:
    assert e.parse_rule(text, V4) is None


@pytest.mark.parametrize(
    "more", [{"action": "nop"}, {"action": "goto", "goto": 7}, {"l3mdev": True}, {"tun_id": 1}, {"suppress_ifgroup": 0}]
)
def test_rules_without_words_are_left_to_the_kernel(more: dict[str, object]) -> None:
    assert e.rule_text(Rule(V4, 5, table=100)._replace(**more)) is None


def test_addresses() -> None:
    address = Address("eth2", V4, "10.0.0.1", 24)
    assert e.address_text(address) == "10.0.0.1/24"
    assert e.address_text(address._replace(peer="10.0.0.2")) is None
    assert e.address_text(address._replace(label="eth2:1")) is None
    assert e.parse_address("10.0.0.1/24,10.0.0.254", V4) == ("10.0.0.1/24", "10.0.0.254")
    assert e.parse_address("10.0.0.1/24/0.0.0.0", V4) == ("10.0.0.1/24", None)
    assert e.parse_address("FD00::1", V6) == ("fd00::1/64", None)
    assert e.parse_address("x/24", V4) is None
