# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ConfigMaps of CoreDNS as the systems lay them that undo edits, and as those do that leave them to their users.

Labels, annotations, names and field managers are those of the systems' own manifests and of clusters that they made.
"""

from __future__ import annotations

import typing as t

from ansible_collections.kubenode.network.tests.cluster.objects import QUICK, definition

Object = dict[str, t.Any]
_KUBE_DNS = {"k8s-app": "kube-dns"}
_SERVICE = {"kubernetes.io/cluster-service": "true"}
# As AKS and k3s end theirs.
_CUSTOM = QUICK.replace("UPSTREAM", "192.0.2.53").replace(
    "    prometheus", "    import custom/*.override\n    prometheus"
)
_CUSTOM += "import custom/*.server\n"

DEFINITIONS = (
    definition("k3s.cattle.io", "v1", "Addon"),
    definition("helm.cattle.io", "v1", "HelmChart"),
    definition("helm.cattle.io", "v1", "HelmChartConfig"),
    definition("operator.openshift.io", "v1", "DNS", namespaced=False),
)


class Laid(t.NamedTuple):
    """A ConfigMap, who writes it, and what stands beside it."""

    config_map: Object
    manager: str
    """The field manager."""
    applies: bool = False
    """By server-side apply, rather than by updates."""
    beside: tuple[Object, ...] = ()
    owned: bool = False
    """The first of those is its owner."""


def _config_map(
    labels: dict[str, str], annotations: dict[str, str] | None = None, name: str = "coredns", text: str = ""
) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "labels": labels, "annotations": annotations or {}},
        "data": {"Corefile": text or QUICK.replace("UPSTREAM", "192.0.2.53")},
    }


def _applied(labels: dict[str, str], text: str = "") -> Object:
    """By ``kubectl apply``, which notes what it applied."""
    return _config_map(labels, {"kubectl.kubernetes.io/last-applied-configuration": "{}"}, text=text)


def _helm(release: str, namespace: str = "kube-system", **labels: str) -> tuple[dict[str, str], dict[str, str]]:
    return (
        {
            "app.kubernetes.io/instance": release,
            "app.kubernetes.io/managed-by": "Helm",
            "app.kubernetes.io/name": "coredns",
            "helm.sh/chart": "coredns-1.45.0",
            **labels,
        },
        {"meta.helm.sh/release-name": release, "meta.helm.sh/release-namespace": namespace},
    )


def _mode(mode: str) -> dict[str, str]:
    return {"addonmanager.kubernetes.io/mode": mode}


def _addon() -> Object:
    return {
        "apiVersion": "k3s.cattle.io/v1",
        "kind": "Addon",
        "metadata": {"name": "coredns"},
        "spec": {"source": "/var/lib/rancher/k3s/server/manifests/coredns.yaml"},
    }


def _chart(kind: str, **spec: str) -> Object:
    return {"apiVersion": "helm.cattle.io/v1", "kind": kind, "metadata": {"name": "rke2-coredns"}, "spec": spec}


OWNED: dict[str, tuple[Laid, str]] = {
    "the addon manager": (
        Laid(_applied({**_mode("Reconcile"), **_SERVICE, **_KUBE_DNS}), "kubectl-client-side-apply"),
        r"the addon manager \(label .*=Reconcile\).*/etc/kubernetes/addons",
    ),
    "Helm": (
        Laid(_config_map(*_helm("dns", **_KUBE_DNS)), "helm"),
        r"the Helm release kube-system/dns .*helm upgrade -n kube-system dns",
    ),
    "k3s": (
        Laid(
            _config_map(
                {"objectset.rio.cattle.io/hash": "bce283298811743a0386ab510f2f67ef74240c57"},
                {
                    "objectset.rio.cattle.io/applied": "H4sIAAAAAAAA/4yQ",
                    "objectset.rio.cattle.io/id": "",
                    "objectset.rio.cattle.io/owner-gvk": "k3s.cattle.io/v1, Kind=Addon",
                    "objectset.rio.cattle.io/owner-name": "coredns",
                    "objectset.rio.cattle.io/owner-namespace": "kube-system",
                },
                text=_CUSTOM,
            ),
            "deploy@server-1",
            beside=(_addon(),),
        ),
        r"k3s \(annotation .*Kind=Addon\).*ConfigMap coredns-custom .*coredns_extra_config",
    ),
    "RKE2": (
        Laid(
            _config_map(*_helm("rke2-coredns", **_KUBE_DNS), name="rke2-coredns-rke2-coredns"),
            "helm",
            beside=(
                _chart("HelmChart", chart="https://%{KUBERNETES_API}%/static/charts/rke2-coredns-1.45.000.tgz"),
                _chart("HelmChartConfig", valuesContent="nodelocal:\n  enabled: false\n"),
            ),
        ),
        r"RKE2 .*HelmChartConfig rke2-coredns",
    ),
    "an EKS add-on": (
        Laid(_config_map({"eks.amazonaws.com/component": "coredns", **_KUBE_DNS}), "eks", applies=True),
        r"the EKS add-on coredns \(field manager eks .*aws eks update-addon --addon-name coredns",
    ),
    "AKS": (
        Laid(
            _applied({**_mode("Reconcile"), **_SERVICE, **_KUBE_DNS, "kubernetes.azure.com/managedby": "aks"}, _CUSTOM),
            "kubectl-client-side-apply",
        ),
        r"AKS \(label .*managedby=aks\).*ConfigMap coredns-custom .*coredns_extra_config",
    ),
    "an older AKS": (
        Laid(_applied({**_mode("Reconcile"), **_SERVICE, **_KUBE_DNS}, _CUSTOM), "kubectl-client-side-apply"),
        r"the addon manager .*ConfigMap coredns-custom .*coredns_extra_config",
    ),
    "GKE": (
        Laid(
            _config_map(_mode("Reconcile"), {"components.gke.io/layer": "addon"}),
            "kubectl-client-side-apply",
        ),
        r"GKE \(mark components\.gke\.io/layer=addon\).*ConfigMap kube-dns .*stubDomains",
    ),
    "Argo CD by annotation": (
        Laid(
            _config_map(_KUBE_DNS, {"argocd.argoproj.io/tracking-id": "cluster-dns:/ConfigMap:kube-system/coredns"}),
            "argocd-controller",
            applies=True,
        ),
        r"the Argo CD application cluster-dns .*source that the application is synchronised from",
    ),
    "Argo CD by label": (
        Laid(_applied({"app.kubernetes.io/instance": "cluster-dns", **_KUBE_DNS}), "argocd-controller"),
        r"the Argo CD application cluster-dns \(field manager of Argo CD",
    ),
    "Flux by a Kustomization": (
        Laid(
            _config_map(
                {
                    "kustomize.toolkit.fluxcd.io/name": "infra",
                    "kustomize.toolkit.fluxcd.io/namespace": "flux-system",
                    **_KUBE_DNS,
                }
            ),
            "kustomize-controller",
            applies=True,
        ),
        r"Flux \(Kustomization flux-system/infra\)",
    ),
    "Flux by a HelmRelease": (
        Laid(
            _config_map(
                *_helm(
                    "dns",
                    **{"helm.toolkit.fluxcd.io/name": "dns", "helm.toolkit.fluxcd.io/namespace": "flux-system"},
                )
            ),
            "helm-controller",
        ),
        r"Flux \(HelmRelease flux-system/dns\)",
    ),
    "the OpenShift DNS operator": (
        Laid(
            _config_map({"dns.operator.openshift.io/owning-dns": "default"}, name="dns-default"),
            "dns-operator",
            beside=(
                {
                    "apiVersion": "operator.openshift.io/v1",
                    "kind": "DNS",
                    "metadata": {"name": "default"},
                    "spec": {"servers": []},
                },
            ),
            owned=True,
        ),
        r"the OpenShift DNS operator \(owner reference to DNS default\).*oc edit dns\.operator/default",
    ),
    "a controller of somebody's own": (
        Laid(_config_map({}), "corefile-writer", beside=(_addon(),), owned=True),
        r"Addon coredns \(k3s\.cattle\.io/v1\) \(owner reference\).*kubectl edit addon coredns",
    ),
}
"""With what the error says of the owner, and of its own way."""

FREE: dict[str, Laid] = {
    "kubeadm": Laid(_config_map({}), "kubeadm"),
    "Kubespray": Laid(_applied(_mode("EnsureExists")), "kubectl-client-side-apply"),
    "kube-up": Laid(_applied({**_mode("EnsureExists"), **_SERVICE}), "kubectl-client-side-apply"),
    "EKS without its add-on": Laid(
        _applied({"eks.amazonaws.com/component": "coredns", **_KUBE_DNS}), "kubectl-client-side-apply"
    ),
    "labels that anybody uses": Laid(
        _config_map({"app.kubernetes.io/instance": "coredns", "app.kubernetes.io/managed-by": "ansible"}),
        "kubectl-edit",
    ),
}
"""Nobody undoes an edit of these."""
