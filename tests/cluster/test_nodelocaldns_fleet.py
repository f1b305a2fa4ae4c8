# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The life of a node-local cache on many nodes; they are simulated, and nothing is proved on them."""

from __future__ import annotations

import time
import typing as t

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._kube.errors import KubeError
from ansible_collections.kubenode.network.plugins.module_utils._nodelocal.objects import NAME
from ansible_collections.kubenode.network.tests.cluster import simulated_nodes
from ansible_collections.kubenode.network.tests.cluster.nodelocal import Cache

STUB = [{"zone": "corp.example", "servers": ["10.0.0.53"]}]


def test_waves_over_many_nodes_bring_change_upgrade_take_back_and_remove_the_cache(deployed: t.Any, full: bool) -> None:
    many = 1000 if full else 24
    print(f"{many} simulated nodes without a kernel: the proof on a node is no part of this")
    with simulated_nodes.SimulatedNodes(deployed, many) as sim:
        cache = Cache(deployed, sim)
        try:
            _life(cache, sim, many)
        finally:
            cache.clear()


def _life(cache: Cache, sim: simulated_nodes.SimulatedNodes, many: int) -> None:
    def run(what: str, **params: t.Any) -> dict[str, t.Any]:
        started = time.monotonic()
        result = cache.run(wait_timeout=300, **params)
        dry = sum("dry run" in method for method, _path in cache.asked)
        took = time.monotonic() - started
        print(f"{what}: {took:.1f} s, {len(cache.asked)} requests, {dry} dry runs, {len(cache.writes())} writes")
        return result

    def waves(result: dict[str, t.Any]) -> int:
        return sum(one.startswith("wave ") for one in result["changes"])

    installed = run("install", wave_size="25%")
    assert (waves(installed), len(installed["nodes"]["current"])) == (4, many)
    # The hold label comes and goes on each node but those of the first wave.
    labels = [path for method, path in cache.writes() if method == "PATCH" and path.startswith("/api/v1/nodes/")]
    assert len(labels) == 2 * (many - many // 4)
    assert not run("second run", wave_size="25%")["changed"]
    assert not cache.writes()
    changed = run("change of the Corefile", wave_size="50%", stub_domains=STUB)
    assert waves(changed) == 2
    assert len([path for method, path in cache.writes() if method == "DELETE" and "/pods/" in path]) == many
    assert set(cache.mounted().values()) == {f"{NAME}-{changed['revision']}"}
    before = {node: pod["metadata"]["uid"] for node, pod in cache.pods().items()}
    sim.broken.add(sim.names[0])
    sim.mends.add(changed["revision"])
    wave = sim.names[: many // 4]
    with pytest.raises(KubeError, match=f"on node {sim.names[0]} does not start: .*was taken back"):
        cache.run(nodes=wave, stub_domains=STUB, image_version="1.26.5", wait_timeout=300)
    after = {node: pod["metadata"]["uid"] for node, pod in cache.pods().items()}
    untouched = set(sim.names) - set(wave)
    assert {node for node in untouched if after[node] == before[node]} == untouched
    assert set(cache.mounted().values()) == {f"{NAME}-{changed['revision']}"}
    sim.broken.clear()
    upgraded = run("upgrade", wave_size="100%", stub_domains=STUB, image_version="1.26.5")
    assert (waves(upgraded), len(upgraded["nodes"]["current"])) == (1, many)
    assert run("removal of a wave", state="absent", nodes=wave)["changed"]
    assert set(cache.pods()) == untouched
    assert run("removal", state="absent")["changed"]
    assert (cache.pods(), cache.held()) == ({}, set())
