# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""resolv.conf as text, edited by meaning: what is not changed survives byte for byte.

The format is that of resolv.conf(5) and glibc's res_init.c: a keyword at the very start of a line, the last ``search`` or
``domain`` line counts, ``options`` lines add up. Pure.
"""

from __future__ import annotations

import re
import socket
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._state.model import ResolverSpec, StateError

PATH = "/etc/resolv.conf"

# resolv.conf(5): MAXNS; further servers are never asked.
MAX_SERVERS = 3
# Limits of glibc before 2.26, of musl (256 characters) and of other old resolvers in containers; kubernetes/kubernetes#9079.
MAX_SEARCH_DOMAINS = 6
MAX_SEARCH_CHARACTERS = 256
# NodeLocal DNSCache's customary address (k8s.io/dns).
NODE_LOCAL_DNS = "169.254.20.10"

FLAGS = frozenset(
    "debug rotate no-check-names inet6 edns0 single-request single-request-reopen no-tld-query use-vc no-reload trust-ad "
    "no-aaaa ip6-bytestring ip6-dotint no-ip6-dotint".split()
)
# Option with a number -> the value at which glibc silently caps it (RES_MAXNDOTS, RES_MAXRETRANS, RES_MAXRETRY).
NUMBERS = {"ndots": 15, "timeout": 30, "attempts": 5}

_LINES = re.compile(r"[^\n]*\n|[^\n]+")
_NAME = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)\Z")


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
        keyword, values = _meaning(line)
        if keyword == "nameserver":
            servers.append(canonical(values[0]) if values else "")
        elif keyword in ("search", "domain"):
            search = tuple(values if keyword == "search" else values[:1])
        elif keyword == "options":
            options.update((_option_key(value), value) for value in values)
    return ResolvConf(tuple(servers), search, tuple(options.values()))


def edit(text: str, spec: ResolverSpec) -> str:
    """Make the text say what ``spec`` (see ``normalised``) says. A part that is None stays, () is cleared.

    Without a ``search`` line glibc searches the domain of the node's own name; ``.`` is "no search list".
    """
    current = parse(text)
    lines = _LINES.findall(text)
    if spec.servers is not None and spec.servers != current.servers:
        lines = _edit_servers(lines, spec.servers)
    if spec.search is not None and _folded(spec.search) != _folded(current.search):
        line = "search {}\n".format(" ".join(spec.search)) if spec.search else ""
        lines = _edit_single(lines, ("search", "domain"), line, -1, before="nameserver")
    if spec.options is not None and set(spec.options) != set(current.options):
        line = "options {}\n".format(" ".join(spec.options)) if spec.options else ""
        lines = _edit_single(lines, ("options",), line, 0)
    return "".join(lines)


def normalised(spec: ResolverSpec) -> tuple[ResolverSpec, list[str]]:
    """Check what a user declared: canonical addresses, repetitions gone; with the warnings that it deserves.

    Raises StateError for what is no address, domain name or option of resolv.conf(5).
    """
    warnings: list[str] = []
    servers, search, options = spec.servers, spec.search, spec.options
    if servers is not None:
        servers = tuple(dict.fromkeys(_server(server, spec.origin) for server in servers))
        if len(servers) > MAX_SERVERS:
            warnings.append(
                "%s: %d servers are listed, but resolvers ask only the first %d: %s will never be asked"
                % (spec.origin, len(servers), MAX_SERVERS, ", ".join(servers[MAX_SERVERS:]))
            )
    if search is not None:
        search = tuple({domain.lower(): _domain(domain, spec.origin) for domain in search}.values())
        if len(search) > MAX_SEARCH_DOMAINS or len(" ".join(search)) > MAX_SEARCH_CHARACTERS:
            warnings.append(
                "%s: the search list has %d domains in %d characters; old resolvers, in containers too, stop at %d domains or"
                " %d characters"
                % (spec.origin, len(search), len(" ".join(search)), MAX_SEARCH_DOMAINS, MAX_SEARCH_CHARACTERS)
            )
    if options is not None:
        options = tuple({_option_key(option): _option(option, spec.origin) for option in options}.values())
        for option in options:
            key, _colon, value = option.partition(":")
            if key in NUMBERS and int(value) > NUMBERS[key]:
                warnings.append("%s: resolvers take options %s as %s:%d" % (spec.origin, option, key, NUMBERS[key]))
    return spec._replace(servers=servers, search=search, options=options), warnings


def loop_warnings(
    servers: t.Iterable[str], cluster_dns: t.Iterable[str], cluster_cidrs: t.Iterable[str]
) -> t.Iterator[str]:
    """Say which servers are the cluster's own DNS: CoreDNS forwards to the node's servers, so it would ask itself.

    ``cluster_dns``: kubelet's clusterDNS. ``cluster_cidrs``: pod and service CIDRs.
    """
    known = {canonical(address) for address in cluster_dns}
    for server in servers:
        if server == NODE_LOCAL_DNS:
            reason = "the address of NodeLocal DNSCache"
        elif server in known:
            reason = "the kubelet's clusterDNS"
        else:
            inside = [cidr for cidr in cluster_cidrs if _contains(cidr, server)]
            if not inside:
                continue
            reason = f"inside the cluster's {inside[0]}"
        yield (
            f"server {server} is {reason}: CoreDNS and the node-local cache forward to the node's servers, so they would ask themselves"
            " (a forwarding loop); list servers outside the cluster"
        )


def kubelet_cluster_dns(text: str) -> tuple[str, ...]:
    """The ``clusterDNS`` list of a KubeletConfiguration, in YAML's block or flow style or in JSON."""
    found = re.search(
        r"^[ \t{]*[\"']?clusterDNS[\"']?[ \t]*:[ \t]*(\[[^\]]*\]|(?:[ \t]*(?:#.*)?\n[ \t]*-[ \t]*[^\n]+)+)", text, re.M
    )
    return tuple(re.findall(r"[0-9A-Fa-f.:]*[.:][0-9A-Fa-f.:]+", re.sub(r"#.*", "", found.group(1)))) if found else ()


def canonical(address: str) -> str:
    """An address as inet_ntop writes it (a zone is kept); other text as it is."""
    bare, percent, zone = address.partition("%")
    family = socket.AF_INET6 if ":" in bare else socket.AF_INET
    try:
        return socket.inet_ntop(family, socket.inet_pton(family, bare)) + percent + zone
    except (OSError, ValueError):
        return address


def _meaning(line: str) -> tuple[str, list[str]]:
    words = re.split(r"[ \t\r]+", line.rstrip(" \t\r\n"))
    return words[0], words[1:]


def _option_key(option: str) -> str:
    key = option.partition(":")[0]
    return key if key in NUMBERS else option


def _folded(search: tuple[str, ...]) -> list[str]:
    return [domain.lower() for domain in search]


def _edit_servers(lines: list[str], servers: tuple[str, ...]) -> list[str]:
    places = [number for number, line in enumerate(lines) if _meaning(line)[0] == "nameserver"]
    # A server that stays keeps its line with all that stands on it.
    kept = {parse(lines[number]).servers[0]: lines[number] for number in reversed(places)}
    wanted = [kept.get(server, f"nameserver {server}\n") for server in servers]
    surplus = wanted[len(places) :]
    for number, line in zip(places, wanted):
        lines[number] = line
    for number in places[len(wanted) :]:
        lines[number] = ""
    place = places[-1] + 1 if places else len(lines)
    return _ended(lines[:place] + surplus + lines[place:])


def _edit_single(lines: list[str], keywords: tuple[str, ...], line: str, which: int, before: str = "") -> list[str]:
    """Put one line in the place of all lines of ``keywords``: of the first or the last of them."""
    places = [number for number, old in enumerate(lines) if _meaning(old)[0] in keywords]
    for number in places:
        lines[number] = ""
    if places:
        lines[places[which]] = line
        return _ended(lines)
    place = next((number for number, old in enumerate(lines) if before and _meaning(old)[0] == before), len(lines))
    return _ended(lines[:place] + [line] + lines[place:])


def _ended(lines: list[str]) -> list[str]:
    """Give every line but the last its end: the text may have had none at its own end."""
    lines = [line for line in lines if line]
    return [line if line.endswith("\n") else line + "\n" for line in lines[:-1]] + lines[-1:]


def _server(server: str, origin: str) -> str:
    bare, percent, zone = server.partition("%")
    result = canonical(server)
    family = socket.AF_INET6 if ":" in bare else socket.AF_INET
    try:
        raw = socket.inet_pton(family, bare)
    except (OSError, ValueError):
        raise StateError(
            f"{origin}: server {server!r} is no IP address: expected one like 10.0.0.53 or fd00::53, without port or name"
        ) from None
    if not any(raw) or raw[0] == 0xFF or (family == socket.AF_INET and raw[0] >= 224):
        raise StateError(f"{origin}: server {server} is no address that a server can have: expected a unicast address")
    link_local = family == socket.AF_INET6 and raw[0] == 0xFE and raw[1] & 0xC0 == 0x80
    if link_local != bool(percent and zone) or re.search(r"[\s#;]", zone):
        raise StateError(
            f"{origin}: server {server}: expected a zone (fe80::1%ens224) with IPv6 link-local addresses, and only with them"
        )
    return result


def _domain(domain: str, origin: str) -> str:
    if domain != "." and (len(domain) > 254 or not all(map(_NAME.match, re.sub(r"\.\Z", "", domain).split(".")))):
        raise StateError(
            f"{origin}: search domain {domain!r} is no domain name: expected labels of letters, digits, '-' and '_', up to 63 characters each,"
            " joined by dots"
        )
    return domain


def _option(option: str, origin: str) -> str:
    key, colon, value = option.partition(":")
    if key in NUMBERS:
        if not re.match(r"[0-9]{1,9}\Z", value) or (key != "ndots" and not int(value)):
            lowest = 0 if key == "ndots" else 1
            raise StateError(
                "%s: resolver option %r: expected %s:NUMBER from %d to %d" % (origin, option, key, lowest, NUMBERS[key])
            )
        return "%s:%d" % (key, int(value))
    if option not in FLAGS:
        raise StateError(
            "{}: resolver option {!r} is unknown: expected one of {}".format(
                origin, option, ", ".join(sorted(FLAGS) + [f"{name}:NUMBER" for name in NUMBERS])
            )
        )
    return option


def _contains(cidr: str, address: str) -> bool:
    network, _slash, length = cidr.partition("/")
    family = socket.AF_INET6 if ":" in network else socket.AF_INET
    try:
        low, value = socket.inet_pton(family, network), socket.inet_pton(family, address.partition("%")[0])
    except OSError:
        return False
    shift = len(low) * 8 - int(length or len(low) * 8)
    return int.from_bytes(low, "big") >> shift == int.from_bytes(value, "big") >> shift
