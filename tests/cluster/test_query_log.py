# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A query log for a while on real CoreDNS pods: a Job's deadline ends it, by the real controllers."""

from __future__ import annotations

import copy
import time
import typing as t

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._dns.query import query
from ansible_collections.kubenode.network.plugins.module_utils._kube import corefile, query_log
from ansible_collections.kubenode.network.plugins.module_utils._kube.client import connect
from ansible_collections.kubenode.network.plugins.module_utils._kube.corefile import Request
from ansible_collections.kubenode.network.plugins.module_utils._kube.errors import KubeError
from ansible_collections.kubenode.network.plugins.module_utils._kube.texts import Wanted
from ansible_collections.kubenode.network.tests.cluster import objects

LOGS = "logs"
COREFILE = """\
.:53 {
    errors
    ready
    prometheus :9153
    template IN A example.com {
        answer "{{ .Name }} 60 IN A 203.0.113.1"
    }
    reload 2s 0s
}
"""
PATHS = {
    "ConfigMap": f"/api/v1/namespaces/{LOGS}/configmaps/coredns-query-log",
    "Job": f"/apis/batch/v1/namespaces/{LOGS}/jobs/coredns-query-log",
}
DEPLOYMENT = f"/apis/apps/v1/namespaces/{LOGS}/deployments/coredns"


@pytest.fixture(scope="module")
def logs(plane: t.Any) -> t.Any:
    """A CoreDNS of its own namespace with two pods."""
    plane.apply(*objects.site(LOGS, COREFILE, replicas=2))
    plane.wait_ready("deployments", "coredns", LOGS)
    return plane


def run(cluster: t.Any, state: str = "present", check_mode: bool = False, **wish: t.Any) -> dict[str, t.Any]:
    asked = query_log.Wish(state, **{"service": "dns", "namespace": LOGS, "wait_timeout": 60, **wish})
    return query_log.run(connect({"kubeconfig": str(cluster.kubeconfig())}), asked, check_mode, True)


def there(cluster: t.Any) -> dict[str, t.Any]:
    """The ConfigMap and the Job, as far as they are there."""
    client = connect({"kubeconfig": str(cluster.kubeconfig())})
    return {kind: held for kind, path in PATHS.items() if (held := client.find(path)) is not None}


def logged(cluster: t.Any, name: str) -> list[int]:
    """How often each pod logs that it was asked for a name, once it has been."""
    pods = cluster.pods(LOGS)
    assert len(pods) == 2
    for pod in pods:
        assert query(name, pod["status"]["podIP"], False) == ["203.0.113.1"]
    path = f"/api/v1/namespaces/{LOGS}/pods/{{}}/log"
    return [cluster.request("GET", path.format(pod["metadata"]["name"])).count(f" IN {name}. ") for pod in pods]


def wait_until(true: t.Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline, what
        time.sleep(0.2)


def text_of(cluster: t.Any) -> str:
    return str(cluster.config_map("coredns", LOGS)["data"]["Corefile"])


@pytest.fixture
def bare(logs: t.Any) -> t.Any:
    """Not prepared, whatever an earlier test left."""
    run(logs, "unprepared")
    return logs


def test_what_is_not_prepared_is_refused_with_what_is_missing(bare: t.Any) -> None:
    with pytest.raises(KubeError, match=r"do not mount ConfigMap coredns-query-log.*state: prepared does both once"):
        run(bare)
    assert (there(bare), text_of(bare)) == ({}, COREFILE)


def test_a_job_ends_the_log_by_itself_and_an_edit_made_meanwhile_stays(logs: t.Any) -> None:
    before = logs.request("GET", DEPLOYMENT)
    foreseen = run(logs, "prepared", check_mode=True)
    assert foreseen["changed"] and "replaces its pods" in foreseen["changes"][0]
    assert (logs.request("GET", DEPLOYMENT)["spec"], text_of(logs)) == (before["spec"], COREFILE)
    prepared = run(logs, "prepared")
    assert prepared["changes"] == foreseen["changes"] and len(prepared["evidence"]) == 2
    assert text_of(logs).count("import /etc/coredns-query-log/*.override") == 1
    assert not run(logs, "prepared")["changed"]
    assert logged(logs, "quiet.example.com") == [0, 0]

    assert run(logs, check_mode=True)["changed"] and there(logs) == {}
    on = run(logs, seconds=15, zones=("example.com",))
    assert (on["changed"], on["logging"], len(on["evidence"])) == (True, True, 2)
    assert logged(logs, "a.example.com") == [1, 1]
    again = run(logs, seconds=600, zones=("example.com",))
    assert (again["changed"], again["until"]) == (False, on["until"])
    # Nobody of ours is there any more; an operator edits the Corefile.
    edits = {"servers": [{"zones": [".:53"], "plugins": ["whoami"]}]}
    client = connect({"kubeconfig": str(logs.kubeconfig())})
    wish = Request(service="dns", namespace=LOGS, wait_timeout=60)
    assert corefile.change(client, Wanted(edits, owner="them"), wish, False, False, str)["changed"]
    assert logged(logs, "b.example.com") == [1, 1]
    wait_until(lambda: there(logs) == {}, "the Job does not end the log")
    # Their kubelet takes the file away a moment later, and CoreDNS notices at its next look.
    number = iter(range(1000))
    wait_until(lambda: logged(logs, f"n{next(number)}.example.com") == [0, 0], "CoreDNS still logs")
    assert "whoami" in text_of(logs)

    assert run(logs, "unprepared")["changed"]
    assert "import" not in text_of(logs) and "whoami" in text_of(logs)
    after = logs.request("GET", DEPLOYMENT)
    assert after["spec"] == before["spec"]
    assert not run(logs, "unprepared")["changed"]
    corefile.change(client, Wanted(owner="them", reset=True), wish, False, False, str)
    assert text_of(logs) == COREFILE


@pytest.fixture
def ready(logs: t.Any) -> t.Iterator[t.Any]:
    """Prepared, and not switched on."""
    run(logs, "prepared")
    yield logs
    run(logs, "absent", wait=False)
    wait_until(lambda: there(logs) == {}, "it is not off")


def test_it_is_extended_changed_and_ended_early(ready: t.Any) -> None:
    first = run(ready, seconds=100)
    more = run(ready, seconds=1000, extend=True)
    assert more["changed"] and more["until"] > first["until"]
    assert there(ready)["Job"]["metadata"]["uid"] == there(ready)["ConfigMap"]["metadata"]["ownerReferences"][0]["uid"]
    other = run(ready, zones=("corp.example.com",), classes=("denial",))
    assert other["changed"] and other["until"] == more["until"]
    assert there(ready)["ConfigMap"]["data"] == {"query-log.override": "log corp.example.com {\n    class denial\n}\n"}
    assert logged(ready, "c.example.com") == [0, 0]
    assert run(ready, "absent", check_mode=True)["changed"] and len(there(ready)) == 2
    off = run(ready, "absent")
    assert (off["changed"], off["logging"], len(off["evidence"])) == (True, False, 2)
    wait_until(lambda: there(ready) == {}, "it is not off")
    assert not run(ready, "absent")["changed"]


def test_where_no_job_may_be_made_nothing_is_logged(ready: t.Any) -> None:
    path = f"/api/v1/namespaces/{LOGS}/resourcequotas/none"
    hard = {"count/jobs.batch": "0"}
    quota = {
        "apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none", "namespace": LOGS},
        "spec": {"hard": hard},
    }  # fmt: skip
    ready.apply(quota)
    # What the controller of quotas, which does not run here, would find.
    status = {**quota, "status": {"hard": hard, "used": {"count/jobs.batch": "0"}}}
    ready.request("PUT", f"{path}/status", status)
    try:
        with pytest.raises(KubeError, match=r"Job logs/coredns-query-log.* cannot be made, .*exceeded quota"):
            run(ready)
        assert there(ready) == {}
    finally:
        ready.request("DELETE", path)


def test_what_somebody_else_has_by_that_name_is_left_alone(ready: t.Any) -> None:
    meta = {"name": "coredns-query-log", "namespace": LOGS}
    theirs = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"mine": "1"}}
    ready.apply(copy.deepcopy(theirs))
    for state in ("present", "absent"):
        with pytest.raises(KubeError, match=r"ConfigMap logs/coredns-query-log is there and was not made by this"):
            run(ready, state)
    assert there(ready)["ConfigMap"]["data"] == {"mine": "1"} and "Job" not in there(ready)
    ready.request("DELETE", PATHS["ConfigMap"])


def test_a_deployment_of_somebody_who_puts_it_back_is_not_prepared(bare: t.Any) -> None:
    before = bare.request("GET", DEPLOYMENT)
    mark = "app.kubernetes.io/managed-by"
    bare.request("PATCH", DEPLOYMENT, {"metadata": {"labels": {mark: "Helm"}}}, kind="merge-patch")
    try:
        with pytest.raises(KubeError, match=r"Deployment logs/coredns belongs to the Helm release .*on_owner: force"):
            run(bare, "prepared")
        assert bare.request("GET", DEPLOYMENT)["spec"] == before["spec"] and text_of(bare) == COREFILE
    finally:
        bare.request("PATCH", DEPLOYMENT, {"metadata": {"labels": {mark: None}}}, kind="merge-patch")


def test_a_volume_of_somebody_else_by_that_name_is_not_overruled(bare: t.Any) -> None:
    body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "coredns", "namespace": LOGS}}
    volume = {"name": "coredns-query-log", "configMap": {"name": "other", "optional": True}}
    mine = {**body, "spec": {"template": {"spec": {"volumes": [volume]}}}}
    bare.request("PATCH", f"{DEPLOYMENT}?fieldManager=them", mine, kind="apply-patch")
    try:
        before = bare.request("GET", DEPLOYMENT)["spec"]
        with pytest.raises(KubeError, match=r"somebody else declares the volume coredns-query-log .*them"):
            run(bare, "prepared")
        assert bare.request("GET", DEPLOYMENT)["spec"] == before and text_of(bare) == COREFILE
    finally:
        bare.request("PATCH", f"{DEPLOYMENT}?fieldManager=them", body, kind="apply-patch")
        bare.wait_ready("deployments", "coredns", LOGS)


@pytest.mark.parametrize("text", ["", "179", "2m", "0m", "-5m", "1.5h", "25h", "10 m", "ten", "99999999"])
def test_a_duration_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(KubeError, match=r"duration: .* from 180 seconds to 24 hours"):
        query_log.seconds_of(text)


def test_durations_and_classes(logs: t.Any) -> None:
    assert [query_log.seconds_of(text) for text in ("180", "200s", "10m", "2h", "24h")] == [180, 200, 600, 7200, 86400]
    with pytest.raises(KubeError, match=r"classes: some is none of plugin log's: all, success, denial, error"):
        run(logs, classes=("some",))
