# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several policies in one run: what they say alike is kept once per owner, a contradiction is an error."""

from __future__ import annotations

import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._state.model import (
    Desired,
    InterfaceSpec,
    NextHopSpec,
    ResolverSpec,
    RouteSpec,
    RuleSpec,
    StateError,
)

_Spec = t.TypeVar("_Spec", InterfaceSpec, RouteSpec, RuleSpec)


def merged(parts: list[Desired], beside: Desired) -> Desired:
    """All parts as one. Policies stand beside each other: none is "later", so what one removes no other may declare."""
    interfaces = _once([spec for part in parts for spec in part.interfaces])
    routes = _once([spec for part in parts for spec in part.routes])
    rules = _once([spec for part in parts for spec in part.rules])
    _check_interfaces(interfaces)
    declared_routes = [route for route in routes if not route.absent]
    declared_rules = [rule for rule in rules if not rule.absent]
    _check_same_key(declared_routes, lambda route: (*route[3:7], route.tos), "route")
    _check_same_key(declared_rules, lambda rule: (*rule[3:5], *rule[7:19]), "rule")
    for pattern in routes:
        if pattern.absent:
            _check_absent(pattern, [route for route in declared_routes if route_matches(pattern, route)], "route")
    for rule_pattern in rules:
        if rule_pattern.absent:
            _check_absent(rule_pattern, [rule for rule in declared_rules if rule_matches(rule_pattern, rule)], "rule")
    resolvers = [part.resolver for part in parts if part.resolver is not None]
    return beside._replace(interfaces=interfaces, routes=routes, rules=rules, resolver=_one_resolver(resolvers))


def _once(specs: list[_Spec]) -> tuple[_Spec, ...]:
    """Each spec once per owner (where the option ``owner`` makes the owners of several policies one)."""
    found: dict[tuple[t.Any, ...], _Spec] = {}
    for spec in specs:
        found.setdefault((spec.owner, *spec[2:]), spec)
    return tuple(found.values())


def _contradict(first: t.Any, second: t.Any, what: str, way_out: str) -> t.NoReturn:
    raise StateError(f"{second.origin} contradicts {first.origin}: {what}. {way_out}")


def _check_same_key(specs: t.Iterable[_Spec], key: t.Callable[[t.Any], t.Any], what: str) -> None:
    found: dict[t.Any, _Spec] = {}
    for spec in specs:
        other = found.setdefault(key(spec), spec)
        if other[2:] != spec[2:]:
            _contradict(other, spec, f"the same {what} with different content", "Policies of one run must agree")


def _check_absent(pattern: t.Any, declared: t.Iterable[t.Any], what: str) -> None:
    for spec in declared:
        if spec.origin.partition(":")[0] != pattern.origin.partition(":")[0]:
            _contradict(
                spec, pattern, f"one declares the {what} that the other takes away",
                "Apply the one that takes away in a run of its own, afterwards",
            )  # fmt: skip


def route_matches(pattern: RouteSpec, route: RouteSpec) -> bool:
    """Whether an absent entry covers a declared route: what it leaves out matches anything."""
    for name in ("family", "destination", "table", "metric", "type", "source", "mtu", "tos"):
        wanted = getattr(pattern, name)
        if wanted is not None and wanted != getattr(route, name):
            return False
    return all(any(_hop_matches(wanted, hop) for hop in route.next_hops) for wanted in pattern.next_hops)


def _hop_matches(pattern: NextHopSpec, hop: NextHopSpec) -> bool:
    return (
        pattern.interface in (None, hop.interface)
        and pattern.gateway in (None, hop.gateway or "")
        and pattern.weight in (0, hop.weight)
    )


def rule_matches(pattern: RuleSpec, rule: RuleSpec) -> bool:
    """Whether an absent entry covers a declared rule."""
    for name, wanted in pattern._asdict().items():
        found = getattr(rule, name)
        if (
            name not in ("owner", "origin", "absent")
            and wanted is not None
            and wanted != (found or "" if wanted == "" else found)
        ):
            return False
    return True


def _check_interfaces(interfaces: tuple[InterfaceSpec, ...]) -> None:
    found: dict[str, list[InterfaceSpec]] = {}
    for spec in interfaces:
        for other in found.setdefault(spec.name, []):
            field = _difference(other, spec)
            if field:
                _contradict(other, spec, f"interface {spec.name} differs in {field}", "Policies of one run must agree")
        found[spec.name].append(spec)


def _difference(first: InterfaceSpec, second: InterfaceSpec) -> str:
    """The name of a field that both give, differently; each may list addresses of its own."""
    if first.identifier != second.identifier:
        return "identifier"
    if (first.state == "absent") != (second.state == "absent"):
        return "state"
    for name in ("mac_address", "type", "state", "mtu", "parent", "ports"):
        a, b = getattr(first, name), getattr(second, name)
        if a is not None and b is not None and a != b:
            return name
    known = dict(first.data)
    for key, value in second.data:
        if known.get(key, value) != value:
            return key
    for name, one, two in (("ipv4", first.ipv4, second.ipv4), ("ipv6", first.ipv6, second.ipv6)):
        if one is None or two is None:
            continue
        if (
            {one.enabled, two.enabled} == {True, False}
            or (one.enabled is False and two.addresses)
            or (two.enabled is False and one.addresses)
        ):
            return f"{name}.enabled"
        lengths = dict(one.addresses or ())
        for address, length in two.addresses or ():
            if lengths.get(address, length) != length:
                return f"{name}, the prefix length of {address}"
    return ""


def _one_resolver(resolvers: list[ResolverSpec]) -> ResolverSpec | None:
    """Policies may each give a part (servers here, search there); what both give must be equal."""
    if not resolvers:
        return None
    whole = resolvers[0]
    for spec in resolvers[1:]:
        for name in ("servers", "search", "options", "interface"):
            known, value = getattr(whole, name), getattr(spec, name)
            if value is not None and known is not None and known != value:
                _contradict(whole, spec, f"{name} of the resolver differ", "Policies of one run must agree")
            whole = whole._replace(**{name: value if known is None else known})
    return whole
