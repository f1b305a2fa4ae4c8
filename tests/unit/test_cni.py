# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A container network is known by its devices, its files, and the tables that it takes."""

from __future__ import annotations

import json
import pathlib

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._state.cni import find_networks
from ansible_collections.kubenode.network.plugins.module_utils._state.cni_files import pod_cidrs

DEVICES = [
    ("cali0123456789a", "Calico"), ("vxlan.calico", "Calico"), ("cilium_host", "Cilium"), ("lxc_health", "Cilium"),
    ("lxc1a2b3c4d5e6f", "Cilium"), ("flannel.1", "Flannel"), ("cni0", "a CNI bridge"), ("kube-bridge", "kube-router"),
    ("eni0123456789a", "AWS VPC CNI"), ("kube-ipvs0", "kube-proxy"), ("ovn-k8s-mp0", "OVN"),
    ("docker0", "a container engine"), ("br-0123456789ab", "a container engine"), ("antrea-gw0", "Antrea"),
    ("nodelocaldns", "NodeLocal DNSCache"),
]  # fmt: skip
NICS = ["ens192", "eth0", "eno1", "enp3s0f0", "bond0", "br0", "vlan.20", "ens224.100", "ib0", "lo", "eni", "caliber"]


@pytest.mark.parametrize(("device", "network"), DEVICES)
def test_devices_of_container_networks_are_recognised(device: str, network: str) -> None:
    assert find_networks([device]).devices == {device: network}


@pytest.mark.parametrize("nic", NICS)
def test_names_of_nics_are_not_mistaken_for_them(nic: str) -> None:
    assert find_networks([nic]).devices == {}


def test_pod_networks_are_read_from_the_nodes_files(tmp_path: pathlib.Path) -> None:
    folder = tmp_path / "etc/cni/net.d"
    folder.mkdir(parents=True)
    bridge = {"type": "bridge", "ipam": {"ranges": [[{"subnet": "10.244.1.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}}
    (folder / "10-bridge.conflist").write_text(json.dumps({"plugins": [bridge]}))
    (folder / "10-broken.conf").write_bytes(b"\xff{")
    (tmp_path / "run/flannel").mkdir(parents=True)
    (tmp_path / "run/flannel/subnet.env").write_text("FLANNEL_NETWORK=10.245.0.0/16\nFLANNEL_SUBNET=10.245.1.1/24\n")
    assert pod_cidrs(str(tmp_path)) == ("10.244.1.0/24", "10.245.0.0/16")


def test_a_node_without_a_container_network_has_none(tmp_path: pathlib.Path) -> None:
    assert pod_cidrs(str(tmp_path)) == ()


@pytest.mark.parametrize(
    ("links", "table", "user"),
    [
        (["cilium_host"], 2005, "Cilium"),
        (["cilium_host"], 100, None),
        (["cali0123456789a"], 100, None),
        (["cali0123456789a", "wireguard.cali"], 100, "Calico"),
        ([], 100, None),
    ],
)
def test_tables_that_a_network_uses(links: list[str], table: int, user: str | None) -> None:
    assert find_networks(links).table_user(table) == user
