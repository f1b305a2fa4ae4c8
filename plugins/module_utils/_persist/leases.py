# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a lease goes with DHCP, or with a part of it that is not to be taken (pure).

Managers differ in what they take away themselves: systemd-networkd leaves all of it after a restart. So it is in the
plan, where the protected path is simulated with it, and what is gone by then is not removed again.
"""

from __future__ import annotations

import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._netlink.constants import AF_INET, IFA_F_PERMANENT
from ansible_collections.kubenode.network.plugins.module_utils._persist.contract import Dhcp, Nic
from ansible_collections.kubenode.network.plugins.module_utils._state.model import State

# linux/rtnetlink.h
_RTPROT_RA = 9
_RTPROT_DHCP = 16
_SCOPE_LINK = 253

Item = t.Tuple[str, t.Any]  # noqa: UP006 - evaluated at run time


def going(nic: Nic, state: State) -> list[Item]:
    """Addresses and routes of leases on a NIC that its wanted configuration does not take."""
    found: list[Item] = []
    if nic.dhcp4 is not None:
        found += lease(nic.name, state) if nic.dhcp4.enabled is False else _untaken(nic.name, nic.dhcp4, state)
    if nic.dhcp6 is not None and not nic.dhcp6.gateway:
        found += [
            ("route", route)
            for route in _routes(nic.name, state)
            if route.destination == "::/0" and route.protocol in (_RTPROT_RA, _RTPROT_DHCP)
        ]
    return found


def lease(name: str, state: State) -> list[Item]:
    """All that DHCP for IPv4 has put on a NIC."""
    routes = [("route", route) for route in _routes(name, state) if _of_dhcp(route)]
    addresses = [
        ("address", address)
        for address in state.addresses.values()
        if address.interface == name and address.family == AF_INET and not address.flags & IFA_F_PERMANENT
    ]
    return [*routes, *addresses]


def _untaken(name: str, dhcp: Dhcp, state: State) -> list[Item]:
    return [
        ("route", route)
        for route in _routes(name, state)
        if _of_dhcp(route)
        # What leads to the gateway itself is no route of the lease.
        and (not dhcp.gateway if route.destination == "0.0.0.0/0" else not dhcp.routes and route.scope != _SCOPE_LINK)
    ]


def _of_dhcp(route: t.Any) -> bool:
    return bool(route.family == AF_INET and route.protocol == _RTPROT_DHCP)


def _routes(name: str, state: State) -> t.Iterator[t.Any]:
    for held in state.routes.values():
        for route in held:
            if any(hop.interface == name for hop in route.next_hops):
                yield route
