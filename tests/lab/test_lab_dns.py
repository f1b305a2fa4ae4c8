# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lab's DNS server by its replies alone, without a lab."""

from __future__ import annotations

import random
import struct
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "lab"))

from kubenode_lab.dns import answer

RECORDS = {"r1.storage.internal.example.com": "10.200.0.1"}
A, AAAA, ANY, CHAOS = 1, 28, 255, 3


def query(name: str, kind: int = A, class_: int = 1, *, flags: int = 0x0100, questions: int = 1) -> bytes:
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split(".") if label)
    return struct.pack("!6H", 4711, flags, questions, 0, 0, 0) + labels + b"\0" + struct.pack("!2H", kind, class_)


@pytest.mark.parametrize(
    ("message", "code", "answers", "authorities"),
    [
        (query("r1.storage.internal.example.com"), 0, 1, 0),
        (query("R1.Storage.INTERNAL.example.com", ANY), 0, 1, 0),
        (query("r1.storage.internal.example.com", AAAA), 0, 0, 1),
        (query("internal.example.com"), 0, 0, 1),
        (query("example.com"), 0, 0, 1),
        (query("other.example.com"), 3, 0, 1),
        (query("notexample.com"), 5, 0, 0),
        (query("debian.org"), 5, 0, 0),
        (query(""), 5, 0, 0),
        (query("r1.storage.internal.example.com", A, CHAOS), 5, 0, 0),
        (query("example.com", flags=0x2800), 4, 0, 0),
        (query("example.com", questions=2), 1, 0, 0),
        (query("example.com")[:-1], 1, 0, 0),
        (query("example.com")[:12] + b"\xc0\x0c\0\1\0\1", 1, 0, 0),
    ],
)
def test_each_question_has_its_answer(message: bytes, code: int, answers: int, authorities: int) -> None:
    reply = answer(message, RECORDS)
    assert reply is not None
    identity, flags, _, found, above, _ = struct.unpack_from("!6H", reply)
    assert (identity, flags & 0x8000, flags & 15, found, above) == (4711, 0x8000, code, answers, authorities)
    if answers:
        assert reply.endswith(bytes([10, 200, 0, 1]))


def test_a_reply_is_never_answered_and_neither_is_half_a_header() -> None:
    assert answer(query("example.com", flags=0x8000), RECORDS) is None
    assert answer(query("example.com")[:11], RECORDS) is None


def test_no_bytes_make_it_fall_over() -> None:
    chance = random.Random(20261122)
    good = query("r1.storage.internal.example.com")
    for _ in range(5000):
        message = bytearray(good)
        for _ in range(chance.randrange(1, 6)):
            message[chance.randrange(len(message))] = chance.randrange(256)
        reply = answer(bytes(message[: chance.randrange(len(message) + 1)]), RECORDS)
        assert reply is None or len(reply) >= 12
