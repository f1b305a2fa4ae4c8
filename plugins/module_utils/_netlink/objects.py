# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Value objects for what the kernel holds: links, addresses, routes and rules.

They are named tuples: immutable, hashable, compared field by field at C speed, and small enough for 100,000 of
them. Interfaces are *names* here (an index means nothing before a link exists); the codec translates. A field that
this collection does not understand travels in ``extra`` as raw attributes, so that an object can be put back exactly.
Nothing here touches the kernel.
"""

from __future__ import annotations

import typing as t

# Raw netlink attributes that are carried along untouched: (attribute type, payload) in the kernel's order.
Raw = tuple[tuple[int, bytes], ...]
# RTA_METRICS: (RTAX_* number, value); a number but for RTAX_CC_ALGO, which is raw bytes.
Metrics = tuple[tuple[int, t.Union[int, bytes]], ...]
# An inclusive range (ports, uids).
Range = tuple[int, int]

RouteKey = tuple[int, int, str, t.Optional[str], int, int]
RuleKey = tuple[t.Any, ...]
AddressKey = tuple[str, int, str, int, t.Optional[str]]


class NextHop(t.NamedTuple):
    """One next hop of a route."""

    interface: str | None = None
    """Name of the outgoing interface; None for routes without one (blackhole ...)."""
    gateway: str | None = None
    """Gateway address in canonical text; IPv6 for an IPv4 route that uses RTA_VIA."""
    weight: int = 1
    """1-256 (the kernel stores weight - 1 in rtnh_hops)."""
    on_link: bool = False
    encap: Raw = ()
    """RTA_ENCAP_TYPE and RTA_ENCAP (and RTA_FLOW, RTA_NEWDST), kept as they were read."""


class Route(t.NamedTuple):
    """A route as `ip route` shows it. Multipath routes have several next hops, in the kernel's order."""

    family: int
    """AF_INET (2) or AF_INET6 (10)."""
    table: int
    destination: str
    """Canonical CIDR, host bits zero: ``10.200.0.0/16``, ``0.0.0.0/0``, ``::/0``."""
    metric: int = 0
    next_hops: tuple[NextHop, ...] = ()
    type: str = "unicast"
    """A key of ``constants.ROUTE_TYPES``; an unknown number as decimal text."""
    protocol: int = 0
    scope: int = 0
    tos: int = 0
    source_prefix: str | None = None
    """IPv6 only (`from`): canonical CIDR, None where it is ::/0."""
    source: str | None = None
    """Preferred source address (`src`)."""
    metrics: Metrics = ()
    nexthop_id: int | None = None
    """Id of a nexthop object; then ``next_hops`` is what the kernel resolved and must not be sent back."""
    extra: Raw = ()

    @property
    def key(self) -> RouteKey:
        """What the kernel tells routes of one table apart by; several routes may share a key (IPv4 append, IPv6)."""
        return (self.family, self.table, self.destination, self.source_prefix, self.tos, self.metric)


class Rule(t.NamedTuple):
    """A policy rule as `ip rule` shows it."""

    family: int
    priority: int
    action: str = "lookup"
    """``lookup``, ``goto``, ``nop``, ``blackhole``, ``unreachable`` or ``prohibit``; an unknown number as text."""
    table: int = 0
    source: str | None = None
    """`from` prefix in canonical CIDR; None for all."""
    destination: str | None = None
    """`to` prefix in canonical CIDR; None for all."""
    tos: int = 0
    fwmark: int = 0
    fwmask: int = 0
    """0 with fwmark 0 (no mark selector); the kernel's default mask is 0xffffffff."""
    iif: str | None = None
    oif: str | None = None
    ip_protocol: int = 0
    source_ports: Range | None = None
    destination_ports: Range | None = None
    uid_range: Range | None = None
    invert: bool = False
    l3mdev: bool = False
    tun_id: int = 0
    protocol: int = 0
    goto: int = 0
    suppress_prefix_length: int | None = None
    suppress_ifgroup: int | None = None
    extra: Raw = ()

    @property
    def key(self) -> RuleKey:
        """Selectors, priority, family and protocol: what a rule is; table, action and suppressors are what it does."""
        return (
            self.family, self.priority, self.source, self.destination, self.tos, self.fwmark, self.fwmask,
            self.iif, self.oif, self.ip_protocol, self.source_ports, self.destination_ports, self.uid_range,
            self.invert, self.l3mdev, self.tun_id, self.protocol,
        )  # fmt: skip


class Address(t.NamedTuple):
    """An address on an interface."""

    interface: str
    family: int
    address: str
    """Canonical text without a prefix length (IFA_LOCAL where there is one)."""
    prefix_length: int
    peer: str | None = None
    """Point-to-point peer, where it differs from ``address``."""
    broadcast: str | None = None
    label: str | None = None
    """IPv4 label where it differs from the interface's name."""
    scope: int = 0
    flags: int = 0
    """IFA_F_*; IFA_F_PERMANENT (0x80) is clear on leases and router-advertised addresses."""
    protocol: int = 0
    """IFAPROT_* (kernels since 5.18), 0 where the kernel does not say."""
    route_metric: int = 0
    """IFA_RT_PRIORITY: the metric of the route that comes with the address; 0 is the kernel's own choice."""

    @property
    def key(self) -> AddressKey:
        return (self.interface, self.family, self.address, self.prefix_length, self.peer)


class Link(t.NamedTuple):
    """A network interface."""

    name: str
    index: int  # type: ignore[assignment]  # hides tuple.index, which nobody needs on a link
    mtu: int = 1500
    up: bool = False
    """IFF_UP: the administrative state."""
    running: bool = False
    """IFF_RUNNING: operational."""
    flags: int = 0
    kind: str = ""
    """IFLA_INFO_KIND; empty for physical NICs and loopback."""
    mac: str | None = None
    """Lower case with colons."""
    permanent_mac: str | None = None
    master: str | None = None
    """Name of the bridge, bond or VRF this link belongs to."""
    parent: str | None = None
    """Name of the lower device of a VLAN or macvlan (IFLA_LINK in the same namespace)."""
    alternative_names: tuple[str, ...] = ()
    data: tuple[tuple[str, t.Any], ...] = ()
    """What is read of IFLA_INFO_DATA, sorted: vlan {id, protocol}, vrf {table}, bond {mode, ...}, macvlan {mode}."""
