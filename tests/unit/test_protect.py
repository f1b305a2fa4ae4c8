# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The protected path: what would take it over is refused, what would not is let through."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._state.model import (
    Desired,
    InterfaceSpec,
    IpSpec,
    State,
    StateError,
)

from .state_builder import BIRD, address, plan_desired, route, rule, worker
from .test_plan import DATA, EXTERNAL, gone, interface, node, want, want_rule

CONTROLLER = ("the controller", "198.51.100.7", "192.168.100.11")
NEAR = ("the controller", "192.168.100.5", "192.168.100.11")
API = ("the API server", "10.96.100.1", None)

# (what, the declaration, the peers) that must be refused on a node with a default route of metric 0 over ens192
REFUSED: list[tuple[str, Desired, tuple[t.Any, ...]]] = [
    ("a more specific route", Desired(routes=(want("198.51.100.0/24"),)), (CONTROLLER,)),
    ("a host route", Desired(routes=(want("198.51.100.7/32"),)), (CONTROLLER,)),
    ("a host route on its own network", Desired(routes=(want("192.168.100.5/32"),)), (NEAR,)),
    ("a blackhole", Desired(routes=(want("198.51.100.0/24", None, None, type="blackhole"),)), (CONTROLLER,)),
    ("halves of the default route", Desired(routes=(want("0.0.0.0/1"),)), ()),
    ("an equal metric", Desired(routes=(want("0.0.0.0/0"),)), ()),
    ("the default route removed", Desired(routes=(gone("0.0.0.0/0"),)), ()),
    ("the API server's network", Desired(routes=(want("10.96.0.0/12"),)), (API,)),
    (
        "a rule to a table that leads elsewhere",
        Desired(
            routes=(want("0.0.0.0/0", table=7000),),
            rules=(want_rule(source="192.168.100.0/24", table=7000, priority=99),),
        ),
        (CONTROLLER,),
    ),
    (
        "a rule for all packets",
        Desired(
            routes=(want("0.0.0.0/0", table=7000),),
            rules=(want_rule(destination="0.0.0.0/0", table=7000, priority=99),),
        ),
        (),
    ),
    (
        "a rule that drops",
        Desired(rules=(want_rule(destination="198.51.100.0/24", action="prohibit", priority=9),)),
        (CONTROLLER,),
    ),
    (
        "the controller's address taken by the node",
        Desired(interfaces=(interface(ipv4=IpSpec(True, (("198.51.100.7", 32),))),)),
        (CONTROLLER,),
    ),
    (
        "a network that contains the controller",
        Desired(interfaces=(interface(ipv4=IpSpec(True, (("198.51.100.1", 24),))),)),
        (CONTROLLER,),
    ),
    ("the management NIC taken down", Desired(interfaces=(interface("ens192", state="down"),)), (CONTROLLER,)),
    (
        "the management address removed",
        Desired(interfaces=(interface("ens192", ipv4=IpSpec(True, (("192.168.100.99", 24),))),), addresses_exact=True),
        (NEAR,),
    ),
]  # fmt: skip


def check(current: State, desired: Desired, **options: t.Any) -> None:
    with pytest.raises(StateError) as error:
        plan_desired(current, desired, **options)
    assert "ens192" in error.value.message or "192.168.100" in error.value.message


@pytest.mark.parametrize(("what", "desired", "peers"), REFUSED, ids=[case[0] for case in REFUSED])
def test_it_is_refused(what: str, desired: Desired, peers: t.Any) -> None:
    check(node(), desired, peers=peers)


# Two stay refused for reasons of their own: equal keys (on_conflict), and routes of others over a NIC that goes down.
MAY_PASS = [case for case in REFUSED if case[0] not in ("an equal metric", "the management NIC taken down")]


@pytest.mark.parametrize(("what", "desired", "peers"), MAY_PASS, ids=[case[0] for case in MAY_PASS])
def test_it_is_let_through_when_asked_for(what: str, desired: Desired, peers: t.Any) -> None:
    assert plan_desired(node(), desired, peers=peers, allow_default_override=True).changes


def test_what_leaves_the_protected_path_alone_passes() -> None:
    fine = Desired(
        routes=(
            want("10.200.0.0/16", metric=100), want("0.0.0.0/0", metric=100),
            want("0.0.0.0/0", "172.16.0.1", "ens256", metric=200), want("0.0.0.0/0", "172.16.0.1", "ens256", table=100),
        ),
        rules=(want_rule(source="172.16.0.0/24", table=100, priority=100),),
    )  # fmt: skip
    assert len(plan_desired(node(), fine, peers=(CONTROLLER, NEAR, API)).changes) == 5


@pytest.mark.parametrize("default", [100, 150, 1024])
def test_a_default_route_that_outranks_the_one_in_use_is_refused(default: int) -> None:
    current = worker(default, addresses=[DATA, EXTERNAL])
    check(current, Desired(routes=(want("0.0.0.0/0", metric=100 if default != 150 else 150),)))
    assert plan_desired(current, Desired(routes=(want("0.0.0.0/0", metric=default + 1),))).changes


def test_an_equal_default_route_names_the_one_in_use() -> None:
    with pytest.raises(StateError) as error:
        plan_desired(worker(100, addresses=[DATA]), Desired(routes=(want("0.0.0.0/0", metric=100),)))
    assert "default route in use" in error.value.message and "192.168.100.1" in error.value.message


@pytest.mark.parametrize("inner", ["10.96.0.0/12", "10.96.0.0/16", "10.100.0.0/24", "10.111.255.255/32", "10.0.0.0/8"])
def test_a_protected_network_is_shadowed_by_no_part_of_it(inner: str) -> None:
    desired = Desired(routes=(want(inner, "172.16.0.1", "ens256"),))
    with pytest.raises(StateError) as error:
        plan_desired(worker(addresses=[EXTERNAL]), desired, protect=("10.96.0.0/12",))
    assert "10.96.0.0/12" in error.value.message


def test_a_network_beside_the_protected_one_passes() -> None:
    assert plan_desired(node(), Desired(routes=(want("10.112.0.0/12"),)), protect=("10.96.0.0/12",)).changes


def test_the_ipv6_default_route_is_watched_too() -> None:
    current = worker(
        addresses=[address("2001:db8:1::11/64", "ens192"), address("2001:db8:100::10/64", "ens224")],
        routes=[route("::/0", "fe80::1", "ens192", protocol=9)],
    )
    with pytest.raises(StateError) as error:
        plan_desired(current, Desired(routes=(want("::/0", "2001:db8:100::1", metric=512),)))
    assert "IPv6 default route" in error.value.message
    with pytest.raises(StateError):
        plan_desired(current, Desired(routes=(want("::/0", "2001:db8:100::1"),)))
    assert plan_desired(current, Desired(routes=(want("::/0", "2001:db8:100::1", metric=2048),))).changes


def test_routes_of_others_over_an_address_that_goes_are_named() -> None:
    current = worker(addresses=[DATA], routes=[route("10.9.0.0/16", "10.100.0.9", "ens224", protocol=BIRD)])
    spec = InterfaceSpec("a", "interfaces[0]", "ens224", ipv4=IpSpec(False))
    with pytest.raises(StateError) as error:
        plan_desired(current, Desired(interfaces=(spec,), addresses_exact=True))
    assert "10.9.0.0/16" in error.value.message and "bird" in error.value.message


def test_a_rule_that_only_concerns_marked_packets_moves_nothing() -> None:
    desired = Desired(
        routes=(want("0.0.0.0/0", table=7000),), rules=(want_rule(fwmark=2, fwmask=2, table=7000, priority=99),)
    )
    assert plan_desired(node(rules=[rule(50, 7000, fwmark=1, fwmask=1)]), desired, peers=(CONTROLLER,)).changes
