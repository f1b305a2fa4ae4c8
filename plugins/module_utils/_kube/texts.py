# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The text of a ConfigMap's key and what we noted of it: the part between a Corefile's edits and an API server. Pure.

Four annotations go with a ConfigMap, each by key: the records of our entries, the SHA-256 of the text that we wrote
last, which keys we made, and, until the pods were seen to run the text, the way back from it. By the second an edit of
somebody else is told; where the records say that an entry of ours is there and it is not, that somebody wrote over it.
By the last a run takes up what another, which was killed, has left unproved.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._corefile import entries, fragment, slots, wanted
from ansible_collections.kubenode.network.plugins.module_utils._corefile.document import Document, parse
from ansible_collections.kubenode.network.plugins.module_utils._corefile.errors import CorefileError
from ansible_collections.kubenode.network.plugins.module_utils._corefile.findings import ERROR, Finding, Target
from ansible_collections.kubenode.network.plugins.module_utils._corefile.lint import lint
from ansible_collections.kubenode.network.plugins.module_utils._kube.client import Object
from ansible_collections.kubenode.network.plugins.module_utils._kube.errors import KubeError
from ansible_collections.kubenode.network.plugins.module_utils._kube.reading import AS_IT_IS, Reading, plugins

RECORDS = "kubenode.network/corefile-entries"
WRITTEN = "kubenode.network/corefile-sha256"
MADE = "kubenode.network/corefile-made"
UNPROVED = "kubenode.network/corefile-unproved"

_WHOLE: slots.Slot = ("text",)


class Wanted(t.NamedTuple):
    """What a run wants of a text."""

    options: t.Mapping[str, t.Any] = {}
    """Of ``_corefile.wanted.edit``."""
    owner: str = ""
    purge: str = "own"
    restore: str | None = None
    """A text that was kept as a revision, in place of edits."""
    restore_records: str | None = None
    """The records that were kept with it; None: those of its entries that are known now."""
    reset: bool = False
    """Take back all recorded entries of the owner, in place of edits."""
    target: Target = Target()
    content: str | None = None
    """All of the text, in place of edits."""


class Texts(t.NamedTuple):
    """A text as it is and as it shall be."""

    before: str
    after: str
    records: str
    """The records as they shall be, for the annotation; empty: there are none."""
    known: str
    """The records as they were."""
    changes: tuple[str, ...]
    warnings: tuple[str, ...]
    findings: tuple[Finding, ...]
    """What lint says of the text as it shall be."""
    absent: bool = False
    """The key was not there."""
    gone: bool = False
    """The key goes: we made it, and nothing is left in it."""


def edit_text(text: str | None, records: str, wish: Wanted, reading: Reading = AS_IT_IS, made: bool = False) -> Texts:
    """What becomes of a text; None: there is none yet. ``made``: it was us who made the key that it is in.

    Raises KubeError, with ``findings``, for a text that must not be written.
    """
    before = text or ""
    try:
        known = entries.parse_records(records)
        whole = wish.content is not None or _WHOLE in {record.slot for record in known}
        after, outcome = _edited(before, known, wish, reading.override and not whole, whole)
        changed = after != before
        present = reading.loading(text)
        # The server runs what it has: a plugin of the present text is no unknown one, whatever its release has.
        target = wish.target._replace(known_plugins=wish.target.known_plugins | plugins(present))
        already = lint(present[0], target, present[1])
        future, gone = reading.loading(after), False
        found = lint(future[0], target, future[1])
        if made and changed and not after.strip() and not outcome.records:
            without, around = reading.loading(None)
            lacking = lint(without, target, around)
            # A Corefile that imports the file by its name does not start without it.
            gone = not _errors(lacking) or bool(_errors(found))
            found = lacking if gone else found
        found = reading.about(found, already)
        if changed:
            reading.check(after)
    except CorefileError as error:
        raise KubeError(f"Corefile: {error}") from error
    changes = outcome.changes if changed else ()
    errors = _errors(found)
    if changed and errors:
        same = {(one.kind, one.message) for one in already}
        old = " (it says so of the present text as well)" if all((e.kind, e.message) in same for e in errors) else ""
        raise KubeError(
            f"the edited Corefile would be refused{old}: {'; '.join(map(str, errors))}",
            findings=[one._asdict() for one in found],
        )
    warnings = [*outcome.kept, *(str(one) for one in found if one.level != ERROR)]
    noted = entries.dump_records(outcome.records) if outcome.records else ""
    return Texts(before, after, noted, records, changes, tuple(warnings), tuple(found), absent=text is None, gone=gone)


def _edited(
    text: str, known: tuple[entries.Record, ...], wish: Wanted, override: bool, whole: bool
) -> tuple[str, entries.Outcome]:
    """The text after the edit, and what was done."""
    if wish.restore is not None:
        if wish.restore_records is not None:
            kept = entries.parse_records(wish.restore_records)
        else:
            kept = tuple(record for record in known if _holds(wish.restore, record, override))
        return wish.restore, entries.Outcome(parse(wish.restore), kept, ("restored the revision",))
    document = fragment.wrapped(text) if override else parse(text)
    try:
        outcome = _outcome(document, known, wish, whole)
    except CorefileError as error:
        raise (fragment.placed(error) if override else error) from None
    if str(outcome.document) == str(document):
        return text, outcome
    return (fragment.unwrapped(outcome.document) if override else str(outcome.document)), outcome


def _outcome(document: Document, known: tuple[entries.Record, ...], wish: Wanted, whole: bool) -> entries.Outcome:
    if wish.reset:
        return entries.reset(document, known, wish.owner or None)
    if not whole:
        return wanted.edit(document, wish.options, known, wish.owner, wish.purge)
    if wish.options or [record for record in known if record.slot != _WHOLE]:
        raise CorefileError(
            "a text is either written as a whole (content) or has entries of owners, and this one was made the other "
            "way: take that back first, with state: absent"
        )
    declared = [] if wish.content is None else [entries.Entry(_WHOLE, wish.content, wish.content, exclusive=True)]
    return entries.apply(document, declared, known, wish.owner, wish.purge)


def _errors(found: t.Iterable[Finding]) -> list[Finding]:
    return [one for one in found if one.level == ERROR]


def _holds(text: str, record: entries.Record, override: bool = False) -> bool:
    """Whether an entry of ours is in a text as we wrote it."""
    try:
        document = fragment.wrapped(text) if override and record.slot != _WHOLE else parse(text)
        return slots.read(document, record.slot) == record.value
    except CorefileError:
        return False


def text_of(held: Object, key: str, what: str) -> str:
    """The text of a key. Raises KubeError, naming those there are, where there is none of that name."""
    data = held.get("data") or {}
    if key not in data:
        keys = ", ".join(sorted(data)) or "none"
        binary = " (it is among its binaryData)" if key in (held.get("binaryData") or {}) else ""
        raise KubeError(f"{what} has no key {key}{binary}: its keys are {keys}; name one with key")
    return str(data[key])


def records_of(held: Object, key: str) -> str:
    """The records of a key's entries."""
    return str(_annotation(held, RECORDS).get(key, ""))


def is_made(held: Object, key: str) -> bool:
    """Whether it was us who made the key."""
    return bool(_annotation(held, MADE).get(key))


def write_into(held: Object, key: str, texts: Texts) -> Object:
    """The ConfigMap with the new text and what is noted of it."""
    if texts.after == texts.before and texts.records == records_of(held, key):
        return held
    data = held["data"] = held.get("data") or {}
    if texts.gone:
        data.pop(key, None)
    else:
        data[key] = texts.after
    _note(held, RECORDS, key, texts.records)
    _note(held, WRITTEN, key, sha256(texts.after) if texts.records else "")
    if texts.gone or texts.absent:
        _note(held, MADE, key, "" if texts.gone else "true")
    return held


class Unproved(t.NamedTuple):
    """A text that we wrote and did not see running."""

    revision: int
    """The way back: the text that was known to run before; 0: there was none."""
    resolved: tuple[str, ...]
    """The test names that resolved then."""
    seen: tuple[tuple[t.Any, ...], ...] = ()
    """Of each pod then, what later looks are compared with (``proof.Loaded.brief``)."""


def unproved_of(held: Object, key: str) -> Unproved | None:
    """What is noted of the present text; None where it was proved, or somebody has edited it since."""
    if not held.get("metadata"):
        return None
    try:
        note = json.loads(_annotation(held, UNPROVED).get(key, "{}"))
        if note.get("sha256") != _sha256_of(held, key):
            return None
        return Unproved(int(note["revision"]), tuple(map(str, note["resolved"])), tuple(map(tuple, note["seen"])))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def note_unproved(held: Object, key: str, way_back: Unproved | None) -> Object:
    """The ConfigMap with a note that its present text is not proved yet; None: without such a note."""
    if not held:
        # It goes, and a note would go with it.
        return held
    if way_back is not None:
        note = {"sha256": _sha256_of(held, key), **way_back._asdict()}
        _note(held, UNPROVED, key, json.dumps(note, separators=(",", ":")))
    elif _annotation(held, UNPROVED).get(key):
        _note(held, UNPROVED, key, "")
    return held


def _sha256_of(held: Object, key: str) -> str:
    return sha256(str((held.get("data") or {}).get(key, "")))


def strangers(held: Object, key: str, override: bool = False) -> list[str]:
    """What others did to the text since we wrote it, where that can be told; a sentence each."""
    written = _annotation(held, WRITTEN).get(key)
    text = str((held.get("data") or {}).get(key, ""))
    if not written or written == sha256(text):
        return []
    who = _writer(held, key)
    lost = []
    try:
        lost = [
            entries.describe(record.slot) for record in entries.parse_records(records_of(held, key))
            if record.value is not None and not _holds(text, record, override)
        ]  # fmt: skip
    except CorefileError:
        pass
    if not lost:
        return [f"key {key} was edited{who} since our last write"]
    said = (
        f"key {key} was written over{who} since our last write, and our {', '.join(lost)} went with it: that writer "
        "sends no resourceVersion, or put back a text of its own"
    )
    return [said]


def _writer(held: Object, key: str) -> str:
    """The field manager that wrote the key last, and when."""
    found = []
    for field in held["metadata"].get("managedFields") or ():
        keys = (field.get("fieldsV1") or {}).get("f:data") or {}
        if f"f:{key}" in keys and field.get("manager") != "kubenode.network":
            found.append(field)
    if not found:
        return ""
    last = max(found, key=lambda field: field.get("time") or "")
    return f" by {last.get('manager')} at {last.get('time')}"


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _annotation(held: Object, name: str) -> dict[str, str]:
    text = (held["metadata"].get("annotations") or {}).get(name, "")
    try:
        value = json.loads(text) if text else {}
    except ValueError:
        raise KubeError(
            f"annotation {name} of ConfigMap {held['metadata'].get('name')} is no JSON: somebody changed it; remove "
            "it, and what we added is nobody's and stays"
        ) from None
    return value if isinstance(value, dict) else {}


def _note(held: Object, name: str, key: str, text: str) -> None:
    annotations = held["metadata"].setdefault("annotations", {})
    notes = _annotation(held, name)
    notes.pop(key, None)
    if text:
        notes[key] = text
    if notes:
        annotations[name] = json.dumps(notes, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
    else:
        annotations.pop(name, None)


def difference(before: str, after: str, name: str) -> dict[str, str]:
    """A unified diff for ``--diff``."""
    lines = difflib.unified_diff(
        before.splitlines(keepends=True),
        after.splitlines(keepends=True),
        f"before: {name}",
        f"after: {name}",
    )
    return {
        "prepared": "".join(
            line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines
        )
    }
