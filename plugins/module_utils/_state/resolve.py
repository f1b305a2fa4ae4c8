# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what a user declared to what the kernel shall hold: names looked up on this node, defaults filled in (pure).

Whatever can be known to fail is refused here, before anything is touched: a NIC that is not there, a gateway that is
not on its link, an unknown table name.
"""

from __future__ import annotations

import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._netlink.objects import Address, Link
from ansible_collections.kubenode.network.plugins.module_utils._state.model import (
    PROTOCOLS_PATH,
    Desired,
    FileState,
    InterfaceSpec,
    Owned,
    State,
    StateError,
    Target,
)

AF_INET = 2
AF_INET6 = 10
IFA_F_PERMANENT = 0x80
SCOPE_HOST = 254
# What we can make; anything else must be there already.
CREATABLE = ("dummy", "vlan", "bond", "bridge", "vrf", "macvlan")
# Kinds that an `ethernet` may be: physical NICs have none, and a container's or VM's NIC may be virtual.
_ETHERNET_KINDS = ("", "veth", "netkit", "ipvlan", "virt_wifi")


def owners_of(*owners: str | None) -> tuple[str, ...]:
    return tuple(sorted({owner for owner in owners if owner}))


class Names:
    """What the names of a declaration mean on this node."""

    def __init__(self, desired: Desired, state: State) -> None:
        self.state = state
        self.tables = {name: number for number, name in state.tables.items()}
        for table in desired.tables:
            self.tables[table.name] = table.id
        self.aliases: dict[str, str] = {}
        for link in state.links.values():
            for alias in link.alternative_names:
                self.aliases.setdefault(alias, link.name)
        for spec in desired.interfaces:
            if spec.identifier == "mac-address":
                self.aliases[spec.name] = self._by_mac(spec)

    def _by_mac(self, spec: InterfaceSpec) -> str:
        wanted = spec.mac_address
        found = [link for link in self.state.links.values() if wanted in (link.permanent_mac, link.mac)]
        # A VLAN, bond or bridge shares the address of a NIC below it: the NIC is meant.
        nics = [link for link in found if link.kind in _ETHERNET_KINDS] or found
        exact = [link for link in nics if link.permanent_mac == wanted] or nics
        if len(exact) == 1:
            return exact[0].name
        if not exact:
            known = ", ".join(sorted(f"{link.name} {link.mac}" for link in self.state.links.values() if link.mac))
            raise StateError(
                f"{spec.origin}: no interface of this node has the MAC address {wanted}; it has {known}. Correct "
                "mac_address, or the host that it was written for."
            )
        several = ", ".join(sorted(link.name for link in exact))
        raise StateError(
            f"{spec.origin}: several interfaces have the MAC address {wanted} ({several}); name the one that is meant "
            "instead of identifier mac-address."
        )

    def link(self, name: str) -> str:
        """The interface's own name for an alternative name or the profile name of an entry found by MAC address."""
        if name in self.state.links:
            return name
        return self.aliases.get(name, name)

    def table(self, table: int | str, origin: str) -> int:
        if isinstance(table, int):
            return table
        number = self.tables.get(table)
        if number is None:
            known = ", ".join(sorted(self.tables)) or "none"
            raise StateError(
                f"{origin}: the routing table '{table}' has no number on this node; known names are {known}. Use the "
                "number, or declare the name with the option tables."
            )
        return number


def resolve(desired: Desired, state: State, owned: Owned) -> Target:
    """Raises StateError for what cannot be done on this node."""
    names = Names(desired, state)
    warnings = list(desired.warnings)
    links, absent_links = _links(desired, state, names, owned)
    addresses, listed = _addresses(desired, state, names, absent_links, warnings)
    target = Target(
        links=links,
        absent_links=absent_links,
        addresses=addresses,
        listed=listed,
        prune=desired.prune,
    )
    if desired.interfaces or (desired.resolver is not None and desired.resolver.interface is not None):
        from ansible_collections.kubenode.network.plugins.module_utils._state.settings import resolve_settings

        target = target._replace(settings=resolve_settings(desired, names))
    if desired.multi_nic or state.nft is not None:
        from ansible_collections.kubenode.network.plugins.module_utils._state.multi_nic import spell_out

        desired, target = spell_out(desired, target, state, names, owned, warnings)
    if desired.routes or desired.rules:
        from ansible_collections.kubenode.network.plugins.module_utils._state.resolve_routes import (
            resolve_routes,
            resolve_rules,
        )

        routes, absent_routes = resolve_routes(desired, target, state, names)
        rules, absent_rules = resolve_rules(desired, target, state, names, warnings)
        target = target._replace(routes=routes, absent_routes=absent_routes, rules=rules, absent_rules=absent_rules)
    if desired.cluster_cidrs:
        from ansible_collections.kubenode.network.plugins.module_utils._state.resolve_routes import spare_the_cluster

        spare_the_cluster(desired.cluster_cidrs, target)
    return _with_files(desired, target, state, owned, warnings)


def _with_files(desired: Desired, target: Target, state: State, owned: Owned, warnings: list[str]) -> Target:
    """Text files, table names and sysctls; their room is only entered when somebody declared one or owns one."""
    inside_files = ("host", "table", "sysctl", "resolver", "nsswitch")
    declared = (
        desired.hosts is not None
        or desired.nsswitch_hosts is not None
        or desired.resolver is not None
        or desired.tables
        or desired.sysctls
        or desired.multi_nic
    )
    pruned = desired.prune and any(key[0] in inside_files for key in owned)
    files: dict[str, tuple[FileState, str]] = {}
    protocols = state.files.get(PROTOCOLS_PATH)
    if protocols is not None and protocols.text is None and (target.routes or target.rules):
        from ansible_collections.kubenode.network.plugins.module_utils._state.tables import PROTOCOLS_TEXT

        files[PROTOCOLS_PATH] = (FileState(PROTOCOLS_TEXT), "names our route protocol")
    if not declared and not pruned:
        return target._replace(files=files, warnings=tuple(warnings))
    from ansible_collections.kubenode.network.plugins.module_utils._state import system_target

    found = system_target.file_targets(desired, state, owned)
    files.update(found.files)
    records, more = found.records, found.warnings
    sysctls: dict[str, tuple[str, tuple[str, ...]]] = {}
    if desired.sysctls or any(key[0] == "sysctl" for key in owned):
        sysctls, sysctl_records, sysctl_warnings = system_target.sysctl_targets(desired, state, owned)
        records = {**records, **sysctl_records}
        more = tuple(more) + tuple(sysctl_warnings)
    return target._replace(
        files=files, sysctls=sysctls, records=records, warnings=tuple(warnings) + tuple(more),
        activations=found.activations, resolver_check=found.resolver_check,
    )  # fmt: skip


# --- links ------------------------------------------------------------------------------------------------------------


def _links(
    desired: Desired, state: State, names: Names, owned: Owned
) -> tuple[dict[str, tuple[Link, tuple[str, ...]]], dict[str, tuple[str, ...]]]:
    wanted: dict[str, tuple[Link, tuple[str, ...]]] = {}
    said: dict[tuple[str, str], tuple[t.Any, str]] = {}
    absent: dict[str, tuple[str, ...]] = {}
    for spec in desired.interfaces:
        name = names.link(spec.name)
        found = state.links.get(name)
        if spec.state == "absent":
            _agree(said, name, "state", "absent", spec.origin)
            absent[name] = owners_of(*absent.get(name, ()), spec.owner)
            continue
        if spec.state is not None:
            _agree(said, name, "state", spec.state, spec.origin)
        link, owners = wanted.get(name, (found, ()))
        if link is None:
            link = _new_link(spec, name, state)
        changes: dict[str, t.Any] = {}
        if spec.state is not None:
            changes["up"] = spec.state == "up"
        for field, value in (("mtu", spec.mtu), ("parent", spec.parent and names.link(spec.parent))):
            if value is not None:
                _agree(said, name, field, value, spec.origin)
                changes[field] = value
        if spec.mac_address is not None and spec.identifier != "mac-address":
            _agree(said, name, "mac_address", spec.mac_address, spec.origin)
            changes["mac"] = spec.mac_address
        if spec.data:
            data = dict(link.data)
            for key, given in spec.data:
                value = names.link(given) if key == "primary" else given
                _agree(said, name, key, value, spec.origin)
                data[key] = value
            changes["data"] = tuple(sorted(data.items()))
        _check_kind(spec, name, found)
        wanted[name] = (link._replace(**changes), owners_of(*owners, spec.owner))
    masters = [spec for spec in desired.interfaces if spec.ports is not None and spec.state != "absent"]
    if masters:
        _free_ports(masters, names, state, wanted)
        going = {*absent, *_let_go(desired, owned, wanted)}
        for spec in masters:
            _ports(spec, names, state, wanted, absent, going, said)
    if any(link != state.links.get(name) for name, (link, _owners) in wanted.items()):
        from ansible_collections.kubenode.network.plugins.module_utils._state import resolve_links

        resolve_links.check_new(wanted, said, absent, state)
        resolve_links.follow_mtu(wanted, said, absent, state, owned)
    return wanted, absent


def _let_go(desired: Desired, owned: Owned, wanted: t.Container[str]) -> set[str]:
    """Links of ours that this run no longer lists."""
    return {
        name
        for (kind, name), record in owned.items()
        if kind == "link" and record.made and record.owners and name not in wanted
        and all((owner, "link") in desired.prune for owner in record.owners)
    }  # fmt: skip


def _free_ports(
    masters: list[InterfaceSpec], names: Names, state: State, wanted: dict[str, tuple[Link, tuple[str, ...]]]
) -> None:
    for spec in masters:
        master = names.link(spec.name)
        ports = [names.link(port) for port in spec.ports or ()]
        for link in state.links.values():
            if link.master == master and link.name not in ports:
                current, owners = wanted.get(link.name, (link, ()))
                wanted[link.name] = (current._replace(master=None), owners)


def _agree(said: dict[tuple[str, str], tuple[t.Any, str]], name: str, field: str, value: t.Any, origin: str) -> None:
    before = said.setdefault((name, field), (value, origin))
    if before[0] != value:
        raise StateError(
            f"{before[1]} and {origin} contradict each other: {field} of {name} is {before[0]} in the first and "
            f"{value} in the second."
        )


def _new_link(spec: InterfaceSpec, name: str, state: State) -> Link:
    if spec.type not in CREATABLE:
        raise StateError(
            f"{spec.origin}: this node has no interface '{spec.name}'; it has {', '.join(sorted(state.links))}. "
            "Correct the name, find the NIC by its MAC address (identifier: mac-address), or give a type that can be "
            f"made ({', '.join(CREATABLE)})."
        )
    return Link(name=name, index=0, mtu=0, kind=spec.type, up=True)


def _check_kind(spec: InterfaceSpec, name: str, found: Link | None) -> None:
    if found is None or spec.type is None:
        return
    if spec.type == "loopback":
        right = name == "lo"
    elif spec.type == "ethernet":
        right = found.kind in _ETHERNET_KINDS and name != "lo"
    else:
        right = found.kind == spec.type
    if not right:
        kind = found.kind or ("loopback" if name == "lo" else "ethernet")
        raise StateError(
            f"{spec.origin}: interface {name} is of kind {kind} on this node, not {spec.type}. A link is never made "
            "anew in place of another kind; correct the type or use another name."
        )


def _ports(
    spec: InterfaceSpec,
    names: Names,
    state: State,
    wanted: dict[str, tuple[Link, tuple[str, ...]]],
    absent: dict[str, tuple[str, ...]],
    going: set[str],
    said: dict[tuple[str, str], tuple[t.Any, str]],
) -> None:
    master = names.link(spec.name)
    ports = [names.link(port) for port in spec.ports or ()]
    for port in ports:
        link, owners = wanted.get(port, (state.links.get(port), ()))
        if link is None or port in absent:
            raise StateError(f"{spec.origin}: its port '{port}' is not an interface of this node, nor declared.")
        if link.master not in (None, master, *going):
            raise StateError(
                f"{spec.origin}: its port {port} belongs to {link.master}; take it out of {link.master} first."
            )
        # Who asks for a port wants to use it, unless told.
        up = link.up or (link.master != master and (port, "state") not in said)
        wanted[port] = (link._replace(master=master, up=up), owners_of(*owners, spec.owner))


# --- addresses --------------------------------------------------------------------------------------------------------


def _addresses(
    desired: Desired, state: State, names: Names, absent: dict[str, tuple[str, ...]], warnings: list[str]
) -> tuple[dict[t.Any, tuple[Address, tuple[str, ...]]], dict[tuple[str, int], bool]]:
    wanted: dict[t.Any, tuple[Address, tuple[str, ...]]] = {}
    listed: dict[tuple[str, int], bool] = {}
    places: dict[str, tuple[str, str]] = {}
    for spec in desired.interfaces:
        if spec.state == "absent":
            continue
        name = names.link(spec.name)
        for family, ip in ((AF_INET, spec.ipv4), (AF_INET6, spec.ipv6)):
            if ip is None:
                continue
            addresses = () if ip.enabled is False else ip.addresses
            if addresses is None:
                continue
            listed[(name, family)] = desired.addresses_exact
            for text, length in addresses:
                host = family == AF_INET and text.startswith("127.")
                address = Address(name, family, text, length, scope=SCOPE_HOST if host else 0, flags=IFA_F_PERMANENT)
                other = places.setdefault(text, (name, spec.origin))
                if other[0] != name:
                    raise StateError(
                        f"{other[1]} and {spec.origin}: the address {text} is declared on {other[0]} and on {name}; an "
                        "address belongs to one interface."
                    )
                owners = wanted.get(address.key, (address, ()))[1]
                wanted[address.key] = (address, owners_of(*owners, spec.owner))
    if places:
        for current in state.addresses.values():
            place = places.get(current.address)
            if place is None or current.interface in absent:
                continue
            if place[0] != current.interface:
                warnings.append(
                    f"The address {current.address} is on {current.interface} already; it is now also on {place[0]}."
                )
            elif current.key in wanted and not current.flags & IFA_F_PERMANENT:
                raise StateError(
                    f"{place[1]}: {current.address}/{current.prefix_length} on {current.interface} is a lease (DHCP or "
                    "router advertisement) and would go with it. Stop the client of that lease, or leave the "
                    "address out."
                )
    return wanted, listed
