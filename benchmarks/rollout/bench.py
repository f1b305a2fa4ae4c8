# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A node-local cache over many nodes: time, requests and memory of the task that rolls it out and waits.

The nodes are simulated, by the tests' own stand-in for kubelets: their pods run nothing, and become ready at once. The
API server, the scheduler and the DaemonSet's controller are real, and most of the time is theirs. No proof on a node is
part of it. No peer waits for its pods node by node, so that there is none to compare with.

    scripts/bench rollout     (scripts/env --private python benchmarks/rollout/bench.py --nodes N; 1,000 unless told)
"""

from __future__ import annotations

import argparse
import json
import pathlib
import resource
import signal
import subprocess
import sys
import tempfile
import time
import typing as t

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent)]

import measure  # noqa: E402
from ansible_collections.kubenode.network.tests.cluster import (  # noqa: E402
    build,
    control_plane,
    objects,
    pod_runner,
    simulated_nodes,
)
from ansible_collections.kubenode.network.tests.cluster.conftest import Cluster  # noqa: E402

ADDRESS = "192.0.2.1"
LARGEST_RSS = 100.0
"""MiB of the waiting task."""
TIMEOUT = 1800
STUB = {"stub_domains": [{"zone": "corp.example", "servers": ["10.0.0.53"]}]}


def task(kubeconfig: str, params: dict[str, t.Any]) -> None:
    """One run of the module in a process of its own; what it took as a line of JSON."""
    from ansible_collections.kubenode.network.plugins.module_utils._kube.client import connect
    from ansible_collections.kubenode.network.plugins.module_utils._kube.errors import KubeError
    from ansible_collections.kubenode.network.plugins.module_utils._nodelocal.module import NODELOCAL_OPTIONS, run
    from ansible_collections.kubenode.network.plugins.module_utils._nodelocal.options import options

    started = time.monotonic()
    defaults = {name: option.get("default") for name, option in NODELOCAL_OPTIONS.items()}
    client = connect({"kubeconfig": kubeconfig})
    failed, result = "", {}
    try:
        wish = {**defaults, "interception": "cluster_ip", "node_selector": simulated_nodes.SELECTOR, **params}
        result = run(client, options(wish), False, False, lambda _line: None)
    except KubeError as error:
        failed = error.message
    usage = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps({
        "seconds": time.monotonic() - started, "cpu": usage.ru_utime + usage.ru_stime, "rss": usage.ru_maxrss / 1024,
        "requests": client.requests, "changed": result.get("changed"), "failed": failed,
    }))  # fmt: skip


class Bench:
    """Runs of the module against one cluster."""

    def __init__(self, kubeconfig: pathlib.Path) -> None:
        self._kubeconfig = kubeconfig
        self.rss = 0.0

    def run(self, what: str, **params: t.Any) -> dict[str, t.Any]:
        """One run, told on standard error."""
        words = [sys.executable, __file__, "--task", str(self._kubeconfig), json.dumps({"wait_timeout": 600, **params})]
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=TIMEOUT)
        if done.returncode != 0:
            raise RuntimeError(f"{what}: {done.stderr[-2000:]}")
        found: dict[str, t.Any] = json.loads(done.stdout)
        self.rss = max(self.rss, found["rss"])
        print(
            f"{what}: {found['seconds']:.1f} s, {found['cpu']:.1f} s of CPU, {found['requests']} requests, "
            f"{found['rss']:.0f} MiB{', ' + found['failed'][:150] if found['failed'] else ''}",
            file=sys.stderr, flush=True,
        )  # fmt: skip
        return found


def claims(bench: Bench, sim: simulated_nodes.SimulatedNodes, nodes: int) -> t.Iterator[measure.Claim]:
    """All claims, each measured when it is asked for."""
    print(
        f"{nodes} simulated nodes (tests/cluster/simulated_nodes.py): no kernel, no kubelet, and no proof on them",
        file=sys.stderr, flush=True,
    )  # fmt: skip
    install = bench.run(f"install on {nodes} nodes in ten waves")
    per_node = install["requests"] / nodes
    yield measure.Claim(f"rollout: install on {nodes} nodes: requests a node", per_node, 3, "")
    again = bench.run("second run")
    yield measure.Claim("rollout: second run: changes", float(again["changed"]), 0, "")
    yield measure.Claim(
        "rollout: second run: requests beside pages of lists", again["requests"] - 2 * nodes // 200, 20, ""
    )
    change = bench.run("change of the Corefile in ten waves", **STUB)
    yield measure.Claim(f"rollout: change on {nodes} nodes: requests a node", change["requests"] / nodes, 2, "")
    sim.broken.add(sim.names[0])
    failing = bench.run("a wave of twenty that crashes", nodes=sim.names[:20], image_version="1.26.9", wait_timeout=20)
    yield measure.Claim("rollout: failing wave: not told", float("does not start" not in failing["failed"]), 0, "")
    sim.broken.clear()
    bench.run("back", state="previous")
    bench.run("removal", state="absent")
    yield measure.Claim(f"rollout: {nodes} nodes: largest RSS of the task", bench.rss, LARGEST_RSS, " MiB")


def main() -> int:
    """Measure, print a line per claim, and say by the exit code whether all hold."""
    if sys.argv[1:2] == ["--task"]:
        task(sys.argv[2], json.loads(sys.argv[3]))
        return 0
    # The cluster goes down however this ends.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda received, _frame: sys.exit(128 + received))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=1000, help="simulated nodes")
    options = parser.parse_args()
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["ip", "addr", "replace", f"{ADDRESS}/32", "dev", "lo"], check=True)
    with tempfile.TemporaryDirectory(prefix="kubenode-bench-") as name:
        folder = pathlib.Path(name)
        with Cluster(folder / "cluster", control_plane.programs(folder), ADDRESS) as cluster:
            cluster.start()
            pod_runner.start(cluster, build.built("coredns"))
            cluster.apply(*objects.coredns(objects.COREFILE.replace("UPSTREAM", "192.0.2.53")))
            cluster.wait_ready("deployments", "coredns")
            with simulated_nodes.SimulatedNodes(cluster, options.nodes) as sim:
                return measure.report(claims(Bench(cluster.kubeconfig()), sim, options.nodes))


if __name__ == "__main__":
    sys.exit(main())
