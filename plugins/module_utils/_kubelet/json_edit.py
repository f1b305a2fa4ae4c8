# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads and sets texts and lists of texts at the top level of a JSON document; all other bytes stay. Pure."""

from __future__ import annotations

import json
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._kubelet.errors import KubeletError, Value

_BLANK = (" ", "\t", "\r", "\n")


class _Member(t.NamedTuple):
    name: str
    start: int
    """Of the key."""
    value_at: int
    end: int
    value: t.Any


def read(text: str, path: str, keys: t.Collection[str]) -> dict[str, tuple[Value, int]]:
    """Key -> its value and line (from 1), for those of ``keys`` that are there. Raises KubeletError."""
    found: dict[str, tuple[Value, int]] = {}
    for member in _members(text, path):
        if member.name not in keys:
            continue
        line = text.count("\n", 0, member.start) + 1
        if member.name in found:
            raise KubeletError(
                f"{path} line {line}: found {member.name} a second time, expected it once; take one away"
            )
        value = member.value
        if isinstance(value, list) and all(isinstance(one, str) for one in value):
            value = tuple(value)
        elif isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        elif value is not None and not isinstance(value, str):
            raise KubeletError(
                f"{path} line {line}: found {member.name} {value!r}, expected a text, or a list of texts"
            )
        found[member.name] = (value, line)
    return found


def edit(text: str, path: str, wanted: t.Mapping[str, Value]) -> str:
    """The text with these values; None takes a key away. Raises KubeletError."""
    for name, value in wanted.items():
        members = _members(text, path)
        at = next((number for number, member in enumerate(members) if member.name == name), None)
        new = json.dumps(list(value) if isinstance(value, tuple) else value)
        if at is None:
            text = text if value is None else _added(text, members, name, new)
        elif value is None:
            text = _removed(text, members, at)
        elif read(text, path, (name,))[name][0] != value:
            text = text[: members[at].value_at] + new + text[members[at].end :]
    return text


def _added(text: str, members: list[_Member], name: str, new: str) -> str:
    if not members:
        brace = text.index("{") + 1
        return f"{text[:brace]}{json.dumps(name)}: {new}{text[brace:]}"
    last = members[-1]
    head = text[: last.start]
    blank = head[len(head.rstrip(" \t\r\n")) :]
    return f"{text[: last.end]},{blank}{json.dumps(name)}: {new}{text[last.end :]}"


def _removed(text: str, members: list[_Member], at: int) -> str:
    member = members[at]
    if at + 1 < len(members):
        return text[: member.start] + text[members[at + 1].start :]
    if at:
        return text[: members[at - 1].end] + text[member.end :]
    return text[: member.start] + text[member.end :].lstrip()


def _members(text: str, path: str) -> list[_Member]:
    decoder = json.JSONDecoder()
    found: list[_Member] = []

    def skip(position: int) -> int:
        while text[position : position + 1] in _BLANK and position < len(text):
            position += 1
        return position

    def expect(position: int, signs: str) -> int:
        if text[position : position + 1] not in tuple(signs):
            raise KubeletError(_odd(text, path, position, f"one of {' '.join(signs)}"))
        return position + 1

    at = skip(expect(skip(0), "{"))
    while text[at : at + 1] != "}":
        start = at
        expect(at, '"')
        try:
            name, at = decoder.raw_decode(text, at)
            value_at = skip(expect(skip(at), ":"))
            value, at = decoder.raw_decode(text, value_at)
        except ValueError as error:
            position = getattr(error, "pos", at)
            raise KubeletError(_odd(text, path, position, "JSON, or YAML that is no flow style")) from None
        found.append(_Member(name, start, value_at, at, value))
        at = skip(at)
        if text[at : at + 1] != "}":
            at = skip(expect(at, ",}"))
            expect(at, '"')
    if text[at + 1 :].strip():
        raise KubeletError(_odd(text, path, skip(at + 1), "nothing behind the closing brace"))
    return found


def _odd(text: str, path: str, position: int, expected: str) -> str:
    line = text.count("\n", 0, position) + 1
    return (
        f"{path} line {line}: found {text[position : position + 20]!r}, expected {expected}; rewrite it as plain JSON "
        f"or as YAML with a key on each line, or set the value by hand"
    )
