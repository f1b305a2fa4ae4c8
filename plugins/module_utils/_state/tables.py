# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of route tables and protocols: iproute2's rt_tables and rt_protos. Pure but for ``paths``."""

from __future__ import annotations

import os
import re
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._state.model import StateError, TableSpec

PATH = "/etc/iproute2/rt_tables.d/kubenode.conf"
PROTOCOLS_PATH = "/etc/iproute2/rt_protos.d/kubenode.conf"
PROTOCOL = 157
PROTOCOLS_TEXT = "# Routes and rules made by kubenode.network.\n%d\tkubenode\n" % PROTOCOL

# Where iproute2 reads names, earlier ones first; since 6.5 the distribution's own file is below /usr, and only counts where /etc
# has none (iproute2, lib/rt_names.c).
FOLDERS = ("/etc/iproute2", "/usr/share/iproute2", "/usr/lib/iproute2")
# linux/rtnetlink.h: RT_TABLE_UNSPEC, RT_TABLE_DEFAULT, RT_TABLE_MAIN, RT_TABLE_LOCAL.
BUILT_IN = {0: "unspec", 253: "default", 254: "main", 255: "local"}

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,62}\Z")
# "all" and "cache" are words of `ip route show table`.
_RESERVED = frozenset(["all", "cache", *BUILT_IN.values()])
_HEADER = "# Route tables named by kubenode.network: id, name, purpose (owners).\n"


def paths(root: str = "/") -> tuple[str, ...]:
    """The files that name tables on this node, in the order in which iproute2 reads them; ours, if it is there, among them."""
    found = []
    for folder in FOLDERS:
        base = os.path.join(root, folder[1:], "rt_tables")
        if os.path.isfile(base):
            found.append(folder + "/rt_tables")
            break
    seen = set()
    for folder in FOLDERS:
        try:
            names = sorted(os.listdir(os.path.join(root, folder[1:], "rt_tables.d")))
        except OSError:
            continue
        for name in names:
            if name.endswith(".conf") and not name.startswith(".") and name not in seen:
                seen.add(name)
                found.append(f"{folder}/rt_tables.d/{name}")
    return tuple(found)


def parse(text: str) -> list[tuple[int, int, str]]:
    """(line number, id, name) of each line that iproute2 understands: decimal or hexadecimal id, then the name."""
    result = []
    for number, line in enumerate(text.split("\n"), 1):
        words = line.partition("#")[0].split()
        if len(words) == 2:
            try:
                result.append((number, int(words[0], 16 if words[0][:2].lower() == "0x" else 10), words[1]))
            except ValueError:
                continue
    return result


def names(texts: t.Iterable[str]) -> dict[int, str]:
    """{id: name} of the texts of all files, the built-in tables included. Of two names for one id the last counts."""
    result = dict(BUILT_IN)
    for text in texts:
        result.update((number, name) for _line, number, name in parse(text))
    return result


def managed(text: str) -> dict[int, TableSpec]:
    """Our own file: {id: its name and purpose}; owners are in the records."""
    result = {}
    for line in text.split("\n"):
        for _number, table, name in parse(line):
            comment = line.partition("#")[2].strip()
            result[table] = TableSpec(None, PATH, table, name, re.sub(r"[ ]?\([^()]*\)\Z", "", comment))
    return result


def check(specs: t.Iterable[TableSpec], foreign: t.Mapping[str, str] = {}) -> None:
    """Raise StateError for ids and names that cannot be, and for contradictions among ``specs`` or with ``foreign``.

    ``foreign``: path -> text of the files that are not ours.
    """
    by_id: dict[int, tuple[str, str]] = {number: (name, "the kernel") for number, name in BUILT_IN.items()}
    by_name: dict[str, tuple[int, str]] = {}
    for path, text in foreign.items():
        for line, number, name in parse(text):
            by_id[number] = (name, "%s line %d" % (path, line))
            by_name[name] = (number, "%s line %d" % (path, line))
    for spec in specs:
        if not 1 <= spec.id <= 0xFFFFFFFF or spec.id in BUILT_IN:
            raise StateError(
                "%s: table id %d: expected 1 to 4294967295, and not 253, 254 or 255, which the kernel uses itself"
                % (spec.origin, spec.id)
            )
        if not _NAME.match(spec.name) or spec.name in _RESERVED:
            raise StateError(
                "{}: table name {!r}: expected a letter, then letters, digits, '_', '-' or '.', up to 63 characters, and none of {}".format(
                    spec.origin, spec.name, ", ".join(sorted(_RESERVED))
                )
            )
        if "\n" in spec.purpose or not spec.purpose.isprintable():
            raise StateError(f"{spec.origin}: purpose of table {spec.name}: expected one line of text")
        name, where = by_id.setdefault(spec.id, (spec.name, spec.origin))
        if name != spec.name:
            raise StateError(
                "%s: table %d is to be named %s, but %s names it %s" % (spec.origin, spec.id, spec.name, where, name)
            )
        number, where = by_name.setdefault(spec.name, (spec.id, spec.origin))
        if number != spec.id:
            raise StateError(
                "%s: %s is to be table %d, but %s has it as table %d" % (spec.origin, spec.name, spec.id, where, number)
            )


def render(specs: t.Iterable[tuple[TableSpec, t.Iterable[str]]]) -> str | None:
    """The text of our file for (table, owners) pairs, by id; None where nothing is left for it."""
    lines = []
    for spec, owners in sorted(specs, key=lambda pair: pair[0].id):
        comment = (spec.purpose + owners_text(owners, " (", ")")).strip()
        lines.append("%d\t%s%s\n" % (spec.id, spec.name, "\t# " + comment if comment else ""))
    return _HEADER + "".join(lines) if lines else None


def owners_text(owners: t.Iterable[str], before: str = "", after: str = "") -> str:
    """Owners in a comment: sorted, joined by commas, between ``before`` and ``after``; empty without any.

    Raises StateError for an owner that would end the comment or read as several.
    """
    names = sorted(set(owners))
    for name in names:
        if not re.match(r"[^\s,#()][^,#()]*\Z", name) or not name.isprintable() or name != name.strip():
            raise StateError(f"owner {name!r}: expected a name in one line, without ',', '#' and parentheses")
    return before + ", ".join(names) + after if names else ""
