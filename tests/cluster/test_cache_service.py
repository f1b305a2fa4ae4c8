# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real CoreDNS servers take over from each other while an upstream is slow, and no query is lost."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import typing as t

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._cache_service import node_script, text, units
from ansible_collections.kubenode.network.plugins.module_utils._cache_service.options import Options
from ansible_collections.kubenode.network.tests.cluster.coredns_process import coredns

HERE = pathlib.Path(__file__).resolve().parent
LOAD = HERE.parents[1] / "extensions" / "molecule" / "shared" / "dns_load.py"
LOCAL = "169.254.20.10"
UPSTREAM = "192.0.2.53"
ROUNDS = 4


@pytest.mark.parametrize("domain", ["quick.example", "slow.example"])
def test_no_query_is_lost_while_servers_take_over(domain: str, tmp_path: pathlib.Path) -> None:
    """200 queries a second, of which a slow upstream's wait 1.5 s for their answers, through four restarts."""
    options = Options(
        "/x", (LOCAL,), (UPSTREAM,), interface_type="ifb", upstreams=(UPSTREAM,), force_tcp=False
    )  # fmt: skip
    plugins = text.plugins_of(
        subprocess.run([coredns(), "-plugins"], capture_output=True, text=True, check=True).stdout
    )
    (tmp_path / "Corefile").write_text(text.edit("", "", options, plugins).text, encoding="utf-8")
    (tmp_path / "node").write_text(node_script.text_for(options, "none", units.USER), encoding="utf-8")
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
