# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Routes against iproute2: what `ip` makes we read, what we make `ip` shows, and what we delete is gone."""

from __future__ import annotations

import socket
import struct
import time
import typing as t

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._netlink.constants import AF_INET, AF_INET6
from ansible_collections.kubenode.network.plugins.module_utils._netlink.objects import NextHop, Route
from ansible_collections.kubenode.network.plugins.module_utils._netlink.routes import (
    default_scope,
    encode_add,
    encode_append,
    encode_delete,
    encode_replace,
    normalise,
    read_routes,
)
from hypothesis import HealthCheck, given, note, settings

from .route_cases import TWINS, VIA6_224, VIA6_256, VIA_224, VIA_256, random_routes, v4, v6


def _add_by_ip(netns: t.Any, words: str, route: Route) -> None:
    if "table" not in words:
        before, nexthop, hops = words.partition("nexthop")
        words = f"{before} table {route.table} {nexthop}{hops}"
    netns.ip("-4" if route.family == AF_INET else "-6", "route", "add", *words.split())


def _shown(netns: t.Any, route: Route) -> list[dict[str, t.Any]]:
    family = "-4" if route.family == AF_INET else "-6"
    return t.cast("list[dict[str, t.Any]]", netns.routes(family, route.table))


@pytest.mark.parametrize("case", TWINS)
def test_ip_and_we_make_the_same_route(fresh_netns: t.Any, case: str) -> None:
    words, route = TWINS[case]
    with fresh_netns() as netns:
        netns.veth("ens224", "peer224", "10.100.0.11/24", "2001:db8:a::b/64")
        netns.veth("ens256", "peer256", "172.16.0.11/24", "2001:db8:c::b/64")
        sock, names, indexes = netns.socket(), netns.names, netns.indexes
        others = _shown(netns, route)
        _add_by_ip(netns, words, route)
        made_by_ip = _shown(netns, route)
        assert len(made_by_ip) == len(others) + 1

        found = [r for r in read_routes(sock, names, table=route.table) if r.destination == route.destination]
        assert found == [route]
        assert sock.batch([encode_delete(route, indexes)]) == [None]
        assert _shown(netns, route) == others
        assert sock.batch([encode_add(route, indexes)]) == [None]
        assert _shown(netns, route) == made_by_ip
        (error,) = sock.batch([encode_add(route, indexes)])
        assert error is not None and (error.errno, error.message) == (17, "File exists")
        assert sock.batch([encode_replace(route, indexes)]) == [None]
        assert _shown(netns, route) == made_by_ip


def test_default_scope_is_that_of_ip(netns: t.Any) -> None:
    for words, route in TWINS.values():
        assert default_scope(route) == route.scope, words


ENCAPSULATIONS = {
    "seg6": "2001:db8:200::/48 encap seg6 mode encap segs fc00::1,fc00::2 dev ens224",
    "seg6local": "2001:db8:200::/48 encap seg6local action End.DT6 table 254 dev ens224",
    "ip6": "2001:db8:200::/48 encap ip6 id 5 src 2001:db8::1 dst 2001:db8::2 dev ens224",
    "ip": "10.200.0.0/16 encap ip id 100 src 10.100.0.11 dst 10.100.0.1 ttl 9 tos 4 dev ens224",
    "multipath": (
        "10.200.0.0/16 table 1000 nexthop via 10.100.0.1 encap ip id 7 dst 10.0.0.7 nexthop via 172.16.0.1 weight 2"
    ),
    "mpls": "10.200.0.0/16 encap mpls 100/200 via inet 10.100.0.1",
}


@pytest.mark.parametrize("kind", ENCAPSULATIONS)
def test_encapsulation_is_carried_untouched(wired: t.Any, kind: str) -> None:
    words = ENCAPSULATIONS[kind]
    family = "-6" if "2001" in words else "-4"
    table = () if "table 1000" in words else ("table", 1000)
    error = wired.try_ip(family, "route", "add", *words.split(), *table)
    if "not supported" in error or "Unknown" in error:
        pytest.skip(f"this kernel or iproute2 has no {kind} encapsulation: {error}")
    assert not error
    made_by_ip = wired.routes(family, 1000)
    sock, indexes = wired.socket(), wired.indexes
    (route,) = read_routes(sock, wired.names, table=1000)
    assert any(hop.encap for hop in route.next_hops)
    assert sock.batch([encode_delete(route, indexes)]) == [None]
    assert wired.routes(family, 1000) == []
    assert sock.batch([encode_add(route, indexes)]) == [None]
    assert wired.routes(family, 1000) == made_by_ip
    assert read_routes(sock, wired.names, table=1000) == [route]


@pytest.mark.parametrize(
    ("family", "gateway", "destination"),
    [(AF_INET, "10.100.0.1", "10.200.0.0/16"), (AF_INET6, "2001:db8:a::1", "2001:db8:200::/48")],
)
def test_routes_with_nexthop_objects(wired: t.Any, family: int, gateway: str, destination: str) -> None:
    wired.batch(f"nexthop add id 7 via {gateway} dev ens224\nnexthop add id 8 group 7")
    wired.ip("route", "add", destination, "nhid", 8, "table", 1000)
    made_by_ip = wired.routes("-6" if family == AF_INET6 else "-4", 1000)
    sock, indexes = wired.socket(), wired.indexes
    (route,) = read_routes(sock, wired.names, table=1000)
    assert route.nexthop_id == 8
    assert [hop.gateway for hop in route.next_hops] == [gateway], "the kernel resolves the object for readers"
    assert sock.batch([encode_delete(route, indexes)]) == [None]
    assert read_routes(sock, wired.names, table=1000) == []
    assert sock.batch([encode_add(route, indexes)]) == [None]
    assert wired.routes("-6" if family == AF_INET6 else "-4", 1000) == made_by_ip


def test_filters_are_the_kernels(wired: t.Any) -> None:
    lines = [
        f"route add 10.{n}.0.0/16 via 10.100.0.1 table {table} proto {proto}\n"
        f"route add 2001:db8:{n}::/48 via 2001:db8:a::1 table {table} proto {proto}"
        for n, (table, proto) in enumerate([(1000, 157), (1000, 12), (1001, 157), (100, 157)], 1)
    ]
    wired.batch("\n".join(lines))
    sock, names = wired.socket(), wired.names
    assert sock.strict

    def read(**filters: int) -> list[str]:
        return [route.destination for route in read_routes(sock, names, **filters)]

    assert read(table=1000) == ["10.1.0.0/16", "10.2.0.0/16", "2001:db8:1::/48", "2001:db8:2::/48"]
    assert sorted(read(protocol=157, family=AF_INET)) == ["10.1.0.0/16", "10.3.0.0/16", "10.4.0.0/16"]
    assert read(table=1001, protocol=157, family=AF_INET6) == ["2001:db8:3::/48"]
    assert read(table=1001, protocol=12) == []
    assert read(table=777) == [], "a table that does not exist is empty"
    # IPv4 only: duplicate address detection makes IPv6 routes meanwhile.
    assert len(read_routes(sock, names, AF_INET)) == len(wired.routes("-4", "all")) > 8


def _checksum(data: bytes) -> bytes:
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return struct.pack("!H", ~total & 0xFFFF)


def _ipv4(source: str, destination: str, protocol: int, payload: bytes) -> bytes:
    addresses = socket.inet_aton(source) + socket.inet_aton(destination)
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 1, 0x4000, 64, protocol, 0) + addresses
    return header[:10] + _checksum(header) + header[12:] + payload


def test_path_mtu_exceptions_are_not_routes(wired: t.Any) -> None:
    """A router says "fragmentation needed": the kernel keeps a cached entry, which a dump can show among the routes."""
    wired.ip("route", "add", "10.200.0.0/16", "via", "10.100.0.1", "table", "main")
    sock, names = wired.socket(), wired.names
    before = read_routes(sock, names, AF_INET)
    (nic,) = wired.json("link", "show", "dev", "ens224")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.bind(("10.100.0.11", 5353))
        too_big = _ipv4("10.100.0.11", "10.200.0.1", socket.IPPROTO_UDP, struct.pack("!HHHH", 5353, 53, 8, 0))
        icmp = struct.pack("!BBHHH", 3, 4, 0, 0, 1280) + too_big
        icmp = icmp[:2] + _checksum(icmp) + icmp[4:]
        frame = bytes.fromhex(nic["address"].replace(":", "")) + bytes(6) + b"\x08\0"
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as router:
            router.bind(("peer224", 0))
            router.send(frame + _ipv4("10.100.0.1", "10.100.0.11", socket.IPPROTO_ICMP, icmp))
    cached = ""
    for _attempt in range(100):
        wired.ip("route", "get", "10.200.0.1")  # an entry that was never used is not shown
        cached = wired.ip("-4", "route", "show", "cache")
        if cached:
            break
        time.sleep(0.02)
    assert "10.200.0.1" in cached
    assert "mtu 1280" in cached
    assert read_routes(sock, names, AF_INET) == before


def test_two_dumps_of_one_state_are_equal_while_time_passes(wired: t.Any) -> None:
    """Route expiry and statistics count on; they are no part of a route."""
    wired.ip("-6", "route", "add", "2001:db8:200::/48", "via", "2001:db8:a::1", "expires", "300")
    sock, names = wired.socket(), wired.names
    for _later in (0, 1.1):
        time.sleep(_later)
        (route,) = [r for r in read_routes(sock, names) if r.destination == "2001:db8:200::/48"]
        assert route == v6("2001:db8:200::/48", VIA6_224, table=254)


def test_a_missing_interface_name_is_shown_as_its_index(wired: t.Any) -> None:
    wired.ip("route", "add", "10.200.0.0/16", "dev", "ens224", "table", 1000)
    (route,) = read_routes(wired.socket(), {}, table=1000)
    assert route.next_hops == (NextHop(f"if{wired.indexes['ens224']}"),)


def test_append_puts_an_ipv4_route_behind_and_joins_ipv6_next_hops(wired: t.Any) -> None:
    sock, names, indexes = wired.socket(), wired.names, wired.indexes
    first, second = v4("10.200.0.0/16", VIA_224), v4("10.200.0.0/16", VIA_256)
    assert sock.batch([encode_append(route, indexes) for route in (first, second)]) == [None, None]
    assert read_routes(sock, names, table=1000) == [first, second]
    shown = wired.routes("-4", 1000)
    assert [entry["gateway"] for entry in shown] == ["10.100.0.1", "172.16.0.1"]

    one, other = v6("2001:db8:200::/48", VIA6_224), v6("2001:db8:200::/48", VIA6_256)
    assert sock.batch([encode_append(route, indexes) for route in (one, other)]) == [None, None]
    assert read_routes(sock, names, AF_INET6, 1000) == [one._replace(next_hops=(VIA6_224, VIA6_256))]
    (entry,) = wired.routes("-6", 1000)
    assert [hop["gateway"] for hop in entry["nexthops"]] == ["2001:db8:a::1", "2001:db8:c::1"]


def test_ipv6_metric_0_and_protocol_0_are_what_the_kernel_makes_of_them(wired: t.Any) -> None:
    sock, names, indexes = wired.socket(), wired.names, wired.indexes
    asked = v6("2001:db8:200::/48", VIA6_224, metric=0, protocol=0)
    assert sock.batch([encode_add(asked, indexes)]) == [None]
    assert read_routes(sock, names, table=1000) == [normalise(asked)]
    assert normalise(asked).metric == 1024
    assert sock.batch([encode_delete(asked, indexes)]) == [None]
    assert read_routes(sock, names, table=1000) == []


def test_pyroute2_reads_what_we_write(wired: t.Any) -> None:
    pyroute2 = pytest.importorskip("pyroute2", reason="pyroute2 is not installed in this Python")
    sock, indexes = wired.socket(), wired.indexes
    route = v4("10.200.0.0/16", VIA_224._replace(weight=3), VIA_256, metric=5, metrics=((2, 1400),))
    assert sock.batch([encode_add(route, indexes)]) == [None]
    with pyroute2.IPRoute() as ipr:
        (message,) = [m for m in ipr.get_routes(family=AF_INET) if m.get_attr("RTA_TABLE") == 1000]
    assert (message.get_attr("RTA_DST"), message["dst_len"], message.get_attr("RTA_PRIORITY")) == ("10.200.0.0", 16, 5)
    assert dict(message.get_attr("RTA_METRICS")["attrs"])["RTAX_MTU"] == 1400
    hops = message.get_attr("RTA_MULTIPATH")
    assert [(hop["oif"], hop["hops"], hop.get_attr("RTA_GATEWAY")) for hop in hops] == [
        (indexes["ens224"], 2, "10.100.0.1"),
        (indexes["ens256"], 0, "172.16.0.1"),
    ]


@settings(
    deadline=None,
    report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(routes=random_routes(1, 8))
def test_random_routes_come_back_as_they_were_and_go(wired: t.Any, routes: list[Route]) -> None:
    keyed = {route.key: route for route in routes}
    sock, names, indexes = wired.socket(), wired.names, wired.indexes
    cache: dict[t.Any, bytes] = {}
    errors = sock.batch([encode_add(route, indexes, cache) for route in keyed.values()], list(keyed.values()))
    tables = (100, 1000, 70000)
    try:
        note([(str(error), error.object) for error in errors if error])
        assert not any(errors)
        found = [route for route in read_routes(sock, names) if route.table in tables]
        assert len(found) == len(keyed)
        assert {route.key: route for route in found} == keyed
        shown = sum(len(wired.routes(f, n)) for f in ("-4", "-6") for n in tables)
        assert shown == len(found)
    finally:
        errors = sock.batch([encode_delete(route, indexes, cache) for route in keyed.values()])
    assert not any(errors)
    assert [route for route in read_routes(sock, names) if route.table in tables] == []
