# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Links of every kind as declared: made, left alone by the second run, taken away, and undone when a run fails."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._state.model import StateError
from ansible_collections.kubenode.network.plugins.module_utils._state.options import desired_from_options
from ansible_collections.kubenode.network.plugins.module_utils._state.run import execute

if t.TYPE_CHECKING:
    from ansible_collections.kubenode.network.tests.kernel.conftest import Netns

BOND = [
    {"name": "bond0", "type": "bond", "state": "up", "mtu": 1400,
     "bond": {"mode": "active-backup", "port": ["ens224", "ens256"], "options": {"miimon": 100, "primary": "ens224"}},
     "ipv4": {"enabled": True, "addresses": [{"ip": "10.90.0.1", "prefix_length": 24}]}},
    {"name": "bond0.7", "type": "vlan", "state": "up", "vlan": {"base_iface": "bond0", "id": 7},
     "ipv4": {"enabled": True, "addresses": [{"ip": "10.91.0.1", "prefix_length": 24}]}},
]  # fmt: skip
VRF = [
    {"name": "blue", "type": "vrf", "state": "up", "vrf": {"route_table_id": 100, "port": ["ens256"]}},
    {"name": "ens256", "state": "up",
     "ipv4": {"enabled": True, "addresses": [{"ip": "172.16.0.11", "prefix_length": 24}]}},
]  # fmt: skip
OTHERS = [
    {"name": "dummy7", "type": "dummy", "state": "up", "mtu": 1300,
     "ipv6": {"enabled": True, "addresses": [{"ip": "2001:db8:7::1", "prefix_length": 64}]}},
    {"name": "mv7", "type": "macvlan", "state": "up", "macvlan": {"base_iface": "ens224", "mode": "private"}},
    {"name": "br7", "type": "bridge", "state": "up", "bridge": {"port": ["mv7"], "options": {"stp": False}}},
    {"name": "ens224.9", "type": "vlan", "state": "up", "vlan": {"base_iface": "ens224", "id": 9, "protocol": "802.1ad"}},
]  # fmt: skip
BAD_PATH = [{"destination": "10.100.0.5", "expect": {"gateway": "10.100.0.99"}}]


class Node:
    def __init__(self, netns: Netns, root: pathlib.Path) -> None:
        self.netns = netns
        self.root = root
        (root / "etc/iproute2/rt_protos.d").mkdir(parents=True)
        (root / "etc/iproute2/rt_protos.d/kubenode.conf").write_text("157\tkubenode\n")

    def run(self, interfaces: list[dict[str, t.Any]], **params: t.Any) -> dict[str, t.Any]:
        params = {"desired_state": {"interfaces": interfaces}, "owner": "worker", "prune": True, **params}
        return execute(desired_from_options(params, "network_state"), root=str(self.root))

    def links(self) -> dict[str, dict[str, t.Any]]:
        return {link["ifname"]: link for link in self.netns.json("link")}

    def shown(self) -> dict[str, t.Any]:
        """Links and addresses without what the kernel counts, numbers or makes by itself."""
        return {
            entry["ifname"]: (
                entry["mtu"], entry.get("master"), "UP" in entry["flags"], entry.get("linkinfo", {}).get("info_kind"),
                entry["address"],
                sorted(one["local"] for one in entry["addr_info"] if not one["local"].startswith("fe80:")),
            )
            for entry in self.netns.json("addr")
        }  # fmt: skip

    def routes(self) -> list[str]:
        entries = self.netns.json("-4", "route", "show", "table", "all")
        return sorted(repr({key: entry.get(key) for key in ("dst", "dev", "table", "protocol")}) for entry in entries)


@pytest.fixture
def node(wired: Netns, tmp_path: pathlib.Path) -> Node:
    return Node(wired, tmp_path)


@pytest.mark.parametrize("interfaces", [BOND, VRF, OTHERS], ids=["bond and vlan", "vrf", "others"])
def test_declared_links_come_stay_go_and_are_undone(node: Node, interfaces: list[dict[str, t.Any]]) -> None:
    start, routes = node.shown(), node.routes()
    with pytest.raises(StateError, match=r"expected gateway 10\.100\.0\.99") as raised:
        node.run(interfaces, paths=BAD_PATH)
    assert raised.value.details["rolled_back"] is True, raised.value.message
    assert node.shown() == start
    assert node.routes() == routes

    assert node.run(interfaces)["changed"] is True
    links = node.links()
    for wanted in interfaces:
        link = links[wanted["name"]]
        assert "UP" in link["flags"]
        assert link["mtu"] == wanted.get("mtu", link["mtu"])
        for kind in ("bond", "vrf", "bridge"):
            for port in wanted.get(kind, {}).get("port", []):
                assert links[port]["master"] == wanted["name"]
                assert "UP" in links[port]["flags"]
    again = node.run(interfaces)
    assert again["plan"] == []

    made = node.shown()
    with pytest.raises(StateError, match=r"expected gateway 10\.100\.0\.99") as raised:
        node.run([], paths=BAD_PATH)
    assert raised.value.details["rolled_back"] is True, raised.value.message
    assert node.shown() == made

    node.run([])
    assert set(node.shown()) == set(start)


def test_kind_data_reaches_the_kernel(node: Node) -> None:
    node.run([*BOND, OTHERS[0]])
    links = node.links()
    data = links["bond0"]["linkinfo"]["info_data"]
    assert (data["mode"], data["miimon"], data["primary"]) == ("active-backup", 100, "ens224")
    assert links["bond0.7"]["linkinfo"]["info_data"]["id"] == 7
    node.netns.batch("link del bond0\nlink set ens224 up\nlink set ens256 up")
    node.run(OTHERS)
    links = node.links()
    assert links["mv7"]["linkinfo"]["info_data"]["mode"] == "private"
    assert links["ens224.9"]["linkinfo"]["info_data"]["protocol"] == "802.1ad"


def test_routes_of_others_outlive_a_nic_that_enters_a_vrf(node: Node) -> None:
    """The kernel takes the NIC down and up, and flushes what was on it."""
    node.netns.ip("route", "add", "10.60.0.0/16", "dev", "ens256", "table", "500", "proto", "bird", "scope", "link")
    node.run(VRF)
    assert node.netns.json("route", "show", "table", "500")[0]["dst"] == "10.60.0.0/16"
