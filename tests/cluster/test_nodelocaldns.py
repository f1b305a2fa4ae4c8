# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NodeLocal DNSCache behind a real API server, its DaemonSet controller and scheduler; the nodes are simulated."""

from __future__ import annotations

import json
import time
import typing as t
import urllib.error

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._kube.errors import KubeError
from ansible_collections.kubenode.network.plugins.module_utils._nodelocal.objects import MANAGER, NAME, UPSTREAM
from ansible_collections.kubenode.network.tests.cluster import objects, simulated_nodes
from ansible_collections.kubenode.network.tests.cluster.nodelocal import (
    BASE,
    DAEMON_SET,
    LAST_APPLIED,
    Cache,
    older_manifest,
)

STUB = [{"zone": "corp.example", "servers": ["10.0.0.53"]}]
NODES = {"sim-1", "sim-2", "sim-3"}

_PORTS = {
    "type": "array", "items": {
        "type": "object", "required": ["port", "protocol"], "properties": {
            "name": {"type": "string"}, "port": {"type": "string", "pattern": "^[1-9][0-9]{0,4}$"},
            "protocol": {"type": "string", "enum": ["TCP", "UDP"]},
        },
    },
}  # fmt: skip
_MATCHER = {
    "type": "object", "required": ["namespace", "serviceName"],
    "properties": {"namespace": {"type": "string"}, "serviceName": {"type": "string"}, "toPorts": _PORTS},
}  # fmt: skip
_SELECTOR = {
    "type": "object", "properties": {"matchLabels": {"type": "object", "additionalProperties": {"type": "string"}}},
}  # fmt: skip
_SPEC = {
    "type": "object", "required": ["redirectBackend", "redirectFrontend"], "properties": {
        "redirectFrontend": {
            "type": "object", "required": ["serviceMatcher"], "properties": {"serviceMatcher": _MATCHER},
        },
        "redirectBackend": {
            "type": "object", "required": ["localEndpointSelector", "toPorts"],
            "properties": {"localEndpointSelector": _SELECTOR, "toPorts": _PORTS},
        },
    },
}  # fmt: skip
# What Cilium's CiliumLocalRedirectPolicy (cilium.io/v2) demands of the fields that are used; others are unknown here.
REDIRECTS: dict[str, t.Any] = {
    "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
    "metadata": {"name": "ciliumlocalredirectpolicies.cilium.io"},
    "spec": {
        "group": "cilium.io", "scope": "Namespaced",
        "names": {
            "kind": "CiliumLocalRedirectPolicy", "plural": "ciliumlocalredirectpolicies",
            "singular": "ciliumlocalredirectpolicy", "listKind": "CiliumLocalRedirectPolicyList",
        },
        "versions": [{
            "name": "v2", "served": True, "storage": True,
            "schema": {"openAPIV3Schema": {"type": "object", "required": ["spec"], "properties": {"spec": _SPEC}}},
        }],
    },
}  # fmt: skip


@pytest.fixture
def cache(deployed: t.Any) -> t.Iterator[Cache]:
    with simulated_nodes.SimulatedNodes(deployed, 3) as sim:
        one = Cache(deployed, sim)
        yield one
        one.clear()


def test_the_objects_are_what_the_cluster_needs_in_the_order_it_needs_them(cache: Cache) -> None:
    result = cache.run()
    assert result["nodes"]["current"] == sorted(NODES)
    service = cache.get(f"{BASE}/services/kube-dns")
    upstream = cache.get(f"{BASE}/services/{UPSTREAM}")
    assert upstream["spec"]["selector"] == service["spec"]["selector"]
    assert [port["targetPort"] for port in upstream["spec"]["ports"]] == ["dns", "dns-tcp"]
    assert cache.get(f"{BASE}/services/{NAME}")["spec"]["clusterIP"] == "None"
    template = cache.daemon_set["spec"]["template"]["spec"]
    arguments = template["containers"][0]["args"]
    assert arguments[:2] == ["-localip", "169.254.20.10,10.96.0.10"]
    assert "-pidfile" in arguments
    assert template["enableServiceLinks"] is True
    made = [path for method, path in cache.writes() if method in ("POST", "PATCH")]
    assert made.index(f"{BASE}/services/{UPSTREAM}") < made.index(DAEMON_SET)
    assert result["proof"]["upstream"] == upstream["spec"]["clusterIP"] or result["proof"]["upstream"] == ""
    assert cache.run()["proof"]["upstream"] == upstream["spec"]["clusterIP"]


def test_a_second_run_changes_nothing_and_writes_nothing(cache: Cache) -> None:
    cache.run(stub_domains=STUB)
    before = cache.state()
    result = cache.run(stub_domains=STUB)
    dry = sum("dry run" in method for method, _path in cache.asked)
    print(f"second run: {result['requests']} requests, {dry} of them dry runs, {len(cache.writes())} writes")
    assert (result["changed"], result["changes"]) == (False, [])
    assert {method for method, _path in cache.asked} == {"GET"}
    assert cache.state() == before


def test_the_text_is_never_applied_and_a_hand_made_block_survives(cache: Cache) -> None:
    cache.run()
    held = cache.cluster.config_map(NAME)
    assert not [one for one in held["metadata"]["managedFields"] if one["operation"] == "Apply"]
    held["data"]["Corefile"] += "# by hand\nhand.example:53 {\n    bind 169.254.20.10 10.96.0.10\n    whoami # me\n}\n"
    cache.cluster.request("PUT", f"{BASE}/configmaps/{NAME}?fieldManager=kubectl-edit", held)
    result = cache.run(stub_domains=STUB)
    assert "# by hand\nhand.example:53 {\n    bind 169.254.20.10 10.96.0.10\n    whoami # me\n}" in cache.text
    assert "corp.example:53" in cache.text
    assert any("edited by kubectl-edit" in one for one in result["warnings"])
    assert "hand.example" in result["corefile"]
    assert set(cache.mounted().values()) == {f"{NAME}-{result['revision']}"}


def test_check_mode_predicts_and_writes_nothing(cache: Cache) -> None:
    before = cache.state()
    result = cache.run(check_mode=True)
    assert result["changed"]
    assert "+cluster.local:53 {" in result["diff"]["prepared"]
    assert cache.writes() == []
    assert cache.state() == before
    done = cache.run()
    assert (done["revision"], done["nodes"]["current"]) == (result["revision"], sorted(NODES))


def test_a_wave_reaches_its_nodes_only_and_a_new_node_gets_the_cache(cache: Cache) -> None:
    first = cache.run(nodes=["sim-1"])
    assert set(cache.pods()) == {"sim-1"}
    assert cache.held() == {"sim-2", "sim-3"}
    assert first["nodes"] == {"current": ["sim-1"], "outdated": [], "held": ["sim-2", "sim-3"], "waiting": []}
    assert [pod["node"] for pod in first["pods"]] == ["sim-1"]
    cache.sim.add("sim-9", "198.51.100.9")
    _wait(lambda: "sim-9" in cache.pods())
    rest = cache.run(wave_size="1")
    assert set(cache.pods()) == {*NODES, "sim-9"}
    assert cache.held() == set()
    assert len([one for one in rest["changes"] if one.startswith("wave")]) == 2 + ("sim-9" in str(rest["changes"]))


def test_a_node_that_is_down_is_left_as_it_is_and_cannot_be_a_wave(cache: Cache) -> None:
    down = {"status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}}
    cache.cluster.request("PATCH", "/api/v1/nodes/sim-2/status", down, kind="merge-patch")
    with pytest.raises(KubeError, match="nodes: sim-2 is not Ready"):
        cache.run(nodes=["sim-2"])
    result = cache.run()
    assert result["nodes"] == {"current": ["sim-1", "sim-3"], "outdated": [], "held": ["sim-2"], "waiting": []}
    assert "node sim-2 is not Ready and was left as it is" in result["warnings"]


def test_a_change_of_text_or_template_goes_wave_by_wave(cache: Cache) -> None:
    old = cache.run()["revision"]
    new = cache.run(nodes=["sim-2"], stub_domains=STUB, image_version="1.26.5")
    assert new["previous_revision"] == old
    assert cache.mounted() == {
        "sim-1": f"{NAME}-{old}", "sim-2": f"{NAME}-{new['revision']}", "sim-3": f"{NAME}-{old}",
    }  # fmt: skip
    kept = cache.cluster.config_map(f"{NAME}-{old}")
    assert kept["immutable"] is True
    assert "corp.example" not in kept["data"]["Corefile"]
    assert new["nodes"]["outdated"] == ["sim-1", "sim-3"]
    cache.run(stub_domains=STUB, image_version="1.26.5")
    assert set(cache.mounted().values()) == {f"{NAME}-{new['revision']}"}


def test_a_wave_that_fails_goes_back_and_the_others_are_not_touched(cache: Cache) -> None:
    old = cache.run()["revision"]
    before, text = cache.pods(), cache.text
    cache.sim.broken.add("sim-1")
    cache.sim.mends.add(old)
    with pytest.raises(
        KubeError, match=r"pod .* on node sim-1 does not start: CrashLoopBackOff.*was taken back"
    ) as caught:
        cache.run(stub_domains=STUB, wave_size="1")
    assert caught.value.details["rolled_back"] is True
    assert caught.value.details["nodes_of_wave"] == ["sim-1"]
    assert set(cache.mounted().values()) == {f"{NAME}-{old}"}
    assert cache.text == text
    after = cache.pods()
    assert {node: after[node]["metadata"]["uid"] for node in ("sim-2", "sim-3")} == {
        node: before[node]["metadata"]["uid"] for node in ("sim-2", "sim-3")
    }
    assert not cache.run()["changed"]


def test_a_first_wave_that_fails_leaves_no_cache(cache: Cache) -> None:
    cache.sim.broken.add("sim-2")
    with pytest.raises(KubeError, match="taken back: 1 nodes are held back and have no cache"):
        cache.run(nodes=["sim-2"])
    assert cache.pods() == {}
    assert cache.held() == NODES


def test_a_wave_whose_proof_failed_goes_back_by_request_and_all_of_it_too(cache: Cache) -> None:
    old = cache.run()["revision"]
    cache.run(nodes=["sim-1", "sim-2"], stub_domains=STUB)
    back = cache.run(state="previous", nodes=["sim-2"])
    assert back["changed"]
    assert cache.mounted()["sim-2"] == f"{NAME}-{old}" != cache.mounted()["sim-1"]
    assert "corp.example" not in cache.text
    assert not cache.run(state="previous", nodes=["sim-2"])["changed"]
    cache.run(state="previous")
    assert set(cache.mounted().values()) == {f"{NAME}-{old}"}
    assert not cache.run()["changed"]


def test_what_kubectl_applied_years_ago_is_taken_over_without_stale_fields(cache: Cache) -> None:
    cache.make(*older_manifest())
    _wait(lambda: set(cache.pods()) == NODES)
    theirs = {"spec": {"template": {"metadata": {"annotations": {"team": "dns"}}}}}
    cache.cluster.request("PATCH", f"{DAEMON_SET}?fieldManager=kubectl-edit", theirs, kind="merge-patch")
    # The old kind of rollout brings the edit to every node by itself.
    _wait(lambda: _rolled_out(cache.daemon_set))
    result = cache.run(nodes=["sim-1"])
    assert any("took over DaemonSet" in one for one in result["changes"])
    held = cache.daemon_set
    container = held["spec"]["template"]["spec"]["containers"][0]
    assert "env" not in container
    assert "old" not in [mount["name"] for mount in container["volumeMounts"]]
    assert held["spec"]["updateStrategy"] == {"type": "OnDelete"}
    assert LAST_APPLIED not in held["metadata"].get("annotations", {})
    assert "addonmanager.kubernetes.io/mode" not in held["metadata"]["labels"]
    assert held["spec"]["template"]["metadata"]["annotations"]["team"] == "dns"
    # Pods of the old kind mount the text itself.
    assert "success 9984 30" not in cache.text
    assert cache.mounted()["sim-2"] == NAME
    assert not cache.run(nodes=["sim-1"])["changed"]
    cache.run()
    assert "success 9984 30" in cache.text
    assert "# ours, since the merger\nacme.example:53 {" in cache.text
    assert not cache.run()["changed"]


def test_a_helm_release_with_labels_of_its_own_is_taken_over_and_can_be_had_back(cache: Cache) -> None:
    labels = {"app.kubernetes.io/name": NAME, "app.kubernetes.io/managed-by": "Helm"}
    selector = {"app.kubernetes.io/name": NAME}
    things = older_manifest(selector)
    for thing in things:
        thing["metadata"]["labels"] = labels
        thing["metadata"]["annotations"] = {"meta.helm.sh/release-name": "cache"}
    cache.make(*things, manager="helm")
    _wait(lambda: set(cache.pods("app.kubernetes.io%2Fname%3Dnode-local-dns")) == NODES)
    result = cache.run()
    assert result["nodes"]["current"] == sorted(NODES)
    assert cache.daemon_set["spec"]["selector"]["matchLabels"] == selector
    assert cache.daemon_set["metadata"]["labels"]["app.kubernetes.io/managed-by"] == MANAGER
    assert "meta.helm.sh/release-name" not in cache.daemon_set["metadata"]["annotations"]
    cache.run(state="previous")
    assert cache.daemon_set["spec"]["template"]["spec"]["containers"][0]["image"].endswith(":1.15.16")


def test_a_change_of_somebody_else_in_our_fields_is_told_and_put_back_and_other_fields_stay(cache: Cache) -> None:
    cache.run()
    image = [{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "evil:1"},
             {"op": "add", "path": "/metadata/annotations/team", "value": "dns"}]  # fmt: skip
    cache.cluster.request("PATCH", f"{DAEMON_SET}?fieldManager=kubectl-edit", image, kind="json-patch")
    result = cache.run()
    assert result["changed"]
    told = [one for one in result["warnings"] if "was changed by kubectl-edit" in one]
    assert len(told) == 1 and "containers[node-cache].image" in told[0]
    assert cache.daemon_set["metadata"]["annotations"]["team"] == "dns"
    assert "node-cache:1.26.4" in cache.daemon_set["spec"]["template"]["spec"]["containers"][0]["image"]
    assert not cache.run()["changed"]


def test_the_cache_of_somebody_else_is_refused_by_name(cache: Cache) -> None:
    theirs = next(one for one in older_manifest({"k8s-app": "nodelocaldns"}) if one["kind"] == "DaemonSet")
    theirs["metadata"] = {"name": "nodelocaldns", "namespace": "kube-system"}
    cache.make(theirs)
    before = cache.state()
    try:
        with pytest.raises(KubeError, match=r"kube-system/nodelocaldns .*Kubespray.*enable_nodelocaldns: false"):
            cache.run()
        assert cache.state() == before
    finally:
        cache.cluster.request("DELETE", objects.path_of(theirs, named=True))


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"nodes": ["sim-1", "sim-7"]}, r"nodes: sim-7 is no node of the cluster"),
        ({"local_ips": ["10.96.3.4"]}, r"local_ips: 10\.96\.3\.4 is in the service network 10\.96\.0\.0/16"),
        ({"local_ips": ["198.51.100.2"]}, r"198\.51\.100\.2 is an address of node sim-2"),
        ({"local_ips": ["fd00::10"]}, r"of another family than the ClusterIP of Service kube-system/kube-dns"),
        ({"service": "nothing"}, r"there is no Service kube-system/nothing"),
        ({"interception": "redirect_policy"}, r"redirect_policy needs Cilium"),
        ({"servers": [{"zones": ["x.example"], "plugins": ["kubernetes"]}]}, r"kubernetes is none of the server's"),
        ({"resources": {"limits": {"memory": "100Mi"}}}, r"100Mi is 100 MiB, and the cache takes up to \d+ MiB"),
        (
            {"interception": "auto", "node_evidence": [
                {"node": "sim-1", "kube_proxy_mode": "ipvs"}, {"node": "sim-2", "kube_proxy_mode": "iptables"},
            ]},
            r"iptables on sim-2; ipvs on sim-1",
        ),
        ({"tolerations": [{"operator": "Perhaps"}]}, r"DaemonSet kube-system/node-local-dns.*Perhaps"),
    ],
)  # fmt: skip
def test_bad_input_is_one_clear_error_and_changes_nothing(cache: Cache, params: dict[str, t.Any], words: str) -> None:
    before = cache.state()
    with pytest.raises(KubeError, match=words):
        cache.run(**params)
    assert cache.writes() == []
    assert cache.state() == before


def test_a_cluster_without_a_dns_service_has_nothing_to_answer_in_place_of(cache: Cache) -> None:
    path = f"{BASE}/services/kube-dns"
    service = cache.get(path)
    before = cache.state()
    cache.cluster.request("DELETE", path)
    try:
        # None, one without a cluster's domain, or several: other tests leave theirs in namespaces of their own.
        with pytest.raises(
            KubeError, match=r"DNS .*; name .* with service|domain is told neither .*; give cluster_domain"
        ):
            cache.run()
        assert cache.state() == before
    finally:
        kept = {key: service["metadata"][key] for key in ("name", "namespace", "labels")}
        cache.cluster.request("POST", f"{BASE}/services", {**service, "metadata": kept})
    _wait(lambda: _endpoints(cache))


def test_an_immutable_config_map_is_an_error_that_says_the_way_out(cache: Cache) -> None:
    thing = next(one for one in older_manifest() if one["kind"] == "ConfigMap")
    cache.make({**thing, "immutable": True})
    before = cache.state()
    with pytest.raises(KubeError, match=r"ConfigMap kube-system/node-local-dns is immutable.*delete it"):
        cache.run()
    assert cache.state() == before


def test_what_coredns_serves_and_the_cache_would_bypass_is_an_error_until_both_have_it(cache: Cache) -> None:
    held = cache.cluster.config_map()
    text = held["data"]["Corefile"]
    held["data"]["Corefile"] = text + "corp.example:53 {\n    forward . 10.0.0.53\n}\n"
    path = f"{BASE}/configmaps/coredns"
    cache.cluster.request("PUT", path, held)
    try:
        with pytest.raises(KubeError, match=r"line 21 of CoreDNS's Corefile: the zone corp\.example.*stub_domains"):
            cache.run(check_mode=True)
        assert cache.run(check_mode=True, stub_domains=STUB)["changed"]
        assert cache.run(check_mode=True, external_zones_via="cluster")["changed"]
        assert any("corp.example" in one for one in cache.run(check_mode=True, on_bypass="warn")["warnings"])
    finally:
        now = cache.cluster.config_map()
        now["data"]["Corefile"] = text
        cache.cluster.request("PUT", path, now)


def test_policies_that_would_keep_pods_from_the_cache_are_listed_with_the_block_they_need(cache: Cache) -> None:
    policy = {
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": {"name": "shop", "namespace": "default"},
        "spec": {"podSelector": {}, "policyTypes": ["Egress"], "egress": [{
            "to": [{"namespaceSelector": {}, "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}}}],
            "ports": [{"port": 53, "protocol": "UDP"}],
        }]},
    }  # fmt: skip
    path = "/apis/networking.k8s.io/v1/namespaces/default/networkpolicies"
    cache.cluster.request("POST", path, policy)
    try:
        result = cache.run(check_mode=True)
    finally:
        cache.cluster.request("DELETE", f"{path}/shop")
    assert [(one["name"], one["ip_blocks"]) for one in result["policies"]] == [
        ("default/shop", ["169.254.20.10/32", "10.96.0.10/32"])
    ]
    # The role shows it before it touches a node.
    assert any("NetworkPolicy default/shop (169.254.20.10/32, 10.96.0.10/32)" in one for one in result["warnings"])


def test_stub_domains_of_the_config_map_kube_dns_are_part_of_what_is_linted_and_mounted(cache: Cache) -> None:
    config = {
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kube-dns", "namespace": "kube-system"},
        "data": {"stubDomains": json.dumps({"corp.example": ["10.0.0.53"]})},
    }  # fmt: skip
    cache.make(config)
    with pytest.raises(KubeError, match=r"corp\.example\.:53 is already served"):
        cache.run(stub_domains=STUB)
    result = cache.run()
    assert "corp.example:53 {" in result["corefile"]
    assert "corp.example" not in cache.text
    assert (
        cache.cluster.config_map(f"{NAME}-{result['revision']}")["data"]["stubDomains"] == config["data"]["stubDomains"]
    )


def test_the_cache_goes_node_by_node_and_then_its_objects(cache: Cache) -> None:
    cache.run()
    before = set(cache.state())
    first = cache.run(state="absent", nodes=["sim-1"])
    assert first["changed"]
    assert set(cache.pods()) == {"sim-2", "sim-3"}
    result = cache.run(state="absent")
    assert "cluster.local:53" in result["corefile"]
    gone = [path for method, path in cache.writes() if method == "DELETE"]
    assert gone.index(DAEMON_SET) < gone.index(f"{BASE}/services/{UPSTREAM}")
    state = cache.state()
    assert before - set(state) == {one for one in before if one.startswith(NAME)}
    assert {state[path] for path in state if path.startswith("/")} == {None}
    assert state["held"] == set()
    assert not cache.run(state="absent")["changed"]


def test_the_local_address_is_not_taken_from_pods_that_hold_it(cache: Cache) -> None:
    cache.run(interception="local_ip")
    before = cache.state()
    with pytest.raises(KubeError, match=r"pods on sim-1, sim-2, sim-3 may still have 169\.254\.20\.10"):
        cache.run(state="absent")
    asked = [{"node": node, "old_resolver_pods": []} for node in sorted(NODES)]
    with pytest.raises(KubeError, match=r"on node sim-2 shop/web-0 still have"):
        cache.run(
            state="absent", node_evidence=[asked[0], {"node": "sim-2", "old_resolver_pods": ["shop/web-0"]}, asked[2]]
        )
    assert cache.state() == before
    assert cache.run(state="absent", node_evidence=asked)["changed"]
    assert cache.pods() == {}


def test_another_interception_is_never_taken_silently(cache: Cache) -> None:
    cache.run()
    before = cache.state()
    with pytest.raises(KubeError, match=r"set up with cluster_ip.*change_interception: true"):
        cache.run(interception="auto", node_evidence=[{"node": "sim-1", "kube_proxy_mode": "ipvs"}])
    assert cache.state() == before
    moved = cache.run(interception="local_ip", change_interception=True)
    assert moved["proof"]["addresses"] == ["169.254.20.10"]
    assert moved["proof"]["upstream"] == "10.96.0.10"
    assert "forward . 10.96.0.10" in cache.text


def test_where_cilium_does_services_its_redirect_policy_leads_to_the_nodes_own_pod(cache: Cache) -> None:
    """No Cilium runs here: the API server has a schema with what Cilium's own asks of the fields that are used."""
    base = "/apis/cilium.io/v2/namespaces/kube-system/ciliumlocalredirectpolicies"
    config = {
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "cilium-config", "namespace": "kube-system"},
        "data": {"kube-proxy-replacement": "true", "enable-local-redirect-policy": "true"},
    }  # fmt: skip
    cache.make(config)
    definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    cache.cluster.request("POST", definitions, REDIRECTS)
    try:
        _wait(lambda: _served(cache, base))
        result = cache.run(interception="auto")
        assert result["interception"]["mode"] == "redirect_policy"
        policy = cache.get(f"{base}/{NAME}")["spec"]
        assert policy["redirectFrontend"]["serviceMatcher"] == {"serviceName": "kube-dns", "namespace": "kube-system"}
        template = cache.daemon_set["spec"]["template"]
        labels = policy["redirectBackend"]["localEndpointSelector"]["matchLabels"]
        assert labels.items() <= template["metadata"]["labels"].items()
        assert "hostNetwork" not in template["spec"]
        arguments = template["spec"]["containers"][0]["args"]
        assert {"-setupinterface=false", "-setupiptables=false", "-skipteardown=true"} <= set(arguments)
        assert "bind 0.0.0.0" in cache.text
        assert not cache.run(interception="auto")["changed"]
        assert cache.run(state="absent")["changed"]
        assert cache.get(f"{base}/{NAME}") is None
    finally:
        cache.cluster.request("DELETE", objects.path_of(config, named=True))
        cache.cluster.request("DELETE", f"{definitions}/{REDIRECTS['metadata']['name']}")


def _served(cache: Cache, path: str) -> bool:
    """While a new kind is being set up the API server says that it does not know it, or that it is busy with it."""
    try:
        cache.cluster.request("GET", path)
    except urllib.error.HTTPError as error:
        if error.code not in (404, 429, 503):
            raise
        return False
    return True


def _endpoints(cache: Cache) -> bool:
    """Whether the cluster's DNS Service leads to its pods."""
    slices = "/apis/discovery.k8s.io/v1/namespaces/kube-system/endpointslices"
    found = cache.cluster.request("GET", f"{slices}?labelSelector=kubernetes.io%2Fservice-name%3Dkube-dns")["items"]
    return any(one["conditions"].get("ready") for each in found for one in each.get("endpoints") or ())


def _rolled_out(held: dict[str, t.Any]) -> bool:
    status = held["status"]
    seen = status.get("observedGeneration") == held["metadata"]["generation"]
    return bool(seen and status.get("updatedNumberScheduled") == status.get("numberReady") == len(NODES))


def _wait(true: t.Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it does not come about"
        time.sleep(0.1)
