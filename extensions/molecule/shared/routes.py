# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Print the IPv6 routes that `ip -N -j -6 route show table all` gave, without those of router advertisements.

An advertised route of the same metric joins one that was there, and the group is shown with the protocol and lifetime
of its first: so each next hop has a line of its own, with neither.
"""

import json
import sys

ADVERTISED = "9"
OF_ADVERTISEMENTS = ("fe80:", "fd77:2::ff")

for route in json.load(sys.stdin):
    passing = route.get("protocol") == ADVERTISED or "expires" in route
    for hop in route.get("nexthops") or ([] if passing else [route]):
        of_all = [f"{key} {route[key]}" for key in ("table", "metric", "prefsrc") if key in route]
        line = " ".join(
            [
                route.get("type", "unicast"),
                route["dst"],
                *(f"{key} {hop[key]}" for key in ("gateway", "dev") if key in hop),
                *of_all,
            ]
        )
        if not any(part in line for part in OF_ADVERTISEMENTS):
            print(line)
