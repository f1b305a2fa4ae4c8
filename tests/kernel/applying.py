# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Short words for plans that are built by hand and carried out, and iproute2's view of the node afterwards."""

from __future__ import annotations

import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._netlink.objects import Address, NextHop, Route, Rule
from ansible_collections.kubenode.network.plugins.module_utils._state.apply import apply
from ansible_collections.kubenode.network.plugins.module_utils._state.model import (
    Change,
    Plan,
    State,
    Target,
)
from ansible_collections.kubenode.network.plugins.module_utils._state.observe import observe
from ansible_collections.kubenode.network.plugins.module_utils._state.verify import verify

PERMANENT = 0x80


def route(destination: str, gateway: str | None = "10.100.0.1", interface: str = "ens224", **fields: t.Any) -> Route:
    family = 10 if ":" in destination else 2
    values = {"metric": 100, "protocol": 157, "next_hops": (NextHop(interface, gateway),), **fields}
    if family == 2 and gateway is None:
        values.setdefault("scope", 253)
    return Route(family, values.pop("table", 254), destination, **values)


def address(interface: str, text: str) -> Address:
    ip, _slash, length = text.partition("/")
    return Address(interface, 10 if ":" in ip else 2, ip, int(length), flags=PERMANENT)


def rule(priority: int, table: int, source: str | None = None, **fields: t.Any) -> Rule:
    return Rule(fields.pop("family", 2), priority, table=table, source=source, protocol=157, **fields)


def make(kind: str, value: t.Any) -> Change:
    return Change(kind, getattr(value, "name", kind), None, value)


def gone(kind: str, value: t.Any) -> Change:
    return Change(kind, getattr(value, "name", kind), value, None)


def swap(kind: str, before: t.Any, after: t.Any) -> Change:
    return Change(kind, getattr(before, "name", kind), before, after)


def carry_out(*changes: Change) -> tuple[State, list[Change]]:
    """Apply and verify; the state from before, and the journal."""
    before = observe()
    done = apply(changes, before)
    assert verify(Target(), Plan(changes, {}), before, observe()) == []
    return before, done


def everything(netns: t.Any) -> dict[str, t.Any]:
    """All that iproute2 shows of the namespace, in a stable order, without what counts or ages.

    Left out are link-local addresses and the kernel's IPv6 routes of the local table, which it makes in its own time.
    """
    shown: dict[str, t.Any] = {}
    for name, words in (
        ("link", ["link"]), ("address", ["addr"]), ("rule", ["rule"]), ("rule6", ["-6", "rule"]),
        ("route", ["route", "show", "table", "all"]), ("route6", ["-6", "route", "show", "table", "all"]),
    ):  # fmt: skip
        entries = netns.json(*words)
        for entry in entries:
            for key in ("ifindex", "link_index", "expires", "flags", "operstate", "dynamic", "qdisc"):
                entry.pop(key, None)
            for info in entry.get("addr_info", ()):
                for key in ("tentative", "dynamic"):
                    info.pop(key, None)
            if "addr_info" in entry:
                entry["addr_info"] = sorted(
                    (info for info in entry["addr_info"] if not info["local"].startswith("fe80:")), key=repr
                )
        shown[name] = sorted(repr(entry) for entry in entries if not _kernels_own(entry))
    return shown


def addresses(netns: t.Any) -> set[tuple[str, str]]:
    """(interface, address) of all but link-local ones."""
    found = {(entry["ifname"], info["local"]) for entry in netns.json("addr") for info in entry["addr_info"]}
    return {(name, address) for name, address in found if not address.startswith("fe80:")}


def _kernels_own(entry: dict[str, t.Any]) -> bool:
    destination = str(entry.get("dst"))
    return destination.startswith("fe80:") or (":" in destination and entry.get("table") == "local")
