# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what a user declared of files and sysctls to the files, values and records as they shall be.

Pure but for ``files_needed``. Our lines in a file say what stands; the records say whose it is where no line of ours
does, and for sysctls what stood before. Values in records are tuples of text and numbers.
"""

from __future__ import annotations

import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._state.declared import (
    agreed,
    check_plain,
    concerns,
    inside,
    kept_records,
    of_kind,
    owners_left,
)
from ansible_collections.kubenode.network.plugins.module_utils._state.model import (
    Desired,
    FileState,
    Owned,
    Record,
    State,
    StateError,
    TableSpec,
)

if t.TYPE_CHECKING:
    from ansible_collections.kubenode.network.plugins.module_utils._persist.contract import Activation, Resolver

Files = dict[str, tuple[FileState, str]]
"""Path -> (as it shall be, why)."""
Part = tuple[Files, Owned, tuple[str, ...]]
"""(files, all records of a kind as they shall be, warnings)"""
Sysctls = dict[str, tuple[str, tuple[str, ...]]]
"""Key -> (value, owners)."""
Tables = dict[str, tuple[TableSpec, frozenset[str]]]
"""Name -> (table, owners)."""


class FileTargets(t.NamedTuple):
    files: Files
    records: Owned
    """All records of these kinds as they shall be."""
    warnings: tuple[str, ...] = ()
    activations: dict[str, tuple[Activation, Activation]] = {}
    """Writer of resolv.conf -> (way back, way there)."""
    resolver_check: tuple[str, Resolver] | None = None
    """(writer of resolv.conf, what the running resolver must show afterwards)"""


def files_needed(desired: Desired, owned: Owned, root: str = "/") -> tuple[str, ...]:
    """The files that the targets want in ``State.files``; lists folders below ``root``."""
    owned = inside(owned)
    result: list[str] = []
    if concerns("resolver", desired.resolver is not None, desired, owned):
        from ansible_collections.kubenode.network.plugins.module_utils._state import resolver_target

        result += resolver_target.files_needed(desired, root)
    if concerns("host", desired.hosts is not None, desired, owned):
        result.append("/etc/hosts")
    if desired.nsswitch_hosts is not None:
        result.append("/etc/nsswitch.conf")
    if concerns("table", desired.tables, desired, owned):
        from ansible_collections.kubenode.network.plugins.module_utils._state import tables

        result += [*tables.paths(root), tables.PATH]
    if concerns("sysctl", desired.sysctls, desired, owned):
        from ansible_collections.kubenode.network.plugins.module_utils._state import sysctl

        result += [sysctl.PATH, *sysctl.later_files(root)]
    return tuple(dict.fromkeys(result))


def sysctls_needed(desired: Desired, owned: Owned, interfaces: t.Iterable[str]) -> tuple[str, ...]:
    """The keys that the targets want in ``State.sysctls``; ``interfaces``: the names of the node's links."""
    multi_nic = [spec.interface for spec in desired.multi_nic]
    owned = inside(owned)
    concerned = concerns("sysctl", desired.sysctls, desired, owned)
    if not concerned and not multi_nic:
        return ()
    from ansible_collections.kubenode.network.plugins.module_utils._state import sysctl

    keys = sysctl.needed(sysctl.normalised(desired.sysctls), interfaces, multi_nic)
    recorded = [name for kind, name in owned if kind == "sysctl"] if concerned else []
    return tuple(dict.fromkeys([*keys, *recorded]))


def file_targets(desired: Desired, state: State, owned: Owned) -> FileTargets:
    """resolv.conf, hosts, nsswitch.conf, the names of tables, and sysctl's file for the next boot.

    The records are all of these kinds; those of sysctls, and their warnings, are ``sysctl_targets``'s. Raises
    StateError for what cannot be, for contradictions with other owners or with lines of others, and for a file that a
    manager writes.
    """
    owned = inside(owned)
    files: Files = {}
    warnings: list[str] = []
    records: Owned = {}
    for kind, declared, part in (
        ("host", desired.hosts is not None, _hosts),
        ("nsswitch", desired.nsswitch_hosts is not None, _nsswitch),
        ("table", desired.tables, _tables),
    ):
        mine = of_kind(kind, owned)
        if concerns(kind, declared, desired, mine):
            more, mine, said = part(desired, state, mine)
            files.update(more)
            warnings += said
        records.update(mine)
    activations: dict[str, tuple[Activation, Activation]] = {}
    check: tuple[str, Resolver] | None = None
    mine = of_kind("resolver", owned)
    if concerns("resolver", desired.resolver is not None, desired, mine):
        from ansible_collections.kubenode.network.plugins.module_utils._state.resolver_target import resolver_target

        mine, of_resolver, activations, check, told = resolver_target(desired, state, mine)
        files.update(of_resolver)
        warnings += told
    records.update(mine)
    if concerns("sysctl", desired.sysctls, desired, owned):
        files.update(_sysctls(desired, state, owned)[1])
    elif desired.multi_nic:
        from ansible_collections.kubenode.network.plugins.module_utils._state import sysctl

        warnings += sysctl.check({}, state, [spec.interface for spec in desired.multi_nic])
    return FileTargets(files, records, tuple(warnings), activations, check)


def sysctl_targets(desired: Desired, state: State, owned: Owned) -> tuple[Sysctls, Owned, tuple[str, ...]]:
    """(key -> (value, owners) in the order in which they are written, all records of sysctls, warnings).

    A value whose last owner let go is among them with what stood before we came, and no owner. Raises StateError as
    ``file_targets`` does, and for values that would take away IPv6 routes.
    """
    owned = inside(owned)
    if not concerns("sysctl", desired.sysctls, desired, owned):
        return {}, of_kind("sysctl", owned), ()
    values, _files, records, warnings = _sysctls(desired, state, owned)
    return values, records, warnings


def _sysctls(desired: Desired, state: State, owned: Owned) -> tuple[Sysctls, Files, Owned, tuple[str, ...]]:
    from ansible_collections.kubenode.network.plugins.module_utils._state import sysctl

    specs = sysctl.normalised(desired.sysctls)
    planned = {link.name for link in desired.interfaces}
    mine = of_kind("sysctl", owned)
    records: Owned = {}
    values: Sysctls = {}
    warnings: list[str] = []
    for spec in specs:
        current = state.sysctls.get(spec.key)
        if current is None and sysctl.interface_of(spec.key) not in planned:
            raise StateError(
                f"{spec.origin}: this kernel has no sysctl {spec.key}: expected one that is there, of an interface "
                "that this node has"
            )
        record = mine.get(("sysctl", spec.key))
        said_by = {other.owner for other in specs if other.key == spec.key and other.owner}
        owners = agreed(f"sysctl {spec.key}", spec.origin, said_by, spec.value, record, desired)
        made, previous = (record.made, record.value[2]) if record else (False, None)
        if not made and current != spec.value:
            made, previous = True, current
        values[spec.key] = (spec.value, owners)
        records["sysctl", spec.key] = Record("sysctl", (spec.key, spec.value, previous), owners, made)
    for key, record in mine.items():
        if key in records:
            continue
        left = owners_left(record, desired)
        if left is not None:
            records[key] = record._replace(owners=left)
            continue
        name, value, previous = record.value
        current = state.sysctls.get(name)
        if record.made and previous is not None and current == value:
            values[name] = (previous, ())
        elif current is not None and current != value:
            warnings.append(f"sysctl {name} is {current}, no longer the {value} that was set: it stays as it is")
    declared = {spec.key: spec.value for spec in specs}
    warnings += sysctl.check(declared, state, [spec.interface for spec in desired.multi_nic])
    entries = [(*record.value[:2], record.owners) for record in records.values()]
    found = state.files.get(sysctl.PATH, FileState(None))
    check_plain(sysctl.PATH, found)
    files = {sysctl.PATH: (found._replace(text=sysctl.render(entries)), "sysctls at the next boot")}
    later = {path: file.text or "" for path, file in state.files.items() if sysctl.is_later(path)}
    warnings += sysctl.overridden({entry[0]: entry[1] for entry in entries}, later)
    ordered = sorted(values.items(), key=lambda item: sysctl.rank(item[0]))
    return dict(ordered), files, records, tuple(warnings)


def _hosts(desired: Desired, state: State, mine: Owned) -> Part:
    from ansible_collections.kubenode.network.plugins.module_utils._resolver import hosts

    specs = desired.hosts or ()
    found = state.files.get(hosts.PATH, FileState(None))
    pruned = {owner for owner, kind in desired.prune if kind == "host"}
    text: str | None = hosts.edit(found.text or "", specs, pruned, clear=desired.hosts == ())
    ours = hosts.managed(text or "")
    records: Owned = {("host", key): Record("host", key, owners, True) for key, owners in ours.items()}
    listed: dict[hosts.Key, set[str]] = {}
    for spec in specs:
        listed.setdefault((spec.address, spec.names), set()).update({spec.owner} if spec.owner else set())
    # What lines of others give already has no line of ours: only the record knows of it.
    for key, owners in listed.items():
        if key not in ours:
            before = mine.get(("host", key))
            kept = [owner for owner in before.owners if owner not in pruned] if before else []
            records["host", key] = Record("host", key, tuple(sorted({*owners, *kept})), False)
    for entry, record in mine.items():
        left = owners_left(record, desired)
        if entry not in records and not record.made and left is not None:
            records[entry] = record._replace(owners=left)
    if not text and found.text is None:
        text = None
    if text == found.text:
        return {}, records, ()
    check_plain(hosts.PATH, found)
    warning = (
        f"{hosts.PATH} is written anew by cloud-init at each boot (manage_etc_hosts): put the entries into its "
        "template, or switch that off"
    )
    generated = hosts.is_generated(found.text or "")
    return {hosts.PATH: (found._replace(text=text), "host names")}, records, (warning,) if generated else ()


def _nsswitch(desired: Desired, state: State, mine: Owned) -> Part:
    sources = desired.nsswitch_hosts
    records = kept_records(mine, desired)
    if sources is None:
        return {}, records, ()
    from ansible_collections.kubenode.network.plugins.module_utils._resolver import nsswitch

    found = state.files.get(nsswitch.PATH, FileState(None))
    text = nsswitch.edit(found.text or "", sources)
    # Declarations of it carry no owner of their own: it is the run's.
    said_by = {name for name, kind in desired.prune if kind == "nsswitch"}
    value = nsswitch.parse(text)
    owners = agreed("hosts", "nsswitch_hosts", said_by, value, mine.get(("nsswitch", "hosts")), desired)
    records["nsswitch", "hosts"] = Record("nsswitch", value, owners, True)
    warnings = tuple(nsswitch.warnings(sources))
    if text == found.text:
        return {}, records, warnings
    from ansible_collections.kubenode.network.plugins.module_utils._resolver.owner import nsswitch_refusal

    refusal = nsswitch_refusal(found)
    if refusal:
        raise refusal
    return {nsswitch.PATH: (found._replace(text=text), "order of host sources")}, records, warnings


def _tables(desired: Desired, state: State, mine: Owned) -> Part:
    from ansible_collections.kubenode.network.plugins.module_utils._state import tables

    found = state.files.get(tables.PATH, FileState(None))
    foreign = {p: file.text for p, file in state.files.items() if "/rt_tables" in p and p != tables.PATH and file.text}
    given = {(number, name) for text in foreign.values() for _line, number, name in tables.parse(text)}
    entries = _left_tables(desired, tables.managed(found.text or ""))
    tables.check(desired.tables, {**foreign, tables.PATH: tables.render(entries.values()) or ""})
    records: Owned = {}
    for spec in desired.tables:
        owners = _owners([spec])
        if spec.name not in entries and (spec.id, spec.name) in given:
            before = records.get(("table", spec.name)) or mine.get(("table", spec.name))
            kept = owners_left(before, desired) or () if before else ()
            value = (spec.id, spec.name, spec.purpose)
            records["table", spec.name] = Record("table", value, tuple(sorted({*owners, *kept})), False)
            continue
        known, others = entries.get(spec.name, (spec, owners))
        purpose = known.purpose if others - owners and known.purpose else spec.purpose
        entries[spec.name] = (spec._replace(purpose=purpose), others | owners)
    for name, (spec, others) in entries.items():
        records["table", name] = Record("table", (spec.id, name, spec.purpose), tuple(sorted(others)), True)
    records = {**{key: record for key, record in kept_records(mine, desired).items() if not record.made}, **records}
    text = tables.render(entries.values())
    if text == found.text:
        return {}, records, ()
    check_plain(tables.PATH, found)
    return {tables.PATH: (found._replace(text=text), "names of route tables")}, records, ()


def _left_tables(desired: Desired, managed: Tables) -> Tables:
    """What is left of our file before the declared tables go in: without owners who let go, and what is said anew."""
    result: Tables = {}
    said = {(spec.id, spec.name) for spec in desired.tables}
    for name, (spec, owners) in managed.items():
        left = frozenset(owner for owner in owners if (owner, "table") not in desired.prune)
        anew = [other for other in desired.tables if (other.id == spec.id) != (other.name == name)]
        same = (spec.id, name) in said
        if same or ((left or not owners) and not (anew and left <= _owners(anew))):
            result[name] = (spec, left)
    return result


def _owners(specs: t.Iterable[TableSpec]) -> frozenset[str]:
    return frozenset(spec.owner for spec in specs if spec.owner)
