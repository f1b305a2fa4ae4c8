# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run of coredns_corefile: find the text, edit it, write it, and prove that every CoreDNS has loaded it.

What cannot be proved, or takes a name away, is put back.
"""

from __future__ import annotations

import time
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._corefile.document import parse
from ansible_collections.kubenode.network.plugins.module_utils._corefile.errors import CorefileError
from ansible_collections.kubenode.network.plugins.module_utils._corefile.load import Files
from ansible_collections.kubenode.network.plugins.module_utils._corefile.loaded import loaded_hash
from ansible_collections.kubenode.network.plugins.module_utils._corefile.values import seconds
from ansible_collections.kubenode.network.plugins.module_utils._kube import texts
from ansible_collections.kubenode.network.plugins.module_utils._kube.around import (
    around_of,
    reloads,
    restart_where_needed,
    touch,
)
from ansible_collections.kubenode.network.plugins.module_utils._kube.chain import find_chain
from ansible_collections.kubenode.network.plugins.module_utils._kube.client import Client, Object, segment
from ansible_collections.kubenode.network.plugins.module_utils._kube.edit import Edited, edit_object
from ansible_collections.kubenode.network.plugins.module_utils._kube.errors import KubeError
from ansible_collections.kubenode.network.plugins.module_utils._kube.owner import find_owner
from ansible_collections.kubenode.network.plugins.module_utils._kube.proof import (
    Loaded,
    Running,
    Where,
    by_start,
    from_brief,
    look,
    pods_now,
    wait_until_loaded,
)
from ansible_collections.kubenode.network.plugins.module_utils._kube.texts import Wanted

if t.TYPE_CHECKING:
    from ansible_collections.kubenode.network.plugins.module_utils._kube.revisions import Revision

Say = t.Callable[[str], None]


class Request(t.NamedTuple):
    """The options of a run that are no edits."""

    name: str | None = None
    namespace: str | None = None
    key: str | None = None
    service: str | None = None
    on_owner: str = "fail"
    wait: bool = True
    wait_timeout: int = 180
    test_names: tuple[str, ...] = ()
    test_from: str = "auto"
    revision: int | None = None
    touch_pods: bool = False


def change(client: Client, wish: Wanted, request: Request, check_mode: bool, diff: bool, say: Say) -> dict[str, t.Any]:
    """Make the cluster's Corefile say what is wanted.

    Raises KubeError; the text is then as it was, or the error says why it is not.
    """
    where, workload = _where(client, request)
    what = f"ConfigMap {where.namespace}/{where.config_map}"
    path = f"/api/v1/namespaces/{segment(where.namespace)}/configmaps/{segment(where.config_map)}"
    if request.revision is not None:
        kept = _find(client, where, request.revision)
        wish = wish._replace(restore=kept.text, restore_records=kept.records)
    running = pods_now(client, where) if request.wait else []
    around = around_of(client, where, running)
    last: list[tuple[texts.Texts, texts.Unproved | None, list[str]]] = []
    prove = request.wait and not check_mode
    before = {one.key: one for one in (_looks(client, where, running) if prove else ())}
    tests = _Tests(client, where, request) if request.test_names and prove else None

    def edit(held: Object) -> Object:
        text = texts.text_of(held, where.key, what)
        known = texts.records_of(held, where.key)
        made = texts.edit_text(text, known, wish, around)
        left = texts.unproved_of(held, where.key)
        if left is not None and prove and made.changes:
            raise _LeftUnproved
        last[:] = [(made, left, texts.strangers(held, where.key))]
        if made.changes:
            _check_owner(held, workload, request)
        if check_mode or not made.changes:
            return texts.write_into(held, where.key, made)
        number = _keep(client, where, text, known)
        resolved = tests.resolved if tests is not None else ()
        way_back = texts.Unproved(number, resolved, tuple(one.brief() for one in before.values()))
        return texts.note_unproved(texts.write_into(held, where.key, made), where.key, way_back if prove else None)

    try:
        edited = edit_object(client, path, edit, check_mode, dry_run=not check_mode)
    except _LeftUnproved:
        # It is proved, or put back, before anything is built on it; then all is as for a run that comes now.
        change(client, Wanted(purge="none", target=wish.target), request._replace(revision=None), False, False, say)
        return change(client, wish, request, check_mode, diff, say)
    made, left, noticed = last[0]
    result = _result(edited, made, where, client, noticed)
    warn = result["warnings"]
    if diff:
        result["diff"] = texts.difference(made.before, made.after, f"{what}, key {where.key}")
    if not prove:
        return result
    if left is not None:
        warn.append(
            "an earlier run wrote this text and did not come to see it running: it is proved now, and otherwise "
            f"revision {left.revision} is put back"
        )
    try:
        result["evidence"] = _prove(client, where, made, left, around, before, request, say, warn)
        if tests is not None:
            overlap = _overlap(made.before) if edited.changed or left is not None else 0.0
            result["tests"] = tests.check(overlap, left.resolved if left is not None else ())
    except KubeError as error:
        if not edited.changed and left is None:
            raise
        raise _put_back(client, path, where, made, left, running, error) from error
    if edited.changed or left is not None:
        result["resource_version"] = _proved(client, path, where, made.after)
    result["requests"] = client.requests
    return result


class _LeftUnproved(Exception):
    """The text that is to be edited was written by a run that did not come to see it running."""


def _where(client: Client, request: Request) -> tuple[Where, Object | None]:
    """The text to edit, and the workload of its pods where the way there went by it."""
    if request.name is not None:
        return Where(request.namespace or "kube-system", request.name, request.key or "Corefile"), None
    chain = find_chain(client, request.service, request.namespace)
    labels = ((chain.workload_object or {}).get("spec") or {}).get("selector", {}).get("matchLabels") or {}
    selector = ",".join(f"{name}={value}" for name, value in sorted(labels.items()))
    return Where(chain.namespace, chain.source.name, request.key or chain.source.key, selector), chain.workload_object


def _check_owner(held: Object, workload: Object | None, request: Request) -> None:
    owner = find_owner(held, workload)
    if owner is None or request.on_owner == "force":
        return
    meta = held["metadata"]
    raise KubeError(
        f"ConfigMap {meta['namespace']}/{meta['name']} belongs to {owner.name} ({owner.evidence}), which would undo "
        f"the edit: {owner.way_out}; on_owner: force edits it all the same",
        owner=owner._asdict(),
    )


def _keep(client: Client, where: Where, text: str, records: str) -> int:
    from ansible_collections.kubenode.network.plugins.module_utils._kube.revisions import keep

    return keep(client, where.namespace, where.config_map, where.key, text, records)


def _find(client: Client, where: Where, number: int) -> Revision:
    from ansible_collections.kubenode.network.plugins.module_utils._kube.revisions import find_revision

    return find_revision(client, where.namespace, where.config_map, where.key, number)


def _proved(client: Client, path: str, where: Where, text: str) -> str:
    """Note that the text was seen running, where it still stands there; the ConfigMap's version."""

    def edit(held: Object) -> Object:
        if (held.get("data") or {}).get(where.key) != text:
            return held
        return texts.note_unproved(held, where.key, None)

    return str(edit_object(client, path, edit).after["metadata"].get("resourceVersion", ""))


def _result(
    edited: Edited, made: texts.Texts, where: Where, client: Client, noticed: t.Sequence[str]
) -> dict[str, t.Any]:
    return {
        "changed": edited.changed,
        "changes": list(made.changes),
        "config_map": {"namespace": where.namespace, "name": where.config_map, "key": where.key},
        "resource_version": edited.after["metadata"].get("resourceVersion", ""),
        "sha256": texts.sha256(made.after),
        "attempts": edited.attempts,
        "findings": [one._asdict() for one in made.findings],
        "warnings": [*noticed, *made.warnings, *([edited.unchecked] if edited.unchecked else [])],
        "requests": client.requests,
    }


def _looks(client: Client, where: Where, running: t.Sequence[Running]) -> t.Iterator[Loaded]:
    """What the pods run before the write: their counters and starts are what later ones are compared with."""
    for one in running:
        if one.pod.started:
            yield look(client, where.namespace, one.pod)


def _prove(
    client: Client, where: Where, made: texts.Texts, left: texts.Unproved | None, around: Files,
    before: t.Mapping[tuple[str, str], Loaded], request: Request, say: Say,
    warn: list[str],
) -> list[dict[str, t.Any]]:  # fmt: skip
    """Evidence that every pod runs the text; ``left``: it was written by an earlier run that did not get here.

    ``warn`` gets what went otherwise than asked.
    """
    try:
        wanted = loaded_hash(parse(made.after), around)
    except CorefileError as error:
        raise KubeError(
            f"what the pods will make of the Corefile cannot be foretold ({error}), so nothing proves it; do without "
            "proof: wait: false"
        ) from error
    if before and all(one.hash == wanted for one in before.values()):
        return [one.evidence() for one in before.values()]
    running = pods_now(client, where)
    if not running:
        raise KubeError(
            f"no pod mounts ConfigMap {where.namespace}/{where.config_map}, key {where.key}: nothing can be proved; "
            "look at the workload, or do without proof: wait: false"
        )
    written = made.after != made.before
    sha256 = "" if reloads(made.after) else texts.sha256(made.after)
    if not written and left is None:
        seen = _unchanged(running, wanted, sha256, warn)
        if seen is not None:
            return [one.evidence() for one in seen]
    loaded = made.before if left is None else _find(client, where, left.revision).text
    restarted = (written or left is not None) and restart_where_needed(
        client, where, running, loaded, texts.sha256(made.after)
    )
    if request.touch_pods and not restarted:
        warn.extend(touch(client, where, running))
    # What a pod said of a text that an earlier run wrote, it may have said before this one looked.
    known = before if left is None else {one.key: one for one in map(from_brief, left.seen)}
    seen = wait_until_loaded(client, where, wanted, known, request.wait_timeout, say, sha256)
    return [one.evidence() for one in seen]


def _unchanged(running: t.Sequence[Running], wanted: str, sha256: str, warn: list[str]) -> list[Loaded] | None:
    """What can be said at once of pods that do not tell that they run a text which stands there; None: they may yet.

    Raises KubeError where they never will.
    """
    if sha256:
        if not all(one.pod.started_with == sha256 for one in running):
            warn.append(
                "without plugin reload in its Corefile CoreDNS does not tell what it runs: nothing was changed, and "
                "nothing is proved"
            )
        return [by_start(one.pod, wanted) for one in running if one.pod.started_with == sha256]
    fixed = [one.pod.name for one in running if one.fixed]
    if fixed:
        raise KubeError(
            f"pods {', '.join(fixed)} mount the Corefile by subPath, where a new text never reaches them, and were "
            "started with another one than stands there now: restart them (kubectl rollout restart)"
        )
    return None


def _put_back(
    client: Client, path: str, where: Where, made: texts.Texts, left: texts.Unproved | None,
    running: t.Sequence[Running], error: KubeError,
) -> KubeError:  # fmt: skip
    """Put the old text back where it is still ours that stands there; the error to raise."""

    def undo(held: Object) -> Object:
        if held["data"].get(where.key) == text:
            # Another run was there first.
            return texts.note_unproved(held, where.key, None)
        if held["data"].get(where.key) != made.after:
            raise KubeError("somebody has edited it since")
        old = made._replace(before=made.after, after=text, records=records)
        return texts.note_unproved(texts.write_into(held, where.key, old), where.key, None)

    try:
        text, records = made.before, made.known
        if left is not None:
            kept = _find(client, where, left.revision)
            text, records = kept.text, kept.records or ""
        edit_object(client, path, undo)
        restart_where_needed(client, where, running, made.after, texts.sha256(text))
    except KubeError as problem:
        return KubeError(
            f"{error.message}. The old text could not be put back ({problem.message}): restore it with restore",
            rolled_back=False, **error.details,
        )  # fmt: skip
    return KubeError(f"{error.message}. The old text was put back.", rolled_back=True, **error.details)


def _overlap(text: str) -> float:
    """Seconds in which the servers of the old text answer beside the new ones: plugin health's lameduck, and a second.

    CoreDNS says what it runs before it lets the old servers go, which share its sockets.
    """
    longest = 0.0
    for block in parse(text).blocks:
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
