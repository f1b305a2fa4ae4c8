# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Declarations of the kinds of links that many kernels lack, through the whole engine, as iproute2 shows them.

Bridges, macvlans and NICs are in tests/kernel/test_interfaces.py. Programs are slow here: many kinds share a run.
"""

from __future__ import annotations

import pathlib
import typing as t

import pytest
from ansible_collections.kubenode.network.tests.kernel.interfaces import Node, ip

PORTS = ["ens256", "ens300"]
BOND_OPTIONS = {"miimon": 100, "primary": "ens300", "fail_over_mac": "none"}
BOND = {"name": "bond0", "type": "bond", "bond": {"mode": "active-backup", "options": BOND_OPTIONS, "port": PORTS}}
VLAN = {"name": "ens224.100", "type": "vlan", "vlan": {"base_iface": "ens224", "id": 100}}
VRF = {"name": "blue", "type": "vrf", "vrf": {"table": 1042, "port": ["ens256"]}}


@pytest.fixture
def node(wired: t.Any, tmp_path: pathlib.Path) -> Node:
    """A node whose NICs ens224 and ens256 have addresses of others, and ens300 has none and is down."""
    wired.batch("link add ens300 type veth peer name peer300\nlink set peer300 up")
    return Node(wired, tmp_path, sparing=True)


def test_dummies_and_vlans_come_change_and_go(node: Node) -> None:
    start = node.seen()
    dummy = {"name": "dummy0", "type": "dummy", "ipv4": ip("10.77.0.1/32"), "ipv6": ip("2001:db8:77::1/128")}
    service = {"name": "svc", "type": "vlan", "vlan": {"base_iface": "ens224", "id": 7, "protocol": "802.1ad"}}
    # On the other one, which is listed after it, with an MTU that only fits there.
    inner = {"name": "inner", "type": "vlan", "vlan": {"base_iface": "svc", "id": 8}, "mtu": 1450}
    vlan = {**VLAN, "ipv4": ip("10.78.0.1/24"), "ipv6": ip("2001:db8:78::1/64")}
    node.document([dummy, inner, vlan, {**service, "mtu": 1480}])
    links = node.links()
    assert {links[name]["linkinfo"]["info_kind"] for name in ("inner", "svc", "ens224.100")} == {"vlan"}
    vlans = {name: (links[name]["link"], node.data(name)) for name in ("inner", "svc")}
    assert [(parent, data["protocol"], data["id"]) for parent, data in vlans.values()] == [
        ("svc", "802.1Q", 8), ("ens224", "802.1ad", 7),
    ]  # fmt: skip
    assert [links[name]["mtu"] for name in ("dummy0", "inner", "svc", "ens224.100")] == [1500, 1450, 1480, 1500]
    assert node.addresses("dummy0") == ["10.77.0.1/32", "2001:db8:77::1/128"]
    # The MTU of a NIC takes that of our VLANs along, and its MAC address theirs.
    nic = {"name": "ens224", "mtu": 1460, "mac_address": "02:00:00:00:77:01"}
    del inner["mtu"]
    down = {**dummy, "mtu": 9000, "state": "down"}
    node.document([nic, service, inner, {**vlan, "state": "down"}, down])
    links = node.links()
    assert [links[name]["mtu"] for name in ("dummy0", "inner", "svc", "ens224.100")] == [9000, 1450, 1460, 1460]
    assert [links[name]["up"] for name in ("dummy0", "inner", "svc", "ens224.100")] == [False, True, True, False]
    assert links["ens224.100"]["address"] == links["ens224"]["address"] == "02:00:00:00:77:01"
    for match, entry in (
        (r"ens224\.100 cannot be changed in place: id 100 -> 101", {"vlan": {"base_iface": "ens224", "id": 101}}),
        (r"cannot be changed in place: base interface ens224 -> ens256", {"vlan": {"base_iface": "ens256", "id": 100}}),
        (r"VLAN 100 of ens224 is ens224\.100 already", {"name": "other"}),
        (r"kind vlan on this node, not dummy", {"type": "dummy", "vlan": None}),
        (r"MTU of ens224 cannot become 1400: ens224\.100 stands on it and is declared with 1450", {"mtu": 1450}),
    ):
        other = {key: value for key, value in {**VLAN, **entry}.items() if value is not None}
        node.refuses(match, [dummy, {"name": "ens224", "mtu": 1400}, other])
    node.document([{"name": "ens224", "mtu": 1500}])
    assert set(node.links()) == set(start["links"])


def test_a_bond_comes_changes_and_sets_its_ports_free(node: Node) -> None:
    node.netns.batch("link set ens256 mtu 1450\nlink set ens300 mtu 9000")
    start = node.seen()
    own = {name: node.link(name)["address"] for name in PORTS}
    wanted = {**BOND, "ipv4": ip("10.77.0.1/24"), "mtu": 1400}
    node.document([wanted])
    links = node.links()
    assert {links[name]["address"] for name in ("bond0", *PORTS)} in ({own["ens256"]}, {own["ens300"]})
    for name in PORTS:
        assert (links[name]["master"], links[name]["up"], links[name]["mtu"]) == ("bond0", True, 1400)
    data = node.data("bond0")
    assert (data["mode"], data["miimon"], data["primary"]) == ("active-backup", 100, "ens300")
    assert node.addresses("bond0") == ["10.77.0.1/24"]
    # Options, MTU and MAC address with ports in it; a bond that loses a port and keeps the rest.
    options = {**BOND_OPTIONS, "miimon": 50, "updelay": 100, "primary_reselect": "better"}
    changed = {**wanted, "mtu": 1600, "mac_address": "02:00:00:00:77:01", "bond": {**BOND["bond"], "options": options}}
    node.document([changed])
    links, data = node.links(), node.data("bond0")
    assert (data["miimon"], data["updelay"], data["primary_reselect"]) == (50, 100, "better")
    assert {(links[name]["mtu"], links[name]["address"]) for name in ("bond0", *PORTS)} == {(1600, "02:00:00:00:77:01")}
    node.document([{**changed, "bond": {**changed["bond"], "port": ["ens300"]}}])
    free = node.link("ens256")
    assert (free.get("master"), free["up"], free["address"]) == (None, True, own["ens256"])
    node.refuses(
        r"bond0 cannot be changed in place: mode active-backup -> 802\.3ad", [{**BOND, "bond": {"mode": "802.3ad"}}]
    )
    node.refuses(
        r"a port has the MTU of its bond, and ens256 shall have 1700", [changed, {"name": "ens256", "mtu": 1700}]
    )
    node.document([{**changed, "state": "down"}])
    assert not node.link("bond0")["up"]
    node.document([])
    links = node.links()
    assert "bond0" not in links
    for name in PORTS:
        assert (links[name].get("master"), links[name]["up"], links[name]["address"]) == (None, True, own[name])
    assert node.addresses("ens256") == ["172.16.0.11/24", "2001:db8:c::b/64"]
    # What a NIC's MTU was before the bond set it is kept for `state: absent`.
    before = {identity[1]: record.value for (kind, identity), record in node.records().items() if kind == "before"}
    assert before == {"ens256": (1450, 1600), "ens300": (9000, 1600)}
    assert len(node.records()) == len(before)
    assert set(links) == set(start["links"])


def test_a_vlan_on_a_bond_with_addresses_routes_and_a_rule_is_one_declaration(node: Node) -> None:
    start = node.seen()
    vlan = {"name": "bond0.200", "type": "vlan", "mtu": 8900, "vlan": {"base_iface": "bond0", "id": 200},
            "ipv4": ip("10.77.0.11/24"), "ipv6": ip("2001:db8:77::b/64")}  # fmt: skip
    bond = {
        **BOND,
        "mtu": 9000,
        "bond": {"mode": "802.3ad", "port": ["ens300"], "options": {"miimon": 100, "lacp_rate": "fast"}},
    }
    more: dict[str, t.Any] = {
        "routes": [
            {"destination": "10.200.0.0/16", "next_hop_address": "10.77.0.1", "next_hop_interface": "bond0.200"},
            {"destination": "0.0.0.0/0", "next_hop_address": "10.77.0.1", "table": 100},
            {"destination": "2001:db8:200::/48", "next_hop_address": "2001:db8:77::1"},
        ],
        "route-rules": [{"from": "10.77.0.11", "table": 100, "priority": 90}],
        "sysctl": {"net.ipv4.conf.bond0/200.rp_filter": "2"},
        "paths": [
            {"destination": "203.0.113.1", "source": "10.77.0.11", "expect": {"gateway": "10.77.0.1", "table": 100}}
        ],
    }
    # Listed the wrong way round.
    node.document([vlan, bond], **more)
    links = node.links()
    assert [(links[name]["mtu"], links[name].get("link")) for name in ("ens300", "bond0", "bond0.200")] == [
        (9000, "peer300"), (9000, None), (8900, "bond0"),
    ]  # fmt: skip
    assert links["bond0.200"]["address"] == links["bond0"]["address"] == links["ens300"]["address"]
    assert (node.data("bond0")["mode"], node.data("bond0")["ad_lacp_rate"]) == ("802.3ad", "fast")
    assert [route["dev"] for route in node.netns.json("route", "show", "proto", "157")] == ["bond0.200"]
    assert pathlib.Path("/proc/sys/net/ipv4/conf/bond0.200/rp_filter").read_text() == "2\n"
    # A NIC found by its address below the bond and the VLAN that share it.
    by_mac = {"name": "port", "identifier": "mac-address", "mac_address": links["ens300"]["address"], "state": "up"}
    assert node.run([by_mac, vlan, bond], module="network_state", **more)["changed"] is False
    # The VLAN is taken out of the document: the bond stays.
    node.document([bond])
    assert "bond0.200" not in node.links()
    assert node.link("ens300")["master"] == "bond0"
    assert not node.netns.json("route", "show", "table", "all", "proto", "157")
    node.document([])
    assert set(node.links()) == set(start["links"])
    after = node.seen()
    assert [after[name] for name in ("addresses", "rules-4")] == [start[name] for name in ("addresses", "rules-4")]


def test_a_vrf_routes_by_its_table_and_gives_its_ports_back(node: Node) -> None:
    node.netns.ip("route", "add", "10.60.0.0/16", "dev", "ens256", "table", "500", "proto", "bird", "scope", "link")
    start = node.seen()
    routes = [
        {"destination": "0.0.0.0/0", "next_hop_address": "172.16.0.1", "next_hop_interface": "ens256", "table": 1042},
        {
            "destination": "2001:db8:200::/48",
            "next_hop_address": "2001:db8:c::1",
            "next_hop_interface": "ens256",
            "table": 1042,
        },
    ]
    paths = [{"destination": "203.0.113.1", "vrf": "blue", "expect": {"gateway": "172.16.0.1", "interface": "ens256"}}]
    node.document([VRF], routes=routes, paths=paths)
    assert (node.data("blue")["table"], node.link("blue")["up"], node.link("ens256")["master"]) == (1042, True, "blue")
    assert node.addresses("ens256") == ["172.16.0.11/24", "2001:db8:c::b/64"]
    assert [route["dst"] for route in node.netns.json("route", "show", "table", "1042", "proto", "157")] == ["default"]
    node.refuses(r"blue cannot be changed in place: table 1042 -> 1043", [{**VRF, "vrf": {"table": 1043}}])
    node.document([{**VRF, "vrf": {"table": 1042, "port": ["ens300"]}}])
    links = node.links()
    assert (links["ens256"].get("master"), links["ens300"]["master"], links["ens300"]["up"]) == (None, "blue", True)
    result = node.document([{"name": "blue", "state": "absent"}])
    assert result["plan"][-1].startswith("- link blue ")
    node.netns.ip("link", "set", "ens300", "down")
    assert node.seen() == start


@pytest.mark.parametrize("culprit", ["a port that another has", "a path that is not so"])
def test_a_failure_in_the_middle_of_everything_leaves_the_node_as_it_was(node: Node, culprit: str) -> None:
    dummy = {"name": "dummy0", "type": "dummy", "ipv4": ip("10.79.0.1/32")}
    wanted = [
        {"name": "ens224", "mtu": 1450, "mac_address": "02:00:00:00:77:05"}, VLAN, dummy,
        {"name": "red", "type": "vrf", "vrf": {"table": 1043, "port": ["dummy0"]}},
        {**BOND, "ipv4": ip("10.77.0.1/24")},
    ]  # fmt: skip
    if culprit == "a path that is not so":
        paths = [{"destination": "10.77.0.9", "expect": {"gateway": "10.77.0.3"}}]
        error = node.refuses(
            r"expected gateway 10\.77\.0\.3", wanted, checked=False, module="network_state", paths=paths
        )
    else:
        node.netns.ip("link", "add", "theirs", "link", "ens300", "type", "macvlan", "mode", "passthru")
        error = node.refuses(r"cannot change link ens300", wanted, checked=False, module="network_state")
    assert error.details["rolled_back"] is True
