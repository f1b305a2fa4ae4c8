# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a CoreDNS pod has around its Corefile (imported files, environment), and whether it can take up another text."""

from __future__ import annotations

import datetime as dt
import posixpath
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._corefile.errors import CorefileError
from ansible_collections.kubenode.network.plugins.module_utils._corefile.load import ANY_FILES, Files
from ansible_collections.kubenode.network.plugins.module_utils._kube.chain import (
    STARTED_WITH,
    conf_of,
    controller_of,
)
from ansible_collections.kubenode.network.plugins.module_utils._kube.client import MERGE, Client, Object, segment
from ansible_collections.kubenode.network.plugins.module_utils._kube.errors import Answered, KubeError
from ansible_collections.kubenode.network.plugins.module_utils._kube.proof import Running, Where
from ansible_collections.kubenode.network.plugins.module_utils._kube.reading import Loading, plugins

RESTARTED = "kubenode.network/restarted-at"
TOUCHED = "kubenode.network/touched-at"


class Mount(t.NamedTuple):
    """A ConfigMap where a container finds it."""

    config_map: str
    optional: bool
    """The pod starts without the ConfigMap too."""
    items: tuple[Object, ...]
    """{key, path}; none of them: all keys, each by its name."""
    folder: str
    sub_path: str
    """The one file that is mounted, for the life of the container, at ``folder``; empty: all."""

    def files(self, data: t.Mapping[str, str]) -> dict[str, str]:
        """What the container finds of such data: absolute path -> text."""
        keys = {item["path"]: item["key"] for item in self.items} if self.items else {key: key for key in data}
        found = {path: data[key] for path, key in keys.items() if key in data}
        if not self.sub_path:
            return {posixpath.join(self.folder, path): text for path, text in found.items()}
        wanted = posixpath.normpath(self.sub_path)
        return {posixpath.normpath(self.folder): found[wanted]} if wanted in found else {}


def mounts_of(running: Running) -> tuple[list[Mount], bool]:
    """The ConfigMaps that a pod's CoreDNS mounts, and whether it has no volumes besides of which nothing is known."""
    spec = running.thing["spec"]
    container = next(one for one in spec["containers"] if one["name"] == running.pod.container)
    volumes = {volume["name"]: volume for volume in spec.get("volumes") or ()}
    found: list[Mount] = []
    complete = True
    for mount in container.get("volumeMounts") or ():
        volume = volumes.get(mount["name"], {})
        parts = [volume, *((volume.get("projected") or {}).get("sources") or ())]
        if any("serviceAccountToken" in part for part in parts):
            # What every pod has, and no Corefile imports.
            continue
        held = [part["configMap"] for part in parts if part.get("configMap")]
        # A file that is made empty where there is none, xtables.lock of a node-cache, is no piece of a Corefile either.
        lock = (volume.get("hostPath") or {}).get("type") == "FileOrCreate"
        complete = complete and (bool(held) or "emptyDir" in volume or lock)
        found += [
            Mount(
                one["name"], bool(one.get("optional")), tuple(one.get("items") or ()), mount["mountPath"],
                mount.get("subPath") or "",
            )
            for one in held
        ]  # fmt: skip
    return found, complete


def around_of(client: Client, where: Where, running: t.Sequence[Running], known: t.Collection[str] = ()) -> Files:
    """The files that the Corefile of these pods may import, from their other ConfigMaps, and their environment.

    A request per such ConfigMap but those of ``known``; one that is optional and not there has no files. Without a pod
    nothing is known.
    """
    if not running:
        return ANY_FILES
    thing, name = running[0].thing, running[0].pod.container
    container = next(one for one in thing["spec"]["containers"] if one["name"] == name)
    env = {one["name"]: one.get("value", "") for one in container.get("env") or () if "valueFrom" not in one}
    mounts, complete = mounts_of(running[0])
    files: dict[str, str] = {}
    for mount in mounts:
        if mount.config_map != where.config_map and mount.config_map not in known:
            path = f"/api/v1/namespaces/{segment(where.namespace)}/configmaps/{segment(mount.config_map)}"
            files.update(mount.files((client.find(path) or {}).get("data") or {}))
    return Files(files, env, conf_of(container), complete)


def restart_where_needed(
    client: Client, where: Where, running: t.Sequence[Running], loaded: Loading, wanted: str
) -> bool:
    """Restart the workload where its pods do not take up another text by themselves; whether that was so.

    They do not without plugin reload in what they have ``loaded``, and where it is mounted by subPath. ``wanted``, the
    hash of what they are restarted for, is noted on the new pods.
    """
    if not running or (not any(one.fixed for one in running) and reloads(loaded)):
        return False
    if any(one.pod.started_with == wanted for one in running):
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
    template = {"metadata": {"annotations": {RESTARTED: _now(), STARTED_WITH: wanted}}}
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


def reloads(loaded: Loading) -> bool:
    """Whether a CoreDNS with this looks at its Corefile again, and tells what it runs: that is plugin reload."""
    try:
        return "reload" in plugins(loaded)
    except CorefileError:
        return False
