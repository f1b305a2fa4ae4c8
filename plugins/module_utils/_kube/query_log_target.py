# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose queries dns_query_log has logged, and how a text that has them logged comes to them. Pure."""

from __future__ import annotations

import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._kube.client import Client
from ansible_collections.kubenode.network.plugins.module_utils._kube.extra import CUSTOM, Options
from ansible_collections.kubenode.network.plugins.module_utils._kube.subject import Request

OWNER = "kubenode.network/query-log"
"""Of the Corefile's entries, and the manager of CoreDNS's volume."""
KEY = "query-log.override"
"""Of the ConfigMap that is there while queries are logged."""

Say = t.Callable[[str], None]


class Way(t.NamedTuple):
    """How far the way of the ConfigMap to its readers is there."""

    namespace: str
    request: Request
    """The run's, as the readers are found by it."""
    imported: bool
    """Whether the servers read what is in it."""
    missing: str = ""
    """What is missing for that, and what to do about it."""
    options: Options = Options(CUSTOM, removes=True)
    """How ``extra`` finds the text: that it is imported is told here, and what is taken back needs nobody."""
    warnings: tuple[str, ...] = ()


Prepare = t.Callable[[Client, Request, bool, bool, Say], "dict[str, t.Any]"]
"""Of client, request, check mode, diff, and what is said meanwhile; the result of a module."""


class Target(t.NamedTuple):
    """The servers whose queries are logged."""

    name: str
    """Of the ConfigMap, and of the Job that ends it."""
    servers: str
    """For people."""
    look: t.Callable[[Client, Request], Way]
    """Reads only. Raises KubeError for a request that cannot be meant."""
    prepare: Prepare | None = None
    """Makes the way; None: something else does."""
    unprepare: Prepare | None = None
    prepared_by: str = ""
    """What else does."""
