# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cache's node with the interface that node-cache makes (a dummy) and iptables-legacy, see tests/kernel."""

from __future__ import annotations

import pathlib
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._nodecache.clean import clean
from ansible_collections.kubenode.network.plugins.module_utils._nodecache.module import NODE_INFO_OPTIONS, NODE_OPTIONS
from ansible_collections.kubenode.network.plugins.module_utils._nodecache.report import info
from ansible_collections.kubenode.network.tests.kernel import nodecache_world as made
from ansible_collections.kubenode.network.tests.kernel.nodecache_world import CLUSTER, INTERFACE, LOCAL

if t.TYPE_CHECKING:
    from ansible_collections.kubenode.network.tests.kernel.conftest import Netns


def look() -> dict[str, t.Any]:
    options = {name: option.get("default") for name, option in NODE_INFO_OPTIONS.items()}
    return info({**options, "test_query": False, "timeout": 1.0, "cluster_ips": [CLUSTER]}, "/nowhere")


def kinds(found: dict[str, t.Any]) -> set[str]:
    return {f"{one['step']} {one['kind']}" for one in found["findings"]} - {"5 not_asked"}


def test_a_dummy_with_rules_of_iptables_legacy(netns: Netns, tmp_path: pathlib.Path) -> None:
    with made.world(netns, tmp_path, "dummy") as world:
        world.build("legacy")
        servers = [world.serve(LOCAL), world.serve(CLUSTER)]
        found = look()
        assert kinds(found) == set()
        assert [step["status"] for step in found["steps"]] == ["passed"] * 4 + ["unknown"]
        assert f"{INTERFACE} (dummy) holds {LOCAL}, {CLUSTER}" in found["steps"][4]["evidence"]
        world.iptables("-N", "HARDENING")
        world.iptables("-A", "HARDENING", "-p", "udp", "--dport", "53", "-j", "DROP")
        world.iptables("-I", "INPUT", "-j", "HARDENING")
        world.iptables("-t", "raw", "-D", "PREROUTING", "1")
        assert kinds(look()) == {"2 notrack_missing", "5 filter_drops"}
        for server in servers:
            world.end(server)
        options = {name: option.get("default") for name, option in NODE_OPTIONS.items()}
        removed = clean(options, False, str(tmp_path))["removed"]
        assert removed[0] == f"interface {INTERFACE} (dummy) with {LOCAL}/32, {CLUSTER}/32"
        assert len(removed) == 1 + 23
        assert INTERFACE not in netns.indexes
        left = made.run("iptables-legacy-save")
        assert "NodeLocal" not in left
        assert "HARDENING" in left
        assert "KUBE-SERVICES" in left
        assert not clean(options, False, str(tmp_path))["changed"]
