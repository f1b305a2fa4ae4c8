# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The last of the five steps: the packet gets to the cache, and the answer back. Pure."""

from __future__ import annotations

import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._nodecache.asking import PORT, Asked
from ansible_collections.kubenode.network.plugins.module_utils._nodecache.judge import judge
from ansible_collections.kubenode.network.plugins.module_utils._nodecache.node import Node
from ansible_collections.kubenode.network.plugins.module_utils._nodecache.owners import stopped
from ansible_collections.kubenode.network.plugins.module_utils._nodecache.processes import Listener, is_cache
from ansible_collections.kubenode.network.plugins.module_utils._nodecache.steps import (
    RESTART,
    Step,
    packets,
    unreadable,
)

_BAD = ("SERVFAIL", "REFUSED", "NOTIMP", "FORMERR")


def answer(node: Node, asked: t.Sequence[Asked], not_asked: tuple[str, str] | None) -> Step:
    """Step 5. ``not_asked`` is why no query was sent, and the way out; None where they were."""
    step = Step(5, "answer")
    unreadable(step, node)
    _interface(step, node)
    _filters(step, node)
    _listening(step, node)
    for one in asked:
        _answered(step, one)
    if not_asked:
        step.fail("not_asked", *not_asked)
    return step


def _interface(step: Step, node: Node) -> None:
    name = node.wanted.interface
    link = node.links.get(name)
    if link is None:
        step.fail(
            "interface_missing",
            f"there is no interface {name}",
            f"start node-cache on this node (with -setupinterface): {RESTART}",
        )
        return
    held = node.held()
    step.evidence.append(f"{name} ({link.kind or 'no kind'}) holds {', '.join(held) or 'no address'}")
    for address in node.uses:
        if address not in held:
            elsewhere = [one.interface for one in node.addresses if one.address == address]
            where = f"; {', '.join(elsewhere)} does" if elsewhere else ""
            step.fail("address_missing", f"{name} does not hold {address}{where}", RESTART, address=address)
    for address in held:
        if address not in node.uses:
            step.fail(
                "address_stale",
                f"{name} holds {address}, which is none of the expected ({', '.join(node.uses)}): pods that ask it get "
                "no answer of kube-proxy",
                f"ip address del {address} dev {name}, or name it in local_ips or cluster_ips",
                address=address,
            )
    for one in node.addresses:
        if one.address in node.uses and one.interface not in (name, "lo"):
            step.fail(
                "address_twice",
                f"{one.address} is on {one.interface} as well",
                "with kube-proxy in IPVS mode take interception local_ip: a ClusterIP on kube-ipvs0 goes to IPVS",
                address=one.address,
            )


def _filters(step: Step, node: Node) -> None:
    """What all chains together do with the query as it comes in, and with the answer as it goes out."""
    for address, protocol in packets(node):
        iif = node.origin(address).interface
        good = True
        ways = [
            (("prerouting", "input"), node.query(address, protocol), f"a query to {address} over {protocol}"),
            (("output", "postrouting"), node.reply(address, protocol), f"the answer of {address} over {protocol}"),
        ]
        for hooks, packet, what in ways:
            for hook in hooks:
                judged = judge(node.ruleset, hook, packet)
                packet = judged.packet
                if judged.verdict != "accept":
                    good = False
                    step.findings.append(stopped(judged, what, address, protocol, iif))
                    break
        if good:
            step.evidence.append(f"{address} {protocol}: every chain of the packet filters accepts query and answer")


def _listening(step: Step, node: Node) -> None:
    for address, protocol in packets(node):
        found = [
            one for one in node.listeners if one.port == PORT and one.protocol == protocol and one.answers(address)
        ]
        own = [one for one in found if one.address == address]
        if own:
            step.evidence.append(f"{address} {protocol} port {PORT}: {_who(own[0])} listens")
        elif found:
            step.fail(
                "listens_everywhere",
                f"{_who(found[0])} listens on port {PORT} {protocol} of all addresses ({found[0].address}), and "
                f"nothing on {address} itself",
                "a server block without bind listens so, and its answers may leave from another address: give every "
                "block a bind of the cache's addresses",
                address=address,
                protocol=protocol,
            )
        else:
            step.fail(
                "not_listening",
                f"nothing listens on {address} port {PORT} {protocol}",
                "look at the log of the node-cache pod: it does not run, or its Corefile does not bind this address",
                address=address,
                protocol=protocol,
            )


def _who(one: Listener) -> str:
    return f"{one.command} (pid {one.pid})" if one.pid else "a process that is not seen from here"


def _answered(step: Step, one: Asked) -> None:
    about = {"address": one.address, "protocol": one.protocol}
    if one.reply is None:
        step.fail(
            "no_answer",
            one.error,
            "see the findings before; if there is none, look at the log of the node-cache pod",
            **about,
        )
    elif one.reply.rcode in _BAD:
        step.fail(
            "bad_answer",
            f"{one.address} answers {one.reply.rcode} over {one.protocol}",
            "the cache runs and its upstream does not answer: look at the Service kube-dns-upstream and at the CoreDNS "
            "pods, which are asked over TCP",
            **about,
        )
    else:
        took = f"{one.reply.milliseconds:.1f} ms"
        data = f" ({', '.join(one.reply.data)})" if one.reply.data else ""
        step.evidence.append(
            f"{one.address} {one.protocol}: asked from {one.reply.source} port {one.reply.source_port}, answered "
            f"{one.reply.rcode}{data} after {took}"
        )


def listeners(node: Node) -> list[dict[str, t.Any]]:
    """Who listens on the ports, and whether it is the cache."""
    cache = {
        one.pid
        for one in node.listeners
        if one.pid and one.port == PORT and (one.address in node.uses or is_cache(one.pid))
    }
    return [{**one._asdict(), "cache": one.pid in cache} for one in node.listeners]
