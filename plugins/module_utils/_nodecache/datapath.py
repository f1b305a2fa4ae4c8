# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How Services are done on this node: by kube-proxy's own answer, by what stands in the kernel, by CNI files."""

from __future__ import annotations

import json
import os
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._netlink.objects import Link
from ansible_collections.kubenode.network.plugins.module_utils._nodecache import metrics
from ansible_collections.kubenode.network.plugins.module_utils._nodecache.model import Ruleset
from ansible_collections.kubenode.network.plugins.module_utils._state.cni import find_networks
from ansible_collections.kubenode.network.plugins.module_utils._state.cni_files import FOLDER

# KubeProxyConfiguration: metricsBindAddress.
_PROXY_PORT = 10249
_PROXY_PATH = "/proxyMode"
_MODES = ("iptables", "nftables", "ipvs")
_INTERCEPTION = {"iptables": "cluster_ip", "nftables": "cluster_ip", "ipvs": "local_ip", "cilium": "redirect_policy"}
_NFT_TABLE = "kube-proxy"
_SERVICES = "KUBE-SERVICES"
# Types of CNI plugins, and whose they are.
_PLUGINS = {
    "calico": "Calico", "cilium-cni": "Cilium", "flannel": "Flannel", "antrea": "Antrea", "weave-net": "Weave Net",
    "aws-cni": "AWS VPC CNI", "azure-vnet": "Azure CNI", "ovn-k8s-cni-overlay": "OVN", "bridge": "a CNI bridge",
    "ptp": "a CNI bridge",
}  # fmt: skip
Found = dict[str, t.Any]


def evidence(ruleset: Ruleset, links: t.Mapping[str, Link], seconds: float, root: str = "/") -> Found:
    """``kube_proxy_mode``, ``source``, ``interception``, ``evidence``, ``conflicts`` and ``cnis``."""
    told: list[str] = []
    mode, source = _proxy(seconds, told)
    standing = _standing(ruleset, links, told)
    cnis = _cnis(links, root, told)
    conflicts = []
    if not mode and standing:
        mode, source = next(iter(standing.items()))
    elif not mode and "Cilium" in cnis:
        mode, source = "cilium", "Cilium's interfaces, and nothing of kube-proxy's on the node"
    for other, where in standing.items():
        if mode and other != mode:
            conflicts.append(
                f"{source} says {mode}, and {where} of mode {other} stand in the kernel: "
                f"'kube-proxy --cleanup' takes away what an earlier mode left"
            )
    return {
        "kube_proxy_mode": mode,
        "source": source,
        "interception": _INTERCEPTION.get(mode, ""),
        "evidence": told,
        "conflicts": conflicts,
        "cnis": cnis,
    }


def _proxy(seconds: float, told: list[str]) -> tuple[str, str]:
    url = f"http://127.0.0.1:{_PROXY_PORT}{_PROXY_PATH}"
    try:
        words = metrics.fetch("127.0.0.1", _PROXY_PORT, seconds, _PROXY_PATH).strip()
    except OSError as error:
        told.append(f"{url}: {error.strerror or error}")
        return "", ""
    told.append(f"{url} answers {words[:40]!r}")
    return (words, url) if words in _MODES else ("", "")


def _standing(ruleset: Ruleset, links: t.Mapping[str, Link], told: list[str]) -> dict[str, str]:
    """Modes that something in the kernel speaks for, the strongest first. IPVS has KUBE-* chains of iptables too."""
    found: dict[str, str] = {}
    if "kube-ipvs0" in links:
        found["ipvs"] = "the interface kube-ipvs0"
    try:
        with open("/proc/thread-self/net/ip_vs", encoding="ascii") as file:
            services = sum(line.startswith(("TCP", "UDP")) for line in file)
    except OSError:
        services = 0
    if services:
        found.setdefault("ipvs", "the virtual servers of IPVS")
        told.append(f"{services} virtual servers of IPVS")
    tables = sorted({chain.family for chain in ruleset.chains.values() if chain.table == _NFT_TABLE})
    if tables:
        found["nftables"] = f"table {_NFT_TABLE} of nftables"
        told.append(f"table {_NFT_TABLE} of nftables ({', '.join(tables)})")
    origins = sorted(
        {
            chain.origin
            for chain in ruleset.chains.values()
            if chain.name == _SERVICES and chain.table == "nat" and chain.raw
        }
    )
    if origins and "ipvs" not in found:
        found["iptables"] = f"rules of {_SERVICES} in {' and '.join(origins)}"
    if origins:
        told.append(f"rules of {_SERVICES} in the nat table of {' and '.join(origins)}")
    if "ipvs" in found:
        told.append(found["ipvs"])
    return found


def _cnis(links: t.Mapping[str, Link], root: str, told: list[str]) -> list[str]:
    names = {name for name in find_networks(dict(links)).names if name not in ("kube-proxy", "NodeLocal DNSCache")}
    names.discard("a container engine")
    folder = os.path.join(root, FOLDER[1:])
    try:
        files = sorted(name for name in os.listdir(folder) if name.endswith((".conf", ".conflist", ".json")))
    except OSError:
        files = []
    # The kubelet takes the first file, and no other.
    for name in files[:1]:
        try:
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                config = json.load(file)
            types = [str(one.get("type")) for one in config.get("plugins", [config])]
        except (OSError, ValueError, AttributeError) as error:
            told.append(f"{FOLDER}/{name} cannot be read: {error}")
            continue
        told.append(f"{FOLDER}/{name}: {', '.join(types)}")
        names |= {_PLUGINS[kind] for kind in types if kind in _PLUGINS}
    return sorted(names)
