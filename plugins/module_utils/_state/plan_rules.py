# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The policy rules' part of a plan (pure)."""

from __future__ import annotations

import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._netlink.objects import Rule
from ansible_collections.kubenode.network.plugins.module_utils._state.classify import OPERATOR, OURS
from ansible_collections.kubenode.network.plugins.module_utils._state.ledger import Ledger, text_of
from ansible_collections.kubenode.network.plugins.module_utils._state.model import RuleSpec, StateError

# Where rules without a priority go: NMState starts at 30000 as well, and the kernel's own are 32766 and 32767.
PRIORITIES = range(30000, 31000)
_KERNEL_PRIORITIES = (0, 32766, 32767)
_MAIN_TABLES = (253, 254, 255)


def selectors(rule: Rule) -> tuple[t.Any, ...]:
    """Identity without the protocol: two such rules of equal priority stand in each other's way."""
    return rule.key[:-1]


def same_rule(found: Rule, wanted: Rule) -> bool:
    """Whether `found` does what `wanted` asks for (equal selectors taken for granted)."""
    return (
        found.action == wanted.action
        and found.table == wanted.table
        and found.suppress_prefix_length == wanted.suppress_prefix_length
        and found.suppress_ifgroup == wanted.suppress_ifgroup
        and found.goto == wanted.goto
    )


def plan_rules(ledger: Ledger) -> None:
    standing: dict[tuple[t.Any, ...], list[Rule]] = {}
    for rules in ledger.state.rules.values():
        for rule in rules:
            standing.setdefault(selectors(rule), []).append(rule)
    declared: set[t.Any] = set()
    for wanted, owners, origin, given in ledger.target.rules:
        if not given:
            wanted = wanted._replace(priority=_priority(wanted, standing, declared))
        key = wanted.key
        declared.add(key)
        found = standing.get(selectors(wanted), ())
        same = next((rule for rule in found if same_rule(rule, wanted)), None)
        if same is not None:
            declared.add(same.key)
            ledger.declare("rule", same.key, same, owners, ledger.classifier.rule(same)[0] == OURS)
            continue
        old = _in_the_way(ledger, wanted, found, origin)
        _check_numbers(ledger, wanted, origin)
        ledger.declare("rule", key, wanted, owners, True)
        if old is not None and old.key != key:
            ledger.forget("rule", old.key)
        ledger.change("rule", text_of(wanted), old, wanted, owners)
    _absent(ledger)
    ledger.prune("rule", declared, ledger.state.rules)


def _priority(wanted: Rule, standing: dict[tuple[t.Any, ...], list[Rule]], declared: set[t.Any]) -> int:
    """That of our own equal rule, else the first free one of the documented range."""
    for rules in standing.values():
        for rule in rules:
            if (
                rule.protocol == wanted.protocol
                and rule.priority in PRIORITIES
                and rule.key not in declared
                and selectors(rule)[2:] == selectors(wanted)[2:]
                and rule.family == wanted.family
            ):
                return rule.priority
    taken = {rule.priority for rules in standing.values() for rule in rules if rule.family == wanted.family}
    taken.update(key[1] for key in declared if key[0] == wanted.family)
    for priority in PRIORITIES:
        if priority not in taken:
            return priority
    raise StateError(
        f"All rule priorities from {PRIORITIES[0]} to {PRIORITIES[-1]} are taken on this node; give the rule "
        f"{text_of(wanted)} a priority."
    )


def _in_the_way(ledger: Ledger, wanted: Rule, found: t.Sequence[Rule], origin: str) -> Rule | None:
    """The rule of equal selectors and priority that the new one replaces; others are a conflict."""
    old = None
    for rule in found:
        kind, who = ledger.classifier.rule(rule)
        if kind == OURS or (kind == OPERATOR and ledger.replace and old is None):
            old = rule
            continue
        way_out = ", remove it, or set on_conflict: replace" if kind == OPERATOR else ""
        ledger.conflict(
            f"{origin}: {text_of(rule)} of {who} has the same selectors and priority as {text_of(wanted)}; the kernel "
            f"would only ever take the first. Choose another priority{way_out}."
        )
    return old


def _check_numbers(ledger: Ledger, wanted: Rule, origin: str) -> None:
    networks = ledger.classifier.networks
    user = networks.priority_user(wanted.priority)
    if user is not None:
        ledger.conflict(
            f"{origin}: rule priority {wanted.priority} is used by {user} on this node; choose another priority."
        )
    if wanted.fwmark:
        user = networks.mark_user(wanted.fwmark & wanted.fwmask)
        if user is not None:
            ledger.conflict(
                f"{origin}: fwmark {wanted.fwmark:#x}/{wanted.fwmask:#x} overlaps with the mark bits of {user}; choose "
                "other bits."
            )


def warn_of_empty_tables(ledger: Ledger, tables: set[tuple[int, int]]) -> None:
    """`tables`: (family, table) that hold a route once the plan is carried out."""
    for wanted, _owners, origin, _given in ledger.target.rules:
        if (
            wanted.action == "lookup"
            and wanted.table not in _MAIN_TABLES
            and (wanted.family, wanted.table) not in tables
        ):
            family = "IPv6" if wanted.family == 10 else "IPv4"
            ledger.warnings.append(
                f"{origin}: the rule looks up table {wanted.table}, which holds no {family} route: the kernel goes on "
                "with the next rule."
            )


# --- absent -----------------------------------------------------------------------------------------------------------

_FIELDS = (
    "family", "priority", "action", "table", "source", "destination", "tos", "fwmark", "fwmask", "iif", "oif",
    "ip_protocol", "source_ports", "destination_ports", "uid_range", "invert", "suppress_prefix_length",
)  # fmt: skip


def matches(spec: RuleSpec, rule: Rule) -> bool:
    """Whether an absent entry means `rule`: every field that it gives is equal, the others are wildcards."""
    for field in _FIELDS:
        value = getattr(spec, field)
        # The empty text of a prefix means "only rules without one".
        if value is not None and (value or None) != (getattr(rule, field) or None):
            return False
    return True


def _absent(ledger: Ledger) -> None:
    patterns = ledger.target.absent_rules
    if not patterns:
        return
    for wanted, _owners, origin, given in ledger.target.rules:
        for spec in patterns:
            if matches(spec, wanted) and (given or spec.priority is None):
                ledger.conflict(
                    f"{origin} and {spec.origin} contradict each other: the rule {text_of(wanted)} is declared by the "
                    "first and removed by the second."
                )
    for rules in ledger.state.rules.values():
        for rule in rules:
            if rule.priority in _KERNEL_PRIORITIES and not (rule.source or rule.destination or rule.fwmark):
                # Local, main and default: only named outright are they considered, and then refused.
                candidates = [spec for spec in patterns if spec.priority == rule.priority]
            else:
                candidates = list(patterns)
            for spec in candidates:
                if matches(spec, rule):
                    ledger.remove("rule", rule, spec)
                    break
