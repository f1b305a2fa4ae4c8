# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes and the cache's pods on them: held back, let go, replaced, and waited for by a watch.

Of nodes and pods only what is asked here is kept, so that a run over thousands of them stays small.
"""

from __future__ import annotations

import time
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._kube.chain import Pod
from ansible_collections.kubenode.network.plugins.module_utils._kube.client import MERGE, Client, Object, segment
from ansible_collections.kubenode.network.plugins.module_utils._kube.errors import Answered, KubeError
from ansible_collections.kubenode.network.plugins.module_utils._kube.proof import last_words
from ansible_collections.kubenode.network.plugins.module_utils._kube.watch import RESET, SYNCED, follow
from ansible_collections.kubenode.network.plugins.module_utils._nodelocal.objects import HOLD, NAME, REVISION

_PAGE = 200
"""Nodes or pods at a time: a page of the usual 500, decoded, would be most of what a run takes."""

Say = t.Callable[[str], None]

# Of these a kubelet says so only after it has tried again in vain (kubelet, kuberuntime and images).
_HOPELESS = frozenset({"CrashLoopBackOff", "ImagePullBackOff", "InvalidImageName", "CreateContainerConfigError"})


class Node(t.NamedTuple):
    """A node that is to have the cache, or could."""

    name: str
    held: bool
    ready: bool = True


class CachePod(t.NamedTuple):
    """A pod of the cache."""

    name: str
    uid: str
    node: str
    revision: str
    """Empty: of an installation that is not ours."""
    ready: bool
    leaving: bool
    started: str
    problem: str
    """Why it is not ready, in the cluster's words; hopeless ones begin with their reason and an exclamation mark."""
    direct: bool
    """It mounts the ConfigMap that people edit."""

    def shown(self) -> dict[str, t.Any]:
        """For the result of a module."""
        return {
            "name": self.name, "node": self.node, "uid": self.uid, "started": self.started, "revision": self.revision,
            "ready": self.ready,
        }  # fmt: skip


class WaveFailed(KubeError):
    """Pods of a wave do not become ready."""


class Place(t.NamedTuple):
    """Where the cache's pods are, and how they are told."""

    namespace: str
    selector: str

    @property
    def path(self) -> str:
        return f"/api/v1/namespaces/{segment(self.namespace)}/pods"


def place_of(daemon_set: Object) -> Place:
    """Where a DaemonSet's pods are."""
    labels = daemon_set["spec"]["selector"].get("matchLabels") or {}
    selector = ",".join(f"{key}={value}" for key, value in sorted(labels.items()))
    return Place(daemon_set["metadata"]["namespace"], selector)


def nodes_now(client: Client, selector: t.Mapping[str, str]) -> tuple[dict[str, Node], dict[str, list[str]]]:
    """The nodes with the labels of ``selector``, and the addresses of all nodes."""
    found, addresses = {}, {}
    for one in client.each("/api/v1/nodes", limit=_PAGE):
        name, labels = one["metadata"]["name"], one["metadata"].get("labels") or {}
        addresses[name] = [
            each["address"] for each in (one.get("status") or {}).get("addresses") or () if each["type"] != "Hostname"
        ]
        if all(labels.get(key) == value for key, value in selector.items()):
            conditions = (one.get("status") or {}).get("conditions") or ()
            ready = any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
            found[name] = Node(name, HOLD in labels, ready)
    return found, addresses


def pods_now(client: Client, place: Place) -> list[CachePod]:
    """The cache's pods."""
    return [pod_of(one) for one in client.each(place.path, labelSelector=place.selector, limit=_PAGE)]


def pod_of(thing: Object) -> CachePod:
    """What is kept of a pod."""
    meta, spec, status = thing["metadata"], thing["spec"], thing.get("status") or {}
    states = status.get("containerStatuses") or [{}]
    state = states[0].get("state") or {}
    ready = any(one["type"] == "Ready" and one["status"] == "True" for one in status.get("conditions") or ())
    volumes = [(volume.get("configMap") or {}).get("name") for volume in spec.get("volumes") or ()]
    return CachePod(
        meta["name"], meta["uid"], spec.get("nodeName") or _node_of(spec),
        (meta.get("annotations") or {}).get(REVISION, ""), ready, bool(meta.get("deletionTimestamp")),
        (state.get("running") or {}).get("startedAt") or "", _problem(status, state, ready), NAME in volumes,
    )  # fmt: skip


def _problem(status: Object, state: Object, ready: bool) -> str:
    waiting = state.get("waiting") or {}
    if waiting.get("reason"):
        mark = "!" if waiting["reason"] in _HOPELESS else ""
        return f"{waiting['reason']}{mark}: {waiting.get('message', '')}"
    for one in status.get("conditions") or ():
        if one["type"] == "PodScheduled" and one["status"] == "False":
            return f"{one.get('reason', '')}: {one.get('message', '')}"
    return "" if ready else f"{status.get('phase', 'Pending')}, not ready"


def _node_of(spec: Object) -> str:
    """The node that the DaemonSet controller made a pod for, before the scheduler has bound it."""
    affinity = ((spec.get("affinity") or {}).get("nodeAffinity") or {}).get(
        "requiredDuringSchedulingIgnoredDuringExecution"
    ) or {}
    for term in affinity.get("nodeSelectorTerms") or ():
        for field in term.get("matchFields") or ():
            if field["key"] == "metadata.name" and field.get("values"):
                return str(field["values"][0])
    return ""


def hold(client: Client, names: t.Iterable[str], held: bool) -> None:
    """Put the hold label on nodes, or take it away; a node that has gone meanwhile is none."""
    for name in names:
        try:
            client.patch(
                f"/api/v1/nodes/{segment(name)}", {"metadata": {"labels": {HOLD: "true" if held else None}}}, MERGE,
                fieldManager="kubenode.network",
            )  # fmt: skip
        except Answered as error:
            if error.status != 404:
                raise


def replace(
    client: Client, place: Place, names: t.Sequence[str], revisions: t.Container[str], seconds: float, say: Say
) -> list[CachePod]:
    """Replace the pods of these nodes that are of another revision, and wait until each node has a ready one.

    Raises WaveFailed as soon as a pod is hopeless, and when ``seconds`` are over.
    """
    for pod in pods_now(client, place):
        if pod.node in names and pod.revision not in revisions and not pod.leaving:
            _delete(client, place, pod)
    wanted = set(names)

    def done(pods: t.Mapping[str, CachePod]) -> bool:
        return wanted <= {
            pod.node for pod in pods.values() if pod.ready and not pod.leaving and pod.revision in revisions
        }

    pods = _wait(client, place, wanted, revisions, done, seconds, say)
    return [pod for pod in pods if pod.revision in revisions and not pod.leaving]


def wait_gone(client: Client, place: Place, names: t.Collection[str] | None, seconds: float, say: Say) -> None:
    """Wait until these nodes, or all, have no pod of the cache. Raises WaveFailed when ``seconds`` are over."""
    wanted = None if names is None else set(names)
    _wait(client, place, wanted, (), lambda pods: not pods, seconds, say)


def _delete(client: Client, place: Place, pod: CachePod) -> None:
    try:
        client.request("DELETE", f"{place.path}/{segment(pod.name)}", {"preconditions": {"uid": pod.uid}})
    except Answered as error:
        if error.status not in (404, 409):
            raise


def _wait(
    client: Client, place: Place, names: t.Collection[str] | None, revisions: t.Container[str],
    done: t.Callable[[t.Mapping[str, CachePod]], bool], seconds: float, say: Say,
) -> list[CachePod]:  # fmt: skip
    """Follow the pods of these nodes until ``done``."""
    pods: dict[str, CachePod] = {}
    synced = False
    started = time.monotonic()
    for kind, thing in follow(client, place.path, seconds, _PAGE, labelSelector=place.selector):
        if kind == RESET:
            pods.clear()
            synced = False
            continue
        if kind != SYNCED:
            pod = pod_of(thing)
            if names is not None and pod.node not in names:
                continue
            if kind == "DELETED":
                pods.pop(pod.uid, None)
            else:
                pods[pod.uid] = pod
                _check_hopeless(client, place, pod, revisions)
        synced = synced or kind == SYNCED
        if synced:
            if done(pods):
                return list(pods.values())
            ready = sum(pod.ready and pod.revision in revisions for pod in pods.values())
            say(f"{time.monotonic() - started:.0f} s: {ready} of {len(names or pods)} nodes have the cache")
    raise WaveFailed(f"after {seconds:.0f} s {_rest(pods, names, revisions)}; see kubectl -n {place.namespace} "
                     f"describe pod -l {place.selector}, or raise wait_timeout")  # fmt: skip


def _check_hopeless(client: Client, place: Place, pod: CachePod, revisions: t.Container[str]) -> None:
    if pod.leaving or pod.revision not in revisions:
        return
    reason, mark, _message = pod.problem.partition("!: ")
    if mark:
        words = pod.problem.replace("!", "", 1)
        if reason == "CrashLoopBackOff":
            words += f"; its last words: {_words(client, place, pod)}"
        raise WaveFailed(f"pod {pod.name} on node {pod.node} does not start: {words}", node=pod.node)


def _words(client: Client, place: Place, pod: CachePod) -> str:
    one = Pod(pod.name, pod.uid, "node-cache", pod.started, 0, False, pod.node, "", 0)
    try:
        return last_words(client, place.namespace, one)
    except KubeError:
        return "its log may not be read"


def _rest(pods: t.Mapping[str, CachePod], names: t.Collection[str] | None, revisions: t.Container[str]) -> str:
    if names is None or not revisions:
        left = sorted(pod.node for pod in pods.values())
        return f"there are still pods of the cache on {_some(left)}"
    by_node = {pod.node: pod for pod in pods.values() if pod.revision in revisions and not pod.leaving}
    lacking = [name for name in sorted(names) if name not in by_node or not by_node[name].ready]
    why = [f"{name}: {by_node[name].problem if name in by_node else 'no pod'}" for name in lacking[:5]]
    return f"{len(lacking)} of {len(names)} nodes have no ready cache ({'; '.join(why)})"


def _some(names: t.Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
