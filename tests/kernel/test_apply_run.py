# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole executions: from options to a kernel that holds them, records, evidence, and the way back."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import subprocess
import sys
import typing as t

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._state import info
from ansible_collections.kubenode.network.plugins.module_utils._state.model import StateError
from ansible_collections.kubenode.network.plugins.module_utils._state.options import desired_from_options
from ansible_collections.kubenode.network.plugins.module_utils._state.owned import load
from ansible_collections.kubenode.network.plugins.module_utils._state.run import Form, execute

ROUTE = {
    "destination": "10.200.0.0/16",
    "next_hop_address": "10.100.0.1",
    "next_hop_interface": "ens224",
    "metric": 100,
}


class Node:
    """The namespace of a test as a node: its files are below ``root``."""

    def __init__(self, netns: t.Any, root: pathlib.Path) -> None:
        self.netns = netns
        self.root = root
        # What the very first run writes, so that tests see their own subject only.
        (root / "etc/iproute2/rt_protos.d").mkdir(parents=True)
        (root / "etc/iproute2/rt_protos.d/kubenode.conf").write_text("157\tkubenode\n")

    def run(self, module: str, check: bool = False, form: Form = Form(), **params: t.Any) -> dict[str, t.Any]:  # noqa: B008
        return execute(desired_from_options(params, module), check_mode=check, root=str(self.root), form=form)

    def ours(self) -> list[str]:
        return sorted(entry["dst"] for entry in self.netns.json("route", "show", "table", "all", "proto", "157"))

    def files(self) -> dict[str, tuple[int, bytes]]:
        return {
            str(path): (path.stat().st_mtime_ns, path.read_bytes())
            for path in self.root.rglob("*")
            if path.is_file() and path.name != "lock"
        }


@pytest.fixture
def node(wired: t.Any, tmp_path: pathlib.Path) -> Node:
    return Node(wired, tmp_path)


def test_a_list_of_routes_is_made_recorded_and_then_left_alone(node: Node) -> None:
    routes = [ROUTE, {**ROUTE, "destination": "10.50.0.0/24", "table": 100}]
    predicted = node.run("static_routes", check=True, routes=routes, owner="worker")
    assert node.ours() == []
    assert not (node.root / "var").exists()
    result = node.run("static_routes", routes=routes, owner="worker")
    assert result["changed"] is True
    assert result == {**predicted, "confirmed_by": "none"}
    assert "+ route 10.200.0.0/16 via 10.100.0.1 dev ens224 metric 100 (worker)" in result["plan"]
    assert result["before"] == {}
    assert result["after"]["routes"][0]["destination"] in ("10.200.0.0/16", "10.50.0.0/24")
    assert node.ours() == ["10.200.0.0/16", "10.50.0.0/24"]
    assert {key[0] for key in load(str(node.root))} == {"route"}
    files = node.files()
    assert node.run("static_routes", routes=routes, owner="worker") == {
        "changed": False, "runtime": False, "persistent": False,
        "before": {}, "after": {}, "plan": [], "warnings": [],
    }  # fmt: skip
    assert node.files() == files


def test_a_route_deleted_by_hand_is_put_back(node: Node) -> None:
    node.run("static_routes", routes=[ROUTE], owner="worker")
    node.netns.ip("route", "del", "10.200.0.0/16")
    assert node.run("static_routes", routes=[ROUTE], owner="worker")["changed"] is True
    assert node.ours() == ["10.200.0.0/16"]


def test_an_identical_route_of_the_operator_is_adopted_without_a_change(node: Node) -> None:
    node.netns.ip(
        "route", "add", "10.200.0.0/16", "via", "10.100.0.1", "dev", "ens224", "metric", 100, "proto", "static"
    )
    assert node.run("static_routes", check=True, routes=[ROUTE], owner="worker")["changed"] is False
    assert load(str(node.root)) == {}
    assert node.run("static_routes", routes=[ROUTE], owner="worker")["changed"] is False
    ((record,),) = [load(str(node.root)).values()]
    assert (record.owners, record.made) == (("worker",), False)


def test_a_whole_worker_is_one_execution_and_reads_back_as_it_was_declared(node: Node) -> None:
    policy = {
        "interfaces": [
            {"name": "ens224", "type": "ethernet", "state": "up",
             "ipv4": {"enabled": True, "dhcp": False, "address": [{"ip": "10.100.0.10", "prefix-length": 24}]}},
        ],
        "routes": {"config": [
            {"destination": "10.200.0.0/16", "next-hop-address": "10.100.0.1", "next-hop-interface": "ens224",
             "metric": 100},
            {"destination": "0.0.0.0/0", "next-hop-address": "172.16.0.1", "next-hop-interface": "ens256",
             "table-id": 100},
            {"destination": "2001:db8:50::/48", "next-hop-address": "2001:db8:a::1", "next-hop-interface": "ens224"},
        ]},
        "route-rules": {"config": [{"ip-from": "172.16.0.0/24", "route-table": 100, "priority": 100}]},
    }  # fmt: skip
    result = node.run(
        "network_state", form=Form(diff=True, document=True), desired_state=policy, owner="worker",
        paths=[
            {"destination": "10.200.0.1", "expect": {"gateway": "10.100.0.1", "interface": "ens224", "table": "main"}},
            {"destination": "203.0.113.1", "source": "172.16.0.11", "expect": {"table": 100, "gateway": "172.16.0.1"}},
        ],
    )  # fmt: skip
    assert result["changed"] is True
    assert [one["passed"] for one in result["evidence"]] == [True, True]
    assert result["evidence"][0]["answer"]["type"] == "unicast"
    assert {"routes", "route_rules", "interfaces"} <= set(result["after"])
    assert result["diff"][0]["after"] == result["after"]
    assert node.run("network_state", desired_state=policy, owner="worker")["changed"] is False
    running = info.network_state({}, str(node.root))["running"]
    del running["dns_resolver"]
    again = node.run("network_state", check=True, desired_state=running)
    assert again["plan"] == []


def test_a_document_of_everything_that_can_be_told_changes_nothing(node: Node) -> None:
    node.netns.batch("""
        link add br0 type bridge
        link set br0 up
        addr add 10.77.0.1/24 brd + dev br0
        link add mv0 link ens256 type macvlan mode bridge
        route add 10.60.0.0/16 via 10.100.0.5 dev ens224 proto static metric 7 mtu 1400
        route add blackhole 10.61.0.0/16 proto static table 300
        route add 10.62.0.0/16 proto boot nexthop via 10.100.0.5 weight 2 nexthop via 172.16.0.5
        route add 2001:db8:60::/48 proto static nexthop via 2001:db8:a::5 nexthop via 2001:db8:c::5
        route add 10.63.0.0/16 via 10.100.0.5 proto bird
        rule add not from 10.0.0.0/8 fwmark 0x10/0xff lookup 300 priority 900
        rule add to 10.9.0.0/16 ipproto tcp dport 80-90 uidrange 0-0 prohibit priority 901
    """)
    words = "from 2001:db8::/32 iif ens224 lookup main suppress_prefixlength 0 priority 902"
    node.netns.ip("-6", "rule", "add", *words.split())
    gathered = info.network_state({}, str(node.root))
    running = gathered["running"]
    assert {entry["destination"] for entry in running["routes"]["config"]} == {
        "10.60.0.0/16", "10.61.0.0/16", "10.62.0.0/16", "2001:db8:60::/48",
    }  # fmt: skip
    assert [entry["priority"] for entry in running["route_rules"]["config"]] == [900, 901, 902]
    json.dumps(running)
    del running["dns_resolver"]
    result = node.run("network_state", check=True, desired_state=running)
    assert result["plan"] == []
    everything = info.network_state({"include_foreign": True}, str(node.root))["running"]
    assert {entry["protocol"] for entry in everything["routes"]["config"]} >= {"kernel", "bird", "static"}
    json.dumps(everything)


def test_what_is_no_longer_listed_goes_and_what_others_made_stays(node: Node) -> None:
    node.netns.ip("route", "add", "10.60.0.0/16", "via", "10.100.0.9", "dev", "ens224", "proto", "bird")
    node.run("static_routes", routes=[ROUTE, {**ROUTE, "destination": "10.50.0.0/24"}], owner="worker")
    node.run("static_routes", routes=[{**ROUTE, "destination": "10.51.0.0/24"}], owner="other")
    result = node.run("static_routes", routes=[ROUTE], owner="worker", purge=True)
    assert result["plan"] == ["- route 10.50.0.0/24 via 10.100.0.1 dev ens224 metric 100 (worker; pruned)"]
    assert node.ours() == ["10.200.0.0/16", "10.51.0.0/24"]
    assert node.netns.json("route", "show", "10.60.0.0/16")


def test_a_path_that_is_not_as_expected_undoes_the_change(node: Node) -> None:
    path = {"destination": "10.200.0.1", "expect": {"gateway": "10.100.0.99"}}
    before = node.netns.json("-4", "route", "show", "table", "all")
    with pytest.raises(
        StateError, match=r"10\.200\.0\.1: expected gateway 10\.100\.0\.99.*gateway 10\.100\.0\.1"
    ) as raised:
        node.run("network_state", desired_state={"routes": {"config": [ROUTE]}}, owner="worker", paths=[path])
    assert raised.value.details["rolled_back"] is True
    assert raised.value.details["evidence"][0]["passed"] is False
    assert raised.value.details["plan"]
    assert node.netns.json("-4", "route", "show", "table", "all") == before
    assert load(str(node.root)) == {}
    checked = node.run("network_state", check=True, desired_state={"routes": {"config": [ROUTE]}}, paths=[path])
    assert checked["evidence"] == []
    assert "not asked" in checked["warnings"][-1]


def test_files_settings_tables_and_nftables_are_a_part_of_the_transaction(node: Node) -> None:
    """All that a document can say, undone by a path that is not as expected, and made without it."""
    (node.root / "proc").symlink_to("/proc")
    etc = node.root / "etc"
    (etc / "hosts").write_text("127.0.0.1 localhost\n# kept\n")
    (etc / "hosts").chmod(0o640)
    (etc / "resolv.conf").write_text("nameserver 192.0.2.1\n")
    (etc / "nsswitch.conf").write_text("passwd: files\nhosts: dns files\n")
    forwarding = pathlib.Path("/proc/sys/net/ipv4/conf/ens224/forwarding")
    redirects = pathlib.Path("/proc/sys/net/ipv4/conf/all/accept_redirects")
    forwarding.write_text("1")
    redirects.write_text("1")
    whole = {
        "desired_state": {
            "interfaces": [{"name": "ens256", "ipv4": {"address": [{"ip": "172.16.0.11", "prefix-length": 24}]}}],
            "dns-resolver": {"config": {"server": ["10.100.0.53"], "search": ["example.com"]}},
            "routes": {"config": [{**ROUTE, "table": "storage"}]},
        },
        "tables": [{"id": 300, "name": "storage", "purpose": "storage network"}],
        "hosts": [{"address": "10.100.0.5", "names": ["registry"]}],
        "nsswitch_hosts": ["files", "dns"],
        "sysctl": {"net.ipv4.ip_forward": "1", "net.ipv4.conf.ens256.rp_filter": "2"},
        "multi_nic": [{"interface": "ens256", "gateway": "172.16.0.1", "forwarded": True}],
        "owner": "worker",
    }
    before = node.netns.json("-4", "route", "show", "table", "all"), node.netns.json("rule")
    files = {name: content for name, (_time, content) in node.files().items()}
    path = {"destination": "10.200.0.1", "expect": {"table": 77}}
    with pytest.raises(StateError, match="expected table 77") as raised:
        node.run("network_state", **whole, paths=[path])
    assert raised.value.details["rolled_back"] is True, raised.value.message
    assert (node.netns.json("-4", "route", "show", "table", "all"), node.netns.json("rule")) == before
    left = {name: content for name, (_time, content) in node.files().items() if not name.endswith("owned.json")}
    assert left == files
    assert (etc / "hosts").stat().st_mode & 0o777 == 0o640
    assert forwarding.read_text() == "1\n"
    assert redirects.read_text() == "1\n"
    assert (
        "kubenode" not in subprocess.run(["nft", "list", "ruleset"], capture_output=True, text=True, check=True).stdout
    )
    result = node.run("network_state", **whole, form=Form(diff=True, document=True))
    assert result["after"]["dns_resolver"]["config"]["server"] == ["10.100.0.53"]
    assert any(entry["before_header"] == "/etc/hosts" and "registry" in entry["after"] for entry in result["diff"])
    assert "kubenode" in subprocess.run(["nft", "list", "ruleset"], capture_output=True, text=True, check=True).stdout
    assert "nameserver 10.100.0.53\n" in (etc / "resolv.conf").read_text()
    assert "# kept" in (etc / "hosts").read_text()
    assert pathlib.Path("/proc/sys/net/ipv4/ip_forward").read_text() == "1\n"
    again = node.run("network_state", **whole)
    assert (again["plan"], again["changed"]) == ([], False)


def test_a_fault_of_our_own_does_not_leave_half_a_change(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    from ansible_collections.kubenode.network.plugins.module_utils._state import verify as room

    def broken(*_arguments: t.Any) -> t.NoReturn:
        raise TypeError("a fault")

    monkeypatch.setattr(room, "verify", broken)
    with pytest.raises(TypeError, match="a fault"):
        node.run("static_routes", routes=[ROUTE], owner="worker")
    assert node.ours() == []
    assert load(str(node.root)) == {}


def test_a_path_alone_is_asked_without_a_change(node: Node) -> None:
    evidence = info.paths({"paths": [{"destination": "10.100.0.5", "expect": {"gateway": "", "interface": "ens224"}}]})
    assert evidence["evidence"][0]["passed"] is True
    with pytest.raises(StateError, match=r"192\.0\.2\.1: expected a way; the kernel answers type no_route") as raised:
        info.paths({"paths": [{"destination": "192.0.2.1"}]})
    assert raised.value.details["evidence"][0]["answer"]["error"]
    assert node.ours() == []


def test_a_failure_leaves_the_records_as_they_were(node: Node) -> None:
    node.run("static_routes", routes=[ROUTE], owner="worker")
    records = load(str(node.root))
    bad = {**ROUTE, "destination": "10.52.0.0/24", "source": "10.100.0.11", "next_hop_address": "10.100.0.1"}
    # The address goes between the plan and its execution: the kernel refuses the route's source.
    import ansible_collections.kubenode.network.plugins.module_utils._state.apply as apply_module

    original = apply_module.apply

    def late(*args: t.Any, **named: t.Any) -> t.Any:
        node.netns.ip("addr", "del", "10.100.0.11/24", "dev", "ens224")
        node.netns.ip("addr", "add", "10.100.0.12/24", "dev", "ens224")
        return original(*args, **named)

    apply_module.apply = late
    try:
        with pytest.raises(StateError, match=r"10\.52\.0\.0/24.*Invalid"):
            node.run("static_routes", routes=[ROUTE, bad], owner="worker")
    finally:
        apply_module.apply = original
    assert load(str(node.root)) == records


def test_a_run_that_is_told_to_end_ends_with_everything_undone(node: Node) -> None:
    """The signal comes in the middle: after the first batch, while the second is still to be sent."""
    before = node.netns.json("-4", "route", "show", "table", "all")
    program = f"""
import os, signal, sys
from ansible_collections.kubenode.network.plugins.module_utils._state import execute as room, run
from ansible_collections.kubenode.network.plugins.module_utils._state.model import StateError
from ansible_collections.kubenode.network.plugins.module_utils._state.options import desired_from_options
original = room.Executor.batch
def batch(self, changes, append=False):
    original(self, changes, append)
    if any(change.kind == "route" and change.before is None for change in self.done):
        print("half-way", flush=True)
        sys.stdin.readline()
room.Executor.batch = batch
params = {{"routes": [dict({ROUTE!r}, destination="10.%d.0.0/16" % n) for n in range(200, 220)], "owner": "worker"}}
try:
    run.execute(desired_from_options(params, "static_routes"), root={str(node.root)!r})
except StateError as error:
    print(error.message, error.details["rolled_back"], flush=True)
    sys.exit(7)
"""
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "half-way\n"
        assert len(node.ours()) == 20
        # What a crash here would leave is on record.
        assert len(load(str(node.root))) == 20
        for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
            os.kill(process.pid, number)
        process.stdin.write("\n" * 5)
        process.stdin.flush()
        output = process.stdout.read()
    assert process.returncode == 7, output
    assert "interrupted by SIG" in output
    assert output.strip().endswith("True")
    assert node.netns.json("-4", "route", "show", "table", "all") == before
    assert load(str(node.root)) == {}


def test_a_killed_run_is_finished_or_taken_back_by_the_next(node: Node) -> None:
    """SIGKILL between the records and the kernel, and after the kernel: the next run owns what is there."""
    program = f"""
import os, signal
from ansible_collections.kubenode.network.plugins.module_utils._state import execute as room, run
from ansible_collections.kubenode.network.plugins.module_utils._state.options import desired_from_options
original = room.Executor.batch
def batch(self, changes, append=False):
    original(self, changes[:1], append)
    os.kill(os.getpid(), signal.SIGKILL)
room.Executor.batch = batch
params = {{"routes": [dict({ROUTE!r}, destination="10.%d.0.0/16" % n) for n in range(200, 203)], "owner": "worker"}}
run.execute(desired_from_options(params, "static_routes"), root={str(node.root)!r})
"""
    killed = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert len(node.ours()) == 1
    result = node.run("static_routes", routes=[], owner="worker", purge=True)
    assert len(result["plan"]) == 1
    assert node.ours() == []
    assert load(str(node.root)) == {}
