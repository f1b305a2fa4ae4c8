# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cluster's DNS is found by its chain, whatever things are called, on a real API server."""

from __future__ import annotations

import copy
import typing as t

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._kube.chain import find_chain
from ansible_collections.kubenode.network.plugins.module_utils._kube.client import connect
from ansible_collections.kubenode.network.plugins.module_utils._kube.errors import KubeError
from ansible_collections.kubenode.network.plugins.module_utils._kube.info import cluster_dns
from ansible_collections.kubenode.network.tests.cluster import objects

KUBELET = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\nclusterDNS:\n- {}\n"

KINDS = (
    objects.definition("crd.projectcalico.org", "v1", "IPPool", namespaced=False),
    objects.definition("cilium.io", "v2", "CiliumNode", namespaced=False),
)


def client(cluster: t.Any, user: str = "admin") -> t.Any:
    return connect({"kubeconfig": str(cluster.kubeconfig(user))})


def config_map(name: str, **data: str) -> dict[str, t.Any]:
    return {
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "kube-system"}, "data": data,
    }  # fmt: skip


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


def test_the_whole_chain_is_told_with_its_evidence(cluster: t.Any, laid: t.Any) -> None:
    laid(config_map("kubelet-config", kubelet=KUBELET.format(objects.CLUSTER_DNS)))
    found = cluster_dns(client(cluster))
    assert found["service"] == {"namespace": "kube-system", "name": "kube-dns", "cluster_ips": [objects.CLUSTER_DNS]}
    assert found["config_map"] == {"namespace": "kube-system", "name": "coredns", "key": "Corefile"}
    assert (found["workload"]["kind"], found["workload"]["name"]) == ("Deployment", "coredns")
    assert (found["workload"]["replicas"], found["workload"]["ready"]) == (2, 2)
    assert len(found["pods"]) == 2
    assert [step["step"] for step in found["chain"]] == [
        "clusterDNS", "service", "endpoints", "pods", "workload", "configmap",
    ]  # fmt: skip
    assert found["owner"] is None
    assert found["reaches_pods"] is True
    assert found["cluster_domain"]["name"] == "cluster.local"
    assert {"cidr": "10.96.0.0/16", "use": "service", "source": "ServiceCIDR kubernetes"} in found["cidrs"]
    assert {"cidr": "10.244.1.0/24", "use": "pod", "source": "Node node-1, spec.podCIDRs"} in found["cidrs"]
    assert found["unreadable"] == []


def test_the_second_service_of_a_node_local_cache_is_not_taken_for_it(cluster: t.Any, laid: t.Any) -> None:
    upstream = copy.deepcopy(next(one for one in objects.coredns("") if one["kind"] == "Service"))
    upstream["metadata"]["name"] = "kube-dns-upstream"
    del upstream["spec"]["clusterIP"]
    laid(upstream, config_map("kubelet-config", kubelet=KUBELET.format(objects.CLUSTER_DNS)))
    assert find_chain(client(cluster)).service == "kube-dns"


def test_without_the_kubelets_word_both_services_lead_to_the_one_corefile(cluster: t.Any, laid: t.Any) -> None:
    upstream = copy.deepcopy(next(one for one in objects.coredns("") if one["kind"] == "Service"))
    upstream["metadata"]["name"] = "kube-dns-upstream"
    del upstream["spec"]["clusterIP"]
    laid(upstream)
    assert find_chain(client(cluster)).source.name == "coredns"


def test_two_dns_servers_are_an_error_that_names_both(cluster: t.Any, laid: t.Any) -> None:
    other = []
    for thing in objects.coredns("", replicas=1):
        if thing["kind"] not in {"ConfigMap", "Deployment", "Service"}:
            continue
        one = copy.deepcopy(thing)
        one["metadata"]["name"] = "other-dns"
        one["metadata"].get("labels", {})["k8s-app"] = "other-dns"
        if one["kind"] == "Deployment":
            one["spec"]["selector"]["matchLabels"] = {"k8s-app": "other-dns"}
            one["spec"]["template"]["metadata"]["labels"] = {"k8s-app": "other-dns"}
            one["spec"]["template"]["spec"]["volumes"][0]["configMap"]["name"] = "other-dns"
        if one["kind"] == "Service":
            one["metadata"]["labels"]["k8s-app"] = "coredns"
            one["spec"].pop("clusterIP")
            one["spec"]["selector"] = {"k8s-app": "other-dns"}
        if one["kind"] == "ConfigMap":
            one["data"] = {"Corefile": ".:53 {\n    ready\n    errors\n}\n"}
        other.append(one)
    laid(*other)
    cluster.wait_ready("deployments", "other-dns")
    with pytest.raises(KubeError, match=r"several DNS servers.*other-dns.*name one with service"):
        find_chain(client(cluster))
    chosen = find_chain(client(cluster), "other-dns")
    assert (chosen.service, chosen.source.name) == ("other-dns", "other-dns")


def test_few_rights_are_said_and_not_fatal(cluster: t.Any, laid: t.Any) -> None:
    name = "finder"
    rules = [
        {"apiGroups": [""], "resources": ["services", "pods"], "verbs": ["list"]},
    ]
    version = {"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": name}}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name}
    laid(
        {**version, "kind": "ClusterRole", "rules": rules},
        {
            **version,
            "kind": "ClusterRoleBinding",
            "roleRef": reference,
            "subjects": [{"kind": "User", "name": "editor"}],
        },
    )
    found = cluster_dns(client(cluster, "editor"))
    assert found["config_map"]["name"] == "coredns"
    assert found["corefile"] is None
    told = {one["what"] for one in found["unreadable"]}
    assert {"Nodes", "ServiceCIDRs", "ConfigMap kube-system/coredns"} <= told
    assert found["cidrs"] == []


def test_no_rights_are_one_clear_error(cluster: t.Any) -> None:
    with pytest.raises(KubeError, match=r"403.*docs/rbac"):
        cluster_dns(client(cluster, "nobody"))


def test_a_service_that_is_not_there_is_named(cluster: t.Any) -> None:
    with pytest.raises(KubeError, match="there is no Service kube-system/nothing"):
        find_chain(client(cluster), "nothing")


def test_networks_that_overlap_are_told_with_both_sides(cluster: t.Any, laid: t.Any) -> None:
    kubeadm = "networking:\n  serviceSubnet: 10.96.0.0/12\n  podSubnet: 10.100.0.0/16\n  dnsDomain: cluster.local\n"
    laid(config_map("kubeadm-config", ClusterConfiguration=kubeadm))
    found = cluster_dns(client(cluster))["overlaps"]
    assert any("10.96.0.0/12" in one and "10.100.0.0/16 (ConfigMap kube-system/kubeadm-config" in one for one in found)


@pytest.fixture
def kinds(cluster: t.Any) -> t.Iterator[None]:
    cluster.define(*KINDS)
    yield
    for one in KINDS:
        cluster.request("DELETE", objects.path_of(one, named=True))


def test_every_source_of_networks_is_read_and_named(cluster: t.Any, kinds: None, laid: t.Any) -> None:
    pool = {"apiVersion": "crd.projectcalico.org/v1", "kind": "IPPool"}
    laid(
        config_map(
            "kubeadm-config",
            ClusterConfiguration=(
                "networking:\n  serviceSubnet: 10.96.0.0/16,fd00:96::/112\n  podSubnet: 10.32.0.0/16\n"
            ),
        ),
        config_map("kube-proxy", **{"config.conf": "mode: ipvs\nclusterCIDR: 10.33.0.0/16\n"}),
        config_map("cilium-config", **{"cluster-pool-ipv4-cidr": "10.34.0.0/16 10.35.0.0/16"}),
        {**pool, "metadata": {"name": "default"}, "spec": {"cidr": "10.36.0.0/16", "ipipMode": "Always"}},
        {**pool, "metadata": {"name": "old"}, "spec": {"cidr": "10.37.0.0/16", "disabled": True}},
        {
            "apiVersion": "cilium.io/v2",
            "kind": "CiliumNode",
            "metadata": {"name": "node-1"},
            "spec": {"ipam": {"podCIDRs": ["10.34.1.0/24"]}},
        },
    )
    found = {(one["cidr"], one["use"], one["source"]) for one in cluster_dns(client(cluster))["cidrs"]}
    kubeadm = "ConfigMap kube-system/kubeadm-config, networking"
    assert found == {
        ("10.96.0.0/16", "service", "ServiceCIDR kubernetes"),
        ("10.96.0.0/16", "service", f"{kubeadm}.serviceSubnet"),
        ("fd00:96::/112", "service", f"{kubeadm}.serviceSubnet"),
        ("10.32.0.0/16", "pod", f"{kubeadm}.podSubnet"),
        ("10.33.0.0/16", "pod", "ConfigMap kube-system/kube-proxy, clusterCIDR"),
        ("10.34.0.0/16", "pod", "ConfigMap kube-system/cilium-config, cluster-pool-ipv4-cidr"),
        ("10.35.0.0/16", "pod", "ConfigMap kube-system/cilium-config, cluster-pool-ipv4-cidr"),
        ("10.36.0.0/16", "pod", "Calico IPPool default"),
        ("10.34.1.0/24", "pod", "CiliumNode node-1"),
        ("10.244.1.0/24", "pod", "Node node-1, spec.podCIDRs"),
        ("192.0.2.1/32", "node", "Node node-1, InternalIP"),
    }


def test_a_node_in_the_pods_network_is_told_with_both_sides(cluster: t.Any, laid: t.Any) -> None:
    laid(config_map("kube-proxy", **{"config.conf": "clusterCIDR: 192.0.0.0/16\n"}))
    assert cluster_dns(client(cluster))["overlaps"] == [
        (
            "the pod network 192.0.0.0/16 (ConfigMap kube-system/kube-proxy, clusterCIDR) overlaps the node network "
            "192.0.2.1/32 (Node node-1, InternalIP)"
        )
    ]
