# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel's objects in the options of the modules: for results, differences, and what is gathered of a node. Pure.

What the options cannot say (nexthop objects, encapsulation, l3mdev rules ...) has no place in the form that can be
applied again; in the form for looking at it stands with what can be told of it.
"""

from __future__ import annotations

import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._netlink.constants import (
    AF_INET,
    IFA_F_PERMANENT,
    KUBENODE_PROTOCOL,
    REJECT_TYPES,
    ROUTE_METRICS,
    protocol_name,
)
from ansible_collections.kubenode.network.plugins.module_utils._netlink.objects import Address, Link, Route, Rule
from ansible_collections.kubenode.network.plugins.module_utils._state.model import Change, FileState, State
from ansible_collections.kubenode.network.plugins.module_utils._state.verify import kernel_made

Entry = t.Dict[str, t.Any]  # noqa: UP006 - evaluated at run time

_METRIC_OPTIONS = {ROUTE_METRICS[name]: name for name in ("mtu", "cwnd")}
_ROUTE_TYPES = frozenset(("unicast", "blackhole", "unreachable", "prohibit"))
_RULE_ACTIONS = frozenset(("lookup", "blackhole", "unreachable", "prohibit"))
# RTPROT_UNSPEC, _BOOT, _STATIC: what people make; daemons and the kernel make theirs again by themselves.
_STATIC_PROTOCOLS = frozenset((0, 3, 4, KUBENODE_PROTOCOL))
_KERNEL_RULES = frozenset((0, 32766, 32767))
_KINDS = frozenset(("", "dummy", "vlan", "bond", "bridge", "vrf", "macvlan", "veth"))
# 1/100 s in the kernel (USER_HZ), seconds in the options.
_BRIDGE_TIMES = frozenset(("forward_delay", "hello_time", "max_age", "ageing_time"))
_BRIDGE_SWITCHES = frozenset(("vlan_filtering", "multicast_snooping"))


# --- one object ------------------------------------------------------------------------------------------------------


def route_entry(route: Route) -> Entry:
    """An entry of ``routes``."""
    entry: Entry = {"destination": route.destination}
    hops = () if route.type in REJECT_TYPES else route.next_hops
    if len(hops) == 1:
        entry.update(_hop_entry(hops[0]))
    elif hops:
        entry["next_hops"] = [{**_hop_entry(hop), "weight": hop.weight} for hop in hops]
    entry["metric"] = route.metric
    entry["table"] = route.table
    if route.type != "unicast":
        entry["type"] = route.type
    if route.source:
        entry["source"] = route.source
    if route.tos:
        entry["tos"] = route.tos
    entry.update({_METRIC_OPTIONS[number]: value for number, value in route.metrics if number in _METRIC_OPTIONS})
    return entry


def _hop_entry(hop: t.Any) -> Entry:
    entry: Entry = {}
    if hop.gateway:
        entry["next_hop_address"] = hop.gateway
    if hop.interface:
        entry["next_hop_interface"] = hop.interface
    if hop.on_link:
        entry["on_link"] = True
    return entry


def rule_entry(rule: Rule) -> Entry:
    """An entry of ``rules``."""
    entry: Entry = {"family": "ipv4" if rule.family == AF_INET else "ipv6", "priority": rule.priority}
    if rule.source:
        entry["from"] = rule.source
    if rule.destination:
        entry["to"] = rule.destination
    for name in ("tos", "iif", "oif", "ip_protocol", "invert"):
        if getattr(rule, name):
            entry[name] = getattr(rule, name)
    if rule.fwmark or rule.fwmask:
        entry["fwmark"], entry["fwmask"] = rule.fwmark, rule.fwmask
    for name in ("source_ports", "destination_ports", "uid_range"):
        numbers = getattr(rule, name)
        if numbers:
            entry[name] = str(numbers[0]) if numbers[0] == numbers[1] else f"{numbers[0]}-{numbers[1]}"
    entry["action"] = rule.action
    if rule.action == "lookup":
        entry["table"] = rule.table
    if rule.suppress_prefix_length is not None:
        entry["suppress_prefix_length"] = rule.suppress_prefix_length
    return entry


def interface_entry(link: Link, addresses: t.Iterable[Address], ports: t.Iterable[str] = ()) -> Entry:
    """An entry of ``interfaces``, the MAC address and empty address families left out."""
    entry: Entry = {"name": link.name, "type": _type(link), "state": "up" if link.up else "down", "mtu": link.mtu}
    found = list(addresses)
    for family, name in ((AF_INET, "ipv4"), (10, "ipv6")):
        own = [{"ip": one.address, "prefix_length": one.prefix_length} for one in found if one.family == family]
        if own:
            entry[name] = {"enabled": True, "dhcp": False, "addresses": own}
    kind = _kind_entry(link, sorted(ports))
    if kind:
        entry[link.kind] = kind
    return entry


def _type(link: Link) -> str:
    return link.kind or ("loopback" if link.name == "lo" else "ethernet")


def _kind_entry(link: Link, ports: list[str]) -> Entry:
    data = dict(link.data)
    if link.kind in ("vlan", "macvlan"):
        return {"base_iface": link.parent, **data}
    if link.kind == "vrf":
        return {"route_table_id": data.get("table"), "port": ports}
    if link.kind == "bond":
        mode = data.pop("mode", None)
        return {
            "mode": mode,
            "port": ports,
            "options": {name: value for name, value in data.items() if value is not None},
        }
    if link.kind == "bridge":
        options: Entry = {}
        for name, value in data.items():
            if name == "stp_state":
                options["stp"] = bool(value)
            elif name in _BRIDGE_TIMES:
                options[name] = value // 100
            elif name in _BRIDGE_SWITCHES:
                options[name] = bool(value)
            elif name == "priority":
                options[name] = value
        return {"port": ports, "options": options}
    return {}


# --- a whole node ----------------------------------------------------------------------------------------------------


def can_be_applied(kind: str, value: t.Any) -> bool:
    """Whether the options can say all there is to an object, and it is not one that others make by themselves."""
    if kind == "route":
        return (
            value.protocol in _STATIC_PROTOCOLS
            and value.type in _ROUTE_TYPES
            and value.table != 255
            and value.nexthop_id is None
            and value.source_prefix is None
            and not value.extra
            and not any(hop.encap for hop in value.next_hops)
            and all(number in _METRIC_OPTIONS for number, _value in value.metrics)
        )
    if kind == "rule":
        return (
            value.protocol in _STATIC_PROTOCOLS
            and value.action in _RULE_ACTIONS
            and value.priority not in _KERNEL_RULES
            and not (value.l3mdev or value.tun_id or value.extra or value.suppress_ifgroup is not None)
        )
    if kind == "address":
        return (
            bool(value.flags & IFA_F_PERMANENT)
            and value.peer is None
            and not kernel_made("address", value)
            and value.interface != "lo"
        )
    return value.kind in _KINDS and value.name != "lo"


def state_entries(state: State, include_foreign: bool = False) -> Entry:
    """``interfaces``, ``routes``, ``rules`` and ``tables`` of a node.

    Without ``include_foreign`` it is what can be applied again: applied to the same node it changes nothing. With it
    everything the kernel shows, each entry with what the options have no words for (``protocol``, ``mac_address`` ...).
    """

    def shown(kind: str, value: t.Any) -> bool:
        return include_foreign or can_be_applied(kind, value)

    interfaces = []
    for link in state.links.values():
        if shown("link", link):
            own = [one for one in state.addresses.values() if one.interface == link.name and shown("address", one)]
            ports = [port.name for port in state.links.values() if port.master == link.name]
            entry = interface_entry(link, own, ports)
            if include_foreign:
                entry.update({"mac_address": link.mac, "permanent_mac_address": link.permanent_mac,
                              "controller": link.master, "running": link.running,
                              "manager": state.managers.get(link.name)})  # fmt: skip
            interfaces.append(entry)
    routes = []
    for route in (route for held in state.routes.values() for route in held):
        if shown("route", route):
            entry = route_entry(route)
            if include_foreign:
                entry["protocol"] = protocol_name(route.protocol)
            routes.append(entry)
    rules = []
    for rule in (rule for held in state.rules.values() for rule in held):
        if shown("rule", rule):
            entry = rule_entry(rule)
            if include_foreign:
                entry["protocol"] = protocol_name(rule.protocol)
            rules.append(entry)
    tables = [
        {"id": number, "name": name}
        for number, name in sorted(state.tables.items())
        if number not in (0, 253, 254, 255)
    ]
    return {"interfaces": interfaces, "routes": routes, "rules": rules, "tables": tables}


# --- a plan ----------------------------------------------------------------------------------------------------------


def changes_both_ways(changes: t.Iterable[Change]) -> tuple[Entry, Entry]:
    """What a plan touches, before and after, in the options of the modules."""
    before: Entry = {}
    after: Entry = {}
    for change in changes:
        for side, value in ((before, change.before), (after, change.after)):
            if value is None:
                continue
            if change.kind == "route":
                side.setdefault("routes", []).append(route_entry(value))
            elif change.kind == "rule":
                side.setdefault("rules", []).append(rule_entry(value))
            elif change.kind == "sysctl":
                side.setdefault("sysctl", {})[change.name] = value
            elif change.kind == "file":
                for name, entry in _file_entries(change.name, value).items():
                    # The writer of resolv.conf may have it in several files.
                    side[name] = {**side.get(name, {}), **entry} if isinstance(entry, dict) else entry
            elif change.kind == "link":
                _interface(side, value.name).update(_link_entry(value))
            elif change.kind == "address":
                family = _interface(side, value.interface).setdefault("ipv4" if value.family == AF_INET else "ipv6", {})
                family.setdefault("addresses", []).append({"ip": value.address, "prefix_length": value.prefix_length})
    for side in (before, after):
        if "interfaces" in side:
            side["interfaces"] = list(side["interfaces"].values())
    return before, after


def _file_entries(path: str, file: FileState) -> Entry:
    """What the options say of a file: the resolver, our lines of /etc/hosts, the order of name services."""
    text = file.text or ""
    if path == "/etc/resolv.conf":
        return {"dns_resolver": resolver_entry(text)}
    if path.startswith(("/etc/systemd/resolved.conf.d/", "/etc/resolvconf")):
        from ansible_collections.kubenode.network.plugins.module_utils._resolver import contract

        return {"dns_resolver": contract.declared(path, text)}
    if path == "/etc/hosts":
        from ansible_collections.kubenode.network.plugins.module_utils._resolver import hosts

        return {"hosts": [{"address": address, "names": list(names)} for address, names in hosts.managed(text)]}
    if path == "/etc/nsswitch.conf":
        from ansible_collections.kubenode.network.plugins.module_utils._resolver import nsswitch

        return {"nsswitch_hosts": list(nsswitch.parse(text))}
    return {}


def resolver_entry(text: str) -> Entry:
    """``servers``, ``search`` and ``options`` of a resolv.conf."""
    from ansible_collections.kubenode.network.plugins.module_utils._resolver import resolv_conf

    found = resolv_conf.parse(text)
    return {"servers": list(found.servers), "search": list(found.search), "options": list(found.options)}


def _interface(side: Entry, name: str) -> Entry:
    entry: Entry = side.setdefault("interfaces", {}).setdefault(name, {"name": name})
    return entry


def _link_entry(link: Link) -> Entry:
    entry = interface_entry(link, ())
    if link.kind in entry and not entry[link.kind].get("port", True):
        # A plan's change of a port names its controller; the list of all ports is not its to tell.
        del entry[link.kind]["port"]
    if link.master:
        entry["controller"] = link.master
    return entry


def document(entries: Entry) -> Entry:
    """The same as a desired state, with the sections and the few other names that NMState has."""
    found: Entry = {}
    for name, value in entries.items():
        if name in ("routes", "rules"):
            found["routes" if name == "routes" else "route_rules"] = {"config": value}
        elif name == "interfaces":
            found[name] = [_document_interface(entry) for entry in value]
        elif name == "dns_resolver":
            names = {"servers": "server"}
            found[name] = {"config": {names.get(key, key): part for key, part in value.items()}}
        else:
            found[name] = value
    return found


def _document_interface(entry: Entry) -> Entry:
    if "bridge" not in entry:
        return entry
    bridge = dict(entry["bridge"])
    if "port" in bridge:
        bridge["port"] = [{"name": port} for port in bridge["port"]]
    if "options" in bridge:
        options = dict(bridge["options"])
        stp = {"enabled": options.pop("stp", None)}
        for name in ("forward_delay", "hello_time", "max_age", "priority"):
            stp[name.replace("_", "-")] = options.pop(name, None)
        if "ageing_time" in options:
            options["mac-ageing-time"] = options.pop("ageing_time")
        bridge["options"] = {**options, "stp": {name: value for name, value in stp.items() if value is not None}}
    return {**entry, "bridge": bridge}


def diff(changes: t.Iterable[Change], before: Entry, after: Entry) -> list[Entry]:
    """The value of ``diff`` in a result: the options, then each text file and the nftables table as text."""
    entries: list[Entry] = []
    if before or after:
        entries.append({"before_header": "state", "after_header": "state", "before": before, "after": after})
    for change in changes:
        if change.kind in ("file", "nft"):
            entries.append(
                {
                    "before_header": change.name,
                    "after_header": change.name,
                    "before": _text(change.before),
                    "after": _text(change.after),
                }
            )
    return entries


def _text(value: FileState | str | None) -> str:
    text = value.text if isinstance(value, FileState) else value
    if isinstance(value, FileState) and value.link:
        text = f"-> {value.link}\n"
    # What is not UTF-8 in a file has been read with surrogates, which JSON output cannot carry.
    return (text or "").encode("utf-8", "surrogateescape").decode("utf-8", "replace")
