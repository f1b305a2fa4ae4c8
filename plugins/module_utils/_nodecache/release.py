# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cache that is to end lets go of the ClusterIPs first, so that kube-proxy leads their queries to CoreDNS.

A node-cache that is told to end deletes its interface before its rules (cmd/node-cache/app/cache_app.go,
TeardownNetworking). For as long as that takes, half a second and more, a query for a ClusterIP is still taken out of
connection tracking, so not translated, and there is no interface any more that has the address: it is lost, and its
asker waits for its own time-out.
"""

from __future__ import annotations

import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._nodecache import clean, firewall
from ansible_collections.kubenode.network.plugins.module_utils._nodecache.model import NodeCacheError, number
from ansible_collections.kubenode.network.plugins.module_utils._nodecache.node import canonical


def _rules(addresses: t.Collection[int]) -> list[clean.Leftover]:
    """Those that keep queries for the addresses from kube-proxy. Raises NodeCacheError where not all can be seen."""
    ruleset = firewall.read()
    if ruleset.unreadable:
        raise NodeCacheError(
            f"rules of a node-cache may stand that cannot be seen: {'; '.join(ruleset.unreadable)}"
        )  # fmt: skip
    found = []
    for one in clean.leftovers(ruleset):
        made = clean.shape_of(one.chain, one.rule)
        if made and made.dns and made.shape[1:3] == ("notrack", "destination") and made.address in addresses:
            found.append(one)
    return found


def release(params: t.Mapping[str, t.Any], check_mode: bool) -> dict[str, t.Any]:
    """The work of state released. Raises NodeCacheError; rules are taken away all at once or not at all."""
    addresses = [number(canonical(one, "cluster_ips")) for one in params["cluster_ips"]]
    if not addresses:
        raise NodeCacheError(
            "cluster_ips is empty: state released needs the ClusterIPs of the cluster's DNS Service, as nobody but the "
            "cache answers at its own addresses"
        )
    rules = _rules(addresses)
    lines = [one.line for one in rules]
    if rules and not check_mode:
        clean.remove_rules(rules)
        left = _rules(addresses)
        if left:
            raise NodeCacheError(
                f"these are still there after their removal, somebody makes them anew: "
                f"{'; '.join(one.line for one in left)}"
            )
    text = "".join(f"{line}\n" for line in lines)
    return {
        "changed": bool(lines),
        "removed": lines,
        "in_use_by": [],
        "diff": {"before_header": "node", "after_header": "node", "before": text, "after": ""},
    }
