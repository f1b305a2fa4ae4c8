# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects as lines of `ip -force -batch`, for what must work without us: the way back, and units at boot. Pure.

A line is precise: it says everything that the kernel compares, in numbers (a node's rt_tables and rt_protos may be gone
when it is read). Lines are sent once more without harm: what is there already is answered
with EEXIST, what is gone with ESRCH and the like, and `-force` goes on. They are understood by iproute2 5.15 and newer.

`ip` ends at words that it does not understand, `-force` or not; a ``master`` that is not there is one of them. So the
lines of links are for a command each, or stand behind whatever must not be missed.

``add`` and ``delete`` return a list of lines without line ends, as some things take several; they raise StateError for
what iproute2 has no words for (encapsulations ...). Rules of IPv6 want `ip -6`, everything else goes without a family:
``split`` tells them apart.
"""

from __future__ import annotations

import struct
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._netlink import constants as c
from ansible_collections.kubenode.network.plugins.module_utils._netlink.objects import Address, Link, Route, Rule
from ansible_collections.kubenode.network.plugins.module_utils._state.describe import (
    next_hop_words,
    object_text,
    rule_action_words,
    rule_selector_words,
)
from ansible_collections.kubenode.network.plugins.module_utils._state.model import StateError

# ip/ipaddress.c; IFA_F_PERMANENT and the like are the kernel's own.
_ADDRESS_FLAGS = {
    c.IFA_F_NODAD: "nodad",
    c.IFA_F_OPTIMISTIC: "optimistic",
    c.IFA_F_HOMEADDRESS: "home",
    c.IFA_F_MANAGETEMPADDR: "mngtmpaddr",
    c.IFA_F_NOPREFIXROUTE: "noprefixroute",
    c.IFA_F_MCAUTOJOIN: "autojoin",
}
_PREFERENCES = {b"\0": "medium", b"\1": "high", b"\3": "low"}
_METRIC_NAMES = {number: name for name, number in c.ROUTE_METRICS.items()}
_RTAX_FEATURES, _RTAX_RTO_MIN = c.ROUTE_METRICS["features"], c.ROUTE_METRICS["rto_min"]
_UNLOCKABLE = frozenset(
    (_RTAX_FEATURES, c.ROUTE_METRICS["quickack"], c.ROUTE_METRICS["initcwnd"], c.ROUTE_METRICS["initrwnd"])
)
# What `ip link add` takes by another name than the one in Link.data (ip/iplink_bridge.c).
_SPELLINGS = {"multicast_snooping": "mcast_snooping"}
_NO_NAMES: t.Mapping[int, str] = {}


def add(kind: str, value: t.Any) -> list[str]:
    """Lines that make an object of kind ``route``, ``rule``, ``address`` or ``link``."""
    return _ADD[kind](value)


def delete(kind: str, value: t.Any) -> list[str]:
    """Lines that remove exactly this object, as far as the kernel can tell it from others (``_netlink/match``)."""
    return _DELETE[kind](value)


def split(lines: t.Iterable[str]) -> tuple[list[str], list[str]]:
    """Lines for `ip -force -batch`, and those for `ip -6 -force -batch`: `ip rule` learns no family from a prefix."""
    plain: list[str] = []
    six: list[str] = []
    for line in lines:
        is_six = line.startswith("rule ") and ":" in line.partition(" from ")[2].partition(" ")[0]
        (six if is_six else plain).append(line)
    return plain, six


# --- routes ----------------------------------------------------------------------------------------------------------


def route_line(route: Route, verb: str = "add") -> str:
    """``route VERB ...``; ``append`` is behind others of its key, ``replace`` instead of the first of them."""
    return _line("route", route, ["route", verb, *_route_words(route)])


def _route_words(route: Route) -> list[str]:
    words = [route.type, route.destination]
    if route.source_prefix:
        words += ["from", route.source_prefix]
    if route.tos:
        words += ["tos", f"0x{route.tos:02x}"]
    words += ["table", str(route.table), "proto", str(route.protocol)]
    if route.family == c.AF_INET:
        words += ["scope", str(route.scope)]
    if route.source:
        words += ["src", route.source]
    if route.metric:
        words += ["metric", str(route.metric)]
    words += _metric_words(route)
    for number, payload in route.extra:
        if number != c.RTA_PREF or payload not in _PREFERENCES:
            raise _unspeakable("route", route, f"attribute {number}")
        words += ["pref", _PREFERENCES[payload]]
    for hop in route.next_hops if route.nexthop_id is None else ():
        for number, payload in hop.encap:
            if number != c.RTA_FLOW or len(route.next_hops) > 1:
                raise _unspeakable("route", route, f"attribute {number} of a next hop")
            words += ["realm", _realm(payload)]
    return words + next_hop_words(route)


def _metric_words(route: Route) -> list[str]:
    words = []
    lock = next((value for number, value in route.metrics if number == c.RTAX_LOCK), 0)
    locked = lock if isinstance(lock, int) else 0
    # `ip` locks this one whenever it is given.
    has_rto_min = any(number == _RTAX_RTO_MIN for number, _value in route.metrics)
    if has_rto_min != bool(locked & 1 << _RTAX_RTO_MIN):
        raise _unspeakable("route", route, "rto_min without its lock")
    for number, value in route.metrics:
        if number == c.RTAX_LOCK:
            continue
        if number not in _METRIC_NAMES or (number == _RTAX_FEATURES and value != 1):
            raise _unspeakable("route", route, f"metric {number}")
        words.append(_METRIC_NAMES[number])
        if locked & 1 << number and number != _RTAX_RTO_MIN:
            if number in _UNLOCKABLE:
                raise _unspeakable("route", route, f"a lock of {_METRIC_NAMES[number]}")
            words.append("lock")
        if number == _RTAX_FEATURES:
            words.append("ecn")
        elif isinstance(value, bytes):
            words.append(value.rstrip(b"\0").decode("ascii", "replace"))
        else:
            words.append(str(value))
    return words


def _realm(payload: bytes) -> str:
    (number,) = struct.unpack("=I", payload)
    return f"{number >> 16}/{number & 0xFFFF}"


def route_appended(route: Route) -> list[str]:
    """Lines that put a route behind others of its key; of what is there already nothing is lost.

    One line for each next hop of an IPv6 route: the kernel takes those of a request back when it has one of them.
    """
    if route.family == c.AF_INET6 and len(route.next_hops) > 1 and route.nexthop_id is None:
        hops = [["nexthop", *next_hop_words(route._replace(next_hops=(hop,)))] for hop in route.next_hops]
        start = ["route", "append", *_route_words(route._replace(next_hops=()))]
        return [
            _line("route", route, [*start, *words, "weight", str(hop.weight)])
            for words, hop in zip(hops, route.next_hops)
        ]
    return [route_line(route, "append")]


# --- rules -----------------------------------------------------------------------------------------------------------


def rule_line(rule: Rule, verb: str = "add") -> str:
    """``rule VERB ...``; in IPv6 with the prefix ``::/0`` where it has none, and for `ip -6` (see ``split``)."""
    words = rule_selector_words(rule, "0.0.0.0/0" if rule.family == c.AF_INET else "::/0", _NO_NAMES)
    action = rule_action_words(rule, _NUMBERS)
    for number, payload in rule.extra:
        if number != c.FRA_FLOW:
            raise _unspeakable("rule", rule, f"attribute {number}")
        action += ["realms", _realm(payload)]
    return _line("rule", rule, ["rule", verb, *words, "protocol", str(rule.protocol), *action])


# --- addresses -------------------------------------------------------------------------------------------------------


def _address_words(address: Address) -> list[str]:
    if address.peer:
        words = [address.address, "peer", f"{address.peer}/{address.prefix_length}"]
    else:
        words = [f"{address.address}/{address.prefix_length}"]
    words += ["dev", address.interface]
    if address.label:
        words += ["label", address.label]
    return words


def add_address(address: Address) -> list[str]:
    """A permanent address, as static ones are, without its protocol: iproute2 before 6.3 ends the batch at the word."""
    words = ["address", "add", *_address_words(address)]
    if address.broadcast:
        words += ["broadcast", address.broadcast]
    words += ["scope", str(address.scope)]
    if address.route_metric:
        words += ["metric", str(address.route_metric)]
    words += [name for flag, name in _ADDRESS_FLAGS.items() if address.flags & flag]
    return [_line("address", address, words)]


def delete_address(address: Address) -> list[str]:
    return [_line("address", address, ["address", "delete", *_address_words(address)])]


# --- links -----------------------------------------------------------------------------------------------------------


def add_link(link: Link) -> list[str]:
    """Make a link and bring it into its state; its options come one by one, as a kernel refuses some as they are."""
    words = ["link", "add"]
    if link.parent:
        words += ["link", link.parent]
    words += ["name", link.name]
    if link.mac:
        words += ["address", link.mac]
    if link.mtu and link.kind != "bridge":
        words += ["mtu", str(link.mtu)]
    words += ["type", link.kind]
    if link.kind not in ("bridge", "bond"):
        options = _option_words(link.kind, link.data)
        return [_line("link", link, words + options), *set_link(link._replace(mac=None))]
    first = [pair for pair in link.data if pair[0] == "mode"]
    lines = [_line("link", link, words + _option_words(link.kind, first))]
    lines += link_options(link, [pair for pair in link.data if pair[0] != "mode"])
    if link.mtu == 1500 and link.kind == "bridge":
        # It keeps one whatever its ports have only if that was a change of what it had (net/bridge/br_device.c).
        lines.append(_line("link", link, ["link", "set", "dev", link.name, "mtu", "1499"]))
    return lines + set_link(link._replace(mac=None))


def link_options(link: Link, options: t.Iterable[tuple[str, t.Any]]) -> list[str]:
    """Lines that set options (names and values as in ``Link.data``) of a link that exists."""
    return [
        _line("link", link, ["link", "set", "dev", link.name, "type", link.kind, *_option_words(link.kind, [option])])
        for option in options
    ]


def set_link(link: Link) -> list[str]:
    """Master, address, MTU and whether it is up, of a link that exists; its kind and options are left alone."""
    start = ["link", "set", "dev", link.name]
    lines = []
    master = ["master", link.master] if link.master else ["nomaster"]
    lines.append(_line("link", link, [*start, *master]))
    if link.mac:
        lines.append(_line("link", link, [*start, "address", link.mac]))
    if link.mtu:
        lines.append(_line("link", link, [*start, "mtu", str(link.mtu)]))
    lines.append(_line("link", link, [*start, "up" if link.up else "down"]))
    return lines


def delete_link(link: Link) -> list[str]:
    """By name: iproute2 does not ask whether the link is still of the same kind."""
    return [_line("link", link, ["link", "delete", "dev", link.name])]


def _option_words(kind: str, options: t.Iterable[tuple[str, t.Any]]) -> list[str]:
    words = []
    for name, value in options:
        if value is None or value == "":
            continue
        words += [_SPELLINGS.get(name, name) if kind == "bridge" else name, str(value)]
    return words


# --- all -------------------------------------------------------------------------------------------------------------


class _Numbers(t.Mapping[int, str]):
    """Every table is called by its number."""

    def __getitem__(self, table: int) -> str:
        return str(table)

    def __iter__(self) -> t.Iterator[int]:
        return iter(())

    def __len__(self) -> int:
        return 0


_NUMBERS = _Numbers()


def _line(kind: str, value: t.Any, words: t.Sequence[str]) -> str:
    for word in words:
        # `ip -batch` reads quotes, escapes and comments anywhere (makeargs and getcmdline in lib/utils.c).
        if not word or any(letter.isspace() or letter in "#'\"\\" for letter in word):
            raise _unspeakable(kind, value, f"the name {word!r}")
    return " ".join(words)


def _unspeakable(kind: str, value: t.Any, what: str) -> StateError:
    return StateError(
        f"{object_text(kind, value)}: iproute2 has no words for {what}, so it could not be put back from a shell"
    )


_ADD: dict[str, t.Callable[[t.Any], list[str]]] = {
    "route": lambda route: [route_line(route)],
    "rule": lambda rule: [rule_line(rule)],
    "address": add_address,
    "link": add_link,
}
_DELETE: dict[str, t.Callable[[t.Any], list[str]]] = {
    "route": lambda route: [route_line(route, "delete")],
    "rule": lambda rule: [rule_line(rule, "delete")],
    "address": delete_address,
    "link": delete_link,
}
