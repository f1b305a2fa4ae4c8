# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carry out a plan as one transaction: all of it, or, after any failure, nothing of it."""

from __future__ import annotations

import signal
import time
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._netlink.sock import NetlinkError
from ansible_collections.kubenode.network.plugins.module_utils._state.describe import object_text
from ansible_collections.kubenode.network.plugins.module_utils._state.execute import (
    BATCHED,
    Executor,
    StepFailed,
    atomic,
    groups,
)
from ansible_collections.kubenode.network.plugins.module_utils._state.model import Change, State, StateError
from ansible_collections.kubenode.network.plugins.module_utils._state.precise import (
    check_routes,
    precise_rules,
    rules_at,
)
from ansible_collections.kubenode.network.plugins.module_utils._state.undo import put_back, undo
from ansible_collections.kubenode.network.plugins.module_utils._state.verify import (
    expected,
    holds,
    kernel_made,
    missing,
    scope_of,
)

_PASSES = 3


class Interrupts:
    """While it is entered, SIGTERM, SIGINT and SIGHUP are noted instead of ending the process half-way.

    ``check`` raises StateError when one has come; what was done is then undone like after any failure.
    """

    SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

    def __init__(self) -> None:
        self._received = ""
        self._old: dict[signal.Signals, t.Any] = {}

    def __enter__(self) -> Interrupts:
        for number in self.SIGNALS:
            self._old[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_exception: object) -> None:
        for number, handler in self._old.items():
            signal.signal(number, handler)

    def _note(self, number: int, _frame: t.Any) -> None:
        self._received = signal.Signals(number).name

    def check(self) -> None:
        if self._received:
            raise StateError(f"interrupted by {self._received}")


def apply(
    changes: t.Sequence[Change], before: State, root: str = "/", check: t.Callable[[], None] = lambda: None
) -> list[Change]:
    """Carry out ``changes`` in their order; returns the journal that ``roll_back`` takes.

    ``before`` is the state that they were planned on. What the kernel drops with an address or a link that changes
    (routes of others, secondary addresses) is put back. ``check`` is called between the steps and may raise StateError.

    Raises StateError naming the object that failed in the kernel's words; everything has been undone then, or the
    message says what has not (``rolled_back`` in its details tells).
    """
    check_routes(changes, before)
    precise_rules([one for change in changes for one in atomic(change)], rules_at(before))
    _check_survivors(changes, before)
    executor = Executor(before, root)
    try:
        try:
            _carry_out(executor, changes, before, check)
        finally:
            executor.close()
    except (StepFailed, StateError, NetlinkError) as error:
        raise roll_back(executor.done, before, root, str(error)) from error
    except BaseException:
        undo(executor.done, before, root)
        raise
    return executor.done


def roll_back(done: t.Sequence[Change], before: State, root: str, why: str) -> StateError:
    """Undo a journal; the error to raise then: ``why``, and what became of the undo."""
    if not done:
        return StateError(f"{why}. Nothing had been changed.", rolled_back=True)
    left = undo(done, before, root)
    if left:
        return StateError(
            f"{why}. The way back did not work out, this is left to be put right by hand: {'; '.join(left)}",
            rolled_back=False,
            left=left,
        )
    return StateError(f"{why}. Everything that this run had done has been undone.", rolled_back=True)


def _carry_out(executor: Executor, changes: t.Sequence[Change], before: State, check: t.Callable[[], None]) -> None:
    # The configuration comes first: see _persist.configure.
    ahead = max((number for number, change in enumerate(changes, 1) if change.kind == "activate"), default=0)
    # Files are stamped with the clock as of its last tick.
    since = time.time() - 0.02
    for change in changes[:ahead]:
        check()
        executor.one(change)
    left = changes[ahead:]
    dropping = False
    if ahead:
        from ansible_collections.kubenode.network.plugins.module_utils._state import activate

        activated = activate.of(changes)
        if activated:
            now = activate.settle(activated, left, executor.read, check, since)
            made, left = activate.tolerant(activated, left, now)
            executor.done += made
            changes = (*changes[:ahead], *made, *left)
            dropping = True
            _restore(executor, changes, before, strict=False)
    for group in groups(left):
        check()
        if group[0].kind in BATCHED:
            executor.batch(group)
        else:
            executor.one(group[0])
        if _may_drop(group):
            dropping = True
            _restore(executor, changes, before, strict=False)
    check()
    if dropping:
        _restore(executor, changes, before, strict=True)


def _may_drop(group: t.Sequence[Change]) -> bool:
    """Whether the kernel may drop more with a group than it says."""
    return any(
        (change.kind == "link" and change.before is not None)
        or (change.kind == "address" and change.after is None)
        or (change.kind == "sysctl" and change.name.endswith(".disable_ipv6"))
        for change in group
    )


def _restore(executor: Executor, changes: t.Sequence[Change], before: State, strict: bool) -> None:
    """Put back what vanished although nobody removes it; with ``strict``, raise for what cannot be put back."""
    goal = expected(before, changes)
    scope = scope_of(changes, before)
    for _attempt in range(_PASSES):
        now = executor.read()
        gone = [item for item in missing(goal, now, scope) if not kernel_made(*item)]
        if not strict:
            # What the plan itself makes may still be to come.
            gone = [item for item in gone if holds(before, *item)]
        if not gone:
            return
        journal = len(executor.done)
        put_back(executor, gone, now)
        del executor.done[journal:]
    if strict:
        lost = ", ".join(object_text(*item) for item in gone)
        raise StateError(f"the kernel dropped what others had there, and it could not be put back: {lost}")


def _check_survivors(changes: t.Sequence[Change], before: State) -> None:
    """A link that goes, or goes down, takes its routes along; what of them others made cannot be put back."""
    closing = {
        change.name
        for change in changes
        if change.kind == "link" and change.before is not None and (change.after is None or not change.after.up)
    }
    if not closing:
        return
    goal = expected(before, changes)
    lost = [
        object_text("route", route)
        for held in goal.routes.values()
        for route in held
        if not kernel_made("route", route)
        and any(hop.interface in closing for hop in route.next_hops)
        and holds(before, "route", route)
    ]
    if lost:
        raise StateError(
            f"taking {', '.join(sorted(closing))} down would take along what this run does not remove: "
            f"{', '.join(lost)}; remove it first"
        )
