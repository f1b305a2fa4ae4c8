# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes and the cache's pods on them: held back, let go, replaced, and waited for by a watch.

Of nodes and pods only what is asked here is kept, so that a run over thousands of them stays small.
"""

from __future__ import annotations

import collections
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

_TIMES = 3
"""Pods of another revision that are replaced on one node: the DaemonSet's controller may make one more of the old kind
before it has seen the new; that they keep coming means that somebody else changes the DaemonSet.
"""

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
    wanted, times = set(names), collections.Counter[str]()
    asked: set[str] = set()

    def look_at(pod: CachePod) -> None:
        if pod.leaving:
            return
        if pod.revision in revisions:
            _check_hopeless(client, place, pod)
        elif pod.uid not in asked and times[pod.node] < _TIMES:
            asked.add(pod.uid)
            times[pod.node] += 1
            _delete(client, place, pod)

    wave = _Wave(wanted, revisions)
    _wait(client, place, wave, lambda: wave.ready == len(wanted), look_at, seconds, say)
    return [pod for pod in wave.pods.values() if pod.revision in revisions and not pod.leaving]


def wait_gone(client: Client, place: Place, names: t.Collection[str] | None, seconds: float, say: Say) -> None:
    """Wait until these nodes, or all, have no pod of the cache. Raises WaveFailed when ``seconds`` are over."""
    wave = _Wave(None if names is None else set(names), ())
    _wait(client, place, wave, lambda: not wave.pods, lambda _pod: None, seconds, say)


def _delete(client: Client, place: Place, pod: CachePod) -> None:
    try:
        client.request("DELETE", f"{place.path}/{segment(pod.name)}", {"preconditions": {"uid": pod.uid}})
    except Answered as error:
        if error.status not in (404, 409):
            raise


class _Wave:
    """The pods of these nodes, or of all, as they come and go.

    How many nodes have a good one is counted as it changes: an event costs the same in a wave of 5,000 nodes.
    """

    def __init__(self, names: t.Collection[str] | None, revisions: t.Container[str]) -> None:
        self.names = names
        self.revisions = revisions
        self.pods: dict[str, CachePod] = {}
        self._good: collections.Counter[str] = collections.Counter()

    @property
    def ready(self) -> int:
        """Nodes with a ready pod of these revisions."""
        return len(self._good)

    def take(self, pod: CachePod) -> None:
        """A pod as it is now."""
        self.drop(pod.uid)
        self.pods[pod.uid] = pod
        if self._is_good(pod):
            self._good[pod.node] += 1

    def drop(self, uid: str) -> None:
        """A pod that has gone."""
        pod = self.pods.pop(uid, None)
        if pod is not None and self._is_good(pod):
            self._good[pod.node] -= 1
            if not self._good[pod.node]:
                del self._good[pod.node]

    def clear(self) -> None:
        """All of them: the list comes anew."""
        self.pods.clear()
        self._good.clear()

    def _is_good(self, pod: CachePod) -> bool:
        return pod.ready and not pod.leaving and pod.revision in self.revisions


def _wait(
    client: Client, place: Place, wave: _Wave, done: t.Callable[[], bool], look_at: t.Callable[[CachePod], None],
    seconds: float, say: Say,
) -> None:  # fmt: skip
    """Follow the pods of a wave until ``done``; ``look_at`` is called for each as it comes or changes."""
    synced = False
    started = time.monotonic()
    for kind, thing in follow(client, place.path, seconds, _PAGE, labelSelector=place.selector):
        if kind == RESET:
            wave.clear()
            synced = False
            continue
        if kind != SYNCED:
            pod = pod_of(thing)
            if wave.names is not None and pod.node not in wave.names:
                continue
            if kind == "DELETED":
                wave.drop(pod.uid)
            else:
                wave.take(pod)
                look_at(pod)
        synced = synced or kind == SYNCED
        if synced:
            if done():
                return
            many = len(wave.pods if wave.names is None else wave.names)
            say(f"{time.monotonic() - started:.0f} s: {wave.ready} of {many} nodes have the cache")
    raise WaveFailed(f"after {seconds:.0f} s {_rest(wave.pods, wave.names, wave.revisions)}; see kubectl -n "
                     f"{place.namespace} describe pod -l {place.selector}, or raise wait_timeout")  # fmt: skip


def _check_hopeless(client: Client, place: Place, pod: CachePod) -> None:
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
