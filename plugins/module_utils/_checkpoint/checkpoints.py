# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module ``network_checkpoint``: checkpoints of a user, and the controller's confirmation of a change."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._checkpoint import opening, store, transaction
from ansible_collections.kubenode.network.plugins.module_utils._checkpoint.store import Result
from ansible_collections.kubenode.network.plugins.module_utils._state import options_values as v
from ansible_collections.kubenode.network.plugins.module_utils._state.model import StateError
from ansible_collections.kubenode.network.plugins.module_utils._state.owned import Lock

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

_SECONDS = 120
# Option -> states that know it.
_FOR = {
    "id": ("extend", "commit", "rollback"),
    "rollback_timeout": ("create", "extend"),
    "restore_files": ("create",),
    "undo_commands": ("create",),
    "probes": ("create",),
}


def run_module(module: AnsibleModule) -> None:
    """Do what the parameters say and end the process."""
    identity = module.params.get("id")
    known: Result = {"transaction": {"id": identity}} if identity else {}
    try:
        result = run(module.params, module.check_mode)
    except StateError as error:
        warnings = error.details.pop("warnings", ())
        for warning in warnings:
            module.warn(warning)
        module.fail_json(msg=error.message, **{**known, **error.details})
    else:
        for warning in result.pop("warnings", ()):
            module.warn(warning)
        module.exit_json(**{**known, **result})


def run(params: t.Mapping[str, t.Any], check_mode: bool = False, root: str = "/") -> Result:
    """The result for these options. Raises StateError."""
    state = params["state"]
    for name, states in _FOR.items():
        if params.get(name) is not None and state not in states:
            v.fail(name, params[name], f"none with state: {state}", f"It is for state: {' or '.join(states)}")
    if state in _FOR["id"] and not params.get("id"):
        v.fail(
            "id",
            params.get("id"),
            f"the id of the checkpoint to {state}",
            "state: create returned it, state: list has it",
        )
    if state == "list":
        return {"changed": False, "transactions": [one.describe() for one in store.everything(root) if one.state()]}
    if state == "create":
        return _create(params, check_mode, root)
    return _ACTIONS[state](params, check_mode, root)


# --- create and extend -----------------------------------------------------------------------------------------------


def _create(params: t.Mapping[str, t.Any], check_mode: bool, root: str) -> Result:
    from ansible_collections.kubenode.network.plugins.module_utils._state.options_probes import parse_probes

    seconds = _seconds(params, _SECONDS)
    paths = [_path(path, f"restore_files[{number}]") for number, path in enumerate(params.get("restore_files") or ())]
    commands = params.get("undo_commands") or []
    for number, command in enumerate(commands):
        if not command.strip() or "\0" in command:
            v.fail(f"undo_commands[{number}]", command, "a line for the shell")
    specs = params.get("probes")
    probes = () if specs is None else parse_probes(specs, "probes")
    if sum(probe["timeout"] for probe in probes) >= seconds:
        v.fail("rollback_timeout", seconds, "more seconds than all probes may take together")
    if check_mode:
        return {"changed": True}
    with Lock(root):
        from ansible_collections.kubenode.network.plugins.module_utils._checkpoint import standing

        warnings = standing.clear_way(None, root)
        about = {"module": "network_checkpoint", "plan": _plan(paths, commands)}
        run = opening.open_checkpoint(paths, commands, seconds, about, _baseline(probes, root), root)
    answer = transaction.answer(run)
    return {"changed": True, "id": run.id, "transaction": answer, "warnings": warnings}


def _plan(paths: t.Iterable[str], commands: t.Iterable[str]) -> list[str]:
    """What undoing it does, for people."""
    return [f"restores {path}" for path in paths] + [f"runs {command}" for command in commands]


def _baseline(probes: t.Sequence[Result], root: str) -> Result:
    if not probes:
        return {}
    from ansible_collections.kubenode.network.plugins.module_utils._checkpoint.probes import baseline
    from ansible_collections.kubenode.network.plugins.module_utils._state.observe import Need, observe

    return baseline(probes, observe(Need(tables=False), root), root)


def _path(path: str, where: str) -> str:
    if not path.startswith("/") or path.endswith("/") or os.path.normpath(path) != path:
        v.fail(where, path, "the absolute path of a file")
    return path


def _seconds(params: t.Mapping[str, t.Any], default: int) -> int:
    seconds = params.get("rollback_timeout")
    return default if seconds is None else v.integer(seconds, 5, 86400, "rollback_timeout", "seconds")


def _extend(params: t.Mapping[str, t.Any], check_mode: bool, root: str) -> Result:
    from ansible_collections.kubenode.network.plugins.module_utils._checkpoint import watchdog

    one = _open(params["id"], "extended", root)
    seconds = _seconds(params, int(one.journal()["rollback_timeout"]))
    if not check_mode:
        watchdog.arm(one, seconds)
        if one.state() != store.OPEN:
            raise StateError(_ended(one, "extended"))
    left = seconds if check_mode else max(0, int(one.seconds_left()))
    return {
        "changed": True,
        "id": one.id,
        "transaction": {"id": one.id, "seconds_left": left, "rollback_timeout": seconds},
    }


# --- the end ---------------------------------------------------------------------------------------------------------


def _commit(params: t.Mapping[str, t.Any], check_mode: bool, root: str) -> Result:
    one, number = store.find(params["id"], root)
    if one.journal().get("kind") == store.CHANGE:
        if check_mode:
            return {"changed": one.state() == store.OPEN}
        return transaction.settle(store.Run(one, "01", False), "controller")
    if number:
        return transaction.settle(store.Run(one, number, True), "controller")
    if one.state() == store.COMMITTED:
        return {"changed": False}
    _open(one.id, "committed", root)
    if check_mode:
        return {"changed": True}
    run = store.Run(one, "01", False)
    transaction.await_members(one)
    result: Result = {"changed": True}
    baseline = one.step("01").get("probes")
    if baseline:
        result["probes"] = transaction.probed(run, baseline)
    transaction.keep(run)
    return result


def _rollback(params: t.Mapping[str, t.Any], check_mode: bool, root: str) -> Result:
    one, number = store.find(params["id"], root)
    if number:
        v.fail("id", params["id"], f"the id of the whole checkpoint, {one.id}")
    state = one.state()
    if state == store.COMMITTED:
        raise StateError(f"transaction {one.id} was kept; apply what shall be there instead")
    if state == store.ROLLED_BACK:
        problems = one.problems()
        changed = False
    else:
        changed = True
        if check_mode:
            return {"changed": True}
        problems = transaction.roll_back(one)
    if problems:
        raise StateError(
            f"the way back of {one.id} did not work out, this is left to be put right by hand: {'; '.join(problems)}",
            changed=changed, rolled_back=False, left=problems,
        )  # fmt: skip
    return {"changed": changed, "rolled_back": True, "warnings": one.messages()}


def _open(identity: str, done: str, root: str) -> store.Transaction:
    one, number = store.find(identity, root)
    if number or one.journal().get("kind") != store.CHECKPOINT:
        v.fail("id", identity, "the id of a checkpoint that network_checkpoint has created")
    if one.state() != store.OPEN:
        raise StateError(_ended(one, done))
    if not one.here():
        raise StateError(f"checkpoint {one.id} was opened before the node's restart or in another network namespace")
    return one


def _ended(one: store.Transaction, done: str) -> str:
    words = {store.COMMITTED: "was kept", store.ROLLING_BACK: "is being undone", store.ROLLED_BACK: "was undone"}
    told = " ".join(one.messages())
    return f"checkpoint {one.id} {words.get(one.state(), 'is gone')}, so it cannot be {done}. {told}".rstrip()


_ACTIONS: dict[str, t.Callable[[t.Mapping[str, t.Any], bool, str], Result]] = {
    "extend": _extend,
    "commit": _commit,
    "rollback": _rollback,
}
