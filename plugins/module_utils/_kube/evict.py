# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pods that are made anew by their controllers, one after the other and never more than their budgets allow.

A pod's resolv.conf is written once, when the pod is made (pkg/kubelet/network/dns). Eviction is what a drain of a node
uses: it obeys PodDisruptionBudgets, which a deletion does not.
"""

from __future__ import annotations

import time
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._kube.checks import check_name
from ansible_collections.kubenode.network.plugins.module_utils._kube.client import Client, Object, segment
from ansible_collections.kubenode.network.plugins.module_utils._kube.errors import Answered, KubeError
from ansible_collections.kubenode.network.plugins.module_utils._kube.watch import RESET, SYNCED, follow
from ansible_collections.kubenode.network.plugins.module_utils._kubelet.names import is_subdomain

# Their controllers make a pod anew as it was. A Job counts an evicted pod as one that failed.
_MAKERS = frozenset({"DaemonSet", "ReplicaSet", "ReplicationController", "StatefulSet"})
_MIRROR = "kubernetes.io/config.mirror"
_AGAIN = 1.0


class Wanted(t.NamedTuple):
    """A pod that is to be made anew."""

    namespace: str
    name: str
    node: str = ""
    """Where it is; a pod of the same name elsewhere is another. Empty: wherever."""

    @property
    def told(self) -> str:
        return f"{self.namespace}/{self.name}"


def wanted(params: t.Mapping[str, t.Any]) -> tuple[list[Wanted], int]:
    """The options of pod_eviction: the pods, and seconds for each. Raises KubeError for the first that is wrong."""
    seconds = params["wait_timeout"]
    if seconds < 1:
        raise KubeError(f"wait_timeout: {seconds} was found; expected are seconds, 1 or more")
    found = []
    for index, one in enumerate(params["pods"]):
        namespace, _slash, name = one["name"].partition("/")
        if not is_subdomain(namespace) or not is_subdomain(name):
            raise KubeError(f"pods[{index}].name: {one['name']!r} was found; expected is namespace/name")
        node = check_name(f"pods[{index}].node", one["node"]) if one.get("node") else ""
        found.append(Wanted(namespace, name, node))
    return found, seconds


def evict(
    client: Client, pods: t.Sequence[Wanted], seconds: float, check_mode: bool, say: t.Callable[[str], None],
    node_resolver: bool = False,
) -> dict[str, t.Any]:  # fmt: skip
    """The result of the module. Raises KubeError for a pod that may not go, or is not replaced, in ``seconds``.

    ``node_resolver``: only those whose resolver is a copy of their node's.
    """
    evicted: list[str] = []
    left: list[dict[str, str]] = []
    for number, one in enumerate(dict.fromkeys(pods), 1):
        pod = client.find(_path(one.namespace, one.name))
        if pod is None or _over(pod) or (one.node and pod["spec"].get("nodeName") != one.node):
            continue
        why = (_why_own(pod) if node_resolver else "") or _why_not(pod)
        if why:
            left.append({"name": one.told, "why": why})
            continue
        if not check_mode:
            say(f"{number} of {len(pods)}: {one.told}")
            try:
                _make_anew(client, one, pod, time.monotonic() + seconds)
            except KubeError as error:
                raise KubeError(error.message, evicted=evicted, left=left) from error
        evicted.append(one.told)
    return {"changed": bool(evicted), "evicted": evicted, "left": left, "requests": client.requests}


def _path(namespace: str, name: str = "") -> str:
    return f"/api/v1/namespaces/{segment(namespace)}/pods" + (f"/{segment(name)}" if name else "")


def _over(pod: Object) -> bool:
    phase = (pod.get("status") or {}).get("phase")
    return bool(pod["metadata"].get("deletionTimestamp")) or phase in ("Succeeded", "Failed")


def _controller(pod: Object) -> Object:
    owners = pod["metadata"].get("ownerReferences") or ()
    return next((one for one in owners if one.get("controller")), {})


def _why_own(pod: Object) -> str:
    """Why a pod's resolver is none of its node's, which it is as well where ClusterFirst is in the node's network."""
    policy = pod["spec"].get("dnsPolicy") or "ClusterFirst"
    if policy == "Default" or (policy == "ClusterFirst" and pod["spec"].get("hostNetwork")):
        return ""
    return f"its resolver is not the node's (dnsPolicy {policy}), and the same when it is made anew"


def _why_not(pod: Object) -> str:
    if _MIRROR in (pod["metadata"].get("annotations") or {}):
        return "a static pod, which only its node's kubelet makes anew: restart it there"
    controller = _controller(pod)
    if not controller:
        return "no controller would make it anew: recreate it yourself"
    if controller["kind"] not in _MAKERS:
        return f"a pod of {controller['kind']} {controller['name']}: recreate it in that one's own way"
    return ""


def _ready(pod: Object) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return not _over(pod) and any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def _make_anew(client: Client, one: Wanted, pod: Object, deadline: float) -> None:
    """Evict a pod, and wait until its controller has as many that are ready as before."""
    uid, controller = pod["metadata"]["uid"], _controller(pod)
    mates = [each for each in client.each(_path(one.namespace)) if _controller(each).get("uid") == controller["uid"]]
    before = sum(_ready(each) for each in mates)
    if not _evict(client, one, uid, deadline):
        return
    ready: dict[str, bool] = {}
    synced = False
    for kind, each in follow(client, _path(one.namespace), max(1.0, deadline - time.monotonic())):
        if kind == RESET:
            ready.clear()
            synced = False
        elif kind == SYNCED:
            synced = True
        elif kind == "DELETED":
            ready.pop(each["metadata"]["uid"], None)
        elif _controller(each).get("uid") == controller["uid"]:
            ready[each["metadata"]["uid"]] = _ready(each)
        if synced and uid not in ready and sum(ready.values()) >= before:
            return
    raise KubeError(
        f"pod {one.told} was evicted, and in time {controller['kind']} {one.namespace}/{controller['name']} has "
        f"{sum(ready.values())} ready pods and had {before}; see kubectl -n {one.namespace} get pods, or raise "
        "wait_timeout"
    )


def _evict(client: Client, one: Wanted, uid: str, deadline: float) -> bool:
    """False: it has been made anew meanwhile. A budget that is used up answers 429, to be asked again."""
    body = {
        "apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": one.name, "namespace": one.namespace},
        "deleteOptions": {"preconditions": {"uid": uid}},
    }  # fmt: skip
    while True:
        try:
            client.request("POST", f"{_path(one.namespace, one.name)}/eviction", body)
        except Answered as error:
            if error.status in (404, 409):
                return False
            if error.status != 429:
                raise
            if time.monotonic() + _AGAIN > deadline:
                raise KubeError(
                    f"pod {one.told} may not be evicted: {error.message}; wait until its PodDisruptionBudget allows "
                    "it, or raise wait_timeout"
                ) from error
            time.sleep(_AGAIN)
        else:
            return True
