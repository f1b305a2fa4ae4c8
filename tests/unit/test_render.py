# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects and changes as people and playbooks see them."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._netlink.objects import (
    Address,
    Link,
    NextHop,
    Route,
    Rule,
)
from ansible_collections.kubenode.network.plugins.module_utils._state import render
from ansible_collections.kubenode.network.plugins.module_utils._state.describe import describe, route_text, rule_text
from ansible_collections.kubenode.network.plugins.module_utils._state.model import Change, FileState, State

ROUTE = Route(2, 254, "10.200.0.0/16", 100, (NextHop("ens224", "10.100.0.1"),), protocol=157)
NIC = Link("ens224", 2, up=True, mac="02:00:00:00:00:02")
ADDRESS = Address("ens224", 2, "10.100.0.10", 24, flags=0x80)


# --- for people -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("route", "text"),
    [
        (ROUTE, "10.200.0.0/16 via 10.100.0.1 dev ens224 metric 100"),
        (ROUTE._replace(destination="0.0.0.0/0", metric=0, table=100), "default via 10.100.0.1 dev ens224 table stor"),
        (ROUTE._replace(type="blackhole", next_hops=()), "blackhole 10.200.0.0/16 metric 100"),
        (ROUTE._replace(protocol=12), "10.200.0.0/16 via 10.100.0.1 dev ens224 proto bird metric 100"),
        (
            ROUTE._replace(metrics=((2, 1400), (13, 3)), source="10.100.0.10"),
            "10.200.0.0/16 via 10.100.0.1 dev ens224 src 10.100.0.10 metric 100 mtu 1400 rto_min 3",
        ),
        (
            ROUTE._replace(next_hops=(NextHop("ens224", "10.100.0.1", 3), NextHop("ens256", None, 1, True))),
            "10.200.0.0/16 nexthop via 10.100.0.1 dev ens224 weight 3 nexthop dev ens256 weight 1 onlink metric 100",
        ),
        (
            Route(10, 1000, "2001:db8::/48", 1024, (NextHop("ens224"),), protocol=157, source_prefix="2001:db8:1::/64"),
            "2001:db8::/48 from 2001:db8:1::/64 dev ens224 table 1000 metric 1024",
        ),
        (ROUTE._replace(next_hops=(NextHop("lo", "fe80::1"),)), "10.200.0.0/16 via inet6 fe80::1 dev lo metric 100"),
        (ROUTE._replace(nexthop_id=7), "10.200.0.0/16 nhid 7 metric 100"),
    ],
)  # fmt: skip
def test_routes_read_as_in_iproute2(route: Route, text: str) -> None:
    assert route_text(route, {100: "stor"}) == text


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (Rule(2, 1000, table=100, protocol=157), "priority 1000 from all lookup storage"),
        (Rule(10, 1000, table=254, protocol=2), "inet6 priority 1000 from all lookup main proto kernel"),
        (Rule(2, 5, "blackhole", source="10.0.0.0/8", destination="10.1.0.0/16"),
         "priority 5 from 10.0.0.0/8 to 10.1.0.0/16 blackhole"),
        (Rule(2, 5, table=7, fwmark=16, fwmask=255, iif="a", oif="b", tos=16, invert=True),
         "priority 5 not from all tos 0x10 fwmark 0x10/0xff iif a oif b lookup 7"),
        (Rule(2, 5, table=7, fwmark=16, fwmask=0xFFFFFFFF, uid_range=(0, 0), ip_protocol=6, source_ports=(1, 9),
              destination_ports=(8, 8), suppress_prefix_length=0),
         "priority 5 from all fwmark 0x10 uidrange 0-0 ipproto tcp sport 1-9 dport 8 lookup 7 suppress_prefixlength 0"),
        (Rule(2, 1000, l3mdev=True), "priority 1000 from all l3mdev"),
        (Rule(2, 5, "goto", goto=100), "priority 5 from all goto 100"),
    ],
)  # fmt: skip
def test_rules_read_as_in_iproute2(rule: Rule, text: str) -> None:
    assert rule_text(rule, {100: "storage"}) == text


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (Change("route", "", None, ROUTE, ("worker-routes",)),
         "+ route 10.200.0.0/16 via 10.100.0.1 dev ens224 metric 100 (worker-routes)"),
        (Change("route", "", ROUTE, None, ("a", "b"), "pruned"),
         "- route 10.200.0.0/16 via 10.100.0.1 dev ens224 metric 100 (a, b; pruned)"),
        (Change("route", "", ROUTE._replace(protocol=3, type="prohibit", next_hops=()), ROUTE, (), "conflict replaced"),
         "~ route 10.200.0.0/16 via 10.100.0.1 dev ens224 metric 100 (conflict replaced; was prohibit proto boot)"),
        (Change("rule", "", Rule(2, 5, table=7), Rule(2, 5, table=8)),
         "~ rule priority 5 from all lookup 8 (was lookup 7)"),
        (Change("address", "", None, ADDRESS, ("o",)), "+ address 10.100.0.10/24 dev ens224 (o)"),
        (Change("link", "ens224", NIC, NIC._replace(mtu=9000, up=False, master="br0"), ("o",)),
         "~ link ens224 down, mtu 1500 -> 9000, master none -> br0 (o)"),
        (Change("link", "v7", None, Link("v7", 0, kind="vlan", parent="ens224", up=True, data=(("id", 7),))),
         "+ link v7 type vlan link ens224 id 7 mtu 1500 up"),
        (Change("sysctl", "net.ipv4.ip_forward", "0", "1", ("o",)), "~ sysctl net.ipv4.ip_forward = 1 (o; was 0)"),
        (Change("file", "/etc/hosts", FileState("a"), FileState("b"), (), "of o"), "~ file /etc/hosts (of o)"),
    ],
)  # fmt: skip
def test_a_change_is_one_line(change: Change, line: str) -> None:
    assert describe(change) == line


# --- for playbooks --------------------------------------------------------------------------------------------------


def test_what_a_plan_touches_stands_before_and_after_in_the_modules_options() -> None:
    new = ROUTE._replace(
        next_hops=(NextHop("ens224", "10.100.0.2", 2), NextHop("ens256", "172.16.0.1")), metrics=((2, 1400),)
    )
    before, after = render.changes_both_ways(
        [
            Change("link", "ens224", NIC, NIC._replace(mtu=9000)),
            Change("address", "", None, ADDRESS),
            Change("route", "", ROUTE, new),
            Change("rule", "", None, Rule(10, 900, table=100, fwmark=1, fwmask=255, destination_ports=(80, 90))),
            Change("sysctl", "net.ipv4.ip_forward", None, "1"),
        ]
    )
    assert before == {
        "interfaces": [{"name": "ens224", "type": "ethernet", "state": "up", "mtu": 1500}],
        "routes": [
            {"destination": "10.200.0.0/16", "next_hop_address": "10.100.0.1", "next_hop_interface": "ens224",
             "metric": 100, "table": 254}
        ],
    }  # fmt: skip
    assert after == {
        "interfaces": [
            {"name": "ens224", "type": "ethernet", "state": "up", "mtu": 9000,
             "ipv4": {"addresses": [{"ip": "10.100.0.10", "prefix_length": 24}]}}
        ],
        "routes": [
            {"destination": "10.200.0.0/16", "next_hops": [
                {"next_hop_address": "10.100.0.2", "next_hop_interface": "ens224", "weight": 2},
                {"next_hop_address": "172.16.0.1", "next_hop_interface": "ens256", "weight": 1},
            ], "metric": 100, "table": 254, "mtu": 1400}
        ],
        "rules": [
            {"family": "ipv6", "priority": 900, "fwmark": 1, "fwmask": 255, "destination_ports": "80-90",
             "action": "lookup", "table": 100}
        ],
        "sysctl": {"net.ipv4.ip_forward": "1"},
    }  # fmt: skip


def test_files_are_shown_as_text_also_where_they_are_no_utf8() -> None:
    change = Change("file", "/etc/hosts", FileState("gr\udcfc\udcdf\n"), FileState(None))
    (entry,) = render.diff([change], {}, {})
    assert entry["before_header"] == "/etc/hosts"
    assert entry["before"] == "gr��\n"
    assert entry["after"] == ""


def test_what_cannot_be_said_or_is_not_static_has_no_place_in_what_can_be_applied() -> None:
    def routes(*found: Route, **flags: t.Any) -> list[str]:
        state = State(routes={route.key: (route,) for route in found})
        return [entry["destination"] for entry in render.state_entries(state, **flags)["routes"]]

    others = [
        ROUTE._replace(destination=f"10.{number}.0.0/16", **fields)
        for number, fields in enumerate(
            [
                {"protocol": 2}, {"protocol": 9}, {"protocol": 16}, {"protocol": 12}, {"nexthop_id": 4}, {"table": 255},
                {"type": "local"}, {"metrics": ((3, 5),)}, {"extra": ((99, b"x"),)},
                {"next_hops": (NextHop("ens224", encap=((21, b"a"),)),)},
            ]
        )
    ]  # fmt: skip
    assert routes(ROUTE, *others) == ["10.200.0.0/16"]
    assert len(routes(ROUTE, *others, include_foreign=True)) == 11


def test_interfaces_are_told_with_their_ports_and_kinds() -> None:
    state = State(
        links={
            link.name: link
            for link in (
                Link("lo", 1, up=True),
                NIC._replace(master="bond0"),
                Link(
                    "bond0",
                    3,
                    kind="bond",
                    up=True,
                    data=(("miimon", 100), ("mode", "active-backup"), ("primary", None)),
                ),
                Link("bond0.7", 4, kind="vlan", parent="bond0", data=(("id", 7), ("protocol", "802.1q"))),
                Link("br0", 5, kind="bridge", data=(("forward_delay", 1500), ("stp_state", 1), ("vlan_filtering", 0))),
                Link("red", 6, kind="vrf", data=(("table", 10),)),
                Link("tun0", 7, kind="tun"),
            )
        },
        addresses={
            one.key: one
            for one in (
                ADDRESS._replace(interface="bond0"),
                ADDRESS._replace(interface="bond0", address="10.100.0.99", flags=0),
                Address("bond0", 10, "fe80::1", 64, scope=253, flags=0x80),
            )
        },
    )
    shown = {entry["name"]: entry for entry in render.state_entries(state)["interfaces"]}
    assert list(shown) == ["ens224", "bond0", "bond0.7", "br0", "red"]
    assert shown["bond0"]["ipv4"]["addresses"] == [{"ip": "10.100.0.10", "prefix_length": 24}]
    assert "ipv6" not in shown["bond0"]
    assert shown["bond0"]["bond"] == {"mode": "active-backup", "port": ["ens224"], "options": {"miimon": 100}}
    assert shown["bond0.7"]["vlan"] == {"base_iface": "bond0", "id": 7, "protocol": "802.1q"}
    assert shown["br0"]["bridge"] == {
        "port": [],
        "options": {"forward_delay": 15, "stp": True, "vlan_filtering": False},
    }
    assert shown["red"]["vrf"] == {"route_table_id": 10, "port": []}
    full = {entry["name"]: entry for entry in render.state_entries(state, include_foreign=True)["interfaces"]}
    assert len(full["bond0"]["ipv4"]["addresses"]) == 2
    assert full["ens224"]["mac_address"] == "02:00:00:00:00:02"
    assert full["ens224"]["controller"] == "bond0"
