# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line that a service of systemd is started with, each word with the file and line that it comes from.

Read from the unit's files (systemd.unit(5), systemd.service(5), systemd.exec(5)), so that a service that does not run
can be told too.
"""

from __future__ import annotations

import os
import re
import shlex
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._kubelet.errors import KubeletError
from ansible_collections.kubenode.network.plugins.module_utils._state.files import below, read_file

# The first that has the unit counts (systemd.unit(5), "Unit File Load Path").
FOLDERS = (
    "/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system",
    "/lib/systemd/system",
)  # fmt: skip
_VARIABLE = re.compile(r"\$\{(\w+)\}|\$(\w+)$|\$\$")
_SETTING = re.compile(r"\s*(?:export\s+)?([A-Za-z_]\w*)=(.*)$")


class Word(t.NamedTuple):
    """One word of a command line."""

    text: str
    file: str
    line: int


class Unit(t.NamedTuple):
    name: str
    path: str
    words: tuple[Word, ...]
    """Of ``ExecStart``, the program first; variables are put in."""


def find_unit(name: str, root: str = "/") -> Unit | None:
    """The service ``name``, None where no folder has it. Raises KubeletError where its command is not understood."""
    path = next((f"{one}/{name}" for one in FOLDERS if os.path.exists(below(f"{one}/{name}", root))), None)
    if path is None:
        return None
    dropins: dict[str, str] = {}
    for folder in reversed(FOLDERS):
        try:
            names = os.listdir(below(f"{folder}/{name}.d", root))
        except OSError:
            continue
        dropins.update({one: f"{folder}/{name}.d/{one}" for one in names if one.endswith(".conf")})
    command: Word | None = None
    variables: dict[str, Word] = {}
    files: list[str] = []
    for file in (path, *(dropins[one] for one in sorted(dropins))):
        for key, value, line in _settings(read_file(file, root).text or ""):
            if key == "ExecStart":
                # A second one is of a Type=oneshot, which kubelet is not; an empty one begins anew.
                command = Word(value, file, line) if value else None
            elif key == "Environment":
                for one in _split(value, file, line):
                    variable, equals, text = one.partition("=")
                    if equals:
                        variables[variable] = Word(text, file, line)
            elif key == "EnvironmentFile":
                files = [*files, value.lstrip("-")] if value else []
    for file in files:
        # They come after Environment=, whatever their order in the unit.
        for number, text in enumerate((read_file(file, root).text or "").split("\n"), 1):
            found = _SETTING.match(text)
            if found and not text.lstrip().startswith(("#", ";")):
                variables[found.group(1)] = Word(_unquote(found.group(2).strip()), file, number)
    words = _expanded(command, variables) if command else ()
    return Unit(name, path, words)


def _settings(text: str) -> t.Iterator[tuple[str, str, int]]:
    """Key, value and line of the section Service; continued lines are one."""
    section, joined, start = "", "", 0
    for number, line in enumerate(text.split("\n"), 1):
        if line.lstrip().startswith(("#", ";")):
            continue
        start = start if joined else number
        joined += line.rstrip("\r")
        if joined.endswith("\\"):
            joined = joined[:-1] + " "
            continue
        line, joined = joined.strip(), ""
        if line.startswith("["):
            section = line
        elif "=" in line and section == "[Service]":
            key, _equals, value = line.partition("=")
            yield key.strip(), value.strip(), start


def _expanded(command: Word, variables: t.Mapping[str, Word]) -> tuple[Word, ...]:
    found: list[Word] = []
    for text in _split(command.text.lstrip("-@:+!|"), command.file, command.line):
        whole = re.match(r"\$(?:\{(\w+)\}|(\w+))$", text)
        if whole is None:
            found.append(Word(_VARIABLE.sub(lambda one: _put_in(one, variables), text), command.file, command.line))
            continue
        held = variables.get(whole.group(1) or whole.group(2))
        if held is None:
            continue
        # ${NAME} is one word, $NAME as many as it has (systemd.service(5), "Command lines").
        words = [held.text] if whole.group(1) else _split(held.text, held.file, held.line)
        found += [Word(word, held.file, held.line) for word in words]
    return tuple(found)


def _put_in(found: re.Match[str], variables: t.Mapping[str, Word]) -> str:
    name = found.group(1)
    if name is None:
        return "$" if found.group() == "$$" else found.group()
    held = variables.get(name)
    return held.text if held else ""


def _split(text: str, file: str, line: int) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise KubeletError(f"{file} line {line}: found {text[:80]!r} ({error}), expected a command line") from None


def _unquote(text: str) -> str:
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        return text[1:-1]
    return text
