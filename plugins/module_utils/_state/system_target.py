# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what a user declared of files and sysctls to the files, values and records as they shall be.

Pure but for ``files_needed``. Our lines in a file say what stands; the records say whose it is where no line of ours
does, and for sysctls what stood before. Values in records are tuples of text and numbers.
"""

from __future__ import annotations

import os
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._state.model import (
    Desired,
    FileState,
    Owned,
    Record,
    State,
    StateError,
    TableSpec,
)

# Where kubelets keep their configuration: kubeadm, Kubespray, k3s, RKE2.
KUBELET_CONFIGS = (
    "/var/lib/kubelet/config.yaml",
    "/etc/kubernetes/kubelet-config.yaml",
    "/var/lib/rancher/k3s/agent/etc/kubelet.conf.d/00-k3s-defaults.conf",
    "/var/lib/rancher/rke2/agent/etc/kubelet.conf.d/00-rke2-defaults.conf",
)

KINDS = frozenset(("host", "table", "sysctl", "resolver", "nsswitch"))

Files = dict[str, tuple[FileState, str]]
Result = tuple[Files, Owned, tuple[str, ...]]
"""(path -> (as it shall be, why), all records of a kind as they shall be, warnings)"""
Sysctls = dict[str, tuple[str, tuple[str, ...]]]
"""Key -> (value, owners)."""
Tables = dict[str, tuple[TableSpec, frozenset[str]]]
"""Name -> (table, owners)."""


def files_needed(desired: Desired, owned: Owned, root: str = "/") -> tuple[str, ...]:
    """The files that the targets want in ``State.files``; lists folders below ``root``."""
    owned = _inside(owned)
    result: list[str] = []
    if desired.resolver is not None:
        from ansible_collections.kubenode.network.plugins.module_utils._resolver.resolv_conf import EVIDENCE

        result += EVIDENCE
        run = os.path.join(root, "run")
        if os.path.isdir(run) and any(name.startswith("dhclient") for name in os.listdir(run)):
            from ansible_collections.kubenode.network.plugins.module_utils._resolver.owner import dhclients

            result += dhclients(root)
        if desired.resolver.servers:
            result += KUBELET_CONFIGS
    if _concerns("host", desired.hosts is not None, desired, owned):
        result.append("/etc/hosts")
    if desired.nsswitch_hosts is not None:
        result.append("/etc/nsswitch.conf")
    if _concerns("table", desired.tables, desired, owned):
        from ansible_collections.kubenode.network.plugins.module_utils._state import tables

        result += [*tables.paths(root), tables.PATH]
    if _concerns("sysctl", desired.sysctls, desired, owned):
        from ansible_collections.kubenode.network.plugins.module_utils._state import sysctl

        result += [sysctl.PATH, *sysctl.later_files(root)]
    return tuple(dict.fromkeys(result))


def sysctls_needed(desired: Desired, owned: Owned, interfaces: t.Iterable[str]) -> tuple[str, ...]:
    """The keys that the targets want in ``State.sysctls``; ``interfaces``: the names of the node's links."""
    multi_nic = [spec.interface for spec in desired.multi_nic]
    owned = _inside(owned)
    concerned = _concerns("sysctl", desired.sysctls, desired, owned)
    if not concerned and not multi_nic:
        return ()
    from ansible_collections.kubenode.network.plugins.module_utils._state import sysctl

    keys = sysctl.needed(sysctl.normalised(desired.sysctls), interfaces, multi_nic)
    recorded = [name for kind, name in owned if kind == "sysctl"] if concerned else []
    return tuple(dict.fromkeys([*keys, *recorded]))


def file_targets(desired: Desired, state: State, owned: Owned) -> Result:
    """resolv.conf, hosts, nsswitch.conf, the names of tables, and sysctl's file for the next boot.

    The records are all of these kinds; those of sysctls, and their warnings, are ``sysctl_targets``'s. Raises
    StateError for what cannot be, for contradictions with other owners or with lines of others, and for a file that a
    manager writes.
    """
    owned = _inside(owned)
    files: Files = {}
    warnings: list[str] = []
    records: Owned = {}
    for kind, declared, part in (
        ("resolver", desired.resolver is not None, _resolver),
        ("host", desired.hosts is not None, _hosts),
        ("nsswitch", desired.nsswitch_hosts is not None, _nsswitch),
        ("table", desired.tables, _tables),
    ):
        mine = _of(kind, owned)
        if _concerns(kind, declared, desired, mine):
            more, mine, said = part(desired, state, mine)
            files.update(more)
            warnings += said
        records.update(mine)
    if _concerns("sysctl", desired.sysctls, desired, owned):
        files.update(_sysctls(desired, state, owned)[1])
    elif desired.multi_nic:
        from ansible_collections.kubenode.network.plugins.module_utils._state import sysctl

        warnings += sysctl.check({}, state, [spec.interface for spec in desired.multi_nic])
    return files, records, tuple(warnings)


def sysctl_targets(desired: Desired, state: State, owned: Owned) -> tuple[Sysctls, Owned, tuple[str, ...]]:
    """(key -> (value, owners) in the order in which they are written, all records of sysctls, warnings).

    A value whose last owner let go is among them with what stood before we came, and no owner. Raises StateError as
    ``file_targets`` does, and for values that would take away IPv6 routes.
    """
    owned = _inside(owned)
    if not _concerns("sysctl", desired.sysctls, desired, owned):
        return {}, _of("sysctl", owned), ()
    values, _files, records, warnings = _sysctls(desired, state, owned)
    return values, records, warnings


def _sysctls(desired: Desired, state: State, owned: Owned) -> tuple[Sysctls, Files, Owned, tuple[str, ...]]:
    from ansible_collections.kubenode.network.plugins.module_utils._state import sysctl

    specs = sysctl.normalised(desired.sysctls)
    planned = {link.name for link in desired.interfaces}
    mine = _of("sysctl", owned)
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
        owners = _agreed(f"sysctl {spec.key}", spec.origin, said_by, spec.value, record, desired)
        made, previous = (record.made, record.value[2]) if record else (False, None)
        if not made and current != spec.value:
            made, previous = True, current
        values[spec.key] = (spec.value, owners)
        records["sysctl", spec.key] = Record("sysctl", (spec.key, spec.value, previous), owners, made)
    for key, record in mine.items():
        if key in records:
            continue
        left = _left(record, desired)
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
    _plain(sysctl.PATH, found)
    files = {sysctl.PATH: (found._replace(text=sysctl.render(entries)), "sysctls at the next boot")}
    later = {path: file.text or "" for path, file in state.files.items() if sysctl.is_later(path)}
    warnings += sysctl.overridden({entry[0]: entry[1] for entry in entries}, later)
    ordered = sorted(values.items(), key=lambda item: sysctl.rank(item[0]))
    return dict(ordered), files, records, tuple(warnings)


def _resolver(desired: Desired, state: State, mine: Owned) -> Result:
    spec = desired.resolver
    records = _kept(mine, desired)
    if spec is None:
        return {}, records, ()
    from ansible_collections.kubenode.network.plugins.module_utils._resolver import resolv_conf

    for part in ("servers", "search", "options"):
        value = getattr(spec, part)
        if value is not None:
            said_by = {spec.owner} if spec.owner else set()
            record = mine.get(("resolver", part))
            owners = _agreed(f"resolver {part}", spec.origin, said_by, value, record, desired)
            records["resolver", part] = Record("resolver", value, owners, True)
    found = state.files.get(resolv_conf.PATH, FileState(None))
    text: str | None = resolv_conf.edit(found.text or "", spec)
    if not text and found.text is None:
        text = None
    warnings = list(resolv_conf.warnings(spec, _cluster_dns(state), desired.cluster_cidrs))
    if text == found.text:
        return {}, records, tuple(warnings)
    from ansible_collections.kubenode.network.plugins.module_utils._resolver import owner

    writer = owner.classify(state.files)
    if not writer.writable:
        raise owner.refusal(writer)
    if writer.name == owner.CONTAINER:
        warnings.append(f"{resolv_conf.PATH} is written by the container runtime at each start: {writer.evidence}")
    return {resolv_conf.PATH: (found._replace(text=text), f"the resolver; {writer.evidence}")}, records, tuple(warnings)


def _cluster_dns(state: State) -> list[str]:
    from ansible_collections.kubenode.network.plugins.module_utils._resolver.resolv_conf import kubelet_cluster_dns

    texts = [state.files[path].text or "" for path in KUBELET_CONFIGS if path in state.files]
    return [address for text in texts for address in kubelet_cluster_dns(text)]


def _hosts(desired: Desired, state: State, mine: Owned) -> Result:
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
        left = _left(record, desired)
        if entry not in records and not record.made and left is not None:
            records[entry] = record._replace(owners=left)
    if not text and found.text is None:
        text = None
    if text == found.text:
        return {}, records, ()
    _plain(hosts.PATH, found)
    warning = (
        f"{hosts.PATH} is written anew by cloud-init at each boot (manage_etc_hosts): put the entries into its "
        "template, or switch that off"
    )
    generated = hosts.is_generated(found.text or "")
    return {hosts.PATH: (found._replace(text=text), "host names")}, records, (warning,) if generated else ()


def _nsswitch(desired: Desired, state: State, mine: Owned) -> Result:
    sources = desired.nsswitch_hosts
    records = _kept(mine, desired)
    if sources is None:
        return {}, records, ()
    from ansible_collections.kubenode.network.plugins.module_utils._resolver import nsswitch

    found = state.files.get(nsswitch.PATH, FileState(None))
    text = nsswitch.edit(found.text or "", sources)
    # Declarations of it carry no owner of their own: it is the run's.
    said_by = {name for name, kind in desired.prune if kind == "nsswitch"}
    value = nsswitch.parse(text)
    owners = _agreed("hosts", "nsswitch_hosts", said_by, value, mine.get(("nsswitch", "hosts")), desired)
    records["nsswitch", "hosts"] = Record("nsswitch", value, owners, True)
    warnings = tuple(nsswitch.warnings(sources))
    if text == found.text:
        return {}, records, warnings
    from ansible_collections.kubenode.network.plugins.module_utils._resolver.owner import nsswitch_refusal

    refusal = nsswitch_refusal(found)
    if refusal:
        raise refusal
    return {nsswitch.PATH: (found._replace(text=text), "order of host sources")}, records, warnings


def _tables(desired: Desired, state: State, mine: Owned) -> Result:
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
            kept = _left(before, desired) or () if before else ()
            value = (spec.id, spec.name, spec.purpose)
            records["table", spec.name] = Record("table", value, tuple(sorted({*owners, *kept})), False)
            continue
        known, others = entries.get(spec.name, (spec, owners))
        purpose = known.purpose if others - owners and known.purpose else spec.purpose
        entries[spec.name] = (spec._replace(purpose=purpose), others | owners)
    for name, (spec, others) in entries.items():
        records["table", name] = Record("table", (spec.id, name, spec.purpose), tuple(sorted(others)), True)
    records = {**{key: record for key, record in _kept(mine, desired).items() if not record.made}, **records}
    text = tables.render(entries.values())
    if text == found.text:
        return {}, records, ()
    _plain(tables.PATH, found)
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


def _inside(owned: Owned) -> Owned:
    """The records of what is in files: looked for once, as there may be 10,000 of routes."""
    return {key: record for key, record in owned.items() if key[0] in KINDS}


def _of(kind: str, owned: Owned) -> Owned:
    return {key: record for key, record in owned.items() if key[0] == kind}


def _concerns(kind: str, declared: t.Any, desired: Desired, owned: Owned) -> bool:
    """Whether a kind is declared, or somebody who recorded something of it may let go."""
    owners = {owner for owner, pruned in desired.prune if pruned == kind}
    return bool(declared) or any(key[0] == kind and owners & set(record.owners) for key, record in owned.items())


def _left(record: Record, desired: Desired) -> tuple[str, ...] | None:
    """The owners of something that is not declared; None where the last of them let go."""
    left = tuple(owner for owner in record.owners if (owner, record.kind) not in desired.prune)
    return left if left or not record.owners else None


def _kept(mine: Owned, desired: Desired) -> Owned:
    left = {key: _left(record, desired) for key, record in mine.items()}
    return {key: mine[key]._replace(owners=owners) for key, owners in left.items() if owners is not None}


def _agreed(
    what: str, origin: str, owners: t.AbstractSet[str], value: t.Any, record: Record | None, desired: Desired
) -> tuple[str, ...]:
    """The owners of a value that ``owners`` declare; raises StateError where others declared another one."""
    others = [name for name in _left(record, desired) or () if name not in owners] if record else []
    recorded = record.value[1] if record and record.kind == "sysctl" else record.value if record else None
    if others and recorded != value:
        raise StateError(
            f"{origin}: {what} is to be {_words(value)}, but {', '.join(others)} set it to {_words(recorded)}: make "
            "both say the same, or take it from the other's document first"
        )
    return tuple(sorted({*others, *owners}))


def _words(value: t.Any) -> str:
    return value if isinstance(value, str) else " ".join(value) or "nothing"


def _plain(path: str, state: FileState) -> None:
    if state.link is not None:
        raise StateError(
            f"{path} is a symbolic link to {state.link}, and links are never written through: put an ordinary file in "
            "its place"
        )
