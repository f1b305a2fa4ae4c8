# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which pods of a node have an older copy of the node's own resolver.

A pod with dnsPolicy Default, CoreDNS above all, gets a copy of the file that the kubelet's resolvConf names, made once,
when the pod is (pkg/kubelet/network/dns/dns.go): three servers, and what its dnsConfig adds comes behind.
"""

from __future__ import annotations

import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._kubelet.errors import KubeletError
from ansible_collections.kubenode.network.plugins.module_utils._kubelet.sources import DEFAULTS, find_node, handed_out
from ansible_collections.kubenode.network.plugins.module_utils._nodecache.pods import Pod
from ansible_collections.kubenode.network.plugins.module_utils._resolver import resolv_conf
from ansible_collections.kubenode.network.plugins.module_utils._state.files import read_file
from ansible_collections.kubenode.network.plugins.module_utils._state.model import StateError

# pkg/apis/core/validation: MaxDNSNameservers, MaxDNSSearchPaths.
_SERVERS, _SEARCH = 3, 32


def copies(pods: t.Iterable[Pod], addresses: t.Collection[str], domain: str, root: str = "/") -> dict[str, t.Any]:
    """What the kubelet copies, and the pods that have something else.

    A pod that asks the cluster's DNS is none of them: by its servers (``addresses`` and what the kubelet hands out), or
    by a search list below the cluster's domain. Which of the others have dnsPolicy None is for the API server to say.
    """
    try:
        setting = find_node(root).effective("resolv_conf")
        path, place = str(setting.value or ""), str(setting.place)
    except (KubeletError, StateError) as error:
        path, place = str(DEFAULTS["resolv_conf"]), f"kubelet's default, as its own is not known: {error.message}"
    found: dict[str, t.Any] = {"file": path, "place": place, "servers": [], "search": [], "old_copies": [], "error": ""}
    try:
        text = read_file(path, root).text if path else None
    except StateError as error:
        return {**found, "error": error.message}
    if text is None:
        return {**found, "error": f"there is no file {path} on this node" if path else "the kubelet copies no file"}
    now = resolv_conf.parse(text)
    found["servers"], found["search"] = list(now.servers), list(now.search)
    given = handed_out(root)[0] or ()
    cluster = {*addresses, *given}
    for pod in pods:
        if not pod.name_servers or cluster.issuperset(pod.name_servers) or _searches(pod, domain):
            continue
        if not _is_copy(pod, now):
            found["old_copies"].append({
                "name": pod.name, "pid": pod.pid, "command": pod.command, "name_servers": list(pod.name_servers),
                "search": list(pod.search), "host_network": pod.host_network,
            })  # fmt: skip
    return found


def _searches(pod: Pod, domain: str) -> bool:
    end = f"svc.{domain.rstrip('.')}"
    return any(f".{one.rstrip('.')}".endswith(f".{end}") for one in pod.search)


def _is_copy(pod: Pod, now: resolv_conf.ResolvConf) -> bool:
    servers, search = now.servers[:_SERVERS], now.search[:_SEARCH]
    return pod.name_servers[: len(servers)] == servers and pod.search[: len(search)] == search
