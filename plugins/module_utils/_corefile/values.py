# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kinds of arguments that plugins take, each a check that returns what is wrong, or nothing. Pure."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._corefile.keys import (
    is_address,
    is_domain_name,
    split_host_port,
    transport,
)

Check = t.Callable[[t.Sequence[str]], str]
"""Takes all arguments of a plugin or an option."""
Kind = t.Callable[[str], str]
"""Takes one argument."""

# time.ParseDuration
_DURATION = re.compile(r"[+-]?(?:(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:ns|us|\u00b5s|\u03bcs|ms|s|m|h))+|[+-]?0")
_PARTS = re.compile(r"([0-9.]+)(ns|us|\u00b5s|\u03bcs|ms|s|m|h)")
_SECONDS = {"ns": 1e-9, "us": 1e-6, "\u00b5s": 1e-6, "\u03bcs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
# strconv.Atoi
_INTEGER = re.compile(r"[+-]?[0-9]+")

# github.com/miekg/dns, StringToRcode
_RCODES = """
NOERROR FORMERR SERVFAIL NXDOMAIN NOTIMP NOTIMPL REFUSED YXDOMAIN YXRRSET NXRRSET NOTAUTH NOTZONE DSOTYPENI STATEFUL
BADSIG BADVERS BADKEY BADTIME BADMODE BADNAME BADALG BADTRUNC BADCOOKIE
"""
RCODES = frozenset(_RCODES.split())


def seconds(text: str) -> float | None:
    """Go's time.ParseDuration: ``1h30m``, ``500ms``, ``0``; None for what is none."""
    if not _DURATION.fullmatch(text):
        return None
    total = sum(float(number) * _SECONDS[unit] for number, unit in _PARTS.findall(text))
    return -total if text.startswith("-") else total


def anything(_args: t.Sequence[str]) -> str:
    """No complaint."""
    return ""


def word(_arg: str) -> str:
    """One argument, whatever it is."""
    return ""


def none(args: t.Sequence[str]) -> str:
    """No arguments."""
    return f"takes no argument, and here is {' '.join(args)}" if args else ""


def some(kind: Kind = word) -> Check:
    """One argument or more, each of a kind."""

    def check(args: t.Sequence[str]) -> str:
        return "needs an argument" if not args else next(filter(None, map(kind, args)), "")

    return check


def each(*kinds: Kind, optional: int = 0, rest: Kind | None = None, more: bool = False) -> Check:
    """Arguments of these kinds, of which the last ``optional`` may be missing; then any number of ``rest``.

    ``more``: CoreDNS does not look at what comes after them.
    """

    def check(args: t.Sequence[str]) -> str:
        if len(args) < len(kinds) - optional:
            return f"needs {_arguments(len(kinds) - optional)}, and here are {len(args)}"
        if len(args) > len(kinds) and rest is None and not more:
            return f"takes at most {_arguments(len(kinds))}, and here is {' '.join(args)}"
        found = [kind(arg) for kind, arg in zip(kinds, args)]
        if rest is not None:
            found += map(rest, args[len(kinds) :])
        return next(filter(None, found), "")

    return check


def duration(low: float | None = 0, high: float | None = None, zero: bool = True) -> Kind:
    """A Go duration within bounds in seconds."""

    def check(arg: str) -> str:
        value = seconds(arg)
        if value is None:
            return f"{arg!r} is no duration: write 30s, 500ms, 1h"
        if (low is not None and value < low) or (high is not None and value > high) or (not zero and value == 0):
            between = f"at least {low:g}s" if high is None else f"between {low or 0:g}s and {high:g}s"
            return f"{arg} is out of range: {between}" if zero else f"{arg} must be more than zero"
        return ""

    return check


def integer(low: int | None = None, high: int | None = None) -> Kind:
    """A whole number within bounds."""

    def check(arg: str) -> str:
        if not _INTEGER.fullmatch(arg):
            return f"{arg!r} is no number"
        if (low is not None and int(arg) < low) or (high is not None and int(arg) > high):
            return f"{arg} is out of range: " + (f"at least {low}" if high is None else f"{low} to {high}")
        return ""

    return check


def one_of(*choices: str, fold: bool = False) -> Kind:
    """One of some words."""

    def check(arg: str) -> str:
        known = (arg.lower() if fold else arg) in choices
        return "" if known else f"{arg!r} is none of {', '.join(choices)}"

    return check


def host_port(arg: str) -> str:
    """``:8080`` or ``127.0.0.1:8080``."""
    return "" if split_host_port(arg) else f"{arg!r} is no address with a port, like :8080"


def address(arg: str) -> str:
    """An IP address."""
    return "" if is_address(arg) and "%" not in arg else f"{arg!r} is no IP address"


def resolver(arg: str) -> str:
    """An IP address with or without a port."""
    parts = split_host_port(arg)
    return address(parts[0] if parts else arg)


def bindable(arg: str) -> str:
    """An IP address or the name of an interface."""
    if is_address(arg):
        return ""
    if re.fullmatch(r"[^\s/:]{1,15}", arg) and not re.fullmatch(r"[0-9.]+", arg):
        return ""
    return f"{arg!r} is no IP address, and no interface can be called so"


def percentage(arg: str) -> str:
    """10% to 90%."""
    if not arg.endswith("%"):
        return f"{arg!r} is no percentage"
    return integer(10, 90)(arg[:-1])


def domain(arg: str) -> str:
    """A domain name."""
    return "" if is_domain_name(arg) else f"{arg!r} is no domain name"


def rcode(arg: str) -> str:
    """A DNS response code."""
    return "" if arg.upper() in RCODES else f"{arg!r} is no DNS response code"


def failover_rcode(arg: str) -> str:
    """A response code that is no success."""
    return "NOERROR is an answer, not a failure" if arg.upper() == "NOERROR" else rcode(arg)


def upstream(arg: str) -> str:
    """An upstream of ``forward`` by its form: an address, a file, or a name."""
    scheme, rest = transport(arg)
    if not rest:
        return f"{arg!r} names no address"
    if scheme not in {"dns", "tls", "quic", "https", "unix"}:
        return f"{arg!r}: forward does not speak {scheme}://"
    if scheme == "https" and "/" in rest:
        return f"{arg!r}: no path is allowed, /dns-query is taken"
    return ""


def _arguments(count: int) -> str:
    return f"{count} argument{'s' if count > 1 else ''}"
