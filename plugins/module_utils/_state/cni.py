# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which container networks use this node, seen from its links: their devices, tables, rule priorities and marks.

Pure: it looks at names and numbers only. A network that is not recognised is not lost: what the engine cannot explain
is never removed.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._netlink.objects import Link

# Names as the projects' own sources give them: the pattern of a device, and whose it is.
_DEVICES: tuple[tuple[str, str], ...] = (
    (r"cali[0-9a-f]{11}|tunl0|vxlan(-v6)?\.calico|wireguard\.cali|wg-v6\.cali|bpf(in|out)\.cali", "Calico"),
    (r"cilium_\w+|lxc\w+", "Cilium"),
    (r"flannel(-v6)?\.\d+|flannel-wg(-v6)?|flannel\d+", "Flannel"),
    (r"weave|vethwe\S*|vxlan-6784", "Weave Net"),
    (r"kube-bridge|kube-dummy-if|tun-\d{9}", "kube-router"),
    (r"antrea-gw\d+|antrea-tun\d+", "Antrea"),
    (r"ovn-k8s-mp\d+|ovn0|br-int|br-ex|genev_sys_\d+", "OVN"),
    (r"eni[0-9a-f]{11}|vlan\.eth\.\d+", "AWS VPC CNI"),
    (r"azv[0-9a-f]+", "Azure CNI"),
    (r"kube-ipvs0", "kube-proxy"),
    (r"nodelocaldns", "NodeLocal DNSCache"),
    (r"cni\d+|cbr0|veth[0-9a-f]{8}", "a CNI bridge"),
    (r"docker\d+|br-[0-9a-f]{12}|podman\d+|cni-podman\d+|lxcbr\d+|lxdbr\d+|virbr\d+", "a container engine"),
)
_DEVICE = re.compile("|".join(f"(?P<d{number}>{pattern})" for number, (pattern, _name) in enumerate(_DEVICES)))

# Tables and rule priorities that a network takes for itself, as ranges. Cilium: pkg/datapath/linux/linux_defaults
# (v1.11 to v1.18; its local rule moves to 100). Calico: RouteTableRange of WireGuard and eBPF is 1-250 by default.
# AWS VPC CNI: pkg/networkutils, rules 512 to 1536.
_TABLES: dict[str, tuple[tuple[int, int], ...]] = {
    "Cilium": ((200, 202), (2004, 2005)),
    "Calico": ((1, 250),),
}
_PRIORITIES: dict[str, tuple[tuple[int, int], ...]] = {
    "Cilium": ((1, 1), (9, 10), (20, 20), (100, 100), (109, 112)),
    "AWS VPC CNI": ((512, 1536),),
}
# Marks, as (mask, whose). kube-proxy: masquerade and drop bits; Cilium: the magic nibble; AWS: connmark.
_MARKS: dict[str, int] = {"kube-proxy": 0xC000, "Cilium": 0x0F00, "Calico": 0xFFFF0000, "AWS VPC CNI": 0x80}
# Calico uses its tables only where it made one of these.
_CALICO_TABLE_DEVICES = ("wireguard.cali", "wg-v6.cali", "bpfin.cali")


class Networks(t.NamedTuple):
    devices: dict[str, str]
    """Interface -> the network it belongs to."""
    cidrs: tuple[str, ...]
    """Pod and service CIDRs."""

    @property
    def names(self) -> set[str]:
        return set(self.devices.values())

    def table_user(self, table: int) -> str | None:
        """Name of the network that takes routing table `table` for itself, or None."""
        for name in self.names:
            if name == "Calico" and not any(device in self.devices for device in _CALICO_TABLE_DEVICES):
                continue
            if any(low <= table <= high for low, high in _TABLES.get(name, ())):
                return name
        return None

    def priority_user(self, priority: int) -> str | None:
        """Name of the network that takes rule priority `priority` for itself, or None."""
        for name in self.names:
            if any(low <= priority <= high for low, high in _PRIORITIES.get(name, ())):
                return name
        return None

    def mark_user(self, mask: int) -> str | None:
        """Name of the user of a mark bit in `mask`, or None; kube-proxy is taken for granted on a worker."""
        for name in sorted(self.names | {"kube-proxy"}):
            if mask & _MARKS.get(name, 0):
                return name
        return None


def find_networks(links: t.Iterable[str] | dict[str, Link], cidrs: t.Iterable[str] = ()) -> Networks:
    """Recognise the container networks of a node by its links' names; `cidrs` are the pod and service CIDRs known."""
    devices = {}
    for name in links:
        match = _DEVICE.fullmatch(name)
        if match is not None and match.lastgroup is not None:
            devices[name] = _DEVICES[int(match.lastgroup[1:])][1]
    return Networks(devices, tuple(cidrs))
