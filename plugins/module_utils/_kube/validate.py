# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Try ConfigMaps as they shall be on a CoreDNS of our own before anything is written: ``validate: pod``.

CoreDNS has no switch that tests a configuration (coredns#5152), and lint knows neither files, nor secrets, nor what
the API server lets it do. A throw-away pod like the live ones does. It is called ``CONFIGMAP-kubenode-validation``, so
that the right to delete it can be the right to delete no other pod; its ConfigMaps are its own and go with it.
"""

from __future__ import annotations

import datetime as dt
import secrets
import time
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._corefile.document import parse
from ansible_collections.kubenode.network.plugins.module_utils._corefile.errors import CorefileError
from ansible_collections.kubenode.network.plugins.module_utils._kube.chain import over, pod_state
from ansible_collections.kubenode.network.plugins.module_utils._kube.client import Client, Object, segment
from ansible_collections.kubenode.network.plugins.module_utils._kube.errors import Answered, KubeError
from ansible_collections.kubenode.network.plugins.module_utils._kube.proof import Running, Where, last_words, pods_now
from ansible_collections.kubenode.network.plugins.module_utils._kube.throwaway import config_map_for, pod_like

Say = t.Callable[[str], None]

WAY_OUT = "do without a pod: validate: lint"
POLL_SECONDS = 0.5
SETTLED_SECONDS = 2.0
"""How long it has to stay ready: plugin loop ends the server right after its start."""
UNSCHEDULED_SECONDS = 30.0
"""After which a pod that no node takes is given up."""
_STARTED = "CoreDNS-"
"""What it prints once all servers listen (coremain/run.go)."""
# What a kubelet does not get over by itself (pkg/kubelet/images/types.go, pkg/kubelet/container/sync_result.go).
_HOPELESS = ("ErrImageNeverPull", "ImagePullBackOff", "InvalidImageName", "CreateContainerConfigError")


class Refused(KubeError):
    """CoreDNS does not start with these texts."""


def name_of(config_map: str) -> str:
    """The throw-away pod's name."""
    return f"{config_map[:200]}-kubenode-validation"


def validate_in_pod(
    client: Client, where: Where, wanted: t.Mapping[str, Object], seconds: float, say: Say = lambda _line: None
) -> dict[str, t.Any]:
    """Start a CoreDNS like those that run the Corefile at ``where``, with ``wanted`` in place of the live ConfigMaps.

    ``wanted``: name of a ConfigMap of that namespace (the Corefile's, or one of extensions) -> the object as it shall
    be; only its ``data`` and ``binaryData`` count. ``seconds``: until it has to be ready. Returns what was seen, for a
    result. The pod is deleted whatever happens.

    Raises Refused with CoreDNS's own words, and KubeError with the way out where no such pod can run here.
    """
    live = _live(client, where)
    _check_network(client, where, live, wanted)
    token = secrets.token_hex(4)
    name = name_of(where.config_map)
    renamed = {held: f"{name}-{token}-{number}" for number, held in enumerate(sorted(wanted))}
    pods = f"/api/v1/namespaces/{segment(where.namespace)}/pods"
    body = pod_like(live.thing, live.pod.container, name, renamed, max(1, int(seconds)))
    made = _create(client, pods, body, seconds, say)
    try:
        for held, fresh in renamed.items():
            path = f"/api/v1/namespaces/{segment(where.namespace)}/configmaps"
            _post(client, path, config_map_for(made, fresh, wanted[held]), f"ConfigMap {where.namespace}/{fresh}")
        return _watch(client, f"{pods}/{segment(name)}", live, seconds, say)
    finally:
        _remove(client, f"{pods}/{segment(name)}", made["metadata"]["uid"], say)


def not_run(client: Client, where: Where) -> str:
    """What check mode says of it: nothing is started, but the API server tells whether it would take the pod."""
    live = _live(client, where)
    body = pod_like(live.thing, live.pod.container, name_of(where.config_map), {}, 1)
    path = f"/api/v1/namespaces/{segment(where.namespace)}/pods"
    said = "validate: pod starts no pod in check mode, so only lint has looked at the text"
    try:
        client.create(path, body, dryRun="All")
    except Answered as error:
        if error.status != 409:
            return f"{said}; the API server would refuse the pod: {error.message}"
    return f"{said}; the API server would take the pod"


def _live(client: Client, where: Where) -> Running:
    """A pod to be like: the best of those there are."""
    running = pods_now(client, where)
    if not running:
        raise KubeError(
            f"validate: pod: no pod mounts ConfigMap {where.namespace}/{where.config_map}, key {where.key}, so there "
            f"is none to be like; look at the workload, or {WAY_OUT}"
        )
    return max(running, key=lambda one: one.pod.ready)


def _check_network(client: Client, where: Where, live: Running, wanted: t.Mapping[str, Object]) -> None:
    """A server in the node's network would clash with the live one, and elsewhere it lacks the node's addresses."""
    if not live.thing["spec"].get("hostNetwork"):
        return
    held_by = dict(wanted)
    if where.config_map not in held_by:
        # A text that is imported: the Corefile that imports it is what binds.
        path = f"/api/v1/namespaces/{segment(where.namespace)}/configmaps/{segment(where.config_map)}"
        held_by[where.config_map] = client.find(path) or {}
    for held in held_by.values():
        for text in (held.get("data") or {}).values():
            try:
                bound = any(block.plugins("bind") for block in parse(text).blocks)
            except CorefileError:
                bound = False
            if bound:
                raise KubeError(
                    f"validate: pod: pod {where.namespace}/{live.pod.name} runs in its node's network and binds "
                    f"addresses there, which a pod of its own network has not; {WAY_OUT}"
                )


def _create(client: Client, path: str, body: Object, seconds: float, say: Say) -> Object:
    """Make the pod; one that an earlier run left is taken away, and one of a run beside this one is waited for."""
    what = "pod {namespace}/{name}".format(**body["metadata"])
    deadline = time.monotonic() + seconds
    while True:
        try:
            return _post(client, path, body, what)
        except Answered as error:
            if error.status != 409:
                raise
        name = body["metadata"]["name"]
        there = client.find(f"{path}/{segment(name)}")
        if there is None:
            continue
        if not there["metadata"].get("deletionTimestamp") and _left_over(there):
            say(f"{what} was left by an earlier run: it is deleted")
            _remove(client, f"{path}/{segment(name)}", there["metadata"]["uid"], say)
        if time.monotonic() > deadline:
            raise KubeError(
                f"validate: pod: {what} of another run is there since {there['metadata']['creationTimestamp']}; wait "
                f"for its end, delete it when that run is dead (kubectl -n {body['metadata']['namespace']} delete pod "
                f"{name}), or {WAY_OUT}"
            )
        say(f"{what} of another run is waited for")
        time.sleep(POLL_SECONDS)


def _left_over(pod: Object) -> bool:
    """Whether no run can be waiting for this pod any more: it is through, or older than any run waits."""
    if over(pod):
        return True
    made = dt.datetime.strptime(pod["metadata"]["creationTimestamp"], "%Y-%m-%dT%H:%M:%S%z")
    age = dt.datetime.now(dt.timezone.utc) - made
    # The deadline itself counts from the pod's start; a minute more is for clocks that differ.
    return age.total_seconds() > float(pod["spec"].get("activeDeadlineSeconds") or 0) + 60


def _post(client: Client, path: str, body: Object, what: str) -> Object:
    try:
        return client.create(path, body, fieldManager="kubenode.network")
    except Answered as error:
        if error.status == 409:
            raise
        rights = "; docs/rbac.md has the rights under Validate" if error.status == 403 else ""
        raise KubeError(
            f"validate: pod: the API server does not let the throw-away {what} be made: {error.message}{rights}; allow "
            f"it, or {WAY_OUT}. Nothing was written."
        ) from error


def _watch(client: Client, path: str, live: Running, seconds: float, say: Say) -> dict[str, t.Any]:
    begun = time.monotonic()
    ready_since: float | None = None
    told = ""
    while True:
        pod = client.find(path)
        if pod is None:
            raise KubeError(f"validate: pod: {path} was deleted by somebody while it was waited for; run again")
        state = _state(pod, live.pod.container)
        ended = state.get("terminated") or {}
        if ended or over(pod):
            raise _refused(client, pod, live, ended)
        waited = time.monotonic() - begun
        now = _serves(client, pod, live)
        ready_since = (ready_since if ready_since is not None else waited) if now else None
        if ready_since is not None and waited - ready_since >= SETTLED_SECONDS:
            return {
                "pod": pod["metadata"]["name"], "node": pod["spec"].get("nodeName", ""),
                "image": pod["spec"]["containers"][0]["image"], "ready_after": round(ready_since, 1),
            }  # fmt: skip
        why = _why_not(pod, state)
        hopeless = (state.get("waiting") or {}).get("reason") in _HOPELESS
        if waited > seconds or hopeless or (not pod["spec"].get("nodeName") and waited > UNSCHEDULED_SECONDS):
            raise KubeError(_stuck(client, pod, live, why, waited))
        if why != told:
            told = why
            say(f"pod {pod['metadata']['name']}: {why}")
        time.sleep(POLL_SECONDS)


def _state(pod: Object, container: str) -> Object:
    statuses = (pod.get("status") or {}).get("containerStatuses") or ()
    found: Object = next((one for one in statuses if one["name"] == container), {})
    return found.get("state") or {}


def _serves(client: Client, pod: Object, live: Running) -> bool:
    """Whether it is ready: by the probe that live ones have, else by what it says once its servers listen."""
    seen = pod_state(pod, live.pod.container)
    if not (seen.ready and seen.started):
        return False
    if "readinessProbe" in pod["spec"]["containers"][0]:
        return True
    path = f"/api/v1/namespaces/{segment(pod['metadata']['namespace'])}/pods/{segment(seen.name)}/log"
    try:
        return _STARTED in client.text(path, container=seen.container)
    except Answered as error:
        if error.status == 403:
            raise KubeError(
                f"validate: pod: the live pods have no readiness probe, and the log of pod {seen.name} may not be "
                f"read: {error.message}; allow it (docs/rbac.md, Prove), or {WAY_OUT}. Nothing was written."
            ) from error
        return False


def _refused(client: Client, pod: Object, live: Running, ended: Object) -> KubeError:
    status = pod.get("status") or {}
    if not ended:
        # Evicted, out of time, the node went: that says nothing about the text.
        return KubeError(
            f"validate: pod: pod {pod['metadata']['name']} was ended: {status.get('reason', '')} "
            f"{status.get('message', '')}; run again, or {WAY_OUT}. Nothing was written."
        )
    lines = [line.strip() for line in (ended.get("message") or "").splitlines() if line.strip()]
    words = " / ".join(lines[-3:]) or _words(client, pod, live)
    return Refused(
        f"CoreDNS does not start with the edited Corefile: {words} ({ended.get('reason') or 'ended'}, exit status "
        f"{ended.get('exitCode')}, in pod {pod['metadata']['name']} like {live.pod.name}). Nothing was written."
    )


def _why_not(pod: Object, state: Object) -> str:
    """Why it is not ready, in the API server's words."""
    waiting = state.get("waiting") or {}
    if waiting:
        return ": ".join(part for part in (waiting.get("reason"), waiting.get("message")) if part)
    if state.get("running"):
        return "it runs, and is not ready"
    for condition in (pod.get("status") or {}).get("conditions") or ():
        if condition["type"] == "PodScheduled" and condition["status"] != "True":
            return f"no node takes it: {condition.get('message') or condition.get('reason') or 'no reason given'}"
    if not pod["spec"].get("nodeName"):
        return "no scheduler has looked at it"
    return f"node {pod['spec']['nodeName']} has not started it"


def _stuck(client: Client, pod: Object, live: Running, why: str, waited: float) -> str:
    words = f"; it says: {_words(client, pod, live)}" if why.startswith("it runs") else ""
    name = "{namespace}/{name}".format(**pod["metadata"])
    return (
        f"validate: pod: after {waited:.0f} s pod {name} is not ready: {why}{words}; find out why, raise wait_timeout, "
        f"or {WAY_OUT}. Nothing was written."
    )


def _words(client: Client, pod: Object, live: Running) -> str:
    try:
        return last_words(client, pod["metadata"]["namespace"], pod_state(pod, live.pod.container))
    except KubeError as error:
        return error.message


def _remove(client: Client, path: str, uid: str, say: Say) -> None:
    """Delete this very pod; its ConfigMaps follow. Where that fails it ends itself, and the next run deletes it."""
    body = {
        "apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 1, "propagationPolicy": "Background",
        "preconditions": {"uid": uid},
    }  # fmt: skip
    try:
        client.request("DELETE", path, body)
    except KubeError as error:
        if not (isinstance(error, Answered) and error.status in (404, 409)):
            say(f"{path} could not be deleted: {error.message}")
