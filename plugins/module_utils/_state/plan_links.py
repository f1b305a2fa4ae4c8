# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The links' and addresses' part of a plan (pure)."""

from __future__ import annotations

from ansible_collections.kubenode.network.plugins.module_utils._netlink.objects import Address, Link
from ansible_collections.kubenode.network.plugins.module_utils._state.classify import OURS, record_of
from ansible_collections.kubenode.network.plugins.module_utils._state.ledger import Ledger, text_of

_IFA_F_PERMANENT = 0x80
_SCOPE_LINK = 253
_KERNEL = 2


def plan_links(ledger: Ledger) -> None:
    for name, (wanted, owners) in ledger.target.links.items():
        found = ledger.state.links.get(name)
        # What changes by itself (index, counters, flags) stays out of the record.
        value = Link(name, 0, kind=wanted.kind)
        if found is None:
            ledger.declare("link", name, value, owners, True)
            ledger.change("link", name, None, wanted, owners)
            continue
        record = ledger.before.get(("link", name))
        if record is not None and (owners or not ledger.pruned):
            ledger.declare("link", name, value, owners, record.made)
        elif wanted.kind and owners:
            ledger.declare("link", name, value, owners, False)
        if wanted != found:
            _check_in_place(ledger, found, wanted)
            ledger.change("link", name, found, _as_asked(found, wanted), owners)
    for name, owners in ledger.target.absent_links.items():
        _absent(ledger, name, owners)
    # A port that is only set free is no longer declared.
    declared = {name for name, (_link, owners) in ledger.target.links.items() if owners}
    for name, record in ledger.let_go("link", declared):
        if record.made and name in ledger.state.links and name not in ledger.target.absent_links:
            _delete(ledger, name, record.owners, "pruned")


def _as_asked(found: Link, wanted: Link) -> Link:
    """Without what was not asked for and follows the links below or above: see ``verify.expected``."""
    if wanted.mac == found.mac and (found.master or wanted.master or wanted.kind in ("vlan", "bond", "bridge")):
        wanted = wanted._replace(mac=None)
    if wanted.kind == "bridge" and wanted.mtu == found.mtu:
        wanted = wanted._replace(mtu=0)
    return wanted


def _check_in_place(ledger: Ledger, found: Link, wanted: Link) -> None:
    """What makes a link what it is (VLAN id, lower device, VRF table) is not changed under its users' feet."""
    fixed = {"vlan": ("id", "protocol"), "vrf": ("table",), "bond": ("mode",)}.get(found.kind, ())
    before, after = dict(found.data), dict(wanted.data)
    differing = [f"{key} {before.get(key)} -> {after.get(key)}" for key in fixed if before.get(key) != after.get(key)]
    if found.parent != wanted.parent:
        differing.append(f"base interface {found.parent} -> {wanted.parent}")
    if differing:
        ledger.conflict(
            f"Interface {found.name} cannot be changed in place: {', '.join(differing)}. Remove it first (state: "
            "absent), then declare it anew."
        )


def _absent(ledger: Ledger, name: str, owners: tuple[str, ...]) -> None:
    found = ledger.state.links.get(name)
    record = ledger.before.get(("link", name))
    ledger.forget("link", name)
    if found is None:
        return
    if record is not None and record.made:
        _delete(ledger, name, record.owners or owners, "absent")
        return
    # A link that we did not make is never deleted: what we set on it goes, and it goes down when nobody else uses it.
    _unconfigure(ledger, name, owners)
    users = _strangers(ledger, name)
    if users:
        ledger.warnings.append(f"Interface {name} stays up: {' and '.join(users)} uses it.")
    elif found.up:
        ledger.change("link", name, found, found._replace(up=False), owners, "absent")


def _unconfigure(ledger: Ledger, name: str, owners: tuple[str, ...]) -> None:
    for routes in ledger.state.routes.values():
        for route in routes:
            if any(hop.interface == name for hop in route.next_hops) and ledger.classifier.route(route)[0] == OURS:
                if ("route", route.key) not in ledger.gone and route.key not in ledger.target.routes:
                    ledger.forget("route", route.key)
                    ledger.delete("route", route, owners, "absent")
    for address in ledger.state.addresses.values():
        if address.interface == name and record_of(ledger.before, "address", address) is not None:
            ledger.forget("address", address.key)
            ledger.delete("address", address, owners, "absent")


def _strangers(ledger: Ledger, name: str) -> list[str]:
    """What others have on interface `name`, in words; what the kernel makes by itself does not count."""
    found = []
    for address in ledger.state.addresses.values():
        if address.interface == name and address.scope != _SCOPE_LINK:
            if record_of(ledger.before, "address", address) is None:
                found.append(f"{address.address}/{address.prefix_length}")
    for routes in ledger.state.routes.values():
        for route in routes:
            if route.protocol != _KERNEL and any(hop.interface == name for hop in route.next_hops):
                kind, who = ledger.classifier.route(route)
                if kind != OURS:
                    found.append(f"route {route.destination} of {who}")
    found.extend(f"port {link.name}" for link in ledger.state.links.values() if link.master == name)
    found.extend(f"{link.name} on top" for link in ledger.state.links.values() if link.parent == name)
    return found


def _delete(ledger: Ledger, name: str, owners: tuple[str, ...], reason: str) -> None:
    users = [
        user
        for user in _strangers(ledger, name)
        if not (user.startswith("port ") or user.endswith(" on top")) or not _goes_too(ledger, user)
    ]
    if users:
        ledger.conflict(
            f"Interface {name} is ours to delete, but others use it: {', '.join(users)}. Take these away first."
        )
        return
    _unconfigure(ledger, name, owners)
    ledger.change("link", name, ledger.state.links[name], None, owners, reason)


def _goes_too(ledger: Ledger, user: str) -> bool:
    other = user.split(" ")[1] if user.startswith("port ") else user.split(" ", maxsplit=1)[0]
    # A port is set free by the deletion of its master; a link on top must be ours and go in the same run.
    return user.startswith("port ") or other in ledger.target.absent_links or _let_go(ledger, other)


def _let_go(ledger: Ledger, name: str) -> bool:
    record = ledger.before.get(("link", name))
    return (
        record is not None
        and record.made
        and bool(record.owners)
        and name not in ledger.target.links
        and all((owner, "link") in ledger.pruned for owner in record.owners)
    )


# --- addresses --------------------------------------------------------------------------------------------------------


def plan_addresses(ledger: Ledger) -> None:
    for key, (wanted, owners) in ledger.target.addresses.items():
        found = ledger.state.addresses.get(key)
        if found is None:
            ledger.declare("address", key, wanted, owners, True)
            ledger.change("address", text_of(wanted), None, wanted, owners)
            continue
        record = ledger.before.get(("address", key))
        value = record.value if record is not None else wanted
        ledger.declare("address", key, value, owners, record is not None and record.made)
    standing = {key: (address,) for key, address in ledger.state.addresses.items()}
    ledger.prune("address", ledger.target.addresses, standing)
    for (name, family), exact in ledger.target.listed.items():
        for address in ledger.state.addresses.values():
            if address.interface == name and address.family == family and address.key not in ledger.target.addresses:
                _unlisted(ledger, address, exact)


def _unlisted(ledger: Ledger, address: Address, exact: bool) -> None:
    record = ledger.owned.get(("address", address.key))
    if ("address", address.key) in ledger.gone or (record is not None and record.owners):
        return
    if address.scope == _SCOPE_LINK or not address.flags & _IFA_F_PERMANENT:
        return
    if exact:
        ledger.forget("address", address.key)
        ledger.delete("address", address, (), "addresses_exact")
    else:
        ledger.warnings.append(
            f"The address {text_of(address)} is not in the declaration and stays; addresses_exact: true would remove "
            "it."
        )


def check_closing(ledger: Ledger) -> None:
    """A link that goes down takes its addresses out of use, and the kernel drops those of IPv6: never others'."""
    from ansible_collections.kubenode.network.plugins.module_utils._state.verify import kernel_made

    closing = {
        change.name
        for change in ledger.changes
        if change.kind == "link" and change.before and change.before.up and change.after and not change.after.up
    }
    for name in sorted(closing):
        users = [
            text_of(address)
            for key, address in ledger.state.addresses.items()
            if address.interface == name and address.scope != _SCOPE_LINK and not kernel_made("address", address)
            and ("address", key) not in ledger.before and ("address", key) not in ledger.owned
            and ("address", key) not in ledger.gone
        ]  # fmt: skip
        if users:
            ledger.conflict(
                "Interface {} is not taken down: others have addresses on it, {}. Take these away first, or let "
                "addresses_exact do it.".format(name, ", ".join(users))
            )
