# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Routes, rules and paths as users write them, and what becomes of them."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._state.model import (
    Desired,
    NextHopSpec,
    PathSpec,
    RouteSpec,
    RuleSpec,
)
from ansible_collections.kubenode.network.plugins.module_utils._state.options import desired_from_options

VIA = NextHopSpec("ens224", "10.100.0.1")
ROUTE = {"destination": "10.200.0.0/16", "next_hop_address": "10.100.0.1", "next_hop_interface": "ens224"}


def routes(*entries: dict[str, t.Any], **params: t.Any) -> Desired:
    return desired_from_options({"routes": list(entries), **params}, "static_routes")


def route(**options: t.Any) -> RouteSpec:
    """The one route of a list, with None for an option that is to be left out."""
    entry = {key: value for key, value in {**ROUTE, **options}.items() if value is not None}
    (spec,) = routes(entry).routes
    return spec


def rules(*entries: dict[str, t.Any], **params: t.Any) -> Desired:
    return desired_from_options({"rules": list(entries), **params}, "route_rules")


def rule(**options: t.Any) -> RuleSpec:
    (spec,) = rules({key.rstrip("_"): value for key, value in options.items()}).rules
    return spec


@pytest.mark.parametrize(
    ("given", "family", "destination"),
    [
        ("10.200.0.0/16", 2, "10.200.0.0/16"),
        ("10.200.0.1", 2, "10.200.0.1/32"),
        ("0.0.0.0/0", 2, "0.0.0.0/0"),
        ("default", 2, "0.0.0.0/0"),
    ],
)
def test_a_destination_is_canonical(given: str, family: int, destination: str) -> None:
    assert route(destination=given)[3:5] == (family, destination)


def test_an_ipv6_destination_is_compressed() -> None:
    spec = route(destination="2001:DB8:0::/48", next_hop_address="2001:db8::0:1")
    assert (spec.family, spec.destination, spec.next_hops[0].gateway) == (10, "2001:db8::/48", "2001:db8::1")


@pytest.mark.parametrize(
    "way",
    [
        {"next_hop_address": "fe80::1"},
        {"next_hop_address": None, "next_hops": [{"next-hop-address": "fe80::1", "next_hop_interface": "ens224"}]},
        {"next_hop_address": None, "source": "2001:db8::9"},
    ],
)
def test_default_takes_its_family_from_the_rest_of_the_route(way: dict[str, t.Any]) -> None:
    if "next_hops" in way:
        way = {**way, "next_hop_interface": None}
    assert route(destination="default", **way).destination == "::/0"


def test_host_bits_are_masked_with_a_warning() -> None:
    desired = routes({**ROUTE, "destination": "10.200.1.2/16"})
    assert desired.routes[0].destination == "10.200.0.0/16"
    assert desired.warnings == ("routes[0].destination: host bits of 10.200.1.2/16 were masked: 10.200.0.0/16",)
    assert rules({"from": "10.1.2.3/8"}).warnings == ("rules[0].from: host bits of 10.1.2.3/8 were masked: 10.0.0.0/8",)


@pytest.mark.parametrize(
    ("option", "given", "expected"),
    [
        ("metric", 100, 100),
        ("metric", "100", 100),
        ("metric", "0x64", 100),
        ("metric", 0, 0),
        ("metric", -1, None),
        ("metric", "-1", None),
        ("metric", 4294967295, 4294967295),
        ("table", 100, 100),
        ("table", "100", 100),
        ("table", 0, None),
        ("table", "main", 254),
        ("table", "storage", "storage"),
        ("table", 4294967295, 4294967295),
        ("type", "unicast", "unicast"),
        ("source", "10.100.0.10", "10.100.0.10"),
        ("mtu", "1400", 1400),
        ("cwnd", 20, None),
        ("tos", "0x10", 16),
        ("tos", 0, None),
        ("state", "present", None),
    ],
)
def test_an_option_of_a_route(option: str, given: t.Any, expected: t.Any) -> None:
    spec = route(**{option: given})
    assert spec.next_hops == (VIA,)
    assert getattr(spec, option, None) == expected
    assert spec.metrics == (((7, 20),) if option == "cwnd" else ())


@pytest.mark.parametrize("kind", ["blackhole", "unreachable", "prohibit"])
def test_a_route_that_refuses_has_no_next_hop(kind: str) -> None:
    spec = route(type=kind, next_hop_address=None, next_hop_interface=None)
    assert (spec.type, spec.next_hops) == (kind, ())
    # NMState shows them on the loopback.
    assert route(type=kind, next_hop_address=None, next_hop_interface="lo").next_hops == ()


def test_an_empty_next_hop_address_of_a_declared_route_says_nothing() -> None:
    assert route(next_hop_address="").next_hops == (NextHopSpec("ens224", None),)


def test_on_link_is_the_next_hops() -> None:
    assert route(on_link="yes").next_hops == (VIA._replace(on_link=True),)
    assert route(**{"on-link": False}).next_hops == (VIA,)


def test_next_hops_are_sorted_and_a_single_one_has_no_weight() -> None:
    hops = [
        {"next_hop_address": "172.16.0.1", "next_hop_interface": "ens256", "weight": "2"},
        {"next-hop-address": "10.100.0.1", "next-hop-interface": "ens224"},
    ]
    spec = route(next_hop_address=None, next_hop_interface=None, next_hops=hops)
    assert spec.next_hops == (VIA, NextHopSpec("ens256", "172.16.0.1", 2))
    single = route(next_hop_address=None, next_hop_interface=None, next_hops=hops[:1])
    assert single.next_hops == (NextHopSpec("ens256", "172.16.0.1", 1),)


def test_entries_with_a_weight_join_to_one_multipath_route() -> None:
    second = {**ROUTE, "next_hop_address": "172.16.0.1", "next_hop_interface": "ens256", "weight": 2}
    desired = routes({**ROUTE, "weight": 1}, {**ROUTE, "metric": 5}, second, {**ROUTE, "weight": 3, "table": 100})
    joined, apart, other_table = desired.routes
    assert joined.next_hops == (VIA, NextHopSpec("ens256", "172.16.0.1", 2))
    assert joined.origin == "routes[0]"
    assert (apart.metric, apart.next_hops) == (5, (VIA,))
    assert (other_table.table, other_table.next_hops) == (100, (VIA,))


def test_an_entry_that_is_listed_twice_with_its_weight_counts_once() -> None:
    (spec,) = routes({**ROUTE, "weight": 5}, {**ROUTE, "weight": 5}).routes
    assert spec.next_hops == (VIA,)


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"destination": "10.200.0.0/16"}, {"family": 2, "destination": "10.200.0.0/16"}),
        ({"next_hop_interface": "ens224"}, {"next_hops": (NextHopSpec("ens224", None, 0),)}),
        ({"next_hop_address": "10.1.1.1"}, {"family": 2, "next_hops": (NextHopSpec(None, "10.1.1.1", 0),)}),
        ({"next-hop-address": ""}, {"next_hops": (NextHopSpec(None, "", 0),)}),
        ({"table-id": 100}, {"table": 100}),
        ({"destination": "10.1.0.0/16", "table_id": 0, "metric": -1}, {"family": 2, "destination": "10.1.0.0/16"}),
        ({"metric": 0}, {"metric": 0}),
        ({"route-type": "blackhole"}, {"type": "blackhole"}),
        ({"destination": "::/0", "weight": 3, "next_hop_interface": "e"},
         {"family": 10, "destination": "::/0", "next_hops": (NextHopSpec("e", None, 3),)}),
        ({"destination": "", "source": "10.100.0.10"}, {"family": 2, "source": "10.100.0.10"}),
        ({"table": 253}, {"table": 253}),
    ],
)  # fmt: skip
def test_what_an_absent_entry_leaves_out_matches_anything(entry: dict[str, t.Any], expected: dict[str, t.Any]) -> None:
    (spec,) = routes({**entry, "state": "absent"}).routes
    assert spec == RouteSpec(None, "routes[0]", True, **{"family": None, "destination": None, **expected})


def test_purge_is_the_owners_own() -> None:
    assert routes(ROUTE, owner="storage", purge=True).prune == (("storage", "route"),)
    assert rules({"from": "10.1.0.0/16"}, owner="storage", purge=True).prune == (("storage", "rule"),)
    assert routes(ROUTE, owner="storage").prune == ()
    assert routes(ROUTE, owner="storage").routes[0].owner == "storage"


def test_protected_prefixes_are_canonical() -> None:
    desired = routes(ROUTE, protect=["10.0.0.1", "2001:DB8::/32", "10.0.0.1/32"])
    assert desired.protect == ("10.0.0.1/32", "2001:db8::/32")


# --- rules -----------------------------------------------------------------------------------------------------------


def test_a_rule_is_filled_in() -> None:
    assert rule(from_="172.16.0.0/24") == RuleSpec(
        None, "rules[0]", False, 2, None, "lookup", 254, "172.16.0.0/24", invert=False
    )


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"priority": "100"}, {"priority": 100}),
        ({"priority": -1}, {"priority": None}),
        ({"table": "external"}, {"table": "external"}),
        ({"table": 0}, {"table": 254}),
        ({"table": "local"}, {"table": 255}),
        ({"fwmark": "0x10"}, {"fwmark": 16, "fwmask": 0xFFFFFFFF}),
        ({"fwmark": "0x10/0xff"}, {"fwmark": 16, "fwmask": 255}),
        ({"fwmark": 0, "fwmask": 255}, {"fwmark": 0, "fwmask": 255}),
        ({"iif": "lo"}, {"iif": "lo"}),
        ({"oif": "ens224"}, {"oif": "ens224"}),
        ({"tos": "0x1c"}, {"tos": 28}),
        ({"ip_protocol": "TCP"}, {"ip_protocol": 6}),
        ({"ip-protocol": "47"}, {"ip_protocol": 47}),
        ({"source_ports": 80}, {"source_ports": (80, 80)}),
        ({"destination-ports": "1000-2000"}, {"destination_ports": (1000, 2000)}),
        ({"uid_range": "0-999"}, {"uid_range": (0, 999)}),
        ({"invert": True}, {"invert": True}),
        ({"suppress_prefixlength": 0}, {"suppress_prefix_length": 0}),
        ({"action": "prohibit"}, {"action": "prohibit", "table": None}),
        ({"family": "ipv4"}, {}),
        ({"to": "10.0.0.0/8"}, {"destination": "10.0.0.0/8"}),
        ({"to": ""}, {}),
    ],
)
def test_an_option_of_a_rule(options: dict[str, t.Any], expected: dict[str, t.Any]) -> None:
    assert rule(from_="172.16.0.0/24", **options) == rule(from_="172.16.0.0/24")._replace(**expected)


@pytest.mark.parametrize(
    ("options", "family"),
    [
        ({"from": "0.0.0.0/0"}, 2),
        ({"to": "::/0"}, 10),
        ({"family": "ipv6"}, 10),
        ({"family": "ipv4", "suppress_prefix_length": 0}, 2),
        ({"fwmark": 1}, 2),
        ({"iif": "ens224", "family": "ipv6"}, 10),
        ({"tos": 0x80, "family": "ipv6"}, 10),
    ],
)
def test_a_rule_for_all_traffic_says_which_family_it_means(options: dict[str, t.Any], family: int) -> None:
    spec = rule(**options)
    assert (spec.family, spec.source, spec.destination) == (family, None, None)


def test_a_rule_behind_the_main_table_gets_a_warning() -> None:
    (warning,) = rules({"from": "172.16.0.0/24", "priority": 40000}).warnings
    assert warning.startswith("rules[0].priority: ")
    assert rules({"from": "172.16.0.0/24", "priority": 32765}).warnings == ()


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"ip-from": "172.16.0.0/24"}, {"family": 2, "source": "172.16.0.0/24"}),
        ({"ip_from": ""}, {"source": ""}),
        ({"to": "::/0"}, {"family": 10, "destination": ""}),
        ({"route-table": 100, "priority": -1}, {"table": 100}),
        ({"route_table": 0, "priority": 5}, {"priority": 5}),
        ({"priority": 32766}, {"priority": 32766}),
        ({"action": "lookup"}, {"action": "lookup"}),
        ({"invert": False}, {"invert": False}),
    ],
)
def test_what_an_absent_rule_leaves_out_matches_anything(entry: dict[str, t.Any], expected: dict[str, t.Any]) -> None:
    (spec,) = rules({**entry, "state": "absent"}).rules
    assert spec == RuleSpec(None, "rules[0]", True, **{"family": None, **expected})


# --- paths -----------------------------------------------------------------------------------------------------------


def test_a_path_with_everything() -> None:
    entry = {
        "destination": "10.200.0.1", "source": "10.100.0.10", "family": "ipv4", "mark": "0x10", "iif": "ens192",
        "oif": "ens224", "uid": 0, "tos": 16, "ip_protocol": "udp", "source_port": 1024, "destination_port": 65535,
        "vrf": "blue",
        "expect": {"table": "main", "gateway": "10.100.0.1", "interface": "ens224", "source": "10.100.0.10",
                   "type": "unicast", "metric": "100", "mtu": 1500},
    }  # fmt: skip
    (spec,) = desired_from_options({"paths": [entry]}, "route_get_info").paths
    assert spec == PathSpec(
        "paths[0]", "10.200.0.1", "10.100.0.10", 2, 16, "ens192", "ens224", 0, 16, 17, 1024, 65535, "blue",
        (("gateway", "10.100.0.1"), ("interface", "ens224"), ("metric", 100), ("mtu", 1500),
         ("source", "10.100.0.10"), ("table", 254), ("type", "unicast")),
    )  # fmt: skip


def test_a_path_without_a_gateway_is_expected_by_an_empty_one() -> None:
    entry = {"destination": "2001:db8::1", "expect": {"gateway": ""}}
    (spec,) = desired_from_options({"paths": [entry]}, "route_get_info").paths
    assert (spec.family, spec.expect) == (10, (("gateway", ""),))
