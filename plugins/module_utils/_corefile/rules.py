# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the set-up of each plugin takes and refuses, as a table. Pure data.

Read from plugin/*/setup.go of CoreDNS 1.15.0. A plugin that is not listed is not looked into.
"""

from __future__ import annotations

import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._corefile.values import (
    Check,
    address,
    anything,
    bindable,
    duration,
    each,
    failover_rcode,
    host_port,
    integer,
    none,
    one_of,
    percentage,
    rcode,
    resolver,
    seconds,
    some,
    upstream,
    word,
)


class Rule(t.NamedTuple):
    """What a plugin takes."""

    args: Check = anything
    options: t.Mapping[str, Check] | None = {}
    """None: they are not looked at. ``*`` stands for any other name."""
    once: bool = False
    """A second one in the same server block is refused."""
    first_only: bool = False
    """A second one in the same server block is read over."""
    single: frozenset[str] = frozenset()
    """Options that take one argument, so that what follows on their line is another option."""


def _reload(args: t.Sequence[str]) -> str:
    complaint = each(duration(2), duration(0), optional=2)(args)
    if complaint or len(args) < 2:
        return complaint
    return f"{args[1]} is out of range: a jitter is at least 1s" if 0 < (seconds(args[1]) or 0) < 1 else ""


def _cache(args: t.Sequence[str]) -> str:
    if args and not integer()(args[0]) and int(args[0]) <= 0:
        return f"{args[0]} is out of range: a TTL is at least 1"
    return ""


def _serve_stale(args: t.Sequence[str]) -> str:
    return each(
        duration(0), one_of("immediate", "verify", fold=True), duration(0), duration(0), duration(0), optional=5
    )(args)


def rewrite(rule: t.Sequence[str]) -> str:
    """What is wrong with the words of a ``rewrite``, those in its block among them."""
    words = [word.lower() for word in rule]
    if words and words[0] in {"continue", "stop"}:
        words = words[1:]
    kinds = ("name", "class", "type", "edns0", "ttl", "cname", "rcode")
    if not words:
        return "needs a rule"
    if words[0] not in kinds:
        return f"{words[0]!r} is none of {', '.join(kinds)}"
    if words[0] in {"class", "type"} and len(words) != 3:
        return f"{words[0]} takes two arguments, and here are {len(words) - 1}"
    return ""


def _loadbalance(args: t.Sequence[str]) -> str:
    if not args:
        return ""
    if args[0] == "weighted":
        return each(word, word)(args)
    return each(one_of("round_robin", "weighted"))(args)


_FORWARD_SINGLE = """
max_fails max_connect_attempts tls_servername expire max_age max_idle_conns read_timeout doh_method policy
max_concurrent source_address
"""
_TTL = each(integer(0, 3600), more=True)
_TIMEOUT = each(duration(1, 86400))

RULES: dict[str, Rule] = {
    "any": Rule(none, first_only=True),
    "autopath": Rule(some(), None),
    "bind": Rule(some(bindable), {"except": some(bindable)}),
    "bufsize": Rule(each(integer(512, 4096), optional=1), first_only=True),
    "cache": Rule(
        _cache,
        {
            "success": each(integer(), integer(1), integer(0), optional=2, more=True),
            "denial": each(integer(), integer(1), integer(0), optional=2, more=True),
            "prefetch": each(integer(0), duration(None), percentage, optional=2),
            "serve_stale": _serve_stale,
            "serve_stale_policy": each(one_of("prefer_positive", fold=True)),
            "servfail": each(duration(0, 300)),
            "disable": each(one_of("success", "denial"), more=True),
            "keepttl": none,
        },
        once=True,
    ),
    "chaos": Rule(anything, first_only=True),
    "debug": Rule(none, None),
    "dns64": Rule(
        each(word, optional=1), {"prefix": each(word, more=True), "translate_all": anything, "allow_ipv4": anything}
    ),
    "errors": Rule(
        each(one_of("stdout"), optional=1),
        {"stacktrace": anything, "consolidate": each(duration(None), word, word, word, optional=2)},
        once=True,
    ),
    "forward": Rule(
        each(word, upstream, rest=upstream),
        {
            "except": some(),
            "max_fails": each(integer(0)),
            "max_connect_attempts": each(integer(0)),
            "health_check": each(duration(0), more=True),
            "force_tcp": none,
            "prefer_udp": none,
            "tls": each(word, word, word, optional=3),
            "tls_servername": each(word),
            "expire": each(duration(0)),
            "max_age": each(duration(0)),
            "max_idle_conns": each(integer(0)),
            "read_timeout": each(duration(0, zero=False)),
            "doh_method": each(one_of("POST", "GET")),
            "policy": each(one_of("random", "round_robin", "sequential")),
            "max_concurrent": each(integer(0)),
            "next": some(rcode),
            "next_on_nodata": none,
            "failfast_all_unhealthy_upstreams": none,
            "failover": some(failover_rcode),
            "resolver": some(resolver),
            "source_address": each(address),
        },
        single=frozenset(_FORWARD_SINGLE.split()),
    ),
    "health": Rule(each(host_port, optional=1), {"lameduck": each(duration(None))}),
    "hosts": Rule(
        anything,
        {
            "fallthrough": anything,
            "fallthrough_unsupported": none,
            "no_reverse": anything,
            "ttl": each(integer(1, 65535), more=True),
            "reload": each(duration(0)),
            "*": anything,
        },
        once=True,
    ),
    "k8s_external": Rule(anything, {"ttl": _TTL, "apex": some(), "headless": anything, "fallthrough": anything}),
    "kubernetes": Rule(
        anything,
        {
            "endpoint_pod_names": none,
            "pods": each(one_of("disabled", "insecure", "verified")),
            "namespaces": some(),
            "endpoint": some(),
            "tls": each(word, word, word),
            "labels": some(),
            "namespace_labels": some(),
            "fallthrough": anything,
            "ttl": _TTL,
            "noendpoints": none,
            "zonal": none,
            "ignore": each(one_of("empty_service"), optional=1, more=True),
            "kubeconfig": each(word, word, optional=1),
            "multicluster": anything,
            "startup_timeout": each(duration(None), more=True),
            "apiserver_qps": each(word),
            "apiserver_burst": each(integer(0)),
            "apiserver_max_inflight": each(integer(0)),
        },
        once=True,
    ),
    "loadbalance": Rule(_loadbalance, {"reload": each(duration(None)), "prefer": anything}),
    "local": Rule(none, {"localhost_prefix": each(one_of("on", "off"))}),
    "log": Rule(anything, {"class": some(one_of("all", "success", "denial", "error"))}),
    "loop": Rule(none, once=True),
    "metadata": Rule(anything, once=True),
    "minimal": Rule(none, None, first_only=True),
    "multisocket": Rule(each(integer(1, 1024), optional=1), once=True),
    "nsid": Rule(anything, None, once=True),
    "pprof": Rule(each(host_port, optional=1), {"block": each(integer(), optional=1)}, once=True),
    "prometheus": Rule(each(host_port, optional=1), {"runtime_metrics": none, "tls": each(word)}, once=True),
    "ready": Rule(each(host_port, optional=1), {"monitor": each(one_of("until-ready", "continuously"))}, once=True),
    "reload": Rule(_reload, None, first_only=True),
    "rewrite": Rule(anything, None),
    "root": Rule(each(word, more=True), None),
    "template": Rule(
        each(one_of("in", "ch", "cs", "hs", "none", "any", fold=True), word, more=True),
        {
            "match": some(),
            "answer": some(),
            "additional": some(),
            "authority": some(),
            "var": each(word, word, more=True),
            "expr": some(),
            "rcode": each(rcode),
            "ederror": each(integer(0, 65535), word, optional=1),
            "fallthrough": anything,
            "upstream": anything,
        },
        single=frozenset({"rcode"}),
    ),
    "timeouts": Rule(none, {"read": _TIMEOUT, "write": _TIMEOUT, "idle": _TIMEOUT, "maxtcpqueries": each(integer(-1))}),
    "view": Rule(each(word), {"expr": some()}, once=True),
    "whoami": Rule(none, first_only=True),
}
"""By the plugin's name."""
