# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the planner asks of a manager of NICs, and what it gets: files to write, and commands to let it take them up.

Every manager is one module of this room with one function::

    configure(previous: Mapping[str, Nic], wanted: Mapping[str, Nic], state: State, root: str, on_conflict: str)
        -> Configuration

It reads what the manager has below ``root`` and changes nothing. ``previous`` is what earlier runs recorded for these
NICs, ``wanted`` what shall be recorded after this one: entries of ``previous`` that are not in ``wanted`` go, all
else in a foreign file stays byte for byte. Files that say it already are not in the answer, so that a second run has
nothing to do. It raises StateError where a foreign file declares the contrary, naming file and key.
"""

from __future__ import annotations

import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._netlink.objects import Address, Link, Route, Rule
from ansible_collections.kubenode.network.plugins.module_utils._state.model import FileState

Command = tuple[str, ...]
"""A program with its arguments; never a shell line."""


class Dhcp(t.NamedTuple):
    """DHCP of one family on one NIC."""

    enabled: bool | None = None
    """None is as the manager has it: only what is taken of a lease is ours then."""
    routes: bool = True
    """Take the routes of the lease (but for the default route)."""
    gateway: bool = True
    """Take the default route of the lease."""
    dns: bool = True
    """Take the DNS servers of the lease."""
    autoconf: bool | None = None
    """IPv6: addresses from router advertisements; None is as the manager has it."""


class Resolver(t.NamedTuple):
    """None keeps, () clears."""

    servers: tuple[str, ...] | None = None
    search: tuple[str, ...] | None = None
    options: tuple[str, ...] | None = None


class Nic(t.NamedTuple):
    """Our part of a NIC's configuration, of all owners; None and () is: nothing of ours."""

    name: str
    link: Link | None = None
    """The link as it shall be, where a run declared it; its kind tells whether it has to be made at boot."""
    mtu: int | None = None
    up: bool | None = None
    addresses: tuple[Address, ...] = ()
    routes: tuple[Route, ...] = ()
    """A route with next hops on several NICs is never in what a manager gets: a unit of our own replays it."""
    rules: tuple[Rule, ...] = ()
    """Rules that look into a table with routes of this NIC; others belong to no NIC."""
    dhcp4: Dhcp | None = None
    dhcp6: Dhcp | None = None
    resolver: Resolver | None = None
    sysctls: tuple[tuple[str, str], ...] = ()
    """Dotted key -> value of the kernel settings that are about this NIC; only the units of our own need them."""
    removed: tuple[tuple[str, t.Any], ...] = ()
    """(kind, object) that this run takes away: a foreign file that declares one of them says the contrary."""


class Configuration(t.NamedTuple):
    """What has to be done so that a manager brings up what is wanted, now and at the next boot."""

    files: dict[str, FileState] = {}
    """Path -> as it shall be (``text`` None: no file). Only what differs from the disk."""
    activate: tuple[Command, ...] = ()
    """Once the files are written: the manager takes them up without a flap. Empty where nothing has to run now."""
    restore: tuple[Command, ...] = ()
    """Once the files are put back: the manager takes up the old ones. Needs iproute2 and the manager, no Python."""
    unexpressed: tuple[tuple[str, t.Any], ...] = ()
    """(kind, object) that this manager cannot say; they are made in the kernel, and a unit of ours replays them."""
    watched: tuple[str, ...] = ()
    """Further files, and folders with a slash at their end (the names in them), that this answer was made from: a later
    run with nothing new asks again only where one of them, or one of ours in ``files``, is not as it was."""
    kept: tuple[str, ...] = ()
    """Our files that are as they shall be already."""
    ready: tuple[tuple[str, str], ...] = ()
    """(path, regular expression): a file that the manager writes, and what it says once the manager is through."""
    drops: tuple[Route, ...] = ()
    """Routes of a lease that are not to be taken any more, where the manager leaves those that it took before."""
    rule_protocol: int | None = None
    """The protocol of the rules that this manager makes: the plan and the records have it, and what we fill in."""
    later: frozenset[str] = frozenset()
    """NICs that the manager leaves as they are now: their files are for the next time that it configures them, and the
    kernel is changed by us."""
    route_protocol: int | None = None
    """The same for routes, where the manager's own is not to be chosen."""
    warnings: tuple[str, ...] = ()
    stale: tuple[tuple[str, t.Any], ...] = ()
    """(kind, object) of leases that this manager leaves in the kernel although they are over."""


class Activation(t.NamedTuple):
    """``Change.before`` and ``Change.after`` of a change of kind ``activate``; carried out, ``commands`` are run."""

    commands: tuple[Command, ...] = ()
    interfaces: tuple[str, ...] = ()
    """NICs whose kernel objects the manager may make or remove by it."""
    unexpressed: tuple[tuple[str, t.Any], ...] = ()
    """(kind, object) on these NICs that it will not make."""
    ready: tuple[tuple[str, str], ...] = ()
    rules: tuple[Rule, ...] = ()
    """The rules that it will make."""
