# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ``hosts:`` line of nsswitch.conf(5), edited; all other lines stay byte for byte. Pure."""

from __future__ import annotations

import re

from ansible_collections.kubenode.network.plugins.module_utils._state.model import StateError

PATH = "/etc/nsswitch.conf"

_HOSTS = re.compile(r"^([ \t]*hosts[ \t]*:[ \t]*)([^#\n]*?)([ \t\r]*(?:#[^\n]*)?)$", re.M)
_ITEM = re.compile(r"\[[^\]]*\]|[^\s\[\]]+")
_SOURCE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_+-]*\Z")
_ACTION = re.compile(r"!?(success|notfound|unavail|tryagain)=(return|continue|merge)\Z", re.I)


def parse(text: str) -> tuple[str, ...]:
    """Sources and ``[STATUS=action]`` items of the first ``hosts:`` line, in order; () without one."""
    line = _HOSTS.search(text)
    return _items(line.group(2)) if line else ()


def edit(text: str, sources: tuple[str, ...]) -> str:
    """Make ``hosts:`` what ``sources`` (see ``normalised``) says. The line keeps its place, indentation and comment.

    Where there are several lines all of them are changed: glibc before 2.34 reads the first, later ones the last.
    """
    wanted = " ".join(sources)
    if _HOSTS.search(text):
        return _HOSTS.sub(
            lambda line: line.group(0) if _items(line.group(2)) == sources else line.group(1) + wanted + line.group(3),
            text,
        )
    return "{}{}hosts: {}\n".format(text, "" if not text or text.endswith("\n") else "\n", wanted)


def normalised(sources: tuple[str, ...], origin: str) -> tuple[tuple[str, ...], list[str]]:
    """Check a list of sources; an action (``[NOTFOUND=return]``) may be an item of its own or follow its source in one.

    Raises StateError for an empty list, an unknown action or one without a source before it.
    """
    items = [item for text in sources for item in _items(text)]
    if re.sub(r"\s", "", "".join(items)) != re.sub(r"\s", "", "".join(sources)):
        raise StateError(f"{origin}: {list(sources)!r} is no list of sources: a bracket is not closed")
    if not items or items[0].startswith("["):
        raise StateError(
            "{}: expected a source such as 'files' or 'dns' at the start of the list, found {}".format(
                origin, items[0] if items else "none"
            )
        )
    for item in items:
        if item.startswith("["):
            bad = [word for word in item[1:-1].split() if not _ACTION.match(word)] or ([] if item != "[]" else [item])
            if bad:
                raise StateError(
                    f"{origin}: action {item}: expected STATUS=ACTION with success, notfound, unavail or tryagain and return, continue or"
                    " merge, as in [NOTFOUND=return]"
                )
        elif not _SOURCE.match(item):
            raise StateError(f"{origin}: source {item!r}: expected a name such as files, dns, resolve or myhostname")
    doubles = sorted({item for item in items if not item.startswith("[") and items.count(item) > 1})
    if doubles:
        raise StateError("{}: source {} is listed more than once".format(origin, ", ".join(doubles)))
    warnings = []
    if "files" not in items:
        warnings.append(f"{origin}: without the source 'files' names in /etc/hosts do not resolve")
    if not {"dns", "resolve"} & set(items):
        warnings.append(f"{origin}: without the source 'dns' (or 'resolve') no DNS server is asked")
    return tuple(items), warnings


def _items(text: str) -> tuple[str, ...]:
    return tuple(
        "[{}]".format(" ".join(item[1:-1].split())) if item[0] == "[" else item for item in _ITEM.findall(text)
    )
