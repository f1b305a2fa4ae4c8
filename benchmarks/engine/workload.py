# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run of static_routes does on the node, in a process of its own: the interpreter's start counts.

workload.py set-up N ROOT   declare N routes as owner `bench`, with its records below ROOT
workload.py no-op N ROOT    declare them again: options, records, the kernel's state, and the plan, which must be empty
"""

from __future__ import annotations

import sys

from ansible_collections.kubenode.network.plugins.module_utils._state.options import desired_from_options
from ansible_collections.kubenode.network.plugins.module_utils._state.run import execute


def main() -> None:
    what, count, root = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    hop = {"next_hop_address": "10.100.0.1", "next_hop_interface": "ens224", "table": 1000}
    routes = [
        {"destination": f"11.{n >> 8 & 255}.{n & 255}.{(n >> 16) << 7}/25", **hop} for n in range(count)
    ]  # fmt: skip
    desired = desired_from_options({"routes": routes, "owner": "bench", "purge": True}, "static_routes")
    result = execute(desired, root=root)
    if result["changed"] != (what == "set-up"):
        raise SystemExit(f"changed: {result['changed']}")


if __name__ == "__main__":
    main()
