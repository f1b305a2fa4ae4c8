# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Transactions on disk: ``/var/lib/kubenode-network/transactions/ID/``, readable by root only.

Its state is the name of one file there, which is renamed: ``open`` -> ``committed``, or ``open`` -> ``rolling-back`` ->
``rolled-back``. Whoever succeeds in renaming ``open`` acts, nobody else. ``journal.json`` says what it is about, and
each of ``steps/NN/`` has the way back of one run and ``outcome.json``, how that run went.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._state.model import StateError
from ansible_collections.kubenode.network.plugins.module_utils._state.owned import path_of

NAME = "transactions"
OPEN, COMMITTED, ROLLING_BACK, ROLLED_BACK = "open", "committed", "rolling-back", "rolled-back"
STATES = (OPEN, ROLLING_BACK, COMMITTED, ROLLED_BACK)
CHANGE, CHECKPOINT = "change", "checkpoint"
KEPT = 5
"""How many ended transactions stay, for a look at what happened."""


Result = dict[str, t.Any]


class Transaction:
    """One transaction's folder."""

    def __init__(self, identity: str, root: str = "/") -> None:
        self.id = identity
        self.root = root
        self.path = os.path.join(path_of(NAME, root), identity)

    def file(self, *names: str) -> str:
        return os.path.join(self.path, *names)

    def state(self) -> str:
        """One of ``STATES``; empty while it is being made or where there is none."""
        # A rename in between is seen by the second look.
        for _look in range(2):
            for state in STATES:
                if os.path.exists(self.file(state)):
                    return state
        return ""

    def claim(self, old: str, new: str) -> bool:
        """Whether this very call has taken the transaction from one state to another."""
        try:
            os.rename(self.file(old), self.file(new))
        except FileNotFoundError:
            return False
        except OSError as error:
            raise StateError(f"{self.file(new)}: cannot be written ({error.strerror})") from None
        sync_folder(self.path)
        return True

    def journal(self) -> dict[str, t.Any]:
        return _json(self.file("journal.json"))

    def steps(self) -> list[str]:
        """Numbers of the runs that belong to it, ``01`` first."""
        try:
            return sorted(name for name in os.listdir(self.file("steps")) if not name.startswith("."))
        except FileNotFoundError:
            return []

    def step(self, number: str) -> dict[str, t.Any]:
        """What ``step.json`` says of a run, and under ``outcome`` how it went, None where that is open."""
        found = _json(self.file("steps", number, "step.json"))
        try:
            found["outcome"] = _json(self.file("steps", number, "outcome.json"))
        except StateError:
            found["outcome"] = None
        return found

    def seconds_left(self) -> float:
        """Until it puts itself back; negative when its time is up."""
        try:
            with open(self.file("deadline"), encoding="ascii") as file:
                return int(file.read()) - uptime()
        except (OSError, ValueError):
            return 0.0

    def here(self) -> bool:
        """Whether it was opened in this network namespace and since the node was started."""
        return not self.of_earlier_boot() and self.journal().get("network") == network()

    def of_earlier_boot(self) -> bool:
        return self.journal().get("boot") != boot()

    def messages(self) -> list[str]:
        """What the way back had to say."""
        return text(self.file("messages")).splitlines()

    def problems(self) -> list[str]:
        """What the way back could not put right."""
        return text(self.file("problems")).splitlines()

    def describe(self) -> dict[str, t.Any]:
        """For people and for ``network_checkpoint state=list``."""
        journal = self.journal()
        state = self.state()
        found = {name: journal.get(name) for name in ("kind", "module", "owner", "started", "rollback_timeout")}
        found.update(id=self.id, state=state.replace("-", "_"), plan=self.plan())
        if state == OPEN:
            found["seconds_left"] = max(0, int(self.seconds_left()))
        if state == ROLLED_BACK:
            found["messages"] = self.messages() + self.problems()
        return found

    def plan(self) -> list[str]:
        lines: list[str] = []
        for number in self.steps():
            lines += self.step(number).get("plan", [])
        return lines


class Run(t.NamedTuple):
    """One run's part of a transaction."""

    transaction: Transaction
    number: str
    joined: bool
    """Whether it belongs to a checkpoint, which decides about it."""

    def file(self, *names: str) -> str:
        return self.transaction.file("steps", self.number, *names)

    @property
    def id(self) -> str:
        return f"{self.transaction.id}.{self.number}" if self.joined else self.transaction.id


def everything(root: str = "/") -> list[Transaction]:
    """All transactions of the node, the oldest first."""
    try:
        names = os.listdir(path_of(NAME, root))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise StateError(
            f"{path_of(NAME, root)}: cannot be read ({error.strerror}); run as root (become: true)"
        ) from None
    return [Transaction(name, root) for name in sorted(names) if not name.startswith(".")]


def unfinished(root: str = "/") -> list[Transaction]:
    """Those that are open or on their way back."""
    return [one for one in everything(root) if one.state() in (OPEN, ROLLING_BACK)]


def find(identity: str, root: str = "/") -> tuple[Transaction, str]:
    """The transaction and step that ``ID`` or ``ID.NN`` names; the step is empty where none is named.

    Raises StateError where the node has no such transaction.
    """
    name, _dot, number = identity.partition(".")
    found = Transaction(name, root)
    if "/" in identity or not found.state() or (number and number not in found.steps()):
        known = ", ".join(one.id for one in everything(root)) or "none"
        raise StateError(f"there is no transaction {identity!r} on this node; it has: {known}")
    return found, number


def clean(root: str = "/") -> None:
    """Forget all but the latest ``KEPT`` transactions that ended, and what was never begun."""
    folder = path_of(NAME, root)
    ended = [one for one in everything(root) if one.state() in (COMMITTED, ROLLED_BACK, "")]
    gone = [one for one in ended if not one.state()] + [one for one in ended if one.state()][:-KEPT]
    for one in gone:
        shutil.rmtree(one.path, ignore_errors=True)
    with contextlib.suppress(OSError):
        for name in os.listdir(folder):
            if name.startswith("."):
                shutil.rmtree(os.path.join(folder, name), ignore_errors=True)


# --- the node --------------------------------------------------------------------------------------------------------


def uptime() -> float:
    """Seconds since the kernel started, sleep included; no clock that anybody sets."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def network() -> str:
    return os.readlink("/proc/self/ns/net")


def boot() -> str:
    """The kernel's boot and the start of process 1, which tells one start of a container from the next."""
    identity = text("/proc/sys/kernel/random/boot_id")
    return f"{identity} {started(1) or '0'}"


def started(pid: int) -> str:
    """When a process started, in the kernel's ticks; empty where there is none, or only its remains."""
    fields = text(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return fields[19] if len(fields) > 19 and fields[0] not in ("Z", "X") else ""


def alive(path: str) -> bool:
    """Whether the process whose number and start time a file has is running."""
    pid, _blank, start = text(path).partition(" ")
    return pid.isdigit() and bool(start) and started(int(pid)) == start


def myself() -> str:
    """What ``alive`` reads, of this process."""
    return f"{os.getpid()} {started(os.getpid())}"


# --- files -----------------------------------------------------------------------------------------------------------


def text(path: str) -> str:
    """A small file without the blanks around it; empty where there is none."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""


def _json(path: str) -> dict[str, t.Any]:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            found: dict[str, t.Any] = json.load(file)
            return found
    except (OSError, ValueError) as error:
        raise StateError(f"{path}: cannot be read ({error})") from None


def write(path: str, content: bytes | str, whole: bool = False) -> None:
    """A file of 0600 that is on the disk on return; ``whole``: a reader sees the old content or the new one."""
    raw = content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content
    name = path + ".new" if whole else path
    with open(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as file:
        file.write(raw)
        file.flush()
        os.fsync(file.fileno())
    if whole:
        os.rename(name, path)
        sync_folder(os.path.dirname(path))


def dump(value: t.Any) -> bytes:
    """JSON of a journal; what it does not know is written as its text."""
    return json.dumps(value, default=str).encode("utf-8", "surrogateescape")


def sync_folder(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
