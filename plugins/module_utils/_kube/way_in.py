# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is missing for a ConfigMap for extensions to be read, and how this kind of cluster is given it. Pure."""

from __future__ import annotations

import posixpath
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._corefile.fragment import SERVER
from ansible_collections.kubenode.network.plugins.module_utils._kube.around import Mount
from ansible_collections.kubenode.network.plugins.module_utils._kube.owner import Owner
from ansible_collections.kubenode.network.plugins.module_utils._kube.proof import Running, Where
from ansible_collections.kubenode.network.plugins.module_utils._kube.reading import Reading

_FOLDERS = {"coredns-custom": "/etc/coredns/custom"}
_FOLDER = "/etc/coredns/extra"


def folder(flavor: str, mounts: t.Sequence[Mount] = ()) -> str:
    """Where the pods have the ConfigMap, or should have it."""
    return next((mount.folder for mount in mounts if not mount.sub_path), _FOLDERS.get(flavor, _FOLDER))


def missing(
    where: Where, text: Where, running: t.Sequence[Running], mounts: t.Sequence[Mount], reading: Reading, flavor: str,
    owner: Owner | None,
) -> str:  # fmt: skip
    """Why nothing reads the text, and what to do about it.

    Args:
        where: the Corefile that should import it.
        text: the ConfigMap's key.
        running: pods with that Corefile.
        mounts: where they have the ConfigMap.
        reading: how they would read it.
        owner: of the Corefile: what puts its own text back.
    """
    corefile = f"the Corefile of ConfigMap {where.namespace}/{where.config_map}"
    if not running:
        return f"no pod has {corefile}, key {where.key}, so nothing reads ConfigMap {text.config_map}: see the workload"
    line = f"import {posixpath.join(folder(flavor, mounts), _pattern(text.key, flavor))}"
    place = f"in its server block {SERVER}" if reading.override else "outside of its server blocks"
    if not mounts:
        volume = f"configMap: {{name: {text.config_map}, optional: true}}, mountPath: {folder(flavor)}"
        return (
            f"the pods of {corefile} do not mount ConfigMap {text.config_map}, so nothing reads it: "
            f"{_by(owner, flavor, volume, line, place)}"
        )
    if not any(mount.files({text.key: ""}) for mount in mounts):
        return (
            f"the volume of ConfigMap {text.config_map} in the pods of {corefile} leaves key {text.key} out (items, "
            "subPath), so nothing reads it: add it there, or take one of the keys that it has"
        )
    return f"{corefile} does not import {reading.paths[0]}, so nothing reads it: {_by(owner, flavor, '', line, place)}"


def _pattern(key: str, flavor: str) -> str:
    """With a star, for CoreDNS to start too where there is no such file."""
    return f"*.{key.rpartition('.')[2]}" if flavor == "coredns-custom" else f"{key}*"


def _by(owner: Owner | None, flavor: str, volume: str, line: str, place: str) -> str:
    """In the terms of what the cluster's DNS is deployed by."""
    template = f"to the pod template of its workload an optional volume ({volume})"
    parts = " and ".join([template, f"to the Corefile, {place}, '{line}'"] if volume else [f"{place} '{line}'"])
    if owner is None:
        return f"add {parts}, with kubectl edit"
    if owner.name in ("AKS", "k3s"):
        if flavor == "coredns-custom":
            return f"{owner.name} has both in newer releases: upgrade it"
        return f"{owner.name} puts its own text back, and reads ConfigMap coredns-custom: take flavor coredns-custom"
    chart = (
        "; values extraVolumes, extraVolumeMounts, and extraConfig or servers of CoreDNS's chart"
        if owner.name == "RKE2" or owner.name.startswith("the Helm release")
        else ""
    )
    return f"{owner.name} puts its own text back, so through it ({owner.way_out}{chart}) add {parts}"
