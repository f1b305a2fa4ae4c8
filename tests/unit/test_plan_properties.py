# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds of every plan, for random states: v4 and v6, several tables, multipath, rules, objects of others."""

from __future__ import annotations

import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._netlink.objects import NextHop, Route, Rule
from ansible_collections.kubenode.network.plugins.module_utils._state.model import Change, State, StateError, Target
from ansible_collections.kubenode.network.plugins.module_utils._state.simulate import afterwards
from hypothesis import assume, given
from hypothesis import strategies as st

from .state_builder import BIRD, BOOT, DHCP, KERNEL, OURS, address, plan_target, worker

_HOPS = {
    2: [NextHop("ens224", "10.100.0.1"), NextHop("ens256", "172.16.0.1"), NextHop("ens224")],
    10: [NextHop("ens224", "2001:db8:100::1"), NextHop("ens256", "fe80::1"), NextHop("ens224")],
}
_DESTINATIONS = {
    2: ["10.200.0.0/16", "10.50.0.0/24", "203.0.113.1/32", "10.200.4.0/24", "0.0.0.0/0"],
    10: ["2001:db8:200::/48", "2001:db8:50::/64", "::/0"],
}


@st.composite
def routes(draw: t.Any, protocols: list[int]) -> Route:
    family = draw(st.sampled_from([2, 10]))
    kind = draw(st.sampled_from(["unicast", "unicast", "blackhole", "prohibit"]))
    hops = tuple(draw(st.lists(st.sampled_from(_HOPS[family]), min_size=1, max_size=2, unique=True)))
    metric = draw(st.sampled_from([50, 100, 200]))
    return Route(
        family, draw(st.sampled_from([254, 100, 7000])), draw(st.sampled_from(_DESTINATIONS[family])), metric,
        hops if kind == "unicast" else (), kind, draw(st.sampled_from(protocols)),
        metrics=draw(st.sampled_from([(), ((2, 1400),)])),
    )  # fmt: skip


@st.composite
def rules(draw: t.Any, protocols: list[int]) -> Rule:
    return Rule(
        2, draw(st.sampled_from([90, 100, 5000, 30000])), table=draw(st.sampled_from([100, 7000])),
        source=draw(st.sampled_from([None, "172.16.0.0/24", "10.0.0.0/8"])), fwmark=draw(st.sampled_from([0, 2])),
        fwmask=0xFFFFFFFF, protocol=draw(st.sampled_from(protocols)),
    )  # fmt: skip


def by_key(things: t.Iterable[t.Any]) -> dict[t.Any, t.Any]:
    return {thing.key: thing for thing in things}


def targets(routes_wanted: list[Route], rules_wanted: list[Rule]) -> Target:
    return Target(
        routes={key: (route, ("o",), "routes[0]") for key, route in by_key(routes_wanted).items()},
        rules=tuple((rule, ("o",), "rules[0]", True) for rule in by_key(rules_wanted).values()),
        prune=(("o", "route"), ("o", "rule")),
    )


ours = st.tuples(st.lists(routes([OURS]), max_size=6), st.lists(rules([OURS]), max_size=4)).map(lambda x: targets(*x))
foreign = st.tuples(
    st.lists(routes([BOOT, BIRD, DHCP, KERNEL]), max_size=5), st.lists(rules([BOOT, BIRD, KERNEL]), max_size=3)
)


def node(others: tuple[list[Route], list[Rule]]) -> State:
    return worker(
        addresses=[
            address("10.100.0.10/24", "ens224"),
            address("172.16.0.10/24", "ens256"),
            address("2001:db8:100::10/64", "ens224"),
        ],
        routes=by_key(others[0]).values(),
        rules=by_key(others[1]).values(),
    )


def settle(current: State, target: Target, owned: t.Any) -> tuple[State, t.Any, tuple[Change, ...]]:
    """The plan carried out on values; states in which the plan is refused are not the subject here."""
    try:
        result = plan_target(current, target, owned, allow_default_override=True)
    except StateError:
        assume(False)
        raise
    return afterwards(current, result.changes), result.owned, result.changes


def things(current: State) -> tuple[t.Any, t.Any]:
    return (
        {key: set(group) for key, group in current.routes.items()},
        {key: set(group) for key, group in current.rules.items()},
    )


@given(foreign, ours)
def test_a_second_plan_is_empty(others: t.Any, a: Target) -> None:
    current, owned, _changes = settle(node(others), a, {})
    again = plan_target(current, a, owned, allow_default_override=True)
    assert again.changes == ()
    assert again.owned == owned


@given(foreign, ours, ours)
def test_the_plan_leads_from_any_state_to_any_other_and_touches_nothing_else(
    others: t.Any, a: Target, b: Target
) -> None:
    start = node(others)
    current, owned, _changes = settle(start, a, {})
    after, owned_after, changes = settle(current, b, owned)
    for key, (route, _owners, _origin) in b.routes.items():
        assert any(found.next_hops == route.next_hops and found.type == route.type for found in after.routes[key])
    mine = {route for group in after.routes.values() for route in group if route.protocol == OURS}
    assert {route.key for route in mine} <= set(b.routes)
    strangers = {route for group in start.routes.values() for route in group}
    assert strangers <= {route for group in after.routes.values() for route in group}
    assert {r for g in start.rules.values() for r in g} <= {r for g in after.rules.values() for r in g}
    for change in changes:
        assert change.before is None or change.before.protocol == OURS
    assert {record.owners for record in owned_after.values()} <= {("o",)}


@given(foreign, ours, ours, st.integers(0, 20))
def test_the_inverses_lead_back_from_any_step(others: t.Any, a: Target, b: Target, step: int) -> None:
    current, owned, _changes = settle(node(others), a, {})
    _after, _owned, changes = settle(current, b, owned)
    done = changes[:step]
    halfway = afterwards(current, done)
    back = afterwards(halfway, [change.inverse() for change in reversed(done)])
    assert things(back) == things(current)


@given(foreign, ours, st.randoms())
def test_the_order_of_entries_does_not_matter(others: t.Any, a: Target, random: t.Any) -> None:
    current = node(others)
    shuffled_routes, shuffled_rules = list(a.routes.items()), list(a.rules)
    random.shuffle(shuffled_routes)
    random.shuffle(shuffled_rules)
    first, _owned, _changes = settle(current, a, {})
    second, _owned, _changes = settle(
        current, a._replace(routes=dict(shuffled_routes), rules=tuple(shuffled_rules)), {}
    )
    assert things(first) == things(second)


@given(foreign, ours, ours)
def test_two_owners_prune_only_their_own(others: t.Any, a: Target, b: Target) -> None:
    second = b._replace(
        routes={key: (route, ("p",), "x") for key, (route, _o, _x) in b.routes.items() if key not in a.routes},
        rules=(), prune=(("p", "route"), ("p", "rule")),
    )  # fmt: skip
    current, owned, _changes = settle(node(others), a, {})
    both, owned, _changes = settle(current, second, owned)
    left, owned, changes = settle(both, second._replace(routes={}), owned)
    assert things(left) == things(current)
    assert all(change.owners == ("p",) for change in changes)
