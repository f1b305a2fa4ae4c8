# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lint of ``forward``: which of them is ever asked, where upstreams lead, and whether a server asks itself. Pure."""

from __future__ import annotations

import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._corefile import versions
from ansible_collections.kubenode.network.plugins.module_utils._corefile.errors import CorefileError
from ansible_collections.kubenode.network.plugins.module_utils._corefile.findings import Findings, Target
from ansible_collections.kubenode.network.plugins.module_utils._corefile.keys import (
    PORTS,
    covers,
    is_address,
    is_domain_name,
    split_host_port,
    split_zone,
    transport,
)
from ansible_collections.kubenode.network.plugins.module_utils._corefile.lexer import Token
from ansible_collections.kubenode.network.plugins.module_utils._corefile.lint_servers import Server
from ansible_collections.kubenode.network.plugins.module_utils._corefile.load import Files
from ansible_collections.kubenode.network.plugins.module_utils._corefile.stanza import Stanza, stanzas
from ansible_collections.kubenode.network.plugins.module_utils._corefile.values import upstream
from ansible_collections.kubenode.network.plugins.module_utils._resolver.resolv_conf import parse as parse_resolv_conf

# The stub addresses of systemd-resolved, which serves them on the node whatever else listens there.
_RESOLVED = ("127.0.0.53", "127.0.0.54")


class _Taken(t.NamedTuple):
    zone: str
    exceptions: list[str]
    token: Token


def check_forwards(one: Server, target: Target, around: Files, findings: Findings) -> None:
    """Every ``forward`` of a server block."""
    taken: list[_Taken] = []
    release = target.release
    for stanza in stanzas(one.block.directives.get("forward", [])):
        if stanza.token.text != "forward" or len(stanza.args) < 2:
            continue
        zones = _zones(stanza.args[0])
        if not zones:
            findings.error(stanza.token, "bad-argument", f"forward: {stanza.args[0]!r} is no zone")
            continue
        if len(zones) > 1:
            message = (
                f"forward: {stanza.args[0]} lies across {len(zones)} reverse zones, and only {zones[0]} is forwarded"
            )
            findings.warning(stanza.token, "forward-prefix", message)
        if taken and release and release < versions.SEVERAL_FORWARDS:
            message = (
                f"CoreDNS before 1.9.4 takes one forward in a block, and there is one on line {taken[0].token.line}"
            )
            findings.error(stanza.token, "plugin-twice", message)
        for other in taken:
            if covers(other.zone, zones[0]) and not any(covers(zone, zones[0]) for zone in other.exceptions):
                earlier = f"forward {other.zone} on line {other.token.line}"
                message = f"forward {stanza.args[0]} is never asked: {earlier} comes first"
                findings.warning(stanza.token, "dead-forward", message)
                break
        exceptions = [
            zone for option in stanza.options if option.name == "except" for arg in option.args for zone in _zones(arg)
        ]
        taken.append(_Taken(zones[0], exceptions, stanza.token))
        for arg in stanza.args[1:]:
            _check_upstream(arg, stanza, one, target, around, findings)


def _zones(text: str) -> list[str]:
    try:
        return split_zone(transport(text)[1])[0]
    except CorefileError:
        return []


def _check_upstream(arg: str, stanza: Stanza, one: Server, target: Target, around: Files, findings: Findings) -> None:
    scheme, rest = transport(arg)
    if upstream(arg) or scheme == "unix" or "__PILLAR__" in arg:
        return
    host, port = split_host_port(rest) or (rest.strip("[]"), "")
    host = host.partition("%")[0]
    number = int(port) if port.isdigit() else PORTS[scheme]
    if is_address(host):
        if port and not (port.isdigit() and int(port) <= 65535):
            findings.error(stanza.token, "bad-argument", f"forward: {port!r} in {arg} is no port")
        _check_loop(arg, host, number, stanza, one, target, findings)
    elif host in {".", ".."}:
        findings.warning(stanza.token, "bad-upstream", f"forward: {arg} is read as a folder, and names no server")
    elif "/" in host:
        text = around.files.get(host)
        for server in parse_resolv_conf(text).servers if text is not None else ():
            _check_loop(f"{server} in {host}", server, PORTS["dns"], stanza, one, target, findings)
    else:
        _check_name(arg, host, stanza, target, findings)


def _check_name(arg: str, host: str, stanza: Stanza, target: Target, findings: Findings) -> None:
    release = target.release
    since = ".".join(map(str, versions.FORWARD_TO_NAMES))
    labels = host.rstrip(".").split(".")
    if not is_domain_name(host) or labels[-1].isdigit():
        findings.error(stanza.token, "bad-upstream", f"forward: {arg} is no IP address, file or name")
    elif target.kind == "node-cache" or (release and release < versions.FORWARD_TO_NAMES):
        message = f"forward: {arg} is no IP address or file; names are taken since CoreDNS {since} only"
        findings.error(stanza.token, "bad-upstream", message)
    elif len(labels) == 1 or labels[-1].lower() == "invalid":
        findings.error(stanza.token, "bad-upstream", f"forward: the name {arg} can be resolved nowhere")
    else:
        message = f"forward: {arg} is resolved once, when the server starts, which fails where it does not resolve"
        findings.warning(stanza.token, "upstream-name", message)


def _check_loop(
    what: str, address: str, port: int, stanza: Stanza, one: Server, target: Target, findings: Findings
) -> None:
    reason = _asks_itself(address, port, one, target)
    if reason:
        findings.error(stanza.token, "loop", f"forward to {what} is a loop: {reason}")


def _asks_itself(address: str, port: int, one: Server, target: Target) -> str:
    """Why an upstream is the server itself; empty when it is not."""
    if port == PORTS["dns"] and address in target.local_ips:
        return "it is an address that the cache answers on"
    if port == PORTS["dns"] and address in target.cluster_dns:
        if target.kind == "coredns":
            return "it is the ClusterIP of the cluster's DNS"
        if target.interception == "cluster_ip":
            return "the cache answers on this ClusterIP itself; write __PILLAR__CLUSTER__DNS__"
    if port not in one.ports:
        return ""
    if address in one.binds:
        return "the server block binds this address"
    if one.binds or not (address.startswith("127.") or address in {"::1", "0.0.0.0", "::"}):
        return ""
    if target.host_network and address in _RESOLVED:
        return ""
    return "the server block listens on it itself" + (
        "; in a pod 127.0.0.53 is the pod, not the node's systemd-resolved" if address in _RESOLVED else ""
    )
