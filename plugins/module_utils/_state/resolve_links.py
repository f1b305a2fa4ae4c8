# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has to be so before links are made or change: whatever the kernel would refuse or do on its own (pure)."""

from __future__ import annotations

import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._netlink.objects import Link
from ansible_collections.kubenode.network.plugins.module_utils._state.model import Owned, State, StateError

Wanted = t.Dict[str, t.Tuple[Link, t.Tuple[str, ...]]]  # noqa: UP006 - evaluated at run time
Said = t.Mapping[t.Tuple[str, str], t.Tuple[t.Any, str]]  # noqa: UP006 - evaluated at run time
"""(interface, field) -> (value, origin) of what the declaration says itself."""

# What a link of a kind cannot be made without, in the words of the options.
_NEEDED = {"vlan": ("vlan", "base_iface and id"), "macvlan": ("macvlan", "base_iface"), "vrf": ("vrf", "table")}
# dev->mtu of a bond that was given none (bond_setup and ether_setup in the kernel).
_BOND_MTU = 1500


def check_new(wanted: Wanted, said: Said, absent: t.Container[str], state: State) -> None:
    """Raises StateError for a link that cannot be made: without its options, on no link, or as a VLAN's double."""
    vlans: dict[tuple[t.Any, ...], str] = {}
    for link in [*state.links.values(), *(link for name, (link, _owners) in wanted.items() if name not in state.links)]:
        if link.kind in _NEEDED and link.name not in state.links:
            _check_needed(link, wanted, said, absent, state)
        if link.kind != "vlan" or link.name in absent:
            continue
        data = dict(link.data)
        other = vlans.setdefault((link.parent, data.get("protocol"), data.get("id")), link.name)
        if other != link.name and link.name not in state.links:
            raise StateError(
                f"{said[link.name, 'id'][1]}: VLAN {data['id']} of {link.parent} is {other} already, and a VLAN has "
                f"one interface; expected another id for {link.name}, or its declaration under the name {other}"
            )


def _check_needed(link: Link, wanted: Wanted, said: Said, absent: t.Container[str], state: State) -> None:
    option, keys = _NEEDED[link.kind]
    if (not link.parent and link.kind != "vrf") or (not link.data and link.kind != "macvlan"):
        raise StateError(
            f"interface {link.name} of type {link.kind} is not there yet: expected what to make it of, {option} with "
            f"{keys}"
        )
    if link.parent and (link.parent in absent or (link.parent not in state.links and link.parent not in wanted)):
        raise StateError(
            f"{said[link.name, 'parent'][1]}: this node has no interface '{link.parent}' for {link.name} to stand on, "
            f"nor does the declaration make one; it has {', '.join(sorted(state.links))}"
        )
    below = wanted[link.parent][0] if link.parent in wanted else state.links.get(link.parent or "")
    if link.kind == "macvlan" and below is not None and below.kind == "macvlan":
        # macvlan_common_newlink in drivers/net/macvlan.c
        raise StateError(
            f"{said[link.name, 'parent'][1]}: the kernel puts a macvlan on a macvlan beside it, on {below.parent}; "
            f"expected base_iface {below.parent} for {link.name}"
        )


def follow_mtu(wanted: Wanted, said: Said, absent: t.Container[str], state: State, owned: Owned) -> None:
    """Ports have the MTU of their bond, and no link a larger one than the link it stands on.

    Changes what ``wanted`` does not say itself. Raises StateError for what it does, and for links that are not ours.
    """
    pending = [name for name, (link, _owners) in wanted.items() if link.kind == "bond"]
    for name in pending:
        bond, owners = wanted[name]
        found = state.links.get(name)
        mtu = bond.mtu or _BOND_MTU
        for port in _all(wanted, state, "master", name):
            before = state.links.get(port.name)
            given = said.get((port.name, "mtu"))
            if given is not None and given[0] != mtu:
                raise StateError(
                    f"{given[1]}: a port has the MTU of its bond, and {port.name} shall have {given[0]} while {name} "
                    f"has {mtu}; expected the one MTU at {name}"
                )
            if given is None and (
                before is None or before.master != name or (found is not None and found.mtu != bond.mtu)
            ):
                wanted[port.name] = (port._replace(mtu=mtu), wanted.get(port.name, (port, owners))[1])
    lowered = [name for name, (link, _owners) in wanted.items() if name in state.links and _lowers(link, state)]
    while lowered:
        name = lowered.pop()
        mtu, owners = wanted[name][0].mtu, wanted[name][1]
        for upper in _all(wanted, state, "parent", name):
            if upper.mtu <= mtu or upper.name in absent:
                continue
            record = owned.get(("link", upper.name))
            if (upper.name, "mtu") in said or not (upper.name in wanted or (record is not None and record.made)):
                whose = "is declared with" if upper.name in wanted else "is not ours and has"
                raise StateError(
                    f"the MTU of {name} cannot become {mtu}: {upper.name} stands on it and {whose} {upper.mtu}, which "
                    f"the kernel would lower; expected an MTU of {upper.name} of at most {mtu} first"
                )
            wanted[upper.name] = (upper._replace(mtu=mtu), wanted.get(upper.name, (upper, owners))[1])
            lowered.append(upper.name)


def _lowers(link: Link, state: State) -> bool:
    return 0 < link.mtu < state.links[link.name].mtu


def _all(wanted: Wanted, state: State, field: str, name: str) -> list[Link]:
    """The links whose ``field`` (master or parent) is ``name``, as they shall be."""
    links = {**state.links, **{key: link for key, (link, _owners) in wanted.items()}}
    return [link for link in links.values() if getattr(link, field) == name]
