# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible reaches the workers through the lab's inventories, and whatever a task does happens inside of the worker."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Lab, LabMaker

ROOT = Path(__file__).resolve().parents[2]
PLAYBOOK = """
- hosts: workers
  gather_facts: false
  tasks:
    - ansible.builtin.raw: echo {{ data_address }} > /etc/kubenode-test-raw
    - ansible.builtin.copy: {content: "{{ external_address }}", dest: /etc/kubenode-test-copy}
    - ansible.builtin.shell: cat /etc/kubenode-test-* && hostname && echo "$SSH_CONNECTION" | cut -d ' ' -f 1,3- &&
        ls /sys/class/net
      register: result
    - ansible.builtin.assert:
        that: result.stdout_lines == [external_address ~ data_address, inventory_hostname,
              "198.51.100.10 " ~ management_address ~ " 22", "ens192", "ens224", "ens256", "lo"]
"""


def ansible(lab: Lab, program: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run one of Ansible's programs, of the Python that runs the tests, on a lab."""
    command = [sys.executable, "-m", "ansible", program, *words]
    return subprocess.run(command, cwd=ROOT, env=lab.env, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize("pipelining", ["true", "false"])
def test_a_play_stays_inside_of_the_workers(new_lab: LabMaker, tmp_path: Path, pipelining: str) -> None:
    lab = new_lab(workers=3)
    playbook = tmp_path / "play.yml"
    playbook.write_text(PLAYBOOK, encoding="ascii")
    result = ansible(
        lab, "playbook", "-i", "lab/inventory.yml", "-e", f"ansible_pipelining={pipelining}", str(playbook)
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert not list(Path("/etc").glob("kubenode-test-*"))
    assert list((lab.dir / "home" / "w1" / ".ansible" / "tmp").iterdir()) == []


def test_the_labs_own_inventory_has_all_of_its_workers(new_lab: LabMaker) -> None:
    lab = new_lab(workers=4)
    del lab.env["KUBENODE_LAB_DIR"]
    listed = json.loads(ansible(lab, "inventory", "-i", str(lab.inventory), "--list").stdout)
    assert listed["workers"]["hosts"] == ["w1", "w2", "w3", "w4"]
    result = ansible(lab, "adhoc", "-i", str(lab.inventory), "w4", "-m", "ansible.builtin.command", "-a", "hostname")
    lab.env["KUBENODE_LAB_DIR"] = str(lab.dir)
    assert result.stdout.splitlines()[-1] == "w4", result.stdout + result.stderr


def test_a_worker_that_is_not_there_is_unreachable_with_the_reason(new_lab: LabMaker) -> None:
    lab = new_lab(workers=1)
    said = ansible(lab, "adhoc", "-i", "lab/inventory.yml", "w2", "-m", "ansible.builtin.ping").stdout
    assert "UNREACHABLE" in said
    assert "has no node 'w2'; it has: c1 r1 w1" in said
    lab.run("down")
    said = ansible(lab, "adhoc", "-i", "lab/inventory.yml", "w1", "-m", "ansible.builtin.ping").stdout
    assert "no lab is up in" in said
