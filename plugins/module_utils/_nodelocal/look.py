# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the cluster is and has, as far as a cache depends on it, and what is declared for it. Reads only."""

from __future__ import annotations

import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._corefile.document import parse
from ansible_collections.kubenode.network.plugins.module_utils._kube.chain import Chain, find_chain
from ansible_collections.kubenode.network.plugins.module_utils._kube.cidrs import cluster_cidrs, kubeadm_config
from ansible_collections.kubenode.network.plugins.module_utils._kube.client import Client, Object, segment
from ansible_collections.kubenode.network.plugins.module_utils._kube.datapath import cnis, kube_proxy
from ansible_collections.kubenode.network.plugins.module_utils._kube.errors import KubeError
from ansible_collections.kubenode.network.plugins.module_utils._kube.info import zone_of
from ansible_collections.kubenode.network.plugins.module_utils._kube.reader import Reader
from ansible_collections.kubenode.network.plugins.module_utils._kube.texts import records_of
from ansible_collections.kubenode.network.plugins.module_utils._nodelocal import (
    bypass,
    corefile,
    objects,
    policies,
    preflight,
)
from ansible_collections.kubenode.network.plugins.module_utils._nodelocal.corefile import Facts, Made
from ansible_collections.kubenode.network.plugins.module_utils._nodelocal.interception import (
    Datapath,
    Decision,
    decide,
)
from ansible_collections.kubenode.network.plugins.module_utils._nodelocal.options import Options

_REDIRECTS = "/apis/cilium.io/v2/ciliumlocalredirectpolicies"


class Found(t.NamedTuple):
    """What was read, and what follows."""

    namespace: str
    service: Object
    daemon_sets: list[Object]
    held: Object | None
    """The cache's DaemonSet."""
    decision: Decision
    facts: Facts
    config_map: Object | None
    """That people edit."""
    live: dict[str, Object | None]
    """ServiceAccount, upstream and metrics Service, redirect policy, by kind and name."""
    made: Made
    warnings: list[str]

    @property
    def text(self) -> str:
        return text_of(self.config_map)


def text_of(config_map: Object | None) -> str:
    return str(((config_map or {}).get("data") or {}).get(objects.KEY, ""))


def maps_path(namespace: str, name: str = "") -> str:
    path = f"/api/v1/namespaces/{segment(namespace)}/configmaps"
    return f"{path}/{segment(name)}" if name else path


def look(client: Client, options: Options) -> Found:
    """Read and decide. Raises KubeError for whatever stands against the cache and can be told without nodes."""
    chain = find_chain(client, options.service, options.namespace)
    namespace = chain.namespace
    if chain.service == objects.UPSTREAM:
        raise KubeError(
            f"the way to the cluster's DNS leads to {namespace}/{objects.UPSTREAM}, the cache's own upstream Service; "
            "name the Service that pods ask with service"
        )
    services = {
        one["metadata"]["name"]: one for one in client.each(f"/api/v1/namespaces/{segment(namespace)}/services")
    }
    service = services[chain.service]
    daemon_sets = client.items("/apis/apps/v1/daemonsets")
    preflight.check_second_cache(daemon_sets, namespace)
    held = preflight.own_daemon_set(daemon_sets, namespace)
    reader = Reader(client)
    datapath = _datapath(client, reader, daemon_sets, options)
    decision = decide(
        options.interception, datapath, options.evidence, objects.recorded(held), options.change_interception
    )
    warnings: list[str] = []
    cluster_dns = _cluster_dns(service, options, warnings)
    served = client.find(maps_path(namespace, chain.source.name))
    theirs = str(((served or {}).get("data") or {}).get(chain.source.key, ""))
    live: dict[str, Object | None] = {
        "upstream": services.get(objects.UPSTREAM),
        "metrics": services.get(objects.NAME),
        "account": client.find(f"/api/v1/namespaces/{segment(namespace)}/serviceaccounts/{objects.NAME}"),
    }
    if decision.mode == "redirect_policy":
        live["redirect"] = client.find(
            f"/apis/cilium.io/v2/namespaces/{segment(namespace)}/ciliumlocalredirectpolicies/{objects.NAME}"
        )
    kube_dns = client.find(maps_path(namespace, "kube-dns"))
    facts = Facts(
        decision.mode, _domain(reader, options, theirs, chain), cluster_dns, _address(live["upstream"]),
        {key: value for key, value in ((kube_dns or {}).get("data") or {}).items() if key in corefile.KUBE_DNS_KEYS},
    )  # fmt: skip
    config_map = client.find(maps_path(namespace, objects.NAME))
    if config_map is not None and config_map.get("immutable"):
        raise KubeError(
            f"ConfigMap {namespace}/{objects.NAME} is immutable, which the API server lets nobody change; delete it "
            "(the pods keep what they have until they start anew) and run again"
        )
    records = records_of(config_map, objects.KEY) if config_map is not None else ""
    made = corefile.edit(text_of(config_map), records, options, facts)
    warnings += made.texts.warnings
    _check_bypass(options, theirs, made, facts, warnings)
    return Found(namespace, service, daemon_sets, held, decision, facts, config_map, live, made, warnings)


def _datapath(client: Client, reader: Reader, daemon_sets: t.Sequence[Object], options: Options) -> Datapath:
    told = kube_proxy(reader, daemon_sets)
    names = {one["name"]: one["daemon_set"] for one in cnis(daemon_sets)}
    mode, source = told["mode"], told["source"]
    if "Calico" in names:
        felix = reader.find("FelixConfiguration", "/apis/crd.projectcalico.org/v1/felixconfigurations/default")
        if ((felix or {}).get("spec") or {}).get("bpfEnabled"):
            mode, source = "ebpf", "Calico's eBPF dataplane (FelixConfiguration default, bpfEnabled)"
    if not mode and "OVN-Kubernetes" in names:
        mode, source = "ovn", f"OVN-Kubernetes (DaemonSet {names['OVN-Kubernetes']})"
    redirects = False
    if "Cilium" in names or mode == "cilium" or options.interception == "redirect_policy":
        held = reader.find("ConfigMap kube-system/cilium-config", maps_path("kube-system", "cilium-config"))
        enabled = ((held or {}).get("data") or {}).get("enable-local-redirect-policy", "")
        redirects = enabled == "true" and client.find(_REDIRECTS, limit=1) is not None
    return Datapath(mode, source, redirects)


def _cluster_dns(service: Object, options: Options, warnings: list[str]) -> tuple[str, ...]:
    """The ClusterIPs of the local addresses' family."""
    meta, spec = service["metadata"], service["spec"]
    name = f"Service {meta['namespace']}/{meta['name']}"
    every = [one for one in spec.get("clusterIPs") or [spec.get("clusterIP", "")] if one and one != "None"]
    if not every:
        raise KubeError(
            f"{name} has no ClusterIP (it is headless), so there is nothing to answer in place of; name the Service "
            "that kubelets give to pods with service"
        )
    if not spec.get("selector"):
        raise KubeError(
            f"{name} has no selector, so that no upstream Service for the same pods can be made of it; name the "
            "Service that selects CoreDNS's pods with service"
        )
    mine = tuple(one for one in every if (":" in one) == options.ipv6)
    if not mine:
        raise KubeError(
            f"local_ips: {', '.join(options.local_ips)} are of another family than the ClusterIP of {name} "
            f"({', '.join(every)}), and node-cache serves one family; give an address of the Service's family"
        )
    if len(mine) < len(every):
        others = ", ".join(one for one in every if one not in mine)
        warnings.append(
            f"{name} has {others} too, and node-cache serves one family: what pods ask there goes past the cache"
        )
    return mine


def _address(service: Object | None) -> str:
    address = ((service or {}).get("spec") or {}).get("clusterIP") or ""
    return "" if address == "None" else str(address)


def _domain(reader: Reader, options: Options, theirs: str, chain: Chain) -> str:
    domain = options.cluster_domain or (zone_of(theirs) if theirs else "")
    domain = domain or str((kubeadm_config(reader).get("networking") or {}).get("dnsDomain") or "")
    if not domain:
        raise KubeError(
            f"the cluster's domain is told neither by plugin kubernetes in ConfigMap {chain.namespace}/"
            f"{chain.source.name} nor by kubeadm-config; give cluster_domain"
        )
    return domain.rstrip(".").lower()


def _check_bypass(options: Options, theirs: str, made: Made, facts: Facts, warnings: list[str]) -> None:
    if options.external_zones_via == "cluster":
        return
    found = bypass.bypassed(theirs, parse(made.rendered), facts.domain)
    lost = [one for one in found if one.lost]
    if lost and options.on_bypass == "fail":
        raise KubeError(
            "clients of the cache would no longer get what CoreDNS serves, since the cache asks the node's resolvers "
            f"for external names: {'; '.join(map(str, lost))}. Declare it for the cache too (stub_domains, hosts), set "
            "external_zones_via: cluster, or on_bypass: warn",
            bypassed=[one._asdict() for one in found],
        )
    warnings += [f"the cache asks the node's resolvers for external names, and passes by: {one}" for one in found]


def check_nodes(
    client: Client, options: Options, found: Found, addresses: t.Mapping[str, t.Sequence[str]]
) -> list[dict[str, t.Any]]:
    """Pre-flight before nodes are touched; the network policies that keep pods from the cache.

    Raises KubeError where an address or a port is somebody else's. Further warnings go to ``found.warnings``.
    """
    reader = Reader(client)
    told = {name: list(some) for name, some in addresses.items()}
    for one in options.evidence:
        told.setdefault(one.node, []).extend(one.addresses)
    cidrs = cluster_cidrs(reader, ())
    found.warnings.extend(preflight.check_addresses(options, found.facts.cluster_dns, cidrs, told))
    bound = corefile.addresses(options, found.facts)
    found.warnings.extend(preflight.check_ports(options, bound, found.daemon_sets))
    pods = found.decision.mode == "redirect_policy"
    lacking: list[dict[str, t.Any]] = []
    for kind in policies.KINDS:
        for policy in reader.items(kind.name, kind.path):
            short = policies.lacking(kind, policy, found.facts.cluster_dns if pods else bound, pods)
            if short is not None:
                lacking.append(short)
    if lacking:
        names = "; ".join(
            f"{short['kind']} {short['name']} ({', '.join(short['ip_blocks']) or short['why']})"
            for short in lacking[:5]
        )
        more = f" and {len(lacking) - 5} more" if len(lacking) > 5 else ""
        found.warnings.append(
            f"pods under these policies do not reach the cache until the policies allow what stands behind their names "
            f"(all of them are in the result: policies): {names}{more}"
        )
    for unread in reader.unreadable:
        found.warnings.append(f"not checked, as it may not be read: {unread['what']}: {unread['why']}")
    return lacking
