# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who configures a NIC at run time, from the files that managers leave behind.

The files are what NetworkManager 1.42.4 and systemd-networkd 252 wrote about veths in a private namespace.
"""

from __future__ import annotations

import os
import pathlib

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._netlink.objects import Link
from ansible_collections.kubenode.network.plugins.module_utils._persist.detect import managers

LINKS = {name: Link(name, index) for index, name in enumerate(["lo", "ens192", "ens224", "ens256", "cni0"], 1)}
UUID = "11111111-2222-3333-4444-555555555555"
NM_PROFILE = f"[device]\nmanaged=true\nperm-hw-addr-fake=66:BA:76:87:E4:99\nconnection-uuid={UUID}\nnm-owned=false\n"
NM_WATCHED = NM_PROFILE.replace(UUID, "2e157758-6a50-47a9-8e00-a53aca369d2c")
NM_DISCONNECTED = "[device]\nmanaged=true\nperm-hw-addr-fake=4A:E2:A6:E3:25:96\nnm-owned=false\n"
NM_UNMANAGED = "[device]\nmanaged=false\nperm-hw-addr-fake=D6:93:28:E4:48:0A\nnm-owned=false\n"
NM_UNKNOWN = "[device]\nperm-hw-addr-fake=76:4E:FB:07:58:53\nnm-owned=false\n"
WATCHED_PROFILE = """\
[connection]
id=ens256
uuid=2e157758-6a50-47a9-8e00-a53aca369d2c
type=ethernet
autoconnect=false
interface-name=ens256

[ipv4]
address1=172.16.0.9/24
method=manual

[.nmmeta]
nm-generated=true
volatile=true
external=true
"""
ND_CONFIGURING = """\
# This is private data. Do not parse.
ADMIN_STATE=configuring
OPER_STATE=routable
REQUIRED_FOR_ONLINE=yes
NETWORK_FILE=/run/systemd/network/10-netplan-ens224.network
DNS=
"""
ND_UNMANAGED = "# This is private data. Do not parse.\nADMIN_STATE=unmanaged\nOPER_STATE=degraded\n"
ND_TOLD_SO = ND_UNMANAGED + "NETWORK_FILE=/etc/systemd/network/11.network\n"


def tree(root: pathlib.Path, files: dict[str, str]) -> None:
    for path, text in files.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)


def running(root: pathlib.Path, comm: str, namespace: str = "mnt:[1]", pid: int = 700) -> None:
    tree(root, {f"proc/{pid}/comm": comm + "\n"})
    for process, place in ((str(pid), namespace), ("self", "mnt:[1]")):
        folder = root / "proc" / process / "ns"
        folder.mkdir(parents=True, exist_ok=True)
        if not os.path.lexists(folder / "mnt"):
            (folder / "mnt").symlink_to(place)


def look(root: pathlib.Path) -> dict[str, str]:
    return managers(LINKS, str(root))


def test_without_any_manager_nobody_owns_a_nic(tmp_path: pathlib.Path) -> None:
    assert look(tmp_path) == {}


NM = {
    "run/NetworkManager/devices/1": NM_WATCHED,
    "run/NetworkManager/devices/2": NM_PROFILE,
    "run/NetworkManager/devices/3": NM_UNMANAGED,
    "run/NetworkManager/devices/4": NM_WATCHED,
    "run/NetworkManager/devices/5": NM_UNKNOWN,
    "run/NetworkManager/system-connections/ens256.nmconnection": WATCHED_PROFILE,
}


def test_networkmanager_owns_what_it_has_a_profile_for_not_what_it_watches(tmp_path: pathlib.Path) -> None:
    tree(tmp_path, NM)
    running(tmp_path, "NetworkManager")
    assert look(tmp_path) == {"ens192": "NetworkManager"}


def test_a_managed_nic_without_a_profile_is_networkmanagers(tmp_path: pathlib.Path) -> None:
    tree(tmp_path, {**NM, "run/NetworkManager/devices/3": NM_DISCONNECTED})
    running(tmp_path, "NetworkManager")
    assert look(tmp_path) == {"ens192": "NetworkManager", "ens224": "NetworkManager"}


def test_older_networkmanagers_mark_watched_profiles_as_generated_and_volatile(tmp_path: pathlib.Path) -> None:
    tree(tmp_path, NM)
    tree(
        tmp_path,
        {"run/NetworkManager/system-connections/ens256.nmconnection": WATCHED_PROFILE.replace("external=true\n", "")},
    )
    running(tmp_path, "NetworkManager")
    assert look(tmp_path) == {"ens192": "NetworkManager"}


@pytest.mark.parametrize(
    "profile", [f"[connection]\nuuid={UUID}\n", "[connection]\nid=netplan-ens192\ninterface-name=ens192\n"]
)
def test_netplan_is_named_with_its_renderer(tmp_path: pathlib.Path, profile: str) -> None:
    tree(tmp_path, {**NM, "run/NetworkManager/system-connections/netplan-ens192.nmconnection": profile})
    running(tmp_path, "NetworkManager")
    assert look(tmp_path) == {"ens192": "netplan (NetworkManager)"}


NETWORKD = {
    "run/systemd/netif/links/1": ND_UNMANAGED,
    "run/systemd/netif/links/2": ND_CONFIGURING.replace("10-netplan-ens224", "20-site").replace(
        "configuring", "configured"
    ),
    "run/systemd/netif/links/3": ND_CONFIGURING,
    "run/systemd/netif/links/4": ND_UNMANAGED,
    "run/systemd/netif/links/5": ND_TOLD_SO,
}


def test_networkd_owns_what_a_network_file_applies_to(tmp_path: pathlib.Path) -> None:
    tree(tmp_path, NETWORKD)
    running(tmp_path, "systemd-network")
    assert look(tmp_path) == {"ens192": "systemd-networkd", "ens224": "netplan (systemd-networkd)"}


def test_networkds_that_name_no_file_are_judged_by_the_state(tmp_path: pathlib.Path) -> None:
    tree(
        tmp_path,
        {"run/systemd/netif/links/2": "ADMIN_STATE=configured\n", "run/systemd/netif/links/3": "ADMIN_STATE=pending\n"},
    )
    running(tmp_path, "systemd-network")
    assert look(tmp_path) == {"ens192": "systemd-networkd"}


@pytest.mark.parametrize("files", [NM, NETWORKD])
def test_files_of_a_manager_that_no_longer_runs_do_not_count(tmp_path: pathlib.Path, files: dict[str, str]) -> None:
    tree(tmp_path, files)
    assert look(tmp_path) == {}
    running(tmp_path, "bash")
    assert look(tmp_path) == {}


@pytest.mark.parametrize(("files", "unit"), [(NM, "NetworkManager"), (NETWORKD, "systemd-networkd")])
@pytest.mark.parametrize("hierarchy", ["", "systemd/", "unified/"])
def test_a_units_control_group_shows_that_it_runs(
    tmp_path: pathlib.Path, files: dict[str, str], unit: str, hierarchy: str
) -> None:
    tree(tmp_path, files)
    (tmp_path / f"sys/fs/cgroup/{hierarchy}system.slice/{unit}.service").mkdir(parents=True)
    assert "ens192" in look(tmp_path)


def test_a_manager_in_a_container_is_not_the_nodes(tmp_path: pathlib.Path) -> None:
    tree(tmp_path, NM)
    running(tmp_path, "NetworkManager", namespace="mnt:[2]")
    assert look(tmp_path) == {}


def test_ifupdown_owns_what_it_configured_while_it_is_installed(tmp_path: pathlib.Path) -> None:
    tree(tmp_path, {"run/network/ifstate": "lo=lo\nens192=ens192\nens224=storage\ngone0=gone0\n"})
    assert look(tmp_path) == {}
    tree(tmp_path, {"sbin/ifup": ""})
    assert look(tmp_path) == {"ens192": "ifupdown", "ens224": "ifupdown"}


def test_a_running_daemon_goes_before_ifupdown(tmp_path: pathlib.Path) -> None:
    tree(tmp_path, {**NM, "run/network/ifstate": "ens192=ens192\n", "usr/sbin/ifup": ""})
    running(tmp_path, "NetworkManager")
    assert look(tmp_path) == {"ens192": "NetworkManager"}


def test_two_daemons_that_claim_a_nic_are_both_named(tmp_path: pathlib.Path) -> None:
    tree(tmp_path, {
        "run/systemd/netif/links/3": "ADMIN_STATE=configured\nNETWORK_FILE=/etc/systemd/network/10.network\n",
        "run/NetworkManager/devices/3": NM_PROFILE,
    })  # fmt: skip
    running(tmp_path, "systemd-network")
    running(tmp_path, "NetworkManager", pid=701)
    assert look(tmp_path) == {"ens224": "NetworkManager and systemd-networkd"}
