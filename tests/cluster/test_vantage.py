# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A controller that reaches the API server, and neither ClusterIPs nor pods: all goes through the API server."""

from __future__ import annotations

import re
import typing as t

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._kube import corefile
from ansible_collections.kubenode.network.plugins.module_utils._kube.client import connect
from ansible_collections.kubenode.network.plugins.module_utils._kube.corefile import Request
from ansible_collections.kubenode.network.plugins.module_utils._kube.errors import KubeError
from ansible_collections.kubenode.network.plugins.module_utils._kube.texts import Wanted
from ansible_collections.kubenode.network.tests.cluster import module_process, objects

CLUSTER_NAME = "kubernetes.default.svc.cluster.local"
NOT_THERE = "nothing.default.svc.cluster.local"


def arguments(plane: t.Any, namespace: str, **more: t.Any) -> dict[str, t.Any]:
    return {
        "kubeconfig": str(plane.kubeconfig()),
        "service": "dns",
        "namespace": namespace,
        "wait_timeout": 60,
        "owner": "far",
        "hosts": [{"address": "203.0.113.9", "names": ["far.example.com"]}],
        "test_names": [CLUSTER_NAME],
        **more,
    }


def test_from_afar_the_proof_and_the_answers_come_through_the_api_server(
    plane: t.Any, quick: str, far: list[str]
) -> None:
    for address in (objects.CLUSTER_DNS, plane.pods(quick)[0]["status"]["podIP"]):
        looked = module_process.python(f"import socket; socket.create_connection(({address!r}, 53), 3)", far)
        assert "unreachable" in looked.stderr
    result = module_process.run("coredns_corefile", arguments(plane, quick), far)
    assert result.get("changed"), result
    assert len(result["evidence"]) == 2
    assert {one["source"] for one in result["evidence"]} <= {"metrics", "log"}
    [test] = result["tests"]
    assert (test["resolved"], test["asked_from"]) == (True, "port_forward")
    assert sorted(test["answers"]) == sorted(pod["metadata"]["name"] for pod in plane.pods(quick))


def test_from_afar_here_is_refused_before_anything_is_written(plane: t.Any, quick: str, far: list[str]) -> None:
    before = plane.config_map(namespace=quick)
    result = module_process.run("coredns_corefile", arguments(plane, quick, test_from="here"), far)
    assert result["failed"]
    assert re.search(
        r"no pod answers from where the module runs \(coredns-\S+: .*unreachable.*nothing was changed; "
        "test_from: port_forward asks through the API server",
        result["msg"],
    )
    assert [one["asked_from"] for one in result["tests"]] == ["here"]
    assert plane.config_map(namespace=quick) == before


def test_a_name_that_is_not_there_is_an_answer_all_the_same(plane: t.Any, quick: str) -> None:
    client = connect({"kubeconfig": str(plane.kubeconfig())})
    request = Request(service="dns", namespace=quick, wait_timeout=60, test_names=(NOT_THERE, CLUSTER_NAME))
    for test_from in ("auto", "here", "port_forward"):
        result = corefile.change(
            client, Wanted({}), request._replace(test_from=test_from), False, False, lambda _line: None
        )
        asked = {one["name"]: one for one in result["tests"]}
        assert [asked[NOT_THERE]["resolved"], asked[CLUSTER_NAME]["resolved"]] == [False, True]
        assert "NXDOMAIN" in next(iter(asked[NOT_THERE]["problems"].values()))
        assert asked[CLUSTER_NAME]["asked_from"] == ("port_forward" if test_from == "port_forward" else "here")


def test_pods_that_answer_nobody_are_refused_whatever_the_way(plane: t.Any, site: t.Any) -> None:
    """One that has no server on port 53, and is ready all the same."""
    namespace = site(objects.QUICK.replace(".:53 {", ".:5300 {"))
    client = connect({"kubeconfig": str(plane.kubeconfig())})
    request = Request(service="dns", namespace=namespace, wait_timeout=60, test_names=(CLUSTER_NAME,))
    with pytest.raises(KubeError, match=r"no pod answers through the API server .*look at the pods"):
        corefile.change(client, Wanted({"log": [{"server": ".:5300"}]}), request, False, False, lambda _line: None)
    assert "log" not in plane.config_map(namespace=namespace)["data"]["Corefile"]
