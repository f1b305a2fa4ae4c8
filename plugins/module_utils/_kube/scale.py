# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many pods answer the cluster's DNS, and what decides that: read for cluster_dns_info, set for cluster_dns_scale.

Either the Deployment's own number holds, or an autoscaler keeps writing it: a HorizontalPodAutoscaler, or the
cluster-proportional-autoscaler, which takes its parameters from a ConfigMap
(github.com/kubernetes-sigs/cluster-proportional-autoscaler).
"""

from __future__ import annotations

import json
import time
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._kube.chain import Chain, find_chain
from ansible_collections.kubenode.network.plugins.module_utils._kube.client import Client, Object, segment
from ansible_collections.kubenode.network.plugins.module_utils._kube.edit import edit_object
from ansible_collections.kubenode.network.plugins.module_utils._kube.errors import KubeError
from ansible_collections.kubenode.network.plugins.module_utils._kube.owner import find_owner
from ansible_collections.kubenode.network.plugins.module_utils._kube.reader import Reader

POLL_SECONDS = 1.0
HORIZONTAL, PROPORTIONAL = "HorizontalPodAutoscaler", "cluster-proportional-autoscaler"
# Options -> fields of each kind.
_LINEAR = {
    "min": "min", "max": "max", "cores_per_replica": "coresPerReplica", "nodes_per_replica": "nodesPerReplica",
    "prevent_single_point_failure": "preventSinglePointFailure",
    "include_unschedulable_nodes": "includeUnschedulableNodes",
}  # fmt: skip
_FIELDS = {HORIZONTAL: {"min": "minReplicas", "max": "maxReplicas"}, PROPORTIONAL: _LINEAR}


class Autoscaler(t.NamedTuple):
    """What writes the number of replicas."""

    kind: str
    namespace: str
    name: str
    """Of the HorizontalPodAutoscaler, or of the Deployment that runs the cluster-proportional-autoscaler."""
    config_map: tuple[str, str] = ("", "")
    """(namespace, name) of the latter's parameters."""

    @property
    def text(self) -> str:
        """For people."""
        return f"{'Deployment' if self.kind == PROPORTIONAL else self.kind} {self.namespace}/{self.name}"

    @property
    def path(self) -> str:
        """Of what holds its parameters."""
        if self.kind == HORIZONTAL:
            return (
                f"/apis/autoscaling/v2/namespaces/{segment(self.namespace)}/horizontalpodautoscalers/"
                f"{segment(self.name)}"
            )
        return f"/api/v1/namespaces/{segment(self.config_map[0])}/configmaps/{segment(self.config_map[1])}"


def find_autoscaler(reader: Reader, chain: Chain) -> Autoscaler | None:
    """What scales the workload; None: nothing that may be read (the reader's ``unreadable`` has the rest)."""
    kind, name = chain.workload
    path = f"/apis/autoscaling/v2/namespaces/{segment(chain.namespace)}/horizontalpodautoscalers"
    for one in reader.items("HorizontalPodAutoscalers", path):
        target = one["spec"]["scaleTargetRef"]
        if (target["kind"], target["name"]) == (kind, name):
            return Autoscaler(HORIZONTAL, chain.namespace, one["metadata"]["name"])
    path = f"/apis/apps/v1/namespaces/{segment(chain.namespace)}/deployments"
    for one in reader.items("Deployments", path):
        for held in one["spec"]["template"]["spec"]["containers"]:
            flags = _flags((*(held.get("command") or ()), *(held.get("args") or ())))
            # In any case, since Kubernetes' own manifests have "Deployment/"; several are separated by commas.
            if f"{kind}/{name}".lower() in (part.strip() for part in flags.get("target", "").lower().split(",")):
                place = flags.get("namespace", "")
                place = chain.namespace if not place or "$(" in place else place
                meta = one["metadata"]
                return Autoscaler(PROPORTIONAL, meta["namespace"], meta["name"], (place, flags.get("configmap", "")))
    return None


def _flags(words: t.Sequence[str]) -> dict[str, str]:
    return {name.lstrip("-"): value for name, equals, value in (word.partition("=") for word in words) if equals}


def parameters(scaler: Autoscaler, held: Object) -> dict[str, t.Any]:
    """An autoscaler's parameters in the words of the options. Raises KubeError where they are of another kind."""
    fields = held["spec"] if scaler.kind == HORIZONTAL else _linear(scaler, held)
    return {option: fields[name] for option, name in _FIELDS[scaler.kind].items() if name in fields}


def _linear(scaler: Autoscaler, held: Object) -> Object:
    data = held.get("data") or {}
    what = "ConfigMap {}/{}".format(*scaler.config_map)
    if "linear" not in data:
        raise KubeError(
            f"{what} of the autoscaler {scaler.text} has {', '.join(sorted(data)) or 'nothing'} where linear was "
            "expected: only linear parameters can be set; edit it by hand"
        )
    try:
        found = json.loads(data["linear"])
    except ValueError as error:
        raise KubeError(f"{what}, key linear, is no JSON ({error}): mend it by hand") from None
    if not isinstance(found, dict):
        raise KubeError(f"{what}, key linear, is no JSON object: mend it by hand")
    return found


def state_of(reader: Reader, chain: Chain) -> dict[str, t.Any]:
    """Replicas as declared and ready, and who else sets their number, for cluster_dns_info."""
    status = (chain.workload_object or {}).get("status") or {}
    spec = (chain.workload_object or {}).get("spec") or {}
    wanted = spec.get("replicas", status.get("desiredNumberScheduled"))
    ready = status.get("readyReplicas", status.get("numberReady"))
    scaler = find_autoscaler(reader, chain)
    found: dict[str, t.Any] = {}
    if scaler is not None:
        held = reader.find(f"parameters of {scaler.text}", scaler.path)
        try:
            found = parameters(scaler, held) if held is not None else {}
        except KubeError:
            # Not linear: it is named all the same.
            found = {}
    text = scaler.text if scaler is not None else ""
    return {"replicas": wanted, "ready": ready or 0, "autoscaler": text, "autoscaler_parameters": found}


class Wish(t.NamedTuple):
    """The options of cluster_dns_scale."""

    replicas: int | None = None
    autoscaler: t.Mapping[str, t.Any] | None = None
    """In place of replicas; None values are left as they are."""
    service: str | None = None
    namespace: str | None = None
    wait: bool = True
    wait_timeout: int = 180


def scale(client: Client, wish: Wish, check_mode: bool) -> dict[str, t.Any]:
    """Set the replicas of the cluster's DNS, or the parameters of what scales it.

    Raises KubeError: nothing was changed then, or the pods did not get ready, which it says.
    """
    wanted = {name: value for name, value in (wish.autoscaler or {}).items() if value is not None}
    for name, value in {"replicas": wish.replicas, **wanted}.items():
        if value is not None and not isinstance(value, bool) and (value <= 0 or (name == "replicas" and value < 1)):
            raise KubeError(f"{name} is {value}, and has to be more than nothing: somebody has to answer")
    if wish.replicas is None and not wanted:
        raise KubeError(f"autoscaler names nothing to set: it takes {', '.join(_LINEAR)}")
    chain = find_chain(client, wish.service, wish.namespace)
    reader = Reader(client)
    scaler = find_autoscaler(reader, chain)
    if wish.replicas is not None:
        result = _replicas(client, wish, wish.replicas, chain, reader, scaler, check_mode)
    else:
        result = _autoscaler(client, wanted, chain, reader, scaler, check_mode)
    kind, name = chain.workload
    owner = find_owner(chain.workload_object or {"metadata": {}})
    if owner is not None and result["changed"]:
        result["warnings"].append(
            f"{kind} {chain.namespace}/{name} belongs to {owner.name} ({owner.evidence}), which may put back its own"
        )
    return {
        **result,
        "workload": {"kind": kind, "namespace": chain.namespace, "name": name},
        "autoscaler": scaler.text if scaler is not None else "",
        "requests": client.requests,
    }


def _replicas(
    client: Client, wish: Wish, wanted: int, chain: Chain, reader: Reader, scaler: Autoscaler | None, check_mode: bool
) -> dict[str, t.Any]:
    kind, name = chain.workload
    if kind != "Deployment":
        raise KubeError(
            f"replicas: the cluster's DNS is {kind or 'no workload'} {chain.namespace}/{name}, which has no number of "
            "replicas to set" + (": it runs a pod on each node" if kind == "DaemonSet" else "")
        )
    if scaler is not None:
        raise KubeError(
            f"replicas: {scaler.text} sets the replicas of {kind} {chain.namespace}/{name}, and would put back its own "
            "number; set autoscaler (min, max) instead, or take it away"
        )
    if reader.unreadable:
        raise KubeError(
            f"replicas: whether an autoscaler sets them cannot be told: {reader.unreadable[0]['what']} may not be read "
            f"({reader.unreadable[0]['why']})"
        )
    path = f"/apis/apps/v1/namespaces/{segment(chain.namespace)}/deployments/{segment(name)}"

    def edit(held: Object) -> Object:
        held["spec"]["replicas"] = wanted
        return held

    edited = edit_object(client, f"{path}/scale", edit, check_mode, dry_run=not check_mode)
    before, after = ({"replicas": one["spec"].get("replicas", 0)} for one in (edited.before, edited.after))
    if wish.wait and not check_mode:
        _wait(client, path, f"{kind} {chain.namespace}/{name}", wanted, wish.wait_timeout)
    return _result(edited.changed, before, after, edited.unchecked)


def _wait(client: Client, path: str, what: str, wanted: int, seconds: float) -> None:
    """Until as many pods are ready as are wanted, and no more are left."""
    deadline = time.monotonic() + seconds
    while True:
        held = client.get(path)
        status = held.get("status") or {}
        seen = status.get("observedGeneration", 0) >= held["metadata"].get("generation", 0)
        if seen and (status.get("readyReplicas") or 0) == (status.get("replicas") or 0) == wanted:
            return
        if time.monotonic() > deadline:
            why = [one.get("message", "") for one in status.get("conditions") or () if one.get("status") == "False"]
            raise KubeError(
                f"{what} has {wanted} replicas declared, and after {seconds:.0f} s {status.get('readyReplicas') or 0} "
                f"are ready{': ' + '; '.join(why) if why else ''}; look at its pods"
            )
        time.sleep(POLL_SECONDS)


def _autoscaler(
    client: Client, wanted: t.Mapping[str, t.Any], chain: Chain, reader: Reader, scaler: Autoscaler | None,
    check_mode: bool,
) -> dict[str, t.Any]:  # fmt: skip
    kind, name = chain.workload
    if scaler is None:
        unread = "".join(f"; {one['what']} may not be read ({one['why']})" for one in reader.unreadable[:1])
        raise KubeError(
            f"autoscaler: nothing scales {kind} {chain.namespace}/{name}: neither a HorizontalPodAutoscaler nor a "
            f"cluster-proportional-autoscaler names it{unread}; install one, or set replicas"
        )
    if scaler.kind == PROPORTIONAL and not scaler.config_map[1]:
        raise KubeError(f"autoscaler: {scaler.text} names no ConfigMap (flag --configmap): its flags are the place")
    fields = _FIELDS[scaler.kind]
    foreign = sorted(set(wanted) - set(fields))
    if foreign:
        raise KubeError(
            f"autoscaler: {', '.join(foreign)} is nothing that {scaler.text} knows; it takes {', '.join(fields)}"
        )

    def edit(held: Object) -> Object:
        merged = {**parameters(scaler, held), **wanted}
        low, high = merged.get("min"), merged.get("max")
        if low is not None and high is not None and low > high:
            raise KubeError(f"autoscaler: min is {low} and max {high} then; max has to be {low} or more")
        changed = {fields[option]: value for option, value in wanted.items()}
        if scaler.kind == HORIZONTAL:
            held["spec"].update(changed)
            return held
        linear = _linear(scaler, held)
        if any(linear.get(field) != value for field, value in changed.items()):
            held["data"]["linear"] = json.dumps(
                {**linear, **{field: _whole(value) for field, value in changed.items()}}
            )
        return held

    edited = edit_object(client, scaler.path, edit, check_mode, dry_run=not check_mode)
    before, after = (parameters(scaler, one) for one in (edited.before, edited.after))
    return _result(edited.changed, before, after, edited.unchecked)


def _whole(value: t.Any) -> t.Any:
    """256.0 as 256."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _result(changed: bool, before: Object, after: Object, unchecked: str) -> dict[str, t.Any]:
    return {
        "changed": changed, "before": before, "after": after,
        "warnings": [unchecked] if unchecked else [],
    }  # fmt: skip
