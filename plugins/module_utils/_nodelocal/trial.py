# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that a run is about to write is asked of the API server first: what it refuses, it refuses of nothing."""

from __future__ import annotations

import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._kube.client import MERGE, Client, Object, segment
from ansible_collections.kubenode.network.plugins.module_utils._kube.errors import Answered
from ansible_collections.kubenode.network.plugins.module_utils._nodelocal import apply
from ansible_collections.kubenode.network.plugins.module_utils._nodelocal.objects import HOLD, MANAGER

_DRY = {"fieldManager": MANAGER, "dryRun": "All"}


def try_writes(
    client: Client, steps: t.Iterable[apply.Step], made: t.Iterable[Object], edited: Object | None, node: str, pod: str
) -> None:  # fmt: skip
    """Dry runs of what differs in kind. Raises KubeError for the first that is refused, for lack of a right as well.

    Args:
        steps: objects to apply; those that exist were asked about when they were compared.
        made: ConfigMaps to make; one that is there already is none to make.
        edited: a ConfigMap that is to be edited, as it is.
        node: one of those that get the hold label, or lose it; empty: none does.
        pod: path of one of those that are to be replaced; empty: none is.
    """
    for step in steps:
        if step.todo and (step.live is None or step.takes_over):
            apply.try_out(client, step.declared)
    for one in made:
        _try(client, "POST", apply.path_of(one).rpartition("/")[0], one)
    if edited is not None:
        _try(client, "PUT", apply.path_of(edited), edited)
    if node:
        _try(client, "PATCH", f"/api/v1/nodes/{segment(node)}", {"metadata": {"labels": {HOLD: "true"}}}, MERGE)
    if pod:
        _try(client, "DELETE", pod, {"dryRun": ["All"]})


def _try(client: Client, method: str, path: str, body: Object, kind: str = "application/json") -> None:
    try:
        client.request(method, path, body, kind, None if method == "DELETE" else _DRY)
    except Answered as error:
        # Somebody has made, changed or deleted it since it was read, which the write itself minds.
        if error.status not in (404, 409):
            raise
