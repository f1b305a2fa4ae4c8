# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Short words for tests that build a node's state by hand."""

from __future__ import annotations

import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._netlink.objects import (
    Address,
    Link,
    NextHop,
    Route,
    Rule,
)
from ansible_collections.kubenode.network.plugins.module_utils._state.cni import find_networks
from ansible_collections.kubenode.network.plugins.module_utils._state.model import Desired, Owned, Plan, State, Target
from ansible_collections.kubenode.network.plugins.module_utils._state.plan import plan
from ansible_collections.kubenode.network.plugins.module_utils._state.resolve import resolve
from ansible_collections.kubenode.network.plugins.module_utils._state.simulate import connected_routes

OURS, BOOT, KERNEL, BIRD, DHCP, RA = 157, 3, 2, 12, 16, 9


def link(name: str, index: int, **more: t.Any) -> Link:
    more.setdefault("mac", f"02:00:00:00:00:{index:02x}")
    return Link(name=name, index=index, up=more.pop("up", True), kind=more.pop("kind", ""), **more)


def address(text: str, interface: str, **more: t.Any) -> Address:
    ip, _slash, length = text.partition("/")
    return Address(interface, 10 if ":" in ip else 2, ip, int(length), flags=more.pop("flags", 0x80), **more)


def route(destination: str, via: str | None = None, dev: str | None = None, **more: t.Any) -> Route:
    family = 10 if ":" in destination else 2
    hops = more.pop("next_hops", None)
    if hops is None:
        hops = (NextHop(dev, via),) if dev else ()
    more.setdefault("metric", 1024 if family == 10 else 0)
    more.setdefault("protocol", BOOT)
    return Route(family, more.pop("table", 254), destination, next_hops=hops, **more)


def rule(priority: int, table: int, **more: t.Any) -> Rule:
    more.setdefault("protocol", BOOT)
    return Rule(more.pop("family", 2), priority, table=table, **more)


KERNEL_RULES = [rule(p, table, family=f, protocol=KERNEL) for f in (2, 10) for p, table in ((0, 255), (32766, 254))]


def state(
    links: t.Iterable[Link] = (),
    addresses: t.Iterable[Address] = (),
    routes: t.Iterable[Route] = (),
    rules: t.Iterable[Rule] = (),
    **more: t.Any,
) -> State:
    """A state with the kernel's own rules and the routes that it makes for the addresses."""
    addresses = list(addresses)
    by_key: dict[t.Any, tuple[Route, ...]] = {}
    for one in [*(r for a in addresses for r in connected_routes(a)), *routes]:
        by_key[one.key] = (*by_key.get(one.key, ()), one)
    rules_by_key: dict[t.Any, tuple[Rule, ...]] = {}
    for each in [*KERNEL_RULES, *rules]:
        rules_by_key[each.key] = (*rules_by_key.get(each.key, ()), each)
    lo = Link("lo", 1, mtu=65536, up=True)
    return State(
        links={one.name: one for one in [lo, *links]},
        addresses={one.key: one for one in addresses},
        routes=by_key,
        rules=rules_by_key,
        tables=more.pop("tables", {254: "main", 255: "local", 253: "default"}),
        **more,
    )


def worker(metric: int = 0, default_protocol: int = BOOT, **more: t.Any) -> State:
    """A node as the lab has it: ens192 with the default route, two more NICs that are up and unconfigured."""
    links = [link("ens192", 2), link("ens224", 3), link("ens256", 4), *more.pop("links", ())]
    addresses = [address("192.168.100.11/24", "ens192"), *more.pop("addresses", ())]
    default = route("0.0.0.0/0", "192.168.100.1", "ens192", metric=metric, protocol=default_protocol)
    return state(links, addresses, [default, *more.pop("routes", ())], more.pop("rules", ()), **more)


def plan_target(current: State, target: Target, owned: Owned | None = None, **options: t.Any) -> Plan:
    networks = options.pop("networks", None) or find_networks(current.links, options.pop("cidrs", ()))
    return plan(current, target, owned or {}, networks, **options)


def plan_desired(current: State, desired: Desired, owned: Owned | None = None, **options: t.Any) -> Plan:
    return plan_target(current, resolve(desired, current, owned or {}), owned, **options)
