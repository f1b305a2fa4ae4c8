# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the records of ownership to what each NIC's configuration shall hold. Pure."""

from __future__ import annotations

import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._netlink.objects import Link, Route, Rule
from ansible_collections.kubenode.network.plugins.module_utils._persist.contract import Dhcp, Nic, Resolver
from ansible_collections.kubenode.network.plugins.module_utils._state.model import Owned

NODE = ""
"""The name under which stands what belongs to no NIC."""

_MAKEABLE = frozenset(("dummy", "vlan", "bond", "bridge", "vrf", "macvlan"))
_MAIN_TABLES = (0, 253, 254, 255)


def nics(owned: Owned) -> dict[str, Nic]:
    """NIC -> what of it is to be kept, of all owners; ``NODE`` has rules and routes that belong to no NIC.

    A route with next hops on several NICs is in each of them.
    """
    parts: dict[str, dict[str, t.Any]] = {}
    rules: list[Rule] = []
    tables: dict[tuple[int, int], str] = {}
    ports: dict[str, str] = {}

    def part(name: str) -> dict[str, t.Any]:
        return parts.setdefault(name, {"addresses": [], "routes": [], "rules": [], "sysctls": []})

    for (kind, identity), record in owned.items():
        if not record.persist:
            continue
        if kind == "route":
            route: Route = record.value
            hops = {hop.interface: None for hop in route.next_hops if hop.interface}
            for name in hops or (NODE,):
                part(name)["routes"].append(route)
                tables[route.family, route.table] = min(tables.get((route.family, route.table), name), name)
        elif kind == "rule":
            rules.append(record.value)
        elif kind == "address":
            part(record.value.interface)["addresses"].append(record.value)
        elif kind == "link" and record.value.kind in _MAKEABLE:
            part(identity)["kind"] = record.value.kind
        elif kind == "setting":
            name, field = identity
            part(name).setdefault("settings", {})[field] = record.value
            if field == "ports":
                ports.update(dict.fromkeys(record.value, name))
        elif kind == "sysctl":
            _sysctl(record.value, part)
    for port in ports:
        part(port)
    for rule in rules:
        owner = NODE if rule.table in _MAIN_TABLES else tables.get((rule.family, rule.table), NODE)
        part(owner)["rules"].append(rule)
    return {name: _nic(name, found, ports.get(name)) for name, found in sorted(parts.items())}


def _sysctl(value: tuple[t.Any, ...], part: t.Callable[[str], dict[str, t.Any]]) -> None:
    from ansible_collections.kubenode.network.plugins.module_utils._state.sysctl import interface_of

    name = interface_of(value[0])
    if name is not None and name not in ("all", "default"):
        part(name)["sysctls"].append((value[0], value[1]))


def _nic(name: str, found: dict[str, t.Any], master: str | None) -> Nic:
    said: dict[str, t.Any] = found.get("settings", {})
    link = None
    if "kind" in found or master is not None or "mac" in said:
        data = sorted((field[len("data.") :], value) for field, value in said.items() if field.startswith("data."))
        link = Link(
            name, 0, said.get("mtu", 0), kind=found.get("kind", ""), mac=said.get("mac"), master=master,
            parent=said.get("parent"), data=tuple(data), up=said.get("state", "up") == "up",
        )  # fmt: skip
    resolver = Resolver(said.get("servers"), said.get("search"), said.get("options"))
    return Nic(
        name,
        link,
        said.get("mtu"),
        {"up": True, "down": False}.get(said.get("state", "")),
        tuple(sorted(found["addresses"], key=lambda one: (one.family, one.address, one.prefix_length))),
        tuple(sorted(found["routes"], key=_route_order)),
        tuple(sorted(found["rules"], key=lambda one: (one.family, one.priority, repr(one)))),
        _dhcp(said, "ipv4."),
        _dhcp(said, "ipv6."),
        resolver if resolver != Resolver() else None,
        tuple(sorted(found["sysctls"])),
    )


def _dhcp(said: t.Mapping[str, t.Any], family: str) -> Dhcp | None:
    found = {field[len(family) :]: value for field, value in said.items() if field.startswith(family)}
    if not found:
        return None
    routes, gateway, dns = (found.get(field, True) for field in ("auto_routes", "auto_gateway", "auto_dns"))
    return Dhcp(found.get("dhcp"), routes, gateway, dns, found.get("autoconf"))


def _route_order(route: Route) -> tuple[t.Any, ...]:
    """Device routes before the gateways that are reached through them, then as people read them."""
    by_gateway = any(hop.gateway for hop in route.next_hops)
    return (route.family, route.table, by_gateway, route.destination, route.metric, route.tos)


def empty(nic: Nic) -> bool:
    """Whether nothing of ours is in it."""
    return nic == Nic(nic.name)
