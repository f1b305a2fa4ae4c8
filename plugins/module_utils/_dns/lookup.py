# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many names of many servers over several transports at once, each question shown."""

from __future__ import annotations

import concurrent.futures
import itertools
import time
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._dns._dnspython_dep import dnspython
from ansible_collections.kubenode.network.plugins.module_utils._dns.options import Expect, Name, Request
from ansible_collections.kubenode.network.plugins.module_utils._dns.search import Outcome, questions

_AT_ONCE = 32

Result = dict[str, t.Any]


def look_up(request: Request) -> list[Result]:
    """What each server says to each name over each transport, in the order of the options."""
    jobs = list(itertools.product(request.names, request.servers, request.transports))
    with concurrent.futures.ThreadPoolExecutor(min(_AT_ONCE, len(jobs))) as pool:
        return list(pool.map(lambda job: _one(request, *job), jobs))


def failures(results: t.Sequence[Result]) -> list[str]:
    """A line for each answer that is not as expected."""
    return [
        f"{one['name']} {one['type']} at {one['server']} over {one['transport']}: {one['problem']} (asked for "
        f"{', '.join(query['name'] for query in one['queries'])})"
        for one in results
        if not one["passed"]
    ]


def _one(request: Request, wanted: Name, server: str, transport: str) -> Result:
    asked: list[Result] = []
    names = questions(wanted.name, request.rules)
    # The query that each outcome came from: the end of a search may be that of an earlier one.
    by_outcome: dict[Outcome, Result] = {}
    question: str | None = next(names)
    end: Outcome = ""
    while question is not None:
        tried = _ask(request, question, wanted.kind, server, transport)
        asked += tried
        outcome = _outcome(tried[-1])
        by_outcome.setdefault(outcome, tried[-1])
        try:
            question = names.send(outcome)
        except StopIteration as stop:
            question, end = None, stop.value
    last = by_outcome[end]
    problem = _problem(wanted.expect, last)
    return {
        "name": wanted.name, "type": wanted.kind, "server": server, "transport": transport,
        "resolved": bool(last["answers"]), "rcode": last["rcode"], "answers": last["answers"],
        "latency_ms": round(sum(query["latency_ms"] for query in asked), 3), "passed": not problem, "problem": problem,
        "queries": asked,
    }  # fmt: skip


def _ask(request: Request, name: str, kind: str, server: str, transport: str) -> list[Result]:
    """One question: each attempt, and the one over TCP that a truncated answer asks for (RFC 7766, 5)."""
    tried = [_query(request, name, kind, server, transport)]
    while tried[-1]["rcode"] is None and len(tried) < request.attempts:
        tried.append(_query(request, name, kind, server, transport))
    if tried[-1]["truncated"]:
        tried.append(_query(request, name, kind, server, "tcp"))
    return tried


def _query(request: Request, name: str, kind: str, server: str, transport: str) -> Result:
    dns = dnspython()
    message = dns.message.make_query(name, kind)
    ask = dns.query.tcp if transport == "tcp" else dns.query.udp
    shown: Result = {"name": name, "transport": transport, "rcode": None, "answers": [], "truncated": False}
    started = time.monotonic()
    try:
        answer = ask(message, server, timeout=request.timeout, port=request.port)
    except (OSError, dns.exception.DNSException) as error:
        shown["error"] = str(error) or type(error).__name__
    else:
        wanted = dns.rdatatype.from_text(kind)
        found = [item.to_text() for one in answer.answer if one.rdtype == wanted for item in one]
        shown.update(rcode=dns.rcode.to_text(answer.rcode()), answers=sorted(found))
        shown["truncated"] = transport == "udp" and bool(answer.flags & dns.flags.TC)
    shown["latency_ms"] = round(1000 * (time.monotonic() - started), 3)
    return shown


def _outcome(query: Result) -> Outcome:
    if query["answers"]:
        return "found"
    return {"NOERROR": "nodata", "NXDOMAIN": "nxdomain", "SERVFAIL": "servfail"}.get(query["rcode"], "none")


def _problem(expect: Expect, last: Result) -> str:
    """What is not as expected; empty where all is."""
    answers = tuple(one.lower() for one in last["answers"])
    wanted = []
    if expect.rcode is not None and expect.rcode != last["rcode"]:
        wanted.append(expect.rcode)
    if expect.answers is not None and (last["rcode"] is None or sorted(expect.answers) != sorted(answers)):
        wanted.append(", ".join(expect.answers) or "no records")
    if expect.resolves is not None and expect.resolves != bool(answers):
        wanted.append("records" if expect.resolves else "that it does not resolve")
    if not wanted:
        return ""
    got = f"{last['rcode']}, {', '.join(last['answers']) or 'no records'}"
    if last["rcode"] is None:
        got = f"no answer: {last.get('error')}"
    return f"expected {' and '.join(wanted)}; got {got}"
