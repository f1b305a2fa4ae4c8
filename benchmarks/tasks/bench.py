# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole tasks on a worker of a lab of its own: prints `name | measured | target | held` (or `short`) per claim.

CPU is that of ansible-playbook with all its children, the module on the worker included. What a task costs is what
a play with several of them costs more than a play with none.

    python benchmarks/tasks/bench.py [--rounds N]
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import typing as t

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE)]

import measure  # noqa: E402
import yaml  # noqa: E402

ROOT = HERE.parent.parent
TASKS = 10
Task = dict[str, t.Any]

ONE_ROUTE: Task = {
    "kubenode.network.static_routes": {
        "owner": "bench",
        "routes": [
            {
                "destination": "10.200.0.0/16",
                "next_hop_address": "10.100.0.1",
                "next_hop_interface": "ens224",
                "metric": 100,
            }
        ],
    }
}
# What the peers in docs/ were measured with: two NICs, four routes, one rule, DNS.
WHOLE_NODE: Task = {
    "kubenode.network.network_state": {
        "owner": "node",
        "desired_state": {
            "interfaces": [
                {
                    "name": nic,
                    "type": "ethernet",
                    "state": "up",
                    "ipv4": {"enabled": True, "dhcp": False, "address": [{"ip": address, "prefix-length": 24}]},
                }
                for nic, address in (("ens224", "10.100.0.10"), ("ens256", "172.16.0.10"))
            ],
            "routes": {
                "config": [
                    {"destination": "10.201.0.0/16", "next-hop-address": "10.100.0.1", "next-hop-interface": "ens224"},
                    {"destination": "10.50.0.0/24", "next-hop-address": "10.100.0.1", "next-hop-interface": "ens224"},
                    {"destination": "0.0.0.0/0", "next-hop-address": "172.16.0.1", "metric": 200},
                    {"destination": "0.0.0.0/0", "next-hop-address": "172.16.0.1", "table-id": 100},
                ]
            },
            "route-rules": {"config": [{"ip-from": "172.16.0.0/24", "route-table": 100, "priority": 100}]},
            "dns-resolver": {"config": {"server": ["10.100.0.53", "10.100.0.54"], "search": ["internal.example.com"]}},
        },
    }
}


def many(count: int) -> list[dict[str, t.Any]]:
    """As many routes."""
    return [
        {
            "destination": f"11.{n >> 8 & 255}.{n & 255}.{(n >> 16) << 7}/25",
            "next_hop_address": "10.100.0.1",
            "next_hop_interface": "ens224",
            "table": 1000,
        }
        for n in range(count)
    ]


class Bench:
    """A lab with one worker, and plays on it."""

    def __init__(self, folder: pathlib.Path, rounds: int) -> None:
        self.folder = folder
        self.rounds = rounds
        self.environment = {
            **os.environ,
            "KUBENODE_LAB_DIR": str(folder / "lab"),
            "ANSIBLE_LIBRARY": str(HERE / "library"),
            "ANSIBLE_DEPRECATION_WARNINGS": "0",
            "ANSIBLE_LOCALHOST_WARNING": "0",
        }
        self.plays = 0

    def lab(self, *words: str) -> None:
        """scripts/lab."""
        subprocess.run(
            [str(ROOT / "scripts" / "lab"), *words], env=self.environment, check=True, stdout=subprocess.DEVNULL
        )

    def play(self, *tasks: Task) -> t.Callable[[], measure.Cost]:
        """A measurement: one run of a play with these tasks, which must not change anything."""
        self.plays += 1
        path = self.folder / f"play{self.plays}.yml"
        play = {"hosts": "workers", "gather_facts": False, "tasks": list(tasks)}
        path.write_text(yaml.dump([play], Dumper=yaml.CSafeDumper, sort_keys=False), encoding="utf-8")
        command = [str(pathlib.Path(sys.executable).with_name("ansible-playbook")), "-i"]
        # A module that sshd runs is nobody's descendant here, and its CPU time would be nobody's.
        inside = {"ansible_ssh_executable": str(HERE / "inside.sh"), "ansible_ssh_args": ""}
        command += [str(self.folder / "lab" / "inventory.yml"), "-e", json.dumps(inside), str(path)]
        return lambda: measure.run(command, env=self.environment)

    def task_costs(self, *tasks: Task, count: int = TASKS, rounds: int = 0) -> list[float]:
        """CPU seconds of each task."""
        base, *found = measure.in_turns(
            rounds or self.rounds, self.play(), *(self.play(*[task] * count) for task in tasks)
        )
        return [(cost.cpu - base.cpu) / count for cost in found]

    def play_costs(self, *plays: tuple[Task, ...]) -> list[float]:
        """CPU seconds of each play."""
        return [cost.cpu for cost in measure.in_turns(self.rounds, *(self.play(*tasks) for tasks in plays))]


def claims(bench: Bench) -> t.Iterator[measure.Claim]:
    """All claims, each measured when it is asked for."""
    bare: Task = {"empty": {}}
    bench.play({"kubenode.network.network_state": WHOLE_NODE["kubenode.network.network_state"]}, ONE_ROUTE)()

    empty, one = bench.task_costs(bare, ONE_ROUTE)
    print(f"a task: empty module {1000 * empty:.0f} ms, one route no-op {1000 * one:.0f} ms", file=sys.stderr)
    yield measure.Claim("tasks: one route, no-op / an empty module's task", one / empty, 1.1)

    ping, node = bench.play_costs(({"ansible.builtin.ping": {}},), (WHOLE_NODE,))
    print(f"a play: ping {1000 * ping:.0f} ms, whole node no-op {1000 * node:.0f} ms", file=sys.stderr)
    yield measure.Claim("tasks: play with a whole node (network_state), no-op / play with one ping", node / ping, 1.15)

    routes = many(10_000)
    large: Task = {"kubenode.network.static_routes": {"owner": "many", "routes": routes}}
    bench.play(large)()
    rounds = max(1, bench.rounds // 3)
    same, ours = bench.task_costs({"empty": {"routes": routes}}, large, count=1, rounds=rounds)
    print(
        f"a task with 10,000 routes: empty module that takes them {1000 * same:.0f} ms, static_routes no-op "
        f"{1000 * ours:.0f} ms; without an argument an empty module's task costs {1000 * empty:.0f} ms, so "
        f"{ours / empty:.1f}x that: ansible-core itself reads and templates the list",
        file=sys.stderr,
    )
    yield measure.Claim("tasks: 10,000 routes, no-op / an empty module's task with the same argument", ours / same, 3.0)

    hundred = many(100)
    hop = "via {{ item.next_hop_address }} dev {{ item.next_hop_interface }}"
    command = f"ip route replace {{{{ item.destination }}}} {hop} table 1001"
    looped: Task = {"ansible.builtin.command": command, "loop": hundred}
    listed: Task = {
        "kubenode.network.static_routes": {
            "owner": "hundred",
            "routes": [{**route, "table": 1002} for route in hundred],
        }
    }
    bench.play(listed)()
    listed_cost, looped_cost = bench.task_costs(listed, looped, count=1, rounds=1)
    print(
        f"100 routes: one task {1000 * listed_cost:.0f} ms, a loop of `ip route replace` {1000 * looped_cost:.0f} ms",
        file=sys.stderr,
    )
    yield measure.Claim(
        "tasks: 100 routes, one task / a loop of 100 `ip route replace`", listed_cost / looped_cost, 0.05
    )


def main() -> int:
    """Measure, print a line per claim, and say by the exit code whether all hold."""
    # The lab goes down however this ends.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda received, _frame: sys.exit(128 + received))
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="kubenode-bench-"))
    bench = Bench(folder, options.rounds)
    try:
        bench.lab("up", "--workers", "1")
        return measure.report(claims(bench))
    finally:
        bench.lab("down")
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
