# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything taken back as a change that must be confirmed: nothing is forgotten before it is."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys
import typing as t

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._checkpoint import watchdog
from ansible_collections.kubenode.network.plugins.module_utils._state.owned import load

from .confirming import PASSES, PROGRAM, ROUTE, Node


@pytest.fixture
def node(wired: t.Any, tmp_path: pathlib.Path) -> t.Iterator[Node]:
    node = Node(wired, tmp_path)
    yield node
    for one in node.transactions():
        watchdog.disarm(one)


def take_back(node: Node, confirm: str) -> dict[str, t.Any]:
    params = {"state": "absent", "owner": None, "confirm": confirm, "probes": PASSES, "rollback_timeout": 30}
    argv = [sys.executable, "-c", PROGRAM, json.dumps(params), str(node.root), "network_state"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout, done.stderr
    return t.cast("dict[str, t.Any]", json.loads(done.stdout))


def folder(node: Node) -> pathlib.Path:
    return node.root / "var/lib/kubenode-network"


def test_by_the_controller_it_is_forgotten_by_the_run_after_the_commit(node: Node) -> None:
    node.run()
    answer = take_back(node, "controller")
    (transaction,) = [one for one in node.transactions() if one.id == answer["transaction"]["id"]]
    assert transaction.state() == "open"
    kept = node.checkpoint("commit", id=transaction.id)
    assert (kept["changed"], kept["confirmed_by"]) == (True, "controller")
    assert node.ours() == []
    # Should the answer be lost, the controller asks again.
    assert node.checkpoint("commit", id=transaction.id)["changed"] is True
    assert take_back(node, "controller")["changed"] is False
    assert not folder(node).exists()


def test_what_is_not_confirmed_is_all_there_again_and_on_record(node: Node) -> None:
    node.run()
    records = load(str(node.root))
    answer = take_back(node, "controller")
    assert node.checkpoint("rollback", id=answer["transaction"]["id"])["rolled_back"] is True
    assert node.ours() == [ROUTE["destination"]]
    assert load(str(node.root)) == records


def test_by_the_node_it_is_forgotten_at_once(node: Node) -> None:
    node.run()
    assert take_back(node, "node")["confirmed_by"] == "node"
    assert node.ours() == []
    assert not folder(node).exists()
