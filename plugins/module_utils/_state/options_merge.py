# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several policies in one run: what they say alike is kept once per owner, a contradiction is an error."""

from __future__ import annotations

import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._state.model import (
    Desired,
    InterfaceSpec,
    ResolverSpec,
    StateError,
)


def merged(parts: list[Desired], beside: Desired) -> Desired:
    """All parts as one. Policies stand beside each other: none is "later", and none overrules another.

    Routes and rules that contradict each other are resolve's to find, which knows table names and VRFs.
    """
    interfaces = _once([spec for part in parts for spec in part.interfaces])
    _check_interfaces(interfaces)
    resolvers = [part.resolver for part in parts if part.resolver is not None]
    return beside._replace(
        interfaces=interfaces,
        routes=tuple(spec for part in parts for spec in part.routes),
        rules=tuple(spec for part in parts for spec in part.rules),
        resolver=_one_resolver(resolvers),
    )


def _once(specs: list[InterfaceSpec]) -> tuple[InterfaceSpec, ...]:
    """Each spec once per owner (where the option ``owner`` makes the owners of several policies one)."""
    found: dict[tuple[t.Any, ...], InterfaceSpec] = {}
    for spec in specs:
        found.setdefault((spec.owner, *spec[2:]), spec)
    return tuple(found.values())


def _contradict(first: t.Any, second: t.Any, what: str) -> t.NoReturn:
    raise StateError(
        f"{first.origin} and {second.origin} contradict each other: {what}. Policies of one run must agree"
    )


def _check_interfaces(interfaces: tuple[InterfaceSpec, ...]) -> None:
    found: dict[str, list[InterfaceSpec]] = {}
    for spec in interfaces:
        for other in found.setdefault(spec.name, []):
            field = _difference(other, spec)
            if field:
                _contradict(other, spec, f"interface {spec.name} differs in {field}")
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
        for name in ("servers", "search", "options"):
            known, value = getattr(whole, name), getattr(spec, name)
            if value is not None and known is not None and known != value:
                _contradict(whole, spec, f"{name} of the resolver differ")
            whole = whole._replace(**{name: value if known is None else known})
    return whole
