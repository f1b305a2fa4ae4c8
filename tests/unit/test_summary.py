# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The summary that people read: each rule with the routes that it leads to."""

from __future__ import annotations

from ansible_collections.kubenode.network.plugins.module_utils._state.model import Desired, Record
from ansible_collections.kubenode.network.plugins.module_utils._state.simulate import afterwards
from ansible_collections.kubenode.network.plugins.module_utils._state.summary import summary

from .state_builder import OURS, plan_desired, route
from .test_plan import node, want, want_rule


def test_each_rule_leads_to_its_table_and_the_table_to_its_next_hops() -> None:
    desired = Desired(
        routes=(
            want("0.0.0.0/0", "172.16.0.1", "ens256", table=100, owner="pol"),
            want(owner="worker-routes", metric=100),
        ),
        rules=(want_rule(source="172.16.0.0/24", table=100, priority=100, owner="pol"),),
    )
    result = plan_desired(node(), desired)
    lines = summary(afterwards(node(), result.changes), result.owned)
    assert lines[0].split() == ["IPv4", "rules", "table", "routes"]
    assert "100 from 172.16.0.0/24 (pol)  -> 100" in lines[1]
    assert lines[1].endswith("default via 172.16.0.1 dev ens256 (pol)")
    assert any(line.endswith("10.200.0.0/16 via 10.100.0.1 dev ens224 metric 100 (worker-routes)") for line in lines)
    assert not any("IPv6" in line or "local" in line for line in lines)


def test_long_tables_are_cut_and_say_so() -> None:
    current = node(routes=[route(f"10.{n}.0.0/16", "10.100.0.1", "ens224", protocol=OURS) for n in range(130, 160)])
    key = next(iter(current.routes))
    lines = summary(current, {("route", key): Record("route", current.routes[key][0], ("a",), True)}, most=5)
    assert lines[-1].endswith(f"... and {30 + 4 - 5} more")
