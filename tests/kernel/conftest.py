# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A network namespace of its own for every test of this tier.

The tier runs inside a private network namespace (`unshare -n` or `unshare -Urn`), and says so instead of touching the
machine's own network. Each test then gets a fresh namespace inside that one.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import pathlib
import socket
import subprocess
import typing as t

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._netlink.sock import RtnlSocket

_CLONE_NEWNET = 0x40000000
# An ordinary user's namespace knows one user, and the kernel refuses rules about any other.
EVERY_USER = int(pathlib.Path("/proc/self/uid_map").read_text(encoding="ascii").split()[2]) == 2**32 - 1
ONE_USER = "this user namespace knows one user: the kernel takes no uid ranges here"
_libc = ctypes.CDLL(None, use_errno=True)


def _checked(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


class Netns:
    """The network namespace the calling thread is in, seen through iproute2 and libc, not through our own codec."""

    def __init__(self) -> None:
        self._sockets: list[RtnlSocket] = []

    def ip(self, *arguments: str | int) -> str:
        """Run ``ip``; fails the test with its words when it fails."""
        done = subprocess.run(["ip", *map(str, arguments)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"ip {' '.join(map(str, arguments))}: {done.stderr}"
        return done.stdout

    def batch(self, lines: str) -> None:
        """Run many lines as one ``ip -batch``; indentation and empty lines do not count."""
        text = "\n".join(line.strip() for line in lines.splitlines()) + "\n"
        done = subprocess.run(["ip", "-batch", "-"], input=text, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{done.stderr} in:\n{text}"

    def try_ip(self, *arguments: str | int) -> str:
        """Run ``ip``; the words of its error, empty when it worked."""
        return subprocess.run(["ip", *map(str, arguments)], capture_output=True, text=True, check=False).stderr.strip()

    def json(self, *arguments: str | int) -> list[dict[str, t.Any]]:
        """What ``ip -j -d`` shows."""
        return t.cast("list[dict[str, t.Any]]", json.loads(self.ip("-j", "-d", *arguments) or "[]"))

    def routes(self, family: str, table: int | str) -> list[dict[str, t.Any]]:
        """Routes of a table (family ``-4`` or ``-6``) as ``ip`` shows them; a table that does not exist has none."""
        command = ["ip", "-j", "-d", family, "route", "show", "table", str(table)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if "table does not exist" in done.stderr:
            return []
        assert done.returncode == 0, done.stderr
        return t.cast("list[dict[str, t.Any]]", json.loads(done.stdout or "[]"))

    def veth(self, name: str, peer: str, *addresses: str) -> None:
        """A veth pair, both ends up, with addresses on the first."""
        self.batch(
            f"link add {name} type veth peer name {peer}\n"
            f"link set {name} up\nlink set {peer} up\n"
            + "".join(f"addr add {a} dev {name}{' nodad' if ':' in a else ''}\n" for a in addresses)
        )

    @property
    def names(self) -> dict[int, str]:
        return dict(socket.if_nameindex())

    @property
    def indexes(self) -> dict[str, int]:
        return {name: index for index, name in socket.if_nameindex()}

    def socket(self, **options: t.Any) -> RtnlSocket:
        """An rtnetlink socket of this namespace, closed with it."""
        sock = RtnlSocket(**options)
        self._sockets.append(sock)
        return sock

    def close(self) -> None:
        for sock in self._sockets:
            sock.close()


@contextlib.contextmanager
def fresh_netns() -> t.Iterator[Netns]:
    """A fresh namespace with ``lo`` up for the calling thread and its children (3 ms); back in the outer one after."""
    outer = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        _checked(_libc.unshare(_CLONE_NEWNET))
        try:
            netns = Netns()
            netns.ip("link", "set", "lo", "up")
            try:
                yield netns
            finally:
                netns.close()
        finally:
            _checked(_libc.setns(outer, _CLONE_NEWNET))
    finally:
        os.close(outer)


def _machines_own_network() -> str:
    """Why this looks like the machine's own network; empty when it is a private one."""
    if os.environ.get("KUBENODE_PRIVATE_NS") == "1":
        return ""
    try:
        if os.readlink("/proc/self/ns/net") != os.readlink("/proc/1/ns/net"):
            return ""
    except OSError as error:
        return f"cannot tell whose network namespace this is ({error})"
    return "this is the machine's own network namespace"


@pytest.fixture(scope="session", autouse=True)
def _private_network() -> None:
    why = _machines_own_network()
    if why:
        pytest.fail(f"{why}; kernel tests run inside a private one: scripts/test kernel", pytrace=False)


@pytest.fixture
def netns() -> t.Iterator[Netns]:
    """A fresh network namespace with ``lo`` up."""
    with fresh_netns() as namespace:
        yield namespace


@pytest.fixture(name="fresh_netns", scope="session")
def _fresh_netns() -> t.Callable[[], contextlib.AbstractContextManager[Netns]]:
    """``with fresh_netns() as netns`` for tests that want several, one per example."""
    return fresh_netns


@pytest.fixture
def wired(netns: Netns) -> Netns:
    """A namespace with two veth NICs: ens224 (10.100.0.11/24, 2001:db8:a::b/64) and ens256 (172.16.0.11/24)."""
    netns.veth("ens224", "peer224", "10.100.0.11/24", "2001:db8:a::b/64")
    netns.veth("ens256", "peer256", "172.16.0.11/24", "2001:db8:c::b/64")
    return netns


@pytest.fixture
def node(wired: t.Any) -> t.Any:
    """`wired` with routes and rules of others in the way of every wildcard of the kernel."""
    wired.batch("""
        route add 10.200.0.0/16 via 10.100.0.9 dev ens224 metric 300 proto bird
        route add 10.201.0.0/16 via 10.100.0.9 dev ens224 proto bird
        route add 10.77.0.0/16 via 172.16.0.9 dev ens256 proto static
        route add 2001:db8:77::/48 via 2001:db8:a::9 dev ens224 metric 300 proto bird
        rule add from 10.0.0.0/8 lookup 100 priority 1000 protocol bird
    """)
    return wired
