# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a killed node-cache leaves: its interface and its rules, found and taken away, and nothing else.

Node-cache makes twelve rules for an address of its own (cmd/node-cache/app/cache_app.go), newer releases with a comment
in each.
"""

from __future__ import annotations

import os
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._cache_service import units
from ansible_collections.kubenode.network.plugins.module_utils._kubelet.sources import handed_out
from ansible_collections.kubenode.network.plugins.module_utils._netlink.addresses import read_addresses
from ansible_collections.kubenode.network.plugins.module_utils._netlink.links import (
    encode_link_delete,
    link_names,
    read_links,
)
from ansible_collections.kubenode.network.plugins.module_utils._netlink.objects import Link
from ansible_collections.kubenode.network.plugins.module_utils._netlink.sock import NetlinkError, RtnlSocket
from ansible_collections.kubenode.network.plugins.module_utils._nodecache import firewall, processes
from ansible_collections.kubenode.network.plugins.module_utils._nodecache.asking import PORT
from ansible_collections.kubenode.network.plugins.module_utils._nodecache.model import (
    Chain,
    NodeCacheError,
    Rule,
    Ruleset,
)
from ansible_collections.kubenode.network.plugins.module_utils._nodecache.node import (
    canonical,
    check_interface,
    is_link_local,
)
from ansible_collections.kubenode.network.plugins.module_utils._nodecache.pods import Pod, pods
from ansible_collections.kubenode.network.plugins.module_utils._resolver.resolv_conf import kubelet_cluster_dns
from ansible_collections.kubenode.network.plugins.module_utils._state.files import below, read_file
from ansible_collections.kubenode.network.plugins.module_utils._state.model import StateError
from ansible_collections.kubenode.network.plugins.module_utils._state.resolver_target import KUBELET_CONFIGS

COMMENT = "NodeLocal DNS Cache:"
Shape = tuple[str, str, str, str]
"""Hook, whether it is NOTRACK or accept, the address that is named, the port that is named."""
_DNS_SHAPES = frozenset(
    [
        ("prerouting", "notrack", "destination", "destination_port"),
        ("output", "notrack", "source", "source_port"),
        ("output", "notrack", "destination", "destination_port"),
        ("input", "accept", "destination", "destination_port"),
        ("output", "accept", "source", "source_port"),
    ]
)
# Of the health check: TCP, any port, in the node's own direction alone.
_HEALTH_SHAPES = frozenset(
    [("output", "notrack", "source", "source_port"), ("output", "notrack", "destination", "destination_port")]
)


class Leftover(t.NamedTuple):
    """A rule of a node-cache."""

    chain: Chain
    position: int
    rule: Rule

    @property
    def line(self) -> str:
        if self.chain.origin == "nftables":
            return f"nftables {self.chain.family} {self.chain.table} {self.chain.name}: {self.rule.text}"
        return f"{self.chain.origin} {self.chain.table}: {self.rule.text}"


class Made(t.NamedTuple):
    """The shape of a rule of a node-cache."""

    shape: Shape
    protocol: str
    address: int
    dns: bool
    """Not of the health check."""


class Found(t.NamedTuple):
    """What is there of a node-cache, and who stands in the way of its removal."""

    link: Link | None
    addresses: tuple[str, ...]
    """On the interface, with prefix lengths."""
    rules: tuple[Leftover, ...]
    running: tuple[str, ...]
    """Node-caches, and what listens on one of the addresses."""

    @property
    def lines(self) -> list[str]:
        lines = [one.line for one in self.rules]
        if self.link is not None:
            kind = f" ({self.link.kind})" if self.link.kind else ""
            lines.insert(0, f"interface {self.link.name}{kind} with {', '.join(self.addresses) or 'no address'}")
        return lines


def shape_of(chain: Chain, rule: Rule) -> Made | None:
    """What a rule would be of a node-cache's, by its shape alone; None where no node-cache makes such a rule."""
    if rule.not_understood or rule.mark is not None or not chain.hook or (rule.notrack and rule.verdict is not None):
        return None
    does = "notrack" if rule.notrack else rule.verdict.kind if rule.verdict else ""
    values: dict[str, t.Any] = {}
    for condition in rule.conditions:
        if condition.fields == ("family",):
            continue
        if condition.negate or condition.mask is not None or len(condition.fields) != 1 or len(condition.elements) != 1:
            return None
        field, value = condition.fields[0], condition.elements[0][0]
        if values.setdefault(field, value) != value:
            return None
    protocol = values.pop("protocol", None)
    if len(values) != 2 or protocol not in ("udp", "tcp"):
        return None
    if not all(isinstance(value, tuple) and value[0] == value[1] for value in values.values()):
        return None
    end, port = sorted(values, key=lambda name: name.endswith("_port"))
    shape = (chain.hook, does, end, port)
    dns = shape in _DNS_SHAPES and values[port][0] == PORT
    if not dns and not (shape in _HEALTH_SHAPES and protocol == "tcp"):
        return None
    return Made(shape, protocol, values[end][0], dns)


def leftovers(ruleset: Ruleset) -> list[Leftover]:
    """All rules of a node-cache, running or not: by shape and comment, or by a whole set that has no comments.

    Releases up to 1.22 wrote none (kubernetes/dns#568). Single rules without one may be anybody's.
    """
    found = []
    bare: dict[tuple[str, str, int], list[tuple[Leftover, Made]]] = {}
    for chain in ruleset.chains.values():
        if chain.hook not in ("prerouting", "input", "output") or chain.kind == "nat":
            continue
        for position, raw in enumerate(chain.raw):
            comment = raw if isinstance(raw, str) else str(raw.get("comment", ""))
            ours = COMMENT in comment
            # Of thousands of rules few name the port of the one or the comment of the other.
            if not ours and ("--comment" in comment or not isinstance(raw, str) or "port" not in raw):
                continue
            rule = chain.rule(position)
            made = shape_of(chain, rule)
            if made is None:
                continue
            one = Leftover(chain, position, rule)
            if ours:
                found.append(one)
            else:
                bare.setdefault((chain.origin, chain.family, made.address), []).append((one, made))
    for held in bare.values():
        whole = {(made.shape, made.protocol) for _one, made in held if made.dns}
        if len(whole) == len(_DNS_SHAPES) * len(("udp", "tcp")):
            found += [one for one, _made_of in held]
    return found


def find(sock: RtnlSocket, ruleset: Ruleset, interface: str, more: t.Collection[str] = (), root: str = "/") -> Found:
    """What there is. ``more`` are addresses of the cache besides those on the interface.

    The interface of the cache without pods (``_cache_service``), which removes its own, is none of a node-cache's.
    """
    links = {link.name: link for link in read_links(sock)}
    names = link_names(links.values())
    link = links.get(interface)
    held = [one for one in read_addresses(sock, names) if link and one.interface == interface]
    # An IPv6 link-local address comes with every interface that is up.
    own = [one for one in held if not (one.family == 10 and one.scope == 253)]
    addresses = {one.address for one in own} | set(more)
    running = [f"{processes.command(pid)} (pid {pid}) runs" for pid in processes.caches()]
    for one in processes.listeners({PORT}):
        if one.address in addresses:
            running.append(f"{one.command or 'a process'} (pid {one.pid}) listens on {one.address} {one.protocol}")
    if os.path.exists(below(units.SCRIPT, root)):
        link, own = None, []
    return Found(
        link,
        tuple(f"{one.address}/{one.prefix_length}" for one in own),
        tuple(leftovers(ruleset)),
        tuple(running),
    )


def users(found: t.Iterable[Pod], local: t.Collection[str], root: str = "/") -> list[str]:
    """Who still asks one of the cache's own addresses: pods, and kubelets that give it to new ones."""
    told = [
        f"{pod.told} asks {', '.join(server for server in pod.name_servers if server in local)}"
        for pod in found
        if pod.asks(local)
    ]
    given, place = handed_out(root)
    if given is not None:
        servers = [one for one in given if one in local]
        return [*told, f"the kubelet gives {', '.join(servers)} to new pods ({place})"] if servers else told
    # Not one that can be followed from its service: a file that it may read says enough to be careful.
    for path in KUBELET_CONFIGS:
        try:
            text = read_file(path, root).text or ""
        except StateError:
            continue
        servers = [one for one in kubelet_cluster_dns(text) if one in local]
        if servers:
            told.append(f"the kubelet gives {', '.join(servers)} to new pods ({path})")
    return told


def wanted(params: t.Mapping[str, t.Any]) -> tuple[str, set[str], set[str]]:
    """The options, checked: interface, the cache's own addresses, ClusterIPs. Raises NodeCacheError."""
    local = {canonical(one, "local_ips") for one in params["local_ips"]}
    cluster = {canonical(one, "cluster_ips") for one in params["cluster_ips"]}
    if local & cluster:
        raise NodeCacheError(
            f"{min(local & cluster)} is in local_ips and in cluster_ips: an address is the cache's or the Service's"
        )
    return check_interface("interface", params["interface"]), local, cluster


def clean(params: t.Mapping[str, t.Any], check_mode: bool, root: str = "/") -> dict[str, t.Any]:
    """The work of the module. Raises NodeCacheError; what was not removed is then named."""
    interface, local, cluster = wanted(params)
    ruleset = firewall.read()
    with RtnlSocket() as sock:
        found = find(sock, ruleset, interface, local | cluster, root)
        if ruleset.unreadable:
            raise NodeCacheError(
                f"rules of a node-cache may be left that cannot be seen: {'; '.join(ruleset.unreadable)}"
            )
        held = {one.partition("/")[0] for one in found.addresses}
        local |= {one for one in held - cluster if is_link_local(one)}
        lines = found.lines
        asking: list[str] = []
        if lines:
            _refuse_foreign(sock, found, interface)
            if found.running:
                raise NodeCacheError(
                    f"{found.running[0]}, so nothing was left behind: remove the DaemonSet from this node first (a "
                    "node-cache that ends takes its rules along)"
                )
            asking = users(pods(sock), local, root)
            if asking and not params["force"]:
                raise NodeCacheError(
                    f"{asking[0]}{f' and {len(asking) - 1} more' if len(asking) > 1 else ''}: without the address they "
                    "have no DNS; move the kubelet's clusterDNS and recreate the pods first, or set force: true",
                    asking,
                )
        if lines and not check_mode:
            remove_rules(found.rules)
            if found.link is not None:
                try:
                    sock.request(encode_link_delete(found.link.index))
                except NetlinkError as error:
                    raise NodeCacheError(
                        f"the rules are gone, and the interface {interface} could not be removed: {error}"
                    ) from error
            left = find(sock, firewall.read(), interface, (), root).lines
            if left:
                raise NodeCacheError(
                    f"these are still there after their removal, somebody makes them anew: {'; '.join(left)}"
                )
    text = "".join(f"{line}\n" for line in lines)
    return {
        "changed": bool(lines),
        "removed": lines,
        "in_use_by": asking,
        "diff": {"before_header": "node", "after_header": "node", "before": text, "after": ""},
    }


def _refuse_foreign(sock: RtnlSocket, found: Found, interface: str) -> None:
    """Raise where the interface is not one that a node-cache makes."""
    if found.link is None:
        return
    members = [link.name for link in read_links(sock) if link.master == interface]
    if members:
        raise NodeCacheError(
            f"{interface} has {', '.join(members)} as members, so no node-cache made it: name the cache's own interface"
        )
    for one in found.addresses:
        address, _slash, length = one.partition("/")
        if length != ("128" if ":" in address else "32"):
            raise NodeCacheError(
                f"{interface} holds the network {one}, and a node-cache makes single addresses: name the cache's own "
                "interface"
            )


def remove_rules(rules: t.Sequence[Leftover]) -> None:
    by_program: dict[tuple[str, str], list[Leftover]] = {}
    native = []
    for one in rules:
        if one.chain.origin == "nftables":
            native.append(one)
        else:
            by_program.setdefault((one.chain.origin, one.chain.family), []).append(one)
    for (origin, family), held in by_program.items():
        tables: dict[str, list[str]] = {}
        for one in held:
            tables.setdefault(one.chain.table, []).append("-D" + one.rule.text[2:])
        text = "".join(
            f"*{table}\n" + "".join(f"{line}\n" for line in lines) + "COMMIT\n" for table, lines in tables.items()
        )
        flavour = origin.rpartition("-")[2]
        program = firewall.program(family, flavour, "save")[2].replace("-save", "-restore")
        _feed([program, "--noflush"], text, origin)
    if native:
        lines = [
            " ".join(["delete rule", *one.chain.key[1:], "handle", str(one.chain.handles[one.position])])
            for one in native
        ]
        _feed(["nft", "-f", "-"], "\n".join(lines) + "\n", "nftables")


def _feed(argv: t.Sequence[str], text: str, what: str) -> None:
    try:
        code, _out, err = firewall.run(argv, text)
    except FileNotFoundError as error:
        raise NodeCacheError(
            f"{argv[0]} is missing, which removes rules of {what}; nothing of these was removed"
        ) from error
    if code:
        raise NodeCacheError(f"{argv[0]} refused to remove rules of {what}, so these stay: {err.strip()}")
