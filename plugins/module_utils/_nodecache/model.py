# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of a node's packet filters in one form, whoever made them, and one packet to try on them. Pure."""

from __future__ import annotations

import ipaddress
import typing as t

Element = t.Union[tuple[int, int], str]
"""A range of numbers (addresses and ports are numbers), or a name; a name that ends in ``*`` is a beginning."""

NEW, UNTRACKED = "new", "untracked"
# linux/netfilter_ipv4.h, NF_IP_PRI_CONNTRACK: what says NOTRACK later says it too late.
CONNTRACK_PRIORITY = -200


class NodeCacheError(Exception):
    """Why a node cannot be looked at or cleaned; the message names the object, what was found, and the way out.

    ``in_use_by`` are those who stand in the way.
    """

    def __init__(self, message: str, in_use_by: t.Sequence[str] = ()) -> None:
        super().__init__(message)
        self.in_use_by = list(in_use_by)


class Packet(t.NamedTuple):
    """What is known of a packet. None is "not known", for which no rule is said to match or not."""

    family: int
    """4 or 6."""
    source: int
    destination: int
    protocol: str
    """``udp`` or ``tcp``."""
    source_port: int | None
    destination_port: int | None
    iif: str | None = ""
    oif: str | None = ""
    source_type: str | None = "unicast"
    """As in a routing table: ``local``, ``unicast`` ..."""
    destination_type: str | None = "local"
    state: str | None = NEW
    """Of connection tracking: ``new``, or ``untracked`` after a NOTRACK."""
    mark: int | None = 0
    returns: bool | None = True
    """Whether the way back to the source leads out by ``iif`` (the check of reverse paths)."""


class Condition(t.NamedTuple):
    """One match of a rule: these fields of the packet, in this order, are (or are not) one of the elements."""

    fields: tuple[str, ...]
    elements: tuple[tuple[Element, ...], ...]
    negate: bool = False
    mask: int | None = None
    """Of the first field, which is a number then."""


class Verdict(t.NamedTuple):
    """What a rule says. ``kind``: accept, drop, reject, return, jump, goto, dnat, unknown, lookup."""

    kind: str
    target: str = ""
    """The chain, or for people what it is."""
    fields: tuple[str, ...] = ()
    entries: tuple[tuple[tuple[Element, ...], Verdict], ...] = ()
    """Of a lookup (nftables: vmap): which element leads to which verdict."""


class Rule(t.NamedTuple):
    text: str
    """As its own tool prints it."""
    conditions: tuple[Condition, ...] = ()
    not_understood: tuple[str, ...] = ()
    """Matches that are not modelled: the rule may match, or not."""
    notrack: bool = False
    mark: tuple[int, int] | None = None
    """Bits to clear and bits to flip then, as in iptables' --set-xmark. Bits to clear of -1: not to be told."""
    verdict: Verdict | None = None


class Chain:
    """A chain; ``parse`` makes a Rule of an entry of ``raw`` once it is looked at."""

    def __init__(self, origin: str, family: str, table: str, name: str, parse: t.Callable[[t.Any], Rule]) -> None:
        self.origin = origin
        """``iptables-legacy``, ``iptables-nft`` or ``nftables`` (``ip6tables-...`` alike)."""
        self.family = family
        """``ip``, ``ip6``, ``inet``, ``netdev`` or ``bridge``."""
        self.table = table
        self.name = name
        self.raw: list[t.Any] = []
        self.handles: list[int] = []
        """Of the rules, where they are nftables'."""
        self.hook = ""
        """Empty: not a base chain."""
        self.kind = "filter"
        self.priority = 0
        self.policy = "accept"
        self.devices: tuple[str, ...] = ()
        self._parse = parse
        self._rules: dict[int, Rule] = {}

    def rule(self, index: int) -> Rule:
        if index not in self._rules:
            self._rules[index] = self._parse(self.raw[index])
        return self._rules[index]

    @property
    def key(self) -> tuple[str, str, str, str]:
        return (self.origin, self.family, self.table, self.name)

    @property
    def place(self) -> str:
        """For people: ``filter INPUT (iptables-legacy)``, ``table inet firewalld, chain filter_INPUT``."""
        if self.origin == "nftables":
            return f"table {self.family} {self.table}, chain {self.name}"
        return f"{self.table} {self.name} ({self.origin})"


class Ruleset:
    """All chains of a node."""

    def __init__(self) -> None:
        self.chains: dict[tuple[str, str, str, str], Chain] = {}
        self.unreadable: list[str] = []
        """What could not be listed, and why: no verdict is certain then."""

    def add(self, chain: Chain) -> None:
        self.chains[chain.key] = chain

    def base(self, hook: str, packet: Packet, bridge: bool = False) -> list[Chain]:
        """The chains that the packet meets at a hook, in the kernel's order."""
        families = {"inet", "ip" if packet.family == 4 else "ip6"} if hook != "ingress" else {"netdev", "inet"}
        if bridge:
            families = {"bridge"}
        found = [
            chain
            for chain in self.chains.values()
            if chain.hook == hook
            and chain.family in families
            and (not chain.devices or packet.iif is None or packet.iif in chain.devices)
        ]
        return sorted(found, key=lambda chain: chain.priority)

    def sibling(self, chain: Chain, name: str) -> Chain | None:
        """Another chain of the same table."""
        return self.chains.get((chain.origin, chain.family, chain.table, name))


def number(address: str) -> int:
    """An address as a number. Raises ValueError."""
    return int(ipaddress.ip_address(address))


def network(text: str) -> tuple[int, int]:
    """First and last address of a network (``10.0.0.0/8``, also with a netmask) or an address. Raises ValueError."""
    found = ipaddress.ip_network(text, strict=False)
    return int(found[0]), int(found[-1])
