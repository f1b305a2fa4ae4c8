# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of one packet in all chains of a hook. Pure.

A match is true, false or not to be told. What a rule that may match would do is followed beside what comes after it: a
verdict is certain when every way leads to it.
"""

from __future__ import annotations

import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._nodecache.model import (
    CONNTRACK_PRIORITY,
    NEW,
    UNTRACKED,
    Chain,
    Condition,
    Element,
    Packet,
    Rule,
    Ruleset,
    Verdict,
)

_DEPTH = 16
"""Jumps within jumps: as deep as the kernel allows (NFT_JUMP_STACK_SIZE)."""


class Judged(t.NamedTuple):
    """What a hook does with a packet."""

    verdict: str
    """``accept``, ``drop``, ``reject`` or ``unknown``."""
    packet: Packet
    """As it leaves the hook."""
    chain: Chain | None = None
    """Where it was dropped, or where it is not to be told."""
    rules: tuple[str, ...] = ()
    """The rules on the way there, from the base chain on; the last decides. Empty: the policy does."""
    handle: int | None = None
    notrack: tuple[Chain, str] | None = None
    """The rule that took the packet out of connection tracking, in time."""
    late: tuple[Chain, str] | None = None
    """One that would have, had the packet not been tracked already."""
    nat: tuple[Chain, tuple[str, ...], str] | None = None
    """The rules of a NAT that was taken, and where to."""


class _End(t.NamedTuple):
    kind: str
    rules: tuple[str, ...]
    chain: Chain
    handle: int | None
    target: str = ""


class _Walk:
    """One base chain."""

    def __init__(self, ruleset: Ruleset, packet: Packet, tracked: bool) -> None:
        self.ruleset = ruleset
        self.tracked = tracked
        self.packet = packet
        self.notrack: tuple[Chain, str] | None = None
        self.ends: list[_End] = []
        """Every verdict that may be reached; the first is what happens where all matches are certain."""
        self.unsure: tuple[str, Chain] | None = None
        """The first rule that may match or not."""
        self.sure = True
        """Whether the packet surely comes to the rule that is looked at."""

    def follow(self, chain: Chain, path: tuple[str, ...]) -> bool:
        """Whether the packet may come out at the chain's end, or return."""
        leaves = False
        for index in range(len(chain.raw)):
            rule = chain.rule(index)
            matches = _matches(rule, self.packet)
            if matches is False:
                continue
            if matches is None:
                self.unsure = self.unsure or (rule.text, chain)
            self._effects(rule, chain, self.sure and matches is True)
            verdict, known = rule.verdict, True
            if verdict is not None and verdict.kind == "lookup":
                verdict, known = _look_up(verdict, self.packet)
            if not known:
                self.unsure = self.unsure or (rule.text, chain)
                verdict = Verdict("unknown")
                matches = None
            if verdict is None:
                continue
            if matches is None:
                # The packet may be elsewhere by now: what comes may not happen to it.
                self.sure = False
            out, on = self._ends(verdict, chain, (*path, rule.text), index)
            leaves = leaves or out
            if matches is True and not on:
                return leaves
        return True

    def _ends(self, verdict: Verdict, chain: Chain, here: tuple[str, ...], index: int) -> tuple[bool, bool]:
        """What a rule that matches does: whether the packet may leave the chain by it, and whether it may go on."""
        if verdict.kind == "return":
            return True, False
        if verdict.kind in ("jump", "goto"):
            target = self.ruleset.sibling(chain, verdict.target)
            if target is None or len(here) > _DEPTH:
                self.ends.append(self._end("unknown", here, chain, index))
                return False, True
            through = self.follow(target, here)
            return (through, False) if verdict.kind == "goto" else (False, through)
        self.ends.append(self._end(verdict.kind, here, chain, index, verdict.target))
        return False, False

    @staticmethod
    def _end(kind: str, rules: tuple[str, ...], chain: Chain, index: int, target: str = "") -> _End:
        return _End(kind, rules, chain, chain.handles[index] if chain.handles else None, target)

    def _effects(self, rule: Rule, chain: Chain, sure: bool) -> None:
        if rule.notrack and self.packet.state == NEW and not self.tracked:
            if sure:
                self.notrack = (chain, rule.text)
            self.packet = self.packet._replace(state=UNTRACKED if sure else None)
        if rule.mark is not None:
            clear, flip = rule.mark
            known = self.packet.mark is not None and sure and clear >= 0
            self.packet = self.packet._replace(mark=((self.packet.mark or 0) & ~clear) ^ flip if known else None)


def judge(ruleset: Ruleset, hook: str, packet: Packet, tracked: bool = False, bridge: bool = False) -> Judged:
    """Send a packet through a hook. Chains of NAT never see one that is untracked.

    ``tracked``: as if no rule took packets out of connection tracking. ``bridge``: the chains of the family bridge.
    """
    notrack = late = taken = unsure = None
    for chain in ruleset.base(hook, packet, bridge):
        if chain.kind == "nat" and packet.state == UNTRACKED:
            continue
        walk = _Walk(ruleset, packet, tracked)
        if walk.follow(chain, ()):
            walk.ends.append(_End(chain.policy, (), chain, None))
        if walk.notrack and chain.priority < CONNTRACK_PRIORITY:
            notrack = notrack or walk.notrack
        elif walk.notrack:
            late = late or walk.notrack
            walk.packet = walk.packet._replace(state=packet.state)
        packet = walk.packet
        kinds = {end.kind for end in walk.ends}
        first = walk.ends[0]
        if chain.kind == "nat":
            nats = [end for end in walk.ends if end.kind == "dnat"]
            if nats and packet.state == NEW:
                taken = taken or (nats[0].chain, nats[0].rules, nats[0].target)
            kinds = {"accept" if kind == "dnat" else kind for kind in kinds}
        if kinds <= {"drop", "reject"}:
            return Judged(first.kind, packet, first.chain, first.rules, first.handle, notrack, late, taken)
        if kinds != {"accept"} and unsure is None:
            doubt, place = walk.unsure or (first.rules[-1] if first.rules else "", first.chain)
            unsure = (place, (doubt,))
    if unsure is not None:
        return Judged("unknown", packet, unsure[0], unsure[1], None, notrack, late, taken)
    return Judged("accept", packet, None, (), None, notrack, late, taken)


def _matches(rule: Rule, packet: Packet) -> bool | None:
    sure: bool | None = None if rule.not_understood else True
    for condition in rule.conditions:
        found = _holds(condition, packet)
        if found is False:
            return False
        if found is None:
            sure = None
    return sure


def _holds(condition: Condition, packet: Packet) -> bool | None:
    values = [_value(packet, field) for field in condition.fields]
    if condition.mask is not None and isinstance(values[0], int):
        values[0] &= condition.mask
    found = _among(values, condition.elements)
    return found if found is None else found != condition.negate


def _among(values: t.Sequence[int | str | None], elements: t.Iterable[tuple[Element, ...]]) -> bool | None:
    unknown = False
    for element in elements:
        each = [None if value is None else _is(value, part) for value, part in zip(values, element)]
        if all(each):
            return True
        # All that is known fits: what is not known decides.
        if False not in each:
            unknown = True
    return None if unknown else False


def _is(value: int | str, element: Element) -> bool:
    if isinstance(element, tuple):
        return isinstance(value, int) and element[0] <= value <= element[1]
    if isinstance(value, int):
        return False
    return value.startswith(element[:-1]) if element.endswith("*") else value == element


def _value(packet: Packet, field: str) -> int | str | None:
    if field == "returns":
        return None if packet.returns is None else int(packet.returns)
    if field == "nat_done":
        return 0
    if field in packet._fields:
        return t.cast("int | str | None", getattr(packet, field))
    return None


def _look_up(verdict: Verdict, packet: Packet) -> tuple[Verdict | None, bool]:
    """The verdict of the entry that fits, and whether it is certain."""
    values = [_value(packet, field) for field in verdict.fields]
    for element, found in verdict.entries:
        fits = _among(values, (element,))
        if fits:
            return found, True
        if fits is None:
            return None, False
    return None, True
