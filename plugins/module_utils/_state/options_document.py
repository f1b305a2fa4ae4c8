# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole node (module network_state): documents and the options beside them -> one ``Desired`` of all owners."""

from __future__ import annotations

import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._state import options_node as node
from ansible_collections.kubenode.network.plugins.module_utils._state import options_values as v
from ansible_collections.kubenode.network.plugins.module_utils._state.documents import options_from_documents
from ansible_collections.kubenode.network.plugins.module_utils._state.model import Desired, PathSpec
from ansible_collections.kubenode.network.plugins.module_utils._state.options import PRUNE_KINDS
from ansible_collections.kubenode.network.plugins.module_utils._state.options_interfaces import (
    parse_interfaces,
    profile_names,
)
from ansible_collections.kubenode.network.plugins.module_utils._state.options_routes import parse_routes
from ansible_collections.kubenode.network.plugins.module_utils._state.options_rules import parse_rules

_DOCUMENTS = ("desired_state", "policies", "src")
_BESIDE = ("multi_nic", "tables", "sysctl", "hosts", "nsswitch_hosts", "paths")


def desired_from_documents(params: v.Entry, owner: str | None, warn: v.Warnings) -> Desired:
    """``owner`` (the option) owns everything; without it each policy its own part, and a single policy also what the
    options beside it declare. Where no policy selects the node nothing is declared.
    """
    if params.get("state") == "absent":
        said = [name for name in (*_DOCUMENTS, *_BESIDE) if params.get(name) is not None]
        if said:
            v.fail("state", "absent", f"nothing declared beside it, and there is {said[0]}")
        return Desired(absent=(owner,) if owner is not None else ())
    documents = _documents(params)
    parts = options_from_documents(
        documents, params.get("node_labels"), v.boolean(params.get("strict_nmstate", False), "strict_nmstate")
    )
    matched = tuple((name, selected) for name, _options, selected in parts if name is not None)
    if parts and not any(selected for _name, _options, selected in parts):
        return Desired(matched=matched)
    parts = [part for part in parts if part[2]]
    profiles = frozenset().union(*(profile_names(options.get("interfaces")) for _name, options, _selected in parts))
    found = [_part(owner or name, options, profiles, warn) for name, options, _selected in parts]
    found.append(_beside(params, owner or (parts[0][0] if len(parts) == 1 else None), warn))
    owners = dict.fromkeys(owner or name for name, _options, _selected in parts)
    if owner is not None:
        owners[owner] = None
    prune = params.get("prune") is None or params["prune"]
    return _together(found)._replace(
        addresses_exact=bool(params.get("addresses_exact")),
        prune=tuple((name, kind) for name in owners if name is not None for kind in PRUNE_KINDS) if prune else (),
        matched=matched,
    )


def _documents(params: v.Entry) -> list[t.Any]:
    given = [name for name in _DOCUMENTS if params.get(name) is not None]
    if len(given) > 1:
        v.fail(" and ".join(given), len(given), "one of desired_state, policies and src")
    if not given:
        if all(params.get(name) is None for name in _BESIDE):
            v.fail("desired_state", None, "one of desired_state, policies and src")
        return []
    if given == ["src"]:
        v.fail("src", params["src"], "a file that was read on the controller", "Run the module as a task, not by hand")
    if given == ["desired_state"]:
        return [params["desired_state"]]
    if not isinstance(params["policies"], (list, tuple)):
        v.fail("policies", params["policies"], "a list of policies")
    return list(params["policies"])


def _part(owner: str | None, options: v.Entry, profiles: frozenset[str], warn: v.Warnings) -> Desired:
    origin = options["origin"]
    warn.extend(options["warnings"])
    resolver = options.get("resolver")
    return Desired(
        interfaces=parse_interfaces(options.get("interfaces"), owner, f"{origin}interfaces", warn),
        routes=parse_routes(options.get("routes"), owner, f"{origin}routes.config", warn, profiles),
        rules=parse_rules(options.get("rules"), owner, f"{origin}route-rules.config", warn, profiles),
        resolver=node.parse_resolver(resolver, owner, f"{origin}dns-resolver.config", warn) if resolver else None,
    )


def _beside(params: v.Entry, owner: str | None, warn: v.Warnings) -> Desired:
    paths: tuple[PathSpec, ...] = ()
    if params.get("paths"):
        from ansible_collections.kubenode.network.plugins.module_utils._state.options_paths import parse_paths

        paths = parse_paths(params["paths"], "paths")
    return Desired(
        multi_nic=node.parse_multi_nic(params.get("multi_nic"), owner, "multi_nic"),
        tables=node.parse_tables(params.get("tables"), owner, "tables"),
        sysctls=node.parse_sysctls(params.get("sysctl"), owner, "sysctl"),
        hosts=node.parse_hosts(params.get("hosts"), owner, "hosts"),
        nsswitch_hosts=node.parse_nsswitch(params.get("nsswitch_hosts"), "nsswitch_hosts"),
        cluster_cidrs=v.prefixes(params.get("cluster_cidrs"), "cluster_cidrs", warn),
        paths=paths,
    )


def _together(parts: list[Desired]) -> Desired:
    """One Desired of all parts; the last one is what stands beside the documents."""
    last = parts[-1]
    if len(parts) == 2:
        first = parts[0]
        whole = last._replace(
            interfaces=first.interfaces, routes=first.routes, rules=first.rules, resolver=first.resolver
        )
    elif len(parts) > 2:
        from ansible_collections.kubenode.network.plugins.module_utils._state.options_merge import merged

        whole = merged(parts[:-1], last)
    else:
        return last
    if any(interface.state == "absent" or interface.ipv4 or interface.ipv6 for interface in whole.interfaces):
        _check_next_hops(whole)
    return whole


def _check_next_hops(whole: Desired) -> None:
    """A route through an interface that the same run takes away, or whose family it switches off, cannot stand."""
    for interface in whole.interfaces:
        off = {
            family
            for family, ip in ((v.IPV4, interface.ipv4), (v.IPV6, interface.ipv6))
            if interface.state == "absent" or (ip is not None and ip.enabled is False)
        }
        for route in whole.routes if off else ():
            if (
                not route.absent
                and route.family in off
                and any(hop.interface == interface.name for hop in route.next_hops)
            ):
                what = "is absent" if interface.state == "absent" else f"has {v.family_name(route.family)} disabled"
                v.fail(
                    f"{route.origin}.next_hop_interface", interface.name, "an interface that this run keeps",
                    f"{interface.origin}: it {what}",
                )  # fmt: skip
