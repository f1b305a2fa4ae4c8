# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names resolve throughout: queries every 50 ms, over UDP and TCP, while a Corefile is edited, put back, restarted."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._kube import corefile
from ansible_collections.kubenode.network.plugins.module_utils._kube.client import connect
from ansible_collections.kubenode.network.plugins.module_utils._kube.corefile import Request
from ansible_collections.kubenode.network.plugins.module_utils._kube.errors import KubeError
from ansible_collections.kubenode.network.plugins.module_utils._kube.texts import Wanted
from ansible_collections.kubenode.network.tests.cluster import objects
from ansible_collections.kubenode.network.tests.cluster.prober import Prober

CLUSTER_NAME = "kubernetes.default.svc.cluster.local"
HOSTS = {"hosts": [{"address": "203.0.113.7", "names": ["unbroken.example.com"]}]}
BROKEN = {"servers": [{"zones": ["broken.example.com"], "plugins": ["tls /no/cert /no/key"]}]}
AFTER = 40
"""Queries that follow the end of a run: what it leaves behind is seen too."""


def change(plane: t.Any, options: dict[str, t.Any], **request: t.Any) -> dict[str, t.Any]:
    client = connect({"kubeconfig": str(plane.kubeconfig())})
    asked = Request(wait_timeout=60)._replace(**request)
    return corefile.change(client, Wanted(options, "unbroken"), asked, False, False, lambda _line: None)


def test_no_query_fails_while_a_corefile_is_edited_and_edited_back(cluster: t.Any) -> None:
    with Prober(CLUSTER_NAME, objects.CLUSTER_DNS) as prober:
        prober.wait_for(10)
        assert change(cluster, HOSTS)["changed"]
        assert change(cluster, {})["changed"]
        prober.wait_for(AFTER)
    assert prober.failures == []
    print(f"{prober.asked} queries during two edits, 0 failed")


def test_no_query_fails_while_a_refused_edit_is_put_back(cluster: t.Any) -> None:
    before = cluster.config_map()["data"]
    with Prober(CLUSTER_NAME, objects.CLUSTER_DNS) as prober:
        prober.wait_for(10)
        with pytest.raises(KubeError, match=r"Corefile changed but reload failed: .*/no/cert.* put back"):
            change(cluster, {**HOSTS, **BROKEN})
        prober.wait_for(AFTER)
    assert cluster.config_map()["data"] == before
    assert prober.failures == []
    print(f"{prober.asked} queries during a refused edit, 0 failed")


def test_no_query_fails_while_a_server_that_does_not_reload_is_restarted(plane: t.Any, site: t.Any) -> None:
    namespace = site(objects.COREFILE.replace("    reload 2s 1s\n", ""), replicas=2)
    service = plane.request("GET", f"/api/v1/namespaces/{namespace}/services/dns")["spec"]["clusterIP"]
    uids = {pod["metadata"]["uid"] for pod in plane.pods(namespace)}
    with Prober(CLUSTER_NAME, service) as prober:
        prober.wait_for(10)
        result = change(plane, HOSTS, service="dns", namespace=namespace)
        prober.wait_for(AFTER)
    assert len(result["evidence"]) == 2
    assert {one["uid"] for one in result["evidence"]}.isdisjoint(uids)
    assert prober.failures == []
    print(f"{prober.asked} queries during a restart, 0 failed")
