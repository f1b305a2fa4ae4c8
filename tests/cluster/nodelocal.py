# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of the node-local cache share: runs of the module with its requests, and caches that others made."""

from __future__ import annotations

import contextlib
import json
import typing as t
import urllib.error

from ansible_collections.kubenode.network.plugins.module_utils._kube.client import connect
from ansible_collections.kubenode.network.plugins.module_utils._nodelocal.module import NODELOCAL_OPTIONS
from ansible_collections.kubenode.network.plugins.module_utils._nodelocal.module import run as run_module
from ansible_collections.kubenode.network.plugins.module_utils._nodelocal.objects import HOLD, NAME, UPSTREAM
from ansible_collections.kubenode.network.plugins.module_utils._nodelocal.options import options
from ansible_collections.kubenode.network.tests.cluster import objects, simulated_nodes

NAMESPACE = objects.NAMESPACE
BASE = f"/api/v1/namespaces/{NAMESPACE}"
DAEMON_SET = f"/apis/apps/v1/namespaces/{NAMESPACE}/daemonsets/{NAME}"
PODS = "k8s-app%3Dnode-local-dns"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
DEFAULTS = {name: option.get("default") for name, option in NODELOCAL_OPTIONS.items()}


class Cache:
    """The cache of a test: the module as a task runs it, on simulated nodes, and what became of it."""

    def __init__(self, cluster: t.Any, sim: simulated_nodes.SimulatedNodes) -> None:
        self.cluster = cluster
        self.sim = sim
        self.asked: list[tuple[str, str]] = []
        """Requests of the last run: method, with its dry run, and path."""

    def run(self, check_mode: bool = False, user: str = "admin", **params: t.Any) -> dict[str, t.Any]:
        """One run; cluster_ip and the simulated nodes unless told."""
        given = {
            **DEFAULTS, "interception": "cluster_ip", "node_selector": simulated_nodes.SELECTOR, "wait_timeout": 30,
            **params,
        }  # fmt: skip
        client = connect({"kubeconfig": str(self.cluster.kubeconfig(user))})
        real, self.asked = client.request, []

        def request(method: str, path: str, *rest: t.Any, **more: t.Any) -> t.Any:
            query = more.get("query") or (rest[2] if len(rest) > 2 else None) or {}
            # That of a DELETE is in its body.
            body = more.get("body") or (rest[0] if rest else None) or {}
            dry = query.get("dryRun") or (isinstance(body, dict) and body.get("dryRun"))
            self.asked.append((method + (" dry run" if dry else ""), path))
            return real(method, path, *rest, **more)

        client.request = request  # type: ignore[method-assign]
        return run_module(client, options(given), check_mode, True, lambda _line: None)

    def writes(self) -> list[tuple[str, str]]:
        return [one for one in self.asked if one[0] != "GET" and "dry run" not in one[0]]

    def get(self, path: str) -> t.Any:
        """An object, None where there is none."""
        try:
            return self.cluster.request("GET", path)
        except urllib.error.HTTPError as error:
            if error.code != 404:
                raise
            return None

    @property
    def daemon_set(self) -> dict[str, t.Any]:
        return t.cast("dict[str, t.Any]", self.cluster.request("GET", DAEMON_SET))

    @property
    def text(self) -> str:
        return str(self.cluster.config_map(NAME)["data"]["Corefile"])

    def pods(self, selector: str = PODS) -> dict[str, dict[str, t.Any]]:
        """The cache's pods by node."""
        found = self.cluster.request("GET", f"{BASE}/pods?labelSelector={selector}")["items"]
        return {
            one["spec"]["nodeName"]: one for one in found
            if one["spec"].get("nodeName") and not one["metadata"].get("deletionTimestamp")
        }  # fmt: skip

    def mounted(self) -> dict[str, str]:
        """The ConfigMap that the pod of each node has mounted."""
        return {
            node: next(one["configMap"]["name"] for one in pod["spec"]["volumes"] if one["name"] == "config-volume")
            for node, pod in self.pods().items()
        }

    def held(self) -> set[str]:
        nodes = self.cluster.request("GET", "/api/v1/nodes")["items"]
        return {one["metadata"]["name"] for one in nodes if HOLD in one["metadata"].get("labels", {})}

    def state(self) -> dict[str, t.Any]:
        """Everything of a cache in the cluster, to see that nothing has changed."""
        maps = self.cluster.request("GET", f"{BASE}/configmaps")["items"]
        found = {
            path: (self.get(path) or {}).get("metadata", {}).get("resourceVersion")
            for path in (DAEMON_SET, f"{BASE}/services/{UPSTREAM}", f"{BASE}/services/{NAME}",
                         f"{BASE}/serviceaccounts/{NAME}")
        }  # fmt: skip
        found.update({
            one["metadata"]["name"]: one["metadata"]["resourceVersion"] for one in maps
            if one["metadata"]["name"].startswith((NAME, "kube-dns"))
        })  # fmt: skip
        return {**found, "held": self.held()}

    def clear(self) -> None:
        """Take everything away that a test may have left."""
        for path in (f"{DAEMON_SET}?propagationPolicy=Background", f"{BASE}/services/{UPSTREAM}",
                     f"{BASE}/services/{NAME}", f"{BASE}/serviceaccounts/{NAME}"):  # fmt: skip
            self._delete(path)
        for one in self.cluster.request("GET", f"{BASE}/configmaps")["items"]:
            if one["metadata"]["name"].startswith(NAME) or one["metadata"]["name"] == "kube-dns":
                self._delete(f"{BASE}/configmaps/{one['metadata']['name']}")
        for node in self.held():
            body = {"metadata": {"labels": {HOLD: None}}}
            self.cluster.request("PATCH", f"/api/v1/nodes/{node}", body, kind="merge-patch")

    def _delete(self, path: str) -> None:
        with contextlib.suppress(urllib.error.HTTPError):
            self.cluster.request("DELETE", path)

    def make(self, *things: dict[str, t.Any], manager: str = "kubectl-client-side-apply") -> None:
        """Make objects as somebody else makes them; ``kubectl apply`` leaves its annotation."""
        for thing in things:
            body = json.loads(json.dumps(thing))
            if manager.startswith("kubectl"):
                body["metadata"].setdefault("annotations", {})[LAST_APPLIED] = json.dumps(thing)
            self.cluster.request("POST", f"{objects.path_of(body)}?fieldManager={manager}", body)


def older_manifest(labels: dict[str, str] | None = None) -> list[dict[str, t.Any]]:
    """A cache of years ago: no pid file, no upstream Service's flag, another image, things that nobody wants any
    more.
    """
    selector = labels or {"k8s-app": NAME}
    meta = {
        "name": NAME,
        "namespace": NAMESPACE,
        "labels": {"addonmanager.kubernetes.io/mode": "Reconcile", **selector},
    }
    container = {
        "name": "node-cache", "image": "registry.k8s.io/dns/k8s-dns-node-cache:1.15.16",
        "args": ["-localip", "169.254.20.10,10.96.0.10", "-conf", "/etc/Corefile", "-upstreamsvc", "kube-dns-upstream"],
        "env": [{"name": "STALE", "value": "1"}],
        "volumeMounts": [{"name": "config-volume", "mountPath": "/etc/coredns"}, {"name": "old", "mountPath": "/old"}],
        "ports": [{"containerPort": 9253, "name": "metrics", "protocol": "TCP"}],
    }  # fmt: skip
    volumes = [
        {"name": "config-volume",
         "configMap": {"name": NAME, "items": [{"key": "Corefile", "path": "Corefile.base"}]}},
        {"name": "old", "emptyDir": {}},
    ]  # fmt: skip
    pod = {
        "hostNetwork": True, "dnsPolicy": "Default", "containers": [container], "volumes": volumes,
        "tolerations": [{"operator": "Exists"}], "nodeSelector": simulated_nodes.SELECTOR,
    }  # fmt: skip
    text = OLD_TEXT
    service = {
        "ports": [{"name": "dns", "port": 53, "protocol": "UDP", "targetPort": 53}],
        "selector": {"k8s-app": "kube-dns"},
    }
    return [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"Corefile": text}},
        {"apiVersion": "v1", "kind": "Service", "metadata": {**meta, "name": UPSTREAM}, "spec": service},
        {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": meta, "spec": {
            "selector": {"matchLabels": selector},
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "10%"}},
            "template": {"metadata": {"labels": selector}, "spec": pod},
        }},
    ]  # fmt: skip


OLD_TEXT = """\
cluster.local:53 {
    errors
    cache 30
    reload
    loop
    bind 169.254.20.10 10.96.0.10
    forward . __PILLAR__CLUSTER__DNS__ {
        force_tcp
    }
    prometheus :9253
    health 169.254.20.10:8080
}
# ours, since the merger
acme.example:53 {
    bind 169.254.20.10 10.96.0.10
    forward . 10.9.9.9
}
.:53 {
    errors
    cache 30
    reload
    loop
    bind 169.254.20.10 10.96.0.10
    forward . __PILLAR__UPSTREAM__SERVERS__
    prometheus :9253
}
"""
