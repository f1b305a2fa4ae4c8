# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One entry of the cluster's Corefile, there already or to be changed, on a real API server: CPU and requests.

Against the two ways of those who do without this collection: kubernetes.core.k8s_info and kubernetes.core.k8s, and
kubectl get and kubectl patch by command tasks. CPU is that of ansible-playbook with all its children; what a task
costs is what a play with several of them costs more than a play with none. Requests are counted by the API server's
audit log.

    scripts/bench configmap     (bench.py [--rounds N] itself wants KUBENODE_PEERS=$(scripts/env --peers) around it)
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import typing as t

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent)]

import measure  # noqa: E402
from ansible_collections.kubenode.network.tests.cluster import build, control_plane, objects, pod_runner  # noqa: E402
from ansible_collections.kubenode.network.tests.cluster.conftest import Cluster  # noqa: E402

ADDRESS = "192.0.2.1"
UPSTREAM = "192.0.2.53"
PODS = 2
USER = "editor"
"""Of the plays; nothing else of the cluster is this user."""
TASKS = 4
ADDRESSES = ("203.0.113.7", "203.0.113.8")
NAMED = {"name": "coredns", "namespace": objects.NAMESPACE}
POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [{"level": "Metadata", "users": [USER]}, {"level": "None"}],
}
WRITES = ("create", "update", "patch", "delete")

Task = dict[str, t.Any]


class Requests(t.NamedTuple):
    """What a play asked the API server for."""

    all: int
    writes: int
    """Dry runs and questions about oneself, which write nothing, are not among them."""


def ours(address: str, **options: t.Any) -> list[Task]:
    """This collection's way."""
    hosts = [{"address": address, "names": ["app.example.com"]}]
    return [{"kubenode.network.coredns_corefile": {"owner": "bench", "hosts": hosts, **options}}]


def text(source: str, address: str) -> str:
    """The template of the text that the other ways write: the cheapest edit that there is."""
    old = ADDRESSES[1 - ADDRESSES.index(address)]
    return f"{source}['Corefile'] | replace('{old}', '{address}')"


def collection(address: str) -> list[Task]:
    """kubernetes.core's way."""
    about = {"api_version": "v1", "kind": "ConfigMap", **NAMED}
    wanted = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": NAMED,
        "data": {"Corefile": f"{{{{ {text('read.resources[0].data', address)} }}}}"},
    }
    return [
        {"kubernetes.core.k8s_info": about, "register": "read"},
        {"kubernetes.core.k8s": {"definition": wanted}},
    ]


def kubectl(address: str) -> list[Task]:
    """The way of command tasks."""
    there = ["configmap", "--namespace", NAMED["namespace"], NAMED["name"]]
    patch = f"{{{{ {{'data': {{'Corefile': {text('(read.stdout | from_json).data', address)}}}}} | to_json }}}}"
    return [
        {"ansible.builtin.command": {"argv": ["kubectl", "get", *there, "-o", "json"]}, "register": "read"},
        {"ansible.builtin.command": {"argv": ["kubectl", "patch", *there, "--type", "merge", "--patch", patch]}},
    ]


class Bench:
    """A cluster with CoreDNS, and plays on it."""

    def __init__(self, folder: pathlib.Path, cluster: Cluster, peers: str, rounds: int) -> None:
        self.folder = folder
        self.cluster = cluster
        self.rounds = rounds
        self.plays = 0
        kubeconfig = str(cluster.kubeconfig(USER))
        programs = build.built("kubectl").parent
        self.environment = {
            **os.environ,
            "K8S_AUTH_KUBECONFIG": kubeconfig,
            "KUBECONFIG": kubeconfig,
            "PATH": f"{programs}:{os.environ['PATH']}",
            "ANSIBLE_COLLECTIONS_PATH": f"{os.environ['ANSIBLE_COLLECTIONS_PATH']}:{peers}",
            "ANSIBLE_DEPRECATION_WARNINGS": "0",
            "ANSIBLE_LOCALHOST_WARNING": "0",
        }

    def play(self, tasks: t.Sequence[Task]) -> t.Callable[[], measure.Cost]:
        """A measurement: one run of a play with these tasks."""
        self.plays += 1
        path = self.folder / f"play{self.plays}.yml"
        python = {"ansible_python_interpreter": "{{ ansible_playbook_python }}"}
        play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "vars": python}
        path.write_text(json.dumps([{**play, "tasks": list(tasks)}]), encoding="utf-8")
        command = [str(pathlib.Path(sys.executable).with_name("ansible-playbook")), "-i", "localhost,", str(path)]
        return lambda: measure.run(command, env=self.environment)

    def requests(self, tasks: t.Sequence[Task]) -> Requests:
        """What one run of these tasks asks for."""
        log = self.folder / "audit.log"
        start = log.stat().st_size if log.exists() else 0
        self.play(tasks)()
        with log.open(encoding="utf-8") as file:
            file.seek(start)
            events = [json.loads(line) for line in file]
        writes = [
            one for one in events
            if one["verb"] in WRITES and "dryRun=" not in one["requestURI"]
            and one.get("objectRef", {}).get("resource") != "selfsubjectreviews"
        ]  # fmt: skip
        return Requests(len(events), len(writes))

    def cpu(self, change: bool) -> list[float]:
        """CPU seconds of each way, ours first: with nothing to change, or with a change in every task."""
        ways: list[t.Callable[[str], list[Task]]] = [
            lambda address: ours(address, **NAMED, wait=False),
            collection,
            kubectl,
        ]
        plays = []
        for way in ways:
            # An even number, so that each play starts where the one before it ended.
            addresses = [ADDRESSES[(number + 1) % 2 if change else 0] for number in range(TASKS)]
            plays.append(self.play([task for address in addresses for task in way(address)]))
        base, *found = measure.in_turns(self.rounds, self.play([]), *plays)
        return [(cost.cpu - base.cpu) / TASKS for cost in found]


def claims(bench: Bench) -> t.Iterator[measure.Claim]:
    """All claims, each measured when it is asked for."""
    here = ADDRESSES[0]
    bench.play(ours(here, **NAMED, wait_timeout=300))()
    for change, name in ((False, "nothing to change"), (True, "a change")):
        mine, theirs, commands = bench.cpu(change)
        print(
            f"CPU of a task, {name}: coredns_corefile {1000 * mine:.0f} ms, k8s_info and k8s {1000 * theirs:.0f} ms, "
            f"kubectl get and patch {1000 * commands:.0f} ms",
            file=sys.stderr,
        )
        yield measure.Claim(f"configmap: {name}, CPU / kubernetes.core.k8s_info and k8s", mine / theirs, 0.6)
        yield measure.Claim(f"configmap: {name}, CPU / kubectl get and kubectl patch", mine / commands, 1.0)

    bench.play(ours(here, **NAMED, wait_timeout=300))()
    named = bench.requests(ours(here, **NAMED, wait=False))
    waited = bench.requests(ours(here, **NAMED))
    found = bench.requests(ours(here))
    others = [bench.requests(way(here)) for way in (collection, kubectl)]
    changed = bench.requests(ours(ADDRESSES[1], **NAMED, wait=False))
    theirs_changed = [bench.requests(way(here)) for way in (collection, kubectl)]
    print(
        f"requests, nothing to change: {named.all} with the target named, {waited.all} with wait and {PODS} pods, "
        f"{found.all} with wait where the chain has to find the target; k8s_info and k8s {others[0].all}, kubectl "
        f"get and patch {others[1].all}; a change without wait: {changed.all}, a dry run and the revision among "
        f"them, k8s_info and k8s {theirs_changed[0].all}, kubectl get and patch {theirs_changed[1].all}",
        file=sys.stderr,
    )
    yield measure.Claim("configmap: nothing to change, target named: requests", named.all, 1, "")
    yield measure.Claim(f"configmap: the same with wait, {PODS} pods: requests", waited.all, 2 + 2 * PODS, "")
    yield measure.Claim("configmap: nothing to change: writes", named.writes + waited.writes + found.writes, 0, "")


def start(cluster: Cluster) -> None:
    """CoreDNS as kubeadm lays it, and the rights of the plays' user."""
    cluster.start()
    pod_runner.start(cluster, build.built("coredns"))
    cluster.apply(
        *objects.coredns(objects.COREFILE.replace("UPSTREAM", UPSTREAM), PODS),
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "bench"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [{"kind": "User", "name": USER}],
        },
    )
    cluster.wait_ready("deployments", "coredns")


def main() -> int:
    """Measure, print a line per claim, and say by the exit code whether all hold."""
    # The cluster goes down however this ends.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda received, _frame: sys.exit(128 + received))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="measurements a side, of which the median counts")
    options = parser.parse_args()
    peers = os.environ.get("KUBENODE_PEERS", "")
    if not peers:
        sys.exit("KUBENODE_PEERS is not set: run scripts/bench configmap")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["ip", "addr", "replace", f"{ADDRESS}/32", "dev", "lo"], check=True)
    with tempfile.TemporaryDirectory(prefix="kubenode-bench-") as name:
        folder = pathlib.Path(name)
        (folder / "audit.json").write_text(json.dumps(POLICY), encoding="utf-8")
        audit = (f"--audit-policy-file={folder / 'audit.json'}", f"--audit-log-path={folder / 'audit.log'}")
        with Cluster(folder / "cluster", control_plane.programs(folder), ADDRESS, audit) as cluster:
            start(cluster)
            return measure.report(claims(Bench(folder, cluster, peers, options.rounds)))


if __name__ == "__main__":
    sys.exit(main())
