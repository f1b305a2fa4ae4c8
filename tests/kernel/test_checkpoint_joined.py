# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checkpoints that several changes join: kept, or undone, together."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._checkpoint import checkpoints, store
from ansible_collections.kubenode.network.plugins.module_utils._state.model import StateError
from ansible_collections.kubenode.network.plugins.module_utils._state.owned import load

from .confirming import FAILS_AFTERWARDS, OTHER, PASSES, ROUTE, Node, on_a_node


@pytest.fixture
def node(wired: t.Any, tmp_path: pathlib.Path) -> t.Iterator[Node]:
    yield from on_a_node(wired, tmp_path)


def test_what_joined_a_checkpoint_is_kept_or_undone_with_it(node: Node) -> None:
    conf = node.root / "chrony.conf"
    conf.write_text("old\n")
    created = node.checkpoint(
        "create", rollback_timeout=30, restore_files=[str(conf.relative_to(node.root)).join(("/", ""))],
        undo_commands=[f"echo undone >> {node.root}/said"],
    )  # fmt: skip
    identity = created["id"]
    with pytest.raises(StateError, match=rf"Join it with checkpoint: {identity}"):
        node.run()
    first = node.run(checkpoint=identity)
    assert "confirmed_by" not in first
    assert first["transaction"]["id"] == f"{identity}.02"
    # The second replaces what the first has made; undone in the wrong order there would be something left.
    node.run(checkpoint=identity, routes=[{**ROUTE, "next_hop_address": "10.100.0.2"}, OTHER])
    conf.write_text("new\n")
    assert node.ours() == ["10.200.0.0/16", "10.201.0.0/16"]
    listed = node.checkpoint("list")["transactions"][-1]
    assert (listed["state"], listed["kind"], listed["id"]) == ("open", "checkpoint", identity)
    assert sum("10.200.0.0/16" in line for line in listed["plan"]) == 2
    extended = node.checkpoint("extend", id=identity, rollback_timeout=90)
    assert 80 < extended["transaction"]["seconds_left"] <= 90

    assert node.checkpoint("rollback", id=identity, check=True) == {"changed": True}
    assert node.checkpoint("rollback", id=identity)["rolled_back"] is True
    assert node.ours() == []
    assert conf.read_text() == "old\n"
    assert (node.root / "said").read_text() == "undone\n"
    assert load(str(node.root)) == {}
    assert node.checkpoint("rollback", id=identity)["changed"] is False
    for state in ("commit", "extend"):
        with pytest.raises(StateError, match="was undone"):
            node.checkpoint(state, id=identity)


def test_a_checkpoint_that_is_committed_stays_and_is_committed_once(node: Node) -> None:
    identity = node.checkpoint("create", probes=PASSES)["id"]
    node.run(checkpoint=identity)
    result = node.checkpoint("commit", id=identity)
    assert result["changed"]
    assert [item["passed"] for item in result["probes"]] == [True]
    assert node.checkpoint("commit", id=identity) == {"changed": False}
    assert node.ours() == ["10.200.0.0/16"]
    with pytest.raises(StateError, match="was kept"):
        node.checkpoint("rollback", id=identity)
    assert node.run(routes=[ROUTE])["changed"] is False


def test_a_checkpoint_whose_probe_fails_is_undone(node: Node) -> None:
    identity = node.checkpoint("create", probes=FAILS_AFTERWARDS, rollback_timeout=6)["id"]
    node.run(checkpoint=identity)
    with pytest.raises(StateError, match="has been undone"):
        node.checkpoint("commit", id=identity)
    assert node.ours() == []


def test_a_run_for_the_controller_joins_a_checkpoint_and_its_confirmation_keeps_nothing(node: Node) -> None:
    identity = node.checkpoint("create", rollback_timeout=60)["id"]
    first = node.answer(confirm="controller", checkpoint=identity)
    assert first["transaction"]["id"] == f"{identity}.02"
    second = node.checkpoint("commit", id=f"{identity}.02")
    assert second["changed"]
    assert "confirmed_by" not in second
    assert node.transactions()[-1].state() == store.OPEN
    node.checkpoint("rollback", id=identity)
    assert node.ours() == []


def test_a_checkpoint_goes_back_by_itself(node: Node) -> None:
    identity = node.checkpoint("create", rollback_timeout=5)["id"]
    node.run(checkpoint=identity)
    node.wait(store.ROLLED_BACK)
    assert node.ours() == []
    with pytest.raises(StateError, match=rf"{identity} is not open \(it is rolled back\)"):
        node.run(checkpoint=identity)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"state": "commit"}, r"id: found null, expected the id of the checkpoint to commit"),
        ({"state": "commit", "id": "7"}, r"no transaction '7' on this node; it has: none"),
        ({"state": "rollback", "id": "../x"}, r"no transaction '../x'"),
        ({"state": "create", "id": "7"}, r'id: found "7", expected none with state: create'),
        ({"state": "list", "rollback_timeout": 9}, r"rollback_timeout: found 9, expected none with state: list"),
        ({"state": "create", "rollback_timeout": 1}, r"rollback_timeout: found 1, expected"),
        ({"state": "create", "restore_files": ["etc/x"]}, r"restore_files\[0\].*absolute path of a file"),
        ({"state": "create", "restore_files": ["/etc"]}, r"/etc is not a regular file"),
        ({"state": "create", "undo_commands": [" "]}, r"undo_commands\[0\]"),
        ({"state": "create", "probes": [{"type": "ping"}]}, r"probes\[0\]"),
        (
            {"state": "create", "rollback_timeout": 5, "probes": [{"type": "gateway", "timeout": 5}]},
            r"rollback_timeout: found 5, expected more seconds than all probes",
        ),
        ({"state": "extend", "id": "7", "restore_files": ["/x"]}, r"restore_files.*It is for state: create"),
    ],
)
def test_bad_options_are_told(node: Node, options: dict[str, t.Any], said: str) -> None:
    with pytest.raises(StateError, match=said):
        checkpoints.run(options, False, str(node.root))
    assert node.transactions() == []
