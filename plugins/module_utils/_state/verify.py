# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a node must hold after a change, and what of it is not there. Pure.

Expected is what was there before, less what the plan removes, plus what it makes. What happens elsewhere on the node
meanwhile (pods come and go, daemons learn routes) is not looked at: see ``Scope``.
"""

from __future__ import annotations

import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._netlink.constants import (
    AF_INET6,
    IFA_F_DADFAILED,
    IFA_F_PERMANENT,
    IPV6_DEFAULT_METRIC,
    REJECT_TYPES,
    RT_TABLE_LOCAL,
)
from ansible_collections.kubenode.network.plugins.module_utils._netlink.objects import Address, Link, Route, Rule
from ansible_collections.kubenode.network.plugins.module_utils._state.describe import object_text
from ansible_collections.kubenode.network.plugins.module_utils._state.model import Change, Plan, State, Target

# RTPROT_REDIRECT, RTPROT_KERNEL, RTPROT_RA: the kernel makes and drops them with addresses, links and advertisements.
_KERNEL_PROTOCOLS = frozenset((1, 2, 9))
_RTPROT_DHCP = 16

Item = t.Tuple[str, t.Any]  # noqa: UP006 - evaluated at run time
"""(kind, object)"""


# --- equality --------------------------------------------------------------------------------------------------------


def normal_route(route: Route) -> Route:
    """The route in the one form in which a route that was sent and the same route read back are equal."""
    hops = route.next_hops
    metric = route.metric
    if route.family == AF_INET6 and not metric:
        metric = IPV6_DEFAULT_METRIC
    if route.nexthop_id is not None or route.type in REJECT_TYPES:
        hops = ()
    elif len(hops) == 1:
        hops = (hops[0]._replace(weight=1),)
    elif route.family == AF_INET6:
        hops = tuple(sorted(hops, key=repr))
    scope = 0 if route.family == AF_INET6 else route.scope
    return route._replace(
        metric=metric, next_hops=hops, scope=scope, metrics=tuple(sorted(route.metrics, key=repr)), extra=()
    )


def same_route(wanted: Route, found: Route) -> bool:
    return wanted == found or normal_route(wanted) == normal_route(found)


def same_address(wanted: Address, found: Address) -> bool:
    """Flags and lifetimes are the kernel's; label and broadcast count where they were asked for."""
    return (
        wanted.key == found.key
        and wanted.scope == found.scope
        and wanted.label in (None, found.label)
        and wanted.broadcast in (None, found.broadcast)
    )


def same_link(wanted: Link, found: Link) -> bool:
    """Kind data beyond what was asked for (the defaults of a bond ...) does not count; nor does the index."""
    if (wanted.name, wanted.kind, wanted.up, wanted.master, wanted.parent) != (
        found.name, found.kind, found.up, found.master, found.parent,
    ):  # fmt: skip
        return False
    if (wanted.mtu and wanted.mtu != found.mtu) or (wanted.mac and wanted.mac != found.mac):
        return False
    data = dict(found.data)
    return all(data.get(name) == value for name, value in wanted.data)


_SAME: dict[str, t.Callable[[t.Any, t.Any], bool]] = {
    "link": same_link,
    "address": same_address,
    "route": same_route,
    "rule": Rule.__eq__,
}


def same(kind: str, wanted: t.Any, found: t.Any) -> bool:
    """Whether an object that was read is the object that is wanted."""
    return _SAME[kind](wanted, found)


def holds(state: State, kind: str, wanted: t.Any) -> bool:
    """Whether a state holds this very object."""
    if kind == "link":
        link = state.links.get(wanted.name)
        return link is not None and same_link(wanted, link)
    if kind == "address":
        address = state.addresses.get(wanted.key)
        return address is not None and same_address(wanted, address)
    if kind == "route":
        return any(same_route(wanted, route) for route in state.routes.get(normal_route(wanted).key, ()))
    return any(wanted == rule for rule in state.rules.get(wanted.key, ()))


# --- what a plan leads to --------------------------------------------------------------------------------------------


def _without(items: tuple[t.Any, ...], kind: str, gone: t.Any) -> tuple[t.Any, ...]:
    for index, item in enumerate(items):
        if same(kind, gone, item):
            return items[:index] + items[index + 1 :]
    return items


def expected(before: State, changes: t.Iterable[Change]) -> State:
    """The kernel objects, sysctls and files of ``before`` with the changes made."""
    changes = tuple(changes)
    parts: dict[str, dict[t.Any, t.Any]] = {
        "link": dict(before.links),
        "address": dict(before.addresses),
        "route": dict(before.routes),
        "rule": dict(before.rules),
        "sysctl": dict(before.sysctls),
        "file": dict(before.files),
    }
    nft = before.nft
    for change in changes:
        kind = change.kind
        if kind == "activate":
            continue
        if kind == "nft":
            nft = change.after
        elif kind in ("sysctl", "file"):
            parts[kind][change.name] = change.after
        elif kind in ("link", "address"):
            if kind == "link" and change.after is None:
                # Its ports are set free with it.
                for name, link in parts["link"].items():
                    if link.master == change.name:
                        parts["link"][name] = link._replace(master=None)
            for value, present in ((change.before, False), (change.after, True)):
                if value is not None:
                    key = value.name if kind == "link" else value.key
                    if present:
                        parts[kind][key] = value
                    else:
                        parts[kind].pop(key, None)
        else:
            held = parts[kind]
            if change.before is not None:
                key = change.before.key
                held[key] = _without(held.get(key, ()), kind, change.before)
            if change.after is not None:
                key = normal_route(change.after).key if kind == "route" else change.after.key
                held[key] = (*held.get(key, ()), change.after)
    changed = {change.name for change in changes if change.kind == "link"}
    if changed:
        parts["link"] = {name: link if name in changed else _loose(link) for name, link in parts["link"].items()}
    return before._replace(
        links=parts["link"],
        addresses=parts["address"],
        routes={key: routes for key, routes in parts["route"].items() if routes},
        rules={key: rules for key, rules in parts["rule"].items() if rules},
        sysctls=parts["sysctl"],
        files=parts["file"],
        nft=nft,
    )


def _loose(link: Link) -> Link:
    """Of a link that is not changed itself: without what follows others.

    VLANs, bridges and bonds take their MAC address from the links below them and bonds give theirs to their ports; a
    bridge has the smallest MTU of its ports unless it was given one.
    """
    return link._replace(mac=None, mtu=0 if link.kind == "bridge" else link.mtu)


class Scope(t.NamedTuple):
    """Where the changes of a plan can have effects that nobody asked for."""

    interfaces: frozenset[str] = frozenset()
    """Interfaces whose link or addresses change, and those built on them."""
    sources: frozenset[str] = frozenset()
    """Addresses that go: the kernel drops every route that prefers one of them as its source."""
    routes: frozenset[tuple[int, int, str]] = frozenset()
    """(family, table, destination) of the routes that change: precise as a delete is, its neighbours are checked."""
    rules: frozenset[tuple[int, int]] = frozenset()
    """(family, priority) of the rules that change."""
    managed: frozenset[str] = frozenset()
    """Interfaces that a manager configures anew: what it leases for them is its own business."""

    def covers(self, kind: str, value: t.Any) -> bool:
        if self.managed and self._leased(kind, value):
            return False
        if kind == "route":
            return (
                (value.family, value.table, value.destination) in self.routes
                or value.source in self.sources
                or any(hop.interface in self.interfaces for hop in value.next_hops)
            )
        if kind == "rule":
            return (value.family, value.priority) in self.rules
        if kind == "address":
            return value.interface in self.interfaces
        return value.name in self.interfaces

    def _leased(self, kind: str, value: t.Any) -> bool:
        if kind == "address":
            return value.interface in self.managed and not value.flags & IFA_F_PERMANENT
        return (
            kind == "route"
            and value.protocol == _RTPROT_DHCP
            and any(hop.interface in self.managed for hop in value.next_hops)
        )


def scope_of(changes: t.Iterable[Change], *states: State) -> Scope:
    """The scope of some changes; ``states`` tell which interfaces are built on which."""
    interfaces: set[str] = set()
    sources: set[str] = set()
    routes: set[tuple[int, int, str]] = set()
    rules: set[tuple[int, int]] = set()
    managed: set[str] = set()
    for change in changes:
        values = [value for value in (change.before, change.after) if value is not None]
        if change.kind == "route":
            routes.update((value.family, value.table, value.destination) for value in values)
        elif change.kind == "rule":
            rules.update((value.family, value.priority) for value in values)
        elif change.kind == "link":
            interfaces.add(change.name)
            # Enslaving and releasing cycles the addresses of the lower devices and ports as well.
            interfaces.update(name for value in values for name in (value.master, value.parent) if name)
        elif change.kind == "address" and change.before is not None:
            interfaces.add(change.before.interface)
            sources.add(change.before.address)
        elif change.kind == "activate" and change.after.interfaces:
            # A manager may drop what others have on its NICs, and their rules anywhere.
            interfaces.update(change.after.interfaces)
            managed.update(change.after.interfaces)
            rules.update(
                (rule.family, rule.priority) for state in states for held in state.rules.values() for rule in held
            )
        elif change.kind == "sysctl" and change.name.endswith(".disable_ipv6"):
            name = change.name[len("net.ipv6.conf.") : -len(".disable_ipv6")].replace("/", ".")
            interfaces.update({link for state in states for link in state.links} if name == "all" else {name})
    grown = bool(interfaces)
    while grown:
        built_on = {
            link.name
            for state in states
            for link in state.links.values()
            if link.parent in interfaces or link.master in interfaces
        }
        grown = not built_on <= interfaces
        interfaces |= built_on
    return Scope(frozenset(interfaces), frozenset(sources), frozenset(routes), frozenset(rules), frozenset(managed))


def kernel_made(kind: str, value: t.Any) -> bool:
    """Whether the kernel makes and drops the object by itself, so that its loss is nobody's."""
    if kind == "route":
        return value.protocol in _KERNEL_PROTOCOLS or value.table == RT_TABLE_LOCAL
    if kind == "address":
        # IFAPROT_KERNEL_LO, _RA, _LL; older kernels do not say, but every fe80:: address comes with its link.
        return value.protocol in (1, 2, 3) or (
            value.family == AF_INET6 and (not value.flags & IFA_F_PERMANENT or value.address.startswith("fe80:"))
        )
    return False


def missing(wanted: State, found: State, scope: Scope) -> list[Item]:
    """What of ``wanted`` is within the scope and not in ``found``: links first, then addresses, rules, routes."""
    gone: list[Item] = []
    for name, link in wanted.links.items():
        if name in scope.interfaces and not holds(found, "link", link):
            gone.append(("link", link))
    for key, address in wanted.addresses.items():
        if scope.covers("address", address) and not (
            key in found.addresses and same_address(address, found.addresses[key])
        ):
            gone.append(("address", address))
    for kind, held, now in (("rule", wanted.rules, found.rules), ("route", wanted.routes, found.routes)):
        for key, values in t.cast("dict[t.Any, tuple[t.Any, ...]]", held).items():
            there = t.cast("dict[t.Any, tuple[t.Any, ...]]", now).get(key, ())
            if there == values:
                continue
            for value in values:
                rest = _without(there, kind, value)
                if len(rest) == len(there) and scope.covers(kind, value):
                    gone.append((kind, value))
                there = rest
    return gone


def surplus(wanted: State, found: State, scope: Scope) -> list[Item]:
    """What is within the scope and in ``found`` but not wanted, other than what the kernel makes by itself."""
    # What is missing of the one in the other, the other way round.
    return [item for item in missing(wanted=found, found=wanted, scope=scope) if not kernel_made(*item)]


def verify(target: Target, plan: Plan, before: State, after: State) -> list[str]:
    """What the kernel does not show although the plan was carried out, one sentence each; empty when all is well.

    ``before`` is what the plan was made from, ``after`` what was read when it had been carried out.
    """
    problems = []
    goal = expected(before, plan.changes)
    changed: set[tuple[str, t.Any]] = set()
    for change in plan.changes:
        kind = change.kind
        wanted = change.after
        if kind == "activate":
            continue
        if kind == "sysctl":
            if after.sysctls.get(change.name) != wanted:
                problems.append(f"sysctl {change.name} is {after.sysctls.get(change.name)}, not {wanted}")
        elif kind == "file":
            found = after.files.get(change.name)
            if (found and found.text) != (wanted and wanted.text):
                problems.append(f"file {change.name} does not hold what was written to it")
        elif kind == "nft":
            if after.nft != wanted:
                problems.append("the nftables table of the collection does not hold what was written to it")
        elif kind == "activate":
            continue
        elif wanted is not None:
            changed.add((kind, wanted))
            if not holds(after, kind, wanted):
                origin = target.routes[wanted.key][2] + ": " if kind == "route" and wanted.key in target.routes else ""
                problems.append(f"{origin}{object_text(kind, wanted)} is not there{_instead(kind, wanted, after)}")
            elif kind == "address" and after.addresses[wanted.key].flags & IFA_F_DADFAILED:
                problems.append(
                    f"{object_text(kind, wanted)} is in use by another machine (duplicate address detection failed)"
                )
        elif _too_many(change, goal, after):
            problems.append(f"{object_text(kind, change.before)} is still there")
    for kind, value in missing(goal, after, scope_of(plan.changes, before, after)):
        if (kind, value) not in changed and not kernel_made(kind, value):
            problems.append(f"{object_text(kind, value)} was lost{_instead(kind, value, after)}")
    if target.resolver_check is not None:
        from ansible_collections.kubenode.network.plugins.module_utils._state.resolver_target import check

        problem = check(target.resolver_check, after.files)
        problems += [problem] if problem else []
    return problems


def _too_many(change: Change, goal: State, after: State) -> bool:
    """Whether more of what a change removes is there than shall be: another step may have made it again."""
    kind, gone = change.kind, change.before
    if kind == "link":
        return gone.name in after.links and gone.name not in goal.links
    if kind == "address":
        return gone.key in after.addresses and gone.key not in goal.addresses

    def count(state: State) -> int:
        held: t.Any = state.routes if kind == "route" else state.rules
        return sum(same(kind, gone, value) for value in held.get(gone.key, ()))

    return count(after) > count(goal)


def _instead(kind: str, wanted: t.Any, after: State) -> str:
    if kind == "link":
        found: t.Any = [link for link in (after.links.get(wanted.name),) if link]
    elif kind == "address":
        found = [address for address in (after.addresses.get(wanted.key),) if address]
    elif kind == "route":
        found = after.routes.get(normal_route(wanted).key, ())
    else:
        found = after.rules.get(wanted.key, ())
    return f"; found {', '.join(object_text(kind, value) for value in found)}" if found else ""
