# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""dns_lookup_info's questions to real servers, and what is not as expected."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._dns import lookup, options
from ansible_collections.kubenode.network.plugins.module_utils._dns.errors import DnsError
from ansible_collections.kubenode.network.tests.cluster import control_plane, coredns_process

MANY = [f"192.0.2.{number}" for number in range(1, 61)]
COREFILE = """\
.:PORT {
    bind 127.0.0.1 127.0.0.2
    hosts {
        192.0.2.80 registry.example.com
        192.0.2.81 cart.svc.cluster.local
        2001:db8::1 six.example.com
        MANY
        fallthrough
    }
    template IN A refused.example.com {
        rcode REFUSED
    }
    template ANY ANY {
        match ^(gone|n[0-9]+)[.]example[.]com[.]$
        match ^cart[.]shop[.]
        match ^registry[.]$
        match [.]example[.]net[.]$
        rcode NXDOMAIN
        fallthrough
    }
}
"""


@pytest.fixture(scope="module")
def port(network: None) -> t.Iterator[int]:
    """Of two servers at 127.0.0.1 and 127.0.0.2 that know the same."""
    [number] = control_plane.free_ports(1)
    many = "\n        ".join(f"{address} many.example.com" for address in MANY)
    text = COREFILE.replace("PORT", str(number)).replace("MANY", many)
    with coredns_process.running(text, private=False) as server:
        assert server.started, server.output
        yield number


def look_up(names: list[t.Any], conf: str | None = "", **given: t.Any) -> list[dict[str, t.Any]]:
    return lookup.look_up(options.parse({**DEFAULTS, "names": names, **given}, conf, "w1"))


DEFAULTS = {name: option.get("default") for name, option in options.LOOKUP_OPTIONS.items()}
SERVER = {"servers": ["127.0.0.1"]}


def test_every_name_is_asked_of_every_server_over_every_transport(port: int) -> None:
    names = [f"n{number}.example.com" for number in range(50)] + ["registry.example.com"]
    both = ["127.0.0.1", "127.0.0.2"]
    results = look_up(names, port=port, servers=both, transports=["udp", "tcp"])
    assert [(one["name"], one["server"], one["transport"]) for one in results] == [
        (name, server, transport) for name in names for server in both for transport in ("udp", "tcp")
    ]
    assert {one["rcode"] for one in results[:-4]} == {"NXDOMAIN"}
    assert [one["answers"] for one in results[-4:]] == [["192.0.2.80"]] * 4
    assert all(one["latency_ms"] > 0 and one["passed"] for one in results)


def test_a_short_name_is_completed_as_in_a_pod_with_each_query_shown(port: int) -> None:
    conf = "nameserver 127.0.0.2\nsearch example.com\n"
    [found] = look_up(["cart"], conf, port=port, resolver="pod", namespace="shop")
    assert [(query["name"], query["rcode"]) for query in found["queries"]] == [
        ("cart.shop.svc.cluster.local.", "NXDOMAIN"),
        ("cart.svc.cluster.local.", "NOERROR"),
    ]
    assert (found["server"], found["answers"]) == ("127.0.0.2", ["192.0.2.81"])
    [host] = look_up(["registry"], conf, port=port, resolver="host")
    assert [query["name"] for query in host["queries"]] == ["registry.example.com."]
    [other] = look_up(["registry"], conf, port=port, resolver="host", search=["example.net"], ndots=0)
    assert [query["name"] for query in other["queries"]] == ["registry.", "registry.example.net."]
    assert other["resolved"] is False


def test_a_truncated_answer_is_asked_for_over_tcp(port: int) -> None:
    [found] = look_up(["many.example.com"], port=port, **SERVER)
    assert [(query["transport"], query["truncated"]) for query in found["queries"]] == [("udp", True), ("tcp", False)]
    assert sorted(found["answers"]) == sorted(MANY)


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ({"name": "registry.example.com", "expect": {"answers": ["192.0.2.80"], "rcode": "noerror"}}, ""),
        ({"name": "six.example.com", "type": "aaaa", "expect": {"answers": ["2001:DB8:0::1"]}}, ""),
        ({"name": "six.example.com", "expect": {"answers": [], "resolves": False}}, ""),
        ({"name": "gone.example.com", "expect": {"rcode": "NXDOMAIN"}}, ""),
        (
            {"name": "registry.example.com", "expect": {"answers": ["192.0.2.9"]}},
            "expected 192.0.2.9; got NOERROR, 192.0.2.80",
        ),
        (
            {"name": "gone.example.com", "expect": {"resolves": True, "rcode": "NOERROR"}},
            "expected NOERROR and records; got NXDOMAIN, no records",
        ),
        ({"name": "refused.example.com", "expect": {"resolves": True}}, "expected records; got REFUSED, no records"),
    ],
)
def test_what_is_not_as_expected_is_told(port: int, entry: dict[str, t.Any], problem: str) -> None:
    results = look_up([entry], port=port, **SERVER)
    assert [one["problem"] for one in results] == [problem]
    said = lookup.failures(results)
    assert [problem in line and entry["name"] in line and "127.0.0.1" in line for line in said] == [True] * bool(
        problem
    )


def test_no_answer_is_tried_again_and_told(network: None) -> None:
    [nobody] = control_plane.free_ports(1)
    names = [{"name": "registry.example.com", "expect": {"resolves": True}}]
    [udp, tcp] = look_up(names, port=nobody, timeout=0.2, attempts=3, transports=["udp", "tcp"], **SERVER)
    assert [len(one["queries"]) for one in (udp, tcp)] == [3, 3]
    assert (udp["rcode"], tcp["passed"]) == (None, False)
    assert "no answer: " in tcp["problem"] and "refused" in tcp["problem"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"names": []}, "names: the list is empty"),
        ({"names": [7]}, r"names\[0\]: 7 was found; expected is a name"),
        ({"names": [{"nme": "a"}]}, r"names\[0\]: there is no key nme; there are expect, name, type"),
        ({"names": [{"name": ""}]}, r"names\[0\].name: '' was found"),
        ({"names": ["a..b"]}, r"names\[0\].name: 'a..b' is no domain name"),
        ({"names": [{"name": "a", "type": "AB C"}]}, r"names\[0\].type: AB C is no type"),
        ({"names": [{"name": "a", "expect": "b"}]}, r"expect: 'b' was found"),
        ({"names": [{"name": "a", "expect": {"rcode": "FINE"}}]}, "expect.rcode: FINE is none; NOERROR"),
        ({"names": [{"name": "a", "expect": {"resolves": "no"}}]}, "expect.resolves: 'no' was found"),
        ({"names": [{"name": "a", "expect": {"answers": "b"}}]}, "expect.answers: 'b' was found"),
        ({"names": [{"name": "a", "expect": {"answers": ["b"]}}]}, "expect.answers: 'b' is no A record's data"),
        ({"names": [{"name": "a", "expect": {"answer": []}}]}, "there is no key answer"),
        ({"servers": ["dns.example.com"]}, "servers: 'dns.example.com' was found; expected is an IP address"),
        ({"servers": []}, "no server to ask: servers: the list is empty"),
        ({"servers": None}, "no server to ask: /etc/resolv.conf has none"),
        ({"port": 0}, "port: 0 was found; expected is a number from 1 to 65535"),
        ({"timeout": 0}, "timeout: 0 was found"),
        ({"attempts": 11}, "attempts: 11 was found"),
        ({"ndots": 16, "resolver": "host"}, "ndots: 16 was found"),
        ({"ndots": 2}, "ndots: names are asked as they are with resolver none"),
        ({"search": ["a"]}, "search: names are asked as they are with resolver none"),
        ({"search": ["a..b"], "resolver": "host"}, "search: 'a..b' is no domain name"),
        ({"cluster_domain": "a..b", "resolver": "pod"}, "is no domain name"),
    ],
)
def test_an_option_that_makes_no_sense_is_named(given: dict[str, t.Any], said: str) -> None:
    with pytest.raises(DnsError, match=said):
        look_up(**{"names": ["a.example.com"], **SERVER, **given})


def test_a_file_that_cannot_be_read_matters_only_where_it_is_needed(port: int) -> None:
    assert look_up(["registry.example.com"], None, port=port, **SERVER)[0]["resolved"]
    with pytest.raises(DnsError, match=r"resolv_conf: /etc/resolv\.conf cannot be read"):
        look_up(["registry"], None, resolver="host", **SERVER)
