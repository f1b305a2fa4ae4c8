# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cache's pod as the module declares it, running a CoreDNS with node-cache's plugin set on a node of the tests.

It takes node-cache's flags and pillars, and sets up no interface and no rules: the addresses are laid by the test. With
NODE_CACHE_BINARY the pods run that node-cache instead.
"""

from __future__ import annotations

import subprocess
import time
import typing as t
import urllib.request

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._dns.query import DnsError, NoAnswer, query
from ansible_collections.kubenode.network.plugins.module_utils._kube.errors import KubeError
from ansible_collections.kubenode.network.tests.cluster import nodelocal, simulated_nodes

LOCAL = "169.254.20.10"
NAME = "kubernetes.default.svc.cluster.local"
NODE = {"kubernetes.io/hostname": "node-1"}
HOSTS = [{"address": "203.0.113.7", "names": ["app.example.com", "app.cluster.local"]}]


@pytest.fixture
def cache(deployed: t.Any) -> t.Iterator[nodelocal.Cache]:
    for address in (LOCAL, nodelocal.objects.CLUSTER_DNS):
        subprocess.run(["ip", "addr", "add", f"{address}/32", "dev", "lo"], check=True)
    one = nodelocal.Cache(deployed, simulated_nodes.SimulatedNodes(deployed, 0))
    yield one
    one.run(state="absent", node_selector=NODE)
    for address in (LOCAL, nodelocal.objects.CLUSTER_DNS):
        subprocess.run(["ip", "addr", "del", f"{address}/32", "dev", "lo"], check=True)


def ask(name: str, tcp: bool = False) -> list[str]:
    """An answer as a stub gets it, which asks again: a new pod may not have all of its sockets yet when it is ready."""
    for _time in range(4):
        try:
            return query(name, LOCAL, tcp)
        except NoAnswer:
            continue
    return query(name, LOCAL, tcp)


def metrics() -> str:
    with urllib.request.urlopen("http://127.0.0.1:9253/metrics", timeout=5) as answer:
        return str(answer.read().decode())


def hits() -> float:
    return sum(
        float(line.split()[-1]) for line in metrics().splitlines() if line.startswith("coredns_cache_hits_total")
    )


def test_the_pod_answers_from_the_cluster_and_from_its_cache_and_a_wave_that_crashes_goes_back(
    cache: nodelocal.Cache,
) -> None:
    declared = {"node_selector": NODE, "hosts": HOSTS}
    result = cache.run(**declared)
    assert result["nodes"]["current"] == ["node-1"]
    # Through the upstream Service, whose address the pod has from its environment.
    for tcp in (False, True):
        assert ask(NAME, tcp) == ["10.96.0.1"]
    before = hits()
    assert ask(NAME) == ["10.96.0.1"]
    assert hits() > before
    assert ask("app.example.com") == ask("app.cluster.local") == ["203.0.113.7"]
    with pytest.raises(DnsError):
        query("other.example.com", LOCAL, tcp=False)

    # What no lint can know: the node lacks the address.
    crash = {"servers": [{"zones": ["broken.example"], "plugins": ["bind 203.0.113.99", "whoami"]}]}
    with pytest.raises(KubeError, match=r"does not start: CrashLoopBackOff.*203\.0\.113\.99.*was taken back"):
        cache.run(**declared, **crash)
    assert ask(NAME) == ["10.96.0.1"]
    assert "broken.example" not in cache.text

    changed = cache.run(node_selector=NODE)
    assert changed["nodes"]["current"] == ["node-1"]
    _wait_until_gone("app.cluster.local")


def _wait_until_gone(name: str) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            query(name, LOCAL, tcp=False)
        except DnsError:
            return
        time.sleep(0.2)
    raise AssertionError(f"{name} still resolves")
