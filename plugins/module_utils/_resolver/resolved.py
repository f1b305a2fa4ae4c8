# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""systemd-resolved: servers and search domains of the whole node, in a drop-in of our own (resolved.conf(5)). Pure.

Per-NIC servers stay beside them; with the routing domain ``~.`` every name that no NIC claims for itself is asked of
ours (systemd-resolved.service(8), "Protocols and Routing").
"""

from __future__ import annotations

import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._persist.contract import Configuration, Resolver
from ansible_collections.kubenode.network.plugins.module_utils._resolver.resolv_conf import PATH
from ansible_collections.kubenode.network.plugins.module_utils._state.model import FileState, StateError

DROP_IN = "/etc/systemd/resolved.conf.d/90-kubenode-network.conf"
RUNNING = "/run/systemd/resolve/resolv.conf"
"""All servers and search domains that the daemon knows, the node's own before those of NICs."""

# What its stub file has in any case (resolved-resolv-conf.c).
_STUB_OPTIONS = frozenset(("edns0", "trust-ad"))
# The cache is lost and NICs' own servers are kept: they are saved in /run/systemd/resolve/netif.
_RESTART = (("systemctl", "restart", "systemd-resolved.service"),)


def files(root: str) -> tuple[str, ...]:  # noqa: ARG001 - the contract's
    return (DROP_IN, RUNNING)


def configure(wanted: Resolver, files: t.Mapping[str, FileState]) -> Configuration:
    options = [option for option in wanted.options or () if option not in _STUB_OPTIONS]
    if options:
        raise StateError(
            f"{PATH} is written by systemd-resolved, which knows no options: found {' '.join(options)}, expected none. "
            "Leave them out, set RES_OPTIONS in the environment of the programs that need them, or put an ordinary "
            f"file in the place of {PATH}"
        )
    text = render(wanted)
    found = files.get(DROP_IN, FileState(None))
    if text == found.text:
        return Configuration(activate=_RESTART, restore=_RESTART)
    return Configuration({DROP_IN: FileState(text)}, _RESTART, _RESTART)


def running(files: t.Mapping[str, FileState]) -> str:
    return files.get(RUNNING, FileState(None)).text or ""


def declared(path: str, text: str) -> dict[str, list[str]]:
    values: dict[str, list[str]] = {}
    for line in text.split("\n"):
        name, equals, value = line.partition("=")
        if equals and path == DROP_IN:
            values[name] = [one for one in value.split() if one != "~."]
    return {option: values[name] for option, name in (("servers", "DNS"), ("search", "Domains")) if name in values}


def render(wanted: Resolver) -> str | None:
    """The drop-in; None where it has nothing to say. An empty assignment drops what earlier files listed."""
    lines = []
    if wanted.servers is not None:
        lines += ["DNS=", f"DNS={' '.join(wanted.servers)}"] if wanted.servers else ["DNS="]
    domains = [domain for domain in wanted.search or () if domain != "."]
    if wanted.search is not None:
        lines.append("Domains=")
    if wanted.servers:
        domains.append("~.")
    if domains:
        lines.append(f"Domains={' '.join(domains)}")
    return (
        "\n".join(["# Written by kubenode.network, and overwritten by it.", "[Resolve]", *lines, ""]) if lines else None
    )
