# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Single values of a user's input: numbers, names, addresses, prefixes. Every other options file is built from these.

Numbers may come as text (``"100"``, ``"0x10"``), as NMState users write them; a boolean is never a number. Every
function takes ``where`` (the path that a message shows, such as ``routes[2].metric``) and raises StateError.
"""

from __future__ import annotations

import typing as t
from socket import inet_ntop

from ansible_collections.kubenode.network.plugins.module_utils._netlink.addr import parse_address, parse_prefix
from ansible_collections.kubenode.network.plugins.module_utils._netlink.objects import Range
from ansible_collections.kubenode.network.plugins.module_utils._state.model import StateError

Entry = dict[str, t.Any]
# What was tidied on the way, for the result's warnings.
Warnings = list[str]

IPV4, IPV6 = 2, 10
U32 = 0xFFFFFFFF
# include/uapi/linux/rtnetlink.h rt_class_t; 0 is "not said" in NMState and in the kernel.
TABLE_NAMES = {"main": 254, "local": 255, "default": 253}
# net/core/dev.c dev_valid_name(): IFNAMSIZ is 16 with the terminating zero; '/', ':' and white space are refused.
INTERFACE_NAME_BYTES = 15

TRUE_WORDS = frozenset(("1", "true", "yes", "on", "y"))
FALSE_WORDS = frozenset(("0", "false", "no", "off", "n"))


def fail(where: str, found: t.Any, expected: str, way_out: str = "") -> t.NoReturn:
    """Raise the one StateError of this kind: where, what was found, what was expected, the way out."""
    import json

    shown = json.dumps(found, default=str)
    shown = shown if len(shown) <= 120 else shown[:117] + "..."
    raise StateError(f"{where}: found {shown}, expected {expected}" + (f". {way_out}" if way_out else ""))


def entries(value: t.Any, where: str) -> list[Entry]:
    """A list of mappings; None is the empty list."""
    if value is None:
        return []
    if not isinstance(value, (list, tuple)):
        fail(where, value, "a list")
    for position, entry in enumerate(value):
        if not isinstance(entry, dict):
            fail(f"{where}[{position}]", entry, "a mapping of options")
    return t.cast("list[Entry]", value)


def mapping(value: t.Any, where: str) -> Entry:
    if not isinstance(value, dict):
        fail(where, value, "a mapping of options")
    return t.cast(Entry, value)


def tidy(entry: Entry, known: t.AbstractSet[str], aliases: dict[str, str], where: str) -> Entry:
    """The entry under canonical names and without empty (None) options; an unknown key is an error that names it."""
    found: Entry = {}
    for key, value in entry.items():
        name = key if key in known else aliases.get(key)
        if name is None:
            _unknown_key(key, known, aliases, where)
        if value is not None:
            if name in found and found[name] != value:
                fail(f"{where}.{key}", value, f"the same value as its other spelling {name!r} has: {found[name]!r}")
            found[name] = value
    return found


def _unknown_key(key: t.Any, known: t.AbstractSet[str], aliases: dict[str, str], where: str) -> t.NoReturn:
    import difflib

    near = difflib.get_close_matches(str(key), [*known, *aliases], 1)
    hint = f"Did you mean {near[0]!r}? " if near else ""
    raise StateError(f"{where}: unsupported option {str(key)!r}. {hint}Supported: {', '.join(sorted(known))}")


def is_number(value: t.Any) -> bool:
    """Whether a value is a whole number; True and False are none, though Python counts them in."""
    return isinstance(value, int) and not isinstance(value, bool)


def integer(value: t.Any, low: int, high: int, where: str, why: str = "") -> int:
    """A whole number from ``low`` to ``high``, as a number or as decimal or 0x text; ``why``: the range's source."""
    if not is_number(value):
        number = _number_of(value)
        if number is None:
            fail(where, value, f"a whole number from {low} to {high}" + (f" ({why})" if why else ""))
        value = number
    if not low <= value <= high:
        fail(where, value, f"a whole number from {low} to {high}" + (f" ({why})" if why else ""))
    return t.cast(int, value)


def _number_of(value: t.Any) -> int | None:
    if isinstance(value, str) and value.isascii() and "_" not in value:
        text = value.strip()
        try:
            return int(text, 16) if text[:2].lower() == "0x" else int(text)
        except ValueError:
            return None
    return None if isinstance(value, bool) or not isinstance(value, int) else int(value)


def boolean(value: t.Any, where: str) -> bool:
    """A boolean, or one of the words and digits that YAML 1.1 and NMState take for one."""
    word = str(value).lower()
    if isinstance(value, bool):
        return value
    if isinstance(value, (str, int)) and (word in TRUE_WORDS or word in FALSE_WORDS):
        return word in TRUE_WORDS
    fail(where, value, "true or false")


def choice(value: t.Any, choices: t.Iterable[str], where: str) -> str:
    if not isinstance(value, str) or value not in choices:
        fail(where, value, "one of " + ", ".join(choices))
    return value


def text(value: t.Any, where: str, what: str = "text") -> str:
    """Non-empty text."""
    if not isinstance(value, str) or not value:
        fail(where, value, what)
    return value


def strings(value: t.Any, where: str, what: str) -> list[str]:
    """A list of texts; ``what`` one of them is."""
    if not isinstance(value, (list, tuple)):
        fail(where, value, f"a list ({what} each)")
    return [text(item, f"{where}[{position}]", what) for position, item in enumerate(value)]


def interface(value: t.Any, where: str, profiles: t.AbstractSet[str] = frozenset()) -> str:
    """A name that the kernel accepts for an interface, or the name of a profile found by MAC address."""
    name = text(value, where, "the name of an interface")
    if name not in profiles and (
        len(name.encode()) > INTERFACE_NAME_BYTES
        or name in (".", "..")
        or any(sign in "/:" or sign.isspace() for sign in name)
    ):
        fail(
            where,
            value,
            f"an interface name: at most {INTERFACE_NAME_BYTES} bytes, without '/', ':' and white space",
        )
    return name


def table(value: t.Any, where: str) -> int | str | None:
    """A routing table's id (1 to 2^32-1) or name; None for 0, which means "not said" in NMState."""
    if isinstance(value, str):
        number = _number_of(value)
        if number is None:
            if value in TABLE_NAMES:
                return TABLE_NAMES[value]
            if not value or value in ("unspec", "all") or any(sign.isspace() or sign in "#/" for sign in value):
                fail(where, value, "the id (1 to 4294967295) or the name of a routing table")
            return value
        value = number
    return integer(value, 0, U32, where, "an id, or a name from rt_tables") or None


def address(value: t.Any, where: str, family: int = 0, what: str = "") -> tuple[int, str]:
    """(family, canonical text) of an address; ``what`` is the reason why it must be of ``family``."""
    try:
        found, packed = parse_address(value)
    except (ValueError, TypeError) as error:
        fail(where, value, "an IPv4 or IPv6 address", "" if isinstance(error, TypeError) else str(error))
    if family and found != family:
        fail(where, value, f"an {family_name(family)} address" + (f", as {what}" if what else ""))
    return found, inet_ntop(found, packed)


def unicast_address(value: t.Any, where: str, family: int = 0, what: str = "") -> tuple[int, str]:
    """An address that a host can have: not unspecified, multicast or broadcast (RFC 1122 3.2.1.3, RFC 4291 2)."""
    found, canonical = address(value, where, family, what)
    first = 255 if canonical.startswith("ff") and found == IPV6 else 0
    if found == IPV4:
        first = int(canonical.partition(".")[0])
    if canonical == "::" or (found == IPV4 and not 0 < first < 224) or first == 255:
        fail(where, value, "the address of a host (not unspecified, multicast or broadcast)")
    return found, canonical


def prefix(value: t.Any, where: str, warn: Warnings, default_family: int = 0) -> tuple[int, str]:
    """(family, canonical CIDR) of a prefix. Host bits are masked with a warning, as in NMState."""
    try:
        family, packed, length, had_host_bits = parse_prefix(value, default_family)
    except (ValueError, TypeError, AttributeError) as error:
        way_out = str(error) if isinstance(error, ValueError) else ""
        fail(where, value, "an address or a prefix such as 10.200.0.0/16 or 2001:db8::/32", way_out)
    canonical = f"{inet_ntop(family, packed)}/{length}"
    if had_host_bits:
        warn.append(f"{where}: host bits of {value} were masked: {canonical}")
    return family, canonical


def prefixes(value: t.Any, where: str, warn: Warnings) -> tuple[str, ...]:
    """A list of CIDRs, canonical, each once."""
    if value is None:
        return ()
    if not isinstance(value, (list, tuple)):
        fail(where, value, "a list of prefixes")
    found = (prefix(item, f"{where}[{position}]", warn)[1] for position, item in enumerate(value))
    return tuple(dict.fromkeys(found))


def number_range(value: t.Any, low: int, high: int, where: str, why: str) -> Range:
    """``80`` or ``"1000-2000"``, both ends included."""
    first, dash, last = str(value).partition("-") if isinstance(value, str) else (value, "", value)
    start = integer(first, low, high, where, why)
    end = integer(last, low, high, where, why) if dash else start
    if start > end:
        fail(where, value, "a range whose first number is not above its last")
    return start, end


# IANA protocol numbers, under the names of /etc/protocols; a node need not have that file.
IP_PROTOCOLS = {
    "icmp": 1, "igmp": 2, "ipencap": 4, "ipip": 4, "tcp": 6, "egp": 8, "udp": 17, "dccp": 33, "ipv6": 41, "gre": 47,
    "esp": 50, "ah": 51, "icmpv6": 58, "ipv6-icmp": 58, "ospf": 89, "pim": 103, "vrrp": 112, "l2tp": 115, "sctp": 132,
    "udplite": 136, "mpls-in-ip": 137,
}  # fmt: skip


def ip_protocol(value: t.Any, where: str) -> int:
    if isinstance(value, str) and value.lower() in IP_PROTOCOLS:
        return IP_PROTOCOLS[value.lower()]
    return integer(value, 1, 255, where, "or a name: " + ", ".join(IP_PROTOCOLS))


def family(value: t.Any, where: str) -> int:
    return IPV4 if choice(value, ("ipv4", "ipv6"), where) == "ipv4" else IPV6


def family_name(number: int | None) -> str:
    return "IPv6" if number == IPV6 else "IPv4"


def owner_name(value: t.Any, where: str) -> str | None:
    """The name of an owner: what Kubernetes accepts as an object's name, capitals and '_' besides; None for none."""
    if value is None or value == "":
        return None
    name = text(value, where, "the name of an owner")
    plain = name.replace("-", "").replace("_", "").replace(".", "")
    if not (plain.isascii() and plain.isalnum() and name[0].isalnum() and len(name) <= 253):
        fail(where, value, "a name of letters, digits, '-', '_' and '.', starting with a letter or digit")
    return name
