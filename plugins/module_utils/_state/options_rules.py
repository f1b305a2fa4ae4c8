# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Policy rules as users write them -> RuleSpec. What the kernel refuses was tried on Linux 6.18 and 6.1's source."""

from __future__ import annotations

import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._state import options_values as v
from ansible_collections.kubenode.network.plugins.module_utils._state.model import RuleSpec

RULE_KEYS = frozenset((
    "from", "to", "priority", "table", "fwmark", "fwmask", "iif", "oif", "tos", "ip_protocol", "source_ports",
    "destination_ports", "uid_range", "invert", "action", "suppress_prefix_length", "family", "state",
))  # fmt: skip
RULE_ALIASES = {
    "ip-from": "from", "ip_from": "from", "ip-to": "to", "ip_to": "to", "route-table": "table", "route_table": "table",
    "ip-protocol": "ip_protocol", "source-ports": "source_ports", "destination-ports": "destination_ports",
    "uid-range": "uid_range", "suppress-prefix-length": "suppress_prefix_length",
    "suppress_prefixlength": "suppress_prefix_length",
}  # fmt: skip
RULE_ACTIONS = ("lookup", "blackhole", "unreachable", "prohibit")
_MAIN = 254
# net/core/fib_rules.c: the kernel's own rules are 0 (local), 32766 (main) and 32767 (default).
_KERNEL_PRIORITIES = (0, 32766, 32767)
# include/net/fib_rules.h fib_rule_port_range_valid(): neither 0 nor 65535 is accepted.
_PORTS = (1, 65534, "the kernel's rules accept neither port 0 nor 65535")
_UIDS = (0, v.U32 - 1, "2^32-1 is no user")


def parse_rules(
    value: t.Any, owner: str | None, origin: str, warn: v.Warnings, profiles: t.AbstractSet[str] = frozenset()
) -> tuple[RuleSpec, ...]:
    """Rules and patterns (``state: absent``), in the order given.

    Declared rules come with family, action and table filled in; a mark always with its mask. In a pattern an empty
    ``source`` or ``destination`` means "only rules without one" (NMState), None is any.
    """
    found = []
    for position, given in enumerate(v.entries(value, origin)):
        where = f"{origin}[{position}]"
        entry = v.tidy(given, RULE_KEYS, RULE_ALIASES, where)
        absent = v.choice(entry.pop("state", "present"), ("present", "absent"), f"{where}.state") == "absent"
        spec = _rule(entry, owner, where, absent, warn, profiles)
        if absent and spec[3:] == _NOTHING:
            v.fail(where, entry, "at least one field to match by", "An absent entry matches every rule by what it says")
        found.append(spec)
    return tuple(found)


_NOTHING = RuleSpec(None, "", True, None)[3:]


def _filled(rule: RuleSpec) -> RuleSpec:
    action = rule.action or "lookup"
    table = rule.table or (_MAIN if action == "lookup" else None)
    return rule._replace(family=rule.family or v.IPV4, action=action, table=table, invert=bool(rule.invert))


def _rule(
    entry: v.Entry, owner: str | None, where: str, absent: bool, warn: v.Warnings, profiles: t.AbstractSet[str]
) -> RuleSpec:
    found: dict[str, t.Any] = {}
    family = v.family(entry["family"], f"{where}.family") if "family" in entry else None
    for key, field in (("from", "source"), ("to", "destination")):
        given = entry.get(key)
        if given == "" and absent:
            found[field] = ""
        elif given is not None and given != "":
            prefix_family, prefix = v.prefix(given, f"{where}.{key}", warn)
            if family is not None and family != prefix_family:
                v.fail(f"{where}.{key}", given, f"an {v.family_name(family)} prefix, as the rest of the rule is")
            family = prefix_family
            # The kernel keeps no prefix of length 0: it is "from all".
            found[field] = prefix if not prefix.endswith("/0") else "" if absent else None
    if "priority" in entry:
        found["priority"] = _priority(entry["priority"], f"{where}.priority", absent, warn)
    action = found["action"] = v.choice(entry["action"], RULE_ACTIONS, f"{where}.action") if "action" in entry else None
    if "table" in entry:
        found["table"] = v.table(entry["table"], f"{where}.table")
        if action not in (None, "lookup"):
            v.fail(f"{where}.table", entry["table"], f"no table in a rule whose action is {action}")
    if "fwmark" in entry or "fwmask" in entry:
        found["fwmark"], found["fwmask"] = _mark(entry, where)
    for key in ("iif", "oif"):
        if key in entry:
            found[key] = v.interface(entry[key], f"{where}.{key}", profiles)
    if "tos" in entry:
        found["tos"] = _tos(entry["tos"], f"{where}.tos", family)
    if "ip_protocol" in entry:
        found["ip_protocol"] = v.ip_protocol(entry["ip_protocol"], f"{where}.ip_protocol")
    for key, limits in (("source_ports", _PORTS), ("destination_ports", _PORTS), ("uid_range", _UIDS)):
        if key in entry:
            low, high, why = limits
            found[key] = v.number_range(entry[key], low, high, f"{where}.{key}", why)
    if "invert" in entry:
        found["invert"] = v.boolean(entry["invert"], f"{where}.invert")
    if "suppress_prefix_length" in entry:
        if action not in (None, "lookup"):
            v.fail(f"{where}.suppress_prefix_length", entry["suppress_prefix_length"], f"no suppressor with {action}")
        bits = 128 if family == v.IPV6 else 32
        at = f"{where}.suppress_prefix_length"
        found["suppress_prefix_length"] = v.integer(entry["suppress_prefix_length"], 0, bits, at, "a prefix length")
    spec = RuleSpec(owner, where, absent, family, **found)
    if absent:
        return spec
    spec = _filled(spec)
    selecting = any(field is not None for field in spec[7:18])
    if not selecting and (spec.invert or family is None):
        v.fail(
            where, entry, "a selector (from, to, fwmark, iif, oif, tos, ip_protocol, ports or uid_range)",
            "An inverted rule without one matches nothing" if spec.invert else
            "A rule that is meant for all traffic says so with from: 0.0.0.0/0, from: ::/0 or family",
        )  # fmt: skip
    return spec


def _priority(value: t.Any, where: str, absent: bool, warn: v.Warnings) -> int | None:
    number = v.integer(value, -1, v.U32, where, "-1 leaves the choice to us")
    if number == -1:
        return None
    if not absent:
        if number in _KERNEL_PRIORITIES:
            v.fail(where, value, "a priority from 1 to 32765 (0, 32766 and 32767 are the kernel's own rules)")
        if number > 32767:
            warn.append(
                f"{where}: rules above 32767 are asked after the main table, and never where that has a default route"
            )
    return number


def _mark(entry: v.Entry, where: str) -> tuple[int, int]:
    """The mark and its mask; ``0x10/0xff`` says both, as in `ip rule`."""
    mark, mask = entry.get("fwmark"), entry.get("fwmask")
    if mark is None:
        v.fail(f"{where}.fwmask", mask, "a fwmark beside it")
    if isinstance(mark, str) and "/" in mark:
        mark, _slash, own_mask = mark.partition("/")
        if mask is not None:
            v.fail(f"{where}.fwmask", mask, "no second mask beside that of fwmark")
        mask = own_mask
    mark = v.integer(mark, 0, v.U32, f"{where}.fwmark", "32 bits")
    mask = v.U32 if mask is None else v.integer(mask, 1, v.U32, f"{where}.fwmask", "32 bits; 0 would match every mark")
    return mark, mask


def _tos(value: t.Any, where: str, family: int | None) -> int | None:
    """A TOS byte: ECN bits 0; of an IPv4 rule 0x1c at most (net/ipv4/fib_rules.c, IPTOS_TOS_MASK)."""
    tos = v.integer(value, 0, 252, where, "the two ECN bits must be 0")
    if tos & 3 or (family != v.IPV6 and tos > 0x1C):
        v.fail(where, value, "a multiple of 4 (ECN bits are not for rules), at most 28 (0x1c) in an IPv4 rule")
    return tos or None
