# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes that the kernel would misunderstand are reordered, spelled out, or refused before anything is touched."""

from __future__ import annotations

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._netlink.objects import NextHop, Route, Rule
from ansible_collections.kubenode.network.plugins.module_utils._state.model import Change, State, StateError
from ansible_collections.kubenode.network.plugins.module_utils._state.precise import check_routes, precise_rules

GENERAL = Rule(2, 900, table=100, protocol=157)
SPECIAL = GENERAL._replace(source="10.0.0.0/8")
OTHER = GENERAL._replace(source="10.1.0.0/16", table=200)
FOREIGN = GENERAL._replace(source="10.2.0.0/16", protocol=12)
ROUTE = Route(2, 254, "10.200.0.0/16", 0, (NextHop("ens224", "10.100.0.1"),), protocol=157)


def gone(value: Rule | Route) -> Change:
    return Change(type(value).__name__.lower(), "", value, None)


def made(value: Rule | Route) -> Change:
    return Change(type(value).__name__.lower(), "", None, value)


def steps(changes: list[Change], *held: Rule) -> tuple[list[tuple[str, Rule]], list[Rule]]:
    """What is sent, and the rules afterwards."""
    at = {(2, 900): list(held)}
    sent = precise_rules(changes, at)
    return [("-" if change.after is None else "+", change.before or change.after) for change in sent], at[2, 900]


def test_rules_go_in_the_kernels_order() -> None:
    sent, left = steps([gone(GENERAL), gone(SPECIAL)], SPECIAL, GENERAL)
    assert sent == [("-", SPECIAL), ("-", GENERAL)]
    assert left == []


def test_a_rule_of_ours_in_front_of_a_more_general_one_that_goes_is_set_aside() -> None:
    sent, left = steps([gone(GENERAL)], SPECIAL, GENERAL, OTHER)
    assert sent == [("-", SPECIAL), ("-", OTHER), ("-", GENERAL), ("+", SPECIAL), ("+", OTHER)]
    assert left == [SPECIAL, OTHER]


def test_a_more_general_rule_behind_the_one_that_goes_is_left_alone() -> None:
    assert steps([gone(SPECIAL)], SPECIAL, GENERAL) == ([("-", SPECIAL)], [GENERAL])


def test_a_rule_of_others_is_not_set_aside() -> None:
    unspecified = GENERAL._replace(protocol=0)
    with pytest.raises(StateError, match=r"from all lookup 100 alone.*10\.2\.0\.0/16"):
        steps([gone(unspecified)], FOREIGN, unspecified)
    # Ours differs from it by its protocol.
    assert steps([gone(GENERAL)], FOREIGN, GENERAL) == ([("-", GENERAL)], [FOREIGN])


def test_what_is_gone_already_and_what_is_no_rule_stay_where_they_are() -> None:
    route = made(ROUTE)
    sent = precise_rules([route, gone(SPECIAL), made(GENERAL), route], {})
    assert sent == [route, gone(SPECIAL), made(GENERAL), route]


def test_a_rule_that_an_earlier_step_makes_counts() -> None:
    sent, left = steps([made(SPECIAL), gone(GENERAL)], GENERAL)
    assert sent == [("+", SPECIAL), ("-", GENERAL)]
    assert left == [SPECIAL]


def test_routes_that_share_a_key_are_neither_replaced_nor_joined() -> None:
    twin = ROUTE._replace(protocol=12, next_hops=(NextHop("ens224", "10.100.0.9"),))
    both = State(routes={ROUTE.key: (ROUTE, twin)})
    new = ROUTE._replace(next_hops=(NextHop("ens224", "10.100.0.2"),))
    with pytest.raises(StateError, match=r"replace.*10\.100\.0\.9"):
        check_routes([Change("route", "", ROUTE, new)], both)
    with pytest.raises(StateError, match=r"make.*10\.100\.0\.9"):
        check_routes([made(ROUTE)], State(routes={twin.key: (twin,)}))
    check_routes([gone(ROUTE)], both)
    check_routes([Change("route", "", ROUTE, new)], State(routes={ROUTE.key: (ROUTE,)}))


def test_a_removal_without_a_metric_does_not_reach_a_route_with_one() -> None:
    """The kernel takes metric 0 for any: with the route itself gone meanwhile it would take the other."""
    other = ROUTE._replace(metric=100)
    check_routes([gone(ROUTE)], State(routes={ROUTE.key: (ROUTE,), other.key: (other,)}))
    with pytest.raises(StateError, match="metric 100"):
        check_routes([gone(ROUTE)], State(routes={other.key: (other,)}))
