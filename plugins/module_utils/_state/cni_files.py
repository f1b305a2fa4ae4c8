# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pod networks that a node's own files tell of: CNI configurations and Flannel's environment."""

from __future__ import annotations

import os
import re

from ansible_collections.kubenode.network.plugins.module_utils._netlink.addr import canonical_prefix

# Kubelet and container engines read configurations here (CNI specification, cri-o and containerd defaults).
FOLDER = "/etc/cni/net.d"
# Written by flanneld when it has its lease; FLANNEL_NETWORK is the whole cluster's.
FLANNEL = "/run/flannel/subnet.env"

# `subnet` and `ranges` of host-local, `ipv4_pools`/`ipv6_pools` of Calico's IPAM, `podCidr` and alike of others.
_IN_JSON = re.compile(r'"([0-9a-fA-F:.]+/\d{1,3})"')
_IN_FLANNEL = re.compile(r"^FLANNEL_(?:IPV6_)?NETWORK=(\S+)", re.MULTILINE)
_MOST_BYTES = 65536


def pod_cidrs(root: str = "/") -> tuple[str, ...]:
    """Networks of pods, in canonical form; () where no container network is set up. Unreadable files tell nothing."""
    found: list[str] = []
    folder = os.path.join(root, FOLDER[1:])
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return ()
    for name in names:
        if name.endswith((".conf", ".conflist", ".json")):
            found += _IN_JSON.findall(_text(os.path.join(folder, name)))
    for networks in _IN_FLANNEL.findall(_text(os.path.join(root, FLANNEL[1:]))):
        found += networks.split(",")
    return tuple(dict.fromkeys(filter(None, map(_canonical, found))))


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(_MOST_BYTES)
    except OSError:
        return ""


def _canonical(text: str) -> str | None:
    try:
        prefix = canonical_prefix(text)
    except ValueError:
        return None
    # "dst": "0.0.0.0/0" is a default route inside the pod, no network of pods.
    return None if prefix.endswith("/0") else prefix
