# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Corefiles that somebody puts back: each owner is known by its own marks, and its own way is told."""

from __future__ import annotations

import copy
import typing as t

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._kube import corefile
from ansible_collections.kubenode.network.plugins.module_utils._kube.client import connect
from ansible_collections.kubenode.network.plugins.module_utils._kube.corefile import Request
from ansible_collections.kubenode.network.plugins.module_utils._kube.errors import KubeError
from ansible_collections.kubenode.network.plugins.module_utils._kube.info import cluster_dns
from ansible_collections.kubenode.network.plugins.module_utils._kube.texts import Wanted
from ansible_collections.kubenode.network.tests.cluster import objects
from ansible_collections.kubenode.network.tests.cluster.objects_owners import DEFINITIONS, FREE, OWNED, Laid

HOSTS = {"hosts": [{"address": "203.0.113.7", "names": ["owned.example.com"]}]}


@pytest.fixture(scope="module")
def kinds(plane: t.Any) -> t.Iterator[None]:
    """The kinds of k3s, RKE2 and OpenShift."""
    plane.define(*DEFINITIONS)
    yield
    for one in DEFINITIONS:
        plane.request("DELETE", objects.path_of(one, named=True))


@pytest.fixture
def laid(plane: t.Any, kinds: None, request: pytest.FixtureRequest) -> t.Iterator[t.Callable[[Laid], Request]]:
    """Lay a ConfigMap as its system does; how to name it to the module."""
    namespace = f"owned-{abs(hash(request.node.nodeid)) % 10**8}"
    plane.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    made: list[dict[str, t.Any]] = []

    def put(thing: dict[str, t.Any], manager: str, applies: bool) -> dict[str, t.Any]:
        method, path, kind = "POST", objects.path_of(thing), "json"
        if applies:
            method, path, kind = "PATCH", objects.path_of(thing, named=True), "apply-patch"
        made.append(thing)
        return t.cast("dict[str, t.Any]", plane.request(method, f"{path}?fieldManager={manager}", thing, kind=kind))

    def lay(what: Laid) -> Request:
        owners = []
        for one in copy.deepcopy(what.beside):
            if one["kind"] != "DNS":
                one["metadata"]["namespace"] = namespace
            held = put(one, what.manager, False)
            uid, version = held["metadata"]["uid"], one["apiVersion"]
            owners.append(
                {
                    "apiVersion": version,
                    "kind": one["kind"],
                    "name": one["metadata"]["name"],
                    "uid": uid,
                    "controller": True,
                }
            )
        config_map = copy.deepcopy(what.config_map)
        config_map["metadata"]["namespace"] = namespace
        if what.owned:
            config_map["metadata"]["ownerReferences"] = owners[:1]
        put(config_map, what.manager, what.applies)
        return Request(name=config_map["metadata"]["name"], namespace=namespace, wait=False)

    yield lay
    for thing in reversed(made):
        plane.request("DELETE", objects.path_of(thing, named=True))
    plane.request("DELETE", f"/api/v1/namespaces/{namespace}")


def change(plane: t.Any, request: Request, **more: t.Any) -> dict[str, t.Any]:
    client = connect({"kubeconfig": str(plane.kubeconfig())})
    return corefile.change(client, Wanted(HOSTS), request._replace(**more), False, False, lambda _line: None)


def labels_of(thing: dict[str, t.Any]) -> list[tuple[str, str]]:
    return list(thing["metadata"].get("labels", {}).items())


@pytest.mark.parametrize("owner", OWNED)
def test_a_corefile_of_an_owner_is_left_alone_and_its_own_way_is_told(plane: t.Any, laid: t.Any, owner: str) -> None:
    what, message = OWNED[owner]
    request = laid(what)
    before = plane.config_map(request.name, request.namespace)
    assert before["metadata"]["managedFields"][0]["manager"] == what.manager
    with pytest.raises(KubeError, match=f"belongs to {message}.*on_owner: force") as caught:
        change(plane, request)
    assert caught.value.details["owner"]["way_out"] in caught.value.message
    assert plane.config_map(request.name, request.namespace) == before
    assert change(plane, request, on_owner="force")["changed"]
    after = plane.config_map(request.name, request.namespace)
    assert "203.0.113.7 owned.example.com" in after["data"]["Corefile"]
    assert set(labels_of(before)) <= set(labels_of(after))
    # It is still theirs.
    with pytest.raises(KubeError, match="belongs to"):
        corefile.change(
            connect({"kubeconfig": str(plane.kubeconfig())}), Wanted({}), request, False, False, lambda _line: None
        )


@pytest.mark.parametrize("kind", FREE)
def test_a_corefile_of_nobody_is_not_mistaken(plane: t.Any, laid: t.Any, kind: str) -> None:
    assert change(plane, laid(FREE[kind]))["changed"]


def test_an_owner_is_found_by_the_workload_too(cluster: t.Any) -> None:
    """GKE and AKS mark what they deploy; the info module tells it as well."""
    client = connect({"kubeconfig": str(cluster.kubeconfig())})
    path = "/apis/apps/v1/namespaces/kube-system/deployments/coredns"
    label = "kubernetes.azure.com/managedby"
    before = cluster.config_map()
    assert cluster_dns(client)["owner"] is None
    cluster.request("PATCH", path, {"metadata": {"labels": {label: "aks"}}}, kind="merge-patch")
    try:
        assert cluster_dns(client)["owner"]["name"] == "AKS"
        with pytest.raises(KubeError, match=r"belongs to AKS .*coredns-custom"):
            change(cluster, Request(wait=False))
        assert cluster.config_map() == before
    finally:
        cluster.request("PATCH", path, {"metadata": {"labels": {label: None}}}, kind="merge-patch")


def test_kube_dns_has_no_corefile_and_its_own_way_is_told(plane: t.Any, site: t.Any) -> None:
    """As GKE runs it."""
    namespace = site(objects.QUICK, kube_dns=True)
    with pytest.raises(KubeError, match=r"runs kube-dns .*no Corefile.*ConfigMap kube-dns .*stubDomains"):
        change(plane, Request(service="dns", namespace=namespace))
