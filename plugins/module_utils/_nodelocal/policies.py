# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Network policies that let pods ask the cluster's DNS pods, and would not let them ask the cache. Pure.

A rule that allows DNS by the labels of pods matches what kube-proxy has led to a pod. A cache in the node's network is
no pod: packets to it keep their destination, which only an ipBlock names.
"""

from __future__ import annotations

import ipaddress
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._kube.client import Object
from ansible_collections.kubenode.network.plugins.module_utils._nodelocal.objects import LABELS
from ansible_collections.kubenode.network.plugins.module_utils._nodelocal.options import DNS_PORT


class Kind(t.NamedTuple):
    """A kind of network policy."""

    name: str
    path: str


KINDS = (
    Kind("NetworkPolicy", "/apis/networking.k8s.io/v1/networkpolicies"),
    Kind("Calico NetworkPolicy", "/apis/crd.projectcalico.org/v1/networkpolicies"),
    Kind("Calico GlobalNetworkPolicy", "/apis/crd.projectcalico.org/v1/globalnetworkpolicies"),
    Kind("CiliumNetworkPolicy", "/apis/cilium.io/v2/ciliumnetworkpolicies"),
    Kind("CiliumClusterwideNetworkPolicy", "/apis/cilium.io/v2/ciliumclusterwidenetworkpolicies"),
)


# Cilium, "Entities based": those that an address of the node itself is part of.
_WITH_NODES = {"host", "cluster", "all"}


class _Rule(t.NamedTuple):
    """A rule for egress, as the kinds have it in common."""

    dns: bool
    """It is about DNS."""
    everywhere: bool
    by_selector: bool
    networks: tuple[str, ...]


def lacking(kind: Kind, policy: Object, addresses: t.Sequence[str], pods: bool) -> dict[str, t.Any] | None:
    """What a policy lacks for pods to reach the cache at ``addresses``; None where nothing.

    ``pods``: the cache has pods of its own network (a redirect policy), so that a selector can name them.
    """
    if kind.name == "NetworkPolicy":
        rules = list(_kubernetes(policy))
    elif kind.name.startswith("Calico"):
        rules = list(_calico(policy))
    else:
        rules = list(_cilium(policy))
    about = [rule for rule in rules if rule.dns]
    if not any(rule.by_selector for rule in about) or any(rule.everywhere for rule in about):
        return None
    networks = [network for rule in about for network in rule.networks]
    missing = [address for address in addresses if not any(_in(address, network) for network in networks)]
    if not missing and not pods:
        return None
    meta = policy["metadata"]
    name = f"{meta['namespace']}/{meta['name']}" if meta.get("namespace") else meta["name"]
    blocks = [] if pods else [f"{address}/{128 if ':' in address else 32}" for address in missing]
    why = "it allows DNS by labels of pods only" + (
        f"; the cache's pods have {', '.join(f'{key}={value}' for key, value in LABELS.items())}" if pods else ""
    )
    if kind.name.startswith("Cilium") and not pods:
        why += "; to Cilium an address of the node itself is toEntities: [host]"
    return {"kind": kind.name, "name": name, "why": why, "ip_blocks": blocks}


def _kubernetes(policy: Object) -> t.Iterator[_Rule]:
    spec = policy.get("spec") or {}
    if "Egress" not in (spec.get("policyTypes") or (["Egress"] if spec.get("egress") else [])):
        return
    for rule in spec.get("egress") or ():
        peers = rule.get("to") or []
        yield _Rule(
            not rule.get("ports") or any(_port(one) for one in rule["ports"]), not peers,
            any("podSelector" in one or "namespaceSelector" in one for one in peers),
            tuple(one["ipBlock"]["cidr"] for one in peers if "ipBlock" in one),
        )  # fmt: skip


def _port(port: Object) -> bool:
    number = port.get("port")
    if number is None:
        return True
    if isinstance(number, int) and port.get("endPort"):
        return number <= DNS_PORT <= int(port["endPort"])
    return number == DNS_PORT or (isinstance(number, str) and number.startswith("dns"))


def _calico(policy: Object) -> t.Iterator[_Rule]:
    for rule in (policy.get("spec") or {}).get("egress") or ():
        if rule.get("action") != "Allow":
            continue
        to = rule.get("destination") or {}
        selects = any(to.get(key) for key in ("selector", "namespaceSelector", "services", "serviceAccounts"))
        nets = tuple(to.get("nets") or ())
        yield _Rule(
            not to.get("ports") or any(_calico_port(one) for one in to["ports"]),
            not selects and not nets,
            selects,
            nets,
        )


def _calico_port(port: t.Any) -> bool:
    low, colon, high = str(port).partition(":")
    if colon and low.isdigit() and high.isdigit():
        return int(low) <= DNS_PORT <= int(high)
    return str(port) == str(DNS_PORT) or str(port).startswith("dns")


def _cilium(policy: Object) -> t.Iterator[_Rule]:
    specs = [policy.get("spec"), *(policy.get("specs") or ())]
    for rule in [rule for spec in specs if spec for rule in spec.get("egress") or ()]:
        ports = [port for one in rule.get("toPorts") or () for port in one.get("ports") or ()]
        nets = [*(rule.get("toCIDR") or ()), *(one["cidr"] for one in rule.get("toCIDRSet") or () if "cidr" in one)]
        entities = set(rule.get("toEntities") or ())
        selects = any(rule.get(key) for key in ("toEndpoints", "toServices"))
        yield _Rule(
            not ports or any(str(one.get("port")) in (str(DNS_PORT), "0") for one in ports),
            bool(entities & _WITH_NODES) or not (selects or nets or entities or rule.get("toFQDNs")),
            selects, tuple(nets),
        )  # fmt: skip


def _in(address: str, network: str) -> bool:
    try:
        return ipaddress.ip_address(address) in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False
