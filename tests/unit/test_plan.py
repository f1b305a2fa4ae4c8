# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose things a plan touches, in which order, and what it says when something is in the way."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._netlink.objects import NextHop
from ansible_collections.kubenode.network.plugins.module_utils._state.model import (
    Desired,
    InterfaceSpec,
    IpSpec,
    NextHopSpec,
    Owned,
    Plan,
    Record,
    RouteSpec,
    RuleSpec,
    State,
    StateError,
    TableSpec,
)
from ansible_collections.kubenode.network.plugins.module_utils._state.simulate import afterwards

from .state_builder import BIRD, BOOT, DHCP, KERNEL, OURS, RA, address, link, plan_desired, route, rule, worker

DATA = address("10.100.0.10/24", "ens224")
EXTERNAL = address("172.16.0.10/24", "ens256")


def node(**more: t.Any) -> State:
    return worker(addresses=[DATA, EXTERNAL, *more.pop("addresses", ())], **more)


def want(destination: str | None = "10.200.0.0/16", via: str | None = "10.100.0.1", dev: str | None = "ens224",
         owner: str | None = "a", absent: bool = False, **more: t.Any) -> RouteSpec:  # fmt: skip
    hops = (NextHopSpec(dev, via),) if dev or via else ()
    family = None if destination is None else 10 if ":" in destination else 2
    return RouteSpec(owner, "routes[0]", absent, family, destination, next_hops=more.pop("next_hops", hops), **more)


def gone(destination: str | None, via: str | None = None, dev: str | None = None, **more: t.Any) -> RouteSpec:
    return want(destination, via, dev, absent=True, **more)


def want_rule(**more: t.Any) -> RuleSpec:
    return RuleSpec(more.pop("owner", "a"), "rules[0]", more.pop("absent", False), more.pop("family", 2), **more)


def only(result: Plan) -> t.Any:
    (change,) = result.changes
    return change


def refusal(current: State, desired: Desired, owned: Owned | None = None, **options: t.Any) -> str:
    with pytest.raises(StateError) as error:
        plan_desired(current, desired, owned, **options)
    return error.value.message


# --- whose ------------------------------------------------------------------------------------------------------------


def test_an_identical_route_of_an_operator_is_adopted_and_left_when_its_owner_lets_go() -> None:
    current = node(routes=[route("10.200.0.0/16", "10.100.0.1", "ens224", metric=100)])
    adopted = plan_desired(current, Desired(routes=(want(metric=100),)))
    assert adopted.changes == ()
    (record,) = adopted.owned.values()
    assert (record.made, record.owners, record.value.protocol) == (False, ("a",), BOOT)
    released = plan_desired(current, Desired(prune=(("a", "route"),)), adopted.owned)
    assert released.changes == () and released.owned == {}
    assert "stays" in released.warnings[0]


@pytest.mark.parametrize("protocol", [BIRD, DHCP, RA, KERNEL, 99])
@pytest.mark.parametrize("on_conflict", ["fail", "replace"])
def test_a_route_of_others_in_the_way_is_never_replaced(protocol: int, on_conflict: str) -> None:
    current = node(routes=[route("10.200.0.0/16", "172.16.0.1", "ens256", protocol=protocol)])
    message = refusal(current, Desired(routes=(want(),)), on_conflict=on_conflict)
    assert "10.200.0.0/16 via 172.16.0.1 dev ens256" in message
    assert "Choose another metric" in message and "on_conflict" not in message


def test_a_route_of_an_operator_is_replaced_only_when_asked() -> None:
    current = node(routes=[route("10.200.0.0/16", "172.16.0.1", "ens256")])
    assert "on_conflict: replace" in refusal(current, Desired(routes=(want(),)))
    change = only(plan_desired(current, Desired(routes=(want(),)), on_conflict="replace"))
    assert (change.before.protocol, change.after.protocol) == (BOOT, OURS)


def test_an_ipv6_route_never_joins_another_ones_group() -> None:
    current = node(
        addresses=[address("2001:db8:100::10/64", "ens224")],
        routes=[route("2001:db8:200::/48", "2001:db8:100::2", "ens224", protocol=BIRD)],
    )
    message = refusal(current, Desired(routes=(want("2001:db8:200::/48", "2001:db8:100::1"),)))
    assert "bird" in message


def test_a_record_with_another_protocol_than_the_kernels_proves_nothing() -> None:
    current = node(routes=[route("10.200.0.0/16", "172.16.0.1", "ens256")])
    record = Record("route", route("10.200.0.0/16", "10.100.0.1", "ens224", protocol=OURS), ("a",), True)
    owned = {("route", record.value.key): record}
    assert plan_desired(current, Desired(prune=(("a", "route"),)), owned).changes == ()
    assert "in the way" in refusal(current, Desired(routes=(want(),)), owned)


def test_our_route_without_a_record_is_ours_again_and_never_pruned() -> None:
    orphan = route("10.200.0.0/16", "10.100.0.1", "ens224", protocol=OURS)
    current = node(routes=[orphan])
    assert plan_desired(current, Desired(prune=(("a", "route"),))).changes == ()
    (record,) = plan_desired(current, Desired(routes=(want(),))).owned.values()
    assert record.made
    assert only(plan_desired(current, Desired(routes=(gone("10.200.0.0/16"),)))).before == orphan


def test_an_object_of_two_owners_goes_with_the_last() -> None:
    first = plan_desired(node(), Desired(routes=(want(owner="a"), want(owner="b"))))
    current = afterwards(node(), first.changes)
    second = plan_desired(current, Desired(prune=(("a", "route"),)), first.owned)
    assert second.changes == ()
    (record,) = second.owned.values()
    assert record.owners == ("b",)
    third = plan_desired(current, Desired(prune=(("b", "route"),)), second.owned)
    assert only(third).after is None and third.owned == {}


def test_without_an_owner_nothing_unlisted_goes() -> None:
    first = plan_desired(node(), Desired(routes=(want(owner=None),)))
    current = afterwards(node(), first.changes)
    assert (
        plan_desired(current, Desired(routes=(want("10.50.0.0/24", owner=None),)), first.owned).changes[0].before
        is None
    )


# --- absent -----------------------------------------------------------------------------------------------------------


def test_absent_removes_ours_of_another_owner_and_says_so() -> None:
    first = plan_desired(node(), Desired(routes=(want(owner="worker-routes"),)))
    current = afterwards(node(), first.changes)
    result = plan_desired(current, Desired(routes=(gone("10.200.0.0/16", dev="ens224", owner="b"),)), first.owned)
    assert only(result).after is None and result.owned == {}
    assert "worker-routes" in result.warnings[0]


def test_absent_takes_what_an_operator_made_and_spares_the_rest_of_the_table() -> None:
    current = node(routes=[
        route("10.200.0.0/16", "10.100.0.1", "ens224", metric=100),
        route("10.200.0.0/16", "172.16.0.1", "ens256", metric=50),
    ])  # fmt: skip
    assert only(plan_desired(current, Desired(routes=(gone("10.200.0.0/16", dev="ens224"),)))).before.metric == 100


@pytest.mark.parametrize("protocol", [BIRD, DHCP, RA, KERNEL, 99])
def test_absent_names_each_match_of_others_and_removes_nothing(protocol: int) -> None:
    current = node(routes=[
        route("10.200.0.0/16", "10.100.0.1", "ens224", metric=100),
        route("10.200.0.0/16", "10.100.0.7", "ens224", metric=7, protocol=protocol),
        route("10.200.0.0/16", "10.100.0.8", "ens224", metric=8, protocol=protocol),
    ])  # fmt: skip
    message = refusal(current, Desired(routes=(gone("10.200.0.0/16"),)))
    assert "via 10.100.0.7" in message and "via 10.100.0.8" in message and "via 10.100.0.1 " not in message


def test_a_wildcard_absent_leaves_what_the_kernel_makes_for_addresses() -> None:
    current = node(routes=[route("10.200.0.0/16", "10.100.0.1", "ens224")])
    assert (
        only(plan_desired(current, Desired(routes=(gone(None, dev="ens224"),)))).before.destination == "10.200.0.0/16"
    )


def test_absent_with_an_empty_gateway_means_routes_without_one() -> None:
    current = node(routes=[route("10.200.0.0/16", "10.100.0.1", "ens224"), route("10.50.0.0/24", None, "ens224")])
    assert (
        only(plan_desired(current, Desired(routes=(gone(None, via="", dev="ens224"),)))).before.destination
        == "10.50.0.0/24"
    )


def test_declared_and_absent_at_once_is_a_contradiction() -> None:
    same = gone("10.200.0.0/16", "10.100.0.1", "ens224")
    assert "contradict" in refusal(node(), Desired(routes=(want(), same)))
    other_owner = gone("10.200.0.0/16", owner="b")
    assert "contradict" in refusal(node(), Desired(routes=(want(), other_owner)))


def test_a_wider_absent_beside_a_declaration_changes_a_route() -> None:
    current = node(routes=[
        route("10.200.0.0/16", "10.100.0.7", "ens224"), route("10.200.0.0/16", "10.100.0.8", "ens224", metric=50),
    ])  # fmt: skip
    desired = Desired(routes=(gone("10.200.0.0/16", dev="ens224"), want(metric=100)))
    result = plan_desired(current, desired)
    assert [(c.before and c.before.metric, c.after and c.after.metric) for c in result.changes] == [
        (None, 100), (0, None), (50, None),
    ]  # fmt: skip
    after = afterwards(current, result.changes)
    assert plan_desired(after, desired, result.owned).changes == ()


def test_absent_spares_the_routes_of_a_container_network() -> None:
    current = node(links=[link("cali0123456789a", 9)], routes=[route("10.244.1.7/32", None, "cali0123456789a")])
    assert "Calico" in refusal(current, Desired(routes=(gone("10.244.1.7/32"),)))
    other = node(routes=[route("10.244.3.0/24", "10.100.0.9", "ens224")])
    assert "10.244.0.0/16" in refusal(other, Desired(routes=(gone("10.244.3.0/24"),)), cidrs=["10.244.0.0/16"])


# --- rules ------------------------------------------------------------------------------------------------------------


def with_table(**more: t.Any) -> State:
    return node(routes=[route("0.0.0.0/0", "172.16.0.1", "ens256", table=100)], **more)


def test_a_missing_priority_takes_the_first_free_of_the_range_and_keeps_it() -> None:
    wanted = Desired(rules=(want_rule(source="172.16.0.0/24", table=100),))
    first = plan_desired(with_table(rules=[rule(30000, 7, source="10.0.0.0/8")]), wanted)
    assert only(first).after.priority == 30001
    current = afterwards(with_table(), first.changes)
    assert plan_desired(current, wanted, first.owned).changes == ()


def test_a_rule_of_equal_selectors_and_another_table_is_replaced_or_a_conflict() -> None:
    wanted = Desired(rules=(want_rule(source="172.16.0.0/24", table=100, priority=100),))
    mine = with_table(rules=[rule(100, 7000, source="172.16.0.0/24", protocol=OURS)])
    change = only(plan_desired(mine, wanted))
    assert (change.before.table, change.after.table) == (7000, 100)
    theirs = with_table(rules=[rule(100, 7000, source="172.16.0.0/24", protocol=BIRD)])
    assert "same selectors" in refusal(theirs, wanted, on_conflict="replace")


def test_a_rule_to_an_empty_table_is_a_warning() -> None:
    result = plan_desired(node(), Desired(rules=(want_rule(source="172.16.0.0/24", table=100, priority=100),)))
    assert any("table 100, which holds no IPv4 route" in text for text in result.warnings)


def test_absent_rules_match_by_what_they_give_and_spare_the_kernels_own() -> None:
    current = with_table(rules=[rule(100, 100, source="172.16.0.0/24"), rule(200, 100, source="10.0.0.0/8")])
    assert (
        only(plan_desired(current, Desired(rules=(want_rule(absent=True, source="10.0.0.0/8"),)))).before.priority
        == 200
    )
    assert len(plan_desired(current, Desired(rules=(want_rule(absent=True, family=None),))).changes) == 2
    assert "kernel" in refusal(current, Desired(rules=(want_rule(absent=True, priority=32766),)))


def test_numbers_that_a_container_network_uses_are_refused_by_its_name() -> None:
    cilium = node(links=[link("cilium_host", 9)])
    assert "Cilium" in refusal(cilium, Desired(rules=(want_rule(source="172.16.0.0/24", table=7000, priority=100),)))
    assert "Cilium" in refusal(cilium, Desired(routes=(want(table=2004),)))
    marked = Desired(rules=(want_rule(fwmark=0x4000, fwmask=0x4000, table=7000, priority=500),))
    assert "kube-proxy" in refusal(node(), marked)
    bird = node(routes=[route("10.9.0.0/16", "10.100.0.9", "ens224", table=7000, protocol=BIRD)])
    assert "bird" in refusal(bird, Desired(routes=(want(table=7000),)))


# --- names, links, addresses ------------------------------------------------------------------------------------------


def interface(name: str = "ens224", **more: t.Any) -> InterfaceSpec:
    return InterfaceSpec(more.pop("owner", "a"), "interfaces[0]", name, state=more.pop("state", "up"), **more)


def test_names_of_tables_are_looked_up_and_an_unknown_one_is_refused() -> None:
    table = TableSpec("a", "tables[0]", 7001, "storage")
    change = next(c for c in plan_desired(node(files={}), Desired(routes=(want(table=7001),))).changes)
    assert change.after.table == 7001
    assert "'stroage' has no number" in refusal(node(), Desired(routes=(want(table="stroage"),)))
    assert table.name == "storage"


def test_a_nic_is_found_by_its_mac_address() -> None:
    spec = InterfaceSpec("a", "interfaces[0]", "data", "mac-address", "02:00:00:00:00:03", state="up",
                         ipv4=IpSpec(True, (("10.100.0.10", 24),)))  # fmt: skip
    result = plan_desired(worker(), Desired(interfaces=(spec,), routes=(want(dev="data"),)))
    assert [change.kind for change in result.changes if change.kind != "file"] == ["address", "route"]
    assert result.changes[-1].after.next_hops == (NextHop("ens224", "10.100.0.1"),)
    wrong = spec._replace(mac_address="02:00:00:00:00:77")
    assert "02:00:00:00:00:77" in refusal(worker(), Desired(interfaces=(wrong,)))


def test_what_cannot_work_on_this_node_is_refused_before_anything_is_touched() -> None:
    assert "this node has no interface 'ens999'" in refusal(node(), Desired(interfaces=(interface("ens999"),)))
    assert "'ens999' is not an interface" in refusal(node(), Desired(routes=(want(dev="ens999"),)))
    assert "not on the link of ens224" in refusal(node(), Desired(routes=(want(via="10.101.0.1"),)))
    assert "on no link of this node" in refusal(node(), Desired(routes=(want(via="10.101.0.1", dev=None),)))
    assert "is not an address of this node" in refusal(node(), Desired(routes=(want(source="10.100.0.99"),)))
    down = Desired(interfaces=(interface(state="down"),), routes=(want(),))
    assert "is down" in refusal(node(), down)
    assert "of kind ethernet" in refusal(node(), Desired(interfaces=(interface(type="vlan"),)))


def test_a_gateway_alone_finds_its_interface() -> None:
    result = plan_desired(node(), Desired(routes=(want(dev=None),)))
    assert result.changes[-1].after.next_hops == (NextHop("ens224", "10.100.0.1"),)


def test_addresses_of_others_stay_with_a_warning_unless_exact() -> None:
    vip = address("10.100.0.99/32", "ens224")
    spec = interface(ipv4=IpSpec(True, (("10.100.0.10", 24),)))
    kept = plan_desired(node(addresses=[vip]), Desired(interfaces=(spec,)))
    assert kept.changes == () and "10.100.0.99" in kept.warnings[0]
    exact = plan_desired(node(addresses=[vip]), Desired(interfaces=(spec,), addresses_exact=True))
    assert only(exact).before == vip


def test_a_lease_is_not_taken_for_a_static_address() -> None:
    leased = worker(addresses=[address("10.100.0.10/24", "ens224", flags=0)])
    spec = interface(ipv4=IpSpec(True, (("10.100.0.10", 24),)))
    assert "lease" in refusal(leased, Desired(interfaces=(spec,)))


def test_absent_on_a_nic_unconfigures_it_and_never_deletes_it() -> None:
    spec = interface(ipv4=IpSpec(True, (("10.100.0.10", 24),)))
    made = plan_desired(worker(), Desired(interfaces=(spec,), routes=(want(),)))
    current = afterwards(worker(), made.changes)
    result = plan_desired(current, Desired(interfaces=(interface(state="absent"),)), made.owned)
    assert [(c.kind, c.after is None) for c in result.changes] == [("route", True), ("address", True), ("link", False)]
    vip = worker(addresses=[address("10.100.0.99/24", "ens224")])
    kept = plan_desired(vip, Desired(interfaces=(interface(state="absent"),)))
    assert kept.changes == () and "10.100.0.99" in kept.warnings[0]


def test_the_order_lets_each_step_lean_on_the_one_before() -> None:
    ipv4 = IpSpec(True, (("10.7.0.2", 24),))
    vlan = InterfaceSpec(
        "a", "interfaces[0]", "ens224.7", type="vlan", state="up", parent="ens224", data=(("id", 7),), ipv4=ipv4
    )
    desired = Desired(
        interfaces=(vlan,),
        routes=(want("0.0.0.0/0", "10.7.0.1", "ens224.7", table=7000), want("10.8.0.0/16", "10.7.0.1", None)),
        rules=(want_rule(source="10.7.0.0/24", table=7000, priority=5000),),
    )
    result = plan_desired(worker(), desired)
    assert [c.kind for c in result.changes if c.kind != "file"] == ["link", "address", "route", "route", "rule"]


def test_the_clusters_networks_are_nobodys_to_route() -> None:
    cidrs = ("10.244.0.0/16", "10.96.0.0/12")
    inside = Desired(routes=(want("10.244.7.0/24"),), cluster_cidrs=cidrs)
    assert "10.244.0.0/16 (cluster_cidrs)" in refusal(node(), inside)
    address_inside = Desired(interfaces=(interface(ipv4=IpSpec(True, (("10.96.0.9", 24),))),), cluster_cidrs=cidrs)
    assert "10.96.0.0/12 (cluster_cidrs)" in refusal(node(), address_inside)
    assert plan_desired(node(), Desired(routes=(want("10.0.0.0/8"),), cluster_cidrs=cidrs)).changes
