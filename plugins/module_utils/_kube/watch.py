# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A list that is followed: what is there, then every change of it as it comes, without asking again and again.

Nothing is kept here; who follows keeps of each object what it needs, so that memory does not grow with the objects.
"""

from __future__ import annotations

import json
import time
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._kube.client import Client, Object
from ansible_collections.kubenode.network.plugins.module_utils._kube.errors import Answered

SYNCED = "SYNCED"
"""Kind of the event (without an object) behind the last one of the list."""
RESET = "RESET"
"""The list comes anew: what was known is void."""

_LONGEST_WATCH = 240
_SLACK = 15.0


def follow(
    client: Client, path: str, seconds: float, page: int = 500, **query: t.Any
) -> t.Iterator[tuple[str, Object]]:
    """Events (kind, object) of a list for so many seconds: ADDED of all that is there, SYNCED, then what happens.

    ``page``: how many objects of the list are held at a time.

    Raises KubeError, Answered where it may not be watched.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        version = yield from _listed(client, path, {**query, "limit": page})
        yield SYNCED, {}
        version_known: str | None = version
        while version_known is not None:
            left = deadline - time.monotonic()
            if left <= 0:
                return
            version_known = yield from _watched(client, path, left, version_known, query)
        yield RESET, {}


def _listed(client: Client, path: str, query: t.Mapping[str, t.Any]) -> t.Generator[tuple[str, Object], None, str]:
    objects = client.each(path, **query)
    while True:
        try:
            one = next(objects)
        except StopIteration as end:
            return str(end.value)
        yield "ADDED", one


def _watched(
    client: Client, path: str, left: float, version: str, query: t.Mapping[str, t.Any]
) -> t.Generator[tuple[str, Object], None, str | None]:
    """One watch; the version to go on from, None where the list has to come anew (410 Gone)."""
    seconds = max(1, min(_LONGEST_WATCH, int(left + 0.999)))
    asked = {
        **query, "watch": True, "resourceVersion": version, "allowWatchBookmarks": True, "timeoutSeconds": seconds,
    }  # fmt: skip
    try:
        for line in client.lines(path, seconds + _SLACK, asked):
            event = json.loads(line)
            if event["type"] == "ERROR":
                if event["object"].get("code") == 410:
                    return None
                time.sleep(1)
                return version
            version = event["object"]["metadata"]["resourceVersion"]
            if event["type"] != "BOOKMARK":
                yield event["type"], event["object"]
    except Answered as error:
        if error.status != 410:
            raise
        return None
    return version
