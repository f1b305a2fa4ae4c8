# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run of static_routes does on the node, in a process of its own: the interpreter's start counts.

workload.py set-up N ROOT   declare N routes as owner `bench`, with its records below ROOT
workload.py engine N ROOT   declare them again: records, the kernel's state, and the plan, which must be empty
workload.py module N ROOT   the same from a module's options
"""

from __future__ import annotations

import sys

from ansible_collections.kubenode.network.plugins.module_utils._state.model import Desired, NextHopSpec, RouteSpec
from ansible_collections.kubenode.network.plugins.module_utils._state.run import execute


def destinations(count: int) -> list[str]:
    return [f"11.{n >> 8 & 255}.{n & 255}.{(n >> 16) << 7}/25" for n in range(count)]


def declared(count: int) -> Desired:
    hops = (NextHopSpec("ens224", "10.100.0.1"),)
    specs = [RouteSpec("bench", "routes", False, 2, where, 1000, next_hops=hops) for where in destinations(count)]
    return Desired(routes=tuple(specs), prune=(("bench", "route"),))


def from_options(count: int) -> Desired:
    from ansible_collections.kubenode.network.plugins.module_utils._state.options import desired_from_options

    hop = {"next_hop_address": "10.100.0.1", "next_hop_interface": "ens224", "table": 1000}
    routes = [{"destination": where, **hop} for where in destinations(count)]
    return desired_from_options({"routes": routes, "owner": "bench", "purge": True}, "static_routes")


def main() -> None:
    what, count, root = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    result = execute((from_options if what == "module" else declared)(count), root=root)
    if result["changed"] != (what == "set-up"):
        raise SystemExit(f"changed: {result['changed']}")


if __name__ == "__main__":
    main()
