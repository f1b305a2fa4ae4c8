# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a plan of kernel objects to the plan of its configuration: files of the managers, and their taking them up.

A NIC has one manager; what the manager cannot say, links that are to be made, and all of a NIC that nobody manages are
replayed by units of our own.
"""

from __future__ import annotations

import typing as t
from importlib import import_module

from ansible_collections.kubenode.network.plugins.module_utils._netlink.constants import KUBENODE_PROTOCOL
from ansible_collections.kubenode.network.plugins.module_utils._persist.contract import Activation, Configuration, Nic
from ansible_collections.kubenode.network.plugins.module_utils._persist.detect import (
    BOTH,
    IFUPDOWN,
    NETWORK_MANAGER,
    NETWORKD,
    comes_back,
    managers,
)
from ansible_collections.kubenode.network.plugins.module_utils._persist.records import NODE, empty, nics
from ansible_collections.kubenode.network.plugins.module_utils._persist.standing import digest, digest_of
from ansible_collections.kubenode.network.plugins.module_utils._state.files import encode, read_file
from ansible_collections.kubenode.network.plugins.module_utils._state.ledger import text_of
from ansible_collections.kubenode.network.plugins.module_utils._state.model import (
    Change,
    FileState,
    Owned,
    Plan,
    Record,
    State,
    StateError,
    Target,
)

LEASE = "of a lease that is not taken"
"""The reason of the changes that remove what DHCP brought."""
UNITS = ""
"""Manager of the NICs that nobody manages: our own units."""
WATCHED = f"{NETWORK_MANAGER} (watching)"
"""NetworkManager, where it is told to leave a NIC to our units."""

Objects = t.Dict[str, t.List[t.Tuple[str, t.Any]]]  # noqa: UP006 - evaluated at run time

_ROOM = __name__.rpartition(".")[0]
_BACKENDS = {
    UNITS: "boot_unit",
    NETWORK_MANAGER: "networkmanager",
    NETWORKD: "networkd",
    IFUPDOWN: "ifupdown",
    "netplan": "netplan",
}

Nics = t.Dict[str, Nic]  # noqa: UP006 - evaluated at run time


def configured(
    state: State, target: Target, plan: Plan, owned: Owned, on_conflict: str = "fail", keep_foreign: str = "auto",
    root: str = "/",
) -> tuple[Plan, State]:  # fmt: skip
    """``plan`` with the changes of the configuration in front, and its records with where the configuration stands.

    The state is returned with its managers. Raises StateError where something cannot be kept, naming the way out.
    """
    state = state._replace(managers=_managers(state, owned, root))
    warnings = list(plan.warnings)
    if not target.persist:
        warnings += _undone_later(plan, state)
    # What was there before us stays in its file when its owners let go, as it stays in the kernel.
    kept = {key: record for key, record in owned.items() if record.made or key in plan.owned}
    before, after = nics(kept), nics(plan.owned)
    removed = _removed(plan) if target.persist else {}
    names = _concerned(target, before, after, removed)
    if any(kind == "rule" and (kind, value.key) not in owned for kind, value in removed.get(NODE, ())):
        # Any of their files may declare a rule that we did not make.
        names = sorted({*names, *state.managers})
    work = _shared_out(names, before, after, state, owned, removed)
    results: list[tuple[str, Configuration]] = []
    for manager in sorted((one for one in work if one != UNITS), reverse=True):
        previous, wanted = work[manager]
        found = _ask(manager, previous, wanted, state, root, on_conflict, keep_foreign)
        if all(_manager_of(name, state, owned) != manager for name in {*previous, *wanted}):
            # It has lost its NICs to another one: its files go, and it is left in peace.
            found = found._replace(activate=(), restore=())
        results.append((manager, found))
        for kind, value in found.unexpressed:
            _add(work, names, kind, value)
    previous, wanted = work.get(UNITS, ({}, {}))
    results.append((UNITS, _ask(UNITS, previous, wanted, state, root, on_conflict, keep_foreign)))
    left_alone = _left_alone(previous, wanted, state, root)
    if left_alone != Configuration():
        work[WATCHED] = ({}, {})
        results.append((WATCHED, left_alone))
    for manager, found in results:
        plan = _with_protocols(plan, found, work[manager][1], manager, state)
        if manager != UNITS:
            plan = _without_leases(plan, found, work[manager][1], state)
    if any(manager.endswith((NETWORKD, f"({NETWORKD})")) for manager, _found in results):
        plan = _with_broadcasts(plan, state)
    changes: list[Change] = []
    activations: list[Change] = []
    for manager, found in results:
        for path, file in found.files.items():
            changes.append(_file(path, file, manager, root))
        if found.activate or found.restore:
            activations.append(_activation(manager, found, work[manager], after))
        warnings += found.warnings
    records = _records(plan.owned, names, after, state, results, root)
    gone = {change.before for change in plan.changes if change.kind == "route" and change.after is None}
    drops = [
        Change("route", text_of(route), route, None, reason="not taken of the lease")
        for _manager, found in results for route in found.drops if route not in gone
    ]  # fmt: skip
    made = Plan((*changes, *activations, *plan.changes, *drops), records, tuple(dict.fromkeys(warnings)))
    return made, state


def _left_alone(previous: Nics, wanted: Nics, state: State, root: str) -> Configuration:
    """What NetworkManager is told of the NICs that our units configure and that it has an eye on."""
    if not any(name in state.links for name in {*previous, *wanted}):
        return Configuration()
    from ansible_collections.kubenode.network.plugins.module_utils._persist import networkmanager_release

    return networkmanager_release.configure(previous, wanted, state, root)


def _managers(state: State, owned: Owned, root: str) -> dict[str, str]:
    """NIC -> manager; a manager that had it, and is merely down until the next boot, still has it."""
    found = managers(state.links, root)
    for (kind, name), record in owned.items():
        if kind == "manager" and name in state.links and name not in found and comes_back(record.value, root):
            found[name] = record.value
    return found


def _undone_later(plan: Plan, state: State) -> t.Iterator[str]:
    from ansible_collections.kubenode.network.plugins.module_utils._state.plan import interfaces_of

    found = {name for change in plan.changes for name in interfaces_of(change) if name in state.managers}
    for name in sorted(found):
        yield (
            f"persist is false: {name} is changed in the kernel alone, and {state.managers[name]} manages it: it may "
            "undo the change whenever it configures the NIC again."
        )


def _removed(plan: Plan) -> Objects:
    """NIC -> what this run takes away from it; a rule may stand in the file of any NIC."""
    from ansible_collections.kubenode.network.plugins.module_utils._state.plan import interfaces_of

    found: Objects = {}
    for change in plan.changes:
        if change.kind in ("address", "route", "rule") and change.before is not None and change.after is None:
            for name in interfaces_of(change) or (NODE,):
                found.setdefault(name, []).append((change.kind, change.before))
    return found


def _concerned(target: Target, before: Nics, after: Nics, removed: Objects) -> list[str]:
    """NICs that this run declares, and those whose configuration it changes; others' files are not looked at."""
    names = {name for name in {*before, *after} if before.get(name) != after.get(name)} | {*removed}
    declared = {name for name, (_link, owners) in target.links.items() if owners}
    declared.update(address.interface for address, _owners in target.addresses.values())
    declared.update(
        hop.interface for route, *_rest in target.routes.values() for hop in route.next_hops if hop.interface
    )
    declared.update(name for name, _field in target.settings)
    if target.rules or target.routes:
        declared.add(NODE)
    return sorted(names | (declared & {*before, *after}))


def _manager_of(name: str, state: State, owned: Owned) -> str:
    """Who has the NIC; of one that is not there now, who had it."""
    if name in state.links or name == NODE:
        return state.managers.get(name, UNITS)
    record = owned.get(("manager", name))
    return record.value if record is not None else UNITS


def _shared_out(
    names: t.Iterable[str], before: Nics, after: Nics, state: State, owned: Owned, removed: Objects
) -> dict[str, tuple[Nics, Nics]]:
    """Manager -> (previous, wanted) of its NICs."""
    work: dict[str, tuple[Nics, Nics]] = {UNITS: ({}, {})}
    for name in names:
        manager = _manager_of(name, state, owned)
        record = owned.get(("manager", name))
        old = record.value if record is not None else manager
        # Their files are looked for whoever has the NIC now.
        work[UNITS][0][name] = before.get(name, Nic(name))
        if name in before and old != UNITS:
            work.setdefault(old, ({}, {}))[0][name] = _managed_part(before[name])
        wanted = after.get(name, Nic(name))
        if manager == UNITS:
            if not empty(wanted):
                _check_dhcp(wanted)
                work[UNITS][1][name] = wanted
            continue
        rest = _managed_part(wanted)._replace(removed=tuple(removed.get(name, []) + removed.get(NODE, [])))
        if not empty(rest):
            work.setdefault(manager, ({}, {}))[1][name] = rest
        ours = Nic(name, wanted.link if wanted.link and wanted.link.kind else None)
        ours = ours._replace(routes=tuple(route for route in wanted.routes if _many(route)))
        if not empty(ours):
            work[UNITS][1][name] = ours
    return work


def _managed_part(nic: Nic) -> Nic:
    return nic._replace(link=None, routes=tuple(route for route in nic.routes if not _many(route)), sysctls=())


def _many(route: t.Any) -> bool:
    return len({hop.interface for hop in route.next_hops}) > 1


def _check_dhcp(nic: Nic) -> None:
    for family, dhcp in (("ipv4", nic.dhcp4), ("ipv6", nic.dhcp6)):
        if dhcp is not None and (dhcp.enabled or dhcp.autoconf):
            raise StateError(
                f"interface {nic.name}: {family} with DHCP or autoconfiguration: expected a NIC that NetworkManager, "
                "systemd-networkd or ifupdown manages, as one of them has to ask for the lease; found that nobody "
                "manages it. Give the NIC to a manager, or give its addresses"
            )
    if nic.resolver is not None:
        raise StateError(
            f"interface {nic.name}: DNS servers of one NIC: expected a NIC that NetworkManager, systemd-networkd or "
            "ifupdown manages; found that nobody manages it. Declare them for the whole node (without interface)"
        )


def _add(work: dict[str, tuple[Nics, Nics]], names: t.Sequence[str], kind: str, value: t.Any) -> None:
    """Give an object that a manager cannot say to the units of its NIC."""
    if kind == "address":
        places = [value.interface]
    elif kind == "route":
        places = [hop.interface for hop in value.next_hops if hop.interface] or [NODE]
    else:
        places = [NODE]
    for name in places:
        units = work[UNITS]
        if name not in names:
            units[0].setdefault(name, Nic(name))
        nic = units[1].get(name, Nic(name))
        if kind == "address":
            nic = nic._replace(addresses=(*nic.addresses, value))
        elif kind == "route":
            nic = nic._replace(routes=(*nic.routes, value))
        else:
            nic = nic._replace(rules=(*nic.rules, value))
        units[1][name] = nic


def _ask(
    manager: str, previous: Nics, wanted: Nics, state: State, root: str, on_conflict: str, keep_foreign: str
) -> Configuration:
    if not previous and not wanted:
        return Configuration()
    if BOTH in manager:
        raise StateError(
            f"{', '.join(sorted(wanted or previous))}: {manager} both claim it, and each would undo what the other "
            "does: expected one manager. Take the NIC out of the hands of one of them (nmcli device set NIC managed "
            "no, or Unmanaged=yes in its .network file)"
        )
    # netplan is named with its renderer.
    backend = import_module(f"{_ROOM}.{_BACKENDS[manager.partition(' ')[0]]}")
    if manager.partition(" (")[2].rstrip(")") == NETWORKD or manager == NETWORKD:
        found = backend.configure(previous, wanted, state, root, on_conflict, keep_foreign)
    else:
        found = backend.configure(previous, wanted, state, root, on_conflict)
    return t.cast("Configuration", found)


def _with_protocols(plan: Plan, found: Configuration, wanted: Nics, manager: str, state: State) -> Plan:
    """The plan with routes and rules of a manager in the protocol that it makes them with.

    One that is in the kernel with our own protocol already is exchanged: the manager would make another one beside it.
    """
    left = set(found.unexpressed)
    swaps: dict[tuple[str, t.Any], t.Any] = {}
    for kind, protocol in (("route", found.route_protocol), ("rule", found.rule_protocol)):
        for nic in wanted.values() if protocol is not None else ():
            for value in t.cast("tuple[t.Any, ...]", nic.routes if kind == "route" else nic.rules):
                record = plan.owned.get((kind, value.key))
                if value.protocol == protocol or (kind, value) in left or record is None or not record.made:
                    continue
                swaps[kind, value] = value._replace(protocol=protocol)
    if not swaps:
        return plan
    changes = [
        change._replace(after=swaps.pop((change.kind, change.after)))
        if change.after is not None and change.kind in ("route", "rule") and (change.kind, change.after) in swaps
        else change
        for change in plan.changes
    ]
    owned = dict(plan.owned)
    for change in changes:
        if change.kind in ("route", "rule") and change.after is not None:
            _renew(owned, change.kind, change.after)
    first = []
    for (kind, old), new in swaps.items():
        standing: t.Any = state.routes if kind == "route" else state.rules
        if old in standing.get(old.key, ()):
            record = owned[kind, old.key]
            first.append(Change(kind, text_of(old), old, new, record.owners, f"{manager}'s from now on"))
        _renew(owned, kind, new)
    return plan._replace(changes=(*first, *changes), owned=owned)


def _with_broadcasts(plan: Plan, state: State) -> Plan:
    """New addresses with the broadcast address that networkd gives them: see ``networkd_files.usual_broadcast``."""
    from ansible_collections.kubenode.network.plugins.module_utils._persist.networkd_files import usual_broadcast

    changes = [
        change._replace(after=change.after._replace(broadcast=change.after.broadcast or usual_broadcast(change.after)))
        if change.kind == "address" and change.after is not None
        and NETWORKD in state.managers.get(change.after.interface, "")
        else change
        for change in plan.changes
    ]  # fmt: skip
    return plan._replace(changes=tuple(changes))


def _without_leases(plan: Plan, found: Configuration, wanted: Nics, state: State) -> Plan:
    from ansible_collections.kubenode.network.plugins.module_utils._persist.leases import going

    over = [*found.stale, *(item for nic in wanted.values() for item in going(nic, state))]
    known = {(change.kind, change.before) for change in plan.changes}
    changes = [
        Change(kind, text_of(value), value, None, (), LEASE)
        for kind, value in dict.fromkeys(over)
        if (kind, value) not in known
    ]
    return plan._replace(changes=(*plan.changes, *changes))


def _renew(owned: Owned, kind: str, new: t.Any) -> None:
    """Put an object with another protocol into its record, which for a rule has another key then."""
    keys = dict.fromkeys((kind, new._replace(protocol=one).key) for one in (new.protocol, KUBENODE_PROTOCOL))
    found = [record for record in (owned.pop(key, None) for key in keys) if record is not None]
    if found:
        owners = sorted({owner for record in found for owner in record.owners})
        owned[kind, new.key] = found[-1]._replace(value=new, owners=tuple(owners))


def _file(path: str, wanted: FileState, manager: str, root: str) -> Change:
    return Change("file", path, read_file(path, root), wanted, (), f"configuration for {manager or 'the next boot'}")


def _activation(manager: str, found: Configuration, part: tuple[Nics, Nics], after: Nics) -> Change:
    # Our units are only read anew: nothing is started, the kernel has it already.
    names = tuple(sorted({*part[0], *part[1]} - found.later)) if manager != UNITS else ()
    left = set(found.unexpressed)
    told = [nic for name, nic in part[1].items() if name in names]
    rules = [rule for nic in told for rule in nic.rules if ("rule", rule) not in left]
    many = tuple(("route", route) for name in names for route in after.get(name, Nic(name)).routes if _many(route))
    common = (names, (*found.unexpressed, *many), found.ready, tuple(rules) if names else ())
    restore, activate = Activation(found.restore, *common), Activation(found.activate, *common)
    return Change("activate", manager or "systemd", restore, activate)


def _records(
    owned: Owned, names: t.Sequence[str], after: Nics, state: State, results: list[tuple[str, Configuration]], root: str
) -> Owned:
    records = dict(owned)
    for name in names:
        records.pop(("manager", name), None)
        if name in after and name != NODE:
            manager = _manager_of(name, state, owned)
            records["manager", name] = Record("manager", manager, (), True)
    whole = {manager for manager, _found in results} if set(after) <= set(names) else set()
    for (kind, path), record in owned.items():
        if kind == "config" and record.value[1] in whole:
            del records["config", path]
    for manager, found in results:
        for path, file in found.files.items():
            records.pop(("config", path), None)
            if file.text is not None:
                text = digest_of(encode(file.text), file.link or "")
                records["config", path] = Record("config", (text, manager), (), True)
        for path in (*found.kept, *found.watched):
            if path not in found.files:
                records["config", path] = Record("config", (_later(path, found, root), manager), (), True)
    return records


def _later(path: str, found: Configuration, root: str) -> str:
    """The digest of a path once the files are written: a folder may gain or lose some of ours."""
    if not path.endswith("/"):
        return digest(path, root)
    import os

    try:
        names = set(os.listdir(os.path.join(root, path.lstrip("/"))))
    except OSError:
        names = set()
    for one, file in found.files.items():
        if one.startswith(path):
            name, slash, _rest = one[len(path) :].partition("/")
            if file.text is not None:
                names.add(name)
            elif not slash:
                names.discard(name)
    if not names:
        return digest(path, root)
    return digest_of("\0".join(sorted(names)).encode("utf-8", "surrogateescape"))
