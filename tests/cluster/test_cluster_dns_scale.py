# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cluster's DNS is scaled by its own number or by what governs it, never against that, on a real API server."""

from __future__ import annotations

import json
import time
import typing as t

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._kube.client import connect
from ansible_collections.kubenode.network.plugins.module_utils._kube.errors import KubeError
from ansible_collections.kubenode.network.plugins.module_utils._kube.info import cluster_dns
from ansible_collections.kubenode.network.plugins.module_utils._kube.scale import Wish, scale
from ansible_collections.kubenode.network.tests.cluster import objects

PLACE = {"namespace": "kube-system"}
DEPLOYMENT = "/apis/apps/v1/namespaces/kube-system/deployments/coredns"
LINEAR = {"coresPerReplica": 256, "nodesPerReplica": 16, "min": 2, "preventSinglePointFailure": True, "note": "theirs"}
HORIZONTAL = {
    "apiVersion": "autoscaling/v2",
    "kind": "HorizontalPodAutoscaler",
    "metadata": {"name": "coredns", **PLACE},
    "spec": {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "coredns"},
        "minReplicas": 2,
        "maxReplicas": 10,
    },
}


def proportional(**data: str) -> list[dict[str, t.Any]]:
    """As Kubernetes' own manifest has it (cluster/addons/dns-horizontal-autoscaler); the program itself is not run."""
    command = ["/cluster-proportional-autoscaler", "--namespace=kube-system", "--configmap=dns-autoscaler"]
    container = {"name": "autoscaler", "image": "cpa:1", "command": [*command, "--target=Deployment/coredns"]}
    labels = {"k8s-app": "dns-autoscaler"}
    return [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "dns-autoscaler", **PLACE}, "data": data},
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "kube-dns-autoscaler", **PLACE},
            "spec": {
                "replicas": 0,
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
            },
        },
    ]


@pytest.fixture
def laid(cluster: t.Any) -> t.Iterator[t.Callable[..., None]]:
    """Create objects that go after the test."""
    made: list[dict[str, t.Any]] = []

    def lay(*things: dict[str, t.Any]) -> None:
        cluster.apply(*things)
        made.extend(things)

    yield lay
    for thing in reversed(made):
        cluster.request("DELETE", objects.path_of(thing, named=True))


def run(cluster: t.Any, check_mode: bool = False, **wish: t.Any) -> dict[str, t.Any]:
    return scale(connect({"kubeconfig": str(cluster.kubeconfig())}), Wish(wait_timeout=60, **wish), check_mode)


def replicas(cluster: t.Any) -> int:
    return int(cluster.request("GET", DEPLOYMENT)["spec"]["replicas"])


def test_replicas_are_predicted_set_and_ready_and_then_there_is_nothing_to_do(cluster: t.Any) -> None:
    predicted = run(cluster, replicas=3, check_mode=True)
    assert (predicted["changed"], predicted["before"], predicted["after"]) == (True, {"replicas": 2}, {"replicas": 3})
    assert replicas(cluster) == 2
    try:
        assert run(cluster, replicas=3)["changed"]
        assert cluster.request("GET", DEPLOYMENT)["status"]["readyReplicas"] == 3
        assert not run(cluster, replicas=3)["changed"]
    finally:
        assert run(cluster, replicas=2)["after"] == {"replicas": 2}


@pytest.mark.parametrize(
    ("things", "name"),
    [
        ([HORIZONTAL], "HorizontalPodAutoscaler kube-system/coredns"),
        (proportional(linear=json.dumps(LINEAR)), "Deployment kube-system/kube-dns-autoscaler"),
    ],
)
def test_replicas_that_an_autoscaler_governs_are_an_error_that_names_it(
    cluster: t.Any, laid: t.Any, things: list[dict[str, t.Any]], name: str
) -> None:
    laid(*things)
    with pytest.raises(KubeError, match=f"{name} sets the replicas.*set autoscaler"):
        run(cluster, replicas=5)
    assert replicas(cluster) == 2


def test_parameters_of_the_proportional_autoscaler_are_set_and_its_others_stay(cluster: t.Any, laid: t.Any) -> None:
    laid(*proportional(linear=json.dumps(LINEAR)))
    info = cluster_dns(connect({"kubeconfig": str(cluster.kubeconfig())}))["workload"]
    assert info["autoscaler"] == "Deployment kube-system/kube-dns-autoscaler"
    assert info["autoscaler_parameters"] == {
        "min": 2, "cores_per_replica": 256, "nodes_per_replica": 16, "prevent_single_point_failure": True,
    }  # fmt: skip
    wish = {"min": 3, "nodes_per_replica": 8.0, "max": None}
    assert run(cluster, check_mode=True, autoscaler=wish)["after"]["min"] == 3
    assert json.loads(cluster.config_map("dns-autoscaler")["data"]["linear"]) == LINEAR
    result = run(cluster, autoscaler=wish)
    assert (result["changed"], result["before"]["min"], result["after"]["nodes_per_replica"]) == (True, 2, 8)
    held = cluster.config_map("dns-autoscaler")["data"]["linear"]
    assert json.loads(held) == {**LINEAR, "min": 3, "nodesPerReplica": 8}
    assert "8.0" not in held
    assert not run(cluster, autoscaler=wish)["changed"]


def test_bounds_of_a_horizontal_autoscaler_are_set(cluster: t.Any, laid: t.Any) -> None:
    laid(HORIZONTAL)
    result = run(cluster, autoscaler={"min": 4})
    assert (result["changed"], result["after"]) == (True, {"min": 4, "max": 10})
    assert not run(cluster, autoscaler={"min": 4, "max": 10})["changed"]
    with pytest.raises(KubeError, match=r"nodes_per_replica is nothing that HorizontalPodAutoscaler .* knows"):
        run(cluster, autoscaler={"nodes_per_replica": 4.0})
    with pytest.raises(KubeError, match=r"min is 11 and max 10"):
        run(cluster, autoscaler={"min": 11})


@pytest.mark.parametrize(
    ("things", "wish", "message"),
    [
        ([], {"replicas": 0}, "replicas is 0.*somebody has to answer"),
        ([], {"autoscaler": {"nodes_per_replica": -1.0}}, "nodes_per_replica is -1.0"),
        ([], {"autoscaler": {"min": None}}, "names nothing to set"),
        ([], {"autoscaler": {"min": 3}}, "nothing scales Deployment kube-system/coredns.*or set replicas"),
        (proportional(ladder="{}"), {"autoscaler": {"min": 3}}, "dns-autoscaler .*has ladder where linear"),
        (proportional(linear="{"), {"autoscaler": {"min": 3}}, "dns-autoscaler, key linear, is no JSON"),
    ],
)
def test_what_cannot_be_set_is_one_clear_error(
    cluster: t.Any, laid: t.Any, things: list[dict[str, t.Any]], wish: dict[str, t.Any], message: str
) -> None:
    laid(*things)
    with pytest.raises(KubeError, match=message):
        run(cluster, **wish)
    assert replicas(cluster) == 2


def test_a_daemon_set_has_no_replicas_to_set(cluster: t.Any, laid: t.Any) -> None:
    labels = {"k8s-app": "other-dns"}
    own = {one["kind"]: one for one in objects.coredns(objects.COREFILE.replace("UPSTREAM", "192.0.2.53"))}
    template = {**own["Deployment"]["spec"]["template"], "metadata": {"labels": labels}}
    service = json.loads(json.dumps(own["Service"]))
    service["metadata"]["name"] = "other-dns"
    service["spec"]["selector"] = labels
    del service["spec"]["clusterIP"]
    laid(
        {
            "apiVersion": "apps/v1",
            "kind": "DaemonSet",
            "metadata": {"name": "other-dns", **PLACE},
            "spec": {"selector": {"matchLabels": labels}, "template": template},
        },
        service,
    )
    deadline = time.monotonic() + 30
    while not cluster.request("GET", "/api/v1/namespaces/kube-system/pods?labelSelector=k8s-app%3Dother-dns")["items"]:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    with pytest.raises(KubeError, match=r"DaemonSet kube-system/other-dns, which has no number of replicas.*each node"):
        run(cluster, service="other-dns", replicas=3)
