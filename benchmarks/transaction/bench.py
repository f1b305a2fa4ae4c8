# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a confirmed change costs: prints `name | measured | target | held` (or `short`) per claim.

Over real SSH in a lab of its own. CPU is that of controller and node, with all that stays behind for a while. What a
task costs is what a play with several of them costs more than a play with none.

    python benchmarks/transaction/bench.py [--rounds N]
"""

from __future__ import annotations

import argparse
import os
import pathlib
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import typing as t

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE)]

import measure  # noqa: E402
import yaml  # noqa: E402
from cpu_group import Group, Run  # noqa: E402

ROOT = HERE.parent.parent
TASKS = 6
# scripts/env: what was asked for cannot be had on this machine.
_UNAVAILABLE = 77
Task = dict[str, t.Any]


def route(confirm: str, state: str = "present") -> Task:
    """A task with one route."""
    return {
        "kubenode.network.static_routes": {
            "owner": "bench",
            "confirm": confirm,
            "routes": [
                {
                    "destination": "10.201.0.0/16",
                    "next_hop_address": "10.100.0.1",
                    "next_hop_interface": "ens224",
                    "state": state,
                }
            ],
        }
    }


def toggled(confirm: str) -> list[Task]:
    """Changes, each of which undoes the one before."""
    return [route(confirm, state) for state in ("present", "absent") * (TASKS // 2)]


class Bench:
    """A lab with one worker, and plays on it."""

    def __init__(self, folder: pathlib.Path, group: Group, rounds: int) -> None:
        self.folder = folder
        self.group = group
        self.rounds = rounds
        self.environment = {**os.environ, "KUBENODE_LAB_DIR": str(folder / "lab"), "ANSIBLE_DEPRECATION_WARNINGS": "0"}
        self.plays = 0

    def lab(self, *words: str) -> None:
        """scripts/lab."""
        self.group.run([str(ROOT / "scripts" / "lab"), *words], env=self.environment)

    def play(self, *tasks: Task) -> t.Callable[[], Run]:
        """A measurement: one run of a play with these tasks."""
        self.plays += 1
        path = self.folder / f"play{self.plays}.yml"
        play = {"hosts": "workers", "gather_facts": False, "tasks": list(tasks)}
        path.write_text(yaml.dump([play], Dumper=yaml.CSafeDumper, sort_keys=False), encoding="utf-8")
        program = str(pathlib.Path(sys.executable).with_name("ansible-playbook"))
        command = [program, "-i", str(self.folder / "lab" / "inventory.yml"), str(path)]
        return lambda: self.group.run(command, env=self.environment)

    def task_costs(self, *plays: t.Sequence[Task]) -> list[Run]:
        """Cost of each task of these plays, measured in turns; the first turn only warms up."""
        measurements = [self.play({"ansible.builtin.meta": "noop"}), *(self.play(*tasks) for tasks in plays)]
        found: list[list[Run]] = [[] for _one in measurements]
        for turn in range(self.rounds + 1):
            for measurement, runs in zip(measurements, found):
                run = measurement()
                if turn:
                    runs.append(run)
        medians = [
            Run(statistics.median(run.cpu for run in runs), statistics.median(run.wall for run in runs))
            for runs in found
        ]
        base = medians[0]
        return [
            Run((one.cpu - base.cpu) / len(tasks), (one.wall - base.wall) / len(tasks))
            for one, tasks in zip(medians[1:], plays)
        ]


def claims(bench: Bench) -> t.Iterator[measure.Claim]:
    """All claims, each measured when it is asked for."""
    nic = {
        "name": "ens224",
        "state": "up",
        "ipv4": {"enabled": True, "addresses": [{"ip": "10.100.0.10", "prefix_length": 24}]},
    }
    bench.play({"kubenode.network.interfaces": {"owner": "nic", "interfaces": [nic]}}, route("none", "absent"))()

    plain, confirmed = bench.task_costs([route("none", "absent")] * TASKS, [route("controller", "absent")] * TASKS)
    _tell("no-op", none=plain, controller=confirmed)
    yield measure.Claim("transaction: no-op, confirm: controller / none, CPU", confirmed.cpu / plain.cpu, 1.1)
    yield measure.Claim("transaction: no-op, confirm: controller / none, wall", confirmed.wall / plain.wall, 1.2)

    plain, node, confirmed = bench.task_costs(*(toggled(confirm) for confirm in ("none", "node", "controller")))
    _tell("one route changed", none=plain, node=node, controller=confirmed)
    yield measure.Claim("transaction: one route, confirm: node / none, CPU", node.cpu / plain.cpu, 2.0)
    yield measure.Claim("transaction: one route, confirm: controller / none, CPU", confirmed.cpu / plain.cpu, 3.5)
    yield measure.Claim(
        "transaction: one route, confirm: controller, wall above none", confirmed.wall - plain.wall, 2.0, " s"
    )


def managed(rounds: int) -> int:
    """The claims about a NIC of NetworkManager's, in an environment and in containers of their own."""
    command = [
        str(ROOT / "scripts" / "env"),
        "--containers",
        "python",
        str(HERE / "managed.py"),
        "--rounds",
        str(rounds),
    ]
    status = subprocess.run(command, check=False).returncode
    if status == _UNAVAILABLE:
        print("not compared with community.general.nmcli: there are no containers here", file=sys.stderr)
        return 0
    return status


def _tell(what: str, **costs: Run) -> None:
    told = ", ".join(f"{name} {1000 * one.cpu:.0f} ms CPU {1000 * one.wall:.0f} ms wall" for name, one in costs.items())
    print(f"{what}: {told}", file=sys.stderr)


def main() -> int:
    """Measure, print a line per claim, and say by the exit code whether all hold."""
    # The lab goes down however this ends.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda received, _frame: sys.exit(128 + received))
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="kubenode-bench-"))
    group = Group()
    bench = Bench(folder, group, options.rounds)
    try:
        bench.lab("up", "--workers", "1")
        status = measure.report(claims(bench))
    finally:
        subprocess.run(
            [str(ROOT / "scripts" / "lab"), "down"], env=bench.environment, stdout=subprocess.DEVNULL, check=False
        )
        group.close()
        shutil.rmtree(folder, ignore_errors=True)
    return max(status, managed(options.rounds))


if __name__ == "__main__":
    sys.exit(main())
