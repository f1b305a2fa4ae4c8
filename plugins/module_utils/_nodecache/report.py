# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All that a node tells of its cache, put together."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._dns import query
from ansible_collections.kubenode.network.plugins.module_utils._kubelet.names import is_subdomain
from ansible_collections.kubenode.network.plugins.module_utils._netlink.links import link_names, read_links
from ansible_collections.kubenode.network.plugins.module_utils._netlink.lookup import route_get
from ansible_collections.kubenode.network.plugins.module_utils._netlink.sock import NetlinkError, RtnlSocket
from ansible_collections.kubenode.network.plugins.module_utils._nodecache import (
    arrival,
    asking,
    clean,
    datapath,
    metrics,
    resolver,
    steps,
)
from ansible_collections.kubenode.network.plugins.module_utils._nodecache import (
    node as nodes,
)
from ansible_collections.kubenode.network.plugins.module_utils._nodecache.model import NodeCacheError
from ansible_collections.kubenode.network.plugins.module_utils._nodecache.node import (
    Node,
    Wanted,
    canonical,
    check_interface,
)
from ansible_collections.kubenode.network.plugins.module_utils._nodecache.pods import within

_PORTS = ("health_port", "metrics_port", "setup_metrics_port")
_SWITCHED_OFF = ("no query was sent", "set test_query: true")


def wanted(params: t.Mapping[str, t.Any]) -> Wanted:
    """The options, checked. Raises NodeCacheError for the first that is wrong."""
    for name in _PORTS:
        if not 0 < params[name] < 65536:
            raise NodeCacheError(f"{name}: {params[name]}, expected a port (1-65535)")
    if not params["timeout"] > 0:
        raise NodeCacheError(f"timeout: {params['timeout']:g}, expected seconds above 0")
    for name in ("interface", "pod_interface"):
        if params[name] is not None:
            check_interface(name, params[name])
    if params["node_name"] is not None and not is_subdomain(params["node_name"]):
        raise NodeCacheError(f"node_name: {params['node_name']!r}, expected the name of its Node, as kubectl shows it")
    if params["pod_interface"] and not params["pod_source"]:
        raise NodeCacheError(f"pod_interface: {params['pod_interface']!r} without pod_source, expected both or neither")
    for name in ("cluster_domain", "test_name"):
        value = params[name]
        labels = (value or "x").rstrip(".").split(".")
        if not all(0 < len(label) < 64 and label.isascii() for label in labels):
            raise NodeCacheError(f"{name}: {value!r} is no domain name: a label is empty, too long, or not ASCII")
    return Wanted(
        params["interface"],
        tuple(canonical(one, "local_ips") for one in params["local_ips"] or ()),
        tuple(canonical(one, "cluster_ips") for one in params["cluster_ips"] or ()),
        params["interception"],
        canonical(params["pod_source"], "pod_source") if params["pod_source"] else "",
        params["pod_interface"] or "",
    )


def info(params: t.Mapping[str, t.Any], root: str = "/") -> dict[str, t.Any]:
    """The module's result. Raises NodeCacheError."""
    node = nodes.read(wanted(params), [params[name] for name in _PORTS])
    seconds = float(params["timeout"])
    asked: list[asking.Asked] = []
    not_asked: tuple[str, str] | None = _SWITCHED_OFF
    if params["test_query"]:
        missing = query.missing()
        not_asked = (missing, "install it for the Python that runs this module") if missing else None
        name = params["test_name"] or f"kubernetes.default.svc.{params['cluster_domain']}"
        if not not_asked:
            asked = [
                asking.ask(address, protocol, name.rstrip(".") + ".", _pid(node, address), seconds)
                for address, protocol in steps.packets(node)
            ]
    taken = [
        steps.enter(node, _pod_routes(node)),
        steps.notrack(node),
        steps.nat(node, asked),
        steps.route(node),
        arrival.answer(node, asked, not_asked),
    ]
    results = [step.result() for step in taken]
    page = (_metrics_address(node, params["metrics_port"]), params["metrics_port"])
    found: dict[str, t.Any] = {
        "passed": all(one["status"] == "passed" for one in results),
        "steps": results,
        "findings": [finding for one in results for finding in one["findings"]],
        "addresses": [{"address": address, "use": use} for address, use in node.uses.items()],
        "interception": node.interception,
        "origin": {family: one._asdict() for family, one in node.origins.items()}[min(node.origins)],
        "listeners": arrival.listeners(node),
        "metrics": metrics.report(*page, params["setup_metrics_port"], seconds),
        "datapath": datapath.evidence(node.ruleset, node.links, seconds, root),
    }
    if any(one.reply for one in asked):
        first = next(one.address for one in asked if one.reply)
        found["hit"] = asking.prove_hit(first, params["cluster_domain"], _pid(node, first), seconds, page)
    elif params["test_query"]:
        found["hit"] = {"proved": False, "reason": not_asked[0] if not_asked else "no query was answered"}
    found["resolver"] = resolver.copies(node.pods, node.uses, params["cluster_domain"], root)
    _pods_and_leftovers(found, node, root, params.get("node_name") or os.uname().nodename.lower())
    return found


def _pods_and_leftovers(found: dict[str, t.Any], node: Node, root: str, name: str) -> None:
    local = {address for address, use in node.uses.items() if use == "local"}
    found["pods"] = [{**pod._asdict(), "asks_cache": pod.asks(local)} for pod in node.pods]
    with RtnlSocket() as sock:
        left = clean.find(sock, node.ruleset, node.wanted.interface, node.uses, root)
    found["leftovers"] = [] if left.running else left.lines
    found["node_evidence"] = {
        "node": name,
        "kube_proxy_mode": found["datapath"]["kube_proxy_mode"],
        "addresses": [
            one.address
            for one in node.addresses
            if one.interface not in (node.wanted.interface, "lo") and one.scope == 0
        ],
        "listeners": [
            {"address": one["address"], "port": one["port"], "protocol": one["protocol"], "process": one["command"]}
            for one in found["listeners"]
            if not one["cache"]
        ],
        "old_resolver_pods": sorted({pod.told for pod in node.pods if pod.asks(local)}),
    }


def _pid(node: Node, address: str) -> int:
    return node.origin(address).pid


def _metrics_address(node: Node, port: int) -> str:
    """Where the page is to be had: the Corefile names a port of all addresses, or the cache's own."""
    for one in node.listeners:
        if one.port == port and one.protocol == "tcp":
            return {"0.0.0.0": "127.0.0.1", "::": "127.0.0.1"}.get(one.address, one.address)
    return "127.0.0.1"


def _pod_routes(node: Node) -> dict[str, str]:
    """The addresses that a pod has no way to, with the words of its kernel."""
    refused: dict[str, str] = {}
    for address in node.uses:
        pid = _pid(node, address)
        if not pid:
            continue

        def ask(address: str = address) -> str:
            with RtnlSocket() as sock:
                answer = route_get(sock, link_names(read_links(sock)), address)
            return answer.error or ("" if answer.type == "unicast" else f"its route is {answer.type}")

        try:
            words = within(pid, ask)
        except (OSError, NetlinkError, ValueError) as error:
            words = f"its namespace cannot be entered: {error}"
        if words:
            refused[address] = words
    return refused
