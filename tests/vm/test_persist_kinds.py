# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Links of every kind that we made are made again at boot by what we leave for it: a shell and iproute2."""

from __future__ import annotations

import pathlib
import subprocess
import typing as t

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._state.options import desired_from_options
from ansible_collections.kubenode.network.plugins.module_utils._state.run import Options, execute
from ansible_collections.kubenode.network.tests.kernel.interfaces import Node, ip

INTERFACES = [
    {"name": "ens224.100", "type": "vlan", "vlan": {"base_iface": "ens224", "id": 100}, "mtu": 1450,
     "ipv4": ip("10.78.0.1/24")},
    {"name": "bond0", "type": "bond", "ipv4": ip("10.79.0.1/24"), "bond": {
        "mode": "active-backup", "options": {"miimon": 100, "fail_over_mac": "none"}, "port": ["ens256", "ens300"]}},
    {"name": "blue", "type": "vrf", "vrf": {"table": 1042, "port": ["ens224.100"]}},
    {"name": "br7", "type": "bridge", "bridge": {"port": [], "options": {"stp": False}}, "mtu": 1500},
    {"name": "dummy0", "type": "dummy", "ipv4": ip("10.77.0.1/32")},
    {"name": "mac0", "type": "macvlan", "macvlan": {"base_iface": "ens224", "mode": "bridge"}},
]  # fmt: skip
ROUTES = [{"destination": "10.90.0.0/16", "next_hop_address": "10.79.0.7", "next_hop_interface": "bond0"}]


@pytest.fixture
def node(netns: t.Any, tmp_path: pathlib.Path) -> Node:
    made = Node(netns, tmp_path, sparing=True)
    (tmp_path / "etc/systemd/system").mkdir(parents=True)
    for number in ("224", "256", "300"):
        netns.veth(f"ens{number}", f"peer{number}")
    return made


def run(node: Node, **params: t.Any) -> dict[str, t.Any]:
    document = {"interfaces": params["interfaces"], "routes": {"config": params["routes"]}}
    desired = desired_from_options({"owner": "o", "desired_state": document}, "network_state")
    return execute(desired, Options(persist=True, allow_default_override=True), False, str(node.root))


def shown(node: Node) -> dict[str, t.Any]:
    """What the links are, and what is on them; MAC addresses of links that are made anew are new."""
    found: dict[str, t.Any] = {}
    for name, link in node.links().items():
        data = {key: value for key, value in link["linkinfo"].get("info_data", {}).items()
                if key in ("id", "protocol", "mode", "table", "miimon", "stp_state")}  # fmt: skip
        found[name] = (link["linkinfo"].get("info_kind"), data, link.get("master"), link["mtu"], link["up"])
        found[name] += (tuple(node.addresses(name)),)
    return found


def test_made_links_are_made_again_with_what_is_on_them(node: Node) -> None:
    result = run(node, interfaces=INTERFACES, routes=ROUTES)
    assert (result["runtime"], result["persistent"]) == (True, True)
    before = shown(node)
    assert run(node, interfaces=INTERFACES, routes=ROUTES)["changed"] is False
    for name in ("ens224", "ens256", "ens300", "blue", "bond0", "br7", "dummy0"):
        node.netns.ip("link", "del", name)
    for number in ("224", "256", "300"):
        node.netns.veth(f"ens{number}", f"peer{number}")
    # In the order in which systemd would start the units of devices that appear.
    replay = str(node.root / "etc/kubenode-network/replay")
    for arguments in ([], ["ens224"], ["--link", "ens224.100"], ["--link", "mac0"], ["ens256"], ["ens300"],
                      ["bond0"], ["ens224.100"], ["blue"], ["br7"], ["dummy0"], ["mac0"]):  # fmt: skip
        done = subprocess.run(["sh", replay, *arguments], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, ""), arguments
    assert shown(node) == before
    again = run(node, interfaces=INTERFACES, routes=ROUTES)
    assert again["changed"] is False, again["plan"]
    # Once more changes nothing, and takes no port out of its bond.
    for arguments in ([], ["ens256"], ["bond0"]):
        subprocess.run(["sh", replay, *arguments], capture_output=True, text=True, check=True)
    assert shown(node) == before
    run(node, interfaces=[], routes=[])
    assert not (node.root / "etc/kubenode-network").exists()
    assert list((node.root / "etc/systemd/system").iterdir()) == [
        node.root / "etc/systemd/system/multi-user.target.wants"
    ]
