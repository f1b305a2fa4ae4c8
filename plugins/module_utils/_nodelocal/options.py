# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of nodelocaldns as they are meant, checked as far as they can be without a cluster. Pure."""

from __future__ import annotations

import ipaddress
import re
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._corefile.keys import is_domain_name
from ansible_collections.kubenode.network.plugins.module_utils._corefile.versions import NODE_CACHE, number
from ansible_collections.kubenode.network.plugins.module_utils._kube.checks import check_labels, check_name
from ansible_collections.kubenode.network.plugins.module_utils._kube.errors import KubeError
from ansible_collections.kubenode.network.plugins.module_utils._kube.module import EDITS

INTERFACE = "nodelocaldns"
"""What node-cache calls its interface unless told (cmd/node-cache/main.go)."""
OWNER = "kubenode.network/nodelocaldns"
"""Of the Corefile's entries that make the file what it is."""
DNS_PORT = 53

# kubernetes/dns: the release that a plugin came to node-cache with; the others are older than any image in use.
_SINCE = {"hosts": (1, 17, 0), "trace": (1, 17, 0), "dns64": (1, 21, 3)}
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
# distribution, reference grammar: a host with its port, and parts of a path.
_REFERENCE = re.compile(
    r"(?:(?:[A-Za-z0-9][A-Za-z0-9.-]*|\[[0-9A-Fa-f:]+\])(?::[0-9]+)?/)?[a-z0-9]+(?:[._-]+[a-z0-9]+)*"
    r"(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*"
)
_PLUGIN = re.compile(r"[^\s\"#{}(),]+")
_QUANTITY = re.compile(r"([0-9]+(?:\.[0-9]+)?)(Ki|Mi|Gi|Ti|k|M|G|T|m|)")
_UNITS = {
    "": 1.0, "m": 0.001, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12,
    "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40,
}  # fmt: skip


class Evidence(t.NamedTuple):
    """What a node says of itself."""

    node: str
    mode: str
    """Of kube-proxy; empty: unknown."""
    addresses: tuple[str, ...] = ()
    listeners: tuple[t.Mapping[str, t.Any], ...] = ()
    old_pods: tuple[str, ...] | None = None
    """Pods that still have a local address as their resolver; None: not asked."""


class Options(t.NamedTuple):
    """What is declared."""

    state: str = "present"
    nodes: tuple[str, ...] | None = None
    wave_size: str = "10%"
    service: str | None = None
    namespace: str | None = None
    interception: str = "auto"
    change_interception: bool = False
    evidence: tuple[Evidence, ...] = ()
    local_ips: tuple[str, ...] = ("169.254.20.10",)
    cluster_domain: str = ""
    external_zones_via: str = "node"
    on_bypass: str = "fail"
    force_tcp: bool = True
    owner: str = ""
    purge: str = "own"
    edits: t.Mapping[str, t.Any] = {}
    known_plugins: frozenset[str] = frozenset()
    image: str = "registry.k8s.io/dns/k8s-dns-node-cache:1.26.4"
    image_version: str = "1.26.4"
    image_pull_secrets: tuple[str, ...] = ()
    tolerations: tuple[t.Mapping[str, t.Any], ...] = ()
    node_selector: t.Mapping[str, str] = {}
    resources: t.Mapping[str, t.Any] = {}
    health_port: int = 8080
    metrics_port: int = 9253
    setup_metrics_port: int = 9353
    query_log: bool = False
    wait: bool = True
    wait_timeout: int = 300

    @property
    def ipv6(self) -> bool:
        return ":" in self.local_ips[0]

    @property
    def ports(self) -> dict[int, str]:
        """Ports on the node, and what for."""
        return {
            DNS_PORT: "DNS", self.health_port: "health_port", self.metrics_port: "metrics_port",
            self.setup_metrics_port: "setup_metrics_port",
        }  # fmt: skip

    @property
    def memory_limit(self) -> int:
        """Bytes; 0 without a limit."""
        limit = ((self.resources or {}).get("limits") or {}).get("memory")
        return 0 if limit is None else int(quantity(limit, "resources.limits.memory"))

    def plugins(self) -> frozenset[str]:
        """What the image has."""
        version = number(self.image_version)
        lacking = {name for name, since in _SINCE.items() if version is not None and version < since}
        return (NODE_CACHE - lacking) | self.known_plugins


_TOLERATION = ("key", "operator", "value", "effect", "tolerationSeconds")
# What nodelocaldns_node_info tells, and what a cluster tells of itself.
_MODES = ("iptables", "nftables", "ipvs", "cilium", "ebpf", "ovn")

# What the upstream manifest tolerates: a node with any taint runs pods that ask for names.
_EVERYWHERE: tuple[t.Mapping[str, t.Any], ...] = (
    {"key": "CriticalAddonsOnly", "operator": "Exists"},
    {"effect": "NoExecute", "operator": "Exists"},
    {"effect": "NoSchedule", "operator": "Exists"},
)


def options(params: t.Mapping[str, t.Any]) -> Options:
    """The module's parameters. Raises KubeError for one that no cluster makes right."""
    _check_names(params)
    edits = {name: params[name] for name in EDITS if params.get(name)}
    nodes = params["nodes"]
    evidence = tuple(_evidence(one, f"node_evidence[{index}]") for index, one in enumerate(params["node_evidence"]))
    found = Options(
        params["state"], None if nodes is None else tuple(dict.fromkeys(nodes)), params["wave_size"],
        params["service"], params["namespace"], params["interception"], params["change_interception"],
        evidence, _local_ips(params["local_ips"]),
        _domain(params["cluster_domain"]), params["external_zones_via"], params["on_bypass"], params["force_tcp"],
        params["owner"], params["purge"], edits, frozenset(params["known_plugins"]), _image(params),
        params["image_version"], tuple(params["image_pull_secrets"]),
        _EVERYWHERE if params["tolerations"] is None else tuple(params["tolerations"]), params["node_selector"],
        params["resources"], params["health_port"], params["metrics_port"], params["setup_metrics_port"],
        params["query_log"], params["wait"], params["wait_timeout"],
    )  # fmt: skip
    _check_ports(found)
    _check_quantities(found.resources)
    _check_tolerations(found.tolerations)
    if found.wait_timeout < 1:
        raise KubeError(f"wait_timeout: {found.wait_timeout} is no number of seconds from 1")
    wave(found.wave_size, 1)
    return found


def wave(size: str, nodes: int) -> int:
    """How many of so many nodes are a wave: a number, or a share of them, at least one."""
    match = re.fullmatch(r"([0-9]+)(%?)", str(size).strip())
    value = int(match[1]) if match else 0
    if not match or not value or (match[2] and value > 100):
        raise KubeError(f"wave_size: {size!r} is neither a number of nodes nor a share of them such as 10%")
    return max(1, nodes * value // 100) if match[2] else value


def quantity(value: t.Any, what: str) -> float:
    """A quantity of Kubernetes (apimachinery, pkg/api/resource) in its base unit."""
    match = _QUANTITY.fullmatch(str(value).strip())
    if not match:
        raise KubeError(f"{what}: {value!r} is no quantity such as 200Mi")
    return float(match[1]) * _UNITS[match[2]]


def _check_names(params: t.Mapping[str, t.Any]) -> None:
    for option in ("service", "namespace"):
        if params[option] is not None:
            check_name(option, params[option])
    for option in ("nodes", "image_pull_secrets"):
        for name in params[option] or ():
            check_name(option, name)
    check_labels("node_selector", params["node_selector"])
    for name in params["known_plugins"]:
        if not _PLUGIN.fullmatch(name):
            raise KubeError(f"known_plugins: {name!r} is no name of a plugin, as coredns -plugins prints it")
    if params["owner"] == OWNER:
        raise KubeError(
            f"owner: {OWNER} is that of the entries which the module makes by itself; take another, or leave it out"
        )


def _check_tolerations(tolerations: t.Iterable[t.Mapping[str, t.Any]]) -> None:
    for index, one in enumerate(tolerations):
        for key in one:
            if key not in _TOLERATION:
                raise KubeError(f"tolerations[{index}]: {key!r} is none of {', '.join(_TOLERATION)}")


def _evidence(one: t.Mapping[str, t.Any], where: str) -> Evidence:
    old = one.get("old_resolver_pods")
    check_name(f"{where}.node", one["node"])
    mode = one.get("kube_proxy_mode")
    if mode and mode not in _MODES:
        raise KubeError(
            f"{where}.kube_proxy_mode: {mode!r} is none of {', '.join(_MODES)}; leave it out where it is not known"
        )
    for address in one.get("addresses") or ():
        try:
            ipaddress.ip_address(address)
        except ValueError:
            raise KubeError(
                f"{where}.addresses: {address!r} is no IP address; expected are those of the node, without a length"
            ) from None
    for listener in one.get("listeners") or ():
        port = listener.get("port")
        if not isinstance(port, int) or not 0 < port < 65536:
            raise KubeError(
                f"{where}.listeners: {listener!r} has no port (1-65535); expected are address, port and process, as "
                "nodelocaldns_node_info tells them"
            )
    if not all(old or ()):
        raise KubeError(f"{where}.old_resolver_pods: has an empty element, expected are names of pods")
    return Evidence(
        one["node"], one.get("kube_proxy_mode") or "", tuple(one.get("addresses") or ()),
        tuple(one.get("listeners") or ()), None if old is None else tuple(old),
    )  # fmt: skip


def _local_ips(values: t.Sequence[t.Any]) -> tuple[str, ...]:
    """Addresses in canonical form; node-cache ends itself on an empty one, and on two families (main.go)."""
    if not values:
        raise KubeError("local_ips: is empty, and the cache needs an address of its own; 169.254.20.10 is customary")
    found = []
    for value in values:
        text = str(value).strip()
        if not text or "," in text:
            raise KubeError(
                f"local_ips: {value!r} is no address (node-cache would not start with it); give a list with one "
                "address per element"
            )
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            raise KubeError(f"local_ips: {text!r} is no IP address such as 169.254.20.10") from None
        if address.is_loopback or address.is_multicast or address.is_unspecified:
            raise KubeError(
                f"local_ips: {text} is a loopback, multicast or unspecified address, at which pods would ask "
                "themselves; take a link-local one such as 169.254.20.10"
            )
        found.append(str(address))
    if len(set(found)) != len(found):
        raise KubeError(f"local_ips: an address is there twice: {', '.join(found)}; give each of them once")
    if len({":" in one for one in found}) > 1:
        raise KubeError(
            f"local_ips: {', '.join(found)} are of both families, and node-cache serves one of them and ends itself on "
            "two; give those of the family that pods ask in, which is that of the first ClusterIP of the DNS Service"
        )
    return tuple(found)


def _domain(value: str | None) -> str:
    if not value:
        return ""
    name = value.strip().rstrip(".")
    if not name or not is_domain_name(name) or set(name) & set(' \t\n"#{}:'):
        raise KubeError(f"cluster_domain: {value!r} is no domain name such as cluster.local")
    return name.lower()


def _image(params: t.Mapping[str, t.Any]) -> str:
    image, version = params["image"].strip(), params["image_version"].strip()
    first, slash, rest = image.partition("/")
    if params["registry"]:
        # The part before the first slash is a registry when it could be a host (docker's reference grammar).
        path = rest if slash and ("." in first or ":" in first or first == "localhost") else image
        image = f"{params['registry'].strip().rstrip('/')}/{path}"
    name = image.rpartition("/")[2]
    if not name or "@" in image or ":" in name:
        raise KubeError(
            f"image: {params['image']!r} has a tag, a digest or no name; give the tag as image_version: the version "
            "decides which plugins the cache has"
        )
    if not _REFERENCE.fullmatch(image):
        option = "registry" if params["registry"] else "image"
        raise KubeError(
            f"{option}: {params[option]!r} makes {image!r}, which is no image; expected is a name without a scheme, "
            "such as mirror.example:5000/dns/k8s-dns-node-cache"
        )
    if not _TAG.fullmatch(version):
        raise KubeError(f"image_version: {params['image_version']!r} is no tag of an image such as 1.26.4")
    return f"{image}:{version}"


def _check_ports(found: Options) -> None:
    named = {"health_port": found.health_port, "metrics_port": found.metrics_port,
             "setup_metrics_port": found.setup_metrics_port}  # fmt: skip
    seen = {DNS_PORT: "the port of DNS"}
    for name, port in named.items():
        if not 0 < port < 65536:
            raise KubeError(f"{name}: {port} is no port (1-65535)")
        if port in seen:
            raise KubeError(f"{name}: {port} is {seen[port]} too; the cache needs a port of its own for each")
        seen[port] = name


def _check_quantities(resources: t.Mapping[str, t.Any]) -> None:
    for kind, values in resources.items():
        if kind not in ("requests", "limits") or not isinstance(values, dict):
            raise KubeError(f"resources: {kind!r} is none of requests and limits, each a dict such as memory: 200Mi")
        for name, value in values.items():
            quantity(value, f"resources.{kind}.{name}")
