# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A crowded node: a routing daemon, a container network, kube-vip, an operator. Nothing of theirs is ever touched."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._state.model import StateError

from .worlds import not_ours, of_protocol, run, seen

NIC = {
    "name": "ens224",
    "state": "up",
    "ipv4": {"enabled": True, "addresses": [{"ip": "10.100.0.11", "prefix_length": 24}]},
}


@pytest.fixture
def crowded(wired: t.Any) -> t.Any:
    """10,000 routes of bird, 100 rules of others, a kube-vip address, a CNI bridge with pods, an operator's route."""
    routes = "\n".join(
        f"route add 10.{130 + n // 250}.{n % 250}.0/24 via 10.100.0.9 dev ens224 proto 12 metric 32"
        for n in range(10000)
    )
    rules = "\n".join(
        f"rule add pref {1000 + n} from 192.0.2.{n} lookup {100 + n % 3} protocol {('12', '99', '16')[n % 3]}"
        for n in range(100)
    )
    wired.batch(routes)
    wired.batch(rules)
    wired.batch(
        """
        addr add 10.100.0.200/32 dev ens224
        link add cni0 type bridge
        link set cni0 up
        addr add 10.244.1.1/24 dev cni0
        route add 10.244.2.0/24 via 10.100.0.9 dev ens224 proto boot
        route add 10.244.1.77/32 dev cni0 proto boot
        route add 192.0.2.0/24 via 172.16.0.9 dev ens256 proto static metric 5
        route add 198.51.100.0/24 via 172.16.0.9 dev ens256 proto dhcp metric 100
        """
    )
    return wired


CIDRS = {"cluster_cidrs": ["10.244.0.0/16", "10.97.0.0/16"]}


def test_a_worker_is_configured_pruned_and_cleared_beside_them(crowded: t.Any, tmp_path: pathlib.Path) -> None:
    others = not_ours()
    data = {"next_hop_address": "10.100.0.1", "next_hop_interface": "ens224"}
    external = {"next_hop_address": "172.16.0.1", "next_hop_interface": "ens256"}
    routes = [
        {"destination": "10.200.0.0/16", **data, "metric": 100},
        {"destination": "0.0.0.0/0", **external, "table": 7000},
    ]
    rules = [{"from": "172.16.0.0/24", "table": 7000, "priority": 1000}, {"from": "192.0.2.0/28", "table": 7000}]
    first = {"interfaces": [NIC], "routes": {"config": routes}, "route-rules": {"config": rules}}
    result = run(first, tmp_path, **CIDRS)
    assert result["changed"] and any("10.100.0.200" in warning for warning in result["warnings"])
    assert not_ours() == others
    shorter = {**first, "routes": {"config": routes[1:]}}
    run(shorter, tmp_path, **CIDRS)
    assert not_ours() == others
    run(None, tmp_path, **CIDRS)
    assert not_ours() == others and of_protocol("157") == set()


@pytest.mark.parametrize(
    ("entry", "user"),
    [
        ({"destination": "10.130.7.0/24"}, "bird"),
        ({"destination": "10.244.2.0/24"}, "10.244.0.0/16"),
        ({"destination": "10.244.1.77/32"}, "CNI bridge"),
        ({"destination": "198.51.100.0/24"}, "dhcp"),
        ({"destination": "10.100.0.0/24"}, "the kernel"),
        ({"next_hop_address": "10.100.0.9"}, "bird"),
        ({"next_hop_interface": "cni0"}, "CNI bridge"),
    ],
)
@pytest.mark.parametrize("on_conflict", ["fail", "replace"])
def test_absent_fails_and_names_each_owner(
    wired: t.Any, tmp_path: pathlib.Path, entry: dict[str, str], user: str, on_conflict: str
) -> None:
    wired.batch(
        """
        route add 10.130.7.0/24 via 10.100.0.9 dev ens224 proto 12
        link add cni0 type bridge
        link set cni0 up
        addr add 10.244.1.1/24 dev cni0
        route add 10.244.2.0/24 via 10.100.0.9 dev ens224 proto boot
        route add 10.244.1.77/32 dev cni0 proto boot
        route add 198.51.100.0/24 via 172.16.0.9 dev ens256 proto dhcp metric 100
        """
    )
    before = seen()
    with pytest.raises(StateError, match=user):
        run({"routes": {"config": [{**entry, "state": "absent"}]}}, tmp_path, on_conflict=on_conflict, **CIDRS)
    assert seen() == before


# Each of the kernel's habits that bit somebody (deletes and replaces are wildcards), with what others have beside it.
TRAPS: list[tuple[str, str, dict[str, t.Any], dict[str, t.Any]]] = [
    (
        "a rule without selectors beside a foreign one of the same priority and table",
        "rule add pref 1000 from 10.0.0.0/8 lookup 7000 protocol 12",
        {"route-rules": {"config": [{"to": "203.0.113.0/24", "table": 7000, "priority": 1000}]}},
        {},
    ),
    (
        "the same rule under another protocol",
        "rule add pref 1000 from 192.0.2.0/24 lookup 7000 protocol 12",
        {"route-rules": {"config": [{"from": "192.0.2.0/25", "table": 7000, "priority": 1000}]}},
        {"route-rules": {"config": [{"from": "192.0.2.0/25", "table": 300, "priority": 1000}]}},
    ),
    (
        "an IPv4 replace beside a daemon's route of another metric",
        "route add 10.200.0.0/16 via 10.100.0.9 dev ens224 proto 12 metric 100",
        {"routes": {"config": [{"destination": "10.200.0.0/16", "next_hop_address": "10.100.0.1", "metric": 50}]}},
        {"routes": {"config": [{"destination": "10.200.0.0/16", "next_hop_address": "10.100.0.2", "metric": 50}]}},
    ),
    (
        "an IPv4 delete without a metric",
        "route add 10.200.0.0/16 via 10.100.0.9 dev ens224 proto 12 metric 100",
        {"routes": {"config": [{"destination": "10.200.0.0/16", "next_hop_address": "10.100.0.1"}]}},
        {},
    ),
    (
        "an IPv6 route beside a group of others",
        (
            "-6 route add 2001:db8:200::/48 proto 12 metric 300 "
            "nexthop via 2001:db8:a::8 dev ens224 nexthop via 2001:db8:a::9 dev ens224"
        ),
        {
            "routes": {
                "config": [{"destination": "2001:db8:200::/48", "next_hop_address": "2001:db8:a::1", "metric": 100}]
            }
        },
        {
            "routes": {
                "config": [{"destination": "2001:db8:200::/48", "next_hop_address": "2001:db8:a::2", "metric": 100}]
            }
        },
    ),
    (
        "a table above 255 beside the same route in another one",
        "route add 10.200.0.0/16 via 10.100.0.9 dev ens224 proto 12 table 7256",
        {"routes": {"config": [{"destination": "10.200.0.0/16", "next_hop_address": "10.100.0.1", "table": 7000}]}},
        {},
    ),
    (
        "the same destination with another tos",
        "route add 10.200.0.0/16 tos 0x10 via 10.100.0.9 dev ens224 proto 12",
        {"routes": {"config": [{"destination": "10.200.0.0/16", "next_hop_address": "10.100.0.1"}]}},
        {},
    ),
    (
        "a rule with a mark beside one without",
        "rule add pref 1000 fwmark 0x2/0x2 from 192.0.2.0/24 lookup 7000 protocol 12",
        {"route-rules": {"config": [{"from": "192.0.2.0/24", "table": 7000, "priority": 1000}]}},
        {},
    ),
]


@pytest.mark.parametrize(("what", "theirs", "wanted", "then"), TRAPS, ids=[trap[0] for trap in TRAPS])
def test_the_kernels_wildcards_hit_nobody_else(
    wired: t.Any, tmp_path: pathlib.Path, what: str, theirs: str, wanted: dict[str, t.Any], then: dict[str, t.Any]
) -> None:
    wired.ip(*theirs.split())
    others = not_ours()
    run(wanted, tmp_path)
    assert of_protocol("157"), what
    assert not_ours() == others
    run(then or None, tmp_path)
    assert bool(of_protocol("157")) == bool(then)
    assert not_ours() == others
    run(None, tmp_path)
    assert of_protocol("157") == set() and not_ours() == others


def test_equal_keys_of_others_are_a_conflict_and_nothing_changes(wired: t.Any, tmp_path: pathlib.Path) -> None:
    wired.ip("route", "add", "10.200.0.0/16", "via", "10.100.0.9", "dev", "ens224", "proto", "12", "metric", "100")
    wired.ip(
        "-6",
        "route",
        "add",
        "2001:db8:200::/48",
        "via",
        "2001:db8:a::9",
        "dev",
        "ens224",
        "proto",
        "12",
        "metric",
        "100",
    )
    wired.ip("rule", "add", "pref", "1000", "from", "192.0.2.0/24", "lookup", "300", "protocol", "12")
    before = seen()
    conflicts = [
        {"routes": {"config": [{"destination": "10.200.0.0/16", "next_hop_address": "10.100.0.1", "metric": 100}]}},
        {
            "routes": {
                "config": [{"destination": "2001:db8:200::/48", "next_hop_address": "2001:db8:a::1", "metric": 100}]
            }
        },
        {"route-rules": {"config": [{"from": "192.0.2.0/24", "table": 7000, "priority": 1000}]}},
    ]
    for wanted in conflicts:
        for on_conflict in ("fail", "replace"):
            with pytest.raises(StateError, match="bird"):
                run(wanted, tmp_path, on_conflict=on_conflict)
            assert seen() == before


def test_the_purge_of_one_owner_leaves_the_others(wired: t.Any, tmp_path: pathlib.Path) -> None:
    def routes(number: int) -> dict[str, t.Any]:
        return {"routes": {"config": [{"destination": f"10.{number}.0.0/16", "next_hop_address": "10.100.0.1"}]}}

    run(routes(201), tmp_path, owner="a")
    run(routes(202), tmp_path, owner="b")
    both = of_protocol("157")
    run(routes(203), tmp_path, owner="a")
    assert len(of_protocol("157") & both) == 1
    run(None, tmp_path, owner="a")
    (left,) = of_protocol("157")
    assert ("dst", "10.202.0.0/16") in left[1]


def test_a_route_deleted_by_hand_is_found_and_put_back(wired: t.Any, tmp_path: pathlib.Path) -> None:
    wanted = {"routes": {"config": [{"destination": "10.200.0.0/16", "next_hop_address": "10.100.0.1"}]}}
    run(wanted, tmp_path)
    before = seen()
    wired.ip("route", "del", "10.200.0.0/16")
    result = run(wanted, tmp_path)
    assert result["changed"] and seen() == before
