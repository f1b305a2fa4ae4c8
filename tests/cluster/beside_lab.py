# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts a cluster with CoreDNS where it runs: in the namespaces of the lab's controller (lab/cluster.sh).

It ends when CoreDNS answers, and leaves the programs running, which end with the namespace. All their files are in the
folder ``cluster`` of the lab's own; ``kubeconfig`` beside it is the administrator's.
"""

from __future__ import annotations

import os
import pathlib
import sys
import time
import typing as t

from ansible_collections.kubenode.network.tests.cluster import build, control_plane, objects, pod_runner

# The lab's controller, lab/kubenode_lab/topology.py.
ADDRESS = "198.51.100.10"
# Nobody answers there (RFC 5737): what is not the cluster's resolves only where a stub domain says so.
UPSTREAM = "192.0.2.53"
_SECONDS = 90.0


def _deploy(plane: control_plane.ControlPlane) -> None:
    for thing in objects.coredns(objects.COREFILE.replace("UPSTREAM", UPSTREAM)):
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


def main() -> int:
    """Start, wait, and leave it running."""
    began = time.monotonic()
    lab = pathlib.Path(os.environ["KUBENODE_LAB_DIR"])
    folder = lab / "cluster"
    programs = folder / "programs"
    programs.mkdir(parents=True)
    plane = control_plane.ControlPlane(folder, control_plane.programs(programs), ADDRESS)
    try:
        plane.start()
        pod_runner.start(plane, build.built("coredns"))
        _deploy(plane)
    except (RuntimeError, OSError) as error:
        plane.stop()
        print(f"lab: the cluster did not come up: {error}", file=sys.stderr)
        return 1
    (lab / "kubeconfig").symlink_to(plane.kubeconfig())
    seconds = time.monotonic() - began
    print(f"The cluster is up: CoreDNS at {objects.CLUSTER_DNS} ({seconds:.1f} s), kubeconfig {lab / 'kubeconfig'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
