# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Links: reading them, and the everyday changes. Message layout: linux/if_link.h. Creating links is link_kinds.py's."""

from __future__ import annotations

import struct

from ansible_collections.kubenode.network.plugins.module_utils._netlink import constants as c
from ansible_collections.kubenode.network.plugins.module_utils._netlink.attributes import (
    attribute,
    attribute_u32,
    attributes,
    text,
    u32,
)
from ansible_collections.kubenode.network.plugins.module_utils._netlink.objects import Link
from ansible_collections.kubenode.network.plugins.module_utils._netlink.sock import Message, RtnlSocket

TYPE_CHECKING = False
if TYPE_CHECKING:
    import typing as t

_HEADER = struct.Struct("=BxHiII")

# IFLA_INFO_DATA of the kinds we describe: attribute number -> (our name, format, names of the values).
# Formats: B, H, I host order; >H network order; L the name of the link with that index.
_BOND_MODES = ("balance-rr", "active-backup", "balance-xor", "broadcast", "802.3ad", "balance-tlb", "balance-alb")
_BOND_HASHES = ("layer2", "layer3+4", "layer2+3", "encap2+3", "encap3+4", "vlan+srcmac")
Field = tuple[str, str, "t.Any"]
KIND_DATA: dict[str, dict[int, Field]] = {
    "vlan": {1: ("id", "H", None), 5: ("protocol", ">H", {0x8100: "802.1q", 0x88A8: "802.1ad"})},
    "vrf": {1: ("table", "I", None)},
    "macvlan": {1: ("mode", "I", {1: "private", 2: "vepa", 4: "bridge", 8: "passthru", 16: "source"})},
    "bond": {
        1: ("mode", "B", dict(enumerate(_BOND_MODES))),
        3: ("miimon", "I", None),
        4: ("updelay", "I", None),
        5: ("downdelay", "I", None),
        7: ("arp_interval", "I", None),
        11: ("primary", "L", None),
        12: ("primary_reselect", "B", {0: "always", 1: "better", 2: "failure"}),
        13: ("fail_over_mac", "B", {0: "none", 1: "active", 2: "follow"}),
        14: ("xmit_hash_policy", "B", dict(enumerate(_BOND_HASHES))),
        18: ("min_links", "I", None),
        21: ("lacp_rate", "B", {0: "slow", 1: "fast"}),
        22: ("ad_select", "B", {0: "stable", 1: "bandwidth", 2: "count"}),
    },
    # Times are in USER_HZ (1/100 s), as the kernel has them.
    "bridge": {
        1: ("forward_delay", "I", None),
        2: ("hello_time", "I", None),
        3: ("max_age", "I", None),
        4: ("ageing_time", "I", None),
        5: ("stp_state", "I", None),
        6: ("priority", "H", None),
        7: ("vlan_filtering", "B", None),
        23: ("multicast_snooping", "B", None),
        39: ("vlan_default_pvid", "H", None),
    },
}


def read_links(sock: RtnlSocket) -> list[Link]:
    """All links of the namespace, by index."""
    request = _HEADER.pack(0, 0, 0, 0, 0) + attribute_u32(c.IFLA_EXT_MASK, c.RTEXT_FILTER_SKIP_STATS)
    messages = []
    names: dict[int, str] = {}
    for body in sock.dump(c.RTM_GETLINK, request):
        found = {number & c.NLA_TYPE_MASK: payload for number, payload in attributes(body, 16)}
        header = _HEADER.unpack_from(body)
        names[header[2]] = text(found[c.IFLA_IFNAME])
        messages.append((header, found))
    return [_decode(header, found, names) for header, found in messages]


def link_names(links: t.Iterable[Link]) -> dict[int, str]:
    """Index -> name, as the decoders want it."""
    return {link.index: link.name for link in links}


def link_indexes(links: t.Iterable[Link]) -> dict[str, int]:
    """Name -> index, as the encoders want it."""
    return {link.name: link.index for link in links}


def _decode(header: tuple[int, ...], found: dict[int, bytes], names: dict[int, str]) -> Link:
    _family, _type, index, flags, _change = header
    kind = ""
    data: tuple[tuple[str, t.Any], ...] = ()
    for number, payload in attributes(found.get(c.IFLA_LINKINFO, b"")):
        if number & c.NLA_TYPE_MASK == c.IFLA_INFO_KIND:
            kind = text(payload)
        elif number & c.NLA_TYPE_MASK == c.IFLA_INFO_DATA and kind in KIND_DATA:
            data = _decode_data(KIND_DATA[kind], payload, names)
    parent = None
    # The "link" of a veth is its peer, and an index of another namespace means nothing here.
    if c.IFLA_LINK in found and c.IFLA_LINK_NETNSID not in found and kind != "veth":
        parent = _name(found[c.IFLA_LINK], names)
    alternative = attributes(found.get(c.IFLA_PROP_LIST, b""))
    return Link(
        names[index], index, u32.unpack(found[c.IFLA_MTU])[0] if c.IFLA_MTU in found else 0, bool(flags & c.IFF_UP),
        bool(flags & c.IFF_RUNNING), flags, kind, _mac(found.get(c.IFLA_ADDRESS)), _mac(found.get(c.IFLA_PERM_ADDRESS)),
        _name(found[c.IFLA_MASTER], names) if c.IFLA_MASTER in found else None, parent,
        tuple(text(name) for number, name in alternative if number == c.IFLA_ALT_IFNAME), data,
    )  # fmt: skip


def _decode_data(fields: dict[int, Field], payload: bytes, names: dict[int, str]) -> tuple[tuple[str, t.Any], ...]:
    data = []
    for number, value in attributes(payload):
        field = fields.get(number & c.NLA_TYPE_MASK)
        if field is None:
            continue
        name, layout, words = field
        if layout == "L":
            data.append((name, _name(value, names)))
            continue
        (decoded,) = struct.unpack(layout if layout[0] == ">" else "=" + layout, value)
        data.append((name, words.get(decoded, decoded) if words else decoded))
    return tuple(sorted(data))


def _name(payload: bytes, names: dict[int, str]) -> str | None:
    (index,) = u32.unpack(payload)
    return (names.get(index) or f"if{index}") if index else None


def _mac(payload: bytes | None) -> str | None:
    return payload.hex(":") if payload else None


def encode_link_set(
    index: int, up: bool | None = None, mtu: int | None = None, mac: str | None = None, master: int | None = None
) -> Message:
    """Change a link; what is None stays. ``mtu`` in bytes, ``master`` an index (0 takes the link out)."""
    parts = []
    if mtu is not None:
        parts.append(attribute_u32(c.IFLA_MTU, mtu))
    if mac is not None:
        parts.append(attribute(c.IFLA_ADDRESS, bytes.fromhex(mac.replace(":", ""))))
    if master is not None:
        parts.append(attribute_u32(c.IFLA_MASTER, master))
    header = _HEADER.pack(0, 0, index, c.IFF_UP if up else 0, 0 if up is None else c.IFF_UP)
    return c.RTM_NEWLINK, c.NLM_F_REQUEST, header + b"".join(parts)


def encode_link_delete(index: int) -> Message:
    """Remove a link; its addresses and routes go with it."""
    return c.RTM_DELLINK, c.NLM_F_REQUEST, _HEADER.pack(0, 0, index, 0, 0)
