# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes carried out in a real kernel, and read back with `ip -j`."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._netlink.objects import Address, NextHop, Route, Rule
from ansible_collections.kubenode.network.plugins.module_utils._state.apply import apply
from ansible_collections.kubenode.network.plugins.module_utils._state.model import (
    Change,
    Plan,
    State,
    StateError,
    Target,
)
from ansible_collections.kubenode.network.plugins.module_utils._state.observe import observe
from ansible_collections.kubenode.network.plugins.module_utils._state.undo import undo
from ansible_collections.kubenode.network.plugins.module_utils._state.verify import verify

PERMANENT = 0x80


def route(destination: str, gateway: str | None = "10.100.0.1", interface: str = "ens224", **fields: t.Any) -> Route:
    family = 10 if ":" in destination else 2
    values = {"metric": 100, "protocol": 157, "next_hops": (NextHop(interface, gateway),), **fields}
    if family == 2 and gateway is None:
        values.setdefault("scope", 253)
    return Route(family, values.pop("table", 254), destination, **values)


def address(interface: str, text: str) -> Address:
    ip, _slash, length = text.partition("/")
    return Address(interface, 10 if ":" in ip else 2, ip, int(length), flags=PERMANENT)


def rule(priority: int, table: int, source: str | None = None, **fields: t.Any) -> Rule:
    return Rule(fields.pop("family", 2), priority, table=table, source=source, protocol=157, **fields)


def make(kind: str, value: t.Any) -> Change:
    return Change(kind, getattr(value, "name", kind), None, value)


def gone(kind: str, value: t.Any) -> Change:
    return Change(kind, getattr(value, "name", kind), value, None)


def swap(kind: str, before: t.Any, after: t.Any) -> Change:
    return Change(kind, getattr(before, "name", kind), before, after)


def carry_out(*changes: Change) -> tuple[State, list[Change]]:
    """Apply and verify; the state from before, and the journal."""
    before = observe()
    done = apply(changes, before)
    assert verify(Target(), Plan(changes, {}), before, observe()) == []
    return before, done


def everything(netns: t.Any) -> dict[str, t.Any]:
    """All that iproute2 shows of the namespace, without what counts or ages, in a stable order."""
    shown: dict[str, t.Any] = {}
    for name, words in (
        ("link", ["link"]), ("address", ["addr"]), ("rule", ["rule"]), ("rule6", ["-6", "rule"]),
        ("route", ["route", "show", "table", "all"]), ("route6", ["-6", "route", "show", "table", "all"]),
    ):  # fmt: skip
        entries = netns.json(*words)
        for entry in entries:
            for key in ("ifindex", "link_index", "expires", "flags", "operstate", "dynamic", "qdisc"):
                entry.pop(key, None)
            for info in entry.get("addr_info", ()):
                for key in ("tentative", "dynamic"):
                    info.pop(key, None)
            if "addr_info" in entry:
                entry["addr_info"].sort(key=repr)
        shown[name] = sorted(map(repr, entries))
    return shown


@pytest.fixture
def node(wired: t.Any) -> t.Any:
    """`wired` with routes and rules of others in the way of every wildcard of the kernel."""
    wired.batch("""
        route add 10.200.0.0/16 via 10.100.0.9 dev ens224 metric 300 proto bird
        route add 10.201.0.0/16 via 10.100.0.9 dev ens224 proto bird
        route add 10.77.0.0/16 via 172.16.0.9 dev ens256 proto static
        route add 2001:db8:77::/48 via 2001:db8:a::9 dev ens224 metric 300 proto bird
        rule add from 10.0.0.0/8 lookup 100 priority 1000 protocol bird
    """)
    return wired


# --- making, replacing, removing ------------------------------------------------------------------------------------


def test_routes_and_rules_of_every_shape_are_made_and_removed_again(node: t.Any) -> None:
    start = everything(node)
    four = (NextHop("ens224", "10.100.0.1", 3), NextHop("ens256", "172.16.0.1"))
    six = (NextHop("ens224", "2001:db8:a::1"), NextHop("ens256", "2001:db8:c::1", 5))
    wanted = [
        make("route", route("10.210.0.0/16")),
        make("route", route("10.211.0.0/16", None, scope=253, table=1000)),
        make("route", route("10.212.0.0/16", type="blackhole", next_hops=())),
        make("route", route("10.213.0.0/16", metrics=((2, 1400),), source="10.100.0.11")),
        make("route", route("10.214.0.0/16", next_hops=four)),
        make("route", route("2001:db8:10::/48", "2001:db8:a::1")),
        make("route", route("2001:db8:11::/48", None)),
        make("route", route("2001:db8:12::/48", type="unreachable", next_hops=())),
        make("route", route("2001:db8:13::/48", next_hops=six)),
        make("rule", rule(1000, 100)),
        make("rule", rule(1001, 1000, "172.16.0.0/24", fwmark=16, fwmask=255, ip_protocol=6, destination_ports=(8, 9))),
        make("rule", rule(1002, 100, family=10)),
    ]  # fmt: skip
    before, done = carry_out(*wanted)
    shown = {entry["dst"]: entry for entry in node.json("route", "show", "table", "all", "proto", "157")}
    assert shown["10.210.0.0/16"]["gateway"] == "10.100.0.1"
    assert shown["10.211.0.0/16"]["table"] == "1000"
    assert shown["10.212.0.0/16"]["type"] == "blackhole"
    assert [hop["weight"] for hop in shown["10.214.0.0/16"]["nexthops"]] == [3, 1]
    assert len(node.json("-6", "route", "show", "table", "all", "proto", "157")) == 4
    assert {entry["priority"] for entry in node.json("rule")} >= {1000, 1001}
    assert undo(done, before) == []
    assert everything(node) == start


def test_replaced_routes_and_rules_leave_their_foreign_neighbours_alone(node: t.Any) -> None:
    old = [route("10.200.0.0/16"), route("2001:db8:77::/48", "2001:db8:a::1"), rule(1000, 100)]
    carry_out(make("route", old[0]), make("route", old[1]), make("rule", old[2]))
    middle = everything(node)
    new = [route("10.200.0.0/16", "10.100.0.2"), route("2001:db8:77::/48", None, "ens256"), rule(1000, 200)]
    before, done = carry_out(*(swap("rule" if isinstance(a, Rule) else "route", a, b) for a, b in zip(old, new)))
    ours = [entry for entry in node.json("route", "show", "10.200.0.0/16") if entry["protocol"] != "bird"]
    assert [entry["gateway"] for entry in ours] == ["10.100.0.2"]
    assert len(node.json("route", "show", "10.200.0.0/16")) == 2
    assert [entry.get("dev") for entry in node.json("-6", "route", "show", "2001:db8:77::/48")] == ["ens256", "ens224"]
    assert [(one["src"], one["table"]) for one in node.json("rule") if one["priority"] == 1000] == [
        ("10.0.0.0", "100"), ("all", "200"),
    ]  # fmt: skip
    assert undo(done, before) == []
    assert everything(node) == middle


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (["2001:db8:a::1"], ["2001:db8:a::2"]),
        (["2001:db8:a::1"], ["2001:db8:a::2", "2001:db8:a::3"]),
        (["2001:db8:a::1", "2001:db8:a::2"], ["2001:db8:a::3"]),
        (["2001:db8:a::1", "2001:db8:a::2"], ["2001:db8:a::2", "2001:db8:a::3"]),
        ([None], ["2001:db8:a::1", "2001:db8:a::2"]),
        (["2001:db8:a::1", "2001:db8:a::2"], [None]),
        (["2001:db8:a::1"], []),
        ([], ["2001:db8:a::1"]),
    ],
)
def test_an_ipv6_route_changes_between_all_shapes_and_back(
    wired: t.Any, old: list[str | None], new: list[str | None]
) -> None:
    def shape(gateways: list[str | None]) -> Route:
        hops = tuple(NextHop("ens224", gateway) for gateway in gateways)
        return route("2001:db8:88::/48", type="unicast" if hops else "blackhole", next_hops=hops)

    carry_out(make("route", shape(old)))
    start = everything(wired)
    before, done = carry_out(swap("route", shape(old), shape(new)))
    assert observe().routes[shape(new).key] == (shape(new),)
    assert undo(done, before) == []
    assert everything(wired) == start


def test_ten_thousand_routes_go_in_and_out_in_a_handful_of_sends(wired: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from ansible_collections.kubenode.network.plugins.module_utils._netlink.sock import RtnlSocket

    sends = []
    original = RtnlSocket._send
    monkeypatch.setattr(RtnlSocket, "_send", lambda *args: sends.append(len(args[1])) or original(*args))
    many = [make("route", route(f"10.{128 + i // 256}.{i % 256}.0/24")) for i in range(10_000)]
    before, done = carry_out(*many)
    assert len(wired.json("route", "show", "proto", "157")) == 10_000
    assert max(sends) >= 500
    assert len(sends) < 60
    assert undo(done, before) == []
    assert wired.json("route", "show", "proto", "157") == []


# --- failures -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (make("route", route("10.220.0.0/16", "10.99.0.1")), "10.220.0.0/16 via 10.99.0.1 dev ens224.*ENETUNREACH"),
        (make("route", route("10.220.0.0/16", interface="ens999")), "no interface ens999"),
        (make("route", route("2001:db8:20::/48", "2001:db8:ffff::1")), "2001:db8:20::/48.*EHOSTUNREACH"),
        (make("address", address("ens999", "10.9.0.1/24")), "no interface ens999"),
        (make("route", route("10.220.0.0/16", source="10.1.2.3")), "10.220.0.0/16.*EINVAL"),
        (make("rule", rule(1005, 100, action="goto", goto=900)), "EINVAL"),
        (Change("file", "/proc/nothing/here", None, None), "file /proc/nothing/here"),
    ],
)
def test_a_refused_step_undoes_all_others_and_is_named_in_the_kernels_words(
    node: t.Any, bad: Change, words: str
) -> None:
    from ansible_collections.kubenode.network.plugins.module_utils._state.model import FileState

    if bad.kind == "file":
        bad = bad._replace(before=FileState(None), after=FileState("text"))
    ours = route("10.230.0.0/16")
    carry_out(make("route", ours), make("rule", rule(900, 100)))
    start = everything(node)
    changes = [
        make("address", address("ens224", "10.101.0.5/24")),
        make("route", route("10.240.0.0/16", "10.101.0.1")),
        swap("route", ours, route("10.230.0.0/16", "10.100.0.7")),
        make("rule", rule(1000, 200)),
        bad,
        make("route", route("10.241.0.0/16")),
        gone("rule", rule(900, 100)),
    ]
    with pytest.raises(StateError, match=words) as raised:
        apply(changes, observe())
    assert raised.value.details["rolled_back"] is True
    assert "undone" in raised.value.message or "Nothing had been changed" in raised.value.message
    assert everything(node) == start


def test_a_route_that_somebody_else_makes_meanwhile_is_left_to_him(node: t.Any) -> None:
    before = observe()
    node.ip("route", "add", "10.250.0.0/16", "via", "10.100.0.3", "dev", "ens224", "metric", 100, "proto", "bird")
    start = everything(node)
    with pytest.raises(StateError, match=r"10\.250\.0\.0/16.*appeared meanwhile.*undone"):
        apply([make("route", route("10.249.0.0/16")), make("route", route("10.250.0.0/16"))], before)
    assert everything(node) == start


def test_what_is_gone_already_needs_no_removal(node: t.Any) -> None:
    mine = route("10.250.0.0/16")
    carry_out(make("route", mine), make("rule", rule(1500, 100)))
    before = observe()
    node.batch("route del 10.250.0.0/16\nrule del priority 1500")
    apply([gone("route", mine), gone("rule", rule(1500, 100)), make("route", route("10.251.0.0/16"))], before)
    assert [entry["dst"] for entry in node.json("route", "show", "proto", "157")] == ["10.251.0.0/16"]


def test_an_interface_that_vanishes_on_the_way_fails_the_run_and_the_rest_is_undone(node: t.Any) -> None:
    start = everything(node)
    node.veth("ens300", "peer300", "10.30.0.1/24")
    before = observe()
    calls = []

    def unplug() -> None:
        calls.append(1)
        if len(calls) == 2:
            node.ip("link", "del", "ens300")

    changes = [
        make("address", address("ens224", "10.101.0.5/24")),
        gone("address", before.addresses["ens300", 2, "10.30.0.1", 24, None]),
        make("route", route("10.31.0.0/16", "10.30.0.2", "ens300")),
    ]
    with pytest.raises(StateError, match=r"10\.31\.0\.0/16") as raised:
        apply(changes, before, check=unplug)
    assert raised.value.details["rolled_back"] is False
    assert "link ens300" in raised.value.details["left"][0]
    assert everything(node) == start


def test_lost_replies_are_no_failure_but_read_again(node: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from ansible_collections.kubenode.network.plugins.module_utils._netlink.sock import RtnlSocket, StateUnknown

    original = RtnlSocket.batch
    lost = []

    def forgetful(self: RtnlSocket, messages: t.Any, *args: t.Any, **named: t.Any) -> t.Any:
        if not lost:
            # The first half is carried out, and nobody learns of it.
            lost.append(1)
            original(self, messages[: len(messages) // 2], *args, **named)
            raise StateUnknown(105)
        return original(self, messages, *args, **named)

    monkeypatch.setattr(RtnlSocket, "batch", forgetful)
    before, done = carry_out(*(make("route", route(f"10.{i}.0.0/16")) for i in range(210, 230)))
    assert len(node.json("route", "show", "proto", "157")) == 20
    monkeypatch.undo()
    assert undo(done, before) == []
    assert node.json("route", "show", "proto", "157") == []


# --- what the kernel would hit instead ------------------------------------------------------------------------------


def test_a_removal_that_would_hit_another_rule_is_refused_before_anything_is_touched(node: t.Any) -> None:
    node.batch("""
        rule add from 10.0.0.0/8 lookup 300 priority 2000 protocol bird
        rule add lookup 300 priority 2000 protocol 0
    """)
    start = everything(node)
    meant = Rule(2, 2000, table=300, protocol=0)
    with pytest.raises(StateError, match=r"from all lookup 300.*alone.*from 10\.0\.0\.0/8"):
        apply([make("route", route("10.249.0.0/16")), gone("rule", meant)], observe())
    assert everything(node) == start


def test_a_replacement_of_a_key_that_another_route_shares_is_refused(node: t.Any) -> None:
    ours = route("10.200.0.0/16")
    carry_out(make("route", ours))
    node.ip("route", "append", "10.200.0.0/16", "via", "10.100.0.8", "dev", "ens224", "metric", 100, "proto", "bird")
    start = everything(node)
    with pytest.raises(StateError, match=r"replace.*10\.100\.0\.8"):
        apply([swap("route", ours, route("10.200.0.0/16", "10.100.0.2"))], observe())
    assert everything(node) == start


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
    start = everything(node)
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
    for part in ("address", "route", "route6"):
        # A link has a new index, its link-local address and multicast routes are the kernel's.
        assert [text for text in after[part] if "fe80" not in text and "ff00" not in text] == [
            text for text in start[part] if "fe80" not in text and "ff00" not in text
        ], part
    assert node.json("link", "show", "ens256")[0]["master"] == "br7"
    assert node.json("link", "show", "br7")[0]["mtu"] == 1400


def test_a_kind_that_this_kernel_lacks_is_named_and_undone(node: t.Any) -> None:
    start = everything(node)
    with pytest.raises(StateError, match=r"link x0 type ipip.*cannot be created") as raised:
        apply([make("route", route("10.240.0.0/16")), make("link", link("x0", "ipip"))], observe())
    assert raised.value.details["rolled_back"] is True
    assert everything(node) == start
