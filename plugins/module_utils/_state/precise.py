# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""That the kernel does to objects what is meant, and to no others. Pure.

Its deletes and replaces are patterns and take the first match (``_netlink/match.py``). Changes are played here on what
was dumped, object by object in the kernel's order, before any of them is sent.
"""

from __future__ import annotations

import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._netlink import match
from ansible_collections.kubenode.network.plugins.module_utils._netlink.constants import KUBENODE_PROTOCOL
from ansible_collections.kubenode.network.plugins.module_utils._netlink.objects import Route, Rule
from ansible_collections.kubenode.network.plugins.module_utils._netlink.routes import normalise
from ansible_collections.kubenode.network.plugins.module_utils._state.describe import object_text
from ansible_collections.kubenode.network.plugins.module_utils._state.model import Change, State, StateError
from ansible_collections.kubenode.network.plugins.module_utils._state.verify import same_route

# (family, priority) -> rules in the kernel's order.
RulesAt = t.Dict[t.Tuple[int, int], t.List[Rule]]  # noqa: UP006 - evaluated at run time


def check_routes(changes: t.Iterable[Change], state: State) -> None:
    """Raise StateError, naming the route that would be hit, where a change of a route would not do what it says."""
    changes = [change for change in changes if change.kind == "route"]
    held: dict[tuple[int, int, str], list[Route]] = {}
    for change in changes:
        for value in (change.before, change.after):
            if value is not None:
                held[value.family, value.table, value.destination] = []
    if held:
        for (family, table, destination, *_rest), found in state.routes.items():
            if (family, table, destination) in held:
                held[family, table, destination].extend(found)
    for change in changes:
        for value in (change.before, change.after):
            if value is not None:
                _play_route(change, held[value.family, value.table, value.destination])
                break


def _play_route(change: Change, held: list[Route]) -> None:
    before, after = change.before, change.after
    if before is not None and after is not None and before.key == after.key:
        twins = [route for route in held if route.key == before.key]
        if len(twins) != 1:
            raise _imprecise("replace", "route", before, [route for route in twins if route != before])
        held[held.index(twins[0])] = after
        return
    if before is not None:
        hit = match.routes_hit(before, held)
        if len(hit) > 1 or (hit and not same_route(before, hit[0])):
            raise _imprecise("remove", "route", before, hit)
        for route in hit:
            held.remove(route)
    if after is not None:
        exact = normalise(after)
        twins = [route for route in held if route.key == exact.key]
        if twins:
            raise _imprecise("make", "route", after, twins)
        place = [index for index, route in enumerate(held) if route.metric > exact.metric]
        held.insert(place[0] if place else len(held), exact)


def rules_at(state: State) -> RulesAt:
    held: RulesAt = {}
    for rules in state.rules.values():
        held.setdefault((rules[0].family, rules[0].priority), []).extend(rules)
    return held


def precise_rules(changes: t.Sequence[Change], held: RulesAt) -> list[Change]:
    """Atomic changes of rules so ordered, and with such of ours taken out and put in again, that each hits its rule.

    ``held`` is played along: it has the rules as they are afterwards. Changes of other kinds stay where they are.
    Raises StateError where a rule of others would be hit.
    """
    result: list[Change] = []
    removals: list[Change] = []
    for change in changes:
        if change.kind == "rule" and change.after is None:
            removals.append(change)
            continue
        if removals:
            result += _removed(removals, held)
            removals = []
        result.append(change)
        if change.kind == "rule":
            held.setdefault((change.after.family, change.after.priority), []).append(change.after)
    return result + _removed(removals, held) if removals else result


def _removed(removals: list[Change], held: RulesAt) -> list[Change]:
    places = {(change.before.family, change.before.priority) for change in removals}
    order = {rule: index for place in places for index, rule in enumerate(held.get(place, ()))}
    # In the kernel's order a general pattern no longer finds the special rule in front of it that goes as well.
    removals = sorted(removals, key=lambda change: order.get(change.before, len(order)))
    result = []
    for position, change in enumerate(removals):
        rules = held.get((change.before.family, change.before.priority), [])
        hit = match.first_rule_match(change.before, rules)
        if hit is None or hit == change.before:
            result.append(change)
            if hit is not None:
                rules.remove(hit)
            continue
        going = [other.before for other in removals[position:]]
        kept = [rule for rule in rules[rules.index(hit) :] if rule.protocol == KUBENODE_PROTOCOL and rule not in going]
        aside = [change._replace(before=rule, reason="set aside") for rule in kept]
        for step in (*aside, change):
            hit = match.first_rule_match(step.before, rules)
            if hit is not None and hit != step.before:
                raise _imprecise("remove", "rule", step.before, [hit])
            if hit is not None:
                rules.remove(hit)
            result.append(step)
        result += [step.inverse()._replace(reason="set aside") for step in aside]
        rules += kept
    return result


def _imprecise(verb: str, kind: str, meant: t.Any, hit: t.Sequence[t.Any]) -> StateError:
    found = ", ".join(object_text(kind, value) for value in hit) or "nothing"
    return StateError(
        f"cannot {verb} {object_text(kind, meant)} alone: the kernel would take {found}, as it does not tell them "
        f"apart; give one of them another metric or priority by hand, then run again"
    )
