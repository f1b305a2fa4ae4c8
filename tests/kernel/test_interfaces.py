# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Declarations of interfaces against the real kernel: bridges and macvlans, which it has everywhere, and NICs.

The other kinds are made in the vm tier; here the kernel's refusal of those it lacks is shown. veths stand in for NICs.
"""

from __future__ import annotations

import builtins
import pathlib
import typing as t

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._netlink import _pyroute2_dep

from .interfaces import Node, ip

needs_pyroute2 = pytest.mark.skipif(
    not _pyroute2_dep.is_usable(), reason="pyroute2 >= 0.7.2 is not installed in this Python"
)

BRIDGE = {"name": "br7", "type": "bridge", "bridge": {"port": ["ens256", "ens300"], "options": {"stp": False}}}
MACVLAN = {"name": "mv7", "type": "macvlan", "macvlan": {"base_iface": "ens224", "mode": "private"}}
ADDRESSED = {"ipv4": ip("10.77.0.1/24", "10.77.0.2/24"), "ipv6": ip("2001:db8:77::1/64")}


@pytest.fixture
def node(wired: t.Any, tmp_path: pathlib.Path) -> Node:
    """A node whose NICs ens224 and ens256 have addresses of others, and ens300 has none and is down."""
    wired.batch("link add ens300 type veth peer name peer300\nlink set peer300 up")
    return Node(wired, tmp_path)


# --- kinds that every kernel has -------------------------------------------------------------------------------------


@needs_pyroute2
def test_a_bridge_comes_changes_and_goes(node: Node) -> None:
    start = node.seen()
    result = node.document([{**BRIDGE, **ADDRESSED}])
    assert result["plan"][0] == "+ link br7 type bridge stp_state 0 up (o)"
    link, links = node.link("br7"), node.links()
    assert (link["up"], link["linkinfo"]["info_kind"], node.data("br7")["stp_state"]) == (True, "bridge", 0)
    assert {name for name, one in links.items() if one.get("master") == "br7"} == {"ens256", "ens300"}
    assert links["ens300"]["up"], "a port that was down is taken into use"
    assert node.addresses("br7") == ["10.77.0.1/24", "10.77.0.2/24", "2001:db8:77::1/64"]
    options = {"port": ["ens300"], "options": {"stp": True, "forward_delay": 4, "multicast_snooping": False}}
    node.document([{**BRIDGE, **ADDRESSED, "mtu": 1400, "bridge": options}])
    assert (node.data("br7")["stp_state"], node.data("br7")["forward_delay"], node.link("br7")["mtu"]) == (1, 400, 1400)
    assert node.data("br7")["mcast_snooping"] == 0
    assert "master" not in node.link("ens256")
    assert node.addresses("ens256") == ["172.16.0.11/24", "2001:db8:c::b/64"]
    node.document([{**BRIDGE, **ADDRESSED, "mtu": 1400, "state": "down", "bridge": {}}])
    assert (node.link("br7")["up"], node.addresses("br7")[:2]) == (False, ["10.77.0.1/24", "10.77.0.2/24"])
    node.document([{**BRIDGE, **ADDRESSED, "state": "up", "mac_address": "02:00:00:00:77:01", "bridge": {}}])
    assert (node.link("br7")["up"], node.link("br7")["address"]) == (True, "02:00:00:00:77:01")
    node.document([])
    node.netns.ip("link", "set", "ens300", "down")
    assert node.seen() == start
    assert node.records() == {}


@needs_pyroute2
@pytest.mark.parametrize("mtu", [1400, 1500])
def test_a_bridge_keeps_its_mtu_whatever_its_ports_have(node: Node, mtu: int) -> None:
    node.netns.batch("link set ens256 mtu 1450\nlink set ens300 mtu 9000")
    node.makes([{**BRIDGE, "mtu": mtu}])
    node.netns.ip("link", "set", "ens256", "nomaster")
    assert node.link("br7")["mtu"] == mtu
    node.makes([{**BRIDGE, "mtu": mtu}])
    assert [node.link(name)["mtu"] for name in ("br7", "ens256", "ens300")] == [mtu, 1450, 9000]


@needs_pyroute2
def test_a_macvlan_comes_changes_and_goes(node: Node) -> None:
    start = node.seen()
    node.makes([{**MACVLAN, **ADDRESSED, "mtu": 1400, "mac_address": "02:00:00:00:77:02"}])
    link = node.link("mv7")
    assert (link["link"], link["mtu"], link["address"], link["up"]) == ("ens224", 1400, "02:00:00:00:77:02", True)
    assert node.data("mv7")["mode"] == "private"
    node.makes([{**MACVLAN, "mtu": 1300, "macvlan": {"base_iface": "ens224", "mode": "bridge"}}])
    assert (node.link("mv7")["mtu"], node.data("mv7")["mode"]) == (1300, "bridge")
    node.refuses(
        r"mv7 cannot be changed in place: base interface ens224 -> ens256",
        [{**MACVLAN, "macvlan": {"base_iface": "ens256"}}],
    )
    result = node.makes([{"name": "mv7", "state": "absent"}])
    assert result["plan"][-1].startswith("- link mv7 ")
    assert node.seen() == start


@needs_pyroute2
def test_links_are_made_before_what_stands_on_them_and_go_after_it(node: Node) -> None:
    """Listed the wrong way round, with a port that is made in the same run."""
    start = node.seen()
    upper = {"name": "mv8", "type": "macvlan", "macvlan": {"base_iface": "br7"}, "ipv4": ip("10.78.0.1/24")}
    bridge = {**BRIDGE, "bridge": {"port": ["mv7"]}}
    result = node.document(
        [upper, bridge, MACVLAN],
        routes=[{"destination": "10.200.0.0/16", "next_hop_address": "10.78.0.9", "table": 100}],
        **{"route-rules": [{"from": "10.78.0.1", "table": 100, "priority": 90}]},
        paths=[{"destination": "10.200.0.1", "source": "10.78.0.1", "expect": {"interface": "mv8", "table": 100}}],
    )
    assert [line.split()[2] for line in result["plan"][:3]] == ["br7", "mv8", "mv7"]
    assert (node.link("mv7")["master"], node.link("mv8")["link"]) == ("br7", "br7")
    result = node.document([])
    assert [line.split()[2] for line in result["plan"] if line.startswith("- link")] == ["mv8", "mv7", "br7"]
    assert node.seen() == start


@needs_pyroute2
def test_ports_move_from_one_bridge_to_another_in_one_run(node: Node) -> None:
    other = {"name": "br8", "type": "bridge", "bridge": {"port": ["ens300"]}}
    node.document([{**BRIDGE, "bridge": {"port": ["ens300"]}}])
    node.refuses(r"its port ens300 belongs to br7; take it out of br7 first", [other])
    node.document([other, {**BRIDGE, "bridge": {"port": []}}])
    assert node.link("ens300")["master"] == "br8"
    # From a bridge that goes.
    node.document([{**BRIDGE, "bridge": {"port": ["ens300"]}}])
    assert node.link("ens300")["master"] == "br7"
    assert "br8" not in node.links()


@needs_pyroute2
def test_an_owner_that_lets_go_takes_its_own_links_only(node: Node) -> None:
    node.netns.batch("link add br0 type bridge\nlink set br0 up\nlink add theirs type bridge\nlink set theirs up")
    node.document([MACVLAN, {"name": "br0", "type": "bridge", "mtu": 1400}], owner="a")
    node.document([BRIDGE, {"name": "mv7", "type": "macvlan"}], owner="b")
    node.document([], owner="a", changed=False)
    assert {"mv7", "br7", "br0", "theirs"} <= set(node.links()), "b still lists mv7; br0 was there before a"
    node.document([], owner="b")
    assert set(node.links()) & {"mv7", "br7", "br0", "theirs"} == {"br0", "theirs"}


@needs_pyroute2
@pytest.mark.parametrize("action", ["pruned", "absent"])
def test_a_link_of_ours_that_others_use_stays_and_they_are_named(node: Node, action: str) -> None:
    node.document([{**BRIDGE, "ipv4": ip("10.77.0.1/24")}])
    gone: list[dict[str, t.Any]] = [] if action == "pruned" else [{"name": "br7", "state": "absent"}]
    for command, undo, named in (
        ("addr add 10.99.0.1/32 dev br7", "addr del 10.99.0.1/32 dev br7", r"10\.99\.0\.1/32"),
        ("route add 10.98.0.0/16 dev br7 proto bird", "route del 10.98.0.0/16", r"route 10\.98\.0\.0/16 of bird"),
        ("link add theirs link br7 type macvlan", "link del theirs", "theirs on top"),
    ):
        node.netns.ip(*command.split())
        node.refuses(f"br7 is ours to delete, but others use it: .*{named}", gone, module="network_state")
        node.netns.ip(*undo.split())
    node.document(gone)
    assert "br7" not in node.links()


# --- what fails leaves the node as it was ----------------------------------------------------------------------------


@needs_pyroute2
def test_what_can_be_known_to_fail_is_refused_by_check_mode_too(node: Node) -> None:
    node.netns.batch("link add br0 type bridge\nlink set ens300 master br0\nlink add mv7 link ens224 type macvlan")
    macvlan = {"name": "x0", "type": "macvlan"}
    vlan, vrf = {"name": "x0", "type": "vlan"}, {"name": "x0", "type": "vrf"}
    for match, entry in (
        (r"interfaces\[1\].*interface br0 is of kind bridge on this node, not macvlan", {**MACVLAN, "name": "br0"}),
        (r"no interface 'ens999' for x0 to stand on", {**macvlan, "macvlan": {"base_iface": "ens999"}}),
        (r"no interface 'ens999' for x0 to stand on", {**vlan, "vlan": {"base_iface": "ens999", "id": 5}}),
        (r"x0 of type macvlan is not there yet: expected what to make it of, macvlan with base_iface", macvlan),
        (r"x0 of type vlan is not there yet: expected what to make it of, vlan with base_iface and id", vlan),
        (r"x0 of type vrf is not there yet: expected what to make it of, vrf with table", vrf),
        (r"expected base_iface ens224 for x0", {**macvlan, "macvlan": {"base_iface": "mv7"}}),
        (r"its port 'ens999' is not an interface of this node", {**BRIDGE, "bridge": {"port": ["ens999"]}}),
        (r"its port ens300 belongs to br0; take it out of br0 first", BRIDGE),
        (r"no interface 'x0'.*give a type that can be made", {"name": "x0", "mtu": 1400}),
        (r"no interface 'x0'", {"name": "x0", "type": "ethernet"}),
        (r"cannot become 1300: mine stands on it and is not ours and has 1500", {"name": "ens256", "mtu": 1300}),
        (r"kind veth on this node, not bridge", {"name": "ens224", "type": "bridge", "bridge": {"port": []}}),
    ):
        if "mine" in match:
            node.netns.ip("link", "add", "mine", "link", "ens256", "type", "macvlan")
        node.refuses(match, [{"name": "ens224", "mtu": 1450}, entry] if entry["name"] != "ens224" else [entry])


@needs_pyroute2
def test_what_the_kernel_refuses_half_way_is_undone(node: Node) -> None:
    """ens300 is passed through to a macvlan of others, so that no bridge can have it."""
    node.netns.ip("link", "add", "theirs", "link", "ens300", "type", "macvlan", "mode", "passthru")
    node.netns.ip("route", "add", "10.98.0.0/16", "via", "172.16.0.9", "proto", "bird")
    wanted = [{"name": "ens224", "mtu": 1450, **ADDRESSED}, MACVLAN, BRIDGE]
    error = node.refuses(r"cannot change link ens300", wanted, checked=False)
    assert error.details["rolled_back"] is True
    error = node.refuses(
        r"cannot make link mv8",
        [MACVLAN, {**MACVLAN, "name": "mv8", "macvlan": {"base_iface": "ens300"}}],
        checked=False,
    )
    assert error.details["rolled_back"] is True
    node.refuses(r"cannot change link ens224 .*mtu", [MACVLAN, {"name": "ens224", "mtu": 65536}], checked=False)


NEEDED = {
    "vlan": {"base_iface": "ens224", "id": 7},
    "vrf": {"table": 1007},
    "bond": {"port": ["ens300"]},
    "dummy": None,
}


@needs_pyroute2
@pytest.mark.parametrize("kind", NEEDED)
def test_a_kind_that_the_kernel_lacks_is_one_clear_error(
    node: Node, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = {"vlan": ("link", "ens224", "type", "vlan", "id", "7"), "vrf": ("type", "vrf", "table", "1007")}
    if not node.netns.try_ip("link", "add", "probe0", *arguments.get(kind, ("type", kind))):
        # This kernel has it: one that has not answers a kind of that name so.
        from ansible_collections.kubenode.network.plugins.module_utils._netlink import link_kinds

        node.netns.ip("link", "del", "probe0")
        send = link_kinds._link

        def unknown(name: str, asked: str, command: str, request: dict[str, t.Any]) -> None:
            send(name, asked, command, {**request, "kind": "nosuchkind"})

        monkeypatch.setattr(link_kinds, "_link", unknown)
    entry: dict[str, t.Any] = {"name": "x0", "type": kind, **ADDRESSED}
    if NEEDED[kind] is not None:
        entry[kind] = NEEDED[kind]
    wanted = [{"name": "ens224", "mtu": 1450}, MACVLAN, entry]
    error = node.refuses(f"cannot make link x0 .*this kernel has no link kind '{kind}'", wanted, checked=False)
    assert error.details["rolled_back"] is True


def test_only_making_links_needs_pyroute2(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    node.netns.batch("link add br0 type bridge\nlink set br0 up")
    original = builtins.__import__

    def without(name: str, *args: t.Any, **named: t.Any) -> t.Any:
        if name.partition(".")[0] == "pyroute2":
            raise ImportError("No module named 'pyroute2'")
        return original(name, *args, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    node.makes([
        {"name": "ens300", "state": "up", "mtu": 1400, "mac_address": "02:00:00:00:77:09", **ADDRESSED},
        {"name": "br0", "type": "bridge", "bridge": {"port": ["ens300"]}},
    ])  # fmt: skip
    assert (node.link("ens300")["master"], node.link("ens300")["address"]) == ("br0", "02:00:00:00:77:09")
    error = node.refuses(
        r"pyroute2 >= 0\.7\.2.*python3-pyroute2", [{"name": "ens224", "mtu": 1450}, MACVLAN], checked=False
    )
    assert "pip install" in error.message


# --- NICs ------------------------------------------------------------------------------------------------------------


def test_a_nic_changes_in_place(node: Node) -> None:
    node.makes([{"name": "ens300", "type": "ethernet", "state": "up", "mtu": 1400, **ADDRESSED}])
    link = node.link("ens300")
    assert (link["up"], link["mtu"], node.addresses("ens300")[0]) == (True, 1400, "10.77.0.1/24")
    result = node.makes([{"name": "ens300", "state": "up", "mtu": 1500, "mac_address": "02:00:00:00:77:03"}])
    assert [line.split("mac ")[0] for line in result["plan"]] == ["~ link ens300 mtu 1400 -> 1500, "]
    assert (node.link("ens300")["mtu"], node.link("ens300")["address"]) == (1500, "02:00:00:00:77:03")
    node.makes([{"name": "ens300", "state": "down", **ADDRESSED}])
    assert node.link("ens300")["up"] is False
    node.makes([{"name": "ens300", "state": "up", **ADDRESSED}])
    assert node.addresses("ens300") == ["10.77.0.1/24", "10.77.0.2/24", "2001:db8:77::1/64"]


def test_a_nic_that_others_have_addresses_or_routes_on_is_not_taken_down(node: Node) -> None:
    down = {"name": "ens256", "state": "down"}
    declared = {**down, "ipv4": ip("172.16.0.11/24"), "ipv6": ip("2001:db8:c::b/64")}
    node.refuses(r"ens256 is not taken down: .*172\.16\.0\.11/24 dev ens256.*2001:db8:c::b/64", [down])
    node.netns.ip("addr", "add", "10.77.0.1/32", "dev", "ens256")
    node.refuses(r"ens256 is not taken down: .*10\.77\.0\.1/32 dev ens256\.", [declared])
    node.netns.ip("addr", "del", "10.77.0.1/32", "dev", "ens256")
    node.netns.ip("route", "add", "10.98.0.0/16", "via", "172.16.0.9", "proto", "bird")
    node.refuses(r"10\.98\.0\.0/16.*bird", [declared])
    node.netns.ip("route", "del", "10.98.0.0/16")
    node.makes([declared])
    assert (node.link("ens256")["up"], node.addresses("ens256")[0]) == (False, "172.16.0.11/24")


def test_absent_takes_our_things_off_a_nic_and_leaves_the_nic(node: Node) -> None:
    start = node.seen()
    route = {"destination": "10.200.0.0/16", "next_hop_address": "10.77.0.9", "table": 100}
    node.document([{"name": "ens300", "state": "up", **ADDRESSED}], routes=[route])
    result = node.document([{"name": "ens300", "state": "absent"}])
    assert "~ link ens300 down" in result["plan"][-1]
    assert node.seen() == start
    node.document([{"name": "ens256", "ipv4": ip("10.77.0.1/24")}])
    result = node.document([{"name": "ens256", "state": "absent"}])
    assert [line for line in result["warnings"] if "ens256 stays up: 172.16.0.11/24" in line]
    assert node.seen() == start


@needs_pyroute2
def test_a_nic_is_found_by_its_mac_address_below_links_that_share_it(node: Node) -> None:
    mac = node.link("ens300")["address"]
    node.netns.batch(
        f"link add br0 type bridge\nlink set br0 address {mac}\n"
        f"link add theirs link ens300 address {mac} type macvlan\nlink set br0 up"
    )
    entry = {"name": "uplink", "identifier": "mac-address", "mac_address": mac.upper(), "state": "up", **ADDRESSED}
    route = {"destination": "10.200.0.0/16", "next_hop_address": "10.77.0.9", "next_hop_interface": "uplink"}
    node.document([entry], routes=[route])
    assert node.addresses("ens300") == ["10.77.0.1/24", "10.77.0.2/24", "2001:db8:77::1/64"]
    assert node.netns.json("route", "show", "10.200.0.0/16")[0]["dev"] == "ens300"
    node.refuses(
        r"no interface of this node has the MAC address 02:00:00:00:aa:aa",
        [{**entry, "mac_address": "02:00:00:00:aa:aa"}],
    )
    node.netns.ip("link", "set", "ens256", "address", mac)
    node.refuses(rf"several interfaces have the MAC address {mac} \(ens256, ens300\)", [entry])


@needs_pyroute2
def test_alternative_names_mean_the_interface_everywhere(node: Node) -> None:
    node.netns.batch("link property add dev ens224 altname enp1s0\nlink property add dev ens300 altname enp2s0")
    node.document(
        [
            {"name": "enp2s0", "state": "up", **ADDRESSED},
            {**MACVLAN, "macvlan": {"base_iface": "enp1s0"}},
            {**BRIDGE, "bridge": {"port": ["mv7"]}},
        ],
        routes=[{"destination": "10.200.0.0/16", "next_hop_address": "10.77.0.9", "next_hop_interface": "enp2s0"}],
    )
    assert node.addresses("ens300")[0] == "10.77.0.1/24"
    assert node.link("mv7")["link"] == "ens224"


# --- with the rest of a worker ---------------------------------------------------------------------------------------


@needs_pyroute2
def test_settings_and_replies_of_a_link_that_the_same_run_makes(node: Node) -> None:
    start = node.seen()
    name = "mv7.100"
    node.document(
        [{**MACVLAN, "name": name, "ipv4": ip("10.77.0.11/24")}],
        sysctl={f"net.ipv4.conf.{name.replace('.', '/')}.rp_filter": "2"},
        multi_nic=[{"interface": name, "gateway": "10.77.0.1", "table": 100, "priority": 90}],
        paths=[
            {
                "destination": "203.0.113.1",
                "source": "10.77.0.11",
                "expect": {"gateway": "10.77.0.1", "interface": name},
            }
        ],
    )
    setting = pathlib.Path(f"/proc/sys/net/ipv4/conf/{name}/rp_filter")
    assert setting.read_text() == "2\n"
    setting.write_text("0\n")
    changed = node.document(
        [{**MACVLAN, "name": name, "ipv4": ip("10.77.0.11/24")}],
        sysctl={f"net.ipv4.conf.{name.replace('.', '/')}.rp_filter": "2"},
        multi_nic=[{"interface": name, "gateway": "10.77.0.1", "table": 100, "priority": 90}],
    )["plan"]
    assert len(changed) == 1
    assert setting.read_text() == "2\n"
    node.document([])
    assert node.seen() == start
    node.refuses(
        r"no sysctl net\.ipv4\.conf\.mv9\.rp_filter", [MACVLAN], module="network_state",
        sysctl={"net.ipv4.conf.mv9.rp_filter": "2"},
    )  # fmt: skip


@needs_pyroute2
def test_a_failure_after_a_link_was_made_and_set_up_takes_it_back(node: Node) -> None:
    node.refuses(
        r"expected gateway 10\.77\.0\.3", [{**MACVLAN, **ADDRESSED}, BRIDGE, {"name": "ens224", "mtu": 1500}],
        checked=False, module="network_state", sysctl={"net.ipv4.conf.mv7.rp_filter": "2"},
        paths=[{"destination": "10.77.0.9", "expect": {"gateway": "10.77.0.3"}}],
    )  # fmt: skip
