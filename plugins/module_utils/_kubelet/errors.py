# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one exception of this room, and the three settings it is about."""

from __future__ import annotations

import typing as t

KEYS = {"cluster_dns": "clusterDNS", "cluster_domain": "clusterDomain", "resolv_conf": "resolvConf"}
"""Options of the modules -> keys of a KubeletConfiguration (kubelet.config.k8s.io/v1beta1)."""
FLAGS = {"cluster_dns": "cluster-dns", "cluster_domain": "cluster-domain", "resolv_conf": "resolv-conf"}
"""Options of the modules -> flags of kubelet that set the same."""

Value = t.Union[str, tuple[str, ...], None]
"""Text; addresses, for ``cluster_dns``; None is a key that is not there, or null."""


class KubeletError(Exception):
    """It becomes ``fail_json(msg=...)`` in one place.

    The message names the file and line, what was found, what was expected and the way out.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message
