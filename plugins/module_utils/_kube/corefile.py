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
from ansible_collections.kubenode.network.plugins.module_utils._kube.around import (
    reloads,
    restart_where_needed,
    touch,
)
from ansible_collections.kubenode.network.plugins.module_utils._kube.client import Client, Object
from ansible_collections.kubenode.network.plugins.module_utils._kube.edit import Edited, edit_object
from ansible_collections.kubenode.network.plugins.module_utils._kube.errors import KubeError
from ansible_collections.kubenode.network.plugins.module_utils._kube.proof import (
    Loaded,
    Running,
    Where,
    by_start,
    from_brief,
    look,
    wait_until_loaded,
)
from ansible_collections.kubenode.network.plugins.module_utils._kube.reading import Reading
from ansible_collections.kubenode.network.plugins.module_utils._kube.subject import Request, Subject, corefile_of
from ansible_collections.kubenode.network.plugins.module_utils._kube.texts import Wanted
from ansible_collections.kubenode.network.plugins.module_utils._kube.undo import parse, undo_of

if t.TYPE_CHECKING:
    from ansible_collections.kubenode.network.plugins.module_utils._kube.revisions import Revision

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
        kept = _find(client, text, request.revision)
        wish = wish._replace(restore=kept.text, restore_records=kept.records)
    undo = parse(request.undo)
    if undo is not None:
        wish = wish._replace(restore=undo.text, restore_records=undo.records)
    last: list[tuple[texts.Texts, Reading, texts.Unproved | None]] = []
    noticed: list[str] = []
    prove = request.wait and not check_mode and subject.proves

    def edit(held: Object) -> Object:
        present, reading = subject.text_of(held), subject.reading(held)
        records, ours = texts.records_of(held, text.key), texts.is_made(held, text.key)
        made = texts.edit_text(present, records, wish, reading, ours)
        if undo is not None:
            undo.check(made)
        left = texts.unproved_of(held, text.key)
        if left is not None and prove and made.changes:
            raise _LeftUnproved
        last[:] = [(made, reading, left)]
        noticed[:] = texts.strangers(held, text.key, reading.override)
        if made.changes:
            _check_owner(subject, held, request)
            texts.note_unproved(held, text.key, None)
        return subject.written(held, made)

    before = {one.key: one for one in (_looks(client, where, subject.running) if prove else ())}
    tests = _Tests(client, where, request) if request.test_names and prove else None
    trial = _Trial(client, subject, request, say)

    def before_write(after: Object) -> None:
        made = last[0][0]
        if made.changes:
            trial.run(after)
            number = _keep(client, text, made) if subject.keeps_revisions and not made.absent else 0
            if prove:
                resolved = tests.resolved if tests is not None else ()
                way_back = texts.Unproved(number, resolved, tuple(one.brief() for one in before.values()))
                texts.note_unproved(after, text.key, way_back)

    try:
        edited = edit_object(
            client, subject.path, edit, check_mode, dry_run=not check_mode, new=subject.new(), before_write=before_write
        )
    except _LeftUnproved:
        # It is proved, or put back, before anything is built on it; then all is as for a run that comes now.
        nothing, plain = Wanted(purge="none", target=wish.target), request._replace(revision=None, undo=None)
        change(client, nothing, plain, False, False, say, find)
        return change(client, wish, request, check_mode, diff, say, find)
    made, reading, left = last[0]
    result = _result(edited, made, subject, client, noticed)
    warn = result["warnings"]
    trial.tell(result, bool(made.changes))
    if edited.changed and not check_mode:
        result["undo"] = undo_of(made)
    if diff:
        result["diff"] = texts.difference(made.before, made.after, f"{subject.what}, key {text.key}")
    if not prove:
        return result
    if left is not None:
        warn.append(
            "an earlier run wrote this text and did not come to see it running: it is proved now, and otherwise "
            + (f"revision {left.revision} is put back" if left.revision else "taken away")
        )
    try:
        result["evidence"] = _prove(client, subject, made, reading, left, before, request, say, warn)
        result["overlap"] = _overlap(reading, made) if edited.changed or left is not None else 0.0
        if tests is not None:
            result["tests"] = tests.check(result["overlap"], left.resolved if left is not None else ())
    except KubeError as error:
        if not edited.changed and left is None:
            raise
        raise _put_back(client, subject, made, reading, left, error) from error
    if edited.after and (edited.changed or left is not None):
        result["resource_version"] = _proved(client, subject, _present(made, "after"))
    result["requests"] = client.requests
    return result


class _LeftUnproved(Exception):
    """The text that is to be edited was written by a run that did not come to see it running."""


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


def _keep(client: Client, where: Where, made: texts.Texts) -> int:
    from ansible_collections.kubenode.network.plugins.module_utils._kube.revisions import keep

    return keep(client, where.namespace, where.config_map, where.key, made.before, made.known)


def _find(client: Client, where: Where, number: int) -> Revision:
    from ansible_collections.kubenode.network.plugins.module_utils._kube.revisions import find_revision

    return find_revision(client, where.namespace, where.config_map, where.key, number)


def _proved(client: Client, subject: Subject, text: str | None) -> str:
    """Note that the text was seen running, where it still stands there; the ConfigMap's version."""
    key = subject.text.key

    def edit(held: Object) -> Object:
        return texts.note_unproved(held, key, None) if (held.get("data") or {}).get(key) == text else held

    after = edit_object(client, subject.path, edit, new=subject.new()).after
    return str(after.get("metadata", {}).get("resourceVersion", ""))


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
        self._tried: list[Object | None] = []
        self._seen: dict[str, t.Any] | None = None

    def run(self, after: Object) -> None:
        """Try it, once for each text; somebody's edit meanwhile makes another. Raises KubeError."""
        if not self._wanted or after.get("data") in self._tried:
            return
        from ansible_collections.kubenode.network.plugins.module_utils._kube.validate import validate_in_pod

        wanted = {self._config_map: after}
        self._seen = validate_in_pod(self._client, self._where, wanted, self._seconds, self._say)
        self._tried.append(after.get("data"))

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
    client: Client, subject: Subject, made: texts.Texts, reading: Reading, left: texts.Unproved | None,
    before: t.Mapping[tuple[str, str], Loaded], request: Request, say: Say, warn: list[str],
) -> list[dict[str, t.Any]]:  # fmt: skip
    """Evidence that every pod runs the text; ``left``: it was written by an earlier run that did not get here.

    ``warn`` gets what went otherwise than asked.
    """
    where, loading = subject.where, reading.loading(_present(made, "after"))
    try:
        wanted = loaded_hash(*loading)
    except CorefileError as error:
        raise KubeError(
            f"what the pods will make of the Corefile cannot be foretold ({error}), so nothing proves it; do without "
            "proof: wait: false"
        ) from error
    if before and all(one.hash == wanted for one in before.values()):
        return [one.evidence() for one in before.values()]
    running = subject.pods(client)
    if not running:
        raise KubeError(
            f"no pod mounts ConfigMap {where.namespace}/{where.config_map}, key {where.key}: nothing can be proved; "
            "look at the workload, or do without proof: wait: false"
        )
    silent = not reloads(loading)
    restarted = False
    if made.changes or left is not None:
        loaded = reading.loading(_present(made, "before") if left is None else _way_back(client, subject, left)[0])
        restarted = restart_where_needed(client, where, running, loaded, wanted)
    else:
        seen = _unchanged(running, wanted, silent, warn)
        if seen is not None:
            return [one.evidence() for one in seen]
    if request.touch_pods and not restarted:
        warn.extend(touch(client, where, running))
    # What a pod said of a text that an earlier run wrote, it may have said before this one looked.
    known = before if left is None else {one.key: one for one in map(from_brief, left.seen)}
    return [
        one.evidence() for one in wait_until_loaded(client, where, wanted, known, request.wait_timeout, say, silent)
    ]  # fmt: skip


def _unchanged(running: t.Sequence[Running], wanted: str, silent: bool, warn: list[str]) -> list[Loaded] | None:
    """What can be said at once of pods that do not tell that they run a text which stands there; None: they may yet.

    Raises KubeError where they never will.
    """
    if silent:
        started = [by_start(one.pod) for one in running if one.pod.started_with == wanted]
        if len(started) < len(running):
            warn.append(
                "without plugin reload in its Corefile CoreDNS does not tell what it runs: nothing was changed, and "
                "nothing is proved"
            )
        return started
    fixed = [one.pod.name for one in running if one.fixed]
    if fixed:
        raise KubeError(
            f"pods {', '.join(fixed)} mount the Corefile by subPath, where a new text never reaches them, and were "
            "started with another one than stands there now: restart them (kubectl rollout restart)"
        )
    return None


def _way_back(client: Client, subject: Subject, left: texts.Unproved) -> tuple[str | None, str]:
    """The text before one that was left unproved, and the records in it; None: there was no such key."""
    if not left.revision:
        return None, ""
    kept = _find(client, subject.text, left.revision)
    return kept.text, kept.records or ""


def _put_back(
    client: Client, subject: Subject, made: texts.Texts, reading: Reading, left: texts.Unproved | None, error: KubeError
) -> KubeError:
    """Put the old text back where it is still ours that stands there; the error to raise."""
    key = subject.text.key

    def undo(held: Object) -> Object:
        present = (held.get("data") or {}).get(key)
        texts.note_unproved(held, key, None)
        if present == text:
            # Another run was there first.
            return held
        if present != _present(made, "after"):
            raise KubeError("somebody has edited it since")
        old = made._replace(
            before=present or "", after=text or "", records=records, absent=present is None, gone=text is None
        )
        return subject.written(held, old)

    try:
        text, records = (_present(made, "before"), made.known) if left is None else _way_back(client, subject, left)
        edit_object(client, subject.path, undo, new=subject.new())
        loaded = reading.loading(_present(made, "after"))
        restart_where_needed(client, subject.where, subject.running, loaded, loaded_hash(*reading.loading(text)))
    except (KubeError, CorefileError) as problem:
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
    """Names that must go on resolving. Raises KubeError where they cannot be asked at all."""

    def __init__(self, client: Client, where: Where, request: Request) -> None:
        from ansible_collections.kubenode.network.plugins.module_utils._kube.names import Vantage

        self._vantage = Vantage(client, where, request.test_from)
        self._names = request.test_names
        before = self._vantage.ask_first(self._names)
        self.resolved = tuple(name for name in self._names if before[name]["resolved"])

    def check(self, overlap: float, earlier: t.Sequence[str] = ()) -> list[dict[str, t.Any]]:
        """The answers, once the old servers are gone. Raises KubeError for a name that resolved before (or ``earlier``)
        and no longer does.
        """
        time.sleep(overlap)
        after = self._vantage.ask(self._names)
        lost = [
            name for name in self._names
            if (name in self.resolved or name in earlier) and not after[name]["resolved"]
        ]  # fmt: skip
        if lost:
            raise KubeError(
                f"{', '.join(lost)} resolved before the change and no longer does (asked {self._vantage.text})",
                tests=list(after.values()),
            )
        return list(after.values())
