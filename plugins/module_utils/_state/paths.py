# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which way goes a packet? Asked of the kernel, and compared with what was expected (N12 in the requirements)."""

from __future__ import annotations

import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._netlink.constants import RTAX_MTU
from ansible_collections.kubenode.network.plugins.module_utils._netlink.objects import Route
from ansible_collections.kubenode.network.plugins.module_utils._netlink.sock import NetlinkError, RtnlSocket
from ansible_collections.kubenode.network.plugins.module_utils._state.model import PathSpec, State

# The question's fields, as they are shown in the evidence.
_QUESTION = tuple(name for name in PathSpec._fields if name not in ("origin", "expect"))


def ask(paths: t.Sequence[PathSpec], state: State) -> list[dict[str, t.Any]]:
    """The kernel's answer to each question, in one session.

    One dict each: the question's fields that were given, ``answer`` (gateway, interface, source, table, type, metric,
    mtu; None where it has none; ``type`` and ``error`` alone where there is no way), ``expected`` and ``passed``.
    """
    from ansible_collections.kubenode.network.plugins.module_utils._netlink.lookup import route_get

    names = {link.index: link.name for link in state.links.values()}
    indexes = {name: index for index, name in names.items()}
    evidence = []
    with RtnlSocket() as sock:
        for path in paths:
            given = {name: getattr(path, name) for name in _QUESTION if getattr(path, name) is not None}
            try:
                answer = _answer(route_get(sock, path, names, indexes))
            except NetlinkError as error:
                answer = {"type": "unreachable", "error": str(error)}
            except KeyError as error:
                answer = {"type": "unreachable", "error": f"there is no interface {error.args[0]}"}
            wanted = {name: _table_id(value, state) if name == "table" else value for name, value in path.expect}
            # An empty gateway is "on the link".
            differing = [name for name, value in wanted.items() if answer.get(name) != (value or None)]
            if "error" in answer and "type" not in wanted:
                differing.append("type")
            evidence.append(
                {**given, "answer": answer, "expected": dict(path.expect), "passed": not differing,
                 "differing": sorted(set(differing))}
            )  # fmt: skip
    return evidence


def _table_id(value: t.Any, state: State) -> t.Any:
    if isinstance(value, int) or str(value).isdigit():
        return int(value) or 254
    return next((number for number, name in state.tables.items() if name == value), value)


def _answer(route: Route) -> dict[str, t.Any]:
    hop = route.next_hops[0] if route.next_hops else None
    return {
        "type": route.type,
        "interface": hop.interface if hop else None,
        "gateway": hop.gateway if hop else None,
        "source": route.source,
        "table": route.table,
        "metric": route.metric,
        "mtu": next((value for number, value in route.metrics if number == RTAX_MTU), None),
    }


def failures(evidence: t.Iterable[dict[str, t.Any]]) -> list[str]:
    """One line for each answer that is not as expected, with the whole answer."""
    lines = []
    for one in evidence:
        if not one["passed"]:
            question = ", ".join(f"{name} {one[name]}" for name in _QUESTION if name in one)
            wanted = ", ".join(f"{name} {value}" for name, value in one["expected"].items()) or "a way"
            answer = ", ".join(f"{name} {value}" for name, value in one["answer"].items() if value is not None)
            lines.append(f"path to {question}: expected {wanted}; the kernel answers {answer}")
    return lines
