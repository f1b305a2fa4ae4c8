# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way back in shell leads back from any point of a plan, with nothing of ours running, and can be gone twice."""

from __future__ import annotations

import os
import pathlib
import subprocess
import tempfile
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._checkpoint import store, watchdog
from ansible_collections.kubenode.network.plugins.module_utils._checkpoint.opening import open_change
from ansible_collections.kubenode.network.plugins.module_utils._state.apply import apply
from ansible_collections.kubenode.network.plugins.module_utils._state.execute import BATCHED, Executor, groups
from ansible_collections.kubenode.network.plugins.module_utils._state.model import Change, Plan, State
from ansible_collections.kubenode.network.plugins.module_utils._state.observe import observe
from ansible_collections.kubenode.network.tests.kernel.test_apply_properties import (
    OURS,
    Document,
    a_node,
    documents,
    few,
    planned,
    shown,
)
from hypothesis import given
from hypothesis import strategies as st

ABOUT = {"module": "network_state", "owner": "worker", "plan": [], "run": "", "confirm": "node"}


def opened(plan: Plan, state: State, root: str, seconds: int = 600) -> store.Run:
    return open_change(plan, state, seconds, ABOUT, {}, None, root)


def undo_script(run: store.Run, mode: str = "now") -> int:
    path = run.transaction.file("undo.sh")
    done = subprocess.run(["sh", path, mode], capture_output=True, text=True, check=False, timeout=60)
    assert done.stderr == ""
    return done.returncode


def undone(run: store.Run) -> None:
    """Go back by the script, and see that it was content."""
    assert undo_script(run) == 0
    assert run.transaction.state() == store.ROLLED_BACK
    assert run.transaction.problems() == []
    assert run.transaction.messages() == []


def once_more(run: store.Run) -> None:
    """As if nobody had gone back yet: every line of the script must bear that."""
    os.rename(run.transaction.file(store.ROLLED_BACK), run.transaction.file(store.OPEN))
    for number in run.transaction.steps():
        os.unlink(run.transaction.file("steps", number, "undone"))


def killed_after(changes: t.Sequence[Change], state: State, requests: int) -> None:
    """Carry out so many requests to the kernel and then nothing more: no putting back of what it dropped."""
    executor = Executor(state)
    try:
        for group in groups(changes):
            if group[0].kind in BATCHED:
                executor.batch(group[:requests])
            elif requests > 0:
                executor.one(group[0])
            requests -= len(group)
            if requests <= 0:
                return
    finally:
        executor.close()


def rule_order() -> list[t.Any]:
    return [one for one in observe().rules.items() if one[0][-1] == OURS]


@few
@given(first=documents(), second=documents(), requests=st.integers(0, 40))
def test_from_any_request_of_a_plan_the_script_leads_back(
    fresh_netns: t.Any, first: Document, second: Document, requests: int
) -> None:
    with tempfile.TemporaryDirectory() as root, a_node(fresh_netns) as netns:
        state, to_first = planned(first, {})
        apply(to_first.changes, state)
        before, order = shown(netns), rule_order()
        state, to_second = planned(second, to_first.owned)
        run = opened(to_second, state, root)
        killed_after(to_second.changes, state, requests)
        undone(run)
        assert shown(netns) == before
        assert rule_order() == order
        once_more(run)
        undone(run)
        assert shown(netns) == before
        watchdog.disarm(run.transaction)


@few
@given(first=documents(), second=documents())
def test_from_the_end_of_a_plan_the_script_leads_back_and_others_keep_what_they_did_meanwhile(
    fresh_netns: t.Any, first: Document, second: Document
) -> None:
    with tempfile.TemporaryDirectory() as root, a_node(fresh_netns) as netns:
        state, to_first = planned(first, {})
        apply(to_first.changes, state)
        state, to_second = planned(second, to_first.owned)
        before, order = shown(netns), rule_order()
        run = opened(to_second, state, root)
        apply(to_second.changes, state)
        store.write(run.file("outcome.json"), "{}")
        # What a container network does while the change waits for its confirmation.
        netns.batch("""
            link add cali1 type veth peer name pod1
            link set cali1 up
            route add 10.244.7.2/32 dev cali1 scope link proto static
            route add 10.244.8.0/24 via 10.100.0.9 dev ens224 proto bird
            route add 2001:db8:244::/64 via 2001:db8:a::9 dev ens224 proto bird
            rule add from 10.244.0.0/16 lookup 1000 priority 1000 protocol bird
            addr add 10.100.0.201/32 dev ens224
            route del 10.201.0.0/16 via 172.16.0.9 dev ens256 proto zebra
        """)
        undone(run)
        now = shown(netns)
        assert rule_order() == order
        for part in before:
            gone = [one for one in before[part] if one not in now[part]]
            new = [one for one in now[part] if one not in before[part]]
            assert all("10.201.0.0/16" in one and "zebra" in one for one in gone), (part, gone)
            theirs = ("cali1", "pod1", "10.244.", "2001:db8:244:", "10.100.0.201")
            assert all(any(word in one for word in theirs) for one in new), (part, new)
        assert any("10.244.7.2" in one for one in now["route"])
        assert any("10.244.8.0" in one for one in now["route"])
        assert any("2001:db8:244:" in one for one in now["route6"])
        assert any("10.244.0.0" in one for one in now["rule"])
        assert any("10.100.0.201" in one for one in now["address"])
        assert not any("10.201.0.0/16" in one and "zebra" in one for one in now["route"])
        watchdog.disarm(run.transaction)


def test_it_refuses_another_network_namespace(fresh_netns: t.Any, tmp_path: pathlib.Path) -> None:
    with a_node(fresh_netns) as netns:
        state, plan = planned({"routes": {"config": [{"destination": "10.203.7.0/24", "metric": 100,
                              "next_hop_interface": "ens224", "next_hop_address": "10.100.0.1"}]}}, {})  # fmt: skip
        run = opened(plan, state, str(tmp_path))
        apply(plan.changes, state)
        held = shown(netns)
        with a_node(fresh_netns) as other:
            there = shown(other)
            done = subprocess.run(["sh", run.transaction.file("undo.sh")], capture_output=True, text=True, check=False)
            assert done.returncode == 2
            assert "another network namespace" in done.stderr
            assert shown(other) == there
        assert shown(netns) == held
        assert run.transaction.state() == store.OPEN
        undone(run)
        watchdog.disarm(run.transaction)
