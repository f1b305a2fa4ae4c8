# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster with CoreDNS beside the lab, in the namespaces of its nodes (lab/cluster.sh).

    beside_lab.py control-plane WORKER...   in those of the controller: starts it, and ends when CoreDNS answers
    beside_lab.py node WORKER               in those of a worker: makes it a Node, and ends when that is there

What they start ends with the namespaces. All files are in the folder ``cluster`` of the lab's own, below it a folder of
each node with the pid of each pod; ``kubeconfig`` beside it is the administrator's.
"""

from __future__ import annotations

import os
import pathlib
import sys
import time
import typing as t

from ansible_collections.kubenode.network.tests.cluster import build, control_plane, objects, pod_runner
from ansible_collections.kubenode.network.tests.kernel import nodecache_world

# The lab's controller, lab/kubenode_lab/topology.py.
ADDRESS = "198.51.100.10"
# Nobody answers there (RFC 5737): what is not the cluster's resolves only where a stub domain says so.
UPSTREAM = "192.0.2.53"
_SECONDS = 90.0
_ROLE = "node-role.kubernetes.io/worker"
# A container that crashed stays down as long as one of a kubelet does that has crashed some times.
_BACK_OFF = 300.0


def address_of(worker: str) -> str:
    """Of a worker on the lab's management network."""
    return f"192.168.100.{100 + int(worker[1:])}"


def pods_of(worker: str) -> str:
    """The addresses of a worker's pods."""
    return f"10.244.{100 + int(worker[1:])}.0/24"


# What runs in a pod of each worker, so that there is one to ask from.
APP = [
    {
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "app", "namespace": "default"},
        "data": {"Corefile": ".:8053 {\n    whoami\n}\n"},
    },
    {
        "apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "app", "namespace": "default"},
        "spec": {
            "selector": {"matchLabels": {"app": "app"}},
            "template": {"metadata": {"labels": {"app": "app"}}, "spec": {
                "nodeSelector": {_ROLE: ""}, "automountServiceAccountToken": False,
                "containers": [{
                    "name": "app", "image": "app", "args": ["-conf", "/etc/app/Corefile"],
                    "volumeMounts": [{"name": "config", "mountPath": "/etc/app"}],
                }],
                "volumes": [{"name": "config", "configMap": {"name": "app"}}],
            }},
        },
    },
]  # fmt: skip


def _deploy(plane: control_plane.ControlPlane) -> None:
    for thing in [*objects.coredns(objects.COREFILE.replace("UPSTREAM", UPSTREAM)), *APP]:
        path = objects.path_of(thing, named=True) + "?fieldManager=kubeadm&force=true"
        plane.request("PATCH", path, thing, kind="apply-patch")
    path = f"/apis/apps/v1/namespaces/{objects.NAMESPACE}/deployments/coredns"
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline:
        found: dict[str, t.Any] = plane.request("GET", path)
        if found.get("status", {}).get("readyReplicas") == found["spec"]["replicas"]:
            return
        time.sleep(0.1)
    raise RuntimeError(f"CoreDNS is not ready after {_SECONDS:.0f} s:\n{plane.log('podrunner-node-1')}")


def _start(lab: pathlib.Path, workers: t.Sequence[str]) -> str:
    began = time.monotonic()
    folder = lab / "cluster"
    (folder / "programs").mkdir(parents=True)
    # One rule of a node-cache for each address, as it was seen to make them.
    (folder / "cache.rules").write_text(nodecache_world.rules_of_the_cache(["ADDRESS"]), encoding="ascii")
    plane = _plane(folder, [address_of(worker) for worker in workers])
    try:
        plane.start()
        pod_runner.start(plane, build.built("coredns"))
        _deploy(plane)
    except (RuntimeError, OSError):
        plane.stop()
        raise
    (folder / "port").write_text(str(plane.port), encoding="ascii")
    (lab / "kubeconfig").symlink_to(plane.kubeconfig())
    seconds = time.monotonic() - began
    return f"The cluster is up: CoreDNS at {objects.CLUSTER_DNS} ({seconds:.1f} s), kubeconfig {lab / 'kubeconfig'}"


def _join(lab: pathlib.Path, worker: str) -> str:
    folder = lab / "cluster"
    plane = _plane(folder)
    plane.port = int((folder / "port").read_text(encoding="ascii"))
    # A worker is a host until it becomes a node.
    pathlib.Path("/proc/sys/net/ipv4/ip_forward").write_text("1", encoding="ascii")
    real = os.environ.get("NODE_CACHE_BINARY")
    cache = pathlib.Path(real) if real else build.built("nodecache")
    more = [
        "--cluster-dns", objects.CLUSTER_DNS, "--labels", f"{_ROLE}=",
        "--cache-rules", "" if real else str(folder / "cache.rules"),
    ]  # fmt: skip
    pod_runner.start(
        plane, build.built("coredns"), worker, pods_of(worker), back_off=_BACK_OFF, node_cache=cache,
        address=address_of(worker), more=more,
    )  # fmt: skip
    deadline = time.monotonic() + _SECONDS
    while not list((folder / worker).glob("app-*.pid")):
        if time.monotonic() > deadline:
            raise RuntimeError(f"no pod runs on {worker} after {_SECONDS:.0f} s:\n{plane.log(f'podrunner-{worker}')}")
        time.sleep(0.05)
    return f"{worker} is a node of it: pods {pods_of(worker)}"


def _plane(folder: pathlib.Path, workers: t.Sequence[str] = ()) -> control_plane.ControlPlane:
    return control_plane.ControlPlane(folder, control_plane.programs(folder / "programs"), ADDRESS, kubelets=workers)


def main() -> int:
    """Start, wait, and leave it running."""
    lab = pathlib.Path(os.environ["KUBENODE_LAB_DIR"])
    what, *names = sys.argv[1:]
    try:
        print(_start(lab, names) if what == "control-plane" else _join(lab, names[0]), flush=True)
    except (RuntimeError, OSError) as error:
        print(f"lab: the cluster did not come up: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
