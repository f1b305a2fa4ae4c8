# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of dns_lookup_info: their spec, and what is made of them."""

from __future__ import annotations

import ipaddress
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._dns import search
from ansible_collections.kubenode.network.plugins.module_utils._dns._dnspython_dep import dnspython
from ansible_collections.kubenode.network.plugins.module_utils._dns.errors import DnsError
from ansible_collections.kubenode.network.plugins.module_utils._resolver import resolv_conf

TRANSPORTS = ("udp", "tcp")
RESOLVERS = ("none", "host", "pod")
NAME_KEYS = frozenset({"name", "type", "expect"})
EXPECT_KEYS = frozenset({"rcode", "answers", "resolves"})
LOOKUP_OPTIONS: dict[str, dict[str, t.Any]] = {
    "names": {"type": "list", "elements": "raw", "required": True},
    "servers": {"type": "list", "elements": "str"},
    "port": {"type": "int", "default": 53},
    "transports": {"type": "list", "elements": "str", "choices": list(TRANSPORTS), "default": ["udp"]},
    "resolver": {"type": "str", "choices": list(RESOLVERS), "default": "none"},
    "namespace": {"type": "str", "default": "default"},
    "cluster_domain": {"type": "str", "default": "cluster.local"},
    "search": {"type": "list", "elements": "str"},
    "ndots": {"type": "int"},
    "resolv_conf": {"type": "path", "default": resolv_conf.PATH},
    "timeout": {"type": "float", "default": 2.0},
    "attempts": {"type": "int", "default": 2},
}
_LIMITS = {"port": (1, 65535), "ndots": (0, search.MOST_NDOTS), "timeout": (0.1, 60), "attempts": (1, 10)}


class Expect(t.NamedTuple):
    """What an answer should be; None: whatever it is."""

    rcode: str | None = None
    answers: tuple[str, ...] | None = None
    """All of them, in any order, as dnspython writes them."""
    resolves: bool | None = None


class Name(t.NamedTuple):
    """One name to look up."""

    name: str
    kind: str = "A"
    expect: Expect = Expect()


class Request(t.NamedTuple):
    """All that is asked: every name of every server over every transport."""

    names: tuple[Name, ...]
    servers: tuple[str, ...]
    port: int
    transports: tuple[str, ...]
    rules: search.Rules
    timeout: float
    attempts: int


def parse(params: t.Mapping[str, t.Any], conf_text: str | None, hostname: str) -> Request:
    """Read the options; ``conf_text``: what stands in ``resolv_conf``, None where that cannot be read.

    Raises DnsError, naming the option, what was found and what was expected.
    """
    for option, (least, most) in _LIMITS.items():
        value = params[option]
        if value is not None and not least <= value <= most:
            raise DnsError(f"{option}: {value} was found; expected is a number from {least} to {most}")
    if not params["names"]:
        raise DnsError("names: the list is empty; give a name at least")
    names = tuple(_name(entry, f"names[{number}]") for number, entry in enumerate(params["names"]))
    from_file = params["servers"] is None or (params["resolver"] != "none" and params["search"] is None)
    if conf_text is None and from_file:
        raise DnsError(f"resolv_conf: {params['resolv_conf']} cannot be read; give servers and search, or another file")
    conf = resolv_conf.parse(conf_text or "")
    servers = conf.servers if params["servers"] is None else tuple(params["servers"])
    for server in servers:
        _check_address(server)
    if not servers:
        where = "servers: the list is empty" if params["servers"] is not None else f"{params['resolv_conf']} has none"
        raise DnsError(f"no server to ask: {where}; give servers")
    return Request(
        names, tuple(dict.fromkeys(servers)), params["port"], tuple(dict.fromkeys(params["transports"])),
        _rules(params, conf, hostname), params["timeout"], params["attempts"],
    )  # fmt: skip


def _rules(params: t.Mapping[str, t.Any], conf: resolv_conf.ResolvConf, hostname: str) -> search.Rules:
    if params["resolver"] == "none":
        for option in ("search", "ndots"):
            if params[option] is not None:
                raise DnsError(f"{option}: names are asked as they are with resolver none; choose host or pod")
        return search.AS_IT_IS
    if params["resolver"] == "pod":
        rules = search.pod_rules(conf, params["namespace"], params["cluster_domain"])
    else:
        rules = search.host_rules(conf, hostname)
    if params["search"] is not None:
        rules = rules._replace(search=tuple(params["search"]))
    for domain in rules.search:
        _check_name(domain, "search")
    return rules if params["ndots"] is None else rules._replace(ndots=params["ndots"])


def _name(entry: t.Any, origin: str) -> Name:
    if isinstance(entry, str):
        entry = {"name": entry}
    if not isinstance(entry, dict):
        raise DnsError(f"{origin}: {entry!r} was found; expected is a name, or a dictionary with name, type and expect")
    _check_keys(entry, NAME_KEYS, origin)
    name = entry.get("name")
    if not isinstance(name, str) or not name:
        raise DnsError(f"{origin}.name: {name!r} was found; expected is a domain name")
    _check_name(name, f"{origin}.name")
    kind = str(entry.get("type") or "A").upper()
    dns = dnspython()
    try:
        number = dns.rdatatype.from_text(kind)
    except (dns.exception.DNSException, ValueError) as error:
        raise DnsError(f"{origin}.type: {kind} is no type of records; A, AAAA, SRV, PTR and so on are") from error
    return Name(name, kind, _expect(entry.get("expect"), number, f"{origin}.expect"))


def _expect(entry: t.Any, kind: int, origin: str) -> Expect:
    if entry is None:
        return Expect()
    if not isinstance(entry, dict):
        raise DnsError(f"{origin}: {entry!r} was found; expected is a dictionary with rcode, answers or resolves")
    _check_keys(entry, EXPECT_KEYS, origin)
    dns = dnspython()
    rcode, answers, resolves = (entry.get(key) for key in ("rcode", "answers", "resolves"))
    if rcode is not None:
        try:
            rcode = dns.rcode.to_text(dns.rcode.from_text(str(rcode)))
        except (dns.exception.DNSException, ValueError) as error:
            raise DnsError(f"{origin}.rcode: {rcode} is none; NOERROR, NXDOMAIN, SERVFAIL and REFUSED are") from error
    if resolves is not None and not isinstance(resolves, bool):
        raise DnsError(f"{origin}.resolves: {resolves!r} was found; expected is true or false")
    if answers is None:
        return Expect(rcode, None, resolves)
    if not isinstance(answers, list):
        raise DnsError(f"{origin}.answers: {answers!r} was found; expected is a list, empty for no records")
    return Expect(rcode, tuple(_data(str(one), kind, f"{origin}.answers") for one in answers), resolves)


def _data(text: str, kind: int, origin: str) -> str:
    """Data of a record as dnspython writes it, so that ``::0001`` is ``::1`` and a final dot may be left out."""
    dns = dnspython()
    try:
        found = dns.rdata.from_text(dns.rdataclass.IN, kind, text, origin=dns.name.root, relativize=False)
    except (dns.exception.DNSException, ValueError) as error:
        raise DnsError(f"{origin}: {text!r} is no {dns.rdatatype.to_text(kind)} record's data: {error}") from error
    return str(found.to_text()).lower()


def _check_keys(entry: dict[str, t.Any], known: frozenset[str], origin: str) -> None:
    for key in entry:
        if key not in known:
            raise DnsError(f"{origin}: there is no key {key}; there are {', '.join(sorted(known))}")


def _check_name(name: str, origin: str) -> None:
    dns = dnspython()
    try:
        dns.name.from_text(name)
    except (dns.exception.DNSException, ValueError) as error:
        raise DnsError(f"{origin}: {name!r} is no domain name: {error}") from error


def _check_address(server: str) -> None:
    try:
        ipaddress.ip_address(server.partition("%")[0])
    except ValueError as error:
        raise DnsError(f"servers: {server!r} was found; expected is an IP address, its port in option port") from error
