# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the codec's side of a benchmark does, in a process of its own: the interpreter's start counts.

workload.py apply N     make N routes in table 1000
workload.py compare N   read table 1000 and compare it with N routes that should be there
"""

from __future__ import annotations

import sys

from ansible_collections.kubenode.network.plugins.module_utils._netlink.links import (
    link_indexes,
    link_names,
    read_links,
)
from ansible_collections.kubenode.network.plugins.module_utils._netlink.objects import NextHop, Route
from ansible_collections.kubenode.network.plugins.module_utils._netlink.routes import encode_add, read_routes
from ansible_collections.kubenode.network.plugins.module_utils._netlink.sock import RtnlSocket


def destinations(count: int) -> list[str]:
    """As many different /25 networks."""
    return [f"11.{n >> 8 & 255}.{n & 255}.{(n >> 16) << 7}/25" for n in range(count)]


def wanted(count: int) -> list[Route]:
    hops = (NextHop("ens224", "10.100.0.1"),)
    return [Route(2, 1000, destination, 0, hops, "unicast", 157) for destination in destinations(count)]


def apply(count: int) -> None:
    with RtnlSocket() as sock:
        indexes = link_indexes(read_links(sock))
        cache: dict[object, bytes] = {}
        results = sock.batch(encode_add(route, indexes, cache) for route in wanted(count))
    if any(results):
        raise SystemExit(next(str(error) for error in results if error))


def compare(count: int) -> None:
    with RtnlSocket() as sock:
        found = read_routes(sock, link_names(read_links(sock)), table=1000)
    missing = set(wanted(count)).symmetric_difference(found)
    if missing or len(found) != count:
        raise SystemExit(f"{len(found)} routes of {count}, {len(missing)} differ")


if __name__ == "__main__":
    {"apply": apply, "compare": compare}[sys.argv[1]](int(sys.argv[2]))
