# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way of a query log into CoreDNS: an optional volume of its pods, and a line of its Corefile that imports it.

The volume is applied by the server under a manager of its own, so that taking it back leaves all that others declare
(Kubernetes, "Server-Side Apply"). The line is an entry of the Corefile like any other, with a record.
"""

from __future__ import annotations

import time
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._corefile.fragment import SERVER
from ansible_collections.kubenode.network.plugins.module_utils._kube import corefile
from ansible_collections.kubenode.network.plugins.module_utils._kube.client import Client, Object, segment
from ansible_collections.kubenode.network.plugins.module_utils._kube.errors import Answered, KubeError
from ansible_collections.kubenode.network.plugins.module_utils._kube.extra import CUSTOM, Extra, Options, extra_of
from ansible_collections.kubenode.network.plugins.module_utils._kube.owner import find_owner
from ansible_collections.kubenode.network.plugins.module_utils._kube.query_log_target import (
    KEY,
    OWNER,
    Say,
    Target,
    Way,
)
from ansible_collections.kubenode.network.plugins.module_utils._kube.subject import Request, find_corefile
from ansible_collections.kubenode.network.plugins.module_utils._kube.texts import Wanted

NAME = "coredns-query-log"
"""Of the ConfigMap, and of the Job that ends it."""
FOLDER = "/etc/coredns-query-log"
_APPLY = "application/apply-patch+yaml"
_PLURALS = {"Deployment": "deployments", "DaemonSet": "daemonsets"}
_POLL_SECONDS = 1.0


class Found(t.NamedTuple):
    """How far the way is there."""

    namespace: str
    workload: Object
    mounted: bool
    imported: bool
    folder: str
    """Where the pods have the ConfigMap, or will have it."""
    container: str
    missing: str
    """What is missing, and how one would add it by hand; empty where nothing is."""

    @property
    def workload_name(self) -> str:
        """For messages."""
        return f"{self.workload['kind']} {self.namespace}/{self.workload['metadata']['name']}"


def look(client: Client, request: Request) -> Way:
    """How far it is there, and what to do about it. Raises KubeError where the pods' workload cannot be read."""
    found = _look(client, request)
    missing = (
        f"{found.missing}. state: prepared does both once: it gives {found.workload_name} the volume, which replaces "
        "its pods one after the other, and the Corefile the line"
    )
    return Way(found.namespace, request, found.imported, "" if found.imported else missing)


def _look(client: Client, request: Request) -> Found:
    """What there is of it. Raises KubeError where the pods' workload cannot be read."""
    where, workload = find_corefile(client, None, request.namespace, None, request.service)
    if not workload:
        raise KubeError(
            f"the workload of the pods with ConfigMap {where.namespace}/{where.config_map} cannot be read: the rights "
            "to get it are missing (docs/rbac.md)"
        )
    extra = extra_of(client, request._replace(name=NAME, key=KEY, wait=False), Options(CUSTOM, removes=False))
    found = extra.found["imported_by"]
    return Found(
        where.namespace, workload, bool(_volume(workload)), bool(found["imported"]), _folder(workload),
        _container(extra), extra.warnings[0] if extra.warnings and not found["imported"] else "",
    )  # fmt: skip


def prepare(client: Client, request: Request, check_mode: bool, diff: bool, say: Say) -> dict[str, t.Any]:
    """Make the way: first the volume, which replaces the pods, then the line."""
    way = _look(client, request)
    changes: list[str] = []
    if not way.mounted:
        if not way.container:
            raise KubeError(f"{way.missing}: nothing was changed")
        owner = find_owner(way.workload)
        if owner is not None and request.on_owner != "force":
            raise KubeError(
                f"{way.workload_name} belongs to {owner.name} ({owner.evidence}), which would take the volume away "
                f"again: {way.missing}; on_owner: force does it all the same",
                owner=owner._asdict(),
            )
        _apply(client, way, {
            "containers": [{
                "name": way.container,
                "volumeMounts": [{"name": NAME, "mountPath": FOLDER, "readOnly": True}],
            }],
            "volumes": [{"name": NAME, "configMap": {"name": NAME, "optional": True}}],
        }, check_mode)  # fmt: skip
        changes.append(f"gave {way.workload_name} the volume {NAME}, which replaces its pods one after the other")
        if not check_mode and request.wait:
            _wait(client, way, request.wait_timeout, say)
    line = f"import {way.folder}/*.override"
    edits = {"servers": [{"zones": [SERVER], "plugins": [line]}]}
    result = corefile.change(client, Wanted(edits, owner=OWNER), request, check_mode, diff, say)
    return _told(result, changes, way)


def unprepare(client: Client, request: Request, check_mode: bool, diff: bool, say: Say) -> dict[str, t.Any]:
    """Take the way back: first the line, then the volume, as far as they are ours."""
    way = _look(client, request)
    result = corefile.change(client, Wanted(owner=OWNER, reset=True), request, check_mode, diff, say)
    changes: list[str] = []
    if _is_ours(way.workload):
        _apply(client, way, None, check_mode)
        changes.append(f"took the volume {NAME} from {way.workload_name}, which replaces its pods one after the other")
        if not check_mode and request.wait:
            _wait(client, way, request.wait_timeout, say)
    return _told(result, changes, way)


def _told(result: dict[str, t.Any], changes: list[str], way: Found) -> dict[str, t.Any]:
    return {
        **result, "changed": result["changed"] or bool(changes), "changes": [*changes, *result["changes"]],
        "logging": False, "until": "",
        "workload": {
            "kind": way.workload["kind"], "namespace": way.namespace, "name": way.workload["metadata"]["name"],
        },
    }  # fmt: skip


def _path(way: Found) -> str:
    plural = _PLURALS[way.workload["kind"]]
    name = segment(way.workload["metadata"]["name"])
    return f"/apis/apps/v1/namespaces/{segment(way.namespace)}/{plural}/{name}"


def _apply(client: Client, way: Found, pod: Object | None, check_mode: bool) -> None:
    """Declare this of the pods' template, and nothing else; None: nothing any more."""
    meta = {"name": way.workload["metadata"]["name"], "namespace": way.namespace}
    body: Object = {"apiVersion": "apps/v1", "kind": way.workload["kind"], "metadata": meta}
    if pod is not None:
        body["spec"] = {"template": {"spec": pod}}
    # No force: nobody else declares these fields, and who does is not overruled.
    try:
        client.patch(_path(way), body, _APPLY, fieldManager=OWNER, dryRun="All" if check_mode else None)
    except Answered as error:
        if error.status != 409:
            raise
        raise KubeError(
            f"somebody else declares the volume {NAME} of {way.workload_name}, or its place {FOLDER}, otherwise, and "
            f"nothing was changed: take that away, or make the way by hand ({way.missing}): {error.message}"
        ) from error


def _wait(client: Client, way: Found, seconds: float, say: Say) -> None:
    """Until all pods are of the new template and ready."""
    deadline = time.monotonic() + seconds
    while True:
        held = client.get(_path(way))
        status, kind = held.get("status") or {}, way.workload["kind"]
        wanted = status.get("desiredNumberScheduled", 0) if kind == "DaemonSet" else held["spec"].get("replicas", 1)
        new = status.get("updatedNumberScheduled" if kind == "DaemonSet" else "updatedReplicas", 0)
        ready = status.get("numberReady" if kind == "DaemonSet" else "readyReplicas", 0)
        count = status.get("replicas", wanted)
        seen = status.get("observedGeneration", 0) >= held["metadata"].get("generation", 0)
        if seen and new == ready == count == wanted:
            return
        say(f"{way.workload_name}: {new} of {wanted} pods are replaced, {ready} are ready")
        if time.monotonic() > deadline:
            raise KubeError(
                f"after {seconds:.0f} s {new} of {wanted} pods of {way.workload_name} are replaced, and {ready} are "
                "ready; look at its pods. The volume stays; state: unprepared takes it back"
            )
        time.sleep(_POLL_SECONDS)


def _volume(workload: Object) -> Object | None:
    spec = workload["spec"]["template"]["spec"]
    for volume in spec.get("volumes") or ():
        if (volume.get("configMap") or {}).get("name") == NAME:
            return t.cast(Object, volume)
    return None


def _folder(workload: Object) -> str:
    volume = _volume(workload)
    if volume is not None:
        for container in workload["spec"]["template"]["spec"]["containers"]:
            for mount in container.get("volumeMounts") or ():
                if mount["name"] == volume["name"]:
                    return str(mount["mountPath"]).rstrip("/")
    return FOLDER


def _container(extra: Extra) -> str:
    return extra.running[0].pod.container if extra.running else ""


def _is_ours(workload: Object) -> bool:
    return any(one.get("manager") == OWNER for one in workload["metadata"].get("managedFields") or ())


COREDNS = Target(NAME, "CoreDNS", look, prepare, unprepare)
