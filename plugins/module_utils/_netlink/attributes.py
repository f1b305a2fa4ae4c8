# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Attributes of a netlink message: taking apart and putting together."""

from __future__ import annotations

import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    import typing as t

_HEADER = struct.Struct("=HH")
_U32 = struct.Struct("=HHI")
u32 = struct.Struct("=I")


def attribute(kind: int, payload: bytes) -> bytes:
    """One attribute, padded to four bytes."""
    return _HEADER.pack(4 + len(payload), kind) + payload + bytes(-len(payload) & 3)


def attribute_u32(kind: int, number: int) -> bytes:
    """An attribute that holds an unsigned 32-bit number in host order."""
    return _U32.pack(8, kind, number)


def attribute_text(kind: int, text: str) -> bytes:
    """An attribute that holds a zero-terminated string."""
    return attribute(kind, text.encode() + b"\0")


def attributes(data: bytes, position: int = 0) -> t.Iterator[tuple[int, bytes]]:
    """(type with its flag bits, payload) of each attribute from a position on; a cut-off tail is left out."""
    end = len(data)
    while position + 4 <= end:
        length, kind = _HEADER.unpack_from(data, position)
        if length < 4 or position + length > end:
            return
        yield kind, data[position + 4 : position + length]
        position += (length + 3) & ~3


def text(payload: bytes) -> str:
    """A zero-terminated string."""
    return payload.rstrip(b"\0").decode("utf-8", "surrogateescape")
