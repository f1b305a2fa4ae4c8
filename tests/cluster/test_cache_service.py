# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real CoreDNS servers take over from each other while an upstream is slow, and no query is lost.

A run that fails at any of its steps puts the node back.
"""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import typing as t

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._cache_service import node, node_script, text, units
from ansible_collections.kubenode.network.plugins.module_utils._cache_service.options import Options
from ansible_collections.kubenode.network.plugins.module_utils._state.model import StateError
from ansible_collections.kubenode.network.tests.cluster import node_cache
from ansible_collections.kubenode.network.tests.cluster.coredns_process import coredns

HERE = pathlib.Path(__file__).resolve().parent
LOAD = HERE.parents[1] / "extensions" / "molecule" / "shared" / "dns_load.py"
LOCAL = "169.254.20.10"
UPSTREAM = "192.0.2.53"
ROUNDS = 4


@pytest.mark.parametrize("domain", ["quick.example", "slow.example"])
def test_no_query_is_lost_while_servers_take_over(domain: str, tmp_path: pathlib.Path) -> None:
    """200 queries a second from a pod, of which a slow upstream's wait 1.5 s for answers, through four restarts."""
    options = Options(
        "/x", (LOCAL,), (UPSTREAM,), interface_type="ifb", upstreams=(UPSTREAM,), force_tcp=False
    )  # fmt: skip
    plugins = text.plugins_of(
        subprocess.run([coredns(), "-plugins"], capture_output=True, text=True, check=True).stdout
    )
    (tmp_path / "Corefile").write_text(text.edit("", "", options, plugins).text, encoding="utf-8")
    (tmp_path / "node").write_text(node_script.text_for(options, "nft", units.USER), encoding="utf-8")
    command = ["unshare", "--net", "--", sys.executable, str(HERE / "take_over.py"), str(coredns()), str(tmp_path)]
    done = subprocess.run(
        [*command, str(LOAD), domain, str(ROUNDS)], capture_output=True, text=True, timeout=240, check=False,
        env={**os.environ, "GOMAXPROCS": "2", "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    told: dict[str, t.Any] = json.loads(done.stdout.splitlines()[-1])
    print(f"{domain}: {told['asked']} queries, {told['failed']} failed, the worst took {told['worst_ms']} ms")
    assert told["moves"] == ROUNDS
    assert told["asked"] > 200
    assert told["failed"] == 0, told["errors"]


def test_a_node_cache_is_no_server_for_it() -> None:
    # Ours wants its flags first as well.
    with pytest.raises(StateError, match=r"binary: \S+ is a node-cache, which is made for a pod.*expected a CoreDNS"):
        node.binary(str(node_cache.program()), later=False)


SCENARIOS = ("install", "change", "remove")
# Without their effect the run is complete all the same, and it goes on.
HARMLESS = ("restorecon ", "systemctl reset-failed ", "systemctl stop kubenode-dns-cache@", "/bin/bash /etc/kube")


@pytest.fixture(scope="module")
def undone(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[dict[str, subprocess.Popen[str]]]:
    """Each scenario in namespaces of its own, side by side."""
    command = ["unshare", "--net", "--mount", "--propagation", "private", "--", sys.executable]
    running = {
        scenario: subprocess.Popen(
            [*command, str(HERE / "undo_steps.py"), str(coredns()), scenario, str(tmp_path_factory.mktemp(scenario))],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        ) for scenario in SCENARIOS
    }  # fmt: skip
    yield running
    for process in running.values():
        process.kill()
        process.communicate()


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_whichever_step_fails_the_node_is_as_it_was(undone: dict[str, subprocess.Popen[str]], scenario: str) -> None:
    """Kernel, files and CoreDNS are real, systemd is the one of systemd_stand_in.py (molecule has the real one)."""
    output, errors = undone[scenario].communicate(timeout=300)
    assert undone[scenario].returncode == 0, errors[-3000:]
    told: list[dict[str, t.Any]] = json.loads(output.splitlines()[-1])
    wrong = [one for one in told if one["differs"] or (one["error"] and not one["rolled_back"])]
    assert wrong == []
    failed = [one["step"] for one in told if one["error"]]
    print(f"{scenario}: {len(failed)} steps failed once they were done, and all was as before")
    assert len(failed) >= 10
    went_on = [one["step"] for one in told if not one["error"]]
    assert all(step.startswith(HARMLESS) for step in went_on), went_on
