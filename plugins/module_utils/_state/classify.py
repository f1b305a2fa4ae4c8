# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose is a route or a rule: ours, an operator's, or somebody else's (pure).

Only what is *ours* may change in passing. What an *operator* made may go when a user asks for it by name. All else,
and all that is in doubt, belongs to *others* and stays.
"""

from __future__ import annotations

import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._netlink.addr import contains
from ansible_collections.kubenode.network.plugins.module_utils._netlink.constants import (
    KUBENODE_PROTOCOL,
    protocol_name,
)
from ansible_collections.kubenode.network.plugins.module_utils._netlink.objects import Route, Rule
from ansible_collections.kubenode.network.plugins.module_utils._state.cni import Networks
from ansible_collections.kubenode.network.plugins.module_utils._state.model import Owned, Record

OURS = "ours"
OPERATOR = "operator"
OTHER = "other"

_BOOT_STATIC = (3, 4)
# `ip rule add` of old iproute2 leaves the protocol out; routes always have one.
_RULE_BY_HAND = (0, 3, 4)
_KERNEL = 2
# Rules that every namespace has: local, main, default (net/ipv4/fib_rules.c).
_KERNEL_PRIORITIES = (0, 32766, 32767)


def record_of(owned: Owned, kind: str, thing: t.Any) -> Record | None:
    """The record that proves `thing` ours: same identity, and for a route or rule the protocol that was read back."""
    record = owned.get((kind, thing.key))
    if record is None or not record.made:
        return None
    if kind in ("route", "rule") and record.value.protocol != thing.protocol:
        return None
    return record


class Classifier:
    def __init__(self, owned: Owned, networks: Networks) -> None:
        self.owned = owned
        self.networks = networks

    def _inside(self, destination: str) -> str | None:
        """The pod or service CIDR that `destination` is a part of."""
        return next((cidr for cidr in self.networks.cidrs if contains(cidr, destination)), None)

    def _owners(self, record: Record | None) -> str:
        if record is None:
            return "kubenode.network (no owner on record)"
        return " and ".join(record.owners) or "kubenode.network (no owner)"

    def route(self, route: Route) -> tuple[str, str]:
        """(class, who): whose `route` is, the second part in words for people."""
        record = record_of(self.owned, "route", route)
        if record is not None or route.protocol == KUBENODE_PROTOCOL:
            return OURS, self._owners(record)
        for hop in route.next_hops:
            network = self.networks.devices.get(hop.interface or "")
            if network is not None:
                return OTHER, f"{network} (device {hop.interface})"
        if route.protocol not in _BOOT_STATIC:
            who = "the kernel" if route.protocol == _KERNEL else protocol_name(route.protocol)
            return OTHER, f"{who} (protocol {route.protocol})"
        cidr = self._inside(route.destination)
        if cidr is not None:
            return OTHER, f"the cluster's network (destination within {cidr})"
        user = self.networks.table_user(route.table)
        if user is not None:
            return OTHER, f"{user} (table {route.table})"
        return OPERATOR, f"an operator (protocol {protocol_name(route.protocol)})"

    def rule(self, rule: Rule) -> tuple[str, str]:
        """(class, who): whose `rule` is, the second part in words for people."""
        record = record_of(self.owned, "rule", rule)
        if record is not None or rule.protocol == KUBENODE_PROTOCOL:
            return OURS, self._owners(record)
        if rule.priority in _KERNEL_PRIORITIES and not (rule.source or rule.destination or rule.fwmark):
            return OTHER, "the kernel (default rule)"
        if rule.protocol not in _RULE_BY_HAND:
            who = "the kernel" if rule.protocol == _KERNEL else protocol_name(rule.protocol)
            return OTHER, f"{who} (protocol {rule.protocol})"
        user = self.networks.priority_user(rule.priority) or self.networks.table_user(rule.table)
        if user is None and rule.fwmask not in (0, 0xFFFFFFFF):
            user = self.networks.mark_user(rule.fwmark)
        for name in (rule.iif, rule.oif):
            user = user or self.networks.devices.get(name or "")
        if user is not None:
            return OTHER, user
        cidr = self._inside(rule.source or rule.destination or "0.0.0.0/0")
        if cidr is not None:
            return OTHER, f"the cluster's network ({cidr})"
        return OPERATOR, f"an operator (protocol {protocol_name(rule.protocol)})"
