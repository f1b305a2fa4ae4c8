# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a cluster says of its DNS and its networks, in one answer; with few rights too."""

from __future__ import annotations

import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._kube.chain import Chain, find_chain
from ansible_collections.kubenode.network.plugins.module_utils._kube.cidrs import (
    cluster_cidrs,
    kubeadm_config,
    overlaps,
)
from ansible_collections.kubenode.network.plugins.module_utils._kube.client import Client, Object, segment
from ansible_collections.kubenode.network.plugins.module_utils._kube.datapath import cnis, kube_proxy
from ansible_collections.kubenode.network.plugins.module_utils._kube.errors import Answered, KubeError
from ansible_collections.kubenode.network.plugins.module_utils._kube.owner import find_owner
from ansible_collections.kubenode.network.plugins.module_utils._kube.reader import Reader
from ansible_collections.kubenode.network.plugins.module_utils._kube.scale import state_of


def cluster_dns(client: Client, service: str | None = None, namespace: str | None = None) -> dict[str, t.Any]:
    """The result of cluster_dns_info. Raises KubeError where there is no DNS Service, or nothing may be read."""
    reader = Reader(client)
    refused: Answered | None = None
    dns = _NO_DNS
    try:
        dns = _dns(reader, find_chain(client, service, namespace))
    except Answered as error:
        if error.status not in (401, 403):
            raise
        refused = error
        reader.unreadable.append({"what": "the way to the cluster's DNS", "why": error.message})
    nodes = reader.items("Nodes", "/api/v1/nodes")
    daemon_sets = reader.items("DaemonSets", "/apis/apps/v1/daemonsets")
    cidrs = cluster_cidrs(reader, nodes)
    if refused is not None and not (nodes or daemon_sets or cidrs):
        raise refused
    return {
        **dns,
        "cluster_domain": _domain(reader, dns),
        "cidrs": [one._asdict() for one in cidrs],
        "overlaps": overlaps(cidrs),
        "nodes": [_node(one) for one in nodes],
        "cnis": cnis(daemon_sets),
        "kube_proxy": kube_proxy(reader, daemon_sets),
        "unreadable": [dict(pair) for pair in dict.fromkeys(tuple(one.items()) for one in reader.unreadable)],
        "requests": client.requests,
    }


_NO_DNS: dict[str, t.Any] = {
    "service": None, "config_map": None, "corefile": None, "reaches_pods": None, "workload": None, "pods": [],
    "owner": None, "chain": [],
}  # fmt: skip
"""Where the Services may not be read."""


def _dns(reader: Reader, chain: Chain) -> dict[str, t.Any]:
    place = segment(chain.namespace)
    path = f"/api/v1/namespaces/{place}/configmaps/{segment(chain.source.name)}"
    config_map = reader.find(f"ConfigMap {chain.namespace}/{chain.source.name}", path)
    owner = find_owner(config_map, chain.workload_object) if config_map is not None else None
    return {
        "service": {"namespace": chain.namespace, "name": chain.service, "cluster_ips": list(chain.cluster_ips)},
        "config_map": {"namespace": chain.namespace, "name": chain.source.name, "key": chain.source.key},
        "corefile": ((config_map or {}).get("data") or {}).get(chain.source.key),
        "reaches_pods": not chain.source.fixed,
        "workload": {"kind": chain.workload[0], "name": chain.workload[1], **state_of(reader, chain)},
        "pods": [
            {"name": pod.name, "node": pod.node, "ip": pod.ip, "ready": pod.ready, "restarts": pod.restarts}
            for pod in chain.pods
        ],
        "owner": owner._asdict() if owner is not None else None,
        "chain": list(chain.steps),
    }


def _domain(reader: Reader, dns: dict[str, t.Any]) -> dict[str, str]:
    """The cluster's domain: the zone that the Corefile serves, else what kubeadm wrote."""
    zone = zone_of(dns["corefile"] or "")
    if zone:
        where = "{namespace}/{name}".format(**dns["config_map"])
        return {"name": zone, "source": f"plugin kubernetes in ConfigMap {where}"}
    found = (kubeadm_config(reader).get("networking") or {}).get("dnsDomain") or ""
    source = "ConfigMap kube-system/kubeadm-config, networking.dnsDomain" if found else ""
    return {"name": str(found), "source": source}


def _node(node: Object) -> dict[str, t.Any]:
    spec, status = node.get("spec") or {}, node.get("status") or {}
    addresses = [one["address"] for one in status.get("addresses") or () if one["type"] == "InternalIP"]
    return {
        "name": node["metadata"]["name"],
        "addresses": addresses,
        "pod_cidrs": spec.get("podCIDRs") or ([spec["podCIDR"]] if spec.get("podCIDR") else []),
    }


def zone_of(corefile: str) -> str:
    """The first zone that plugin kubernetes serves which is no reverse zone; empty where there is none."""
    from ansible_collections.kubenode.network.plugins.module_utils._corefile.document import parse
    from ansible_collections.kubenode.network.plugins.module_utils._corefile.errors import CorefileError

    try:
        document = parse(corefile)
    except CorefileError as error:
        raise KubeError(f"the cluster's Corefile cannot be understood: {error}") from error
    for block in document.blocks:
        for directive in block.plugins("kubernetes"):
            for zone in directive.args or block.keys:
                if not zone.rstrip(".").endswith(".arpa") and zone not in ("", "."):
                    return zone.rstrip(".")
    return ""
