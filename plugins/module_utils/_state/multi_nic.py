# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Replies of a multi-homed node leave through the NIC that the request came in on (pure).

Each entry of ``multi_nic`` becomes what an operator would write by hand: a table with the NIC's networks and its
gateway, a rule for each of the NIC's addresses that leads there, and in front of them rules that keep the cluster's own
networks on the main table. With ``forwarded`` the replies of pods follow, by a mark (see nft).
"""

from __future__ import annotations

from ansible_collections.kubenode.network.plugins.module_utils._netlink.addr import canonical_prefix
from ansible_collections.kubenode.network.plugins.module_utils._netlink.objects import Address
from ansible_collections.kubenode.network.plugins.module_utils._state.model import (
    Desired,
    MultiNicSpec,
    NextHopSpec,
    Owned,
    RouteSpec,
    RuleSpec,
    State,
    StateError,
    TableSpec,
    Target,
)
from ansible_collections.kubenode.network.plugins.module_utils._state.resolve import AF_INET, AF_INET6, Names

MAIN = 254
# Where tables and rules go that the user gives no number: a table range that nobody of cni.py takes for itself, and
# priorities in front of those that rules without one get (30000).
TABLES = range(10000, 10100)
PRIORITY = 20001
_SCOPE_LINK = 253
_FAMILIES = ((AF_INET, "gateway", 32), (AF_INET6, "gateway6", 128))


def table_name(interface: str) -> str:
    """The name under which a table without a number is kept in rt_tables.d, so that a NIC keeps its table."""
    return "nic-" + interface


def spell_out(
    desired: Desired, target: Target, state: State, names: Names, owned: Owned, warnings: list[str]
) -> tuple[Desired, Target]:
    """``desired`` with tables, routes and rules for its ``multi_nic`` entries, ``target`` with our nftables."""
    routes, rules, tables = list(desired.routes), list(desired.rules), list(desired.tables)
    if desired.multi_nic and not desired.cluster_cidrs:
        warnings.append(
            "multi_nic without cluster_cidrs: pods and services that the node reaches from a NIC's own address would "
            "be looked for behind that NIC's gateway. Give the pod and service CIDRs."
        )
    forwarded = {names.link(spec.interface): spec for spec in desired.multi_nic if spec.forwarded}
    marks, target = _marks(desired, target, state, owned, forwarded)
    taken = set(names.tables.values()) | {key[1] for key in state.routes}
    for spec in desired.multi_nic:
        interface = names.link(spec.interface)
        spec = spec._replace(interface=interface)
        if interface not in target.links and interface not in state.links:
            raise StateError(
                f"{spec.origin}: this node has no interface '{spec.interface}'; it has "
                f"{', '.join(sorted(state.links))}."
            )
        table = _table(spec, names, taken, tables)
        for family, field, bits in _FAMILIES:
            gateway = getattr(spec, field)
            if gateway is not None:
                _family(spec, family, bits, gateway, table, desired, target, state, routes, rules)
                mark = marks.get(interface)
                if mark is not None and interface in forwarded:
                    from ansible_collections.kubenode.network.plugins.module_utils._state.nft import MASK

                    rules.append(
                        _rule(spec, family, table, spec.priority or PRIORITY)._replace(fwmark=mark, fwmask=MASK)
                    )
    return desired._replace(routes=tuple(routes), rules=tuple(rules), tables=tuple(tables)), target


def _marks(
    desired: Desired, target: Target, state: State, owned: Owned, forwarded: dict[str, MultiNicSpec]
) -> tuple[dict[str, int], Target]:
    """Marks of all NICs that forward, those of other owners included: one nftables table serves the node."""
    pruned = set(desired.prune)
    kept = {
        interface: record.owners
        for (kind, interface), record in owned.items()
        if kind == "nft" and (not record.owners or any((owner, "nft") not in pruned for owner in record.owners))
    }
    wanted: dict[str, tuple[str, ...]] = {
        interface: (spec.owner,) if spec.owner else () for interface, spec in forwarded.items()
    }
    if not kept and not wanted and state.nft is None:
        return {}, target
    from ansible_collections.kubenode.network.plugins.module_utils._state import nft

    marks = nft.assign([*kept, *wanted], state.nft)
    return marks, target._replace(nft=nft.render(marks), forwarded=wanted)


def _table(spec: MultiNicSpec, names: Names, taken: set[int], tables: list[TableSpec]) -> int:
    if spec.table is not None:
        return names.table(spec.table, spec.origin)
    name = table_name(spec.interface)
    number = names.tables.get(name)
    if number is None:
        number = next((number for number in TABLES if number not in taken), None)
        if number is None:
            raise StateError(f"{spec.origin}: all tables from {TABLES[0]} to {TABLES[-1]} are taken; give table.")
    taken.add(number)
    purpose = f"replies of {spec.interface} (multi_nic)"
    if not any(table.name == name for table in tables):
        tables.append(TableSpec(spec.owner, spec.origin, number, name, purpose))
    return number


def _addresses(spec: MultiNicSpec, family: int, target: Target, state: State) -> list[Address]:
    """The NIC's own static addresses of a family: those declared, and those there that the run does not remove."""
    found = {key: address for key, (address, _owners) in target.addresses.items()}
    if not target.listed.get((spec.interface, family), False):
        for key, address in state.addresses.items():
            found.setdefault(key, address)
    return [
        address
        for address in found.values()
        if address.interface == spec.interface and address.family == family and address.scope != _SCOPE_LINK
    ]


def _rule(spec: MultiNicSpec, family: int, table: int, priority: int) -> RuleSpec:
    return RuleSpec(spec.owner, spec.origin, False, family, priority, "lookup", table)


def _family(
    spec: MultiNicSpec,
    family: int,
    bits: int,
    gateway: str,
    table: int,
    desired: Desired,
    target: Target,
    state: State,
    routes: list[RouteSpec],
    rules: list[RuleSpec],
) -> None:
    addresses = _addresses(spec, family, target, state)
    if not addresses:
        raise StateError(
            f"{spec.origin}: {spec.interface} has no IPv{4 if family == AF_INET else 6} address, so nothing can come "
            "in by it. Declare one in interfaces."
        )
    route = RouteSpec(spec.owner, spec.origin, False, family, None, table, next_hops=(NextHopSpec(spec.interface),))
    for network in sorted({canonical_prefix(f"{a.address}/{a.prefix_length}") for a in addresses}):
        if not network.endswith(f"/{bits}"):
            routes.append(route._replace(destination=network))
    default = "0.0.0.0/0" if family == AF_INET else "::/0"
    routes.append(route._replace(destination=default, next_hops=(NextHopSpec(spec.interface, gateway),)))
    priority = spec.priority or PRIORITY
    for cidr in desired.cluster_cidrs:
        if (":" in cidr) == (family == AF_INET6):
            # In front of the rules by source: same range, one number earlier.
            rule = _rule(spec, family, MAIN, priority - 1)._replace(destination=cidr)
            if not any(other[3:] == rule[3:] and other.owner == rule.owner for other in rules):
                rules.append(rule)
    for address in sorted({a.address for a in addresses}):
        rules.append(_rule(spec, family, table, priority)._replace(source=f"{address}/{bits}"))
