# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What carries the cluster's packets: which CNI, how its Services are done, read from the cluster's objects."""

from __future__ import annotations

import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._kube.cidrs import yaml_of
from ansible_collections.kubenode.network.plugins.module_utils._kube.client import Object
from ansible_collections.kubenode.network.plugins.module_utils._kube.reader import Reader

# (CNI, label, value) of the DaemonSets in each project's own manifests.
_CNIS = (
    ("Calico", "k8s-app", "calico-node"),
    ("Calico", "k8s-app", "canal"),
    ("Cilium", "k8s-app", "cilium"),
    ("Flannel", "app", "flannel"),
    ("Flannel", "k8s-app", "flannel"),
    ("Antrea", "component", "antrea-agent"),
    ("kube-router", "k8s-app", "kube-router"),
    ("Weave Net", "name", "weave-net"),
    ("Amazon VPC CNI", "k8s-app", "aws-node"),
    ("Azure CNI", "k8s-app", "azure-cns"),
    ("OVN-Kubernetes", "app", "ovnkube-node"),
    ("kindnet", "k8s-app", "kindnet"),
)
_DEFAULT_MODE = "iptables"
"""What an empty mode of kube-proxy means on Linux (KubeProxyConfiguration v1alpha1)."""


def cnis(daemon_sets: t.Sequence[Object]) -> list[dict[str, str]]:
    """The CNIs whose DaemonSet runs: name, the DaemonSet, its image."""
    found = []
    for one in daemon_sets:
        meta = one["metadata"]
        template = one["spec"]["template"]
        labels = {**(meta.get("labels") or {}), **(template.get("metadata", {}).get("labels") or {})}
        for name, label, value in _CNIS:
            if labels.get(label) == value:
                image = template["spec"]["containers"][0].get("image", "")
                place = f"{meta['namespace']}/{meta['name']}"
                found.append({"name": name, "daemon_set": place, "image": image})
                break
    return found


def kube_proxy(reader: Reader, daemon_sets: t.Sequence[Object]) -> dict[str, str]:
    """How Services are done: ``mode`` (iptables, ipvs, nftables, cilium; empty: not to be told) and its ``source``.

    This is what the cluster says of itself. What a node really does is asked on the node.
    """
    held = reader.find("ConfigMap kube-system/kube-proxy", "/api/v1/namespaces/kube-system/configmaps/kube-proxy")
    if held is not None:
        config = yaml_of(held, "config.conf")
        return {"mode": str(config.get("mode") or _DEFAULT_MODE), "source": "ConfigMap kube-system/kube-proxy"}
    cilium = reader.find(
        "ConfigMap kube-system/cilium-config", "/api/v1/namespaces/kube-system/configmaps/cilium-config"
    )
    replacement = str(((cilium or {}).get("data") or {}).get("kube-proxy-replacement") or "")
    if replacement in ("true", "strict"):
        return {"mode": "cilium", "source": "ConfigMap kube-system/cilium-config, kube-proxy-replacement"}
    for one in daemon_sets:
        if one["metadata"]["name"] == "kube-proxy":
            words = " ".join(_words(one))
            mode = words.partition("--proxy-mode=")[2].partition(" ")[0]
            if mode:
                return {"mode": mode, "source": "DaemonSet kube-proxy, --proxy-mode"}
    return {"mode": "", "source": ""}


def _words(daemon_set: Object) -> t.Iterator[str]:
    for container in daemon_set["spec"]["template"]["spec"]["containers"]:
        yield from container.get("command") or ()
        yield from container.get("args") or ()
