# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How rules are read and tried on a packet, whichever tool listed them."""

from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._nodecache import iptables, judge, nftables
from ansible_collections.kubenode.network.plugins.module_utils._nodecache.model import (
    NodeCacheError,
    Packet,
    Ruleset,
    number,
)
from hypothesis import given
from hypothesis import strategies as st

QUERY = Packet(4, number("10.244.1.5"), number("10.96.0.10"), "udp", 40053, 53, iif="cni0")


def saved(rules: str, table: str = "filter", policy: str = "ACCEPT") -> Ruleset:
    """A table as iptables-save prints it; chains that are jumped to are declared."""
    lines = rules.strip().splitlines()
    names = {line.split()[1] for line in lines if line.startswith("-A")} - {"INPUT", "PREROUTING"}
    declared = [
        f":INPUT {policy} [0:0]",
        f":PREROUTING {policy} [0:0]",
        *(f":{name} - [0:0]" for name in sorted(names)),
    ]
    ruleset = Ruleset()
    for chain in iptables.chains("\n".join([f"*{table}", *declared, *lines, "COMMIT"]), "iptables-legacy", "ip"):
        ruleset.add(chain)
    return ruleset


def listed(*statements: dict[str, t.Any], sets: t.Sequence[dict[str, t.Any]] = (), **chain: t.Any) -> Ruleset:
    """One chain of nftables with one rule."""
    base = {"family": "inet", "table": "t", "name": "c", "hook": "input", "type": "filter", "prio": 0, **chain}
    rule = {"family": base["family"], "table": "t", "chain": "c", "handle": 7, "expr": list(statements)}
    ruleset = Ruleset()
    objects = [*({"set": {"family": base["family"], "table": "t", **one}} for one in sets), {"chain": base}]
    for one in nftables.chains(nftables.listing(json.dumps({"nftables": [*objects, {"rule": rule}]}))):
        ruleset.add(one)
    return ruleset


def verdict(ruleset: Ruleset, packet: Packet = QUERY, hook: str = "input") -> str:
    return judge.judge(ruleset, hook, packet).verdict


@pytest.mark.parametrize(
    ("match", "matches"),
    [
        ("-d 10.96.0.10/32 -p udp -m udp --dport 53", True),
        ("! -d 10.96.0.10/32", False),
        ("-d 10.96.0.0/255.255.0.0", True),
        ("-p tcp -m tcp --dport 53", False),
        ("-p udp -m udp --dport 50:60", True),
        ("-p udp -m udp ! --dport 53", False),
        ("-p udp -m multiport --dports 22,53,8000:9000", True),
        ("-p udp -m multiport --sports 53", False),
        ("-i cni+", True),
        ("! -i cni0", False),
        ("-i eth0 -m length --length 0:9", False),
        ("-m conntrack --ctstate NEW,RELATED", True),
        ("-m conntrack --ctstate ESTABLISHED", False),
        ("-m state --state NEW", True),
        ("-m mark --mark 0x4000/0x4000", False),
        ("-m mark ! --mark 0x4000/0x4000", True),
        ("-m addrtype --dst-type LOCAL", True),
        ("-m addrtype ! --src-type LOCAL", True),
        ("-m rpfilter --invert", False),
        ('-m comment --comment "-j DROP -p tcp"', True),
        ("-m set --match-set blocked src", None),
        ("-m limit --limit 10/sec", None),
        ("-p tcp -m limit --limit 10/sec", False),
    ],
)
def test_a_match_of_iptables(match: str, matches: bool | None) -> None:
    expected = {True: "drop", False: "accept", None: "unknown"}[matches]
    assert verdict(saved(f"-A INPUT {match} -j DROP")) == expected


def field(protocol: str, name: str) -> dict[str, t.Any]:
    return {"payload": {"protocol": protocol, "field": name}}


def meta(key: str) -> dict[str, t.Any]:
    return {"meta": {"key": key}}


@pytest.mark.parametrize(
    ("left", "op", "right", "matches"),
    [
        (field("ip", "daddr"), "==", "10.96.0.10", True),
        (field("ip", "daddr"), "!=", "10.96.0.10", False),
        (field("ip", "daddr"), "==", {"prefix": {"addr": "10.96.0.0", "len": 12}}, True),
        (field("ip6", "daddr"), "==", "fd00::a", False),
        (field("udp", "dport"), "==", {"set": [22, {"range": [50, 60]}]}, True),
        (field("tcp", "dport"), "==", 53, False),
        (field("udp", "dport"), "<", 53, False),
        (field("udp", "dport"), "<=", 53, True),
        (field("udp", "dport"), "==", "domain", True),
        (field("th", "sport"), ">=", 1024, True),
        (meta("iifname"), "==", "cni*", True),
        (meta("l4proto"), "==", {"set": ["tcp", "udp"]}, True),
        (meta("l4proto"), "==", 6, False),
        (meta("nfproto"), "==", "ipv6", False),
        ({"&": [meta("mark"), 255]}, "==", 1, False),
        ({"ct": {"key": "state"}}, "in", ["established", "new"], True),
        ({"ct": {"key": "status"}}, "in", "dnat", False),
        ({"fib": {"result": "type", "flags": ["daddr"]}}, "==", "local", True),
        ({"fib": {"result": "oif", "flags": ["saddr", "iif"]}}, "==", False, False),
        ({"concat": [field("ip", "daddr"), field("udp", "dport")]}, "==", "@known", True),
        (field("icmp", "type"), "==", "echo-request", False),
        (field("ip", "daddr"), "==", "@interval", True),
        (meta("skuid"), "==", 0, None),
        (field("tcp", "flags"), "==", "syn", None),
        ({"socket": {"key": "transparent"}}, "==", 1, None),
    ],
)  # fmt: skip
def test_a_match_of_nftables(left: t.Any, op: str, right: t.Any, matches: bool | None) -> None:
    sets = [
        {"name": "known", "elem": [{"concat": ["10.96.0.10", 53]}, {"concat": ["10.96.0.11", 53]}]},
        {"name": "interval", "elem": [{"elem": {"val": {"range": ["10.96.0.1", "10.96.0.20"]}, "timeout": 60}}]},
    ]
    ruleset = listed({"match": {"left": left, "op": op, "right": right}}, {"drop": None}, sets=sets)
    assert verdict(ruleset) == {True: "drop", False: "accept", None: "unknown"}[matches]


def test_a_rule_that_may_match_decides_only_where_the_rest_differs() -> None:
    doubt = "-A INPUT -m limit --limit 10/sec -j ACCEPT"
    assert verdict(saved(doubt)) == "accept"
    assert verdict(saved(f"{doubt}\n-A INPUT -p udp -j DROP")) == "unknown"
    assert verdict(saved(f"-A INPUT -p udp -j DROP\n{doubt}")) == "drop"
    found = judge.judge(saved(doubt, policy="DROP"), "input", QUERY)
    assert (found.verdict, found.rules) == ("unknown", (doubt,))
    assert verdict(saved("-A INPUT -m limit --limit 1/s -j DROP\n-A INPUT -j REJECT")) == "drop"


def test_jumps_return_and_goto_does_not() -> None:
    chains = "-A CHECK -p tcp -j RETURN\n-A CHECK -s 10.0.0.0/8 -j RETURN\n-A CHECK -j DROP"
    assert verdict(saved(f"-A INPUT -j CHECK\n-A INPUT -j REJECT\n{chains}")) == "reject"
    assert verdict(saved(f"-A INPUT -g CHECK\n-A INPUT -j REJECT\n{chains}")) == "accept"
    outside = QUERY._replace(source=number("192.0.2.1"))
    found = judge.judge(saved(f"-A INPUT -j CHECK\n{chains}"), "input", outside)
    assert (found.verdict, found.rules) == ("drop", ("-A INPUT -j CHECK", "-A CHECK -j DROP"))
    assert verdict(saved(f"-A INPUT -m limit --limit 1/s -j CHECK\n{chains}"), outside) == "unknown"


def test_marks_are_followed() -> None:
    marked = "-A INPUT -i cni0 -j MARK --set-xmark 0x40/0x40\n-A INPUT -m mark --mark 0x40/0x40 -j DROP"
    assert verdict(saved(marked)) == "drop"
    assert verdict(saved(marked), QUERY._replace(iif="eth0")) == "accept"
    assert verdict(saved("-A INPUT -m limit --limit 1/s " + marked[len("-A INPUT ") :])) == "unknown"
    # What may have been let through before was perhaps never marked.
    assert verdict(
        saved("-A INPUT -j A\n-A A -m limit --limit 1/s -j RETURN\n" + marked.replace("INPUT -i", "A -i"))
    ) == ("unknown")


def test_notrack_counts_only_before_tracking_and_hides_the_packet_from_nat() -> None:
    notrack = "-A PREROUTING -d 10.96.0.10/32 -p udp -m udp --dport 53 -j NOTRACK"
    dnat = "-A PREROUTING -d 10.96.0.10/32 -p udp -m udp --dport 53 -j DNAT --to-destination 10.244.9.9:53"
    for table, taken in (("raw", False), ("mangle", True)):
        ruleset = saved(notrack, table)
        for chain in saved(dnat, "nat").chains.values():
            ruleset.add(chain)
        found = judge.judge(ruleset, "prerouting", QUERY)
        assert bool(found.nat) is taken
        assert bool(found.notrack) is not taken
        assert bool(found.late) is taken
        assert judge.judge(ruleset, "prerouting", QUERY, tracked=True).nat
    # Another packet of the same connection sees neither.
    assert judge.judge(saved(notrack, "raw"), "prerouting", QUERY._replace(protocol="tcp")).notrack is None


def test_a_map_of_nftables_leads_to_its_verdict() -> None:
    key = {"concat": [field("ip", "daddr"), meta("l4proto"), field("th", "dport")]}
    entries = [
        [{"concat": ["10.96.0.10", "udp", 53]}, {"drop": None}],
        [{"concat": ["10.96.0.1", "tcp", 443]}, {"accept": None}],
    ]
    rule = {"vmap": {"key": key, "data": {"set": entries}}}
    assert verdict(listed(rule)) == "drop"
    assert verdict(listed(rule), QUERY._replace(protocol="tcp")) == "accept"
    assert verdict(listed({"vmap": {"key": meta("cgroup"), "data": {"set": [[1, {"drop": None}]]}}})) == "unknown"


@pytest.mark.parametrize("statement", ["queue", "tproxy", "synproxy"])
def test_what_gives_the_packet_to_somebody_else_is_unknown(statement: str) -> None:
    assert verdict(listed({statement: {"num": 1}})) == "unknown"
    assert verdict(saved("-A INPUT -j NFQUEUE --queue-num 1")) == "unknown"


def test_targets_of_iptables_that_nft_does_not_show_are_unknown() -> None:
    assert verdict(listed({"xt": {"type": "target", "name": "NFQUEUE"}})) == "unknown"
    assert verdict(listed({"xt": {"type": "match", "name": "comment"}}, {"drop": None})) == "drop"


def test_what_is_no_listing_is_an_error() -> None:
    with pytest.raises(NodeCacheError, match="printed what is no listing: 'Error: syntax error'"):
        nftables.listing("Error: syntax error")


_OPTIONS = [
    "-p udp", "-p tcp", "-d 10.96.0.10/32", "-s 10.0.0.0/8", "-i cni+", "-m mark --mark 0x1", "-m limit --limit 1/s",
    "-m conntrack --ctstate NEW", "-m addrtype --dst-type LOCAL",
]  # fmt: skip
_TARGETS = ["ACCEPT", "DROP", "A", "B", "RETURN", "LOG", "MARK --set-xmark 0x1/0x1"]


@given(
    st.lists(
        st.tuples(st.sampled_from(["INPUT", "A"]), st.sampled_from(_OPTIONS), st.sampled_from(_TARGETS)), max_size=8
    )
)
def test_a_certain_verdict_holds_whichever_way_the_doubtful_matches_go(rules: list[tuple[str, str, str]]) -> None:
    lines = [f"-A {chain} {options} -j {target}" for chain, options, target in rules if not (chain == "A" == target)]
    lines.append("-A B -p udp -j DROP")
    lines.append("-A A -p tcp -j DROP")
    told = verdict(saved("\n".join(lines)))
    doubtful = [index for index, line in enumerate(lines) if "limit" in line]
    reached = set()
    for choice in range(2 ** min(len(doubtful), 6)):
        sure = dict.fromkeys(doubtful)
        for bit, index in enumerate(doubtful):
            sure[index] = bool(choice >> bit & 1)
        kept = [
            line.replace("-m limit --limit 1/s", "-p udp") if sure.get(index) else line
            for index, line in enumerate(lines)
            if sure.get(index) is not False
        ]
        reached.add(verdict(saved("\n".join(kept))))
    assert told in reached or told == "unknown"
    if told != "unknown":
        assert reached == {told}
