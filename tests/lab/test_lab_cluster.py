# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`scripts/lab up --cluster`: a real API server and CoreDNS beside the lab, which site.yml finds and workers reach."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import LabMaker, Player

ROOT = Path(__file__).resolve().parents[2]
NAME = "w1.internal.example.com"
DECLARED = {
    "dns_stub_domains": [{"zone": "internal.example.com", "servers": ["10.100.0.53", "10.100.0.54"]}],
    "cluster_dns_test_from": "node",
    "cluster_dns_test_node": "w2",
    "cluster_dns_test_names": [NAME, "kubernetes.default.svc.cluster.local"],
}


def test_a_cluster_comes_up_with_the_lab_is_configured_by_site_and_ends_with_it(
    new_lab: LabMaker, play: Player
) -> None:
    lab = new_lab(workers=0)
    # Go builds the servers the first time.
    command = [*lab.script, "up", "--workers", "2", "--cluster"]
    up = subprocess.run(
        command, env=lab.env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=1500, check=False
    )
    if up.returncode == 77:
        pytest.skip(up.stderr.strip())
    assert up.returncode == 0, up.stdout + up.stderr
    assert f"kubeconfig {lab.dir / 'kubeconfig'}" in up.stdout
    # Not through the machine, whose network has no part in it.
    assert "pods0" in lab.sh("c1", "ip -brief link")
    assert not Path("/sys/class/net/pods0").exists()

    site = ("-e", json.dumps(DECLARED), "--limit", "localhost")
    first = play(lab, ROOT / "playbooks/site.yml", *site)
    assert any(line["result"].get("changed") for line in first.lines if line["host"] == "localhost")
    for transport in ("udp", "tcp"):
        assert f"{NAME}: 10.100.0.101 (asked 10.96.0.10 over {transport} from w2)" in first.output
    second = play(lab, ROOT / "playbooks/site.yml", *site)
    assert not any(line["result"].get("changed") for line in second.lines)

    assert "a cluster is up beside the lab" in lab.run("cluster", check=False).stderr
    running = lab.processes()
    lab.run("down")
    assert running and lab.processes() == []


def test_a_cluster_wants_a_lab(new_lab: LabMaker) -> None:
    lab = new_lab(workers=0)
    refused = lab.run("cluster", check=False)
    assert refused.returncode != 0
    assert "no lab is up in" in refused.stderr
