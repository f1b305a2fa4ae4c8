# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules against iproute2, both ways, and the traps of the kernel's way to compare them."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._netlink import match
from ansible_collections.kubenode.network.plugins.module_utils._netlink.constants import AF_INET, AF_INET6
from ansible_collections.kubenode.network.plugins.module_utils._netlink.objects import Rule
from ansible_collections.kubenode.network.plugins.module_utils._netlink.rules import (
    encode_rule_add,
    encode_rule_delete,
    read_rules,
)
from ansible_collections.kubenode.network.tests.kernel.conftest import EVERY_USER, ONE_USER
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


def v4(**fields: t.Any) -> Rule:
    return Rule(AF_INET, 1000, **{"table": 100, **fields})


def v6(**fields: t.Any) -> Rule:
    return Rule(AF_INET6, 1000, **{"table": 100, **fields})


# What `ip rule add` takes (with `priority 1000`), and the rule that is then in the kernel.
TWINS: dict[str, tuple[str, Rule]] = {
    "table": ("lookup 100", v4()),
    "table 255 < id": ("lookup 4294967295", v4(table=4294967295)),
    "from": ("from 10.0.0.0/8 lookup 100", v4(source="10.0.0.0/8")),
    "from host": ("from 10.0.0.1 lookup 100", v4(source="10.0.0.1/32")),
    "to": ("to 10.200.0.0/16 lookup 100", v4(destination="10.200.0.0/16")),
    "from and to": ("from 10.0.0.0/8 to 10.1.0.0/16 lookup 100", v4(source="10.0.0.0/8", destination="10.1.0.0/16")),
    "tos": ("tos 0x10 lookup 100", v4(tos=16)),
    "fwmark": ("fwmark 5 lookup 100", v4(fwmark=5, fwmask=0xFFFFFFFF)),
    "fwmark and mask": ("fwmark 0x100/0xf00 lookup 100", v4(fwmark=0x100, fwmask=0xF00)),
    "fwmark 0 with a mask": ("fwmark 0/0xf00 lookup 100", v4(fwmask=0xF00)),
    "iif": ("iif ens224 lookup 100", v4(iif="ens224")),
    "oif": ("oif ens224 lookup 100", v4(oif="ens224")),
    "iif that is not there": ("iif ens999 lookup 100", v4(iif="ens999")),
    "protocol of the packet": ("ipproto udp lookup 100", v4(ip_protocol=17)),
    "ports": (
        "ipproto tcp sport 1000-2000 dport 443 lookup 100",
        v4(ip_protocol=6, source_ports=(1000, 2000), destination_ports=(443, 443)),
    ),
    "uids": ("uidrange 0-999 lookup 100", v4(uid_range=(0, 999))),
    "not": ("not from 10.0.0.0/8 lookup 100", v4(source="10.0.0.0/8", invert=True)),
    "l3mdev": ("l3mdev", v4(l3mdev=True, table=0)),
    "tunnel id": ("tun_id 77 lookup 100", v4(tun_id=77)),
    "suppress prefix length": ("lookup main suppress_prefixlength 0", v4(table=254, suppress_prefix_length=0)),
    "suppress group": ("lookup main suppress_ifgroup 5", v4(table=254, suppress_ifgroup=5)),
    "protocol of the rule": ("lookup 100 protocol 157", v4(protocol=157)),
    "goto": ("goto 2000", v4(action="goto", goto=2000, table=0)),
    "nop": ("nop", v4(action="nop", table=0)),
    "blackhole": ("blackhole", v4(action="blackhole", table=0)),
    "unreachable": ("from 10.0.0.0/8 unreachable", v4(action="unreachable", source="10.0.0.0/8", table=0)),
    "prohibit": ("prohibit", v4(action="prohibit", table=0)),
    "realms": ("lookup 100 realms 3/4", v4(extra=((11, b"\4\0\3\0"),))),
    "IPv6": ("lookup 100", v6()),
    "IPv6 from and to": (
        "from 2001:db8::/32 to 2001:db8:1::1 lookup 100",
        v6(source="2001:db8::/32", destination="2001:db8:1::1/128"),
    ),
    "IPv6 everything": (
        (
            "not from 2001:db8::/32 tos 0x10 fwmark 1/3 iif ens224 oif ens256 ipproto udp sport 1-2 dport 53 "
            "uidrange 1-2 lookup 300 suppress_prefixlength 64 protocol 12"
        ),
        v6(
            source="2001:db8::/32", tos=16, fwmark=1, fwmask=3, iif="ens224", oif="ens256", ip_protocol=17,
            source_ports=(1, 2), destination_ports=(53, 53), uid_range=(1, 2), invert=True, protocol=12, table=300,
            suppress_prefix_length=64,
        ),
    ),
}  # fmt: skip


def _family(rule: Rule) -> str:
    return "-4" if rule.family == AF_INET else "-6"


def _at_1000(netns: t.Any, rule: Rule) -> list[dict[str, t.Any]]:
    return [entry for entry in netns.json(_family(rule), "rule", "show") if entry["priority"] == 1000]


@pytest.mark.parametrize("case", TWINS)
def test_ip_and_we_make_the_same_rule(netns: t.Any, case: str) -> None:
    words, rule = TWINS[case]
    if rule.uid_range and not EVERY_USER:
        pytest.skip(ONE_USER)
    netns.ip(_family(rule), "rule", "add", "priority", 1000, *words.split())
    made_by_ip = _at_1000(netns, rule)
    assert len(made_by_ip) == 1
    sock = netns.socket()
    (found,) = [r for r in read_rules(sock, rule.family) if r.priority == 1000]
    assert found == rule
    assert sock.batch([encode_rule_delete(rule)]) == [None]
    assert _at_1000(netns, rule) == []
    assert sock.batch([encode_rule_add(rule)]) == [None]
    assert _at_1000(netns, rule) == made_by_ip
    (error,) = sock.batch([encode_rule_add(rule)])
    assert error is not None
    assert error.errno == 17
    assert _at_1000(netns, rule) == made_by_ip


def test_priority_0_is_a_priority(netns: t.Any) -> None:
    """Zero is not "any" here: a delete at priority 0 must not take a rule of another priority."""
    sock = netns.socket()
    netns.ip("rule", "add", "priority", 500, "lookup", 100, "protocol", 157)
    (error,) = sock.batch([encode_rule_delete(Rule(AF_INET, 0, table=100, protocol=157))])
    assert error is not None
    assert error.errno == 2
    rule = Rule(AF_INET, 0, table=100, protocol=157)
    assert sock.batch([encode_rule_add(rule)]) == [None]
    assert rule in read_rules(sock, AF_INET)
    assert sock.batch([encode_rule_delete(rule)]) == [None]
    assert {entry["priority"] for entry in netns.json("rule", "show")} == {0, 500, 32766, 32767}


def test_reading_all_families_is_ipv4_and_ipv6(netns: t.Any) -> None:
    """Multicast routing keeps rules under families of its own, which are not policy rules of ours."""
    rules = read_rules(netns.socket())
    assert [(r.family, r.priority, r.table) for r in rules] == [
        (AF_INET, 0, 255), (AF_INET, 32766, 254), (AF_INET, 32767, 253), (AF_INET6, 0, 255), (AF_INET6, 32766, 254),
    ]  # fmt: skip
    assert {rule.protocol for rule in rules} == {2}


# The traps: what stands in the kernel first, what is deleted, and which one goes.
def _trap(netns: t.Any, stranger: Rule, ours: Rule) -> tuple[Rule | None, list[Rule]]:
    sock = netns.socket()
    assert sock.batch([encode_rule_add(rule, exclusive=False) for rule in (stranger, ours)]) == [None, None]
    before = read_rules(sock, AF_INET)
    predicted = match.first_rule_match(ours, before)
    assert sock.batch([encode_rule_delete(ours)]) == [None]
    left = [rule for rule in read_rules(sock, AF_INET) if rule.priority == 1000]
    expected = [stranger, ours]
    expected.remove(predicted)
    assert left == expected
    assert match.rule_delete_is_precise(ours, before) == (predicted == ours)
    return predicted, left


def test_a_rule_without_from_takes_a_strangers_with_from(netns: t.Any) -> None:
    """The kernel itself: `from` not given means any, even with every field we can send."""
    stranger = v4(source="10.0.0.0/8", protocol=157)
    predicted, _left = _trap(netns, stranger, v4(protocol=157))
    assert predicted == stranger


def test_the_protocol_keeps_a_strangers_rule(netns: t.Any) -> None:
    stranger = v4(source="10.0.0.0/8", protocol=4)
    predicted, left = _trap(netns, stranger, v4(protocol=157))
    assert (predicted, left) == (v4(protocol=157), [stranger])


def test_a_rule_without_protocol_takes_a_strangers(netns: t.Any) -> None:
    stranger = v4(protocol=12)
    predicted, _left = _trap(netns, stranger, v4(protocol=0))
    assert predicted == stranger


def test_inversion_is_not_looked_at(netns: t.Any) -> None:
    stranger = v4(source="10.0.0.0/8", invert=True, protocol=157)
    predicted, _left = _trap(netns, stranger, v4(source="10.0.0.0/8", protocol=157))
    assert predicted == stranger


def test_a_rule_that_only_looks_alike_is_in_the_way_of_an_exclusive_add(netns: t.Any) -> None:
    sock = netns.socket()
    narrow, wide = v4(source="10.0.0.0/8", protocol=157), v4(protocol=157)
    assert sock.batch([encode_rule_add(narrow)]) == [None]
    assert match.first_equal_rule(wide, read_rules(sock, AF_INET)) == narrow
    (error,) = sock.batch([encode_rule_add(wide)])
    assert error is not None
    assert error.errno == 17
    assert sock.batch([encode_rule_add(wide, exclusive=False)]) == [None]
    assert [entry["src"] for entry in _at_1000(netns, wide)] == ["10.0.0.0", "all"]


def random_rules() -> st.SearchStrategy[Rule]:
    # The kernel takes no range that ends at 65535.
    ports = st.tuples(st.integers(1, 65534), st.integers(1, 65534)).map(lambda pair: (min(pair), max(pair)))
    uids = st.tuples(st.integers(0, 2**31), st.integers(0, 2**31)).map(lambda pair: (min(pair), max(pair)))
    names = st.sampled_from((None, "ens224", "ens256", "later0"))
    prefixes = {
        AF_INET: st.integers(1, 32).map(lambda n: f"{'10.255.255.255' if n == 32 else '10.0.0.0'}/{max(n, 7)}"),
        AF_INET6: st.integers(32, 128).map(lambda n: f"2001:db8::/{n}"),
    }

    def build(family: int) -> st.SearchStrategy[Rule]:
        fields: dict[str, st.SearchStrategy[t.Any]] = {
            "priority": st.integers(1, 32765),
            "table": st.integers(1, 2**32 - 1),
            "source": st.none() | prefixes[family],
            "destination": st.none() | prefixes[family],
            "tos": st.sampled_from((0, 4, 8, 16)),
            "fwmark": st.integers(0, 2**32 - 1),
            "iif": names,
            "oif": names,
            "ip_protocol": st.sampled_from((0, 1, 6, 17, 58)),
            "source_ports": st.none() | ports,
            "destination_ports": st.none() | ports,
            "uid_range": st.none() | uids if EVERY_USER else st.sampled_from((None, (0, 0))),
            "invert": st.booleans(),
            "tun_id": st.sampled_from((0, 0, 5, 2**40)),
            "protocol": st.integers(0, 255),
            "suppress_prefix_length": st.none() | st.integers(0, 32),
            "suppress_ifgroup": st.none() | st.integers(0, 2**31 - 1),
        }
        return st.fixed_dictionaries(fields).map(
            lambda values: Rule(family, **{**values, "fwmask": 0xFFFFFFFF if values["fwmark"] else 0})
        )

    return st.sampled_from((AF_INET, AF_INET6)).flatmap(build)


@settings(
    deadline=None,
    report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(rules=st.lists(random_rules(), min_size=1, max_size=6, unique_by=lambda rule: (rule.family, rule.priority)))
def test_random_rules_come_back_as_they_were_and_go(wired: t.Any, rules: list[Rule]) -> None:
    sock = wired.socket()
    untouched = read_rules(sock)
    try:
        assert not any(sock.batch([encode_rule_add(rule) for rule in rules], rules))
        found = [rule for rule in read_rules(sock) if rule not in untouched]
        assert found == sorted(rules, key=lambda rule: rule[:2])
        shown = [entry["priority"] for family in ("-4", "-6") for entry in wired.json(family, "rule", "show")]
        assert len(shown) == len(rules) + len(untouched)
    finally:
        errors = sock.batch([encode_rule_delete(rule) for rule in rules])
    assert not any(errors)
    assert read_rules(sock) == untouched
