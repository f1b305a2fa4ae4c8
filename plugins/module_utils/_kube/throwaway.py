# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A pod that tries another Corefile exactly as a live one would run it, and touches nobody (pure).

It has the live container's image, arguments, mounts, environment, limits and service account, and goes to nodes where
the live one may go. It is no copy in what could reach others: no label, so that neither a Service nor a ReplicaSet
takes it for one of theirs; no port of the node; no priority, so that nobody is evicted for it; nothing of the node or
of a claim to write to; and no second container but those which fill a volume of the first.
"""

from __future__ import annotations

import copy
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._kube.client import Object

LABELS = {"app.kubernetes.io/managed-by": "kubenode.network", "app.kubernetes.io/component": "corefile-validation"}
_POD = (
    "automountServiceAccountToken", "dnsConfig", "dnsPolicy", "enableServiceLinks", "hostAliases", "imagePullSecrets",
    "nodeSelector", "os", "runtimeClassName", "schedulerName", "securityContext", "serviceAccountName", "tolerations",
    "volumes",
)  # fmt: skip
_CONTAINER = (
    "args", "command", "env", "envFrom", "image", "imagePullPolicy", "name", "resources", "securityContext",
    "volumeDevices", "volumeMounts", "workingDir",
)  # fmt: skip
_READ_ONLY = ("hostPath", "persistentVolumeClaim")


def tries(pod: Object) -> bool:
    """Whether a pod is a throw-away one, which is none of the cluster's DNS whatever it mounts."""
    labels = pod["metadata"].get("labels") or {}
    return all(labels.get(name) == value for name, value in LABELS.items())


def pod_like(live: Object, container: str, name: str, renamed: t.Mapping[str, str], seconds: int) -> Object:
    """The throw-away pod ``name`` for a live pod whose CoreDNS is ``container``.

    ``renamed``: ConfigMaps of the live one and those to mount in their place. It ends itself after ``seconds``.
    """
    spec = live["spec"]
    main = next(one for one in spec["containers"] if one["name"] == container)
    body = {key: copy.deepcopy(spec[key]) for key in _POD if key in spec}
    if spec.get("hostNetwork") and body.get("dnsPolicy", "ClusterFirst") == "ClusterFirst":
        # What a kubelet makes of it for pods in the node's network ("Pod's DNS Policy").
        body["dnsPolicy"] = "Default"
    node_affinity = (spec.get("affinity") or {}).get("nodeAffinity")
    if node_affinity:
        body["affinity"] = {"nodeAffinity": copy.deepcopy(node_affinity)}
    volumes = body.get("volumes", [])
    for volume in volumes:
        _rename(volume, renamed)
    guarded = {volume["name"] for volume in volumes if any(kind in volume for kind in _READ_ONLY)}
    server = _container(main, guarded)
    server["terminationMessagePolicy"] = "FallbackToLogsOnError"
    # Of these words, CoreDNS's -quiet keeps the line back that tells that it serves.
    for words in ("command", "args"):
        if words in server:
            server[words] = [word for word in server[words] if word.lstrip("-") not in ("quiet", "quiet=true")]
    probe = main.get("readinessProbe")
    if probe:
        server["readinessProbe"] = {
            **copy.deepcopy(probe), "initialDelaySeconds": 0, "periodSeconds": 1, "successThreshold": 1,
        }  # fmt: skip
    body["containers"] = [server]
    before = [_container(one, guarded) for one in spec.get("initContainers") or () if _fills(one, main, volumes)]
    if before:
        body["initContainers"] = before
    body.update(
        restartPolicy="Never", activeDeadlineSeconds=seconds, terminationGracePeriodSeconds=1, hostNetwork=False
    )
    return {
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": live["metadata"]["namespace"], "labels": dict(LABELS)},
        "spec": body,
    }  # fmt: skip


def config_map_for(pod: Object, name: str, wanted: Object) -> Object:
    """The ConfigMap ``name`` with the content of ``wanted``, which goes when the pod goes (it is its owner)."""
    meta = pod["metadata"]
    owner = {"apiVersion": "v1", "kind": "Pod", "name": meta["name"], "uid": meta["uid"]}
    body: Object = {
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {
            "name": name, "namespace": meta["namespace"], "labels": dict(LABELS), "ownerReferences": [owner],
        },
    }  # fmt: skip
    body.update({kind: wanted[kind] for kind in ("data", "binaryData") if wanted.get(kind)})
    return body


def _container(live: Object, guarded: t.Container[str]) -> Object:
    body = {key: copy.deepcopy(live[key]) for key in _CONTAINER if key in live}
    for mount in body.get("volumeMounts", ()):
        if mount["name"] in guarded:
            mount["readOnly"] = True
            mount.pop("mountPropagation", None)
    # Probes may call a port by its name.
    ports = [
        {key: value for key, value in port.items() if key not in ("hostPort", "hostIP")}
        for port in live.get("ports") or ()
    ]
    return {**body, "ports": ports} if ports else body


def _rename(volume: Object, renamed: t.Mapping[str, str]) -> None:
    for source in (volume, *((volume.get("projected") or {}).get("sources") or ())):
        held = source.get("configMap")
        if held and held["name"] in renamed:
            held["name"] = renamed[held["name"]]
            # One that is optional is there from now on: without it the pod would try the wrong thing.
            held.pop("optional", None)


def _fills(init: Object, main: Object, volumes: t.Sequence[Object]) -> bool:
    """Whether an init container writes what the server finds, and then ends."""
    if init.get("restartPolicy") == "Always":
        return False
    shared = {volume["name"] for volume in volumes if "emptyDir" in volume}
    used = {mount["name"] for mount in main.get("volumeMounts") or ()}
    return any(mount["name"] in shared & used for mount in init.get("volumeMounts") or ())
