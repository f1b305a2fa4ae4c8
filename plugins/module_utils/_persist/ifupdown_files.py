# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""/etc/network/interfaces and what it includes, as interfaces(5) of ifupdown 0.8 reads it. Reads below ``root``."""

from __future__ import annotations

import glob
import os
import re
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._state.files import below, read_file

PATH = "/etc/network/interfaces"

# Words that begin a stanza, beside allow-*.
_STANZAS = frozenset(("auto", "no-auto-down", "no-scripts", "iface", "mapping", "source", "source-directory", "rename"))
_MAX_DEPTH = 8


class Option(t.NamedTuple):
    name: str
    value: str
    line: int
    last: int = 0
    """The line where it ends, for those that go on after a backslash."""


class Stanza(t.NamedTuple):
    """An ``iface`` stanza."""

    interface: str
    family: str
    """``inet`` or ``inet6``; ifupdown has others."""
    method: str
    options: tuple[Option, ...]
    file: str
    line: int

    def values(self, *names: str) -> list[Option]:
        return [option for option in self.options if option.name in names]


class Interfaces(t.NamedTuple):
    texts: dict[str, str]
    """Path -> text, in the order in which they are read."""
    stanzas: tuple[Stanza, ...]

    def of(self, interface: str, apart_from: str = "") -> list[Stanza]:
        """The stanzas of an interface; without those below a folder."""
        return [
            one for one in self.stanzas
            if one.interface == interface and not (apart_from and one.file.startswith(apart_from))
        ]  # fmt: skip


def read(root: str = "/") -> Interfaces:
    """All files from /etc/network/interfaces on."""
    texts: dict[str, str] = {}
    stanzas: list[Stanza] = []
    _read(PATH, root, texts, stanzas, 0)
    return Interfaces(texts, tuple(stanzas))


def _read(path: str, root: str, texts: dict[str, str], stanzas: list[Stanza], depth: int) -> None:
    state = read_file(path, root)
    if state.text is None or path in texts or depth > _MAX_DEPTH:
        return
    texts[path] = state.text
    current: Stanza | None = None
    for number, last, words in _lines(state.text):
        head = words[0]
        if head in _STANZAS or head.startswith("allow-"):
            if current is not None:
                stanzas.append(current)
            current = None
            rest = words[1].split() if len(words) > 1 else []
            if head == "iface" and rest:
                # Family and method may be left out where another stanza is inherited.
                family, method = (rest[1], rest[2]) if len(rest) > 2 and rest[1] != "inherits" else ("", "")
                current = Stanza(rest[0], family, method, (), path, number)
            for place in _included(head, rest, os.path.dirname(path), root):
                _read(place, root, texts, stanzas, depth + 1)
        elif current is not None:
            option = Option(head, words[1].strip() if len(words) > 1 else "", number, last)
            current = current._replace(options=(*current.options, option))
    if current is not None:
        stanzas.append(current)


def without(text: str, options: t.Iterable[Option]) -> str:
    """The text without the lines of these options."""
    gone = {number for option in options for number in range(option.line, option.last + 1)}
    return "".join(line for number, line in enumerate(text.splitlines(keepends=True), 1) if number not in gone)


def _lines(text: str) -> t.Iterator[tuple[int, int, list[str]]]:
    """(first and last line, [first word, rest]) of what is said; a backslash at the end goes on with the next line."""
    held, first = "", 0
    for number, line in enumerate(text.split("\n"), 1):
        if not held:
            first = number
            if line.lstrip().startswith("#"):
                continue
        if line.endswith("\\"):
            held += line[:-1]
            continue
        whole = (held + line).strip()
        held = ""
        if whole:
            yield first, number, whole.split(None, 1)


def _included(head: str, patterns: t.Sequence[str], folder: str, root: str) -> t.Iterator[str]:
    if head not in ("source", "source-directory"):
        return
    for pattern in patterns:
        pattern = os.path.join(folder, pattern)
        for full in sorted(glob.glob(below(pattern, root))):
            place = full if root == "/" else "/" + os.path.relpath(full, root)
            if head == "source" and os.path.isfile(full):
                yield place
            elif head == "source-directory" and os.path.isdir(full):
                # Other names are passed over (backups, editors' files).
                names = sorted(name for name in os.listdir(full) if re.fullmatch(r"[A-Za-z0-9_-]+", name))
                yield from (os.path.join(place, name) for name in names if os.path.isfile(os.path.join(full, name)))
