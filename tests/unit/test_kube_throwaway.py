# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pod that tries a Corefile is like a live one, and reaches nobody."""

from __future__ import annotations

import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._kube.throwaway import pod_like, tries

LIVE: dict[str, t.Any] = {
    "metadata": {"name": "dns-1", "namespace": "dns", "labels": {"k8s-app": "kube-dns"}, "annotations": {"a": "b"}},
    "spec": {
        "nodeName": "w1", "hostNetwork": True, "dnsPolicy": "ClusterFirst", "priorityClassName": "system-node-critical",
        "priority": 2000001000, "serviceAccountName": "coredns", "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": [{"operator": "Exists"}], "restartPolicy": "Always", "topologySpreadConstraints": [{"x": "y"}],
        "affinity": {"nodeAffinity": {"here": {}}, "podAntiAffinity": {"there": {}}},
        "volumes": [
            {"name": "corefile", "configMap": {"name": "coredns", "items": [{"key": "Corefile", "path": "Corefile"}]}},
            {"name": "both", "projected": {"sources": [
                {"configMap": {"name": "extra", "optional": True}}, {"configMap": {"name": "other"}},
            ]}},
            {"name": "host", "hostPath": {"path": "/run"}}, {"name": "scratch", "emptyDir": {}},
        ],
        "initContainers": [
            {"name": "fill", "image": "fill:1", "volumeMounts": [{"name": "scratch", "mountPath": "/s"}]},
            {"name": "sysctl", "image": "sysctl:1", "securityContext": {"privileged": True}},
            {"name": "sidecar", "image": "side:1", "restartPolicy": "Always",
             "volumeMounts": [{"name": "scratch", "mountPath": "/s"}]},
        ],
        "containers": [
            {"name": "proxy", "image": "proxy:1"},
            {
                "name": "coredns", "image": "coredns:1", "args": ["-quiet", "-conf", "/etc/coredns/Corefile"],
                "env": [{"name": "A", "value": "1"}], "resources": {"limits": {"memory": "170Mi"}},
                "ports": [{"containerPort": 53, "hostPort": 53, "hostIP": "10.0.0.1", "name": "dns"}],
                "volumeMounts": [
                    {"name": "corefile", "mountPath": "/etc/coredns"}, {"name": "scratch", "mountPath": "/scratch"},
                    {"name": "host", "mountPath": "/run", "mountPropagation": "Bidirectional"},
                ],
                "readinessProbe": {"httpGet": {"path": "/ready", "port": 8181}, "initialDelaySeconds": 30},
                "livenessProbe": {"httpGet": {"path": "/health", "port": 8080}}, "lifecycle": {"postStart": {}},
            },
        ],
    },
}  # fmt: skip


def made() -> dict[str, t.Any]:
    return pod_like(LIVE, "coredns", "try", {"coredns": "try-0", "extra": "try-1"}, 90)


def test_it_runs_what_the_live_one_runs_where_that_may_run() -> None:
    pod = made()
    spec, server = pod["spec"], pod["spec"]["containers"][0]
    live = LIVE["spec"]["containers"][1]
    assert len(spec["containers"]) == 1
    for name in ("image", "env", "resources"):
        assert server[name] == live[name]
    for name in ("serviceAccountName", "nodeSelector", "tolerations"):
        assert spec[name] == LIVE["spec"][name]
    assert spec["affinity"] == {"nodeAffinity": {"here": {}}}
    assert server["readinessProbe"]["httpGet"] == live["readinessProbe"]["httpGet"]
    assert [one["name"] for one in spec["initContainers"]] == ["fill"]
    assert server["args"] == ["-conf", "/etc/coredns/Corefile"]


def test_the_wanted_config_maps_stand_in_place_of_the_live_ones_and_have_to_be_there() -> None:
    volumes = {one["name"]: one for one in made()["spec"]["volumes"]}
    assert volumes["corefile"]["configMap"]["name"] == "try-0"
    assert volumes["both"]["projected"]["sources"] == [
        {"configMap": {"name": "try-1"}}, {"configMap": {"name": "other"}},
    ]  # fmt: skip


def test_nobody_takes_it_for_one_of_theirs_and_it_takes_nothing_from_anybody() -> None:
    pod = made()
    spec, server = pod["spec"], pod["spec"]["containers"][0]
    assert tries(pod)
    assert not tries(LIVE)
    assert not set(pod["metadata"]["labels"]) & set(LIVE["metadata"]["labels"])
    assert "annotations" not in pod["metadata"]
    assert (spec["hostNetwork"], spec["restartPolicy"], spec["activeDeadlineSeconds"]) == (False, "Never", 90)
    # What a kubelet makes of ClusterFirst for a pod in the node's network.
    assert spec["dnsPolicy"] == "Default"
    assert server["ports"] == [{"containerPort": 53, "name": "dns"}]
    assert not {"nodeName", "priority", "priorityClassName", "topologySpreadConstraints"} & set(spec)
    assert not {"livenessProbe", "lifecycle"} & set(server)
    mounts = {one["name"]: one for one in server["volumeMounts"]}
    assert mounts["host"] == {"name": "host", "mountPath": "/run", "readOnly": True}
    assert "readOnly" not in mounts["scratch"]


def test_the_live_pod_is_not_changed_on_the_way() -> None:
    made()
    assert LIVE["spec"]["volumes"][0]["configMap"]["name"] == "coredns"
    assert LIVE["spec"]["containers"][1]["args"][0] == "-quiet"
