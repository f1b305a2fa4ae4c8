# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What iptables-save prints, as chains of the model. Pure."""

from __future__ import annotations

import functools
import re
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._nodecache.model import (
    Chain,
    Condition,
    Element,
    Rule,
    Verdict,
    network,
)

# linux/netfilter_ipv4.h, and the hook of each built-in chain.
_PRIORITIES = {"raw": -300, "mangle": -150, "nat": -100, "filter": 0, "security": 50}
_AFTER_NAT = 100
TABLES = tuple(_PRIORITIES)
_HOOKS = {name.upper(): name for name in ("prerouting", "input", "forward", "output", "postrouting")}

_WORD = re.compile(r'"((?:[^"\\]|\\.)*)"|(\S+)')
_PORTS = {"--dport": "destination_port", "--dports": "destination_port", "--sport": "source_port"}
_PORTS["--sports"] = "source_port"
_ADDRESSES = {"-s": "source", "-d": "destination"}
_INTERFACES = {"-i": "iif", "-o": "oif"}
_TYPES = {"--dst-type": "destination_type", "--src-type": "source_type"}
# Extensions whose options are all understood below.
_KNOWN = {"comment", "tcp", "udp", "multiport", "conntrack", "state", "mark", "addrtype", "rpfilter"}
# Targets after which the packet goes on as it was.
_GO_ON = {
    "LOG", "NFLOG", "ULOG", "TRACE", "TCPMSS", "CHECKSUM", "CLASSIFY", "DSCP", "TOS", "SET", "SECMARK", "CONNSECMARK",
    "TTL", "HL", "TCPOPTSTRIP", "AUDIT", "RATEEST", "IDLETIMER", "LED", "TEE", "ECN",
}  # fmt: skip
_FINAL = {"ACCEPT": "accept", "DROP": "drop", "REJECT": "reject", "RETURN": "return"}
_NAT = {"DNAT", "REDIRECT", "NETMAP"}
_SOURCE_NAT = {"SNAT", "MASQUERADE"}


def chains(text: str, origin: str, family: str) -> list[Chain]:
    """The chains of a listing. ``origin`` as in ``Chain``, ``family`` ip or ip6."""
    found: dict[tuple[str, str], Chain] = {}
    names: dict[str, set[str]] = {}
    table = ""
    for line in text.splitlines():
        if line.startswith("*"):
            table = line[1:].strip()
            names[table] = set()
        elif line.startswith(":"):
            name, policy = line[1:].split()[:2]
            names[table].add(name)
            parse = functools.partial(parse_rule, chain_names=names[table])
            chain = Chain(origin, family, table, name, parse)
            if policy != "-" and name in _HOOKS:
                chain.hook = _HOOKS[name]
                chain.kind = "nat" if table == "nat" else "filter"
                late = table == "nat" and name in ("INPUT", "POSTROUTING")
                chain.priority = _AFTER_NAT if late else _PRIORITIES.get(table, 0)
                chain.policy = policy.lower()
            found[table, name] = chain
        elif line.startswith("-A "):
            chain_name = line.split(None, 2)[1]
            found[table, chain_name].raw.append(line)
    return list(found.values())


def words(line: str) -> list[str]:
    """The words of a rule; quoted ones without their quotes."""
    return [re.sub(r"\\(.)", r"\1", quoted) if quoted else plain for quoted, plain in _WORD.findall(line)]


def parse_rule(line: str, chain_names: t.Collection[str] = ()) -> Rule:
    """One line ``-A CHAIN ...``; ``chain_names`` are the chains that it may jump to."""
    rest = words(line)[2:]
    conditions: list[Condition] = []
    unclear: list[str] = []
    target = target_kind = ""
    options: list[str] = []
    index = 0
    negate = False
    while index < len(rest):
        word = rest[index]
        value = rest[index + 1] if index + 1 < len(rest) else ""
        index += 2
        if word == "!":
            index -= 1
            negate = True
            continue
        if word in ("-j", "-g"):
            target, target_kind = value, word
            options = rest[index:]
            break
        if word == "-m":
            if value not in _KNOWN:
                unclear.append(f"-m {value}")
                index = _behind(rest, index)
            continue
        if word == "--comment":
            negate = False
            continue
        found, length = _condition(word, value, negate)
        if found is None:
            unclear.append(f"{'! ' if negate else ''}{word} {value}".strip())
        elif found:
            conditions.append(found)
        index += length - 2
        negate = False
    return _with_target(Rule(line, tuple(conditions), tuple(unclear)), target, target_kind, options, chain_names)


def _behind(rest: list[str], index: int) -> int:
    """The next ``-m``, ``-j`` or ``-g``: what is before it belongs to an extension that is not known."""
    while index < len(rest) and rest[index] not in ("-m", "-j", "-g"):
        index += 1
    return index


def _condition(word: str, value: str, negate: bool) -> tuple[Condition | None, int]:
    """The condition (None: not understood) and how many words it took."""
    if word in _ADDRESSES:
        return Condition((_ADDRESSES[word],), ((network(value),),), negate), 2
    if word in _INTERFACES:
        return Condition((_INTERFACES[word],), ((_name(value),),), negate), 2
    if word == "-p":
        return Condition(("protocol",), ((value,),), negate), 2
    if word in _PORTS:
        return Condition((_PORTS[word],), tuple((_range(part),) for part in value.split(",")), negate), 2
    if word in ("--ctstate", "--state"):
        names = value.lower().split(",")
        # A packet of a test is the first of its connection: no NAT was done to it yet.
        return Condition(("state",), tuple((name,) for name in names if name not in ("dnat", "snat")), negate), 2
    if word == "--mark":
        number, _slash, mask = value.partition("/")
        wanted = int(number, 0)
        return Condition(("mark",), (((wanted, wanted),),), negate, int(mask, 0) if mask else 0xFFFFFFFF), 2
    if word in _TYPES:
        return Condition((_TYPES[word],), tuple((kind.lower(),) for kind in value.split(",")), negate), 2
    if word in ("--loose", "--validmark", "--accept-local"):
        return None, 1
    if word == "--invert":
        return Condition(("returns",), (((0, 0),),)), 1
    return None, 2 if value and not value.startswith("-") else 1


def _name(value: str) -> str:
    return value[:-1] + "*" if value.endswith("+") else value


def _range(text: str) -> Element:
    low, colon, high = text.partition(":")
    return (int(low or 0), int(high or 65535) if colon else int(low))


def _with_target(rule: Rule, target: str, kind: str, options: list[str], chain_names: t.Collection[str]) -> Rule:
    if not target or target in _GO_ON:
        return rule
    if target in _FINAL:
        return rule._replace(verdict=Verdict(_FINAL[target]))
    if target in chain_names:
        return rule._replace(verdict=Verdict("jump" if kind == "-j" else "goto", target))
    if target == "NOTRACK" or (target == "CT" and "--notrack" in options):
        return rule._replace(notrack=True)
    if target == "CT":
        return rule
    if target in _NAT:
        return rule._replace(verdict=Verdict("dnat", " ".join([target, *options])))
    if target in _SOURCE_NAT:
        return rule._replace(verdict=Verdict("accept"))
    if target == "MARK" and options[:1] == ["--set-xmark"]:
        number, _slash, mask = options[1].partition("/")
        return rule._replace(mark=(int(mask, 0) if mask else 0xFFFFFFFF, int(number, 0)))
    if target in ("MARK", "HMARK"):
        return rule._replace(mark=(-1, 0))
    if target == "CONNMARK":
        # Without a connection it does nothing, and the packet of a test is the first of its own.
        return rule
    return rule._replace(verdict=Verdict("unknown", target))
