# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cache on a node, for real: queries from a pod's namespace, a real server, real rules, the kernel's own trackers.

The server runs with the flags and the Corefile that the module nodelocaldns makes. It is a CoreDNS with node-cache's
plugin set, beside interface and rules that the test lays as a node-cache was seen to. Where ``NODE_CACHE_BINARY`` names
a node-cache that one runs, and interface, rules and teardown are its own.
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import re
import subprocess
import sys
import typing as t

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._corefile.document import parse
from ansible_collections.kubenode.network.plugins.module_utils._nodecache import asking, metrics
from ansible_collections.kubenode.network.plugins.module_utils._nodecache.clean import clean
from ansible_collections.kubenode.network.plugins.module_utils._nodecache.module import NODE_INFO_OPTIONS, NODE_OPTIONS
from ansible_collections.kubenode.network.plugins.module_utils._nodecache.release import release
from ansible_collections.kubenode.network.plugins.module_utils._nodecache.report import info
from ansible_collections.kubenode.network.tests.cluster import node_cache
from ansible_collections.kubenode.network.tests.cluster.load import RATE
from ansible_collections.kubenode.network.tests.cluster.nodecache_node import DOMAIN, NAME, STUB_ZONE, Cache
from ansible_collections.kubenode.network.tests.kernel import nodecache_world as made
from ansible_collections.kubenode.network.tests.kernel.conftest import Netns, fresh_netns
from ansible_collections.kubenode.network.tests.kernel.nodecache_world import CLUSTER, INTERFACE, LOCAL, POD

DEFAULTS = {name: option.get("default") for name, option in NODE_INFO_OPTIONS.items()}
CLEANING = {name: option.get("default") for name, option in NODE_OPTIONS.items()}
NFT = made.cannot("nft")
pytestmark = pytest.mark.skipif(bool(NFT), reason=NFT)


@pytest.fixture
def netns() -> t.Iterator[Netns]:
    with fresh_netns() as namespace:
        yield namespace


@pytest.fixture(params=["iptables", "nftables"])
def cache(request: pytest.FixtureRequest, netns: Netns, tmp_path: pathlib.Path) -> t.Iterator[Cache]:
    """A node of either mode of kube-proxy, on which the cache runs."""
    with made.world(netns, tmp_path) as world, contextlib.ExitStack() as stack:
        world.build("nft", proxy=request.param, cache=False)
        one = Cache(world)
        stack.callback(one.close)
        one.start_upstream()
        one.start()
        yield one


def look(**options: t.Any) -> dict[str, t.Any]:
    return info({**DEFAULTS, "cluster_ips": [CLUSTER], **options}, "/nowhere")


def kinds(found: dict[str, t.Any]) -> set[str]:
    return {f"{one['step']} {one['kind']}" for one in found["findings"]}


def test_a_query_from_a_pod_takes_all_five_steps_and_the_second_is_a_hit(cache: Cache) -> None:
    found = look()
    assert found["findings"] == []
    assert found["passed"]
    assert [step["status"] for step in found["steps"]] == ["passed"] * 5
    evidence = " | ".join(found["steps"][4]["evidence"])
    for address in (LOCAL, CLUSTER):
        for protocol in ("udp", "tcp"):
            assert re.search(
                rf"{address} {protocol}: asked from {POD} port \d+, answered NOERROR \(10.96.0.1\)", evidence
            )
            entry = f"{address} {protocol}: connection tracking has no entry of the test's own query"
            assert entry in found["steps"][2]["evidence"]
    # Of four queries the first was a miss, which went upstream over TCP; the unique name was the second miss.
    assert [line.split()[:2] for line in cache.asked_upstream() if NAME in line][-1] == ["tcp", NAME]
    assert [line.split()[0] for line in cache.asked_upstream() if found["hit"]["name"] in line] == ["tcp"]
    assert found["hit"]["proved"]
    assert 0 <= found["hit"]["second_ttl"] < found["hit"]["first_ttl"] <= 5
    assert found["hit"]["hits_after"] > found["hit"]["hits_before"]
    counted = {one["server"]: one for one in found["metrics"]["caches"] if one["zones"] == f"{DOMAIN}."}
    assert set(counted) == {f"dns://{address}:53" for address in (LOCAL, CLUSTER)}
    asked = counted[f"dns://{LOCAL}:53"]
    assert asked["hits"]["success"] >= 1
    assert asked["misses"] >= 1
    assert asked["entries"]["success"] >= 1
    assert 0 < asked["hit_ratio"] < 1
    assert counted[f"dns://{CLUSTER}:53"]["hits"]["success"] >= 2
    assert {one["pid"] for one in found["listeners"] if one["cache"] and one["port"] == 53} == {cache.pid}


TRACKED = """
import socket, sys
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.settimeout(5)
sock.bind(("", int(sys.argv[2])))
sock.connect((sys.argv[1], 53))
sock.send(bytes.fromhex("4b4e01000001000000000000" "0a6b756265726e65746573" "0764656661756c74" "03737663"
                        "07636c7573746572" "056c6f63616c" "00" "00010001"))
print(socket.inet_ntoa(sock.recv(512)[-4:]))
"""


def tracked(cache: Cache, address: str, port: int) -> bool:
    """Whether the node's kernel has an entry for a query that the pod sends from that port, and that is answered."""
    assert cache.world.in_pod(sys.executable, "-c", TRACKED, address, str(port)) == "10.96.0.1\n"
    table = pathlib.Path("/proc/thread-self/net/nf_conntrack").read_text(encoding="ascii")
    return f" sport={port} dport=53 " in table


def test_the_kernel_itself_says_what_the_module_does(cache: Cache) -> None:
    before = len(cache.asked_upstream())
    for number, address in enumerate((LOCAL, CLUSTER)):
        asked = cache.world.netns.ip("route", "get", address, "from", POD, "iif", made.BRIDGE)
        assert asked.startswith(f"local {address} from {POD} dev lo")
        assert not tracked(cache, address, 41000 + number)
    # The first was a miss, which went upstream over TCP, and the second a hit: both addresses have one cache.
    assert [line.split()[:2] for line in cache.asked_upstream()[before:] if NAME in line] == [["tcp", NAME]]
    cache.world.iptables("-t", "raw", "-F")
    assert tracked(cache, CLUSTER, 41010)
    assert cache.asked_upstream()[-1].split()[:2] == ["udp", NAME]


def shape(rule: str) -> tuple[str, ...]:
    """Of a rule that node-cache makes: table, chain, what must match, and what becomes of the packet."""
    table, _add, chain = rule.split()[:3]
    words = re.findall(r"-([dsp]|-dport|-sport) (\S+)", rule)
    does = "NOTRACK" if re.search("NOTRACK|--notrack", rule) else rule.rpartition("-j ")[2]
    return (table, chain, *sorted(f"{name.strip('-')} {value}" for name, value in words), does)


@pytest.mark.parametrize("cache", ["nftables"], indirect=True)
def test_what_runs_is_what_the_module_declared(cache: Cache) -> None:
    """Flags, pillars, the ConfigMap's blocks and those of the ConfigMap kube-dns; interface and twelve rules each."""
    link = cache.world.netns.json("address", "show", "dev", INTERFACE)[0]
    assert "UP" not in link["flags"]
    held = {(one["local"], one["prefixlen"]) for one in link["addr_info"] if one["family"] == "inet"}
    assert held == {(LOCAL, 32), (CLUSTER, 32)}
    laid, table = [], ""
    for line in made.rules_of_the_cache((LOCAL, CLUSTER)).splitlines():
        table = line[1:] if line.startswith("*") else table
        laid += [f"{table} {line}"] if line.startswith("-A") else []
    assert sorted(map(shape, cache.rules())) == sorted(map(shape, laid))
    assert cache.process
    text = node_cache.served(cache.process)
    assert "__PILLAR__" not in text
    blocks = {block.keys[0]: block for block in parse(text).blocks}
    assert set(blocks) == {f"{zone}:53" for zone in (DOMAIN, "in-addr.arpa", "ip6.arpa", ".", STUB_ZONE)}
    for block in blocks.values():
        assert list(block.plugins("bind")[0].args) == [LOCAL, CLUSTER]
    assert list(blocks[f"{DOMAIN}:53"].plugins("forward")[0].args) == [".", made.COREDNS_POD]
    reply = asking.ask(CLUSTER, "udp", f"app.{STUB_ZONE}.", cache.world.pod.pid, 5).reply
    assert reply is not None
    assert reply.data == ("203.0.113.80",)


@pytest.mark.skipif(not node_cache.REAL, reason=node_cache.WHY_NOT_REAL)
@pytest.mark.parametrize("cache", ["iptables"], indirect=True)
def test_rules_and_interface_of_a_node_cache_come_before_others_and_go_with_it(cache: Cache) -> None:
    cache.stop()
    assert INTERFACE not in cache.world.netns.indexes
    assert cache.rules() == []
    for table, chain in (("raw", "PREROUTING"), ("raw", "OUTPUT"), ("filter", "INPUT"), ("filter", "OUTPUT")):
        made.run("iptables", "-t", table, "-A", chain, "-d", "203.0.113.1", "-j", "ACCEPT")
    cache.start()
    for table, chain in (("raw", "PREROUTING"), ("raw", "OUTPUT"), ("filter", "INPUT"), ("filter", "OUTPUT")):
        lines = made.run("iptables", "-t", table, "-S", chain).splitlines()[1:]
        assert "203.0.113.1" in lines[-1]
        assert all("NodeLocal DNS Cache:" in line for line in lines[:-1])
        assert len(lines) > 1
    assert look()["passed"]


def test_without_its_rules_the_kernel_tracks_the_query_and_sends_it_past_the_cache(cache: Cache) -> None:
    asked = len(cache.asked_upstream())
    cache.world.iptables("-t", "raw", "-F")
    found = look()
    assert kinds(found) == {"2 notrack_missing", "3 nat_taken", "3 tracked"}
    tracked = [one["cause"] for one in found["findings"] if one["kind"] == "tracked"]
    assert f"the test's own query to {CLUSTER} over udp is tracked, translated to {made.COREDNS_POD} port 53" in tracked
    assert f"the test's own query to {LOCAL} over udp is tracked" in tracked
    # So it was: CoreDNS got the pod's own query, over UDP.
    assert ["udp", NAME] in [line.split()[:2] for line in cache.asked_upstream()[asked:]]


@pytest.mark.parametrize("cache", ["iptables"], indirect=True)
def test_a_connection_of_the_past_is_not_taken_for_the_tests_own(cache: Cache) -> None:
    """A busy pod has asked from thousands of ports that are still tracked when its node gets the cache."""
    cache.world.in_pod("sh", "-c", "echo 42000 42007 > /proc/sys/net/ipv4/ip_local_port_range")
    cache.world.iptables("-t", "raw", "-F")
    for port in range(42000, 42007):
        assert tracked(cache, CLUSTER, port)
    cache.world.restore(made.rules_of_the_cache((LOCAL, CLUSTER)).partition("*filter")[0])
    assert look()["findings"] == []


def test_a_dead_upstream_and_a_killed_cache_are_told_apart(cache: Cache) -> None:
    cache.kill_upstream()
    found = look()
    assert kinds(found) == {"5 bad_answer"}
    assert f"{LOCAL} answers SERVFAIL over udp" in [one["cause"] for one in found["findings"]]
    assert not found["hit"]["proved"]
    cache.kill()
    found = look(timeout=0.5)
    assert kinds(found) == {"5 not_listening", "5 no_answer"}
    assert "error" in found["metrics"]
    assert found["hit"] == {"proved": False, "reason": "no query was answered"}


def test_a_black_hole_ends_when_what_was_left_is_taken_away(cache: Cache) -> None:
    pid = cache.world.pod.pid
    cache.kill()
    assert asking.ask(CLUSTER, "udp", NAME, pid, 0.5).reply is None
    found = look(test_query=False, timeout=0.5)
    assert not found["passed"]
    assert len(found["leftovers"]) == 25
    assert clean(CLEANING, False, "/nowhere")["removed"] == found["leftovers"]
    reply = asking.ask(CLUSTER, "udp", NAME, pid, 5).reply
    assert reply is not None
    assert reply.data == ("10.96.0.1",)
    assert look(test_query=False, timeout=0.5)["leftovers"] == []


def asked_directly(cache: Cache) -> int:
    """Queries of the pod that CoreDNS got; the cache asks over TCP."""
    return sum(line.startswith("udp ") for line in cache.asked_upstream())


def hits() -> float:
    return metrics.total(metrics.parse(metrics.fetch("127.0.0.1", 9253, 5)), "coredns_cache_hits_total")


def test_a_busy_node_is_switched_to_the_cache_and_back_without_a_lost_query(
    cache: Cache, capsys: pytest.CaptureFixture[str]
) -> None:
    cache.stop()
    with cache.load() as load:
        cache.wait(lambda: asked_directly(cache) >= 100)
        cache.start()
        cache.wait(lambda: hits() > 300)
        assert look(test_query=False)["steps"][4]["status"] != "failed"
        # As the role does it before it has the pod of a node end.
        released = {**CLEANING, "state": "released", "cluster_ips": [CLUSTER]}
        assert len(release(released, False)["removed"]) == 4
        assert not release(released, True)["changed"]
        cache.stop()
        before = asked_directly(cache)
        cache.wait(lambda: asked_directly(cache) >= before + 200)
        counted = load.end()
    with capsys.disabled():
        print(f"\n  {counted['sent']} queries at {RATE}/s, {counted['lost']} lost, worst {counted['worst_ms']:.0f} ms")
    assert counted["sent"] >= 600
    # A node-cache puts each rule back for the moment in which it sees that it was the last of its kind.
    assert counted["lost"] <= (RATE // 40 if node_cache.REAL else 0)


@pytest.mark.parametrize("cache", ["iptables"], indirect=True)
def test_the_modules_say_so_when_ansible_runs_them(cache: Cache) -> None:
    found = module("nodelocaldns_node_info", cluster_ips=[CLUSTER], timeout=5)
    assert found["passed"]
    assert not found["changed"]
    assert found["node_evidence"]["kube_proxy_mode"] == "iptables"
    cache.kill()
    foreseen = module("nodelocaldns_node", "--check", "--diff", state="absent")
    assert foreseen["changed"]
    assert len(foreseen["removed"]) == 25
    assert INTERFACE in cache.world.netns.indexes


def module(name: str, *flags: str, **options: t.Any) -> dict[str, t.Any]:
    """What a module says when Ansible runs it."""
    command = ["ansible", "localhost", "-m", f"kubenode.network.{name}", "-a", json.dumps(options), *flags]
    env = {**os.environ, "ANSIBLE_LOCALHOST_WARNING": "false", "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false"}
    done = subprocess.run(
        [*command, "-e", f"ansible_python_interpreter={sys.executable}"],
        capture_output=True, text=True, check=False, env=env,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return t.cast("dict[str, t.Any]", json.loads(done.stdout[done.stdout.index("=> ") + 3 :]))
