# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A change that goes back by itself unless it is confirmed: made, then kept or undone.

All of it runs on the node. The way back itself is shell (``shell.py``, ``script.py``), as whatever is to be undone may
have killed us.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._checkpoint import store, watchdog
from ansible_collections.kubenode.network.plugins.module_utils._checkpoint.store import Result, Run
from ansible_collections.kubenode.network.plugins.module_utils._state.model import StateError

# The node's own decision comes before the watchdog's, since it knows the reason.
_MARGIN = 1.0
_UNDO_SECONDS = 120.0
_POLL = 0.05


# --- carrying out ----------------------------------------------------------------------------------------------------


def work(run: Run, result: Result, carry_out: t.Callable[[], None]) -> None:
    """Make the change and write down how it went; one that fails has been undone when this returns."""
    try:
        carry_out()
        outcome: Result = {"result": result}
    except StateError as error:
        outcome = {"error": error.message, "details": error.details}
    except Exception as error:  # noqa: BLE001 # It has to be told by another process.
        import traceback

        outcome = {"error": f"{type(error).__name__}: {error}", "details": {"exception": traceback.format_exc()}}
    failed = "error" in outcome
    undone = failed and outcome["details"].setdefault("rolled_back", True)
    if undone:
        store.write(run.file("undone"), "")
    store.write(run.file("outcome.json"), store.dump(outcome), whole=True)
    with contextlib.suppress(OSError):
        os.unlink(run.file("worker"))
    if not failed or run.joined:
        return
    if undone and run.transaction.claim(store.OPEN, store.ROLLED_BACK):
        watchdog.disarm(run.transaction)
    else:
        # What we could not put back the shell may; and it may have begun already.
        roll_back(run.transaction)


def settle(run: Run, by: str) -> Result:
    """Keep the change of a run that has its outcome if the probes pass, else undo it; the module's result.

    Again with the same answer for what was kept already. Raises StateError with ``rolled_back`` in its details.
    """
    transaction = run.transaction
    outcome = _await_outcome(run)
    state = transaction.state()
    if state in (store.ROLLING_BACK, store.ROLLED_BACK) or outcome is None or "error" in outcome:
        raise _gone(run, outcome)
    result: Result = dict(outcome["result"])
    if not run.joined:
        # Of a part of a checkpoint nobody knows yet whether it is kept.
        result["confirmed_by"] = by
    if state == store.COMMITTED:
        return result
    baseline = transaction.step(run.number).get("probes")
    if baseline:
        result["probes"] = probed(run, baseline, outcome["result"])
    if not run.joined:
        keep(run, outcome)
    return result


def probed(run: Run, baseline: Result, result: Result | None = None) -> list[Result]:
    """The evidence that all passes that must; else the change, whose result so far is given, is undone.

    Raises StateError then. A part of a checkpoint is left to that one.
    """
    from ansible_collections.kubenode.network.plugins.module_utils._checkpoint import probes

    left = run.transaction.seconds_left() - _MARGIN
    try:
        return probes.run(baseline, time.monotonic() + max(0.0, left))
    except StateError as error:
        if run.joined:
            raise StateError(
                f"{error.message}. The change is still there: checkpoint {run.transaction.id} decides about it, roll "
                f"it back with network_checkpoint", rolled_back=False, **error.details,
            ) from None  # fmt: skip
        problems = roll_back(run.transaction)
        raise _undone(error.message, problems, {**(result or {}), **error.details}) from None


def keep(run: Run, outcome: Result | None = None) -> None:
    """Commit the transaction of a run. Raises StateError where the watchdog was faster."""
    transaction = run.transaction
    if transaction.claim(store.OPEN, store.COMMITTED):
        watchdog.disarm(transaction)
        for number in transaction.steps():
            with contextlib.suppress(OSError):
                os.unlink(transaction.file("steps", number, "reserve"))
        return
    if transaction.state() != store.COMMITTED:
        raise _gone(run, outcome)


def await_members(transaction: store.Transaction) -> None:
    """Wait until all runs that joined a checkpoint are through. Raises StateError for one that died half-way."""
    for number in transaction.steps()[1:]:
        run = Run(transaction, number, True)
        if _await_outcome(run) is None and not os.path.exists(run.file("undone")):
            module = transaction.step(number).get("module")
            raise StateError(
                f"a run of {module} that had joined the checkpoint {transaction.id} died before it was through, so the "
                f"checkpoint cannot be kept; roll it back"
            )


def _await_outcome(run: Run) -> Result | None:
    """How a run went, once that is known; None where its process died before it could say."""
    transaction = run.transaction
    while True:
        # In this order: whoever ends a run has written its outcome before.
        state = transaction.state()
        working = store.alive(run.file("worker"))
        outcome: Result | None = transaction.step(run.number)["outcome"]
        if outcome is not None or state != store.OPEN or not working:
            if outcome is not None and "error" in outcome and not run.joined and state == store.OPEN:
                # It is about to tell the watchdog.
                time.sleep(_POLL)
                if transaction.seconds_left() > -_UNDO_SECONDS:
                    continue
            return outcome
        time.sleep(_POLL)


def _gone(run: Run, outcome: Result | None) -> StateError:
    """The error for a change that was not kept, once the node is through with its way back."""
    transaction = run.transaction
    died = outcome is None
    if run.joined and transaction.state() == store.OPEN:
        if outcome is not None:
            return StateError(outcome["error"], **outcome["details"])
        return StateError(
            f"the run died before it was through; checkpoint {transaction.id} decides about what it did: roll it back "
            f"with network_checkpoint", rolled_back=False,
        )  # fmt: skip
    problems = roll_back(transaction) if transaction.state() != store.ROLLED_BACK else transaction.problems()
    if outcome is not None and "error" in outcome:
        return StateError(outcome["error"], **{**outcome["details"], "rolled_back": not problems})
    reason = "; ".join(transaction.messages()) or (
        "the process that made the change died before it was through" if died else "it was rolled back before"
    )
    return _undone(reason, problems, outcome["result"] if outcome else {})


def _undone(reason: str, problems: t.Sequence[str], result: Result) -> StateError:
    shown = ("plan", "before", "after", "diff", "probes", "evidence")
    details: Result = {name: result[name] for name in shown if name in result}
    details["rolled_back"] = not problems
    reason = reason.rstrip(".")
    if not problems:
        return StateError(f"{reason}. Everything that this run had done has been undone.", **details)
    details["left"] = list(problems)
    left = "; ".join(problems)
    return StateError(
        f"{reason}. The way back did not work out, this is left to be put right by hand: {left}", **details
    )


# --- going back ------------------------------------------------------------------------------------------------------


def roll_back(transaction: store.Transaction) -> list[str]:
    """Undo a transaction, or wait until whoever has begun it is through; what could not be put right.

    Raises StateError where it was opened in another network namespace, or the way back does not end.
    """
    mode = "boot" if transaction.of_earlier_boot() else "now"
    deadline = time.monotonic() + _UNDO_SECONDS
    while transaction.state() in (store.OPEN, store.ROLLING_BACK):
        if transaction.state() == store.ROLLING_BACK:
            if store.alive(transaction.file("undoing")) and mode != "boot":
                if time.monotonic() > deadline:
                    raise StateError(
                        f"{transaction.path}: the way back is not through after {_UNDO_SECONDS:.0f} s; look at what "
                        f"its process does"
                    )
                time.sleep(_POLL)
                continue
            mode = "boot" if mode == "boot" else "resume"
        _undo(transaction, mode)
        if time.monotonic() > deadline:
            raise StateError(f"{transaction.path}: 'sh undo.sh' does not come to its end; run it by hand")
    watchdog.disarm(transaction)
    return transaction.problems()


def _undo(transaction: store.Transaction, mode: str) -> None:
    argv = ["/bin/sh", transaction.file("undo.sh"), mode]
    try:
        # In a session of its own: the connection that asked for it may break meanwhile.
        done = subprocess.run(  # pylint: disable=ansible-bad-function
            argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=_UNDO_SECONDS, check=False,
            start_new_session=True, encoding="utf-8", errors="replace",
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise StateError(f"{' '.join(argv)}: {error}") from None
    if done.returncode == 2:
        raise StateError(
            f"{transaction.id}: {done.stderr.strip()}; run this where the transaction was opened, or restart the node"
        )
    if done.returncode not in (0, 1):
        raise StateError(f"{' '.join(argv)}: ended with {done.returncode}: {done.stderr.strip()}")
    if done.returncode == 1:
        time.sleep(_POLL)


def answer(run: Run) -> Result:
    """What the first execution of a run with ``confirm: controller`` returns beside its plan."""
    return {
        "id": run.id,
        "seconds_left": max(0, int(run.transaction.seconds_left())),
        "rollback_timeout": run.transaction.journal().get("rollback_timeout"),
    }
