# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A gateway with services, in a namespace of its own: what the probes of a node ask in tests.

As a program (``python answering.py KIND ADDRESS PORT [VALUE]``) it is one of the services: ``dns`` (VALUE is the rcode
for all names but ``storage.example.com``), ``tcp``, ``http`` (VALUE is the status), ``silent`` (takes connections and
says nothing), ``https`` (VALUE is a file with certificate and key; the status is 401).
"""

from __future__ import annotations

import http.server
import os
import pathlib
import signal
import socket
import ssl
import struct
import subprocess
import sys
import threading
import typing as t

NAME = b"\x07storage\x07example\x03com\x00"


def _answer(query: bytes, rcode: int) -> bytes:
    known = NAME in query
    flags = 0x8180 | (0 if known else rcode)
    return query[:2] + struct.pack("!HHHHH", flags, 1, 0, 0, 0) + query[12:]


def _dns(address: tuple[str, int], family: int, value: str) -> None:
    udp = socket.socket(family, socket.SOCK_DGRAM)
    udp.bind(address)
    tcp = socket.create_server(address, family=family)

    def serve_tcp() -> None:
        while True:
            peer, _address = tcp.accept()
            with peer:
                length = struct.unpack("!H", peer.recv(2))[0]
                answer = _answer(peer.recv(length), int(value))
                peer.sendall(struct.pack("!H", len(answer)) + answer)

    threading.Thread(target=serve_tcp, daemon=True).start()
    print("ready", flush=True)
    while True:
        query, peer = udp.recvfrom(4096)
        udp.sendto(_answer(query, int(value)), peer)


def _listen(address: tuple[str, int], family: int, _value: str) -> None:
    server = socket.create_server(address, family=family)
    print("ready", flush=True)
    peers = []
    while True:
        peers.append(server.accept())


def _http(address: tuple[str, int], _family: int, value: str) -> None:
    status = int(value) if value.isdigit() else 401

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Location", "http://192.0.2.1/")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_arguments: t.Any) -> None: ...

    server = http.server.HTTPServer(address, Handler)
    if not value.isdigit():
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(value)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    print("ready", flush=True)
    server.serve_forever()


class Gateway:
    """A namespace at the other end of the node's NICs."""

    def __init__(self) -> None:
        self._holder = subprocess.Popen(["unshare", "--net", "sleep", "300"])
        self._services: list[subprocess.Popen[str]] = []
        own = os.readlink("/proc/thread-self/ns/net")
        while os.readlink(f"/proc/{self._holder.pid}/ns/net") == own:
            pass
        self.run("ip", "link", "set", "lo", "up")

    def take(self, interface: str, *addresses: str) -> None:
        """Bring an end of a cable here, with addresses."""
        subprocess.run(["ip", "link", "set", interface, "netns", str(self._holder.pid)], check=True)
        self.run("ip", "link", "set", interface, "up")
        for address in addresses:
            self.run("ip", "address", "add", address, "dev", interface, *(["nodad"] if ":" in address else []))

    def inside(self, *arguments: str) -> list[str]:
        return ["nsenter", "-t", str(self._holder.pid), "-n", *arguments]

    def run(self, *arguments: str) -> None:
        subprocess.run(self.inside(*arguments), check=True)

    def set(self, key: str, value: int) -> None:
        """A kernel setting below net, by its path there."""
        self.run("sh", "-c", f"echo {value} > /proc/sys/net/{key}")

    def serve(self, kind: str, address: str, port: int, value: str = "0") -> subprocess.Popen[str]:
        """Start a service and wait until it listens."""
        command = self.inside(sys.executable, str(pathlib.Path(__file__)), kind, address, str(port), value)
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self._services.append(process)
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        return process

    def close(self) -> None:
        for process in (*self._services, self._holder):
            process.kill()
            process.wait()
            if process.stdout:
                process.stdout.close()


if __name__ == "__main__":
    # Not to outlive the test: PR_SET_PDEATHSIG would need ctypes; a parent that is gone closes its end of the pipe.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    kind, host, number, extra = sys.argv[1:]
    services = {"dns": _dns, "tcp": _listen, "silent": _listen, "http": _http, "https": _http}
    services[kind]((host, int(number)), socket.AF_INET6 if ":" in host else socket.AF_INET, extra)
