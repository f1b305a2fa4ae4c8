# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whom the node must not lose: the controller of this very run, and the API server."""

from __future__ import annotations

import os
import re
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._netlink.addr import canonical_address

# Where kubelets and their distributions keep the API server's address; the first that names one counts.
KUBECONFIGS = (
    "/etc/kubernetes/kubelet.conf",
    "/var/lib/kubelet/kubeconfig",
    "/etc/kubernetes/kubelet-kubeconfig",
    "/etc/rancher/rke2/rke2.yaml",
    "/var/lib/rancher/rke2/agent/kubelet.kubeconfig",
    "/etc/rancher/k3s/k3s.yaml",
    "/var/lib/rancher/k3s/agent/kubelet.kubeconfig",
    "/var/lib/k0s/kubelet.conf",
)
# Agents of these talk to the API server through a proxy on loopback; their own configuration names the server.
AGENT_CONFIGS = ("/etc/rancher/rke2/config.yaml", "/etc/rancher/k3s/config.yaml")

_SERVER = re.compile(r"""^\s*server:\s*["']?https?://(\[[0-9A-Fa-f:.]+\]|[^/:\s"']+)(?::(\d+))?""", re.MULTILINE)
_ANCESTORS = 32


def protect_inputs(root: str = "/") -> list[tuple[str, str, str | None]]:
    """(what, address, the node's own address or None) of each connection that a change must not cut.

    Literal addresses only: a name is not looked up, as its answer may differ by the time the connection is needed.
    """
    found: list[tuple[str, str, str | None]] = []
    connection = ssh_connection()
    if connection:
        found.append(("the controller's connection", *connection))
    for address in api_servers(root):
        found.append(("the API server", address, None))
    return found


def ssh_connection() -> tuple[str, str] | None:
    """(controller's address, own address) of the SSH session that this process runs in, None outside of one.

    From SSH_CONNECTION (sshd(8)); become and sudo drop it, so the processes above this one are looked at too.
    """
    words = _addresses(os.environ.get("SSH_CONNECTION", ""))
    if words:
        return words
    process = os.getppid()
    for _step in range(_ANCESTORS):
        if process <= 1:
            break
        try:
            with open(f"/proc/{process}/environ", "rb") as file:
                variables = file.read().split(b"\0")
        except OSError:
            variables = []
        for variable in variables:
            if variable.startswith(b"SSH_CONNECTION="):
                words = _addresses(variable.partition(b"=")[2].decode("ascii", "replace"))
                if words:
                    return words
        try:
            with open(f"/proc/{process}/stat", encoding="utf-8", errors="replace") as text:
                # The name in parentheses may hold anything; the parent is the second word behind it (proc(5)).
                process = int(text.read().rpartition(")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            break
    return None


def _addresses(value: str) -> tuple[str, str] | None:
    words = value.split()
    if len(words) != 4:
        return None
    try:
        # A link-local address has its zone behind it.
        return canonical_address(words[0].partition("%")[0]), canonical_address(words[2].partition("%")[0])
    except ValueError:
        return None


def api_servers(root: str = "/") -> list[str]:
    """Addresses of the API server in the kubelet's configuration, those on loopback left out."""
    found: dict[str, None] = {}
    for host, _port in _servers(root):
        try:
            address = canonical_address(host.strip("[]"))
        except ValueError:
            continue
        if not address.startswith("127.") and address != "::1":
            found[address] = None
    return list(found)


def api_endpoints(root: str = "/") -> list[str]:
    """``host:port`` of each API server in the kubelet's configuration, names and proxies on loopback included."""
    return list(dict.fromkeys(f"{host}:{port or 443}" for host, port in _servers(root)))


def _servers(root: str) -> t.Iterator[tuple[str, str]]:
    for path in (*KUBECONFIGS, *AGENT_CONFIGS):
        try:
            with open(os.path.join(root, path[1:]), encoding="utf-8", errors="replace") as file:
                text = file.read(1 << 20)
        except OSError:
            continue
        yield from _SERVER.findall(text)
