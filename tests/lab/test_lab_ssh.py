# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller reaches the workers over the network: what cuts the path cuts it, and a restarted worker is back."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Lab, LabMaker

ROOT = Path(__file__).resolve().parents[2]


def ssh(lab: Lab, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """lab/ssh.sh, which gives up after two seconds."""
    command = [str(ROOT / "lab" / "ssh.sh"), "-o", "ConnectTimeout=2", *words]
    result = subprocess.run(
        command, env=lab.env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False
    )
    assert not check or result.returncode == 0, result.stderr
    return result


def ansible_ping(lab: Lab, worker: str) -> str:
    command = [
        sys.executable,
        "-m",
        "ansible",
        "adhoc",
        "-i",
        "lab/inventory.yml",
        worker,
        "-m",
        "ansible.builtin.ping",
    ]
    environment = {**lab.env, "ANSIBLE_SSH_TIMEOUT": "2"}
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False
    ).stdout


def test_a_login_is_one_over_the_network(lab: Lab) -> None:
    said = ssh(lab, "w1", 'hostname; id -un; echo "$SSH_CONNECTION"; echo ~; exit 3', check=False)
    host, user, connection, home = said.stdout.splitlines()
    assert (said.returncode, host, user, home) == (3, "w1", "root", str(lab.dir / "home" / "w1"))
    client, _, server, port = connection.split()
    assert (client, server, port) == ("198.51.100.10", "192.168.100.101", "22")


def test_a_worker_is_reached_by_its_address_and_with_a_terminal(lab: Lab) -> None:
    assert ssh(lab, "-tt", "192.168.100.102", "hostname; tty").stdout.split()[0] == "w2"


def test_keys_are_the_labs_own(lab: Lab) -> None:
    for name in ("host_key", "client_key"):
        path = lab.dir / "ssh" / name
        assert (path.stat().st_uid, stat.S_IMODE(path.stat().st_mode)) == (os.geteuid(), 0o600)
    words = ssh(lab, "-G", "w1").stdout.splitlines()
    named = {line.split()[0]: line.split()[1] for line in words if len(line.split()) > 1}
    for option in ("identityfile", "userknownhostsfile"):
        assert Path(named[option]).parent == lab.dir / "ssh"


def test_without_a_default_route_the_controller_is_cut_off(new_lab: LabMaker) -> None:
    lab = new_lab(workers=2)
    lab.sh("w1", "ip route replace default via 192.168.100.99")
    assert ssh(lab, "w1", "true", check=False).returncode == 255
    assert "w1 | UNREACHABLE" in ansible_ping(lab, "w1")
    assert ssh(lab, "w2", "hostname").stdout == "w2\n"
    lab.sh("w1", "ip route replace default via 192.168.100.1")
    assert "pong" in ansible_ping(lab, "w1")


def test_connections_that_stay_open_end_with_the_lab(new_lab: LabMaker) -> None:
    lab = new_lab()
    assert "pong" in ansible_ping(lab, "w1")
    assert [stat.S_ISSOCK(entry.stat().st_mode) for entry in (lab.dir / "cp").iterdir()] == [True]
    words = ["pgrep", "--full", f"^ssh: {lab.dir}/cp/"]
    assert subprocess.run(words, stdout=subprocess.DEVNULL, check=False).returncode == 0
    lab.run("down")
    assert subprocess.run(words, stdout=subprocess.DEVNULL, check=False).returncode == 1


def test_a_restarted_worker_keeps_its_files_and_nothing_else(new_lab: LabMaker) -> None:
    lab = new_lab(workers=2)
    before = lab.sh(
        "w1",
        "echo kept > /etc/kept; echo kept > /var/lib/kubenode-network/kept; echo lost > /run/lost;"
        "ip address add 10.100.0.101/24 dev ens224; ip route replace default via 192.168.100.99;"
        "(sleep 1000 > /dev/null 2>&1 &); readlink /proc/self/ns/net",
    )
    lab.run("drop", "data", "--from", "w1")
    assert lab.run("restart", "w1").stdout == "w1 is up again.\n"
    assert ssh(lab, "w1", "cat /etc/kept /var/lib/kubenode-network/kept /etc/hostname").stdout == "kept\nkept\nw1\n"
    assert lab.exec("w1", ["test", "-e", "/run/lost"], check=False).returncode == 1
    assert "sleep 1000" not in lab.sh("w1", "ps -e -o args=")
    assert lab.sh("w1", "readlink /proc/self/ns/net") != before
    assert [link["addr_info"] for link in lab.json("w1", "-4", "address", "show", "dev", "ens224")] in ([], [[]])
    assert lab.pings("w1", "198.51.100.10")
    assert "Dropped: data from w1\n" in lab.run("status").stdout
    lab.run("down")
    assert lab.processes() == []


def test_workers_restart_side_by_side_and_after_they_have_ended(new_lab: LabMaker) -> None:
    lab = new_lab(workers=3)
    os.kill(lab.record()["nodes"]["w2"][0], 9)
    running = [
        subprocess.Popen([*lab.script, "restart", name], env=lab.env, stdout=subprocess.DEVNULL)
        for name in ("w1", "w2", "w3")
    ]
    assert [process.wait(timeout=60) for process in running] == [0, 0, 0]
    assert [ssh(lab, name, "hostname").stdout for name in ("w1", "w2", "w3")] == ["w1\n", "w2\n", "w3\n"]


@pytest.mark.parametrize("name", ["r1", "c1", "w9"])
def test_only_workers_are_restarted(lab: Lab, name: str) -> None:
    said = lab.run("restart", name, check=False)
    assert (said.returncode, said.stderr) == (1, f"lab: the lab has no worker '{name}'; it has w1 to w3\n")
