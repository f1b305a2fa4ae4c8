# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The removal, in an order in which the node's pods always have DNS."""

from __future__ import annotations

import contextlib
import os
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._cache_service import node, units
from ansible_collections.kubenode.network.plugins.module_utils._cache_service.service import (
    Undo,
    _forget,
    forget_user,
    make_user,
)
from ansible_collections.kubenode.network.plugins.module_utils._corefile import entries
from ansible_collections.kubenode.network.plugins.module_utils._corefile.document import parse
from ansible_collections.kubenode.network.plugins.module_utils._corefile.errors import CorefileError
from ansible_collections.kubenode.network.plugins.module_utils._state.files import read_file, write_file
from ansible_collections.kubenode.network.plugins.module_utils._state.model import FileState, StateError
from ansible_collections.kubenode.network.plugins.module_utils._state.system import systemd_runs_here

# Queries go to CoreDNS again before the server that had them ends, and it ends before its addresses go.
_ORDER = (units.WATCH, units.RULES, *map(units.instance, units.SLOTS), units.LINK)
_FILES = (
    *(f"{units.SYSTEM}/{name}" for name in (units.LINK, f"{units.USER}@.service", units.RULES, units.WATCH)),
    f"{units.SYSTEM}/{units.RELEASE}", units.NETWORKD_PATH, units.NETWORKMANAGER_PATH, units.USER_FILE, units.SCRIPT,
)  # fmt: skip


def absent(force: bool, check_mode: bool) -> dict[str, t.Any]:
    """Take the cache away. Raises StateError; it then serves as before, or the error says what does not."""
    if not systemd_runs_here():
        raise StateError("systemd is not the first process of this node: there can be no cache made of its units")
    before = read_file(units.SCRIPT).text or ""
    used = node.kubelet_uses(node.value_of(before, "ADDRESSES").split())
    if used and not force:
        raise StateError(
            f"the kubelet of this node still gives pods the cache as their DNS: {used}; move it first "
            "(kubenode.network.kubelet_dns), and have the pods made anew that started before; force: true removes the "
            "cache all the same"
        )
    stand = {name: node.unit(name) for name in _ORDER}
    paths = [path for path in _FILES if read_file(path).text is not None]
    left, records = _left()
    corefile = read_file(units.COREFILE).text
    edited = corefile is not None and corefile != left
    actions = [f"stop {name}" for name, one in stand.items() if one.runs or one.enabled]
    actions += [f"remove {path}" for path in paths]
    actions += [f"{'edit' if left.strip() else 'remove'} {units.COREFILE}"] if edited or records else []
    result: dict[str, t.Any] = {"changed": bool(actions), "actions": actions, "warnings": []}
    if left.strip():
        result["warnings"].append(f"{units.COREFILE} stays: somebody else's blocks are in it")
    if check_mode or not actions:
        return result
    _carry_out(stand, {**dict.fromkeys(paths, ""), units.COREFILE: left, units.RECORDS: ""})
    # Nothing of this can keep the cache from being gone.
    for slot in units.SLOTS:
        _forget(slot)
    for folder in (units.FOLDER, os.path.dirname(units.FOLDER)):
        with contextlib.suppress(OSError):
            os.rmdir(folder)
    with contextlib.suppress(StateError):
        node.systemctl("reset-failed", f"{units.USER}*")
    return result


def _left() -> tuple[str, str]:
    """The Corefile without our entries, and their records."""
    corefile, records = read_file(units.COREFILE).text or "", read_file(units.RECORDS).text or ""
    try:
        outcome = entries.reset(parse(corefile), entries.parse_records(records))
    except CorefileError as error:
        raise StateError(f"{units.COREFILE}: {error}; mend or remove it, then run again") from error
    return str(outcome.document), records


def _carry_out(stand: t.Mapping[str, node.Unit], texts: t.Mapping[str, str]) -> None:
    """Stop the units, and have the files say what they shall; empty: nothing. What fails puts all of it back."""
    undo = Undo()
    try:
        _stop(stand, undo)
        # Undone from the last to the first: the files come back, systemd reads them, the units start.
        undo.push("daemon-reload", lambda: node.systemctl("daemon-reload"))
        undo.push(f"user {units.USER}", make_user)
        for path, text in texts.items():
            there = read_file(path)
            undo.push(path, lambda path=path, there=there: write_file(path, there))  # type: ignore[misc]
            write_file(path, FileState(text if text.strip() else None))
        node.systemctl("daemon-reload")
        forget_user()
    except (StateError, OSError) as error:
        failed = undo.back()
        message = error.message if isinstance(error, StateError) else str(error)
        if failed:
            raise StateError(f"{message}. Not all could be put back: {'; '.join(failed)}", rolled_back=False) from error
        raise StateError(f"{message}. The cache serves as before.", rolled_back=True) from error


def _stop(stand: t.Mapping[str, node.Unit], undo: Undo) -> None:
    for name, one in stand.items():
        if one.runs:
            undo.push(name, lambda name=name: node.systemctl("start", name))  # type: ignore[misc]
        if one.enabled:
            undo.push(f"{name} at boot", lambda name=name: node.systemctl("enable", name))  # type: ignore[misc]
            node.systemctl("disable", name)
        if one.runs:
            node.systemctl("stop", name)
        if name == units.RULES and node.check(read_file(units.SCRIPT).text or "", "rules"):
            _check_gone()


def _check_gone() -> None:
    text = read_file(units.SCRIPT).text or ""
    if node.value_of(text, "BACKEND") not in ("", "none"):
        raise StateError(
            "the rules are still there after their unit was stopped: look at journalctl -u "
            f"{units.RULES}, and remove them by hand"
        )
