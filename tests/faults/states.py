# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two states of a worker, between which changes go to and fro, and changes that cut a worker off."""

from __future__ import annotations

from typing import Any

OWNER = "faults"
CONTROLLER = "198.51.100.10"


def number(worker: str) -> int:
    """The last number of a worker's addresses."""
    return 100 + int(worker[1:])


def _nic(name: str, *addresses: str, **more: Any) -> dict[str, Any]:
    listed = [{"ip": text.split("/")[0], "prefix_length": int(text.split("/")[1])} for text in addresses]
    return {"name": name, "state": "up", "ipv4": {"enabled": True, "dhcp": False, "addresses": listed}, **more}


def _route(destination: str, gateway: str, nic: str, **more: Any) -> dict[str, Any]:
    return {"destination": destination, "next_hop_address": gateway, "next_hop_interface": nic, **more}


def first(worker: str) -> dict[str, Any]:
    """Options of network_state: two NICs, routes, policy routing, a resolver."""
    last = number(worker)
    return {
        "owner": OWNER,
        "desired_state": {
            "interfaces": [_nic("ens224", f"10.100.0.{last}/24", mtu=1450), _nic("ens256", f"172.16.0.{last}/24")],
            "routes": {
                "config": [
                    _route("10.200.0.0/16", "10.100.0.1", "ens224", metric=100),
                    _route("10.50.0.0/24", "10.100.0.1", "ens224"),
                    _route("203.0.113.0/24", "172.16.0.1", "ens256", metric=50),
                    _route("0.0.0.0/0", "172.16.0.1", "ens256", table_id=100),
                ]
            },
            "route_rules": {"config": [{"ip_from": "172.16.0.0/24", "priority": 100, "route_table": 100}]},
            "dns_resolver": {"config": {"server": ["10.100.0.53"], "search": ["internal.example.com"]}},
        },
    }


def second(worker: str) -> dict[str, Any]:
    """The same NICs with other addresses, more routes and rules, another resolver: much goes and much comes."""
    last = number(worker)
    many = [_route(f"10.60.{n}.0/24", "10.100.0.1", "ens224", metric=20) for n in range(20)]
    return {
        "owner": OWNER,
        "desired_state": {
            "interfaces": [
                _nic("ens224", f"10.100.0.{last}/24", f"10.100.7.{last}/24", mtu=1400),
                _nic("ens256", f"172.16.0.{last}/24"),
            ],
            "routes": {
                "config": [
                    _route("10.200.0.0/16", "10.100.0.1", "ens224", metric=200),
                    _route("203.0.113.1/32", "172.16.0.1", "ens256"),
                    _route("0.0.0.0/0", "10.100.0.1", "ens224", table_id=200),
                    *many,
                ]
            },
            "route_rules": {
                "config": [
                    {"ip_from": "10.100.7.0/24", "priority": 200, "route_table": 200},
                    {"ip_to": "10.77.0.0/16", "priority": 201, "route_table": 200},
                ]
            },
            "dns_resolver": {"config": {"server": ["10.100.0.54", "10.100.0.53"], "search": []}},
        },
    }
