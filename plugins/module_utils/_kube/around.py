# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a CoreDNS pod has around its Corefile (imported files, environment), and whether it can take up another text."""

from __future__ import annotations

import datetime as dt
import posixpath
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._corefile.document import parse
from ansible_collections.kubenode.network.plugins.module_utils._corefile.errors import CorefileError
from ansible_collections.kubenode.network.plugins.module_utils._corefile.load import ANY_FILES, Files
from ansible_collections.kubenode.network.plugins.module_utils._kube.chain import (
    STARTED_WITH,
    config_maps,
    controller_of,
    sources,
)
from ansible_collections.kubenode.network.plugins.module_utils._kube.client import MERGE, Client, Object, segment
from ansible_collections.kubenode.network.plugins.module_utils._kube.errors import Answered, KubeError
from ansible_collections.kubenode.network.plugins.module_utils._kube.proof import Running, Where

RESTARTED = "kubenode.network/restarted-at"
TOUCHED = "kubenode.network/touched-at"


def around_of(client: Client, where: Where, running: t.Sequence[Running]) -> Files:
    """The files that the Corefile of these pods may import, from their other ConfigMaps, and their environment.

    A request per such ConfigMap; one that is optional and not there has no files. Without a pod nothing is known.
    """
    if not running:
        return ANY_FILES
    thing, name = running[0].thing, running[0].pod.container
    spec = thing["spec"]
    container = next(one for one in spec["containers"] if one["name"] == name)
    main = next(source.path for held, source in sources(thing) if held == name)
    env = {one["name"]: one.get("value", "") for one in container.get("env") or () if "valueFrom" not in one}
    volumes = {volume["name"]: volume for volume in spec.get("volumes") or ()}
    files: dict[str, str] = {}
    complete = True
    for mount in container.get("volumeMounts") or ():
        volume = volumes.get(mount["name"], {})
        if any("serviceAccountToken" in source for source in (volume.get("projected") or {}).get("sources") or ()):
            # What every pod has, and no Corefile imports.
            continue
        held = list(config_maps(volume))
        # Of other kinds of volumes nothing is known.
        complete = complete and (bool(held) or "emptyDir" in volume)
        for config_map, items in held:
            if config_map != where.config_map:
                files.update(_files(client, where.namespace, config_map, items, mount))
    return Files(files, env, main, complete)


def _files(
    client: Client, namespace: str, name: str, items: t.Sequence[Object], mount: Object
) -> t.Iterator[tuple[str, str]]:
    found = client.find(f"/api/v1/namespaces/{segment(namespace)}/configmaps/{segment(name)}")
    data = (found or {}).get("data") or {}
    paths = {item["path"]: item["key"] for item in items} if items else {key: key for key in data}
    for path, key in paths.items():
        if key not in data:
            continue
        if not mount.get("subPath"):
            yield posixpath.join(mount["mountPath"], path), data[key]
        elif posixpath.normpath(mount["subPath"]) == path:
            yield posixpath.normpath(mount["mountPath"]), data[key]


def restart_where_needed(client: Client, where: Where, running: t.Sequence[Running], loaded: str, sha256: str) -> bool:
    """Restart the workload where its pods do not take up another text by themselves; whether that was so.

    They do not without plugin reload in the text that they have ``loaded``, and where it is mounted by subPath.
    ``sha256``, of the text that they are restarted for, is noted on the new pods.
    """
    if not running or (not any(one.fixed for one in running) and reloads(loaded)):
        return False
    if any(one.pod.started_with == sha256 for one in running):
        # It is under way, or was done.
        return True
    owner = controller_of(running[0].thing)
    kind, name = owner if owner is not None else ("", "")
    base = f"/apis/apps/v1/namespaces/{segment(where.namespace)}"
    if kind == "ReplicaSet":
        above = controller_of(client.get(f"{base}/replicasets/{segment(name)}"))
        kind, name = above if above is not None else (kind, name)
    plural = {"Deployment": "deployments", "DaemonSet": "daemonsets", "StatefulSet": "statefulsets"}.get(kind)
    if plural is None:
        raise KubeError(
            f"the pods of ConfigMap {where.namespace}/{where.config_map} do not reload their Corefile, and belong to "
            f"{kind or 'nothing'} {name}, which cannot be restarted: restart them by hand"
        )
    template = {"metadata": {"annotations": {RESTARTED: _now(), STARTED_WITH: sha256}}}
    client.patch(f"{base}/{plural}/{segment(name)}", {"spec": {"template": template}}, MERGE)
    return True


def touch(client: Client, where: Where, running: t.Sequence[Running]) -> list[str]:
    """Annotate the pods, upon which their kubelets bring them their ConfigMaps at once; why that was not to be done.

    A kubelet syncs a pod, its volumes too, when the pod's object changes, and in its own time otherwise
    (kubernetes.io, "Mounted ConfigMaps are updated automatically").
    """
    for one in running:
        path = f"/api/v1/namespaces/{segment(where.namespace)}/pods/{segment(one.pod.name)}"
        try:
            client.patch(path, {"metadata": {"annotations": {TOUCHED: _now()}}})
        except Answered as error:
            # One that has gone meanwhile needs no hastening; the text reaches the others in the kubelet's own time.
            if error.status != 404:
                return [f"touch_pods: pod {one.pod.name} was not touched: {error.message}"]
    return []


def _now() -> str:
    return dt.datetime.now(dt.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def reloads(text: str) -> bool:
    """Whether a CoreDNS with this text looks at its Corefile again, and tells what it runs: that is plugin reload."""
    try:
        document = parse(text)
        return any(item.plugins("reload") for item in document.blocks)
    except CorefileError:
        return False
