# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A manager takes up its files, and may make and remove kernel objects by it that the plan has as changes of its own.

What it made already (the same object, with its own protocol) is not made again, what it removed is not removed again;
the journal and the records have the protocol that was read back.
"""

from __future__ import annotations

import os
import re
import time
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._netlink.objects import Route, Rule
from ansible_collections.kubenode.network.plugins.module_utils._state.model import (
    Change,
    Owned,
    Plan,
    Record,
    State,
    StateError,
)
from ansible_collections.kubenode.network.plugins.module_utils._state.plan import interfaces_of
from ansible_collections.kubenode.network.plugins.module_utils._state.system import run
from ansible_collections.kubenode.network.plugins.module_utils._state.verify import holds, normal_route

# How long a manager may take until the kernel shows what it was told; it answers its command before.
SETTLE_SECONDS = 6.0
_POLL_SECONDS = 0.05
_AGAIN_SECONDS = 1.0
_KERNEL_KINDS = ("link", "address", "route", "rule")


def run_commands(commands: t.Iterable[t.Sequence[str]]) -> None:
    """Raises StateError in the program's own words when one fails twice.

    A restart of systemd-networkd may fail once ("No buffer space available") and work the next moment.
    """
    for command in commands:
        try:
            run(command)
        except StateError:
            time.sleep(_AGAIN_SECONDS)
            run(command)


class Activated:
    """What the activations of a plan so far can have changed."""

    def __init__(self) -> None:
        self.interfaces: set[str] = set()
        self.ready: list[tuple[str, str]] = []
        self.unexpressed: set[tuple[str, t.Any]] = set()
        self.rules: set[t.Any] = set()
        """The rules that a manager makes, without their protocol."""

    def __bool__(self) -> bool:
        return bool(self.interfaces)

    def add(self, change: Change) -> bool:
        """Take note of a change; whether it was an activation that concerns NICs."""
        if change.kind != "activate" or not change.after.interfaces:
            return False
        self.interfaces.update(change.after.interfaces)
        self.ready += change.after.ready
        self.unexpressed.update((kind, value.key) for kind, value in change.after.unexpressed)
        self.rules.update(rule._replace(protocol=0) for rule in change.after.rules)
        return True

    def concerns(self, change: Change) -> bool:
        if change.kind not in _KERNEL_KINDS:
            return False
        return change.kind == "rule" or bool(interfaces_of(change) & self.interfaces)

    def awaited(self, change: Change) -> bool:
        """Whether the manager is expected to make the object."""
        if change.after is None or not self.concerns(change):
            return False
        if change.kind == "rule":
            return change.after._replace(protocol=0) in self.rules
        return change.kind in ("address", "route") and (change.kind, change.after.key) not in self.unexpressed


def of(changes: t.Iterable[Change]) -> Activated:
    found = Activated()
    for change in changes:
        found.add(change)
    return found


def settle(
    activated: Activated, changes: t.Sequence[Change], read: t.Callable[[], State], check: t.Callable[[], None],
    since: float,
) -> State:  # fmt: skip
    """Wait until the manager has made what it is expected to make, or is not going to; the state then.

    What it wrote before ``since`` (seconds since the epoch, by the clock that files are stamped with) does not count.
    """
    awaited = [change for change in changes if activated.awaited(change)]
    files = activated.ready
    deadline = time.monotonic() + SETTLE_SECONDS
    while True:
        files = [(path, pattern) for path, pattern in files if not _says(path, pattern, since)]
        now = read()
        awaited = [change for change in awaited if made_of(change, now) is None]
        if not (awaited or files) or time.monotonic() > deadline:
            return now
        check()
        time.sleep(_POLL_SECONDS)


def _says(path: str, pattern: str, since: float) -> bool:
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return (
                os.fstat(stream.fileno()).st_mtime >= since
                and re.search(pattern, stream.read(), re.MULTILINE) is not None
            )
    except OSError:
        return False


def made_of(change: Change, now: State) -> t.Any:
    """What a manager made of the new object of a change; the old one, with another protocol, is not it."""
    found = counterpart(change.kind, change.after, now)
    return None if found == change.before else found


def counterpart(kind: str, wanted: t.Any, now: State) -> t.Any:
    """The object of a state that is the wanted one, its protocol aside; None where there is none."""
    if kind in ("link", "address"):
        if not holds(now, kind, wanted):
            return None
        return now.links[wanted.name] if kind == "link" else now.addresses[wanted.key]
    if kind == "rule":
        places: t.Iterable[t.Any] = (rule for rules in now.rules.values() for rule in rules)
        same: list[t.Any] = [rule for rule in places if rule._replace(protocol=0) == wanted._replace(protocol=0)]
    else:
        goal = normal_route(wanted)._replace(protocol=0)
        found = now.routes.get(normal_route(wanted).key, ())
        same = [route for route in found if normal_route(route)._replace(protocol=0) == goal]
    if not same:
        return None
    return next((one for one in same if one.protocol == wanted.protocol), same[0])


def tolerant(activated: Activated, changes: t.Iterable[Change], now: State) -> tuple[list[Change], list[Change]]:
    """(what the manager did already, as it did it; what is left to do) of the changes that follow an activation."""
    done: list[Change] = []
    left: list[Change] = []
    for change in changes:
        if not activated.concerns(change):
            left.append(change)
            continue
        made = made_of(change, now) if change.after is not None else None
        there = change.before is not None and holds(now, change.kind, change.before)
        if change.kind == "link":
            left.append(change)
        elif change.after is None:
            (left if there else done).append(change)
        elif made is not None:
            done.append(change._replace(before=None if there else change.before, after=made))
            if there:
                left.append(change._replace(after=None))
        else:
            left.append(change._replace(before=change.before if there else None))
    return done, left


def as_read(plan: Plan, now: State) -> Plan:
    """The plan with its new objects as the manager made them, in its changes and in its records."""
    activated = of(plan.changes)
    if not activated:
        return plan
    changes = []
    owned: Owned = dict(plan.owned)
    for change in plan.changes:
        after = change.after
        if after is not None and activated.concerns(change) and isinstance(after, (Route, Rule)):
            found = counterpart(change.kind, after, now)
            if found is not None and found.protocol != after.protocol:
                _rekey(owned, change.kind, after, found)
                change = change._replace(after=found)
        changes.append(change)
    return plan._replace(changes=tuple(changes), owned=owned)


def _rekey(owned: Owned, kind: str, old: t.Any, new: t.Any) -> None:
    record = owned.pop((kind, old.key), None)
    if record is not None:
        owned[kind, new.key] = Record(kind, new._replace(extra=()), record.owners, record.made, record.persist)
