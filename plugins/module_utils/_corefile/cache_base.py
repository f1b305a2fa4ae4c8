# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The server blocks that make a Corefile that of a node's cache, beside what somebody declares in the same file.

They are entries of an owner of their own, so that a change of options changes them and nothing else. Where somebody
declares a plugin of such a block it is left to them, and comes back once they let go of it.
"""

from __future__ import annotations

import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._corefile import slots, wanted
from ansible_collections.kubenode.network.plugins.module_utils._corefile.document import Document
from ansible_collections.kubenode.network.plugins.module_utils._corefile.entries import Outcome, Record
from ansible_collections.kubenode.network.plugins.module_utils._corefile.keys import canonical_zone, covers

# Answers of a kind that plugin cache keeps unless told (coredns.io/plugins/cache).
_CAPACITY = 9984
_REVERSE = ("in-addr.arpa", "ip6.arpa")
# The times are those of Kubernetes' nodelocaldns.yaml.
_CLUSTER_CACHE = f"cache {{\nsuccess {_CAPACITY} 30\ndenial {_CAPACITY} 5\n}}"

# Kubernetes, "Using NodeLocal DNSCache": a full cache of the default size takes about 30 MB; it has two of _CAPACITY.
_BYTES_PER_ENTRY = 30 * 10**6 // (2 * _CAPACITY)
# Measured (RSS): what node-cache takes while its caches are empty. A CoreDNS with all of its plugins takes little more.
_BYTES_OF_PROGRAM = 42 * 2**20

Servers = list[dict[str, t.Any]]


class Base(t.NamedTuple):
    """What a cache's own server blocks say."""

    domain: str
    bind: tuple[str, ...]
    inside: str
    """Where names of the cluster, and its reverse zones, are asked: what stands behind ``forward .``."""
    outside: str
    """The same for all other names."""
    force_tcp: bool
    """Whether ``inside`` is asked over TCP, and ``outside`` where it is the same."""
    health: str
    """Address, if any, and port."""
    metrics_port: int
    reload: bool
    imports: str = ""
    """A pattern of files whose plugins every block has too; empty: none."""

    def servers(self, others: t.Container[tuple[str, ...]] = ()) -> Servers:
        """The server blocks; ``others`` are the plugins, with their server, that somebody else declares."""
        tcp = " {\nforce_tcp\n}" if self.force_tcp else ""
        inside = f"forward . {self.inside}{tcp}"
        outside = inside if self.outside == self.inside else f"forward . {self.outside}"
        found = []
        for zone in (self.domain, *_REVERSE, "."):
            plugins = [
                "errors", _CLUSTER_CACHE if zone == self.domain else "cache 30", *(["reload"] if self.reload else ()),
                "loop", f"bind {' '.join(self.bind)}", outside if zone == "." else inside,
                f"prometheus :{self.metrics_port}",
                *([f"health {self.health}"] if zone == self.domain else ()),
                *([f"import {self.imports}"] if self.imports else ()),
            ]  # fmt: skip
            key = f"{zone}:53"
            server = slots.server_of([key])
            kept = [plugin for plugin in plugins if (server, slots.plugin_of(plugin)) not in others]
            found.append({"zones": [key], "plugins": kept})
        return found


def edit(
    document: Document, known: t.Sequence[Record], base: Base, owner: str, declared: wanted.Options, user: str,
    purge: str,
) -> Outcome:  # fmt: skip
    """Make a text have the server blocks of ``base``, as entries of ``owner``, and what ``user`` declares.

    New server blocks of the user are bound as those of the base are, and a hosts entry goes where its names are asked
    for.

    Args:
        known: records of earlier calls.
        declared: options as ``wanted.edit`` takes them.
        purge: of what ``user`` declared earlier.

    Raises CorefileError.
    """
    ours = [record for record in known if owner in record.owners]
    # With all of the base in it, to see where the entries of the user go.
    draft = wanted.edit(document, {"servers": base.servers()}, ours, owner)
    edits = _placed(declared, base, draft.document, known)
    drafted = {record.slot for record in draft.records}
    beside = (*draft.records, *(record for record in known if record.slot not in drafted))
    theirs = {entry.slot[1:3] for entry in wanted.entries_of(draft.document, edits, beside)}
    first = wanted.edit(document, {"servers": base.servers(theirs | _theirs(known, owner))}, known, owner)
    second = wanted.edit(first.document, edits, first.records, user, purge)
    # What the user has let go of is the base's again.
    others = theirs | _theirs(second.records, owner)
    last = wanted.edit(second.document, {"servers": base.servers(others)}, second.records, owner)
    changes = (*first.changes, *second.changes, *last.changes) if str(last.document) != str(document) else ()
    kept = (*first.kept, *second.kept, *last.kept)
    return Outcome(last.document, last.records, tuple(dict.fromkeys(changes)), kept)


def memory_needed(document: Document) -> int:
    """Bytes that a server takes when every cache of its file is full."""
    total = _BYTES_OF_PROGRAM
    for block in document.blocks:
        for cache in block.plugins("cache")[:1]:
            for kind in ("success", "denial"):
                option = cache.option(kind)
                size = option.args[0] if option is not None and option.args else ""
                total += _BYTES_PER_ENTRY * (int(size) if size.isdigit() else _CAPACITY)
    return total


def _theirs(records: t.Iterable[Record], owner: str) -> set[tuple[str, ...]]:
    """(server, plugin) of the plugins that others have declared."""
    return {record.slot[1:3] for record in records if record.slot[0] == "plugin" and set(record.owners) - {owner}}


def _placed(declared: wanted.Options, base: Base, document: Document, known: t.Iterable[Record]) -> wanted.Options:
    edits = {name: [dict(item) for item in items] for name, items in declared.items()}
    for item in edits.get("stub_domains", ()):
        item["bind"] = item.get("bind") or list(base.bind)
    made = {record.slot for record in known}
    own = {slots.server_of(one["zones"]) for one in base.servers()}
    for item in edits.get("servers", ()):
        if not item.get("zones"):
            continue
        server = slots.server_of([str(zone) for zone in item["zones"]])
        new = slots.find_block(document, server) is None or ("block", server) in made
        plugins = [str(text) for text in item.get("plugins") or ()]
        if new and server not in own and not any(text.split()[:1] == ["bind"] for text in plugins):
            item["plugins"] = [f"bind {' '.join(base.bind)}", *plugins]
    if "hosts" in edits:
        edits["hosts"] = [one for item in edits["hosts"] for one in _by_server(item, base.domain)]
    return edits


def _by_server(item: dict[str, t.Any], domain: str) -> list[dict[str, t.Any]]:
    """A hosts entry by the server block that is asked for each of its names."""
    names = item.get("names")
    if item.get("server") or not isinstance(names, list):
        return [item]
    inside = [name for name in names if covers(canonical_zone(domain), canonical_zone(str(name)))]
    outside = [name for name in names if name not in inside]
    parts = ((inside, domain), (outside, "."))
    return [{**item, "names": some, "server": server} for some, server in parts if some] or [item]
