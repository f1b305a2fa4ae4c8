# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run on a text of CoreDNS: find it, edit it, write it, and prove that every CoreDNS has loaded it.

What cannot be proved, or takes a name away, is put back.
"""

from __future__ import annotations

import time
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._corefile.errors import CorefileError
from ansible_collections.kubenode.network.plugins.module_utils._corefile.loaded import loaded_hash
from ansible_collections.kubenode.network.plugins.module_utils._corefile.values import seconds
from ansible_collections.kubenode.network.plugins.module_utils._kube import texts
from ansible_collections.kubenode.network.plugins.module_utils._kube.around import restart_where_needed
from ansible_collections.kubenode.network.plugins.module_utils._kube.client import Client, Object
from ansible_collections.kubenode.network.plugins.module_utils._kube.edit import Edited, edit_object
from ansible_collections.kubenode.network.plugins.module_utils._kube.errors import KubeError
from ansible_collections.kubenode.network.plugins.module_utils._kube.proof import (
    Loaded,
    Running,
    Where,
    look,
    pods_now,
    wait_until_loaded,
)
from ansible_collections.kubenode.network.plugins.module_utils._kube.reading import Loading, Reading
from ansible_collections.kubenode.network.plugins.module_utils._kube.subject import Request, Subject, corefile_of
from ansible_collections.kubenode.network.plugins.module_utils._kube.texts import Wanted
from ansible_collections.kubenode.network.plugins.module_utils._kube.undo import parse, undo_of

__all__ = ("Request", "change")

Say = t.Callable[[str], None]


Find = t.Callable[[Client, Request], Subject]


def change(
    client: Client, wish: Wanted, request: Request, check_mode: bool, diff: bool, say: Say, find: Find = corefile_of
) -> dict[str, t.Any]:
    """Make the text that ``find`` finds say what is wanted: the cluster's Corefile, or what it imports.

    Raises KubeError; the text is then as it was, or the error says why it is not.
    """
    subject = find(client, request)
    where, text = subject.where, subject.text
    if request.revision is not None:
        from ansible_collections.kubenode.network.plugins.module_utils._kube.revisions import find_revision

        kept = find_revision(client, text.namespace, text.config_map, text.key, request.revision)
        wish = wish._replace(restore=kept.text)
    undo = parse(request.undo)
    if undo is not None:
        wish = wish._replace(restore=undo.text)
    last: list[tuple[texts.Texts, Reading]] = []
    noticed: list[str] = []

    def edit(held: Object) -> Object:
        present, reading = subject.text_of(held), subject.reading(held)
        records, ours = texts.records_of(held, text.key), texts.is_made(held, text.key)
        made = texts.edit_text(present, records, wish, reading, ours)
        made = made if undo is None else undo.applied(made)
        last[:] = [(made, reading)]
        noticed[:] = texts.strangers(held, text.key, reading.override)
        if made.changes:
            _check_owner(subject, held, request)
        return subject.written(held, made)

    prove = request.wait and not check_mode and subject.proves
    before = {one.key: one for one in (_looks(client, where, subject.running) if prove else ())}
    tests = _Tests(client, where, request) if request.test_names and prove else None
    trial = _Trial(client, subject, request, say)

    def before_write(after: Object) -> None:
        made = last[0][0]
        if made.changes:
            trial.run(after)
            if not made.absent:
                _keep(client, text, made.before)

    edited = edit_object(
        client, subject.path, edit, check_mode, dry_run=not check_mode, new=subject.new(), before_write=before_write
    )
    made, reading = last[0]
    result = _result(edited, made, subject, client, noticed)
    trial.tell(result, bool(made.changes))
    if edited.changed and not check_mode:
        result["undo"] = undo_of(made)
    if diff:
        result["diff"] = texts.difference(made.before, made.after, f"{subject.what}, key {text.key}")
    if not prove:
        return result
    try:
        if edited.changed:
            restart_where_needed(client, where, subject.running, reading.loading(_present(made, "before")))
        loading = reading.loading(_present(made, "after"))
        result["evidence"] = _prove(client, where, loading, before, request, say)
        result["overlap"] = _overlap(reading, made) if edited.changed else 0.0
        if tests is not None:
            result["tests"] = tests.check(result["overlap"])
    except KubeError as error:
        if not edited.changed:
            raise
        raise _put_back(client, subject, made, reading, error) from error
    result["requests"] = client.requests
    return result


def _present(made: texts.Texts, side: str) -> str | None:
    """A text as it stands before or after; None where the key is not there."""
    if side == "before":
        return None if made.absent else made.before
    return None if made.gone or (made.absent and not made.after) else made.after


def _check_owner(subject: Subject, held: Object, request: Request) -> None:
    owner = subject.owner(held)
    if owner is None or request.on_owner == "force":
        return
    raise KubeError(
        f"{subject.what} belongs to {owner.name} ({owner.evidence}), which would undo "
        f"the edit: {owner.way_out}; on_owner: force edits it all the same",
        owner=owner._asdict(),
    )


def _keep(client: Client, where: Where, text: str) -> None:
    from ansible_collections.kubenode.network.plugins.module_utils._kube.revisions import keep

    keep(client, where.namespace, where.config_map, where.key, text)


def _result(
    edited: Edited, made: texts.Texts, subject: Subject, client: Client, noticed: t.Sequence[str]
) -> dict[str, t.Any]:
    text = subject.text
    unchecked = [edited.unchecked] if edited.unchecked else []
    return {
        "changed": edited.changed,
        "changes": list(made.changes),
        "config_map": {"namespace": text.namespace, "name": text.config_map, "key": text.key},
        "resource_version": edited.after.get("metadata", {}).get("resourceVersion", ""),
        "sha256": texts.sha256(made.after),
        "attempts": edited.attempts,
        "findings": [one._asdict() for one in made.findings],
        "warnings": [*subject.warnings, *noticed, *made.warnings, *unchecked],
        "requests": client.requests,
        **subject.found,
    }


class _Trial:
    """The throw-away pod of ``validate: pod``, for the text that is about to be written."""

    def __init__(self, client: Client, subject: Subject, request: Request, say: Say) -> None:
        self._client, self._where, self._say = client, subject.where, say
        self._config_map = subject.text.config_map
        self._wanted = request.validate == "pod"
        self._seconds = request.wait_timeout
        self._tried: Object | None = None
        self._seen: dict[str, t.Any] | None = None

    def run(self, after: Object) -> None:
        """Try it, once for each text; somebody's edit meanwhile makes another. Raises KubeError."""
        if not self._wanted or self._tried == after.get("data"):
            return
        from ansible_collections.kubenode.network.plugins.module_utils._kube.validate import validate_in_pod

        wanted = {self._config_map: after}
        self._seen = validate_in_pod(self._client, self._where, wanted, self._seconds, self._say)
        self._tried = after.get("data")

    def tell(self, result: dict[str, t.Any], changes: bool) -> None:
        """Put what was seen, or why nothing was, into the result."""
        if not self._wanted or not changes:
            return
        if self._seen is None:
            from ansible_collections.kubenode.network.plugins.module_utils._kube.validate import not_run

            result["warnings"].append(not_run(self._client, self._where))
        result["validation"] = self._seen
        result["requests"] = self._client.requests


def _looks(client: Client, where: Where, running: t.Sequence[Running]) -> t.Iterator[Loaded]:
    """What the pods run before the write: their counters and starts are what later ones are compared with."""
    for one in running:
        if one.pod.started:
            yield look(client, where.namespace, one.pod)


def _prove(
    client: Client, where: Where, loading: Loading, before: t.Mapping[tuple[str, str], Loaded], request: Request,
    say: Say,
) -> list[dict[str, t.Any]]:  # fmt: skip
    try:
        wanted = loaded_hash(*loading)
    except CorefileError as error:
        raise KubeError(
            f"what the pods will make of the Corefile cannot be foretold ({error}), so nothing proves it; do without "
            "proof: wait: false"
        ) from error
    if before and all(one.hash == wanted for one in before.values()):
        return [one.evidence() for one in before.values()]
    if not pods_now(client, where):
        raise KubeError(
            f"no pod mounts ConfigMap {where.namespace}/{where.config_map}, key {where.key}: nothing can be proved; "
            "look at the workload, or do without proof: wait: false"
        )
    return [one.evidence() for one in wait_until_loaded(client, where, wanted, before, request.wait_timeout, say)]


def _put_back(client: Client, subject: Subject, made: texts.Texts, reading: Reading, error: KubeError) -> KubeError:
    """Put the old text back where it is still ours that stands there; the error to raise."""

    def undo(held: Object) -> Object:
        if (held.get("data") or {}).get(subject.text.key) != _present(made, "after"):
            raise KubeError("somebody has edited it since")
        old = made._replace(
            before=made.after, after=made.before, records=made.known, absent=made.gone, gone=made.absent
        )
        return subject.written(held, old)

    try:
        edit_object(client, subject.path, undo, new=subject.new())
        loaded = reading.loading(_present(made, "after"))
        restart_where_needed(client, subject.where, subject.running, loaded)
    except KubeError as problem:
        return KubeError(
            f"{error.message}. The old text could not be put back ({problem.message}): restore it with restore",
            rolled_back=False, **error.details,
        )  # fmt: skip
    return KubeError(f"{error.message}. The old text was put back.", rolled_back=True, **error.details)


def _overlap(reading: Reading, made: texts.Texts) -> float:
    """Seconds in which the servers of the old text answer beside the new ones: plugin health's lameduck, and a second.

    CoreDNS says what it runs before it lets the old servers go, which share its sockets.
    """
    longest = 0.0
    for block in reading.loading(_present(made, "before"))[0].blocks:
        for health in block.plugins("health"):
            lameduck = health.option("lameduck")
            if lameduck is not None and lameduck.args:
                longest = max(longest, seconds(lameduck.args[0]) or 0.0)
    return longest + 1.0


class _Tests:
    """Names that must go on resolving."""

    def __init__(self, client: Client, where: Where, request: Request) -> None:
        from ansible_collections.kubenode.network.plugins.module_utils._kube.names import Vantage

        self._vantage = Vantage(client, where, request.test_from)
        self._names = request.test_names
        self._before = self._vantage.ask(self._names)

    def check(self, overlap: float) -> list[dict[str, t.Any]]:
        """The answers, once the old servers are gone. Raises KubeError for a name that resolved before and no longer
        does.
        """
        time.sleep(overlap)
        after = self._vantage.ask(self._names)
        lost = [
            name for name in self._names if self._before[name]["resolved"] and not after[name]["resolved"]
        ]  # fmt: skip
        if lost:
            raise KubeError(
                f"{', '.join(lost)} resolved before the change and no longer does (asked {self._vantage.text})",
                tests=list(after.values()),
            )
        return list(after.values())
