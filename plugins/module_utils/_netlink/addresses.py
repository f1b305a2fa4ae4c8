# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Interface addresses: from the kernel's messages and back. Message layout: linux/if_addr.h."""

from __future__ import annotations

import struct
from _socket import inet_ntop, inet_pton

from ansible_collections.kubenode.network.plugins.module_utils._netlink import constants as c
from ansible_collections.kubenode.network.plugins.module_utils._netlink.attributes import (
    attribute,
    attribute_text,
    attribute_u32,
    attributes,
    text,
    u32,
)
from ansible_collections.kubenode.network.plugins.module_utils._netlink.objects import Address
from ansible_collections.kubenode.network.plugins.module_utils._netlink.sock import Message, RtnlSocket

TYPE_CHECKING = False
if TYPE_CHECKING:
    import typing as t

_HEADER = struct.Struct("=BBBBI")
# What a user may ask for; the other flags are the kernel's state of the address.
SETTABLE_FLAGS = (
    c.IFA_F_NODAD | c.IFA_F_OPTIMISTIC | c.IFA_F_HOMEADDRESS | c.IFA_F_MANAGETEMPADDR | c.IFA_F_NOPREFIXROUTE
    | c.IFA_F_MCAUTOJOIN
)  # fmt: skip


def read_addresses(sock: RtnlSocket, names: t.Mapping[int, str], family: int = 0) -> list[Address]:
    """Addresses of a family (0: IPv4 and IPv6); within an interface in the kernel's order (the primary first)."""
    return [
        _decode(body, names)
        for body in sock.dump(c.RTM_GETADDR, _HEADER.pack(family, 0, 0, 0, 0))
        if body[0] == c.AF_INET or body[0] == c.AF_INET6
    ]


def _decode(body: bytes, names: t.Mapping[int, str]) -> Address:
    family, prefix_length, flags, scope, index = _HEADER.unpack_from(body)
    interface = names.get(index) or f"if{index}"
    local = address = broadcast = label = None
    protocol = route_metric = 0
    for number, payload in attributes(body, 8):
        if number == c.IFA_LOCAL:
            local = inet_ntop(family, payload)
        elif number == c.IFA_ADDRESS:
            address = inet_ntop(family, payload)
        elif number == c.IFA_BROADCAST:
            broadcast = inet_ntop(family, payload)
        elif number == c.IFA_LABEL:
            label = text(payload)
        elif number == c.IFA_FLAGS:
            (flags,) = u32.unpack(payload)
        elif number == c.IFA_PROTO:
            protocol = payload[0]
        elif number == c.IFA_RT_PRIORITY:
            (route_metric,) = u32.unpack(payload)
    return Address(
        interface, family, local or address or "", prefix_length,
        address if local and local != address else None, broadcast, label if label != interface else None,
        scope, flags, protocol, route_metric,
    )  # fmt: skip


def encode_address_add(address: Address, indexes: t.Mapping[str, int]) -> Message:
    """Add a static address (no lifetimes); EEXIST where the interface has it."""
    return c.RTM_NEWADDR, c.NLM_F_REQUEST | c.NLM_F_CREATE | c.NLM_F_EXCL, _encode(address, indexes)


def encode_address_delete(address: Address, indexes: t.Mapping[str, int]) -> Message:
    """Remove an address, told by interface, address, peer, prefix length and (IPv4) label.

    In IPv4 the secondaries of a primary address go with it, unless the sysctl promote_secondaries is set.
    """
    return c.RTM_DELADDR, c.NLM_F_REQUEST, _encode(address, indexes)


def _encode(address: Address, indexes: t.Mapping[str, int]) -> bytes:
    family = address.family
    local = inet_pton(family, address.address)
    peer = inet_pton(family, address.peer) if address.peer else local
    parts = [attribute(c.IFA_LOCAL, local), attribute(c.IFA_ADDRESS, peer)]
    if family == c.AF_INET:
        if address.broadcast:
            parts.append(attribute(c.IFA_BROADCAST, inet_pton(family, address.broadcast)))
        parts.append(attribute_text(c.IFA_LABEL, address.label or address.interface))
    flags = address.flags & SETTABLE_FLAGS
    if flags:
        parts.append(attribute_u32(c.IFA_FLAGS, flags))
    if address.route_metric:
        parts.append(attribute_u32(c.IFA_RT_PRIORITY, address.route_metric))
    if address.protocol:
        parts.append(attribute(c.IFA_PROTO, bytes((address.protocol,))))
    index = indexes[address.interface]
    return _HEADER.pack(family, address.prefix_length, flags & 0xFF, address.scope, index) + b"".join(parts)
