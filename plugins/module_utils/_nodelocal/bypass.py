# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What CoreDNS serves and clients of the cache would no longer get, since external names pass it by. Pure."""

from __future__ import annotations

import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._corefile import slots
from ansible_collections.kubenode.network.plugins.module_utils._corefile.document import Block, Document, parse
from ansible_collections.kubenode.network.plugins.module_utils._corefile.errors import CorefileError
from ansible_collections.kubenode.network.plugins.module_utils._corefile.keys import (
    canonical_zone,
    covers,
    is_domain_name,
    server_keys,
)

# Plugins of CoreDNS that answer from what they know themselves.
_ANSWERS = (
    "auto", "azure", "clouddns", "dynupdate", "erratic", "etcd", "file", "k8s_external", "nomad", "route53",
    "secondary",
)  # fmt: skip
_CHANGES = ("rewrite", "template", "acl", "dns64")


class Bypassed(t.NamedTuple):
    """Something that clients of the cache would not get."""

    line: int
    """Of CoreDNS's Corefile."""
    lost: bool
    """Names are answered otherwise, or not at all; else it may make a difference."""
    message: str

    def __str__(self) -> str:
        return f"line {self.line} of CoreDNS's Corefile: {self.message}"


def bypassed(corefile: str, cache: Document, domain: str) -> list[Bypassed]:
    """What CoreDNS does for external names and the cache, which asks the node's resolvers for them, does not.

    A Corefile that cannot be read has nothing to compare.
    """
    try:
        blocks = parse(corefile).blocks
        inside = _inside(cache, domain)
        return [one for block in blocks for one in _block(block, cache, inside)]
    except CorefileError:
        return []


def _inside(cache: Document, domain: str) -> set[str]:
    """Zones that the cache does not leave to the node's resolvers."""
    found = {canonical_zone(domain), "in-addr.arpa.", "ip6.arpa."}
    for block in cache.blocks:
        found.update(key.zone for text in block.keys for key in server_keys(text) if key.zone != ".")
    return found


def _block(block: Block, cache: Document, inside: set[str]) -> t.Iterator[Bypassed]:
    zones = [key.zone for text in block.keys for key in server_keys(text) if key.port == 53 and key.transport == "dns"]
    for zone in zones:
        if zone != "." and not _known(zone, inside):
            yield Bypassed(block.line, True, f"the zone {zone.rstrip('.')}")
    if "." not in zones:
        return
    there = set(_hosts(cache))
    for name, line in _hosts_of(block):
        if not _known(canonical_zone(name), inside) and name not in there:
            yield Bypassed(line, True, f"the hosts entry of {name}")
    for directive in block.directives:
        name, args = directive.name, directive.args
        if name == "forward" and args:
            yield from _forward(args, directive.line, inside)
        elif name == "kubernetes":
            for zone in args:
                if not _known(canonical_zone(zone), inside):
                    yield Bypassed(directive.line, True, f"the zone {zone} of plugin kubernetes")
        elif name == "hosts" and args and not is_address_or_zone(args[0]):
            yield Bypassed(directive.line, True, f"hosts from the file {args[0]}")
        elif name in _ANSWERS:
            yield Bypassed(directive.line, True, f"what plugin {name} answers")
        elif name in _CHANGES and not _only_inside(directive.canonical, inside):
            yield Bypassed(directive.line, False, f"what plugin {name} does to external names")
        elif name == "import":
            yield Bypassed(directive.line, False, f"what import {' '.join(args)} brings (it was not looked at)")


def _forward(args: t.Sequence[str], line: int, inside: set[str]) -> t.Iterator[Bypassed]:
    zone = args[0]
    if zone != ".":
        if not _known(canonical_zone(zone), inside):
            yield Bypassed(line, True, f"the zone {zone}, forwarded to {' '.join(args[1:])}")
    elif args[1:] != ["/etc/resolv.conf"]:
        yield Bypassed(line, False, f"forward of external names to {' '.join(args[1:])}")


def is_address_or_zone(word: str) -> bool:
    """Whether the first argument of hosts is a zone, and not its file."""
    return "/" not in word and is_domain_name(word)


def _only_inside(text: str, inside: set[str]) -> bool:
    """Whether a rewrite or template names a zone, and only ones that the cache asks CoreDNS for."""
    words = [word for word in text.replace("(", " ").replace(")", " ").split() if "." in word and "{" not in word]
    names = [canonical_zone(word.strip("^$.*\\")) for word in words]
    return bool(names) and all(_known(name, inside) for name in names)


def _known(zone: str, inside: set[str]) -> bool:
    return any(covers(one, zone) for one in inside)


def _hosts_of(block: Block) -> t.Iterator[tuple[str, int]]:
    for _address, name, line in slots.hosts_pairs(block):
        yield name, line.line


def _hosts(document: Document) -> t.Iterator[str]:
    for block in document.blocks:
        for name, _line in _hosts_of(block):
            yield name
