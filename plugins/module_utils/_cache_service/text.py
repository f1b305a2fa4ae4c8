# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Corefile of the cache: made by the same edits as CoreDNS's, so that what is written by hand stays. Pure."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._cache_service.options import OWNER, Options
from ansible_collections.kubenode.network.plugins.module_utils._corefile import cache_base, entries
from ansible_collections.kubenode.network.plugins.module_utils._corefile.cache_base import Base
from ansible_collections.kubenode.network.plugins.module_utils._corefile.document import parse
from ansible_collections.kubenode.network.plugins.module_utils._corefile.errors import CorefileError
from ansible_collections.kubenode.network.plugins.module_utils._corefile.findings import ERROR, Target
from ansible_collections.kubenode.network.plugins.module_utils._corefile.lint import lint
from ansible_collections.kubenode.network.plugins.module_utils._state.model import StateError

# A block without bind would answer on all of the node's addresses, and take its own resolver's port.
_REFUSED = ("no-bind", "mixed-bind")


class Made(t.NamedTuple):
    """What became of the text."""

    text: str
    records: str
    changes: tuple[str, ...]
    warnings: tuple[str, ...]
    findings: tuple[dict[str, t.Any], ...]


def edit(text: str, records: str, options: Options, plugins: frozenset[str] | None) -> Made:
    """The text as it shall be.

    ``plugins`` are those that the binary has, None while it is not known. Raises StateError, with ``findings``, for a
    text with which it would not start, or not answer on each of its addresses.
    """
    try:
        outcome = cache_base.edit(
            parse(text), entries.parse_records(records), _base(options), OWNER, options.edits, options.owner,
            options.purge,
        )  # fmt: skip
        found = lint(outcome.document, _target(options, plugins))
    except CorefileError as error:
        raise StateError(f"Corefile of the cache: {error}") from error
    after = str(outcome.document)
    limit, needed = options.memory_limit, cache_base.memory_needed(outcome.document)
    if limit and limit < needed:
        raise StateError(
            f"memory_max: {options.memory_max} is {limit // 2**20} MiB, and the cache takes up to "
            f"{-(-needed // 2**20)} MiB once its caches are full: the kernel would end it, and the node be without "
            "DNS; raise it, or make the caches smaller (cache: options: success, denial)"
        )
    refused = [one for one in found if one.level == ERROR or one.kind in _REFUSED]
    if refused:
        raise StateError(
            f"the cache would not start, or not answer, with this Corefile: {'; '.join(map(str, refused))}",
            findings=[one._asdict() for one in found], corefile=after,
        )  # fmt: skip
    warnings = (*outcome.kept, *(str(one) for one in found if one.level != ERROR))
    noted = entries.dump_records(outcome.records) if outcome.records else ""
    return Made(after, noted, outcome.changes, warnings, tuple(one._asdict() for one in found))


def plugins_of(listed: str) -> frozenset[str]:
    """The plugins in what ``coredns -plugins`` prints; older releases have ``dns.`` before each."""
    return frozenset(re.findall(r"^\s*(?:dns\.)?([a-z0-9_]+)$", listed, re.MULTILINE))


def _target(options: Options, plugins: frozenset[str] | None) -> Target:
    if plugins is None:
        return Target(kind="coredns", host_network=True, interception="local_ip", local_ips=options.local_ips)
    # As strict as with node-cache: a block without bind would take port 53 of all of the node's addresses.
    return Target(
        kind="node-cache", known_plugins=plugins, only_known_plugins=True, host_network=True, interception="local_ip",
        local_ips=options.local_ips,
    )  # fmt: skip


def _base(options: Options) -> Base:
    """The server blocks of the file. Without reload: a new text gets a new server, beside the old one."""
    address = options.local_ips[0]
    return Base(
        options.cluster_domain.rstrip("."), options.local_ips, " ".join(options.cluster_upstreams),
        " ".join(options.upstreams), options.force_tcp,
        f"{f'[{address}]' if ':' in address else address}:{options.health_port}", options.metrics_port, reload=False,
    )  # fmt: skip
