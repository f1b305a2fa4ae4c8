# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Replies of pods leave by the NIC that the request came in on: real packets through three namespaces."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
import typing as t

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._state import nft
from ansible_collections.kubenode.network.plugins.module_utils._state.model import StateError

if t.TYPE_CHECKING:
    from .conftest import Netns

pytestmark = pytest.mark.skipif(
    shutil.which("nft", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin") is None,
    reason="the program nft is not there: install the package nftables",
)

TABLE = 200
SERVER = """
import socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
server = socket.socket(family)
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind((sys.argv[1], 8080))
server.listen()
print("ready", flush=True)
while True:
    peer, _address = server.accept()
    peer.sendall(b"hello")
    peer.close()
"""
CLIENT = """
import socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
client = socket.socket(family)
client.settimeout(5)
client.bind((sys.argv[1], 0))
client.connect((sys.argv[2], int(sys.argv[3])))
print(client.recv(16).decode())
"""


# Packets are forwarded to a neighbour only once the link-local address has been checked for duplicates.
NO_WAITING = "echo 0 >/proc/sys/net/ipv6/conf/default/dad_transmits"


class Place:
    """A network namespace held by a process of its own."""

    def __init__(self, stack: contextlib.ExitStack) -> None:
        self._stack = stack
        self._holder = stack.enter_context(subprocess.Popen(["unshare", "--net", "sleep", "300"]))
        stack.callback(self._holder.kill)
        self.pid = self._holder.pid
        deadline = time.monotonic() + 10
        while os.readlink(f"/proc/{self.pid}/ns/net") == os.readlink("/proc/self/ns/net"):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        self.run("ip link set lo up")
        self.run(NO_WAITING)

    def command(self, *arguments: str) -> list[str]:
        return ["nsenter", "-t", str(self.pid), "-n", *arguments]

    def run(self, lines: str) -> str:
        done = subprocess.run(self.command("sh", "-ec", lines), check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self, *arguments: str) -> None:
        start_server(self._stack, self.command(*arguments))


def start_server(stack: contextlib.ExitStack, command: list[str]) -> None:
    process = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE))
    stack.callback(process.kill)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"


def sh(lines: str) -> str:
    done = subprocess.run(["sh", "-ec", lines], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


WORKER = """
ip link add ens192 type veth peer name r192 netns {router}
ip link add ens224 type veth peer name r224 netns {router}
ip link add cni0 type veth peer name eth0 netns {pod}
for nic in all default ens192 ens224 cni0; do echo 0 >/proc/sys/net/ipv4/conf/$nic/rp_filter; done
echo 1 >/proc/sys/net/ipv4/ip_forward
echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
ip addr add 10.0.0.11/24 dev ens192
ip addr add 10.100.0.11/24 dev ens224
ip addr add 10.244.0.1/24 dev cni0
ip addr add fd00:0::b/64 dev ens192 nodad
ip addr add fd00:100::b/64 dev ens224 nodad
ip addr add fd00:244::1/64 dev cni0 nodad
for nic in ens192 ens224 cni0; do ip link set $nic up; done
ip route add default via 10.0.0.1
ip -6 route add default via fd00::1
ip route add default via 10.100.0.1 dev ens224 table {table}
ip -6 route add default via fd00:100::1 dev ens224 table {table}
"""
COUNTERS = """
nft -f - <<X
table inet seen {
	chain replies {
		type filter hook prerouting priority 0;
		tcp sport { 8080, 30080 } iifname r192 counter
		tcp sport { 8080, 30080 } iifname r224 counter
	}
}
X
"""
ROUTER = """
for nic in all default r192 r224; do echo 0 >/proc/sys/net/ipv4/conf/$nic/rp_filter; done
ip addr add 10.0.0.1/24 dev r192
ip addr add 10.100.0.1/24 dev r224
ip addr add 203.0.113.1/32 dev lo
ip addr add fd00::1/64 dev r192 nodad
ip addr add fd00:100::1/64 dev r224 nodad
ip addr add 2001:db8:113::1/128 dev lo nodad
ip link set r192 up
ip link set r224 up
ip route add 10.244.0.0/24 via 10.100.0.11
ip -6 route add fd00:244::/64 via fd00:100::b
"""
POD = """
ip addr add 10.244.0.2/24 dev eth0
ip addr add fd00:244::2/64 dev eth0 nodad
ip link set eth0 up
ip route add default via 10.244.0.1
ip -6 route add default via fd00:244::1
"""
DESTINATION_NAT = """
nft -f - <<X
table inet kube {
	chain services {
		type nat hook prerouting priority dstnat;
		ip daddr 10.100.0.11 tcp dport 30080 dnat ip to %s
	}
}
X
"""


class Site:
    """A worker (the current namespace) with two NICs, a pod behind it and a router that is the client."""

    def __init__(self, stack: contextlib.ExitStack) -> None:
        self.stack = stack
        self.router, self.pod = Place(stack), Place(stack)
        sh(NO_WAITING)
        sh(WORKER.format(router=self.router.pid, pod=self.pod.pid, table=TABLE))
        self.router.run(ROUTER + COUNTERS)
        self.pod.run(POD)

    def forward(self, *interfaces: str) -> None:
        marks = nft.assign(interfaces, nft.read())
        nft.apply(nft.render(marks))
        for family in ("-4", "-6"):
            sh(f"ip {family} rule add fwmark {marks['ens224']:#x}/{nft.MASK:#x} lookup {TABLE} priority 20001")

    def ask(self, address: str, port: int, source: str = "203.0.113.1") -> None:
        answer = subprocess.run(
            self.router.command(sys.executable, "-c", CLIENT, source, address, str(port)),
            check=False,
            capture_output=True,
            text=True,
        )
        assert answer.stdout == "hello\n", answer.stderr

    def forget(self) -> None:
        """Start counting anew."""
        self.router.run(f"nft delete table inet seen\n{COUNTERS}")

    def replies(self) -> dict[str, bool]:
        """Router's NIC -> whether replies came in there."""
        listing = json.loads(self.router.run("nft -j list table inet seen"))
        counts = {}
        for entry in listing["nftables"]:
            words = entry.get("rule", {}).get("expr")
            if words:
                counts[words[1]["match"]["right"]] = words[2]["counter"]["packets"] > 0
        return counts


@pytest.fixture
def site(netns: Netns) -> t.Iterator[Site]:
    with contextlib.ExitStack() as stack:
        yield Site(stack)


ASTRAY = {"r192": True, "r224": False}
STRAIGHT = {"r192": False, "r224": True}


def test_without_the_table_replies_of_a_pod_leave_by_the_default_nic(site: Site) -> None:
    site.pod.start(sys.executable, "-c", SERVER, "10.244.0.2")
    site.ask("10.244.0.2", 8080)
    assert site.replies() == ASTRAY


@pytest.mark.parametrize(
    ("pod", "client"), [("10.244.0.2", "203.0.113.1"), ("fd00:244::2", "2001:db8:113::1")], ids=["ipv4", "ipv6"]
)
def test_with_it_they_leave_by_the_nic_that_was_asked(site: Site, pod: str, client: str) -> None:
    site.forward("ens256", "ens224")
    site.pod.start(sys.executable, "-c", SERVER, pod)
    site.ask(pod, 8080, client)
    assert site.replies() == STRAIGHT


def test_so_do_replies_of_a_node_port(site: Site) -> None:
    sh(DESTINATION_NAT % "10.244.0.2:8080")
    site.pod.start(sys.executable, "-c", SERVER, "10.244.0.2")
    site.ask("10.100.0.11", 30080)
    assert site.replies() == ASTRAY
    site.forward("ens224")
    site.forget()
    site.ask("10.100.0.11", 30080)
    assert site.replies() == STRAIGHT


def test_and_of_a_pod_in_the_hosts_network(site: Site) -> None:
    sh(DESTINATION_NAT % "10.0.0.11:8080")
    site.forward("ens224")
    start_server(site.stack, [sys.executable, "-c", SERVER, "10.0.0.11"])
    site.ask("10.100.0.11", 30080)
    assert site.replies() == STRAIGHT


def test_connections_that_a_pod_opens_keep_to_the_main_table(site: Site) -> None:
    site.forward("ens224")
    site.router.run("nft add rule inet seen replies tcp dport 8080 iifname r192 counter")
    site.router.run("nft add rule inet seen replies tcp dport 8080 iifname r224 counter")
    site.router.start(sys.executable, "-c", SERVER, "203.0.113.1")
    answer = subprocess.run(
        site.pod.command(sys.executable, "-c", CLIENT, "10.244.0.2", "203.0.113.1", "8080"),
        check=False,
        capture_output=True,
        text=True,
    )
    assert answer.stdout == "hello\n", answer.stderr
    assert site.replies() == ASTRAY


def test_marks_of_others_stay(site: Site) -> None:
    sh("""nft -f - <<X
table inet others {
	chain early {
		type filter hook prerouting priority -160;
		ct mark set ct mark | 0x80
		meta mark set meta mark | 0x4000
	}
	chain late {
		type filter hook postrouting priority 200;
		tcp sport 8080 meta mark & 0x4000 == 0x4000 ct mark & 0x80 == 0x80 counter
		tcp sport 8080 meta mark & 0x4000 == 0 counter
		tcp sport 8080 ct mark & 0x80 == 0 counter
	}
}
X
""")
    site.forward("ens224")
    site.pod.start(sys.executable, "-c", SERVER, "10.244.0.2")
    site.ask("10.244.0.2", 8080)
    assert site.replies() == STRAIGHT
    listing = json.loads(sh("nft -j list chain inet others late"))
    rules = [entry["rule"]["expr"] for entry in listing["nftables"] if "rule" in entry]
    counters = [rule[-1]["counter"]["packets"] for rule in rules]
    assert counters[0] > 0
    assert counters[1:] == [0, 0]


def test_what_was_applied_is_read_back_as_it_was_written(netns: Netns) -> None:
    assert nft.read() is None
    names = [f"nic{number}" for number in range(nft.MAX_INTERFACES - 1)] + ["ens224.100"]
    text = nft.render(nft.assign(names))
    nft.apply(text)
    assert nft.read() == text
    nft.apply(text)
    assert nft.read() == text
    nft.apply(None)
    assert nft.read() is None
    nft.apply(None)


def test_tables_of_others_are_left_alone(netns: Netns) -> None:
    sh("nft add table inet kubenode; nft add table ip kubenode_network")
    before = sh("nft list ruleset")
    nft.apply(nft.render({"ens224": 8}))
    nft.apply(None)
    assert sh("nft list ruleset") == before


@pytest.mark.parametrize(
    "change",
    [
        "add rule inet kubenode_network output counter",
        "add set inet kubenode_network extra { type ipv4_addr; }",
        "flush chain inet kubenode_network output",
        "delete table inet kubenode_network; add table inet kubenode_network",
    ],
)
def test_a_table_that_somebody_changed_is_seen_and_can_be_put_back(netns: Netns, change: str) -> None:
    text = nft.render({"ens224": 8, "ens256": 16})
    nft.apply(text)
    sh(f"nft '{change}'")
    changed = nft.read()
    assert changed not in (None, text)
    nft.apply(text)
    assert nft.read() == text
    nft.apply(changed)
    assert nft.read() == changed


def test_a_table_that_nft_refuses_leaves_the_old_one(netns: Netns) -> None:
    text = nft.render({"ens224": 8})
    nft.apply(text)
    with pytest.raises(StateError, match="nft refused"):
        nft.apply("table inet kubenode_network { chain x { nonsense; } }")
    assert nft.read() == text
