# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Entries of a Corefile and whose they are: make a document hold what is wanted, and take back what was made. Pure.

A record says what was written into a slot and what stood there before. What is already as wanted is nobody's of ours:
it gets no record, and stays when it is no longer wanted. What has a record and is not wanted any more goes back to what
stood before, unless somebody has edited it since.
"""

from __future__ import annotations

import json
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._corefile import edits, slots
from ansible_collections.kubenode.network.plugins.module_utils._corefile.document import Document
from ansible_collections.kubenode.network.plugins.module_utils._corefile.errors import CorefileError
from ansible_collections.kubenode.network.plugins.module_utils._corefile.slots import Slot

PURGE = ("own", "none")
_FORMAT = 1
# Containers before what they hold; taken back in the opposite order.
_ORDER = ("text", "block", "snippet", "plugin", "hosts", "args", "option", "host")


class Entry(t.NamedTuple):
    """What a slot shall hold."""

    slot: Slot
    value: str | None
    """Canonical text; None: nothing."""
    text: str = ""
    """What is written instead, where it says the same and more: with comments."""
    exclusive: bool = False
    """Somebody else's different value is an error; else it is replaced, and put back later."""


class Record(t.NamedTuple):
    """What we wrote into a slot."""

    slot: Slot
    value: str | None
    before: str | None
    """The text that stood there; None: nothing."""
    owners: tuple[str, ...] = ("",)
    """Who wants it; it goes with the last of them."""
    behind: str = ""
    """The plugin that stood behind one that we took away: its place, when it comes back."""


class Outcome(t.NamedTuple):
    """A document as it shall be."""

    document: Document
    records: tuple[Record, ...]
    changes: tuple[str, ...]
    """What was done, a sentence each; empty when nothing was to do."""
    kept: tuple[str, ...] = ()
    """What was ours and was edited since: it stays, and is ours no longer."""


def apply(
    document: Document,
    entries: t.Iterable[Entry],
    records: t.Iterable[Record] = (),
    owner: str = "",
    purge: str = "own",
) -> Outcome:
    """Make a document hold entries, and let go of what this owner no longer wants.

    Args:
        document: the Corefile as it is.
        entries: what it shall hold.
        records: what was written by earlier runs, of all owners.
        owner: whose entries these are.
        purge: ``own``: recorded entries of the owner that are not among ``entries`` go; ``none``: they stay.

    Raises CorefileError when an entry cannot be had: its server block is missing, or somebody else has it otherwise.
    """
    if purge not in PURGE:
        raise ValueError(f"purge {purge!r} is none of {', '.join(PURGE)}")
    wanted = {entry.slot: entry for entry in entries}
    known = {record.slot: record for record in records}
    run = _Run(document, known, owner)
    if purge == "own":
        for record in sorted(known.values(), key=lambda record: -_rank(record.slot)):
            if record.slot not in wanted and owner in record.owners:
                run.let_go(record)
    for entry in sorted(wanted.values(), key=lambda entry: _rank(entry.slot)):
        if entry.slot[0] == "block":
            run.take_block(entry, wanted.values())
        else:
            run.take(entry)
    return Outcome(run.document, tuple(run.records.values()), tuple(run.changes), tuple(run.kept))


def reset(document: Document, records: t.Iterable[Record], owner: str | None = None) -> Outcome:
    """Take back every recorded entry of an owner, or of all, that nobody has edited since."""
    kept = tuple(records)
    if owner is not None:
        return apply(document, (), kept, owner)
    return apply(document, (), (record._replace(owners=("",)) for record in kept), "")


def dump_records(records: t.Iterable[Record]) -> str:
    """Records as text, for an annotation or a file: JSON on one line."""
    entries = [{**record._asdict(), "slot": list(record.slot), "owners": list(record.owners)} for record in records]
    return json.dumps({"format": _FORMAT, "entries": entries}, separators=(",", ":"), ensure_ascii=False)


def parse_records(text: str) -> tuple[Record, ...]:
    """The records in such a text; an empty text has none. Raises CorefileError for anything else."""
    if not text.strip():
        return ()
    try:
        found = json.loads(text)
        if found["format"] != _FORMAT:
            raise CorefileError(
                f"the records of our entries have format {found['format']}, and {_FORMAT} is known here"
            )
        records = tuple(
            Record(
                tuple(entry["slot"]), entry["value"], entry["before"], tuple(entry["owners"]), entry.get("behind", "")
            )
            for entry in found["entries"]
        )
    except (ValueError, KeyError, TypeError) as error:
        raise CorefileError(f"the records of our entries cannot be read ({error}): restore or remove them") from None
    for record in records:
        texts = [*record.slot, *record.owners, record.value or "", record.before or "", record.behind]
        if record.slot[:1] not in {(kind,) for kind in _ORDER} or not all(isinstance(text, str) for text in texts):
            raise CorefileError(f"the records of our entries have one that is none: {record.slot}")
    return records


class _Run:
    """The document on its way, with the records that go with it."""

    def __init__(self, document: Document, records: dict[Slot, Record], owner: str) -> None:
        self.document = document
        self.records = dict(records)
        self.owner = owner
        self.changes: list[str] = []
        self.kept: list[str] = []

    def let_go(self, record: Record) -> None:
        owners = tuple(owner for owner in record.owners if owner != self.owner)
        if owners:
            self.records[record.slot] = record._replace(owners=owners)
            return
        del self.records[record.slot]
        current = self._read_old(record.slot)
        if current != record.value:
            if current is not None or record.value is None:
                self.kept.append(f"{describe(record.slot)} was edited since and stays")
            return
        if self._holds_others(record.slot):
            self.kept.append(f"{describe(record.slot)} holds what others put in and stays")
            return
        self._put(record.slot, record.before, record.behind, verbatim=True)

    def take_block(self, entry: Entry, wanted: t.Iterable[Entry]) -> None:
        """A new server block comes with all its plugins at once."""
        if slots.read(self.document, entry.slot) is not None:
            self.take(entry)
            return
        inside = [other for other in wanted if other.slot[:2] == ("plugin", entry.slot[1]) and other.value is not None]
        keys = (entry.text or entry.slot[1]).split(" ")
        self.document = edits.add_block(self.document, keys, [other.text or other.value or "" for other in inside])
        for one in (entry, *inside):
            known = self.records.get(one.slot)
            owners = () if known is None else known.owners
            owners = tuple(dict.fromkeys((*owners, self.owner)))
            self.records[one.slot] = Record(one.slot, one.value, None, owners)
        self.changes.append(f"added {describe(entry.slot)}: {_short('; '.join(other.value or '' for other in inside))}")

    def take(self, entry: Entry) -> None:
        slot = entry.slot
        record = self.records.get(slot)
        current = slots.read(self.document, slot)
        if current == entry.value:
            if record is not None and record.value == entry.value and self.owner not in record.owners:
                self.records[slot] = record._replace(owners=(*record.owners, self.owner))
            elif record is not None and record.value != entry.value:
                # Somebody else made it what we want now.
                del self.records[slot]
            return
        others = [owner for owner in record.owners if owner != self.owner] if record is not None else []
        if record is not None and others and current == record.value:
            raise CorefileError(
                f"{describe(slot)} belongs to owner {', '.join(map(repr, others))} as {record.value!r}, and "
                f"{self.owner!r} wants {entry.value!r}: take it out of one of them"
            )
        if entry.exclusive and current is not None and (record is None or current != record.value):
            raise CorefileError(
                f"{describe(slot)} is there and is not ours: {_short(current)}. Change or remove it by hand, or take "
                "the entry out"
            )
        before, behind = (record.before, record.behind) if record is not None else (None, "")
        if record is None:
            before = slots.raw(self.document, slot)
            behind = slots.following(self.document, slot) if entry.value is None else ""
        self._put(slot, entry.text or entry.value)
        owners = (self.owner,) if record is None else tuple(dict.fromkeys((*record.owners, self.owner)))
        self.records[slot] = Record(slot, entry.value, before, owners, behind)

    def _put(self, slot: Slot, text: str | None, behind: str = "", verbatim: bool = False) -> None:
        current = slots.read(self.document, slot)
        if text is None:
            self.document = slots.clear(self.document, slot)
        else:
            self.document = slots.write(self.document, slot, text, behind, verbatim)
        verb = "added" if current is None else "removed" if text is None else "changed"
        self.changes.append(f"{verb} {describe(slot)}" + (f": {_short(text)}" if text and slot[0] != "host" else ""))

    def _read_old(self, slot: Slot) -> str | None:
        """A recorded slot's value; None as well when its server block has become something else."""
        try:
            return slots.read(self.document, slot)
        except CorefileError:
            return None

    def _holds_others(self, slot: Slot) -> bool:
        """Whether a container of ours has more in it than we put there, which all went before it."""
        if slot[0] not in {"block", "hosts"}:
            return False
        block = slots.find_block(self.document, slot[1])
        if block is None or slot[0] == "block":
            return block is not None and bool(block.directives)
        return any(line.canonical != "fallthrough" for plugin in block.plugins("hosts") for line in plugin.options)


def describe(slot: Slot) -> str:
    """A slot in words, for messages."""
    kind = slot[0]
    if kind == "text":
        return "the text"
    if kind == "block":
        return f"server block {slot[1]}"
    if kind == "snippet":
        return f"snippet ({slot[1]})"
    if kind == "hosts":
        return f"hosts in {slot[1]}"
    plugin = slot[2].split("\n", 1)[0].removesuffix(" {")
    if kind == "host":
        return f"hosts entry {plugin} in {slot[1]}"
    if kind == "option":
        return f"option {slot[3]} of {plugin} in {slot[1]}"
    return f"{'the arguments of ' if kind == 'args' else ''}{plugin} in {slot[1]}"


def _rank(slot: Slot) -> int:
    return _ORDER.index(slot[0])


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 120 else line[:117] + "..."
