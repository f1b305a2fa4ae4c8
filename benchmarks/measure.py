# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measuring for the benchmarks: CPU of child processes, as ratios against a peer in the same run.

CPU (user and system, of all processes that take part) is what a node pays, and unlike wall time it hardly depends on
what else the machine does; absolute figures still do, so a claim is a ratio of two medians taken in turns (A B A B).
"""

from __future__ import annotations

import atexit
import ctypes
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import typing as t

_CLONE_NEWNET = 0x40000000
_INSIDE = "KUBENODE_BENCH_PRIVATE"


class Cost(t.NamedTuple):
    """What commands used: CPU seconds (summed up), and the largest resident set of one of them in MiB."""

    cpu: float
    rss: float


class Claim(t.NamedTuple):
    """A promise about speed or size: what was measured must not exceed the target."""

    name: str
    measured: float
    target: float
    unit: str = "x"

    @property
    def held(self) -> bool:
        return self.measured <= self.target

    def __str__(self) -> str:
        verdict = "held" if self.held else "short"
        return f"{self.name} | {self.measured:.2f}{self.unit} | <= {self.target:g}{self.unit} | {verdict}"


def enter_private_network() -> None:
    """Start this program again inside a network namespace of its own (and a user namespace, where it is not root)."""
    if os.environ.get(_INSIDE) == "1":
        return
    options = ["-n"] if os.geteuid() == 0 else ["-U", "-r", "-n"]
    environment = {**os.environ, _INSIDE: "1"}
    command = ["unshare", *options, "--", sys.executable, *sys.argv]
    os.execvpe(command[0], command, environment)


def fresh_network(*lines: str) -> None:
    """Put this process and the children to come into a new network namespace; ``lines`` are for ``ip -batch``."""
    if os.environ.get(_INSIDE) != "1":
        raise RuntimeError("enter_private_network first: benchmarks never touch the machine's own network")
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "unshare(CLONE_NEWNET)")
    subprocess.run(["ip", "-batch", "-"], input="\n".join(["link set lo up", *lines]), text=True, check=True)


def python_environment(root: pathlib.Path) -> dict[str, str]:
    """Environment for Python children that import the collection at ``root``, with compiled code kept as usual.

    What it needs lies in a folder of this process's own, which goes when it ends.
    """
    base = pathlib.Path(tempfile.mkdtemp(prefix="kubenode-bench-"))
    atexit.register(shutil.rmtree, base, ignore_errors=True)
    namespace = base / "ansible_collections" / "kubenode"
    namespace.mkdir(parents=True)
    (namespace / "network").symlink_to(root)
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPATH"] = str(base)
    environment["PYTHONPYCACHEPREFIX"] = str(base / "pycache")
    return environment


def run(*commands: t.Sequence[str], env: t.Mapping[str, str] | None = None) -> Cost:
    """Run commands as a pipeline; raises RuntimeError when one fails."""
    processes: list[subprocess.Popen[bytes]] = []
    previous: t.Any = subprocess.DEVNULL
    for index, command in enumerate(commands):
        last = index == len(commands) - 1
        process = subprocess.Popen(
            list(command), stdin=previous, stdout=subprocess.DEVNULL if last else subprocess.PIPE, env=env
        )
        if previous is not subprocess.DEVNULL:
            previous.close()
        previous = process.stdout
        processes.append(process)
    cpu, rss = 0.0, 0.0
    failed = []
    for process, command in zip(processes, commands):
        _pid, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        cpu += usage.ru_utime + usage.ru_stime
        rss = max(rss, usage.ru_maxrss / 1024)
        if process.returncode != 0:
            failed.append(" ".join(command))
    if failed:
        raise RuntimeError(f"failed: {'; '.join(failed)}")
    return Cost(cpu, rss)


def in_turns(rounds: int, *measurements: t.Callable[[], Cost]) -> list[Cost]:
    """Median cost of each measurement, taken in turns; the first turn only warms up."""
    costs: list[list[Cost]] = [[] for _measurement in measurements]
    for turn in range(rounds + 1):
        for measurement, found in zip(measurements, costs):
            cost = measurement()
            if turn:
                found.append(cost)
    return [
        Cost(statistics.median(cost.cpu for cost in found), statistics.median(cost.rss for cost in found))
        for found in costs
    ]


def report(claims: t.Iterable[Claim]) -> int:
    """Print a line per claim; the exit code: 0 when all hold."""
    short = 0
    for claim in claims:
        print(claim, flush=True)
        short += not claim.held
    return 1 if short else 0
