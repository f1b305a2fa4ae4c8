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
_LABELS = {"k8s-app": "kube-dns"}


def coredns(corefile: str, replicas: int = 2) -> list[dict[str, t.Any]]:
    """ServiceAccount, rights, ConfigMap, Deployment and Service, in the order to create them."""
    role = "system:coredns"
    meta = {"name": "coredns", "namespace": NAMESPACE}
    subject = {"kind": "ServiceAccount", **meta}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role}
    rules = [
        {"apiGroups": [""], "resources": ["endpoints", "services", "pods", "namespaces"], "verbs": ["list", "watch"]},
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
    ]
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta},
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {"name": role},
            "rules": rules,
        },
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": role},
            "roleRef": reference,
            "subjects": [subject],
        },
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"Corefile": corefile}},
        _deployment(meta, replicas),
        _service(),
    ]


def _deployment(meta: dict[str, str], replicas: int) -> dict[str, t.Any]:
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
        "metadata": {**meta, "labels": {**_LABELS, "kubernetes.io/name": "CoreDNS"}},
        "spec": {
            "replicas": replicas,
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1}},
            "selector": {"matchLabels": _LABELS},
            "template": {"metadata": {"labels": _LABELS}, "spec": pod},
        },
    }


def _service() -> dict[str, t.Any]:
    ports = [
        {"name": "dns", "port": 53, "protocol": "UDP", "targetPort": "dns"},
        {"name": "dns-tcp", "port": 53, "protocol": "TCP", "targetPort": "dns-tcp"},
        {"name": "metrics", "port": 9153, "protocol": "TCP", "targetPort": "metrics"},
    ]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": "kube-dns",
            "namespace": NAMESPACE,
            "labels": {**_LABELS, "kubernetes.io/cluster-service": "true", "kubernetes.io/name": "CoreDNS"},
        },
        "spec": {"selector": _LABELS, "clusterIP": CLUSTER_DNS, "ports": ports},
    }


_PLURALS = {
    "ServiceAccount": "serviceaccounts", "ClusterRole": "clusterroles", "ClusterRoleBinding": "clusterrolebindings",
    "Role": "roles", "RoleBinding": "rolebindings", "ConfigMap": "configmaps", "Deployment": "deployments",
    "DaemonSet": "daemonsets", "Service": "services", "Pod": "pods", "Namespace": "namespaces", "Node": "nodes",
    "HorizontalPodAutoscaler": "horizontalpodautoscalers",
}  # fmt: skip


def path_of(thing: dict[str, t.Any], named: bool = False) -> str:
    """Where the API server has objects of this kind and namespace; ``named`` this one of them."""
    version = thing["apiVersion"]
    parts = ["api" if version == "v1" else "apis", version]
    if "namespace" in thing["metadata"]:
        parts += ["namespaces", thing["metadata"]["namespace"]]
    parts.append(_PLURALS[thing["kind"]])
    return "/" + "/".join([*parts, thing["metadata"]["name"]] if named else parts)
