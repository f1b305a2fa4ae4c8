# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the cluster's DNS address to the text that answers there: Service, endpoints, pods, workload, ConfigMap, key.

Nothing is taken by its name alone: Kubespray, RKE2 and OpenShift name things differently, and NodeLocal DNSCache has a
second Service for the same pods. What may not be read is said, and the next way is taken.
"""

from __future__ import annotations

import posixpath
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._kube.client import Client, Object, segment
from ansible_collections.kubenode.network.plugins.module_utils._kube.errors import Answered, KubeError
from ansible_collections.kubenode.network.plugins.module_utils._kube.owner import KUBE_DNS

STARTED_WITH = "kubenode.network/started-with"
"""Annotation of a pod template that was restarted for the sake of a text: the hash of what its pods load with it."""

_DEFAULT_CONF = "Corefile"
"""`-conf` of CoreDNS (coremain/run.go)."""
_DEFAULT_BASE = "/etc/coredns/Corefile.base"
"""`-basecorefile` of node-cache (k8s.io/dns, cmd/node-cache/main.go): what it makes the file of `-conf` from."""


class Pod(t.NamedTuple):
    """A pod that runs the Corefile, as it is right now."""

    name: str
    uid: str
    container: str
    started: str
    """When the running container was started; empty while none runs."""
    restarts: int
    ready: bool
    node: str
    ip: str
    metrics_port: int
    """Of plugin prometheus, as the container's ports tell; 9153 where they do not."""
    started_with: str = ""
    """STARTED_WITH, where the container has not been started again since: another start may have found another text."""


class Source(t.NamedTuple):
    """Where a container's Corefile comes from."""

    name: str
    """Of the ConfigMap."""
    key: str
    path: str
    """In the container."""
    fixed: bool
    """Mounted by subPath: it stays what it was at the start of the container."""


class Chain(t.NamedTuple):
    """The way that was found; what a step could not tell is empty."""

    namespace: str
    service: str
    cluster_ips: tuple[str, ...]
    workload: tuple[str, str]
    """(kind, name)"""
    workload_object: Object | None
    template: Object
    """The spec of the pods."""
    pods: tuple[Pod, ...]
    source: Source
    steps: tuple[dict[str, str], ...]
    """{step, found, how}: the evidence."""


def find_chain(client: Client, service: str | None = None, namespace: str | None = None) -> Chain:
    """Follow the cluster's DNS to its ConfigMap; ``service`` (and its ``namespace``) where it is known.

    Raises KubeError where the way ends or forks: it says what was found on it.
    """
    steps: list[dict[str, str]] = []
    chosen = _services(client, service, namespace, steps)
    found: dict[tuple[str, str, str], Chain] = {}
    ends = []
    for one in chosen:
        try:
            chain = _follow(client, one, list(steps))
        except KubeError as error:
            if isinstance(error, Answered) or len(chosen) == 1:
                raise
            ends.append(error.message)
            continue
        found.setdefault((chain.namespace, chain.source.name, chain.source.key), chain)
    if len(found) > 1:
        ways = "; ".join(
            f"Service {one.namespace}/{one.service} leads to ConfigMap {one.source.name}" for one in found.values()
        )
        raise KubeError(
            f"the cluster has several DNS servers with a Corefile of their own: {ways}; name one with service"
        )
    if not found:
        raise KubeError("; ".join(ends))
    return next(iter(found.values()))


def _services(client: Client, service: str | None, namespace: str | None, steps: list[dict[str, str]]) -> list[Object]:
    if service is not None:
        place = namespace or "kube-system"
        one = client.find(f"/api/v1/namespaces/{segment(place)}/services/{segment(service)}")
        if one is None:
            raise KubeError(
                f"service: there is no Service {place}/{service}; name the one that pods ask, with its namespace, or "
                "leave it out to have it found"
            )
        steps.append({"step": "service", "found": f"{place}/{service}", "how": "given"})
        return [one]
    addresses = _cluster_dns(client, steps)
    for address in addresses:
        matches = client.items("/api/v1/services", fieldSelector=f"spec.clusterIP={address}")
        if matches:
            name = "{namespace}/{name}".format(**matches[0]["metadata"])
            steps.append(
                {"step": "service", "found": name, "how": f"its ClusterIP is the kubelets' clusterDNS {address}"}
            )
            return matches[:1]
        steps.append({"step": "service", "found": "", "how": f"no Service has the kubelets' clusterDNS {address}"})
    labelled = [
        one for one in client.items("/api/v1/services", labelSelector="k8s-app in (kube-dns,coredns,rke2-coredns)")
        if _serves_dns(one)
    ] or [
        one for one in client.items("/api/v1/services") if _serves_dns(one) and one["spec"].get("clusterIP") != "None"
    ]  # fmt: skip
    if not labelled:
        raise KubeError("no Service of this cluster serves DNS on port 53; name the cluster's DNS Service with service")
    for one in labelled:
        name = "{namespace}/{name}".format(**one["metadata"])
        steps.append({"step": "service", "found": name, "how": "it serves DNS on port 53"})
    return labelled


def _cluster_dns(client: Client, steps: list[dict[str, str]]) -> list[str]:
    """What kubeadm tells new kubelets (ConfigMap kubelet-config); a running kubelet is asked on its node."""
    path = "/api/v1/namespaces/kube-system/configmaps/kubelet-config"
    try:
        config = client.find(path)
    except Answered as error:
        if error.status != 403:
            raise
        steps.append({"step": "clusterDNS", "found": "", "how": "ConfigMap kube-system/kubelet-config may not be read"})
        return []
    addresses = _list_in_yaml((config or {}).get("data", {}).get("kubelet", ""), "clusterDNS")
    if addresses:
        found = ", ".join(addresses)
        steps.append({"step": "clusterDNS", "found": found, "how": "ConfigMap kube-system/kubelet-config"})
    return addresses


def _list_in_yaml(text: str, key: str) -> list[str]:
    import yaml

    try:
        value = yaml.safe_load(text) if text else None
    except yaml.YAMLError:
        return []
    found = value.get(key) if isinstance(value, dict) else None
    return [str(one) for one in found] if isinstance(found, list) else []


def _serves_dns(service: Object) -> bool:
    spec = service["spec"]
    return bool(spec.get("selector")) and any(
        port.get("port") == 53 and port.get("protocol", "TCP") == "UDP" for port in spec.get("ports") or ()
    )


def _follow(client: Client, service: Object, steps: list[dict[str, str]]) -> Chain:
    namespace, name = service["metadata"]["namespace"], service["metadata"]["name"]
    path = f"/api/v1/namespaces/{segment(namespace)}"
    served = _endpoints(client, namespace, name, steps)
    selector = ",".join(f"{key}={value}" for key, value in sorted((service["spec"].get("selector") or {}).items()))
    if not selector:
        raise KubeError(
            f"Service {namespace}/{name} has no selector: its endpoints are not pods of this cluster; name the Service "
            "that selects CoreDNS's pods with service"
        )
    try:
        pods = [one for one in client.items(path + "/pods", labelSelector=selector) if not over(one)]
    except Answered as error:
        if error.status != 403:
            raise
        return _without_pods(client, service, selector, steps, error)
    if served:
        pods = [one for one in pods if one["metadata"]["name"] in served] or pods
    if not pods:
        raise KubeError(
            f"Service {namespace}/{name} selects no pod ({selector}): nothing answers the cluster's DNS; bring its "
            "pods up first, or name another Service with service"
        )
    names = ", ".join(sorted(one["metadata"]["name"] for one in pods))
    steps.append({"step": "pods", "found": names, "how": f"selector {selector}"})
    template, source, container = _source(pods[0], f"pod {namespace}/{pods[0]['metadata']['name']}")
    kind, workload, held = _workload(client, namespace, pods[0], steps)
    steps.append(
        {"step": "configmap", "found": f"{namespace}/{source.name}", "how": f"key {source.key} is {source.path}"}
    )
    addresses = tuple(service["spec"].get("clusterIPs") or ())
    states = tuple(pod_state(one, container) for one in pods)
    return Chain(namespace, name, addresses, (kind, workload), held, template, states, source, tuple(steps))


def _without_pods(
    client: Client, service: Object, selector: str, steps: list[dict[str, str]], refused: Answered
) -> Chain:
    """The way by the workload whose pods the Service selects, where pods may not be read."""
    namespace, name = service["metadata"]["namespace"], service["metadata"]["name"]
    steps.append({"step": "pods", "found": "", "how": "pods may not be read; workloads of these labels are followed"})
    wanted = service["spec"]["selector"].items()
    for kind, plural in (("Deployment", "deployments"), ("DaemonSet", "daemonsets")):
        for held in client.items(f"/apis/apps/v1/namespaces/{segment(namespace)}/{plural}"):
            template = held["spec"]["template"]
            if not wanted <= (template["metadata"].get("labels") or {}).items():
                continue
            workload = held["metadata"]["name"]
            spec, source, _container = _source(template, f"{kind} {namespace}/{workload}")
            steps.append({"step": "workload", "found": f"{kind}/{workload}", "how": f"selector {selector}"})
            steps.append(
                {
                    "step": "configmap",
                    "found": f"{namespace}/{source.name}",
                    "how": f"key {source.key} is {source.path}",
                }
            )
            addresses = tuple(service["spec"].get("clusterIPs") or ())
            return Chain(namespace, name, addresses, (kind, workload), held, spec, (), source, tuple(steps))
    raise refused


def _endpoints(client: Client, namespace: str, service: str, steps: list[dict[str, str]]) -> set[str]:
    path = f"/apis/discovery.k8s.io/v1/namespaces/{segment(namespace)}/endpointslices"
    try:
        slices = client.items(path, labelSelector=f"kubernetes.io/service-name={service}")
    except Answered as error:
        if error.status != 403:
            raise
        steps.append(
            {"step": "endpoints", "found": "", "how": "EndpointSlices may not be read; the selector is followed"}
        )
        return set()
    ends = [end for one in slices for end in one.get("endpoints") or ()]
    pods = {end["targetRef"]["name"] for end in ends if (end.get("targetRef") or {}).get("kind") == "Pod"}
    ready = sum((end.get("conditions") or {}).get("ready") is not False for end in ends)
    steps.append({"step": "endpoints", "found": f"{len(pods)} pods, {ready} endpoints ready", "how": "EndpointSlices"})
    return pods


def over(pod: Object) -> bool:
    """Whether a pod is being deleted, or is through."""
    return bool(pod["metadata"].get("deletionTimestamp")) or pod["status"].get("phase") in ("Succeeded", "Failed")


def _source(pod: Object, what: str) -> tuple[Object, Source, str]:
    for container, source in sources(pod):
        return pod["spec"], source, container
    if any(one["name"] == "kubedns" for one in pod["spec"]["containers"]):
        raise KubeError(f"{what} runs kube-dns (GKE and others), which has no Corefile: {KUBE_DNS}")
    ends = "; ".join(
        f"container {one['name']}: {_mounted(pod['spec'], one, _base_of(one))[1]}" for one in pod["spec"]["containers"]
    )
    raise KubeError(f"{what} has no ConfigMap with its Corefile: {ends}; name it with name and namespace")


def sources(pod: Object) -> t.Iterator[tuple[str, Source]]:
    """The containers of a pod that get a Corefile from a ConfigMap: (container, where from)."""
    for container in pod["spec"]["containers"]:
        source, _end = _mounted(pod["spec"], container, _base_of(container))
        if source is not None:
            yield container["name"], source


def conf_of(container: Object) -> str:
    """Where the container's server reads its Corefile."""
    return _path(container, flag(container, "conf") or _DEFAULT_CONF)


def _base_of(container: Object) -> str:
    """Where it comes from: the same file, but for node-cache, which writes that itself."""
    if flag(container, "localip") is None:
        return conf_of(container)
    return _path(container, flag(container, "basecorefile") or _DEFAULT_BASE)


def _path(container: Object, name: str) -> str:
    return posixpath.normpath(posixpath.join(container.get("workingDir") or "/", name))


def flag(container: Object, name: str) -> str | None:
    """The value of a flag as Go reads it: -name value, -name=value, and both with two dashes; the last one counts."""
    words = [*(container.get("command") or ()), *(container.get("args") or ())]
    found = None
    for index, word in enumerate(words):
        flag, equals, value = word.lstrip("-").partition("=")
        if word.startswith("-") and flag == name:
            found = value if equals else (words[index + 1] if index + 1 < len(words) else found)
    return found


def _mounted(spec: Object, container: Object, conf: str) -> tuple[Source | None, str]:
    mounts = sorted(container.get("volumeMounts") or (), key=lambda mount: -len(mount["mountPath"]))
    volumes = {volume["name"]: volume for volume in spec.get("volumes") or ()}
    for mount in mounts:
        place = posixpath.normpath(mount["mountPath"])
        if conf != place and not conf.startswith(place.rstrip("/") + "/"):
            continue
        inside = posixpath.relpath(conf, place) if conf != place else ""
        wanted = posixpath.normpath(posixpath.join(mount.get("subPath") or "", inside))
        for name, items in config_maps(volumes.get(mount["name"], {})):
            keys = {item["path"]: item["key"] for item in items} if items else {wanted: wanted}
            if wanted in keys:
                return Source(name, keys[wanted], conf, bool(mount.get("subPath"))), ""
        return None, f"its volume {mount['name']} at {place} is no ConfigMap with {wanted}"
    return None, f"nothing is mounted at {conf}"


def config_maps(volume: Object) -> t.Iterator[tuple[str, list[Object]]]:
    """The ConfigMaps of a volume with their items; no items are all keys."""
    sources = [volume, *((volume.get("projected") or {}).get("sources") or ())]
    for source in sources:
        held = source.get("configMap")
        if held:
            yield held["name"], held.get("items") or []


def _workload(
    client: Client, namespace: str, pod: Object, steps: list[dict[str, str]]
) -> tuple[str, str, Object | None]:
    """What makes the pods: the Deployment behind their ReplicaSet, or the DaemonSet."""
    kind, name, held = controller_of(pod), "", None
    thing: Object | None = pod
    while kind is not None and thing is not None:
        above, name = kind
        plural = {"ReplicaSet": "replicasets", "Deployment": "deployments", "DaemonSet": "daemonsets"}.get(above)
        if plural is None:
            break
        try:
            held = client.find(f"/apis/apps/v1/namespaces/{segment(namespace)}/{plural}/{segment(name)}")
        except Answered as error:
            if error.status != 403:
                raise
            steps.append(
                {"step": "workload", "found": f"{above}/{name}", "how": "its owner reference; it may not be read"}
            )
            return above, name, None
        following = controller_of(held or {"metadata": {}})
        if following is None or following[0] != "Deployment":
            break
        kind, thing = following, held
    if kind is None:
        steps.append({"step": "workload", "found": "", "how": "the pods belong to nothing"})
        return "", "", None
    steps.append({"step": "workload", "found": f"{kind[0]}/{name}", "how": "owner references"})
    return kind[0], name, held


def controller_of(thing: Object) -> tuple[str, str] | None:
    """(kind, name) of what an object belongs to."""
    for one in thing["metadata"].get("ownerReferences") or ():
        if one.get("controller"):
            return one["kind"], one["name"]
    return None


def pod_state(pod: Object, container: str) -> Pod:
    """What the API server says of a pod's container."""
    meta, status = pod["metadata"], pod.get("status") or {}
    state: Object = next((one for one in status.get("containerStatuses") or () if one["name"] == container), {})
    spec: Object = next((one for one in pod["spec"]["containers"] if one["name"] == container), {})
    ports = [port["containerPort"] for port in spec.get("ports") or () if port.get("name") == "metrics"]
    restarts = int(state.get("restartCount") or 0)
    started_with = (meta.get("annotations") or {}).get(STARTED_WITH, "")
    return Pod(
        meta["name"], meta["uid"], container, ((state.get("state") or {}).get("running") or {}).get("startedAt") or "",
        restarts, bool(state.get("ready")), pod["spec"].get("nodeName") or "",
        status.get("podIP") or "", ports[0] if ports else 9153,
        started_with if not restarts else "",
    )  # fmt: skip
