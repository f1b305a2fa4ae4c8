# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a host answers: by ICMP echo, and on the link by the resolution of its address. Needs root, changes nothing.

What the kernel already believes of a neighbour is not asked: an entry stays reachable for a while after its host died.
"""

from __future__ import annotations

import os
import select
import socket
import struct
import time
import typing as t

# RFC 792 and RFC 4443: types of the echo; RFC 826: EtherType and operations; RFC 4861 4.3, 4.4: types.
_ECHO: dict[int, tuple[int, int]] = {socket.AF_INET: (8, 0), socket.AF_INET6: (128, 129)}
_ETH_P_ARP = 0x0806
_ARP_REQUEST, _ARP_REPLY = 1, 2
_SOLICITATION, _ADVERTISEMENT = 135, 136
_ARPHRD_ETHER = 1
_SIOCGIFHWADDR = 0x8927
_SO_BINDTODEVICE = 25
_REPEAT = 0.4


def family_of(address: str) -> int:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def echo(address: str, interface: str | None, seconds: float) -> float | None:
    """Milliseconds until an ICMP echo of ``address`` came back, through ``interface`` if told; None when none came."""
    family = family_of(address)
    request, reply = _ECHO[family]
    protocol = socket.IPPROTO_ICMP if family == socket.AF_INET else socket.IPPROTO_ICMPV6
    name = os.urandom(2)
    with socket.socket(family, socket.SOCK_RAW, protocol) as sock:
        _bind(sock, interface)
        try:
            sock.connect(_endpoint(address, interface))
        except OSError:
            return None
        sent: dict[int, float] = {}

        def send(number: int) -> None:
            sent[number] = time.monotonic()
            sock.send(_echo(request, name, number))

        def read() -> float | None:
            data = sock.recv(2048)
            if family == socket.AF_INET:
                data = data[(data[0] & 15) * 4 :]
            if len(data) < 8 or data[0] != reply or data[4:6] != name:
                return None
            started = sent.get(struct.unpack_from("!H", data, 6)[0])
            return None if started is None else (time.monotonic() - started) * 1000

        return _repeat(sock, send, read, seconds)


def _echo(kind: int, name: bytes, number: int) -> bytes:
    message = struct.pack("!BBH2sH", kind, 0, 0, name, number) + b"kubenode"
    # The kernel fills in the checksum of ICMPv6 only.
    return message[:2] + _checksum(message) + message[4:] if kind == _ECHO[socket.AF_INET][0] else message


def _checksum(message: bytes) -> bytes:
    """RFC 1071."""
    total = sum(struct.unpack(f"!{len(message) // 2}H", message))
    total = (total >> 16) + (total & 0xFFFF)
    return struct.pack("!H", ~(total + (total >> 16)) & 0xFFFF)


def resolve(address: str, interface: str, seconds: float) -> float | None:
    """Milliseconds until a host on the link said that ``address`` is its own; None when none did."""
    mac = _mac(interface)
    if mac is None:
        return None
    if family_of(address) == socket.AF_INET:
        return _arp(address, interface, mac, seconds)
    return _solicit(address, interface, mac, seconds)


def _mac(interface: str) -> bytes | None:
    """The interface's own link-layer address; None where it is no Ethernet."""
    import fcntl

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            found = fcntl.ioctl(sock, _SIOCGIFHWADDR, struct.pack("256s", interface.encode()))
        except OSError:
            return None
    kind, mac = struct.unpack_from("=H6s", found, 16)
    return mac if kind == _ARPHRD_ETHER else None


def _arp(address: str, interface: str, mac: bytes, seconds: float) -> float | None:
    wanted = socket.inet_aton(address)
    own = socket.inet_aton(_own_address(address, interface))
    packet = struct.pack("!6s6sHHHBBH", b"\xff" * 6, mac, _ETH_P_ARP, 1, 0x0800, 6, 4, _ARP_REQUEST)
    packet += mac + own + bytes(6) + wanted
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ARP)) as sock:
        try:
            sock.bind((interface, _ETH_P_ARP))
        except OSError:
            return None
        started: list[float] = []

        def send(_number: int) -> None:
            started.append(time.monotonic())
            sock.send(packet)

        def read() -> float | None:
            data = sock.recv(2048)
            if len(data) < 42 or struct.unpack_from("!H", data, 20)[0] != _ARP_REPLY or data[28:32] != wanted:
                return None
            return (time.monotonic() - started[-1]) * 1000

        return _repeat(sock, send, read, seconds)


def _own_address(address: str, interface: str) -> str:
    """The address that the node would use towards ``address``; 0.0.0.0 (a probe, RFC 5227) where it has none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            _bind(sock, interface)
            sock.connect((address, 9))
            return str(sock.getsockname()[0])
        except OSError:
            return "0.0.0.0"


def _solicit(address: str, interface: str, mac: bytes, seconds: float) -> float | None:
    wanted = socket.inet_pton(socket.AF_INET6, address)
    group = socket.inet_ntop(socket.AF_INET6, bytes.fromhex("ff0200000000000000000001ff") + wanted[13:])
    packet = struct.pack("!BBHI16sBB6s", _SOLICITATION, 0, 0, 0, wanted, 1, 1, mac)
    with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as sock:
        _bind(sock, interface)
        # RFC 4861 7.1.1: what has not come over this link alone is not believed.
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
        started: list[float] = []

        def send(_number: int) -> None:
            started.append(time.monotonic())
            sock.sendto(packet, _endpoint(group, interface))

        def read() -> float | None:
            data = sock.recv(2048)
            if len(data) < 24 or data[0] != _ADVERTISEMENT or data[8:24] != wanted:
                return None
            return (time.monotonic() - started[-1]) * 1000

        return _repeat(sock, send, read, seconds)


def _repeat(
    sock: socket.socket, send: t.Callable[[int], None], read: t.Callable[[], float | None], seconds: float
) -> float | None:
    """Send again and again until ``read`` finds what it waits for."""
    sock.setblocking(False)
    end = time.monotonic() + seconds
    number = 0
    while True:
        number += 1
        try:
            send(number)
        except OSError:
            # No way there (yet): not a reason to give up before the time is over.
            pass
        again = min(end, time.monotonic() + _REPEAT)
        while True:
            left = again - time.monotonic()
            if left <= 0:
                break
            if select.select([sock], [], [], left)[0]:
                try:
                    found = read()
                except OSError:
                    # What came back is an ICMP error.
                    continue
                if found is not None:
                    return found
        if time.monotonic() >= end:
            return None


def _bind(sock: socket.socket, interface: str | None) -> None:
    if interface:
        sock.setsockopt(socket.SOL_SOCKET, _SO_BINDTODEVICE, interface.encode() + b"\0")


def _endpoint(address: str, interface: str | None) -> t.Any:
    if family_of(address) == socket.AF_INET:
        return (address, 0)
    scope = socket.if_nametoindex(interface) if interface and address.lower().startswith(("fe80:", "ff02:")) else 0
    return (address, 0, 0, scope)
