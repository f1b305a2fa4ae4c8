# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads and sets texts and lists of texts at the top level of a YAML document; all other bytes stay. Pure."""

from __future__ import annotations

import json
import re
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._kubelet.errors import KubeletError, Value
from ansible_collections.kubenode.network.plugins.module_utils._kubelet.yaml_scan import Entry, Scan, scan

# A scalar, then blanks and a comment. Plain ones may hold neither ": " nor " #".
_TOKEN = re.compile(r"""("(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^\s"'\[\]{},&*!|>%@`#-](?:[^\s]|[ \t](?!#))*|-[^\s]+|)"""
                    r"""([ \t]*(?:[ \t]#.*)?)$""")  # fmt: skip
_ITEM = re.compile(r"([ ]*)-(?:[ \t]+)(.*)$")
_FLOW = re.compile(r"(\[[^\[\]{}#]*\])([ \t]*(?:[ \t]#.*)?)$")
_NULL = ("", "~", "null", "Null", "NULL")
# Plain words that every YAML parser takes for text: addresses of IPv4 and names with letters.
_SAFE = re.compile(r"(?=[^a-z]*[a-z]|\d+\.\d+\.\d+\.\d+$|/)[a-z0-9/][a-z0-9/._-]*$", re.IGNORECASE)
_WORDS = re.compile(
    r"(?:true|false|yes|no|on|off|y|n|null|~)$|[0-9.+-]*(?:e[0-9]|x|o|b|inf|nan)[0-9a-f_.]*$", re.IGNORECASE
)


def read(text: str, path: str, keys: t.Collection[str]) -> dict[str, tuple[Value, int]]:
    """Key -> its value and line (from 1), for those of ``keys`` that are there. Raises KubeletError."""
    found = scan(text, path)
    return {name: (_Edit(found, path).value(entry), entry.start + 1) for name, entry in _of(found, path, keys).items()}


def edit(text: str, path: str, wanted: t.Mapping[str, Value]) -> str:
    """The text with these values; None takes a key away. Raises KubeletError."""
    for name, value in wanted.items():
        found = scan(text, path)
        entry = _of(found, path, wanted).get(name)
        made = _Edit(found, path)
        if entry is None:
            text = made.added(name, value) if value is not None else text
        elif value is None or made.value(entry) != value:
            text = made.replaced(entry, value)
    return text


def emit(value: str) -> str:
    """A scalar that is read as this text; quoted where it could be taken for something else."""
    return value if _SAFE.match(value) and not _WORDS.match(value) else json.dumps(value)


def _of(found: Scan, path: str, keys: t.Collection[str]) -> dict[str, Entry]:
    entries: dict[str, Entry] = {}
    for entry in found.entries:
        if entry.name in keys:
            if entry.name in entries:
                raise KubeletError(
                    f"{path} line {entry.start + 1}: found {entry.name} a second time (the first is in line "
                    f"{entries[entry.name].start + 1}), expected it once; take one away"
                )
            entries[entry.name] = entry
    return entries


class _Edit:
    def __init__(self, found: Scan, path: str) -> None:
        self._lines = found.lines
        self._entries = found.entries
        self._path = path
        self._newline = "\r\n" if found.lines and found.lines[0].endswith("\r\n") else "\n"

    def value(self, entry: Entry) -> Value:
        flow = self._flow(entry)
        if flow is not None:
            inside = flow[0][1:-1].strip().rstrip(",")
            return tuple(self._scalar(one.strip(), entry.start) for one in inside.split(",")) if inside else ()
        items = self._items(entry)
        if items:
            return tuple(value for _line, value in items)
        token = self._token(entry)
        return None if token in _NULL else self._unquoted(token, entry.start)

    def replaced(self, entry: Entry, value: Value) -> str:
        lines, start = self._lines, entry.start
        flow, items = self._flow(entry), self._items(entry)
        if value is None:
            kept = [line for line in lines[start : entry.end] if line.lstrip().startswith("#")]
            return "".join([*lines[:start], *kept, *lines[entry.end :]])
        if items and isinstance(value, tuple) and value:
            return "".join([*lines[: start + 1], *self._list(entry, items, value), *lines[entry.end :]])
        if items:
            inside = [line for line in lines[start + 1 : entry.end] if line.lstrip().startswith("#")]
            head, tail = lines[start][: entry.column], lines[start][entry.column :]
            return "".join([*lines[:start], f"{head} {_flowing(value)}{tail}", *inside, *lines[entry.end :]])
        old, rest = flow if flow is not None else (self._token(entry), self._rest(entry))
        line = lines[start].rstrip("\r\n")
        head = line[: len(line) - len(old) - len(rest)]
        blank = "" if head.endswith((" ", "\t")) else " "
        ending = lines[start][len(line) :]
        return "".join([*lines[:start], f"{head}{blank}{_flowing(value)}{rest}{ending}", *lines[start + 1 :]])

    def added(self, name: str, value: Value) -> str:
        """Behind the last entry that sorts before it (kubeadm sorts them), where that leaves no text torn apart."""
        if not self._entries:
            raise KubeletError(f"{self._path}: found no key, expected apiVersion, kind and settings of kubelet")
        place = self._entries[0]
        for entry in self._entries:
            if entry.name.lower() <= name.lower() and not entry.literal:
                place = entry
            elif entry.name.lower() > name.lower():
                break
        if place.literal:
            raise KubeletError(
                f"{self._path} line {place.start + 1}: found a text over several lines, expected apiVersion or kind; "
                f"put them first"
            )
        if isinstance(value, tuple) and value:
            made = [f"{name}:", *(f"- {emit(one)}" for one in value)]
        else:
            made = [f"{name}: {_flowing(value)}"]
        before = list(self._lines[: place.end])
        if not before[-1].endswith("\n"):
            before[-1] += self._newline
        return "".join([*before, *(line + self._newline for line in made), *self._lines[place.end :]])

    def _list(self, entry: Entry, items: list[tuple[int, str]], value: tuple[str, ...]) -> list[str]:
        """The lines of a block list: those of items that stay as they are, with the comments above them."""
        own: dict[str, list[str]] = {}
        loose: list[str] = []
        first = items[0][0]
        indent = self._lines[first].partition("-")[0]
        above: list[str] = []
        for number in range(entry.start + 1, entry.end):
            line = self._lines[number]
            item = next((one for at, one in items if at == number), None)
            if item is None:
                above.append(line)
            elif item in value and item not in own:
                own[item], above = [*above, self._ended(line)], []
            else:
                loose, above = [*loose, *above], []
        made = [*loose]
        for one in value:
            made += own.get(one) or [f"{indent}- {emit(one)}{self._newline}"]
        return made

    def _ended(self, line: str) -> str:
        return line if line.endswith("\n") else line + self._newline

    def _inline(self, entry: Entry) -> str:
        return self._lines[entry.start].rstrip("\r\n")[entry.column :].lstrip(" \t")

    def _flow(self, entry: Entry) -> tuple[str, str] | None:
        found = _FLOW.match(self._inline(entry)) if entry.end == entry.start + 1 else None
        return (found.group(1), found.group(2)) if found else None

    def _items(self, entry: Entry) -> list[tuple[int, str]]:
        """Line and text of each item of a block list; none where the value is no such list."""
        if entry.end == entry.start + 1:
            return []
        if not re.match(r"(?:#.*)?$", self._inline(entry)):
            raise self._odd(entry.start)
        found: list[tuple[int, str]] = []
        for number in range(entry.start + 1, entry.end):
            line = self._lines[number].rstrip("\r\n")
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            item = _ITEM.match(line)
            first = _ITEM.match(self._lines[found[0][0]].rstrip("\r\n")) if found else item
            if item is None or first is None or item.group(1) != first.group(1):
                raise self._odd(number)
            token = _TOKEN.match(item.group(2))
            if token is None or not token.group(1):
                raise self._odd(number)
            found.append((number, self._scalar(token.group(1), number)))
        return found

    def _token(self, entry: Entry) -> str:
        found = _TOKEN.match(self._inline(entry)) or _TOKEN.match(" " + self._inline(entry))
        if found is None or entry.end != entry.start + 1:
            raise self._odd(entry.start)
        return found.group(1)

    def _rest(self, entry: Entry) -> str:
        """Blanks and comment behind a scalar; behind none the comment with the blank before it."""
        line = self._lines[entry.start].rstrip("\r\n")
        token = self._token(entry)
        inline = line[entry.column :]
        return inline if not token else inline.lstrip(" \t")[len(token) :]

    def _scalar(self, token: str, number: int) -> str:
        if not token or token in _NULL:
            raise self._odd(number)
        return self._unquoted(token, number)

    def _unquoted(self, token: str, number: int) -> str:
        if token[0] == "'":
            if len(token) < 2 or token[-1] != "'":
                raise self._odd(number)
            return token[1:-1].replace("''", "'")
        if token[0] == '"':
            try:
                return str(json.loads(token))
            except ValueError:
                raise self._odd(number) from None
        if _PLAIN_TROUBLE.search(token):
            raise self._odd(number)
        return token.rstrip(" \t")

    def _odd(self, number: int) -> KubeletError:
        return KubeletError(
            f"{self._path} line {number + 1}: found {self._lines[number].strip()[:60]!r}, expected a text, or a list "
            f"of texts with one on each line; rewrite it so, or set the value by hand"
        )


_PLAIN_TROUBLE = re.compile(r"""^[&*!|>%@`\[\]{},#"']|: |:$|\\""")


def _flowing(value: Value) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(emit, value))}]"
    return emit(value or "")
