# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Go's filepath.Glob on a mapping of files: what an import's pattern finds. Pure."""

from __future__ import annotations

import posixpath
import re
import typing as t

_META = re.compile(r"[*?\[\\]")
_PIECE = re.compile(r"\\(.)|([*?])|(.)", re.DOTALL)


class BadPattern(Exception):
    """A pattern that Go refuses with "syntax error in pattern"."""


def glob(pattern: str, files: t.Iterable[str]) -> list[str]:
    """The files, and folders of files, that a pattern names, in Go's order; of a name without wildcards itself.

    Args:
        pattern: an absolute path; an import's has at most one ``*`` and one ``?``, and no ``[]``.
        files: absolute paths.
    """
    folders: dict[str, set[str]] = {}
    for name in files:
        while name not in ("/", ""):
            parent = posixpath.dirname(name)
            folders.setdefault(parent, set()).add(posixpath.basename(name))
            name = parent
    return _glob(pattern, folders)


def _glob(pattern: str, folders: t.Mapping[str, set[str]]) -> list[str]:
    _check(pattern.partition("*")[0])
    if not _META.search(pattern):
        path = posixpath.normpath(pattern)
        parent, name = posixpath.split(path)
        return [pattern] if path in folders or name in folders.get(parent, ()) else []
    parent, name = posixpath.split(pattern)
    parents = _glob(parent, folders) if _META.search(parent) else [posixpath.normpath(parent)]
    return [
        posixpath.join(folder, entry)
        for folder in parents
        for entry in sorted(folders.get(folder, ()))
        if _matches(name, entry)
    ]


def _matches(pattern: str, name: str) -> bool:
    head, star, tail = pattern.partition("*")
    _check(head)
    start = _expression(head).match(name)
    if not start:
        return False
    _check(tail)
    return _ends(tail, name, start.end()) if star else start.end() == len(name)


def _ends(tail: str, name: str, least: int) -> bool:
    expression = _expression(tail)
    return any(expression.fullmatch(name, place) for place in range(least, len(name) + 1))


def _expression(piece: str) -> re.Pattern[str]:
    # An escaped character stands for itself.
    return re.compile(
        _PIECE.sub(lambda found: "[^/]" if found[2] else re.escape(found[1] or found[3]), piece), re.DOTALL
    )


def _check(piece: str) -> None:
    plain = re.sub(r"\\.", "", piece, flags=re.DOTALL)
    if "[" in plain or plain.endswith("\\"):
        raise BadPattern(piece)
