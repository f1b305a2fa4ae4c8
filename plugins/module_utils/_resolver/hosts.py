# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""/etc/hosts as text: our lines carry a comment with their owners, lines of others are never touched. Pure."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._resolver.resolv_conf import canonical
from ansible_collections.kubenode.network.plugins.module_utils._state.model import HostSpec, StateError
from ansible_collections.kubenode.network.plugins.module_utils._state.tables import owners_text

PATH = "/etc/hosts"

_MARK = "# kubenode.network"
_OURS = re.compile(r"#[ \t]*kubenode\.network(?:$|[ \t]*:[ \t]*([^#]*)$)")

Key = tuple[str, tuple[str, ...]]


class _Line(t.NamedTuple):
    text: str
    address: str = ""
    names: tuple[str, ...] = ()
    owners: frozenset[str] | None = None
    """None: not our line."""

    @property
    def key(self) -> Key:
        return (self.address, self.names)


def edit(text: str, specs: t.Iterable[HostSpec], pruned: t.Container[str] = (), clear: bool = False) -> str:
    """Bring our lines in line with ``specs`` (canonical addresses).

    A line that an owner in ``pruned`` no longer lists loses this owner, and goes with its last one; ``clear`` takes
    away our lines without an owner that are not listed. An entry that lines of others give already gets no line.
    Raises StateError where a name would get a second address in one family: from a line of others, from another
    owner's line, or within ``specs``.
    """
    wanted = _merge(specs)
    claims = {(_family(key[0]), name.lower()): key for key in wanted for name in key[1]}
    lines = [_parse(line) for line in re.findall(r"[^\n]*\n|[^\n]+", text)]
    given = _foreign(lines, claims, wanted)
    result, placed = [], set()
    for line in lines:
        if line.owners is None:
            result.append(line.text)
        elif line.key in wanted:
            if line.key not in placed:
                owners = wanted[line.key][0] | {owner for owner in line.owners if owner not in pruned}
                result.append(line.text if owners == line.owners else _render(line.key, owners))
            placed.add(line.key)
        else:
            result.append(_leftover(line, claims, wanted, pruned, clear))
    for key, (owners, _origin) in wanted.items():
        if key not in placed and not all((key[0], name.lower()) in given for name in key[1]):
            if result and result[-1] and not result[-1].endswith("\n"):
                result[-1] += "\n"
            result.append(_render(key, owners))
    return "".join(result)


def managed(text: str) -> dict[Key, tuple[str, ...]]:
    """Our lines: (address, names) -> owners, sorted."""
    lines = map(_parse, text.split("\n")) if _MARK[2:] in text else ()
    return {line.key: tuple(sorted(line.owners)) for line in lines if line.owners is not None}


def is_generated(text: str) -> bool:
    """Whether cloud-init writes the file anew at each boot (``manage_etc_hosts``), by what its templates say."""
    return "manage_etc_hosts" in text and "cloud" in text


def _merge(specs: t.Iterable[HostSpec]) -> dict[Key, tuple[frozenset[str], str]]:
    wanted: dict[Key, tuple[frozenset[str], str]] = {}
    seen: dict[tuple[int, str], HostSpec] = {}
    for spec in specs:
        for name in spec.names:
            other = seen.setdefault((_family(spec.address), name.lower()), spec)
            if other.address != spec.address:
                raise StateError(
                    f"host {name}: {other.origin} says {other.address}, {spec.origin} says {spec.address}: expected "
                    "one address"
                )
        owners = frozenset([spec.owner] if spec.owner else [])
        before = wanted.get((spec.address, spec.names), (frozenset(), spec.origin))
        wanted[spec.address, spec.names] = (before[0] | owners, before[1])
    return wanted


def _foreign(
    lines: list[_Line], claims: dict[tuple[int, str], Key], wanted: dict[Key, tuple[frozenset[str], str]]
) -> set[tuple[str, str]]:
    """(address, name) pairs that lines of others give."""
    given = set()
    for number, line in enumerate(lines, 1):
        if line.owners is not None or not line.names:
            continue
        family = _family(line.address)
        for name in line.names:
            key = claims.get((family, name.lower()))
            if key and key[0] != line.address:
                raise StateError(
                    f"host {name}: line {number} of {PATH}, which is not ours, gives it the address {line.address}, "
                    f"and {wanted[key][1]} wants {key[0]}: change one of them"
                )
            given.add((line.address, name.lower()))
    return given


def _leftover(
    line: _Line,
    claims: dict[tuple[int, str], Key],
    wanted: dict[Key, tuple[frozenset[str], str]],
    pruned: t.Container[str],
    clear: bool,
) -> str:
    """What becomes of a line of ours that is not listed as it stands."""
    before = line.owners or frozenset()
    owners = frozenset(owner for owner in before if owner not in pruned)
    if not owners and (before or clear):
        return ""
    names = []
    for name in line.names:
        key = claims.get((_family(line.address), name.lower()))
        if key and owners <= wanted[key][0]:
            # The same owner says it anew, with another address or in another group of names.
            continue
        if key and key[0] != line.address:
            raise StateError(
                f"host {name}: {wanted[key][1]} says {key[0]}, and the owner {', '.join(sorted(owners))} says "
                f"{line.address}: change one of them, or take it from the other's list first"
            )
        names.append(name)
    if not names:
        return ""
    if owners == before and len(names) == len(line.names):
        return line.text
    return _render((line.address, tuple(names)), owners)


def _parse(text: str) -> _Line:
    content, sharp, _rest = text.partition("#")
    words = content.split()
    if len(words) < 2:
        return _Line(text)
    mark = _OURS.match(text[len(content) :].rstrip()) if sharp else None
    owners = frozenset(filter(None, re.split(r"[ \t]*,[ \t]*", (mark.group(1) or "").strip()))) if mark else None
    return _Line(text, canonical(words[0]), tuple(words[1:]), owners)


def _render(key: Key, owners: t.Iterable[str]) -> str:
    return f"{key[0]}\t{' '.join(key[1])}\t{_MARK}{owners_text(owners, ': ')}\n"


def _family(address: str) -> int:
    return 10 if ":" in address else 2
