# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Corefile is tried by a throw-away CoreDNS before it is written, which nobody else ever notices."""

from __future__ import annotations

import contextlib
import threading
import time
import typing as t

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._kube import corefile, validate
from ansible_collections.kubenode.network.plugins.module_utils._kube.client import connect
from ansible_collections.kubenode.network.plugins.module_utils._kube.corefile import Request
from ansible_collections.kubenode.network.plugins.module_utils._kube.errors import KubeError
from ansible_collections.kubenode.network.plugins.module_utils._kube.proof import Where
from ansible_collections.kubenode.network.plugins.module_utils._kube.texts import Wanted
from ansible_collections.kubenode.network.tests.cluster import objects

PODS = "/api/v1/namespaces/kube-system/pods"
CONFIG_MAPS = "/api/v1/namespaces/kube-system/configmaps"
NAME = "coredns-kubenode-validation"
WHERE = Where("kube-system", "coredns", "Corefile")
HOSTS = {"hosts": [{"address": "203.0.113.7", "names": ["app.example.com"]}]}
# Lint cannot know which files a pod has.
BROKEN = {"servers": [{"zones": ["broken.example.com"], "plugins": ["tls /no/cert /no/key"]}]}


def run(cluster: t.Any, options: dict[str, t.Any], check_mode: bool = False) -> dict[str, t.Any]:
    client = connect({"kubeconfig": str(cluster.kubeconfig())})
    request = Request(wait=False, wait_timeout=60, validate="pod")
    return corefile.change(client, Wanted(options, owner="test"), request, check_mode, True, lambda _line: None)


def ours(cluster: t.Any) -> list[str]:
    """Names of throw-away objects that are there."""
    found = []
    for kind in ("pods", "configmaps"):
        items = cluster.request("GET", f"/api/v1/namespaces/kube-system/{kind}")["items"]
        found += [f"{kind}/{one['metadata']['name']}" for one in items if NAME in one["metadata"]["name"]]
    return found


def written(cluster: t.Any) -> dict[str, t.Any]:
    """All ConfigMaps but the throw-away ones: name -> data."""
    items = cluster.request("GET", "/api/v1/namespaces/kube-system/configmaps")["items"]
    return {one["metadata"]["name"]: one.get("data") for one in items if NAME not in one["metadata"]["name"]}


@pytest.fixture(autouse=True)
def _gone(request: pytest.FixtureRequest) -> t.Iterator[None]:
    """After each test, whatever came out of it: a ConfigMap follows its pod by the garbage collector."""
    cluster = request.getfixturevalue("cluster")
    yield
    deadline = time.monotonic() + 60
    while ours(cluster) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert ours(cluster) == []


@contextlib.contextmanager
def watched(cluster: t.Any) -> t.Iterator[dict[str, set[str]]]:
    """Pods that were there, and pods that were endpoints of a Service, at any time meanwhile."""
    seen: dict[str, set[str]] = {"pods": set(), "endpoints": set(), "owned": set()}
    over = threading.Event()

    def watch() -> None:
        while not over.is_set():
            for pod in cluster.request("GET", PODS)["items"]:
                seen["pods"].add(pod["metadata"]["name"])
                if pod["metadata"].get("ownerReferences"):
                    seen["owned"].add(pod["metadata"]["name"])
            for one in cluster.request("GET", "/apis/discovery.k8s.io/v1/endpointslices")["items"]:
                seen["endpoints"] |= {
                    end["targetRef"]["name"] for end in one.get("endpoints") or () if end.get("targetRef")
                }
            over.wait(0.05)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def test_a_text_that_only_the_server_refuses_is_never_written(cluster: t.Any) -> None:
    before = written(cluster)
    with watched(cluster) as seen, pytest.raises(validate.Refused, match=r"/no/cert.*Nothing was written"):
        run(cluster, BROKEN)
    assert NAME in seen["pods"]
    assert written(cluster) == before


def test_a_good_text_is_tried_unseen_and_then_written(cluster: t.Any) -> None:
    live = {one["metadata"]["name"] for one in cluster.pods()}
    with watched(cluster) as seen:
        result = run(cluster, HOSTS)
    assert result["changed"]
    assert result["validation"]["pod"] == NAME
    assert result["validation"]["node"] == "node-1"
    assert "203.0.113.7 app.example.com" in written(cluster)["coredns"]["Corefile"]
    assert seen["pods"] == {*live, NAME}
    assert seen["endpoints"] >= live
    assert NAME not in seen["endpoints"] | seen["owned"]
    # Nothing to write, nothing to try.
    again = run(cluster, HOSTS)
    assert (again["changed"], "validation" in again) == (False, False)


def test_check_mode_starts_no_pod_and_says_so(cluster: t.Any) -> None:
    with watched(cluster) as seen:
        result = run(cluster, HOSTS, check_mode=True)
    assert seen["pods"] == {one["metadata"]["name"] for one in cluster.pods()}
    assert result["validation"] is None
    assert any("starts no pod in check mode" in one and "would take" in one for one in result["warnings"])


def test_texts_of_extensions_are_tried_with_the_corefile_that_imports_them(cluster: t.Any) -> None:
    """What coredns_extra_config does: another ConfigMap that the live pods mount."""
    client = connect({"kubeconfig": str(cluster.kubeconfig())})
    imported = objects.COREFILE.replace("UPSTREAM", "192.0.2.53") + "import /etc/extra/*.server\n"
    main = {"data": {"Corefile": imported}}
    live = cluster.pods()[0]
    # Without a probe it serves when it says so.
    del live["spec"]["containers"][0]["readinessProbe"]
    spec = {
        **live["spec"],
        "volumes": [
            *live["spec"]["volumes"], {"name": "extra", "configMap": {"name": "coredns-extra", "optional": True}},
        ],
        "containers": [
            {
                **live["spec"]["containers"][0],
                "volumeMounts": [
                    *live["spec"]["containers"][0]["volumeMounts"], {"name": "extra", "mountPath": "/etc/extra"},
                ],
            }
        ],
    }  # fmt: skip
    twin = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "coredns-with-extra", "namespace": "kube-system", "labels": {"app": "extra"}},
        "spec": {**spec, "nodeName": "node-1"},
    }
    where = WHERE._replace(selector="app=extra")
    cluster.request("POST", PODS, twin)
    try:
        broken = {"data": {"site.server": "corp.example.com {\n    tls /no/cert /no/key\n}\n"}}
        with pytest.raises(validate.Refused, match="/no/cert"):
            validate.validate_in_pod(client, where, {"coredns": main, "coredns-extra": broken}, 60)
        good = {"data": {"site.server": "corp.example.com {\n    whoami\n}\n"}}
        seen = validate.validate_in_pod(client, where, {"coredns": main, "coredns-extra": good}, 60)
        assert seen["pod"] == NAME
    finally:
        cluster.request("DELETE", f"{PODS}/coredns-with-extra?gracePeriodSeconds=0")


def test_what_a_run_left_behind_is_deleted_by_the_next(cluster: t.Any) -> None:
    """A run that was killed: its pod is through."""
    live = cluster.pods()[0]
    left = validate.pod_like(live, "coredns", NAME, {}, 60)
    left["spec"]["containers"][0]["args"] = ["-conf", "/no/Corefile"]
    made = cluster.request("POST", PODS, left)
    deadline = time.monotonic() + 30
    while cluster.request("GET", f"{PODS}/{NAME}")["status"].get("phase") != "Failed":
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert run(cluster, HOSTS)["changed"]
    assert all(one["metadata"]["uid"] != made["metadata"]["uid"] for one in cluster.request("GET", PODS)["items"])


def test_a_pod_that_no_node_takes_is_an_error_that_names_the_way_out(
    cluster: t.Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(validate, "UNSCHEDULED_SECONDS", 2.0)
    before = written(cluster)
    with (
        without_nodes(cluster),
        pytest.raises(KubeError, match=r"no node takes it.*unschedulable.*validate: lint") as caught,
    ):
        run(cluster, HOSTS)
    assert not isinstance(caught.value, validate.Refused)
    assert written(cluster) == before


@contextlib.contextmanager
def without_nodes(cluster: t.Any) -> t.Iterator[None]:
    node = "/api/v1/nodes/node-1"
    cluster.request("PATCH", node, {"spec": {"unschedulable": True}}, kind="merge-patch")
    try:
        yield
    finally:
        cluster.request("PATCH", node, {"spec": {"unschedulable": None}}, kind="merge-patch")


def test_an_image_that_cannot_be_pulled_is_told_at_once(cluster: t.Any) -> None:
    """As a kubelet reports it; the one of these tests pulls nothing."""
    waiting = {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling image"}}
    image = {"image": "coredns", "imageID": "", "name": "coredns", "ready": False, "restartCount": 0, "state": waiting}

    def report() -> None:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                body = {"status": {"containerStatuses": [image]}}
                cluster.request("PATCH", f"{PODS}/{NAME}/status", body, kind="merge-patch")
                return
            time.sleep(0.05)

    before = written(cluster)
    thread = threading.Thread(target=report)
    with without_nodes(cluster):
        thread.start()
        with pytest.raises(KubeError, match=r"not ready: ImagePullBackOff: Back-off pulling image.*validate: lint"):
            run(cluster, HOSTS)
        thread.join()
    assert written(cluster) == before


@pytest.mark.parametrize("what", ["quota", "PodSecurity"])
def test_a_pod_that_the_api_server_refuses_is_an_error_that_names_the_way_out(cluster: t.Any, what: str) -> None:
    before = written(cluster)
    space = "/api/v1/namespaces/kube-system"
    label = "pod-security.kubernetes.io/enforce"
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "few", "namespace": "kube-system"},
        "spec": {"hard": {"pods": "2"}},
    }
    # The controller that counts is left out here.
    counted = {"status": {"hard": {"pods": "2"}, "used": {"pods": "2"}}}
    if what == "quota":
        cluster.request("POST", f"{space}/resourcequotas", quota)
        cluster.request("PATCH", f"{space}/resourcequotas/few/status", counted, kind="merge-patch")
    else:
        cluster.request("PATCH", space, {"metadata": {"labels": {label: "restricted"}}}, kind="merge-patch")
    try:
        with pytest.raises(KubeError, match=rf"(?i){what}.*validate: lint"):
            run(cluster, HOSTS)
    finally:
        if what == "quota":
            cluster.request("DELETE", f"{space}/resourcequotas/few")
        else:
            cluster.request("PATCH", space, {"metadata": {"labels": {label: None}}}, kind="merge-patch")
    assert written(cluster) == before


@pytest.fixture
def waiting(cluster: t.Any) -> t.Iterator[t.Callable[..., dict[str, t.Any]]]:
    """Make a pod like a live one that no node takes."""
    names = []

    def make(name: str, config_map: str = "coredns", **spec: t.Any) -> dict[str, t.Any]:
        body = validate.pod_like(cluster.pods()[0], "coredns", name, {"coredns": config_map}, 60)
        body["spec"].update({"nodeSelector": {"no": "such"}, **spec})
        body["metadata"]["labels"] = {"app": "waiting"}
        names.append(name)
        return t.cast("dict[str, t.Any]", cluster.request("POST", PODS, body))

    yield make
    for name in names:
        cluster.request("DELETE", f"{PODS}/{name}?gracePeriodSeconds=0")


def test_a_trial_of_another_run_is_not_disturbed(cluster: t.Any, waiting: t.Any) -> None:
    client = connect({"kubeconfig": str(cluster.kubeconfig())})
    theirs = waiting(NAME)
    with pytest.raises(KubeError, match=rf"another run is there since.*delete pod {NAME}.*validate: lint"):
        validate.validate_in_pod(client, WHERE, {"coredns": cluster.config_map()}, 1)
    assert cluster.request("GET", f"{PODS}/{NAME}")["metadata"]["uid"] == theirs["metadata"]["uid"]


def test_a_server_that_binds_addresses_of_its_node_cannot_be_tried(cluster: t.Any, waiting: t.Any) -> None:
    client = connect({"kubeconfig": str(cluster.kubeconfig())})
    waiting("coredns-on-node", "bound", hostNetwork=True)
    where = WHERE._replace(config_map="bound", selector="app=waiting")
    bound = {"data": {"Corefile": ". {\n    bind 169.254.20.10\n    whoami\n}\n"}}
    with pytest.raises(KubeError, match=r"coredns-on-node runs in its node's network and binds.*validate: lint"):
        validate.validate_in_pod(client, where, {"bound": bound}, 30)
    # So it is with what such a Corefile imports, whatever that binds.
    meta = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "bound", "namespace": "kube-system"}}
    cluster.request("POST", CONFIG_MAPS, {**meta, **bound})
    try:
        imported = {"coredns-extra": {"data": {"site.server": "corp.example.com {\n    whoami\n}\n"}}}
        with pytest.raises(KubeError, match=r"coredns-on-node runs in its node's network and binds"):
            validate.validate_in_pod(client, where, imported, 30)
    finally:
        cluster.request("DELETE", f"{CONFIG_MAPS}/bound")
