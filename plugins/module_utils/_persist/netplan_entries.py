# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our part of a NIC in netplan's words, and what netplan cannot say. Pure.

netplan(5), "Common properties", "Routing" and "DHCP Overrides"; what the renderers make of it was read from what
``generate`` of 0.106 writes.
"""

from __future__ import annotations

import ipaddress
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._netlink.constants import AF_INET, RTAX_MTU
from ansible_collections.kubenode.network.plugins.module_utils._netlink.objects import Address, Route, Rule
from ansible_collections.kubenode.network.plugins.module_utils._persist.contract import Dhcp, Nic
from ansible_collections.kubenode.network.plugins.module_utils._persist.netplan_files import Listed
from ansible_collections.kubenode.network.plugins.module_utils._state.model import StateError

Entry = dict[str, t.Any]

_MAIN = 254
_SCOPE_LINK = 253
_IPV6_METRIC = 1024
_NETWORKD_TYPES = frozenset(("unicast", "blackhole", "unreachable", "prohibit", "throw"))


def address(one: Address) -> str | None:
    """None where netplan cannot say it (peers, labels)."""
    return None if one.peer or one.label else f"{one.address}/{one.prefix_length}"


def route(one: Route, networkd: bool) -> Entry | None:
    """None where the renderer cannot say it."""
    ipv4 = one.family == AF_INET
    types = _NETWORKD_TYPES if networkd else {"unicast"}
    others = [number for number, _value in one.metrics if number != RTAX_MTU]
    if one.type not in types or one.tos or one.source_prefix or others or one.extra or one.nexthop_id is not None:
        return None
    entry: Entry = {"to": one.destination}
    if one.type == "unicast":
        hop = one.next_hops[0] if len(one.next_hops) == 1 else None
        if hop is None or hop.encap or (hop.gateway and (":" in hop.gateway) == ipv4):
            return None
        if hop.gateway:
            entry["via"] = hop.gateway
            if one.scope:
                return None
        elif not networkd or (ipv4 and one.scope not in (0, _SCOPE_LINK)):
            # Without a gateway there is nothing in a keyfile of netplan's.
            return None
        else:
            entry["scope"] = "global" if ipv4 and not one.scope else "link"
        if hop.on_link:
            entry["on-link"] = True
    else:
        entry["type"] = one.type
    if one.metric != (0 if ipv4 else _IPV6_METRIC) or not networkd:
        # NetworkManager has its own default.
        entry["metric"] = one.metric
    if one.table not in (0, _MAIN):
        entry["table"] = one.table
    if one.source:
        entry["from"] = one.source
    for _number, value in one.metrics:
        entry["mtu"] = value
    return entry


def rule(one: Rule, networkd: bool) -> Entry | None:
    """None where netplan cannot say it; for NetworkManager it drops rules in silence (0.106)."""
    if not networkd:
        return None
    plain = Rule(
        one.family, one.priority, table=one.table, source=one.source, destination=one.destination, tos=one.tos,
        fwmark=one.fwmark, fwmask=one.fwmask, protocol=one.protocol,
    )  # fmt: skip
    if plain != one or one.fwmask not in (0, 0xFFFFFFFF) or (one.fwmask and not one.fwmark) or not one.table:
        return None
    entry: Entry = {}
    if one.source or not one.destination:
        entry["from"] = one.source or ("0.0.0.0/0" if one.family == AF_INET else "::/0")
    if one.destination:
        entry["to"] = one.destination
    entry.update(table=one.table, priority=one.priority)
    if one.fwmark:
        entry["mark"] = one.fwmark
    if one.tos:
        entry["type-of-service"] = one.tos
    return entry


class Said(t.NamedTuple):
    entry: Entry
    unexpressed: tuple[tuple[str, t.Any], ...] = ()


def definition(nic: Nic, networkd: bool, foreign: t.Callable[[str, t.Any], bool]) -> Said:
    """What our file says of a NIC; ``foreign(list, entry)``: files of others have the same entry already."""
    entry: Entry = {}
    left: list[tuple[str, t.Any]] = []
    if nic.mtu is not None:
        entry["mtu"] = nic.mtu
    if nic.up is False:
        entry["activation-mode"] = "off"
    lists: dict[str, list[t.Any]] = {"addresses": [], "routes": [], "routing-policy": []}
    words: list[tuple[str, str, t.Any, t.Any]] = []
    words += [("addresses", "address", one, address(one)) for one in nic.addresses]
    words += [("routes", "route", one, route(one, networkd)) for one in nic.routes]
    words += [("routing-policy", "rule", one, rule(one, networkd)) for one in nic.rules]
    for name, kind, one, said in words:
        if said is None:
            left.append((kind, one))
        elif not foreign(name, said):
            lists[name].append(said)
    _dhcp(entry, nic, networkd)
    if nic.resolver is not None:
        if nic.resolver.options:
            raise StateError(
                f"interface {nic.name}: options of the resolver ({' '.join(nic.resolver.options)}) for one interface: "
                "netplan knows servers and search domains only; declare them for the whole node (without interface)"
            )
        servers = {"addresses": list(nic.resolver.servers or ()), "search": list(nic.resolver.search or ())}
        entry["nameservers"] = {name: values for name, values in servers.items() if values}
    entry.update({name: values for name, values in lists.items() if values})
    return Said({name: value for name, value in entry.items() if value not in ({}, [])}, tuple(left))


def _dhcp(entry: Entry, nic: Nic, networkd: bool) -> None:
    for name, dhcp in (("dhcp4", nic.dhcp4), ("dhcp6", nic.dhcp6)):
        if dhcp is None:
            continue
        if dhcp.enabled is not None:
            entry[name] = dhcp.enabled
        if networkd:
            # Both families share one section of what netplan writes: a drop-in says it of each.
            continue
        taken = {"use-routes": dhcp.routes, "use-dns": dhcp.dns}
        entry[f"{name}-overrides"] = {key: False for key, value in taken.items() if not value}
        if dhcp.routes != dhcp.gateway:
            family = "ipv4" if name == "dhcp4" else "ipv6"
            passed = entry.setdefault("networkmanager", {}).setdefault("passthrough", {})
            passed[f"{family}.never-default"] = "false" if dhcp.gateway else "true"
    if nic.dhcp6 is not None and nic.dhcp6.autoconf is not None:
        entry["accept-ra"] = nic.dhcp6.autoconf


def drop_in(nic: Nic) -> str | None:
    """What of a lease is taken, in systemd.network(5)'s words; None where all is."""
    sections: dict[str, list[str]] = {}
    for dhcp, section, advertised in ((nic.dhcp4, "DHCPv4", ""), (nic.dhcp6, "DHCPv6", "IPv6AcceptRA")):
        if dhcp is None:
            continue
        if not dhcp.dns:
            for one in filter(None, (section, advertised)):
                sections.setdefault(one, []).append("UseDNS=no")
        sections.setdefault(advertised or section, []).extend(_taken(dhcp, bool(advertised)))
    lines = [line for name, values in sections.items() if values for line in (f"[{name}]", *values, "")]
    return "\n".join(["# Written by kubenode.network, and overwritten by it.", *lines]) if lines else None


def _taken(dhcp: Dhcp, advertised: bool) -> list[str]:
    lines = [] if dhcp.routes else ["UseRoutePrefix=no" if advertised else "UseRoutes=no"]
    if not dhcp.gateway or (not dhcp.routes and not advertised):
        # systemd.network(5): without a word UseGateway= is as UseRoutes=.
        lines.append(f"UseGateway={'yes' if dhcp.gateway else 'no'}")
    return lines


# --- what files of others say -----------------------------------------------------------------------------------------


def identity(name: str, entry: t.Any, networkd: bool = True) -> tuple[t.Any, ...]:
    """What sets an entry of a list apart from others: two with the same identity cannot stand side by side.

    A route without a metric gets the kernel's by networkd, and one of its own by NetworkManager.
    """
    if name == "addresses":
        text = next(iter(entry)) if isinstance(entry, dict) else str(entry)
        return (_text(ipaddress.ip_interface, text),)
    if name == "routes":
        to = _network(entry.get("to", ""), entry.get("via", ""))
        default = (_IPV6_METRIC if ":" in to else 0) if networkd else -1
        return (to, _number(entry.get("table"), _MAIN), _number(entry.get("metric"), default))
    priority = _number(entry.get("priority"), -1)
    return (
        priority, _network(entry.get("from", "")), _network(entry.get("to", "")), _number(entry.get("mark"), 0),
        _number(entry.get("type-of-service"), 0), ":" in str(entry.get("from", entry.get("to", ""))),
    )  # fmt: skip


def content(name: str, entry: t.Any, networkd: bool = True) -> tuple[t.Any, ...]:
    """Identity and all else that an entry does."""
    if name == "addresses":
        return identity(name, entry)
    if name == "routes":
        rest: tuple[t.Any, ...] = (
            _text(ipaddress.ip_address, entry.get("via", "")), entry.get("type", "unicast"),
            str(entry.get("on-link", "false")).lower() in ("true", "yes", "on", "y"),
            _text(ipaddress.ip_address, entry.get("from", "")), _number(entry.get("mtu"), 0),
        )  # fmt: skip
    else:
        rest = (_number(entry.get("table"), _MAIN),)
    return (*identity(name, entry, networkd), *rest)


def contrary(name: str, entry: t.Any, foreign: t.Iterable[Listed], networkd: bool = True) -> Listed | None:
    """The entry of another file that stands where ours has to stand, and says something else."""
    if name == "addresses":
        return None
    for one in foreign:
        if not isinstance(one.value, dict) or identity(name, one.value, networkd) != identity(name, entry, networkd):
            continue
        if content(name, one.value, networkd) != content(name, entry, networkd):
            return one
    return None


def _network(text: t.Any, via: t.Any = "") -> str:
    text = str(text)
    if text == "default":
        return "::/0" if ":" in str(via) else "0.0.0.0/0"
    return _text(lambda value: ipaddress.ip_network(value, strict=False), text)


def _text(make: t.Callable[[str], t.Any], text: str) -> str:
    try:
        return str(make(text))
    except ValueError:
        return text


def _number(value: t.Any, default: int) -> int:
    try:
        return int(str(value), 0) if value is not None else default
    except ValueError:
        return default
