# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses and prefixes as text and as bytes, at C speed (inet_pton).

Text is canonical when the kernel would print it so: IPv6 compressed and lower case, host bits zero, always with a
prefix length for prefixes. Wrong text raises ValueError with what is wrong about it.
"""

from __future__ import annotations

from _socket import AF_INET, AF_INET6, inet_ntop, inet_pton

from ansible_collections.kubenode.network.plugins.module_utils._netlink.named import NamedTuple

_LENGTHS = {str(length): length for length in range(129)}
_HOST_MASKS4 = tuple((1 << (32 - length)) - 1 for length in range(33))
_HOST_MASKS6 = tuple((1 << (128 - length)) - 1 for length in range(129))


class Prefix(NamedTuple):
    """What parse_prefix found."""

    family: int
    network: bytes
    """4 or 16 bytes, host bits zero."""
    length: int
    had_host_bits: bool
    """The text named an address inside the network (``10.1.2.3/24``)."""


def parse_address(text: str) -> tuple[int, bytes]:
    """Family (AF_INET or AF_INET6) and packed bytes of an address without a prefix length."""
    family = AF_INET6 if ":" in text else AF_INET
    try:
        return int(family), inet_pton(family, text)
    except (OSError, ValueError):
        raise ValueError(_why_not_an_address(text)) from None


def canonical_address(text: str) -> str:
    """The address as the kernel prints it: ``2001:DB8::0:1`` becomes ``2001:db8::1``."""
    family, packed = parse_address(text)
    return inet_ntop(family, packed)


def parse_prefix(text: str, default_family: int = 0) -> Prefix:
    """Parse ``network/length``, an address alone (all bits), or ``default`` where a family is given."""
    if text == "default":
        if not default_family:
            raise ValueError("'default' says nothing about the family: write 0.0.0.0/0 or ::/0")
        return Prefix(default_family, bytes(4 if default_family == AF_INET else 16), 0, False)
    address, slash, length_text = text.partition("/")
    family, packed = parse_address(address)
    bits = 32 if family == AF_INET else 128
    length = _LENGTHS.get(length_text, 999) if slash else bits
    if length > bits:
        raise ValueError(_why_not_a_length(text, length_text, bits))
    number = int.from_bytes(packed, "big")
    host_bits = number & (_HOST_MASKS4[length] if bits == 32 else _HOST_MASKS6[length])
    if host_bits:
        return Prefix(family, (number ^ host_bits).to_bytes(bits // 8, "big"), length, True)
    return Prefix(family, packed, length, False)


def canonical_prefix(text: str, default_family: int = 0) -> str:
    """CIDR with host bits cleared. ``default`` needs ``default_family``; an address alone is a host prefix."""
    family, network, length, _host_bits = parse_prefix(text, default_family)
    return f"{inet_ntop(family, network)}/{length}"


def contains(prefix: str, address: str) -> bool:
    """Whether an address, or the whole of another prefix, lies inside a prefix; False across families."""
    outer, inner = parse_prefix(prefix), parse_prefix(address)
    return outer.length <= inner.length and overlaps(prefix, address)


def overlaps(a: str, b: str) -> bool:
    """Whether two prefixes (or addresses) share an address; False across families."""
    first, second = parse_prefix(a), parse_prefix(b)
    if first.family != second.family:
        return False
    shift = len(first.network) * 8 - min(first.length, second.length)
    return int.from_bytes(first.network, "big") >> shift == int.from_bytes(second.network, "big") >> shift


def _why_not_an_address(text: str) -> str:
    what = f"{text!r} is not an IPv4 or IPv6 address"
    if "%" in text:
        return f"{what}: leave the zone out and name the interface in its own option"
    if ":" in text or not text:
        return what
    parts = text.split(".")
    if all(part.isascii() and part.isdigit() for part in parts):
        if len(parts) != 4:
            return f"{what}: an IPv4 address has four numbers, this has {len(parts)}"
        if any(len(part) > 1 and part[0] == "0" for part in parts):
            return f"{what}: numbers with leading zeros are ambiguous (octal?)"
        return f"{what}: each number is at most 255"
    return what


def _why_not_a_length(text: str, length: str, bits: int) -> str:
    if "." in length or ":" in length:
        return f"{text!r}: write the prefix length as a number (0-{bits}), not as a netmask"
    return f"{text!r}: the prefix length must be a number from 0 to {bits}, without leading zeros"
