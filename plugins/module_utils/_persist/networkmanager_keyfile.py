# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A keyfile of NetworkManager as a document that is edited by meaning: what is not changed stays byte for byte. Pure.

The format is GLib's key file (https://docs.gtk.org/glib/struct.KeyFile.html) with NetworkManager's lists of numbered
keys (nm-settings-keyfile(5)): groups in brackets, ``key=value`` with blanks around the sign, ``#`` comments, the last
of equal keys counts, groups of one name add up.
"""

from __future__ import annotations

import re
import typing as t

_LINES = re.compile(r"[^\n]*\n|[^\n]+")
_GROUP = re.compile(r"[ \t]*\[([^\[\]]+)\][ \t]*\r?\n?\Z")
_ENTRY = re.compile(r"[ \t]*([^=#\[\s][^=]*?)[ \t]*=[ \t]*(.*?)\r?\n?\Z", re.DOTALL)
# g_key_file_parse_value_as_string: \s \n \t \r \\ and the separator of lists.
_ESCAPES = {"s": " ", "n": "\n", "t": "\t", "r": "\r", "\\": "\\"}


class _Line(t.NamedTuple):
    text: str
    """As it stands, with its line end."""
    group: str | None = None
    """The group it belongs to; None before the first."""
    key: str | None = None
    """None for comments, blank lines, heads of groups and what GLib would not understand."""
    value: str = ""
    head: bool = False


class Keyfile:
    """The document. ``str(Keyfile(text)) == text`` for every text; reading sees what NetworkManager would see."""

    def __init__(self, text: str = "") -> None:
        self._lines: list[_Line] = []
        group: str | None = None
        for line in _LINES.findall(text):
            head = _GROUP.match(line)
            if head:
                group = head.group(1)
                self._lines.append(_Line(line, group, head=True))
                continue
            entry = None if group is None else _ENTRY.match(line)
            if entry:
                self._lines.append(_Line(line, group, entry.group(1), entry.group(2)))
            else:
                self._lines.append(_Line(line, group))

    def __str__(self) -> str:
        return "".join(line.text for line in self._lines)

    @property
    def groups(self) -> tuple[str, ...]:
        """Names of groups in their order, each once."""
        return tuple(dict.fromkeys(line.group for line in self._lines if line.head and line.group is not None))

    def entries(self, group: str) -> dict[str, str]:
        """Key -> raw value of a group, in the order of the text; of equal keys the last."""
        return {line.key: line.value for line in self._lines if line.group == group and line.key is not None}

    def get(self, group: str, key: str, default: str | None = None) -> str | None:
        """The raw value as it stands: escapes are not resolved (see ``text_of`` and ``list_of``)."""
        found = default
        for line in self._lines:
            if line.group == group and line.key == key:
                found = line.value
        return found

    def text_of(self, group: str, key: str) -> str:
        """A value with its escapes resolved; the empty string where there is none."""
        return unescape(self.get(group, key) or "")

    def list_of(self, group: str, key: str) -> tuple[str, ...]:
        """A list separated by ``;`` (or, as NetworkManager also takes it for addresses, by ``,``)."""
        return tuple(part.strip() for part in re.split(r"[;,]", self.text_of(group, key)) if part.strip())

    def flag(self, group: str, key: str, default: bool = False) -> bool:
        """A boolean: GLib takes ``true`` and ``1``."""
        value = self.get(group, key)
        return default if value is None else value.strip() in ("true", "1", "yes")

    def set(self, group: str, key: str, value: str | None) -> None:
        """Make ``key`` say ``value`` (raw); None takes every line of the key away. Does nothing where it says so."""
        if value is None:
            self._lines = [line for line in self._lines if not (line.group == group and line.key == key)]
            return
        found = [index for index, line in enumerate(self._lines) if line.group == group and line.key == key]
        if found:
            line = self._lines[found[-1]]
            if line.value != value:
                start = line.text.find("=") + 1
                blanks = re.match(r"[ \t]*", line.text[start:])
                kept = line.text[: start + (blanks.end() if blanks else 0)]
                end = re.search(r"\r?\n?\Z", line.text)
                text = kept + value + (end.group(0) if end else "")
                self._lines[found[-1]] = line._replace(text=text, value=value)
            return
        self._insert(group, _Line(f"{key}={value}\n", group, key, value))

    def drop_empty(self, group: str) -> None:
        """Take the head of a group away that has neither keys nor comments, with the blank line before it."""
        mine = [index for index, line in enumerate(self._lines) if line.group == group]
        if not mine or any(self._lines[index].text.strip() and not self._lines[index].head for index in mine):
            return
        gone = {index for index in mine if self._lines[index].head}
        for index in tuple(gone):
            if index and not self._lines[index - 1].text.strip():
                gone.add(index - 1)
        self._lines = [line for index, line in enumerate(self._lines) if index not in gone]

    def drop_group(self, group: str) -> None:
        """Take a group away with all that is in it."""
        self._lines = [line for line in self._lines if line.group != group]

    def _insert(self, group: str, line: _Line) -> None:
        """Behind the last key of the group, at its head where it has none, or in a new group at the end."""
        place = None
        for index, other in enumerate(self._lines):
            if other.group == group and (other.head or other.key is not None):
                place = index
        if place is None:
            if self._lines:
                self._end_line(len(self._lines) - 1)
                if self._lines[-1].text.strip():
                    self._lines.append(_Line("\n", self._lines[-1].group))
            self._lines.append(_Line(f"[{group}]\n", group, head=True))
            self._lines.append(line)
            return
        self._end_line(place)
        self._lines.insert(place + 1, line)

    def _end_line(self, index: int) -> None:
        line = self._lines[index]
        if not line.text.endswith("\n"):
            self._lines[index] = line._replace(text=line.text + "\n")

    def numbered(self, group: str, base: str, *, plural: bool = True) -> list[tuple[str, str]]:
        """(key, raw value) of ``base``, ``base1``, ``base2`` ... in the order in which NetworkManager takes them.

        ``plural``: the old spelling ``addresses1`` counts as well. ``route1_options`` is none of them.
        """
        found = []
        for key, value in self.entries(group).items():
            match = re.match(rf"{re.escape(base)}((?:e?s)?)(0|[1-9][0-9]*)?\Z", key)
            if match and (plural or not match.group(1)):
                found.append((int(match.group(2)) if match.group(2) else -1, match.group(1), key, value))
        return [(key, value) for _number, _plural, key, value in sorted(found)]

    def free(self, group: str, base: str) -> str:
        """The key behind the last one of ``numbered``: ``address3``."""
        numbers = [int(re.sub(r"\D", "", key) or 0) for key, _value in self.numbered(group, base)]
        return f"{base}{max(numbers, default=0) + 1}"


def unescape(value: str) -> str:
    """A raw value as GLib hands it out."""
    return re.sub(r"\\(.)", lambda match: _ESCAPES.get(match.group(1), match.group(1)), value, flags=re.DOTALL)


def escape(value: str) -> str:
    """A text as a raw value: blanks at its start would be cut off, control characters end the line."""
    value = value.replace("\\", "\\\\").replace("\n", "\\n").replace("\t", "\\t").replace("\r", "\\r")
    return re.sub(r"\A +", lambda match: "\\s" * len(match.group(0)), value)
