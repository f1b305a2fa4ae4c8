# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lab's DNS server: A records of one zone over UDP and TCP, from a table. It asks nobody and knows nothing else."""

from __future__ import annotations

import contextlib
import selectors
import socket
import struct
import threading
from collections.abc import Iterable, Mapping

ZONE = "example.com"
TTL = 30

# RFC 1035, 4.1.1 and 3.2.2.
_HEADER = struct.Struct("!6H")
_QUESTION = struct.Struct("!2H")
_RECORD = struct.Struct("!HHHIH")
_RESPONSE, _AUTHORITATIVE, _OPCODE, _RECURSION_DESIRED = 0x8000, 0x0400, 0x7800, 0x0100
_NOERROR, _FORMERR, _NXDOMAIN, _NOTIMP, _REFUSED = 0, 1, 3, 4, 5
_A, _SOA, _ANY, _IN = 1, 6, 255, 1
# A pointer to the question's name, which always begins right after the header (RFC 1035, 4.1.4).
_POINTER = 0xC000 | _HEADER.size
_TCP_SECONDS = 5.0


def answer(query: bytes, records: Mapping[str, str]) -> bytes | None:
    """The reply to a query, from records of lower-case name to IPv4 address; None to what deserves none."""
    if len(query) < _HEADER.size:
        return None
    identity, flags, questions, _, _, _ = _HEADER.unpack_from(query)
    if flags & _RESPONSE:
        return None
    flags = _RESPONSE | _AUTHORITATIVE | flags & (_OPCODE | _RECURSION_DESIRED)

    def reply(
        code: int, *, question: bytes = b"", answers: Iterable[bytes] = (), authority: Iterable[bytes] = ()
    ) -> bytes:
        answers, authority = list(answers), list(authority)
        header = _HEADER.pack(identity, flags | code, 1 if question else 0, len(answers), len(authority), 0)
        return b"".join((header, question, *answers, *authority))

    if flags & _OPCODE:
        return reply(_NOTIMP)
    parsed = _question(query) if questions == 1 else None
    if parsed is None:
        return reply(_FORMERR)
    name, kind, class_, question = parsed
    if class_ != _IN or not (name == ZONE or name.endswith(f".{ZONE}")):
        return reply(_REFUSED, question=question)
    if name in records and kind in (_A, _ANY):
        address = socket.inet_aton(records[name])
        return reply(
            _NOERROR, question=question, answers=[_RECORD.pack(_POINTER, _A, _IN, TTL, len(address)) + address]
        )
    # A name above a known one exists too, without records (RFC 8020).
    exists = name == ZONE or any(known == name or known.endswith(f".{name}") for known in records)
    return reply(_NOERROR if exists else _NXDOMAIN, question=question, authority=[_soa()])


def _question(query: bytes) -> tuple[str, int, int, bytes] | None:
    """The first question's name (lower case), type, class and bytes; None where it is malformed."""
    labels: list[str] = []
    at = _HEADER.size
    while at < len(query) and 0 < query[at] < 64 and len(labels) < 128:
        labels.append(query[at + 1 : at + 1 + query[at]].decode("latin-1").lower())
        at += 1 + query[at]
    end = at + 1 + _QUESTION.size
    if end > len(query) or query[at] != 0:
        return None
    kind, class_ = _QUESTION.unpack_from(query, at + 1)
    return ".".join(labels), kind, class_, query[_HEADER.size : end]


def _encoded(name: str) -> bytes:
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"


def _soa() -> bytes:
    zone = _encoded(ZONE)
    # Serial, refresh, retry, expire, and how long a missing name stays missing (RFC 2308), in seconds.
    data = _encoded(f"ns.{ZONE}") + _encoded(f"hostmaster.{ZONE}") + struct.pack("!5I", 1, 3600, 600, 86400, TTL)
    return zone + struct.pack("!HHIH", _SOA, _IN, TTL, len(data)) + data


class Server:
    """UDP and TCP sockets on each of the addresses, for serve() to answer on. Raises OSError where one is taken."""

    def __init__(self, addresses: Iterable[str], port: int, records: Mapping[str, str]) -> None:
        self._records = records
        self._selector = selectors.DefaultSelector()
        for address in addresses:
            datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            datagrams.bind((address, port))
            self._selector.register(datagrams, selectors.EVENT_READ, self._answer_datagram)
            listener = socket.create_server((address, port))
            self._selector.register(listener, selectors.EVENT_READ, self._accept)

    def serve(self) -> None:
        """Answer until the process ends."""
        while True:
            for key, _ in self._selector.select():
                # A client that goes away, or whose network drops, is no reason to stop for the others.
                with contextlib.suppress(OSError):
                    key.data(key.fileobj)

    def _answer_datagram(self, datagrams: socket.socket) -> None:
        query, client = datagrams.recvfrom(4096)
        reply = answer(query, self._records)
        if reply:
            datagrams.sendto(reply, client)

    def _accept(self, listener: socket.socket) -> None:
        connection, _ = listener.accept()
        connection.settimeout(_TCP_SECONDS)
        threading.Thread(target=self._answer_stream, args=(connection,), daemon=True).start()

    def _answer_stream(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError), connection.makefile("rb") as stream:
            # Each message is preceded by its length (RFC 1035, 4.2.2).
            while len(prefix := stream.read(2)) == 2:
                reply = answer(stream.read(int.from_bytes(prefix, "big")), self._records)
                if reply is None:
                    return
                connection.sendall(len(reply).to_bytes(2, "big") + reply)
