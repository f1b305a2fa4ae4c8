# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A node whose changes must be confirmed: the namespace of a test, with its files, runs and transactions."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import time
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._checkpoint import checkpoints, store, watchdog
from ansible_collections.kubenode.network.plugins.module_utils._state.options import desired_from_options
from ansible_collections.kubenode.network.plugins.module_utils._state.run import About, execute, options_of

ROUTE = {
    "destination": "10.200.0.0/16", "next_hop_address": "10.100.0.1", "next_hop_interface": "ens224", "metric": 100,
}  # fmt: skip
OTHER = {**ROUTE, "destination": "10.201.0.0/16"}
PASSES = [{"type": "command", "argv": ["/bin/true"]}]
# What works until the route to 10.200.0.0/16 is there.
FAILS_AFTERWARDS = [{"type": "command", "argv": ["/bin/sh", "-c", "! ip route show | grep -q '^10.200'"], "timeout": 1}]


class Node:
    """The namespace of a test as a node: its files are below ``root``."""

    def __init__(self, netns: t.Any, root: pathlib.Path) -> None:
        self.netns = netns
        self.root = root
        (root / "etc/iproute2/rt_protos.d").mkdir(parents=True)
        (root / "etc/iproute2/rt_protos.d/kubenode.conf").write_text("157\tkubenode\n")

    def params(self, **params: t.Any) -> dict[str, t.Any]:
        return {"owner": "storage", "routes": [ROUTE], "confirm": "node", "probes": PASSES, "persist": False, **params}

    def run(self, check: bool = False, **params: t.Any) -> dict[str, t.Any]:
        params = self.params(**params)
        about = About("static_routes", params["owner"], params.pop("run", ""))
        desired = desired_from_options(params, "static_routes")
        return execute(desired, options_of(params), check, str(self.root), about=about)

    def program(self, module: str = "static_routes", **params: t.Any) -> subprocess.Popen[str]:
        """A run in a process of its own, as Ansible starts one; its answer is JSON on its output."""
        params = self.params(**params)
        if module != "static_routes":
            params["desired_state"] = {"routes": {"config": params.pop("routes")}}
            if "interfaces" in params:
                params["desired_state"]["interfaces"] = params.pop("interfaces")
        text = json.dumps(params)
        argv = [sys.executable, "-c", PROGRAM, text, str(self.root), module]
        pipe = subprocess.PIPE
        return subprocess.Popen(argv, stdout=pipe, stderr=pipe, text=True, start_new_session=True)

    def answer(self, module: str = "static_routes", **params: t.Any) -> dict[str, t.Any]:
        out, err = self.program(module, **params).communicate(timeout=60)
        assert out, err
        return t.cast("dict[str, t.Any]", json.loads(out))

    def checkpoint(self, state: str, check: bool = False, **params: t.Any) -> dict[str, t.Any]:
        return checkpoints.run({"state": state, **params}, check, str(self.root))

    def ours(self) -> list[str]:
        return sorted(entry["dst"] for entry in self.netns.json("route", "show", "table", "all", "proto", "157"))

    def transactions(self) -> list[store.Transaction]:
        return store.everything(str(self.root))

    def wait(self, state: str, seconds: float = 15) -> store.Transaction:
        """Until the latest transaction has come to this state."""
        deadline = time.monotonic() + seconds
        while True:
            found = self.transactions()
            if found and found[-1].state() == state:
                return found[-1]
            assert time.monotonic() < deadline, [one.describe() for one in found]
            time.sleep(0.02)


PROGRAM = """
import json, sys
from ansible_collections.kubenode.network.plugins.module_utils._state.model import StateError
from ansible_collections.kubenode.network.plugins.module_utils._state.options import desired_from_options
from ansible_collections.kubenode.network.plugins.module_utils._state.run import About, execute, options_of

params, root, module = json.loads(sys.argv[1]), *sys.argv[2:]
try:
    about = About(module, params["owner"], params.pop("run", ""))
    result = execute(desired_from_options(params, module), options_of(params), False, root, about=about)
except StateError as error:
    result = {"failed": True, "msg": error.message, **error.details}
print(json.dumps(result, default=str))
"""


def on_a_node(netns: t.Any, root: pathlib.Path) -> t.Iterator[Node]:
    """A node, whose watchdogs end with the test."""
    node = Node(netns, root)
    yield node
    for one in node.transactions():
        watchdog.disarm(one)


def processes_of(one: store.Transaction) -> list[str]:
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                line = pathlib.Path("/proc", name, "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
            if one.id in line:
                found.append(line)
    return found
