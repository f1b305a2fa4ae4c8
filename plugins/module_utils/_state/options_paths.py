# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Questions to the kernel's routing (``paths``) and what their answers must be."""

from __future__ import annotations

import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._netlink.constants import ROUTE_TYPES
from ansible_collections.kubenode.network.plugins.module_utils._state import options_values as v
from ansible_collections.kubenode.network.plugins.module_utils._state.model import PathSpec

EXPECT_KEYS = frozenset(("gateway", "interface", "source", "table", "type", "metric", "mtu"))
PATH_KEYS = frozenset((
    "destination", "source", "family", "mark", "iif", "oif", "uid", "tos", "ip_protocol", "source_port",
    "destination_port", "vrf", "expect",
))  # fmt: skip


def parse_paths(value: t.Any, origin: str) -> tuple[PathSpec, ...]:
    """Paths in the order given. ``expect`` becomes sorted pairs; its empty ``gateway`` means "on the link"."""
    return tuple(parse_path(entry, f"{origin}[{position}]") for position, entry in enumerate(v.entries(value, origin)))


def parse_path(entry: v.Entry, where: str) -> PathSpec:
    """One question; ``where`` it stands is its origin."""
    entry = v.tidy(entry, PATH_KEYS, {}, where)
    given = entry.get("destination")
    if isinstance(given, str) and "/" in given:
        v.fail(f"{where}.destination", given, "one address, as a packet has")
    family, destination = v.address(given, f"{where}.destination")
    found: dict[str, t.Any] = {}
    if "family" in entry and v.family(entry["family"], f"{where}.family") != family:
        v.fail(f"{where}.family", entry["family"], f"ip{'v6' if family == v.IPV6 else 'v4'}, as the destination is")
    if "source" in entry:
        found["source"] = v.unicast_address(entry["source"], f"{where}.source", family, "the destination is")[1]
    for key, low, high, why in (
        ("mark", 0, v.U32, "32 bits"),
        ("uid", 0, v.U32 - 1, ""),
        ("tos", 0, 255, "one byte"),
        ("source_port", 1, 65535, ""),
        ("destination_port", 1, 65535, ""),
    ):
        if key in entry:
            found[key] = v.integer(entry[key], low, high, f"{where}.{key}", why)
    for key in ("iif", "oif", "vrf"):
        if key in entry:
            found[key] = v.interface(entry[key], f"{where}.{key}")
    if "ip_protocol" in entry:
        found["ip_protocol"] = v.ip_protocol(entry["ip_protocol"], f"{where}.ip_protocol")
    for port in ("source_port", "destination_port"):
        if port in found and "ip_protocol" not in found:
            v.fail(f"{where}.{port}", entry[port], "an ip_protocol that has ports (tcp, udp, sctp) beside it")
    if "iif" in found and "source" not in found:
        # net/ipv4/route.c: a packet that comes in has a source address, and is looked up with it.
        v.fail(f"{where}.iif", entry["iif"], "a source beside it: the packet that comes in has one")
    expect = _expect(entry["expect"], family, f"{where}.expect") if "expect" in entry else ()
    return PathSpec(where, destination, family=family, expect=expect, **found)


def _expect(value: t.Any, family: int, where: str) -> tuple[tuple[str, t.Any], ...]:
    entry = v.tidy(v.mapping(value, where), EXPECT_KEYS, {}, where)
    found: dict[str, t.Any] = {}
    if "gateway" in entry:
        gateway = entry["gateway"]
        found["gateway"] = gateway if gateway == "" else v.unicast_address(gateway, f"{where}.gateway")[1]
    if "interface" in entry:
        found["interface"] = v.interface(entry["interface"], f"{where}.interface")
    if "source" in entry:
        found["source"] = v.unicast_address(entry["source"], f"{where}.source", family, "the destination is")[1]
    if "table" in entry:
        found["table"] = v.table(entry["table"], f"{where}.table") or 254
    if "type" in entry:
        found["type"] = v.choice(entry["type"], ROUTE_TYPES, f"{where}.type")
    if "metric" in entry:
        found["metric"] = v.integer(entry["metric"], 0, v.U32, f"{where}.metric")
    if "mtu" in entry:
        found["mtu"] = v.integer(entry["mtu"], 68, 65536, f"{where}.mtu", "bytes")
    return tuple(sorted(found.items()))
