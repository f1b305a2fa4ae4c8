# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A node's routing at a glance, for people: rules -> tables -> next hops (pure)."""

from __future__ import annotations

import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._netlink.objects import Route, Rule
from ansible_collections.kubenode.network.plugins.module_utils._state.classify import record_of
from ansible_collections.kubenode.network.plugins.module_utils._state.describe import route_text, rule_text, table_text
from ansible_collections.kubenode.network.plugins.module_utils._state.model import Owned, State

_LOCAL = 255


def summary(state: State, owned: Owned, most: int = 20) -> list[str]:
    """Lines of a table: each rule once, in the order in which the kernel asks them, with the routes of its table.

    Left out are the local table and a family that has nothing but what the kernel makes. A table is spelled out where
    it is first looked up; of long ones the first `most` routes.
    """
    rows: list[tuple[str, str, str]] = []
    for family, name in ((2, "IPv4"), (10, "IPv6")):
        part = _family(state, owned, family, most)
        if part:
            rows.append((name + " rules", "table", "routes"))
            rows.extend(part)
    first, second = (max((len(row[column]) for row in rows), default=0) for column in (0, 1))
    return [f"{row[0]:<{first}}  {row[1]:<{second}}  {row[2]}".rstrip() for row in rows]


def _family(state: State, owned: Owned, family: int, most: int) -> list[tuple[str, str, str]]:
    rules = [rule for group in state.rules.values() for rule in group if rule.family == family]
    rules.sort(key=lambda rule: rule.priority)
    routes: dict[int, list[Route]] = {}
    for group in state.routes.values():
        for route in group:
            if route.family == family and route.table != _LOCAL:
                routes.setdefault(route.table, []).append(route)
    if not any(route.protocol != 2 for table in routes.values() for route in table):
        return []
    rows = []
    shown: set[int] = set()
    for rule in rules:
        if rule.action == "lookup" and (
            rule.table == _LOCAL or (not routes.get(rule.table) and rule.priority >= 32766)
        ):
            continue
        left = _words(rule) + _owners(owned, "rule", rule)
        if rule.action != "lookup":
            rows.append((left, rule.action, ""))
            continue
        lines = _table(routes.get(rule.table, []), owned, most)
        if rule.table in shown:
            lines = ["(above)"]
        shown.add(rule.table)
        rows.append((left, "-> " + table_text(rule.table, state.tables), lines[0] if lines else "(empty)"))
        rows.extend(("", "", line) for line in lines[1:])
    return rows


def _words(rule: Rule) -> str:
    """The rule without its action, which has a column of its own."""
    text = rule_text(rule._replace(protocol=0), {})
    return text.split(" lookup ", maxsplit=1)[0].replace("priority ", "", 1)


def _table(routes: list[Route], owned: Owned, most: int) -> list[str]:
    # In the order in which a lookup prefers them: longest prefix, lowest metric.
    routes = sorted(
        routes, key=lambda route: (-int(route.destination.rsplit("/", 1)[1]), route.destination, route.metric)
    )
    lines = [route_text(route._replace(table=254)) + _owners(owned, "route", route) for route in routes[:most]]
    if len(routes) > most:
        lines.append(f"... and {len(routes) - most} more")
    return lines


def _owners(owned: Owned, kind: str, thing: t.Any) -> str:
    record = record_of(owned, kind, thing)
    return f" ({', '.join(record.owners)})" if record is not None and record.owners else ""
