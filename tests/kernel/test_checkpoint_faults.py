# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever kills a change at whatever moment, the node is as it was or as it shall be, never in between."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time
import typing as t

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._checkpoint import store, watchdog
from ansible_collections.kubenode.network.plugins.module_utils._state.model import StateError
from ansible_collections.kubenode.network.plugins.module_utils._state.owned import load
from ansible_collections.kubenode.network.tests.kernel.confirming import OTHER, PROGRAM, ROUTE, Node
from ansible_collections.kubenode.network.tests.kernel.test_apply_properties import a_node, shown

# Addresses, routes, rules, a file and a kernel setting, so that a kill may fall between any two of them.
FIRST = {
    "desired_state": {
        "interfaces": [
            {"name": "ens224", "ipv4": {"enabled": True, "addresses": [{"ip": "10.101.0.5", "prefix_length": 24}]}}
        ],
        "routes": {"config": [
            {"destination": f"10.{n}.0.0/16", "next_hop_interface": "ens224", "next_hop_address": "10.101.0.1",
             "metric": 100} for n in range(30, 50)
        ]},
        "route_rules": {"config": [{"priority": 900, "table": 1000, "fwmark": 8}]},
    },
    "hosts": [{"address": "10.30.0.1", "names": ["before"]}],
}  # fmt: skip
SECOND = {
    "desired_state": {
        "interfaces": [
            {"name": "ens224", "ipv4": {"enabled": True, "addresses": [{"ip": "10.102.0.5", "prefix_length": 24}]}}
        ],
        "routes": {"config": [
            {"destination": f"10.{n}.0.0/16", "next_hop_interface": "ens224", "next_hop_address": "10.102.0.1",
             "metric": 100} for n in range(40, 60)
        ]},
        "route_rules": {"config": [{"priority": 900, "table": 1001, "fwmark": 8},
                                   {"family": "ipv6", "priority": 901, "table": 1001, "fwmark": 16}]},
    },
    "hosts": [{"address": "10.40.0.1", "names": ["after"]}],
    "sysctl": {"net.ipv4.conf.ens224.rp_filter": "2"},
}  # fmt: skip


def start(root: str, document: dict[str, t.Any], confirm: str) -> subprocess.Popen[str]:
    params = {"owner": "o", "prune": True, "persist": False, "probes": [], "confirm": confirm, **document}
    if confirm == "none":
        del params["probes"]
    argv = [sys.executable, "-c", PROGRAM, json.dumps(params), root, "network_state"]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)


def held(netns: t.Any, root: str) -> dict[str, t.Any]:
    """All that a change may touch."""
    files = {}
    for name in ("etc/hosts", "proc/sys/net/ipv4/conf/ens224/rp_filter", "etc/sysctl.d/90-kubenode-network.conf"):
        path = pathlib.Path(root, name)
        files[name] = path.read_text() if path.exists() else None
    return {**shown(netns), "files": files, "records": load(root)}


@contextlib.contextmanager
def a_world(fresh_netns: t.Any) -> t.Iterator[tuple[t.Any, str]]:
    with tempfile.TemporaryDirectory() as root, a_node(fresh_netns) as netns:
        pathlib.Path(root, "etc").mkdir()
        pathlib.Path(root, "etc/hosts").write_text("127.0.0.1 localhost\n")
        # Only what the documents set: a whole /proc cannot be made for a test.
        setting = pathlib.Path(root, "proc/sys/net/ipv4/conf/ens224")
        setting.mkdir(parents=True)
        for name in ("ens224", "all", "default"):
            (setting.parent / name).mkdir(exist_ok=True)
            (setting.parent / name / "rp_filter").write_text("0\n")
        out, err = start(root, FIRST, "none").communicate(timeout=60)
        assert json.loads(out).get("changed"), out + err
        yield netns, root
        for one in store.everything(root):
            watchdog.disarm(one)


def _kill_worker(one: store.Transaction) -> None:
    with contextlib.suppress(OSError, ValueError):
        os.kill(int(pathlib.Path(one.file("steps", "01", "worker")).read_text().split()[0]), signal.SIGKILL)


def test_killed_at_random_moments_a_node_is_in_the_old_or_the_new_state(
    fresh_netns: t.Any, seed: int, full: bool
) -> None:
    draw = random.Random(seed)
    rounds = 60 if full else 14
    ends: dict[str, int] = {}
    with a_world(fresh_netns) as (netns, root):
        before = held(netns, root)
        out, err = start(root, SECOND, "node").communicate(timeout=60)
        assert json.loads(out).get("changed"), out + err
        after = held(netns, root)
        assert after != before
    for number in range(rounds):
        with a_world(fresh_netns) as (netns, root):
            confirm = draw.choice(["node", "controller"])
            process = start(root, SECOND, confirm)
            deadline = time.monotonic() + 20
            # From the moment at which something may happen.
            while not (found := store.everything(root)) and process.poll() is None:
                assert time.monotonic() < deadline
                time.sleep(0.001)
            if confirm == "controller":
                process.wait(20)
                time.sleep(0.31)
            time.sleep(draw.random() * 0.08)
            process.kill()
            for one in found:
                _kill_worker(one)
            process.communicate()
            (one,) = store.everything(root)
            if one.state() == store.OPEN:
                done = subprocess.run(["sh", one.file("undo.sh"), "now"], capture_output=True, text=True, check=False)
                assert (done.returncode, done.stderr) == (0, "")
                end = "undone"
            else:
                end = one.state()
            assert one.problems() == []
            assert held(netns, root) == (after if one.state() == store.COMMITTED else before), (number, confirm, end)
            ends[end] = ends.get(end, 0) + 1
    print(f"killed {rounds} transactions: {ends}")
    assert ends.get("undone", 0) >= rounds // 3


def test_a_way_back_that_is_killed_itself_is_gone_to_its_end_by_the_next_run(fresh_netns: t.Any, seed: int) -> None:
    draw = random.Random(seed)
    for _round in range(6):
        with a_world(fresh_netns) as (netns, root):
            before = held(netns, root)
            out, err = start(root, SECOND, "controller").communicate(timeout=60)
            assert "transaction" in json.loads(out), out + err
            (one,) = store.everything(root)
            deadline = time.monotonic() + 20
            while one.step("01")["outcome"] is None:
                assert time.monotonic() < deadline
                time.sleep(0.01)
            undo = subprocess.Popen(["sh", one.file("undo.sh"), "now"])
            while one.state() == store.OPEN:
                time.sleep(0.001)
            time.sleep(draw.random() * 0.05)
            undo.kill()
            undo.wait()
            out, err = start(root, FIRST, "node").communicate(timeout=60)
            result = json.loads(out)
            assert result.get("changed") is False, result
            assert one.state() == store.ROLLED_BACK
            assert held(netns, root) == before


@pytest.fixture
def node(wired: t.Any, tmp_path: pathlib.Path) -> t.Iterator[Node]:
    node = Node(wired, tmp_path)
    yield node
    for one in node.transactions():
        watchdog.disarm(one)


def test_a_file_that_somebody_edits_meanwhile_is_kept_and_told(node: Node) -> None:
    hosts = node.root / "etc/hosts"
    hosts.write_text("127.0.0.1 localhost\n")
    hosts.chmod(0o640)
    entries = [{"address": "10.200.0.9", "names": ["storage"]}]
    node.answer("network_state", confirm="controller", probes=[], hosts=entries)
    one = node.wait(store.OPEN)
    deadline = time.monotonic() + 10
    while one.step("01")["outcome"] is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    hosts.write_text(hosts.read_text() + "10.9.9.9 by-hand\n")
    result = node.checkpoint("rollback", id=one.id)
    assert "10.9.9.9 by-hand" in hosts.read_text()
    (message,) = result["warnings"]
    assert f"{hosts} was changed by somebody else" in message
    copy = pathlib.Path(message.rpartition(" ")[2])
    assert copy.read_text() == "127.0.0.1 localhost\n"
    assert node.ours() == []


def test_a_file_keeps_its_mode_and_a_new_one_goes_with_its_folder(node: Node) -> None:
    hosts = node.root / "etc/hosts"
    hosts.write_text("127.0.0.1 localhost\n")
    hosts.chmod(0o640)
    tables = node.root / "etc/iproute2/rt_tables.d"
    entries = [{"address": "10.200.0.9", "names": ["storage"]}]
    node.answer(
        "network_state", confirm="controller", probes=[], hosts=entries, tables=[{"id": 1000, "name": "storage"}]
    )
    one = node.wait(store.OPEN)
    deadline = time.monotonic() + 10
    while one.step("01")["outcome"] is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert tables.is_dir()
    node.checkpoint("rollback", id=one.id)
    assert (hosts.read_text(), oct(hosts.stat().st_mode)[-3:]) == ("127.0.0.1 localhost\n", "640")
    assert not tables.exists()


@pytest.fixture
def small_disk(tmp_path: pathlib.Path) -> t.Iterator[pathlib.Path]:
    """A file system of 256 KiB below the root of a node."""
    folder = tmp_path / "var/lib/kubenode-network"
    folder.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)], check=True)
    yield folder
    subprocess.run(["mount", "-o", "remount,rw", str(folder)], check=False)
    subprocess.run(["umount", str(folder)], check=True)


def test_on_a_full_disk_nothing_is_changed_and_the_reason_is_told(node: Node, small_disk: pathlib.Path) -> None:
    (small_disk / "ballast").write_bytes(bytes(220 * 1024))
    with pytest.raises(StateError, match=r"the way back cannot be written \(No space left on device\)"):
        node.run()
    assert node.ours() == []
    assert [one.state() for one in node.transactions()] == []
    (small_disk / "ballast").unlink()
    assert node.run()["changed"]


def test_a_disk_that_fills_up_meanwhile_does_not_stop_the_way_back(node: Node, small_disk: pathlib.Path) -> None:
    node.answer(confirm="controller", probes=[])
    one = node.wait(store.OPEN)
    deadline = time.monotonic() + 10
    while one.step("01")["outcome"] is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    with contextlib.suppress(OSError), open(small_disk / "ballast", "wb", buffering=0) as ballast:
        while True:
            ballast.write(bytes(1024))
    assert node.checkpoint("rollback", id=one.id)["rolled_back"] is True
    assert node.ours() == []
    assert load(str(node.root)) == {}


def test_on_a_read_only_disk_nothing_is_changed(node: Node, small_disk: pathlib.Path) -> None:
    node.run(routes=[OTHER], owner="before")
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(StateError, match=r"Read-only file system"):
        node.run()
    assert node.ours() == ["10.201.0.0/16"]


def test_a_file_system_that_is_read_only_for_the_change_is_told_and_nothing_stays(
    node: Node, tmp_path: pathlib.Path
) -> None:
    etc = tmp_path / "etc"
    subprocess.run(["mount", "--bind", str(etc), str(etc)], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", str(etc)], check=True)
        node.answer("network_state", confirm="controller", probes=[], tables=[{"id": 1000, "name": "storage"}])
        one = node.wait(store.ROLLED_BACK)
        assert one.problems() == []
        assert node.ours() == []
        with pytest.raises(StateError, match=r"rt_tables\.d.*Read-only file system"):
            node.checkpoint("commit", id=one.id)
    finally:
        subprocess.run(["umount", str(etc)], check=True)


def test_the_lock_of_a_dead_holder_is_nobodys(node: Node) -> None:
    lock = node.root / "var/lib/kubenode-network/lock"
    node.run(routes=[OTHER], owner="before")
    lock.write_text("999999\n")
    assert node.run(routes=[ROUTE])["changed"]


def test_old_transactions_are_forgotten_but_for_the_last_few(node: Node) -> None:
    for number in range(store.KEPT + 3):
        node.run(routes=[{**ROUTE, "metric": 100 + number}])
    found = node.transactions()
    assert [one.state() for one in found] == [store.COMMITTED] * (store.KEPT + 1)
    assert not list(pathlib.Path(found[-1].path).glob("steps/*/reserve"))
