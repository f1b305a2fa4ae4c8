# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Test queries, sent from a pod's own namespace or from the node. Needs dnspython."""

from __future__ import annotations

import socket
import time
import typing as t
import uuid

from ansible_collections.kubenode.network.plugins.module_utils._dns import query
from ansible_collections.kubenode.network.plugins.module_utils._dns.errors import DnsError
from ansible_collections.kubenode.network.plugins.module_utils._netlink.sock import NetlinkError
from ansible_collections.kubenode.network.plugins.module_utils._nodecache import metrics, nfnetlink
from ansible_collections.kubenode.network.plugins.module_utils._nodecache.pods import within

PROTOCOLS = ("udp", "tcp")
PORT = 53
_PORTS = 64
"""How many are tried."""
_TTL_STEP = 1.1
"""Seconds between two answers whose time to live differs, being counted in whole seconds."""


class Asked(t.NamedTuple):
    """A question, its answer or why there was none, and what connection tracking knows of it."""

    address: str
    protocol: str
    reply: query.Reply | None
    error: str
    tracked: nfnetlink.Tracked | None
    tracking_unknown: str = ""


def ask(address: str, protocol: str, name: str, pid: int, seconds: float) -> Asked:
    """One question from the namespace of a process (0: from here), which is the node's to the kernel's trackers."""
    opened: list[socket.socket] = []
    reply, error = None, ""
    try:
        opened.append(_open(address, protocol, pid, seconds))
        if protocol == "tcp":
            opened[0].connect((address, PORT))
        reply = query.ask(name, opened[0], seconds=seconds)
    except DnsError as problem:
        error = str(problem)
    except OSError as problem:
        error = f"{name}: {address} cannot be reached over {protocol.upper()}: {problem.strerror or problem}"
    try:
        source = opened[0].getsockname() if opened else ("", 0)
    finally:
        for sock in opened:
            sock.close()
    if not source[1]:
        return Asked(address, protocol, reply, error, None, "the query has no port of its own")
    try:
        entry = nfnetlink.tracked(_source(source[0], address, pid), source[1], address, PORT, protocol)
    except (NetlinkError, ValueError) as problem:
        return Asked(address, protocol, reply, error, None, str(problem))
    return Asked(address, protocol, reply, error, entry)


def _open(address: str, protocol: str, pid: int, seconds: float) -> socket.socket:
    """A socket with a port of its own that no tracked connection of the past has: of a busy pod there are thousands."""

    def make() -> socket.socket:
        kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
        sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind)
        try:
            sock.settimeout(seconds)
            if protocol == "tcp":
                sock.bind(("", 0))
            else:
                sock.connect((address, PORT))
        except OSError:
            sock.close()
            raise
        return sock

    # Held meanwhile, so that the next one gets another.
    used: list[socket.socket] = []
    try:
        while True:
            used.append(within(pid, make) if pid else make())
            source, port = used[-1].getsockname()[:2]
            try:
                known = nfnetlink.tracked(_source(source, address, pid), port, address, PORT, protocol)
            except (NetlinkError, ValueError):
                # Said when the question has been asked.
                known = None
            if not known or len(used) == _PORTS:
                return used.pop()
    finally:
        for sock in used:
            sock.close()


def _source(source: str, address: str, pid: int) -> str:
    if source not in ("0.0.0.0", "::"):
        return source
    # A TCP connection that is not made has no address yet: the kernel takes this one.

    def probe() -> str:
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.connect((address, PORT))
            return str(sock.getsockname()[0])

    try:
        return within(pid, probe) if pid else probe()
    except OSError:
        return source


def prove_hit(address: str, domain: str, pid: int, seconds: float, page: tuple[str, int]) -> dict[str, t.Any]:
    """Ask twice for a name that nobody else asks for; ``page`` is address and port of the cache's metrics.

    There is no such name, so what is kept is the denial, and its time to live is that of the zone's SOA record.
    """
    name = f"kubenode-{uuid.uuid4().hex[:12]}.{domain.rstrip('.')}."
    before = _hits(page, seconds)
    first = ask(address, "udp", name, pid, seconds)
    time.sleep(_TTL_STEP)
    second = ask(address, "udp", name, pid, seconds)
    after = _hits(page, seconds)
    found: dict[str, t.Any] = {"name": name, "address": address, "proved": False, "reason": ""}
    found["first_ttl"] = first.reply.ttl if first.reply else None
    found["second_ttl"] = second.reply.ttl if second.reply else None
    found["hits_before"], found["hits_after"] = before, after
    if first.reply is None or second.reply is None:
        found["reason"] = first.error or second.error
    elif first.reply.ttl is None or second.reply.ttl is None:
        found["reason"] = f"the answer ({first.reply.rcode}) has no record with a time to live, so it is not kept"
    elif second.reply.ttl >= first.reply.ttl:
        found["reason"] = (
            f"the second answer lives as long as the first ({second.reply.ttl} s): it was asked for anew, so nothing "
            f"keeps denials for {domain}"
        )
    elif before is not None and after is not None and after <= before:
        found["reason"] = "the second answer is older than the first, but the cache's own counter of hits did not grow"
    else:
        found["proved"] = True
    return found


def _hits(page: tuple[str, int], seconds: float) -> int | None:
    try:
        return metrics.hits(metrics.parse(metrics.fetch(*page, seconds)))
    except OSError:
        return None
