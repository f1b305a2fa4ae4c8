# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Default gateways before and after a change: which must answer, and how each is asked."""

from __future__ import annotations

import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._checkpoint import neighbours, services
from ansible_collections.kubenode.network.plugins.module_utils._state.model import State

_MAIN = 254
_EVERYWHERE = ("0.0.0.0/0", "::/0")


class Gateway(t.NamedTuple):
    address: str
    """Empty for a default route without a gateway: it has nobody to ask."""
    interface: str
    main: bool
    """In the table main; one in another table is asked too, but a new one there may be silent."""
    family: int


class Asked(t.NamedTuple):
    how: str | None
    """``echo`` or ``neighbour``; None when nobody answered."""
    detail: str


def defaults(state: State) -> list[Gateway]:
    """The gateways of all default routes, each once."""
    found: dict[tuple[str, str], Gateway] = {}
    for routes in state.routes.values():
        for route in routes:
            if route.destination not in _EVERYWHERE or route.type != "unicast" or route.source_prefix:
                continue
            for hop in route.next_hops:
                key = (hop.gateway or "", hop.interface or "")
                main = route.table == _MAIN or (key in found and found[key].main)
                found[key] = Gateway(*key, main, route.family)
    return list(found.values())


def ask(address: str, interface: str | None, how: str | None, seconds: float) -> Asked:
    """Whether a gateway answers. ``how`` it answered before, None to try both ways, half of the time each."""
    on_link = interface or _interface_to(address)
    if how != "neighbour":
        took = neighbours.echo(address, interface, seconds if how or not on_link else seconds / 2)
        if took is not None:
            return Asked("echo", f"{address} answered an echo after {took:.1f} ms")
        if how or not on_link:
            return Asked(None, f"{address} answers no echo")
    if not on_link:
        return Asked(None, f"there is no way to {address}")
    took = neighbours.resolve(address, on_link, seconds if how else seconds / 2)
    if took is not None:
        return Asked("neighbour", f"{address} is there on {on_link} after {took:.1f} ms (it answers no echo)")
    return Asked(None, f"nobody answers for {address} on {on_link}")


def _interface_to(address: str) -> str | None:
    """The interface on whose link an address is; None where a gateway lies between."""
    import socket

    from ansible_collections.kubenode.network.plugins.module_utils._netlink.lookup import route_get
    from ansible_collections.kubenode.network.plugins.module_utils._netlink.sock import NetlinkError, RtnlSocket

    try:
        with RtnlSocket() as sock:
            answer = route_get(sock, dict(socket.if_nameindex()), address)
    except NetlinkError:
        return None
    return None if answer.gateway or answer.error else answer.interface


def _ask_all(wanted: t.Sequence[tuple[Gateway, str | None]], seconds: float) -> list[Asked]:
    found: list[Asked] = [Asked(None, "")] * len(wanted)

    def one(position: int, gateway: Gateway, how: str | None) -> t.Callable[[], services.Answer]:
        def run() -> services.Answer:
            found[position] = ask(gateway.address, gateway.interface or None, how, seconds)
            return found[position].how is not None, found[position].detail

        return run

    asks = [one(position, gateway, how) for position, (gateway, how) in enumerate(wanted)]
    answers = services.at_once(asks, seconds + 0.5)
    return [asked if asked.detail else Asked(None, detail) for asked, (_good, detail) in zip(found, answers)]


def before(gateways: t.Sequence[Gateway], seconds: float) -> tuple[bool, str, dict[str, t.Any]]:
    """Whether any answers, what was said, and the notes that ``after`` needs."""
    asked = [gateway for gateway in gateways if gateway.address]
    answers = _ask_all([(gateway, None) for gateway in asked], seconds)
    notes = [{**gateway._asdict(), "how": answer.how} for gateway, answer in zip(asked, answers)]
    detail = "; ".join(answer.detail for answer in answers) or "there is no default gateway"
    return any(answer.how for answer in answers), detail, {"gateways": notes}


def after(
    known: t.Sequence[dict[str, t.Any]], gateways: t.Sequence[Gateway], seconds: float
) -> tuple[bool, str, dict[str, t.Any]]:
    """Whether those answer that must: all that did before and still are gateways, and new ones in the table main.

    A family that had an answering gateway in main must have a default route there still.
    """
    told: list[str] = []
    families = {entry["family"] for entry in known if entry["main"] and entry["how"]}
    for family in sorted(families - {gateway.family for gateway in gateways if gateway.main}):
        lost = ", ".join(entry["address"] for entry in known if entry["family"] == family and entry["how"])
        told.append(f"no default gateway of IPv{6 if family == 10 else 4} is left, where {lost} was one")
    passed = not told
    earlier = {(entry["address"], entry["interface"]): entry["how"] for entry in known}
    wanted: list[tuple[Gateway, str | None]] = []
    for gateway in gateways:
        key = (gateway.address, gateway.interface)
        if not gateway.address or (key in earlier and not earlier[key]):
            continue
        if key in earlier or (gateway.main and gateway.family in families):
            wanted.append((gateway, earlier.get(key)))
    for (_gateway, how), answer in zip(wanted, _ask_all(wanted, seconds)):
        passed = passed and answer.how is not None
        told.append(answer.detail if answer.how or how else f"{answer.detail}, a gateway since the change")
    return passed, "; ".join(told) or "none is a gateway any more", {}
