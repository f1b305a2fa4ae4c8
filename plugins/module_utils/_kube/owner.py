# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose is a Corefile? Operators of clusters have edits undone by whatever put the ConfigMap there (pure).

Each owner is found by marks that its own documentation names, on the ConfigMap or on the workload that mounts it.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._kube.client import Object


class Owner(t.NamedTuple):
    """Something that puts its own text back."""

    name: str
    evidence: str
    """The mark it was found by."""
    way_out: str
    """How its users change the Corefile."""


class _Marks(t.NamedTuple):
    labels: dict[str, str]
    annotations: dict[str, str]
    managers: frozenset[str]
    owners: tuple[tuple[str, str, str], ...]
    """(apiVersion, kind, name)"""
    template: dict[str, str]
    """Annotations of the pods that a workload makes."""
    custom: bool
    """Its Corefile imports what AKS, k3s and others leave to their users."""


_IMPORTS = re.compile(r"^\s*import\s+\S*custom/\*\.(?:override|server)\s*$", re.MULTILINE)
_CUSTOM = (
    "put it into the ConfigMap coredns-custom (keys *.server and *.override): module coredns_extra_config with "
    "flavor coredns-custom"
)
KUBE_DNS = (
    "put stub domains and upstreams into the ConfigMap kube-dns in kube-system (keys stubDomains, upstreamNameservers)"
)


def find_owner(config_map: Object, workload: Object | None = None, custom: bool = False) -> Owner | None:
    """The owner that would undo an edit of ``config_map``; None where nobody does.

    ``workload`` is the Deployment or DaemonSet of the pods that mount it, where it could be read. ``custom``: it is a
    ConfigMap for what users add, and left alone by those whose own way it is.
    """
    marks = _marks(config_map)
    above = _marks(workload or {})
    for find in (
        _openshift, _azure, _k3s, _rke2, _eks, _google, _argo, _flux, _helm, _addon_manager, _controller,
    ):  # fmt: skip
        found = find(marks, above)
        if found is not None and not (custom and found.way_out == _CUSTOM):
            return found
    return None


def _marks(thing: Object) -> _Marks:
    meta = thing.get("metadata") or {}
    return _Marks(
        meta.get("labels") or {},
        meta.get("annotations") or {},
        frozenset(str(field.get("manager")) for field in meta.get("managedFields") or ()),
        tuple((one.get("apiVersion", ""), one["kind"], one["name"]) for one in meta.get("ownerReferences") or ()),
        (((thing.get("spec") or {}).get("template") or {}).get("metadata") or {}).get("annotations") or {},
        any(_IMPORTS.search(text) for text in (thing.get("data") or {}).values()),
    )


def _openshift(marks: _Marks, above: _Marks) -> Owner | None:
    """openshift/cluster-dns-operator: pkg/manifests/assets/dns, DNSOwningLabel."""
    label = "dns.operator.openshift.io/owning-dns"
    owned = [one for one in marks.owners if one[0].startswith("operator.openshift.io/") and one[1] == "DNS"]
    name = marks.labels.get(label) or above.labels.get(label) or (owned[0][2] if owned else "")
    if not name:
        return None
    evidence = f"owner reference to DNS {owned[0][2]}" if owned else f"label {label}"
    return Owner(
        "the OpenShift DNS operator", evidence,
        f"edit its own object: oc edit dns.operator/{name} (spec.servers for stub domains, spec.upstreamResolvers)",
    )  # fmt: skip


def _azure(marks: _Marks, above: _Marks) -> Owner | None:
    """AKS: "Customize CoreDNS with Azure Kubernetes Service"."""
    for source in (marks.labels, above.labels):
        if source.get("kubernetes.azure.com/managedby") == "aks":
            return Owner("AKS", "label kubernetes.azure.com/managedby=aks", _CUSTOM)
    return None


def _k3s(marks: _Marks, _above: _Marks) -> Owner | None:
    """k3s deploys its manifests/coredns.yaml by wrangler's object sets."""
    kind = marks.annotations.get("objectset.rio.cattle.io/owner-gvk", "")
    if not kind.startswith("k3s.cattle.io/"):
        return None
    return Owner("k3s", f"annotation objectset.rio.cattle.io/owner-gvk={kind}", _CUSTOM)


def _rke2(marks: _Marks, _above: _Marks) -> Owner | None:
    release = marks.annotations.get("meta.helm.sh/release-name", "")
    if release != "rke2-coredns":
        return None
    return Owner(
        "RKE2", f"annotation meta.helm.sh/release-name={release}",
        "write a HelmChartConfig rke2-coredns in kube-system (spec.valuesContent: servers, zoneFiles)",
    )  # fmt: skip


def _eks(marks: _Marks, above: _Marks) -> Owner | None:
    """EKS add-ons own their fields by server-side apply as "eks" ("Determine fields you can customize for add-ons")."""
    if "eks" not in marks.managers:
        return None
    if marks.labels.get("eks.amazonaws.com/component") or above.labels.get("eks.amazonaws.com/component"):
        return Owner(
            "the EKS add-on coredns", "field manager eks in managedFields",
            "set the add-on's configuration value corefile: aws eks update-addon --addon-name coredns "
            "--configuration-values",
        )  # fmt: skip
    return None


def _google(marks: _Marks, above: _Marks) -> Owner | None:
    """GKE marks its components on objects and on the pods of their workloads."""
    for source in (marks.labels, marks.annotations, above.labels, above.annotations, above.template):
        for name in ("components.gke.io/component-name", "components.gke.io/layer"):
            if source.get(name):
                return Owner("GKE", f"mark {name}={source[name]}", KUBE_DNS)
    return None


def _argo(marks: _Marks, _above: _Marks) -> Owner | None:
    """Argo CD's two ways to track resources: annotation (the default since 3.0) and label."""
    tracking = marks.annotations.get("argocd.argoproj.io/tracking-id")
    if tracking:
        return Owner(
            f"the Argo CD application {tracking.partition(':')[0]}", "annotation argocd.argoproj.io/tracking-id",
            "change the source that the application is synchronised from",
        )  # fmt: skip
    if "argocd-controller" in marks.managers or "argocd-application-controller" in marks.managers:
        name = marks.labels.get("app.kubernetes.io/instance") or marks.labels.get("argocd.argoproj.io/instance", "")
        return Owner(
            f"the Argo CD application {name}".rstrip(), "field manager of Argo CD in managedFields",
            "change the source that the application is synchronised from",
        )  # fmt: skip
    return None


def _flux(marks: _Marks, _above: _Marks) -> Owner | None:
    for group, kind in (("kustomize.toolkit.fluxcd.io", "Kustomization"), ("helm.toolkit.fluxcd.io", "HelmRelease")):
        name = marks.labels.get(f"{group}/name")
        if name:
            place = marks.labels.get(f"{group}/namespace", "")
            return Owner(
                f"Flux ({kind} {place}/{name})", f"label {group}/name={name}",
                "change the source that Flux reconciles",
            )  # fmt: skip
    return None


def _helm(marks: _Marks, _above: _Marks) -> Owner | None:
    if marks.labels.get("app.kubernetes.io/managed-by") != "Helm":
        return None
    release = marks.annotations.get("meta.helm.sh/release-name", "?")
    place = marks.annotations.get("meta.helm.sh/release-namespace", "?")
    return Owner(
        f"the Helm release {place}/{release}",
        "label app.kubernetes.io/managed-by=Helm",
        f"set the chart's values (servers) and upgrade: helm upgrade -n {place} {release}",
    )


def _addon_manager(marks: _Marks, _above: _Marks) -> Owner | None:
    """kube-addon-manager: cluster/addons/addon-manager; what EnsureExists lays it does not touch again.

    AKS has one too, and older ones of its clusters no other mark.
    """
    label = "addonmanager.kubernetes.io/mode"
    if marks.labels.get(label) != "Reconcile":
        return None
    return Owner(
        "the addon manager",
        f"label {label}=Reconcile",
        _CUSTOM if marks.custom else "change the manifest below /etc/kubernetes/addons on the control plane",
    )


def _controller(marks: _Marks, _above: _Marks) -> Owner | None:
    if not marks.owners:
        return None
    version, kind, name = marks.owners[0]
    return Owner(
        f"{kind} {name} ({version})", "owner reference", f"change it there: kubectl edit {kind.lower()} {name}"
    )
