# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The networks of a cluster (nodes, pods, services), each with where it was read, and which of them overlap."""

from __future__ import annotations

import ipaddress
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._kube.client import Object
from ansible_collections.kubenode.network.plugins.module_utils._kube.reader import Reader

Network = t.Union[ipaddress.IPv4Network, ipaddress.IPv6Network]
_KUBE_SYSTEM = "/api/v1/namespaces/kube-system/configmaps"


class Cidr(t.NamedTuple):
    """A network, what it is for, and the object that says so."""

    cidr: str
    use: str
    """``service``, ``pod`` or ``node`` (a network of one address)."""
    source: str


def cluster_cidrs(reader: Reader, nodes: t.Sequence[Object] | None = None) -> list[Cidr]:
    """All that the cluster's objects tell; ``nodes`` where they were read already. The same network once per source."""
    found: list[Cidr] = []
    for one in reader.items("ServiceCIDRs", "/apis/networking.k8s.io/v1/servicecidrs"):
        for cidr in one["spec"].get("cidrs") or ():
            found.append(Cidr(cidr, "service", f"ServiceCIDR {one['metadata']['name']}"))
    kubeadm = kubeadm_config(reader)
    networking = kubeadm.get("networking") or {}
    for key, use in (("serviceSubnet", "service"), ("podSubnet", "pod")):
        for cidr in str(networking.get(key) or "").split(","):
            found.append(Cidr(cidr.strip(), use, f"ConfigMap kube-system/kubeadm-config, networking.{key}"))
    proxy = yaml_of(reader.find("ConfigMap kube-system/kube-proxy", f"{_KUBE_SYSTEM}/kube-proxy"), "config.conf")
    for cidr in str(proxy.get("clusterCIDR") or "").split(","):
        found.append(Cidr(cidr.strip(), "pod", "ConfigMap kube-system/kube-proxy, clusterCIDR"))
    for pool in reader.items("Calico's IPPools", "/apis/crd.projectcalico.org/v1/ippools"):
        if not pool["spec"].get("disabled"):
            found.append(Cidr(pool["spec"]["cidr"], "pod", f"Calico IPPool {pool['metadata']['name']}"))
    found += _cilium(reader)
    for node in nodes if nodes is not None else reader.items("Nodes", "/api/v1/nodes"):
        spec = node.get("spec") or {}
        for cidr in spec.get("podCIDRs") or ([spec["podCIDR"]] if spec.get("podCIDR") else ()):
            found.append(Cidr(cidr, "pod", f"Node {node['metadata']['name']}, spec.podCIDRs"))
        for address in (node.get("status") or {}).get("addresses") or ():
            if address["type"] in ("InternalIP", "ExternalIP"):
                alone = f"{address['address']}/{128 if ':' in address['address'] else 32}"
                found.append(Cidr(alone, "node", f"Node {node['metadata']['name']}, {address['type']}"))
    return [one for one in dict.fromkeys(found) if _network(one.cidr) is not None]


def _cilium(reader: Reader) -> t.Iterator[Cidr]:
    held = reader.find("ConfigMap kube-system/cilium-config", f"{_KUBE_SYSTEM}/cilium-config")
    data = (held or {}).get("data") or {}
    for key in ("cluster-pool-ipv4-cidr", "cluster-pool-ipv6-cidr", "ipv4-native-routing-cidr"):
        for cidr in (data.get(key) or "").replace(",", " ").split():
            yield Cidr(cidr, "pod", f"ConfigMap kube-system/cilium-config, {key}")
    for one in reader.items("Cilium's nodes", "/apis/cilium.io/v2/ciliumnodes"):
        for cidr in ((one.get("spec") or {}).get("ipam") or {}).get("podCIDRs") or ():
            yield Cidr(cidr, "pod", f"CiliumNode {one['metadata']['name']}")


def kubeadm_config(reader: Reader) -> Object:
    """ClusterConfiguration of kubeadm; empty where there is none."""
    held = reader.find("ConfigMap kube-system/kubeadm-config", f"{_KUBE_SYSTEM}/kubeadm-config")
    return yaml_of(held, "ClusterConfiguration")


def yaml_of(config_map: Object | None, key: str) -> Object:
    """A mapping in a ConfigMap's key; empty where it is not there, or is no mapping."""
    import yaml

    try:
        value = yaml.safe_load(((config_map or {}).get("data") or {}).get(key) or "")
    except yaml.YAMLError:
        return {}
    return value if isinstance(value, dict) else {}


def overlaps(cidrs: t.Sequence[Cidr]) -> list[str]:
    """Networks for different uses that share addresses; a sentence each, with both sides and where they stand.

    Kubernetes needs the three apart (kubeadm's and the CNIs' documentation): a Service's address that is also a pod's
    or a node's leads to either of them.
    """
    known = [(network, one) for one in cidrs for network in [_network(one.cidr)] if network is not None]
    # Networks hold one another or share nothing: those that hold the present one are a stack, the widest at its bottom.
    known.sort(key=lambda pair: (pair[0].version, int(pair[0].network_address), pair[0].prefixlen))
    found = []
    around: list[tuple[Network, Cidr]] = []
    for network, one in known:
        while around and not _holds(around[-1][0], network):
            around.pop()
        for _wide, other in around:
            if other.use != one.use:
                found.append(
                    f"the {other.use} network {other.cidr} ({other.source}) overlaps the {one.use} network {one.cidr} "
                    f"({one.source})"
                )
        around.append((network, one))
    return found


def _holds(wide: Network, network: Network) -> bool:
    return wide.version == network.version and int(wide.broadcast_address) >= int(network.broadcast_address)


def _network(cidr: str) -> Network | None:
    try:
        return ipaddress.ip_network(cidr, strict=False)
    except ValueError:
        return None
