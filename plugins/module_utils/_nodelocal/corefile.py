# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cache's Corefile: what it shall say, by the same edits as CoreDNS's, and what node-cache makes of it. Pure."""

from __future__ import annotations

import json
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._corefile import cache_base, entries
from ansible_collections.kubenode.network.plugins.module_utils._corefile.cache_base import Base
from ansible_collections.kubenode.network.plugins.module_utils._corefile.document import parse
from ansible_collections.kubenode.network.plugins.module_utils._corefile.errors import CorefileError
from ansible_collections.kubenode.network.plugins.module_utils._corefile.findings import ERROR, Target
from ansible_collections.kubenode.network.plugins.module_utils._corefile.lint import lint
from ansible_collections.kubenode.network.plugins.module_utils._corefile.load import ANY_FILES, Files
from ansible_collections.kubenode.network.plugins.module_utils._kube.errors import KubeError
from ansible_collections.kubenode.network.plugins.module_utils._kube.texts import Texts
from ansible_collections.kubenode.network.plugins.module_utils._nodelocal.options import OWNER, Options

CLUSTER_DNS = "__PILLAR__CLUSTER__DNS__"
UPSTREAM_SERVERS = "__PILLAR__UPSTREAM__SERVERS__"
# kubernetes/dns, cmd/node-cache/app/configmap.go: replaced as well, from -localip, and with nothing.
_LOCAL_DNS, _DNS_SERVER = "__PILLAR__LOCAL__DNS__", "__PILLAR__DNS__SERVER__"
_UPSTREAM_UDP = f"\n    forward . {UPSTREAM_SERVERS}\n"
_UPSTREAM_TCP = f"\n    forward . {UPSTREAM_SERVERS} {{\n            force_tcp\n    }}\n"
CONF = "/etc/Corefile"
"""Where node-cache writes what it makes of the text."""
QUERY_LOG_FOLDER = "/etc/node-local-dns-query-log"
"""Where pods have the ConfigMap of a query log (dns_query_log), with ``query_log``."""
KUBE_DNS_KEYS = ("stubDomains", "upstreamNameservers")
"""What node-cache reads of the ConfigMap kube-dns."""


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
        outcome = cache_base.edit(
            parse(text), entries.parse_records(records), _base(options, facts), OWNER, options.edits, options.owner,
            options.purge,
        )  # fmt: skip
        rendered = render(str(outcome.document), options, facts)
        found = lint(parse(rendered), target(options, facts), _around(options))
        refused = [one for one in found if one.level == ERROR]
        memory = cache_base.memory_needed(parse(rendered))
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
    warnings = (*outcome.kept, *(str(one) for one in found if one.level != ERROR))
    texts = Texts(text, str(outcome.document), noted, records, outcome.changes, warnings, tuple(found))
    return Made(texts, rendered, memory)


def render(text: str, options: Options, facts: Facts) -> str:
    """What node-cache makes of the text. Raises KubeError where ConfigMap kube-dns is no JSON."""
    upstream = facts.cluster_dns[0] if facts.interception == "local_ip" else facts.upstream
    return rendered(text, addresses(options, facts), upstream, facts.kube_dns)


def rendered(text: str, local_ips: t.Sequence[str], upstream: str, kube_dns: t.Mapping[str, str]) -> str:
    """The same from what a pod is started with (configmap.go, updateCorefile): pillars replaced, stub domains appended.

    Args:
        text: of ``-basecorefile``.
        local_ips: of ``-localip``.
        upstream: ClusterIP of ``-upstreamsvc``; while it is empty its pillar stays.
        kube_dns: keys of the ConfigMap kube-dns, JSON; where it has several stub domains node-cache appends them in an
            order of its own, another at each start. Raises KubeError where a key is no JSON.
    """
    stubs = _json(kube_dns, "stubDomains", {})
    servers = _json(kube_dns, "upstreamNameservers", [])
    bound = " ".join(local_ips)
    if servers:
        # Servers that it is told are asked over UDP, where the text has these very lines.
        text = text.replace(_UPSTREAM_TCP, _UPSTREAM_UDP)
    text = text.replace(UPSTREAM_SERVERS, " ".join(map(str, servers)) or "/etc/resolv.conf")
    text = text.replace(_LOCAL_DNS, bound).replace(_DNS_SERVER, "")
    if upstream:
        text = text.replace(CLUSTER_DNS, upstream)
    for zone, targets in sorted(stubs.items()):
        plugins = ("errors", "cache 30", f"bind {bound}", f"forward . {' '.join(map(str, targets))}")
        text += "".join((f"\n{zone}:53 {{\n", *(f"    {plugin}\n" for plugin in plugins), "}\n"))
    return text


def stub_domains(kube_dns: t.Mapping[str, str]) -> int:
    """How many server blocks node-cache appends. Raises KubeError where the key is no JSON."""
    return len(_json(kube_dns, "stubDomains", {}))


def target(options: Options, facts: Facts) -> Target:
    """The server that shall read the file."""
    host = facts.interception != "redirect_policy"
    return Target(
        kind="node-cache", known_plugins=options.plugins(), only_known_plugins=True, host_network=host,
        interception=facts.interception, cluster_dns=facts.cluster_dns,
        local_ips=addresses(options, facts) if host else (),
    )  # fmt: skip


def _check_memory(options: Options, needed: int) -> None:
    limit = options.memory_limit
    if limit and limit < needed:
        raise KubeError(
            f"resources.limits.memory: {options.resources['limits']['memory']} is {limit // 2**20} MiB, and the cache "
            f"takes up to {-(-needed // 2**20)} MiB once its caches are full: the kernel would end it, and the node be "
            "without DNS; raise the limit, or make the caches smaller (cache: options: success, denial)",
            memory={"needed": needed, "limit": limit},
        )


def _around(options: Options) -> Files:
    """What the file is read with, as while queries are logged."""
    if not options.query_log:
        return ANY_FILES
    return Files({f"{QUERY_LOG_FOLDER}/query-log.override": "log\n"}, main=CONF, complete=False)


def _base(options: Options, facts: Facts) -> Base:
    """The server blocks of the file."""
    inside = facts.cluster_dns[0] if facts.interception == "local_ip" else CLUSTER_DNS
    address = f"[{options.local_ips[0]}]" if options.ipv6 else options.local_ips[0]
    return Base(
        facts.domain, addresses(options, facts), inside,
        inside if options.external_zones_via == "cluster" else UPSTREAM_SERVERS, options.force_tcp,
        f"{'' if facts.interception == 'redirect_policy' else address}:{options.health_port}", options.metrics_port,
        reload=True, imports=f"{QUERY_LOG_FOLDER}/*.override" if options.query_log else "",
    )  # fmt: skip


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
