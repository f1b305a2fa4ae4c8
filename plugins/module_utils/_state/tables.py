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
PROTOCOL = 157
PROTOCOLS_TEXT = f"# Routes and rules made by kubenode.network.\n{PROTOCOL}\tkubenode\n"

# Where iproute2 reads names, earlier ones first; since 6.5 the distribution's own file is below /usr, and only counts
# where /etc has none (iproute2, lib/rt_names.c).
FOLDERS = ("/etc/iproute2", "/usr/share/iproute2", "/usr/lib/iproute2")
# linux/rtnetlink.h: RT_TABLE_UNSPEC, RT_TABLE_DEFAULT, RT_TABLE_MAIN, RT_TABLE_LOCAL.
BUILT_IN = {0: "unspec", 253: "default", 254: "main", 255: "local"}

# iproute2 reads ids of files as signed (lib/rt_names.c: rtnl_hash_initialize).
_MAX_NAMED = 0x7FFFFFFF
_HEADER = "# Route tables named by kubenode.network: id, name, purpose (owners).\n"


def paths(root: str = "/") -> tuple[str, ...]:
    """The files that name tables on this node, ours among them where it is there."""
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
        if len(words) >= 2:
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


def managed(text: str) -> dict[str, tuple[TableSpec, frozenset[str]]]:
    """Our own file: {name: (table with its purpose, owners)}."""
    result = {}
    for line in text.split("\n"):
        for _number, table, name in parse(line):
            comment = re.match(r"(.*?)[ ]?(?:\(([^()]*)\))?\Z", line.partition("#")[2].strip())
            purpose, owners = comment.groups("") if comment else ("", "")
            spec = TableSpec(None, PATH, table, name, purpose)
            result[name] = (spec, frozenset(owner for owner in owners.split(", ") if owner))
    return result


def check(specs: t.Iterable[TableSpec], others: t.Mapping[str, str]) -> None:
    """Raise StateError where ``specs`` contradict each other, the kernel's own tables, or a file, and for ids
    that iproute2 cannot name.

    ``others``: path -> text of the files that name tables, in the order in which they are read.
    """
    by_id: dict[int, tuple[str, str]] = {number: (name, "the kernel") for number, name in BUILT_IN.items()}
    by_name: dict[str, tuple[int, str]] = {name: (number, "the kernel") for number, name in BUILT_IN.items()}
    for path, text in others.items():
        for line, number, name in parse(text):
            by_id[number] = (name, f"{path} line {line}")
            by_name[name] = (number, f"{path} line {line}")
    for spec in specs:
        if spec.id > _MAX_NAMED:
            raise StateError(
                f"{spec.origin}: table {spec.id} cannot have a name: iproute2 knows names for ids up to {_MAX_NAMED}; "
                "use a smaller id, or the id without a name"
            )
        name, where = by_id.setdefault(spec.id, (spec.name, spec.origin))
        if name != spec.name:
            raise StateError(
                f"{spec.origin}: table {spec.id} is to be named {spec.name}, but {where} names it {name}: use one "
                "name, or another id"
            )
        number, where = by_name.setdefault(spec.name, (spec.id, spec.origin))
        if number != spec.id:
            raise StateError(
                f"{spec.origin}: the name {spec.name} is to mean table {spec.id}, but {where} gives it to table "
                f"{number}: use one id, or another name"
            )


def render(entries: t.Iterable[tuple[TableSpec, t.Collection[str]]]) -> str | None:
    """The text of our file for (table, owners) pairs, by id; None where nothing is left for it."""
    lines = []
    for spec, owners in sorted(entries, key=lambda pair: pair[0].id):
        # Empty parentheses where a purpose would end in what reads as owners.
        listed = owners_text(owners, " (", ")") or (" ()" if spec.purpose.endswith(")") else "")
        comment = (spec.purpose + listed).strip()
        lines.append(f"{spec.id}\t{spec.name}" + (f"\t# {comment}" if comment else "") + "\n")
    return _HEADER + "".join(lines) if lines else None


def owners_text(owners: t.Iterable[str], before: str = "", after: str = "") -> str:
    """Owners in a comment: sorted, joined by commas, between ``before`` and ``after``; empty without any.

    Raises StateError for an owner that would end the comment or read as several.
    """
    listed = sorted(set(owners))
    for name in listed:
        if not re.match(r"[^\s,#()][^,#()]*\Z", name) or not name.isprintable() or name != name.strip():
            raise StateError(f"owner {name!r}: expected a name in one line, without ',', '#' and parentheses")
    return before + ", ".join(listed) + after if listed else ""
