# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read, edit, write: the one way in which a ConfigMap of somebody else is changed, and nothing of it is lost.

The edit is a pure function of what the object holds. It is tried on the server first (dry run), written with the
version that it was made on, and made anew on what somebody else wrote meanwhile.
"""

from __future__ import annotations

import copy
import random
import time
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._kube.client import Client, Object
from ansible_collections.kubenode.network.plugins.module_utils._kube.errors import Answered, KubeError

Edit = t.Callable[[Object], Object]
"""From a copy of the object to what it shall be; the same copy where there is nothing to do. May raise KubeError."""

ATTEMPTS = 100
"""With the pauses about a minute, in which others have to let up only once."""
_LONGEST_PAUSE = 1.0


class Edited(t.NamedTuple):
    """What became of an edit."""

    before: Object
    after: Object
    """As the API server answered it (the one it would write, in check mode)."""
    changed: bool
    attempts: int
    """Writes that were tried: more than one where others wrote meanwhile."""
    dry_run: bool
    """Whether the API server has looked at the change before it was made, or instead."""
    unchecked: str = ""
    """Why it has not."""


def edit_object(
    client: Client, path: str, edit: Edit, check_mode: bool = False, manager: str = "kubenode.network",
    dry_run: bool = False, new: Object | None = None,
    before_write: t.Callable[[Object], None] = lambda _after: None,
) -> Edited:  # fmt: skip
    """Change the object at ``path``; the result is as after one undisturbed edit.

    Without a change it is one request. In check mode the API server is asked for a dry run, and where we may not write
    at all the result says so. ``dry_run`` asks for one before the write too. ``new`` is what is edited and created
    where there is no object yet; an edit that leaves nothing ({}) deletes the object that it was made on.
    ``before_write`` is called with the object as it shall be, right before every write that is no dry run; what it
    raises stops the write.
    Raises KubeError: there is no such object, the server refuses, or others never stop writing.
    """
    for attempt in range(1, ATTEMPTS + 1):
        found = client.find(path) if new is not None else client.get(path)
        before = new or {} if found is None else found
        after = edit(copy.deepcopy(before))
        if after == before or (found is None and not after):
            return Edited(before, before, False, attempt - 1, False)
        if before.get("immutable"):
            raise KubeError(
                f"{path}: is immutable, which the API server lets nobody change; delete it and make it anew"
            )
        try:
            if check_mode:
                return _tried(client, path, before, after, manager)
            if dry_run and attempt == 1:
                # Later ones are made at once: each request more between reading and writing is time for others.
                _write(client, path, before, after, manager, dry_run=True)
            before_write(after)
            written = _write(client, path, before, after, manager)
        except Answered as error:
            gone = error.status == 404 and new is not None and found is not None
            if error.status != 409 and not gone:
                raise
            # Many writers that all wait alike would meet again.
            time.sleep(random.uniform(0, min(_LONGEST_PAUSE, 0.01 * 2**attempt)))  # noqa: S311 - no secret
            continue
        return Edited(before, written, True, attempt, dry_run)
    raise KubeError(
        f"{path}: others wrote it {ATTEMPTS} times while this edit was made; find who does (its metadata.managedFields "
        "name them), and run again"
    )


def _write(client: Client, path: str, before: Object, after: Object, manager: str, dry_run: bool = False) -> Object:
    """Replace, create or delete; each only on the version that was read."""
    version = before["metadata"].get("resourceVersion")
    query = {"fieldManager": manager, "dryRun": "All" if dry_run else None}
    if version is None:
        return client.create(path.rpartition("/")[0], after, **query)
    if after:
        return client.replace(path, after, **query)
    client.delete(path, before["metadata"]["uid"], version, dry_run)
    return {}


def _tried(client: Client, path: str, before: Object, after: Object, manager: str) -> Edited:
    try:
        would_be = _write(client, path, before, after, manager, dry_run=True)
    except Answered as error:
        if error.status == 403:
            return Edited(before, after, True, 0, False, f"not checked by the API server: {error.message}")
        raise
    return Edited(before, would_be, True, 0, True)
