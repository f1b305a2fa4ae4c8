# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys of server blocks: which zone is served on which port and how. Pure.

The rules are those of CoreDNS: core/dnsserver/register.go, plugin/normalize.go, plugin/pkg/{parse,transport,cidr}.
"""

from __future__ import annotations

import functools
import re
import socket
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._corefile.errors import CorefileError
from ansible_collections.kubenode.network.plugins.module_utils._netlink.addr import Prefix, parse_prefix

# plugin/pkg/transport/transport.go
PORTS = {"dns": 53, "tls": 853, "quic": 853, "grpc": 443, "https": 443, "https3": 443}
_TRANSPORT = re.compile(r"(tls|dns|quic|grpc|https3|https|unix)://(.*)", re.DOTALL)
_PORT = re.compile(r"[+-]?[0-9]+")


class ServerKey(t.NamedTuple):
    """What a key of a server block stands for."""

    zone: str
    """Lower case, with the dot at its end."""
    port: int
    transport: str = "dns"

    def __str__(self) -> str:
        return f"{'' if self.transport == 'dns' else self.transport + '://'}{self.zone}:{self.port}"


def transport(text: str) -> tuple[str, str]:
    """``tls://10.0.0.1`` is tls and 10.0.0.1; without a scheme it is dns."""
    match = _TRANSPORT.fullmatch(text)
    return (match[1], match[2]) if match else ("dns", text)


@functools.lru_cache(maxsize=8192)
def server_keys(key: str) -> tuple[ServerKey, ...]:
    """What a key stands for: one zone, or several where a prefix lies across reverse zones.

    Raises CorefileError where CoreDNS refuses the key.
    """
    scheme, rest = transport(key)
    zones, port = split_zone(rest)
    if scheme not in PORTS:
        raise CorefileError(f"{key}: a server cannot listen on {scheme}://")
    if port is not None and not 0 <= port <= 65535:
        raise CorefileError(f"{key}: {port} is no port (0-65535)")
    return tuple(ServerKey(zone, PORTS[scheme] if port is None else port, scheme) for zone in zones)


def split_zone(text: str) -> tuple[list[str], int | None]:
    """Zones in canonical form, and the port when there is one, of ``zone:port`` or ``prefix:port``.

    Raises CorefileError where plugin.SplitHostPort does.
    """
    head, colon, tail = text.rpartition(":")
    if colon and not tail:
        raise CorefileError(f"{text}: a port is expected after the last colon")
    port = None
    if colon and _PORT.fullmatch(tail):
        text, port = head, int(tail)
    if not is_domain_name(text):
        raise CorefileError(f"{text or repr(text)} is no domain name")
    prefix = _prefix(text)
    if prefix is None:
        return [canonical_zone(text)], port
    if text.startswith((":", "0")) and ":" in text:
        raise CorefileError(f"{text} is no prefix that CoreDNS takes: an IPv6 prefix must not begin with 0 or a colon")
    return _reverse_zones(prefix), port


def canonical_zone(name: str) -> str:
    """A zone in lower case with the dot at its end."""
    return (name if name.endswith(".") else name + ".").lower()


def is_domain_name(name: str) -> bool:
    """What github.com/miekg/dns calls one: labels of at most 63 octets, 255 in all; nearly every octet will do."""
    octets = name.encode("utf-8", "replace")
    if not octets or len(octets) > 255:
        return False
    labels = re.sub(rb"\\(?:[0-9]{3}|.)", b"x", octets.removesuffix(b"."), flags=re.DOTALL).split(b".")
    if labels == [b""]:
        return octets == b"."
    return all(0 < len(label) < 64 for label in labels) and sum(len(label) + 1 for label in labels) <= 255


def covers(zone: str, name: str) -> bool:
    """Whether a canonical zone is, or contains, another."""
    return zone in {".", name} or name.endswith("." + zone)


def _prefix(text: str) -> Prefix | None:
    if "/" not in text:
        return None
    try:
        return parse_prefix(text)
    except ValueError:
        return None


def _reverse_zones(prefix: Prefix) -> list[str]:
    bits, digits, base, domain = (8, 4, 10, "in-addr.arpa.") if len(prefix.network) == 4 else (4, 32, 16, "ip6.arpa.")
    wanted = -(-prefix.length // bits)
    number = int.from_bytes(prefix.network, "big")
    zones = []
    for offset in range(1 << (wanted * bits - prefix.length)):
        high = (number >> ((digits - wanted) * bits)) + offset
        parts = [(high >> (index * bits)) & ((1 << bits) - 1) for index in range(wanted)]
        zones.append(".".join([*(str(part) if base == 10 else f"{part:x}" for part in parts), domain]))
    return zones


def is_address(text: str) -> bool:
    """An IPv4 or IPv6 address; an IPv6 zone (``fe80::1%eth0``) is allowed."""
    bare = text.partition("%")[0]
    try:
        socket.inet_pton(socket.AF_INET6 if ":" in bare else socket.AF_INET, bare)
    except (OSError, ValueError):
        return False
    return True


def split_host_port(text: str) -> tuple[str, str] | None:
    """Go's net.SplitHostPort: ``10.0.0.1:53``, ``[::1]:53``, ``:53``; None where that fails."""
    match = re.fullmatch(r"\[([^\[\]]*)\]:([^:\[\]]*)|([^:\[\]]*):([^:\[\]]*)", text)
    if not match:
        return None
    return (match[1], match[2]) if match[3] is None else (match[3], match[4])
