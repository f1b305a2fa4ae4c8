# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The protected path: a plan that would move or cut it is refused before anything is touched (pure).

Protected are the way to the controller, to the API server, the default route in use of each family, and the CIDRs
that the user names. The lookups of before and after are compared, so it does not matter by what trick a path would be
taken over: a lower or equal metric, a more specific route, a rule, an address, a link.
"""

from __future__ import annotations

import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._state.model import Change, State, StateError
from ansible_collections.kubenode.network.plugins.module_utils._state.simulate import (
    AF_INET,
    AF_INET6,
    Answer,
    Fib,
    Prefix,
    afterwards,
    number,
    prefix,
)

if t.TYPE_CHECKING:
    from ansible_collections.kubenode.network.plugins.module_utils._state.ledger import Ledger

_TOUCHES_PATHS = ("link", "address", "route", "rule")
_KERNEL = 2


class Watched(t.NamedTuple):
    what: str
    family: int
    address: int | None
    source: int | None
    text: str


def check(
    state: State,
    changes: t.Sequence[Change],
    peers: t.Sequence[tuple[str, str, str | None]],
    protect: t.Sequence[str],
) -> None:
    """Raises StateError where `changes` move a protected path."""
    if not any(change.kind in _TOUCHES_PATHS for change in changes):
        return
    watched = _watched(changes, peers, protect)
    points = [(w.family, w.address) for w in watched if w.address is not None]
    after_state = afterwards(state, changes)
    before, after = Fib(state, points), Fib(after_state, points)
    refused = []
    for w in watched:
        old = before.lookup(w.family, w.address, w.source)
        if old is None:
            continue
        new = after.lookup(w.family, w.address, w.source)
        if not old.same_way(new):
            what = f"{w.what} ({w.text})" if w.text else w.what
            refused.append(
                f"The change would move {what}: now {_way(old)}, then {_way(new)} (by {_culprit(changes, new, old)})."
            )
    for what, _address, own in peers:
        if own is not None and _has(state, own) and not _has(after_state, own):
            refused.append(f"The change would remove {own}, this node's own address of the connection to {what}.")
    if refused:
        raise StateError(
            "Refused, nothing was changed: it would cut off or move a protected path.\n"
            + "\n".join(dict.fromkeys(refused))
            + "\nUse a higher metric, a table of its own with a rule, or a narrower destination; if this is what you "
            "want, set allow_default_override: true.",
            refused=list(dict.fromkeys(refused)),
        )


def _has(state: State, address: str) -> bool:
    return any(
        one.address == address and one.interface in state.links and state.links[one.interface].up
        for one in state.addresses.values()
    )


def _watched(
    changes: t.Sequence[Change], peers: t.Sequence[tuple[str, str, str | None]], protect: t.Sequence[str]
) -> list[Watched]:
    watched = []
    for what, address, own in peers:
        family, value = number(address)
        source = number(own)[1] if own is not None and number(own)[0] == family else None
        watched.append(Watched("the path to " + what, family, value, source, address))
        watched.append(Watched("the path to " + what, family, value, None, address))
    for family, name in ((AF_INET, "IPv4"), (AF_INET6, "IPv6")):
        watched.append(Watched(f"the {name} default route in use", family, None, None, ""))
    for cidr in protect:
        where = prefix(cidr)
        for point in _boundaries(where, changes):
            watched.append(Watched("the path to the protected network", where.family, point, None, cidr))
    return watched


def _boundaries(where: Prefix, changes: t.Sequence[Change]) -> list[int]:
    """A lookup can change only at the edges of a changed prefix: these points stand for the whole network."""
    points = {where.start, where.end}
    for change in changes:
        for thing in (change.before, change.after):
            if thing is None:
                continue
            text = None
            if change.kind in ("route", "rule"):
                text = thing.destination
            elif change.kind == "address":
                text = f"{thing.address}/{thing.prefix_length}"
            inner = prefix(text) if text is not None else where
            if inner.family != where.family:
                continue
            bits = inner.bits - inner.length
            start = inner.start >> bits << bits
            end = start | ((1 << bits) - 1)
            # An address splits its network in two: itself and its neighbours are points of their own.
            edges = (start - 1, start, end, end + 1, inner.start - 1, inner.start, inner.start + 1)
            points.update(point for point in edges if where.covers(point))
    return sorted(points)


def _way(answer: Answer | None) -> str:
    if answer is None:
        return "no route"
    if not answer.hops:
        return answer.type
    hops = sorted(
        (f"via {gateway} " if gateway else "") + f"dev {interface or '?'}" for interface, gateway in answer.hops
    )
    return (answer.type + " " if answer.type != "unicast" else "") + " and ".join(hops)


def _culprit(changes: t.Sequence[Change], new: Answer | None, old: Answer) -> str:
    for change in changes:
        if change.kind == "route" and new is not None and change.after == new.route:
            return change.name
        if change.kind == "route" and change.before == old.route:
            return change.name
    names = [change.name for change in changes if change.kind in ("rule", "link", "address")]
    return ", ".join(names[:3]) or "the sum of the changes"


# --- what the kernel would take along ---------------------------------------------------------------------------------


def check_collateral(ledger: Ledger) -> None:
    """Deleting an address or taking a link down makes the kernel drop routes over it: never those of others."""
    from ansible_collections.kubenode.network.plugins.module_utils._state.classify import OURS
    from ansible_collections.kubenode.network.plugins.module_utils._state.ledger import text_of

    removals = [
        change
        for change in ledger.changes
        if (change.kind == "address" and change.after is None)
        or (change.kind == "link" and change.before is not None and (change.after is None or not change.after.up))
    ]
    if not removals:
        return
    after = afterwards(ledger.state, ledger.changes)
    planned = {change.before.key for change in ledger.changes if change.kind == "route" and change.before is not None}
    for key, routes in ledger.state.routes.items():
        if key in planned:
            continue
        left = after.routes.get(key, ())
        for route in routes:
            if route in left or route.protocol == _KERNEL:
                continue
            kind, who = ledger.classifier.route(route)
            if kind != OURS:
                names = " and ".join(change.name for change in removals)
                ledger.conflict(f"{names} would make the kernel drop {text_of(route)} of {who}. Move that route first.")
