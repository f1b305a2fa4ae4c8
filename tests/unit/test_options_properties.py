# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds for any list of routes, rules and interfaces: the spelling and the order mean nothing."""

from __future__ import annotations

import ipaddress
import random
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._state.model import (
    InterfaceSpec,
    NextHopSpec,
    RouteSpec,
    RuleSpec,
    StateError,
)
from ansible_collections.kubenode.network.plugins.module_utils._state.options import desired_from_options
from ansible_collections.kubenode.network.plugins.module_utils._state.settings import AUTOMATIC
from hypothesis import given
from hypothesis import strategies as st

Entry = dict[str, t.Any]

NAMES = st.sampled_from(["ens192", "ens224", "ens256", "bond0.100", "br-storage"])
UNICAST4 = st.integers(0x0A000001, 0x0AFFFFFE).map(lambda number: str(ipaddress.IPv4Address(number)))
UNICAST6 = st.integers(1, 2**64).map(lambda number: str(ipaddress.IPv6Address((0x20010DB8 << 96) + number)))
U32 = st.integers(0, 2**32 - 1)


def numbers(strategy: st.SearchStrategy[int]) -> st.SearchStrategy[t.Any]:
    """The same number as people write it."""
    return strategy.flatmap(lambda number: st.sampled_from([number, str(number), hex(number)]))


def prefixes(family: int) -> st.SearchStrategy[str]:
    bits = 32 if family == 4 else 128
    return st.tuples(UNICAST4 if family == 4 else UNICAST6, st.integers(1, bits)).map("{0[0]}/{0[1]}".format)


@st.composite
def routes(draw: st.DrawFn) -> Entry:
    family = draw(st.sampled_from([4, 6]))
    gateway = UNICAST4 if family == 4 else UNICAST6
    tables = st.one_of(numbers(st.integers(1, 252)), numbers(st.integers(256, 2**32 - 1)), st.just("storage"))
    entry: Entry = draw(
        st.fixed_dictionaries(
            {"destination": prefixes(family)},
            optional={
                "metric": numbers(U32),
                "table": tables,
                "source": gateway,
                "mtu": numbers(st.integers(1280, 65520)),
                "cwnd": numbers(st.integers(1, 100)),
                "state": st.sampled_from(["present", "absent"]),
            },
        )
    )
    shape = draw(st.sampled_from(["gateway", "interface", "both", "several", "none"]))
    hop = st.fixed_dictionaries({"next_hop_address": gateway, "next_hop_interface": NAMES})
    if shape == "several":
        hops = draw(st.lists(hop, min_size=1, max_size=3, unique_by=lambda one: tuple(sorted(one.values()))))
        entry["next_hops"] = [{**one, "weight": draw(st.integers(1, 256))} for one in hops]
    elif shape == "none":
        entry["type"] = draw(st.sampled_from(["blackhole", "unreachable", "prohibit"]))
    else:
        one = draw(hop)
        entry.update(
            {
                key: value
                for key, value in one.items()
                if shape == "both" or key.endswith(shape.replace("gateway", "address"))
            }
        )
        if shape == "both":
            entry["on_link"] = draw(st.booleans())
    return entry


@st.composite
def rules(draw: st.DrawFn) -> Entry:
    family = draw(st.sampled_from([4, 6]))
    ports = st.tuples(st.integers(1, 65534), st.integers(1, 65534)).map(lambda pair: "{}-{}".format(*sorted(pair)))
    return draw(
        st.fixed_dictionaries(
            {"from": prefixes(family)},
            optional={
                "to": prefixes(family),
                "priority": numbers(st.integers(1, 32765)),
                "table": numbers(st.integers(1, 2**32 - 1)),
                "fwmark": numbers(U32),
                "iif": NAMES,
                "oif": NAMES,
                "tos": st.sampled_from([4, "8", "0x1c"]),
                "ip_protocol": st.sampled_from(["tcp", 17, "58"]),
                "source_ports": ports,
                "destination_ports": ports,
                "uid_range": ports,
                "invert": st.booleans(),
                "suppress_prefix_length": numbers(st.integers(0, 32)),
                "state": st.sampled_from(["present", "absent"]),
            },
        )
    )


@st.composite
def interfaces(draw: st.DrawFn) -> Entry:
    def ip(addresses: st.SearchStrategy[str], bits: int) -> st.SearchStrategy[Entry]:
        entry = st.fixed_dictionaries({"ip": addresses, "prefix_length": numbers(st.integers(1, bits))})
        several = st.lists(entry, max_size=3, unique_by=lambda one: one["ip"])
        return st.fixed_dictionaries(
            {}, optional={"enabled": st.just(True), "dhcp": st.booleans(), "addresses": several}
        )

    return draw(
        st.fixed_dictionaries(
            {"name": NAMES},
            optional={
                "type": st.sampled_from(["ethernet", "dummy"]),
                "state": st.sampled_from(["up", "down"]),
                "mtu": numbers(st.integers(1280, 9000)),
                "mac_address": st.just("52:54:00:12:34:56"),
                "ipv4": ip(UNICAST4, 32),
                "ipv6": ip(UNICAST6, 128),
            },
        )
    )


def parsed(module: str, entries: list[Entry]) -> list[t.Any]:
    """The specs of a list, without where each stands."""
    key = {"static_routes": "routes", "route_rules": "rules", "interfaces": "interfaces"}[module]
    return [spec._replace(origin="") for spec in getattr(desired_from_options({key: entries}, module), key)]


def kebab(value: t.Any) -> t.Any:
    """The entry as NMState spells it."""
    names = {"from": "ip-from", "to": "ip-to", "type": "route-type", "table": "table-id"}
    if isinstance(value, list):
        return [kebab(item) for item in value]
    if not isinstance(value, dict):
        return value
    rule = "from" in value
    found = {}
    for key, inner in value.items():
        name = (
            "route-table"
            if rule and key == "table"
            else "type"
            if "name" in value and key == "type"
            else names.get(key)
        )
        found[name or key.replace("_", "-")] = kebab(inner)
    return found


def rendered_route(spec: RouteSpec) -> Entry:
    def hop(one: NextHopSpec) -> Entry:
        return {
            "next_hop_address": one.gateway, "next_hop_interface": one.interface, "weight": one.weight or None,
            "on_link": one.on_link,
        }  # fmt: skip

    return {
        "destination": spec.destination, "metric": spec.metric, "table": spec.table, "type": spec.type,
        "source": spec.source, "mtu": spec.mtu, "cwnd": dict(spec.metrics).get(7), "tos": spec.tos,
        "state": "absent" if spec.absent else "present", "next_hops": [hop(one) for one in spec.next_hops] or None,
    }  # fmt: skip


def rendered_rule(spec: RuleSpec) -> Entry:
    entry = spec._asdict()
    for key in ("source_ports", "destination_ports", "uid_range"):
        if entry[key]:
            entry[key] = "{}-{}".format(*entry[key])
    entry["from"], entry["to"] = entry.pop("source"), entry.pop("destination")
    entry["family"] = {2: "ipv4", 10: "ipv6", None: None}[spec.family]
    entry["state"] = "absent" if entry.pop("absent") else "present"
    return {key: value for key, value in entry.items() if key not in ("owner", "origin")}


def rendered_interface(spec: InterfaceSpec) -> Entry:
    entry = {key: getattr(spec, key) for key in ("name", "identifier", "mac_address", "type", "state", "mtu")}
    for key, ip in (("ipv4", spec.ipv4), ("ipv6", spec.ipv6)):
        if ip is not None:
            addresses = ip.addresses and [{"ip": text, "prefix_length": length} for text, length in ip.addresses]
            entry[key] = {"enabled": ip.enabled, "addresses": [] if ip.addresses == () else addresses}
            entry[key].update({name: getattr(ip, name) for name in AUTOMATIC if getattr(ip, name) is not None})
    return entry


@given(st.lists(routes(), max_size=4))
def test_what_was_parsed_parses_to_itself(entries: list[Entry]) -> None:
    found = parsed("static_routes", entries)
    assert parsed("static_routes", [rendered_route(spec) for spec in found]) == found


@given(st.lists(rules(), max_size=4))
def test_a_parsed_rule_parses_to_itself(entries: list[Entry]) -> None:
    found = parsed("route_rules", entries)
    assert parsed("route_rules", [rendered_rule(spec) for spec in found]) == found


@given(interfaces())
def test_a_parsed_interface_parses_to_itself(entry: Entry) -> None:
    found = parsed("interfaces", [entry])
    assert parsed("interfaces", [rendered_interface(spec) for spec in found]) == found


@given(st.lists(routes(), max_size=4), st.lists(rules(), max_size=4), interfaces())
def test_kebab_and_snake_say_the_same(some_routes: list[Entry], some_rules: list[Entry], interface: Entry) -> None:
    for module, entries in (("static_routes", some_routes), ("route_rules", some_rules), ("interfaces", [interface])):
        assert parsed(module, kebab(entries)) == parsed(module, entries)


@given(st.lists(routes(), max_size=4), st.lists(rules(), max_size=4), interfaces())
def test_a_document_and_the_modules_say_the_same(
    some_routes: list[Entry], some_rules: list[Entry], interface: Entry
) -> None:
    interface = {"state": "up", **interface}
    state = {
        "interfaces": [kebab(interface)],
        "routes": {"config": kebab(some_routes)},
        "route-rules": {"config": kebab(some_rules)},
    }
    whole = desired_from_options({"desired_state": state}, "network_state")
    for module, entries, found in (
        ("static_routes", some_routes, whole.routes),
        ("route_rules", some_rules, whole.rules),
        ("interfaces", [interface], whole.interfaces),
    ):
        assert [spec._replace(origin="") for spec in found] == parsed(module, entries)


@given(st.lists(routes(), max_size=5), st.lists(rules(), max_size=5), st.integers())
def test_the_order_of_entries_means_nothing(some_routes: list[Entry], some_rules: list[Entry], seed: int) -> None:
    for module, entries in (("static_routes", some_routes), ("route_rules", some_rules)):
        shuffled = random.Random(seed).sample(entries, len(entries))
        assert sorted(map(repr, parsed(module, shuffled))) == sorted(map(repr, parsed(module, entries)))


@given(
    st.lists(st.tuples(UNICAST4, NAMES, st.integers(1, 256)), min_size=1, max_size=5, unique_by=lambda hop: hop[:2]),
    st.integers(),
)
def test_next_hops_are_one_list_or_entries_with_weights_in_any_order(
    hops: list[tuple[str, str, int]], seed: int
) -> None:
    listed = [{"next_hop_address": a, "next_hop_interface": i, "weight": weight} for a, i, weight in hops]
    shuffled = random.Random(seed).sample(listed, len(listed))
    together = parsed("static_routes", [{"destination": "192.0.2.0/24", "next_hops": listed}])
    assert parsed("static_routes", [{"destination": "192.0.2.0/24", **hop} for hop in shuffled]) == together


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 2**33)
    | st.floats(allow_nan=False)
    | st.text(max_size=8)
    | st.just("10.1.0.0/16"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=4,
)
ROUTE_OPTIONS = st.sampled_from(
    ["destination", "next_hop_address", "next_hop_interface", "next_hops", "metric", "table", "type", "source", "mtu",
     "cwnd", "tos", "on_link", "weight", "state", "from", "to", "priority", "fwmark", "fwmask", "iif", "tos",
     "ip_protocol", "source_ports", "uid_range", "invert", "action", "suppress_prefix_length", "family"]
)  # fmt: skip
STATE_KEYS = st.sampled_from(
    ["interfaces", "routes", "route-rules", "dns-resolver", "config", "name", "ipv4", "address", "ip", "prefix-length",
     "vlan", "bridge", "port", "link-aggregation", "options", "vrf", "mac-vlan", "identifier", "mac-address", "lldp"]
)  # fmt: skip
STATES = st.recursive(
    JSON,
    lambda inner: st.dictionaries(STATE_KEYS, inner, max_size=4) | st.lists(inner, max_size=2),
    max_leaves=12,
)


@given(st.lists(st.dictionaries(ROUTE_OPTIONS, JSON, max_size=5), max_size=2))
def test_whatever_is_given_is_parsed_or_refused_by_one_error(entries: list[Entry]) -> None:
    for module in ("static_routes", "route_rules"):
        try:
            assert isinstance(parsed(module, entries), list)
        except StateError as error:
            assert error.message.startswith(("routes[", "rules["))  # noqa: PT017


@given(st.dictionaries(STATE_KEYS, STATES, max_size=4))
def test_whatever_is_in_a_document_is_parsed_or_refused_by_one_error(state: Entry) -> None:
    for document in (state, {"apiVersion": "nmstate.io/v1", "kind": "NodeNetworkConfigurationPolicy", **state}):
        try:
            desired_from_options({"policies": [document]}, "network_state")
        except StateError as error:
            assert error.message  # noqa: PT017
