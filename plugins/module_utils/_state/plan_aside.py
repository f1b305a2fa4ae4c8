# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deletes of rules that the kernel would misunderstand, spelled out so that it cannot (pure).

A delete is a pattern to the kernel: what it does not name matches anything, and the first match goes. To remove a rule
of ours beside another one of ours that has the same selectors and more, that one is set aside and put back at once.
"""

from __future__ import annotations

import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._netlink.match import first_rule_match
from ansible_collections.kubenode.network.plugins.module_utils._netlink.objects import Rule
from ansible_collections.kubenode.network.plugins.module_utils._state.classify import OURS, Classifier
from ansible_collections.kubenode.network.plugins.module_utils._state.describe import rule_text
from ansible_collections.kubenode.network.plugins.module_utils._state.model import Change, State


def set_aside(changes: t.Sequence[Change], state: State, classifier: Classifier) -> list[Change]:
    """`changes` in their order, with the steps that make each delete of a rule mean only that rule.

    Where a rule of somebody else would have to move, the delete is left as it is; carrying it out is refused then.
    """
    return _Aside(changes, state, classifier).changes


class _Aside:
    def __init__(self, changes: t.Sequence[Change], state: State, classifier: Classifier) -> None:
        self._classifier = classifier
        self._held: dict[tuple[int, int], list[Rule]] = {}
        for rules in state.rules.values():
            for rule in rules:
                self._held.setdefault((rule.family, rule.priority), []).append(rule)
        self._leaving = {change.before: change for change in changes if change.kind == "rule" and change.after is None}
        self.changes: list[Change] = []
        for change in changes:
            if change.kind != "rule":
                self.changes.append(change)
            elif change.before is None:
                self._add(change)
            elif change.after is not None or change.before in self._leaving:
                self._remove(change)

    def _at(self, rule: Rule) -> list[Rule]:
        return self._held.setdefault((rule.family, rule.priority), [])

    def _add(self, change: Change) -> None:
        self.changes.append(change)
        self._at(change.after).append(change.after)

    def _remove(self, change: Change) -> None:
        rule = change.before
        held = self._at(rule)
        put_back = []
        while True:
            hit = first_rule_match(rule, held)
            if hit is None or hit == rule or self._classifier.rule(hit)[0] != OURS:
                break
            leaving = self._leaving.get(hit)
            if leaving is None:
                put_back.append(hit)
                leaving = Change("rule", rule_text(hit), hit, None, change.owners, "set aside for the next step")
            self._remove(leaving)
        self.changes.append(change)
        self._leaving.pop(rule, None)
        if rule in held:
            held.remove(rule)
        if change.after is not None:
            held.append(change.after)
        for other in reversed(put_back):
            self._add(Change("rule", rule_text(other), None, other, change.owners, "put back"))
