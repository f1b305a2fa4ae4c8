# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cache's Corefile: what it shall say, made by the same edits as CoreDNS's, and what node-cache makes of it. Pure.

What the module itself wants of the file are entries of an owner of their own, so that a change of options changes them
and nothing else. Where somebody declares a plugin of such a block, the module leaves that plugin to them.
"""

from __future__ import annotations

import json
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._corefile import entries, slots, wanted
from ansible_collections.kubenode.network.plugins.module_utils._corefile.document import Document, parse
from ansible_collections.kubenode.network.plugins.module_utils._corefile.entries import Record
from ansible_collections.kubenode.network.plugins.module_utils._corefile.errors import CorefileError
from ansible_collections.kubenode.network.plugins.module_utils._corefile.findings import ERROR, Target
from ansible_collections.kubenode.network.plugins.module_utils._corefile.keys import canonical_zone, covers
from ansible_collections.kubenode.network.plugins.module_utils._corefile.lint import lint
from ansible_collections.kubenode.network.plugins.module_utils._kube.errors import KubeError
from ansible_collections.kubenode.network.plugins.module_utils._kube.texts import Texts
from ansible_collections.kubenode.network.plugins.module_utils._nodelocal.options import OWNER, Options

CLUSTER_DNS = "__PILLAR__CLUSTER__DNS__"
UPSTREAM_SERVERS = "__PILLAR__UPSTREAM__SERVERS__"
# kubernetes/dns, cmd/node-cache/app/configmap.go: replaced as well, from -localip, and with nothing.
_LOCAL_DNS, _DNS_SERVER = "__PILLAR__LOCAL__DNS__", "__PILLAR__DNS__SERVER__"
KUBE_DNS_KEYS = ("stubDomains", "upstreamNameservers")
"""What node-cache reads of the ConfigMap kube-dns."""

# The upstream manifest's times; 9984 is CoreDNS's own default capacity (plugin/cache).
_CLUSTER_CACHE = "cache {\nsuccess 9984 30\ndenial 9984 5\n}"
_CAPACITY = 9984
# Kubernetes, "Using NodeLocal DNSCache": a full cache of the default size takes about 30 MB; it has two of _CAPACITY.
_BYTES_PER_ENTRY = 30 * 10**6 // (2 * _CAPACITY)
# Measured: what node-cache takes while its caches are empty (RSS).
_BYTES_OF_PROGRAM = 42 * 2**20


class Facts(t.NamedTuple):
    """What of the cluster the file depends on."""

    interception: str
    domain: str
    cluster_dns: tuple[str, ...]
    """ClusterIPs of the DNS Service, of the local addresses' family."""
    upstream: str = ""
    """ClusterIP of the upstream Service; empty while there is none."""
    kube_dns: t.Mapping[str, str] = {}
    """Keys of the ConfigMap kube-dns, JSON."""


class Made(t.NamedTuple):
    """What became of the text."""

    texts: Texts
    rendered: str
    """As node-cache makes it from the text."""
    memory: int
    """Bytes that it takes once its caches are full."""


def addresses(options: Options, facts: Facts) -> tuple[str, ...]:
    """What the cache listens on: ``-localip``.

    A pod with a network of its own listens on all of its addresses, as Cilium's documentation has it.
    """
    if facts.interception == "redirect_policy":
        return ("::" if options.ipv6 else "0.0.0.0",)
    if facts.interception == "cluster_ip":
        return (*options.local_ips, *facts.cluster_dns)
    return options.local_ips


def edit(text: str, records: str, options: Options, facts: Facts) -> Made:
    """The text as it shall be. Raises KubeError, with ``findings``, for one that node-cache would not run with."""
    try:
        known = entries.parse_records(records)
        document = parse(text)
        # With all that the module wants in it, to see where the entries of the user go.
        draft = wanted.edit(document, {"servers": _base(options, facts)}, _ours(known), OWNER)
        edits = _bound(options, facts, draft.document, known)
        drafted = {record.slot for record in draft.records}
        beside = (*draft.records, *(record for record in known if record.slot not in drafted))
        declared = {entry.slot[1:3] for entry in wanted.entries_of(draft.document, edits, beside)}
        first = _edit_base(document, known, options, facts, declared | _theirs(known))
        second = wanted.edit(first.document, edits, first.records, options.owner, options.purge)
        # What the user has let go of is the module's again.
        outcome = _edit_base(second.document, second.records, options, facts, declared | _theirs(second.records))
        changes = (*first.changes, *second.changes, *outcome.changes) if str(outcome.document) != text else ()
        rendered = render(str(outcome.document), options, facts)
        found = lint(parse(rendered), target(options, facts))
        refused = [one for one in found if one.level == ERROR]
        memory = memory_needed(parse(rendered))
    except CorefileError as error:
        raise KubeError(f"Corefile of the cache: {error}") from error
    if refused:
        raise KubeError(
            f"the cache would not start, or not serve, with this Corefile (image {options.image}; lines are those of "
            f"the file that node-cache makes): {'; '.join(map(str, refused))}",
            findings=[one._asdict() for one in found], corefile=rendered,
        )  # fmt: skip
    _check_memory(options, memory)
    noted = entries.dump_records(outcome.records) if outcome.records else ""
    warnings = (*first.kept, *second.kept, *outcome.kept, *(str(one) for one in found if one.level != ERROR))
    texts = Texts(text, str(outcome.document), noted, records, changes, warnings, tuple(found))
    return Made(texts, rendered, memory)


def render(text: str, options: Options, facts: Facts) -> str:
    """What node-cache makes of the text (configmap.go, updateCorefile): pillars replaced, stub domains appended.

    While the upstream Service has no address its pillar stays. Raises KubeError where ConfigMap kube-dns is no JSON.
    """
    stubs = _json(facts.kube_dns, "stubDomains", {})
    servers = _json(facts.kube_dns, "upstreamNameservers", [])
    bound = " ".join(addresses(options, facts))
    upstream = facts.cluster_dns[0] if facts.interception == "local_ip" else facts.upstream
    text = text.replace(UPSTREAM_SERVERS, " ".join(map(str, servers)) or "/etc/resolv.conf")
    text = text.replace(_LOCAL_DNS, bound).replace(_DNS_SERVER, "")
    if upstream:
        text = text.replace(CLUSTER_DNS, upstream)
    for zone, targets in sorted(stubs.items()):
        plugins = ("errors", "cache 30", f"bind {bound}", f"forward . {' '.join(map(str, targets))}")
        text += "".join((f"\n{zone}:53 {{\n", *(f"    {plugin}\n" for plugin in plugins), "}\n"))
    return text


def target(options: Options, facts: Facts) -> Target:
    """The server that shall read the file."""
    host = facts.interception != "redirect_policy"
    return Target(
        kind="node-cache", known_plugins=options.plugins(), only_known_plugins=True, host_network=host,
        interception=facts.interception, cluster_dns=facts.cluster_dns,
        local_ips=addresses(options, facts) if host else (),
    )  # fmt: skip


def memory_needed(document: Document) -> int:
    """Bytes that node-cache takes when every cache of its file is full."""
    total = _BYTES_OF_PROGRAM
    for block in document.blocks:
        for cache in block.plugins("cache")[:1]:
            for kind in ("success", "denial"):
                option = cache.option(kind)
                size = option.args[0] if option is not None and option.args else ""
                total += _BYTES_PER_ENTRY * (int(size) if size.isdigit() else _CAPACITY)
    return total


def _check_memory(options: Options, needed: int) -> None:
    limit = options.memory_limit
    if limit and limit < needed:
        raise KubeError(
            f"resources.limits.memory: {options.resources['limits']['memory']} is {limit // 2**20} MiB, and the cache "
            f"takes up to {-(-needed // 2**20)} MiB once its caches are full: the kernel would end it, and the node be "
            "without DNS; raise the limit, or make the caches smaller (cache: options: success, denial)",
            memory={"needed": needed, "limit": limit},
        )


def _base(options: Options, facts: Facts, others: t.Container[tuple[str, ...]] = ()) -> list[dict[str, t.Any]]:
    """The server blocks of the file; ``others`` are the plugins, with their server, that somebody else declares."""
    upstream = facts.cluster_dns[0] if facts.interception == "local_ip" else CLUSTER_DNS
    tcp = " {\nforce_tcp\n}" if options.force_tcp else ""
    inside = f"forward . {upstream}{tcp}"
    outside = inside if options.external_zones_via == "cluster" else f"forward . {UPSTREAM_SERVERS}"
    redirected = facts.interception == "redirect_policy"
    bind = f"bind {' '.join(addresses(options, facts))}"
    address = "" if redirected else (f"[{options.local_ips[0]}]" if options.ipv6 else options.local_ips[0])
    found = []
    for zone in (facts.domain, "in-addr.arpa", "ip6.arpa", "."):
        plugins = [
            "errors", _CLUSTER_CACHE if zone == facts.domain else "cache 30", "reload", "loop", bind,
            outside if zone == "." else inside, f"prometheus :{options.metrics_port}",
        ]  # fmt: skip
        if zone == facts.domain:
            plugins.append(f"health {address}:{options.health_port}")
        key = f"{zone}:53"
        server = slots.server_of([key])
        kept = [text for text in plugins if (server, slots.plugin_of(text)) not in others]
        found.append({"zones": [key], "plugins": kept})
    return found


def _ours(records: t.Iterable[Record]) -> tuple[Record, ...]:
    return tuple(record for record in records if OWNER in record.owners)


def _edit_base(
    document: Document, known: t.Iterable[Record], options: Options, facts: Facts, others: set[tuple[str, ...]]
) -> entries.Outcome:
    return wanted.edit(document, {"servers": _base(options, facts, others)}, known, OWNER)


def _theirs(records: t.Iterable[Record]) -> set[tuple[str, ...]]:
    """(server, plugin) of the plugins that others than the module have declared."""
    return {record.slot[1:3] for record in records if record.slot[0] == "plugin" and set(record.owners) - {OWNER}}


def _bound(options: Options, facts: Facts, document: Document, known: t.Iterable[Record]) -> dict[str, t.Any]:
    """The user's entries, with new server blocks bound to the cache's addresses, and hosts where they are asked for."""
    edits = {name: [dict(item) for item in items] for name, items in options.edits.items()}
    bind = list(addresses(options, facts))
    for item in edits.get("stub_domains", ()):
        item.setdefault("bind", bind)
    made = {record.slot for record in known}
    for item in edits.get("servers", ()):
        if not item.get("zones"):
            continue
        server = slots.server_of([str(zone) for zone in item["zones"]])
        new = slots.find_block(document, server) is None or ("block", server) in made
        plugins = [str(text) for text in item.get("plugins") or ()]
        base = {slots.server_of(one["zones"]) for one in _base(options, facts)}
        if new and server not in base and not any(text.split()[:1] == ["bind"] for text in plugins):
            item["plugins"] = [f"bind {' '.join(bind)}", *plugins]
    if "hosts" in edits:
        edits["hosts"] = [one for item in edits["hosts"] for one in _placed(item, facts)]
    return edits


def _placed(item: dict[str, t.Any], facts: Facts) -> list[dict[str, t.Any]]:
    """A hosts entry by the server block that is asked for each of its names."""
    names = item.get("names")
    if item.get("server") or not isinstance(names, list):
        return [item]
    inside = [name for name in names if covers(canonical_zone(facts.domain), canonical_zone(str(name)))]
    outside = [name for name in names if name not in inside]
    parts = ((inside, facts.domain), (outside, "."))
    return [{**item, "names": some, "server": server} for some, server in parts if some] or [item]


def _json(held: t.Mapping[str, str], key: str, empty: t.Any) -> t.Any:
    text = held.get(key)
    if not text or not text.strip():
        return empty
    try:
        value = json.loads(text)
    except ValueError as error:
        raise KubeError(
            f"ConfigMap kube-dns, key {key}: is no JSON ({error}); node-cache reads it, so correct or remove it"
        ) from None
    shape_ok = isinstance(value, type(empty)) and (
        not isinstance(value, dict) or all(isinstance(one, list) for one in value.values())
    )
    if not shape_ok:
        raise KubeError(f"ConfigMap kube-dns, key {key}: is not what node-cache reads there; correct or remove it")
    return value
