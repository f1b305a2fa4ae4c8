# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must work after a change for it to be kept (the option ``probes``), asked before and after.

``baseline`` asks each probe once, before anything is touched. ``run`` asks again, round after round, until all that
must have passed. What failed before cannot block, unless its entry says ``required``.
"""

from __future__ import annotations

import time
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._state.model import State, StateError
from ansible_collections.kubenode.network.plugins.module_utils._state.options_confirm import (
    DEFAULT_PROBES,
    PROBE_TIMEOUTS,
)

Spec = dict[str, t.Any]
Evidence = dict[str, t.Any]

_PAUSE = 0.5


class Attempt(t.NamedTuple):
    passed: bool
    detail: str
    notes: dict[str, t.Any] = {}
    """What a later attempt must know of this one."""


def baseline(specs: t.Sequence[Spec] | None, state: State, root: str = "/") -> dict[str, t.Any]:
    """What works before the change, as JSON can hold it: for the journal, and for ``run`` in another process.

    ``specs`` are those of ``options_confirm.Confirm.probes``; None stands for the default ones. ``state`` is the node
    as it is. Takes at most the sum of the timeouts.
    """
    if specs is None:
        specs = [_default(kind) for kind in DEFAULT_PROBES]
    found = []
    for spec in specs:
        attempt = _ask(spec, None, float(spec["timeout"]), root, state)
        found.append({"spec": dict(spec), "before": attempt.passed, "detail": attempt.detail, "notes": attempt.notes})
    return {"root": root, "probes": found}


def _default(kind: str) -> Spec:
    spec: Spec = {"type": kind, "timeout": PROBE_TIMEOUTS[kind], "origin": "probes (default)"}
    return {**spec, "port": 53, "transport": "udp"} if kind == "dns" else spec


def run(before: dict[str, t.Any], deadline: float) -> list[Evidence]:
    """The evidence once all probes that must pass have passed.

    ``before`` is the answer of ``baseline``; ``deadline`` a value of ``time.monotonic()``, which is one clock for all
    processes of a boot. Evidence has ``type``, ``target``, ``before``, ``required``, ``passed`` (None: not asked),
    ``attempts`` and ``detail``. Raises StateError, with the evidence as ``probes``, when the time is up.
    """
    root = before["root"]
    evidence = [_evidence(entry) for entry in before["probes"]]
    pending = [(entry, item) for entry, item in zip(before["probes"], evidence) if item["required"]]
    while pending:
        left = []
        for entry, item in pending:
            seconds = min(float(entry["spec"]["timeout"]), deadline - time.monotonic())
            if seconds > 0:
                attempt = _ask(entry["spec"], entry, seconds, root)
                item.update(passed=attempt.passed, detail=attempt.detail, attempts=item["attempts"] + 1)
            elif not item["attempts"]:
                item.update(passed=False, detail="no time was left to ask")
            if not item["passed"]:
                left.append((entry, item))
        pending = left
        if pending and time.monotonic() + _PAUSE >= deadline:
            raise StateError(_failure(evidence), probes=evidence)
        if pending:
            time.sleep(_PAUSE)
    return evidence


def _evidence(entry: dict[str, t.Any]) -> Evidence:
    spec = entry["spec"]
    required = entry["before"] or bool(spec.get("required"))
    return {
        "type": spec["type"],
        "target": _target(spec),
        "before": entry["before"],
        "required": required,
        "passed": None,
        "attempts": 0,
        "detail": "" if required else f"failed before the change, so it cannot block: {entry['detail']}",
    }


def _failure(evidence: t.Sequence[Evidence]) -> str:
    failed = [item for item in evidence if item["required"] and not item["passed"]]
    told = "; ".join(
        f"{item['type']} {item['target']}: {item['detail']}"
        + (" (it worked before the change)" if item["before"] else " (required)")
        for item in failed
    )
    return f"not all that must work does: {told}"


def _target(spec: Spec) -> str:
    """What a probe asks, for people."""
    kind = spec["type"]
    if kind == "gateway":
        name = spec.get("address", "default gateways")
        return f"{name} on {spec['interface']}" if "interface" in spec else str(name)
    if kind == "dns":
        return f"{spec.get('name', 'any answer')} from {spec.get('server', 'the node' + chr(39) + 's resolver')}"
    if kind == "tcp":
        return f"{spec['address']} port {spec['port']}" + (f" from {spec['source']}" if "source" in spec else "")
    if kind == "http":
        return str(spec["url"])
    if kind == "route_get":
        return str(spec["path"]["destination"])
    return " ".join(spec["argv"]) if kind == "command" else "the API server"


# --- the types --------------------------------------------------------------------------------------------------------


def _ask(spec: Spec, entry: dict[str, t.Any] | None, seconds: float, root: str, state: State | None = None) -> Attempt:
    """One attempt of a probe; ``entry`` is its part of the baseline, None when that is being taken."""
    try:
        return _ASK[spec["type"]](spec, entry, seconds, root, state)
    except (OSError, StateError) as error:
        return Attempt(False, str(getattr(error, "strerror", None) or error))


def _gateway(spec: Spec, entry: dict[str, t.Any] | None, seconds: float, _root: str, state: State | None) -> Attempt:
    from ansible_collections.kubenode.network.plugins.module_utils._checkpoint import gateways

    if "address" in spec:
        how = entry["notes"].get("how") if entry and entry["before"] else None
        found = gateways.ask(spec["address"], spec.get("interface"), how, seconds)
        return Attempt(found.how is not None, found.detail, {"how": found.how})
    if entry is None:
        return Attempt(*gateways.before(gateways.defaults(state or _routes()), seconds))
    return Attempt(*gateways.after(entry["notes"]["gateways"], gateways.defaults(_routes()), seconds))


def _routes() -> State:
    from ansible_collections.kubenode.network.plugins.module_utils._state.observe import Need, observe

    return observe(Need(tables=False))


def _dns(spec: Spec, _entry: t.Any, seconds: float, root: str, _state: State | None) -> Attempt:
    from ansible_collections.kubenode.network.plugins.module_utils._checkpoint import services
    from ansible_collections.kubenode.network.plugins.module_utils._resolver import resolv_conf
    from ansible_collections.kubenode.network.plugins.module_utils._state.files import read_file

    if "server" in spec:
        servers: t.Sequence[str] = (spec["server"],)
    else:
        # Read anew, as the change may be about them.
        text = read_file(resolv_conf.PATH, root).text or ""
        servers = [one for one in resolv_conf.parse(text).servers if one][: resolv_conf.MAX_SERVERS]
        if not servers:
            return Attempt(False, f"no name server in {resolv_conf.PATH}")

    def one(server: str) -> t.Callable[[], services.Answer]:
        return lambda: services.dns(server, spec["port"], spec["transport"], spec.get("name"), seconds)

    answers = services.at_once([one(server) for server in servers], seconds + 0.2)
    passed = any(passed for passed, _detail in answers)
    # Of several the first that answers is enough, as it is for a resolver.
    return Attempt(passed, "; ".join(detail for good, detail in answers if good == passed))


def _tcp(spec: Spec, _entry: t.Any, seconds: float, _root: str, _state: State | None) -> Attempt:
    from ansible_collections.kubenode.network.plugins.module_utils._checkpoint import services

    return Attempt(*services.tcp(spec["address"], spec["port"], spec.get("source"), seconds))


def _http(spec: Spec, _entry: t.Any, seconds: float, _root: str, _state: State | None) -> Attempt:
    from ansible_collections.kubenode.network.plugins.module_utils._checkpoint import services

    def ask() -> services.Answer:
        return services.http(spec["url"], spec.get("status"), spec["validate_certs"], seconds)

    return Attempt(*services.at_once([ask], seconds)[0])


def _api_server(_spec: Spec, _entry: t.Any, seconds: float, root: str, _state: State | None) -> Attempt:
    from ansible_collections.kubenode.network.plugins.module_utils._checkpoint import services
    from ansible_collections.kubenode.network.plugins.module_utils._state.peers import api_endpoints

    endpoints = api_endpoints(root)
    if not endpoints:
        return Attempt(False, "no configuration of a kubelet names an API server on this node")

    def one(endpoint: str) -> t.Callable[[], services.Answer]:
        return lambda: services.http(f"https://{endpoint}/livez", (), False, seconds)

    answers = services.at_once([one(endpoint) for endpoint in endpoints], seconds)
    passed = any(good for good, _detail in answers)
    told = [f"{endpoint}: {detail}" for endpoint, (good, detail) in zip(endpoints, answers) if good == passed]
    return Attempt(passed, "; ".join(told))


def _route_get(spec: Spec, _entry: t.Any, _seconds: float, root: str, _state: State | None) -> Attempt:
    from ansible_collections.kubenode.network.plugins.module_utils._state import paths
    from ansible_collections.kubenode.network.plugins.module_utils._state.model import PathSpec
    from ansible_collections.kubenode.network.plugins.module_utils._state.observe import Need, observe

    given = dict(spec["path"])
    # JSON has no tuples.
    path = PathSpec(**{**given, "expect": tuple((name, value) for name, value in given["expect"])})
    evidence = paths.ask([path], observe(Need(kernel=False, links=True), root))
    answer = ", ".join(f"{name} {value}" for name, value in evidence[0]["answer"].items() if value is not None)
    return Attempt(evidence[0]["passed"], "".join(paths.failures(evidence)) or f"the kernel answers {answer}")


def _command(spec: Spec, _entry: t.Any, seconds: float, _root: str, _state: State | None) -> Attempt:
    from ansible_collections.kubenode.network.plugins.module_utils._checkpoint import services

    return Attempt(*services.command(spec["argv"], seconds))


_ASK: dict[str, t.Callable[[Spec, t.Any, float, str, State | None], Attempt]] = {
    "gateway": _gateway,
    "dns": _dns,
    "tcp": _tcp,
    "http": _http,
    "api_server": _api_server,
    "route_get": _route_get,
    "command": _command,
}
