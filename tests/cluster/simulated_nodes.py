# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes without a kernel: objects, and somebody who says of their pods what a kubelet would say. Pods run nothing.

What stands behind them is real: the DaemonSet's controller, the scheduler, the API server and its watches.
"""

from __future__ import annotations

import concurrent.futures
import threading
import time
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._kube.client import MERGE, Client, Object, connect
from ansible_collections.kubenode.network.plugins.module_utils._kube.errors import Answered, KubeError
from ansible_collections.kubenode.network.plugins.module_utils._kube.watch import RESET, SYNCED, follow

LABEL = "kubenode.test/simulated"
SELECTOR = {LABEL: "true"}
_AT_ONCE = 4
_HOURS = 3600.0


class SimulatedNodes:
    """A context manager: nodes NAME-1 to NAME-N, whose pods become ready, but for those on ``broken``."""

    def __init__(self, cluster: t.Any, count: int, name: str = "sim") -> None:
        self.names = [f"{name}-{number}" for number in range(1, count + 1)]
        self.broken: set[str] = set()
        """Nodes whose pods crash."""
        self.mends: set[str] = set()
        """Revisions whose pods run all the same."""
        # A kubeconfig is written anew for each who asks for it: not while a thread reads it.
        kubeconfig = {"kubeconfig": str(cluster.kubeconfig())}
        self._client, self._watcher = connect(kubeconfig), connect(kubeconfig)
        self._here = set(self.names)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> SimulatedNodes:
        with concurrent.futures.ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(lambda one: self.add(one[1], _address(one[0])), enumerate(list(self.names), 1)))
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        for name in self.names:
            self._client.request("DELETE", f"/api/v1/nodes/{name}")
        deadline = time.monotonic() + 60
        while (left := self._pods()) and time.monotonic() < deadline:
            for pod in left:
                self._remove(self._client, pod)
            time.sleep(0.1)
        # Its watch ends when it likes; it does nothing any more.
        self._ended.set()

    def add(self, name: str, address: str) -> None:
        """One more node, as a kubelet registers it."""
        self._here.add(name)
        labels = {**SELECTOR, "kubernetes.io/os": "linux", "kubernetes.io/hostname": name}
        body = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}}
        self._client.create("/api/v1/nodes", body)
        if name not in self.names:
            self.names.append(name)
        room = {"cpu": "8", "memory": "16Gi", "pods": "110"}
        status = {
            "capacity": room, "allocatable": room, "addresses": [{"type": "InternalIP", "address": address}],
            "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady", "message": ""}],
        }  # fmt: skip
        self._client.patch(f"/api/v1/nodes/{name}/status", {"status": status}, MERGE)

    def _pods(self) -> list[Object]:
        return [one for one in self._client.each("/api/v1/pods") if one["spec"].get("nodeName") in self._here]

    def _serve(self) -> None:
        client = self._watcher
        while not self._ended.is_set():
            try:
                for kind, pod in follow(client, "/api/v1/pods", _HOURS):
                    if self._ended.is_set():
                        return
                    if kind not in (RESET, SYNCED, "DELETED") and pod["spec"].get("nodeName") in self._here:
                        self._say(client, pod)
            except KubeError:
                # The API server went down with the tests.
                if self._ended.wait(0.2):
                    return

    def _say(self, client: Client, pod: Object) -> None:
        meta, status = pod["metadata"], pod.get("status") or {}
        if meta.get("deletionTimestamp"):
            self._remove(client, pod)
            return
        revision = meta.get("annotations", {}).get("kubenode.network/revision", "")
        crashing = pod["spec"]["nodeName"] in self.broken and revision not in self.mends
        truth = "False" if crashing else "True"
        if any(one["type"] == "Ready" and one["status"] == truth for one in status.get("conditions") or ()):
            return
        state: Object = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
        if crashing:
            state = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off restarting failed container"}}
        container = pod["spec"]["containers"][0]
        said = {
            "phase": "Running", "conditions": [{"type": "Ready", "status": truth}],
            "containerStatuses": [{
                "name": container["name"], "image": container["image"], "imageID": "", "ready": not crashing,
                "restartCount": int(crashing), "state": state,
            }],
        }  # fmt: skip
        path = f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}/status"
        try:
            client.patch(path, {"status": said}, MERGE)
        except Answered as error:
            if error.status not in (404, 409):
                raise

    def _remove(self, client: Client, pod: Object) -> None:
        meta = pod["metadata"]
        path = f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}"
        try:
            client.request("DELETE", path, {"gracePeriodSeconds": 0, "preconditions": {"uid": meta["uid"]}})
        except Answered as error:
            if error.status not in (404, 409):
                raise


def _address(number: int) -> str:
    return f"198.51.{100 + number // 250}.{number % 250}"
