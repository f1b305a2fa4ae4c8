# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The objects of NodeLocal DNSCache as they are declared. Pure.

Names and shapes are those of kubernetes/kubernetes, cluster/addons/dns/nodelocaldns, so that what others know of the
cache stays true; the redirect policy is that of Cilium's documentation. What differs is how changes reach the pods:
they mount an immutable copy of the ConfigMap named by its hash, and are replaced by us (OnDelete), node by node.
"""

from __future__ import annotations

import hashlib
import json
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._kube.client import Object
from ansible_collections.kubenode.network.plugins.module_utils._kube.texts import RECORDS, WRITTEN
from ansible_collections.kubenode.network.plugins.module_utils._nodelocal import corefile
from ansible_collections.kubenode.network.plugins.module_utils._nodelocal.corefile import Facts
from ansible_collections.kubenode.network.plugins.module_utils._nodelocal.options import DNS_PORT, INTERFACE, Options

NAME = "node-local-dns"
UPSTREAM = "kube-dns-upstream"
KEY = "Corefile"
MANAGER = "kubenode.network"
"""The field manager of everything that we apply."""
HOLD = "kubenode.network/nodelocaldns-hold"
"""Label of a node that is not to have the cache yet."""
REVISION = "kubenode.network/revision"
PREVIOUS = "kubenode.network/previous-revision"
TAKEN_BACK = "kubenode.network/taken-back"
ADOPTED = "kubenode.network/adopted-revision"
INTERCEPTION = "kubenode.network/interception"
QUERY_LOG = f"{NAME}-query-log"
"""Of the ConfigMap that has queries logged while it is there (dns_query_log), and of its volume."""
BODY = "daemonset.json"
"""Key of a revision's ConfigMap with the DaemonSet that belongs to it."""

LABELS = {"k8s-app": NAME}
_MADE = {**LABELS, "app.kubernetes.io/managed-by": MANAGER}


class Desired(t.NamedTuple):
    """What is declared."""

    service_account: Object
    upstream: Object
    metrics: Object
    daemon_set: Object
    config_map: Object
    """The immutable revision; the one that people edit is made by edits."""
    redirect: Object | None
    revision: str

    def applied(self) -> list[Object]:
        """What server-side apply makes before the pods, in the order to do it."""
        return [self.service_account, self.upstream, self.metrics]


def desired(
    options: Options, facts: Facts, text: str, service: Object, held: Object | None = None, records: str = ""
) -> Desired:
    """The objects.

    Args:
        text: the Corefile as it stands in the ConfigMap that people edit.
        service: the cluster's DNS Service; selector and target ports of the upstream Service are its own.
        held: the DaemonSet that is there; its selector cannot be changed, and is kept.
        records: annotation of the text's entries, kept with the revision for the way back.
    """
    namespace = service["metadata"]["namespace"]
    selector = ((held or {}).get("spec") or {}).get("selector") or {"matchLabels": LABELS}
    template = _template(options, facts, selector, service)
    data = {KEY: text, **{key: facts.kube_dns[key] for key in corefile.KUBE_DNS_KEYS if facts.kube_dns.get(key)}}
    revision = _hash({"template": template, "data": data})
    template["metadata"]["annotations"][REVISION] = revision
    for volume in template["spec"]["volumes"]:
        if "configMap" in volume and not volume["configMap"]["name"]:
            volume["configMap"]["name"] = f"{NAME}-{revision}"
    daemon_set = {
        **_head("apps/v1", "DaemonSet", NAME, namespace),
        "spec": {"selector": selector, "updateStrategy": {"type": "OnDelete"}, "template": template},
    }
    daemon_set["metadata"]["annotations"] = {REVISION: revision, INTERCEPTION: facts.interception}
    redirect = _redirect(service) if facts.interception == "redirect_policy" else None
    account = _head("v1", "ServiceAccount", NAME, namespace)
    kept = revision_map(daemon_set, data, revision, records)
    return Desired(
        account, _upstream(options, service), _metrics(options, service), daemon_set, kept, redirect, revision
    )


def revision_map(daemon_set: Object, data: t.Mapping[str, str], revision: str, records: str = "") -> Object:
    """The immutable ConfigMap of a revision: what its pods mount, and what it takes to come back to it."""
    meta = daemon_set["metadata"]
    found = _head("v1", "ConfigMap", f"{NAME}-{revision}", meta["namespace"])
    found["metadata"]["labels"][REVISION] = revision
    if records:
        found["metadata"]["annotations"] = {RECORDS: records}
    found["data"] = {**data, BODY: json.dumps(daemon_set, sort_keys=True, separators=(",", ":"))}
    found["immutable"] = True
    return found


def adopted(held: Object, data: t.Mapping[str, str]) -> Object:
    """A revision of a DaemonSet that somebody else made, as it is, for the way back."""
    meta, spec = held["metadata"], held["spec"]
    template = json.loads(json.dumps(spec["template"]))
    revision = _hash({"template": template, "data": dict(data)})
    template.setdefault("metadata", {}).setdefault("annotations", {})[REVISION] = revision
    template["metadata"].pop("creationTimestamp", None)
    body = {
        **_head("apps/v1", "DaemonSet", meta["name"], meta["namespace"]),
        "spec": {"selector": spec["selector"], "updateStrategy": {"type": "OnDelete"}, "template": template},
    }
    body["metadata"]["labels"] = {**(meta.get("labels") or {}), **_MADE}
    body["metadata"]["annotations"] = {REVISION: revision, ADOPTED: revision, INTERCEPTION: recorded(held)}
    return revision_map(body, data, revision)


def recorded(daemon_set: Object | None) -> str:
    """The interception that a DaemonSet was made with; by its arguments where somebody else made it. Empty: none."""
    if daemon_set is None:
        return ""
    noted = (daemon_set["metadata"].get("annotations") or {}).get(INTERCEPTION)
    if noted:
        return str(noted)
    words = arguments(daemon_set)
    if "-setupinterface=false" in words or "--setupinterface=false" in words:
        return "redirect_policy"
    return "cluster_ip" if len(bound(daemon_set)) > 1 else "local_ip"


def bound(daemon_set: Object) -> list[str]:
    """The addresses of ``-localip``."""
    words = arguments(daemon_set)
    for index, word in enumerate(words):
        flag, equals, value = word.lstrip("-").partition("=")
        if flag == "localip":
            text = value if equals else (words[index + 1] if index + 1 < len(words) else "")
            return [one for one in text.split(",") if one]
    return []


def arguments(daemon_set: Object) -> list[str]:
    """Command and arguments of its first container."""
    container = daemon_set["spec"]["template"]["spec"]["containers"][0]
    return [*(container.get("command") or ()), *(container.get("args") or ())]


def config_map(namespace: str, text: str, records: str, written: str) -> Object:
    """The ConfigMap that people edit, when it is made."""
    found = _head("v1", "ConfigMap", NAME, namespace)
    found["metadata"]["annotations"] = {RECORDS: records, WRITTEN: written}
    found["data"] = {KEY: text}
    return found


def _head(version: str, kind: str, name: str, namespace: str) -> Object:
    return {
        "apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": namespace, "labels": dict(_MADE)},
    }  # fmt: skip


def _upstream(options: Options, service: Object) -> Object:
    """A second Service for the same pods, with a ClusterIP that the cache does not answer on."""
    found = _head("v1", "Service", UPSTREAM, service["metadata"]["namespace"])
    ports = [
        {"name": name, "port": DNS_PORT, "protocol": protocol, "targetPort": _target(service, protocol)}
        for name, protocol in (("dns", "UDP"), ("dns-tcp", "TCP"))
    ]
    found["spec"] = {"ports": ports, "selector": dict(service["spec"].get("selector") or {})}
    family = "IPv6" if options.ipv6 else "IPv4"
    if family in (service["spec"].get("ipFamilies") or ()):
        found["spec"]["ipFamilies"] = [family]
        found["spec"]["ipFamilyPolicy"] = "SingleStack"
    return found


def _target(service: Object, protocol: str) -> t.Any:
    for port in service["spec"].get("ports") or ():
        if port.get("port") == DNS_PORT and port.get("protocol", "TCP") == protocol:
            return port.get("targetPort", DNS_PORT)
    return DNS_PORT


def _metrics(options: Options, service: Object) -> Object:
    """Headless: its endpoints are the caches of all nodes, for Prometheus."""
    found = _head("v1", "Service", NAME, service["metadata"]["namespace"])
    found["metadata"]["annotations"] = {"prometheus.io/port": str(options.metrics_port), "prometheus.io/scrape": "true"}
    ports = [
        {"name": name, "port": port, "protocol": "TCP", "targetPort": port}
        for name, port in (("metrics", options.metrics_port), ("setup-metrics", options.setup_metrics_port))
    ]
    found["spec"] = {"clusterIP": "None", "ports": ports, "selector": dict(LABELS)}
    return found


def _template(options: Options, facts: Facts, selector: Object, service: Object) -> Object:
    host = facts.interception != "redirect_policy"
    spec: Object = {
        "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
            {"matchExpressions": [{"key": HOLD, "operator": "DoesNotExist"}]}
        ]}}},
        "containers": [_container(options, facts, service)],
        # Not the cluster's DNS: node-cache is on the way to it.
        "dnsPolicy": "Default",
        # The address of the upstream Service comes from the environment that these make (cache_app.go, toSvcEnv).
        "enableServiceLinks": True,
        "nodeSelector": dict(options.node_selector),
        "priorityClassName": "system-node-critical",
        "serviceAccountName": NAME,
        "tolerations": [dict(one) for one in options.tolerations],
        "volumes": _volumes(options, facts, host),
    }  # fmt: skip
    if host:
        spec["hostNetwork"] = True
    if options.image_pull_secrets:
        spec["imagePullSecrets"] = [{"name": name} for name in options.image_pull_secrets]
    labels = {**(selector.get("matchLabels") or {}), **LABELS}
    scrape = {"prometheus.io/port": str(options.metrics_port), "prometheus.io/scrape": "true"}
    return {"metadata": {"annotations": scrape, "labels": labels}, "spec": spec}


def _container(options: Options, facts: Facts, service: Object) -> Object:
    host = facts.interception != "redirect_policy"
    probe: Object = {"path": "/health", "port": options.health_port}
    if host:
        probe["host"] = options.local_ips[0]
    # Where the ClusterIP is the upstream its pillar means the same, for blocks that were made by hand.
    upstream = service["metadata"]["name"] if facts.interception == "local_ip" else UPSTREAM
    address = f"[::]:{options.setup_metrics_port}" if options.ipv6 else f"0.0.0.0:{options.setup_metrics_port}"
    args = [
        "-localip", ",".join(corefile.addresses(options, facts)), "-conf", corefile.CONF, "-upstreamsvc", upstream,
        # Without a pid file node-cache sets its rules up after a minute only.
        "-pidfile", "/tmp/node-cache.pid",  # noqa: S108 - in the container
        "-interfacename", INTERFACE, "-health-port", str(options.health_port), "-metrics-listen-address", address,
    ]  # fmt: skip
    if not host:
        args += ["-skipteardown=true", "-setupinterface=false", "-setupiptables=false"]
    mounts: list[Object] = [{"name": "config-volume", "mountPath": "/etc/coredns"}]
    if facts.kube_dns:
        mounts.append({"name": "kube-dns-config", "mountPath": "/etc/kube-dns"})
    if options.query_log:
        mounts.append({"name": QUERY_LOG, "mountPath": corefile.QUERY_LOG_FOLDER, "readOnly": True})
    found: Object = {
        "name": "node-cache", "image": options.image, "args": args, "resources": dict(options.resources),
        "ports": [
            {"containerPort": DNS_PORT, "name": "dns", "protocol": "UDP"},
            {"containerPort": DNS_PORT, "name": "dns-tcp", "protocol": "TCP"},
            {"containerPort": options.metrics_port, "name": "metrics", "protocol": "TCP"},
        ],
        "livenessProbe": {"httpGet": probe, "initialDelaySeconds": 60, "timeoutSeconds": 5},
        "readinessProbe": {"httpGet": dict(probe), "periodSeconds": 5, "timeoutSeconds": 5},
        "volumeMounts": mounts,
    }  # fmt: skip
    if host:
        found["securityContext"] = {"capabilities": {"add": ["NET_ADMIN"]}}
        mounts.append({"name": "xtables-lock", "mountPath": "/run/xtables.lock"})
    return found


def _volumes(options: Options, facts: Facts, host: bool) -> list[Object]:
    # Those without a name yet are of the revision, whose hash is made of all this.
    base = {"name": "", "items": [{"key": KEY, "path": "Corefile.base"}]}
    found: list[Object] = [{"name": "config-volume", "configMap": base}]
    keys = [key for key in corefile.KUBE_DNS_KEYS if facts.kube_dns.get(key)]
    if keys:
        items = [{"key": key, "path": key} for key in keys]
        found.append({"name": "kube-dns-config", "configMap": {"name": "", "items": items}})
    if options.query_log:
        found.append({"name": QUERY_LOG, "configMap": {"name": QUERY_LOG, "optional": True}})
    if host:
        found.append({"name": "xtables-lock", "hostPath": {"path": "/run/xtables.lock", "type": "FileOrCreate"}})
    return found


def _redirect(service: Object) -> Object:
    """Cilium, "Local Redirect Policy", node-local DNS cache; schema cilium.io/v2 of Cilium 1.18."""
    meta = service["metadata"]
    ports = [{"port": str(DNS_PORT), "name": "dns", "protocol": "UDP"},
             {"port": str(DNS_PORT), "name": "dns-tcp", "protocol": "TCP"}]  # fmt: skip
    found = _head("cilium.io/v2", "CiliumLocalRedirectPolicy", NAME, meta["namespace"])
    found["spec"] = {
        "redirectFrontend": {"serviceMatcher": {"serviceName": meta["name"], "namespace": meta["namespace"]}},
        "redirectBackend": {"localEndpointSelector": {"matchLabels": dict(LABELS)}, "toPorts": ports},
    }
    return found


def _hash(thing: t.Any) -> str:
    return hashlib.sha256(json.dumps(thing, sort_keys=True).encode()).hexdigest()[:10]
