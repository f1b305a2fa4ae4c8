# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Moves queries from one server to another that listens on the same addresses beside it, without losing one.

Both servers listen with SO_REUSEPORT, so the kernel spreads queries over the two: half of them would still wait in the
sockets of the old one when it ends, and it reads no more of them from the moment on that it is told to. So before it is
told, a program of classic BPF is attached to each group of sockets (SO_ATTACH_REUSEPORT_CBPF, socket(7)) that chooses
the new one; what is queued at the old one is then read and answered, and only then does it end. For that a socket of
the old server is borrowed (pidfd_getfd(2)), as only a holder may attach.

The same program lets one query by: the one that asks whether the new server answers, before anybody else does.
"""

from __future__ import annotations

import contextlib
import ctypes
import ipaddress
import os
import secrets
import socket
import struct
import time
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._state.model import StateError

# linux/asm-generic/socket.h and unistd.h: numbers that all architectures of Linux nodes but a few old ones share.
_SO_ATTACH_REUSEPORT_CBPF = 51
_SO_DETACH_REUSEPORT_BPF = 68
_PIDFD_GETFD = 438
# linux/bpf_common.h
_LOAD_HALF_ABSOLUTE, _JUMP_EQUAL, _RETURN = 0x28, 0x15, 0x06
_LISTEN = "0A"
_DNS_PORT = 53

Steps = t.Sequence["tuple[int, int, int, int]"]


class Listening(t.NamedTuple):
    """A socket on port 53."""

    protocol: str
    address: str
    descriptor: int
    """In its process."""
    inode: str
    queued: int
    """Bytes that wait to be read."""


def listening(pid: int) -> list[Listening]:
    """The sockets on port 53 of a process; none where it is gone."""
    own = {}
    with contextlib.suppress(OSError):
        for name in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                link = os.readlink(f"/proc/{pid}/fd/{name}")
                if link.startswith("socket:["):
                    own[link[len("socket:[") : -1]] = int(name)
    return [one for one in _sockets() if one.inode in own for one in (one._replace(descriptor=own[one.inode]),)]


def takers() -> list[tuple[str, str, int, str]]:
    """Protocol, address, port and inode of every socket of the node that takes queries or connections."""
    return [(protocol, address, port, inode) for protocol, address, port, inode, _queued in _table()]


def _sockets() -> list[Listening]:
    return [
        Listening(protocol, address, -1, inode, queued)
        for protocol, address, port, inode, queued in _table() if port == _DNS_PORT
    ]  # fmt: skip


def _table() -> t.Iterator[tuple[str, str, int, str, int]]:
    for name in ("udp", "tcp", "udp6", "tcp6"):
        try:
            with open(f"/proc/net/{name}", encoding="ascii") as file:
                lines = file.readlines()[1:]
        except OSError:
            continue
        for line in lines:
            words = line.split()
            if name.startswith("tcp") and words[3] != _LISTEN:
                continue
            host, _colon, port = words[1].partition(":")
            queued = int(words[4].partition(":")[2], 16)
            yield name[:3], _address(host), int(port, 16), words[9], queued


def _address(text: str) -> str:
    # Words of 32 bits in the machine's own order (net/ipv4/udp.c, udp4_format_sock).
    raw = b"".join(struct.pack("=I", int(text[index : index + 8], 16)) for index in range(0, len(text), 8))
    return str(ipaddress.ip_address(raw))


def missing(pid: int, addresses: t.Iterable[str]) -> list[str]:
    """Which of the addresses a process does not listen on yet, by UDP and TCP; texts."""
    there = {(one.protocol, one.address) for one in listening(pid)}
    return [f"{address} ({way})" for address in addresses for way in ("udp", "tcp") if (way, address) not in there]


def ask(address: str, number: int, seconds: float = 2.0) -> bool:
    """Whether a server answers a query with that id. It is one of class CHAOS, which CoreDNS refuses at once."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as asking:
        asking.settimeout(seconds)
        try:
            asking.connect((address, _DNS_PORT))
            # RFC 1035, 4.1: the root, TXT, CHAOS.
            asking.send(struct.pack(">6HBHH", number, 0, 1, 0, 0, 0, 0, 16, 3))
            reply = asking.recv(512)
        except OSError:
            return False
    return len(reply) >= 12 and reply[:2] == struct.pack(">H", number) and bool(reply[2] & 0x80)


class Steering:
    """The groups of sockets of two servers, the old one first in each."""

    def __init__(self, old: int, addresses: t.Sequence[str]) -> None:
        """Borrow the sockets of the old server. Raises StateError where the kernel does not allow it."""
        self._addresses = addresses
        self._old = old
        self._held: list[tuple[socket.socket, int]] = []
        groups: dict[tuple[str, str], list[Listening]] = {}
        for one in listening(old):
            groups.setdefault((one.protocol, one.address), []).append(one)
        try:
            for members in groups.values():
                # The new server's first socket stands behind all of the old one's (net/core/sock_reuseport.c).
                self._held.append((_borrow(old, members[0].descriptor), len(members)))
        except (OSError, AttributeError) as error:
            self.close()
            raise StateError(f"the sockets of process {old} cannot be borrowed: {error}") from error

    def try_new(self) -> bool:
        """Whether the new server answers, while everybody else's queries still go to the old one."""
        number = secrets.randbelow(0x10000)
        for held, index in self._held:
            if held.type == socket.SOCK_DGRAM:
                _attach(held, [
                    (_LOAD_HALF_ABSOLUTE, 0, 0, 0), (_JUMP_EQUAL, 0, 1, number), (_RETURN, 0, 0, index),
                    (_RETURN, 0, 0, 0),
                ])  # fmt: skip
            else:
                _attach(held, [(_RETURN, 0, 0, 0)])
        return all(ask(address, number) for address in self._addresses)

    def to_new(self, seconds: float = 5.0) -> None:
        """Send all queries to the new server, and wait until the old one has read what it was sent."""
        for held, index in self._held:
            _attach(held, [(_RETURN, 0, 0, index)])
        end = time.monotonic() + seconds
        quiet = 0
        # A packet that the kernel has chosen the old socket for may not be queued there yet.
        while quiet < 3 and time.monotonic() < end:
            time.sleep(0.05)
            quiet = 0 if any(one.queued for one in listening(self._old)) else quiet + 1

    def to_old(self) -> None:
        """Take it back."""
        for held, _index in self._held:
            _attach(held, [(_RETURN, 0, 0, 0)])

    def close(self) -> None:
        """Give the sockets back: as long as they are held they are open, also when their server has gone."""
        for held, _index in self._held:
            held.close()
        self._held = []


def spread(pid: int) -> None:
    """Let the kernel spread queries again over all servers that share the sockets' addresses with this one."""
    for one in listening(pid):
        with contextlib.suppress(OSError, AttributeError):
            held = _borrow(pid, one.descriptor)
            with held:
                held.setsockopt(socket.SOL_SOCKET, _SO_DETACH_REUSEPORT_BPF, 0)


def _borrow(pid: int, descriptor: int) -> socket.socket:
    """A socket of another process as our own. Raises OSError; AttributeError on kernels without pidfds."""
    process = os.pidfd_open(pid)
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        found = libc.syscall(_PIDFD_GETFD, process, descriptor, 0)
        if found < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        return socket.socket(fileno=found)
    finally:
        os.close(process)


def _attach(held: socket.socket, steps: Steps) -> None:
    code = b"".join(struct.pack("HBBI", *step) for step in steps)
    memory = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("@HP", len(steps), ctypes.addressof(memory))
    held.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_REUSEPORT_CBPF, program)
