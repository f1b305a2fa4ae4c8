# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes without a kernel: objects, and somebody who says of their pods what a kubelet would say. Pods run nothing.

What stands behind them is real: the DaemonSet's controller, the scheduler, the API server and its watches.
"""

from __future__ import annotations

import threading
import time
import typing as t
import urllib.error

LABEL = "kubenode.test/simulated"
SELECTOR = {LABEL: "true"}


class SimulatedNodes:
    """A context manager: nodes NAME-1 to NAME-N, whose pods with ``labels`` become ready, but for those on
    ``broken``.
    """

    def __init__(self, cluster: t.Any, count: int, labels: str = "", name: str = "sim") -> None:
        self.cluster = cluster
        self.names = [f"{name}-{number}" for number in range(1, count + 1)]
        self.broken: set[str] = set()
        """Nodes whose pods crash."""
        self.mends: set[str] = set()
        """Revisions whose pods run all the same."""
        self._labels = labels
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> SimulatedNodes:
        for number, name in enumerate(self.names, 1):
            self.add(name, f"198.51.100.{number}")
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        for name in self.names:
            self.cluster.request("DELETE", f"/api/v1/nodes/{name}")
        deadline = time.monotonic() + 30
        while self._pods() and time.monotonic() < deadline:
            for pod in self._pods():
                self._remove(pod)
            time.sleep(0.1)
        self._ended.set()
        self._thread.join()

    def add(self, name: str, address: str) -> None:
        """One more node, as a kubelet registers it."""
        labels = {**SELECTOR, "kubernetes.io/os": "linux", "kubernetes.io/hostname": name}
        self.cluster.request("POST", "/api/v1/nodes", {
            "apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels},
        })  # fmt: skip
        if name not in self.names:
            self.names.append(name)
        room = {"cpu": "8", "memory": "16Gi", "pods": "110"}
        status = {
            "capacity": room, "allocatable": room, "addresses": [{"type": "InternalIP", "address": address}],
            "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady", "message": ""}],
        }  # fmt: skip
        path = f"/api/v1/nodes/{name}/status"
        self.cluster.request("PATCH", path, {"status": status}, kind="merge-patch")

    def _serve(self) -> None:
        while not self._ended.is_set():
            for pod in self._pods():
                try:
                    self._say(pod)
                except urllib.error.HTTPError as error:
                    # It went, or was written by somebody else: the next round sees it as it is.
                    if error.code not in (404, 409):
                        raise
            self._ended.wait(0.05)

    def _pods(self) -> list[dict[str, t.Any]]:
        query = f"?labelSelector={self._labels}" if self._labels else ""
        found = self.cluster.request("GET", f"/api/v1/pods{query}")["items"]
        return [one for one in found if one["spec"].get("nodeName") in self.names]

    def _say(self, pod: dict[str, t.Any]) -> None:
        meta, status = pod["metadata"], pod.get("status") or {}
        if meta.get("deletionTimestamp"):
            self._remove(pod)
            return
        revision = meta.get("annotations", {}).get("kubenode.network/revision", "")
        crashing = pod["spec"]["nodeName"] in self.broken and revision not in self.mends
        truth = "False" if crashing else "True"
        if any(one["type"] == "Ready" and one["status"] == truth for one in status.get("conditions") or ()):
            return
        state: dict[str, t.Any] = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
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
        self.cluster.request("PATCH", path, {"status": said}, kind="merge-patch")

    def _remove(self, pod: dict[str, t.Any]) -> None:
        meta = pod["metadata"]
        path = f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}?gracePeriodSeconds=0"
        try:
            self.cluster.request("DELETE", path)
        except urllib.error.HTTPError as error:
            if error.code != 404:
                raise
