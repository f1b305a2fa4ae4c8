# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes carried out in a real kernel, and read back with `ip -j`."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._netlink.objects import NextHop, Route, Rule
from ansible_collections.kubenode.network.plugins.module_utils._state.apply import apply
from ansible_collections.kubenode.network.plugins.module_utils._state.model import (
    Change,
    StateError,
)
from ansible_collections.kubenode.network.plugins.module_utils._state.observe import observe
from ansible_collections.kubenode.network.plugins.module_utils._state.undo import undo

from .applying import address, carry_out, everything, gone, make, route, rule, swap

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
