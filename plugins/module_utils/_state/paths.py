# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which way goes a packet? Asked of the kernel, and compared with what was expected (N12 in the requirements)."""

from __future__ import annotations

import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._netlink.sock import NetlinkError, RtnlSocket
from ansible_collections.kubenode.network.plugins.module_utils._state.model import PathSpec, State, StateError

if t.TYPE_CHECKING:
    from ansible_collections.kubenode.network.plugins.module_utils._netlink.lookup import RouteAnswer

# The question's fields, as they are shown in the evidence.
_QUESTION = tuple(name for name in PathSpec._fields if name not in ("origin", "family", "expect"))
_ANSWER = ("type", "interface", "gateway", "source", "table", "metric", "mtu")


def ask(paths: t.Sequence[PathSpec], state: State) -> list[dict[str, t.Any]]:
    """The kernel's answer to each question, in one session.

    One dict each: the question's fields that were given, ``answer`` (gateway, interface, source, table, type, metric,
    mtu; None where it has none; with ``error`` where there is no way), ``expected``, ``passed`` and ``differing``
    (names of the parts that are not as expected). Raises StateError for what cannot be asked on this node.
    """
    from ansible_collections.kubenode.network.plugins.module_utils._netlink.lookup import route_get

    names = {link.index: link.name for link in state.links.values()}
    evidence = []
    with RtnlSocket() as sock:
        for path in paths:
            given = {name: getattr(path, name) for name in _QUESTION if getattr(path, name) is not None}
            try:
                answer = _answer(route_get(sock, names, **_question(path)))
            except (NetlinkError, ValueError) as error:
                raise StateError(f"{path.origin}: the kernel cannot be asked: {error}") from error
            wanted = {name: _table_id(value, state) if name == "table" else value for name, value in path.expect}
            # An empty gateway is "on the link".
            differing = [name for name, value in wanted.items() if answer.get(name) != (value or None)]
            if "error" in answer and "type" not in wanted:
                # Nobody who asks for a way without saying more wants to hear that there is none.
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


def _question(path: PathSpec) -> dict[str, t.Any]:
    question = {name: getattr(path, name) for name in _QUESTION if name != "vrf"}
    # An interface of a VRF looks into the VRF's table by itself; without one the VRF is asked by its own name.
    question["oif"] = path.oif or path.vrf
    return question


def _answer(found: RouteAnswer) -> dict[str, t.Any]:
    answer = {name: getattr(found, name) for name in _ANSWER}
    if found.error:
        answer["error"] = found.error
    return answer


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
