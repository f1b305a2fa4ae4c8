# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The five steps of a query's way, each with its evidence, and with cause and fix of what is wrong. Pure."""

from __future__ import annotations

import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._netlink import constants
from ansible_collections.kubenode.network.plugins.module_utils._netlink.lookup import RouteAnswer
from ansible_collections.kubenode.network.plugins.module_utils._nodecache.asking import PROTOCOLS, Asked
from ansible_collections.kubenode.network.plugins.module_utils._nodecache.judge import Judged, judge
from ansible_collections.kubenode.network.plugins.module_utils._nodecache.node import Node
from ansible_collections.kubenode.network.plugins.module_utils._nodecache.owners import Finding, stopped

RESTART = "restart the node-cache pod of this node, which sets its rules anew"
UNKNOWN_KINDS = ("filter_unknown", "unreadable", "not_asked", "notrack_unknown", "tracking_unknown", "nat_unknown")


class Step:
    """One step: what was found, and what is wrong about it."""

    def __init__(self, number: int, name: str) -> None:
        self.number = number
        self.name = name
        self.evidence: list[str] = []
        self.findings: list[Finding] = []

    def fail(self, kind: str, cause: str, fix: str, **more: str) -> None:
        """Add a finding; ``more`` are the address, the protocol ... that it is about."""
        self.findings.append({"kind": kind, **more, "cause": cause, "fix": fix})

    @property
    def status(self) -> str:
        if not self.findings:
            return "passed"
        return "unknown" if all(one["kind"] in UNKNOWN_KINDS for one in self.findings) else "failed"

    def result(self) -> dict[str, t.Any]:
        findings = [{"step": self.number, **one} for one in self.findings]
        return {
            "step": self.number,
            "name": self.name,
            "status": self.status,
            "evidence": self.evidence,
            "findings": findings,
        }


def packets(node: Node) -> list[tuple[str, str]]:
    """Every address with every protocol."""
    return [(address, protocol) for address in node.uses for protocol in PROTOCOLS]


def enter(node: Node, pod_routes: t.Mapping[str, str]) -> Step:
    """Step 1: the pod asks one of the addresses, and its packet comes in.

    ``pod_routes`` are the addresses that the pod itself has no way to, with the kernel's words.
    """
    step = Step(1, "enter")
    for family, origin in node.origins.items():
        step.evidence.append(f"IPv{family}: {origin.source} comes in by {origin.interface}: {origin.how}")
        if origin.unreachable:
            step.fail(
                "pod_unreachable",
                f"no route of this node leads to its pod {origin.unreachable}",
                "look whether the interface of the container network is up and has its address ('ip address')",
            )
        if origin.is_node:
            continue
        link = node.links.get(origin.interface)
        if link is None or not link.up:
            step.fail(
                "pod_interface_down",
                f"{origin.interface}, by which packets of {origin.source} come in, is down",
                f"ip link set {origin.interface} up, and look why the container network left it so",
            )
    for address, words in pod_routes.items():
        step.fail(
            "pod_no_route",
            f"the pod {node.origin(address).source} has no way to {address}: {words}",
            "give the pod a default route (its container network's work)",
            address=address,
        )
    servers = {server for origin in node.origins.values() for server in origin.name_servers}
    asks = f"the pod asks {', '.join(sorted(servers))}"
    if servers and not servers & set(node.uses) and node.wanted.pod_source:
        step.fail(
            "pod_asks_elsewhere",
            f"{asks}, and none of these is an address of the cache ({', '.join(node.uses)})",
            "in interception local_ip: set the kubelet's clusterDNS and recreate the pod; in cluster_ip: give "
            "cluster_ips",
        )
    elif servers and not servers & set(node.uses):
        # Kubelets move to a local address after the cache is there, and some pods ask others for good.
        step.evidence.append(f"no pod of this node asks the cache yet; {asks}")
    elif servers:
        step.evidence.append(asks)
    for address, protocol in packets(node):
        iif = node.origin(address).interface
        packet = node.query(address, protocol)
        hooks: list[tuple[str, bool]] = [("ingress", False)]
        if iif in node.links and node.links[iif].kind == "bridge":
            hooks += [("prerouting", True), ("input", True)]
        for hook, bridge in hooks:
            judged = judge(node.ruleset, hook, packet, bridge=bridge)
            if judged.verdict != "accept":
                step.findings.append(stopped(judged, f"a query to {address} over {protocol}", address, protocol, iif))
    return step


def notrack(node: Node) -> Step:
    """Step 2: queries and answers are taken out of connection tracking, before it begins."""
    step = Step(2, "notrack")
    unreadable(step, node)
    for address, protocol in packets(node):
        asked = f"queries for {address} {protocol} port 53"
        ways: list[tuple[str, Judged, str]] = []
        if not node.origin(address).is_node:
            ways.append(("prerouting", judge(node.ruleset, "prerouting", node.query(address, protocol)), asked))
        ways.append(
            ("output", judge(node.ruleset, "output", node.own_query(address, protocol)), f"the node's own {asked}")
        )
        answers = f"answers of {address} {protocol} port 53"
        ways.append(("output", judge(node.ruleset, "output", node.reply(address, protocol)), answers))
        for hook, judged, what in ways:
            _notrack_way(step, hook, judged, what, address, protocol)
    return step


def _notrack_way(step: Step, hook: str, judged: Judged, what: str, address: str, protocol: str) -> None:
    about = {"hook": hook, "address": address, "protocol": protocol}
    if judged.notrack:
        chain, rule = judged.notrack
        step.evidence.append(f"{what}: {chain.place}: {rule}")
    elif judged.late:
        chain, rule = judged.late
        step.fail(
            "notrack_late",
            f"{chain.place} takes {what} out of connection tracking at priority {chain.priority}, and tracking begins "
            "at -200",
            "move the rule to a chain of priority raw (-300)",
            rule=rule,
            **about,
        )
    elif judged.packet.state is None:
        step.fail(
            "notrack_unknown",
            f"a rule with a match that is not understood may take {what} out of connection tracking, or not",
            "let the rule name address, protocol and port alone, as node-cache's do",
            **about,
        )
    else:
        step.fail(
            "notrack_missing",
            f"no rule of the raw table at {hook} takes {what} out of connection tracking",
            RESTART,
            **about,
        )


def nat(node: Node, asked: t.Sequence[Asked]) -> Step:
    """Step 3: kube-proxy would translate the ClusterIP, and does not get to."""
    step = Step(3, "nat")
    unreadable(step, node)
    for address, protocol in packets(node):
        about = {"address": address, "protocol": protocol}
        hook = "output" if node.origin(address).is_node else "prerouting"
        packet = node.own_query(address, protocol) if hook == "output" else node.query(address, protocol)
        would = judge(node.ruleset, hook, packet, tracked=True).nat
        does = judge(node.ruleset, hook, packet)
        if does.nat:
            chain, rules, target = does.nat
            step.fail(
                "nat_taken",
                f"{chain.place} sends queries for {address} {protocol} past the cache ({target}), as they are tracked",
                f"see step 2: {RESTART}",
                rule=rules[-1],
                **about,
            )
        elif does.verdict == "unknown" and would and does.packet.state is None:
            step.fail("nat_unknown", f"whether {would[0].place} is taken depends on step 2", "see step 2", **about)
        elif would:
            chain, rules, target = would
            step.evidence.append(
                f"{address} {protocol}: {chain.place} would do {target}, and is not taken: {rules[-1]}"
            )
        elif node.uses[address] == "cluster" and not _ipvs(node, address):
            step.fail(
                "nat_missing",
                f"kube-proxy has no rule for {address} {protocol} on this node: without the cache nothing would answer",
                "look whether kube-proxy runs here and whether the DNS Service has endpoints",
                **about,
            )
        else:
            step.evidence.append(f"{address} {protocol}: no rule translates it")
    for one in asked:
        about = {"address": one.address, "protocol": one.protocol}
        if one.tracking_unknown:
            step.fail(
                "tracking_unknown",
                f"connection tracking could not be asked about the query to {one.address} over {one.protocol}: "
                f"{one.tracking_unknown}",
                "run as root, in the node's own network namespace",
                **about,
            )
        elif one.tracked:
            past = one.tracked.address != one.address
            way = f", translated to {one.tracked.address} port {one.tracked.port}" if past else ""
            step.fail(
                "tracked",
                f"the test's own query to {one.address} over {one.protocol} is tracked{way}",
                f"see step 2: {RESTART}",
                **about,
            )
        else:
            step.evidence.append(
                f"{one.address} {one.protocol}: connection tracking has no entry of the test's own query"
            )
    return step


def _ipvs(node: Node, address: str) -> bool:
    return any(one.interface == "kube-ipvs0" and one.address == address for one in node.addresses)


def route(node: Node) -> Step:
    """Step 4: the address is the node's own, for a packet of the pod."""
    step = Step(4, "route")
    for address in node.uses:
        origin = node.origin(address)
        way = "from the node itself" if origin.is_node else f"from {origin.source} iif {origin.interface}"
        answer = node.routes[address, True]
        if isinstance(answer, RouteAnswer) and answer.type == "local":
            step.evidence.append(f"{address} {way}: local, dev {answer.interface}")
            continue
        if isinstance(answer, str):
            cause = f"the kernel refuses {address} {way}: {answer}"
            fix = (
                f"the check of reverse paths wants the way back to {origin.source} to be {origin.interface}: look at "
                f"'ip route get {origin.source}' and at the sysctl net.ipv4.conf.{origin.interface}.rp_filter"
            )
            step.fail("route_refused", cause, fix, address=address)
        elif _tentative(node, address):
            step.fail(
                "address_tentative",
                f"{address} is on {node.wanted.interface}, and was never checked for duplicates, as that is down: IPv6 "
                "has no route to it until then",
                f"ip link set {node.wanted.interface} up",
                address=address,
            )
        elif address in [one.address for one in node.addresses]:
            table = f"table {answer.table} says {answer.type}" if answer.table else answer.error or answer.type
            cause = f"{address} is on an interface, but {way} {table}"
            cause += f", via {answer.gateway or answer.interface}" if answer.interface else ""
            fix = (
                "look at 'ip rule': a rule before that of the table local takes it, or the table local lacks the route"
            )
            step.fail("route_not_local", cause, fix, address=address)
        else:
            to = f", to {answer.gateway or answer.interface}" if answer.interface else ""
            cause = f"{address} is on no interface of this node, so {way} the route is {answer.type}{to}"
            step.fail("address_missing", cause, RESTART, address=address)
    return step


def _tentative(node: Node, address: str) -> bool:
    return any(one.address == address and one.flags & constants.IFA_F_TENTATIVE for one in node.addresses)


def unreadable(step: Step, node: Node) -> None:
    """Findings about rules that could not be listed."""
    for words in node.ruleset.unreadable:
        cause, _colon, fix = words.rpartition(": ")
        step.fail("unreadable", cause, fix)
