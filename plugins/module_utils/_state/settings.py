# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is declared of a NIC itself (MTU, DHCP, what a link is made of ...), for the configuration of its manager. Pure.

The kernel's part of it is planned with the link; the records of kind ``setting`` say what its configuration shall hold.
"""

from __future__ import annotations

import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._state.model import (
    Desired,
    InterfaceSpec,
    StateError,
)

if t.TYPE_CHECKING:
    from ansible_collections.kubenode.network.plugins.module_utils._state.ledger import Ledger
    from ansible_collections.kubenode.network.plugins.module_utils._state.resolve import Names

# Fields of a record's identity (interface, field), beside ``data.X`` of ``Link.data``, and ``ipv4.X`` and ``ipv6.X`` of
# ``AUTOMATIC``. ``servers``, ``search`` and ``options`` are the resolver of one NIC.
FIELDS = ("mtu", "state", "mac", "parent", "ports", "servers", "search", "options")
AUTOMATIC = ("dhcp", "autoconf", "auto_routes", "auto_gateway", "auto_dns")

Settings = t.Dict[t.Tuple[str, str], t.Tuple[t.Any, t.Tuple[str, ...]]]  # noqa: UP006 - evaluated at run time


def resolve_settings(desired: Desired, names: Names) -> Settings:
    """Raises StateError where two declarations contradict each other."""
    found: dict[tuple[str, str], tuple[t.Any, set[str], str]] = {}
    for spec in desired.interfaces:
        if spec.state == "absent":
            continue
        name = names.link(spec.name)
        for field, value in _fields(spec, names):
            known, owners, origin = found.setdefault((name, field), (value, set(), spec.origin))
            if known != value:
                raise StateError(
                    f"{origin} and {spec.origin} contradict each other: {field} of {name} is {known} in the first and "
                    f"{value} in the second."
                )
            if spec.owner:
                owners.add(spec.owner)
    for key, value in _resolver(desired, names):
        found[key] = (value, {desired.resolver.owner} if desired.resolver and desired.resolver.owner else set(), "")
    return {key: (value, tuple(sorted(owners))) for key, (value, owners, _origin) in found.items()}


def _fields(spec: InterfaceSpec, names: Names) -> t.Iterator[tuple[str, t.Any]]:
    if spec.mtu is not None:
        yield "mtu", spec.mtu
    if spec.state is not None:
        yield "state", spec.state
    if spec.mac_address is not None and spec.identifier != "mac-address":
        yield "mac", spec.mac_address
    if spec.parent is not None:
        yield "parent", names.link(spec.parent)
    if spec.ports is not None:
        yield "ports", tuple(names.link(port) for port in spec.ports)
    for key, value in spec.data:
        yield f"data.{key}", names.link(value) if key == "primary" else value
    for family, ip in (("ipv4", spec.ipv4), ("ipv6", spec.ipv6)):
        if ip is None:
            continue
        off = ("dhcp", "autoconf") if ip.enabled is False else ()
        for field in AUTOMATIC:
            said = False if field in off else getattr(ip, field)
            if said is not None and (field != "autoconf" or family == "ipv6"):
                yield f"{family}.{field}", said


def _resolver(desired: Desired, names: Names) -> t.Iterator[tuple[tuple[str, str], tuple[str, ...]]]:
    spec = desired.resolver
    if spec is None or spec.interface is None:
        return
    name = names.link(spec.interface)
    if name not in names.state.links:
        known = ", ".join(sorted(names.state.links))
        raise StateError(f"{spec.origin}: this node has no interface {name}; it has {known}")
    for field in ("servers", "search", "options"):
        value = getattr(spec, field)
        if value is not None:
            yield (name, field), value


def plan_settings(ledger: Ledger) -> None:
    """The records of what is declared of NICs; the kernel's part is planned with the links."""
    target = ledger.target
    for key, (value, owners) in target.settings.items():
        if value is True and not target.persist and key[1].endswith((".dhcp", ".autoconf")):
            ledger.conflict(
                f"interface {key[0]}: {key[1]} is true with persist: false, but DHCP and autoconfiguration are in the "
                "configuration of a manager or nowhere. Leave persist out, or give the addresses."
            )
        # Where nothing is to be kept, only what an earlier run kept is of interest.
        if target.persist or ("setting", key) in ledger.before:
            ledger.declare("setting", key, value, owners, True)
    for _released in ledger.let_go("setting", target.settings):
        pass
    if target.absent_links:
        for kind, key in list(ledger.owned):
            if kind == "setting" and key[0] in target.absent_links:
                ledger.forget(kind, key)
