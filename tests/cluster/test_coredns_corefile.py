# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Edits of the Corefile of a real CoreDNS behind a real API server: written, loaded, proved, or put back."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._dns.query import DnsError, query
from ansible_collections.kubenode.network.plugins.module_utils._kube import corefile, texts
from ansible_collections.kubenode.network.plugins.module_utils._kube.client import connect
from ansible_collections.kubenode.network.plugins.module_utils._kube.corefile import Request
from ansible_collections.kubenode.network.plugins.module_utils._kube.errors import KubeError
from ansible_collections.kubenode.network.plugins.module_utils._kube.texts import Wanted
from ansible_collections.kubenode.network.tests.cluster import objects

HOSTS = {"hosts": [{"address": "203.0.113.7", "names": ["app.example.com"]}]}
CLUSTER_NAME = "kubernetes.default.svc.cluster.local"


def run(cluster: t.Any, options: dict[str, t.Any], check_mode: bool = False, **request: t.Any) -> dict[str, t.Any]:
    wish = Wanted(options, owner="test", reset=request.pop("reset", False))
    client = connect({"kubeconfig": str(cluster.kubeconfig())})
    return corefile.change(
        client, wish, Request(wait_timeout=60)._replace(**request), check_mode, True, lambda _line: None
    )


def text(cluster: t.Any) -> str:
    return str(cluster.config_map()["data"]["Corefile"])


def test_a_hosts_entry_is_served_by_every_pod_when_the_run_is_over(cluster: t.Any) -> None:
    before = text(cluster)
    result = run(cluster, HOSTS, test_names=(CLUSTER_NAME,))
    assert result["changed"]
    assert {one["hash"] for one in result["evidence"]} and len(result["evidence"]) == 2
    assert [one["resolved"] for one in result["tests"]] == [True]
    for pod in cluster.pods():
        for tcp in (False, True):
            assert query("app.example.com", pod["status"]["podIP"], tcp) == ["203.0.113.7"]
    assert query("app.example.com", objects.CLUSTER_DNS, tcp=False) == ["203.0.113.7"]
    again = run(cluster, HOSTS)
    assert not again["changed"]
    assert "+    hosts {" in result["diff"]["prepared"] or "+   hosts" in result["diff"]["prepared"]
    gone = run(cluster, {"log": [{"server": ".", "enabled": True}]})
    assert gone["changed"]
    with pytest.raises(DnsError):
        query("app.example.com", cluster.pods()[0]["status"]["podIP"], tcp=False)
    assert run(cluster, {}, reset=True)["changed"]
    assert text(cluster) == before
    assert texts.RECORDS not in cluster.config_map()["metadata"].get("annotations", {})


def test_check_mode_writes_nothing_and_shows_the_difference(cluster: t.Any) -> None:
    before = cluster.config_map()
    result = run(cluster, HOSTS, check_mode=True)
    assert result["changed"]
    assert "203.0.113.7 app.example.com" in result["diff"]["prepared"]
    assert cluster.config_map() == before


def test_a_no_op_with_the_target_named_is_one_request(cluster: t.Any) -> None:
    run(cluster, HOSTS, name="coredns", wait=False)
    result = run(cluster, HOSTS, name="coredns", wait=False)
    assert (result["changed"], result["requests"]) == (False, 1)


def test_a_text_that_lints_and_fails_in_coredns_is_put_back_with_its_words(cluster: t.Any) -> None:
    """Files that only the server can know to be missing."""
    before = text(cluster)
    broken = {"servers": [{"zones": ["broken.example.com"], "plugins": ["tls /no/cert /no/key"]}]}
    with pytest.raises(KubeError, match=r"refused|crashed") as caught:
        run(cluster, broken)
    assert caught.value.details["rolled_back"] is True
    assert "/no/cert" in caught.value.message
    assert text(cluster) == before
    assert query(CLUSTER_NAME, objects.CLUSTER_DNS, tcp=False) == ["10.96.0.1"]


def test_a_name_that_no_longer_resolves_puts_the_text_back(cluster: t.Any) -> None:
    before = text(cluster)
    away = {"servers": [{"zones": ["cluster.local"], "plugins": ["template ANY ANY {\nrcode NXDOMAIN\n}"]}]}
    with pytest.raises(KubeError, match="no longer does") as caught:
        run(cluster, away, test_names=(CLUSTER_NAME,), test_from="port_forward")
    assert caught.value.details["rolled_back"] is True
    assert text(cluster) == before


def test_an_edit_that_would_be_refused_never_reaches_the_server(cluster: t.Any) -> None:
    version = cluster.config_map()["metadata"]["resourceVersion"]
    with pytest.raises(KubeError, match=r"would be refused.*line"):
        run(cluster, {"servers": [{"zones": ["a.example.com"], "plugins": ["cache 30", "nosuchplugin"]}]})
    assert cluster.config_map()["metadata"]["resourceVersion"] == version


def test_a_corefile_of_somebody_who_puts_it_back_is_not_edited(cluster: t.Any) -> None:
    mark = {"labels": {"app.kubernetes.io/managed-by": "Helm"}, "annotations": {"meta.helm.sh/release-name": "dns"}}
    held = {**cluster.config_map(), "apiVersion": "v1", "kind": "ConfigMap"}
    cluster.request("PATCH", objects.path_of(held, named=True), {"metadata": mark}, kind="merge-patch")
    with pytest.raises(KubeError, match=r"belongs to the Helm release .*/dns .*helm upgrade.*on_owner: force"):
        run(cluster, HOSTS)
    assert run(cluster, HOSTS, on_owner="force", wait=False)["changed"]


def test_a_foreign_edit_between_two_runs_stays_and_is_told(cluster: t.Any) -> None:
    run(cluster, HOSTS, wait=False)
    held = cluster.config_map()
    held["data"]["Corefile"] = held["data"]["Corefile"].replace("    errors\n", "    errors # theirs\n")
    cluster.request("PUT", objects.path_of({**held, "apiVersion": "v1", "kind": "ConfigMap"}, named=True), held)
    result = run(cluster, {**HOSTS, "log": [{"server": ".", "enabled": True}]}, wait=False)
    assert any("edited" in one for one in result["warnings"])
    assert "errors # theirs" in text(cluster)


def test_a_writer_without_resource_version_is_told_with_what_it_destroyed(cluster: t.Any) -> None:
    before = text(cluster)
    run(cluster, HOSTS, wait=False)
    patch = {"data": {"Corefile": before}}
    held = {**cluster.config_map(), "apiVersion": "v1", "kind": "ConfigMap"}
    cluster.request("PATCH", objects.path_of(held, named=True) + "?fieldManager=careless", patch, kind="merge-patch")
    result = run(cluster, HOSTS, wait=False)
    assert result["changed"]
    assert any("written over by careless" in one and "app.example.com" in one for one in result["warnings"])
    assert "203.0.113.7 app.example.com" in text(cluster)


def test_a_replaced_text_comes_back_by_its_number(cluster: t.Any) -> None:
    before = text(cluster)
    run(cluster, HOSTS, wait=False)
    with pytest.raises(KubeError, match=r"no revision 99.*kept are: (.*)") as caught:
        run(cluster, {}, revision=99, wait=False)
    newest = int(caught.value.message.rpartition(" ")[2])
    result = run(cluster, {}, revision=newest, wait=False)
    assert result["changed"]
    assert text(cluster) == before
    assert not run(cluster, {}, revision=newest, wait=False)["changed"]


def test_a_write_is_taken_back_with_its_records_unless_somebody_edited_since(cluster: t.Any) -> None:
    before = cluster.config_map()
    run(cluster, HOSTS, wait=False)
    held = cluster.config_map()
    removed = run(cluster, {}, wait=False)
    run(cluster, {}, wait=False, undo=removed["undo"])
    now = cluster.config_map()
    assert now["data"] == held["data"]
    assert now["metadata"]["annotations"] == held["metadata"]["annotations"]
    assert run(cluster, {}, wait=False, undo=removed["undo"])["changed"] is False
    # What is ours again goes when it is no longer declared.
    later = run(cluster, {}, wait=False)
    assert cluster.config_map()["data"] == before["data"]
    foreign = dict(cluster.config_map(), data={"Corefile": before["data"]["Corefile"] + "# mine\n"})
    cluster.request("PUT", objects.path_of(foreign, named=True), foreign)
    with pytest.raises(KubeError, match="somebody has edited the text since"):
        run(cluster, {}, wait=False, undo=later["undo"])
    assert text(cluster).endswith("# mine\n")
    with pytest.raises(KubeError, match=r"undo: a dictionary with sha was found; expected is the undo"):
        run(cluster, {}, wait=False, undo={"sha": ""})
