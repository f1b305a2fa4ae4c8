# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What declarations of files and settings say together with the records of earlier ones. Pure."""

from __future__ import annotations

import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._state.model import (
    Desired,
    FileState,
    Owned,
    Record,
    StateError,
)

KINDS = frozenset(("host", "table", "sysctl", "resolver", "nsswitch"))


def inside(owned: Owned) -> Owned:
    """The records of what is in files: looked for once, as there may be 10,000 of routes."""
    return {key: record for key, record in owned.items() if key[0] in KINDS}


def of_kind(kind: str, owned: Owned) -> Owned:
    return {key: record for key, record in owned.items() if key[0] == kind}


def concerns(kind: str, declared: t.Any, desired: Desired, owned: Owned) -> bool:
    """Whether a kind is declared, or somebody who recorded something of it may let go."""
    owners = {owner for owner, pruned in desired.prune if pruned == kind}
    return bool(declared) or any(key[0] == kind and owners & set(record.owners) for key, record in owned.items())


def owners_left(record: Record, desired: Desired) -> tuple[str, ...] | None:
    """The owners of something that is not declared; None where the last of them let go."""
    left = tuple(owner for owner in record.owners if (owner, record.kind) not in desired.prune)
    return left if left or not record.owners else None


def kept_records(mine: Owned, desired: Desired) -> Owned:
    remaining = {key: owners_left(record, desired) for key, record in mine.items()}
    return {key: mine[key]._replace(owners=owners) for key, owners in remaining.items() if owners is not None}


def agreed(
    what: str, origin: str, owners: t.AbstractSet[str], value: t.Any, record: Record | None, desired: Desired
) -> tuple[str, ...]:
    """The owners of a value that ``owners`` declare; raises StateError where others declared another one."""
    others = [name for name in owners_left(record, desired) or () if name not in owners] if record else []
    recorded = record.value[1] if record and record.kind == "sysctl" else record.value if record else None
    if others and recorded != value:
        raise StateError(
            f"{origin}: {what} is to be {words(value)}, but {', '.join(others)} set it to {words(recorded)}: make "
            "both say the same, or take it from the other's document first"
        )
    return tuple(sorted({*others, *owners}))


def words(value: t.Any) -> str:
    return value if isinstance(value, str) else " ".join(value) or "nothing"


def check_plain(path: str, state: FileState) -> None:
    if state.link is not None:
        raise StateError(
            f"{path} is a symbolic link to {state.link}, and links are never written through: put an ordinary file in "
            "its place"
        )
