# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Corefile of the cache: made by the same edits as CoreDNS's, so that what is written by hand stays. Pure."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._cache_service.options import OWNER, Options
from ansible_collections.kubenode.network.plugins.module_utils._corefile import entries, slots, wanted
from ansible_collections.kubenode.network.plugins.module_utils._corefile.document import parse
from ansible_collections.kubenode.network.plugins.module_utils._corefile.errors import CorefileError
from ansible_collections.kubenode.network.plugins.module_utils._corefile.findings import ERROR, Target
from ansible_collections.kubenode.network.plugins.module_utils._corefile.lint import lint
from ansible_collections.kubenode.network.plugins.module_utils._state.model import StateError

# The times of Kubernetes' nodelocaldns.yaml; 9984 is the capacity that plugin cache has unless told.
_CLUSTER_CACHE = "cache {\nsuccess 9984 30\ndenial 9984 5\n}"

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
        known = entries.parse_records(records)
        theirs = _theirs(known)
        first = wanted.edit(parse(text), {"servers": _base(options, theirs)}, known, OWNER)
        edits = _bound(options)
        declared = {one.slot[1:3] for one in wanted.entries_of(first.document, edits, first.records)}
        # What somebody declares of a plugin of ours is theirs, and ours again once they let go of it.
        first = wanted.edit(parse(text), {"servers": _base(options, theirs | declared)}, known, OWNER)
        second = wanted.edit(first.document, edits, first.records, options.owner, options.purge)
        last = wanted.edit(
            second.document, {"servers": _base(options, declared | _theirs(second.records))}, second.records, OWNER
        )
        found = lint(last.document, _target(options, plugins))
    except CorefileError as error:
        raise StateError(f"Corefile of the cache: {error}") from error
    after = str(last.document)
    refused = [one for one in found if one.level == ERROR or one.kind in _REFUSED]
    if refused:
        raise StateError(
            f"the cache would not start, or not answer, with this Corefile: {'; '.join(map(str, refused))}",
            findings=[one._asdict() for one in found], corefile=after,
        )  # fmt: skip
    changes = (*first.changes, *second.changes, *last.changes) if after != text else ()
    stays = (*first.kept, *second.kept, *last.kept)
    warnings = (*stays, *(str(one) for one in found if one.level != ERROR))
    noted = entries.dump_records(last.records) if last.records else ""
    return Made(after, noted, tuple(dict.fromkeys(changes)), warnings, tuple(one._asdict() for one in found))


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


def _base(options: Options, others: t.Container[tuple[str, ...]]) -> list[dict[str, t.Any]]:
    """The server blocks of the file; ``others`` are the plugins, with their server, that somebody else declares."""
    tcp = " {\nforce_tcp\n}" if options.force_tcp else ""
    inside = f"forward . {' '.join(options.cluster_upstreams)}{tcp}"
    outside = f"forward . {' '.join(options.upstreams)}"
    address = options.local_ips[0]
    health = f"health {f'[{address}]' if ':' in address else address}:{options.health_port}"
    found = []
    for zone in (options.cluster_domain.rstrip("."), "in-addr.arpa", "ip6.arpa", "."):
        own = zone not in ("in-addr.arpa", "ip6.arpa", ".")
        plugins = [
            "errors", _CLUSTER_CACHE if own else "cache 30", "loop", f"bind {' '.join(options.local_ips)}",
            outside if zone == "." else inside, f"prometheus :{options.metrics_port}",
        ]  # fmt: skip
        if own:
            plugins.append(health)
        key = f"{zone}:53"
        server = slots.server_of([key])
        kept = [plugin for plugin in plugins if (server, slots.plugin_of(plugin)) not in others]
        found.append({"zones": [key], "plugins": kept})
    return found


def _bound(options: Options) -> dict[str, t.Any]:
    """The declared edits, each stub domain on the cache's own addresses."""
    edits = dict(options.edits)
    stubs = edits.get("stub_domains") or ()
    if stubs:
        edits["stub_domains"] = [{**one, "bind": one.get("bind") or list(options.local_ips)} for one in stubs]
    return edits


def _theirs(records: t.Iterable[entries.Record]) -> set[tuple[str, ...]]:
    return {tuple(one.slot[1:3]) for one in records if one.owners != (OWNER,) and one.slot[0] != "block"}
