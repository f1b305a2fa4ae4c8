# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is looked at on a node: the cache's addresses, and whose packets' way to them. Read once, from the kernel."""

from __future__ import annotations

import ipaddress
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._netlink.addr import canonical_address
from ansible_collections.kubenode.network.plugins.module_utils._netlink.addresses import read_addresses
from ansible_collections.kubenode.network.plugins.module_utils._netlink.links import link_names, read_links
from ansible_collections.kubenode.network.plugins.module_utils._netlink.lookup import RouteAnswer, route_get
from ansible_collections.kubenode.network.plugins.module_utils._netlink.objects import Address, Link
from ansible_collections.kubenode.network.plugins.module_utils._netlink.sock import NetlinkError, RtnlSocket
from ansible_collections.kubenode.network.plugins.module_utils._nodecache import firewall, nfnetlink, processes
from ansible_collections.kubenode.network.plugins.module_utils._nodecache.asking import PORT
from ansible_collections.kubenode.network.plugins.module_utils._nodecache.model import NodeCacheError, Packet, Ruleset
from ansible_collections.kubenode.network.plugins.module_utils._nodecache.model import number as as_number
from ansible_collections.kubenode.network.plugins.module_utils._nodecache.pods import Pod, pods

DEFAULT_LOCAL_IP = "169.254.20.10"
"""What the upstream manifest and its documentation name."""
_DEFAULTS = ("0.0.0.0/0", "::/0")
_TEST_PORT = 40053
"""Stands for the port of a client in packets that are only thought of."""


class Origin(t.NamedTuple):
    """Whose packets of a family are looked at."""

    source: str
    interface: str
    """By which they come in; ``lo`` for the node's own."""
    pid: int
    how: str
    name_servers: tuple[str, ...] = ()
    unreachable: str = ""
    """A pod that was found, and that no route leads to."""

    @property
    def is_node(self) -> bool:
        return self.interface == "lo"


class Wanted(t.NamedTuple):
    """The options of the module that choose what is looked at."""

    interface: str
    local_ips: tuple[str, ...]
    cluster_ips: tuple[str, ...]
    interception: str
    pod_source: str
    pod_interface: str


class Node(t.NamedTuple):
    """A node as it is."""

    wanted: Wanted
    interception: str
    uses: dict[str, str]
    """Address that is expected -> ``local`` or ``cluster``."""
    links: dict[str, Link]
    addresses: tuple[Address, ...]
    ruleset: Ruleset
    listeners: tuple[processes.Listener, ...]
    pods: tuple[Pod, ...]
    origins: dict[int, Origin]
    routes: dict[tuple[str, bool], RouteAnswer | str]
    """(address, as a pod's packet or as the node's own) -> the kernel's answer, or its refusal."""

    def origin(self, address: str) -> Origin:
        return self.origins[6 if ":" in address else 4]

    def held(self) -> list[str]:
        """The addresses on the cache's interface."""
        return [
            one.address
            for one in self.addresses
            if one.interface == self.wanted.interface and not (one.family == 10 and one.scope == 253)
        ]

    def query(self, address: str, protocol: str) -> Packet:
        """The first packet of a question as it comes in."""
        origin = self.origin(address)
        returns = None if origin.is_node else self._returns(origin)
        return Packet(
            6 if ":" in address else 4,
            as_number(origin.source),
            as_number(address),
            protocol,
            _TEST_PORT,
            PORT,
            iif=origin.interface,
            source_type="local" if origin.is_node else "unicast",
            destination_type=self._type(address),
            returns=True if origin.is_node else returns,
        )

    def reply(self, address: str, protocol: str) -> Packet:
        """The first packet of an answer as it goes out."""
        origin = self.origin(address)
        return Packet(
            6 if ":" in address else 4,
            as_number(address),
            as_number(origin.source),
            protocol,
            PORT,
            _TEST_PORT,
            oif=origin.interface,
            source_type=self._type(address),
            destination_type="local" if origin.is_node else "unicast",
        )

    def own_query(self, address: str, protocol: str) -> Packet:
        """A question of the node itself, as it goes out."""
        number = as_number(address)
        return Packet(
            6 if ":" in address else 4, number, number, protocol, _TEST_PORT, PORT, oif="lo", source_type="local",
            destination_type=self._type(address),
        )  # fmt: skip

    def _type(self, address: str) -> str | None:
        answer = self.routes.get((address, True))
        return answer.type if isinstance(answer, RouteAnswer) else None

    def _returns(self, origin: Origin) -> bool | None:
        answer = self.routes.get((origin.source, False))
        return answer.interface == origin.interface if isinstance(answer, RouteAnswer) else None


def read(wanted: Wanted, ports: t.Collection[int]) -> Node:
    """Read all of it. Raises NodeCacheError for options that do not fit the node."""
    with RtnlSocket() as sock:
        links = {link.name: link for link in read_links(sock)}
        names = link_names(links.values())
        addresses = tuple(read_addresses(sock, names))
        found = tuple(pods(sock))
        held = [one.address for one in addresses if one.interface == wanted.interface and one.scope != 253]
        uses, interception = _uses(wanted, held)
        families = sorted({6 if ":" in address else 4 for address in uses})
        origins = {family: _origin(sock, names, wanted, found, family, addresses, uses) for family in families}
        routes: dict[tuple[str, bool], RouteAnswer | str] = {}
        for address in uses:
            origin = origins[6 if ":" in address else 4]
            iif = None if origin.is_node else origin.interface
            routes[address, True] = _route(sock, names, address, origin.source if iif else None, iif)
            routes[address, False] = _route(sock, names, address)
        for origin in origins.values():
            routes[origin.source, False] = _route(sock, names, origin.source)
    return Node(
        wanted, interception, uses, links, addresses, firewall.read(), tuple(processes.listeners({PORT, *ports})),
        found, origins, routes,
    )  # fmt: skip


def canonical(text: str, option: str) -> str:
    """An address in canonical form. Raises NodeCacheError with the name of the option."""
    if not text:
        raise NodeCacheError(
            f"{option}: an empty element, expected an address; node-cache does not start on one either"
        )
    try:
        return canonical_address(text)
    except ValueError as error:
        raise NodeCacheError(f"{option}: {error}") from error


def check_interface(option: str, name: str) -> str:
    """The name of an interface (linux/if.h, IFNAMSIZ). Raises NodeCacheError with the name of the option."""
    if not 0 < len(name) < 16 or "/" in name or any(one.isspace() for one in name):
        raise NodeCacheError(f"{option}: {name!r}, expected the name of an interface (1-15 characters)")
    return name


def is_link_local(address: str) -> bool:
    return ipaddress.ip_address(address).is_link_local


def _uses(wanted: Wanted, held: t.Sequence[str]) -> tuple[dict[str, str], str]:
    local = wanted.local_ips or tuple(one for one in held if is_link_local(one)) or (DEFAULT_LOCAL_IP,)
    cluster = wanted.cluster_ips or tuple(one for one in held if one not in local)
    both = sorted(set(local) & set(cluster))
    if both:
        raise NodeCacheError(
            f"{both[0]} is in local_ips and in cluster_ips: an address is the cache's or the Service's"
        )
    interception = wanted.interception
    if interception == "auto":
        interception = "cluster_ip" if any(one in held for one in cluster) else "local_ip"
    if interception == "cluster_ip" and not cluster:
        raise NodeCacheError(
            f"interception cluster_ip: {wanted.interface} holds no ClusterIP, and cluster_ips names none: give "
            "cluster_ips, the ClusterIPs of the cluster's DNS Service"
        )
    uses = dict.fromkeys(local, "local")
    if interception == "cluster_ip":
        uses.update(dict.fromkeys(cluster, "cluster"))
    return uses, interception


def _origin(
    sock: RtnlSocket,
    names: t.Mapping[int, str],
    wanted: Wanted,
    found: t.Sequence[Pod],
    family: int,
    addresses: t.Sequence[Address],
    uses: t.Collection[str],
) -> Origin:
    told = wanted.pod_source
    if told and (6 if ":" in told else 4) == family:
        if wanted.pod_interface and wanted.pod_interface not in names.values():
            raise NodeCacheError(
                f"pod_interface: there is no interface {wanted.pod_interface!r}; there are "
                f"{', '.join(sorted(names.values()))}"
            )
        answer = _route(sock, names, told)
        interface = wanted.pod_interface or (answer.interface if isinstance(answer, RouteAnswer) else "") or ""
        if not interface or interface == "lo":
            why = answer if isinstance(answer, str) else f"the route to it is {answer.type}"
            raise NodeCacheError(
                f"pod_source {told} is no address of a pod of this node: {why}; give pod_interface too"
            )
        pod = next((one for one in found if told in one.addresses), None)
        servers = pod.name_servers if pod else ()
        return Origin(told, interface, pod.pid if pod else 0, "pod_source, as told", servers)
    unreachable = ""
    # One that asks the cache shows the most; a sandbox may have no name servers at all.
    for pod in sorted(found, key=lambda pod: (not pod.asks(uses), not pod.name_servers)):
        for address in pod.addresses:
            if (6 if ":" in address else 4) != family:
                continue
            answer = _route(sock, names, address)
            if isinstance(answer, RouteAnswer) and answer.type == "unicast" and answer.prefix not in _DEFAULTS:
                return Origin(
                    address, answer.interface or "", pod.pid, f"a pod of this node ({pod.command})", pod.name_servers
                )
            unreachable = unreachable or address
    own = next((a.address for a in addresses if (6 if a.family == 10 else 4) == family and a.scope == 0), None)
    how = "the node itself: no pod of it was found"
    return Origin(own or ("::1" if family == 6 else "127.0.0.1"), "lo", 0, how, (), unreachable)


def _route(
    sock: RtnlSocket, names: t.Mapping[int, str], destination: str, source: str | None = None, iif: str | None = None
) -> RouteAnswer | str:
    try:
        return route_get(
            sock, names, destination, source=source, iif=iif, ip_protocol=nfnetlink.PROTOCOLS["udp"],
            source_port=_TEST_PORT, destination_port=PORT,
        )  # fmt: skip
    except (NetlinkError, ValueError) as error:
        return str(error)
