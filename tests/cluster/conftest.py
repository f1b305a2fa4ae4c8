# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests with real servers share: programs that are built once, and a cluster that is started when asked for.

Everything runs in the private network namespace that scripts/test made for this tier. The control plane has an address
there that is on no network (it is documentation's), and pods theirs behind the pod runner's bridge.
"""

from __future__ import annotations

import os
import pathlib
import subprocess
import time
import typing as t

import pytest
from ansible_collections.kubenode.network.tests.cluster import build, control_plane, objects, pod_runner

ADDRESS = "192.0.2.1"
UPSTREAM = "192.0.2.53"
"""Nobody answers there: what is not the cluster's does not resolve in tests."""
_WORKLOAD_SECONDS = 60.0


class Cluster(control_plane.ControlPlane):
    """A control plane with what tests ask of it most."""

    def apply(self, *things: dict[str, t.Any]) -> None:
        """Create objects; those that are there already are replaced as they are."""
        for thing in things:
            self.request(
                "PATCH", objects.path_of(thing, named=True) + "?fieldManager=test&force=true", thing, kind="apply-patch"
            )

    def define(self, *definitions: dict[str, t.Any]) -> None:
        """Create CustomResourceDefinitions, and wait until their kinds are served."""
        self.apply(*definitions)
        deadline = time.monotonic() + _WORKLOAD_SECONDS
        for one in definitions:
            while not self._established(objects.path_of(one, named=True)):
                assert time.monotonic() < deadline, f"{one['metadata']['name']} is not served"
                time.sleep(0.05)

    def _established(self, path: str) -> bool:
        conditions = self.request("GET", path).get("status", {}).get("conditions", ())
        return any(one["type"] == "Established" and one["status"] == "True" for one in conditions)

    def wait_ready(self, kind: str, name: str, namespace: str = objects.NAMESPACE) -> None:
        """Wait until a Deployment or DaemonSet runs as declared."""
        path = f"/apis/apps/v1/namespaces/{namespace}/{kind}/{name}"
        deadline = time.monotonic() + _WORKLOAD_SECONDS
        while time.monotonic() < deadline:
            found = self.request("GET", path)
            status, wanted = found.get("status", {}), found["spec"].get("replicas", 1)
            seen = status.get("observedGeneration") == found["metadata"]["generation"]
            if (
                seen
                and status.get("updatedReplicas") == status.get("readyReplicas") == status.get("replicas") == wanted
            ):
                return
            time.sleep(0.1)
        raise AssertionError(f"{kind} {namespace}/{name} is not ready: {status}")

    def pods(self, namespace: str = objects.NAMESPACE) -> list[dict[str, t.Any]]:
        """Those of the CoreDNS that is laid there."""
        selector = f"k8s-app%3D{'kube-dns' if namespace == objects.NAMESPACE else namespace}"
        found = self.request("GET", f"/api/v1/namespaces/{namespace}/pods?labelSelector={selector}")["items"]
        return [one for one in found if not one["metadata"].get("deletionTimestamp")]

    def config_map(self, name: str = "coredns", namespace: str = objects.NAMESPACE) -> dict[str, t.Any]:
        return t.cast("dict[str, t.Any]", self.request("GET", f"/api/v1/namespaces/{namespace}/configmaps/{name}"))


@pytest.fixture(scope="session")
def binaries(tmp_path_factory: pytest.TempPathFactory) -> t.Callable[[str], pathlib.Path]:
    """Name of a program -> the file to run; built at the first call of each."""
    return control_plane.programs(tmp_path_factory.mktemp("programs"))


@pytest.fixture(scope="session")
def network() -> None:
    """The address of the control plane, in a namespace that is not the machine's."""
    if os.environ.get("KUBENODE_PRIVATE_NS") != "1":
        pytest.fail("this tier runs in a network namespace of its own: scripts/test cluster")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["ip", "addr", "replace", f"{ADDRESS}/32", "dev", "lo"], check=True)


@pytest.fixture(scope="session")
def plane(
    binaries: t.Callable[[str], pathlib.Path], network: None, tmp_path_factory: pytest.TempPathFactory
) -> t.Iterator[Cluster]:
    """A control plane with a node that runs CoreDNS for pods; nothing is deployed."""
    with Cluster(tmp_path_factory.mktemp("cluster"), binaries, ADDRESS) as cluster:
        cluster.start()
        real = os.environ.get("NODE_CACHE_BINARY")
        node_cache = pathlib.Path(real) if real else build.built("nodecache")
        pod_runner.start(cluster, build.built("coredns"), back_off=0.5, node_cache=node_cache)
        yield cluster


@pytest.fixture(scope="session")
def deployed(plane: Cluster) -> Cluster:
    """The same with CoreDNS as kubeadm lays it, two pods, ready."""
    plane.apply(*objects.coredns(objects.COREFILE.replace("UPSTREAM", UPSTREAM)))
    plane.wait_ready("deployments", "coredns")
    return plane


@pytest.fixture
def site(plane: Cluster, request: pytest.FixtureRequest) -> t.Iterator[t.Callable[..., str]]:
    """Lay a CoreDNS in a namespace of the test's own, ready; the namespace, which goes after the test."""
    made = []

    def lay(corefile: str, **how: t.Any) -> str:
        namespace = f"site-{len(made)}-{abs(hash(request.node.nodeid)) % 10**8}"
        made.append(namespace)
        plane.apply(*objects.site(namespace, corefile.replace("UPSTREAM", UPSTREAM), **how))
        plane.wait_ready("deployments", "coredns", namespace)
        return namespace

    yield lay
    for namespace in made:
        plane.request("DELETE", f"/api/v1/namespaces/{namespace}")


@pytest.fixture(scope="session")
def _quick(plane: Cluster) -> str:
    plane.apply(*objects.site("quick", objects.QUICK.replace("UPSTREAM", UPSTREAM), replicas=2))
    plane.wait_ready("deployments", "coredns", "quick")
    return "quick"


@pytest.fixture
def quick(plane: Cluster, _quick: str) -> t.Iterator[str]:
    """A namespace with two pods of a CoreDNS that loads fast; its text is as it was again after the test."""
    yield _quick
    fresh = next(one for one in objects.site(_quick, objects.QUICK.replace("UPSTREAM", UPSTREAM)) if "data" in one)
    held = plane.config_map(namespace=_quick)
    if held["data"] != fresh["data"] or held["metadata"].get("annotations"):
        plane.request("PUT", objects.path_of(fresh, named=True), fresh)


@pytest.fixture(scope="session")
def far(plane: Cluster) -> t.Iterator[list[str]]:
    """A command that runs another where the API server is reached, and neither pods nor Services are."""
    holder = subprocess.Popen(["unshare", "--net", "--", "sleep", "infinity"], start_new_session=True)
    try:
        deadline = time.monotonic() + 10
        while os.readlink(f"/proc/{holder.pid}/ns/net") == os.readlink("/proc/self/ns/net"):
            assert time.monotonic() < deadline, "no network namespace was made"
            time.sleep(0.01)
        enter = ["nsenter", f"--net=/proc/{holder.pid}/ns/net", "--"]
        for words in (
            f"ip link add far0 type veth peer name near0 netns {holder.pid}",
            "ip addr add 198.51.100.1/30 dev far0",
            "ip link set far0 up",
        ):
            subprocess.run(words.split(), check=True)
        for words in (
            "ip link set lo up",
            "ip addr add 198.51.100.2/30 dev near0",
            "ip link set near0 up",
            f"ip route add {ADDRESS}/32 via 198.51.100.1",
        ):
            subprocess.run([*enter, *words.split()], check=True)
        yield enter
    finally:
        holder.kill()
        holder.wait()


@pytest.fixture
def cluster(deployed: Cluster) -> t.Iterator[Cluster]:
    """``deployed``, its CoreDNS as it was before again after the test."""
    fresh = objects.coredns(objects.COREFILE.replace("UPSTREAM", UPSTREAM))
    yield deployed
    held = deployed.config_map()
    wanted = next(one for one in fresh if one["kind"] == "ConfigMap")
    if held.get("data") != wanted["data"] or set(held["metadata"].get("annotations", {})):
        deployed.request("PUT", objects.path_of(wanted, named=True), wanted)
