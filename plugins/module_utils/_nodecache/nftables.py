# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``nft -j list ruleset`` prints, as chains of the model. Pure."""

from __future__ import annotations

import functools
import json
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._nodecache.model import (
    Chain,
    Condition,
    Element,
    NodeCacheError,
    Rule,
    Verdict,
    network,
    number,
)

Json = dict[str, t.Any]
Sets = dict[tuple[str, str, str], t.Any]

_PAYLOAD = {
    ("ip", "saddr"): "source", ("ip", "daddr"): "destination", ("ip6", "saddr"): "source",
    ("ip6", "daddr"): "destination", ("ip", "protocol"): "protocol", ("ip6", "nexthdr"): "protocol",
    ("th", "sport"): "source_port", ("th", "dport"): "destination_port",
}  # fmt: skip
_META = {
    "iifname": "iif", "oifname": "oif", "iif": "iif", "oif": "oif", "l4proto": "protocol", "mark": "mark",
    "nfproto": "family", "protocol": "family",
}  # fmt: skip
_FAMILIES = {"ipv4": 4, "ip": 4, "ipv6": 6, "ip6": 6}
_FINAL = ("accept", "drop", "reject", "return")
_GO_ON = {"counter", "log", "set", "comment", "notrack", "ct helper", "flow", "dup", "secmark", "last"}
_MAY_DECIDE = ("vmap", "queue", "tproxy", "synproxy")
_COMMENT = ("xt", {"type": "match", "name": "comment"})
_PROTOCOLS = {6: "tcp", 17: "udp", 1: "icmp"}


class _NotUnderstood(Exception):
    pass


def listing(text: str) -> list[Json]:
    """The objects of a listing. Raises NodeCacheError for what is none."""
    try:
        return list(json.loads(text)["nftables"])
    except (ValueError, KeyError, TypeError) as error:
        raise NodeCacheError(f"'nft -j list ruleset' printed what is no listing: {text[:120]!r}") from error


def chains(objects: t.Sequence[Json]) -> list[Chain]:
    """The chains of a listing."""
    sets: Sets = {}
    found: dict[tuple[str, str, str], Chain] = {}
    for entry in objects:
        for kind in ("set", "map"):
            if kind in entry:
                held = entry[kind]
                sets[held["family"], held["table"], held["name"]] = held.get("elem", [])
    for entry in objects:
        if "chain" in entry:
            one = entry["chain"]
            parse = functools.partial(parse_rule, sets=sets)
            chain = Chain("nftables", one["family"], one["table"], one["name"], parse)
            if "hook" in one:
                chain.hook, chain.kind, chain.priority = one["hook"], one["type"], int(one["prio"])
                chain.policy = one.get("policy", "accept")
                device = one.get("dev", ())
                chain.devices = (device,) if isinstance(device, str) else tuple(device)
            found[one["family"], one["table"], one["name"]] = chain
    for entry in objects:
        if "rule" in entry:
            rule = entry["rule"]
            chain = found[rule["family"], rule["table"], rule["chain"]]
            chain.raw.append(rule)
            chain.handles.append(int(rule.get("handle", 0)))
    return list(found.values())


class _Draft:
    """A rule while its statements are read."""

    def __init__(self, raw: Json, sets: Sets) -> None:
        self.raw = raw
        self.sets = sets
        self.conditions: list[Condition] = []
        self.notrack = False
        self.mark: tuple[int, int] | None = None
        self.verdict: Verdict | None = None

    def add(self, kind: str, value: t.Any) -> None:
        """One statement. Raises _NotUnderstood, and what comes of a form that is not foreseen."""
        if kind == "match":
            self.conditions += _match(value, self.raw, self.sets)
        elif kind == "notrack":
            self.notrack = True
        elif kind == "mangle":
            self.mark = _mark(value, self.mark)
        elif kind == "vmap":
            self.verdict = _vmap(value, self.raw, self.sets)
        elif kind in _FINAL or kind in ("jump", "goto", "dnat", "redirect", "snat", "masquerade"):
            self.verdict = _verdict(kind, value)
        elif kind not in _GO_ON and (kind, value) != _COMMENT:
            raise _NotUnderstood


def parse_rule(raw: Json, sets: Sets) -> Rule:
    """One rule of a listing; ``sets`` are the elements of all named sets and maps."""
    draft = _Draft(raw, sets)
    unclear: list[str] = []
    for statement in raw.get("expr", ()):
        (kind, value), *_more = statement.items()
        try:
            draft.add(kind, value)
        except (_NotUnderstood, ValueError, KeyError, TypeError):
            unclear.append(json.dumps(statement))
            if kind in _MAY_DECIDE or (kind == "xt" and isinstance(value, dict) and value.get("type") == "target"):
                draft.verdict = Verdict("unknown", kind)
    return Rule(text(raw), tuple(draft.conditions), tuple(unclear), draft.notrack, draft.mark, draft.verdict)


def text(raw: Json) -> str:
    """A rule for people, near to how nft writes it."""
    words = [_words(statement) for statement in raw.get("expr", ())]
    comment = f' comment "{raw["comment"]}"' if raw.get("comment") else ""
    return " ".join(word for word in words if word) + comment


def _words(value: t.Any) -> str:
    """An expression for people."""
    if not isinstance(value, dict):
        return "{ " + ", ".join(map(_words, value)) + " }" if isinstance(value, list) else str(value)
    (kind, inner), *_more = value.items()
    if kind == "match":
        operator = "" if inner["op"] in ("==", "in") else f"{inner['op']} "
        return f"{_words(inner['left'])} {operator}{_words(inner['right'])}"
    if kind == "payload" and "field" in inner:
        return f"{inner['protocol']} {inner['field']}"
    if kind in ("meta", "ct"):
        return f"{kind} {inner['key']}"
    if kind in ("jump", "goto"):
        return f"{kind} {inner['target']}"
    if kind == "prefix":
        return f"{inner['addr']}/{inner['len']}"
    if kind == "range":
        return f"{_words(inner[0])}-{_words(inner[1])}"
    if kind == "set":
        return _words(inner)
    if kind == "concat":
        return " . ".join(map(_words, inner))
    if kind == "vmap":
        return f"{_words(inner['key'])} vmap {inner['data'] if isinstance(inner['data'], str) else '{ ... }'}"
    if kind == "&":
        return f"{_words(inner[0])} & {_words(inner[1])}"
    if kind in ("counter", "log"):
        return str(kind)
    return str(kind) if inner is None or kind == "reject" else f"{kind} {json.dumps(inner)}"


def _match(value: Json, raw: Json, sets: Sets) -> list[Condition]:
    fields, mask, implied = _fields(value["left"])
    operator, right = value["op"], value["right"]
    if operator not in ("==", "!=", "in", "<", ">", "<=", ">="):
        raise _NotUnderstood
    if fields == ("nat_done",):
        elements: tuple[tuple[Element, ...], ...] = (((1, 1),),)
    elif operator in ("<", ">", "<=", ">="):
        bound = int(right)
        low, high = {"<": (0, bound - 1), "<=": (0, bound), ">": (bound + 1, 65535), ">=": (bound, 65535)}[operator]
        elements = (((low, high),),)
    else:
        elements = _elements(right, fields, raw, sets)
    return [*implied, Condition(fields, elements, operator == "!=", mask)]


def _fields(left: t.Any) -> tuple[tuple[str, ...], int | None, list[Condition]]:
    """The fields that an expression reads, a mask, and the protocols that it implies."""
    if "concat" in left:
        parts = [_fields(part) for part in left["concat"]]
        if any(mask is not None for _names, mask, _implied in parts):
            raise _NotUnderstood
        implied = [condition for _names, _mask, more in parts for condition in more]
        return tuple(name for names, _mask, _implied in parts for name in names), None, implied
    if "&" in left:
        names, _mask, implied = _fields(left["&"][0])
        if names != ("mark",):
            raise _NotUnderstood
        return names, int(left["&"][1]), implied
    if "payload" in left:
        protocol, field = left["payload"]["protocol"], left["payload"]["field"]
        implied = [Condition(("protocol",), ((protocol,),))] if protocol in ("tcp", "udp", "icmp", "icmpv6") else []
        if protocol in ("ip", "ip6"):
            family = _FAMILIES[protocol]
            implied = [Condition(("family",), (((family, family),),))]
        if protocol in ("icmp", "icmpv6"):
            return ("protocol",), None, implied
        return (_PAYLOAD[("th" if protocol in ("tcp", "udp") else protocol), field],), None, implied
    if "meta" in left:
        return (_META[left["meta"]["key"]],), None, []
    if "ct" in left and left["ct"]["key"] == "state":
        return ("state",), None, []
    if "ct" in left and left["ct"]["key"] == "status":
        return ("nat_done",), None, []
    if "fib" in left:
        result, flags = left["fib"]["result"], left["fib"]["flags"]
        if result == "type" and flags in (["daddr"], ["saddr"]):
            return ("destination_type" if flags == ["daddr"] else "source_type",), None, []
        if result == "oif" and "saddr" in flags and "iif" in flags:
            return ("returns",), None, []
    raise _NotUnderstood


def _elements(right: t.Any, fields: tuple[str, ...], raw: Json, sets: Sets) -> tuple[tuple[Element, ...], ...]:
    if isinstance(right, str) and right.startswith("@"):
        right = sets[raw["family"], raw["table"], right[1:]]
    elif isinstance(right, dict) and "set" in right:
        right = right["set"]
    if not isinstance(right, list):
        right = [right]
    return tuple(_element(one, fields) for one in right)


def _element(one: t.Any, fields: tuple[str, ...]) -> tuple[Element, ...]:
    if isinstance(one, dict) and "elem" in one:
        one = one["elem"]["val"]
    parts = one["concat"] if isinstance(one, dict) and "concat" in one else [one]
    if len(parts) != len(fields):
        raise _NotUnderstood
    return tuple(_part(part, field) for part, field in zip(parts, fields))


def _part(part: t.Any, field: str) -> Element:
    if field == "returns":
        return (int(part is not False), int(part is not False))
    if field == "family":
        found = _FAMILIES[part]
        return (found, found)
    if isinstance(part, dict) and "prefix" in part:
        if field not in ("source", "destination"):
            raise _NotUnderstood
        return network(f"{part['prefix']['addr']}/{part['prefix']['len']}")
    if isinstance(part, dict) and "range" in part:
        low, high = (_number(end, field) for end in part["range"])
        return (low, high)
    if field in ("source", "destination", "source_port", "destination_port", "mark"):
        value = _number(part, field)
        return (value, value)
    if field == "protocol" and isinstance(part, int):
        return _PROTOCOLS.get(part, str(part))
    if not isinstance(part, str):
        raise _NotUnderstood
    return part


def _number(part: t.Any, field: str) -> int:
    if field in ("source", "destination"):
        return number(part)
    # Ports that nft prints by name.
    names = {"domain": 53, "http-alt": 8080}
    return names[part] if part in names else int(part)


def _vmap(value: Json, raw: Json, sets: Sets) -> Verdict:
    key, data = value["key"], value["data"]
    if "numgen" in key or "jhash" in key or "symhash" in key:
        # Which one is chance: none of kube-proxy's differs in kind, and the first stands for all.
        entries = _entries(data, raw, sets)
        found = [_verdict(*next(iter(verdict.items()))) for _element, verdict in entries]
        if not found:
            raise _NotUnderstood
        return found[0]
    fields, mask, _implied = _fields(key)
    if mask is not None:
        raise _NotUnderstood
    pairs = tuple(
        (_element(element, fields), _verdict(*next(iter(verdict.items()))))
        for element, verdict in _entries(data, raw, sets)
    )
    return Verdict("lookup", "", fields, pairs)


def _entries(data: t.Any, raw: Json, sets: Sets) -> list[tuple[t.Any, Json]]:
    if isinstance(data, str):
        data = sets[raw["family"], raw["table"], data[1:]]
    elif isinstance(data, dict):
        data = data["set"]
    return list(data)


def _verdict(kind: str, value: t.Any) -> Verdict:
    if kind in ("jump", "goto"):
        return Verdict(kind, value["target"])
    if kind in ("dnat", "redirect"):
        ends = [str(value[part]) for part in ("addr", "port") if part in value] if value else []
        return Verdict("dnat", " to ".join([kind, ":".join(ends)]) if ends else kind)
    return Verdict("accept" if kind in ("snat", "masquerade", "continue") else kind)


def _mark(value: Json, before: tuple[int, int] | None) -> tuple[int, int] | None:
    """What a statement does to the packet's mark; other fields do not matter here."""
    if value["key"] != {"meta": {"key": "mark"}}:
        return before
    new = value["value"]
    if isinstance(new, int) and before is None:
        return (0xFFFFFFFF, new)
    if isinstance(new, dict) and "|" in new and new["|"][0] == value["key"] and isinstance(new["|"][1], int):
        # Setting bits is clearing them and then flipping them.
        return (new["|"][1], new["|"][1]) if before is None else (-1, 0)
    return (-1, 0)
