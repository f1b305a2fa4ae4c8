# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pods of this node, found by the network namespaces of their processes, with the name servers they ask."""

from __future__ import annotations

import ctypes
import os
import sys
import threading
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._netlink.addresses import read_addresses
from ansible_collections.kubenode.network.plugins.module_utils._netlink.attributes import attribute, attributes
from ansible_collections.kubenode.network.plugins.module_utils._netlink.links import link_names, read_links
from ansible_collections.kubenode.network.plugins.module_utils._netlink.sock import NetlinkError, RtnlSocket
from ansible_collections.kubenode.network.plugins.module_utils._nodecache import processes
from ansible_collections.kubenode.network.plugins.module_utils._resolver import resolv_conf

# linux/net_namespace.h, linux/rtnetlink.h, linux/sched.h
_RTM_GETNSID = 90
_NETNSA_NSID, _NETNSA_PID = 1, 2
_CLONE_NEWNET = 0x40000000
_LOOPBACK = "lo"
_SCOPE_GLOBAL = 0
_LOGS = "/var/log/pods"
T = t.TypeVar("T")


class Pod(t.NamedTuple):
    """Processes that share a network namespace beside the node's, or a resolv.conf of their own within it."""

    pid: int
    """The first of them."""
    command: str
    addresses: tuple[str, ...]
    name_servers: tuple[str, ...]
    host_network: bool
    name: str = ""
    """``namespace/name`` in the cluster, where the kubelet's folders tell."""
    search: tuple[str, ...] = ()

    @property
    def told(self) -> str:
        """For people."""
        return self.name or f"{self.command} (pid {self.pid})"

    def asks(self, addresses: t.Collection[str]) -> bool:
        return any(server in addresses for server in self.name_servers)


def pods(sock: RtnlSocket) -> list[Pod]:
    """All of them. Only namespaces that are joined with this one by a link count as pods."""
    own = _namespace("thread-self", "net")
    files = _namespace("self", "mnt")
    here = (_link("/proc/self/root"), "")
    logs = _logs()
    of_the_node = _resolver(0).servers
    seen: set[tuple[str, str, str]] = set()
    found: dict[tuple[str, resolv_conf.ResolvConf, str], Pod] = {}
    addresses: dict[str, tuple[str, ...] | None] = {}
    for pid in processes.processes():
        network, mounts = _namespace(str(pid), "net"), _namespace(str(pid), "mnt")
        root = _link(f"/proc/{pid}/root")
        if not network or (network, mounts, root) in seen or ((network, mounts) == (own, files) and root in here):
            continue
        seen.add((network, mounts, root))
        if network != own and network not in addresses:
            addresses[network] = _addresses(pid) if _joined(sock, pid) else None
        held = () if network == own else addresses[network]
        if held is None:
            continue
        resolver = _resolver(pid)
        servers = tuple(server for server in resolver.servers if server)
        # Services of the node have mounts of their own too, and ask whom the node asks.
        if network == own and servers in ((), of_the_node):
            continue
        name = _name(pid, logs)
        pod = Pod(pid, processes.command(pid), held, servers, network == own, name, resolver.search)
        # Pods in the node's own network share it.
        found.setdefault((network, resolver, name if network == own else ""), pod)
    return list(found.values())


def within(pid: int, work: t.Callable[[], T]) -> T:
    """Do something in the network namespace of a process, on a thread of its own. Raises OSError where that may not be.

    Sockets that are made there stay there.
    """
    results: list[T] = []
    errors: list[BaseException] = []

    def enter() -> None:
        try:
            descriptor = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
            try:
                # os.setns came with Python 3.12.
                if ctypes.CDLL(None, use_errno=True).setns(descriptor, _CLONE_NEWNET):
                    number = ctypes.get_errno()
                    raise OSError(number, os.strerror(number), f"/proc/{pid}/ns/net")
            finally:
                os.close(descriptor)
            results.append(work())
        except BaseException as error:  # noqa: BLE001 - handed to the caller, whose thread it is about
            errors.append(error)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]


def _logs() -> dict[str, str]:
    """Uid -> namespace/name of the pods that the kubelet keeps logs of (NAMESPACE_NAME_UID)."""
    try:
        names = [name.split("_") for name in os.listdir(_LOGS)]
    except OSError:
        return {}
    return {parts[2]: f"{parts[0]}/{parts[1]}" for parts in names if len(parts) == 3}


def _name(pid: int, logs: t.Mapping[str, str]) -> str:
    """Of the pod whose cgroup a process is in; systemd's driver writes the uid with underscores."""
    try:
        with open(f"/proc/{pid}/cgroup", encoding="utf-8", errors="replace") as file:
            text = file.read().replace("_", "-")
    except OSError:
        return ""
    return next((name for uid, name in logs.items() if f"pod{uid}" in text), "")


def _namespace(pid: str, kind: str) -> str:
    return _link(f"/proc/{pid}/ns/{kind}")


def _link(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""


def _joined(sock: RtnlSocket, pid: int) -> bool:
    """Whether the kernel has a number for the namespace of a process here, which a link into it brings about."""
    body = bytes(4) + attribute(_NETNSA_PID, pid.to_bytes(4, sys.byteorder))
    try:
        answer = sock.request((_RTM_GETNSID, 0, body))
    except NetlinkError:
        return False
    for kind, payload in attributes(answer or b"", 4):
        if kind == _NETNSA_NSID:
            return int.from_bytes(payload, sys.byteorder, signed=True) >= 0
    return False


def _addresses(pid: int) -> tuple[str, ...] | None:
    """The addresses that others reach the namespace by; None where it may not be entered."""

    def read() -> tuple[str, ...]:
        with RtnlSocket() as sock:
            names = link_names(read_links(sock))
            found = read_addresses(sock, names)
        return tuple(one.address for one in found if one.interface != _LOOPBACK and one.scope == _SCOPE_GLOBAL)

    try:
        return within(pid, read)
    except (OSError, NetlinkError):
        return None


def _resolver(pid: int) -> resolv_conf.ResolvConf:
    """What the resolv.conf of a process says; 0 stands for this one."""
    try:
        path = f"/proc/{pid}/root/etc/resolv.conf" if pid else "/etc/resolv.conf"
        with open(path, encoding="utf-8", errors="replace") as file:
            text = file.read(65536)
    except OSError:
        return resolv_conf.ResolvConf()
    return resolv_conf.parse(text)
