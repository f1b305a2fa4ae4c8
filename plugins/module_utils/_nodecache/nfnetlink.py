# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two questions to the kernel's netfilter: whether a connection is tracked, and which base chains there are.

Messages: linux/netfilter/nfnetlink.h, nfnetlink_conntrack.h, nf_tables.h.
"""

from __future__ import annotations

import errno
import struct
import typing as t
from _socket import AF_INET, AF_INET6, inet_ntop

from ansible_collections.kubenode.network.plugins.module_utils._netlink import constants as c
from ansible_collections.kubenode.network.plugins.module_utils._netlink.addr import parse_address
from ansible_collections.kubenode.network.plugins.module_utils._netlink.attributes import attribute, attributes, text
from ansible_collections.kubenode.network.plugins.module_utils._netlink.sock import NetlinkError, RtnlSocket

NETLINK_NETFILTER = 12
_GENERIC = struct.Struct(">BBH")  # nfgenmsg: family, version, resource
_SUBSYSTEM_CONNTRACK, _SUBSYSTEM_NFTABLES = 1, 10
_CT_GET, _GET_CHAIN = 1, 4
# enum ctattr_type, ctattr_tuple, ctattr_ip, ctattr_l4proto
_TUPLE_ORIGINAL, _TUPLE_REPLY = 1, 2
_TUPLE_IP, _TUPLE_PROTO = 1, 2
_V4_SOURCE, _V4_DESTINATION, _V6_SOURCE, _V6_DESTINATION = 1, 2, 3, 4
_PROTO_NUMBER, _PROTO_SOURCE_PORT, _PROTO_DESTINATION_PORT = 1, 2, 3
# enum nft_chain_attributes
_CHAIN_TABLE, _CHAIN_NAME, _CHAIN_HOOK = 1, 3, 4
_FAMILY_NAMES = {1: "inet", 2: "ip", 5: "netdev", 7: "bridge", 10: "ip6"}
PROTOCOLS = {"tcp": 6, "udp": 17}
# A kernel without connection tracking, or without nftables, does not know the subsystem.
_NO_SUCH_SUBSYSTEM = (errno.EINVAL, errno.EOPNOTSUPP, errno.EPROTONOSUPPORT)


class Tracked(t.NamedTuple):
    """An entry of connection tracking: who answers."""

    address: str
    port: int


def tracked(source: str, source_port: int, destination: str, port: int, protocol: str) -> Tracked | None:
    """The entry of a connection by its first packet, None where it is not tracked.

    Raises NetlinkError as the kernel refuses the question.
    """
    family, packed_source = parse_address(source)
    packed_destination = parse_address(destination)[1]
    numbers = (_V4_SOURCE, _V4_DESTINATION) if family == AF_INET else (_V6_SOURCE, _V6_DESTINATION)
    addresses = attribute(numbers[0], packed_source) + attribute(numbers[1], packed_destination)
    ports = attribute(_PROTO_NUMBER, bytes((PROTOCOLS[protocol],)))
    ports += attribute(_PROTO_SOURCE_PORT, struct.pack(">H", source_port))
    ports += attribute(_PROTO_DESTINATION_PORT, struct.pack(">H", port))
    inner = _nested(_TUPLE_IP, addresses) + _nested(_TUPLE_PROTO, ports)
    body = _GENERIC.pack(family, 0, 0) + _nested(_TUPLE_ORIGINAL, inner)
    with RtnlSocket(protocol=NETLINK_NETFILTER) as sock:
        try:
            answer = sock.request((_SUBSYSTEM_CONNTRACK << 8 | _CT_GET, 0, body))
        except NetlinkError as error:
            if error.errno == errno.ENOENT or error.errno in _NO_SUCH_SUBSYSTEM:
                return None
            raise
    return None if answer is None else _answerer(answer)


def _nested(kind: int, payload: bytes) -> bytes:
    return attribute(kind | c.NLA_F_NESTED, payload)


def _answerer(body: bytes) -> Tracked:
    """Who sends the packets of the reply: another than was asked where the destination was translated."""
    address, port = "", 0
    reply = dict(_found(body, 4)).get(_TUPLE_REPLY, b"")
    for kind, payload in _found(reply):
        if kind == _TUPLE_IP:
            held = dict(_found(payload))
            for number, family in ((_V4_SOURCE, AF_INET), (_V6_SOURCE, AF_INET6)):
                if number in held:
                    address = inet_ntop(family, held[number])
        elif kind == _TUPLE_PROTO:
            (port,) = struct.unpack(">H", dict(_found(payload))[_PROTO_SOURCE_PORT])
    return Tracked(address, port)


def _found(data: bytes, position: int = 0) -> list[tuple[int, bytes]]:
    return [(kind & c.NLA_TYPE_MASK, payload) for kind, payload in attributes(data, position)]


def base_chains() -> list[tuple[str, str, str]]:
    """Family, table and name of every base chain of nftables; () where the kernel has no nftables."""
    found = []
    with RtnlSocket(protocol=NETLINK_NETFILTER) as sock:
        try:
            bodies = sock.dump(_SUBSYSTEM_NFTABLES << 8 | _GET_CHAIN, _GENERIC.pack(0, 0, 0))
        except NetlinkError as error:
            if error.errno in _NO_SUCH_SUBSYSTEM:
                return []
            raise
    for body in bodies:
        held = dict(_found(body, 4))
        if _CHAIN_HOOK in held:
            family = _FAMILY_NAMES.get(body[0], str(body[0]))
            found.append((family, text(held[_CHAIN_TABLE]), text(held[_CHAIN_NAME])))
    return found
