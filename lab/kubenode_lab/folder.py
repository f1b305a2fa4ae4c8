# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lab's folder: who holds it, which processes the lab consists of, and its removal."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import shutil
import signal
import stat
import time
from pathlib import Path
from typing import NamedTuple

from kubenode_lab.errors import LabError

_MARKER = ".kubenode-lab"
_RECORD = "lab.json"
SOCKETS = "cp"
# Ansible's name for a socket in there, and what ssh appends while it makes it, have to fit into sun_path (unix(7)).
_LONGEST = 107 - len(f"/{SOCKETS}/0123456789.0123456789abcdef")
# How long the kernel may take to end the processes of a killed lab, in seconds; 50 workers take 0.1 s.
END_TIMEOUT = 20.0


class Process(NamedTuple):
    """A process, by its pid on the machine and its start time in clock ticks after boot, which no later one shares."""

    pid: int
    start: int

    @classmethod
    def of(cls, pid: int) -> Process:
        """The running process with this pid. Raises ProcessLookupError."""
        start = _start_time(pid)
        if start is None:
            raise ProcessLookupError(pid)
        return cls(pid, start)

    def kill(self, timeout: float) -> bool:
        """End this very process and wait for that, at most timeout seconds; whether it has ended."""
        try:
            descriptor = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return True
        try:
            # What the descriptor stands for cannot change any more, so a later process is told apart before the signal.
            if self.is_running():
                signal.pidfd_send_signal(descriptor, signal.SIGKILL)
            return not self.is_running() or bool(select.select([descriptor], [], [], timeout)[0])
        finally:
            os.close(descriptor)

    def is_running(self) -> bool:
        """Whether this very process still runs (a zombie does not)."""
        return _start_time(self.pid) == self.start


def _start_time(pid: int) -> int | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # proc_pid_stat(5): the name in brackets may hold anything; the state follows as field 3, the start time is 22nd.
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else int(fields[19])


class Record(NamedTuple):
    """What a lab that is up consists of. nodes are the first processes of router, controller and workers, in order."""

    workers: int
    supervisor: Process
    dns: Process
    nodes: dict[str, Process]
    namespaces: str
    overlay: str | None


class Folder:
    """The folder named by KUBENODE_LAB_DIR. The supervisor holds a lock on it for as long as the lab is up."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    def claim(self) -> None:
        """Create, lock and empty the folder for a new lab. Raises LabError when a lab holds it or it is not ours."""
        if any(character.isspace() or character in ":,'\"\\" for character in str(self.path)):
            raise LabError(
                f"the lab's folder {str(self.path)!r} has characters that shells and mount options take apart; "
                "name another one in KUBENODE_LAB_DIR"
            )
        if len(os.fsencode(self.path)) > _LONGEST:
            raise LabError(
                f"the lab's folder {self.path} has a path of more than {_LONGEST} bytes, too long for the sockets of "
                "ssh in it; name another one in KUBENODE_LAB_DIR"
            )
        deadline = time.monotonic() + END_TIMEOUT
        while True:
            try:
                self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            except OSError as error:
                raise self._unusable(error.strerror or str(error)) from error
            if self._lock():
                break
            record = self.record()
            if record is None or time.monotonic() > deadline:
                raise LabError(f"another 'scripts/lab up' or 'down' is at work in {self.path}")
            if record.supervisor.is_running():
                raise LabError(
                    f"a lab with {record.workers} workers is already up in {self.path}; take it down with "
                    "'scripts/lab down', or name another folder in KUBENODE_LAB_DIR for a second one"
                )
            time.sleep(0.02)
        # Ansible makes a folder for its sockets, lab or no lab.
        if set(os.listdir(self.path)) - {SOCKETS} and not (self.path / _MARKER).exists():
            raise self._unusable("it holds files that are not a lab's")
        self.path.chmod(0o700)
        self._empty()
        (self.path / _MARKER).touch()

    def release(self) -> None:
        """Remove the folder with all that it holds; the caller holds the lock."""
        self._empty()
        (self.path / _MARKER).unlink()
        self.path.rmdir()
        self._unlock()

    def record(self) -> Record | None:
        """The lab's record, or None where none is up here (or is still coming up)."""
        try:
            self._check_owner()
            data = json.loads((self.path / _RECORD).read_text(encoding="ascii"))
        except FileNotFoundError:
            return None
        return Record(
            workers=data["workers"],
            supervisor=Process(*data["supervisor"]),
            dns=Process(*data["dns"]),
            nodes={name: Process(*process) for name, process in data["nodes"].items()},
            namespaces=data["namespaces"],
            overlay=data["overlay"],
        )

    def running(self) -> Record:
        """The record of the lab that is up. Raises LabError where none is."""
        record = self.record()
        if record is None or not record.supervisor.is_running():
            raise LabError(f"no lab is up in {self.path}; bring one up with 'scripts/lab up'")
        return record

    def write_record(self, record: Record) -> None:
        """Publish what the lab consists of, the files that enter.sh and ssh.sh read included."""
        nodes = self.path / "nodes"
        nodes.mkdir(exist_ok=True)
        for name, process in record.nodes.items():
            self._publish(nodes / name, f"{process.pid} {process.start} {record.namespaces}\n")
        self._publish(self.path / _RECORD, json.dumps(record._asdict()))

    def replace_node(self, name: str, process: Process) -> None:
        """Publish a node's new first process. Several nodes may be replaced at the same time."""
        with (self.path / _MARKER).open("rb") as marker:
            fcntl.flock(marker, fcntl.LOCK_EX)
            record = self.running()
            self.write_record(record._replace(nodes={**record.nodes, name: process}))

    def _publish(self, path: Path, text: str) -> None:
        # A name of its own: readers of the folder of nodes take each file there for a node.
        part = self.path / f"{path.name}.part"
        part.write_text(text, encoding="ascii")
        part.rename(path)

    def wait_until_free(self) -> bool:
        """Lock the folder once the lab's processes let go of it. False where there is no folder. Raises LabError."""
        deadline = time.monotonic() + END_TIMEOUT
        while time.monotonic() < deadline:
            try:
                if self._lock():
                    return True
            except FileNotFoundError:
                return False
            time.sleep(0.005)
        raise LabError(
            f"processes of the lab still hold {self.path} after {END_TIMEOUT:.0f} s; 'fuser {self.path}' names them"
        )

    def is_a_lab(self) -> bool:
        """Whether a lab is or was here."""
        return (self.path / _MARKER).exists()

    def _lock(self) -> bool:
        """Take the lock, if it is free. Raises FileNotFoundError without a folder, LabError for somebody else's."""
        self._check_owner()
        descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The folder may have been removed, or removed and made again, before we had the lock.
            locked = os.path.samestat(os.fstat(descriptor), self.path.lstat())
        except (BlockingIOError, FileNotFoundError):
            locked = False
        except BaseException:
            os.close(descriptor)
            raise
        if locked:
            self._descriptor = descriptor
        else:
            os.close(descriptor)
        return locked

    def _unlock(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _check_owner(self) -> None:
        found = self.path.lstat()
        if not stat.S_ISDIR(found.st_mode):
            raise self._unusable("it is not a folder")
        if found.st_uid != os.geteuid():
            raise self._unusable(f"it belongs to uid {found.st_uid}")

    def _unusable(self, why: str) -> LabError:
        return LabError(f"{self.path} cannot be the lab's folder: {why}; name another one in KUBENODE_LAB_DIR")

    def _empty(self) -> None:
        # The record goes first: half a removal is no lab.
        with contextlib.suppress(FileNotFoundError):
            (self.path / _RECORD).unlink()
        for entry in os.scandir(self.path):
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path)
            elif entry.name != _MARKER:
                os.unlink(entry.path)
