# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a kubelet works: its process, its healthz, and its Node as the API server has it.

The Node is asked for with kubelet's own credentials, which may read their Node (kubernetes.io/docs/reference/
access-authn-authz/node). Where that does not work before a change, it cannot be asked for after it.
"""

from __future__ import annotations

import os
import time
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._kubelet import node_api
from ansible_collections.kubenode.network.plugins.module_utils._kubelet.sources import Node
from ansible_collections.kubenode.network.plugins.module_utils._state.model import StateError
from ansible_collections.kubenode.network.plugins.module_utils._state.system import run

HEALTHZ_PORT = 10248
"""Of kubelet, on 127.0.0.1 (pkg/kubelet/apis/config/v1beta1/defaults.go)."""
_POLL = 0.25
_STEADY = 2.0
"""Seconds that a process must have been healthy: one with a bad configuration ends within the first."""


class Process(t.NamedTuple):
    """The service as systemd has it."""

    pid: int
    """0 where it does not run."""
    state: str
    started: float
    """Seconds since the epoch."""
    reload_needed: bool


class Health(t.NamedTuple):
    process: Process
    healthy: bool
    said: str
    """What healthz answered, or why it did not."""
    node: node_api.NodeStatus

    def evidence(self) -> dict[str, t.Any]:
        found: dict[str, t.Any] = {"healthz": self.said, "process": self.process.pid, "node": self.node.name}
        if self.node.ready is None:
            return {**found, "node_unknown": self.node.said}
        return {**found, "node_ready": self.node.ready, "extended_resources": dict(self.node.resources)}


def look(node: Node, name: str | None, api: bool = True) -> Health:
    """How the kubelet is at this moment."""
    process = find_process(node.unit)
    healthy, said = healthz(node)
    status = node_api.ask(node, name) if api else node_api.NodeStatus("", None, "was not asked", 0.0, {})
    return Health(process, healthy, said, status)


def look_patiently(node: Node, name: str | None, seconds: float) -> Health:
    """The same, once healthz answers or ``seconds`` are over: somebody may just have restarted it."""
    deadline = time.monotonic() + seconds
    while not healthz(node)[0] and time.monotonic() < deadline:
        time.sleep(_POLL)
    return look(node, name)


def find_process(unit: str) -> Process:
    """The main process of a service. Raises StateError where systemd does not tell."""
    names = "MainPID,ActiveState,SubState,NeedDaemonReload"
    text = run(["systemctl", "show", unit, f"--property={names}"])
    found = dict(line.partition("=")[::2] for line in text.splitlines())
    pid = int(found.get("MainPID") or 0)
    state = f"{found.get('ActiveState', 'unknown')} ({found.get('SubState', 'unknown')})"
    return Process(pid, state, _started(pid), found.get("NeedDaemonReload") == "yes")


def _started(pid: int) -> float:
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            ticks = int(file.read().rpartition(")")[2].split()[19])
    except (OSError, IndexError, ValueError):
        return 0.0
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + ticks / os.sysconf("SC_CLK_TCK")


def healthz(node: Node) -> tuple[bool, str]:
    """Whether kubelet's healthz says ok, and its words. One that is switched off (port 0) has nothing to say."""
    import http.client

    host, port = healthz_address(node)
    if port == 0:
        return True, "healthz is switched off"
    where = f"http://[{host}]:{port}/healthz" if ":" in host else f"http://{host}:{port}/healthz"
    connection = http.client.HTTPConnection(host, port, timeout=3)
    try:
        connection.request("GET", "/healthz")
        answer = connection.getresponse()
        text = answer.read(200).decode("utf-8", "replace").strip()
    except (OSError, http.client.HTTPException) as error:
        return False, f"{where}: {getattr(error, 'strerror', None) or error or type(error).__name__}"
    finally:
        connection.close()
    return answer.status == 200, f"{where}: {answer.status} {text}"


def healthz_address(node: Node) -> tuple[str, int]:
    host, port = "127.0.0.1", HEALTHZ_PORT
    for key, flag in (("healthzBindAddress", "healthz-bind-address"), ("healthzPort", "healthz-port")):
        found = node.flags.get(flag) or node.more.get(key)
        if found is None or found.value is None:
            continue
        if key == "healthzPort":
            text = str(found.value)
            port = int(text) if text.isdigit() else port
        else:
            host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(str(found.value), str(found.value))
    return host, port


def await_healthy(node: Node, before: Health, restarted: float, name: str | None, seconds: float) -> Health:
    """The health once a new process works, and the Node is Ready again with what it had.

    ``restarted``: when that was, seconds since the epoch. Raises StateError saying what is lacking after ``seconds``.
    """
    deadline = time.monotonic() + seconds
    steady_since, steady_pid = 0.0, 0
    while True:
        now = look(node, name, api=False)
        lacking = _lacking(before, now)
        if lacking or now.process.pid != steady_pid:
            steady_since, steady_pid = time.monotonic(), now.process.pid
        if not lacking and time.monotonic() - steady_since >= _STEADY:
            now = now._replace(node=node_api.ask(node, name) if before.node.ready is not None else before.node)
            lacking = node_api.lacking(before.node, now.node, restarted)
            if not lacking:
                return now
        if time.monotonic() > deadline:
            raise StateError(
                f"{node.unit} did not come back within {seconds:.0f} s: {lacking or 'it keeps restarting'}"
            )
        time.sleep(_POLL)


def _lacking(before: Health, now: Health) -> str:
    if now.process.pid in (0, before.process.pid) or not now.process.state.startswith("active"):
        return f"no new process of it runs, systemd says {now.process.state}; see journalctl -u"
    return "" if now.healthy else now.said
