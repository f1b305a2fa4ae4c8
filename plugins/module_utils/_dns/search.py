# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which names a resolver asks for when a program asks for one. Pure.

The rules are those of glibc (resolv.conf(5), and ``__res_context_search`` in resolv/res_query.c).
"""

from __future__ import annotations

import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._resolver.resolv_conf import ResolvConf

# kubelet writes these into the resolv.conf of pods with dnsPolicy ClusterFirst (pkg/kubelet/network/dns/dns.go).
POD_NDOTS = 5
# resolv/res-close.c and res_init.c: RES_MAXNDOTS.
MOST_NDOTS = 15
_DEFAULT_NDOTS = 1

# What became of a question: ``found``, ``nodata`` (the name is there, without such records), ``nxdomain``,
# ``servfail``, or ``none`` for no answer and whatever else ends a search.
Outcome = str


class Rules(t.NamedTuple):
    """How short names are completed."""

    search: tuple[str, ...] = ()
    ndots: int = 0
    """Names with at least this many dots are asked as they are first."""


AS_IT_IS = Rules()


def host_rules(conf: ResolvConf, hostname: str) -> Rules:
    """Those of a machine with this resolv.conf. Without ``search`` it is the domain of the machine's own name."""
    ndots = _DEFAULT_NDOTS
    for option in conf.options:
        name, _colon, number = option.partition(":")
        if name == "ndots" and number.isdigit():
            ndots = min(int(number), MOST_NDOTS)
    domain = hostname.partition(".")[2]
    search = conf.search or ((domain,) if domain else ())
    return Rules(tuple(one for one in search if one != "."), ndots)


def pod_rules(conf: ResolvConf, namespace: str, cluster_domain: str) -> Rules:
    """Those of a pod with dnsPolicy ClusterFirst, on a node with this resolv.conf."""
    domain = cluster_domain.strip(".")
    own = (f"{namespace}.svc.{domain}", f"svc.{domain}", domain)
    return Rules((*own, *(one for one in conf.search if one != "." and one not in own)), POD_NDOTS)


def questions(name: str, rules: Rules) -> t.Generator[str, Outcome, Outcome]:
    """The names to ask for, each with its final dot, one by one: send what became of it. Returns the end's outcome."""
    if name.endswith(".") or not rules.search:
        outcome = yield _absolute(name)
        return outcome
    first: Outcome = ""
    seen: list[Outcome] = []
    if name.count(".") >= rules.ndots:
        first = yield _absolute(name)
        if first == "found":
            return first
    for domain in rules.search:
        outcome = yield _absolute(f"{name}.{domain}")
        if outcome == "found":
            return outcome
        seen.append(outcome)
        if outcome not in ("nxdomain", "nodata", "servfail"):
            break
    if first:
        return first
    last = yield _absolute(name)
    if last == "found":
        return last
    for outcome in ("nodata", "servfail"):
        if outcome in seen:
            return outcome
    return last


def _absolute(name: str) -> str:
    return name.rstrip(".") + "."
