# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A module's parameters -> ``Desired``. Pure: nothing of the node is read.

The parsers of parts are imported where a module needs them, as the node compiles them at every run.
"""

from __future__ import annotations

import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._state import options_values as v
from ansible_collections.kubenode.network.plugins.module_utils._state.model import Desired

# Kinds of records that a document which no longer lists them lets go of. Of resolver and look-up order that is the
# record alone: "not said" keeps what the files say (NMState), for the next owner to change.
PRUNE_KINDS = (
    "link", "address", "route", "rule", "setting", "host", "table", "sysctl", "nft", "resolver", "nsswitch",
)  # fmt: skip


def desired_from_options(params: v.Entry, module: str) -> Desired:
    """What the parameters of a module declare.

    ``module`` is its name without the collection. Raises StateError on the first thing that is wrong, before anything
    of the node is looked at.
    """
    owner = v.owner_name(params.get("owner"), "owner")
    warn: v.Warnings = []
    desired = _BUILDERS[module](params, owner, warn)
    protect = v.prefixes(params.get("protect"), "protect", warn)
    return desired._replace(protect=protect, warnings=(*desired.warnings, *warn))


def _static_routes(params: v.Entry, owner: str | None, warn: v.Warnings) -> Desired:
    from ansible_collections.kubenode.network.plugins.module_utils._state.options_routes import parse_routes

    routes = parse_routes(params.get("routes"), owner, "routes", warn)
    return Desired(routes=routes, prune=_purge(params, owner, "route"))


def _route_rules(params: v.Entry, owner: str | None, warn: v.Warnings) -> Desired:
    from ansible_collections.kubenode.network.plugins.module_utils._state.options_rules import parse_rules

    rules = parse_rules(params.get("rules"), owner, "rules", warn)
    return Desired(rules=rules, prune=_purge(params, owner, "rule"))


def _purge(params: v.Entry, owner: str | None, kind: str) -> tuple[tuple[str, str], ...]:
    if not params.get("purge"):
        return ()
    if owner is None:
        v.fail("purge", True, "an owner beside it", "Only what an owner made before and no longer lists is purged")
    return ((owner, kind),)


def _interfaces(params: v.Entry, owner: str | None, warn: v.Warnings) -> Desired:
    from ansible_collections.kubenode.network.plugins.module_utils._state.options_interfaces import parse_interfaces

    interfaces = parse_interfaces(params.get("interfaces"), owner, "interfaces", warn)
    return Desired(interfaces=interfaces, addresses_exact=bool(params.get("addresses_exact")))


def _dns_resolver(params: v.Entry, owner: str | None, warn: v.Warnings) -> Desired:
    from ansible_collections.kubenode.network.plugins.module_utils._state import options_node as node

    said = {key: params.get(key) for key in ("servers", "search", "options", "interface")}
    hosts = node.parse_hosts(params.get("hosts"), owner, "hosts")
    return Desired(
        resolver=node.parse_resolver(said, owner, "", warn),
        hosts=hosts,
        nsswitch_hosts=node.parse_nsswitch(params.get("nsswitch_hosts"), "nsswitch_hosts"),
        prune=((owner, "host"),) if owner and hosts is not None else (),
    )


def _route_get_info(params: v.Entry, _owner: str | None, _warn: v.Warnings) -> Desired:
    from ansible_collections.kubenode.network.plugins.module_utils._state.options_paths import parse_paths

    return Desired(paths=parse_paths(params.get("paths"), "paths"))


def _network_state(params: v.Entry, owner: str | None, warn: v.Warnings) -> Desired:
    from ansible_collections.kubenode.network.plugins.module_utils._state.options_document import desired_from_documents

    return desired_from_documents(params, owner, warn)


_BUILDERS: dict[str, t.Callable[[v.Entry, str | None, v.Warnings], Desired]] = {
    "static_routes": _static_routes,
    "route_rules": _route_rules,
    "interfaces": _interfaces,
    "dns_resolver": _dns_resolver,
    "route_get_info": _route_get_info,
    "network_state": _network_state,
}
