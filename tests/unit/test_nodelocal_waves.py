# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How pods of a wave are replaced and waited for, event by event."""

from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._nodelocal import waves
from ansible_collections.kubenode.network.plugins.module_utils._nodelocal.objects import REVISION

PLACE = waves.Place("kube-system", "k8s-app=node-local-dns")
SECONDS = 60


def pod(name: str, node: str, revision: str, ready: bool = False) -> dict[str, t.Any]:
    return {
        "metadata": {"name": name, "uid": name, "annotations": {REVISION: revision}, "resourceVersion": "2"},
        "spec": {"nodeName": node},
        "status": {"conditions": [{"type": "Ready", "status": str(ready)}]},
    }


class Server:
    """Answers one list, then one watch; notes what is deleted."""

    def __init__(self, listed: list[dict[str, t.Any]], events: list[tuple[str, dict[str, t.Any]]]) -> None:
        self.listed = listed
        self.events = events
        self.lists = 0
        self.deleted: list[str] = []

    def each(self, _path: str, **_query: t.Any) -> t.Generator[dict[str, t.Any], None, str]:
        self.lists += 1
        yield from self.listed
        return "1"

    def lines(self, _path: str, _seconds: float, _query: t.Any) -> t.Iterator[str]:
        for kind, thing in self.events:
            yield json.dumps({"type": kind, "object": thing})
        raise AssertionError("it still waits after the last event")

    def request(self, method: str, path: str, _body: t.Any) -> None:
        assert method == "DELETE"
        self.deleted.append(path.rpartition("/")[2])


def replaced(server: Server, *nodes: str) -> tuple[list[str], list[str]]:
    """The pods that stand, and what was said meanwhile."""
    said: list[str] = []
    pods = waves.replace(t.cast("t.Any", server), PLACE, nodes, {"new"}, SECONDS, said.append)
    return [one.name for one in pods], [line.partition(": ")[2] for line in said]


def test_a_wave_is_one_list_and_a_pod_that_was_made_once_more_of_the_old_template_is_replaced_too() -> None:
    events = [
        ("DELETED", pod("a", "one", "old")), ("ADDED", pod("late", "one", "old", True)),
        ("MODIFIED", pod("late", "one", "old", True)), ("DELETED", pod("late", "one", "old")),
        ("ADDED", pod("b", "one", "new")), ("MODIFIED", pod("b", "one", "new", True)),
    ]  # fmt: skip
    server = Server([pod("a", "one", "old", True), pod("other", "elsewhere", "old", True)], events)
    pods, _said = replaced(server, "one")
    assert pods == ["b"]
    assert (server.deleted, server.lists) == (["a", "late"], 1)


def test_pods_that_somebody_makes_of_another_template_again_and_again_are_not_deleted_for_ever() -> None:
    again = [("ADDED", pod(f"theirs{number}", "one", "theirs")) for number in range(5)]
    server = Server([], [*again, ("ADDED", pod("b", "one", "new", True))])
    assert replaced(server, "one")[0] == ["b"]
    assert server.deleted == ["theirs0", "theirs1", "theirs2"]


@pytest.mark.parametrize(
    ("kind", "back"), [("MODIFIED", pod("a", "one", "new")), ("DELETED", pod("a", "one", "new", True))]
)
def test_a_pod_that_is_ready_no_more_or_gone_counts_no_more(kind: str, back: dict[str, t.Any]) -> None:
    events = [
        ("ADDED", pod("a", "one", "new", True)), (kind, back), ("ADDED", pod("b", "two", "new", True)),
        ("ADDED", pod("c", "one", "new", True)),
    ]  # fmt: skip
    _pods, said = replaced(Server([], events), "one", "two")
    counts = [line.split()[0] for line in said]
    assert counts == ["0", "1", "0", "1"]
