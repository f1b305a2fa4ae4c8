# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What counts as carried out, and what counts as lost."""

from __future__ import annotations

import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._netlink.objects import (
    Address,
    Link,
    NextHop,
    Route,
    Rule,
)
from ansible_collections.kubenode.network.plugins.module_utils._state.model import (
    Change,
    FileState,
    Plan,
    State,
    Target,
)
from ansible_collections.kubenode.network.plugins.module_utils._state.verify import (
    expected,
    missing,
    same,
    scope_of,
    verify,
)


def state(*values: t.Any) -> State:
    links = {value.name: value for value in values if isinstance(value, Link)}
    addresses = {value.key: value for value in values if isinstance(value, Address)}
    routes: dict[t.Any, tuple[t.Any, ...]] = {}
    rules: dict[t.Any, tuple[t.Any, ...]] = {}
    for value in values:
        if isinstance(value, (Route, Rule)):
            held: t.Any = routes if isinstance(value, Route) else rules
            held[value.key] = (*held.get(value.key, ()), value)
    return State(links, addresses, routes, rules)


def change(before: t.Any, after: t.Any) -> Change:
    value = before if after is None else after
    return Change(type(value).__name__.lower(), getattr(value, "name", "x"), before, after)


def check(before: State, after: State, *changes: Change) -> list[str]:
    return verify(Target(), Plan(changes, {}), before, after)


NIC = Link("ens224", 2, up=True)
OTHER_NIC = Link("ens256", 3, up=True)
ADDRESS = Address("ens224", 2, "10.100.0.10", 24, flags=0x80)
ROUTE = Route(2, 254, "10.200.0.0/16", 100, (NextHop("ens224", "10.100.0.1"),), protocol=157)
FOREIGN = Route(2, 254, "10.60.0.0/16", 0, (NextHop("ens224", "10.100.0.9"),), protocol=12)
RULE = Rule(2, 1000, table=100, protocol=157)


def test_a_plan_that_was_carried_out_has_no_problems() -> None:
    before = state(NIC, ADDRESS, FOREIGN, RULE)
    replaced = RULE._replace(table=200)
    after = state(NIC, FOREIGN, ROUTE, replaced)
    assert check(before, after, change(ADDRESS, None), change(None, ROUTE), change(RULE, replaced)) == []


def test_what_is_not_there_is_named_with_what_is_there_instead() -> None:
    found = ROUTE._replace(next_hops=(NextHop("ens224", "10.100.0.2"),))
    (problem,) = check(state(NIC), state(NIC, found), change(None, ROUTE))
    assert problem == (
        "route 10.200.0.0/16 via 10.100.0.1 dev ens224 metric 100 is not there; found "
        "route 10.200.0.0/16 via 10.100.0.2 dev ens224 metric 100"
    )
    target = Target(routes={ROUTE.key: (ROUTE, (), "routes[3]")})
    assert verify(target, Plan((change(None, ROUTE),), {}), state(), state())[0].startswith("routes[3]: route 10.200")


def test_what_is_still_there_is_named() -> None:
    everything = state(NIC, ADDRESS, ROUTE, RULE)
    removals = [change(value, None) for value in (NIC, ADDRESS, ROUTE, RULE)]
    assert [text.split()[0] for text in check(everything, everything, *removals)] == [
        "link",
        "address",
        "route",
        "rule",
    ]


def test_of_two_equal_routes_one_may_stay() -> None:
    assert check(state(ROUTE, ROUTE), state(ROUTE), change(ROUTE, None)) == []
    assert check(state(ROUTE, ROUTE), state(ROUTE, ROUTE), change(ROUTE, None)) != []


def test_a_route_of_others_that_went_along_is_a_loss() -> None:
    problems = check(state(NIC, ADDRESS, FOREIGN), state(NIC), change(ADDRESS, None))
    assert problems == ["route 10.60.0.0/16 via 10.100.0.9 dev ens224 proto bird was lost"]


def test_what_others_do_elsewhere_meanwhile_is_no_loss() -> None:
    elsewhere = FOREIGN._replace(destination="10.61.0.0/16", next_hops=(NextHop("ens256", "172.16.0.9"),))
    pod = Link("veth0123", 9, kind="veth", up=True)
    before = state(NIC, OTHER_NIC, ADDRESS, elsewhere, pod, Rule(2, 50, table=7))
    assert check(before, state(NIC, OTHER_NIC), change(ADDRESS, None)) == []


def test_what_the_kernel_makes_by_itself_is_no_loss() -> None:
    connected = Route(2, 254, "10.100.0.0/24", 0, (NextHop("ens224"),), protocol=2, scope=253, source="10.100.0.10")
    link_local = Address("ens224", 10, "fe80::1", 64, scope=253, flags=0x80)
    autoconfigured = Address("ens224", 10, "2001:db8::1", 64, flags=0)
    before = state(NIC, ADDRESS, connected, link_local, autoconfigured)
    assert check(before, state(NIC), change(ADDRESS, None)) == []


def test_neighbours_of_a_precise_removal_are_looked_after() -> None:
    twin = ROUTE._replace(metric=200, protocol=12)
    assert check(state(NIC, ROUTE, twin), state(NIC), change(ROUTE, None)) == [
        "route 10.200.0.0/16 via 10.100.0.1 dev ens224 proto bird metric 200 was lost"
    ]
    other = RULE._replace(source="10.0.0.0/8", protocol=12)
    assert check(state(RULE, other), state(), change(RULE, None)) == [
        "rule priority 1000 from 10.0.0.0/8 lookup 100 proto bird was lost"
    ]


def test_links_on_top_of_a_changed_link_are_within_reach() -> None:
    bond = Link("bond0", 4, up=True, kind="bond")
    vlan = Link("bond0.7", 5, up=True, kind="vlan", parent="bond0")
    port = Link("eth1", 6, up=True, master="bond0")
    scope = scope_of([change(bond, None)], state(bond, vlan, port, NIC))
    assert scope.interfaces == {"bond0", "bond0.7", "eth1"}
    assert [value.name for _kind, value in missing(state(vlan, port), state(), scope)] == ["bond0.7", "eth1"]


def test_equality_is_that_of_meaning_not_of_spelling() -> None:
    six = Route(10, 254, "2001:db8::/48", 0, (NextHop("a", "fe80::1"), NextHop("b", "fe80::2")), scope=253)
    found = Route(10, 254, "2001:db8::/48", 1024, (NextHop("b", "fe80::2"), NextHop("a", "fe80::1")))
    assert same("route", six, found)
    assert not same("route", six._replace(protocol=3), found)
    hole = Route(2, 254, "10.0.0.0/8", type="blackhole", next_hops=(NextHop("lo"),))
    assert same("route", hole, hole._replace(next_hops=()))
    assert same("link", Link("bond0", 0, kind="bond", data=(("mode", "active-backup"),)),
                Link("bond0", 7, kind="bond", data=(("miimon", 0), ("mode", "active-backup"))))  # fmt: skip
    assert not same("link", NIC, NIC._replace(mtu=9000))
    assert same("address", ADDRESS, ADDRESS._replace(flags=0x280, label="ens224:1", broadcast="10.100.0.255"))
    assert not same("address", ADDRESS._replace(label="ens224:2"), ADDRESS._replace(label="ens224:1"))


def test_an_address_that_another_machine_has_is_a_problem() -> None:
    six = Address("ens224", 10, "2001:db8::5", 64, flags=0x80)
    problems = check(state(NIC), state(NIC, six._replace(flags=0x80 | 0x08)), change(None, six))
    assert "in use by another machine" in problems[0]


def test_files_sysctls_and_nftables_are_compared_too() -> None:
    changes = (
        Change("file", "/etc/hosts", FileState("a"), FileState("b")),
        Change("sysctl", "net.ipv4.ip_forward", "0", "1"),
        Change("nft", "table inet kubenode_network", None, "table"),
    )
    before = State(files={"/etc/hosts": FileState("a")}, sysctls={"net.ipv4.ip_forward": "0"})
    after = State(files={"/etc/hosts": FileState("b", 0o600)}, sysctls={"net.ipv4.ip_forward": "1"}, nft="table")
    assert check(before, after, *changes) == []
    assert len(check(before, before, *changes)) == 3


def test_expected_plays_changes_on_a_state() -> None:
    before = state(NIC, ADDRESS, ROUTE, FOREIGN, RULE)
    new = ROUTE._replace(next_hops=(NextHop("ens224", "10.100.0.2"),))
    after = expected(before, [change(ADDRESS, None), change(ROUTE, new), change(RULE, None), change(None, OTHER_NIC)])
    assert after == state(NIC, OTHER_NIC, new, FOREIGN)
    back = expected(after, [change(None, ADDRESS), change(new, ROUTE), change(None, RULE), change(OTHER_NIC, None)])
    assert back == before
