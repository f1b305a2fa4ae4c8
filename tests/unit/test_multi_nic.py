# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""multi_nic becomes what an operator would write by hand."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._state.model import (
    Desired,
    MultiNicSpec,
    Owned,
    Record,
    State,
    StateError,
    Target,
)
from ansible_collections.kubenode.network.plugins.module_utils._state.multi_nic import PRIORITY, TABLES, spell_out
from ansible_collections.kubenode.network.plugins.module_utils._state.nft import MASK, parse, render
from ansible_collections.kubenode.network.plugins.module_utils._state.resolve import Names

from .state_builder import address, worker
from .test_plan import node

CIDRS = ("10.244.0.0/16", "10.96.0.0/12", "fd00:244::/56")


def nic(interface: str = "ens256", gateway: str | None = "172.16.0.1", **more: t.Any) -> MultiNicSpec:
    return MultiNicSpec(more.pop("owner", "a"), "multi_nic[0]", interface, gateway, **more)


def spelled(
    current: State, *nics: MultiNicSpec, owned: Owned | None = None, **more: t.Any
) -> tuple[Desired, Target, list[str]]:
    desired = Desired(multi_nic=nics, cluster_cidrs=more.pop("cidrs", CIDRS), **more)
    warnings: list[str] = []
    result = spell_out(desired, Target(), current, Names(desired, current), owned or {}, warnings)
    return (*result, warnings)


def test_a_nic_gets_its_table_with_its_networks_and_gateway_and_rules_that_lead_there() -> None:
    desired, _target, _warnings = spelled(node(), nic(table=100, priority=500))
    assert [(r.destination, r.table, r.next_hops[0].gateway) for r in desired.routes] == [
        ("172.16.0.0/24", 100, None), ("0.0.0.0/0", 100, "172.16.0.1"),
    ]  # fmt: skip
    assert [(r.priority, r.source, r.destination, r.table) for r in desired.rules] == [
        (499, None, "10.244.0.0/16", 254), (499, None, "10.96.0.0/12", 254), (500, "172.16.0.10/32", None, 100),
    ]  # fmt: skip
    assert desired.tables == ()


def test_without_numbers_free_ones_are_taken_and_kept_by_name() -> None:
    current = worker(addresses=[address("172.16.0.10/24", "ens256"), address("10.100.0.10/24", "ens224")])
    desired, _target, _warnings = spelled(current, nic(), nic("ens224", "10.100.0.1"))
    assert [(table.id, table.name) for table in desired.tables] == [
        (TABLES[0], "nic-ens256"),
        (TABLES[1], "nic-ens224"),
    ]
    assert {rule.priority for rule in desired.rules} == {PRIORITY, PRIORITY - 1}
    kept = current._replace(tables={**current.tables, 10042: "nic-ens256"})
    again, _target, _warnings = spelled(kept, nic())
    assert {route.table for route in again.routes} == {10042}


def test_both_families_and_all_addresses_of_the_nic() -> None:
    current = worker(addresses=[address("172.16.0.10/24", "ens256"), address("172.16.0.77/32", "ens256"),
                                address("2001:db8:172::10/64", "ens256")])  # fmt: skip
    desired, _target, _warnings = spelled(current, nic(gateway6="2001:db8:172::1", table=100))
    sources = [rule.source for rule in desired.rules if rule.source]
    assert sources == ["172.16.0.10/32", "172.16.0.77/32", "2001:db8:172::10/128"]
    assert "fd00:244::/56" in [rule.destination for rule in desired.rules if rule.family == 10]


def test_what_is_missing_is_said() -> None:
    with pytest.raises(StateError, match="no IPv4 address"):
        spelled(worker(), nic())
    with pytest.raises(StateError, match="no interface 'ens999'"):
        spelled(worker(), nic("ens999"))
    _desired, _target, warnings = spelled(node(), nic(), cidrs=())
    assert "cluster_cidrs" in warnings[0]


def test_forwarded_replies_follow_a_mark_of_their_own() -> None:
    desired, target, _warnings = spelled(node(), nic(table=100, forwarded=True))
    (marked,) = [rule for rule in desired.rules if rule.fwmark]
    assert (marked.fwmask, marked.table) == (MASK, 100)
    assert target.nft is not None and parse(target.nft) == {"ens256": marked.fwmark}
    assert target.forwarded == {"ens256": ("a",)}


def test_one_nftables_table_serves_all_owners_and_loses_only_what_its_owner_drops() -> None:
    owned: Owned = {("nft", "ens224"): Record("nft", "ens224", ("b",), True)}
    standing = node(nft=render({"ens224": 0x10}))
    _desired, target, _warnings = spelled(standing, nic(forwarded=True), owned=owned)
    assert target.nft is not None and parse(target.nft) == {"ens224": 0x10, "ens256": 0x08}
    _desired, target, _warnings = spelled(standing, owned=owned, prune=(("b", "nft"),))
    assert target.nft is None
    _desired, target, _warnings = spelled(standing, owned=owned, prune=(("a", "nft"),))
    assert target.nft == standing.nft
