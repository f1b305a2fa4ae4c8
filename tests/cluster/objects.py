# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The objects of a CoreDNS as kubeadm lays it, for an empty test cluster."""

from __future__ import annotations

import typing as t

NAMESPACE = "kube-system"
CLUSTER_DNS = "10.96.0.10"
# As kubeadm writes it, but for a literal upstream in place of the node's resolvers, and a reload worth waiting for.
COREFILE = """\
.:53 {
    errors
    health {
       lameduck 1s
    }
    ready
    kubernetes cluster.local in-addr.arpa ip6.arpa {
       pods insecure
       fallthrough in-addr.arpa ip6.arpa
       ttl 30
    }
    prometheus :9153
    forward . UPSTREAM {
       max_concurrent 1000
    }
    cache 30
    loop
    reload 2s 1s
    loadbalance
}
"""
QUICK = """\
.:53 {
    errors
    ready
    kubernetes cluster.local in-addr.arpa ip6.arpa {
       pods insecure
       fallthrough in-addr.arpa ip6.arpa
    }
    prometheus :9153
    forward . UPSTREAM
    reload 2s 0s
}
"""
"""One that loads another text as fast as CoreDNS allows."""
_LABELS = {"k8s-app": "kube-dns"}
DELAY = "podrunner/configmap-delay"
"""Annotation of a pod: its own time until a changed ConfigMap reaches it, as 8s."""


def coredns(corefile: str, replicas: int = 2) -> list[dict[str, t.Any]]:
    """ServiceAccount, rights, ConfigMap, Deployment and Service, in the order to create them."""
    meta = {"name": "coredns", "namespace": NAMESPACE}
    service = _service("kube-dns", meta["namespace"], _LABELS, {"clusterIP": CLUSTER_DNS})
    return [
        *_account(meta, "system:coredns"),
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"Corefile": corefile}},
        _deployment(meta, replicas, _LABELS),
        service,
    ]


def site(
    namespace: str, corefile: str, replicas: int = 1, delay: str = "", sub_path: bool = False, kube_dns: bool = False
) -> list[dict[str, t.Any]]:
    """The same once more in a namespace of its own, which comes first; nothing takes it for the cluster's DNS.

    ``delay``: DELAY of the pods. ``sub_path``: the Corefile is mounted in a way that never brings a new one.
    ``kube_dns``: by name and options it is kube-dns, whose stub domains are in a ConfigMap of another form.
    """
    meta = {"name": "coredns", "namespace": namespace}
    labels = {"k8s-app": namespace}
    deployment = _deployment(meta, replicas, labels)
    template = deployment["spec"]["template"]
    if delay:
        template["metadata"]["annotations"] = {DELAY: delay}
    if sub_path:
        mount = template["spec"]["containers"][0]["volumeMounts"][0]
        mount.update(mountPath="/etc/coredns/Corefile", subPath="Corefile")
    if kube_dns:
        container = template["spec"]["containers"][0]
        container.update(
            name="kubedns", args=[], volumeMounts=[{"mountPath": "/kube-dns-config", "name": "config-volume"}]
        )
        container.pop("readinessProbe")
        template["metadata"]["annotations"] = {"components.gke.io/component-name": "kubedns"}
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}},
        *_account(meta, f"system:coredns:{namespace}"),
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"Corefile": corefile}},
        deployment,
        _service("dns", namespace, labels, {}),
    ]


def _account(meta: dict[str, str], binding: str) -> list[dict[str, t.Any]]:
    role = "system:coredns"
    rules = [
        {"apiGroups": [""], "resources": ["endpoints", "services", "pods", "namespaces"], "verbs": ["list", "watch"]},
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
    ]
    version = "rbac.authorization.k8s.io/v1"
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta},
        {"apiVersion": version, "kind": "ClusterRole", "metadata": {"name": role}, "rules": rules},
        {
            "apiVersion": version,
            "kind": "ClusterRoleBinding",
            "metadata": {"name": binding},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
            "subjects": [{"kind": "ServiceAccount", **meta}],
        },
    ]


def _deployment(meta: dict[str, str], replicas: int, labels: dict[str, str]) -> dict[str, t.Any]:
    container = {
        "name": "coredns",
        "image": "registry.k8s.io/coredns/coredns:v1.15.0",
        "args": ["-conf", "/etc/coredns/Corefile"],
        "ports": [
            {"containerPort": 53, "name": "dns", "protocol": "UDP"},
            {"containerPort": 53, "name": "dns-tcp", "protocol": "TCP"},
            {"containerPort": 9153, "name": "metrics", "protocol": "TCP"},
        ],
        "readinessProbe": {"httpGet": {"path": "/ready", "port": 8181, "scheme": "HTTP"}},
        "volumeMounts": [{"mountPath": "/etc/coredns", "name": "config-volume", "readOnly": True}],
        "resources": {"limits": {"memory": "170Mi"}, "requests": {"cpu": "100m", "memory": "70Mi"}},
    }
    items = [{"key": "Corefile", "path": "Corefile"}]
    pod = {
        "serviceAccountName": "coredns",
        "dnsPolicy": "Default",
        "containers": [container],
        "volumes": [{"name": "config-volume", "configMap": {"name": "coredns", "items": items}}],
        "terminationGracePeriodSeconds": 5,
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {**meta, "labels": {**labels, "kubernetes.io/name": "CoreDNS"}},
        "spec": {
            "replicas": replicas,
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1}},
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }


def _service(name: str, namespace: str, labels: dict[str, str], more: dict[str, str]) -> dict[str, t.Any]:
    ports = [
        {"name": "dns", "port": 53, "protocol": "UDP", "targetPort": "dns"},
        {"name": "dns-tcp", "port": 53, "protocol": "TCP", "targetPort": "dns-tcp"},
        {"name": "metrics", "port": 9153, "protocol": "TCP", "targetPort": "metrics"},
    ]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {**labels, "kubernetes.io/cluster-service": "true", "kubernetes.io/name": "CoreDNS"},
        },
        "spec": {"selector": labels, "ports": ports, **more},
    }


_PLURALS = {
    "ServiceAccount": "serviceaccounts", "ClusterRole": "clusterroles", "ClusterRoleBinding": "clusterrolebindings",
    "Role": "roles", "RoleBinding": "rolebindings", "ConfigMap": "configmaps", "Deployment": "deployments",
    "DaemonSet": "daemonsets", "Service": "services", "Pod": "pods", "Namespace": "namespaces", "Node": "nodes",
    "CustomResourceDefinition": "customresourcedefinitions", "Addon": "addons", "HelmChart": "helmcharts",
    "HelmChartConfig": "helmchartconfigs", "DNS": "dnses", "IPPool": "ippools", "CiliumNode": "ciliumnodes",
    "HorizontalPodAutoscaler": "horizontalpodautoscalers", "ResourceQuota": "resourcequotas",
}  # fmt: skip


def definition(group: str, version: str, kind: str, namespaced: bool = True) -> dict[str, t.Any]:
    """A CustomResourceDefinition that takes any fields."""
    plural = _PLURALS[kind]
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "names": {"kind": kind, "plural": plural, "singular": kind.lower(), "listKind": f"{kind}List"},
            "scope": "Namespaced" if namespaced else "Cluster",
            "versions": [{"name": version, "served": True, "storage": True, "schema": schema}],
        },
    }


def path_of(thing: dict[str, t.Any], named: bool = False) -> str:
    """Where the API server has objects of this kind and namespace; ``named`` this one of them."""
    version = thing["apiVersion"]
    parts = ["api" if version == "v1" else "apis", version]
    if "namespace" in thing["metadata"]:
        parts += ["namespaces", thing["metadata"]["namespace"]]
    parts.append(_PLURALS[thing["kind"]])
    return "/" + "/".join([*parts, thing["metadata"]["name"]] if named else parts)
