# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pods made anew on a real API server, with the real controllers and disruption budgets; the nodes are simulated."""

from __future__ import annotations

import contextlib
import time
import typing as t
import urllib.error

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._kube import evict
from ansible_collections.kubenode.network.plugins.module_utils._kube.client import connect
from ansible_collections.kubenode.network.plugins.module_utils._kube.errors import KubeError
from ansible_collections.kubenode.network.plugins.module_utils._kube.evict import Wanted
from ansible_collections.kubenode.network.tests.cluster import simulated_nodes

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
    assert web.wanted() == before
    web.cluster.request("DELETE", f"{CORE}/pods/debug")
