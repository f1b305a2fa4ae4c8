# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""resolv.conf as text, edited by meaning: what is not changed survives byte for byte. Pure.

The format is that of resolv.conf(5) and glibc's res_init.c: a keyword at the very start of a line, the last ``search``
or ``domain`` line counts, ``options`` lines add up.
"""

from __future__ import annotations

import re
import socket
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._state.model import ResolverSpec

PATH = "/etc/resolv.conf"
# What tells who writes it (see ``owner``).
EVIDENCE = (PATH, "/proc/self/mountinfo")

# resolv.conf(5): MAXNS; further servers are never asked.
MAX_SERVERS = 3
# Limits of glibc before 2.26 and of musl, and so of containers that copy the list; kubernetes/kubernetes#9079.
MAX_SEARCH_DOMAINS = 6
MAX_SEARCH_CHARACTERS = 256
# NodeLocal DNSCache's customary address (k8s.io/dns).
NODE_LOCAL_DNS = "169.254.20.10"

_NUMBERS = ("ndots", "timeout", "attempts")
_LINES = re.compile(r"[^\n]*\n|[^\n]+")
_KUBELET_LIST = re.compile(
    r"^[ \t{]*[\"']?clusterDNS[\"']?[ \t]*:[ \t]*(\[[^\]]*\]|(?:[ \t]*(?:#.*)?\n[ \t]*-[ \t]*[^\n]+)+)", re.MULTILINE
)


class ResolvConf(t.NamedTuple):
    """What a resolver reads in the text."""

    servers: tuple[str, ...] = ()
    """Every ``nameserver``, in canonical text where it is an address, also beyond MAXNS."""
    search: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    """``rotate``, ``ndots:2`` in the order of the text; of a repeated number the last."""


def parse(text: str) -> ResolvConf:
    """Read the text of a resolv.conf; lines that say nothing to a resolver are passed over."""
    servers: list[str] = []
    search: tuple[str, ...] = ()
    options: dict[str, str] = {}
    for line in text.split("\n"):
        keyword, *values = _words(line)
        if keyword == "nameserver":
            servers.append(canonical(values[0]) if values else "")
        elif keyword in ("search", "domain"):
            search = tuple(values if keyword == "search" else values[:1])
        elif keyword == "options":
            for value in values:
                key = value.partition(":")[0]
                options[key if key in _NUMBERS else value] = value
    return ResolvConf(tuple(servers), search, tuple(options.values()))


def edit(text: str, spec: ResolverSpec) -> str:
    """Make the text say what ``spec`` says, in canonical addresses. A part that is None stays, () is cleared.

    Without a ``search`` line glibc searches the domain of the node's own name; ``.`` is "no search list".
    """
    current = parse(text)
    lines = _LINES.findall(text)
    if spec.servers is not None and spec.servers != current.servers:
        lines = _edit_servers(lines, spec.servers)
    if spec.search is not None and _folded(spec.search) != _folded(current.search):
        lines = _edit_single(lines, ("search", "domain"), spec.search, -1, before="nameserver")
    if spec.options is not None and set(spec.options) != set(current.options):
        lines = _edit_single(lines, ("options",), spec.options, 0)
    return "".join(lines)


def warnings(spec: ResolverSpec, cluster_dns: t.Iterable[str], cluster_cidrs: t.Iterable[str]) -> t.Iterator[str]:
    """What a list deserves to be said of: parts that no resolver reads, and forwarding loops.

    ``cluster_dns``: kubelet's clusterDNS; ``cluster_cidrs``: pod and service CIDRs. CoreDNS and the node-local cache
    forward to the node's servers: where these are their own addresses they ask themselves.
    """
    servers, search = spec.servers or (), spec.search or ()
    if len(servers) > MAX_SERVERS:
        unused = ", ".join(servers[MAX_SERVERS:])
        yield (
            f"{spec.origin}: {len(servers)} servers are listed, but resolvers ask only the first {MAX_SERVERS}: "
            f"{unused} will never be asked"
        )
    length = len(" ".join(search))
    if len(search) > MAX_SEARCH_DOMAINS or length > MAX_SEARCH_CHARACTERS:
        yield (
            f"{spec.origin}: the search list has {len(search)} domains in {length} characters; old resolvers, in "
            f"containers too, stop at {MAX_SEARCH_DOMAINS} domains or {MAX_SEARCH_CHARACTERS} characters"
        )
    known = {canonical(address) for address in cluster_dns}
    for server in servers:
        inside = [cidr for cidr in cluster_cidrs if _contains(cidr, server)]
        if server == NODE_LOCAL_DNS:
            reason = "the address of NodeLocal DNSCache"
        elif server in known:
            reason = "the kubelet's clusterDNS"
        elif inside:
            reason = f"inside the cluster's {inside[0]}"
        else:
            continue
        yield (
            f"{spec.origin}: server {server} is {reason}: CoreDNS and the node-local cache forward to the node's "
            "servers, so they would ask themselves (a forwarding loop); list servers outside the cluster"
        )


def kubelet_cluster_dns(text: str) -> tuple[str, ...]:
    """The ``clusterDNS`` list of a KubeletConfiguration, in YAML's block or flow style or in JSON."""
    found = _KUBELET_LIST.search(text)
    return tuple(re.findall(r"[0-9A-Fa-f.:]*[.:][0-9A-Fa-f.:]+", re.sub(r"#.*", "", found.group(1)))) if found else ()


def canonical(address: str) -> str:
    """An address as inet_ntop writes it (a zone is kept); other text as it is."""
    bare, percent, zone = address.partition("%")
    family = socket.AF_INET6 if ":" in bare else socket.AF_INET
    try:
        return socket.inet_ntop(family, socket.inet_pton(family, bare)) + percent + zone
    except (OSError, ValueError):
        return address


def _words(line: str) -> list[str]:
    return re.split(r"[ \t\r]+", line.rstrip(" \t\r\n"))


def _folded(search: tuple[str, ...]) -> list[str]:
    return [domain.lower() for domain in search]


def _edit_servers(lines: list[str], servers: tuple[str, ...]) -> list[str]:
    places = [number for number, line in enumerate(lines) if _words(line)[0] == "nameserver"]
    # A server that stays keeps its line with all that stands on it.
    kept = {parse(lines[number]).servers[0]: lines[number] for number in reversed(places)}
    wanted = [kept.get(server, f"nameserver {server}\n") for server in servers]
    surplus = wanted[len(places) :]
    for number, line in zip(places, wanted):
        lines[number] = line
    for number in places[len(wanted) :]:
        lines[number] = ""
    place = places[-1] + 1 if places else len(lines)
    return _ended([*lines[:place], *surplus, *lines[place:]])


def _edit_single(
    lines: list[str], keywords: tuple[str, ...], values: tuple[str, ...], which: int, before: str = ""
) -> list[str]:
    """Put one line in the place of all lines of ``keywords``: of the first or the last of them."""
    line = f"{keywords[0]} {' '.join(values)}\n" if values else ""
    places = [number for number, old in enumerate(lines) if _words(old)[0] in keywords]
    for number in places:
        lines[number] = ""
    if places:
        lines[places[which]] = line
        return _ended(lines)
    place = next((number for number, old in enumerate(lines) if before and _words(old)[0] == before), len(lines))
    return _ended([*lines[:place], line, *lines[place:]])


def _ended(lines: list[str]) -> list[str]:
    """Give every line but the last its end: the text may have had none at its own end."""
    lines = [line for line in lines if line]
    return [line if line.endswith("\n") else line + "\n" for line in lines[:-1]] + lines[-1:]


def _contains(cidr: str, address: str) -> bool:
    network, _slash, length = cidr.partition("/")
    family = socket.AF_INET6 if ":" in network else socket.AF_INET
    try:
        low, value = socket.inet_pton(family, network), socket.inet_pton(family, address.partition("%")[0])
    except OSError:
        return False
    shift = len(low) * 8 - int(length or len(low) * 8)
    return int.from_bytes(low, "big") >> shift == int.from_bytes(value, "big") >> shift
