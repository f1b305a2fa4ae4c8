# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the configuration of a node's NICs holds of ours, in the options of the modules."""

from __future__ import annotations

import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._persist.contract import Dhcp, Nic
from ansible_collections.kubenode.network.plugins.module_utils._persist.records import NODE, nics
from ansible_collections.kubenode.network.plugins.module_utils._persist.standing import stands
from ansible_collections.kubenode.network.plugins.module_utils._state import render
from ansible_collections.kubenode.network.plugins.module_utils._state.model import Owned, State

Entry = t.Dict[str, t.Any]  # noqa: UP006 - evaluated at run time


def config(owned: Owned, state: State, root: str = "/") -> Entry:
    """A desired state of what is kept for the next boot, each interface with its ``manager`` (None: units of ours).

    ``unchanged`` tells whether the files are as the last run left them.
    """
    found = nics(owned)
    routes: dict[t.Any, Entry] = {}
    rules: list[Entry] = []
    interfaces: list[Entry] = []
    for name, nic in found.items():
        routes.update((route.key, render.route_entry(route)) for route in nic.routes)
        rules += [render.rule_entry(rule) for rule in nic.rules]
        if name != NODE:
            record = owned.get(("manager", name))
            interfaces.append({**_interface(nic), "manager": (record.value or None) if record is not None else None})
    return {
        "interfaces": interfaces,
        "routes": {"config": list(routes.values())},
        "route_rules": {"config": rules},
        "unchanged": stands(owned, state.links, root),
    }


def _interface(nic: Nic) -> Entry:
    entry: Entry = {"name": nic.name}
    if nic.link is not None and nic.link.kind:
        entry["type"] = nic.link.kind
    if nic.up is not None:
        entry["state"] = "up" if nic.up else "down"
    if nic.mtu is not None:
        entry["mtu"] = nic.mtu
    for family, key, dhcp in ((2, "ipv4", nic.dhcp4), (10, "ipv6", nic.dhcp6)):
        addresses = [
            {"ip": one.address, "prefix_length": one.prefix_length} for one in nic.addresses if one.family == family
        ]
        part = {**_lease(dhcp, family), **({"addresses": addresses} if addresses else {})}
        if part:
            entry[key] = part
    if nic.resolver is not None:
        entry["dns_resolver"] = {
            name: list(value) for name, value in nic.resolver._asdict().items() if value is not None
        }
    return entry


def _lease(dhcp: Dhcp | None, family: int) -> Entry:
    if dhcp is None:
        return {}
    entry: Entry = {"dhcp": dhcp.enabled, "autoconf": dhcp.autoconf if family == 10 else None}
    entry.update(auto_routes=dhcp.routes, auto_gateway=dhcp.gateway, auto_dns=dhcp.dns)
    return {name: value for name, value in entry.items() if value is not None}
