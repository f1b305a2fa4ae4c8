# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run finds of earlier ones: transactions that are open, that died, and its own, when its answer was lost."""

from __future__ import annotations

import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._checkpoint import store
from ansible_collections.kubenode.network.plugins.module_utils._state.model import StateError

# So much later than its time a transaction is taken for one whose watchdog is dead.
_OVERDUE = 5.0


def clear_way(checkpoint: str | None = None, root: str = "/") -> list[str]:
    """Called by a run that holds the lock, before it plans: undo what is left of dead transactions.

    Returns warnings about what was undone. Raises StateError naming a transaction that is open.
    """
    warnings = []
    for one in store.unfinished(root):
        if one.state() == store.OPEN and not one.of_earlier_boot():
            if one.id == checkpoint and one.here() and one.seconds_left() > 0:
                continue
            if not _dead(one):
                raise StateError(_busy(one, checkpoint), transaction=one.describe())
        from ansible_collections.kubenode.network.plugins.module_utils._checkpoint.transaction import roll_back

        why = _why_dead(one)
        problems = roll_back(one)
        warnings.append(
            f"The transaction {one.id} ({one.journal().get('module')}) {why}; it has been undone before this run."
        )
        warnings += [f"What could not be undone: {problem}" for problem in problems]
    return warnings


def _dead(one: store.Transaction) -> bool:
    """Whether nobody is left who could end it: its time is up and no watchdog came, or its process died."""
    if not one.here():
        return False
    if one.seconds_left() < -_OVERDUE:
        return True
    if one.journal().get("kind") == store.CHECKPOINT:
        return False
    return all(one.step(number)["outcome"] is None and not store.alive(one.file("steps", number, "worker"))
               for number in one.steps())  # fmt: skip


def _why_dead(one: store.Transaction) -> str:
    if one.of_earlier_boot():
        return "was open when the node was restarted"
    if one.state() == store.ROLLING_BACK:
        return "was not through with its way back"
    return "was not confirmed in time" if one.seconds_left() < 0 else "was left by a run that died"


def _busy(one: store.Transaction, checkpoint: str | None) -> str:
    journal = one.journal()
    owner = f", owner {journal['owner']}" if journal.get("owner") else ""
    if not one.here():
        return (
            f"the transaction {one.id} ({journal.get('module')}{owner}) was opened in another network namespace of "
            f"this node; end it there, or remove {one.path} if that namespace is gone"
        )
    left = max(0, int(one.seconds_left()))
    text = (
        f"the transaction {one.id} is open on this node: {journal.get('module')}{owner}, started "
        f"{journal.get('started')}; it undoes itself in {left} s unless it is confirmed"
    )
    if journal.get("kind") == store.CHECKPOINT:
        other = f", not {checkpoint}" if checkpoint else ""
        return f"{text}. Join it with checkpoint: {one.id}{other}, or end it with network_checkpoint"
    return f"{text}. Run again when it has ended (network_checkpoint with state: list shows it)"


# --- once more -------------------------------------------------------------------------------------------------------


def once_more(name: str, by: str, root: str = "/") -> dict[str, t.Any] | None:
    """The answer of the controller's run ``name``, if it has opened a transaction on this node.

    For ``by`` controller what its first execution answered, else its result once it is through. Raises StateError as
    that execution did.
    """
    found = _of_run(name, root)
    if found is None:
        return None
    from ansible_collections.kubenode.network.plugins.module_utils._checkpoint.transaction import answer, settle

    transaction, number = found
    run = store.Run(transaction, number, transaction.journal().get("kind") == store.CHECKPOINT)
    if by == "controller":
        return {**transaction.step(number)["answer"], "transaction": answer(run)}
    return settle(run, "node")


def _of_run(name: str, root: str) -> tuple[store.Transaction, str] | None:
    for transaction in reversed(store.everything(root)):
        number = store.text(transaction.file(f"run-{name}"))
        if number in transaction.steps():
            return transaction, number
    return None
