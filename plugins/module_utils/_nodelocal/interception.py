# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of a query: decided from evidence, and never otherwise than before without being told. Pure.

In ``cluster_ip`` the node itself has the ClusterIP, so that packets to it are local before kube-proxy's rules see them
(iptables, nftables). It cannot work where Services are done before that: IPVS has the ClusterIP on an interface of its
own already, and eBPF datapaths rewrite the destination in the pod's socket or on its veth.
"""

from __future__ import annotations

import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._kube.errors import KubeError
from ansible_collections.kubenode.network.plugins.module_utils._nodelocal.options import Evidence

_BY_RULES = ("iptables", "nftables")


class Datapath(t.NamedTuple):
    """What the cluster says of how Services are done."""

    mode: str
    """iptables, nftables, ipvs, cilium, or ebpf and ovn where a CNI does it; empty: not to be told."""
    source: str
    redirect_policies: bool = False
    """Cilium takes local redirect policies here."""


class Decision(t.NamedTuple):
    """What was decided."""

    mode: str
    why: str


def decide(
    wanted: str, datapath: Datapath, evidence: t.Sequence[Evidence], recorded: str = "", change: bool = False
) -> Decision:
    """The interception. Raises KubeError where it cannot be told, cannot work, or is not the recorded one.

    Args:
        wanted: the option.
        evidence: of the nodes; it counts for more than what the cluster says of itself.
        recorded: of an earlier run, or what the objects that are taken over do.
        change: another than the recorded one is meant.
    """
    mode, source = _mode(datapath, evidence)
    found = _auto(mode, source, datapath, recorded) if wanted == "auto" else Decision(wanted, "it was chosen")
    _check(found.mode, mode, source, datapath)
    if recorded and found.mode != recorded and not change:
        how = f"now {found.why}, which would be {found.mode}" if wanted == "auto" else f"{found.mode} was asked for"
        raise KubeError(
            f"interception: the cache was set up with {recorded}, and {how}; moving pods from one to the other takes "
            f"its own order (docs/guide-dns-cache.md): set interception: {recorded} to keep it, or "
            "change_interception: true"
        )
    return found


def _mode(datapath: Datapath, evidence: t.Sequence[Evidence]) -> tuple[str, str]:
    told: dict[str, list[str]] = {}
    for one in evidence:
        if one.mode:
            told.setdefault(one.mode, []).append(one.node)
    if len(told) > 1:
        sides = "; ".join(f"{mode} on {_some(nodes)}" for mode, nodes in sorted(told.items()))
        raise KubeError(
            f"interception: nodes do Services in different ways ({sides}), and one DaemonSet intercepts in one way; "
            "bring kube-proxy to one mode on all nodes, or choose node_selector so that the cache runs on those of one "
            "mode"
        )
    if told:
        mode, nodes = next(iter(told.items()))
        return mode, f"node_evidence of {_some(nodes)}"
    return datapath.mode, datapath.source


def _auto(mode: str, source: str, datapath: Datapath, recorded: str) -> Decision:
    if mode in _BY_RULES:
        return Decision("cluster_ip", f"kube-proxy runs in {mode} mode ({source})")
    if mode == "ipvs":
        return Decision("local_ip", f"kube-proxy runs in IPVS mode ({source})")
    if mode == "cilium":
        if datapath.redirect_policies:
            return Decision("redirect_policy", f"Cilium does Services ({source}) and takes local redirect policies")
        raise KubeError(
            f"interception: Cilium does Services here ({source}), and local redirect policies are not enabled; enable "
            "localRedirectPolicies.enabled in Cilium's Helm values, or set interception: local_ip"
        )
    if mode in ("ebpf", "ovn"):
        return Decision("local_ip", f"Services are done by {source}, before a node's own address would count")
    if recorded:
        return Decision(recorded, "it is recorded, and nothing tells how Services are done")
    raise KubeError(
        "interception: nothing tells how Services are done in this cluster (no ConfigMap kube-proxy, no CNI that is "
        "known to do it); give node_evidence (module nodelocaldns_node_info), or set interception"
    )


def _check(wanted: str, mode: str, source: str, datapath: Datapath) -> None:
    if wanted == "cluster_ip" and mode and mode not in _BY_RULES:
        ways = "local_ip or redirect_policy" if mode == "cilium" else "local_ip"
        raise KubeError(
            f"interception: cluster_ip cannot work where Services are done by {mode} ({source}): queries would pass "
            f"the cache by, or the address is taken; use {ways}"
        )
    if wanted == "redirect_policy" and not datapath.redirect_policies:
        raise KubeError(
            "interception: redirect_policy needs Cilium with local redirect policies, and this cluster has no "
            "CiliumLocalRedirectPolicy or has them disabled (enable-local-redirect-policy in ConfigMap cilium-config); "
            "enable localRedirectPolicies.enabled in Cilium's Helm values, or use another"
        )


def _some(names: t.Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
