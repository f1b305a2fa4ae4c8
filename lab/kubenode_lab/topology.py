# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lab's networks as data, and the `ip -batch` lines that make them. Nothing here touches a kernel."""

from __future__ import annotations

from typing import NamedTuple

ROUTER = "r1"
CONTROLLER_NODE = "c1"
MAX_WORKERS = 150
DNS_PORT = 53


class Network(NamedTuple):
    """An IPv4 /24 that joins the router with one NIC of every worker.

    prefix is the address without its last number. bridge is the router's device. behind lists the addresses that the
    router answers for through this network's gateway, besides its own.
    """

    name: str
    nic: str
    prefix: str
    behind: tuple[str, ...]

    @property
    def gateway(self) -> str:
        """The router's address on this network."""
        return f"{self.prefix}.1"

    @property
    def subnet(self) -> str:
        """The network in CIDR notation."""
        return f"{self.prefix}.0/24"


# Where Ansible's connections come from: beyond the default route, so that the way back depends on it.
CONTROLLER = "198.51.100.10"
CONTROLLER_GATEWAY = "198.51.100.1"
CONTROLLER_NIC = "eth0"
# The router's end of the controller's NIC.
CONTROLLER_PORT = "controller"
MANAGEMENT = Network("management", "ens192", "192.168.100", (CONTROLLER,))
DATA = Network("data", "ens224", "10.100.0", ("10.200.0.1", "10.50.0.1", "203.0.113.1"))
EXTERNAL = Network("external", "ens256", "172.16.0", ("203.0.113.1",))
NETWORKS = (MANAGEMENT, DATA, EXTERNAL)
DNS_ADDRESSES = ("10.100.0.53", "10.100.0.54")
# A worker starts with this resolver, where nothing listens: the router refuses at once, and nobody waits for a timeout.
FIRST_RESOLVER = MANAGEMENT.gateway

# The order of the router's rules. A drop comes before everything, the table of local addresses after what closes a
# network; the kernel puts that table at 0, where nothing could come before it (ip-rule(8)).
DROP_PRIORITY = 10
CLOSE_PRIORITY = 20
LOCAL_PRIORITY = 100

# Set because a new namespace may inherit the machine's. The workers are hosts (no forwarding) with the loose
# reverse-path filter that systemd sets. The router is neither picky nor helpful: a redirect would teach a worker a
# route that no document holds.
WORKER_SYSCTLS = {
    "net/ipv4/ip_forward": "0",
    "net/ipv4/conf/all/rp_filter": "0",
    "net/ipv4/conf/default/rp_filter": "2",
}
ROUTER_SYSCTLS = {
    "net/ipv4/ip_forward": "1",
    "net/ipv4/conf/all/rp_filter": "0",
    "net/ipv4/conf/default/rp_filter": "0",
    "net/ipv4/conf/all/send_redirects": "0",
    "net/ipv4/conf/default/send_redirects": "0",
    "net/ipv6/conf/all/disable_ipv6": "1",
    "net/ipv6/conf/default/disable_ipv6": "1",
}


def worker_names(count: int) -> list[str]:
    """The names of count workers: w1, w2, ..."""
    return [f"w{number}" for number in range(1, count + 1)]


def host_number(node: str) -> int:
    """The last number of a node's addresses: 1 for the router, 101 for w1. Examples and DNS have some in between."""
    return 1 if node == ROUTER else 100 + int(node[1:])


def address(node: str) -> str:
    """The controller's address, or a worker's or the router's on the management network."""
    return CONTROLLER if node == CONTROLLER_NODE else f"{MANAGEMENT.prefix}.{host_number(node)}"


def port(worker: str, network: Network) -> str:
    """The router's end of a worker's NIC; at most 15 characters (IFNAMSIZ)."""
    return f"{worker}-{network.name}"


def mac(node: str, network: Network) -> str:
    """A locally administered MAC address that tells the node and the network."""
    return f"02:00:00:00:{NETWORKS.index(network):02x}:{host_number(node):02x}"


def router_lines() -> list[str]:
    """`ip -batch` lines: the router's bridges, addresses and what may reach them."""
    lines = ["link set lo up"]
    for network in NETWORKS:
        lines += [
            # With an address of its own: a bridge takes a port's, and another one when that port is taken out.
            f"link add {network.name} address {mac(ROUTER, network)} type bridge mcast_snooping 0",
            f"address add {network.gateway}/24 dev {network.name}",
            f"link set {network.name} up",
        ]
    lines += [f"address add {server}/24 dev {DATA.name}" for server in DNS_ADDRESSES]
    answers = sorted({found for network in NETWORKS for found in network.behind})
    lines += [f"address add {answer}/32 dev lo" for answer in answers if answer != CONTROLLER]
    lines += [f"rule add priority {LOCAL_PRIORITY} lookup local", "rule del priority 0"]
    # A network leads to what is behind its gateway and no further. Otherwise the default route over management would
    # reach everything, and a route through another NIC would show nothing.
    for network in NETWORKS:
        lines += [
            f"rule add priority {CLOSE_PRIORITY} iif {network.name} to {answer} blackhole"
            for answer in (answers if network is not MANAGEMENT else ())
            if answer not in network.behind
        ]
    return [
        *lines,
        f"rule add priority {CLOSE_PRIORITY} iif {MANAGEMENT.name} to {MANAGEMENT.subnet} lookup local",
        f"rule add priority {CLOSE_PRIORITY} iif {MANAGEMENT.name} to {CONTROLLER} lookup main",
        f"rule add priority {CLOSE_PRIORITY + 1} iif {MANAGEMENT.name} blackhole",
    ]


def link_lines(worker: str, pid: int) -> list[str]:
    """`ip -batch` lines, run in the router: a worker's NICs. pid is any process of the worker's namespace."""
    return [
        f"link add name {port(worker, network)} master {network.name} up "
        f"type veth peer name {network.nic} address {mac(worker, network)} netns {pid}"
        for network in NETWORKS
    ]


def controller_link_lines(pid: int) -> list[str]:
    """`ip -batch` lines, run in the router: the controller's NIC. pid is any process of the controller's namespace."""
    return [
        f"link add name {CONTROLLER_PORT} type veth peer name {CONTROLLER_NIC} netns {pid}",
        f"address add {CONTROLLER_GATEWAY}/24 dev {CONTROLLER_PORT}",
        f"link set {CONTROLLER_PORT} up",
    ]


def controller_lines() -> list[str]:
    """`ip -batch` lines, run in the controller."""
    return [
        "link set lo up",
        f"address add {CONTROLLER}/24 dev {CONTROLLER_NIC}",
        f"link set {CONTROLLER_NIC} up",
        f"route add default via {CONTROLLER_GATEWAY} dev {CONTROLLER_NIC}",
    ]


def worker_lines(worker: str) -> list[str]:
    """`ip -batch` lines, run in the worker: management only, the other NICs are for the documents to configure."""
    return [
        "link set lo up",
        f"address add {address(worker)}/24 dev {MANAGEMENT.nic}",
        f"link set {MANAGEMENT.nic} up",
        f"route add default via {MANAGEMENT.gateway} dev {MANAGEMENT.nic}",
    ]


def hosts_file(node: str) -> str:
    """The text of a node's /etc/hosts."""
    return f"127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n{address(node)} {node}\n"


def inventory(count: int) -> str:
    """The text of an Ansible inventory of count workers, in a lab's folder."""
    names = "w1" if count == 1 else f"w[1:{count}]"
    return f'---\nworkers:\n  hosts:\n    {names}:\n  vars:\n    lab_folder: "{{{{ inventory_dir }}}}"\n'


def records(workers: list[str]) -> dict[str, str]:
    """The names that the lab's DNS server knows, with their IPv4 addresses."""
    return {
        "r1.storage.internal.example.com": "10.200.0.1",
        "r1.gpu.internal.example.com": "10.50.0.1",
        "r1.internal.example.com": DATA.gateway,
        "www.example.com": "203.0.113.1",
        **{f"{worker}.internal.example.com": f"{DATA.prefix}.{host_number(worker)}" for worker in workers},
    }
