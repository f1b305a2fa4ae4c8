# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What scripts/lab says to who asks too early, too late or for the wrong thing; and the lab of an ordinary user."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Lab, LabMaker

NOBODY = 65534


def test_help_names_the_verbs_and_the_networks(lab: Lab) -> None:
    text = lab.run("--help").stdout
    for word in (
        "up",
        "down",
        "status",
        "exec",
        "drop",
        "pass",
        "restart",
        "10.100.0.0/24",
        "172.16.0.1",
        "KUBENODE_LAB_DIR",
    ):
        assert word in text


def test_a_second_up_is_refused_and_harmless(lab: Lab) -> None:
    before = lab.record()
    result = lab.run("up", check=False)
    assert result.returncode == 1
    assert f"a lab with 3 workers is already up in {lab.dir}; take it down with 'scripts/lab down'" in result.stderr
    assert lab.record() == before
    assert lab.pings("w1", "192.168.100.1")


@pytest.mark.parametrize("count", ["0", "151", "-1", "three", "1.5", ""])
def test_a_wrong_number_of_workers_is_refused(new_lab: LabMaker, count: str) -> None:
    lab = new_lab(workers=0)
    result = lab.run("up", f"--workers={count}", check=False)
    assert result.returncode == 2
    assert f"'{count}' is not a number of workers from 1 to 150" in result.stderr
    assert not lab.dir.exists()


def test_without_a_lab_every_verb_says_so(new_lab: LabMaker) -> None:
    lab = new_lab(workers=0)
    for words in (("down",), ("status",), ("drop", "data"), ("pass", "--all"), ("exec", "w1", "--", "true")):
        result = lab.run(*words, check=False)
        assert result.returncode in (1, 255)
        assert result.stderr.startswith(f"lab: no lab is up in {lab.dir}")
    assert not lab.dir.exists()


def test_an_unknown_node_is_named_with_the_known_ones(lab: Lab) -> None:
    for host in ("w4", "../lab.json", "", "nodes/w1"):
        result = lab.exec(host, ["true"], check=False)
        assert result.returncode in (2, 255)
        assert (
            "r1 w1 w2 w3" in result.stderr or "is not the name of a node" in result.stderr or "usage" in result.stderr
        )


def test_a_folder_with_files_of_others_is_left_alone(new_lab: LabMaker) -> None:
    lab = new_lab(workers=0)
    lab.dir.mkdir()
    (lab.dir / "thesis.txt").write_text("mine", encoding="ascii")
    assert "it holds files that are not a lab's" in lab.run("up", check=False).stderr
    assert "no lab is up" in lab.run("down", check=False).stderr
    assert (lab.dir / "thesis.txt").read_text(encoding="ascii") == "mine"


def test_a_folder_that_cannot_be_one_is_refused(new_lab: LabMaker) -> None:
    folder = new_lab(workers=0).dir.parent
    (folder / "file").touch()
    (folder / "link").symlink_to(folder)
    for name, message in (
        ("file", "exists"),
        ("link", "it is not a folder"),
        ("a b", "has characters"),
        ("a" * 70, "too long for the sockets of ssh"),
    ):
        assert message in new_lab(workers=0, name=name).run("up", check=False).stderr
    if os.geteuid() == 0:
        (folder / "theirs").mkdir()
        os.chown(folder / "theirs", NOBODY, NOBODY)
        lab = new_lab(workers=0, name="theirs")
        assert "it belongs to uid 65534" in lab.run("up", check=False).stderr
        (folder / "theirs" / "nodes").mkdir()
        assert "belongs to somebody else" in lab.exec("w1", ["true"], check=False).stderr


def test_where_user_namespaces_are_forbidden_the_sysctl_is_named(new_lab: LabMaker) -> None:
    lab = new_lab(workers=0)
    words = " ".join(lab.script)
    script = f"echo 0 > /proc/sys/user/max_user_namespaces; exec setpriv --bounding-set=-all --inh-caps=-all {words} up"
    result = subprocess.run(
        ["unshare", "-Ur", "sh", "-c", script], env=lab.env, capture_output=True, text=True, check=False
    )
    assert result.returncode == 1
    assert "user.max_user_namespaces is 0" in result.stderr
    assert "sysctl -w user.max_user_namespaces=15000" in result.stderr
    assert not lab.dir.exists()


@pytest.fixture
def users_lab(lab: Lab) -> Iterator[Lab]:
    """A lab of an ordinary user, from a checkout of that user's own; not brought up yet."""
    with tempfile.TemporaryDirectory(prefix="kubenode-user-") as name:
        home = Path(name)
        checkout = Path(__file__).resolve().parents[2]
        shutil.copytree(checkout / "lab", home / "lab", ignore=shutil.ignore_patterns("__pycache__"))
        (home / "scripts").mkdir()
        shutil.copy(checkout / "scripts" / "lab", home / "scripts" / "lab")
        prefix: tuple[str, ...] = ()
        if os.geteuid() == 0:
            os.chown(home, NOBODY, NOBODY)
            prefix = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--inh-caps=-all")
            if subprocess.run([*prefix, "unshare", "-Ur", "true"], check=False, capture_output=True).returncode != 0:
                pytest.skip("this machine does not let an ordinary user make user namespaces")
        own = type(lab)(home / "state" / "lab", home, prefix)
        own.env["HOME"] = str(home)
        yield own
        own.run("down", check=False)


@pytest.mark.parametrize("overlay", ["", "none"])
def test_an_ordinary_user_has_the_whole_lab(users_lab: Lab, overlay: str) -> None:
    lab = users_lab
    lab.env["KUBENODE_LAB_NO_OVERLAY"] = overlay
    lab.run("up", "--workers", "2")
    assert lab.sh("w1", "id -u; hostname").split() == ["0", "w1"]
    lab.sh(
        "w1",
        "ip address add 10.100.0.101/24 dev ens224; ip link set ens224 up; ip route add 10.200.0.0/16 via 10.100.0.1",
    )
    assert lab.pings("w1", "10.200.0.1")
    lab.sh(
        "w1",
        "echo mine >> /etc/hosts; rm -r /etc/systemd; touch /etc/iproute2/mine /run/mine",
    )
    assert "mine" not in lab.sh(
        "w2", "cat /etc/hosts; ls -d /etc/systemd; ls /etc/iproute2 /var/lib/kubenode-network /run"
    )
    lab.run("drop", "10.200.0.1")
    assert not lab.pings("w1", "10.200.0.1")
    login = [*lab.script[:-1], str(lab.dir / "ssh.sh"), "w1", "cat /etc/hostname; touch /etc/over-ssh; id -u"]
    for _ in range(2):
        said = subprocess.run(login, env=lab.env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        assert said.stdout == "w1\n0\n", said.stderr
        lab.run("restart", "w1")
    lab.sh("w1", "test -e /etc/over-ssh")
    lab.run("down")
    assert lab.processes() == []
    assert not lab.dir.exists()
