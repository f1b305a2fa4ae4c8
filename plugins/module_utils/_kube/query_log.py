# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CoreDNS logs queries for a while, and the cluster itself ends that: dns_query_log.

The pods mount an optional ConfigMap, and the Corefile imports what is in it (``query_log_way``). Queries are logged as
long as that ConfigMap is there. It is owned by a Job without pods (parallelism 0), whose activeDeadlineSeconds is the
time that was asked for: the Job's controller fails it then, the TTL controller deletes it at once
(ttlSecondsAfterFinished 0), and the garbage collector the ConfigMap with it. Nobody edits the Corefile meanwhile.
"""

from __future__ import annotations

import datetime as dt
import time
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._corefile.fragment import SERVER
from ansible_collections.kubenode.network.plugins.module_utils._kube import corefile, query_log_way
from ansible_collections.kubenode.network.plugins.module_utils._kube.client import Client, Object, segment
from ansible_collections.kubenode.network.plugins.module_utils._kube.errors import Answered, KubeError
from ansible_collections.kubenode.network.plugins.module_utils._kube.extra import CUSTOM, Extra, Options, extra_as
from ansible_collections.kubenode.network.plugins.module_utils._kube.owner import Owner
from ansible_collections.kubenode.network.plugins.module_utils._kube.query_log_way import NAME
from ansible_collections.kubenode.network.plugins.module_utils._kube.subject import Request, config_map_path
from ansible_collections.kubenode.network.plugins.module_utils._kube.texts import Texts, Wanted

KEY = "query-log.override"
SHORTEST, LONGEST = 180, 86400
"""Seconds. A kubelet takes up to a minute and a half to bring a ConfigMap to its pods, so that less might log nothing;
and a log that is forgotten fills disks."""
CLASSES = ("all", "success", "denial", "error")
"""Of plugin log."""
_UNITS = {"s": 1, "m": 60, "h": 3600}
_LABELS = {"app.kubernetes.io/managed-by": "kubenode.network", "app.kubernetes.io/component": "query-log"}
_END = "kubernetes.io/description"
_GONE_SECONDS = 30.0


class Wish(t.NamedTuple):
    """The options of dns_query_log."""

    state: str = "present"
    seconds: int = 600
    zones: tuple[str, ...] = ()
    """Names below which queries are logged; none: all."""
    classes: tuple[str, ...] = ()
    extend: bool = False
    service: str | None = None
    namespace: str | None = None
    on_owner: str = "fail"
    wait: bool = True
    wait_timeout: int = 180

    @property
    def request(self) -> Request:
        """As the run of a Corefile takes it."""
        return Request(
            namespace=self.namespace, service=self.service, on_owner=self.on_owner, wait=self.wait,
            wait_timeout=self.wait_timeout,
        )  # fmt: skip


def seconds_of(text: str) -> int:
    """``200``, ``200s``, ``10m`` or ``2h`` in seconds. Raises KubeError."""
    number, unit = (text[:-1], text[-1:]) if text[-1:] in _UNITS else (text, "s")
    value = int(number) * _UNITS[unit] if number.isascii() and number.isdigit() and len(number) < 8 else 0
    if not SHORTEST <= value <= LONGEST:
        raise KubeError(
            f"duration: {text or 'nothing'} is given, and from {SHORTEST} seconds to {LONGEST // 3600} hours are "
            "possible, such as 200s, 10m or 2h; declare a lasting log with coredns_corefile (log)"
        )
    return value


def run(
    client: Client, wish: Wish, check_mode: bool, diff: bool, say: t.Callable[[str], None] = lambda _line: None
) -> dict[str, t.Any]:
    """Bring the query log to a state. Raises KubeError; all is as before then, but where it says so."""
    wrong = [one for one in wish.classes if one not in CLASSES]
    if wrong:
        raise KubeError(f"classes: {', '.join(wrong)} is none of plugin log's: {', '.join(CLASSES)}")
    if wish.state == "prepared":
        result = query_log_way.prepare(client, wish.request, check_mode, diff, say)
    elif wish.state == "present":
        result = _switch_on(client, wish, check_mode, diff, say)
    else:
        result = _switch_off(client, wish, check_mode, diff, say)
        if wish.state == "unprepared":
            way = query_log_way.unprepare(client, wish.request, check_mode, diff, say)
            way["warnings"] = [*result["warnings"], *way["warnings"]]
            result = {
                **result, **way, "changed": result["changed"] or way["changed"],
                "changes": [*result["changes"], *way["changes"]],
            }  # fmt: skip
    return {**result, "requests": client.requests}


class _Log(Extra):
    """The key of our ConfigMap, which goes with the Job."""

    keeps_revisions = False
    job: Object | None = None

    def new(self) -> Object | None:
        made = super().new() or {}
        made["metadata"]["labels"] = dict(_LABELS)
        return made

    def owner(self, _held: Object) -> Owner | None:
        return None

    def written(self, held: Object, made: Texts) -> Object:
        if made.gone or self.job is None:
            # Whatever else is in it: it was made for this.
            return {}
        after = super().written(held, made)
        meta = self.job["metadata"]
        after["metadata"]["ownerReferences"] = [
            {"apiVersion": "batch/v1", "kind": "Job", "name": meta["name"], "uid": meta["uid"]}
        ]
        return after


def _find(job: Object | None) -> t.Callable[[Client, Request], _Log]:
    def find(client: Client, request: Request) -> _Log:
        # That it is imported was looked at before, and what is taken back needs nobody who reads it.
        log = extra_as(_Log, client, request._replace(name=NAME, key=KEY), Options(CUSTOM, removes=True))
        log.job = job
        return log

    return find


def _switch_on(
    client: Client, wish: Wish, check_mode: bool, diff: bool, say: t.Callable[[str], None]
) -> dict[str, t.Any]:
    way = query_log_way.look(client, wish.request)
    if not way.imported:
        raise KubeError(
            f"{way.missing}. state: prepared does both once: it gives {way.workload_name} the volume, which replaces "
            "its pods one after the other, and the Corefile the line"
        )
    _check_ours(client, way.namespace)
    known = _job(client, way.namespace)
    changes = []
    mine = known is None and not check_mode
    if known is None:
        job = _create_job(client, way.namespace, wish, check_mode)
        changes.append(f"made Job {way.namespace}/{NAME}, which ends it after {wish.seconds} s")
    else:
        job = known
        if wish.extend:
            job = _extend(client, known, wish.seconds, check_mode)
            changes.append(f"Job {way.namespace}/{NAME} ends it {wish.seconds} s from now")
    names = " ".join(wish.zones) or "."
    text = f"log {names}"
    if wish.classes:
        text = f"{text} {{\nclass {' '.join(wish.classes)}\n}}"
    edits = {"servers": [{"zones": [SERVER], "plugins": [text]}]}
    try:
        result = corefile.change(
            client, Wanted(edits, owner=query_log_way.OWNER), wish.request, check_mode, diff, say, _find(job)
        )
    except BaseException:
        # The ConfigMap was put back where it had been written; and the Job of a run that is killed ends by itself.
        if mine:
            _delete_job(client, job)
        raise
    return {
        **result, "changed": result["changed"] or bool(changes), "changes": [*changes, *result["changes"]],
        "logging": True, "until": _until(job), "job": {"namespace": way.namespace, "name": NAME},
    }  # fmt: skip


def _switch_off(
    client: Client, wish: Wish, check_mode: bool, diff: bool, say: t.Callable[[str], None]
) -> dict[str, t.Any]:
    way = query_log_way.look(client, wish.request)
    held, job = client.find(config_map_path(way.namespace, NAME)), _job(client, way.namespace)
    result: dict[str, t.Any] = {"changed": False, "changes": [], "warnings": []}
    if held is not None:
        _check_ours(client, way.namespace, held)
        request = wish.request if way.imported else wish.request._replace(wait=False)
        result = corefile.change(
            client, Wanted(owner=query_log_way.OWNER, reset=True), request, check_mode, diff, say, _find(None)
        )
    if job is not None:
        result["changed"] = True
        result["changes"] = [*result["changes"], f"deleted Job {way.namespace}/{NAME}"]
        if not check_mode:
            _delete_job(client, job)
    return {**result, "logging": False, "until": ""}


def _check_ours(client: Client, namespace: str, held: Object | None = None) -> None:
    """Raises KubeError where the ConfigMap, or the Job, is somebody else's."""
    for kind, path in (("ConfigMap", config_map_path(namespace, NAME)), ("Job", _job_path(namespace))):
        found = held if held is not None and kind == "ConfigMap" else client.find(path)
        if found is not None and not _ours(found):
            raise KubeError(
                f"{kind} {namespace}/{NAME} is there and was not made by this module (it has no label "
                "app.kubernetes.io/component: query-log): rename or delete it"
            )


def _ours(thing: Object) -> bool:
    labels = thing["metadata"].get("labels") or {}
    return all(labels.get(name) == value for name, value in _LABELS.items())


def _job_path(namespace: str) -> str:
    return f"/apis/batch/v1/namespaces/{segment(namespace)}/jobs/{NAME}"


def _job(client: Client, namespace: str) -> Object | None:
    """The Job that is running. One that is over is on its way out, and is waited for."""
    deadline = time.monotonic() + _GONE_SECONDS
    while True:
        found = client.find(_job_path(namespace))
        if found is None or not _ours(found):
            return None
        ended = [one for one in found.get("status", {}).get("conditions") or () if one.get("status") == "True"]
        if not ended and not found["metadata"].get("deletionTimestamp"):
            return found
        if time.monotonic() > deadline:
            raise KubeError(
                f"Job {namespace}/{NAME} is over and is not deleted: the cluster's TTL controller and garbage "
                "collector do not run, and no query log would ever end; delete it, and see kube-controller-manager"
            )
        time.sleep(1.0)


def _create_job(client: Client, namespace: str, wish: Wish, check_mode: bool) -> Object:
    body = {
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": {
            "name": NAME, "namespace": namespace, "labels": dict(_LABELS),
            "annotations": {
                _END: "Runs nothing. CoreDNS logs queries as long as this Job is there; it ends at its deadline, and "
                f"ConfigMap {NAME} goes with it. kubectl delete job {NAME} ends that at once; not with "
                "--cascade=orphan, which would leave the ConfigMap.",
            },
        },
        "spec": {
            # No pod is ever made; a template has to be there.
            "parallelism": 0, "completions": 1, "backoffLimit": 0,
            "activeDeadlineSeconds": wish.seconds, "ttlSecondsAfterFinished": 0,
            "template": {
                "metadata": {"labels": dict(_LABELS)},
                "spec": {
                    "restartPolicy": "Never",
                    "containers": [{"name": "none", "image": "registry.k8s.io/pause", "resources": {}}],
                },
            },
        },
    }  # fmt: skip
    path = _job_path(namespace).rpartition("/")[0]
    try:
        return client.create(path, body, fieldManager="kubenode.network", dryRun="All" if check_mode else None)
    except Answered as error:
        raise KubeError(
            f"Job {namespace}/{NAME}, which ends the query log, cannot be made, so nothing was switched on: "
            f"{error.message}"
        ) from error


def _extend(client: Client, job: Object, seconds: int, check_mode: bool) -> Object:
    passed = max(0.0, (_now(client) - _started(job)).total_seconds())
    meta = job["metadata"]
    body = {
        "metadata": {"uid": meta["uid"]}, "spec": {"activeDeadlineSeconds": int(passed) + seconds},
    }  # fmt: skip
    path = _job_path(meta["namespace"])
    return client.patch(path, body, fieldManager="kubenode.network", dryRun="All" if check_mode else None)


def _delete_job(client: Client, job: Object) -> None:
    meta = job["metadata"]
    body = {
        "apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background",
        "preconditions": {"uid": meta["uid"]},
    }  # fmt: skip
    try:
        client.request("DELETE", _job_path(meta["namespace"]), body)
    except Answered as error:
        if error.status not in (404, 409):
            raise


def _started(job: Object) -> dt.datetime:
    text = (job.get("status") or {}).get("startTime") or job["metadata"]["creationTimestamp"]
    return dt.datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=dt.timezone.utc)


def _now(client: Client) -> dt.datetime:
    """By the API server's clock, which the Job's controller is nearer to than ours."""
    return dt.datetime.strptime(client.date, "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=dt.timezone.utc)


def _until(job: Object) -> str:
    end = _started(job) + dt.timedelta(seconds=job["spec"]["activeDeadlineSeconds"])
    return end.strftime("%Y-%m-%dT%H:%M:%SZ")
