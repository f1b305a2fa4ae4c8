# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a text that was written to pods that run it: what they ran before, the proof, or the way back."""

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
from ansible_collections.kubenode.network.plugins.module_utils._kube.subject import Request, Subject

if t.TYPE_CHECKING:
    from ansible_collections.kubenode.network.plugins.module_utils._kube.revisions import Revision

Say = t.Callable[[str], None]


class Written(t.NamedTuple):
    """A text that was written, or stands there as it should."""

    made: texts.Texts
    reading: Reading
    left: texts.Unproved | None
    """It was written by an earlier run that did not come to see it running."""


class Effect:
    """What the pods run, and names resolve to, before a write: what comes after it is compared with that."""

    def __init__(self, client: Client, subject: Subject, request: Request, say: Say) -> None:
        """Look. Raises KubeError where names are to be asked and cannot be."""
        self._client, self._subject, self._request, self._say = client, subject, request, say
        self._before = {one.key: one for one in _looks(client, subject.where, subject.running)}
        self._tests = _Tests(client, subject.where, request) if request.test_names else None

    def way_back(self, revision: int) -> texts.Unproved:
        """What is noted with a write, for a run that comes where this one ends before its proof."""
        resolved = self._tests.resolved if self._tests is not None else ()
        # An annotation has its limit, and a fleet of caches many pods.
        seen = tuple(one.brief() for one in self._before.values() if not one.blank)
        return texts.Unproved(revision, resolved, seen)

    def prove(self, edited: Edited, written: Written, result: dict[str, t.Any]) -> None:
        """See the text running, and put the evidence into ``result``. Raises KubeError, once the old text is back."""
        client, subject, (made, reading, left) = self._client, self._subject, written
        warn = result["warnings"]
        if left is not None:
            warn.append(
                "an earlier run wrote this text and did not come to see it running: it is proved now, and otherwise "
                + (f"revision {left.revision} is put back" if left.revision else "taken away")
            )
        try:
            result["evidence"] = self._evidence(written, warn)
            result["overlap"] = _overlap(reading, made) if edited.changed or left is not None else 0.0
            if self._tests is not None:
                result["tests"] = self._tests.check(result["overlap"], left.resolved if left is not None else ())
        except KubeError as error:
            if not edited.changed and left is None:
                raise
            raise _put_back(client, subject, made, reading, left, error) from error
        if edited.after and (edited.changed or left is not None):
            result["resource_version"] = _proved(client, subject, _present(made, "after"))
        result["requests"] = client.requests

    def _evidence(self, written: Written, warn: list[str]) -> list[dict[str, t.Any]]:
        """That every pod runs the text; ``warn`` gets what went otherwise than asked."""
        client, subject, (made, reading, left) = self._client, self._subject, written
        where, loading = subject.where, reading.loading(_present(made, "after"))
        try:
            wanted = loaded_hash(*loading)
        except CorefileError as error:
            raise KubeError(
                f"what the pods will make of the Corefile cannot be foretold ({error}), so nothing proves it; do "
                "without proof: wait: false"
            ) from error
        if self._before and all(one.hash == wanted for one in self._before.values()):
            return [one.evidence() for one in self._before.values()]
        running = subject.pods(client)
        if not running:
            raise KubeError(
                f"no pod mounts ConfigMap {where.namespace}/{where.config_map}, key {where.key}: nothing can be "
                "proved; look at the workload, or do without proof: wait: false"
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
        if self._request.touch_pods and not restarted:
            warn.extend(touch(client, where, running))
        # What a pod said of a text that an earlier run wrote, it may have said before this one looked.
        known = self._before if left is None else {one.key: one for one in map(from_brief, left.seen)}
        seen = wait_until_loaded(client, where, wanted, known, self._request.wait_timeout, self._say, silent)
        return [one.evidence() for one in seen]


def _looks(client: Client, where: Where, running: t.Sequence[Running]) -> t.Iterator[Loaded]:
    """What the pods run before the write: their counters and starts are what later ones are compared with."""
    for one in running:
        if one.pod.started:
            yield look(client, where.namespace, one.pod)


def _present(made: texts.Texts, side: str) -> str | None:
    """A text as it stands before or after; None where the key is not there."""
    if side == "before":
        return None if made.absent else made.before
    return None if made.gone or (made.absent and not made.after) else made.after


def revision_of(client: Client, where: Where, number: int) -> Revision:
    from ansible_collections.kubenode.network.plugins.module_utils._kube.revisions import find_revision

    return find_revision(client, where.namespace, where.config_map, where.key, number)


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
    kept = revision_of(client, subject.text, left.revision)
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


def _proved(client: Client, subject: Subject, text: str | None) -> str:
    """Note that the text was seen running, where it still stands there; the ConfigMap's version."""
    key = subject.text.key

    def edit(held: Object) -> Object:
        return texts.note_unproved(held, key, None) if (held.get("data") or {}).get(key) == text else held

    after = edit_object(client, subject.path, edit, new=subject.new()).after
    return str(after.get("metadata", {}).get("resourceVersion", ""))


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
