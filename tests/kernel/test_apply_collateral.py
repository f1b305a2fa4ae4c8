# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Links and addresses that change, and what the kernel takes along with them: it comes back, whoever's it was."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._state.apply import apply
from ansible_collections.kubenode.network.plugins.module_utils._state.model import (
    StateError,
)
from ansible_collections.kubenode.network.plugins.module_utils._state.observe import observe
from ansible_collections.kubenode.network.plugins.module_utils._state.undo import undo

from .applying import address, addresses, carry_out, everything, gone, make, route, swap

# --- what the kernel takes along ------------------------------------------------------------------------------------


def test_routes_of_others_outlive_the_last_address_that_is_exchanged(node: t.Any) -> None:
    node.batch("""
        route add 10.60.0.0/16 dev ens256 proto bird scope link
        route add 10.61.0.0/16 via 172.16.0.9 dev ens256 proto zebra onlink
        route add 10.62.0.0/16 dev ens256 table 500 proto bird
    """)
    old = observe().addresses["ens256", 2, "172.16.0.11", 24, None]
    before, done = carry_out(gone("address", old), make("address", address("ens256", "172.16.0.12/24")))
    shown = {entry["dst"] for entry in node.json("route", "show", "table", "all", "dev", "ens256")}
    assert {"10.60.0.0/16", "10.61.0.0/16", "10.62.0.0/16", "10.77.0.0/16"} <= shown
    assert undo(done, before) == []
    shown = {entry["dst"] for entry in node.json("route", "show", "table", "all", "dev", "ens256")}
    assert {"10.60.0.0/16", "10.61.0.0/16", "10.62.0.0/16", "10.77.0.0/16"} <= shown


def test_secondary_addresses_outlive_their_primary(node: t.Any) -> None:
    node.ip("addr", "add", "172.16.0.50/24", "dev", "ens256")
    node.ip("addr", "add", "172.16.0.51/24", "dev", "ens256", "label", "ens256:vip")
    start = everything(node)
    old = observe().addresses["ens256", 2, "172.16.0.11", 24, None]
    before, done = carry_out(gone("address", old))
    left = {info["local"]: info for entry in node.json("-4", "addr", "show", "ens256") for info in entry["addr_info"]}
    assert set(left) == {"172.16.0.50", "172.16.0.51"}
    assert left["172.16.0.51"]["label"] == "ens256:vip"
    assert undo(done, before) == []
    after = everything(node)
    # The order of primary and secondary is another one now; addresses and routes are not.
    assert after["route6"] == start["route6"]
    assert {info["local"] for entry in node.json("addr", "show", "ens256") for info in entry["addr_info"]} >= {
        "172.16.0.11", "172.16.0.50", "172.16.0.51",
    }  # fmt: skip


def test_an_address_whose_going_would_cost_others_their_route_stays(node: t.Any) -> None:
    """The gateway 172.16.0.9 of a foreign route cannot be reached without the address."""
    start = everything(node)
    old = observe().addresses["ens256", 2, "172.16.0.11", 24, None]
    with pytest.raises(StateError, match=r"10\.77\.0\.0/16 via 172\.16\.0\.9") as raised:
        apply([make("route", route("10.240.0.0/16")), gone("address", old)], observe())
    assert raised.value.details["rolled_back"] is True
    assert everything(node) == start


def test_routes_with_the_address_as_their_source_on_other_interfaces_are_seen_too(node: t.Any) -> None:
    node.ip("route", "add", "10.78.0.0/16", "via", "10.100.0.9", "dev", "ens224", "src", "172.16.0.11", "proto", "bird")
    node.ip("route", "del", "10.77.0.0/16")
    start = everything(node)
    old = observe().addresses["ens256", 2, "172.16.0.11", 24, None]
    with pytest.raises(StateError, match=r"10\.78\.0\.0/16.*src 172\.16\.0\.11"):
        apply([gone("address", old)], observe())
    assert everything(node) == start


def test_ipv6_addresses_and_routes_come_back_when_a_link_was_down_and_the_run_fails(node: t.Any) -> None:
    node.ip("-6", "route", "add", "2001:db8:55::/48", "dev", "ens256", "proto", "4", "metric", 77)
    node.ip("route", "del", "10.77.0.0/16")
    before = observe()
    start = everything(node)
    link = before.links["ens256"]
    with pytest.raises(StateError, match=r"2001:db8:55::/48.*remove it first"):
        apply([swap("link", link, link._replace(up=False))], before)
    assert everything(node) == start
    static = before.routes[10, 254, "2001:db8:55::/48", None, 0, 77][0]
    changes = [
        gone("route", static),
        swap("link", link, link._replace(up=False, mtu=1400)),
        make("route", route("10.220.0.0/16", "10.99.0.1")),
    ]
    with pytest.raises(StateError, match=r"10\.99\.0\.1") as raised:
        apply(changes, before)
    assert raised.value.details["rolled_back"] is True, raised.value.message
    assert everything(node) == start


def test_a_link_that_is_set_up_with_another_mtu_and_back(netns: t.Any) -> None:
    netns.ip("link", "add", "ens224", "type", "veth", "peer", "name", "p0")
    start = everything(netns)
    link = observe().links["ens224"]
    before, done = carry_out(swap("link", link, link._replace(up=True, mtu=9000)))
    assert netns.json("link", "show", "ens224")[0]["mtu"] == 9000
    assert "UP" in netns.json("link", "show", "ens224")[0]["flags"]
    assert undo(done, before) == []
    assert everything(netns) == start


def test_a_port_of_a_bridge_and_back(node: t.Any) -> None:
    node.ip("link", "add", "br0", "type", "bridge")
    start = everything(node)
    link = observe().links["ens256"]
    before, done = carry_out(swap("link", link, link._replace(master="br0")))
    assert node.json("link", "show", "ens256")[0]["master"] == "br0"
    assert undo(done, before) == []
    assert everything(node)["route"] == start["route"]
    assert "master" not in node.json("link", "show", "ens256")[0]


# --- links that are made --------------------------------------------------------------------------------------------


def link(name: str, kind: str, **fields: t.Any) -> t.Any:
    from ansible_collections.kubenode.network.plugins.module_utils._netlink.objects import Link

    return Link(name, 0, fields.pop("mtu", 0), up=True, kind=kind, **fields)


def test_links_are_made_used_and_taken_away_again(node: t.Any) -> None:
    node.ip("route", "del", "10.77.0.0/16")
    start = everything(node)
    port = observe().links["ens256"]
    before, done = carry_out(
        make("link", link("br7", "bridge", data=(("stp_state", 0),), mac="02:00:00:00:07:07")),
        make("link", link("mv7", "macvlan", parent="ens224", data=(("mode", "bridge"),), mtu=1400)),
        swap("link", port, port._replace(master="br7")),
        make("address", address("br7", "10.70.0.1/24")),
        make("route", route("10.71.0.0/16", "10.70.0.2", "br7")),
        make("route", route("2001:db8:71::/48", None, "mv7")),
    )
    shown = {entry["ifname"]: entry for entry in node.json("link")}
    assert shown["br7"]["address"] == "02:00:00:00:07:07"
    assert (shown["mv7"]["mtu"], shown["mv7"]["link"]) == (1400, "ens224")
    assert shown["ens256"]["master"] == "br7"
    assert node.json("route", "show", "10.71.0.0/16")[0]["dev"] == "br7"
    assert undo(done, before) == []
    assert everything(node) == start


def test_a_deleted_link_comes_back_with_all_that_was_on_it_when_the_run_fails(node: t.Any) -> None:
    node.batch("""
        link add br7 address 02:00:00:00:07:07 up type bridge
        link set ens256 master br7
        link set br7 mtu 1400
        addr add 10.70.0.1/24 dev br7
        addr add 10.70.0.2/24 dev br7
        addr add 2001:db8:70::1/64 dev br7 nodad
    """)
    ours = route("10.71.0.0/16", "10.70.0.9", "br7")
    carry_out(make("route", ours))
    start, held = everything(node), addresses(node)
    before = observe()
    changes = [
        gone("route", ours),
        gone("link", before.links["br7"]),
        make("route", route("10.220.0.0/16", "10.99.0.1")),
    ]
    with pytest.raises(StateError, match=r"10\.99\.0\.1") as raised:
        apply(changes, before)
    assert raised.value.details["rolled_back"] is True, raised.value.message
    after = everything(node)
    assert addresses(node) == held
    for part in ("route", "route6"):
        assert after[part] == start[part], part
    assert node.json("link", "show", "ens256")[0]["master"] == "br7"
    assert node.json("link", "show", "br7")[0]["mtu"] == 1400


def test_a_kind_that_this_kernel_lacks_is_named_and_undone(node: t.Any) -> None:
    start = everything(node)
    with pytest.raises(StateError, match=r"link x0 type ipip.*cannot be created") as raised:
        apply([make("route", route("10.240.0.0/16")), make("link", link("x0", "ipip"))], observe())
    assert raised.value.details["rolled_back"] is True
    assert everything(node) == start
