# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cache without pods in a kernel: its interface and rules, and queries that move from one server to the next."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import typing as t

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._cache_service import node_script, steer, units
from ansible_collections.kubenode.network.plugins.module_utils._cache_service.options import Options

if t.TYPE_CHECKING:
    from .conftest import Netns

LOCAL, SIX = "169.254.20.10", "fd00::10"
# Answers each query with its own name behind the header, after a while where that is asked for.
SERVER = """
import socket, sys, threading
name, address = sys.argv[1].encode(), sys.argv[2]
kinds = (socket.SOCK_DGRAM, socket.SOCK_STREAM)
udp, tcp = (socket.socket(socket.AF_INET, kind) for kind in kinds)
for one in (udp, tcp):
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    one.bind((address, 53))
tcp.listen()
print("ready", flush=True)
while True:
    data, peer = udp.recvfrom(512)
    udp.sendto(data[:2] + bytes([data[2] | 0x80]) + data[3:12] + name, peer)
"""


def script(*words: str, addresses: tuple[str, ...] = (LOCAL, SIX), backend: str = "nft") -> tuple[int, str]:
    wanted = Options("/x", addresses, ("192.0.2.53",), interface_type="ifb")
    done = subprocess.run(
        ["bash", "-s", *words],
        input=node_script.text_for(wanted, backend, units.USER),
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stderr


def test_the_interface_has_its_addresses_and_goes_again(netns: Netns) -> None:
    assert script("link", "check")[0] == 1
    assert script("link", "up") == (0, "")
    assert script("link", "up") == (0, ""), "harmless when run again"
    assert script("link", "check") == (0, "")
    for address in (LOCAL, SIX):
        assert "local" in netns.ip("route", "get", address)
    assert script("link", "check", addresses=(LOCAL,))[0] == 1, "an address too many"
    assert script("link", "prune", addresses=(LOCAL,)) == (0, "")
    assert script("link", "check", addresses=(LOCAL,)) == (0, "")
    assert script("link", "down") == (0, "")
    assert netns.try_ip("link", "show", "dev", "nodelocaldns")


def test_an_interface_of_somebody_else_is_left_alone(netns: Netns) -> None:
    netns.ip("link", "add", "nodelocaldns", "type", "ifb")
    assert script("link", "down") == (0, "")
    assert netns.try_ip("link", "show", "dev", "nodelocaldns") == ""


def test_a_kind_that_the_kernel_lacks_is_said(netns: Netns) -> None:
    wanted = node_script.text_for(Options("/x", (LOCAL,), ("192.0.2.53",)), "none", units.USER).replace(
        "KIND='dummy'", "KIND='nosuch'"
    )
    done = subprocess.run(["bash", "-s", "link", "up"], input=wanted, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Unknown device type" in done.stderr
    assert netns.try_ip("link", "show", "dev", "nodelocaldns")


@pytest.mark.parametrize("backend", ["nft", "iptables"])
def test_queries_skip_connection_tracking_while_the_rules_stand(netns: Netns, backend: str) -> None:
    if shutil.which(backend) is None:
        pytest.skip(f"the program {backend} is not there: install the package of that name")
    netns.ip("link", "set", "lo", "up")
    # Something has to want connection tracking, as kube-proxy does.
    _want_tracking(backend)
    assert script("link", "up") == (0, "")
    assert script("rules", "check", backend=backend)[0] == 1
    with server("a") as _process:
        assert _tracked(40001), "without the rules it is tracked"
        for _twice in range(2):
            code, said = script("rules", "up", backend=backend)
            assert code == 0, said
        assert script("rules", "check", backend=backend)[0] == 0
        assert not _tracked(40002)
        # One rule of the twelve of an address is missing.
        _lose_one(backend)
        assert script("rules", "check", backend=backend)[0] == 1
        assert script("rules", "up", backend=backend)[0] == 0
        assert script("rules", "check", backend=backend)[0] == 0
        code, said = script("rules", "down", backend=backend)
        assert code == 0, said
        assert _tracked(40003)
    shown = _shown(backend)
    assert LOCAL not in shown
    assert SIX not in shown


def _want_tracking(backend: str) -> None:
    if backend == "nft":
        text = "table ip t { chain c { type filter hook output priority 0; ct state new counter; }; }"
        subprocess.run(["nft", text], check=True)
    else:
        rule = ["-t", "filter", "-A", "OUTPUT", "-m", "conntrack", "--ctstate", "NEW"]
        subprocess.run(["iptables", *rule], check=True)


def _tracked(port: int) -> bool:
    """Whether connection tracking has an entry for a query that is asked from that port."""
    assert _who(port) == "a"
    with open("/proc/self/net/nf_conntrack", encoding="ascii") as file:
        return any(f" sport={port} dport=53 " in line for line in file)


def _lose_one(backend: str) -> None:
    if backend == "nft":
        subprocess.run(["nft", "flush", "chain", "inet", node_script.TABLE, "prerouting"], check=True)
        return
    rule = [
        "-m",
        "comment",
        "--comment",
        node_script.COMMENT,
        "-d",
        LOCAL,
        "-p",
        "udp",
        "--dport",
        "53",
        "-j",
        "NOTRACK",
    ]
    subprocess.run(["iptables", "-t", "raw", "-D", "PREROUTING", *rule], check=True)


def _shown(backend: str) -> str:
    commands = [["nft", "list", "ruleset"]] if backend == "nft" else [["iptables-save"], ["ip6tables-save"]]
    return "".join(subprocess.run(one, check=True, capture_output=True, text=True).stdout for one in commands)


@contextlib.contextmanager
def server(name: str) -> t.Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", SERVER, name, LOCAL]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


def _who(port: int) -> str:
    """Which of the servers answers a query from that port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(5)
        asking.bind(("", port))
        asking.connect((LOCAL, 53))
        asking.send(bytes(12))
        return asking.recv(512)[12:].decode()


PORTS = range(40000, 40040)


def test_queries_move_to_the_new_server_only_when_they_are_told_to(netns: Netns) -> None:
    netns.ip("link", "set", "lo", "up")
    assert script("link", "up", addresses=(LOCAL,)) == (0, "")
    with server("old") as old, server("new") as new:
        assert not steer.missing(new.pid, [LOCAL])
        assert {_who(port) for port in PORTS} == {"old", "new"}, "the kernel spreads them unless told"
        steering = steer.Steering(old.pid, [LOCAL])
        assert steering.try_new()
        assert {_who(port) for port in PORTS} == {"old"}, "only the test went to the new one"
        steering.to_new()
        assert {_who(port) for port in PORTS} == {"new"}
        steering.to_old()
        assert {_who(port) for port in PORTS} == {"old"}
        steering.to_new()
        steering.close()
        old.terminate()
        old.wait()
        assert {_who(port) for port in PORTS} == {"new"}
        steer.spread(new.pid)
        with server("newer"):
            assert {_who(port) for port in PORTS} == {"new", "newer"}


def test_a_new_server_that_does_not_answer_gets_no_query_but_the_test(netns: Netns) -> None:
    netns.ip("link", "set", "lo", "up")
    assert script("link", "up", addresses=(LOCAL,)) == (0, "")
    with server("old") as old, server("new") as new:
        os.kill(new.pid, signal.SIGSTOP)
        steering = steer.Steering(old.pid, [LOCAL])
        assert not steering.try_new()
        assert {_who(port) for port in PORTS} == {"old"}
        steering.close()


def test_addresses_that_a_server_does_not_listen_on_are_named(netns: Netns) -> None:
    netns.ip("link", "set", "lo", "up")
    assert script("link", "up") == (0, "")
    with server("a") as process:
        assert steer.missing(process.pid, [LOCAL, SIX]) == [f"{SIX} (udp)", f"{SIX} (tcp)"]
