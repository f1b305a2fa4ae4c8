# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``state: absent``: the cache goes from nodes, and with the last of them its objects, in an order that breaks no pod.

A pod that holds the cache's own address has no DNS without it: so the cache stays on a node until none is left. What
the ClusterIP's clients need is there all the time: node-cache takes interface and rules away when it ends, and
kube-proxy leads the ClusterIP on.
"""

from __future__ import annotations

import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._kube.cidrs import yaml_of
from ansible_collections.kubenode.network.plugins.module_utils._kube.client import Client, Object, segment
from ansible_collections.kubenode.network.plugins.module_utils._kube.errors import KubeError
from ansible_collections.kubenode.network.plugins.module_utils._kube.reader import Reader
from ansible_collections.kubenode.network.plugins.module_utils._nodelocal import apply, compare, objects, waves
from ansible_collections.kubenode.network.plugins.module_utils._nodelocal.back import find
from ansible_collections.kubenode.network.plugins.module_utils._nodelocal.look import maps_path, text_of
from ansible_collections.kubenode.network.plugins.module_utils._nodelocal.options import Options
from ansible_collections.kubenode.network.plugins.module_utils._nodelocal.waves import Say


def absent(client: Client, options: Options, check_mode: bool, say: Say) -> dict[str, t.Any]:
    """Remove the cache from the nodes of this wave, or all of it. Raises KubeError; then nothing was removed."""
    held = find(client, options)
    namespace = held["metadata"]["namespace"] if held is not None else options.namespace or "kube-system"
    nodes, _addresses = waves.nodes_now(client, {})
    pods = waves.pods_now(client, waves.place_of(held)) if held is not None else []
    names = [name for name in options.nodes if name in nodes] if options.nodes is not None else None
    mine = None if names is None else set(names)
    going = {pod.node for pod in pods if mine is None or pod.node in mine}
    if held is not None and objects.recorded(held) == "local_ip":
        _check_pods(client, options, held, going)
    result: dict[str, t.Any] = {"changes": [], "pods": [], "corefile": "", "warnings": []}
    changes: list[str] = result["changes"]
    if names is not None:
        todo = [name for name in names if not nodes[name].held] if held is not None else []
        if todo or going & set(names):
            changes.append(f"took the cache from {', '.join(names[:10])}")
        if changes and not check_mode and held is not None:
            waves.hold(client, todo, True)
            waves.wait_gone(client, waves.place_of(held), names, options.wait_timeout, say)
    else:
        result["corefile"] = text_of(client.find(maps_path(namespace, objects.NAME)))
        _remove(client, options, namespace, held, changes, check_mode, say)
        labelled = sorted(name for name, node in nodes.items() if node.held)
        if labelled:
            changes.append(f"took the hold label from {len(labelled)} nodes")
            if not check_mode:
                waves.hold(client, labelled, False)
    state = {
        "current": [] if names is None else sorted({pod.node for pod in pods} - set(names)), "outdated": [],
        "held": sorted(name for name in nodes if nodes[name].held), "waiting": [],
    }  # fmt: skip
    decided = {"mode": objects.recorded(held) if held is not None else "", "why": "it was recorded"}
    return {
        **result, "changed": bool(changes), "nodes": state, "interception": decided, "requests": client.requests,
    }  # fmt: skip


def _check_pods(client: Client, options: Options, held: Object, going: t.Collection[str]) -> None:
    """Raises KubeError while something still holds an address that goes with the cache."""
    addresses = objects.bound(held)
    kubelet = Reader(client).find("ConfigMap kubelet-config", maps_path("kube-system", "kubelet-config"))
    named = [str(one) for one in yaml_of(kubelet, "kubelet").get("clusterDNS") or ()]
    if options.nodes is None and set(named) & set(addresses):
        raise KubeError(
            f"ConfigMap kube-system/kubelet-config has clusterDNS: {', '.join(named)}, so that a node that joins would "
            "give its pods an address that nobody answers on; put the ClusterIP back there first "
            "(module kubelet_config_map), then on each node (module kubelet_dns), then recreate the pods"
        )
    told = {one.node: one.old_pods for one in options.evidence}
    unknown = sorted(node for node in going if told.get(node) is None)
    if unknown:
        raise KubeError(
            f"pods on {_some(unknown)} may still have {', '.join(addresses)} as their resolver, and would be without "
            "DNS; give node_evidence with old_resolver_pods for these nodes (module nodelocaldns_node_info)"
        )
    for node in sorted(going):
        left = told[node]
        if left:
            raise KubeError(
                f"on node {node} {_some(list(left))} still have {', '.join(addresses)} as their resolver, and would be "
                "without DNS; recreate them after kubelet's clusterDNS was moved (dns_cache_recreate_pods: evict)",
                old_resolver_pods={node: list(left)},
            )


def _remove(
    client: Client,
    options: Options,
    namespace: str,
    held: Object | None,
    changes: list[str],
    check_mode: bool,
    say: Say,
) -> None:
    place = f"/api/v1/namespaces/{segment(namespace)}"
    if held is not None and objects.recorded(held) == "redirect_policy":
        # Before the pods: Cilium leads queries to them as long as it is there.
        base = f"/apis/cilium.io/v2/namespaces/{segment(namespace)}/ciliumlocalredirectpolicies"
        changes.append(f"removed CiliumLocalRedirectPolicy {namespace}/{objects.NAME}")
        if not check_mode:
            apply.delete(client, f"{base}/{objects.NAME}")
    if held is not None:
        changes.append(f"removed DaemonSet {namespace}/{objects.NAME}")
        if not check_mode:
            path = f"/apis/apps/v1/namespaces/{segment(namespace)}/daemonsets/{objects.NAME}"
            apply.delete(client, path, propagationPolicy="Background")
            waves.wait_gone(client, waves.place_of(held), None, options.wait_timeout, say)
    for kind, path in (
        ("Service", f"{place}/services/{objects.NAME}"),
        ("ServiceAccount", f"{place}/serviceaccounts/{objects.NAME}"),
        ("Service", f"{place}/services/{objects.UPSTREAM}"),
    ):
        thing = client.find(path)
        if thing is None or not compare.is_ours(thing):
            continue
        changes.append(f"removed {kind} {namespace}/{thing['metadata']['name']}")
        if not check_mode:
            apply.delete(client, path)
    for one in client.items(maps_path(namespace), labelSelector=f"app.kubernetes.io/managed-by={objects.MANAGER}"):
        _remove_map(client, namespace, one["metadata"]["name"], changes, check_mode)
    if held is not None and not any(change.endswith(f"ConfigMap {namespace}/{objects.NAME}") for change in changes):
        # One that was there before, whose DaemonSet was taken over, has no label of ours.
        _remove_map(client, namespace, objects.NAME, changes, check_mode)


def _remove_map(client: Client, namespace: str, name: str, changes: list[str], check_mode: bool) -> None:
    if not name.startswith(objects.NAME):
        return
    changes.append(f"removed ConfigMap {namespace}/{name}")
    if not check_mode:
        apply.delete(client, maps_path(namespace, name))


def _some(names: t.Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
