# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One question to one server, with dnspython."""

from __future__ import annotations

import socket
import struct
import time
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._dns._dnspython_dep import dnspython
from ansible_collections.kubenode.network.plugins.module_utils._dns.errors import DnsError, NoAnswer

SECONDS = 3.0


def query(name: str, server: str, tcp: bool, kind: str = "A", port: int = 53, seconds: float = SECONDS) -> list[str]:
    """The addresses (or other data) of a name. Raises DnsError: no answer, or one that says there is none."""
    dns = dnspython()
    message = dns.message.make_query(name, kind)
    ask = dns.query.tcp if tcp else dns.query.udp
    try:
        answer = ask(message, server, timeout=seconds, port=port)
    except (OSError, dns.exception.DNSException) as error:
        words = str(error) or type(error).__name__
        raise NoAnswer(f"{name}: {server} gives no answer over {'TCP' if tcp else 'UDP'}: {words}") from error
    return _data(name, server, answer, kind)


def over_stream(name: str, stream: socket.socket, kind: str = "A", seconds: float = SECONDS) -> list[str]:
    """The same over a connection that somebody else made (RFC 1035, 4.2.2: a length before each message)."""
    dns = dnspython()
    message = dns.message.make_query(name, kind)
    wire = message.to_wire()
    try:
        stream.settimeout(seconds)
        stream.sendall(struct.pack("!H", len(wire)) + wire)
        size = struct.unpack("!H", _exactly(stream, 2))[0]
        answer = dns.message.from_wire(_exactly(stream, size))
    except (OSError, dns.exception.DNSException) as error:
        raise NoAnswer(f"{name}: no answer through the port forward: {error or type(error).__name__}") from error
    if not message.is_response(answer):
        raise DnsError(f"{name}: the answer through the port forward is to another question")
    return _data(name, "the pod", answer, kind)


def _exactly(stream: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = stream.recv(size - len(data))
        if not more:
            raise OSError("the connection was closed")
        data += more
    return data


def _data(name: str, server: str, answer: t.Any, kind: str) -> list[str]:
    dns = dnspython()
    if answer.rcode() != dns.rcode.NOERROR:
        raise DnsError(f"{name}: {server} answers {dns.rcode.to_text(answer.rcode())}")
    wanted = dns.rdatatype.from_text(kind)
    found = [item.to_text() for one in answer.answer if one.rdtype == wanted for item in one]
    if not found:
        raise DnsError(f"{name}: {server} knows it, but has no {kind} record")
    return sorted(found)


class Reply(t.NamedTuple):
    """A server's answer, as it came."""

    rcode: str
    """NOERROR, NXDOMAIN ..."""
    data: tuple[str, ...]
    ttl: int | None
    """Seconds to live: the least of the answer's records, for a denial that of its SOA record (RFC 2308, section 5)."""
    source: str
    """The address and the port that were asked from."""
    source_port: int
    milliseconds: float


def ask(name: str, sock: socket.socket, kind: str = "A", seconds: float = SECONDS) -> Reply:
    """One question over a connected socket of either kind, whatever is answered. Raises DnsError: no answer."""
    dns = dnspython()
    message = dns.message.make_query(name, kind)
    wire = message.to_wire()
    server, source = sock.getpeername()[0], sock.getsockname()
    started = time.monotonic()
    try:
        sock.settimeout(seconds)
        if sock.type == socket.SOCK_STREAM:
            sock.sendall(struct.pack("!H", len(wire)) + wire)
            answer = dns.message.from_wire(_exactly(sock, struct.unpack("!H", _exactly(sock, 2))[0]))
        else:
            sock.send(wire)
            answer = dns.message.from_wire(sock.recv(65535))
            while not message.is_response(answer):
                sock.settimeout(max(0.01, started + seconds - time.monotonic()))
                answer = dns.message.from_wire(sock.recv(65535))
    except (OSError, dns.exception.DNSException) as error:
        raise NoAnswer(f"{name}: {server} gives no answer: {error or type(error).__name__}") from error
    records = answer.answer or [one for one in answer.authority if one.rdtype == dns.rdatatype.SOA]
    wanted = dns.rdatatype.from_text(kind)
    return Reply(
        dns.rcode.to_text(answer.rcode()),
        tuple(sorted(item.to_text() for one in answer.answer if one.rdtype == wanted for item in one)),
        min((one.ttl for one in records), default=None),
        source[0],
        source[1],
        (time.monotonic() - started) * 1000,
    )


def missing() -> str:
    """Why no query can be sent here; empty where one can."""
    try:
        dnspython()
    except DnsError as error:
        return str(error)
    return ""
