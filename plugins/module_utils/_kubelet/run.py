# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run of kubelet_dns: read, write, restart, prove; what cannot be proved goes back, here or by the watchdog.

The node alone decides, as no path to it changes. So the transaction is confirmed by the node, and one whose process
dies is undone when its time is up, by the next boot, or by the next run (_checkpoint).
"""

from __future__ import annotations

import os
import time
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._kubelet import health, options, sources, target
from ansible_collections.kubenode.network.plugins.module_utils._kubelet.errors import KEYS, KubeletError, Value
from ansible_collections.kubenode.network.plugins.module_utils._state.files import read_file, write_file
from ansible_collections.kubenode.network.plugins.module_utils._state.model import Change, Plan, State, StateError
from ansible_collections.kubenode.network.plugins.module_utils._state.owned import Lock
from ansible_collections.kubenode.network.plugins.module_utils._state.system import run as run_program

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

Result = dict[str, t.Any]

MODULE = "kubelet_dns"
# The way back begins well after the wait has ended by itself.
_MARGIN = 30
_BACK_SECONDS = 60.0
_PATIENCE = 20.0


def run_module(module: AnsibleModule) -> None:
    """Do what the parameters say and end the process."""
    try:
        # Core offers no other way to learn of --diff.
        result = execute(module.params, module.check_mode, module._diff)  # noqa: SLF001
    except KubeletError as error:
        module.fail_json(msg=error.message)
    except StateError as error:
        for warning in error.details.pop("warnings", ()):
            module.warn(warning)
        module.fail_json(msg=error.message, **error.details)
    else:
        for warning in result.pop("warnings"):
            module.warn(warning)
        module.exit_json(**result)


def execute(params: t.Mapping[str, t.Any], check_mode: bool = False, diff: bool = False, root: str = "/") -> Result:
    """The result of a run. Raises KubeletError where nothing was touched, else StateError."""
    wish, warnings = options.parse(params)
    seconds = options.seconds(params)
    reading = not wish and params.get("state") != "absent"
    if check_mode or reading:
        return _run(params, wish, warnings, seconds, True, diff, root)
    with Lock(root):
        from ansible_collections.kubenode.network.plugins.module_utils._checkpoint import standing

        # Before anything is read: a run that died may have left half of a change.
        warnings = [*standing.clear_way(params.get("checkpoint"), root), *warnings]
        return _run(params, wish, warnings, seconds, False, diff, root)


def _run(
    params: t.Mapping[str, t.Any], wish: dict[str, Value], warnings: list[str], seconds: int, check_mode: bool,
    diff: bool, root: str,
) -> Result:  # fmt: skip
    node = sources.find_node(root)
    made = target.absent(node, root) if params.get("state") == "absent" else target.present(node, wish, root)
    warnings = [*warnings, *made.warnings, *_check_resolver(wish, root)]
    systemd = os.path.isdir("/run/systemd/system") and root == "/"
    process = health.find_process(node.unit) if systemd else None
    if process is not None and process.reload_needed:
        warnings.append(
            f"The files of {node.unit} were changed and systemd has not read them: systemctl daemon-reload."
        )
    stale = _stale(node, wish, process) if process and process.pid else ""
    restart = bool(params.get("restart", True)) and bool(made.lines or (stale and (wish or made.writes)))
    lines = [*made.lines, *([f"restart {node.unit}{'' if made.lines else ': ' + stale}"] if restart else ())]
    result: Result = {
        "changed": bool(lines or made.writes), "kind": node.kind, "unit": node.unit, "plan": lines,
        "before": {option: _plain(node.effective(option).value) for option in KEYS},
        "after": {option: _plain(made.after[option]) for option in KEYS},
        "effective": {option: _shown(node, option) for option in KEYS},
        "restarted": False, "restart_pending": bool(made.lines or stale) and not restart, "warnings": warnings,
    }  # fmt: skip
    if diff:
        result["diff"] = [_difference(one) for one in made.writes if one.path != target.RECORDS]
    if restart and process is None:
        raise KubeletError(f"{node.unit} cannot be restarted, as systemd does not run here; use restart: false")
    if check_mode or not result["changed"]:
        return result
    _make(params, node, made, restart, seconds, result, root)
    result["effective"] = {option: _shown(sources.find_node(root), option) for option in KEYS}
    return result


# --- the change -------------------------------------------------------------------------------------------------------


def _make(
    params: t.Mapping[str, t.Any], node: sources.Node, made: target.Target, restart: bool, seconds: int, result: Result,
    root: str,
) -> None:  # fmt: skip
    from ansible_collections.kubenode.network.plugins.module_utils._checkpoint import store
    from ansible_collections.kubenode.network.plugins.module_utils._checkpoint.opening import open_change
    from ansible_collections.kubenode.network.plugins.module_utils._checkpoint.transaction import settle, work
    from ansible_collections.kubenode.network.plugins.module_utils._persist.contract import Activation

    wait = bool(params.get("wait", True)) and restart
    name = params.get("node_name")
    before = None
    if restart:
        patience = min(_PATIENCE, seconds)
        before = health.look_patiently(node, name, patience) if wait else health.look(node, name, api=False)
    if wait and before is not None and not before.healthy:
        raise KubeletError(
            f"{node.unit} is {before.process.state}, and does not answer before the change ({before.said}), so it "
            f"could not be told whether it comes back; repair it first, or use wait: false"
        )
    changes = [Change("file", one.path, one.before, one.after) for one in made.writes]
    commands = ((*_RESTART, node.unit),) if restart else ()
    changes.append(Change("activate", node.unit, Activation(commands), Activation(commands)))
    about = {"module": MODULE, "owner": None, "run": "", "confirm": "node", "plan": result["plan"], "answer": result}
    run = open_change(
        Plan(tuple(changes), {}), State(), seconds + _MARGIN, about, {}, params.get("checkpoint"), root
    )  # fmt: skip
    store.write(run.file("worker"), store.myself())

    failed = 0

    def carry_out() -> None:
        nonlocal failed
        try:
            _carry_out(node, made, before, wait, seconds, name, result, root)
        except (KubeletError, StateError) as error:
            failed = health.find_process(node.unit).pid if restart else 0
            # Not undone yet: the shell of the transaction does it.
            raise StateError(error.message, rolled_back=False, warnings=result["warnings"]) from error
        except Exception as error:
            raise StateError(f"{type(error).__name__}: {error}", rolled_back=False) from error

    work(run, result, carry_out)
    try:
        settle(run, "node")
    except StateError as error:
        if error.details.get("rolled_back") and restart:
            raise _back(node, failed, error) from error
        raise


_RESTART = ("systemctl", "restart", "--no-block")


def _carry_out(
    node: sources.Node, made: target.Target, before: health.Health | None, wait: bool, seconds: int, name: str | None,
    result: Result, root: str,
) -> None:  # fmt: skip
    for one in made.writes:
        write_file(one.path, one.after, root)
    found = sources.find_node(root)
    held = {option: found.effective(option).value for option in KEYS}
    if held != made.after:
        raise KubeletError(
            f"kubelet's files were written, and would give {held} where {made.after} is wanted; run this with --diff"
        )
    if before is None:
        return
    restarted = time.time()
    run_program([*_RESTART, node.unit])
    result["restarted"] = True
    if not wait:
        return
    now = health.await_healthy(found, before, restarted, name, seconds)
    result["evidence"] = {**now.evidence(), "seconds": round(time.time() - restarted, 1)}
    if before.node.ready is None:
        result["warnings"].append(f"Whether the Node is Ready again is not known. {before.node.said}")
    elif not before.node.ready:
        result["warnings"].append(f"Node {before.node.name} was not Ready before: {before.node.said}")


def _back(node: sources.Node, failed: int, error: StateError) -> StateError:
    """The error once the kubelet runs again with what it had; ``failed`` is the process that did not."""
    deadline = time.monotonic() + _BACK_SECONDS
    healthy, said = False, ""
    while not healthy and time.monotonic() < deadline:
        process = health.find_process(node.unit)
        healthy, said = health.healthz(node)
        healthy = healthy and process.pid not in (0, failed)
        time.sleep(0 if healthy else 0.25)
    how = "kubelet works again" if healthy else f"kubelet does not answer since ({said}), see journalctl -u {node.unit}"
    return StateError(f"{error.message}. The files were put back, and {how}.", **error.details)


# --- what is shown ----------------------------------------------------------------------------------------------------


def _stale(node: sources.Node, wish: t.Iterable[str], process: health.Process) -> str:
    """Why what runs may not be what the files say: one of them was written after it was started."""
    now = time.time()
    for option in wish:
        place = node.effective(option).place
        if not place.file:
            continue
        try:
            written = os.stat(place.file).st_mtime
        except OSError:
            continue
        # A clock that was set back makes files of the future, which say nothing.
        if process.started + 1 < written <= now:
            return f"{place.file} was written after it was started"
    return ""


def _check_resolver(wish: t.Mapping[str, Value], root: str) -> list[str]:
    """Raises KubeletError for a resolver file that is not there; warns of one that leads pods to themselves."""
    path = wish.get("resolv_conf")
    if not isinstance(path, str):
        return []
    from ansible_collections.kubenode.network.plugins.module_utils._resolver import resolv_conf

    text = read_file(path, root).text
    if text is None:
        raise KubeletError(
            f"resolv_conf: there is no file {path} on this node, and no pod would start; name one that is there, as "
            f"/run/systemd/resolve/resolv.conf where systemd-resolved runs"
        )
    local = [one for one in resolv_conf.parse(text).servers if one.startswith("127.") or one == "::1"]
    if not local:
        return []
    said = (
        f"{path} has the server {local[0]}, which in a pod is the pod itself: CoreDNS forwards to itself (plugin loop) "
        f"and other pods with dnsPolicy Default find no names."
    )
    return [said]


def _shown(node: sources.Node, option: str) -> Result:
    found = node.effective(option)
    return {"value": _plain(found.value), "source": found.place.how, "file": found.place.file, "line": found.place.line}


def _plain(value: Value) -> t.Any:
    return list(value) if isinstance(value, tuple) else value


def _difference(one: target.Write) -> Result:
    return {
        "before_header": one.path, "after_header": one.path, "before": one.before.text or "",
        "after": one.after.text or "",
    }  # fmt: skip
