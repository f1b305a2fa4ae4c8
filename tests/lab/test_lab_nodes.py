# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a worker of the lab looks like from inside, and what it keeps to itself."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Lab, LabMaker


def test_a_command_runs_in_the_node_with_its_arguments_and_its_exit_code(lab: Lab) -> None:
    result = lab.exec(
        "w2", ["sh", "-c", 'hostname; printf "<%s>" "$@"; exit 7', "sh", "a b", "", "$HOME", "c'd"], check=False
    )
    assert (result.returncode, result.stdout) == (7, "w2\n<a b><><$HOME><c'd>")


def test_a_node_is_a_machine_of_its_own_where_we_are_root(lab: Lab) -> None:
    assert lab.sh("w1", "id -u; cat /etc/hostname").split() == ["0", "w1"]
    assert lab.sh("w1", "cat /proc/1/comm").strip() == "sleep"
    namespaces = {
        name: {lab.sh(host, f"readlink /proc/self/ns/{name}").strip() for host in ("r1", "w1", "w2")}
        for name in ("net", "mnt", "pid")
    }
    assert all(len(found) == 3 for found in namespaces.values())
    assert not {os.readlink(f"/proc/self/ns/{name}") for name in namespaces} & set.union(*namespaces.values())


def test_only_management_is_configured(lab: Lab) -> None:
    links = {link["ifname"]: link for link in lab.json("w3", "address")}
    assert sorted(links) == ["ens192", "ens224", "ens256", "lo"]
    assert [a["local"] for a in links["ens192"]["addr_info"] if a["family"] == "inet"] == ["192.168.100.103"]
    for name in ("ens224", "ens256"):
        assert (links[name]["operstate"], links[name]["addr_info"]) == ("DOWN", [])
    routes = [{key: route.get(key) for key in ("dst", "gateway", "dev", "metric")} for route in lab.json("w3", "route")]
    assert {"dst": "default", "gateway": "192.168.100.1", "dev": "ens192", "metric": None} in routes
    assert len(routes) == 2


def test_the_lab_has_no_way_out(lab: Lab) -> None:
    machine = json_of_links()
    expected = {"lo", "management", "data", "external", "controller"} | {
        f"w{number}-{network}" for number in (1, 2, 3) for network in ("management", "data", "external")
    }
    assert {link["ifname"] for link in lab.json("r1", "link")} == expected
    assert not [route for route in lab.json("r1", "route") if route["dst"] == "default"]
    assert not machine & expected - {"lo"}


def json_of_links() -> set[str]:
    lines = subprocess.run(["ip", "-oneline", "link"], capture_output=True, text=True, check=True).stdout.splitlines()
    return {line.split(": ")[1].partition("@")[0] for line in lines}


@pytest.mark.parametrize(
    "path",
    ["/etc/kubenode-test", "/etc/iproute2/kubenode-test", "/run/kubenode-test", "/var/lib/kubenode-network/owned.json"],
)
def test_files_of_a_node_are_its_own(lab: Lab, path: str) -> None:
    lab.sh("w1", f"echo mine > {path}")
    try:
        assert lab.sh("w1", f"cat {path}") == "mine\n"
        assert lab.exec("w2", ["test", "-e", path], check=False).returncode == 1
        assert not Path(path).exists()
    finally:
        lab.sh("w1", f"rm {path}")


def test_the_files_that_a_node_starts_with(lab: Lab) -> None:
    assert lab.sh("w1", "test ! -L /etc/resolv.conf; cat /etc/resolv.conf") == "nameserver 192.168.100.1\n"
    assert lab.sh("w1", "tail -n 1 /etc/hosts") == "192.168.100.101 w1\n"
    assert lab.sh("w1", "ls -A /var/lib/kubenode-network /run") == "/run:\nsshd\n\n/var/lib/kubenode-network:\n"
    assert len({lab.sh(host, "cat /etc/machine-id") for host in ("w1", "w2", "w3")}) == 3
    lab.sh("w1", "grep -q ^root: /etc/passwd; test -d /etc/iproute2; test -d /etc/systemd/system")


def test_what_configures_the_machine_is_not_in_a_node(lab: Lab) -> None:
    for path in ("/etc/netplan", "/etc/network", "/etc/NetworkManager", "/etc/systemd/network"):
        assert lab.exec("w1", ["test", "-e", path], check=False).returncode == 1


def test_files_are_private_where_the_kernel_has_no_overlay(new_lab: LabMaker) -> None:
    lab = new_lab(workers=0)
    lab.env["KUBENODE_LAB_NO_OVERLAY"] = "1"
    lab.run("up", "--workers", "2")
    assert lab.sh("w1", "grep -c overlay.*/etc /proc/mounts || true") == "0\n"
    lab.sh("w1", "rm /etc/passwd; echo mine > /var/lib/kubenode-network/x; ls /var/lib/dpkg /usr/lib > /dev/null")
    assert lab.sh("w2", "ls /var/lib/kubenode-network; head -c 4 /etc/passwd") == "root"
    assert (
        lab.exec("w1", ["sh", "-c", 'touch "$(ls -d /var/lib/*/ | head -n 1)/kubenode-test"'], check=False).returncode
        != 0
    )


def test_two_labs_stand_side_by_side(lab: Lab, new_lab: LabMaker) -> None:
    other = new_lab(workers=1, name="other")
    other.sh("w1", "ip address add 10.100.0.101/24 dev ens224; ip link set ens224 up")
    assert other.pings("w1", "10.100.0.1")
    assert not lab.pings("w1", "10.100.0.1")
    other.run("drop", "management")
    assert not other.pings("w1", "192.168.100.1")
    assert lab.pings("w1", "192.168.100.1")
    other.run("down")
    assert not other.dir.exists()
    assert lab.pings("w1", "192.168.100.1")


def test_what_is_left_in_the_background_ends_without_a_zombie(new_lab: LabMaker) -> None:
    lab = new_lab()
    lab.sh("w1", "(sleep 0.05 &) ; (sleep 100 > /dev/null 2>&1 &)")
    lab.sh(
        "w1", "for _ in $(seq 100); do [ \"$(ps -e -o args= | grep -c '^sleep 0.05')\" = 0 ] && break; sleep 0.02; done"
    )
    states = lab.sh("w1", "ps -e -o stat=,args=").splitlines()
    assert not [state for state in states if state.startswith("Z")]
    assert [state for state in states if state.endswith("sleep 100")]
    lab.run("down")
    assert lab.processes() == []
