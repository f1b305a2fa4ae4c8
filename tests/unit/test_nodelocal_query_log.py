# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the caches' pods are to have loaded for a query log: foretold from their DaemonSet and its revision.

The API server is a double that answers reads. That a real cache shows the same hash is seen in tests/cluster.
"""

from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._kube.around import mounts_of
from ansible_collections.kubenode.network.plugins.module_utils._kube.chain import Pod
from ansible_collections.kubenode.network.plugins.module_utils._kube.extra import extra_of
from ansible_collections.kubenode.network.plugins.module_utils._kube.proof import Running
from ansible_collections.kubenode.network.plugins.module_utils._kube.subject import Request
from ansible_collections.kubenode.network.plugins.module_utils._nodelocal import corefile, objects, query_log
from ansible_collections.kubenode.network.plugins.module_utils._nodelocal.corefile import Facts
from ansible_collections.kubenode.network.plugins.module_utils._nodelocal.options import Options

SERVICE = {
    "metadata": {"name": "kube-dns", "namespace": "kube-system"},
    "spec": {"selector": {"k8s-app": "kube-dns"}, "ports": []},
}
BASE = "/api/v1/namespaces/kube-system"
WISH = Request(name=objects.QUERY_LOG, key="query-log.override")
TCP = "    forward . __PILLAR__UPSTREAM__SERVERS__ {\n            force_tcp\n    }\n"


class Cluster:
    """A node with the cache, as nodelocaldns declares it."""

    upstream: t.Any = {"spec": {"clusterIP": "10.96.77.3"}}

    def __init__(self, interception: str = "cluster_ip", **kube_dns: t.Any) -> None:
        told = {key: json.dumps(value) for key, value in kube_dns.items()}
        facts = Facts(interception, "cluster.local", ("10.96.0.10",), "10.96.77.3", told)
        wanted = Options(query_log=True)
        self.made = corefile.edit("", "", wanted, facts)
        found = objects.desired(wanted, facts, self.made.texts.after, SERVICE)
        self.daemon_set = found.daemon_set
        # As the API server notes an apply.
        entry = {"manager": objects.MANAGER, "operation": "Apply", "fieldsV1": {}}
        self.daemon_set["metadata"]["managedFields"] = [entry]
        self.revision = found.config_map
        template = found.daemon_set["spec"]["template"]
        self.pod: dict[str, t.Any] = {
            "metadata": {"name": "cache-1", "uid": "u1", **template["metadata"]},
            "spec": {**template["spec"], "nodeName": "w1"},
            "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
        }

    def find(self, path: str, **_query: t.Any) -> t.Any:
        things = {
            f"/apis/apps/v1/namespaces/kube-system/daemonsets/{objects.NAME}": self.daemon_set,
            f"{BASE}/configmaps/{self.revision['metadata']['name']}": self.revision,
            f"{BASE}/services/kube-dns-upstream": self.upstream,
        }
        return things.get(path)

    get = find

    def items(self, path: str, **_query: t.Any) -> list[dict[str, t.Any]]:
        assert path == f"{BASE}/pods"
        return [self.pod]

    each = items


@pytest.mark.parametrize(
    ("interception", "kube_dns"),
    [
        ("cluster_ip", {}),
        ("local_ip", {}),
        ("redirect_policy", {}),
        ("cluster_ip", {"stubDomains": {"stub.example": ["203.0.113.9"]}, "upstreamNameservers": ["192.0.2.53"]}),
    ],
)
def test_the_file_is_that_of_the_pods_flags_and_services(interception: str, kube_dns: dict[str, t.Any]) -> None:
    cluster = t.cast(t.Any, Cluster(interception, **kube_dns))
    way = query_log.look(cluster, Request())
    assert (way.imported, way.missing, way.warnings) == (True, "", ())
    found = extra_of(cluster, WISH._replace(namespace="kube-system"), way.options)
    assert (found.proves, found.warnings) == (True, [])
    document, around = found.reading({}).loading(None)
    assert (str(document), around.main, around.complete) == (cluster.made.rendered, "/etc/Corefile", True)


def test_where_node_cache_chooses_the_order_nothing_is_proved_and_it_is_said() -> None:
    stubs = {"a.example": ["203.0.113.9"], "b.example": ["203.0.113.9"]}
    gone = Cluster()
    # The Service whose address its pods were started with.
    gone.upstream = None
    for each in (Cluster(stubDomains=stubs), gone):
        cluster = t.cast(t.Any, each)
        way = query_log.look(cluster, Request())
        assert way.imported
        found = extra_of(cluster, WISH._replace(namespace="kube-system"), way.options)
        assert not found.proves
        assert "stub domains in an order of its own" in found.warnings[0]


def test_what_stands_in_a_text_for_tcp_is_udp_where_servers_are_told() -> None:
    """As node-cache does it: a line less makes another hash of all that follows."""
    text = f".:53 {{\n{TCP}}}\n"
    told = corefile.rendered(text, ["169.254.20.10"], "", {"upstreamNameservers": '["192.0.2.53"]'})
    assert told == ".:53 {\n    forward . 192.0.2.53\n}\n"
    assert "force_tcp" in corefile.rendered(text, ["169.254.20.10"], "", {})


def test_a_folder_of_the_node_may_have_files_that_nobody_knows() -> None:
    cluster = Cluster()
    pod = Pod("cache-1", "u1", "node-cache", "", 0, True, "w1", "", 9253)
    one = Running(pod, fixed=False, thing=cluster.pod)
    assert mounts_of(one)[1]
    cluster.pod["spec"]["volumes"].append({"name": "more", "hostPath": {"path": "/etc/dns", "type": "Directory"}})
    cluster.pod["spec"]["containers"][0]["volumeMounts"].append({"name": "more", "mountPath": "/etc/more"})
    assert not mounts_of(one)[1]
