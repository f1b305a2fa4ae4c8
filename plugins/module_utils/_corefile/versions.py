# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which server knows which plugins and options, by version. Pure data and look-ups.

Plugins are those of plugin.cfg in each release of CoreDNS from 1.0.0 to 1.15.0; the options are dated by the first
release whose plugin reads them.
"""

from __future__ import annotations

import re

NEWEST = (1, 15, 0)
"""The newest release that these tables know; of a later one they cannot say that something is unknown."""

_FIRST = """
metadata tls reload nsid root bind debug trace health pprof prometheus errors log dnstap chaos loadbalance cache rewrite
dnssec autopath template hosts route53 federation k8s_external kubernetes file auto secondary etcd loop forward proxy
erratic whoami on
"""
# Release -> plugins that came with it, and "-" before those that it dropped.
_CHANGES: tuple[tuple[tuple[int, int, int], str], ...] = (
    ((1, 4, 0), _FIRST),
    ((1, 5, 0), "cancel grpc ready -proxy"),
    ((1, 5, 1), "any"),
    ((1, 6, 2), "azure"),
    ((1, 6, 3), "clouddns sign"),
    ((1, 6, 4), "acl"),
    ((1, 6, 5), "transfer"),
    ((1, 6, 6), "bufsize"),
    ((1, 7, 0), "dns64 -federation"),
    ((1, 8, 1), "local"),
    ((1, 8, 4), "minimal"),
    ((1, 8, 5), "geoip header"),
    ((1, 9, 4), "tsig"),
    ((1, 10, 0), "view"),
    ((1, 10, 1), "timeouts"),
    ((1, 12, 0), "multisocket"),
    ((1, 12, 2), "quic"),
    ((1, 13, 0), "nomad"),
    ((1, 14, 0), "grpc_server https https3"),
    ((1, 14, 3), "proxyproto"),
    ((1, 14, 7), "shed"),
    ((1, 15, 0), "siit dynupdate"),
)

# k8s.io/dns, cmd/node-cache/main.go: its own list, not plugin.cfg. ``hosts`` is missing in older images.
_NODE_CACHE = """
bind bufsize cache debug dns64 dnstap errors forward health hosts loadbalance log loop metadata pprof prometheus reload
rewrite template timeouts trace whoami
"""
NODE_CACHE = frozenset(_NODE_CACHE.split())

OPTIONS_SINCE: dict[tuple[str, str], tuple[int, int, int]] = {
    ("bind", "except"): (1, 8, 4),
    ("cache", "disable"): (1, 9, 4),
    ("cache", "keepttl"): (1, 10, 1),
    ("cache", "serve_stale"): (1, 6, 6),
    ("cache", "serve_stale_policy"): (1, 14, 7),
    ("cache", "servfail"): (1, 9, 4),
    ("errors", "stacktrace"): (1, 9, 3),
    ("forward", "doh_method"): (1, 14, 5),
    ("forward", "failfast_all_unhealthy_upstreams"): (1, 12, 1),
    ("forward", "failover"): (1, 13, 0),
    ("forward", "max_age"): (1, 14, 3),
    ("forward", "max_concurrent"): (1, 6, 8),
    ("forward", "max_connect_attempts"): (1, 13, 2),
    ("forward", "max_idle_conns"): (1, 14, 1),
    ("forward", "next"): (1, 11, 4),
    ("forward", "next_on_nodata"): (1, 14, 4),
    ("forward", "read_timeout"): (1, 14, 5),
    ("forward", "resolver"): (1, 14, 4),
    ("forward", "source_address"): (1, 14, 6),
    ("hosts", "fallthrough_unsupported"): (1, 14, 7),
    ("kubernetes", "multicluster"): (1, 12, 2),
    ("kubernetes", "namespace_labels"): (1, 5, 0),
    ("kubernetes", "startup_timeout"): (1, 12, 3),
    ("loadbalance", "prefer"): (1, 12, 4),
    ("ready", "monitor"): (1, 12, 2),
    ("template", "ederror"): (1, 10, 1),
}
OPTIONS_UNTIL: dict[tuple[str, str], tuple[int, int, int]] = {
    ("kubernetes", "resyncperiod"): (1, 7, 0),
    ("kubernetes", "transfer"): (1, 8, 0),
    ("kubernetes", "upstream"): (1, 7, 0),
}
"""The first release without them."""

FORWARD_TO_NAMES = (1, 14, 4)
"""``forward`` resolves names of upstreams since this release, once when it starts."""
SEVERAL_FORWARDS = (1, 9, 4)
"""``forward`` may stand more than once in a server block since this release."""


def number(version: str) -> tuple[int, int, int] | None:
    """``v1.11.3-eksbuild.1`` is (1, 11, 3); None for text that begins with no version."""
    match = re.match(r"v?(\d+)\.(\d+)(?:\.(\d+))?", version)
    return (int(match[1]), int(match[2]), int(match[3] or 0)) if match else None


def coredns_plugins(version: tuple[int, int, int] | None) -> frozenset[str]:
    """The plugins of a release; without one those of any release."""
    found: set[str] = set()
    for release, changes in _CHANGES:
        # Releases before the first one listed are taken for it.
        if version is not None and release > max(version, _CHANGES[0][0]):
            break
        for change in changes.split():
            if not change.startswith("-"):
                found.add(change)
            elif version is not None:
                found.discard(change[1:])
    return frozenset(found)


def release_of(plugin: str) -> str | None:
    """The release that a plugin came with; None when no release has it."""
    for release, changes in _CHANGES:
        if plugin in changes.split():
            return ".".join(map(str, release))
    return None
