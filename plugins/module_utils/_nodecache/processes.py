# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who listens on which port of this node, and which processes there are: read from /proc."""

from __future__ import annotations

import os
import struct
import typing as t
from _socket import AF_INET, AF_INET6, inet_ntop

_TCP_LISTEN, _UDP_UNCONNECTED = "0A", "07"
_FILES = (("udp", AF_INET), ("udp6", AF_INET6), ("tcp", AF_INET), ("tcp6", AF_INET6))
_CACHE_NAMES = ("node-cache", "dnscache")
"""Names of the program: in the image of Kubernetes, and in what is made of it."""


class Listener(t.NamedTuple):
    address: str
    """``0.0.0.0`` or ``::`` for all addresses."""
    port: int
    protocol: str
    pid: int
    """0 where no process of this node is found that holds the socket."""
    command: str

    @property
    def everywhere(self) -> bool:
        return self.address in ("0.0.0.0", "::")

    def answers(self, address: str) -> bool:
        """Whether packets to the address reach this socket. A socket on :: takes IPv4 too, unless told otherwise."""
        if self.address == "::":
            return True
        return self.address == address or (self.address == "0.0.0.0" and ":" not in address)


def listeners(ports: t.Collection[int]) -> list[Listener]:
    """Sockets of this network namespace that listen on one of the ports, by port."""
    found: list[tuple[str, int, str, str]] = []
    for name, family in _FILES:
        try:
            with open(f"/proc/thread-self/net/{name}", encoding="ascii") as file:
                lines = file.read().splitlines()[1:]
        except OSError:
            continue
        wanted = _TCP_LISTEN if name.startswith("tcp") else _UDP_UNCONNECTED
        for line in lines:
            fields = line.split()
            address, port = fields[1].split(":")
            if fields[3] == wanted and int(port, 16) in ports:
                found.append((_address(address, family), int(port, 16), name[:3], fields[9]))
    owners = _owners({inode for _address, _port, _protocol, inode in found})
    held = [
        Listener(address, port, protocol, owners.get(inode, 0), command(owners.get(inode, 0)))
        for address, port, protocol, inode in found
    ]
    return sorted(held, key=lambda one: (one.port, one.protocol, one.address))


def _address(text: str, family: int) -> str:
    # Words of 32 bits in the machine's own order.
    raw = b"".join(struct.pack("=I", int(text[at : at + 8], 16)) for at in range(0, len(text), 8))
    return inet_ntop(family, raw)


def _owners(inodes: t.Collection[str]) -> dict[str, int]:
    """Inode of a socket -> the first process that holds it."""
    wanted = {f"socket:[{inode}]": inode for inode in inodes}
    found: dict[str, int] = {}
    if not wanted:
        return found
    for pid in processes():
        folder = f"/proc/{pid}/fd"
        try:
            names = os.listdir(folder)
        except OSError:
            continue
        for name in names:
            try:
                inode = wanted.get(os.readlink(f"{folder}/{name}"))
            except OSError:
                continue
            if inode:
                found.setdefault(inode, pid)
        if len(found) == len(wanted):
            break
    return found


def processes() -> list[int]:
    """Process ids, lowest first."""
    return sorted(int(name) for name in os.listdir("/proc") if name.isdigit())


def arguments(pid: int) -> list[str]:
    """The command line of a process, () for one of the kernel's or one that is gone."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            raw = file.read()
    except OSError:
        return []
    return [word.decode(errors="replace") for word in raw.split(b"\0") if word]


def command(pid: int) -> str:
    """The program of a process, for people."""
    words = arguments(pid) if pid else []
    return words[0] if words else ""


def is_cache(pid: int) -> bool:
    """Whether a process is node-cache, by its own name."""
    return os.path.basename(command(pid)) in _CACHE_NAMES


def own_namespace(pid: int) -> bool:
    """Whether a process is in the network namespace of this thread."""
    try:
        return os.readlink(f"/proc/{pid}/ns/net") == os.readlink("/proc/thread-self/ns/net")
    except OSError:
        return False


def caches() -> list[int]:
    """The processes that are node-cache, of this network namespace."""
    return [pid for pid in processes() if is_cache(pid) and own_namespace(pid)]
