# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run on a text of CoreDNS: find it, edit it, write it, and prove that every CoreDNS has loaded it.

What cannot be proved, or takes a name away, is put back.
"""

from __future__ import annotations

import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._kube import texts
from ansible_collections.kubenode.network.plugins.module_utils._kube.client import Client, Object
from ansible_collections.kubenode.network.plugins.module_utils._kube.edit import Edited, edit_object
from ansible_collections.kubenode.network.plugins.module_utils._kube.effect import Effect, Written, revision_of
from ansible_collections.kubenode.network.plugins.module_utils._kube.errors import KubeError
from ansible_collections.kubenode.network.plugins.module_utils._kube.proof import Where
from ansible_collections.kubenode.network.plugins.module_utils._kube.subject import Request, Subject, corefile_of
from ansible_collections.kubenode.network.plugins.module_utils._kube.texts import Wanted
from ansible_collections.kubenode.network.plugins.module_utils._kube.undo import Undo, parse, undo_of

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
    text = subject.text
    if request.revision is not None:
        kept = revision_of(client, text, request.revision)
        wish = wish._replace(restore=kept.text, restore_records=kept.records)
    undo = parse(request.undo)
    if undo is not None:
        wish = wish._replace(restore=undo.text, restore_records=undo.records)
    prove = request.wait and not check_mode and subject.proves
    effect = Effect(client, subject, request, say) if prove else None
    writing = _Writing(client, subject, wish, request, undo, effect, _Trial(client, subject, request, say))
    try:
        edited = edit_object(
            client, subject.path, writing.edit, check_mode, dry_run=not check_mode, new=subject.new(),
            before_write=writing.before_write,
        )  # fmt: skip
    except _LeftUnproved:
        # It is proved, or put back, before anything is built on it; then all is as for a run that comes now.
        nothing, plain = Wanted(purge="none", target=wish.target), request._replace(revision=None, undo=None)
        change(client, nothing, plain, False, False, say, find)
        return change(client, wish, request, check_mode, diff, say, find)
    made = writing.last.made
    result = _result(edited, made, subject, client, writing.noticed)
    writing.trial.tell(result, bool(made.changes))
    if edited.changed and not check_mode:
        result["undo"] = undo_of(made)
    if diff:
        result["diff"] = texts.difference(made.before, made.after, f"{subject.what}, key {text.key}")
    if effect is not None:
        effect.prove(edited, writing.last, result)
    return result


class _Writing:
    """The edit as the read-modify-write calls it, once more for every time that others were faster."""

    def __init__(
        self, client: Client, subject: Subject, wish: Wanted, request: Request, undo: Undo | None,
        effect: Effect | None, trial: _Trial,
    ) -> None:  # fmt: skip
        self._client, self._subject, self._wish, self._request = client, subject, wish, request
        self._undo, self._effect, self.trial = undo, effect, trial
        self._last: Written | None = None
        self.noticed: list[str] = []

    @property
    def last(self) -> Written:
        """What the last call made."""
        if self._last is None:
            raise AssertionError("nothing was edited")
        return self._last

    def edit(self, held: Object) -> Object:
        """The ConfigMap as it shall be. _LeftUnproved where an earlier write is to be proved first; or KubeError."""
        subject, key = self._subject, self._subject.text.key
        present, reading = subject.text_of(held), subject.reading(held)
        records, ours = texts.records_of(held, key), texts.is_made(held, key)
        made = texts.edit_text(present, records, self._wish, reading, ours)
        if self._undo is not None:
            self._undo.check(made)
        left = texts.unproved_of(held, key)
        if left is not None and self._effect is not None and made.changes:
            raise _LeftUnproved
        self._last = Written(made, reading, left)
        self.noticed = texts.strangers(held, key, reading.override)
        if made.changes:
            _check_owner(subject, held, self._request)
            texts.note_unproved(held, key, None)
        return subject.written(held, made)

    def before_write(self, after: Object) -> None:
        """Try the text, keep the one before, and note that this one is still to be proved."""
        made = self.last.made
        if not made.changes:
            return
        self.trial.run(after)
        text = self._subject.text
        number = _keep(self._client, text, made) if self._subject.keeps_revisions and not made.absent else 0
        if self._effect is not None:
            texts.note_unproved(after, text.key, self._effect.way_back(number))


class _LeftUnproved(Exception):
    """The text that is to be edited was written by a run that did not come to see it running."""


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
