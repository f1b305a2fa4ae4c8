# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan does to the records of ownership while it is being made (pure)."""

from __future__ import annotations

import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._netlink.objects import Address, Route, Rule
from ansible_collections.kubenode.network.plugins.module_utils._state.classify import OTHER, OURS, Classifier, record_of
from ansible_collections.kubenode.network.plugins.module_utils._state.model import (
    Change,
    Owned,
    Record,
    State,
    StateError,
    Target,
)


def text_of(thing: Address | Route | Rule) -> str:
    """`thing` in the words of iproute2."""
    # Imported where something is said: most runs change nothing, and say nothing.
    from ansible_collections.kubenode.network.plugins.module_utils._state.describe import (
        address_text,
        route_text,
        rule_text,
    )

    if isinstance(thing, Route):
        return route_text(thing)
    return rule_text(thing) if isinstance(thing, Rule) else address_text(thing)


class Ledger:
    """Collects changes, warnings and conflicts, and keeps the records as they shall be afterwards."""

    def __init__(self, state: State, target: Target, owned: Owned, classifier: Classifier, on_conflict: str) -> None:
        self.state = state
        self.target = target
        self.before = owned
        self.owned: Owned = dict(owned)
        self.classifier = classifier
        self.replace = on_conflict == "replace"
        self.pruned = set(target.prune)
        self.changes: list[Change] = []
        self.warnings: list[str] = list(target.warnings)
        self.conflicts: list[str] = []
        self.gone: set[tuple[str, t.Any]] = set()
        """(kind, key) that an earlier part of the plan removes already."""

    def declare(self, kind: str, key: t.Any, value: t.Any, owners: tuple[str, ...], made: bool) -> None:
        """`value` stands in the declaration of `owners`; those who no longer list it are let go."""
        record = self.before.get((kind, key))
        persist = self.target.persist
        if record is not None:
            kept = [o for o in record.owners if o in owners or (o, kind) not in self.pruned]
            merged = tuple(sorted({*kept, *owners}))
            # Others who declared it wanted it kept, whatever this run says.
            persist = persist or (record.persist and any(owner not in owners for owner in kept))
            if merged == record.owners and (record.made, record.persist) == (made, persist) and record.value == value:
                return
            owners = merged
        self.owned[(kind, key)] = Record(kind, value, owners, made, persist)

    def forget(self, kind: str, key: t.Any) -> Record | None:
        return self.owned.pop((kind, key), None)

    def let_go(self, kind: str, declared: t.Container[t.Any]) -> t.Iterator[tuple[t.Any, Record]]:
        """Records of `kind` whose last owner no longer lists them; they leave the ledger on the way."""
        owners = {owner for owner, pruned in self.pruned if pruned == kind}
        if not owners:
            return
        for (record_kind, key), record in list(self.before.items()):
            if record_kind != kind or key in declared or not owners.intersection(record.owners):
                continue
            left = tuple(owner for owner in record.owners if owner not in owners)
            if left:
                self.owned[(kind, key)] = record._replace(owners=left)
            else:
                self.forget(kind, key)
                yield key, record

    def change(
        self, kind: str, name: str, before: t.Any, after: t.Any, owners: t.Iterable[str] = (), reason: str = ""
    ) -> None:
        # A run without an owner is told apart by the empty name while all is taken back.
        self.changes.append(Change(kind, name, before, after, tuple(filter(None, owners)), reason))

    def delete(self, kind: str, thing: t.Any, owners: t.Iterable[str], reason: str) -> None:
        self.gone.add((kind, thing.key))
        self.change(kind, text_of(thing), thing, None, owners, reason)

    def remove(self, kind: str, thing: t.Any, spec: t.Any, hint: str = "") -> None:
        """An absent entry (`spec`) means the route or rule `thing`: take it away, or say whose it is."""
        whose, who = self.classifier.rule(thing) if kind == "rule" else self.classifier.route(thing)
        if whose == OTHER:
            self.conflict(
                f"{spec.origin}: {text_of(thing)} is of {who} and is not removed{hint}. Narrow the entry by giving "
                "more of its fields, or have its owner take it away."
            )
            return
        record = record_of(self.before, kind, thing)
        self.forget(kind, thing.key)
        owners = record.owners if record is not None else ()
        strangers = [owner for owner in owners if owner != spec.owner]
        if strangers:
            self.warnings.append(
                f"{spec.origin} removes {text_of(thing)}, which {' and '.join(strangers)} declared; that declaration "
                "brings it back when it is applied again."
            )
        owners = owners or ((spec.owner,) if spec.owner else ())
        self.delete(kind, thing, owners, "absent" if whose == OURS else "absent, of " + who)

    def prune(self, kind: str, declared: t.Container[t.Any], standing: t.Mapping[t.Any, t.Iterable[t.Any]]) -> None:
        """Take away what owners no longer list and we made; what was there before them stays."""
        for key, record in self.let_go(kind, declared):
            if (kind, key) in self.gone:
                continue
            for thing in standing.get(key, ()):
                if record_of(self.before, kind, thing) is not None:
                    self.delete(kind, thing, record.owners, "pruned")
                elif not record.made:
                    self.warnings.append(
                        f"{text_of(thing)} was there before {' and '.join(filter(None, record.owners)) or 'a run'} "
                        "declared it; it stays, and belongs to nobody here now."
                    )

    def conflict(self, text: str) -> None:
        self.conflicts.append(text)

    def raise_conflicts(self) -> None:
        if self.conflicts:
            raise StateError("\n".join(self.conflicts), conflicts=list(self.conflicts))
