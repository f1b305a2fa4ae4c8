# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A route on a NIC of NetworkManager's, beside community.general.nmcli: the part of bench.py that needs a container.

Prints `name | measured | target | held` (or `short`) per claim; bench.py runs it in an environment with both.
"""

from __future__ import annotations

import argparse
import json
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
NODES = ROOT / "extensions/molecule/nodes"
INDEX = 12
PROFILE = f"""
[connection]
id=eth1
uuid=5b7c8cc1-6d3c-4b0e-9a51-6d1f7a0c77e1
type=ethernet
interface-name=eth1
[ipv4]
method=manual
address1=10.77.1.{INDEX}/24
[ipv6]
method=link-local
"""
Task = dict[str, t.Any]


def ours(state: str) -> list[Task]:
    """One route, confirmed over a new connection."""
    route = {
        "destination": "10.200.0.0/16",
        "next_hop_address": "10.77.1.1",
        "next_hop_interface": "eth1",
        "state": state,
    }
    return [{"kubenode.network.static_routes": {"owner": "bench", "routes": [route]}}]


def peer(state: str) -> list[Task]:
    """The same as its documentation has it: the profile is written, and brought up where it was changed."""
    nic = {"conn_name": "eth1", "ifname": "eth1", "type": "ethernet"}
    routes = ["10.201.0.0/16 10.77.1.1"] if state == "present" else []
    return [
        {
            "community.general.nmcli": {
                **nic, "ip4": [f"10.77.1.{INDEX}/24"], "method6": "link-local", "routes4": routes, "state": "present",
            },
            "register": "written",
        },
        {"community.general.nmcli": {**nic, "state": "up"}, "when": "written is changed"},
    ]  # fmt: skip


class Bench:
    """A router and a node with NetworkManager, and plays on the node."""

    def __init__(self, folder: pathlib.Path, group: Group, rounds: int) -> None:
        self.folder, self.group, self.rounds = folder, group, rounds
        self.prefix = f"kubenode-bench-{os.getpid()}"
        self.node = f"{self.prefix}-networkmanager"
        self.engine = os.environ.get("KUBENODE_ENGINE", "podman")
        connection = "community.docker.docker" if self.engine == "docker" else "containers.podman.podman"
        host = {
            "ansible_connection": connection,
            "ansible_host": self.node,
            "ansible_python_interpreter": "/usr/bin/python3",
        }
        self.inventory = folder / "inventory.yml"
        self.inventory.write_text(json.dumps({"nodes": {"hosts": {"networkmanager": host}}}), encoding="utf-8")
        self.plays = 0

    def up(self) -> None:
        """Start the containers, with NetworkManager on eth1."""
        self.nodes("router", self.prefix)
        self.nodes("create", self.prefix, "networkmanager", str(INDEX), "eth0")
        path = "/etc/NetworkManager/system-connections/eth1.nmconnection"
        self.inside(f"umask 077; cat > {path}; systemctl start NetworkManager; nm-online -q -t 20", PROFILE)

    def nodes(self, *words: str) -> None:
        """extensions/molecule/nodes."""
        subprocess.run([str(NODES), *words], check=True, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)

    def inside(self, script: str, text: str = "") -> None:
        """Run a script on the node."""
        command = [self.engine, "exec", "--interactive", self.node, "sh", "-ec", script]
        subprocess.run(command, input=text, text=True, check=True, stdout=subprocess.DEVNULL)

    def node_cpu(self) -> float:
        """CPU seconds of the node so far, which is in a control group of the engine's."""
        read = "cat /sys/fs/cgroup/cpuacct/cpuacct.usage 2>/dev/null || cat /sys/fs/cgroup/cpu.stat"
        command = [self.engine, "exec", self.node, "sh", "-c", read]
        text = subprocess.run(command, text=True, check=True, stdout=subprocess.PIPE).stdout
        words = text.split()
        return int(words[0]) / 1e9 if len(words) == 1 else int(words[words.index("usage_usec") + 1]) / 1e6

    def play(self, tasks: t.Sequence[Task]) -> t.Callable[[], Run]:
        """A measurement: one run of a play with these tasks."""
        self.plays += 1
        path = self.folder / f"play{self.plays}.yml"
        play = {"hosts": "nodes", "gather_facts": False, "tasks": list(tasks)}
        path.write_text(yaml.dump([play], Dumper=yaml.CSafeDumper, sort_keys=False), encoding="utf-8")
        command = [
            str(pathlib.Path(sys.executable).with_name("ansible-playbook")),
            "-i",
            str(self.inventory),
            str(path),
        ]

        def measured() -> Run:
            before = self.node_cpu()
            run = self.group.run(command, env={**os.environ, "ANSIBLE_DEPRECATION_WARNINGS": "0"})
            return Run(run.cpu + self.node_cpu() - before, run.wall)

        return measured

    def costs(self, *plays: t.Sequence[Task]) -> list[Run]:
        """Cost of each play, in turns; the first turn only warms up."""
        measurements = [self.play(tasks) for tasks in plays]
        found: list[list[Run]] = [[] for _one in measurements]
        for turn in range(self.rounds + 1):
            for measurement, runs in zip(measurements, found):
                run = measurement()
                if turn:
                    runs.append(run)
        return [
            Run(statistics.median(run.cpu for run in runs), statistics.median(run.wall for run in runs))
            for runs in found
        ]


def claims(bench: Bench) -> t.Iterator[measure.Claim]:
    """All claims, each measured when it is asked for."""
    bench.play([*ours("present"), *peer("present")])()
    same, other = bench.costs(ours("present"), peer("present"))
    _tell("no-op on a NIC of NetworkManager's", ours=same, nmcli=other)
    yield measure.Claim(
        "transaction: NetworkManager, play with one route, no-op / nmcli, CPU", same.cpu / other.cpu, 1.0
    )
    # In turns added and removed, so that each run changes something.
    add, other_add, remove, other_remove = bench.costs(ours("absent"), peer("absent"), ours("present"), peer("present"))
    changed = Run(add.cpu + remove.cpu, add.wall + remove.wall)
    other = Run(other_add.cpu + other_remove.cpu, other_add.wall + other_remove.wall)
    _tell("route removed and added again, ours confirmed", ours=changed, nmcli=other)
    yield measure.Claim(
        "transaction: NetworkManager, one route changed and confirmed / nmcli (unconfirmed), CPU",
        changed.cpu / other.cpu,
        1.5,
    )


def _tell(what: str, **costs: Run) -> None:
    told = ", ".join(f"{name} {1000 * one.cpu:.0f} ms CPU {1000 * one.wall:.0f} ms wall" for name, one in costs.items())
    print(f"{what}: {told}", file=sys.stderr)


def main() -> int:
    """Measure, print a line per claim, and say by the exit code whether all hold."""
    # The containers go however this ends.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda received, _frame: sys.exit(128 + received))
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="kubenode-bench-"))
    group = Group()
    bench = Bench(folder, group, options.rounds)
    try:
        bench.up()
        return measure.report(claims(bench))
    finally:
        try:
            bench.nodes("destroy", bench.prefix)
        except subprocess.CalledProcessError:
            # podman stumbles over a container that ends while it is being killed, and removes it the next time.
            bench.nodes("destroy", bench.prefix)
        group.close()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
