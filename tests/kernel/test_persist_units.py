# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the units of unmanaged NICs replay at boot is what stood in the kernel; the units are only written here."""

from __future__ import annotations

import os
import pathlib
import subprocess
import typing as t

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._state.info import network_state
from ansible_collections.kubenode.network.plugins.module_utils._state.model import StateError
from ansible_collections.kubenode.network.plugins.module_utils._state.options import desired_from_options
from ansible_collections.kubenode.network.plugins.module_utils._state.run import Options, execute
from ansible_collections.kubenode.network.tests.kernel.interfaces import Node

UNITS = "etc/systemd/system"
REPLAY = "etc/kubenode-network/replay"
NIC = "etc/kubenode-network/nic.d/ens224"
WANTS = f"{UNITS}/sys-subsystem-net-devices-ens224.device.wants/kubenode-network@ens224.service"
STATE = {
    "interfaces": [
        {
            "name": "ens224", "state": "up", "mtu": 1450,
            "ipv4": {"enabled": True, "dhcp": False, "address": [{"ip": "10.100.0.10", "prefix-length": 24}]},
            "ipv6": {"enabled": True, "address": [{"ip": "2001:db8:100::10", "prefix-length": 64}]},
        }
    ],
    "routes": {"config": [
        {"destination": "10.200.0.0/16", "next-hop-address": "10.100.0.1", "next-hop-interface": "ens224",
         "metric": 100},
        {"destination": "0.0.0.0/0", "next-hop-address": "10.100.0.1", "next-hop-interface": "ens224", "table-id": 100},
        {"destination": "2001:db8:200::/48", "next-hop-address": "2001:db8:100::1", "next-hop-interface": "ens224"},
        {"destination": "203.0.113.0/24", "route-type": "blackhole"},
    ]},
    "route-rules": {"config": [
        {"ip-from": "10.100.0.0/24", "route-table": 100, "priority": 100},
        {"ip-from": "2001:db8:100::/64", "route-table": 254, "priority": 101},
    ]},
}  # fmt: skip


@pytest.fixture
def node(netns: t.Any, tmp_path: pathlib.Path) -> Node:
    made = Node(netns, tmp_path)
    (tmp_path / UNITS).mkdir(parents=True)
    netns.veth("ens224", "peer224")
    netns.ip("link", "set", "ens224", "addrgenmode", "none")
    return made


def run(node: Node, params: dict[str, t.Any], check: bool = False, persist: bool = True) -> dict[str, t.Any]:
    desired = desired_from_options({"owner": "o", **params}, "network_state")
    return execute(desired, Options(persist=persist), check, str(node.root))


def files(node: Node) -> dict[str, str]:
    """What stands below etc of the files that are ours."""
    found = {}
    for folder, _folders, names in os.walk(node.root / "etc"):
        for name in names:
            path = pathlib.Path(folder, name)
            if "kubenode-network" in str(path.relative_to(node.root)):
                text = f"-> {os.readlink(path)}" if path.is_symlink() else path.read_text()
                found[str(path.relative_to(node.root))] = text
    return found


def replay(node: Node, *arguments: str) -> str:
    """Run the script as its unit does; its complaints."""
    done = subprocess.run(["sh", str(node.root / REPLAY), *arguments], capture_output=True, text=True, check=False)
    assert (done.returncode == 0) == (done.stderr == ""), done
    return done.stderr


def test_a_node_with_its_nics_made_anew_is_brought_back_by_the_units(node: Node) -> None:
    predicted = run(node, {"desired_state": STATE}, check=True)
    assert files(node) == {}
    result = run(node, {"desired_state": STATE})
    assert result == {**predicted, "confirmed_by": "none"}
    assert (result["changed"], result["runtime"], result["persistent"]) == (True, True, True)
    again = run(node, {"desired_state": STATE})
    assert (again["changed"], again["runtime"], again["persistent"]) == (False, False, False)
    assert files(node)[WANTS] == "-> /etc/systemd/system/kubenode-network@.service"
    before = node.seen()
    node.netns.ip("link", "del", "ens224")
    node.netns.batch("rule del priority 100\nroute del blackhole 203.0.113.0/24")
    node.netns.ip("-6", "rule", "del", "priority", 101)
    node.netns.veth("ens224", "peer224")
    node.netns.ip("link", "set", "ens224", "addrgenmode", "none")
    node.netns.ip("link", "set", "ens224", "down")
    assert replay(node, "ens224") == ""
    assert replay(node) == ""
    found = node.seen()
    for links in (before["links"], found["links"]):
        for name in ("ens224", "peer224"):
            links[name].pop("address")
    assert found == before
    assert replay(node, "ens224") == ""
    assert node.seen() == {**found, "links": node.links()}
    assert run(node, {"desired_state": STATE})["changed"] is False


def test_what_is_kept_is_shown_beside_what_runs(node: Node) -> None:
    run(node, {"desired_state": STATE})
    shown = network_state({}, str(node.root))
    (interface,) = shown["config"]["interfaces"]
    assert interface == {
        "name": "ens224", "state": "up", "mtu": 1450, "manager": None,
        "ipv4": {"dhcp": False, "auto_routes": True, "auto_gateway": True, "auto_dns": True,
                 "addresses": [{"ip": "10.100.0.10", "prefix_length": 24}]},
        "ipv6": {"addresses": [{"ip": "2001:db8:100::10", "prefix_length": 64}]},
    }  # fmt: skip
    assert len(shown["config"]["routes"]["config"]) == 4
    assert [rule["priority"] for rule in shown["config"]["route_rules"]["config"]] == [101, 100]
    assert shown["config"]["unchanged"] is True
    assert "interface ens224 mtu 1450" in shown["owners"]["o"]
    assert "" not in shown["owners"]
    (node.root / NIC).write_text("")
    assert network_state({}, str(node.root))["config"]["unchanged"] is False


def test_what_is_let_go_leaves_the_configuration_and_with_the_last_of_it_every_file_goes(node: Node) -> None:
    run(node, {"desired_state": STATE})
    less = {**STATE, "routes": {"config": []}, "route-rules": {"config": []}}
    result = run(node, {"desired_state": less})
    assert (result["runtime"], result["persistent"]) == (True, True)
    assert "route" not in (node.root / NIC).read_text()
    assert "etc/kubenode-network/node" not in files(node)
    run(node, {"desired_state": {}})
    assert files(node) == {}
    assert not (node.root / "etc/kubenode-network").exists()
    assert [name for name in os.listdir(node.root / UNITS) if "device" in name] == []


def test_in_the_kernel_but_not_in_the_configuration_is_a_persistent_change(node: Node) -> None:
    first = run(node, {"desired_state": STATE}, persist=False)
    assert (first["runtime"], first["persistent"], files(node)) == (True, False, {})
    before = node.seen()
    result = run(node, {"desired_state": STATE})
    assert (result["changed"], result["runtime"], result["persistent"]) == (True, False, True)
    assert node.seen() == before
    assert run(node, {"desired_state": STATE})["changed"] is False


def test_a_file_edited_or_removed_by_hand_is_put_right(node: Node) -> None:
    run(node, {"desired_state": STATE})
    good = files(node)
    (node.root / NIC).write_text("ip link set dev ens224 down\n")
    (node.root / WANTS).unlink()
    result = run(node, {"desired_state": STATE})
    assert (result["runtime"], result["persistent"]) == (False, True)
    assert files(node) == good


def test_persist_false_takes_its_declaration_out_of_the_configuration(node: Node) -> None:
    run(node, {"desired_state": STATE})
    before = node.seen()
    result = run(node, {"desired_state": STATE}, persist=False)
    assert (result["runtime"], result["persistent"]) == (False, True)
    assert files(node) == {}
    assert node.seen() == before


def test_what_was_set_by_hand_is_adopted_and_kept(node: Node) -> None:
    node.netns.batch(
        "addr add 10.100.0.10/24 dev ens224\nroute add 10.200.0.0/16 via 10.100.0.1 dev ens224 metric 100 proto boot"
    )
    state = {"interfaces": [{**STATE["interfaces"][0], "ipv6": {"enabled": True}}],
             "routes": {"config": STATE["routes"]["config"][:1]}}  # fmt: skip
    run(node, {"desired_state": state})
    text = (node.root / NIC).read_text()
    assert "address add 10.100.0.10/24 dev ens224" in text
    assert "route add unicast 10.200.0.0/16 table 254 proto 3" in text
    run(node, {"desired_state": {}})
    assert files(node) == {}
    assert node.addresses("ens224") == ["10.100.0.10/24"]


def test_a_route_over_two_nics_is_brought_back_by_whichever_comes_last(node: Node) -> None:
    node.netns.veth("ens256", "peer256", "172.16.0.10/24")
    node.netns.ip("addr", "add", "10.100.0.10/24", "dev", "ens224")
    routes = [{"destination": "198.51.100.0/24", "next_hops": [
        {"next_hop_address": "10.100.0.1", "next_hop_interface": "ens224", "weight": 1},
        {"next_hop_address": "172.16.0.1", "next_hop_interface": "ens256", "weight": 2}]}]  # fmt: skip
    desired = desired_from_options({"owner": "o", "routes": routes}, "static_routes")
    execute(desired, Options(persist=True), False, str(node.root))
    before = node.seen()
    node.netns.ip("route", "del", "198.51.100.0/24")
    node.netns.ip("link", "set", "ens256", "down")
    assert "ens224" in replay(node, "ens224")
    assert replay(node, "ens256") == ""
    assert node.seen()["routes-4"] == before["routes-4"]


def test_without_systemd_nothing_is_changed_and_the_way_out_is_named(node: Node) -> None:
    (node.root / UNITS).rmdir()
    before = node.seen()
    with pytest.raises(StateError, match=r"ens224.*no systemd.*persist: false"):
        run(node, {"desired_state": STATE})
    assert node.seen() == before
    assert run(node, {"desired_state": STATE}, persist=False)["runtime"] is True


def test_a_lease_needs_a_manager(node: Node) -> None:
    state = {"interfaces": [{"name": "ens224", "ipv4": {"enabled": True, "dhcp": True}}]}
    with pytest.raises(StateError, match=r"ens224.*DHCP.*nobody"):
        run(node, {"desired_state": state})
    with pytest.raises(StateError, match=r"ens224.*persist: false.*DHCP"):
        run(node, {"desired_state": state}, persist=False)
