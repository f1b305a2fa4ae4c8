# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked for, checked. Pure."""

from __future__ import annotations

import ipaddress
import re
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._corefile import wanted
from ansible_collections.kubenode.network.plugins.module_utils._corefile.keys import canonical_zone, is_domain_name
from ansible_collections.kubenode.network.plugins.module_utils._state.model import StateError

INTERFACE_TYPES = ("dummy", "bridge", "ifb")
RULES = ("auto", "nft", "iptables", "none")
STATES = ("present", "restarted", "absent")
EDITS = tuple(wanted.OPTIONS)
OWNER = "kubenode.network/dns_cache_service"
"""Of the Corefile's entries that make the file what it is."""

ARGUMENT_SPEC: dict[str, dict[str, t.Any]] = {
    "state": {"type": "str", "choices": list(STATES), "default": "present"},
    "binary": {"type": "path"},
    "binary_later": {"type": "bool", "default": False},
    "local_ips": {"type": "list", "elements": "str"},
    "interface": {"type": "str", "default": "nodelocaldns"},
    "interface_type": {"type": "str", "choices": list(INTERFACE_TYPES), "default": "dummy"},
    "cluster_domain": {"type": "str", "default": "cluster.local"},
    "cluster_upstreams": {"type": "list", "elements": "str"},
    "upstreams": {"type": "list", "elements": "str", "default": ["/etc/resolv.conf"]},
    "force_tcp": {"type": "bool", "default": True},
    "health_port": {"type": "int", "default": 8080},
    "metrics_port": {"type": "int", "default": 9253},
    "rules": {"type": "str", "choices": list(RULES), "default": "auto"},
    "memory_max": {"type": "str", "default": "256M"},
    "owner": {"type": "str", "default": ""},
    "purge": {"type": "str", "choices": ["own", "none"], "default": "own"},
    **{option: {"type": "list", "elements": "dict"} for option in EDITS},
    "wait_timeout": {"type": "int", "default": 30},
    "force": {"type": "bool", "default": False},
}

_UNITS = {"K": 2**10, "M": 2**20, "G": 2**30}


class Options(t.NamedTuple):
    """The options of a run that shall leave a cache."""

    binary: str
    local_ips: tuple[str, ...]
    cluster_upstreams: tuple[str, ...]
    binary_later: bool = False
    interface: str = "nodelocaldns"
    interface_type: str = "dummy"
    cluster_domain: str = "cluster.local."
    upstreams: tuple[str, ...] = ("/etc/resolv.conf",)
    force_tcp: bool = True
    health_port: int = 8080
    metrics_port: int = 9253
    rules: str = "auto"
    memory_max: str = "256M"
    edits: t.Mapping[str, t.Any] = {}
    owner: str = ""
    purge: str = "own"
    wait_timeout: int = 30
    restart: bool = False

    @property
    def memory_limit(self) -> int:
        """Bytes of ``memory_max``; 0 without a limit."""
        if self.memory_max == "infinity":
            return 0
        unit = _UNITS.get(self.memory_max[-1], 1)
        return int(self.memory_max.rstrip("KMG")) * unit


def options_of(params: t.Mapping[str, t.Any]) -> Options:
    """The options, checked and in canonical form. Raises StateError for the first that is wrong."""
    for name in ("binary", "local_ips", "cluster_upstreams"):
        if not params[name]:
            raise StateError(f"{name} is missing: state {params['state']} needs it")
    if not params["binary"].startswith("/"):
        raise StateError(f"binary: {params['binary']!r} is no absolute path on the node")
    domain = canonical_zone(params["cluster_domain"].strip() or "?")
    if not is_domain_name(domain) or domain == "." or re.search(r"[\s\"#{}?/:]", domain):
        raise StateError(f"cluster_domain: {params['cluster_domain']!r} is no domain such as cluster.local")
    if not re.match(r"[A-Za-z0-9][A-Za-z0-9._-]{0,14}\Z", params["interface"]):
        raise StateError(
            f"interface: {params['interface']!r} is no name for one: expected at most 15 letters, digits, '.', '_', '-'"
        )
    local = _local_ips(params["local_ips"])
    upstreams = _upstreams("cluster_upstreams", params["cluster_upstreams"], local)
    # The node's resolver may be the cache itself, which lint and the node are asked about.
    outside = _upstreams("upstreams", params["upstreams"] or [], local, files=True)
    if not outside:
        raise StateError("upstreams is empty: expected addresses of servers, or a file such as /etc/resolv.conf")
    _check_ports(params)
    _check_memory(params["memory_max"])
    if params["owner"] == OWNER:
        raise StateError(
            f"owner: {OWNER} is that of the entries which the module makes by itself; take another, or leave it out"
        )
    if params["wait_timeout"] < 1:
        raise StateError(f"wait_timeout: {params['wait_timeout']} is no number of seconds from 1")
    edits = {name: params[name] for name in EDITS if params[name]}
    return Options(
        params["binary"], local, upstreams, params["binary_later"], params["interface"], params["interface_type"],
        domain, outside, params["force_tcp"], params["health_port"], params["metrics_port"], params["rules"],
        params["memory_max"], edits, params["owner"], params["purge"], params["wait_timeout"],
        params["state"] == "restarted",
    )  # fmt: skip


def _local_ips(given: t.Sequence[str]) -> tuple[str, ...]:
    found: list[str] = []
    for index, text in enumerate(given):
        if not text.strip():
            raise StateError(f"local_ips[{index}] is empty: expected an address such as 169.254.20.10")
        address = _address(f"local_ips[{index}]", text.strip())
        if address.is_loopback or address.is_multicast or address.is_unspecified or str(address) == "255.255.255.255":
            raise StateError(
                f"local_ips[{index}]: {address} can be nobody's own address; expected a link-local one such as "
                "169.254.20.10, or the ClusterIP of the cluster's DNS"
            )
        if address.version == 6 and address.is_link_local:
            raise StateError(
                f"local_ips[{index}]: {address} is an IPv6 link-local address, which pods cannot reach: take a unique "
                "local one (fd00::/8)"
            )
        if str(address) in found:
            raise StateError(f"local_ips[{index}]: {address} is listed twice")
        found.append(str(address))
    return tuple(found)


def _upstreams(name: str, given: t.Sequence[str], local: t.Sequence[str], files: bool = False) -> tuple[str, ...]:
    found = []
    for index, text in enumerate(given):
        where, text = f"{name}[{index}]", text.strip()
        if files and re.match(r"/[^\s\"#{}]+\Z", text):
            found.append(text)
            continue
        host, _colon, port = text.rpartition(":") if text.count(":") == 1 or "]:" in text else (text, "", "")
        address = _address(where, host.strip("[]"), " or a file" if files else "")
        if str(address) in local and port in ("", "53"):
            raise StateError(
                f"{where}: {address} is one of local_ips: the cache would ask itself; name CoreDNS by another "
                "address, such as a second Service's (what node-cache's manifest calls kube-dns-upstream)"
            )
        if port and not (port.isdigit() and 0 < int(port) < 65536):
            raise StateError(f"{where}: {text!r}: {port!r} is no port")
        found.append(text)
    return tuple(found)


def _address(where: str, text: str, other: str = "") -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        raise StateError(f"{where}: {text!r} is no IP address{other}") from None


def _check_ports(params: t.Mapping[str, t.Any]) -> None:
    taken = {53: "the DNS port"}
    for name in ("health_port", "metrics_port"):
        port = params[name]
        if not 0 < port < 65536:
            raise StateError(f"{name}: {port} is no port: expected 1 to 65535")
        if port in taken:
            raise StateError(f"{name}: {port} is {taken[port]} already")
        taken[port] = name


def _check_memory(text: str) -> None:
    match = re.match(r"([1-9][0-9]{0,11})([KMG]?)\Z", text)
    if not match and text != "infinity":
        raise StateError(f"memory_max: {text!r} is no size: expected a number with K, M or G, or infinity")
