# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pods made anew on a real API server, with the real controllers and disruption budgets; the nodes are simulated."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import time
import typing as t
import urllib.error

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._kube import evict
from ansible_collections.kubenode.network.plugins.module_utils._kube.client import connect
from ansible_collections.kubenode.network.plugins.module_utils._kube.errors import KubeError
from ansible_collections.kubenode.network.plugins.module_utils._kube.evict import Wanted
from ansible_collections.kubenode.network.plugins.module_utils._netlink.sock import RtnlSocket
from ansible_collections.kubenode.network.plugins.module_utils._nodecache import pods, resolver
from ansible_collections.kubenode.network.tests.cluster import overlay, simulated_nodes

SPACE = "evicted"
CORE = f"/api/v1/namespaces/{SPACE}"
BUDGET = f"/apis/policy/v1/namespaces/{SPACE}/poddisruptionbudgets/web"
LABELS = {"app": "web"}
# Nodes come with a taint that only a controller would take away which has nothing to say here.
POD = {
    "nodeSelector": simulated_nodes.SELECTOR, "terminationGracePeriodSeconds": 0,
    "tolerations": [{"operator": "Exists"}],
    "containers": [{"name": "web", "image": "web"}],
}  # fmt: skip
DEPLOYMENT = {
    "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": SPACE},
    "spec": {
        "replicas": 2, "selector": {"matchLabels": LABELS},
        "template": {"metadata": {"labels": LABELS}, "spec": POD},
    },
}  # fmt: skip


class Web:
    """A Deployment of two pods, and how they are seen."""

    def __init__(self, cluster: t.Any) -> None:
        self.cluster = cluster

    def pods(self) -> dict[str, dict[str, t.Any]]:
        """By name, those that are not on their way out."""
        found = self.cluster.request("GET", f"{CORE}/pods?labelSelector=app%3Dweb")["items"]
        return {one["metadata"]["name"]: one for one in found if not one["metadata"].get("deletionTimestamp")}

    def wanted(self) -> list[Wanted]:
        return [Wanted(SPACE, name, one["spec"]["nodeName"]) for name, one in sorted(self.pods().items())]

    def budget(self, least: int) -> None:
        """A disruption budget, and its controller has seen it."""
        body = {
            "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "web", "namespace": SPACE},
            "spec": {"minAvailable": least, "selector": {"matchLabels": LABELS}},
        }  # fmt: skip
        path = f"{BUDGET}?fieldManager=test&force=true"
        made = self.cluster.request("PATCH", path, body, kind="apply-patch")
        self._wait(
            lambda: (
                self.cluster.request("GET", BUDGET).get("status", {}).get("observedGeneration")
                == made["metadata"]["generation"]
            )
        )

    def run(self, pods: list[Wanted], check_mode: bool = False, user: str = "admin", seconds: float = 30) -> t.Any:
        client = connect({"kubeconfig": str(self.cluster.kubeconfig(user))})
        return evict.evict(client, pods, seconds, check_mode, lambda _line: None)

    def _wait(self, done: t.Callable[[], bool]) -> None:
        deadline = time.monotonic() + 60
        while not done():
            assert time.monotonic() < deadline, "the controllers did not do it"
            time.sleep(0.05)


@pytest.fixture
def web(cluster: t.Any) -> t.Iterator[Web]:
    with simulated_nodes.SimulatedNodes(cluster, 2, "host"):
        with contextlib.suppress(urllib.error.HTTPError):
            cluster.request("POST", "/api/v1/namespaces", {"metadata": {"name": SPACE}})
        cluster.request("POST", f"/apis/apps/v1/namespaces/{SPACE}/deployments", DEPLOYMENT)
        cluster.wait_ready("deployments", "web", SPACE)
        yield Web(cluster)
        for path in (BUDGET, f"/apis/apps/v1/namespaces/{SPACE}/deployments/web?propagationPolicy=Background"):
            with contextlib.suppress(urllib.error.HTTPError):
                cluster.request("DELETE", path)


def test_pods_are_made_anew_one_after_the_other_within_their_budget(web: Web) -> None:
    before = web.wanted()
    web.budget(1)
    assert web.run(before, check_mode=True)["evicted"] == [one.told for one in before]
    assert web.wanted() == before
    result = web.run(before)
    assert result["evicted"] == [one.told for one in before] and result["left"] == []
    after = web.pods()
    assert len(after) == 2 and not set(after) & {one.name for one in before}
    # They are gone, so a second run has nothing to do.
    again = web.run(before)
    assert (again["changed"], again["evicted"]) == (False, [])


def test_a_budget_that_allows_none_is_an_error_that_names_pod_and_budget(web: Web) -> None:
    before = web.wanted()
    web.budget(2)
    with pytest.raises(KubeError, match=f"pod {before[0].told} may not be evicted: .*disruption budget") as caught:
        web.run(before, seconds=2)
    assert caught.value.details["evicted"] == []
    assert web.wanted() == before


def test_what_nobody_would_make_anew_stays_and_is_told_and_a_pod_elsewhere_is_another(web: Web) -> None:
    before = web.wanted()
    bare = {"metadata": {"name": "debug", "labels": {"app": "debug"}}, "spec": POD}
    job = [{"apiVersion": "batch/v1", "kind": "Job", "name": "nightly", "uid": "1", "controller": True}]
    web.cluster.request("POST", f"{CORE}/pods", bare)
    asked = [Wanted(SPACE, "debug"), Wanted(SPACE, "never"), before[0]._replace(node="elsewhere")]
    result = web.run(asked)
    assert (result["changed"], result["evicted"]) == (False, [])
    assert result["left"] == [
        {"name": f"{SPACE}/debug", "why": "no controller would make it anew: recreate it yourself"}
    ]
    assert evict._why_not({"metadata": {"ownerReferences": job}}).startswith("a pod of Job nightly")
    assert "static pod" in evict._why_not({"metadata": {"annotations": {"kubernetes.io/config.mirror": "x"}}})
    client = connect({"kubeconfig": str(web.cluster.kubeconfig())})
    result = evict.evict(client, before, 30, False, lambda _line: None, node_resolver=True)
    why = "its resolver is not the node's (dnsPolicy ClusterFirst), and the same when it is made anew"
    assert result["left"] == [{"name": one.told, "why": why} for one in before]
    assert evict._why_own({"spec": {"dnsPolicy": "ClusterFirst", "hostNetwork": True}}) == ""
    assert web.wanted() == before
    web.cluster.request("DELETE", f"{CORE}/pods/debug")


def test_coredns_gets_its_nodes_new_resolver_one_pod_after_the_other(web: Web, tmp_path: pathlib.Path) -> None:
    """CoreDNS runs for real, and what its pods copied is older than what their node's kubelet would copy now.

    The role asks a double which pods these are, as the pods of the tests have no cgroups to name them by.
    """
    cluster = web.cluster
    (tmp_path / "etc").mkdir()
    shutil.copy("/etc/resolv.conf", tmp_path / "etc/resolv.conf")
    uids = {one["metadata"]["uid"]: f"kube-system/{one['metadata']['name']}" for one in cluster.pods()}
    assert len(uids) == 2

    def old() -> list[str]:
        with RtnlSocket() as sock:
            found = resolver.copies(pods.pods(sock), (), "cluster.local", str(tmp_path))
        roots = [os.readlink(f"/proc/{one['pid']}/root") for one in found["old_copies"]]
        return sorted(name for uid, name in uids.items() if any(uid in root for root in roots))

    assert old() == []
    for uid in uids:
        copy = cluster.folder / "node-1" / uid / "root/etc/resolv.conf"
        copy.write_text("nameserver 192.0.2.99\n", encoding="utf-8")
    stale = old()
    assert stale == sorted(uids.values())
    listed = refresh(cluster, tmp_path, [*stale, ""], "list")
    told = ", ".join(f"{name} on node-1" for name in [*stale, "sleep (pid 1)"])
    assert f"pods that have an older copy of the resolver, until they are recreated: {told}" in listed
    assert old() == stale
    done = refresh(cluster, tmp_path, [*stale, ""], "evict")
    assert f"made anew, with the resolver of their node: {', '.join(stale)}" in done
    assert 'until they are recreated: sleep (pid 1) on node-1"' in done
    cluster.wait_ready("deployments", "coredns")
    uids = {one["metadata"]["uid"]: f"kube-system/{one['metadata']['name']}" for one in cluster.pods()}
    assert len(uids) == 2 and not set(uids.values()) & set(stale)
    assert old() == []


def refresh(cluster: t.Any, folder: pathlib.Path, old_copies: list[str], recreate: str) -> str:
    """What the role says, after a node that says which pods have old copies."""
    simulated = folder / "simulated"
    if not simulated.exists():
        simulated.mkdir()
        overlay.lay(folder / "collections")
    (simulated / "node-1.json").write_text(json.dumps({"old_copies": old_copies}), encoding="utf-8")
    role = {"name": "kubenode.network.worker_network", "tasks_from": "refresh"}
    play = {"hosts": "node-1", "gather_facts": False, "tasks": [{"ansible.builtin.include_role": role}]}
    (folder / "play.yml").write_text(json.dumps([play]), encoding="utf-8")
    given = {
        "ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}",
        "worker_network_recreate_pods": recreate, "worker_network_kubeconfig": str(cluster.kubeconfig()),
        "worker_network_node_name": "node-1",
    }  # fmt: skip
    done = subprocess.run(
        ["ansible-playbook", "-i", "node-1,", str(folder / "play.yml"), "-e", json.dumps(given)], cwd=folder,
        env={
            **os.environ, "ANSIBLE_COLLECTIONS_PATH": str(folder / "collections"), "ANSIBLE_NOCOLOR": "1",
            "KUBENODE_SIMULATED": str(simulated),
        }, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
