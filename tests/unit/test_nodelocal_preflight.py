# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is decided about a node-local cache, and refused, before anything of it is made."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._kube.cidrs import Cidr
from ansible_collections.kubenode.network.plugins.module_utils._kube.errors import KubeError
from ansible_collections.kubenode.network.plugins.module_utils._nodelocal import policies, preflight
from ansible_collections.kubenode.network.plugins.module_utils._nodelocal.interception import Datapath, decide
from ansible_collections.kubenode.network.plugins.module_utils._nodelocal.module import NODELOCAL_OPTIONS
from ansible_collections.kubenode.network.plugins.module_utils._nodelocal.options import (
    Evidence,
    Options,
    options,
    wave,
)

DEFAULTS = {name: option.get("default") for name, option in NODELOCAL_OPTIONS.items()}
IPTABLES = Datapath("iptables", "ConfigMap kube-system/kube-proxy")


@pytest.mark.parametrize(
    ("datapath", "evidence", "mode"),
    [
        (IPTABLES, (), "cluster_ip"),
        (Datapath("nftables", "x"), (), "cluster_ip"),
        (Datapath("ipvs", "x"), (), "local_ip"),
        (Datapath("ebpf", "Calico"), (), "local_ip"),
        (Datapath("ovn", "OVN"), (), "local_ip"),
        (Datapath("cilium", "x", redirect_policies=True), (), "redirect_policy"),
        # What nodes say counts for more than what the cluster says of itself.
        (IPTABLES, (Evidence("w1", "ipvs"), Evidence("w2", "ipvs"), Evidence("w3", "")), "local_ip"),
    ],
)
def test_interception_follows_the_evidence(datapath: Datapath, evidence: tuple[Evidence, ...], mode: str) -> None:
    assert decide("auto", datapath, evidence).mode == mode


@pytest.mark.parametrize(
    ("wanted", "datapath", "evidence", "recorded", "words"),
    [
        ("auto", IPTABLES, (Evidence("w1", "ipvs"), Evidence("w2", "iptables")), "", "iptables on w2; ipvs on w1"),
        ("auto", Datapath("", ""), (), "", "give node_evidence"),
        ("auto", Datapath("cilium", "x"), (), "", "localRedirectPolicies.enabled"),
        ("cluster_ip", Datapath("ipvs", "x"), (), "", "cluster_ip cannot work.*ipvs"),
        ("cluster_ip", Datapath("cilium", "x", redirect_policies=True), (), "", "local_ip or redirect_policy"),
        ("cluster_ip", IPTABLES, (Evidence("w1", "ebpf"),), "", "node_evidence of w1"),
        ("redirect_policy", IPTABLES, (), "", "needs Cilium"),
        ("auto", Datapath("ipvs", "x"), (), "cluster_ip", "set up with cluster_ip.*now kube-proxy runs in IPVS mode"),
        ("local_ip", IPTABLES, (), "cluster_ip", "local_ip was asked for.*change_interception"),
    ],
)
def test_what_cannot_work_or_was_otherwise_is_an_error(
    wanted: str, datapath: Datapath, evidence: tuple[Evidence, ...], recorded: str, words: str
) -> None:
    with pytest.raises(KubeError, match=words):
        decide(wanted, datapath, evidence, recorded)


def test_another_interception_than_the_recorded_one_is_taken_when_it_is_meant() -> None:
    assert decide("local_ip", IPTABLES, (), "cluster_ip", change=True).mode == "local_ip"
    assert decide("auto", Datapath("", ""), (), "cluster_ip").mode == "cluster_ip"


def test_options_are_taken_as_they_are_meant() -> None:
    found = options({**DEFAULTS, "registry": "mirror.example:5000/k8s/", "local_ips": ["FD00:0::A"]})
    assert found.image == "mirror.example:5000/k8s/dns/k8s-dns-node-cache:1.26.4"
    assert found.local_ips == ("fd00::a",)
    assert len(found.tolerations) == 3
    assert [wave("10%", 1000), wave("10%", 3), wave("7", 3), wave("100%", 8)] == [100, 1, 7, 8]
    assert options({**DEFAULTS, "resources": {"limits": {"memory": "1Gi"}}}).memory_limit == 2**30


CIDRS = (Cidr("10.244.0.0/16", "pod", "kubeadm-config"), Cidr("169.254.64.0/18", "pod", "IPPool odd"))


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("169.254.169.254", "metadata service"),
        ("10.244.3.3", "in the pod network 10.244.0.0/16 .kubeadm-config."),
        ("169.254.70.1", "IPPool odd"),
        ("192.168.1.7", "an address of node w7"),
        ("10.96.0.10", "the ClusterIP of the cluster's DNS"),
    ],
)
def test_an_address_of_somebody_else_is_refused(address: str, words: str) -> None:
    with pytest.raises(KubeError, match=words):
        preflight.check_addresses(Options(local_ips=(address,)), ["10.96.0.10"], CIDRS, {"w7": ["192.168.1.7", "w7"]})


def test_an_address_that_is_not_link_local_is_a_warning() -> None:
    assert preflight.check_addresses(Options(), ["10.96.0.10"], CIDRS, {}) == []
    assert "not link-local" in preflight.check_addresses(Options(local_ips=("192.0.2.9",)), [], CIDRS, {})[0]


def daemon_set(name: str, **more: t.Any) -> dict[str, t.Any]:
    container = {"name": "x", "image": more.pop("image", "x:1"), **more.pop("container", {})}
    meta = {"name": name, "namespace": more.pop("namespace", "kube-system"), **more.pop("metadata", {})}
    return {"metadata": meta, "spec": {"template": {"spec": {"containers": [container], **more}}}}


@pytest.mark.parametrize(
    ("listener", "words"),
    [
        ({"address": "0.0.0.0", "port": 53, "process": "dnsmasq"}, "port 53 .*on node w1: dnsmasq listens on 0.0.0.0"),
        ({"address": "169.254.20.10", "port": 53}, "something listens on 169.254.20.10"),
        ({"address": "127.0.0.1", "port": 9253, "process": "exporter"}, "give the cache another: metrics_port"),
        ({"address": "::", "port": 8080}, "health_port"),
    ],
)
def test_a_port_that_a_process_has_on_a_node_is_refused(listener: dict[str, t.Any], words: str) -> None:
    evidence = (Evidence("w1", "", listeners=(listener,)),)
    with pytest.raises(KubeError, match=words):
        preflight.check_ports(Options(evidence=evidence), ["169.254.20.10"], [])


def test_ports_beside_the_caches_own_are_no_matter() -> None:
    stub = {"address": "127.0.0.53", "port": 53, "process": "systemd-resolved"}
    ingress = {"address": "192.168.1.7", "port": 8080, "process": "ingress"}
    evidence = (Evidence("w1", "", listeners=(stub, ingress)),)
    assert preflight.check_ports(Options(evidence=evidence), ["169.254.20.10"], []) == []


def test_a_port_of_another_daemon_set_is_refused_or_told() -> None:
    taken = daemon_set("proxy", container={"ports": [{"containerPort": 53, "hostPort": 53}]})
    with pytest.raises(KubeError, match=r"port 53 .*belongs to DaemonSet kube-system/proxy"):
        preflight.check_ports(Options(), [], [taken])
    health = daemon_set("ingress", hostNetwork=True, container={"ports": [{"containerPort": 8080}]})
    assert "has port 8080 (health_port)" in preflight.check_ports(Options(), [], [health])[0]
    inside = daemon_set("app", container={"ports": [{"containerPort": 53}]})
    assert preflight.check_ports(Options(), [], [inside]) == []


CACHE = {"image": "registry.example/dns/k8s-dns-node-cache:1.22"}


@pytest.mark.parametrize(
    ("held", "words"),
    [
        (daemon_set("nodelocaldns", **CACHE), "of Kubespray.*enable_nodelocaldns: false"),
        (
            daemon_set(
                "node-local-dns", metadata={"annotations": {"meta.helm.sh/release-name": "rke2-coredns"}}, **CACHE
            ),
            "of RKE2.*HelmChartConfig",
        ),
        (
            daemon_set("node-local-dns", metadata={"labels": {"components.gke.io/component-name": "x"}}, **CACHE),
            "of GKE.*gcloud",
        ),
        (daemon_set("node-local-dns", metadata={"labels": {"addon.kops.k8s.io/name": "x"}}, **CACHE), "of kOps"),
        (
            daemon_set("node-local-dns", metadata={"annotations": {"resources.gardener.cloud/x": ""}}, **CACHE),
            "Gardener",
        ),
        (daemon_set("node-local-dns", namespace="dns", **CACHE), "DaemonSet dns/node-local-dns .*delete daemonset"),
        (daemon_set("mine", container={"args": ["-localip", "1.2.3.4"]}), "DaemonSet kube-system/mine"),
    ],
)
def test_a_second_cache_is_refused_by_name(held: dict[str, t.Any], words: str) -> None:
    with pytest.raises(KubeError, match=words):
        preflight.check_second_cache([held], "kube-system")


def test_a_cache_of_kubectl_or_helm_in_its_usual_place_is_not_somebody_elses() -> None:
    preflight.check_second_cache([daemon_set("node-local-dns", **CACHE), daemon_set("calico-node")], "kube-system")


ADDRESSES = ("169.254.20.10", "10.96.0.10")
BOTH = ["169.254.20.10/32", "10.96.0.10/32"]
DNS = [{"port": 53, "protocol": "UDP"}]
SELECTED = [{"namespaceSelector": {}, "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}}}]


def egress(*rules: dict[str, t.Any], types: t.Sequence[str] = ("Egress",)) -> dict[str, t.Any]:
    return {"metadata": {"name": "p", "namespace": "shop"}, "spec": {"policyTypes": list(types), "egress": list(rules)}}


@pytest.mark.parametrize(
    ("kind", "policy", "blocks"),
    [
        ("NetworkPolicy", egress({"to": SELECTED, "ports": DNS}), BOTH),
        ("NetworkPolicy", egress({"to": SELECTED}), BOTH),
        ("NetworkPolicy", egress({"to": SELECTED, "ports": [{"port": 1, "endPort": 100}]}), BOTH),
        (
            "NetworkPolicy",
            egress({"to": SELECTED, "ports": DNS}, {"to": [{"ipBlock": {"cidr": "169.254.0.0/16"}}]}),
            ["10.96.0.10/32"],
        ),
        ("NetworkPolicy", egress({"to": SELECTED, "ports": DNS}, {"ports": DNS}), None),
        ("NetworkPolicy", egress({"to": SELECTED, "ports": [{"port": 443}]}), None),
        ("NetworkPolicy", egress({"to": SELECTED}, types=["Ingress"]), None),
        ("NetworkPolicy", egress(), None),
        (
            "Calico NetworkPolicy",
            egress({"action": "Allow", "destination": {"selector": "k8s-app == 'kube-dns'", "ports": [53]}}), BOTH,
        ),
        (
            "Calico GlobalNetworkPolicy",
            egress({"action": "Deny", "destination": {"selector": "all()", "ports": [53]}}), None,
        ),
        ("Calico NetworkPolicy", egress({"action": "Allow", "destination": {"nets": ["0.0.0.0/0"]}}), None),
        (
            "CiliumNetworkPolicy",
            egress({"toEndpoints": [{}], "toPorts": [{"ports": [{"port": "53", "protocol": "ANY"}]}]}), BOTH,
        ),
        ("CiliumNetworkPolicy", egress({"toEndpoints": [{}]}, {"toEntities": ["host"]}), None),
        ("CiliumNetworkPolicy", egress({"toEndpoints": [{}]}, {"toEntities": ["cluster"]}), None),
    ],
)  # fmt: skip
def test_policies_that_allow_dns_by_selector_only_are_found(
    kind: str, policy: dict[str, t.Any], blocks: list[str] | None
) -> None:
    found = policies.lacking(policies.Kind(kind, ""), policy, ADDRESSES, pods=False)
    assert (found or {}).get("ip_blocks") == blocks
    assert found is None or found["name"] == "shop/p"


def test_where_the_cache_is_a_pod_its_labels_are_what_a_policy_needs() -> None:
    found = policies.lacking(policies.KINDS[0], egress({"to": SELECTED, "ports": DNS}), ADDRESSES, pods=True)
    assert found is not None
    assert found["ip_blocks"] == []
    assert "k8s-app=node-local-dns" in found["why"]
