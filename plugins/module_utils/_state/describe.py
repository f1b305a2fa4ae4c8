# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One line per object and per change for people, in the words of iproute2. Pure."""

from __future__ import annotations

import types
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._netlink.constants import (
    KUBENODE_PROTOCOL,
    ROUTE_METRICS,
    RTAX_MTU,
    protocol_name,
)
from ansible_collections.kubenode.network.plugins.module_utils._netlink.objects import Address, Link, Route, Rule
from ansible_collections.kubenode.network.plugins.module_utils._state.model import Change, FileState

Tables = t.Mapping[int, str]
_NO_TABLES: Tables = types.MappingProxyType({})
_IP_PROTOCOLS = {1: "icmp", 6: "tcp", 17: "udp", 58: "ipv6-icmp"}
_METRIC_NAMES = {number: name for name, number in ROUTE_METRICS.items()}


def table_text(table: int, tables: Tables) -> str:
    name = tables.get(table) or {253: "default", 254: "main", 255: "local"}.get(table)
    return name or str(table)


def route_text(route: Route, tables: Tables = _NO_TABLES, protocol: bool = False) -> str:
    """``[type] destination ...`` as in `ip route add`; the protocol where it is not ours or ``protocol`` says so."""
    return " ".join([*_route_key_words(route), *_route_words(route, tables, protocol)])


def _route_key_words(route: Route) -> list[str]:
    words = [] if route.type == "unicast" else [route.type]
    words.append("default" if route.destination in ("0.0.0.0/0", "::/0") else route.destination)
    if route.source_prefix:
        words += ["from", route.source_prefix]
    if route.tos:
        words += ["tos", f"0x{route.tos:02x}"]
    return words


def next_hop_words(route: Route) -> list[str]:
    """``via``, ``dev``, ``onlink``, ``nexthop ... weight``, ``nhid``: exact, no names in it."""
    words: list[str] = []
    if route.nexthop_id is not None:
        return ["nhid", str(route.nexthop_id)]
    many = len(route.next_hops) > 1
    for hop in route.next_hops:
        if many:
            words.append("nexthop")
        if hop.gateway:
            words += ["via", "inet6", hop.gateway] if ":" in hop.gateway and route.family == 2 else ["via", hop.gateway]
        if hop.interface:
            words += ["dev", hop.interface]
        if many:
            words += ["weight", str(hop.weight)]
        if hop.on_link:
            words.append("onlink")
    return words


def _route_words(route: Route, tables: Tables, protocol: bool) -> list[str]:
    words = next_hop_words(route)
    if route.table != 254:
        words += ["table", table_text(route.table, tables)]
    if protocol or route.protocol not in (0, KUBENODE_PROTOCOL):
        words += ["proto", protocol_name(route.protocol)]
    if route.source:
        words += ["src", route.source]
    if route.metric:
        words += ["metric", str(route.metric)]
    for number, value in route.metrics:
        text = value.decode("ascii", "replace") if isinstance(value, bytes) else str(value)
        words += ["mtu" if number == RTAX_MTU else _METRIC_NAMES.get(number, f"metric-{number}"), text]
    return words


def rule_text(rule: Rule, tables: Tables = _NO_TABLES, protocol: bool = False) -> str:
    """``priority N from ... lookup TABLE`` as in `ip rule`; ``inet6`` in front of an IPv6 rule without prefixes."""
    words = [] if rule.family == 2 or rule.source or rule.destination else ["inet6"]
    words += rule_selector_words(rule, "all", _IP_PROTOCOLS) + rule_action_words(rule, tables)
    if protocol or rule.protocol not in (0, KUBENODE_PROTOCOL):
        words += ["proto", protocol_name(rule.protocol)]
    return " ".join(words)


def rule_selector_words(rule: Rule, everything: str, ip_protocols: t.Mapping[int, str]) -> list[str]:
    """Priority and selectors; ``everything`` stands for a source that is not given."""
    words = ["priority", str(rule.priority)]
    if rule.invert:
        words.append("not")
    words += ["from", rule.source or everything]
    if rule.destination:
        words += ["to", rule.destination]
    if rule.tos:
        words += ["tos", f"0x{rule.tos:02x}"]
    if rule.fwmark or rule.fwmask:
        words += ["fwmark", f"0x{rule.fwmark:x}" + ("" if rule.fwmask == 0xFFFFFFFF else f"/0x{rule.fwmask:x}")]
    if rule.iif:
        words += ["iif", rule.iif]
    if rule.oif:
        words += ["oif", rule.oif]
    if rule.l3mdev:
        words.append("l3mdev")
    if rule.uid_range:
        words += ["uidrange", _range_text(rule.uid_range, always=True)]
    if rule.ip_protocol:
        words += ["ipproto", ip_protocols.get(rule.ip_protocol, str(rule.ip_protocol))]
    if rule.source_ports:
        words += ["sport", _range_text(rule.source_ports)]
    if rule.destination_ports:
        words += ["dport", _range_text(rule.destination_ports)]
    if rule.tun_id:
        words += ["tun_id", str(rule.tun_id)]
    return words


def rule_action_words(rule: Rule, tables: Tables) -> list[str]:
    """What a rule does: ``lookup``, ``goto`` ... and the suppressors."""
    if rule.action == "goto":
        words = ["goto", str(rule.goto)]
    elif rule.action == "lookup":
        words = [] if rule.l3mdev else ["lookup", table_text(rule.table, tables)]
    else:
        words = [rule.action]
    if rule.suppress_prefix_length is not None:
        words += ["suppress_prefixlength", str(rule.suppress_prefix_length)]
    if rule.suppress_ifgroup is not None:
        words += ["suppress_ifgroup", str(rule.suppress_ifgroup)]
    return words


def _range_text(numbers: tuple[int, int], always: bool = False) -> str:
    return str(numbers[0]) if numbers[0] == numbers[1] and not always else f"{numbers[0]}-{numbers[1]}"


def address_text(address: Address) -> str:
    peer = f" peer {address.peer}" if address.peer else ""
    return f"{address.address}{peer}/{address.prefix_length} dev {address.interface}"


def link_text(link: Link) -> str:
    """``NAME [type KIND ...] mtu N up`` with what sets the kind apart."""
    words = [link.name]
    if link.kind:
        words += ["type", link.kind]
    if link.parent:
        words += ["link", link.parent]
    for name, value in link.data:
        words += [name, str(value)]
    if link.master:
        words += ["master", link.master]
    if link.mtu:
        words += ["mtu", str(link.mtu)]
    words.append("up" if link.up else "down")
    return " ".join(words)


def _link_differences(before: Link, after: Link) -> str:
    parts = []
    if before.up != after.up:
        parts.append("up" if after.up else "down")
    for name in ("mtu", "master", "parent", "mac", "kind"):
        old, new = getattr(before, name), getattr(after, name)
        if old != new and not (name == "mac" and new is None):
            parts.append(f"{name} {old or 'none'} -> {new or 'none'}")
    old_data = dict(before.data)
    for name, value in after.data:
        if old_data.get(name) != value:
            parts.append(f"{name} {old_data.get(name, 'none')} -> {value}")
    return ", ".join(parts)


_TEXTS: dict[str, t.Callable[..., str]] = {
    "route": route_text,
    "rule": rule_text,
    "address": lambda value, _tables: address_text(value),
    "link": lambda value, _tables: link_text(value),
}


def object_text(kind: str, value: t.Any, tables: Tables = _NO_TABLES) -> str:
    """An object with its kind in front: ``route 10.200.0.0/16 via 10.100.0.1 dev ens224``."""
    return f"{kind} {_TEXTS[kind](value, tables)}" if kind in _TEXTS else f"{kind} {value}"


def describe(change: Change, tables: Tables = _NO_TABLES) -> str:
    """``+`` makes, ``-`` removes, ``~`` changes; owners and reason in parentheses."""
    if change.kind == "activate":
        # Of `sh -c SCRIPT NAME ...` the name says what it does.
        words = (one[3:] if one[:2] == ("sh", "-c") else one for one in change.after.commands)
        commands = "; ".join(" ".join(one) for one in words)
        return f"~ {change.name} takes up its configuration ({commands or 'by itself'})"
    sign = "+" if _nothing(change.before) else "-" if _nothing(change.after) else "~"
    value = change.before if change.after is None else change.after
    notes = list(change.owners)
    notes = [", ".join(notes)] if notes else []
    if change.reason:
        notes.append(change.reason)
    if change.kind in _TEXTS:
        text = _TEXTS[change.kind](value, tables)
        if sign == "~" and change.kind == "link":
            text = f"{change.name} {_link_differences(change.before, change.after)}"
        elif sign == "~":
            notes.append(f"was {_was(change, tables)}")
    elif change.kind == "sysctl":
        text = f"{change.name} = {value}"
        if sign == "~":
            notes.append(f"was {change.before}")
    else:
        text = change.name
    return f"{sign} {change.kind} {text}" + (f" ({'; '.join(notes)})" if notes else "")


def _nothing(value: t.Any) -> bool:
    """Whether there is no object; a file that does not exist is one without text."""
    return value is None or (isinstance(value, FileState) and value.text is None)


def _was(change: Change, tables: Tables) -> str:
    """What of the old object differs: without the words that identify it and that stand in front already."""
    before = change.before
    if change.kind == "route" and before.key == change.after.key:
        words = _route_words(before._replace(metric=0, table=254), tables, before.protocol != change.after.protocol)
        return " ".join(([before.type] if before.type != change.after.type else []) + words)
    if change.kind == "rule" and before.key == change.after.key:
        return " ".join(rule_action_words(before, tables))
    return str(_TEXTS[change.kind](before, tables))
