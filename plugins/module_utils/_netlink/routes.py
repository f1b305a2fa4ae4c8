# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Routes: from the kernel's messages and back.

A dump of ten thousand routes differs in the destination and little else, so both directions cache everything but the
destination: the decoder by the bytes around it, the encoder by the fields after it. Message layout: linux/rtnetlink.h.
"""

from __future__ import annotations

import errno
import gc
import struct
from _socket import inet_ntop, inet_pton

from ansible_collections.kubenode.network.plugins.module_utils._netlink import constants as c
from ansible_collections.kubenode.network.plugins.module_utils._netlink.attributes import (
    attribute,
    attribute_u32,
    attributes,
    u32,
)
from ansible_collections.kubenode.network.plugins.module_utils._netlink.objects import Metrics, NextHop, Route
from ansible_collections.kubenode.network.plugins.module_utils._netlink.sock import Message, NetlinkError, RtnlSocket

TYPE_CHECKING = False
if TYPE_CHECKING:
    import typing as t

_RTMSG = struct.Struct("=BBBBBBBBI")
_RTMSG_FROM_SOURCE_LENGTH = struct.Struct("=BBBBBBI")
_RTNEXTHOP = struct.Struct("=HBBi")
_NEXT_HOP_RAW = frozenset((c.RTA_FLOW, c.RTA_NEWDST, c.RTA_ENCAP_TYPE, c.RTA_ENCAP))
# Attributes that change by themselves.
_DROPPED = frozenset((c.RTA_CACHEINFO, c.RTA_EXPIRES))

# How the kernel lays out nearly every route: rtmsg (12 bytes), RTA_TABLE (8), RTA_DST. Here: family, RTA_DST's
# header, and where RTA_DST ends.
_DST_HEADER = {c.AF_INET: struct.pack("=HH", 8, c.RTA_DST), c.AF_INET6: struct.pack("=HH", 20, c.RTA_DST)}
_FAST4 = bytes([c.AF_INET]), _DST_HEADER[c.AF_INET], 28
_FAST6 = bytes([c.AF_INET6]), _DST_HEADER[c.AF_INET6], 40

# Everything of an encoded route that does not depend on its destination, by the route's other fields.
EncodeCache = dict["tuple[object, ...]", bytes]


def read_routes(
    sock: RtnlSocket,
    names: t.Mapping[int, str],
    family: int = 0,
    table: int | None = None,
    protocol: int | None = None,
) -> list[Route]:
    """Routes of a family (0: both), filtered by table and protocol in the kernel; never cached (cloned) entries.

    ``names`` translates interface indexes; one that it lacks becomes ``if<index>``, as `ip` writes it.
    A table that does not exist has no routes. Order within one destination is the kernel's.
    """
    routes: list[Route] = []
    for wanted in (family,) if family else (c.AF_INET, c.AF_INET6):
        header = _RTMSG.pack(wanted, 0, 0, 0, 0, protocol or 0, 0, 0, 0)
        body = header + attribute_u32(c.RTA_TABLE, table) if table else header
        try:
            dumped = sock.dump(c.RTM_GETROUTE, body)
        except NetlinkError as error:
            if error.errno in (errno.ENOENT, errno.EAFNOSUPPORT):
                continue
            raise
        decoded = _without_gc(_decode, dumped, wanted, names)
        if not sock.strict:
            decoded = [
                route
                for route in decoded
                if (not table or route.table == table) and (not protocol or route.protocol == protocol)
            ]
        routes = routes + decoded if routes else decoded
    return routes


def _without_gc(decode: t.Callable[..., list[Route]], *arguments: t.Any) -> list[Route]:
    """Call without garbage collection: looking for cycles among thousands of new tuples is a tenth of making them."""
    if not gc.isenabled():
        return decode(*arguments)
    gc.disable()
    try:
        return decode(*arguments)
    finally:
        gc.enable()


def decode_route(body: bytes, names: t.Mapping[int, str]) -> Route:
    """The route of one message body (answers and notifications)."""
    return _decode_general(body, names)


def _decode(bodies: list[bytes], family: int, names: t.Mapping[int, str]) -> list[Route]:
    routes: list[Route] = []
    append = routes.append
    cache: dict[bytes, tuple[tuple[int, int], str, tuple[t.Any, ...]]] = {}
    cached = cache.get
    new = tuple.__new__
    family_byte, dst_header, dst_end = _FAST4 if family == c.AF_INET else _FAST6
    table_header = struct.pack("=HH", 8, c.RTA_TABLE)
    for body in bodies:
        if body[12:16] == table_header and body[20:24] == dst_header:
            key = body[:24] + body[dst_end:]
            found = cached(key)
            if found is not None:
                head, length, tail = found
                append(new(Route, head + (inet_ntop(family, body[24:dst_end]) + length,) + tail))
            elif body[:1] == family_byte and not _is_cloned(body):
                route = _decode_general(body, names)
                append(route)
                cache[key] = (route[:2], f"/{body[1]}", route[3:])
        elif body[:1] == family_byte and not _is_cloned(body):
            append(_decode_general(body, names))
    return routes


def _is_cloned(body: bytes) -> bool:
    return bool(u32.unpack_from(body, 8)[0] & c.RTM_F_CLONED)


def _decode_general(body: bytes, names: t.Mapping[int, str]) -> Route:
    family, dst_len, src_len, tos, table, protocol, scope, kind, flags = _RTMSG.unpack_from(body)
    any_address = "0.0.0.0" if family == c.AF_INET else "::"
    destination, source_prefix, source, nexthop_id = any_address, None, None, None
    metric = 0
    metrics: Metrics = ()
    extra: list[tuple[int, bytes]] = []
    hop: list[tuple[int, bytes]] = []
    hops: tuple[NextHop, ...] = ()
    for number, payload in attributes(body, 12):
        if number == c.RTA_DST:
            destination = inet_ntop(family, payload)
        elif number == c.RTA_TABLE:
            (table,) = u32.unpack(payload)
        elif number == c.RTA_PRIORITY:
            (metric,) = u32.unpack(payload)
        elif number == c.RTA_PREFSRC:
            source = inet_ntop(family, payload)
        elif number == c.RTA_SRC:
            source_prefix = f"{inet_ntop(family, payload)}/{src_len}"
        elif number == c.RTA_METRICS:
            metrics = _decode_metrics(payload)
        elif number & c.NLA_TYPE_MASK == c.RTA_MULTIPATH:
            hops = _decode_multipath(payload, family, names)
        elif number == c.RTA_NH_ID:
            (nexthop_id,) = u32.unpack(payload)
        elif number in (c.RTA_OIF, c.RTA_GATEWAY, c.RTA_VIA) or number & c.NLA_TYPE_MASK in _NEXT_HOP_RAW:
            hop.append((number, payload))
        elif number in _DROPPED or (number == c.RTA_PREF and payload == b"\0"):
            continue
        else:
            extra.append((number, payload))
    type_name = c.ROUTE_TYPE_NAMES.get(kind) or str(kind)
    if hop and not hops and not (family == c.AF_INET6 and type_name in c.REJECT_TYPES):
        hops = (_decode_hop(hop, family, names, flags, 0),)
    return Route(
        family, table, f"{destination}/{dst_len}", metric, hops, type_name, protocol, scope, tos, source_prefix, source,
        metrics, nexthop_id, tuple(extra),
    )  # fmt: skip


def _decode_hop(
    hop: t.Iterable[tuple[int, bytes]], family: int, names: t.Mapping[int, str], flags: int, weight: int, index: int = 0
) -> NextHop:
    gateway = None
    raw: list[tuple[int, bytes]] = []
    for number, payload in hop:
        if number == c.RTA_OIF:
            (index,) = u32.unpack(payload)
        elif number == c.RTA_GATEWAY:
            gateway = inet_ntop(family, payload)
        elif number == c.RTA_VIA:
            gateway = inet_ntop(int.from_bytes(payload[:2], _BYTE_ORDER), payload[2:])
        else:
            raw.append((number, payload))
    interface = (names.get(index) or f"if{index}") if index else None
    return NextHop(interface, gateway, weight + 1, bool(flags & c.RTNH_F_ONLINK), tuple(raw))


def _decode_multipath(payload: bytes, family: int, names: t.Mapping[int, str]) -> tuple[NextHop, ...]:
    hops = []
    position = 0
    while position + 8 <= len(payload):
        length, flags, weight, index = _RTNEXTHOP.unpack_from(payload, position)
        if length < 8:
            break
        hop = attributes(payload[position + 8 : position + length])
        hops.append(_decode_hop(hop, family, names, flags, weight, index))
        position += (length + 3) & ~3
    return tuple(hops)


def _decode_metrics(payload: bytes) -> Metrics:
    return tuple(
        (number, value if number == c.RTAX_CC_ALGO or len(value) != 4 else u32.unpack(value)[0])
        for number, value in attributes(payload)
    )


def default_scope(route: Route) -> int:
    """The scope `ip route add` gives a route: RT_SCOPE_*; IPv6 has none (0)."""
    if route.family == c.AF_INET6:
        return c.RT_SCOPE_UNIVERSE
    if route.type in ("local", "nat"):
        return c.RT_SCOPE_HOST
    if route.type in ("broadcast", "multicast", "anycast"):
        return c.RT_SCOPE_LINK
    if route.type == "unicast" and len(route.next_hops) == 1 and not route.next_hops[0].gateway:
        return c.RT_SCOPE_LINK
    return c.RT_SCOPE_UNIVERSE


def normalise(route: Route) -> Route:
    """The route as the kernel will show it.

    IPv6: metric 0 is 1024, protocol 0 is boot (3), and there is no scope. Both: reject types have no next hop.
    """
    if route.family == c.AF_INET6:
        if not route.metric:
            route = route._replace(metric=c.IPV6_DEFAULT_METRIC)
        if not route.protocol or route.scope:
            route = route._replace(protocol=route.protocol or c.RT_PROTOS["boot"], scope=0)
    if route.next_hops and route.type in c.REJECT_TYPES:
        route = route._replace(next_hops=())
    return route


def encode_add(route: Route, indexes: t.Mapping[str, int], cache: EncodeCache | None = None) -> Message:
    """Create a route; EEXIST where one of the same key (IPv6: any of the same key) exists.

    ``indexes`` translates interface names; KeyError for one it lacks. Pass one dict as ``cache`` for all routes that
    are encoded with the same ``indexes``: it makes the encoding of many several times faster.
    """
    return _RTM_NEWROUTE, _ADD, _encode(route, indexes, cache)


def encode_replace(route: Route, indexes: t.Mapping[str, int], cache: EncodeCache | None = None) -> Message:
    """Create a route or put it in the place of the *first* of the same key, whoever made that one."""
    return _RTM_NEWROUTE, _REPLACE, _encode(route, indexes, cache)


def encode_append(route: Route, indexes: t.Mapping[str, int], cache: EncodeCache | None = None) -> Message:
    """Create a route behind those of the same key; in IPv6 it becomes a further next hop of them."""
    return _RTM_NEWROUTE, _APPEND, _encode(route, indexes, cache)


def encode_delete(route: Route, indexes: t.Mapping[str, int], cache: EncodeCache | None = None) -> Message:
    """Delete a route, with every selector the kernel compares.

    The kernel treats what is zero or missing (metric 0, no next hop, no preferred source) as "any" and takes the first
    match: see ``match.first_route_match`` for which one that is.
    """
    return c.RTM_DELROUTE, c.NLM_F_REQUEST, _encode(route, indexes, cache)


_RTM_NEWROUTE = c.RTM_NEWROUTE
_ADD = c.NLM_F_REQUEST | c.NLM_F_CREATE | c.NLM_F_EXCL
_REPLACE = c.NLM_F_REQUEST | c.NLM_F_CREATE | c.NLM_F_REPLACE
_APPEND = c.NLM_F_REQUEST | c.NLM_F_CREATE | c.NLM_F_APPEND
_PREFIX_HEADS = {
    family: {str(length): bytes((family, length)) for length in range(bits + 1)}
    for family, bits in ((c.AF_INET, 32), (c.AF_INET6, 128))
}
_join = b"".join
_BYTE_ORDER: t.Any = "little" if struct.pack("=H", 1)[0] else "big"


def _encode(route: Route, indexes: t.Mapping[str, int], cache: EncodeCache | None) -> bytes:
    family, table, destination = route[:3]
    address, _slash, length = destination.partition("/")
    if cache is None:
        rest = _encode_rest(route, indexes)
    else:
        key = (family, table, route[3:])
        found = cache.get(key)
        if found is None:
            found = cache[key] = _encode_rest(route, indexes)
        rest = found
    # A destination of no bits may be given as well as left out.
    return _join((_PREFIX_HEADS[family][length], rest, _DST_HEADER[family], inet_pton(family, address)))


def _encode_rest(route: Route, indexes: t.Mapping[str, int]) -> bytes:
    route = normalise(route)
    family = route.family
    parts: list[bytes] = []
    source_length = 0
    if route.source_prefix:
        address, _slash, length = route.source_prefix.partition("/")
        source_length = int(length)
        parts.append(attribute(c.RTA_SRC, inet_pton(family, address)))
    if route.table > 255:
        parts.append(attribute_u32(c.RTA_TABLE, route.table))
    if route.metric:
        parts.append(attribute_u32(c.RTA_PRIORITY, route.metric))
    if route.source:
        parts.append(attribute(c.RTA_PREFSRC, inet_pton(family, route.source)))
    if route.metrics:
        parts.append(attribute(c.RTA_METRICS, b"".join(_encode_metric(*metric) for metric in route.metrics)))
    flags = 0
    if route.nexthop_id is not None:
        parts.append(attribute_u32(c.RTA_NH_ID, route.nexthop_id))
    elif len(route.next_hops) == 1:
        hop = route.next_hops[0]
        if hop.interface:
            parts.append(attribute_u32(c.RTA_OIF, indexes[hop.interface]))
        parts.append(_encode_gateway(hop, family))
        flags = c.RTNH_F_ONLINK if hop.on_link else 0
    elif route.next_hops:
        hops = b"".join(_encode_next_hop(hop, family, indexes) for hop in route.next_hops)
        parts.append(attribute(c.RTA_MULTIPATH, hops))
    parts.extend(attribute(*raw) for raw in route.extra)
    kind = c.ROUTE_TYPES[route.type] if route.type in c.ROUTE_TYPES else int(route.type)
    table = route.table if route.table < 256 else c.RT_TABLE_COMPAT
    header = _RTMSG_FROM_SOURCE_LENGTH.pack(source_length, route.tos, table, route.protocol, route.scope, kind, flags)
    return header + b"".join(parts)


def _encode_metric(number: int, value: int | bytes) -> bytes:
    return attribute(number, value) if isinstance(value, bytes) else attribute_u32(number, value)


def _encode_gateway(hop: NextHop, family: int) -> bytes:
    encoded = b""
    if hop.gateway:
        if ":" in hop.gateway and family == c.AF_INET:
            via = c.AF_INET6.to_bytes(2, _BYTE_ORDER) + inet_pton(c.AF_INET6, hop.gateway)
            encoded = attribute(c.RTA_VIA, via)
        else:
            encoded = attribute(c.RTA_GATEWAY, inet_pton(family, hop.gateway))
    return encoded + b"".join(attribute(*raw) for raw in hop.encap)


def _encode_next_hop(hop: NextHop, family: int, indexes: t.Mapping[str, int]) -> bytes:
    rest = _encode_gateway(hop, family)
    index = indexes[hop.interface] if hop.interface else 0
    flags = c.RTNH_F_ONLINK if hop.on_link else 0
    return _RTNEXTHOP.pack(8 + len(rest), flags, hop.weight - 1, index) + rest
