# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One question to one server, with dnspython."""

from __future__ import annotations

import socket
import struct
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._dns._dnspython_dep import dnspython
from ansible_collections.kubenode.network.plugins.module_utils._dns.errors import DnsError

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
        raise DnsError(f"{name}: {server} gives no answer over {'TCP' if tcp else 'UDP'}: {words}") from error
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
        raise DnsError(f"{name}: no answer through the port forward: {error or type(error).__name__}") from error
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
