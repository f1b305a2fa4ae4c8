# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands against a cache before anything is made: another one, addresses and ports that are taken. Pure."""

from __future__ import annotations

import ipaddress
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._kube.cidrs import Cidr
from ansible_collections.kubenode.network.plugins.module_utils._kube.client import Object
from ansible_collections.kubenode.network.plugins.module_utils._kube.errors import KubeError
from ansible_collections.kubenode.network.plugins.module_utils._nodelocal.compare import is_ours
from ansible_collections.kubenode.network.plugins.module_utils._nodelocal.objects import NAME, arguments
from ansible_collections.kubenode.network.plugins.module_utils._nodelocal.options import DNS_PORT, Options

# Addresses of the link-local network that others are known for.
_KNOWN = {
    "169.254.169.254": "the metadata service of clouds",
    "169.254.169.253": "Amazon's DNS server",
    "169.254.1.1": "the gateway that Calico gives to pods",
    "fe80::ecee:eeff:feee:eeee": "the gateway that Calico gives to pods",
    "fd00:ec2::254": "the metadata service of EC2",
}
_WILDCARDS = ("0.0.0.0", "::", "*", "")


def own_daemon_set(daemon_sets: t.Iterable[Object], namespace: str) -> Object | None:
    """The cache's DaemonSet where the objects are to go."""
    for one in daemon_sets:
        if (one["metadata"]["namespace"], one["metadata"]["name"]) == (namespace, NAME):
            return one
    return None


def check_second_cache(daemon_sets: t.Iterable[Object], namespace: str) -> None:
    """Raises KubeError for a node-local cache that somebody else runs, with that one's own way to switch it off."""
    for one in daemon_sets:
        meta = one["metadata"]
        place = f"{meta['namespace']}/{meta['name']}"
        mine = (meta["namespace"], meta["name"]) == (namespace, NAME)
        if not _is_cache(one) or is_ours(one):
            continue
        owner, way_out = _owner(one)
        if owner or not mine:
            raise KubeError(
                f"DaemonSet {place} is a node-local DNS cache{f' of {owner}' if owner else ''} already, and two of "
                f"them would fight for addresses and rules of the nodes: {way_out}, or leave the cache to it",
                second_cache={"daemon_set": place, "owner": owner},
            )


def _is_cache(one: Object) -> bool:
    template = one["spec"]["template"]["spec"]
    images = [container.get("image", "") for container in template["containers"]]
    return any("node-cache" in image.rpartition("/")[2] for image in images) or any(
        word.lstrip("-").partition("=")[0] == "localip" for word in arguments(one)
    )


def _owner(one: Object) -> tuple[str, str]:
    """Who runs it where that is not kubectl or Helm, and how it is switched off there."""
    meta = one["metadata"]
    labels, annotations = meta.get("labels") or {}, meta.get("annotations") or {}
    release = annotations.get("meta.helm.sh/release-name", "")
    if release == "rke2-coredns" or meta["name"].startswith("rke2-"):
        return "RKE2", "set nodelocal.enabled: false in the HelmChartConfig rke2-coredns"
    if any(label.startswith("components.gke.io/") for label in labels) or annotations.get("components.gke.io/layer"):
        return "GKE", "gcloud container clusters update --update-addons=NodeLocalDNS=DISABLED"
    if labels.get("addon.kops.k8s.io/name") or labels.get("app.kubernetes.io/managed-by") == "kops":
        return "kOps", "set kubeDNS.nodeLocalDNS.enabled: false in the cluster's spec"
    if any("gardener.cloud" in label for label in (*labels, *annotations)):
        return "Gardener", "set spec.systemComponents.nodeLocalDNS.enabled: false in the Shoot"
    if annotations.get("argocd.argoproj.io/tracking-id"):
        return "Argo CD", "take it out of the application that it is synchronised from"
    for group in ("kustomize.toolkit.fluxcd.io", "helm.toolkit.fluxcd.io"):
        if labels.get(f"{group}/name"):
            return "Flux", "take it out of the source that Flux reconciles"
    if meta["name"] == "nodelocaldns":
        return "Kubespray", "set enable_nodelocaldns: false there, and remove the DaemonSet nodelocaldns"
    return "", f"remove it first (kubectl -n {meta['namespace']} delete daemonset {meta['name']})"


def check_addresses(
    options: Options, cluster_dns: t.Sequence[str], cidrs: t.Sequence[Cidr], nodes: t.Mapping[str, t.Sequence[str]]
) -> list[str]:
    """Raises KubeError where a local address is somebody else's; warnings.

    Args:
        cluster_dns: ClusterIPs of the DNS Service.
        nodes: addresses of each node, as far as the API server and the evidence tell them.
    """
    warnings = []
    used = {str(ipaddress.ip_address(address)): node for node in nodes for address in nodes[node] if _is(address)}
    for text in options.local_ips:
        address = ipaddress.ip_address(text)
        taken = _KNOWN.get(text)
        if taken is None and text in cluster_dns:
            taken = "the ClusterIP of the cluster's DNS (interception: cluster_ip binds it by itself)"
        if taken is None and text in used:
            taken = f"an address of node {used[text]}"
        for one in cidrs if taken is None else ():
            network = ipaddress.ip_network(one.cidr, strict=False)
            if address.version == network.version and address in network:
                taken = f"in the {one.use} network {one.cidr} ({one.source})"
                break
        if taken is not None:
            raise KubeError(f"local_ips: {text} is {taken}; take a link-local address that is free: 169.254.20.10")
        if not address.is_link_local and not (address.version == 6 and address.is_private):
            warnings.append(f"local_ips: {text} is not link-local; see to it that nobody else ever gets it")
    return warnings


def _is(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def check_ports(options: Options, bound: t.Sequence[str], daemon_sets: t.Iterable[Object]) -> list[str]:
    """Raises KubeError where somebody has a port of the cache on the nodes; warnings.

    ``bound``: the addresses that the cache answers on.
    """
    for evidence in options.evidence:
        for one in evidence.listeners:
            port, address = int(one.get("port") or 0), str(one.get("address") or "")
            what = options.ports.get(port)
            everywhere = port in (options.metrics_port, options.setup_metrics_port)
            if what and (everywhere or address in _WILDCARDS or address in bound):
                who = one.get("process") or "something"
                raise KubeError(
                    f"port {port} ({what}) is taken on node {evidence.node}: {who} listens on {address or '*'}; "
                    + _way_out(port, what)
                )
    warnings = []
    for held in daemon_sets:
        meta = held["metadata"]
        if meta["name"] == NAME:
            continue
        for port in sorted(_host_ports(held) & set(options.ports)):
            place = f"DaemonSet {meta['namespace']}/{meta['name']}"
            what = options.ports[port]
            if port in (DNS_PORT, options.metrics_port):
                raise KubeError(
                    f"port {port} ({what}) of the nodes belongs to {place} already; " + _way_out(port, what)
                )
            warnings.append(
                f"{place} has port {port} ({what}) of the nodes: if it listens on all addresses one of the two does "
                "not start"
            )
    return warnings


def _way_out(port: int, what: str) -> str:
    return (
        "give the cache another: " + what if port != DNS_PORT else "nothing but the cache can have it: stop the other"
    )


def _host_ports(daemon_set: Object) -> set[int]:
    spec = daemon_set["spec"]["template"]["spec"]
    found = set()
    for container in spec["containers"]:
        for port in container.get("ports") or ():
            number = port.get("hostPort") or (port["containerPort"] if spec.get("hostNetwork") else 0)
            found.add(int(number))
    return found - {0}
