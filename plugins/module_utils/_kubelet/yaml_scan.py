# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds the top-level entries of a YAML document by its lines. Pure; no YAML library is needed on a node.

It understands enough of YAML 1.1 to know which lines in column 0 are keys: quoted texts, flow collections and block
scalars may hold anything. What it does not understand it refuses, as an edit at the wrong place would be worse.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._kubelet.errors import KubeletError

# What YAML forbids or takes for the end of a line, but Python does not; and bytes that are no UTF-8.
_ODD = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x85\u2028\u2029\ufeff\ud800-\udfff]|\r(?!\n)")
_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_SCALAR = re.compile(r"[|>][-+0-9]*[ \t]*(?:#.*)?$")
_PLAIN_END = re.compile(r":(?=[ \t]|$)|[ \t]#")
_REST = re.compile(r"[ \t]*(?:#.*)?$")
# An anchor or a tag before a value that begins on the next line.
_PROPERTIES = re.compile(r"(?:[ \t]+[&!][^ \t]*)*[ \t]*(?:#.*)?$")


class Entry(t.NamedTuple):
    """A key of the top level with its value."""

    name: str
    start: int
    """Index of the line of the key."""
    column: int
    """Where the value begins in that line, behind the colon."""
    end: int
    """Index of the line behind the last one of the value; comments and blank lines that follow are not a part of it."""
    literal: bool
    """Whether a block scalar (``|``, ``>``) is in it: blank lines that follow may be its own."""


class Scan(t.NamedTuple):
    lines: list[str]
    """With their ends; together they are the text."""
    entries: list[Entry]


def scan(text: str, path: str) -> Scan:
    """The lines and the top-level entries of a document. Raises KubeletError for what is not understood."""
    return _Scanner(text, path).run()


class _Scanner:
    def __init__(self, text: str, path: str) -> None:
        self._path = path
        odd = _ODD.search(text)
        if odd:
            raise self._refused(text.count("\n", 0, odd.start()), f"the character {odd.group()!r}", "plain UTF-8 text")
        self._lines: list[str] = _LINE.findall(text)
        self._entries: list[Entry] = []
        self._literal = -1
        """Indent of what a block scalar belongs to; -1 outside of one."""
        self._at = 0

    def run(self) -> Scan:
        ended = False
        while self._at < len(self._lines):
            line = self._line(self._at)
            indent = len(line) - len(line.lstrip(" "))
            blank = not line.strip()
            if self._literal >= 0 and (blank or indent > self._literal):
                if not blank:
                    self._reach(self._at, literal=True)
                self._at += 1
                continue
            self._literal = -1
            if not blank and line[indent] != "#":
                if ended or line[indent] == "\t":
                    found = "text behind '...'" if ended else "a tab as indentation"
                    raise self._refused(self._at, found, "one YAML document, indented with blanks")
                ended = self._content(line, indent)
            self._at += 1
        return Scan(self._lines, self._entries)

    def _content(self, line: str, indent: int) -> bool:
        """Take in a line that is not blank; whether it ends the document."""
        first = self._at
        if indent == 0:
            if re.match(r"---(?:[ \t]|$)", line):
                if self._entries or not _REST.match(line, 3):
                    raise self._refused(first, "a second document, or text behind '---'", "one YAML document")
                return False
            if re.match(r"\.\.\.(?:[ \t]|$)", line):
                return True
            if re.match(r"-(?:[ \t]|$)", line):
                entry = self._entries[-1] if self._entries else None
                if entry is None or not _PROPERTIES.match(self._line(entry.start), entry.column):
                    raise self._refused(first, "an item of a list", "a key")
                self._walk(0, False)
            else:
                self._walk(0, True)
        elif not self._entries:
            raise self._refused(first, "an indented line", "keys at the beginning of their lines")
        else:
            self._walk(indent, False)
        self._reach(self._at, literal=self._literal >= 0)
        return False

    def _walk(self, column: int, is_entry: bool) -> None:
        """Follow a line to its end, and beyond where a quoted text or a flow collection goes on."""
        line, keys, parent = self._line(self._at), 0, column
        while True:
            while column < len(line) and line[column] in " \t":
                column += 1
            if column == len(line) or (line[column] == "#" and (column == 0 or line[column - 1] in " \t")):
                return
            sign, begins, start = line[column], self._at, column
            follower = line[column + 1 : column + 2]
            if sign == "-" and follower in ("", " ", "\t") and not keys:
                parent, column = column, column + 1
                continue
            if (sign == "?" and follower in ("", " ", "\t")) or sign in "%@`":
                raise self._refused(self._at, f"{sign!r}", "plain keys and values")
            if sign in "&!*":
                if is_entry and not keys:
                    raise self._refused(self._at, "an anchor, alias or tag for a key", "a plain key")
                while column < len(line) and line[column] not in " \t":
                    column += 1
                continue
            if sign in "|>" and _SCALAR.match(line, column):
                self._literal = parent
                return
            if sign in "\"'[{":
                column = self._quoted(column, sign) if sign in "\"'" else self._flow(column)
                line = self._line(self._at)
                word = line[start:column] if begins == self._at else ""
                colon = re.compile(r"[ \t]*:(?=[ \t]|$)").match(line, column)
                if colon is None:
                    if not _REST.match(line, column):
                        raise self._refused(self._at, f"text behind {sign!r} was closed", "a comment, or nothing")
                    if is_entry and not keys:
                        raise self._refused(begins, "a value", "a key")
                    return
                if sign in "[{" or not word or "\\" in word or keys:
                    raise self._refused(begins, "a key that is no plain text", "a plain key")
                name, column = word[1:-1], colon.end()
            else:
                found = _PLAIN_END.search(line, column)
                if found is None or line[found.start()] != ":":
                    if is_entry and not keys:
                        raise self._refused(self._at, line.strip()[:60], "KEY: VALUE")
                    return
                if keys:
                    raise self._refused(self._at, "a second ': '", "one key and its value on a line")
                name, column = line[column : found.start()].rstrip(" \t"), found.end()
            keys, parent = 1, start
            if is_entry:
                if name == "<<":
                    raise self._refused(self._at, "a merge key '<<'", "keys that stand in the file themselves")
                self._entries.append(Entry(name, self._at, column, self._at + 1, False))

    def _quoted(self, column: int, quote: str) -> int:
        """The column behind the closing quote; the scan then stands in its line."""
        opened, column, line = self._at, column + 1, self._line(self._at)
        while True:
            while column < len(line):
                if quote == '"' and line[column] == "\\":
                    column += 2
                elif line[column] != quote:
                    column += 1
                elif quote == "'" and line[column + 1 : column + 2] == "'":
                    column += 2
                else:
                    return column + 1
            line, column = self._next(opened, "a quoted text"), 0

    def _flow(self, column: int) -> int:
        """The same behind the bracket that closes a flow collection."""
        opened, closing, line = self._at, [], self._line(self._at)
        while True:
            while column < len(line):
                sign = line[column]
                if sign in "\"'" and (column == 0 or line[column - 1] in " \t[{,:"):
                    column = self._quoted(column, sign)
                    line = self._line(self._at)
                    continue
                if sign == "#" and (column == 0 or line[column - 1] in " \t"):
                    break
                if sign in "[{":
                    closing.append("]" if sign == "[" else "}")
                elif sign in "]}":
                    if closing.pop() != sign:
                        raise self._refused(self._at, f"{sign!r}", "the other kind of bracket")
                    if not closing:
                        return column + 1
                column += 1
            line, column = self._next(opened, "a flow collection"), 0

    def _next(self, opened: int, what: str) -> str:
        self._at += 1
        line = self._line(self._at) if self._at < len(self._lines) else None
        if line is None or (line.strip() and line[0] not in " \t"):
            raise self._refused(
                opened, f"{what} that goes on in column 0, or is not closed", "its lines to be indented"
            )
        return line

    def _line(self, number: int) -> str:
        return self._lines[number].rstrip("\r\n")

    def _reach(self, number: int, literal: bool) -> None:
        if self._entries:
            last = self._entries[-1]
            self._entries[-1] = last._replace(end=number + 1, literal=last.literal or literal)

    def _refused(self, number: int, found: str, expected: str) -> KubeletError:
        return KubeletError(
            f"{self._path} line {number + 1}: found {found}, expected {expected}; the file is only edited where all of "
            f"it is understood, so rewrite that part, or set the value by hand"
        )
