# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes that must be confirmed, on the node: kept, taken back by a probe, a watchdog, a person or the next run."""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import time
import typing as t

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._checkpoint import store, watchdog
from ansible_collections.kubenode.network.plugins.module_utils._state.model import StateError
from ansible_collections.kubenode.network.plugins.module_utils._state.owned import load

from .confirming import FAILS_AFTERWARDS, OTHER, ROUTE, Node, on_a_node, processes_of


@pytest.fixture
def node(wired: t.Any, tmp_path: pathlib.Path) -> t.Iterator[Node]:
    yield from on_a_node(wired, tmp_path)


# --- confirmed by the node --------------------------------------------------------------------------------------------


def test_a_change_that_the_node_confirms_is_kept_and_leaves_no_process(node: Node) -> None:
    result = node.run()
    assert (result["changed"], result["confirmed_by"], node.ours()) == (True, "node", ["10.200.0.0/16"])
    assert [item["passed"] for item in result["probes"]] == [True]
    (one,) = node.transactions()
    assert one.state() == store.COMMITTED
    assert oct(os.stat(one.path).st_mode)[-3:] == "700"
    deadline = time.monotonic() + 5
    while processes_of(one) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert processes_of(one) == []
    again = node.run()
    assert (again["changed"], node.transactions()[0].id) == (False, one.id)


def test_a_probe_that_fails_takes_the_change_and_its_records_back(node: Node) -> None:
    node.run(routes=[OTHER], owner="before")
    records = load(str(node.root))
    with pytest.raises(StateError, match=r"not all that must work does.*has been undone") as raised:
        node.run(probes=FAILS_AFTERWARDS, rollback_timeout=5)
    assert raised.value.details["rolled_back"] is True
    assert [line for line in raised.value.details["plan"] if "10.200.0.0/16" in line]
    assert node.ours() == ["10.201.0.0/16"]
    assert load(str(node.root)) == records
    assert node.transactions()[-1].state() == store.ROLLED_BACK


def test_check_mode_opens_nothing(node: Node) -> None:
    assert node.run(check=True)["changed"]
    assert node.transactions() == []


# --- confirmed by the controller --------------------------------------------------------------------------------------


def test_the_first_execution_answers_before_anything_changes_and_the_second_keeps_it(node: Node) -> None:
    first = node.answer(confirm="controller")
    identity = first["transaction"]["id"]
    assert first["changed"]
    assert first["plan"]
    assert 50 < first["transaction"]["seconds_left"] <= first["transaction"]["rollback_timeout"] == 60
    second = node.checkpoint("commit", id=identity)
    assert (second["changed"], second["confirmed_by"], second["plan"]) == (True, "controller", first["plan"])
    assert node.ours() == ["10.200.0.0/16"]
    assert node.checkpoint("commit", id=identity) == {k: v for k, v in second.items() if k != "probes"}
    assert node.transactions()[-1].state() == store.COMMITTED


def test_without_a_confirmation_the_node_goes_back_in_time_and_tells_why(node: Node) -> None:
    first = node.answer(confirm="controller", rollback_timeout=5, probes=[])
    started = time.monotonic()
    node.wait(store.ROLLED_BACK)
    assert time.monotonic() - started < 5 + 5
    assert node.ours() == []
    with pytest.raises(StateError, match=r"No confirmation came.*has been undone") as raised:
        node.checkpoint("commit", id=first["transaction"]["id"])
    assert raised.value.details["rolled_back"] is True
    assert load(str(node.root)) == {}


def test_an_answer_that_was_lost_is_given_again_and_nothing_is_done_twice(node: Node) -> None:
    from ansible_collections.kubenode.network.plugins.module_utils._checkpoint import standing

    first = node.answer(confirm="controller", run="run7")
    again = standing.once_more("run7", "controller", str(node.root))
    assert again is not None
    assert again["transaction"]["id"] == first["transaction"]["id"]
    assert again["plan"] == first["plan"]
    assert standing.once_more("run8", "controller", str(node.root)) is None
    node.checkpoint("commit", id=first["transaction"]["id"])
    assert len(node.transactions()) == 1


def test_a_change_that_fails_by_itself_is_told_to_the_second_execution(node: Node) -> None:
    wrong = [{"destination": "10.200.0.1", "expect": {"interface": "ens256"}}]
    first = node.answer("network_state", confirm="controller", paths=wrong)
    with pytest.raises(StateError, match=r"10\.200\.0\.1.*has been undone") as raised:
        node.checkpoint("commit", id=first["transaction"]["id"])
    assert raised.value.details["rolled_back"] is True
    assert node.ours() == []
    assert node.wait(store.ROLLED_BACK).problems() == []


# --- killed, raced, late ----------------------------------------------------------------------------------------------


def test_the_watchdog_acts_when_everything_else_was_killed(node: Node) -> None:
    first = node.answer(confirm="controller", rollback_timeout=5, probes=[])
    deadline = time.monotonic() + 5
    while not node.ours():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    one = node.transactions()[-1]
    pid = (pathlib.Path(one.path) / "steps/01/worker").exists() and int(
        (pathlib.Path(one.path) / "steps/01/worker").read_text().split()[0]
    )
    if pid:
        os.kill(pid, signal.SIGKILL)
    node.wait(store.ROLLED_BACK)
    assert node.ours() == []
    assert first["transaction"]["id"] == one.id


def test_a_run_that_died_is_undone_by_the_next_one_at_once(node: Node) -> None:
    process = node.program(confirm="node", rollback_timeout=600, probes=FAILS_AFTERWARDS)
    deadline = time.monotonic() + 10
    while not node.ours():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    one = node.transactions()[-1]
    # As if it had died before its outcome was written.
    process.kill()
    process.wait()
    outcome = pathlib.Path(one.path, "steps/01/outcome.json")
    if outcome.exists():
        outcome.unlink()
    result = node.run(routes=[OTHER], owner="next")
    assert [line for line in result["warnings"] if "left by a run that died" in line]
    assert node.ours() == ["10.201.0.0/16"]
    assert one.state() == store.ROLLED_BACK


def test_another_run_is_told_of_the_open_transaction(node: Node) -> None:
    first = node.answer(confirm="controller")
    identity = first["transaction"]["id"]
    with pytest.raises(StateError, match=rf"{identity} is open.*static_routes, owner storage.*undoes itself in \d+ s"):
        node.run(routes=[OTHER])
    assert node.run(routes=[OTHER], check=True)["changed"]
    node.checkpoint("commit", id=identity)
    node.run(routes=[ROUTE, OTHER])


def test_commit_and_watchdog_race_and_only_one_of_them_wins(node: Node) -> None:
    """Both are started at the same moment, again and again; what is there afterwards is what the winner says."""
    won = {store.COMMITTED: 0, store.ROLLED_BACK: 0}
    for number in range(12):
        route = {**ROUTE, "destination": f"10.{100 + number}.0.0/16"}
        first = node.answer(confirm="controller", probes=[], routes=[route], owner=f"o{number}")
        one = node.transactions()[-1]
        deadline = time.monotonic() + 10
        while one.step("01")["outcome"] is None:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        undo = subprocess.Popen(["sh", one.file("undo.sh"), "now"])
        time.sleep((number % 6) * 0.005)
        kept = True
        try:
            node.checkpoint("commit", id=first["transaction"]["id"])
        except StateError as error:
            kept = not error.details["rolled_back"]
        undo.wait()
        state = one.state()
        won[state] += 1
        assert kept == (state == store.COMMITTED)
        assert (route["destination"] in node.ours()) == kept
        assert any(key[0] == "route" and key[1][2] == route["destination"] for key in load(str(node.root))) == kept
    print(f"races: {won}")


def test_the_clock_does_not_matter(node: Node) -> None:
    """Deadlines are uptimes: a node whose clock jumps goes back neither early nor late."""
    node.answer(confirm="controller", rollback_timeout=30, probes=[])
    one = node.wait(store.OPEN)
    text = pathlib.Path(one.path, "deadline").read_text()
    assert abs(int(text) - (store.uptime() + 30)) < 10
    for name in os.listdir(one.path):
        path = pathlib.Path(one.path, name)
        if path.is_file():
            os.utime(path, (2**31, 2**31))
    assert 20 < one.seconds_left() <= 30
    assert subprocess.run(["sh", one.file("undo.sh"), "watchdog"], check=False).returncode == 1
    assert one.state() == store.OPEN
    node.checkpoint("rollback", id=one.id)


def test_the_default_route_comes_back_with_the_address_that_it_needs(node: Node) -> None:
    """On the way back the new address takes the old one along, which stands behind it, and all routes of the NIC."""
    node.netns.ip("route", "add", "default", "via", "10.100.0.1", "dev", "ens224", "proto", "boot")
    before = node.netns.routes("-4", "main")
    only = {"name": "ens224", "ipv4": {"enabled": True, "addresses": [{"ip": "10.100.0.77", "prefix_length": 24}]}}
    first = node.answer(
        "network_state", confirm="controller", probes=[], routes=[], allow_default_override=True, addresses_exact=True,
        interfaces=[only],
    )  # fmt: skip
    one = node.wait(store.OPEN)
    deadline = time.monotonic() + 10
    while one.step("01")["outcome"] is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert "error" not in one.step("01")["outcome"], first
    node.checkpoint("rollback", id=one.id)
    assert node.netns.routes("-4", "main") == before


# --- restart of the node ----------------------------------------------------------------------------------------------


def test_after_a_restart_the_files_go_back_and_the_kernel_is_left_alone(node: Node) -> None:
    hosts = node.root / "etc/hosts"
    hosts.write_text("127.0.0.1 localhost\n")
    units = node.root / "etc/systemd/system"
    units.mkdir(parents=True)
    entries = [{"address": "10.200.0.9", "names": ["storage"]}]
    first = node.answer("network_state", confirm="controller", probes=[], hosts=entries)
    identity = first["transaction"]["id"]
    one, _number = store.find(identity, str(node.root))
    deadline = time.monotonic() + 10
    while one.step("01")["outcome"] is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert "10.200.0.9" in hosts.read_text()
    unit = units / "kubenode-network-rollback.service"
    assert "Before=network-pre.target" in unit.read_text()
    assert (units / "sysinit.target.wants" / unit.name).is_symlink()
    watchdog.disarm(one)
    watchdog.add_boot_unit(one)
    # The node restarts: another boot, an empty kernel, and routes that somebody else makes before us.
    for name in ("undo.sh", "journal.json"):
        path = pathlib.Path(one.path, name)
        path.write_text(path.read_text().replace(store.boot(), "another-boot 17"))
    assert subprocess.run(["sh", one.file("undo.sh"), "now"], capture_output=True, check=False).returncode == 2
    assert subprocess.run(["sh", one.file("undo.sh"), "boot"], check=True).returncode == 0
    assert hosts.read_text() == "127.0.0.1 localhost\n"
    assert node.ours() == ["10.200.0.0/16"], "the kernel was touched"
    assert load(str(node.root)) == {}
    assert not unit.exists()
    assert not (units / "sysinit.target.wants" / unit.name).is_symlink()
    assert one.state() == store.ROLLED_BACK


def test_without_a_boot_unit_the_next_run_puts_the_files_back(node: Node) -> None:
    node.answer(confirm="controller", probes=[])
    one = node.wait(store.OPEN)
    deadline = time.monotonic() + 10
    while one.step("01")["outcome"] is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    watchdog.disarm(one)
    for name in ("undo.sh", "journal.json"):
        path = pathlib.Path(one.path, name)
        path.write_text(path.read_text().replace(store.boot(), "another-boot 17"))
    node.netns.ip("route", "flush", "proto", "157")
    result = node.run(routes=[OTHER], owner="next")
    assert [line for line in result["warnings"] if "was open when the node was restarted" in line]
    assert node.ours() == ["10.201.0.0/16"]
    assert {key[1][2] for key in load(str(node.root)) if key[0] == "route"} == {"10.201.0.0/16"}
