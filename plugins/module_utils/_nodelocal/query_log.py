# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The caches on the nodes log queries for a while: where dns_query_log finds them, and what they are to have loaded.

nodelocaldns gives their pods the volume, and its server blocks the line that imports what is in it (``query_log``).
node-cache writes its Corefile from the one of the pod's revision, which nobody can change, and plugin reload hashes
that file with what it imports: so the hash that each pod is to show is that of the file as node-cache makes it. Only
where it appends several stub domains of the ConfigMap kube-dns (a Go map, so in another order at each start) it cannot
be foretold, and a warning says that nothing was proved.
"""

from __future__ import annotations

import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._kube.chain import flag, sources
from ansible_collections.kubenode.network.plugins.module_utils._kube.client import Client, Object, segment
from ansible_collections.kubenode.network.plugins.module_utils._kube.errors import KubeError
from ansible_collections.kubenode.network.plugins.module_utils._kube.extra import CUSTOM, Options, extra_of
from ansible_collections.kubenode.network.plugins.module_utils._kube.query_log_target import KEY, Target, Way
from ansible_collections.kubenode.network.plugins.module_utils._kube.subject import Request
from ansible_collections.kubenode.network.plugins.module_utils._nodelocal import corefile, objects, waves
from ansible_collections.kubenode.network.plugins.module_utils._nodelocal.compare import is_ours

_NAMESPACE = "kube-system"
_WAY_OUT = "nodelocaldns with query_log: true (dns_cache_query_log of role dns_cache)"


def look(client: Client, request: Request) -> Way:
    """The cache's pods and what they read.

    Of many nodes some are always down, and some may be of a wave to come: their pods are told, and not waited for.

    Raises KubeError for options that are those of a CoreDNS.
    """
    _check(request)
    namespace = request.namespace or _NAMESPACE
    what = f"DaemonSet {namespace}/{objects.NAME}"
    way = Way(namespace, request._replace(namespace=namespace), imported=False)
    held = client.find(f"/apis/apps/v1/namespaces/{segment(namespace)}/daemonsets/{objects.NAME}")
    if held is None:
        return way._replace(
            missing=f"there is no {what}, and so no cache on the nodes: make it by {_WAY_OUT}, or say with namespace "
            "where it is"
        )
    if not is_ours(held):
        return way._replace(
            missing=f"{what} was not made by nodelocaldns, so that nothing of it is known: {_WAY_OUT} takes it over"
        )
    template = held["spec"]["template"]
    volumes = [(one.get("configMap") or {}).get("name") for one in template["spec"].get("volumes") or ()]
    if objects.QUERY_LOG not in volumes:
        return way._replace(
            missing=f"{what} does not mount ConfigMap {objects.QUERY_LOG}, so nothing reads it: {_WAY_OUT} gives it to "
            "the caches, wave by wave"
        )
    return _mounted(client, held, way)


def _mounted(client: Client, held: Object, way: Way) -> Way:
    place, template = waves.place_of(held), held["spec"]["template"]
    revision = (template["metadata"].get("annotations") or {}).get(objects.REVISION)
    pods = [one for one in waves.pods_now(client, place) if not one.leaving]
    others = sorted(one.node for one in pods if one.revision != revision)
    down = sorted(one.node for one in pods if one.revision == revision and not one.ready)
    if len(others) + len(down) == len(pods):
        kinds = ((others, "of another revision"), (down, "not ready"))
        had = "; ".join(f"on {_some(nodes)} it is {what}" for nodes, what in kinds if nodes) or "there is none"
        return way._replace(
            missing=f"no node has a ready cache of the present revision {revision} of DaemonSet {way.namespace}/"
            f"{objects.NAME} ({had}): bring it to the nodes with nodelocaldns"
        )
    source = next(source for _container, source in sources(template))
    way = way._replace(
        options=Options(
            CUSTOM, corefile_name=source.name, corefile_key=source.key, removes=True, selector=place.selector,
            passed_over=frozenset(one.uid for one in pods if not one.ready),
            made_of=lambda config_map: _made_of(client, held, config_map),
        )
    )  # fmt: skip
    asked = way.request._replace(name=objects.QUERY_LOG, key=KEY, wait=False)
    extra = extra_of(client, asked, way.options)
    if not extra.found["imported_by"]["imported"]:
        return way._replace(
            missing=f"the Corefile of ConfigMap {way.namespace}/{source.name} does not import what is in ConfigMap "
            f"{objects.QUERY_LOG}: {_WAY_OUT} gives it the line"
        )
    told = [f"the cache on {_some(down)} is not ready, and was not waited for"] if down else []
    if others:
        told.append(f"the cache on {_some(others)} is of another revision than its DaemonSet, and was not looked at")
    return way._replace(imported=True, warnings=tuple(told))


def _made_of(client: Client, held: Object, config_map: Object) -> str | None:
    """The file that node-cache makes of a revision; None where that is another at each start."""
    data = config_map.get("data") or {}
    text = str(data.get(objects.KEY, ""))
    upstream = ""
    if corefile.CLUSTER_DNS in text:
        container = held["spec"]["template"]["spec"]["containers"][0]
        name, namespace = flag(container, "upstreamsvc") or "", held["metadata"]["namespace"]
        # Without it no cache starts any more, and those that run know an address which nobody else does.
        service = client.find(f"/api/v1/namespaces/{segment(namespace)}/services/{segment(name)}")
        upstream = str((service or {"spec": {}})["spec"].get("clusterIP") or "")
    kube_dns = {key: data[key] for key in corefile.KUBE_DNS_KEYS if key in data}
    if corefile.stub_domains(kube_dns) > 1:
        return None
    return corefile.rendered(text, objects.bound(held), upstream, kube_dns)


def _check(request: Request) -> None:
    if request.service is not None:
        raise KubeError(
            f"service: {request.service} is given, and the caches (target: nodelocaldns) are found by their DaemonSet "
            f"{objects.NAME}: leave it out, and say with namespace where that is"
        )
    if request.on_owner != "fail":
        raise KubeError(
            f"on_owner: {request.on_owner} is given, and nothing of the caches' own (target: nodelocaldns) is changed "
            "here: leave it out"
        )


def _some(nodes: t.Sequence[str]) -> str:
    return ", ".join(nodes[:5]) + (f" and {len(nodes) - 5} more" if len(nodes) > 5 else "")


CACHES = Target(objects.QUERY_LOG, "NodeLocal DNSCache", look, prepared_by=f"{_WAY_OUT}, wave by wave")
