# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether services answer: name servers, TCP, HTTP, the API server, and programs of the operator's own.

Each takes no longer than it is told to, and says in words what it found.
"""

from __future__ import annotations

import os
import socket
import struct
import time
import typing as t

Answer = tuple[bool, str]

# RFC 1035 4.1.1, 3.2.2, 3.2.3 and RFC 6895 2.3.
_RECURSE = 0x0100
_RESPONSE, _RCODE = 0x8000, 0x000F
_TYPE_A, _TYPE_NS, _CLASS_IN = 1, 2, 1
_RCODES = {0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED"}
_SERVFAIL = 2
_REPEAT = 1.0


def at_once(asks: t.Sequence[t.Callable[[], Answer]], seconds: float) -> list[Answer]:
    """The answers of all, asked at the same time; what is not through in ``seconds`` has failed.

    A thread that hangs (in the resolver of the C library, say) is left behind; it ends with the process.
    """
    import threading

    answers: list[Answer] = [(False, f"no answer in {seconds:.1f} s")] * len(asks)

    def run(position: int) -> None:
        try:
            answers[position] = asks[position]()
        except (OSError, ValueError) as error:
            answers[position] = (False, words(error))

    threads = [threading.Thread(target=run, args=(position,), daemon=True) for position in range(len(asks))]
    end = time.monotonic() + seconds
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    return list(answers)


def words(error: BaseException) -> str:
    """An error in its own words."""
    return str(getattr(error, "strerror", None) or error or type(error).__name__)


def dns(server: str, port: int, transport: str, name: str | None, seconds: float) -> Answer:
    """Ask a name server for ``name``, or for the root's name servers. Without a name any answer but SERVFAIL will do.

    A forwarder that has lost its own servers says SERVFAIL.
    """
    query = _query(name)
    start = time.monotonic()
    end = start + seconds
    family, _kind, _protocol, _name, endpoint = socket.getaddrinfo(server, port, flags=socket.AI_NUMERICHOST)[0]
    kind = socket.SOCK_STREAM if transport == "tcp" else socket.SOCK_DGRAM
    with socket.socket(family, kind) as sock:
        sock.settimeout(seconds)
        sock.connect(endpoint)
        answer = _over_tcp(sock, query, end) if transport == "tcp" else _over_udp(sock, query, end)
    if answer is None:
        return False, f"{server} did not answer in {seconds:.1f} s"
    rcode = struct.unpack_from("!H", answer, 2)[0] & _RCODE
    took = (time.monotonic() - start) * 1000
    said = f"{server} answered {_RCODES.get(rcode, rcode)} for {name or 'the root'} after {took:.0f} ms"
    return (rcode == 0 if name else rcode != _SERVFAIL), said


def _query(name: str | None) -> bytes:
    labels = b"".join(bytes((len(label),)) + label.encode("ascii") for label in (name or "").split(".") if label)
    kind = _TYPE_A if name else _TYPE_NS
    return os.urandom(2) + struct.pack("!HHHHH", _RECURSE, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!HH", kind, 1)


def _is_answer(data: bytes, query: bytes) -> bool:
    return len(data) >= 12 and data[:2] == query[:2] and bool(struct.unpack_from("!H", data, 2)[0] & _RESPONSE)


def _over_udp(sock: socket.socket, query: bytes, end: float) -> bytes | None:
    while time.monotonic() < end:
        sock.send(query)
        again = min(end, time.monotonic() + _REPEAT)
        while time.monotonic() < again:
            sock.settimeout(max(0.01, again - time.monotonic()))
            try:
                data = sock.recv(4096)
            except socket.timeout:
                break
            if _is_answer(data, query):
                return data
    return None


def _over_tcp(sock: socket.socket, query: bytes, end: float) -> bytes | None:
    sock.sendall(struct.pack("!H", len(query)) + query)
    data = b""
    while time.monotonic() < end:
        sock.settimeout(max(0.01, end - time.monotonic()))
        try:
            part = sock.recv(4096)
        except socket.timeout:
            break
        if not part:
            break
        data += part
        if len(data) >= 2 and len(data) >= 2 + struct.unpack_from("!H", data)[0]:
            return data[2:] if _is_answer(data[2:], query) else None
    return None


def tcp(address: str, port: int, source: str | None, seconds: float) -> Answer:
    """Open a TCP connection, and close it."""
    start = time.monotonic()
    with socket.create_connection((address, port), seconds, (source, 0) if source else None):
        return True, f"connected after {(time.monotonic() - start) * 1000:.0f} ms"


def http(url: str, status: t.Sequence[int] | None, validate: bool, seconds: float) -> Answer:
    """GET ``url`` without a proxy and without following redirections. ``status`` empty: whatever is answered."""
    import http.client
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    host, port = str(parts.hostname), parts.port
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        import ssl

        context = ssl.create_default_context() if validate else ssl._create_unverified_context()  # noqa: S323, SLF001
        connection = http.client.HTTPSConnection(host, port, timeout=seconds, context=context)
    else:
        connection = http.client.HTTPConnection(host, port, timeout=seconds)
    try:
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("GET", path, headers={"User-Agent": "kubenode.network", "Connection": "close"})
        found = connection.getresponse().status
    except http.client.HTTPException as error:
        return False, f"no HTTP answer: {type(error).__name__} {error}".rstrip()
    finally:
        connection.close()
    passed = 200 <= found < 400 if status is None else not status or found in status
    return passed, f"HTTP status {found}"


def command(argv: t.Sequence[str], seconds: float) -> Answer:
    """Run a program; it and what it started is killed when its time is over."""
    import signal
    import subprocess

    try:
        process = subprocess.Popen(  # pylint: disable=ansible-bad-function
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd="/",
            start_new_session=True, env={**os.environ, "LC_ALL": "C"},
        )  # fmt: skip
    except OSError as error:
        return False, f"cannot be run: {words(error)}"
    try:
        output, _nothing = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return False, f"not through in {seconds:.1f} s"
    lines = output.decode(errors="replace").split("\n") if output else []
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return process.returncode == 0, f"status {process.returncode}{': ' if last else ''}{last[:200]}"
