# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role dns_cache for pods and its plays in site.yml and reset.yml, with ansible-playbook.

The API server and the controllers are real. The nodes are simulated and have no kernel: what the role asks of a node,
its proof above all, is answered by test doubles (``overlay``), and the output of the plays says so. What can be shown
on real nodes, verify.yml among it, is in tests/lab/test_lab_cache.py.
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import re
import subprocess
import typing as t
import urllib.error

import pytest
import yaml
from ansible_collections.kubenode.network.plugins.module_utils._kube import lease
from ansible_collections.kubenode.network.plugins.module_utils._kube.client import connect
from ansible_collections.kubenode.network.tests.cluster import objects, overlay, simulated_nodes
from ansible_collections.kubenode.network.tests.cluster.doubles import simulated
from ansible_collections.kubenode.network.tests.cluster.nodelocal import BASE, DAEMON_SET, Cache
from ansible_collections.kubenode.network.tests.labs import Play
from ansible_collections.kubenode.network.tests.unit.test_kubelet_config import KUBEADM

ROOT = pathlib.Path(__file__).resolve().parents[2]
SITE, RESET = (f"playbooks/{name}.yml" for name in ("site", "reset"))
NODES = ["sim-1", "sim-2", "sim-3"]
WAVES = [1, 2]
LOCAL, CLUSTER = ["169.254.20.10"], [objects.CLUSTER_DNS]
MAP = f"{BASE}/configmaps/kubelet-config"
KUBELET = {
    "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kubelet-config", "namespace": objects.NAMESPACE},
    "data": {"kubelet": KUBEADM},
}  # fmt: skip
LEASE = lease.Wish("kubenode-network", objects.NAMESPACE, "night shift", 600)


class Fleet:
    """Three simulated nodes in an inventory, and what a test says of them."""

    def __init__(self, cache: Cache, folder: pathlib.Path) -> None:
        self.cache = cache
        self._folder = folder
        self._runs = 0
        self._simulated = folder / "simulated"
        self._simulated.mkdir()
        self._collections = overlay.lay(folder / "collections")
        self.inventory = folder / "inventory.yml"
        common = {
            "ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}",
            "dns_cache_node_name": "{{ inventory_hostname }}",
        }  # fmt: skip
        gone = {"ansible_connection": "ssh", "ansible_ssh_executable": "/bin/false"}
        groups = {
            "workers": {"hosts": {node: {} for node in NODES}, "vars": common},
            "late": {"hosts": {"sim-9": {}}, "vars": common},
            "lost": {"hosts": {"sim-8": gone}, "vars": {"dns_cache_node_name": "sim-8"}},
        }
        self.inventory.write_text(json.dumps({"all": {"children": groups}}), encoding="utf-8")

    def say(self, node: str, **what: t.Any) -> None:
        """Make a node one that behaves so; it forgets what it was told before."""
        (self._simulated / f"{node}.json").write_text(json.dumps(what), encoding="utf-8")

    def kubelet(self, node: str) -> list[str]:
        """What a kubelet hands out."""
        path = self._simulated / f"{node}.json"
        told = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        return list(told.get("cluster_dns", CLUSTER))

    def done(self, *kinds: str) -> list[str]:
        """What modules did on nodes since the last call, of these kinds."""
        log = self._simulated / "log"
        lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        return [line for line in lines if line.split()[0] in kinds]

    def run(self, playbook: str = SITE, *words: str, ok: bool = True, **variables: t.Any) -> Play:
        self._runs += 1
        results = self._folder / f"{self._runs}.jsonl"
        given = {
            "dns_cache_kubeconfig": str(self.cache.cluster.kubeconfig()), "dns_cache_interception": "cluster_ip",
            "dns_cache_node_selector": simulated_nodes.SELECTOR, "dns_cache_wait_timeout": 30, "dns_cache_waves": WAVES,
            "dns_cache_proof_retries": 1, "workers_serial": "100%", **variables,
        }  # fmt: skip
        given = {name: value for name, value in given.items() if value is not None}
        env = {
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": str(self._collections),
            "ANSIBLE_CALLBACK_PLUGINS": str(ROOT / "tests/lab/callbacks"),
            "ANSIBLE_CALLBACKS_ENABLED": "kubenode_results",
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_PIPELINING": "1",
            "KUBENODE_RESULTS": str(results),
            "KUBENODE_SIMULATED": str(self._simulated),
        }
        command = ["ansible-playbook", "-i", str(self.inventory), str(self.play(playbook)), "-e", json.dumps(given)]
        done = subprocess.run(
            [*command, *words], cwd=self._folder, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=240, check=False,
        )  # fmt: skip
        lines = results.read_text(encoding="utf-8").splitlines() if results.exists() else []
        assert (done.returncode == 0) == ok, done.stdout
        return Play(done.returncode, done.stdout, [json.loads(line) for line in lines])

    def play(self, playbook: str) -> pathlib.Path:
        """A playbook of the collection, without its plays about the network, of which simulated nodes have none."""
        path = self._folder / pathlib.Path(playbook).name
        plays = yaml.safe_load((ROOT / playbook).read_text(encoding="utf-8"))
        kept = [one for one in plays if not one["name"].startswith("Network of")]
        assert kept
        path.write_text(json.dumps(kept), encoding="utf-8")
        return path

    def holder(self) -> str:
        return str(self.cache.cluster.request("GET", LEASE.path)["spec"].get("holderIdentity", ""))


@pytest.fixture
def fleet(cluster: t.Any, tmp_path: pathlib.Path) -> t.Iterator[Fleet]:
    with simulated_nodes.SimulatedNodes(cluster, 3) as sim:
        cache = Cache(cluster, sim)
        yield Fleet(cache, tmp_path)
        cache.clear()
        with contextlib.suppress(urllib.error.HTTPError):
            cluster.request("DELETE", MAP)


def changed(play: Play) -> list[str]:
    """What changed, and on whose account."""
    return [line["task"].partition(" : ")[2] for line in play.lines if line["result"].get("changed")]


def handed_out(cache: Cache) -> list[str]:
    """What kubelets of nodes to come would hand out."""
    text = cache.cluster.request("GET", MAP)["data"]["kubelet"]
    return list(yaml.safe_load(text)["clusterDNS"])


def waves(play: Play) -> list[str]:
    """The waves that brought something; results know the name of a task only as it is written."""
    return re.findall(r"Bring the cache: wave (.+?)\] \**\nchanged", play.output)


def test_the_cache_comes_wave_by_wave_each_proved_before_the_next_and_goes_as_it_came(fleet: Fleet) -> None:
    cache = fleet.cache
    foreseen = fleet.run(SITE, "--check", "--diff")
    assert changed(foreseen) == ["Check all that is declared before a node is touched"]
    assert "+cluster.local:53 {" in foreseen.output and "wave 2 would be sim-2, sim-3" in foreseen.output
    assert cache.get(DAEMON_SET) is None and cache.held() == set()

    fleet.done()
    play = fleet.run()
    assert waves(play) == ["1 of 2 (sim-1)", "2 of 2 (sim-2, sim-3)"]
    assert fleet.done("proof")[0] == "proof sim-1"
    assert "In the cluster 1 nodes have it, 2 not yet." in play.output
    assert "In the cluster 3 nodes have it, 0 not yet." in play.output
    assert set(cache.pods()) == set(NODES) and cache.held() == set()
    assert f"sim-2: 5 of 5 steps passed, as 10.244.9.9 ({simulated.DOUBLE})" in play.output
    assert fleet.holder() == ""
    print(next(line for line in play.output.splitlines() if "sim-2: 5 of 5" in line).strip())

    fleet.done()
    gone = fleet.run(RESET)
    steps = [line.split()[0] for line in fleet.done("release", "clean", "kubelet")]
    assert steps[:2] == ["release", "clean"] and sorted(steps[2:]) == ["clean"] * 2 + ["release"] * 2
    assert "removed DaemonSet kube-system/node-local-dns" in gone.output
    assert cache.get(DAEMON_SET) is None and cache.held() == set() and cache.pods() == {}
    assert fleet.holder() == ""


def test_a_wave_whose_proof_fails_is_taken_back_and_the_rest_is_not_touched(fleet: Fleet) -> None:
    cache = fleet.cache
    fleet.say("sim-3", broken=2)
    play = fleet.run(ok=False)
    assert "on node sim-3 step 2 (notrack) failed: the test broke it (let the test mend it)" in play.output
    assert "The wave was taken back" in play.output
    assert set(cache.pods()) == {"sim-1"} and cache.held() == {"sim-2", "sim-3"}
    assert fleet.holder() == ""

    # Mended, the same run goes on from there; a change that then fails goes back to what ran before.
    fleet.say("sim-3")
    assert waves(fleet.run()) == ["1 of 3 (sim-2)", "2 of 3 (sim-3)"]
    mounted, text = cache.mounted(), cache.text
    fleet.say("sim-1", broken=5)
    failed = fleet.run(ok=False, dns_cache_log=[{"server": ".", "enabled": True}])
    assert "on node sim-1 step 5 (answer) failed" in failed.output
    assert (cache.mounted(), cache.text) == (mounted, text)


def test_a_slice_of_the_nodes_is_all_that_is_touched_and_a_node_that_is_lost_is_left_out(fleet: Fleet) -> None:
    cache = fleet.cache
    fleet.run(SITE, "--limit", "sim-2,sim-8", ok=False, workers_pattern="workers:lost")
    assert set(cache.pods()) == {"sim-2"} and cache.held() == {"sim-1", "sim-3"}
    kept = fleet.run(RESET, "--limit", "sim-1")
    assert "nodes that are not of this run have the cache: sim-2" in kept.output
    assert set(cache.pods()) == {"sim-2"}
    cache.sim.add("sim-9", "198.51.100.9")
    rest = fleet.run(workers_pattern="workers:late")
    assert set(cache.pods()) == {*NODES, "sim-9"}
    assert "sim-9: 5 of 5 steps passed" in rest.output


def test_with_an_address_of_its_own_kubelets_follow_their_node_and_go_back_before_it(fleet: Fleet) -> None:
    cache = fleet.cache
    cache.cluster.apply(KUBELET)
    # Waves and the Lease are other tests' business.
    local = {"dns_cache_interception": "local_ip", "dns_cache_waves": ["100%"], "dns_cache_lease": False}
    fleet.say("sim-1", flag=True)
    refused = fleet.run(ok=False, **local)
    assert "the kubelet of sim-1 has --cluster-dns" in refused.output
    assert cache.get(DAEMON_SET) is None and cache.held() == set()

    fleet.say("sim-1", pods=["shop/cart"])
    fleet.say("sim-2", kubelet_dies=True)
    fleet.done()
    failed = fleet.run(ok=False, **local)
    assert "the kubelet of sim-2 does not come back" in failed.output, failed.output
    did = fleet.done("proof", "kubelet")
    assert sorted(did[:3]) == [f"proof {node}" for node in NODES]
    assert did[3:] == [f"kubelet sim-1 {LOCAL[0]}", f"kubelet sim-2 {LOCAL[0]}"]
    assert handed_out(cache) == CLUSTER

    fleet.say("sim-2")
    done = fleet.run(**local)
    assert [fleet.kubelet(node) for node in NODES] == [LOCAL] * 3
    assert handed_out(cache) == LOCAL
    assert "pods that still have the old resolver, until they are recreated: shop/cart on sim-1" in done.output
    assert changed(fleet.run(SITE, "--check", **local)) == []

    # To the other interception and back: kubelets follow their nodes both ways.
    fleet.run(**{**local, "dns_cache_interception": "cluster_ip", "dns_cache_change_interception": True})
    assert [fleet.kubelet(node) for node in NODES] == [CLUSTER] * 3 and handed_out(cache) == CLUSTER
    fleet.run(**local, dns_cache_change_interception=True)
    assert [fleet.kubelet(node) for node in NODES] == [LOCAL] * 3 and handed_out(cache) == LOCAL

    # The cache stays as long as a pod has its address; nobody hands it out any more. What nobody would make anew is
    # not evicted.
    fleet.say("sim-1", cluster_dns=LOCAL, old_resolver_pods=["shop/cart"])
    kept = fleet.run(RESET, ok=False, dns_cache_recreate_pods="evict", **local)
    assert "would be without DNS: on sim-1 shop/cart." in kept.output
    assert handed_out(cache) == CLUSTER and [fleet.kubelet(node) for node in NODES] == [CLUSTER] * 3
    assert set(cache.pods()) == set(NODES)
    fleet.say("sim-1")
    fleet.done()
    fleet.run(RESET, **local)
    assert fleet.done("kubelet") == []
    assert cache.get(DAEMON_SET) is None and cache.pods() == {}


def test_what_is_declared_once_is_served_by_coredns_and_by_the_cache(fleet: Fleet) -> None:
    cache = fleet.cache
    kubeconfig = {"dns_cache_kubeconfig": None, "cluster_dns_kubeconfig": str(cache.cluster.kubeconfig())}
    kubeconfig |= {"dns_cache_waves": ["100%"], "dns_cache_lease": False}
    stub = [{"zone": "corp.example", "servers": ["192.0.2.53"]}]
    fleet.run(dns_stub_domains=stub, cluster_dns_wait=False, **kubeconfig)
    assert "corp.example:53 {" in cache.text
    assert "corp.example:53 {" in cache.cluster.config_map()["data"]["Corefile"]
    fleet.run(RESET, cluster_dns_wait=False, **kubeconfig)
    assert "corp.example" not in cache.cluster.config_map()["data"]["Corefile"]
    assert cache.get(DAEMON_SET) is None


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            {"dns_cache_state": "restarted", "dns_cache_proof_retries": -1, "dns_cache_pods_wait_timeout": -5},
            "their node); dns_cache_proof_retries is -1, expected a number from 0; dns_cache_pods_wait_timeout is -5",
        ),
        ({"dns_cache_waves": ["many"]}, "'many' is neither a number of nodes above 0 nor a share"),
        ({"dns_cache_node_name": "same"}, "Hosts of this run have the same name in the cluster: same"),
        ({"dns_cache_node_name": "{{ inventory_hostname }}.x"}, "nodes: sim-1.x, sim-2.x, sim-3.x is no node"),
        ({"dns_cache_interception": "local_ip"}, "kubelet-config, key kubelet: there is no such ConfigMap"),
    ],
)
def test_bad_input_is_one_error_and_changes_nothing(fleet: Fleet, given: dict[str, t.Any], said: str) -> None:
    before = fleet.cache.state()
    refused = fleet.run(ok=False, **given)
    assert said in refused.output
    assert fleet.cache.state() == before


def test_who_does_not_get_the_lease_changes_nothing_and_names_who_has_it(fleet: Fleet) -> None:
    client = connect({"kubeconfig": str(fleet.cache.cluster.kubeconfig())})
    lease.take(client, LEASE, False, lambda _line: None)
    before = fleet.cache.state()
    refused = fleet.run(ok=False, dns_cache_lease_wait_timeout=1)
    assert "Lease kube-system/kubenode-network is held by night shift since" in refused.output
    assert fleet.cache.state() == before and fleet.holder() == "night shift"
    lease.release(client, LEASE, False)
