# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lint of server blocks: keys, what they listen on, and which of them get in each other's way. Pure."""

from __future__ import annotations

import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._corefile.errors import CorefileError
from ansible_collections.kubenode.network.plugins.module_utils._corefile.findings import Findings, Target
from ansible_collections.kubenode.network.plugins.module_utils._corefile.keys import ServerKey, server_keys, transport
from ansible_collections.kubenode.network.plugins.module_utils._corefile.load import ServerBlock
from ansible_collections.kubenode.network.plugins.module_utils._corefile.stanza import stanzas

_NODE_CACHE_AT_START = frozenset({"__PILLAR__CLUSTER__DNS__", "__PILLAR__UPSTREAM__SERVERS__"})


class Server(t.NamedTuple):
    """A server block with what its keys and ``bind`` say."""

    block: ServerBlock
    keys: list[ServerKey]
    binds: list[str]
    """What ``bind`` names, addresses and interfaces; empty: all addresses."""

    @property
    def ports(self) -> set[int]:
        return {key.port for key in self.keys}


def server(block: ServerBlock, findings: Findings) -> Server:
    """Read a block's keys and ``bind``."""
    keys: list[ServerKey] = []
    for key in block.keys:
        if key in {"{", "}"} or key.endswith("{") or key.startswith("}"):
            message = (
                f"{key!r} is taken for the name of a server: a brace is missing, too many, or lacks a space before it"
            )
            findings.error(block.key, "stray-brace", message)
            continue
        try:
            keys += server_keys(key)
        except CorefileError as error:
            findings.error(block.key, "bad-key", error.message)
            continue
        _scheme, rest = transport(key)
        if ":" in rest and "/" not in rest and ":" in keys[-1].zone:
            port = rest.rpartition(":")[2]
            findings.warning(block.key, "bad-port", f"{key}: {port!r} is no port, so all of it is the name of a zone")
    binds = [arg for stanza in stanzas(block.directives.get("bind", [])) for arg in stanza.args]
    return Server(block, keys, binds)


def check_servers(servers: t.Sequence[Server], target: Target, findings: Findings) -> None:
    """What concerns several blocks, or what a block listens on."""
    _check_duplicates(servers, findings)
    for one in servers:
        _check_bind(one, target, findings)
        check_pillars(one, target, findings)
    bound = {port: one for one in servers if one.binds for port in sorted(one.ports)}
    for one in servers:
        both = sorted(one.ports & set(bound)) if not one.binds else []
        if both:
            other = bound[both[0]].block
            theirs = f"{' '.join(other.keys)} on line {other.key.line}"
            message = (
                f"{' '.join(one.block.keys)} has no bind and {theirs} has one, on the same port {both[0]}: "
                "which of them answers is chance"
            )
            findings.warning(one.block.key, "mixed-bind", message)
        elif target.kind == "node-cache" and not one.binds and one.keys:
            keys = " ".join(one.block.keys)
            message = f"{keys} has no bind: it listens on all addresses of the node, not on the cache's own"
            findings.warning(one.block.key, "no-bind", message)


def _check_duplicates(servers: t.Sequence[Server], findings: Findings) -> None:
    """core/dnsserver/address.go, zoneOverlap."""
    registered: dict[tuple[ServerKey, str], Server] = {}
    unbound: dict[ServerKey, Server] = {}
    for one in servers:
        for key in one.keys:
            for bind in one.binds or [""]:
                same = registered.get((key, bind))
                other = unbound.get(key)
                if same is not None:
                    _duplicate(one, key, same, f" on {bind}" if bind else "", findings)
                elif other is not None and (not bind or (key, "") in registered):
                    _duplicate(one, key, other, ", one of them with bind and one without", findings)
                elif "view" not in one.block.directives:
                    registered[key, bind] = one
                    unbound[key] = one


def _duplicate(one: Server, key: ServerKey, other: Server, how: str, findings: Findings) -> None:
    where = f"on line {other.block.key.line}" + (f" of {other.block.key.file}" if other.block.key.file else "")
    findings.error(one.block.key, "duplicate-zone", f"{key} is already served by the block {where}{how}")


def _check_bind(one: Server, target: Target, findings: Findings) -> None:
    words = one.block.directives.get("bind")
    if not words:
        return
    for bind in one.binds:
        if not bind.strip("0123456789abcdefABCDEF:.") and (":" in bind or "." in bind):
            everywhere = bind in {"0.0.0.0", "::"} or bind.startswith("127.") or bind == "::1"
            if target.addresses is not None:
                foreign = not everywhere and bind not in target.addresses and bind not in target.local_ips
            else:
                foreign = not everywhere and target.kind == "coredns" and not target.host_network
            if foreign:
                findings.error(
                    words[0], "foreign-bind", f"bind {bind}: the server has no such address and will not start"
                )
    lacking = [address for address in target.local_ips if address not in one.binds] if one.binds else []
    if target.kind == "node-cache" and lacking and 53 in one.ports:
        message = (
            f"bind leaves out {', '.join(lacking)}, an address of the cache: queries to it for this zone get no answer"
        )
        findings.warning(words[0], "bind-incomplete", message)


def check_pillars(one: Server, target: Target, findings: Findings) -> None:
    """The strings of NodeLocal DNSCache's manifest: two are replaced by node-cache, the rest before it is applied."""
    places = [(one.block.key, key) for key in one.block.keys]
    places += [(word, word.text) for words in one.block.directives.values() for word in words]
    for where, text in places:
        if "__PILLAR__" not in text:
            continue
        if target.kind != "node-cache":
            findings.error(where, "pillar", f"{text}: only node-cache replaces this")
        elif text not in _NODE_CACHE_AT_START:
            known = " and ".join(sorted(_NODE_CACHE_AT_START))
            findings.error(
                where, "pillar", f"{text} must be replaced before it is applied: node-cache replaces {known} only"
            )
