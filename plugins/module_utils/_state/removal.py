# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Taking back what the collection brought: of some owners, or of everybody (``state: absent`` of network_state).

It is the declaration that lists nothing, with everything of these owners let go; so it is planned, carried out,
confirmed and undone like any other. Of everybody it also goes for what carries our marks without a record, for the
files that are wholly ours, and for what stood before us where we changed something that is not ours.
Pure but for ``forget``.
"""

from __future__ import annotations

import hashlib
import os
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._netlink.constants import KUBENODE_PROTOCOL
from ansible_collections.kubenode.network.plugins.module_utils._state.model import (
    PROTOCOLS_PATH,
    Change,
    Desired,
    FileState,
    Owned,
    Record,
    State,
    Target,
)
from ansible_collections.kubenode.network.plugins.module_utils._state.observe import Need
from ansible_collections.kubenode.network.plugins.module_utils._state.options import PRUNE_KINDS

NOBODY = ""
"""Owner of what runs without an owner made, while it is planned that all goes."""
BEFORE = "before"
"""Kind of the records that hold what stood before us. Identity (``link``, name, field): (value, ours); identity
(``file``, path, ``""``): (text, mode, link, digest of ours)."""

# Of others' files the only ones that are edited as a whole: entries of ours in others have marks or backends.
_EDITED = ("/etc/resolv.conf", "/etc/nsswitch.conf")
# What a NIC that is not ours may be set to. That it is up stays: who else uses it is not known.
_FIELDS = ("mtu", "mac")


def _whole_files() -> tuple[str, ...]:
    from ansible_collections.kubenode.network.plugins.module_utils._state import sysctl, tables

    return (PROTOCOLS_PATH, tables.PATH, sysctl.PATH)


def spell_out(desired: Desired, owned: Owned) -> tuple[Desired, Owned]:
    """``desired.absent`` as a declaration, and the records to plan it with."""
    owners = desired.absent or ()
    if owners:
        return desired._replace(prune=_everything_of(owners)), owned
    owned = {key: record if record.owners else record._replace(owners=(NOBODY,)) for key, record in owned.items()}
    everybody = {owner for record in owned.values() for owner in record.owners}
    return desired._replace(prune=_everything_of({NOBODY, *everybody}), hosts=()), owned


def _everything_of(owners: t.Iterable[str]) -> tuple[tuple[str, str], ...]:
    return tuple((owner, kind) for owner in sorted(owners) for kind in PRUNE_KINDS)


def need_for(desired: Desired, owned: Owned, need: Need) -> Need:
    """Also what bears our marks, and what stood before us."""
    files = [path for kind, path in _files_before(owned)]
    if not desired.absent:
        files += [*_whole_files(), "/etc/hosts"]
    return need._replace(kernel=True, files=tuple(dict.fromkeys((*need.files, *files))))


def with_marked(desired: Desired, owned: Owned, state: State) -> tuple[Desired, Owned]:
    """With records of what bears our marks but was never recorded, or whose records were lost."""
    if desired.absent:
        return desired, owned
    owned = dict(owned)
    for kind, found in (("route", state.routes), ("rule", state.rules)):
        for things in t.cast("dict[t.Any, tuple[t.Any, ...]]", found).values():
            for thing in things:
                if thing.protocol == KUBENODE_PROTOCOL:
                    owned.setdefault((kind, thing.key), Record(kind, thing, (NOBODY,), True))
    from ansible_collections.kubenode.network.plugins.module_utils._resolver import hosts

    text = state.files.get(hosts.PATH, FileState(None)).text or ""
    marked = {owner for owners in hosts.managed(text).values() for owner in owners}
    return desired._replace(prune=(*desired.prune, *_everything_of(marked))), owned


def complete(desired: Desired, target: Target, owned: Owned, state: State) -> Target:
    """The target with what stood before us, and of everybody without our own files."""
    files, links, warnings = dict(target.files), dict(target.links), list(target.warnings)
    going = _going(desired, owned)
    for (kind, identity), record in owned.items():
        if kind != BEFORE or identity not in going:
            continue
        what, name, field = identity
        if what == "file":
            found = state.files.get(name, FileState(None))
            text, mode, link, ours = record.value
            if digest(found) != ours:
                warnings.append(f"{name} is not as it was written here any more: it stays as it is.")
            else:
                files[name] = (FileState(text, mode, link), "as it was before")
        elif name in state.links:
            before, ours = record.value
            current = getattr(state.links[name], field)
            if current != ours:
                warnings.append(f"The {field} of {name} is {current}, no longer the {ours} that was set: it stays.")
            else:
                link = links.get(name, (state.links[name], ()))[0]
                links[name] = (link._replace(**{field: before}), ())
    if not desired.absent:
        for path in _whole_files():
            if state.files.get(path, FileState(None)).text is not None:
                files[path] = (FileState(None), "taken back")
    records = target.records if desired.absent else {}
    return target._replace(files=files, links=links, records=records, warnings=tuple(warnings))


def _files_before(owned: Owned) -> t.Iterator[tuple[str, str]]:
    for kind, identity in owned:
        if kind == BEFORE and identity[0] == "file":
            yield identity[0], identity[1]


def _going(desired: Desired, owned: Owned) -> set[t.Any]:
    """Identities of the records of what stood before, whose last owner lets go by this run."""
    if not desired.absent:
        return {identity for kind, identity in owned if kind == BEFORE}
    owners = set(desired.absent)
    kept: set[t.Any] = set()
    for (kind, identity), record in owned.items():
        if not set(record.owners) <= owners or not record.owners:
            if kind in ("resolver", "nsswitch"):
                kept.add({"resolver": _EDITED[0], "nsswitch": _EDITED[1]}[kind])
            elif kind == "link":
                kept.add(identity)
    return {identity for kind, identity in owned if kind == BEFORE and identity[1] not in kept}


def released(desired: Desired, owned: Owned) -> Owned:
    """The records after the run: nothing that stood before is remembered once it is put back."""
    if not desired.absent:
        return {}
    going = _going(desired, owned)
    return {key: record for key, record in owned.items() if key[0] != BEFORE or key[1] not in going}


def remember(changes: t.Iterable[Change], owned: Owned) -> Owned:
    """``owned``, as it shall be after the changes, with what these replace of what is not ours."""
    result = owned
    for change in changes:
        for identity, value in _replaced(change, owned):
            if result is owned:
                result = dict(owned)
            known = owned.get((BEFORE, identity))
            first = known.value[:-1] if known is not None else value[:-1]
            result[BEFORE, identity] = Record(BEFORE, (*first, value[-1]), (), True)
    return result


def _replaced(change: Change, owned: Owned) -> t.Iterator[tuple[t.Any, tuple[t.Any, ...]]]:
    if change.kind == "file" and change.name in _EDITED:
        yield ("file", change.name, ""), (*change.before, digest(change.after))
    elif change.kind == "link" and change.before is not None and change.after is not None:
        record = owned.get(("link", change.name))
        if record is not None and record.made:
            return
        for field in _FIELDS:
            before, after = getattr(change.before, field), getattr(change.after, field)
            if after and before != after:
                yield ("link", change.name, field), (before, after)


def digest(state: FileState) -> str:
    """What is in a file, and behind which link it stands, in a few characters."""
    text = f"{state.link}\0{state.text}"
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:32]


def forget(root: str = "/") -> None:
    """Remove the collection's own folder, once nothing on the node is ours: the lock goes with the process."""
    import shutil

    from ansible_collections.kubenode.network.plugins.module_utils._state.owned import path_of

    if not os.path.exists(path_of("kubelet.json", root)):
        # What the kubelet was told before is only known there (kubelet_dns).
        shutil.rmtree(os.path.normpath(path_of("", root)), ignore_errors=True)
