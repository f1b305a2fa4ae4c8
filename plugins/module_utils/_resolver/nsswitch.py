# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ``hosts:`` line of nsswitch.conf(5), edited; all other lines stay byte for byte. Pure."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._state.model import StateError

PATH = "/etc/nsswitch.conf"

_HOSTS = re.compile(r"^([ \t]*hosts[ \t]*:[ \t]*)([^#\n]*?)([ \t\r]*(?:#[^\n]*)?)$", re.MULTILINE)
_ITEM = re.compile(r"\[[^\]]*\]|[^\s\[\]]+")


def parse(text: str) -> tuple[str, ...]:
    """Sources and ``[STATUS=action]`` items of the first ``hosts:`` line, in order; () without one."""
    line = _HOSTS.search(text)
    return _items(line.group(2)) if line else ()


def edit(text: str, sources: t.Iterable[str]) -> str:
    """Make ``hosts:`` what ``sources`` lists: exactly these, an action belonging to the source before it.

    The line keeps its place, indentation and comment. Where there are several lines all of them are changed: glibc
    before 2.34 reads the first, later ones the last. Raises StateError for a source that is listed twice.
    """
    wanted = _items(" ".join(sources))
    names = [item for item in wanted if item[0] != "["]
    doubles = sorted({name for name in names if names.count(name) > 1})
    if doubles:
        raise StateError(
            f"nsswitch_hosts: source {doubles[0]} is listed more than once: keep the place where it counts"
        )
    if _HOSTS.search(text):
        return _HOSTS.sub(lambda line: line.group(0) if _items(line.group(2)) == wanted else _line(line, wanted), text)
    return text + ("\n" if text and not text.endswith("\n") else "") + f"hosts: {' '.join(wanted)}\n"


def warnings(sources: t.Collection[str]) -> t.Iterator[str]:
    """What is missing in a list of sources."""
    if "files" not in sources:
        yield "nsswitch_hosts: without the source 'files' names in /etc/hosts do not resolve"
    if not {"dns", "resolve"} & set(sources):
        yield "nsswitch_hosts: without the source 'dns' (or 'resolve') no DNS server is asked"


def _line(line: t.Match[str], wanted: tuple[str, ...]) -> str:
    # A comment right after the last source would become a part of it.
    gap = " " if line.group(3).startswith("#") else ""
    return line.group(1) + " ".join(wanted) + gap + line.group(3)


def _items(text: str) -> tuple[str, ...]:
    """The items, with neighbouring actions in one pair of brackets, as nsswitch.conf wants it."""
    joined = re.sub(r"\][ \t]*\[", " ", text)
    return tuple(f"[{' '.join(item[1:-1].split())}]" if item[0] == "[" else item for item in _ITEM.findall(joined))
