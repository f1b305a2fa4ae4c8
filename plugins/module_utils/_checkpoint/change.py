# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A module's change as a transaction: the way back is written, the watchdog armed, then the change is made."""

from __future__ import annotations

import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._checkpoint import store
from ansible_collections.kubenode.network.plugins.module_utils._checkpoint.opening import open_change
from ansible_collections.kubenode.network.plugins.module_utils._checkpoint.store import Result
from ansible_collections.kubenode.network.plugins.module_utils._checkpoint.transaction import answer, settle, work

if t.TYPE_CHECKING:
    from ansible_collections.kubenode.network.plugins.module_utils._state.model import Owned, Plan, State
    from ansible_collections.kubenode.network.plugins.module_utils._state.options_confirm import Confirm
    from ansible_collections.kubenode.network.plugins.module_utils._state.owned import Lock
    from ansible_collections.kubenode.network.plugins.module_utils._state.run import About


def make(
    result: Result, carry_out: t.Callable[[], None], plan: Plan, owned: Owned, state: State, confirm: Confirm,
    about: About, lock: Lock | None, root: str = "/",
) -> Result:  # fmt: skip
    """Make the change that ``carry_out`` makes, which also fills ``result``; the result of the module.

    Confirmed by the node, it is kept when its probes pass. For the controller the change is left to a process of its
    own, and the result has ``transaction``. Raises StateError as ``carry_out`` does, and where the change is not kept.
    """
    from ansible_collections.kubenode.network.plugins.module_utils._checkpoint import probes

    baseline = probes.baseline(confirm.probes, state, root)
    journal = {
        "module": about.module, "owner": about.owner, "run": about.run, "confirm": confirm.by, "plan": result["plan"],
        "answer": result,
    }  # fmt: skip
    run = open_change(plan, state, confirm.seconds(_slow(plan, owned)), journal, baseline, confirm.checkpoint, root)
    if confirm.by == "controller":
        from ansible_collections.kubenode.network.plugins.module_utils._checkpoint.worker import detach

        _load()
        detach(lambda: work(run, result, carry_out), run.file("worker"), () if lock is None else (lock.handle,))
        return {**result, "transaction": answer(run)}
    store.write(run.file("worker"), store.myself())
    work(run, result, carry_out)
    return {**settle(run, "node"), "transaction": {"id": run.id}}


def _load() -> None:
    """Import what the change may need: the folder that it comes from may go with this process (_engine)."""
    from importlib import import_module

    rooms = __name__.rpartition("._checkpoint")[0]
    for name in ("apply", "activate", "nft", "paths", "sysctl", "undo", "verify"):
        import_module(f"{rooms}._state.{name}")
    import_module(f"{rooms}._netlink.link_kinds")


def _slow(plan: Plan, owned: Owned) -> bool:
    """Whether links or DHCP change, after which a carrier or a lease takes its time."""
    if any(change.kind == "link" for change in plan.changes):
        return True
    kinds = ("dhcp", "dhcp4", "dhcp6")
    return {key: one for key, one in plan.owned.items() if key[0] in kinds} != {
        key: one for key, one in owned.items() if key[0] in kinds
    }
