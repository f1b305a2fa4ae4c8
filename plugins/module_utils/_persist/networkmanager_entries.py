# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses, routes and rules as NetworkManager's keyfiles spell them, and back. Pure.

Sources: nm-settings-keyfile(5); read_one_ip_address_or_route and fill_route_attributes (nm-keyfile.c) and
nm_ip_routing_rule_from_string (nm-setting-ip-config.c) of NetworkManager 1.42. What every version since 1.18 says is
written; what only later ones say, or none, is for the caller to make in the kernel.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._netlink.addr import canonical_address, canonical_prefix
from ansible_collections.kubenode.network.plugins.module_utils._netlink.constants import (
    AF_INET,
    AF_INET6,
    IPV6_DEFAULT_METRIC,
    ROUTE_METRICS,
    RT_TABLE_DEFAULT,
    RT_TABLE_LOCAL,
    RT_TABLE_MAIN,
)
from ansible_collections.kubenode.network.plugins.module_utils._netlink.objects import Address, Range, Route, Rule
from ansible_collections.kubenode.network.plugins.module_utils._netlink.routes import default_scope

SECTIONS = {AF_INET: "ipv4", AF_INET6: "ipv6"}

# Options of a route that are RTA_METRICS and known since 1.8; advmss, quickack and rto_min came with 1.42.
_METRICS = ("mtu", "window", "cwnd", "initcwnd", "initrwnd")
_LOCKABLE = frozenset(_METRICS)
_TABLES = {"main": RT_TABLE_MAIN, "local": RT_TABLE_LOCAL, "default": RT_TABLE_DEFAULT}
_ACTIONS = ("blackhole", "unreachable", "prohibit")


class Defaults(t.NamedTuple):
    """What a route of one family gets that does not say it itself."""

    table: int = RT_TABLE_MAIN
    metric: int | None = None
    """None where it cannot be told from files."""


class Said(t.NamedTuple):
    """What an entry says of a route: what ``Route`` has of it that a keyfile can say."""

    table: int
    destination: str
    metric: int | None
    tos: int = 0
    gateway: str | None = None
    on_link: bool = False
    source: str | None = None
    metrics: tuple[tuple[str, str], ...] = ()
    """(option, value), sorted: ``mtu``, ``lock-mtu`` ..."""
    rest: tuple[tuple[str, str], ...] = ()
    """Options that this collection does not write (``type``, ``weight``, ``from`` ...)."""

    @property
    def key(self) -> tuple[int, str, int | None, int]:
        return (self.table, self.destination, self.metric, self.tos)


# --- addresses --------------------------------------------------------------------------------------------------------


def address_text(address: Address) -> str | None:
    """``10.0.0.1/24``; None where a keyfile cannot say it (a peer, a label)."""
    if address.peer is not None or address.label is not None:
        return None
    return f"{address.address}/{address.prefix_length}"


def parse_address(value: str, family: int) -> tuple[str, str | None] | None:
    """(``address/length`` in canonical text, gateway); None for what NetworkManager would pass over."""
    fields = re.split(r"[/;,]", value.strip())
    length = fields[1] if len(fields) > 1 and fields[1] else ("24" if family == AF_INET else "64")
    try:
        address = canonical_address(fields[0])
        canonical_prefix(f"{address}/{length}")
        gateway = canonical_address(fields[2]) if len(fields) > 2 and fields[2] else None
    except ValueError:
        return None
    return f"{address}/{int(length)}", None if gateway in ("0.0.0.0", "::") else gateway


# --- routes -----------------------------------------------------------------------------------------------------------


def said_of(route: Route) -> Said | None:
    """The route in the terms of a keyfile; None where no version since 1.18 can say it.

    That is: several next hops, a next hop of the other family, types without a next hop (NetworkManager gives them
    the wrong scope), encapsulation, next hop objects, a source prefix, a scope or an option of its own choice.
    """
    if len(route.next_hops) != 1 or route.type != "unicast" or route.nexthop_id is not None or route.extra:
        return None
    hop = route.next_hops[0]
    if hop.encap or (hop.gateway is not None and (":" in hop.gateway) != (route.family == AF_INET6)):
        return None
    if route.source_prefix is not None or route.scope != default_scope(route):
        return None
    metrics = _metrics_of(route)
    if metrics is None:
        return None
    metric = route.metric or (IPV6_DEFAULT_METRIC if route.family == AF_INET6 else 0)
    return Said(
        route.table, route.destination, metric, route.tos, hop.gateway, hop.on_link, route.source, metrics
    )  # fmt: skip


def _metrics_of(route: Route) -> tuple[tuple[str, str], ...] | None:
    values = dict(route.metrics)
    lock = values.pop(ROUTE_METRICS["lock"], 0)
    result = []
    for name in _METRICS:
        number = ROUTE_METRICS[name]
        if number in values:
            result.append((name, str(values.pop(number))))
            if isinstance(lock, int) and lock & (1 << number):
                lock ^= 1 << number
                result.append((f"lock-{name}", "true"))
    return None if values or lock else tuple(sorted(result))


def route_text(said: Said, defaults: Defaults) -> tuple[str, str | None]:
    """(value of ``routeN``, value of ``routeN_options`` or None). The metric always stands there: the device's own
    default is another one on every device.
    """
    options = []
    if said.table != defaults.table:
        options.append(("table", str(said.table)))
    if said.source is not None:
        options.append(("src", said.source))
    if said.tos:
        options.append(("tos", str(said.tos)))
    if said.on_link:
        options.append(("onlink", "true"))
    options += [*said.metrics, *said.rest]
    value = f"{said.destination},{said.gateway or ''},{said.metric or 0}"
    return value, ",".join(f"{key}={text}" for key, text in options) or None


def parse_route(value: str, options: str, family: int, defaults: Defaults) -> Said | None:
    """What ``routeN`` and ``routeN_options`` say; None for what NetworkManager would pass over."""
    fields = re.split(r"[/;,]", value.strip())
    length = fields[1] if len(fields) > 1 and fields[1] else ("24" if family == AF_INET else "128")
    try:
        destination = canonical_prefix(f"{fields[0]}/{int(length)}")
        gateway = canonical_address(fields[2]) if len(fields) > 2 and fields[2] else None
        metric = int(fields[3]) if len(fields) > 3 and fields[3] else defaults.metric
    except ValueError:
        return None
    if gateway in ("0.0.0.0", "::"):
        gateway = None
    if family == AF_INET6 and metric == 0:
        metric = IPV6_DEFAULT_METRIC
    found = dict(part.strip().split("=", 1) for part in options.split(",") if "=" in part)
    metrics = tuple(sorted((key, text) for key, text in found.items() if key.replace("lock-", "", 1) in _METRICS))
    rest = tuple(sorted((key, text) for key, text in found.items() if not _known(key)))
    on_link = found.get("onlink") in ("true", "1", "yes")
    source = found.get("src")
    try:
        table = int(found.get("table", defaults.table)) or RT_TABLE_MAIN
        tos = int(found.get("tos", "0"), 0)
        source = canonical_address(source) if source else None
    except ValueError:
        return None
    return Said(table, destination, metric, tos, gateway, on_link, source, metrics, rest)


def _known(option: str) -> bool:
    return option in ("table", "src", "tos", "onlink") or option.replace("lock-", "", 1) in _LOCKABLE


# --- rules ------------------------------------------------------------------------------------------------------------


def rule_text(rule: Rule) -> str | None:
    """The value of ``routing-ruleN``, in the order in which NetworkManager writes it; None where it cannot say it."""
    if rule.action not in ("lookup", *_ACTIONS) or rule.l3mdev or rule.tun_id or rule.goto or rule.extra:
        return None
    if rule.suppress_ifgroup is not None or (rule.action == "lookup" and not rule.table):
        return None
    words = [f"priority {rule.priority}"]
    if rule.invert:
        words.append("not")
    if rule.source is not None:
        words.append(f"from {rule.source}")
    if rule.destination is not None:
        words.append(f"to {rule.destination}")
    if rule.source is None and rule.destination is None:
        words.append("from 0.0.0.0/0" if rule.family == AF_INET else "from ::/0")
    if rule.tos:
        words.append(f"tos 0x{rule.tos:02x}")
    if rule.fwmark or rule.fwmask:
        words.append(f"fwmark 0x{rule.fwmark:x}/0x{rule.fwmask:x}")
    if rule.iif is not None:
        words.append(f"iif {rule.iif}")
    if rule.oif is not None:
        words.append(f"oif {rule.oif}")
    if rule.uid_range is not None:
        words.append("uidrange {}-{}".format(*rule.uid_range))
    if rule.ip_protocol:
        words.append(f"ipproto {rule.ip_protocol}")
    if rule.source_ports is not None:
        words.append(f"sport {_range_text(rule.source_ports)}")
    if rule.destination_ports is not None:
        words.append(f"dport {_range_text(rule.destination_ports)}")
    if rule.action == "lookup":
        words.append(f"table {rule.table}")
        if rule.suppress_prefix_length is not None:
            words.append(f"suppress_prefixlength {rule.suppress_prefix_length}")
    else:
        words.append(f"type {rule.action}")
    return " ".join(words)


def parse_rule(text: str, family: int) -> Rule | None:
    """The rule of a ``routing-ruleN``, without a protocol; None for what this collection has no word for."""
    words = text.split()
    found: dict[str, t.Any] = {"action": "lookup"}
    try:
        while words:
            word = words.pop(0)
            if word == "not":
                found["invert"] = True
            elif word in _ACTIONS:
                found["action"] = word
            elif word == "type":
                found["action"] = words.pop(0)
            else:
                field, read = _RULE_WORDS[word]
                value = read(words.pop(0))
                found.update(zip(field.split(), value) if " " in field else ((field, value),))
        if found["action"] not in ("lookup", *_ACTIONS):
            return None
        return Rule(family, found.pop("priority"), **found)
    except (KeyError, IndexError, ValueError):
        return None


def bare(rule: Rule) -> Rule:
    """The rule as ``parse_rule`` would have it."""
    rule = rule._replace(protocol=0)
    return rule if rule.action == "lookup" else rule._replace(table=0)


def _range_text(value: Range) -> str:
    return str(value[0]) if value[0] == value[1] else f"{value[0]}-{value[1]}"


def _range(text: str) -> Range:
    first, _dash, last = text.partition("-")
    return int(first, 0), int(last or first, 0)


def _prefix(text: str) -> str | None:
    prefix = canonical_prefix(text)
    return None if prefix.endswith("/0") else prefix


def _mark(text: str) -> tuple[int, int]:
    mark, slash, mask = text.partition("/")
    return int(mark, 0), int(mask, 0) if slash else 0xFFFFFFFF


def _table(text: str) -> int:
    return _TABLES[text] if text in _TABLES else int(text, 0)


def _number(text: str) -> int:
    return int(text, 0)


_RULE_WORDS: dict[str, tuple[str, t.Callable[[str], t.Any]]] = {
    **dict.fromkeys(("priority", "order", "pref", "preference"), ("priority", _number)),
    **dict.fromkeys(("table", "lookup"), ("table", _table)),
    **dict.fromkeys(("tos", "dsfield"), ("tos", lambda text: int(text, 16))),
    **dict.fromkeys(("iif", "dev"), ("iif", str)),
    **dict.fromkeys(("suppress_prefixlength", "sup_pl"), ("suppress_prefix_length", _number)),
    "from": ("source", _prefix),
    "to": ("destination", _prefix),
    "ipproto": ("ip_protocol", _number),
    "sport": ("source_ports", _range),
    "dport": ("destination_ports", _range),
    "fwmark": ("fwmark fwmask", _mark),
    "oif": ("oif", str),
    "uidrange": ("uid_range", _range),
}
