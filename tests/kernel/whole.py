# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole worker's declaration, and the files below a root that it changes."""

from __future__ import annotations

import json
import pathlib
import subprocess
import typing as t

FILES = {
    "etc/hosts": "127.0.0.1 localhost\n",
    "etc/resolv.conf": "nameserver 192.0.2.53\n",
    "etc/nsswitch.conf": "hosts: dns files\n",
}
WHOLE = {
    "interfaces": [
        {"name": "ens224", "state": "up", "mtu": 1400,
         "ipv4": {"enabled": True, "address": [{"ip": "10.100.7.7", "prefix-length": 24}]}},
    ],
    "routes": {"config": [{"destination": "10.200.0.0/16", "next-hop-address": "10.100.0.1", "metric": 100}]},
    "route-rules": {"config": [{"ip-from": "10.100.7.7/32", "route-table": "storage"}]},
    "dns-resolver": {"config": {"server": ["10.100.0.53"]}},
}  # fmt: skip
BESIDE: dict[str, t.Any] = {
    "tables": [{"id": 300, "name": "storage", "purpose": "storage network"}],
    "hosts": [{"address": "10.100.0.5", "names": ["registry"]}],
    "nsswitch_hosts": ["files", "dns"],
    "sysctl": {"net.ipv4.conf.ens224.rp_filter": "2"},
    "multi_nic": [{"interface": "ens256", "gateway": "172.16.0.1"}],
}


def furnish(root: pathlib.Path) -> pathlib.Path:
    """The files of a node below ``root``; its sysctls are the kernel's."""
    (root / "proc").symlink_to("/proc")
    for name, text in FILES.items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(text)
    return root


def policy(desired_state: dict[str, t.Any]) -> dict[str, t.Any]:
    return {
        "apiVersion": "nmstate.io/v1",
        "kind": "NodeNetworkConfigurationPolicy",
        "metadata": {"name": "worker"},
        "spec": {"desiredState": desired_state},
    }


def files(root: pathlib.Path) -> dict[str, str]:
    paths = [path for path in (root / "etc").rglob("*") if path.is_file()]
    return {str(path.relative_to(root)): path.read_text() for path in paths}


def mtu(name: str) -> int:
    shown = subprocess.run(["ip", "-j", "link", "show", name], capture_output=True, text=True, check=True).stdout
    return int(json.loads(shown)[0]["mtu"])
