#!/usr/bin/env python3
# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Router advertisements on a link, once a second: router_advertisements.py INTERFACE PREFIX LIFETIME.

PREFIX is a /64 without its length, LIFETIME is in seconds and is the router's and the prefix's. Runs until it is ended.
"""

from __future__ import annotations

import socket
import struct
import sys
import time

# RFC 4861: 4.2, 4.6.2, 6.1.2 (hop limit 255).
_ADVERTISEMENT, _PREFIX_INFORMATION = 134, 3
_ON_LINK_AND_AUTONOMOUS = 0xC0
_ALL_NODES = "ff02::1"


def advertisement(prefix: str, lifetime: int) -> bytes:
    """The message; the kernel fills in the checksum of an ICMPv6 socket (RFC 3542, 3.1)."""
    head = struct.pack("!BBHBBHII", _ADVERTISEMENT, 0, 0, 64, 0, lifetime, 0, 0)
    option = struct.pack("!BBBBIII", _PREFIX_INFORMATION, 4, 64, _ON_LINK_AND_AUTONOMOUS, lifetime, lifetime, 0)
    return head + option + socket.inet_pton(socket.AF_INET6, prefix)


def main() -> None:
    interface, prefix, lifetime = sys.argv[1:]
    link = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
    link.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
    message = advertisement(prefix, int(lifetime))
    while True:
        link.sendto(message, (_ALL_NODES, 0, 0, socket.if_nametoindex(interface)))
        time.sleep(1)


if __name__ == "__main__":
    main()
