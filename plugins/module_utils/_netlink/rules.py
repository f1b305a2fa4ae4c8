# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Policy rules: from the kernel's messages and back. Message layout: linux/fib_rules.h."""

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
from ansible_collections.kubenode.network.plugins.module_utils._netlink.objects import Range, Rule
from ansible_collections.kubenode.network.plugins.module_utils._netlink.sock import Message, RtnlSocket

_HEADER = struct.Struct("=BBBBBBBBI")
_PORTS = struct.Struct("=HH")
_UIDS = struct.Struct("=II")
_TUN_ID = struct.Struct(">Q")
_NONE = 0xFFFFFFFF


def read_rules(sock: RtnlSocket, family: int = 0) -> list[Rule]:
    """Rules of a family (0: IPv4 and IPv6) in the order in which the kernel walks them."""
    rules = []
    for body in sock.dump(c.RTM_GETRULE, _HEADER.pack(family, 0, 0, 0, 0, 0, 0, 0, 0)):
        # Multicast routing (families 128 and 129) has rules of its own.
        if body[0] == c.AF_INET or body[0] == c.AF_INET6:
            rules.append(_decode(body))
    return rules


def _decode(body: bytes) -> Rule:
    family, dst_len, src_len, tos, table, _res1, _res2, action, flags = _HEADER.unpack_from(body)
    source = destination = iif = oif = None
    source_ports: Range | None = None
    destination_ports: Range | None = None
    uid_range: Range | None = None
    suppress_prefix_length: int | None = None
    suppress_ifgroup: int | None = None
    priority = fwmark = fwmask = ip_protocol = tun_id = protocol = goto = 0
    l3mdev = False
    extra = []
    for number, payload in attributes(body, 12):
        if number == c.FRA_PRIORITY:
            (priority,) = u32.unpack(payload)
        elif number == c.FRA_TABLE:
            (table,) = u32.unpack(payload)
        elif number == c.FRA_PROTOCOL:
            protocol = payload[0]
        elif number == c.FRA_SRC:
            source = f"{inet_ntop(family, payload)}/{src_len}"
        elif number == c.FRA_DST:
            destination = f"{inet_ntop(family, payload)}/{dst_len}"
        elif number == c.FRA_FWMARK:
            (fwmark,) = u32.unpack(payload)
        elif number == c.FRA_FWMASK:
            (fwmask,) = u32.unpack(payload)
        elif number == c.FRA_IIFNAME:
            iif = text(payload)
        elif number == c.FRA_OIFNAME:
            oif = text(payload)
        elif number == c.FRA_SUPPRESS_PREFIXLEN:
            (length,) = u32.unpack(payload)
            suppress_prefix_length = None if length == _NONE else length
        elif number == c.FRA_SUPPRESS_IFGROUP:
            (group,) = u32.unpack(payload)
            suppress_ifgroup = None if group == _NONE else group
        elif number == c.FRA_GOTO:
            (goto,) = u32.unpack(payload)
        elif number == c.FRA_IP_PROTO:
            ip_protocol = payload[0]
        elif number == c.FRA_SPORT_RANGE:
            source_ports = _PORTS.unpack(payload)
        elif number == c.FRA_DPORT_RANGE:
            destination_ports = _PORTS.unpack(payload)
        elif number == c.FRA_UID_RANGE:
            uid_range = _UIDS.unpack(payload)
        elif number == c.FRA_L3MDEV:
            l3mdev = payload[0] != 0
        elif number == c.FRA_TUN_ID:
            (tun_id,) = _TUN_ID.unpack(payload)
        elif number == c.FRA_PAD or (number in (c.FRA_SPORT_MASK, c.FRA_DPORT_MASK) and payload == b"\xff\xff"):
            continue  # an exact port has this mask: Linux since 6.15 says so
        else:
            extra.append((number, payload))
    return Rule(
        family, priority, c.RULE_ACTION_NAMES.get(action) or str(action), table, source, destination, tos, fwmark,
        fwmask, iif, oif, ip_protocol, source_ports, destination_ports, uid_range, bool(flags & c.FIB_RULE_INVERT),
        l3mdev, tun_id, protocol, goto, suppress_prefix_length, suppress_ifgroup, tuple(extra),
    )  # fmt: skip


def encode_rule_add(rule: Rule, exclusive: bool = True) -> Message:
    """Create a rule; EEXIST where the kernel takes an existing one for equal, unless not ``exclusive``.

    The kernel's idea of equal is a wildcard as well (``match.first_equal_rule`` tells which rule is in the way); not
    exclusive, an equal rule is made a second time.
    """
    flags = c.NLM_F_REQUEST | c.NLM_F_CREATE | (c.NLM_F_EXCL if exclusive else 0)
    return c.RTM_NEWRULE, flags, _encode(rule)


def encode_rule_delete(rule: Rule) -> Message:
    """Delete a rule, with every field the kernel compares.

    The kernel takes fields that are zero for "any", and the first match in its order: see ``match.first_rule_match``.
    """
    return c.RTM_DELRULE, c.NLM_F_REQUEST, _encode(rule)


def _encode(rule: Rule) -> bytes:
    family = rule.family
    parts = [attribute_u32(c.FRA_PRIORITY, rule.priority), attribute(c.FRA_PROTOCOL, bytes((rule.protocol,)))]
    source_length = destination_length = 0
    if rule.source:
        address, _slash, length = rule.source.partition("/")
        source_length = int(length)
        parts.append(attribute(c.FRA_SRC, inet_pton(family, address)))
    if rule.destination:
        address, _slash, length = rule.destination.partition("/")
        destination_length = int(length)
        parts.append(attribute(c.FRA_DST, inet_pton(family, address)))
    if rule.table:
        parts.append(attribute_u32(c.FRA_TABLE, rule.table))
    if rule.fwmark or rule.fwmask:
        parts.append(attribute_u32(c.FRA_FWMARK, rule.fwmark))
        parts.append(attribute_u32(c.FRA_FWMASK, rule.fwmask))
    if rule.iif:
        parts.append(attribute_text(c.FRA_IIFNAME, rule.iif))
    if rule.oif:
        parts.append(attribute_text(c.FRA_OIFNAME, rule.oif))
    if rule.suppress_prefix_length is not None:
        parts.append(attribute_u32(c.FRA_SUPPRESS_PREFIXLEN, rule.suppress_prefix_length))
    if rule.suppress_ifgroup is not None:
        parts.append(attribute_u32(c.FRA_SUPPRESS_IFGROUP, rule.suppress_ifgroup))
    if rule.goto:
        parts.append(attribute_u32(c.FRA_GOTO, rule.goto))
    if rule.ip_protocol:
        parts.append(attribute(c.FRA_IP_PROTO, bytes((rule.ip_protocol,))))
    if rule.source_ports:
        parts.append(attribute(c.FRA_SPORT_RANGE, _PORTS.pack(*rule.source_ports)))
    if rule.destination_ports:
        parts.append(attribute(c.FRA_DPORT_RANGE, _PORTS.pack(*rule.destination_ports)))
    if rule.uid_range:
        parts.append(attribute(c.FRA_UID_RANGE, _UIDS.pack(*rule.uid_range)))
    if rule.l3mdev:
        parts.append(attribute(c.FRA_L3MDEV, b"\1"))
    if rule.tun_id:
        parts.append(attribute(c.FRA_TUN_ID, _TUN_ID.pack(rule.tun_id)))
    parts.extend(attribute(*raw) for raw in rule.extra)
    action = c.RULE_ACTIONS[rule.action] if rule.action in c.RULE_ACTIONS else int(rule.action)
    table = rule.table if rule.table < 256 else c.RT_TABLE_COMPAT
    flags = c.FIB_RULE_INVERT if rule.invert else 0
    header = _HEADER.pack(family, destination_length, source_length, rule.tos, table, 0, 0, action, flags)
    return header + b"".join(parts)
