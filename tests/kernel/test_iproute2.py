# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What `ip -force -batch` makes of our lines is what the codec makes, and goes as precisely."""

from __future__ import annotations

import subprocess
import typing as t

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._netlink.addresses import (
    encode_address_add,
    read_addresses,
)
from ansible_collections.kubenode.network.plugins.module_utils._netlink.objects import NextHop, Route, Rule
from ansible_collections.kubenode.network.plugins.module_utils._netlink.routes import encode_add, read_routes
from ansible_collections.kubenode.network.plugins.module_utils._netlink.rules import encode_rule_add, read_rules
from ansible_collections.kubenode.network.plugins.module_utils._state import iproute2
from ansible_collections.kubenode.network.plugins.module_utils._state.model import StateError
from ansible_collections.kubenode.network.tests.kernel.conftest import EVERY_USER, ONE_USER
from ansible_collections.kubenode.network.tests.kernel.route_cases import TWINS as ROUTES
from ansible_collections.kubenode.network.tests.kernel.route_cases import random_routes
from ansible_collections.kubenode.network.tests.kernel.test_netlink_addresses import TWINS as ADDRESSES
from ansible_collections.kubenode.network.tests.kernel.test_netlink_rules import TWINS as RULES
from ansible_collections.kubenode.network.tests.kernel.test_netlink_rules import random_rules
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

_RELAXED = settings(
    deadline=None,
    report_multiple_bugs=False,
    max_examples=max(5, settings.default.max_examples // 2),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def batch(lines: t.Iterable[str]) -> str:
    """Send lines to `ip`; its complaints."""
    complaints = []
    for family, some in zip(("-0", "-6"), iproute2.split(lines)):
        command = [word for word in ("ip", family, "-force", "-batch", "-") if word != "-0"]
        text = "\n".join(some) + "\n"
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
        complaints += [line for line in done.stderr.splitlines() if not line.startswith("Command failed")]
    return "\n".join(complaints)


def _routes(netns: t.Any) -> list[Route]:
    """Without what the kernel makes in its own time."""
    return [route for route in read_routes(netns.socket(), netns.names) if route.protocol != 2]


@pytest.mark.parametrize("case", ROUTES)
def test_a_route_goes_and_comes_back_as_the_codec_made_it(wired: t.Any, case: str) -> None:
    _words, route = ROUTES[case]
    sock = wired.socket()
    before = _routes(wired)
    assert sock.batch([encode_add(route, wired.indexes)]) == [None]
    held = _routes(wired)
    assert batch(iproute2.delete("route", route)) == ""
    assert _routes(wired) == before
    assert batch(iproute2.add("route", route)) == ""
    assert _routes(wired) == held
    # Once more without harm, each of them.
    assert "File exists" in batch(iproute2.add("route", route))
    assert "File exists" in batch([iproute2.route_line(route, "append")])
    assert _routes(wired) == held
    batch(iproute2.delete("route", route))
    assert "No such process" in batch(iproute2.delete("route", route))


@pytest.mark.parametrize("case", RULES)
def test_a_rule_goes_and_comes_back_as_the_codec_made_it(wired: t.Any, case: str) -> None:
    _words, rule = RULES[case]
    if rule.uid_range and not EVERY_USER:
        pytest.skip(ONE_USER)
    sock = wired.socket()
    before = read_rules(sock)
    assert sock.batch([encode_rule_add(rule)]) == [None]
    held = read_rules(sock)
    assert batch(iproute2.delete("rule", rule)) == ""
    assert read_rules(sock) == before
    assert batch(iproute2.add("rule", rule)) == ""
    assert read_rules(sock) == held
    assert "File exists" in batch(iproute2.add("rule", rule))
    batch(iproute2.delete("rule", rule))
    assert "No such file" in batch(iproute2.delete("rule", rule))


@pytest.mark.parametrize("case", ADDRESSES)
def test_an_address_goes_and_comes_back_as_the_codec_made_it(netns: t.Any, case: str) -> None:
    _words, address = ADDRESSES[case]
    netns.veth("ens224", "peer224")
    sock = netns.socket()

    def held() -> list[t.Any]:
        # Duplicate address detection goes on by itself.
        found = read_addresses(sock, netns.names)
        return [one for one in found if one.interface == "ens224" and not one.address.startswith("fe80:")]

    before = held()
    assert sock.batch([encode_address_add(address, netns.indexes)]) == [None]
    there = [one._replace(protocol=0) for one in held()]
    batch(iproute2.delete("address", address))
    assert held() == before
    batch(iproute2.add("address", address))
    assert held() == there
    batch(iproute2.add("address", address))
    assert held() == there


@_RELAXED
@given(routes=random_routes(4, 8))
def test_random_routes_go_and_come_back(wired: t.Any, routes: list[Route]) -> None:
    sock = wired.socket()
    untouched = _routes(wired)
    expressible = {route.key: route for route in routes if not any(number == 13 for number, _value in route.metrics)}
    routes = list(expressible.values())
    assert not any(sock.batch([encode_add(route, wired.indexes) for route in routes]))
    held = set(_routes(wired)) - set(untouched)
    assert len(held) == len(routes)
    assert batch(line for route in routes for line in iproute2.delete("route", route)) == ""
    assert set(_routes(wired)) <= set(untouched)
    try:
        assert batch(line for route in routes for line in iproute2.add("route", route)) == ""
        assert set(_routes(wired)) - set(untouched) == held
    finally:
        batch(line for route in routes for line in iproute2.delete("route", route))


@_RELAXED
@given(rules=st.lists(random_rules(), min_size=1, max_size=6, unique_by=lambda rule: (rule.family, rule.priority)))
def test_random_rules_go_and_come_back(wired: t.Any, rules: list[Rule]) -> None:
    sock = wired.socket()
    untouched = read_rules(sock)
    assert not any(sock.batch([encode_rule_add(rule) for rule in rules]))
    held = read_rules(sock)
    assert batch(line for rule in rules for line in iproute2.delete("rule", rule)) == ""
    assert read_rules(sock) == untouched
    try:
        assert batch(line for rule in rules for line in iproute2.add("rule", rule)) == ""
        assert read_rules(sock) == held
    finally:
        batch(line for rule in rules for line in iproute2.delete("rule", rule))


def test_what_ip_cannot_say_is_refused_with_the_object() -> None:
    encapsulated = Route(2, 254, "10.200.0.0/16", next_hops=(NextHop("ens224", encap=((22, b"x"),)),))
    with pytest.raises(StateError, match=r"route 10\.200\.0\.0/16 dev ens224.*no words for attribute 22"):
        iproute2.add("route", encapsulated)
    with pytest.raises(StateError, match="no words for the name 'ens#1'"):
        iproute2.add("route", Route(2, 254, "10.200.0.0/16", next_hops=(NextHop("ens#1"),)))
    with pytest.raises(StateError, match="rto_min without its lock"):
        iproute2.add("route", Route(2, 254, "10.200.0.0/16", metrics=((13, 200),)))
