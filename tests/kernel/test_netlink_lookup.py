# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Questions about routes against `ip route get`."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._netlink.lookup import RouteAnswer, route_get
from ansible_collections.kubenode.network.plugins.module_utils._netlink.sock import NetlinkError
from ansible_collections.kubenode.network.tests.kernel.conftest import EVERY_USER, ONE_USER


@pytest.fixture
def routed(wired: t.Any) -> t.Any:
    wired.batch("""
        route add 10.200.0.0/16 via 10.100.0.1 metric 5 mtu 1400 proto bird
        route add 10.200.1.0/24 via 172.16.0.1 table 1000
        route add 10.201.0.0/16 via 172.16.0.1 table 70000
        route add 2001:db8:200::/48 via 2001:db8:a::1 metric 7
        route add blackhole 10.9.0.0/16
        route add unreachable 10.8.0.0/16
        route add prohibit 10.7.0.0/16
        route add throw 10.6.0.0/16
        route add blackhole 2001:db8:9::/48
        route add unreachable 2001:db8:8::/48
        route add prohibit 2001:db8:7::/48
        rule add priority 100 from 172.16.0.11 lookup 1000
        rule add priority 101 fwmark 0x10 lookup 70000
        rule add priority 102 ipproto udp dport 53 lookup 1000
        rule add priority 104 tos 0x10 lookup 1000
        rule add priority 105 to 10.33.0.0/16 prohibit
    """)
    if EVERY_USER:
        wired.ip("rule", "add", "priority", 103, "uidrange", "4000-4999", "lookup", 1000)
    return wired


QUESTIONS: dict[str, dict[str, t.Any]] = {
    "main": {"destination": "10.200.1.1"},
    "by source": {"destination": "10.200.1.1", "source": "172.16.0.11"},
    "by mark": {"destination": "10.201.1.1", "mark": 0x10},
    "by protocol and port": {"destination": "10.200.1.1", "ip_protocol": 17, "destination_port": 53},
    "another port": {"destination": "10.200.1.1", "ip_protocol": 17, "source_port": 53, "destination_port": 54},
    "by uid": {"destination": "10.200.1.1", "uid": 4321},
    "by tos": {"destination": "10.200.1.1", "tos": 16},
    "by interface": {"destination": "10.200.1.1", "oif": "ens224"},
    "on the link": {"destination": "10.100.0.77"},
    "own address": {"destination": "10.100.0.11"},
    "IPv6": {"destination": "2001:db8:200::1"},
    "IPv6 on the link": {"destination": "2001:db8:a::77"},
}

_WORDS = {
    "source": "from", "mark": "mark", "oif": "oif", "uid": "uid", "tos": "tos", "ip_protocol": "ipproto",
    "source_port": "sport", "destination_port": "dport",
}  # fmt: skip


@pytest.mark.parametrize("case", QUESTIONS)
def test_the_answer_is_that_of_ip(routed: t.Any, case: str) -> None:
    question = QUESTIONS[case]
    if "uid" in question and not EVERY_USER:
        pytest.skip(ONE_USER)
    answer = route_get(routed.socket(), routed.names, **question)
    # `ip` reads the tos as hexadecimal.
    asked = {key: f"{value:#x}" if key == "tos" else value for key, value in question.items()}
    words = [str(word) for key, name in _WORDS.items() if key in question for word in (name, asked[key])]
    (shown,) = routed.json("route", "get", question["destination"], *words)
    assert (answer.type, answer.interface, answer.gateway) == (shown["type"], shown["dev"], shown.get("gateway"))
    # With an asked-for source `ip` calls it "from".
    assert answer.source == (shown.get("prefsrc") or shown.get("from"))
    (matched,) = routed.json("route", "get", "fibmatch", question["destination"], *words)
    assert answer.route is not None
    assert answer.metric == matched.get("metric", 0)
    length = "" if "/" in matched["dst"] else ("/128" if ":" in matched["dst"] else "/32")
    assert answer.prefix == matched["dst"] + length
    mtus = [metric["mtu"] for metric in matched.get("metrics", []) if "mtu" in metric]
    assert answer.mtu == (mtus[0] if mtus else None)


def test_table_and_protocol_of_the_route_that_matched(routed: t.Any) -> None:
    sock, names = routed.socket(), routed.names
    answer = route_get(sock, names, "10.200.7.7")
    assert answer[:9] == ("unicast", "ens224", "10.100.0.1", "10.100.0.11", 254, "10.200.0.0/16", 5, 12, 1400)
    assert route_get(sock, names, "10.201.0.1", mark=0x10).table == 70000
    assert route_get(sock, names, "10.200.1.1", source="172.16.0.11").table == 1000
    assert route_get(sock, names, "10.100.0.11").table == 255
    assert route_get(sock, names, "2001:db8:200::1").table == 254


@pytest.mark.parametrize(
    ("destination", "kind", "error"),
    [
        ("10.9.0.1", "blackhole", "Invalid argument (EINVAL)"),
        ("10.8.0.1", "unreachable", "No route to host (EHOSTUNREACH)"),
        ("10.7.0.1", "prohibit", "Permission denied (EACCES)"),
        ("10.33.0.1", "prohibit", "Permission denied (EACCES)"),
        ("10.6.0.1", "no_route", "Network is unreachable (ENETUNREACH)"),
        ("198.51.100.1", "no_route", "Network is unreachable (ENETUNREACH)"),
        ("2001:db8:9::1", "blackhole", "Invalid argument (EINVAL)"),
        ("2001:db8:8::1", "unreachable", "No route to host (EHOSTUNREACH)"),
        ("2001:db8:7::1", "prohibit", "Permission denied (EACCES)"),
        ("2001:db8:ffff::1", "no_route", "Network is unreachable (ENETUNREACH)"),
    ],
)
def test_a_refusal_is_an_answer(routed: t.Any, destination: str, kind: str, error: str) -> None:
    assert route_get(routed.socket(), routed.names, destination) == RouteAnswer(kind, error=error)
    assert routed.try_ip("route", "get", destination), "ip says no as well"


def test_forwarded_packets(routed: t.Any) -> None:
    routed.ip("link", "set", "lo", "up")
    with open("/proc/sys/net/ipv4/ip_forward", "w") as file:
        file.write("1")
    sock, names = routed.socket(), routed.names
    answer = route_get(sock, names, "10.200.7.7", source="172.16.0.99", iif="ens256")
    (shown,) = routed.json("route", "get", "10.200.7.7", "from", "172.16.0.99", "iif", "ens256")
    assert (answer.interface, answer.gateway) == (shown["dev"], shown["gateway"]) == ("ens224", "10.100.0.1")


def test_a_wrong_question_is_an_error(routed: t.Any) -> None:
    sock, names = routed.socket(), routed.names
    with pytest.raises(ValueError, match="there is no interface 'ens999'; there are ens224, ens256, lo"):
        route_get(sock, names, "10.200.0.1", oif="ens999")
    with pytest.raises(ValueError, match="different families"):
        route_get(sock, names, "10.200.0.1", source="2001:db8::1")
    with pytest.raises(ValueError, match=r"'10\.200\.0\.0/16' is not an IPv4 or IPv6 address"):
        route_get(sock, names, "10.200.0.0/16")
    # EINVAL means "blackhole" for a route, and here that 224.0.0.1 is no source.
    with pytest.raises(NetlinkError, match="Invalid argument"):
        route_get(sock, names, "10.200.0.1", source="224.0.0.1")


def test_many_questions_in_one_session(routed: t.Any) -> None:
    sock, names = routed.socket(), routed.names
    answers = [route_get(sock, names, f"10.200.{n}.1") for n in range(200)]
    assert {answer[:4] for answer in answers} == {("unicast", "ens224", "10.100.0.1", "10.100.0.11")}
