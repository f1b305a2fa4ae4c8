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
from ansible_collections.kubenode.network.plugins.module_utils._kube.around import around_of, restart_where_needed
from ansible_collections.kubenode.network.plugins.module_utils._kube.chain import find_chain
from ansible_collections.kubenode.network.plugins.module_utils._kube.client import Client, Object, segment
from ansible_collections.kubenode.network.plugins.module_utils._kube.edit import Edited, edit_object
from ansible_collections.kubenode.network.plugins.module_utils._kube.errors import KubeError
from ansible_collections.kubenode.network.plugins.module_utils._kube.owner import find_owner
from ansible_collections.kubenode.network.plugins.module_utils._kube.proof import (
    Loaded,
    Running,
    Where,
    look,
    pods_now,
    wait_until_loaded,
)
from ansible_collections.kubenode.network.plugins.module_utils._kube.texts import Wanted

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
    validate: str = "lint"


def change(client: Client, wish: Wanted, request: Request, check_mode: bool, diff: bool, say: Say) -> dict[str, t.Any]:
    """Make the cluster's Corefile say what is wanted.

    Raises KubeError; the text is then as it was, or the error says why it is not.
    """
    where, workload = _where(client, request)
    what = f"ConfigMap {where.namespace}/{where.config_map}"
    path = f"/api/v1/namespaces/{segment(where.namespace)}/configmaps/{segment(where.config_map)}"
    if request.revision is not None:
        from ansible_collections.kubenode.network.plugins.module_utils._kube.revisions import find_revision

        kept = find_revision(client, where.namespace, where.config_map, where.key, request.revision)
        wish = wish._replace(restore=kept.text)
    running = pods_now(client, where) if request.wait else []
    around = around_of(client, where, running)
    last: list[texts.Texts] = []
    noticed: list[str] = []

    def edit(held: Object) -> Object:
        text = texts.text_of(held, where.key, what)
        made = texts.edit_text(text, texts.records_of(held, where.key), wish, around)
        last[:] = [made]
        noticed[:] = texts.strangers(held, where.key)
        if made.changes:
            _check_owner(held, workload, request)
        return texts.write_into(held, where.key, made)

    prove = request.wait and not check_mode
    before = {one.key: one for one in (_looks(client, where, running) if prove else ())}
    tests = _Tests(client, where, request) if request.test_names and prove else None
    trial = _Trial(client, where, request, say)

    def before_write(before: Object, after: Object) -> None:
        if last[0].changes:
            trial.run(after)
            _keep(client, where, texts.text_of(before, where.key, what))

    edited = edit_object(client, path, edit, check_mode, dry_run=not check_mode, before_write=before_write)
    made = last[0]
    result = _result(edited, made, where, client, noticed)
    trial.tell(result, bool(made.changes))
    if diff:
        result["diff"] = texts.difference(made.before, made.after, f"{what}, key {where.key}")
    if not prove:
        return result
    try:
        if edited.changed:
            restart_where_needed(client, where, running, made.before)
        result["evidence"] = _prove(client, where, made.after, around, before, request, say)
        if tests is not None:
            result["tests"] = tests.check(_overlap(made.before) if edited.changed else 0.0)
    except KubeError as error:
        if not edited.changed:
            raise
        raise _put_back(client, path, where, made, running, error) from error
    result["requests"] = client.requests
    return result


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


def _keep(client: Client, where: Where, text: str) -> None:
    from ansible_collections.kubenode.network.plugins.module_utils._kube.revisions import keep

    keep(client, where.namespace, where.config_map, where.key, text)


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


class _Trial:
    """The throw-away pod of ``validate: pod``, for the text that is about to be written."""

    def __init__(self, client: Client, where: Where, request: Request, say: Say) -> None:
        self._client, self._where, self._say = client, where, say
        self._wanted = request.validate == "pod"
        self._seconds = request.wait_timeout
        self._tried: Object | None = None
        self._seen: dict[str, t.Any] | None = None

    def run(self, after: Object) -> None:
        """Try it, once for each text; somebody's edit meanwhile makes another. Raises KubeError."""
        if not self._wanted or self._tried == after.get("data"):
            return
        from ansible_collections.kubenode.network.plugins.module_utils._kube.validate import validate_in_pod

        wanted = {self._where.config_map: after}
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
    client: Client, where: Where, text: str, around: Files, before: t.Mapping[tuple[str, str], Loaded],
    request: Request, say: Say,
) -> list[dict[str, t.Any]]:  # fmt: skip
    try:
        wanted = loaded_hash(parse(text), around)
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


def _put_back(
    client: Client, path: str, where: Where, made: texts.Texts, running: t.Sequence[Running], error: KubeError
) -> KubeError:
    """Put the old text back where it is still ours that stands there; the error to raise."""

    def undo(held: Object) -> Object:
        if held["data"].get(where.key) != made.after:
            raise KubeError("somebody has edited it since")
        old = made._replace(before=made.after, after=made.before, records=made.known)
        return texts.write_into(held, where.key, old)

    try:
        edit_object(client, path, undo)
        restart_where_needed(client, where, running, made.after)
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
