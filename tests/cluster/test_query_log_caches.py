# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A query log for a while of the caches on the nodes: a CoreDNS with node-cache's plugin set, as nodelocaldns lays it.

With NODE_CACHE_BINARY the pods run that node-cache instead.
"""

from __future__ import annotations

import time
import typing as t

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._kube import query_log
from ansible_collections.kubenode.network.plugins.module_utils._kube.client import connect
from ansible_collections.kubenode.network.plugins.module_utils._kube.errors import KubeError
from ansible_collections.kubenode.network.plugins.module_utils._nodelocal.query_log import CACHES
from ansible_collections.kubenode.network.tests.cluster import node_cache, nodelocal, objects, simulated_nodes
from ansible_collections.kubenode.network.tests.cluster.test_node_cache_pod import NODE, ask, cache
from ansible_collections.kubenode.network.tests.cluster.test_rights import having

__all__ = ("cache", "having")
NAME = "node-local-dns-query-log"
PATHS = {
    "ConfigMap": f"{nodelocal.BASE}/configmaps/{NAME}",
    "Job": f"/apis/batch/v1/namespaces/{nodelocal.NAMESPACE}/jobs/{NAME}",
}
BASE = ("cluster.local", "in-addr.arpa", "ip6.arpa", ".")
HOSTS = [{"address": "203.0.113.7", "names": ["app.example.com", "app.cluster.local"]}]
# Plugin reload has one interval for the whole server.
DECLARED: dict[str, t.Any] = {
    "node_selector": NODE, "hosts": HOSTS, "log": [{"server": ".", "classes": ["error"]}],
    "servers": [
        *({"zones": [f"{zone}:53"], "plugins": ["reload 2s 0s"]} for zone in BASE),
        {"zones": ["corp.example:53"], "plugins": ["hosts {\n203.0.113.8 db.corp.example\n}"]},
    ],
}  # fmt: skip


# What node-cache appends is in the hash of what it runs as well.
KUBE_DNS = {
    "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kube-dns", "namespace": nodelocal.NAMESPACE},
    "data": {"stubDomains": '{"stub.example": ["203.0.113.9"]}', "upstreamNameservers": '["192.0.2.53"]'},
}  # fmt: skip


def run(
    cluster: t.Any, state: str = "present", check_mode: bool = False, user: str = "admin", **wish: t.Any
) -> dict[str, t.Any]:
    asked = query_log.Wish(state, **{"wait_timeout": 60, **wish})
    client = connect({"kubeconfig": str(cluster.kubeconfig(user))})
    return query_log.run(client, asked, check_mode, True, target=CACHES)


def there(one: nodelocal.Cache) -> set[str]:
    """Of the ConfigMap and the Job those that are there."""
    return {kind for kind, path in PATHS.items() if one.get(path) is not None}


def logged(one: nodelocal.Cache, name: str) -> int:
    """How often the node's cache has logged that it was asked for a name."""
    [pod] = one.pods().values()
    log = one.cluster.request("GET", f"{nodelocal.BASE}/pods/{pod['metadata']['name']}/log")
    return str(log).count(f" IN {name}. ")


def logs(one: nodelocal.Cache, *names: str) -> None:
    """Ask for these, and see it logged: plugin log writes its line when the answer is on its way."""
    for name in names:
        before = logged(one, name)
        assert ask(name)
        wait_until(lambda: logged(one, name) > before, f"{name} is not logged")  # noqa: B023 - it is called here


def wait_until(true: t.Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline, what
        time.sleep(0.2)


@pytest.fixture
def stubbed(cache: nodelocal.Cache) -> t.Iterator[nodelocal.Cache]:
    cache.make(KUBE_DNS)
    yield cache
    cache.cluster.request("DELETE", objects.path_of(KUBE_DNS, named=True))
    run(cache.cluster, "absent", wait=False)


def test_a_job_ends_what_the_caches_log_and_their_way_comes_and_goes_with_their_template(
    stubbed: nodelocal.Cache, having: t.Callable[..., t.Any]
) -> None:
    print(f"the cache is {node_cache.CALLED}")
    cache = stubbed

    def work(state: str = "present", check_mode: bool = False, **wish: t.Any) -> dict[str, t.Any]:
        return run(cache.cluster, state, check_mode, "editor", **wish)

    plain = cache.run(**DECLARED)
    text = cache.text
    having("query-log")
    with pytest.raises(KubeError, match=r"daemonsets.*forbidden.*docs/rbac"):
        work()
    having("query-log-caches")
    with pytest.raises(KubeError, match=rf"DaemonSet .* does not mount ConfigMap {NAME}.*dns_cache_query_log"):
        work()
    assert (cache.text, there(cache)) == (text, set())

    prepared = cache.run(**DECLARED, query_log=True)
    assert prepared["revision"] != plain["revision"] and prepared["warnings"] == plain["warnings"]
    assert cache.text.count("import /etc/node-local-dns-query-log/*.override") == len(BASE)
    assert not cache.run(**DECLARED, query_log=True)["changed"] and cache.writes() == []
    assert work(check_mode=True)["changed"] and there(cache) == set()
    for name in ("app.cluster.local", "app.example.com"):
        assert ask(name)

    on = work(seconds=600)
    assert (on["logging"], on["warnings"]) == (True, [])
    assert [(one["node"], one["reload_failures"]) for one in on["evidence"]] == [("node-1", 0.0)]
    # That block logs errors only, for ever; for the while all is logged. A block of users' own has to import it itself.
    assert (logged(cache, "app.cluster.local"), logged(cache, "app.example.com")) == (0, 0)
    assert ask("db.corp.example")
    logs(cache, "app.cluster.local", "app.example.com")
    assert logged(cache, "db.corp.example") == 0
    assert not work(seconds=900)["changed"]
    assert [one["node"] for one in work("absent")["evidence"]] == ["node-1"]
    wait_until(lambda: there(cache) == set(), "it is not off")
    _wait_until_quiet(cache)

    assert work(seconds=600)["evidence"]
    logs(cache, "app.example.com")
    # Its time is over, whatever becomes of us.
    cache.cluster.request("PATCH", PATHS["Job"], {"spec": {"activeDeadlineSeconds": 1}}, kind="merge-patch")
    wait_until(lambda: there(cache) == set(), "the Job does not end the log")
    _wait_until_quiet(cache)
    assert not work("absent")["changed"]

    taken = cache.run(**DECLARED)
    assert (taken["revision"], cache.text) == (plain["revision"], text)
    [pod] = cache.pods().values()
    assert NAME not in [one["name"] for one in pod["spec"]["volumes"]]


def _wait_until_quiet(one: nodelocal.Cache) -> None:
    """A kubelet takes the file away a moment later, and CoreDNS notices at its next look."""
    counts: list[int] = []

    def quiet() -> bool:
        assert ask("app.example.com")
        counts.append(logged(one, "app.example.com"))
        # A line may come a moment after its answer, but not after several.
        return len(counts) > 3 and len(set(counts[-4:])) == 1

    wait_until(quiet, "the cache still logs")


@pytest.fixture
def simulated(deployed: t.Any) -> t.Iterator[nodelocal.Cache]:
    """Nodes whose pods run nothing, so that nothing is waited for."""
    with simulated_nodes.SimulatedNodes(deployed, 3) as sim:
        one = nodelocal.Cache(deployed, sim)
        yield one
        run(deployed, "absent", wait=False)
        wait_until(lambda: there(one) == set(), "it is not off")
        one.clear()


def test_where_there_is_no_cache_of_ours_nothing_is_made(simulated: nodelocal.Cache) -> None:
    def state_of() -> dict[str, t.Any]:
        # Of the DaemonSet its controller writes the status.
        generation = ((simulated.get(nodelocal.DAEMON_SET) or {}).get("metadata") or {}).get("generation")
        return {**simulated.state(), nodelocal.DAEMON_SET: generation}

    def refused(said: str, state: str = "present", **wish: t.Any) -> None:
        before = state_of()
        with pytest.raises(KubeError, match=said):
            run(simulated.cluster, state, **wish)
        assert (state_of(), there(simulated)) == (before, set())

    refused(r"there is no DaemonSet kube-system/node-local-dns.*\(dns_cache_query_log.*or say with namespace")
    simulated.make(*nodelocal.older_manifest())
    refused("DaemonSet kube-system/node-local-dns was not made by nodelocaldns.* takes it over")
    simulated.clear()
    simulated.run(nodes=[], query_log=True)
    refused("no node has a ready cache of the present revision .*there is none.*with nodelocaldns")
    for state in ("prepared", "unprepared"):
        refused(rf"state: {state} is given, and NodeLocal DNSCache is prepared by nodelocaldns with query_log", state)
    refused("service: kube-dns is given, .*DaemonSet node-local-dns: leave it out, .*namespace", service="kube-dns")
    refused("on_owner: force is given, and nothing of the caches' own", on_owner="force")


def test_nodes_that_are_down_or_of_another_wave_are_told_and_a_log_that_nobody_reads_any_more_is_ended(
    simulated: nodelocal.Cache,
) -> None:
    simulated.run(query_log=True)
    simulated.run(query_log=True, force_tcp=False, nodes=["sim-1"])
    other = "the cache on sim-2, sim-3 is of another revision than its DaemonSet, and was not looked at"
    assert run(simulated.cluster, wait=False)["warnings"][0] == other
    simulated.run(query_log=True, force_tcp=False)
    simulated.sim.broken.add("sim-3")
    name = simulated.pods()["sim-3"]["metadata"]["name"]
    body = {"metadata": {"annotations": {"somebody": "looks"}}}
    simulated.cluster.request("PATCH", f"{nodelocal.BASE}/pods/{name}", body, kind="merge-patch")
    down = "the cache on sim-3 is not ready, and was not waited for"
    wait_until(lambda: run(simulated.cluster, wait=False)["warnings"][0] == down, "sim-3 is not down")
    simulated.sim.broken.clear()
    assert there(simulated) == {"ConfigMap", "Job"}
    # With the way the readers go, and nothing is to be proved any more.
    simulated.cluster.request("PATCH", f"{nodelocal.BASE}/pods/{name}", body, kind="merge-patch")
    simulated.run()
    off = run(simulated.cluster, "absent")
    assert off["changes"] == [f"deleted ConfigMap kube-system/{NAME}", f"deleted Job kube-system/{NAME}"]
    wait_until(lambda: there(simulated) == set(), "it is not off")
