# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The declared objects of a node-local cache, and how they compare with what is there."""

from __future__ import annotations

import copy
import typing as t

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._nodelocal import compare, objects
from ansible_collections.kubenode.network.plugins.module_utils._nodelocal.corefile import Facts
from ansible_collections.kubenode.network.plugins.module_utils._nodelocal.options import Options

FACTS = Facts("cluster_ip", "cluster.local", ("10.96.0.10",), "10.96.77.3")
SERVICE: dict[str, t.Any] = {
    "metadata": {"name": "rke2-coredns", "namespace": "dns"},
    "spec": {
        "selector": {"app": "dns"}, "ipFamilies": ["IPv4", "IPv6"],
        "ports": [
            {"port": 53, "protocol": "UDP", "targetPort": "udp-53"},
            {"port": 53, "protocol": "TCP", "targetPort": 5353},
        ],
    },
}  # fmt: skip


def made(options: Options = Options(), facts: Facts = FACTS, text: str = "x") -> objects.Desired:  # noqa: B008
    return objects.desired(options, facts, text, SERVICE)


def test_the_upstream_service_leads_to_the_same_pods_in_the_caches_family() -> None:
    spec = made().upstream["spec"]
    assert spec["selector"] == {"app": "dns"}
    assert [port["targetPort"] for port in spec["ports"]] == ["udp-53", 5353]
    assert spec["ipFamilies"] == ["IPv4"]
    assert made(Options(local_ips=("fd00::a",))).upstream["spec"]["ipFamilies"] == ["IPv6"]


@pytest.mark.parametrize(
    ("options", "facts", "text"),
    [
        (Options(image="r/node-cache:2"), FACTS, "x"),
        (Options(), FACTS, "y"),
        (Options(), FACTS._replace(interception="local_ip"), "x"),
        (Options(), FACTS._replace(kube_dns={"stubDomains": "{}"}), "x"),
        (Options(health_port=8081), FACTS, "x"),
        (Options(query_log=True), FACTS, "x"),
    ],
)
def test_whatever_pods_depend_on_is_another_revision(options: Options, facts: Facts, text: str) -> None:
    assert made(options, facts, text).revision != made().revision


def test_pods_mount_what_their_revision_holds_and_nothing_that_changes() -> None:
    found = made(facts=FACTS._replace(kube_dns={"stubDomains": "{}"}))
    name = found.config_map["metadata"]["name"]
    volumes = found.daemon_set["spec"]["template"]["spec"]["volumes"]
    mounted = [volume["configMap"] for volume in volumes if "configMap" in volume]
    assert {one["name"] for one in mounted} == {name}
    assert {item["key"] for one in mounted for item in one["items"]} == {"Corefile", "stubDomains"}
    assert found.config_map["immutable"] is True
    assert made(facts=FACTS._replace(upstream="")).revision == made().revision


def test_the_config_map_of_a_query_log_may_come_and_go_under_a_pod() -> None:
    spec = made(Options(query_log=True)).daemon_set["spec"]["template"]["spec"]
    assert {"name": "node-local-dns-query-log", "optional": True} in [one.get("configMap") for one in spec["volumes"]]
    [mount] = [one for one in spec["containers"][0]["volumeMounts"] if one["name"] == "node-local-dns-query-log"]
    assert (mount["mountPath"], mount["readOnly"]) == ("/etc/node-local-dns-query-log", True)


def test_an_object_as_it_was_applied_has_no_difference_and_each_change_has_its_path() -> None:
    declared = made().daemon_set
    live = copy.deepcopy(declared)
    live["spec"]["template"]["spec"]["containers"][0]["imagePullPolicy"] = "IfNotPresent"
    live["spec"]["template"]["spec"]["containers"][0]["ports"].reverse()
    assert compare.differences(live, declared) == []
    live["spec"]["template"]["spec"]["containers"][0]["image"] = "evil"
    del live["spec"]["template"]["spec"]["volumes"][0]
    paths = [compare.readable(path) for path in compare.differences(live, declared)]
    assert paths == ["spec.template.spec.containers[node-cache].image", "spec.template.spec.volumes[config-volume]"]


def test_what_others_applied_becomes_ours_in_one_entry_and_by_hand_edits_stay_theirs() -> None:
    def entry(manager: str, operation: str, fields: dict[str, t.Any], **more: str) -> dict[str, t.Any]:
        return {"manager": manager, "operation": operation, "apiVersion": "apps/v1", "fieldsV1": fields, **more}

    fields = [
        entry("kubectl-client-side-apply", "Update", {"f:spec": {"f:a": {}}}),
        entry("helm", "Update", {"f:spec": {"f:b": {}}}),
        entry("kubectl-edit", "Update", {"f:spec": {"f:c": {}}}),
        entry("kube-controller-manager", "Update", {"f:status": {}}, subresource="status"),
    ]
    live = {"metadata": {"managedFields": fields, "resourceVersion": "7", "annotations": {}}}
    patch = compare.adoption(live)
    assert patch is not None
    taken = {one["manager"]: one["fieldsV1"] for one in patch[0]["value"]}
    assert taken[objects.MANAGER] == {"f:spec": {"f:a": {}, "f:b": {}}}
    assert set(taken) == {objects.MANAGER, "kubectl-edit", "kube-controller-manager"}
    assert patch[1]["value"] == "7"
    live["metadata"]["managedFields"] = patch[0]["value"]
    assert compare.adoption(live) is None
    assert compare.is_ours(live)
