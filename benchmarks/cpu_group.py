# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CPU of everything that a command starts, also of what outlives it or is nobody's child: by a control group.

A change leaves its process behind on purpose, and what sshd or a container runs is no descendant of Ansible.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import signal
import subprocess
import time
import typing as t

_ROOT = pathlib.Path("/sys/fs/cgroup")


class Run(t.NamedTuple):
    """What a command took: CPU and wall seconds."""

    cpu: float
    wall: float


class Group:
    """A control group of this process's own (version 1 or 2); needs root. Raises RuntimeError where there is none."""

    def __init__(self) -> None:
        name = f"kubenode-bench-{os.getpid()}"
        old = _ROOT / "cpuacct"
        self.path = (old if (old / "cpuacct.usage").exists() else _ROOT) / name
        try:
            self.path.mkdir()
        except OSError as error:
            raise RuntimeError(f"{self.path}: {error.strerror}; measuring needs root and control groups") from error

    @property
    def name(self) -> str:
        """For ``--cgroup-parent``."""
        return f"/{self.path.name}"

    @property
    def cpu(self) -> float:
        """CPU seconds so far."""
        old = self.path / "cpuacct.usage"
        if old.exists():
            return int(old.read_text(encoding="ascii")) / 1e9
        fields = dict(line.split() for line in (self.path / "cpu.stat").read_text(encoding="ascii").splitlines())
        return int(fields["usage_usec"]) / 1e6

    def _join(self) -> None:
        (self.path / "cgroup.procs").write_text("0", encoding="ascii")

    def run(self, command: t.Sequence[str], env: t.Mapping[str, str] | None = None) -> Run:
        """Run a command within; raises RuntimeError with the end of what it said when it fails."""
        before, start = self.cpu, time.monotonic()
        done = subprocess.run(
            list(command), env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            preexec_fn=self._join, check=False, text=True,
        )  # fmt: skip
        wall = time.monotonic() - start
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stdout[-2000:]}")
        return Run(self.cpu - before, wall)

    def close(self) -> None:
        """Remove the group; what still runs in it after a second was left behind and is killed."""
        start = time.monotonic()
        while True:
            try:
                self.path.rmdir()
            except OSError:
                if time.monotonic() > start + 10:
                    raise
                if time.monotonic() > start + 1:
                    for pid in (self.path / "cgroup.procs").read_text(encoding="ascii").split():
                        with contextlib.suppress(ProcessLookupError):
                            os.kill(int(pid), signal.SIGKILL)
                time.sleep(0.1)
            else:
                return
