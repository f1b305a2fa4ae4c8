# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cache on a node, for real: queries from a pod's namespace, a real server, real rules, the kernel's own trackers.

The server is a CoreDNS with node-cache's plugin set. Where ``NODE_CACHE_BINARY`` names a node-cache, that one runs, and
interface and rules are its own.
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time
import typing as t

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._nodecache import asking, metrics, processes
from ansible_collections.kubenode.network.plugins.module_utils._nodecache.clean import clean
from ansible_collections.kubenode.network.plugins.module_utils._nodecache.module import NODE_INFO_OPTIONS, NODE_OPTIONS
from ansible_collections.kubenode.network.plugins.module_utils._nodecache.report import info
from ansible_collections.kubenode.network.tests.cluster import build
from ansible_collections.kubenode.network.tests.cluster.coredns_process import coredns
from ansible_collections.kubenode.network.tests.kernel import nodecache_world as made
from ansible_collections.kubenode.network.tests.kernel.conftest import Netns, fresh_netns
from ansible_collections.kubenode.network.tests.kernel.nodecache_world import CLUSTER, INTERFACE, LOCAL, POD, World

NODE_CACHE = os.environ.get("NODE_CACHE_BINARY", "")
DEFAULTS = {name: option.get("default") for name, option in NODE_INFO_OPTIONS.items()}
DOMAIN = "cluster.local"
NAME = f"kubernetes.default.svc.{DOMAIN}."
UPSTREAM_FILE = f"""
{DOMAIN}:53 {{
    log . "{{proto}} {{name}} {{rcode}}"
    template IN A kubernetes.default.svc.{DOMAIN} {{
        answer "{{{{ .Name }}}} 30 IN A 10.96.0.1"
    }}
    template IN ANY {DOMAIN} {{
        rcode NXDOMAIN
        authority "{DOMAIN}. 30 IN SOA ns.dns.{DOMAIN}. hostmaster.{DOMAIN}. 1 7200 1800 86400 30"
    }}
}}
"""
CACHE_FILE = f"""
{DOMAIN}:53 {{
    errors
    cache {{
        success 9984 30
        denial 9984 5
    }}
    reload
    loop
    bind __PILLAR__LOCAL__DNS__
    forward . __PILLAR__CLUSTER__DNS__ {{
        force_tcp
    }}
    prometheus :9253
    health {LOCAL}:{made.HEALTH}
}}
"""
RATE = 200
CLIENT = """
import json, os, selectors, socket, struct, sys, time
server, rate = sys.argv[1], int(sys.argv[2])
os.set_blocking(0, False)
name = b"".join(bytes((len(l),)) + l for l in b"kubernetes default svc cluster local".split()) + b"\\0"
waiting, selector, sent, worst, start = {}, selectors.DefaultSelector(), 0, 0.0, time.monotonic()
selector.register(0, selectors.EVENT_READ)
ending = None
while ending is None or (waiting and time.monotonic() < ending + 10):
    now = time.monotonic()
    if ending is None and now >= start + sent / rate:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.connect((server, 53))
        sock.send(struct.pack("!HHHHHH", sent & 0xFFFF, 0x100, 1, 0, 0, 0) + name + struct.pack("!HH", 1, 1))
        waiting[sock] = now
        selector.register(sock, selectors.EVENT_READ)
        sent += 1
        if sent % 10 == 0:
            print(10, flush=True)
    for key, _events in selector.select(max(0, min(0.1, start + sent / rate - time.monotonic()))):
        if key.fileobj == 0:
            selector.unregister(0)
            ending = time.monotonic()
            continue
        try:
            good = key.fileobj.recv(4096)[3] & 15 == 0
        except OSError:
            good = False
        selector.unregister(key.fileobj)
        key.fileobj.close()
        began = waiting.pop(key.fileobj) if good else None
        worst = max(worst, time.monotonic() - began) if began else worst
print(json.dumps({"sent": sent, "lost": len(waiting), "worst_ms": worst * 1000}))
"""
NFT = made.cannot("nft")
pytestmark = pytest.mark.skipif(bool(NFT), reason=NFT)


@pytest.fixture
def netns() -> t.Iterator[Netns]:
    with fresh_netns() as namespace:
        yield namespace


class Cache:
    """The server under test, and the one that it asks."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.upstream_log = world.folder / "upstream.log"
        self._running: list[subprocess.Popen[bytes]] = []
        self._laid = not NODE_CACHE

    def start_upstream(self) -> None:
        """CoreDNS in a pod of its own behind the same bridge."""
        holder = self.world.holder("127.0.0.1")
        pid = str(holder.pid)
        self.world.netns.ip("link", "add", "veth1", "type", "veth", "peer", "name", "eth0", "netns", pid)
        self.world.netns.ip("link", "set", "veth1", "master", made.BRIDGE, "up")
        self.world.netns.ip("route", "add", f"{made.COREDNS_POD}/32", "dev", made.BRIDGE)
        for line in (
            "link set lo up", "link set eth0 up", f"address add {made.COREDNS_POD}/24 dev eth0",
            "route add default dev eth0",
        ):  # fmt: skip
            made.run("nsenter", "-t", pid, "-n", "ip", *line.split())
        self._start(["nsenter", "-t", pid, "-n", str(coredns())], "upstream", UPSTREAM_FILE)
        self._wait(lambda: "CoreDNS-" in self.upstream_log.read_text(encoding="utf-8"))
        self._wait(lambda: asking.ask(made.COREDNS_POD, "udp", NAME, 0, 0.5).reply is not None)

    def start(self) -> None:
        """The cache: where it is a real node-cache, interface and rules come and go with it."""
        if not NODE_CACHE and not self._laid:
            for address in (LOCAL, CLUSTER):
                self.world.netns.ip("address", "add", f"{address}/32", "dev", INTERFACE)
        base = self.world.folder / "Corefile.base"
        base.write_text(CACHE_FILE, encoding="utf-8")
        flags = [
            "-localip", f"{LOCAL},{CLUSTER}", "-interfacename", INTERFACE, "-setupinterface=true",
            "-setupiptables=true", "-basecorefile", str(base), "-kubednscm", str(self.world.folder / "kube-dns"),
            "-upstreamsvc", "kube-dns-upstream", "-health-port", str(made.HEALTH), "-metrics-listen-address",
            "127.0.0.1:9353", "-pidfile", str(self.world.folder / "pid"),
        ]  # fmt: skip
        self._start([NODE_CACHE or str(build.built("nodecache")), *flags], "cache", "")
        wanted = {(address, protocol) for address in (LOCAL, CLUSTER) for protocol in ("udp", "tcp")}
        self._wait(lambda: {(one.address, one.protocol) for one in processes.listeners({53})} >= wanted)
        self._wait(lambda: bool(processes.listeners({9253})))
        if not NODE_CACHE and not self._laid:
            self.world.restore(made.rules_of_the_cache((LOCAL, CLUSTER)))
            self._laid = True
        if NODE_CACHE:
            self._wait(lambda: len(re.findall("NodeLocal DNS Cache", made.run("iptables-save"))) == 24)

    def _start(self, command: list[str], name: str, text: str) -> None:
        file = self.world.folder / f"Corefile.{name}"
        file.write_text(text, encoding="utf-8")
        with (self.world.folder / f"{name}.log").open("wb") as log:
            env = {**os.environ, "GOMAXPROCS": "1", "KUBE_DNS_UPSTREAM_SERVICE_HOST": made.COREDNS_POD}
            process = subprocess.Popen(
                [*command, "-conf", str(file)], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env
            )
        self._running.append(process)

    def load(self) -> Load:
        """Queries from the pod for the ClusterIP, until told to end."""
        return Load(self.world.pod.pid)

    def stop(self) -> None:
        """End the cache in order: its rules first, as the real one does, so that kube-proxy's serve what comes next."""
        if not NODE_CACHE:
            self.world.restore(made.rules_of_the_cache((LOCAL, CLUSTER)).replace("-A ", "-D "))
            self._laid = False
        self._running[-1].send_signal(signal.SIGTERM)
        self._running.pop().wait()
        if not NODE_CACHE:
            for address in (LOCAL, CLUSTER):
                self.world.netns.ip("address", "del", f"{address}/32", "dev", INTERFACE)

    def kill(self) -> None:
        """End the cache as a crash does."""
        self._running[-1].send_signal(signal.SIGKILL)
        self._running.pop().wait()

    def kill_upstream(self) -> None:
        self._running[0].kill()
        self._running.pop(0).wait()

    def asked_upstream(self) -> list[str]:
        """Transport, name and answer of each query that it got."""
        text = self.upstream_log.read_text(encoding="utf-8")
        return [line.partition("INFO] ")[2] for line in text.splitlines() if "INFO] " in line and f"{DOMAIN}." in line]

    @staticmethod
    def _wait(done: t.Callable[[], bool]) -> None:
        end = time.monotonic() + 60
        while not done():
            assert time.monotonic() < end
            time.sleep(0.05)

    def close(self) -> None:
        for process in self._running:
            process.kill()
            process.wait()


class Load:
    """A context manager: queries at a rate from a pod's namespace, each from a port of its own and never repeated."""

    def __init__(self, pid: int) -> None:
        command = ["nsenter", "-t", str(pid), "-n", sys.executable, "-c", CLIENT, CLUSTER, str(RATE)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def wait(self, count: int) -> None:
        """Until that many more have been sent."""
        for _number in range(count // 10):
            assert t.cast("t.IO[str]", self._process.stdout).readline() == "10\n"

    def end(self) -> dict[str, t.Any]:
        """Send no more, wait for the last answers, and count."""
        told, _errors = self._process.communicate("end\n", timeout=120)
        return t.cast("dict[str, t.Any]", json.loads(told.splitlines()[-1]))

    def __enter__(self) -> Load:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._process.kill()
        self._process.communicate()


@pytest.fixture(params=["iptables", "nftables"])
def cache(request: pytest.FixtureRequest, netns: Netns, tmp_path: pathlib.Path) -> t.Iterator[Cache]:
    """A node of either mode of kube-proxy, on which the cache runs."""
    with made.world(netns, tmp_path) as world, contextlib.ExitStack() as stack:
        world.build("nft", proxy=request.param, cache=not NODE_CACHE)
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
    counted = {one["server"]: one for one in found["metrics"]["caches"]}
    assert set(counted) == {f"dns://{address}:53" for address in (LOCAL, CLUSTER)}
    assert {one["zones"] for one in counted.values()} == {f"{DOMAIN}."}
    asked = counted[f"dns://{LOCAL}:53"]
    assert asked["hits"]["success"] >= 1
    assert asked["misses"] >= 1
    assert asked["entries"]["success"] >= 1
    assert 0 < asked["hit_ratio"] < 1
    assert counted[f"dns://{CLUSTER}:53"]["hits"]["success"] >= 2
    assert {one["pid"] for one in found["listeners"] if one["cache"] and one["port"] == 53} == {cache._running[-1].pid}


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
    options = {name: option.get("default") for name, option in NODE_OPTIONS.items()}
    assert clean(options, False, "/nowhere")["removed"] == found["leftovers"]
    reply = asking.ask(CLUSTER, "udp", NAME, pid, 5).reply
    assert reply is not None
    assert reply.data == ("10.96.0.1",)
    assert look(test_query=False, timeout=0.5)["leftovers"] == []


def test_a_busy_node_is_switched_to_the_cache_and_back_without_a_lost_query(
    cache: Cache, capsys: pytest.CaptureFixture[str]
) -> None:
    cache.stop()
    with cache.load() as load:
        load.wait(100)
        cache.start()
        load.wait(300)
        assert look(test_query=False)["steps"][4]["status"] != "failed"
        assert int(metrics.total(metrics.parse(metrics.fetch("127.0.0.1", 9253, 5)), "coredns_cache_hits_total")) > 100
        cache.stop()
        load.wait(300)
        counted = load.end()
    with capsys.disabled():
        print(f"\n  {counted['sent']} queries at {RATE}/s, {counted['lost']} lost, worst {counted['worst_ms']:.0f} ms")
    assert counted["sent"] >= 600
    assert counted["lost"] == 0
    # Without the cache by the pod itself, else by the cache, which asks over TCP.
    transports = [line.split()[0] for line in cache.asked_upstream()]
    assert {"udp", "tcp"} <= set(transports)


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
