# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Job without pods that ends a query log: made, found, extended and deleted. Its name is that of its ConfigMap."""

from __future__ import annotations

import datetime as dt
import time

from ansible_collections.kubenode.network.plugins.module_utils._kube.client import Client, Object, segment
from ansible_collections.kubenode.network.plugins.module_utils._kube.errors import Answered, KubeError
from ansible_collections.kubenode.network.plugins.module_utils._kube.subject import config_map_path

LABELS = {"app.kubernetes.io/managed-by": "kubenode.network", "app.kubernetes.io/component": "query-log"}
"""Of the Job and of the ConfigMap that goes with it."""
_DESCRIPTION = "kubernetes.io/description"
_GONE_SECONDS = 30.0


def find(client: Client, namespace: str, name: str) -> Object | None:
    """The Job that is running. One that is over is on its way out, and is waited for."""
    deadline = time.monotonic() + _GONE_SECONDS
    while True:
        found = client.find(_path(namespace, name))
        if found is None or not _ours(found):
            return None
        ended = [one for one in found.get("status", {}).get("conditions") or () if one.get("status") == "True"]
        if not ended and not found["metadata"].get("deletionTimestamp"):
            return found
        if time.monotonic() > deadline:
            raise KubeError(
                f"Job {namespace}/{name} is over and is not deleted: the cluster's TTL controller and garbage "
                "collector do not run, and no query log would ever end; delete it, and see kube-controller-manager"
            )
        time.sleep(1.0)


def check_ours(client: Client, namespace: str, name: str, held: Object | None = None) -> None:
    """Raises KubeError where the ConfigMap (``held``, where it was read), or the Job, is somebody else's."""
    for kind, path in (("ConfigMap", config_map_path(namespace, name)), ("Job", _path(namespace, name))):
        found = held if held is not None and kind == "ConfigMap" else client.find(path)
        if found is not None and not _ours(found):
            raise KubeError(
                f"{kind} {namespace}/{name} is there and was not made by this module (it has no label "
                "app.kubernetes.io/component: query-log): rename or delete it"
            )


def make(client: Client, namespace: str, name: str, servers: str, seconds: int, check_mode: bool) -> Object:
    """Make it; ``servers`` is who logs queries as long as it is there. Raises KubeError where it cannot be made."""
    body = {
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": {
            "name": name, "namespace": namespace, "labels": dict(LABELS),
            "annotations": {
                _DESCRIPTION: f"Runs nothing. {servers} logs queries as long as this Job is there; it ends at its "
                f"deadline, and ConfigMap {name} goes with it. kubectl delete job {name} ends that at once; not with "
                "--cascade=orphan, which would leave the ConfigMap.",
            },
        },
        "spec": {
            # No pod is ever made; a template has to be there.
            "parallelism": 0, "completions": 1, "backoffLimit": 0,
            "activeDeadlineSeconds": seconds, "ttlSecondsAfterFinished": 0,
            "template": {
                "metadata": {"labels": dict(LABELS)},
                "spec": {
                    "restartPolicy": "Never",
                    "containers": [{"name": "none", "image": "registry.k8s.io/pause", "resources": {}}],
                },
            },
        },
    }  # fmt: skip
    path = _path(namespace, name).rpartition("/")[0]
    try:
        return client.create(path, body, fieldManager="kubenode.network", dryRun="All" if check_mode else None)
    except Answered as error:
        raise KubeError(
            f"Job {namespace}/{name}, which ends the query log, cannot be made, so nothing was switched on: "
            f"{error.message}"
        ) from error


def extend(client: Client, job: Object, seconds: int, check_mode: bool) -> Object:
    """Have it end so many seconds from now."""
    passed = max(0.0, (_now(client) - _started(job)).total_seconds())
    meta = job["metadata"]
    body = {
        "metadata": {"uid": meta["uid"]}, "spec": {"activeDeadlineSeconds": int(passed) + seconds},
    }  # fmt: skip
    path = _path(meta["namespace"], meta["name"])
    return client.patch(path, body, fieldManager="kubenode.network", dryRun="All" if check_mode else None)


def delete(client: Client, job: Object) -> None:
    """End it now, and what it owns with it; one that has gone meanwhile is none."""
    meta = job["metadata"]
    body = {
        "apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background",
        "preconditions": {"uid": meta["uid"]},
    }  # fmt: skip
    try:
        client.request("DELETE", _path(meta["namespace"], meta["name"]), body)
    except Answered as error:
        if error.status not in (404, 409):
            raise


def until(job: Object) -> str:
    """When it ends, in UTC."""
    end = _started(job) + dt.timedelta(seconds=job["spec"]["activeDeadlineSeconds"])
    return end.strftime("%Y-%m-%dT%H:%M:%SZ")


def _ours(thing: Object) -> bool:
    labels = thing["metadata"].get("labels") or {}
    return all(labels.get(name) == value for name, value in LABELS.items())


def _path(namespace: str, name: str) -> str:
    return f"/apis/batch/v1/namespaces/{segment(namespace)}/jobs/{segment(name)}"


def _started(job: Object) -> dt.datetime:
    text = (job.get("status") or {}).get("startTime") or job["metadata"]["creationTimestamp"]
    return dt.datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=dt.timezone.utc)


def _now(client: Client) -> dt.datetime:
    """By the API server's clock, which the Job's controller is nearer to than ours."""
    return dt.datetime.strptime(client.date, "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=dt.timezone.utc)
