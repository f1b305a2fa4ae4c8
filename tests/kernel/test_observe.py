# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is read of a node, against what `ip -j` and the files say."""

from __future__ import annotations

import pathlib
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._netlink.objects import NextHop
from ansible_collections.kubenode.network.plugins.module_utils._state.observe import Need, observe


def test_all_kernel_objects_are_read_under_their_keys(wired: t.Any) -> None:
    wired.batch("""
        route add 10.200.0.0/16 via 10.100.0.1 dev ens224 proto 157 metric 100
        route add 10.200.0.0/16 via 10.100.0.2 dev ens224 proto bird metric 200
        rule add from 172.16.0.0/24 lookup 100 priority 1000
    """)
    state = observe()
    shown = wired.json("-4", "route", "show", "table", "all") + wired.json("-6", "route", "show", "table", "all")
    assert sum(map(len, state.routes.values())) == len(shown)
    assert sum(map(len, state.rules.values())) == len(wired.json("rule")) + len(wired.json("-6", "rule"))
    assert {link["ifname"] for link in wired.json("link")} == set(state.links)
    assert {key[0:3:2] for key in state.addresses} == {
        (link["ifname"], address["local"]) for link in wired.json("addr") for address in link["addr_info"]
    }
    assert all(route.key == key for key, routes in state.routes.items() for route in routes)
    assert state.routes[2, 254, "10.200.0.0/16", None, 0, 100][0].next_hops == (NextHop("ens224", "10.100.0.1"),)


def test_routes_of_one_key_stay_apart_in_the_kernels_order(wired: t.Any) -> None:
    wired.batch("""
        route add 10.200.0.0/16 via 10.100.0.1 dev ens224 metric 100 proto 157
        route append 10.200.0.0/16 via 10.100.0.2 dev ens224 metric 100 proto bird
        route add 2001:db8:5::/48 dev ens224 metric 50 proto static
        route append 2001:db8:5::/48 dev ens256 metric 50 proto bird
        rule add from 10.1.0.0/16 lookup 100 priority 1000
        rule add from 10.1.0.0/16 lookup 200 priority 1000
    """)
    state = observe()
    four = state.routes[2, 254, "10.200.0.0/16", None, 0, 100]
    assert [(route.protocol, route.next_hops[0].gateway) for route in four] == [(157, "10.100.0.1"), (12, "10.100.0.2")]
    six = state.routes[10, 254, "2001:db8:5::/48", None, 0, 50]
    assert [route.next_hops[0].interface for route in six] == ["ens224", "ens256"]
    (rules,) = [rules for rules in state.rules.values() if rules[0].priority == 1000]
    assert [rule.table for rule in rules] == [100, 200]


def test_only_what_is_needed_is_read(wired: t.Any, tmp_path: pathlib.Path) -> None:
    assert wired.names
    (tmp_path / "etc/iproute2/rt_tables.d").mkdir(parents=True)
    (tmp_path / "etc/iproute2/rt_tables.d/own.conf").write_text("100\tstorage # for storage\n")
    (tmp_path / "etc/hosts").write_text("127.0.0.1 localhost\n")
    state = observe(Need(kernel=False, files=("/etc/hosts", "/etc/resolv.conf")), str(tmp_path))
    assert state.links == {}
    assert state.tables[100] == "storage"
    assert state.files["/etc/hosts"].text == "127.0.0.1 localhost\n"
    assert state.files["/etc/resolv.conf"].text is None
    assert observe(Need(tables=False), str(tmp_path)).tables == {}
