# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan: from what a node holds and what it shall hold to an ordered list of changes (pure).

`--check` is this and no more, so what it shows is what a run does. The order never cuts a path that a later step
needs: names and settings first, links, addresses, routes that others lean on, rules once their tables are filled; then
the removals, the other way round.
"""

from __future__ import annotations

import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._state.classify import Classifier
from ansible_collections.kubenode.network.plugins.module_utils._state.cni import Networks
from ansible_collections.kubenode.network.plugins.module_utils._state.ledger import Ledger
from ansible_collections.kubenode.network.plugins.module_utils._state.model import (
    Change,
    FileState,
    Owned,
    Plan,
    State,
    Target,
)

# Inside one run: what later steps need comes first. Files that programs read for names (resolver, hosts) come last.
_EARLY_FILES = ("/etc/iproute2/", "/etc/sysctl.d/")
_MAIN_TABLES = (253, 254, 255)


def plan(
    state: State,
    target: Target,
    owned: Owned,
    networks: Networks,
    on_conflict: str = "fail",
    allow_default_override: bool = False,
    protect: t.Sequence[str] = (),
    peers: t.Sequence[tuple[str, str, str | None]] = (),
) -> Plan:
    """Raises StateError, naming every conflict, where the target cannot be reached without touching others.

    `protect`: CIDRs that nothing may shadow. `peers`: (what, address, own address or None) of connections that must
    stay: the controller's, the API server's.
    """
    ledger = Ledger(state, target, owned, Classifier(owned, networks), on_conflict)
    if target.links or target.absent_links or target.prune:
        from ansible_collections.kubenode.network.plugins.module_utils._state.plan_links import (
            plan_addresses,
            plan_links,
        )

        plan_links(ledger)
        plan_addresses(ledger)
    if target.routes or target.absent_routes or target.prune:
        from ansible_collections.kubenode.network.plugins.module_utils._state.plan_routes import plan_routes

        plan_routes(ledger)
    if target.rules or target.absent_rules or target.prune:
        from ansible_collections.kubenode.network.plugins.module_utils._state import plan_rules

        plan_rules.plan_rules(ledger)
        if target.rules:
            plan_rules.warn_of_empty_tables(ledger, _tables_afterwards(ledger))
    if target.settings or target.absent_links or target.prune:
        from ansible_collections.kubenode.network.plugins.module_utils._state.settings import plan_settings

        plan_settings(ledger)
    _files(ledger)
    ledger.raise_conflicts()
    if ledger.changes:
        from ansible_collections.kubenode.network.plugins.module_utils._state import protect as protection

        depths = _depths(ledger.changes)
        ledger.changes.sort(key=lambda change: _step(change, depths))
        if not allow_default_override:
            protection.check(state, ledger.changes, peers, protect)
        protection.check_collateral(ledger)
        if target.links:
            from ansible_collections.kubenode.network.plugins.module_utils._state.plan_links import check_closing

            check_closing(ledger)
        ledger.raise_conflicts()
    return Plan(tuple(ledger.changes), ledger.owned, tuple(dict.fromkeys(ledger.warnings)))


def _tables_afterwards(ledger: Ledger) -> set[tuple[int, int]]:
    removed = {key for kind, key in ledger.gone if kind == "route"}
    tables = {(key[0], key[1]) for key in ledger.state.routes if key not in removed}
    tables.update((key[0], key[1]) for key in ledger.target.routes)
    return tables


def _files(ledger: Ledger) -> None:
    target, state = ledger.target, ledger.state
    for path, (wanted, why) in target.files.items():
        found = state.files.get(path, FileState(None))
        if found.text != wanted.text:
            ledger.change("file", path, found, wanted, (), why)
    for writer, (back, there) in target.activations.items():
        ledger.change("activate", writer, back, there, (), "takes up its files")
    for key, (value, owners) in target.sysctls.items():
        current = state.sysctls.get(key)
        if current != value:
            ledger.change("sysctl", key, current, value, owners)
    for interface, owners in target.forwarded.items():
        ledger.declare("nft", interface, interface, owners, True)
    for _released in ledger.let_go("nft", target.forwarded):
        pass
    if target.nft != state.nft:
        ledger.change("nft", "table inet kubenode_network", state.nft, target.nft)
    if target.records is None:
        return
    inside = ("host", "table", "sysctl", "resolver", "nsswitch")
    for entry in [entry for entry in ledger.owned if entry[0] in inside]:
        if entry not in target.records:
            del ledger.owned[entry]
    ledger.owned.update(target.records)


def interfaces_of(change: Change) -> set[str]:
    """The interfaces that a change is about."""
    if change.kind == "link":
        return {change.name}
    found = set()
    for thing in (change.before, change.after):
        if thing is None:
            continue
        if change.kind == "address":
            found.add(thing.interface)
        elif change.kind == "route":
            found.update(hop.interface for hop in thing.next_hops if hop.interface)
    return found


def _depths(changes: t.Iterable[Change]) -> dict[str, int]:
    """How many links each changed link stands on: what it is built on and whose port it is has to be there first."""
    links = {change.name: change.after or change.before for change in changes if change.kind == "link"}
    depths: dict[str, int] = {}

    def depth(name: str | None, above: tuple[str, ...] = ()) -> int:
        if name is None or name not in links or name in above:
            return 0
        if name not in depths:
            link = links[name]
            depths[name] = 1 + max(depth(link.parent, (*above, name)), depth(link.master, (*above, name)))
        return depths[name]

    for name in links:
        depth(name)
    return depths


def _step(change: Change, depths: t.Mapping[str, int]) -> tuple[t.Any, ...]:
    kind, before, after = change.kind, change.before, change.after
    if kind == "file":
        return (0,) if change.name.startswith(_EARLY_FILES) else (95,)
    if kind == "activate":
        return (96,)
    if kind == "sysctl":
        # Keys of an interface that is still to be made exist only after it.
        return (25,) if before is None else (5,)
    if kind == "nft":
        # Marks are set before a rule looks at them, and taken away after it is gone.
        return (45,) if after is not None else (85,)
    if kind == "link":
        if after is None:
            return (90, -depths[change.name])
        if before is not None and before.up and not after.up:
            return (88, -depths[change.name])
        return (10, depths[change.name])
    if kind == "address":
        return (20,) if after is not None else (80,)
    if kind == "route":
        if after is None:
            return (70, before.table in _MAIN_TABLES, not any(hop.gateway for hop in before.next_hops))
        # Device routes first (gateways lean on them), other tables before main, defaults last.
        by_gateway = any(hop.gateway for hop in after.next_hops)
        return (30, by_gateway, after.table in _MAIN_TABLES, after.destination.endswith("/0"))
    return (50,) if after is not None else (60,)
