# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One wrong input, and short ways to write it; bad_inputs.py has them all."""

from __future__ import annotations

import typing as t


class Bad(t.NamedTuple):
    module: str
    params: dict[str, t.Any]
    says: tuple[str, ...]
    """All of these are in the message."""


POLICY = {
    "apiVersion": "nmstate.io/v1",
    "kind": "NodeNetworkConfigurationPolicy",
    "metadata": {"name": "worker-routes"},
    "spec": {"desiredState": {}},
}
VIA = {"next_hop_address": "10.100.0.1", "next_hop_interface": "ens224"}
GOOD_ROUTE = {"destination": "10.200.0.0/16", **VIA}
GOOD_RULE = {"from": "172.16.0.0/24", "table": 100, "priority": 100}


def route(*says: str, **options: t.Any) -> Bad:
    """A route with something wrong; None takes an option out of the good one."""
    entry = {key: value for key, value in {**GOOD_ROUTE, **options}.items() if value is not None}
    return Bad("static_routes", {"routes": [entry]}, says)


def rule(*says: str, **options: t.Any) -> Bad:
    """The good rule with something wrong in it; ``from_`` stands for from."""
    entry = {**GOOD_RULE, **{key.rstrip("_"): value for key, value in options.items()}}
    return Bad("route_rules", {"rules": [entry]}, says)


def nic(*says: str, **options: t.Any) -> Bad:
    return Bad("interfaces", {"interfaces": [{"name": "ens224", **options}]}, says)


def link(name: str, kind: str, options: t.Any, *says: str) -> Bad:
    return Bad("interfaces", {"interfaces": [{"name": name, kind: options}]}, says)


def address(*says: str, family: str = "ipv4", **entry: t.Any) -> Bad:
    return nic(*says, **{family: {"enabled": True, "addresses": [entry]}})


def resolver(*says: str, **options: t.Any) -> Bad:
    return Bad("dns_resolver", options, says)


def state(*says: str, **desired: t.Any) -> Bad:
    return Bad(
        "network_state", {"desired_state": {key.replace("_", "-"): value for key, value in desired.items()}}, says
    )


def policy(*says: str, spec: t.Any = None, **params: t.Any) -> Bad:
    document = {**POLICY, "spec": {"desiredState": {}, **(spec or {})}}
    return Bad("network_state", {"policies": [document], **params}, says)


def node(*says: str, **params: t.Any) -> Bad:
    return Bad("network_state", params, says)


def path(*says: str, **options: t.Any) -> Bad:
    return Bad("route_get_info", {"paths": [{"destination": "10.200.0.1", **options}]}, says)


def checkpoint(*says: str, **params: t.Any) -> Bad:
    return Bad("network_checkpoint", params, says)


def probe(*says: str, **options: t.Any) -> Bad:
    return node(*says, desired_state={}, probes=[options])


def two(first: dict[str, t.Any], second: dict[str, t.Any], *says: str, module: str = "static_routes") -> Bad:
    return Bad(module, {{"static_routes": "routes", "route_rules": "rules"}[module]: [first, second]}, says)


def named(name: str, **desired: t.Any) -> dict[str, t.Any]:
    """A policy of that name."""
    return {
        **POLICY,
        "metadata": {"name": name},
        "spec": {"desiredState": {key.replace("_", "-"): value for key, value in desired.items()}},
    }
