# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A node of the test cluster: the pod runner (controlplane/podrunner), which runs CoreDNS for pods in namespaces.

The node is the network namespace that it is started in, which has to be a private one: where the control plane runs,
unless it has an ``address`` of its own. Pods get addresses of ``pod_network``, which are reached from there and, where
nobody routes them, from nowhere else.
"""

from __future__ import annotations

import pathlib
import time
import typing as t

from ansible_collections.kubenode.network.tests.cluster.control_plane import ControlPlane


def start(
    plane: ControlPlane, coredns: pathlib.Path, node: str = "node-1", pod_network: str = "10.244.1.0/24",
    configmap_delay: float = 0.0, back_off: float = 1.0, node_cache: pathlib.Path | None = None, address: str = "",
    more: t.Sequence[str] = (),
) -> None:  # fmt: skip
    """Start the runner, and wait for its Node; it ends with the control plane, and its pods with it.

    ``configmap_delay``: seconds until a changed ConfigMap reaches the pods that mount it (a kubelet's are 60 to 90).
    ``node_cache``: the program of containers whose image is a node-cache.
    ``back_off``: seconds before a container that crashed is started again for the first time.
    ``address``: the node's, unless it is the control plane's. ``more``: more flags of the runner.
    """
    folder = plane.folder / node
    folder.mkdir(exist_ok=True)
    pki = plane.folder
    process = plane.run(
        f"podrunner-{node}", "podrunner", "--kubeconfig", str(plane.kubeconfig()), "--node", node,
        "--address", address or plane.address, "--pod-network", pod_network, "--coredns", str(coredns),
        "--folder", str(folder), "--configmap-delay", f"{configmap_delay}s", "--back-off", f"{back_off}s",
        "--api-host", plane.address, "--api-port", str(plane.port), "--tls-cert-file", str(pki / "kubelet.crt"),
        "--tls-private-key-file", str(pki / "kubelet.key"), "--client-ca-file", str(pki / "ca.crt"),
        "--node-cache", str(node_cache or ""), *more,
    )  # fmt: skip
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        nodes = plane.request("GET", "/api/v1/nodes")["items"]
        if any(one["metadata"]["name"] == node and one["status"].get("conditions") for one in nodes):
            return
        time.sleep(0.05)
    raise RuntimeError(f"the pod runner made no node:\n{plane.log(f'podrunner-{node}')}")
