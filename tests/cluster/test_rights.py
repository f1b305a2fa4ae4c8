# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules work with exactly the rights that docs/rbac.md gives, on a real API server."""

from __future__ import annotations

import copy
import pathlib
import re
import typing as t

import pytest
import yaml
from ansible_collections.kubenode.network.plugins.module_utils._kube import (
    corefile,
    evict,
    extra,
    kubelet,
    lease,
    query_log,
)
from ansible_collections.kubenode.network.plugins.module_utils._kube.client import connect
from ansible_collections.kubenode.network.plugins.module_utils._kube.corefile import Request
from ansible_collections.kubenode.network.plugins.module_utils._kube.errors import KubeError
from ansible_collections.kubenode.network.plugins.module_utils._kube.info import cluster_dns
from ansible_collections.kubenode.network.plugins.module_utils._kube.scale import Wish, scale
from ansible_collections.kubenode.network.plugins.module_utils._kube.texts import Wanted
from ansible_collections.kubenode.network.tests.cluster import nodelocal, objects, simulated_nodes
from ansible_collections.kubenode.network.tests.unit.test_kubelet_config import KUBEADM

GUIDE = pathlib.Path(__file__).resolve().parents[2] / "docs/rbac.md"
ROLES = [
    role
    for block in re.findall(r"^```yaml\n(.*?)^```", GUIDE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    for role in yaml.safe_load_all(block)
]
WISH = Wanted({"hosts": [{"address": "203.0.113.8", "names": ["rights.example.com"]}]}, owner="rights")
NAME = "kubernetes.default.svc.cluster.local"


@pytest.fixture
def having(cluster: t.Any) -> t.Iterator[t.Callable[..., t.Any]]:
    """A client of a user with the named roles of the guide, and nothing else."""
    made: list[dict[str, t.Any]] = []

    def bind(*names: str) -> t.Any:
        for role in ROLES:
            if role["metadata"]["name"].removeprefix("kubenode-network-") not in names:
                continue
            binding = {
                "apiVersion": role["apiVersion"],
                "kind": f"{role['kind']}Binding",
                "metadata": role["metadata"],
                "roleRef": {
                    "apiGroup": "rbac.authorization.k8s.io",
                    "kind": role["kind"],
                    "name": role["metadata"]["name"],
                },
                "subjects": [{"kind": "User", "name": "editor"}],
            }
            cluster.apply(role, binding)
            made.extend(one for one in (role, binding) if one not in made)
        return connect({"kubeconfig": str(cluster.kubeconfig("editor"))})

    yield bind
    for thing in reversed(made):
        cluster.request("DELETE", objects.path_of(thing, named=True))


def change(client: t.Any, check_mode: bool = False, **request: t.Any) -> dict[str, t.Any]:
    return corefile.change(
        client, WISH, Request(wait_timeout=60)._replace(**request), check_mode, True, lambda _line: None
    )


def test_reading_needs_the_role_to_read_and_leaves_nothing_unread(having: t.Any) -> None:
    found = cluster_dns(having("read"))
    assert found["unreadable"] == []
    assert found["corefile"]


def _each_right() -> t.Iterator[tuple[str, str]]:
    """Each resource, and named object, that the role to read has."""
    for role in ROLES:
        if role["metadata"]["name"] != "kubenode-network-read":
            continue
        for rule in role["rules"]:
            for resource in rule["resources"]:
                yield from ((resource, name) for name in rule.get("resourceNames", [""]))


def _without(resource: str, name: str) -> list[dict[str, t.Any]]:
    """The role to read, but for one right."""
    roles = copy.deepcopy([one for one in ROLES if one["metadata"]["name"] == "kubenode-network-read"])
    for role in roles:
        for rule in role["rules"]:
            if resource not in rule["resources"]:
                continue
            if name:
                rule["resourceNames"] = [one for one in rule["resourceNames"] if one != name]
            else:
                rule["resources"] = [one for one in rule["resources"] if one != resource]
        role["rules"] = [rule for rule in role["rules"] if rule["resources"]]
    return roles


@pytest.mark.parametrize(("resource", "name"), dict.fromkeys(_each_right()))
def test_each_right_that_is_missing_alone_is_said_and_not_fatal(
    having: t.Any, cluster: t.Any, resource: str, name: str
) -> None:
    client = having("read")
    cluster.apply(*_without(resource, name))
    found = cluster_dns(client)
    if name in ("coredns-kubenode-revisions", "coredns-query-log", "dns-autoscaler"):
        # What is restored, imported or an autoscaler, where it is there, is read by what changes them.
        assert found["unreadable"] == []
        return
    said = [f"{one['what']} {one['why']}" for one in found["unreadable"]]
    said += [f"{one['step']} {one['found']} {one['how']}" for one in found["chain"] if "may not be read" in one["how"]]
    words = {"endpointslices": "endpoints EndpointSlices?", "replicasets": "workload ReplicaSet"}
    wanted = words.get(resource, "").split() or [name or resource]
    assert said, found
    assert any(any(word.strip("?").lower() in one.lower() for word in wanted) for one in said), said
    # Everything else is there.
    if resource != "services":
        assert found["config_map"] == {"namespace": "kube-system", "name": "coredns", "key": "Corefile"}
    if resource != "nodes":
        assert [one["name"] for one in found["nodes"]] == ["node-1"]
    if name != "coredns" and resource != "services":
        assert found["cluster_domain"]["name"] == "cluster.local"


def test_a_prediction_needs_the_same_and_says_that_the_server_was_not_asked(having: t.Any) -> None:
    result = change(having("read"), check_mode=True)
    assert result["changed"]
    assert any("not checked by the API server" in one for one in result["warnings"])


def test_an_edit_needs_the_role_to_edit(having: t.Any, cluster: t.Any) -> None:
    before = cluster.config_map()["data"]
    with pytest.raises(KubeError, match=r"forbidden.*docs/rbac"):
        change(having("read"), wait=False)
    assert cluster.config_map()["data"] == before
    assert change(having("read", "edit"), wait=False)["changed"]


def test_a_proof_needs_the_role_to_prove(having: t.Any, cluster: t.Any) -> None:
    before = cluster.config_map()["data"]
    with pytest.raises(KubeError, match=r"may be read.*docs/rbac"):
        change(having("read", "edit"))
    assert cluster.config_map()["data"] == before
    result = change(having("prove"), test_names=(NAME,), test_from="port_forward")
    assert len(result["evidence"]) == 2
    assert result["tests"][0]["resolved"] is True


def test_a_trial_needs_the_role_to_validate(having: t.Any, cluster: t.Any) -> None:
    before = cluster.config_map()["data"]
    with pytest.raises(KubeError, match=r"validate: pod.*forbidden.*docs/rbac.*validate: lint"):
        change(having("read", "edit"), wait=False, validate="pod")
    assert cluster.config_map()["data"] == before
    assert change(having("validate"), wait=False, validate="pod")["validation"]["ready_after"] >= 0


def test_a_lease_needs_the_role_to_hold_one(having: t.Any) -> None:
    wish = lease.Wish("kubenode-network", objects.NAMESPACE, "rights", 60)
    with pytest.raises(KubeError, match=r"forbidden.*docs/rbac"):
        lease.take(having("read"), wish, False, lambda _line: None)
    client = having("lease")
    for _run in range(2):
        assert lease.take(client, wish, False, lambda _line: None)["lease"]["holder"] == "rights"
        assert lease.release(client, wish, False)["changed"]


def test_an_extension_needs_the_role_for_it(having: t.Any, cluster: t.Any) -> None:
    def run(client: t.Any, wish: Wanted) -> dict[str, t.Any]:
        return corefile.change(
            client, wish, Request(wait=False), False, False, lambda _line: None,
            lambda client, request: extra.extra_of(client, request, extra.Options(removes=wish.reset)),
        )  # fmt: skip

    wish = Wanted({"stub_domains": [{"zone": "rights.example.com", "servers": ["192.0.2.8"]}]}, owner="rights")
    with pytest.raises(KubeError, match=r"coredns-extra-configs.*forbidden.*docs/rbac"):
        run(having("read", "edit"), wish)
    assert run(having("read", "extra"), wish)["changed"]
    assert "rights.example.com" in cluster.config_map("coredns-extra-configs")["data"]["Corefile"]
    assert run(having("read", "extra"), Wanted(owner="rights", reset=True))["resource_version"] == ""


def test_a_query_log_needs_its_roles(having: t.Any, cluster: t.Any) -> None:
    def run(client: t.Any, state: str) -> dict[str, t.Any]:
        return query_log.run(client, query_log.Wish(state, wait_timeout=60), False, False)

    with pytest.raises(KubeError, match=r"deployments.*forbidden.*docs/rbac"):
        run(having("read", "edit"), "prepared")
    assert run(having("prove"), "prepared")["changed"]
    with pytest.raises(KubeError, match=r"jobs.*forbidden.*docs/rbac"):
        run(having(), "present")
    assert run(having("query-log"), "present")["logging"]
    assert run(having(), "absent")["changed"]
    assert run(having(), "unprepared")["changed"]
    cluster.wait_ready("deployments", "coredns")


def test_scaling_needs_the_role_to_scale(having: t.Any) -> None:
    wish = Wish(replicas=2, wait_timeout=60)
    assert not scale(having("read", "scale"), wish, check_mode=False)["changed"]
    predicted = scale(having("scale"), wish._replace(replicas=3), check_mode=True)
    assert (predicted["changed"], predicted["warnings"]) == (True, [])


def test_a_node_local_cache_needs_its_role_for_all_of_its_life(having: t.Any, cluster: t.Any) -> None:
    having("read")
    with simulated_nodes.SimulatedNodes(cluster, 2) as sim:
        cache = nodelocal.Cache(cluster, sim)
        before = cache.state()
        try:
            with pytest.raises(KubeError, match=r"forbidden.*docs/rbac"):
                cache.run(user="editor")
            assert cache.state() == before
            having("nodelocaldns")
            first = cache.run(user="editor", wave_size="1")
            assert not [one for one in first["warnings"] if "may not be read" in one]
            log = [{"server": ".", "enabled": True}]
            sim.broken.add("sim-2")
            sim.mends.add(first["revision"])
            with pytest.raises(KubeError, match="was taken back"):
                cache.run(user="editor", log=log)
            sim.broken.clear()
            cache.run(user="editor", log=log)
            cache.run(user="editor", state="previous")
            assert cache.run(user="editor", state="absent")["changed"]
            assert cache.state() == before
        finally:
            cache.clear()


@pytest.mark.parametrize(
    ("kind", "resource", "verb"),
    [("Role", "configmaps", "create"), ("Role", "daemonsets", "create"), ("ClusterRole", "nodes", "patch"),
     ("Role", "configmaps", "update"), ("Role", "pods", "delete")],
)  # fmt: skip
def test_a_right_that_is_needed_late_is_missed_before_anything_is_written(
    having: t.Any, cluster: t.Any, kind: str, resource: str, verb: str
) -> None:
    """The last two are those of a change: of a first set-up nobody edits a text or replaces a pod."""
    having("read", "nodelocaldns")
    role = next(one for one in ROLES if one["metadata"]["name"].endswith("-nodelocaldns") and one["kind"] == kind)
    short = copy.deepcopy(role)
    for rule in short["rules"]:
        # A rule has one verb at least.
        rule["verbs"] = [one for one in rule["verbs"] if resource not in rule["resources"] or one != verb] or [
            "deletecollection"
        ]
    with simulated_nodes.SimulatedNodes(cluster, 2) as sim:
        cache = nodelocal.Cache(cluster, sim)
        try:
            if verb in ("update", "delete"):
                cache.run()
            before = cache.state()
            cluster.apply(short)
            with pytest.raises(KubeError, match=rf"cannot {verb}.*{resource}.*docs/rbac"):
                cache.run(user="editor", wave_size="1", log=[{"server": ".", "enabled": True}])
            assert cache.state() == before
            cluster.apply(role)
            assert cache.run(user="editor", wave_size="1", log=[{"server": ".", "enabled": True}])["changed"]
        finally:
            cache.clear()


def test_kubelets_of_nodes_to_come_need_a_role_of_their_own(having: t.Any, cluster: t.Any) -> None:
    name, namespace = "kubelet-config", objects.NAMESPACE
    held = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}}
    cluster.apply({**held, "data": {"kubelet": KUBEADM}})
    wish = {"name": name, "namespace": namespace, "key": "kubelet", "state": "present", "cluster_dns": ["10.0.0.1"]}
    try:
        with pytest.raises(KubeError, match="forbidden"):
            kubelet.change(having("read", "edit"), wish, False, False)
        assert kubelet.change(having("kubelet"), wish, False, False)["changed"]
    finally:
        cluster.request("DELETE", objects.path_of(held, named=True))


def test_pods_are_evicted_by_a_role_of_its_own(having: t.Any, cluster: t.Any) -> None:
    name = cluster.pods()[0]["metadata"]["name"]
    pod = [evict.Wanted(objects.NAMESPACE, name)]
    with pytest.raises(KubeError, match="forbidden"):
        evict.evict(having("scale"), pod, 60, False, lambda _line: None)
    assert evict.evict(having("evict"), pod, 60, False, lambda _line: None)["evicted"] == [f"kube-system/{name}"]
    cluster.wait_ready("deployments", "coredns")


def test_no_role_asks_for_more_than_these_modules_use() -> None:
    asked = {one for role in ROLES for rule in role["rules"] for one in rule["resources"]}
    assert not asked & {"nodes/proxy", "secrets", "*"}
    assert not any("*" in rule["verbs"] for role in ROLES for rule in role["rules"])
