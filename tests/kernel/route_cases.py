# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Routes as `ip` takes them and as the kernel has them then, and random ones that any kernel takes."""

from __future__ import annotations

import random
import socket
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._netlink.constants import AF_INET, AF_INET6
from ansible_collections.kubenode.network.plugins.module_utils._netlink.objects import NextHop, Route
from ansible_collections.kubenode.network.plugins.module_utils._netlink.routes import (
    default_scope,
    normalise,
)
from hypothesis import strategies as st

LINK = 253
VIA_224 = NextHop("ens224", "10.100.0.1")
VIA_256 = NextHop("ens256", "172.16.0.1")
VIA6_224 = NextHop("ens224", "2001:db8:a::1")
VIA6_256 = NextHop("ens256", "2001:db8:c::1")


def v4(destination: str, *hops: NextHop, **fields: t.Any) -> Route:
    return Route(AF_INET, fields.pop("table", 1000), destination, next_hops=hops, protocol=3, **fields)


def v6(destination: str, *hops: NextHop, **fields: t.Any) -> Route:
    fields = {"metric": 1024, "protocol": 3, **fields}
    return Route(AF_INET6, fields.pop("table", 1000), destination, next_hops=hops, **fields)


# What `ip route add` takes, and the route that is then in the kernel.
TWINS: dict[str, tuple[str, Route]] = {
    "gateway": ("10.200.0.0/16 via 10.100.0.1", v4("10.200.0.0/16", VIA_224)),
    "link": ("10.200.0.0/16 dev ens256", v4("10.200.0.0/16", NextHop("ens256"), scope=LINK)),
    "default": ("default via 10.100.0.1 metric 50", v4("0.0.0.0/0", VIA_224, metric=50)),
    "host": ("10.200.0.1 via 10.100.0.1", v4("10.200.0.1/32", VIA_224)),
    "main table": ("10.200.0.0/16 via 10.100.0.1 table main", v4("10.200.0.0/16", VIA_224, table=254)),
    "table 255 < id": (
        "10.200.0.0/16 via 10.100.0.1 table 4294967295",
        v4("10.200.0.0/16", VIA_224, table=4294967295),
    ),
    "table 256": ("10.200.0.0/16 via 10.100.0.1 table 256", v4("10.200.0.0/16", VIA_224, table=256)),
    "source": (
        "10.200.0.0/16 via 10.100.0.1 src 10.100.0.11",
        v4("10.200.0.0/16", VIA_224, source="10.100.0.11"),
    ),
    "tos": ("10.200.0.0/16 via 10.100.0.1 tos 0x10", v4("10.200.0.0/16", VIA_224, tos=16)),
    "largest metric": (
        "10.200.0.0/16 via 10.100.0.1 metric 4294967295",
        v4("10.200.0.0/16", VIA_224, metric=4294967295),
    ),
    "on link": (
        "10.200.0.0/16 via 192.0.2.1 dev ens224 onlink",
        v4("10.200.0.0/16", NextHop("ens224", "192.0.2.1", on_link=True)),
    ),
    "multipath with weights": (
        "10.200.0.0/16 nexthop via 10.100.0.1 weight 3 nexthop via 172.16.0.1 weight 256",
        v4("10.200.0.0/16", VIA_224._replace(weight=3), VIA_256._replace(weight=256)),
    ),
    "multipath on link": (
        "10.200.0.0/16 nexthop via 10.100.0.1 nexthop via 192.0.2.1 dev ens256 onlink weight 2",
        v4("10.200.0.0/16", VIA_224, NextHop("ens256", "192.0.2.1", 2, on_link=True)),
    ),
    "via IPv6": (
        "10.200.0.0/16 via inet6 fe80::1 dev ens224",
        v4("10.200.0.0/16", NextHop("ens224", "fe80::1")),
    ),
    "multipath via both families": (
        "10.200.0.0/16 nexthop via 10.100.0.1 nexthop via inet6 fe80::1 dev ens256",
        v4("10.200.0.0/16", VIA_224, NextHop("ens256", "fe80::1")),
    ),
    "metrics": (
        "10.200.0.0/16 via 10.100.0.1 mtu 1400 advmss 1300 window 9000 rtt 20ms cwnd 8 initcwnd 20 quickack 1",
        v4(
            "10.200.0.0/16",
            VIA_224,
            metrics=((2, 1400), (3, 9000), (4, 160), (7, 8), (8, 1300), (11, 20), (15, 1)),
        ),
    ),
    "locked mtu": (
        "10.200.0.0/16 via 10.100.0.1 mtu lock 1400",
        v4("10.200.0.0/16", VIA_224, metrics=((1, 4), (2, 1400))),
    ),
    "congestion control": (
        "10.200.0.0/16 via 10.100.0.1 congctl reno",
        v4("10.200.0.0/16", VIA_224, metrics=((16, b"reno\0"),)),
    ),
    "realm": (
        "10.200.0.0/16 via 10.100.0.1 realm 5/7",
        v4("10.200.0.0/16", VIA_224._replace(encap=((11, b"\7\0\5\0"),))),
    ),
    "blackhole": ("blackhole 10.200.0.0/16", v4("10.200.0.0/16", type="blackhole")),
    "unreachable": ("unreachable 10.200.0.0/16 metric 9", v4("10.200.0.0/16", type="unreachable", metric=9)),
    "prohibit": ("prohibit 10.200.0.0/16", v4("10.200.0.0/16", type="prohibit")),
    "throw": ("throw 10.200.0.0/16", v4("10.200.0.0/16", type="throw")),
    "local": ("local 10.200.0.0/16 dev lo", v4("10.200.0.0/16", NextHop("lo"), type="local", scope=254)),
    "broadcast": (
        "broadcast 10.200.255.255 dev ens224",
        v4("10.200.255.255/32", NextHop("ens224"), type="broadcast", scope=LINK),
    ),
    "multicast": (
        "multicast 239.1.0.0/16 dev ens224",
        v4("239.1.0.0/16", NextHop("ens224"), type="multicast", scope=LINK),
    ),
    "IPv6 gateway": ("2001:db8:200::/48 via 2001:db8:a::1", v6("2001:db8:200::/48", VIA6_224)),
    "IPv6 link": ("2001:db8:200::/48 dev ens256", v6("2001:db8:200::/48", NextHop("ens256"))),
    "IPv6 default": ("default via 2001:db8:a::1 metric 7", v6("::/0", VIA6_224, metric=7)),
    "IPv6 host": ("2001:db8:200::1 via 2001:db8:a::1", v6("2001:db8:200::1/128", VIA6_224)),
    "IPv6 source prefix": (
        "2001:db8:200::/48 from 2001:db8:a::/64 via 2001:db8:a::1",
        v6("2001:db8:200::/48", VIA6_224, source_prefix="2001:db8:a::/64"),
    ),
    "IPv6 default by source prefix": (
        "default from 2001:db8:a::/64 via 2001:db8:a::1",
        v6("::/0", VIA6_224, source_prefix="2001:db8:a::/64"),
    ),
    "IPv6 source": (
        "2001:db8:200::/48 via 2001:db8:a::1 src 2001:db8:a::b",
        v6("2001:db8:200::/48", VIA6_224, source="2001:db8:a::b"),
    ),
    "IPv6 multipath": (
        "2001:db8:200::/48 nexthop via 2001:db8:a::1 nexthop via 2001:db8:c::1 weight 5",
        v6("2001:db8:200::/48", VIA6_224, VIA6_256._replace(weight=5)),
    ),
    "IPv6 metrics": (
        "2001:db8:200::/48 via 2001:db8:a::1 mtu 1400 hoplimit 9",
        v6("2001:db8:200::/48", VIA6_224, metrics=((2, 1400), (10, 9))),
    ),
    "IPv6 preference": (
        "2001:db8:200::/48 via 2001:db8:a::1 pref high",
        v6("2001:db8:200::/48", VIA6_224, extra=((20, b"\1"),)),
    ),
    "IPv6 on link": (
        "2001:db8:200::/48 via 2001:db8:f::1 dev ens224 onlink",
        v6("2001:db8:200::/48", NextHop("ens224", "2001:db8:f::1", on_link=True)),
    ),
    "IPv6 blackhole": ("blackhole 2001:db8:200::/48", v6("2001:db8:200::/48", type="blackhole")),
    "IPv6 unreachable": ("unreachable 2001:db8:200::/48", v6("2001:db8:200::/48", type="unreachable")),
    "IPv6 prohibit": ("prohibit 2001:db8:200::/48", v6("2001:db8:200::/48", type="prohibit")),
    "IPv6 throw": ("throw 2001:db8:200::/48", v6("2001:db8:200::/48", type="throw")),
    "IPv6 local": ("local 2001:db8:200::/48 dev lo", v6("2001:db8:200::/48", NextHop("lo"), type="local")),
}


_hops4 = st.sampled_from((VIA_224, VIA_256, NextHop("ens224", "fe80::1"), NextHop("ens256", "192.0.2.1", on_link=True)))
_hops6 = st.sampled_from((VIA6_224, VIA6_256, NextHop("ens224", "fe80::9")))
_metrics = st.dictionaries(st.sampled_from((2, 3, 5, 6, 7, 8, 9, 11, 13, 14)), st.integers(88, 1400), max_size=3)


@st.composite
def _random_route(draw: t.Any, family: int) -> Route:
    bits = 32 if family == AF_INET else 128
    length = draw(st.integers(0, bits))
    rng = random.Random(draw(st.integers(0, 2**32)))
    # 11.0.0.0/8 and 2001::/16: unicast and nobody's.
    number = (11 << 24 if family == AF_INET else 0x2001 << 112) | rng.getrandbits(bits - 8 if bits == 32 else bits - 16)
    number = number >> (bits - length) << (bits - length)
    destination = f"{_text(family, number)}/{length}"
    kind = draw(st.sampled_from(("unicast", "unicast", "unicast", "unicast", "blackhole", "unreachable", "throw")))
    hops: tuple[NextHop, ...] = ()
    if kind == "unicast":
        chosen = draw(st.lists(_hops4 if family == AF_INET else _hops6, min_size=1, max_size=3, unique=True))
        if len(chosen) > 1:
            chosen = [hop._replace(weight=draw(st.integers(1, 256))) for hop in chosen]
        hops = tuple(chosen)
        if draw(st.booleans()) and len(hops) == 1:
            hops = (NextHop(hops[0].interface),)
    route = Route(
        family,
        draw(st.sampled_from((1000, 100, 70000))),
        destination,
        draw(st.integers(0, 2**32 - 1)),
        hops,
        kind,
        draw(st.integers(3, 255)),
        metrics=tuple(sorted(draw(_metrics).items())),
        tos=draw(st.sampled_from((0, 4, 8, 16))) if family == AF_INET else 0,
    )
    return normalise(route._replace(scope=default_scope(route)))


def random_routes(fewest: int, most: int) -> st.SearchStrategy[list[Route]]:
    one = st.sampled_from((AF_INET, AF_INET6)).flatmap(_random_route)
    return st.lists(one, min_size=fewest, max_size=most)


def _text(family: int, number: int) -> str:
    return socket.inet_ntop(family, number.to_bytes(4 if family == AF_INET else 16, "big"))
