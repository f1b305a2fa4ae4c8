# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carry out single changes: kernel objects in batches, links, files, sysctls and nftables one by one.

What is carried out here is *atomic*: a change that the kernel takes in two requests is two changes. So the journal of
what was done is a list of changes, and its way back is their inverses in the opposite order.
"""

from __future__ import annotations

import errno
import os
import time
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._netlink import links, match, routes, rules
from ansible_collections.kubenode.network.plugins.module_utils._netlink.addresses import (
    encode_address_add,
    encode_address_delete,
    read_addresses,
)
from ansible_collections.kubenode.network.plugins.module_utils._netlink.constants import AF_INET6, IFA_F_TENTATIVE
from ansible_collections.kubenode.network.plugins.module_utils._netlink.objects import Link, Route, Rule
from ansible_collections.kubenode.network.plugins.module_utils._netlink.sock import (
    Message,
    NetlinkError,
    RtnlSocket,
    StateUnknown,
)
from ansible_collections.kubenode.network.plugins.module_utils._state import precise
from ansible_collections.kubenode.network.plugins.module_utils._state.describe import object_text
from ansible_collections.kubenode.network.plugins.module_utils._state.model import Change, State, StateError
from ansible_collections.kubenode.network.plugins.module_utils._state.observe import read_kernel
from ansible_collections.kubenode.network.plugins.module_utils._state.verify import holds

BATCHED = frozenset(("address", "route", "rule"))
# What a delete of something that is gone already is answered with.
_GONE = frozenset((errno.ESRCH, errno.ENOENT, errno.EADDRNOTAVAIL, errno.ENODEV))
_LOST_REPLIES = 3
# Settings of all interfaces that set those of each: family and last parts of the keys.
_CAUSES = {
    "net.ipv4.ip_forward": ("ipv4", ("forwarding", "accept_redirects")),
    "net.ipv4.conf.all.forwarding": ("ipv4", ("forwarding", "accept_redirects")),
    "net.ipv6.conf.all.forwarding": ("ipv6", ("forwarding",)),
    "net.ipv6.conf.all.disable_ipv6": ("ipv6", ("disable_ipv6",)),
}
_DAD_SECONDS = 5.0


class StepFailed(Exception):
    """A change that was not carried out, and why; the rest of its batch may have been."""

    def __init__(self, change: Change, reason: str, refused: t.Sequence[Change] = ()) -> None:
        self.change = change
        self.refused = refused or (change,)
        """All changes of the batch that were refused, this one first."""
        more = f" ({len(refused) - 1} more were refused)" if len(refused) > 1 else ""
        verb = "make" if change.before is None else "remove" if change.after is None else "change"
        value = change.before if change.after is None else change.after
        what = object_text(change.kind, value) if change.kind in ("link", *BATCHED) else f"{change.kind} {change.name}"
        if change.kind == "activate":
            super().__init__(f"{change.name} does not take up its configuration: {reason}")
        else:
            super().__init__(f"cannot {verb} {what}: {reason}{more}")


# --- into atomic changes ---------------------------------------------------------------------------------------------


def atomic(change: Change) -> list[Change]:
    """The change as the kernel takes it, one request each.

    Routes are replaced in one request where that is exact: always in IPv4, in IPv6 among routes whose next hops all
    have a gateway (fib6_add_rt2node in net/ipv6/ip6_fib.c looks for a victim of the same sort). A rule comes before
    its predecessor goes, an address after it.
    """
    before, after = change.before, change.after
    if before is None or after is None or change.kind not in BATCHED:
        return [change]
    removal, creation = change._replace(after=None), change._replace(before=None)
    if change.kind == "rule":
        return [creation, removal]
    if change.kind == "address":
        return [removal, creation]
    if before.key != after.key:
        return [creation, removal]
    if before.family != AF_INET6 or (_all_gateways(before) and _all_gateways(after)):
        return [change]
    return [removal, creation]


def groups(changes: t.Iterable[Change]) -> t.Iterator[list[Change]]:
    """Adjacent atomic changes that go in one batch; any other change (link, file, manager ...) stands alone.

    The removal of an address ends a batch, as the kernel may take more than the address.
    """
    group: list[Change] = []
    removed_address = False
    for change in changes:
        for one in atomic(change):
            if group and (one.kind not in BATCHED or (removed_address and one.kind != "address")):
                yield group
                group, removed_address = [], False
            if one.kind in BATCHED:
                removed_address = removed_address or (one.kind == "address" and one.after is None)
                group.append(one)
            else:
                yield [one]
    if group:
        yield group


def _all_gateways(route: Route) -> bool:
    return (
        route.type == "unicast" and route.nexthop_id is None and bool(route.next_hops)
        and all(hop.gateway for hop in route.next_hops)
    )  # fmt: skip


# --- carrying out ----------------------------------------------------------------------------------------------------


class Executor:
    """Carries out atomic changes and keeps the journal of those that were done."""

    def __init__(self, state: State, root: str = "/") -> None:
        self.done: list[Change] = []
        self._root = root
        self._indexes: dict[str, int] = {}
        self._links: dict[str, Link] = {}
        self._rules: precise.RulesAt = {}
        self._learn(state)
        self._sock = RtnlSocket()

    def close(self) -> None:
        self._sock.close()

    def _learn_links(self, found: t.Iterable[Link]) -> None:
        self._links = {link.name: link for link in found}
        self._indexes = {name: link.index for name, link in self._links.items()}

    def _learn(self, state: State) -> None:
        self._learn_links(state.links.values())
        self._rules = precise.rules_at(state)

    def read(self) -> State:
        """The kernel's state now; interface indexes are learned anew."""
        state = read_kernel(self._sock)
        self._learn(state)
        return state

    def one(self, change: Change) -> None:
        """Carry out a change of a link, file, sysctl or nftables. Raises StepFailed."""
        try:
            if change.kind == "link":
                # It takes several requests: journalled first, so that a part of it has its way back too.
                self.done.append(change)
                self._link(change)
                return
            if change.kind == "file":
                from ansible_collections.kubenode.network.plugins.module_utils._state.files import write_file

                write_file(change.name, change.after, self._root)
            elif change.kind == "sysctl":
                self._sysctl(change)
            elif change.kind == "activate":
                from ansible_collections.kubenode.network.plugins.module_utils._state.activate import run_commands

                # A manager that fails half-way has changed something.
                self.done.append(change)
                run_commands(change.after.commands)
                return
            else:
                from ansible_collections.kubenode.network.plugins.module_utils._state import nft

                nft.apply(change.after)
        except StepFailed:
            raise
        except (StateError, NetlinkError, OSError, ValueError) as error:
            raise StepFailed(change, str(error)) from error
        self.done.append(change)

    def batch(self, changes: t.Sequence[Change], append: bool = False) -> None:
        """Carry out changes of addresses, routes and rules, hundreds in a send.

        ``append`` puts routes behind others of their key, to give back what stood there. What is gone already needs no
        delete. Lost replies: the state is read, and what did not happen is sent again. Raises StepFailed for the first
        that the kernel refuses; ``done`` then has all that were carried out.
        """
        try:
            pending = precise.precise_rules(changes, {place: list(held) for place, held in self._rules.items()})
        except StateError as error:
            raise StepFailed(changes[0], str(error), changes) from error
        for attempt in range(_LOST_REPLIES + 1):
            if not pending:
                return
            self._wait_for_sources(pending)
            messages = self._encode(pending, append)
            try:
                results = self._sock.batch(messages, stop_at_error=True)
            except StateUnknown as error:
                self._sock.close()
                self._sock = RtnlSocket()
                happened, pending = _told_apart(pending, self.read())
                self.done += happened
                if attempt == _LOST_REPLIES and pending:
                    raise StepFailed(pending[0], str(error), pending) from error
                continue
            self._settle(pending, results)
            return

    def _settle(self, changes: t.Sequence[Change], results: t.Sequence[NetlinkError | None]) -> None:
        failed: list[tuple[Change, NetlinkError]] = []
        done = []
        for change, error in zip(changes, results):
            if error is None:
                done.append(change)
            elif error.errno != errno.ECANCELED and not (change.after is None and error.errno in _GONE):
                failed.append((change, error))
        self._journal(done)
        if failed:
            change, error = failed[0]
            raise StepFailed(change, _why(change, error), [one for one, _error in failed]) from error

    def _journal(self, changes: t.Sequence[Change]) -> None:
        self.done += changes
        for change in changes:
            if change.kind == "rule":
                value = change.before or change.after
                held = self._rules.setdefault((value.family, value.priority), [])
                if change.before is None:
                    held.append(value)
                elif value in held:
                    held.remove(value)

    def _encode(self, changes: t.Sequence[Change], append: bool) -> list[Message]:
        cache: routes.EncodeCache = {}
        held = {place: list(rules_held) for place, rules_held in self._rules.items()}
        indexes = self._indexes
        add_route = routes.encode_append if append else routes.encode_add
        messages = []
        for change in changes:
            kind, _name, before, after = change[:4]
            try:
                if kind == "route":
                    if after is None:
                        messages.append(routes.encode_delete(before, indexes, cache))
                    elif before is None:
                        messages.append(add_route(after, indexes, cache))
                    else:
                        messages.append(routes.encode_replace(after, indexes, cache))
                elif kind == "rule":
                    some: Rule = before or after
                    there = held.setdefault((some.family, some.priority), [])
                    if after is None:
                        messages.append(rules.encode_rule_delete(before))
                        if before in there:
                            there.remove(before)
                    else:
                        # Not exclusively where the kernel takes a different rule for an equal one.
                        messages.append(
                            rules.encode_rule_add(after, match.first_equal_rule(after, there) in (None, after))
                        )
                        there.append(after)
                elif after is None:
                    messages.append(encode_address_delete(before, indexes))
                else:
                    messages.append(encode_address_add(after, indexes))
            except KeyError as error:
                raise StepFailed(change, f"there is no interface {error.args[0]}") from None
        return messages

    def _wait_for_sources(self, changes: t.Sequence[Change]) -> None:
        """A fresh IPv6 address is no valid preferred source until duplicate address detection is through with it."""
        sources = {
            change.after.source
            for change in changes
            if change.kind == "route" and change.after is not None and change.after.family == AF_INET6
        } - {None}
        deadline = time.monotonic() + _DAD_SECONDS
        while sources:
            names = {index: name for name, index in self._indexes.items()}
            found = read_addresses(self._sock, names, AF_INET6)
            if not any(one.address in sources and one.flags & IFA_F_TENTATIVE for one in found):
                return
            if time.monotonic() > deadline:
                return
            time.sleep(0.05)

    def _sysctl(self, change: Change) -> None:
        from ansible_collections.kubenode.network.plugins.module_utils._state import sysctl

        if change.after is None:
            return
        old_values = {key: sysctl.read(key, self._root) for key in followers(change.name, self._root)}
        sysctl.write(change.name, change.after, self._root)
        for key, old in old_values.items():
            # In front of their cause, so that the way back sets them after it; also those that had the value already.
            self.done.append(Change("sysctl", key, old, sysctl.read(key, self._root), (), f"follows {change.name}"))

    # --- links ---

    def _link(self, change: Change) -> None:
        before, after = change.before, change.after
        if after is None or before is None or before.data != after.data:
            from ansible_collections.kubenode.network.plugins.module_utils._netlink import link_kinds
        if after is None:
            if before.name in self._indexes:
                link_kinds.delete_link(self._indexes[before.name])
        elif before is None:
            self._create_link(after)
            self._read_links()
            self._set_link(Link(after.name, 0, after.mtu, mac=after.mac), after)
        else:
            old = dict(before.data)
            data = {name: value for name, value in after.data if old.get(name) != value}
            if data:
                link_kinds.change_link(after.name, after.kind, data)
            self._set_link(before, after)
        self._read_links()

    def _create_link(self, link: Link) -> None:
        from ansible_collections.kubenode.network.plugins.module_utils._netlink.link_kinds import (
            change_link,
            create_link,
        )

        mtu = link.mtu or None
        if link.kind == "bridge":
            # It keeps one whatever its ports have only if that was a change of what it had (net/bridge/br_device.c).
            mtu = 1499 if link.mtu == 1500 else None
        rest = (link.parent, mtu, link.mac or None)
        try:
            create_link(link.name, link.kind, dict(link.data), *rest)
        except NetlinkError as error:
            # What a kernel shows it need not take: one without VLAN filtering refuses even "off" (br_changelink).
            if link.kind not in ("bridge", "bond") or len(link.data) < 2:
                raise
            create_link(link.name, link.kind, {name: value for name, value in link.data if name == "mode"}, *rest)
            held = {one.name: dict(one.data) for one in links.read_links(self._sock)}.get(link.name, {})
            for name, value in link.data:
                if held.get(name) != value:
                    try:
                        change_link(link.name, link.kind, {name: value})
                    except NetlinkError as refusal:
                        raise refusal from error

    def _read_links(self) -> None:
        self._learn_links(links.read_links(self._sock))

    def _set_link(self, before: Link, after: Link) -> None:
        index = self._index(after.name)
        changed_master = before.master != after.master
        if changed_master and before.up and self._kind(after.master) == "bond":
            # A bond refuses ports that are up (bond_enslave in drivers/net/bonding/bond_main.c) and opens them itself.
            self._sock.request(links.encode_link_set(index, up=False))
        if changed_master:
            master = self._index(after.master) if after.master else 0
            self._sock.request(links.encode_link_set(index, master=master))
            # A bond gives its own address and MTU to a port, and does not always take the MTU back.
            self._read_links()
        held = self._links.get(after.name, before)
        mac = after.mac if after.mac != held.mac else None
        mtu = after.mtu if after.mtu not in (0, held.mtu) else None
        if mac or mtu:
            self._sock.request(links.encode_link_set(index, mtu=mtu, mac=mac))
        if after.up != before.up or changed_master:
            self._sock.request(links.encode_link_set(index, up=after.up))

    def _kind(self, name: str | None) -> str:
        return self._links[name].kind if name in self._links else ""

    def _index(self, name: str) -> int:
        try:
            return self._indexes[name]
        except KeyError:
            raise StateError(f"there is no interface {name}") from None


def followers(key: str, root: str = "/") -> list[str]:
    """Keys that the kernel sets along with one (inet_forward_change in net/ipv4/devinet.c, net/ipv6/addrconf.c)."""
    if key not in _CAUSES:
        return []
    family, leaves = _CAUSES[key]
    names = sorted(os.listdir(os.path.join(root, "proc/sys/net", family, "conf")))
    keys = ["net.{}.conf.{}.{}".format(family, name.replace(".", "/"), leaf) for name in names for leaf in leaves]
    # The setting of all interfaces is the cause itself, and would undo what is given back to each.
    return [key for key in keys if key not in _CAUSES]


def _told_apart(changes: t.Sequence[Change], state: State) -> tuple[list[Change], list[Change]]:
    """Changes that happened and those that did not, by the state that was read after their replies were lost."""
    made = {(change.kind, change.after) for change in changes if change.before is None}
    happened: list[Change] = []
    pending: list[Change] = []
    for change in changes:
        if change.after is not None:
            done = holds(state, change.kind, change.after)
        else:
            # What is only set aside, removed and made again, is fine where it stands.
            done = (change.kind, change.before) in made or not holds(state, change.kind, change.before)
        (happened if done else pending).append(change)
    return happened, pending


def _why(change: Change, error: NetlinkError) -> str:
    if error.errno == errno.EEXIST and change.before is None:
        return f"{error}: it, or one that the kernel does not tell from it, appeared meanwhile; run again"
    return str(error)
