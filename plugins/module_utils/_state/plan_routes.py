# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The routes' part of a plan (pure): what to add, replace, adopt and remove, and what stands in the way."""

from __future__ import annotations

from ansible_collections.kubenode.network.plugins.module_utils._netlink.constants import KUBENODE_PROTOCOL
from ansible_collections.kubenode.network.plugins.module_utils._netlink.objects import NextHop, Route
from ansible_collections.kubenode.network.plugins.module_utils._state.classify import OPERATOR, OTHER, OURS
from ansible_collections.kubenode.network.plugins.module_utils._state.ledger import Ledger, text_of
from ansible_collections.kubenode.network.plugins.module_utils._state.model import NextHopSpec, RouteSpec

_KERNEL = 2
_LOCAL_TABLE = 255
_MAIN_TABLE = 254
_RESERVED_TABLES = (253, 254, 255)


def same_route(found: Route, wanted: Route) -> bool:
    """Whether `found` does what `wanted` asks for, whoever made it (equal keys taken for granted).

    Left out: protocol, scope (it follows from the next hops) and attributes that we never set. The order of next hops
    means nothing, and a route that drops packets may show the loopback as its interface (IPv6).
    """
    if found.type != wanted.type or found.source != wanted.source or found.metrics != wanted.metrics:
        return False
    if wanted.type != "unicast" or found.next_hops == wanted.next_hops:
        return True
    return len(found.next_hops) == len(wanted.next_hops) and set(found.next_hops) == set(wanted.next_hops)


def plan_routes(ledger: Ledger) -> None:
    _declared(ledger)
    _absent(ledger)
    ledger.prune("route", ledger.target.routes, ledger.state.routes)


def _declared(ledger: Ledger) -> None:
    routes = ledger.state.routes
    owned = ledger.before
    persist = ledger.target.persist
    tables: set[tuple[int, int]] = set()
    for key, (wanted, owners, origin) in ledger.target.routes.items():
        found = routes.get(key)
        tables.add((wanted.family, wanted.table))
        if found is None:
            ledger.declare("route", key, wanted, owners, True)
            ledger.change("route", text_of(wanted), None, wanted, owners)
            continue
        first = found[0]
        if len(found) == 1 and first == wanted:
            # The everyday case, 10,000 times over: it is there, and it carries our protocol.
            record = owned.get(("route", key))
            if record is None or record.owners != owners or not record.made or record.persist is not persist:
                ledger.declare("route", key, wanted, owners, True)
            continue
        _contested(ledger, found, wanted, owners, origin)
    for family, table in tables:
        _check_table(ledger, family, table)


def _contested(ledger: Ledger, found: tuple[Route, ...], wanted: Route, owners: tuple[str, ...], origin: str) -> None:
    key = wanted.key
    same = next((route for route in found if same_route(route, wanted)), None)
    if same is not None:
        mine = ledger.classifier.route(same)[0] == OURS
        ledger.declare("route", key, same._replace(extra=()), owners, mine)
        return
    classes = [ledger.classifier.route(route) for route in found]
    replaceable = len(found) == 1 and (classes[0][0] == OURS or (ledger.replace and classes[0][0] == OPERATOR))
    if replaceable:
        mine = classes[0][0] == OURS
        ledger.declare("route", key, wanted, owners, True)
        reason = "" if mine else f"replaces that of {classes[0][1]}"
        ledger.change("route", text_of(wanted), found[0], wanted, owners, reason)
        return
    others = "; ".join(f"{text_of(route)} of {who}" for route, (kind, who) in zip(found, classes) if kind != OURS)
    way_out = "Choose another metric or table"
    if len(found) == 1 and classes[0][0] == OPERATOR:
        way_out += ", remove it, or set on_conflict: replace"
    note = ""
    if wanted.destination.endswith("/0") and wanted.table in _RESERVED_TABLES:
        note = " It is a default route in use, which an equal metric would take over."
    ledger.conflict(
        f"{origin}: {others} stands in the way of {text_of(wanted)}: the kernel tells them apart by destination, "
        f"table, tos and metric only, which are equal.{note} {way_out}."
    )


def _check_table(ledger: Ledger, family: int, table: int) -> None:
    """A table that a container network or a routing daemon fills is not ours to use."""
    if table in _RESERVED_TABLES:
        return
    user = ledger.classifier.networks.table_user(table)
    if user is None:
        for (other_family, other_table, *_rest), routes in ledger.state.routes.items():
            if other_table != table or other_family != family:
                continue
            for route in routes:
                # A VRF's table holds the kernel's own routes; they are no other user.
                if route.protocol != _KERNEL and route.protocol != KUBENODE_PROTOCOL:
                    kind, who = ledger.classifier.route(route)
                    if kind == OTHER:
                        user = who
                        break
            if user is not None:
                break
    if user is not None:
        ledger.conflict(f"Routing table {table} is used by {user} on this node; choose another table.")


# --- absent -----------------------------------------------------------------------------------------------------------


def matches(spec: RouteSpec, route: Route) -> bool:
    """Whether an absent entry means `route`: every field that it gives is equal, the others are wildcards."""
    if spec.destination is not None and route.destination != spec.destination:
        return False
    if spec.family is not None and route.family != spec.family:
        return False
    if spec.table is not None and route.table != spec.table:
        return False
    if spec.metric is not None and route.metric != spec.metric:
        return False
    if spec.type is not None and route.type != spec.type:
        return False
    if spec.source is not None and route.source != spec.source:
        return False
    if spec.tos is not None and route.tos != spec.tos:
        return False
    if spec.mtu is not None and (2, spec.mtu) not in route.metrics:
        return False
    if any(metric not in route.metrics for metric in spec.metrics):
        return False
    return all(any(_same_hop(hop, found) for found in route.next_hops) for hop in spec.next_hops)


def _same_hop(spec: NextHopSpec, found: NextHop) -> bool:
    return (
        spec.interface in (None, found.interface)
        and spec.gateway in (None, found.gateway or "")
        and spec.weight in (0, found.weight)
    )


def _says_the_same(spec: RouteSpec, wanted: Route) -> bool:
    """Whether a matching absent entry names all that the declared route does: then only one of them can be meant.

    A wider one in the same document is how NMState changes a route: what it matches goes, what is declared comes.
    """
    return (
        spec.destination is not None
        and (spec.table is not None or wanted.table == _MAIN_TABLE)
        and (spec.metric is not None or wanted.metric in (0, 1024))
        and (bool(spec.next_hops) or not wanted.next_hops)
        and all(hop.gateway is not None for hop in spec.next_hops)
    )


def _absent(ledger: Ledger) -> None:
    patterns = ledger.target.absent_routes
    if not patterns:
        return
    for wanted, owners, origin in ledger.target.routes.values():
        for spec in patterns:
            another = spec.owner is not None and spec.owner not in owners
            if matches(spec, wanted) and (another or _says_the_same(spec, wanted)):
                ledger.conflict(
                    f"{origin} and {spec.origin} contradict each other: {text_of(wanted)} is declared by the first and "
                    "removed by the second."
                )
    for routes in ledger.state.routes.values():
        for route in routes:
            if route.table == _LOCAL_TABLE or route.key in ledger.target.routes:
                # What stands under a declared key was settled above: kept, replaced or refused.
                continue
            for spec in patterns:
                if spec.destination is None and route.protocol == _KERNEL:
                    continue
                if matches(spec, route):
                    hint = "; it goes with its address" if route.protocol == _KERNEL else ""
                    ledger.remove("route", route, spec, hint)
                    break
