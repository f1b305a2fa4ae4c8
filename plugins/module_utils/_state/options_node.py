# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A node's resolver, hosts, look-up order, table names, sysctls and multi_nic, as users write them."""

from __future__ import annotations

import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._state import options_values as v
from ansible_collections.kubenode.network.plugins.module_utils._state.model import (
    HostSpec,
    MultiNicSpec,
    ResolverSpec,
    StateError,
    SysctlSpec,
    TableSpec,
)

RESOLVER_KEYS = frozenset(("servers", "search", "options", "interface"))
RESOLVER_ALIASES = {"server": "servers"}
HOST_KEYS = frozenset(("address", "names"))
TABLE_KEYS = frozenset(("id", "name", "purpose"))
MULTI_NIC_KEYS = frozenset(("interface", "gateway", "gateway6", "table", "priority", "forwarded"))
# resolv.conf(5) and glibc's resolv/res_init.c; the words are those that NMState takes as well.
RESOLVER_WORDS = frozenset((
    "debug", "edns0", "inet6", "ip6-bytestring", "ip6-dotint", "no-aaaa", "no-check-names", "no-ip6-dotint",
    "no-reload", "no-tld-query", "rotate", "single-request", "single-request-reopen", "trust-ad", "use-vc",
))  # fmt: skip
RESOLVER_NUMBERS = {"ndots": 15, "timeout": 30, "attempts": 5}  # glibc cuts larger values down to these
_NSS_STATUS = frozenset(("success", "notfound", "unavail", "tryagain"))  # nsswitch.conf(5)
_NSS_ACTIONS = frozenset(("return", "continue", "merge"))


def parse_resolver(value: v.Entry, owner: str | None, origin: str, warn: v.Warnings) -> ResolverSpec | None:
    """None where nothing is said of servers, search and options. A key that is missing keeps, an empty list clears."""
    at = f"{origin}." if origin else ""
    entry = v.tidy(value, RESOLVER_KEYS, RESOLVER_ALIASES, origin or "resolver")
    servers = search = options = None
    if "servers" in entry:
        given = v.strings(entry["servers"], f"{at}servers", "an address")
        servers = _once([_server(item, f"{at}servers[{i}]") for i, item in enumerate(given)], f"{at}servers", warn)
    if "search" in entry:
        given = v.strings(entry["search"], f"{at}search", "a domain")
        search = _once([_domain(item, f"{at}search[{i}]") for i, item in enumerate(given)], f"{at}search", warn)
    if "options" in entry:
        given = v.strings(entry["options"], f"{at}options", "an option of resolv.conf")
        options = _once(
            [_option(item, f"{at}options[{i}]", warn) for i, item in enumerate(given)], f"{at}options", warn
        )
    interface = v.interface(entry["interface"], f"{at}interface") if "interface" in entry else None
    if interface is not None and (servers, search, options) == (None, None, None):
        v.fail(f"{at}interface", interface, "servers, search or options beside it")
    if servers is None and search is None and options is None:
        return None
    return ResolverSpec(owner, origin or "resolver", servers, search, options, interface)


def _once(items: list[str], where: str, warn: v.Warnings) -> tuple[str, ...]:
    unique = tuple(dict.fromkeys(items))
    if len(unique) < len(items):
        warn.append(f"{where}: an entry that is listed twice counts once")
    return unique


def _server(value: str, where: str) -> str:
    address, percent, zone = value.partition("%")
    _family, canonical = v.unicast_address(address, where)
    link_local = canonical[:3] in ("fe8", "fe9", "fea", "feb")
    if link_local != bool(percent):
        expected = (
            "an interface behind a link-local server (fe80::1%ens192)"
            if link_local
            else "no zone: it is not link-local"
        )
        v.fail(where, value, expected)
    return f"{canonical}%{v.interface(zone, where)}" if percent else canonical


def _domain(value: str, where: str) -> str:
    """RFC 1035 2.3.4 lengths; '_' as it is used in practice. ``.`` alone searches the root only."""
    if value == ".":
        return value
    name = value[:-1] if value[-1] == "." else value
    if not host_name_ok(name):
        v.fail(where, value, "a domain name (labels of 1 to 63 letters, digits, '-' and '_', 253 in all)")
    return value


def host_name_ok(name: str) -> bool:
    labels = name.split(".")
    return len(name) <= 253 and all(
        0 < len(label) <= 63
        and label.isascii()
        and label.replace("-", "").replace("_", "").isalnum()
        and label[0] != "-"
        and label[-1] != "-"
        for label in labels
    )


def _option(value: str, where: str, warn: v.Warnings) -> str:
    name, colon, number = value.partition(":")
    if name in RESOLVER_NUMBERS and colon:
        most = RESOLVER_NUMBERS[name]
        if v.integer(number, 0, 0x7FFFFFFF, where) > most:
            warn.append(f"{where}: the resolver takes {value} for {name}:{most}")
        return f"{name}:{int(number, 0)}"
    if value not in RESOLVER_WORDS:
        numbers = ", ".join(f"{name}:N" for name in RESOLVER_NUMBERS)
        v.fail(where, value, f"one of {numbers}, {', '.join(sorted(RESOLVER_WORDS))}")
    return value


def parse_hosts(value: t.Any, owner: str | None, origin: str) -> tuple[HostSpec, ...] | None:
    """Lines of /etc/hosts; None keeps. Lines of one address join, their names in the order given."""
    if value is None:
        return None
    found: dict[str, HostSpec] = {}
    for position, given in enumerate(v.entries(value, origin)):
        where = f"{origin}[{position}]"
        entry = v.tidy(given, HOST_KEYS, {}, where)
        _family, address = v.unicast_address(entry.get("address"), f"{where}.address")
        names = v.strings(entry.get("names"), f"{where}.names", "a host name")
        for name in names or [""]:
            if not host_name_ok(name):
                v.fail(f"{where}.names", names, "at least one host name, each of letters, digits, '-', '_' and '.'")
        known = found.get(address)
        names = [*known.names, *names] if known else names
        found[address] = HostSpec(owner, known.origin if known else where, address, tuple(dict.fromkeys(names)))
    return tuple(found.values())


def parse_nsswitch(value: t.Any, origin: str) -> tuple[str, ...] | None:
    """Sources of the hosts database and actions such as ``[NOTFOUND=return]``; None keeps."""
    if value is None:
        return None
    sources = v.strings(value, origin, "a source such as files or dns")
    for position, source in enumerate(sources):
        if not _nss_source_ok(source) or (position == 0 and source[0] == "["):
            v.fail(f"{origin}[{position}]", source, "a source such as files or dns, or after one [NOTFOUND=return]")
    if not any(source[0] != "[" for source in sources):
        v.fail(
            origin, value, "at least one source", "Without one no name is found; leave the option out to keep the order"
        )
    return tuple(sources)


def _nss_source_ok(source: str) -> bool:
    if source[0] != "[":
        return source.isascii() and source.replace("_", "").replace("-", "").isalnum()
    status, equals, action = source[1:-1].lower().partition("=")
    return source[-1] == "]" and bool(equals) and status.lstrip("!") in _NSS_STATUS and action in _NSS_ACTIONS


def parse_tables(value: t.Any, owner: str | None, origin: str) -> tuple[TableSpec, ...]:
    found: dict[int, TableSpec] = {}
    names: dict[str, TableSpec] = {}
    for position, given in enumerate(v.entries(value, origin)):
        where = f"{origin}[{position}]"
        entry = v.tidy(given, TABLE_KEYS, {}, where)
        number = v.integer(entry.get("id"), 1, v.U32, f"{where}.id")
        name = v.text(entry.get("name"), f"{where}.name", "a name")
        plain = name.replace("-", "").replace("_", "").replace(".", "")
        if not (plain.isascii() and plain.isalnum()) or name[0].isdigit() or name in (*v.TABLE_NAMES, "unspec", "all"):
            v.fail(
                f"{where}.name",
                name,
                "letters, digits, '-', '_' and '.', first no digit, and no name of iproute2's own",
            )
        if 253 <= number <= 255:
            v.fail(f"{where}.id", number, "an id that has no name yet (253, 254 and 255 are default, main and local)")
        purpose = entry.get("purpose", "")
        if not isinstance(purpose, str) or not purpose.isprintable():
            v.fail(f"{where}.purpose", purpose, "one line of text")
        spec = TableSpec(owner, where, number, name, purpose)
        for other in (found.setdefault(number, spec), names.setdefault(name, spec)):
            if other[2:] != spec[2:]:
                raise StateError(
                    f"{where} contradicts {other.origin}: table {number} {name} and table {other.id} {other.name}. "
                    "A table has one id, one name and one purpose"
                )
    return tuple(found.values())


def parse_sysctls(value: t.Any, owner: str | None, origin: str) -> tuple[SysctlSpec, ...]:
    """``net.`` keys with dots, or with slashes as sysctl(8) takes them where an interface's name has a dot."""
    found: dict[str, SysctlSpec] = {}
    for given, setting in v.mapping({} if value is None else value, origin).items():
        where = f"{origin}[{given}]"
        slash, dot = str(given).find("/"), str(given).find(".")
        swapped = slash >= 0 and (dot < 0 or slash < dot)
        key = str(given).translate(str.maketrans("/.", "./")) if swapped else str(given)
        parts = key.split(".")
        if (
            parts[0] != "net"
            or len(parts) < 3
            or not all(parts)
            or any(sign.isspace() for sign in key)
            or "/../" in key
        ):
            v.fail(origin, given, "keys such as net.ipv4.ip_forward", "Other sysctls are not the network's")
        if isinstance(setting, bool) or not isinstance(setting, (int, str)) or not str(setting).strip():
            v.fail(where, setting, "a number or text", "Write 0 or 1 for off and on")
        words = " ".join(str(setting).split())
        spec = SysctlSpec(owner, where, key, words)
        if found.setdefault(key, spec).value != words:
            raise StateError(
                f"{where} contradicts {found[key].origin}: {key} is {found[key].value} and {words}. Take one out"
            )
    return tuple(found.values())


def parse_multi_nic(value: t.Any, owner: str | None, origin: str) -> tuple[MultiNicSpec, ...]:
    found: dict[str, MultiNicSpec] = {}
    for position, given in enumerate(v.entries(value, origin)):
        where = f"{origin}[{position}]"
        entry = v.tidy(given, MULTI_NIC_KEYS, {}, where)
        name = v.interface(entry.get("interface"), f"{where}.interface")
        gateways = {}
        for key, family in (("gateway", v.IPV4), ("gateway6", v.IPV6)):
            if key in entry:
                what = "gateway is IPv4's and gateway6 IPv6's"
                gateways[key] = v.unicast_address(entry[key], f"{where}.{key}", family, what)[1]
        if not gateways:
            v.fail(where, entry, "gateway or gateway6: where the replies go")
        table = v.table(entry["table"], f"{where}.table") if "table" in entry else None
        if table in (253, 254, 255):
            v.fail(f"{where}.table", entry["table"], "a table of its own (not main, default or local)")
        priority = None
        if "priority" in entry:
            priority = v.integer(entry["priority"], 1, 32765, f"{where}.priority", "before the main table's 32766")
        forwarded = v.boolean(entry.get("forwarded", False), f"{where}.forwarded")
        spec = MultiNicSpec(
            owner, where, name, gateways.get("gateway"), gateways.get("gateway6"), table, priority, forwarded
        )
        for other in found.values():
            if other.interface == name and other[2:] != spec[2:]:
                raise StateError(f"{where} contradicts {other.origin}: {name} is listed twice. Put it into one entry")
            if other.interface != name and table is not None and other.table == table:
                raise StateError(
                    f"{where} contradicts {other.origin}: both use table {table}. Each NIC has a table of its own"
                )
        found.setdefault(name, spec)
    return tuple(found.values())
