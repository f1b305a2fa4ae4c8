# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The DNS settings that a user gives, checked. Pure."""

from __future__ import annotations

import ipaddress
import os
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._kubelet.errors import KEYS, KubeletError, Value
from ansible_collections.kubenode.network.plugins.module_utils._kubelet.names import is_subdomain

MAX_SERVERS = 3
"""What a resolver takes (resolv.conf(5), MAXNS); kubelet leaves out the others, with an event for each pod."""


def parse(params: t.Mapping[str, t.Any]) -> tuple[dict[str, Value], list[str]]:
    """The settings that are wanted, in kubelet's own form, and warnings. Raises KubeletError."""
    wish: dict[str, Value] = {}
    warnings: list[str] = []
    servers = params.get("cluster_dns")
    if servers is not None:
        wish["cluster_dns"] = _servers(servers)
        if len(servers) > MAX_SERVERS:
            warnings.append(
                f"cluster_dns has {len(servers)} servers; resolvers take {MAX_SERVERS}, kubelet leaves out the others."
            )
    domain = params.get("cluster_domain")
    if domain is not None:
        if not is_subdomain(domain):
            raise KubeletError(
                f"cluster_domain: found {domain!r}, expected a DNS name in lower case as cluster.local, without a dot "
                f"at its end; leave it out to keep what is there"
            )
        wish["cluster_domain"] = domain
    path = params.get("resolv_conf")
    if path is not None:
        if not path.startswith("/") or os.path.normpath(path) != path or "\n" in path:
            raise KubeletError(
                f"resolv_conf: found {path!r}, expected the absolute path of a file on the node; leave it out to keep "
                f"what is there"
            )
        wish["resolv_conf"] = path
    name = params.get("node_name")
    if name is not None and not is_subdomain(name):
        raise KubeletError(f"node_name: found {name!r}, expected the name of its Node, as kubectl shows it")
    checkpoint = params.get("checkpoint")
    if checkpoint is not None and (not checkpoint.replace("-", "").isalnum() or len(checkpoint) > 64):
        raise KubeletError(
            f"checkpoint: found {checkpoint!r}, expected the id of an open checkpoint, as network_checkpoint "
            f"returned it"
        )
    if params.get("state") == "absent" and wish:
        raise KubeletError(
            f"state: found absent beside {', '.join(wish)}, expected none of them, as it takes back what was set; "
            f"leave them out, or set them with state: present"
        )
    return {option: wish[option] for option in KEYS if option in wish}, warnings


def _servers(servers: t.Sequence[str]) -> tuple[str, ...]:
    if not servers:
        raise KubeletError(
            "cluster_dns: found an empty list, expected at least one address, as pods without one get the node's own "
            "resolver; leave it out to keep what is there"
        )
    found = []
    for number, one in enumerate(servers):
        try:
            address = ipaddress.ip_address(one)
        except ValueError:
            raise KubeletError(
                f"cluster_dns[{number}]: found {one!r}, expected an IP address of a DNS server"
            ) from None
        if address.is_unspecified or address.is_loopback or address.is_multicast:
            raise KubeletError(
                f"cluster_dns[{number}]: found {one!r}, expected an address that pods can ask; in a pod that one is "
                f"its own"
            )
        if str(address) in found:
            raise KubeletError(f"cluster_dns[{number}]: found {one!r} a second time, expected each server once")
        found.append(str(address))
    return tuple(found)


def seconds(params: t.Mapping[str, t.Any]) -> int:
    """``wait_timeout``, checked."""
    found = params.get("wait_timeout")
    value = 120 if found is None else int(found)
    if not 10 <= value <= 3600:
        raise KubeletError(
            f"wait_timeout: found {value}, expected seconds from 10 to 3600; a kubelet with device plugins takes "
            f"a minute"
        )
    return value
