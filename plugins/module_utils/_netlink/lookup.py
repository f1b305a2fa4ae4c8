# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asking the kernel where a packet would go: `ip route get`."""

from __future__ import annotations

import errno
import os
import struct
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._netlink import constants as c
from ansible_collections.kubenode.network.plugins.module_utils._netlink.addr import parse_address
from ansible_collections.kubenode.network.plugins.module_utils._netlink.attributes import attribute, attribute_u32
from ansible_collections.kubenode.network.plugins.module_utils._netlink.objects import Route
from ansible_collections.kubenode.network.plugins.module_utils._netlink.routes import decode_route
from ansible_collections.kubenode.network.plugins.module_utils._netlink.sock import NetlinkError, RtnlSocket

_RTMSG = struct.Struct("=BBBBBBBBI")

# What the kernel answers instead of a route: fib_props (net/ipv4/fib_semantics.c), fib4_rule_action, fib6_prop.
_REFUSALS = {
    errno.ENETUNREACH: "no_route",
    errno.EHOSTUNREACH: "unreachable",
    errno.EACCES: "prohibit",
    errno.EINVAL: "blackhole",
}


class RouteAnswer(t.NamedTuple):
    """Where the kernel would send a packet, and the route that said so."""

    type: str
    """Type of the route that matched (``unicast``, ``local`` ...), ``unreachable``, ``prohibit`` or ``blackhole`` where
    the kernel refuses for that reason, ``no_route`` where nothing matches (or a rule says unreachable)."""
    interface: str | None = None
    gateway: str | None = None
    """None where the destination is on the link."""
    source: str | None = None
    """The source address the node would use, or the one that was asked for."""
    table: int | None = None
    prefix: str | None = None
    """Destination of the route that matched."""
    metric: int | None = None
    protocol: int | None = None
    mtu: int | None = None
    """From the route (or path MTU discovery), None where the interface's MTU holds."""
    route: Route | None = None
    """The route that matched, with all its next hops."""
    error: str | None = None
    """The kernel's words where it refuses."""


def route_get(
    sock: RtnlSocket,
    names: t.Mapping[int, str],
    destination: str,
    source: str | None = None,
    mark: int | None = None,
    iif: str | None = None,
    oif: str | None = None,
    uid: int | None = None,
    tos: int | None = None,
    ip_protocol: int | None = None,
    source_port: int | None = None,
    destination_port: int | None = None,
) -> RouteAnswer:
    """Look up a destination address as the kernel would for a packet with these properties.

    With ``iif`` it is a packet to be forwarded that came in there; ``oif`` binds to an interface, or looks into a VRF
    when it names one. A refusal is an answer, not an exception.

    Raises ValueError for wrong addresses and unknown interfaces, NetlinkError when the kernel refuses the question.
    """
    family, packed = parse_address(destination)
    bits = len(packed) * 8
    body = [attribute(c.RTA_DST, packed)]
    source_bits = 0
    if source is not None:
        source_family, packed_source = parse_address(source)
        if source_family != family:
            raise ValueError(f"source {source} and destination {destination} are of different families")
        source_bits = bits
        body.append(attribute(c.RTA_SRC, packed_source))
    for number, value in ((c.RTA_MARK, mark), (c.RTA_UID, uid)):
        if value is not None:
            body.append(attribute_u32(number, value))
    for number, name in ((c.RTA_IIF, iif), (c.RTA_OIF, oif)):
        if name is not None:
            body.append(attribute_u32(number, _index(name, names)))
    if ip_protocol is not None:
        body.append(attribute(c.RTA_IP_PROTO, bytes((ip_protocol,))))
    for number, port in ((c.RTA_SPORT, source_port), (c.RTA_DPORT, destination_port)):
        if port is not None:
            body.append(attribute(number, struct.pack(">H", port)))

    def ask(flags: int) -> Route:
        header = _RTMSG.pack(family, bits, source_bits, tos or 0, 0, 0, 0, 0, flags)
        answer = sock.request((c.RTM_GETROUTE, 0, header + b"".join(body)))
        if answer is None:
            raise NetlinkError(errno.ENODATA, f"no answer about the route to {destination}")
        return decode_route(answer, names)

    try:
        # IPv6 always tells the table, and does not take the flag.
        resolved = ask(c.RTM_F_LOOKUP_TABLE if family == c.AF_INET else 0)
        matched = ask(c.RTM_F_FIB_MATCH | (c.RTM_F_LOOKUP_TABLE if family == c.AF_INET else 0))
    except NetlinkError as error:
        refusal = _REFUSALS.get(error.errno)
        if refusal is None or not _is_about_the_route(error, sock, names, source, iif):
            raise
        return RouteAnswer(refusal, source=source, error=str(error))
    hop = resolved.next_hops[0] if resolved.next_hops else None
    mtu = dict(resolved.metrics).get(c.RTAX_MTU)
    return RouteAnswer(
        resolved.type,
        hop.interface if hop else None,
        hop.gateway if hop else None,
        resolved.source or source,
        matched.table,
        matched.destination,
        matched.metric,
        matched.protocol,
        mtu if isinstance(mtu, int) else None,
        matched,
    )


def _index(name: str, names: t.Mapping[int, str]) -> int:
    for index, known in names.items():
        if known == name:
            return index
    raise ValueError(f"there is no interface {name!r}; there are {', '.join(sorted(names.values()))}")


def _is_about_the_route(
    error: NetlinkError, sock: RtnlSocket, names: t.Mapping[int, str], source: str | None, iif: str | None
) -> bool:
    """Whether the kernel refused because of a route: EINVAL says "blackhole", but a wrong question as well."""
    if error.errno != errno.EINVAL:
        return True
    if error.message != os.strerror(error.errno) or iif is not None:
        return False
    return source is None or route_get(sock, names, source).type == "local"
