# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guest's kernel has the kinds that this tier is for, so that no test of them passes on something else."""

from __future__ import annotations

import typing as t

import pytest

if t.TYPE_CHECKING:
    from ansible_collections.kubenode.network.tests.kernel.conftest import Netns


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("dummy", []),
        ("vlan", ["id", "100"]),
        ("bond", ["mode", "active-backup"]),
        ("bond", ["mode", "802.3ad"]),
        ("vrf", ["table", "100"]),
        ("macvlan", ["mode", "bridge"]),
        ("bridge", []),
        ("vxlan", ["id", "42", "dstport", "4789"]),
    ],
)
def test_a_link_of_the_kind_comes_and_goes(netns: Netns, kind: str, options: list[str]) -> None:
    netns.veth("ens224", "peer224")
    parent = ["link", "ens224"] if kind in {"vlan", "macvlan"} else []
    netns.ip("link", "add", *parent, "name", "test0", "type", kind, *options)
    [link] = netns.json("link", "show", "test0")
    assert link["linkinfo"]["info_kind"] == kind
    assert link.get("link") == ("ens224" if parent else None)
    netns.ip("link", "delete", "test0")
    assert "test0" not in netns.indexes


def test_a_bond_takes_a_port(netns: Netns) -> None:
    netns.veth("ens224", "peer224")
    netns.ip("link", "add", "bond0", "type", "bond", "mode", "active-backup", "miimon", "100")
    netns.ip("link", "set", "ens224", "down")
    netns.ip("link", "set", "ens224", "master", "bond0")
    [port] = netns.json("link", "show", "ens224")
    assert port["master"] == "bond0"


def test_a_vrf_routes_by_its_table(netns: Netns) -> None:
    netns.veth("ens224", "peer224", "10.100.0.11/24")
    netns.ip("link", "add", "blue", "type", "vrf", "table", "100")
    netns.ip("link", "set", "blue", "up")
    netns.ip("link", "set", "ens224", "master", "blue")
    netns.ip("route", "add", "10.200.0.0/16", "via", "10.100.0.1", "table", "100")
    [route] = netns.json("route", "get", "vrf", "blue", "10.200.0.1")
    assert (route["gateway"], route["dev"]) == ("10.100.0.1", "ens224")
    assert "unreachable" in netns.try_ip("route", "get", "10.200.0.1")
