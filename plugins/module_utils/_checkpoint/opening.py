# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Opening a transaction: the way back is on the disk and the watchdog armed before anything is touched."""

from __future__ import annotations

import os
import shutil
import time
import typing as t
import uuid

from ansible_collections.kubenode.network.plugins.module_utils._checkpoint import store, watchdog
from ansible_collections.kubenode.network.plugins.module_utils._checkpoint.script import Step, undo_of
from ansible_collections.kubenode.network.plugins.module_utils._checkpoint.shell import undo_script
from ansible_collections.kubenode.network.plugins.module_utils._checkpoint.store import Result, Run
from ansible_collections.kubenode.network.plugins.module_utils._state.files import below, read_file
from ansible_collections.kubenode.network.plugins.module_utils._state.model import Plan, State, StateError
from ansible_collections.kubenode.network.plugins.module_utils._state.owned import FOLDER, path_of

# Room for the way back on a disk that is full by then.
_RESERVE = 65536


def open_change(
    plan: Plan, before: State, seconds: int, about: Result, probes: Result, checkpoint: str | None, root: str = "/"
) -> Run:
    """Write the way back of a plan to the disk and arm the watchdog; or put it on the stack of a checkpoint.

    ``about`` tells people of the run (``module``, ``owner``, ``plan``, ``confirm``, ``run``). Raises StateError; then
    nothing has been changed.
    """
    step = Step(root, _owner_of)
    # Records first, as they are undone first: a run in between sees none that are wrong.
    records = f"{FOLDER}/owned.json"
    step.file(records, read_file(records, root), None)
    written = [change.name for change in plan.changes if change.kind == "file"]
    undo_of(step, plan.changes, before, _missing_folders(written, root))
    files = step.finish(f"Undoes: {about['module']}")
    size = sum(len(content) for name, content in files.items() if name.startswith("files/"))
    files["reserve"] = bytes(size + _RESERVE)
    files["step.json"] = store.dump({**about, "started": _now(), "probes": probes})
    if checkpoint is not None:
        transaction, _number = store.find(checkpoint, root)
        return join(transaction, files, about, bool(written))
    return start(store.CHANGE, files, seconds, about, bool(written), root)


def open_checkpoint(
    paths: t.Iterable[str], commands: t.Iterable[str], seconds: int, about: Result, probes: Result, root: str = "/"
) -> Run:
    """A checkpoint of a user: undone, these files are what they are now, then these lines are given to the shell.

    Raises StateError; then there is none.
    """
    step = Step(root, _owner_of)
    records = f"{FOLDER}/owned.json"
    for path in dict.fromkeys([records, *paths]):
        step.file(path, read_file(path, root), None)
    for command in commands:
        step.command(["/bin/sh", "-c", command])
    files = step.finish("Undoes: what was done since the checkpoint")
    files["reserve"] = bytes(_RESERVE)
    files["step.json"] = store.dump({**about, "started": _now(), "probes": probes})
    return start(store.CHECKPOINT, files, seconds, about, True, root)


def start(kind: str, files: dict[str, bytes], seconds: int, about: Result, boots: bool, root: str = "/") -> Run:
    """Open a transaction whose first step has these files; ``boots``: files are to be put back after a restart."""
    store.clean(root)
    now = time.time()
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime(now))
    # In the order of their names they are in that of their time.
    transaction = store.Transaction(f"{stamp}-{int(now % 1 * 1000):03d}{uuid.uuid4().hex[:4]}", root)
    folder = path_of(store.NAME, root)
    making = os.path.join(folder, f".{transaction.id}")
    boot, network = store.boot(), store.network()
    journal = {
        "kind": kind, "module": about.get("module"), "owner": about.get("owner"), "started": _now(),
        "rollback_timeout": seconds, "boot": boot, "network": network,
    }  # fmt: skip
    try:
        os.makedirs(folder, 0o700, exist_ok=True)
        os.mkdir(making, 0o700)
        os.mkdir(os.path.join(making, "steps"), 0o700)
        _write_all(os.path.join(making, "steps", "01"), files)
        store.write(os.path.join(making, "undo.sh"), undo_script(boot, network))
        store.write(os.path.join(making, "journal.json"), store.dump(journal))
        store.write(os.path.join(making, "deadline"), f"{int(store.uptime()) + seconds}\n")
        _name_run(making, about, "01")
        store.write(os.path.join(making, store.OPEN), "")
        store.sync_folder(making)
        os.rename(making, transaction.path)
        store.sync_folder(folder)
    except OSError as error:
        shutil.rmtree(making, ignore_errors=True)
        raise _cannot(transaction.path, error) from None
    try:
        if boots:
            watchdog.add_boot_unit(transaction)
        watchdog.arm(transaction, seconds)
    except (OSError, StateError) as error:
        transaction.claim(store.OPEN, store.ROLLED_BACK)
        watchdog.disarm(transaction)
        shutil.rmtree(transaction.path, ignore_errors=True)
        raise error if isinstance(error, StateError) else _cannot(transaction.path, error) from None
    return Run(transaction, "01", False)


def join(transaction: store.Transaction, files: dict[str, bytes], about: Result, boots: bool) -> Run:
    """Put one more step on an open checkpoint."""
    if transaction.state() != store.OPEN or transaction.journal().get("kind") != store.CHECKPOINT:
        raise StateError(
            f"checkpoint {transaction.id} is not open (it is {transaction.state().replace('-', ' ') or 'gone'}); "
            f"expected the id of one that network_checkpoint has created and that is neither kept nor undone yet"
        )
    number = f"{len(transaction.steps()) + 1:02d}"
    making = transaction.file("steps", f".{number}")
    shutil.rmtree(making, ignore_errors=True)
    try:
        _write_all(making, files)
        if boots and not os.path.exists(transaction.file("boot-unit")):
            watchdog.add_boot_unit(transaction)
        _name_run(transaction.path, about, number)
        os.rename(making, transaction.file("steps", number))
        store.sync_folder(transaction.file("steps"))
    except OSError as error:
        shutil.rmtree(making, ignore_errors=True)
        raise _cannot(making, error) from None
    return Run(transaction, number, True)


def _name_run(folder: str, about: Result, number: str) -> None:
    """Let the controller's run be found by its name, without a look into every journal."""
    name = str(about.get("run") or "")
    if name.isalnum():
        store.write(os.path.join(folder, f"run-{name}"), number)


def _write_all(folder: str, files: dict[str, bytes]) -> None:
    os.makedirs(folder, 0o700)
    if any(name.startswith("files/") for name in files):
        os.mkdir(os.path.join(folder, "files"), 0o700)
        _fill(folder, {name: raw for name, raw in files.items() if name.startswith("files/")})
        store.sync_folder(os.path.join(folder, "files"))
    _fill(folder, {name: raw for name, raw in files.items() if not name.startswith("files/")})
    store.sync_folder(folder)


def _fill(folder: str, files: dict[str, bytes]) -> None:
    for name, raw in files.items():
        store.write(os.path.join(folder, name), raw)


def _missing_folders(paths: t.Iterable[str], root: str) -> list[str]:
    found: dict[str, None] = {}
    for path in paths:
        folder = os.path.dirname(path)
        while folder not in ("", "/") and not os.path.isdir(below(folder, root)):
            found[folder] = None
            folder = os.path.dirname(folder)
    return sorted(found, key=len, reverse=True)


def _owner_of(path: str) -> str:
    try:
        status = os.lstat(path)
    except OSError:
        return "0:0"
    return f"{status.st_uid}:{status.st_gid}"


def _cannot(path: str, error: OSError) -> StateError:
    return StateError(
        f"{path}: the way back cannot be written ({error.strerror}), so nothing was changed; make room or repair the "
        f"file system, or use confirm: none to change the node without a way back"
    )


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
