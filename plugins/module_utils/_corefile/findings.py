# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What lint says, and about which server. Pure data."""

from __future__ import annotations

import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._corefile import versions
from ansible_collections.kubenode.network.plugins.module_utils._corefile.lexer import Token

ERROR = "error"
WARNING = "warning"
KINDS = ("coredns", "node-cache")


class Finding(t.NamedTuple):
    """Something wrong with a Corefile."""

    line: int
    """From 1."""
    level: str
    """``error``: the server refuses it, or it is plainly a damaged file. ``warning``: the server swallows it."""
    message: str
    kind: str
    """A word for programs: ``syntax``, ``unknown-plugin``, ``duplicate-zone`` ... (docs/corefile.md has them all)."""
    file: str = ""
    """Absolute path of the imported file that it is in; empty for the Corefile itself."""

    def __str__(self) -> str:
        return f"{self.file + ':' if self.file else 'line '}{self.line}: {self.level}: {self.message}"


class Target(t.NamedTuple):
    """The server that shall read the Corefile, as far as it is known."""

    kind: str = "coredns"
    """``coredns`` or ``node-cache``."""
    version: str = ""
    """Of CoreDNS (``1.11.3``); of node-cache its own. Empty: unknown, and plugins of every release pass."""
    known_plugins: frozenset[str] = frozenset()
    """Plugins that the server has beyond those of its release: ``coredns -plugins``, or those of the Corefile that it
    has loaded."""
    only_known_plugins: bool = False
    """``known_plugins`` are all that it has."""
    host_network: bool = False
    """It runs in the node's network: 127.0.0.53 is the node's resolver, and not itself."""
    interception: str = ""
    """Of node-cache: ``cluster_ip`` (it answers on the ClusterIP itself), ``local_ip``, ``redirect_policy``."""
    cluster_dns: tuple[str, ...] = ()
    """ClusterIPs of the DNS Service."""
    addresses: tuple[str, ...] | None = None
    """Addresses of the machine or pod, of which ``bind`` may name one; None: unknown."""
    local_ips: tuple[str, ...] = ()
    """Of node-cache: the addresses that it binds (``-localip``)."""
    reserved_snippets: frozenset[str] = frozenset()
    """Names that an imported file must not declare: ``common`` of the extension ConfigMaps."""

    @property
    def release(self) -> tuple[int, int, int] | None:
        """The version of CoreDNS; None where it is not known."""
        return versions.number(self.version) if self.kind == "coredns" else None

    def plugins(self) -> frozenset[str]:
        """Every plugin that the server has."""
        if self.only_known_plugins:
            return self.known_plugins | {"import"}
        own = versions.NODE_CACHE if self.kind == "node-cache" else versions.coredns_plugins(self.release)
        return own | self.known_plugins | {"import"}


COREDNS = Target()
"""A CoreDNS of unknown version in the pods' network."""


class Findings:
    """Collects them."""

    def __init__(self) -> None:
        self.found: list[Finding] = []

    def error(self, where: Token, kind: str, message: str) -> None:
        """Add what the server refuses."""
        self.found.append(Finding(where.line, ERROR, message, kind, where.file))

    def warning(self, where: Token, kind: str, message: str) -> None:
        """Add what the server swallows."""
        self.found.append(Finding(where.line, WARNING, message, kind, where.file))
