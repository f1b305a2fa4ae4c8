# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way back: inverses in the opposite order, then whatever the kernel dropped on the way is put back.

With an interface's last address, or its link going down, the kernel flushes what others had there too; so the state
is compared with the one from before, in the parts of the node that the changes can have reached.
"""

from __future__ import annotations

import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._netlink.constants import (
    AF_INET6,
    IFA_F_PERMANENT,
    KUBENODE_PROTOCOL,
)
from ansible_collections.kubenode.network.plugins.module_utils._netlink.sock import NetlinkError
from ansible_collections.kubenode.network.plugins.module_utils._state.describe import object_text
from ansible_collections.kubenode.network.plugins.module_utils._state.execute import (
    BATCHED,
    Executor,
    StepFailed,
    groups,
)
from ansible_collections.kubenode.network.plugins.module_utils._state.model import Change, State, StateError
from ansible_collections.kubenode.network.plugins.module_utils._state.precise import rules_at
from ansible_collections.kubenode.network.plugins.module_utils._state.verify import (
    Item,
    Scope,
    expected,
    holds,
    kernel_made,
    missing,
    scope_of,
    surplus,
)

_PASSES = 4
_MADE_BY_US = frozenset(("dummy", "vlan", "bond", "bridge", "vrf", "macvlan"))


def undo(done: t.Sequence[Change], before: State, root: str = "/") -> list[str]:
    """Take back what ``done`` lists (the journal of ``apply``); returns what could not be put back, a sentence each.

    Never raises for what the kernel refuses: every step back is tried, whatever became of the others.
    """
    problems: list[StepFailed] = []
    last: list[StepFailed] = []
    executor = Executor(before, root)
    try:
        executor.read()
        for group in groups(sorted((change.inverse() for change in reversed(done)), key=_place)):
            problems += insist(executor, group)
        scope = scope_of(done, before)
        made = expected(State(), [change._replace(before=None) for change in done if change.after is not None])
        for _attempt in range(_PASSES):
            now = executor.read()
            gone = missing(before, now, scope)
            extra = [item for item in surplus(before, now, scope) if holds(made, *item)]
            if not extra and all(kernel_made(*item) for item in gone):
                break
            last = []
            for kind, value in extra:
                last += insist(executor, [Change(kind, value[0] if kind == "link" else "", value, None, reason="undo")])
            last += put_back(executor, gone, now)
        _reorder(executor, before, scope)
        now = executor.read()
        left = [f"{object_text(*item)} is missing" for item in missing(before, now, scope) if not kernel_made(*item)]
        extra = [item for item in surplus(before, now, scope) if holds(made, *item)]
        left += [f"{object_text(*item)} is still there" for item in extra]
        if left:
            left += list(dict.fromkeys(map(str, last)))
    except (NetlinkError, StateError) as error:
        left = [f"the state could not be read: {error}"]
    finally:
        executor.close()
    # Whether a step back in the kernel mattered is told by the comparison; nothing else compares files and sysctls.
    return left + [str(error) for error in problems if error.change.kind not in BATCHED and error.change.kind != "link"]


def _place(change: Change) -> int:
    """Files first, so that the managers take up the old ones; then the kernel, which they may have changed by it."""
    return {"file": 0, "activate": 1}.get(change.kind, 2)


def _reorder(executor: Executor, before: State, scope: Scope) -> None:
    """Of rules of one priority the first match counts: put ours into the order that they had among themselves."""
    was, now = rules_at(before), rules_at(executor.read())
    for place in scope.rules:
        wanted = [rule for rule in was.get(place, ()) if rule.protocol == KUBENODE_PROTOCOL]
        found = [rule for rule in now.get(place, ()) if rule.protocol == KUBENODE_PROTOCOL]
        if wanted != found and sorted(wanted, key=repr) == sorted(found, key=repr):
            first = next(index for index, rule in enumerate(wanted) if rule != found[index])
            removals = [Change("rule", "", rule, None, reason="undo") for rule in wanted[first:]]
            insist(executor, removals)
            insist(executor, [change.inverse() for change in removals])


def insist(executor: Executor, group: t.Sequence[Change], append: bool = False) -> list[StepFailed]:
    """Carry out all of a group that the kernel takes; why it refused the others."""
    problems = []
    pending = list(group)
    while pending:
        mark = len(executor.done)
        try:
            if pending[0].kind in BATCHED:
                executor.batch(pending, append)
                break
            executor.one(pending[0])
            pending = pending[1:]
        except StepFailed as error:
            problems.append(error)
            settled = {id(change) for change in (*executor.done[mark:], *error.refused)}
            pending = [change for change in pending if id(change) not in settled]
    return problems


def put_back(executor: Executor, gone: t.Iterable[Item], now: State) -> list[StepFailed]:
    """Make objects that vanished once more; what is refused is left out, and returned.

    Addresses and routes of router advertisements come again by themselves. A lease comes back as a permanent address:
    its client finds and renews it.
    """
    wanted = [item for item in gone if not _comes_by_itself(*item)]
    # Link scope before the gateways that are reached through it; otherwise the kernel's order (primaries first).
    wanted.sort(key=_order)
    problems = []
    for chosen in ("link", "address", "rule", "route"):
        changes = []
        for kind, value in wanted:
            if kind == chosen:
                changes += _replacing(kind, value, now)
        if changes:
            problems += insist(executor, changes, append=True)
    return problems


def _order(item: Item) -> int:
    kind, value = item
    if kind == "route":
        return -int(value.scope)
    # Masters before their ports, lower devices before what stands on them.
    return bool(value.master or value.parent) if kind == "link" else 0


def _replacing(kind: str, value: t.Any, now: State) -> list[Change]:
    """Make an object; first remove what stands in its place but for an attribute that the kernel took (`src` ...)."""
    if kind == "link":
        # A NIC that was unplugged, or a pod's veth that went with its pod, is not ours to make.
        if value.name not in now.links and value.kind not in _MADE_BY_US:
            return []
        return [Change(kind, value.name, now.links.get(value.name), value, reason="put back")]
    changes = [Change(kind, "", None, value, reason="put back")]
    if kind == "address" and value.key in now.addresses:
        changes.insert(0, Change(kind, "", now.addresses[value.key], None, reason="put back"))
    if kind == "route" and value.family == AF_INET6:
        for other in now.routes.get(value.key, ()):
            if other._replace(source=None) == value._replace(source=None):
                changes.insert(0, Change(kind, "", other, None, reason="put back"))
    return changes


def _comes_by_itself(kind: str, value: t.Any) -> bool:
    if kind == "route":
        return bool(value.protocol == 9) or value.table == 255
    return kind == "address" and value.family == AF_INET6 and not value.flags & IFA_F_PERMANENT
