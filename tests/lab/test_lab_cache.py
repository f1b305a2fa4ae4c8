# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role dns_cache on workers that are nodes of a real API server, proved on the packet's way.

The cache's pods run on the workers. Their program is a CoreDNS with node-cache's plugin set, which stands in for
node-cache's set-up as well and says so; with NODE_CACHE_BINARY it is that node-cache.
"""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from ansible_collections.kubenode.network.tests.cluster.load import Load
from ansible_collections.kubenode.network.tests.kernel import nodecache_world
from ansible_collections.kubenode.network.tests.labs import ROOT, Lab

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ansible_collections.kubenode.network.tests.labs import Play
    from conftest import Player

WORKERS = ["w1", "w2", "w3"]
CLUSTER, LOCAL = nodecache_world.CLUSTER, nodecache_world.LOCAL
DECLARED = {
    "dns_cache_waves": [1, "100%"],
    "dns_cache_node_selector": {"node-role.kubernetes.io/worker": ""},
    "dns_cache_proof_retries": 1,
    "workers_serial": "100%",
}
API = """
import json, ssl, sys, urllib.request
kubeconfig = json.load(open(sys.argv[1]))
cluster, user = kubeconfig["clusters"][0]["cluster"], kubeconfig["users"][0]["user"]
asked = urllib.request.Request(cluster["server"] + sys.argv[2], headers={"Authorization": "Bearer " + user["token"]})
context = ssl.create_default_context(cafile=cluster["certificate-authority"])
print(urllib.request.urlopen(asked, context=context).read().decode())
"""
# Kind of damage: how it is done, and taken back.
DROP = (
    "nft -f - <<E\ntable inet site { chain in { type filter hook input priority 10; udp dport 53 drop; }; }\nE",
    "nft delete table inet site",
)
RULE = f"-d {CLUSTER}/32 -p udp -m udp --dport 53 -m comment --comment 'NodeLocal DNS Cache: skip conntrack' -j NOTRACK"
TRACKED = (f"iptables-nft -t raw -D PREROUTING {RULE}", f"iptables-nft -t raw -A PREROUTING {RULE}")


class Nodes(Lab):
    """A lab whose workers are nodes."""

    def api(self, path: str) -> Any:
        """What the API server has there; it is reached from the controller's network."""
        words = [sys.executable, "-c", API, str(self.dir / "kubeconfig"), path]
        return json.loads(self.exec("c1", words).stdout)

    def caches(self) -> dict[str, str]:
        """Node -> uid of the cache's pod there."""
        pods = self.api("/api/v1/namespaces/kube-system/pods?labelSelector=k8s-app%3Dnode-local-dns")["items"]
        return {
            one["spec"]["nodeName"]: one["metadata"]["uid"]
            for one in pods
            if not one["metadata"].get("deletionTimestamp")
        }

    def in_pod(self, worker: str) -> list[str]:
        """A command that runs another in the network of a pod of a worker."""
        (file,) = (self.dir / "cluster" / worker).glob("app-*.pid")
        enter = ["nsenter", "--net", "--target", file.read_text(encoding="ascii").strip(), "--"]
        return [*self.script, "exec", worker, "--", *enter]

    def load(self, worker: str) -> Load:
        return Load(self.in_pod(worker), CLUSTER, self.env)

    def left(self, worker: str) -> str:
        """What there is of a cache in a worker's kernel."""
        return self.sh(
            worker,
            "ip -brief link show nodelocaldns 2>/dev/null || true; iptables-nft-save | grep 'NodeLocal DNS' || true",
        )


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    if why := nodecache_world.cannot("nft"):
        pytest.skip(why)
    with tempfile.TemporaryDirectory(prefix="kubenode-test-") as folder:
        lab = Nodes(Path(folder) / "lab")
        # Go builds the servers the first time.
        up = subprocess.run(
            [*lab.script, "up", "--cluster"], env=lab.env, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=1500, check=False,
        )  # fmt: skip
        if up.returncode == 77:
            pytest.skip(up.stderr.strip())
        assert up.returncode == 0, up.stdout + up.stderr
        yield lab
        lab.run("down", check=False)


def run(play: Player, nodes: Nodes, name: str, *, ok: bool = True, **more: Any) -> Play:
    done = play(nodes, ROOT / f"playbooks/{name}.yml", "-e", json.dumps({**DECLARED, **more}), check=False)
    assert (done.returncode == 0) == ok, done.output
    return done


def changes(play: Play) -> list[str]:
    return [f"{line['host']}: {line['task']}" for line in play.lines if line["result"].get("changed")]


def told(capsys: pytest.CaptureFixture[str], what: str, counted: dict[str, Any]) -> None:
    with capsys.disabled():
        print(f"\n  {what}: {counted['sent']} queries, {counted['lost']} lost, worst {counted['worst_ms']:.0f} ms")
    assert counted["sent"] >= 100
    assert counted["lost"] == 0


@pytest.fixture
def brought(nodes: Nodes, play: Player) -> Nodes:
    """The cache is on all workers."""
    if set(nodes.caches()) != set(WORKERS):
        run(play, nodes, "site")
    return nodes


@contextlib.contextmanager
def broken(nodes: Nodes, worker: str, script: str, mend: str) -> Iterator[None]:
    nodes.sh(worker, script)
    try:
        yield
    finally:
        nodes.sh(worker, mend)


def test_site_brings_the_cache_wave_by_wave_and_no_query_of_a_pod_is_lost(
    nodes: Nodes, play: Player, capsys: pytest.CaptureFixture[str]
) -> None:
    assert nodes.caches() == {}
    with nodes.load("w1") as load:
        load.wait(100)
        first = run(play, nodes, "site")
        load.wait(200)
        told(capsys, "the cache came", load.end())
    for wave in ("1 of 2 (w1)", "2 of 2 (w2, w3)"):
        assert f"Wave {wave} got the cache, and all five steps passed on each node" in first.output
    for number, worker in enumerate(WORKERS, 1):
        pod = rf"{worker}: 5 of 5 steps passed, as 10\.244\.{100 + number}\.\d+ \(a pod.*asks {LOCAL}, {CLUSTER}"
        assert re.search(pod + "; a second answer came from the cache", first.output), first.output
        assert len(nodes.left(worker).splitlines()) == 25
    # Nothing is declared of it.
    (network,) = {line["outcome"] for line in first.lines if line["task"].startswith("kubenode.network.worker_network")}
    assert network == "skipped"
    assert set(nodes.caches()) == set(WORKERS)


def test_a_second_run_of_site_changes_nothing(brought: Nodes, play: Player) -> None:
    caches = brought.caches()
    second = run(play, brought, "site")
    assert changes(second) == []
    assert brought.caches() == caches


def test_verify_names_the_step_that_is_broken_on_a_node_and_changes_nothing(brought: Nodes, play: Player) -> None:
    passed = run(play, brought, "verify")
    for worker in WORKERS:
        assert f"(asked {CLUSTER} over tcp from {worker})" in passed.output
    caches = brought.caches()
    with broken(brought, "w2", *DROP), broken(brought, "w3", *TRACKED):
        found = run(play, brought, "verify", ok=False)
    failed = {line["host"]: line["result"]["msg"] for line in found.lines if line["outcome"] == "failed"}
    assert set(failed) == {"w2", "w3"}
    assert "step 5" in failed["w2"] and "site" in failed["w2"]
    assert "step 2 (notrack) failed: no rule of the raw table at prerouting" in failed["w3"]
    assert changes(found) == []
    assert brought.caches() == caches


def test_a_wave_whose_proof_fails_is_taken_back_and_the_rest_is_not_touched(brought: Nodes, play: Player) -> None:
    caches = brought.caches()
    servers = [{"zones": ["app.example"], "plugins": ["whoami"]}]
    with broken(brought, "w1", *DROP):
        failed = run(play, brought, "site", ok=False, dns_cache_servers=servers)
    assert re.search(r"Wave 1 of 2 \(w1\): on node w1 .*step 5", failed.output), failed.output
    assert "The wave was taken back" in failed.output
    now = brought.caches()
    assert {node: now[node] for node in ("w2", "w3")} == {node: caches[node] for node in ("w2", "w3")}
    assert "w1" in now


def test_reset_leaves_nothing_also_of_a_server_that_was_killed_and_no_query_of_a_pod_is_lost(
    brought: Nodes, play: Player, capsys: pytest.CaptureFixture[str]
) -> None:
    # As the kernel ends one that takes too much memory; its node has no DNS from then on.
    brought.sh("w3", "kill -9 $(pgrep -f '^/coredns -localip')")
    with brought.load("w1") as load:
        load.wait(100)
        done = run(play, brought, "reset")
        load.wait(200)
        told(capsys, "the cache went", load.end())
    assert any("w3" in line and "killed" in line for line in changes(done)), changes(done)
    for worker in WORKERS:
        assert brought.left(worker) == ""
    assert brought.caches() == {}
    answered = brought.load("w3")
    with answered as load:
        load.wait(100)
        told(capsys, "without it, where it was killed", load.end())
