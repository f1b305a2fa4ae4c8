# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A node on which a cache really runs, as its pod declares it (node_cache.py), with the CoreDNS that it asks."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._nodecache import asking, processes
from ansible_collections.kubenode.network.tests.cluster import node_cache
from ansible_collections.kubenode.network.tests.cluster.coredns_process import coredns
from ansible_collections.kubenode.network.tests.cluster.load import Load
from ansible_collections.kubenode.network.tests.kernel import nodecache_world as made
from ansible_collections.kubenode.network.tests.kernel.nodecache_world import CLUSTER, INTERFACE, LOCAL, World

DOMAIN = "cluster.local"
NAME = f"kubernetes.default.svc.{DOMAIN}."
ADDRESSES = (LOCAL, CLUSTER)
RULES = 12 * len(ADDRESSES)
STUB_ZONE = "corp.example"
STUB = json.dumps({STUB_ZONE: [made.COREDNS_POD]})
"""What the ConfigMap kube-dns of the node's cluster says, of which the program makes a block of its own."""
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
{STUB_ZONE}:53 {{
    template IN A {STUB_ZONE} {{
        answer "{{{{ .Name }}}} 30 IN A 203.0.113.80"
    }}
}}
"""
_SECONDS = 120
"""Without a pid file a node-cache sets up its rules a minute after it has started."""


class Cache:
    """The cache of the node, and the server that it asks."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.upstream_log = world.folder / "upstream.log"
        self.folder = world.folder / "container"
        self.process: subprocess.Popen[bytes] | None = None
        self.container = node_cache.declared(CLUSTER, made.COREDNS_POD, {"stubDomains": STUB}, DOMAIN)
        self._upstream: subprocess.Popen[bytes] | None = None
        self._makes_interface = bool(node_cache.REAL) and self._has_dummy()
        if self._makes_interface and INTERFACE in world.netns.indexes:
            world.netns.ip("link", "del", INTERFACE)

    @property
    def pid(self) -> int:
        assert self.process
        return self.process.pid

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
        file = self.world.folder / "Corefile.upstream"
        file.write_text(UPSTREAM_FILE, encoding="utf-8")
        with self.upstream_log.open("wb") as log:
            self._upstream = subprocess.Popen(
                ["nsenter", "-t", pid, "-n", str(coredns()), "-conf", str(file)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, "GOMAXPROCS": "1"},
            )  # fmt: skip
        self.wait(lambda: "CoreDNS-" in self.upstream_log.read_text(encoding="utf-8"))
        self.wait(lambda: asking.ask(made.COREDNS_POD, "udp", NAME, 0, 0.5).reply is not None)

    def start(self) -> None:
        """The cache serves when this returns. Interface and rules of a real node-cache are its own."""
        if INTERFACE not in self.world.netns.indexes and not self._makes_interface:
            # A node-cache takes one of any kind that has the name.
            self.world.netns.ip("link", "add", INTERFACE, "type", self.world.kind)
        if not node_cache.REAL:
            for address in ADDRESSES:
                self.world.netns.ip("address", "replace", f"{address}/32", "dev", INTERFACE)
        self.process = node_cache.start(self.container, self.folder)
        wanted = {(address, protocol) for address in ADDRESSES for protocol in ("udp", "tcp")}
        self.wait(lambda: {(one.address, one.protocol) for one in processes.listeners({53})} >= wanted)
        self.wait(lambda: bool(processes.listeners({9253})))
        if not node_cache.REAL:
            self.world.restore(made.rules_of_the_cache(ADDRESSES))
        self.wait(lambda: len(self.rules()) == RULES)

    def _has_dummy(self) -> bool:
        if self.world.netns.try_ip("link", "add", "probe", "type", "dummy"):
            return False
        self.world.netns.ip("link", "del", "probe")
        return True

    def rules(self) -> list[str]:
        """Those with node-cache's comments, with their table, in their order."""
        found, table = [], ""
        program = "iptables-save" if node_cache.REAL else f"iptables-{self.world.flavour}-save"
        for line in made.run(program).splitlines():
            table = line[1:] if line.startswith("*") else table
            if "NodeLocal DNS Cache:" in line:
                found.append(f"{table} {line}")
        return found

    def load(self) -> Load:
        """Queries from the pod for the ClusterIP, until told to end."""
        return Load(["nsenter", "-t", str(self.world.pod.pid), "-n"], CLUSTER)

    def stop(self) -> None:
        """End the cache in order, as its pod is deleted: interface and rules of a real node-cache go with it.

        That is in its own order, interface first.
        """
        assert self.process
        if not node_cache.REAL:
            for address in ADDRESSES:
                self.world.netns.ip("address", "del", f"{address}/32", "dev", INTERFACE)
            left = [rule.split(maxsplit=1) for rule in self.rules()]
            lines = [f"*{table}\n{rule.replace('-A', '-D', 1)}\nCOMMIT\n" for table, rule in left]
            self.world.restore("".join(lines))
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()
        self.process = None

    def kill(self) -> None:
        """End the cache as a crash does."""
        assert self.process
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process = None

    def kill_upstream(self) -> None:
        assert self._upstream
        self._upstream.kill()
        self._upstream.wait()

    def asked_upstream(self) -> list[str]:
        """Transport, name and answer of each query that it got."""
        text = self.upstream_log.read_text(encoding="utf-8")
        return [line.partition("INFO] ")[2] for line in text.splitlines() if "INFO] " in line and f"{DOMAIN}." in line]

    def wait(self, done: t.Callable[[], bool]) -> None:
        end = time.monotonic() + _SECONDS
        while not done():
            assert self.process is None or self.process.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < end
            time.sleep(0.05)

    def close(self) -> None:
        for process in (self.process, self._upstream):
            if process is not None:
                process.kill()
                process.wait()
