# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine's vocabulary: what a user declared, what a node holds, and the changes between the two.

Data flows one way: options or documents -> ``Desired`` (names as the user wrote them) -> resolve(desired, current) ->
``Target`` (the kernel's own terms) -> plan(current, target, owned) -> ``Plan`` of ``Change`` -> apply -> observe ->
verify. Everything here is a value; nothing touches a kernel, a socket or a file.
"""

from __future__ import annotations

import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._netlink.objects import (
    Address,
    AddressKey,
    Link,
    Range,
    Route,
    RouteKey,
    Rule,
    RuleKey,
)

# Where our route protocol gets its name, so that `ip route` shows `proto kubenode` (iproute2's lib/rt_names.c).
PROTOCOLS_PATH = "/etc/iproute2/rt_protos.d/kubenode.conf"


class StateError(Exception):
    """The one exception of this room: it becomes ``fail_json(msg=...)`` in one place.

    The message names the object, what was found, what was expected and the way out.
    """

    def __init__(self, message: str, **details: t.Any) -> None:
        super().__init__(message)
        self.message = message
        self.details = details
        """Further keys of the result (``plan``, ``conflicts`` ...)."""


# --- what a user declares ---------------------------------------------------------------------------------------------


class NextHopSpec(t.NamedTuple):
    interface: str | None = None
    gateway: str | None = None
    """In a pattern: None is any, the empty string is "routes without a gateway" (as in NMState)."""
    weight: int = 1
    on_link: bool = False


class RouteSpec(t.NamedTuple):
    """A declared route, or (``absent``) a pattern in which None matches anything."""

    owner: str | None
    origin: str
    """Where it stands, for messages: ``routes[2]`` or ``policy worker-routes: routes.config[0]``."""
    absent: bool
    family: int | None
    """None only in a pattern that says nothing of the family."""
    destination: str | None
    """Canonical CIDR; None only in a pattern."""
    table: int | str | None = None
    """Id or name; None is main, in a pattern any table."""
    metric: int | None = None
    """None is the kernel's default (IPv4 0, IPv6 1024), in a pattern any."""
    type: str | None = None
    next_hops: tuple[NextHopSpec, ...] = ()
    source: str | None = None
    mtu: int | None = None
    tos: int | None = None
    metrics: tuple[tuple[int, int], ...] = ()
    """Further RTA_METRICS (cwnd ...), without the MTU."""


class RuleSpec(t.NamedTuple):
    """A declared policy rule, or (``absent``) a pattern in which None matches anything."""

    owner: str | None
    origin: str
    absent: bool
    family: int | None
    """2 or 10; None in a rule without prefixes means IPv4 for a declaration, any in a pattern."""
    priority: int | None = None
    action: str | None = None
    table: int | str | None = None
    source: str | None = None
    destination: str | None = None
    tos: int | None = None
    fwmark: int | None = None
    fwmask: int | None = None
    iif: str | None = None
    oif: str | None = None
    ip_protocol: int | None = None
    source_ports: Range | None = None
    destination_ports: Range | None = None
    uid_range: Range | None = None
    invert: bool | None = None
    suppress_prefix_length: int | None = None


class IpSpec(t.NamedTuple):
    enabled: bool | None = None
    addresses: tuple[tuple[str, int], ...] | None = None
    """(canonical address, prefix length); None keeps what is there, () means none of ours."""
    dhcp: bool | None = None
    """None keeps what the NIC's manager is told; so do the others."""
    autoconf: bool | None = None
    """IPv6 only: addresses from router advertisements."""
    auto_routes: bool | None = None
    """Whether routes of the lease (or advertisement) are taken, the default route apart."""
    auto_gateway: bool | None = None
    auto_dns: bool | None = None


class InterfaceSpec(t.NamedTuple):
    owner: str | None
    origin: str
    name: str
    """The interface's name; with ``identifier`` mac-address a profile name that routes and rules may refer to."""
    identifier: str = "name"
    """``name`` or ``mac-address``."""
    mac_address: str | None = None
    """Lower case with colons. With identifier mac-address the NIC to find, else the address to set."""
    type: str | None = None
    """``ethernet``, ``dummy``, ``vlan``, ``bond``, ``bridge``, ``vrf``, ``macvlan``, ``veth``, ``loopback``.

    None: as found.
    """
    state: str | None = None
    """``up``, ``down``, ``absent``; None keeps."""
    mtu: int | None = None
    ipv4: IpSpec | None = None
    ipv6: IpSpec | None = None
    parent: str | None = None
    """Lower device of a VLAN or macvlan."""
    ports: tuple[str, ...] | None = None
    """Members of a bond, bridge or VRF; None keeps."""
    data: tuple[tuple[str, t.Any], ...] = ()
    """In the terms of ``Link.data``: vlan {id, protocol}, vrf {table}, bond {mode, miimon ...}, macvlan {mode}."""


class ResolverSpec(t.NamedTuple):
    """None keeps, () clears."""

    owner: str | None
    origin: str
    servers: tuple[str, ...] | None = None
    search: tuple[str, ...] | None = None
    options: tuple[str, ...] | None = None
    interface: str | None = None
    """The NIC whose manager is told; None is the whole node."""


class HostSpec(t.NamedTuple):
    owner: str | None
    origin: str
    address: str
    names: tuple[str, ...]


class TableSpec(t.NamedTuple):
    owner: str | None
    origin: str
    id: int
    name: str
    purpose: str = ""


class SysctlSpec(t.NamedTuple):
    owner: str | None
    origin: str
    key: str
    """Dotted, the interface's name as one part: ``net.ipv4.conf.ens224.rp_filter`` (a dot in a name is a slash)."""
    value: str


class MultiNicSpec(t.NamedTuple):
    """Replies of a multi-homed node leave through the NIC that the request came in on (N4)."""

    owner: str | None
    origin: str
    interface: str
    gateway: str | None = None
    gateway6: str | None = None
    table: int | str | None = None
    priority: int | None = None
    forwarded: bool = False


class PathSpec(t.NamedTuple):
    """A question to the kernel's routing, with what the answer must be (N12)."""

    origin: str
    destination: str
    source: str | None = None
    family: int | None = None
    mark: int | None = None
    iif: str | None = None
    oif: str | None = None
    uid: int | None = None
    tos: int | None = None
    ip_protocol: int | None = None
    source_port: int | None = None
    destination_port: int | None = None
    vrf: str | None = None
    expect: tuple[tuple[str, t.Any], ...] = ()


class Desired(t.NamedTuple):
    """All that one run declares, of one owner or several."""

    interfaces: tuple[InterfaceSpec, ...] = ()
    routes: tuple[RouteSpec, ...] = ()
    rules: tuple[RuleSpec, ...] = ()
    resolver: ResolverSpec | None = None
    hosts: tuple[HostSpec, ...] | None = None
    """None keeps, () means none of ours."""
    nsswitch_hosts: tuple[str, ...] | None = None
    tables: tuple[TableSpec, ...] = ()
    sysctls: tuple[SysctlSpec, ...] = ()
    multi_nic: tuple[MultiNicSpec, ...] = ()
    cluster_cidrs: tuple[str, ...] = ()
    """Pod and service CIDRs: kept on the main table by ``multi_nic``, never a route of ours."""
    paths: tuple[PathSpec, ...] = ()
    prune: tuple[tuple[str, str], ...] = ()
    """(owner, kind) whose recorded objects go where this run no longer lists them; kind as in ``Change.kind``."""
    absent: tuple[str, ...] | None = None
    """Owners whose everything is taken back; () is everybody, and None nothing of the kind."""
    addresses_exact: bool = False
    warnings: tuple[str, ...] = ()
    """What was tidied on the way (host bits masked ...)."""
    protect: tuple[str, ...] = ()
    """Canonical CIDRs of the option ``protect``: nothing of ours may shadow them."""
    matched: tuple[tuple[str, bool], ...] = ()
    """(policy, whether its nodeSelector selects this node); empty without policies."""


# --- what a node holds ------------------------------------------------------------------------------------------------


class FileState(t.NamedTuple):
    """A small text file of the system. ``text`` is None where it does not exist."""

    text: str | None
    mode: int = 0o644
    link: str | None = None
    """Target of the symbolic link that stands at the path; then ``text`` is what it leads to."""


class State(t.NamedTuple):
    """What was read of a node in one go. Parts that were not asked for are empty."""

    links: dict[str, Link] = {}
    addresses: dict[AddressKey, Address] = {}
    routes: dict[RouteKey, tuple[Route, ...]] = {}
    """Never empty tuples; several where the kernel holds several routes of one key, in its order."""
    rules: dict[RuleKey, tuple[Rule, ...]] = {}
    tables: dict[int, str] = {}
    """Table names of the node (rt_tables and rt_tables.d), 254 and 255 included."""
    files: dict[str, FileState] = {}
    sysctls: dict[str, str | None] = {}
    """Dotted key -> value; None where this kernel has no such key."""
    managers: dict[str, str] = {}
    """Interface -> manager's name (``NetworkManager``, ``systemd-networkd``, ``ifupdown``); absent: nobody."""
    nft: str | None = None
    """Our own nftables table as we would write it; None where there is none."""


# --- ownership --------------------------------------------------------------------------------------------------------


class Record(t.NamedTuple):
    """One entry of owned.json: an object that owners declared."""

    kind: str
    """``link``, ``address``, ``route``, ``rule``, ``setting``, ``host``, ``table``, ``sysctl``, ``nft``, ``resolver``,
    ``nsswitch``; ``config`` and ``manager`` tell where the configuration of NICs stands.
    """
    value: t.Any
    """The object as it was read back: Link, Address, Route, Rule; for the others what ``identity`` needs."""
    owners: tuple[str, ...]
    """Sorted. Empty: made by a run without an owner; nothing prunes it."""
    made: bool
    """True: we created it and may remove it. False: it was there, and is left when its owners let go."""
    persist: bool = False
    """Whether it is in the configuration as well, for the next boot."""


# (kind, identity) -> Record; identity is the object's ``key`` for kernel objects, the name for the others.
Owned = dict[tuple[str, t.Any], Record]


# --- the way from one to the other ------------------------------------------------------------------------------------


class Target(t.NamedTuple):
    """``Desired`` in the kernel's terms: names looked up, defaults filled in, multi_nic spelled out."""

    links: dict[str, tuple[Link, tuple[str, ...]]] = {}
    """name -> (the link as it shall be, owners). Index 0 for a link that does not exist yet."""
    absent_links: dict[str, tuple[str, ...]] = {}
    addresses: dict[AddressKey, tuple[Address, tuple[str, ...]]] = {}
    listed: dict[tuple[str, int], bool] = {}
    """(interface, family) whose addresses were listed -> exact."""
    routes: dict[RouteKey, tuple[Route, tuple[str, ...], str]] = {}
    """key -> (route, owners, origin)"""
    absent_routes: tuple[RouteSpec, ...] = ()
    """Patterns, with table ids and interface names resolved."""
    rules: tuple[tuple[Rule, tuple[str, ...], str, bool], ...] = ()
    """(rule, owners, origin, priority given by the user)"""
    absent_rules: tuple[RuleSpec, ...] = ()
    files: dict[str, tuple[FileState, str]] = {}
    """path -> (as it shall be, why)"""
    activations: dict[str, tuple[t.Any, t.Any]] = {}
    """Writer of resolv.conf -> (way back, way there), two ``_persist.contract.Activation``."""
    resolver_check: tuple[str, t.Any] | None = None
    """(writer of resolv.conf, ``_persist.contract.Resolver`` that the running resolver must show)"""
    sysctls: dict[str, tuple[str, tuple[str, ...]]] = {}
    settings: dict[tuple[str, str], tuple[t.Any, tuple[str, ...]]] = {}
    """(interface, field) -> (value, owners) of what was declared of a NIC itself; fields as in ``settings.FIELDS``."""
    persist: bool = False
    """Whether what is declared shall be in the configuration of the node's managers too."""
    nft: str | None = None
    forwarded: dict[str, tuple[str, ...]] = {}
    """Interface -> owners who declared ``multi_nic`` with ``forwarded`` for it."""
    records: Owned | None = None
    """Records of the entries that live inside files (hosts lines, table names, sysctls), as they shall be afterwards;
    None where nothing of them is declared or let go."""
    prune: tuple[tuple[str, str], ...] = ()
    warnings: tuple[str, ...] = ()


class Change(t.NamedTuple):
    """One step. ``before`` None creates, ``after`` None deletes, both replace."""

    kind: str
    """``link``, ``address``, ``route``, ``rule``, ``file``, ``sysctl``, ``nft`` or ``activate``.

    ``activate``: a manager takes up its files; ``before`` and ``after`` are ``_persist.contract.Activation``.
    """
    name: str
    """Interface, path, manager or key the step is about; for routes and rules their text for people."""
    before: t.Any
    after: t.Any
    owners: tuple[str, ...] = ()
    reason: str = ""
    """Why it is not simply new: ``pruned``, ``absent``, ``adopted``, ``conflict replaced`` ..."""

    def inverse(self) -> Change:
        """The step back: carried out after this one it leaves the node as it was."""
        return self._replace(before=self.after, after=self.before, reason="undo")


class Plan(t.NamedTuple):
    changes: tuple[Change, ...]
    """In the order in which they are carried out: no step cuts a path that a later one needs."""
    owned: Owned
    """The records as they shall be once the changes are made."""
    warnings: tuple[str, ...] = ()
