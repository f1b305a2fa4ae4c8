# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The example of network_checkpoint on a worker over ssh: all of a block is kept, or none of it."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from conftest import Lab, LabMaker, Player

ROOT = Path(__file__).resolve().parents[2]
ROUTE = "10.200.0.0/16"


def example() -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The block of the module's examples, and the tasks after it."""
    text = (ROOT / "plugins" / "modules" / "network_checkpoint.py").read_text(encoding="utf-8")
    for node in ast.parse(text).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "EXAMPLES":
            block, *rest = yaml.safe_load(ast.literal_eval(node.value))
            return block, rest
    raise AssertionError("network_checkpoint has no EXAMPLES")


def adapted(fails: bool) -> dict[str, Any]:
    """The block with a file, a command and a probe that a worker of the lab has."""
    block, _rest = example()
    create, routes, copy, handlers, commit = block["block"]
    options = create["kubenode.network.network_checkpoint"]
    options.update(restore_files=["/etc/hosts"], undo_commands=["echo undone >/etc/hosts.undone"])
    options["probes"] = [{"type": "gateway"}]
    del copy["notify"], copy["ansible.builtin.copy"]
    copy["ansible.builtin.lineinfile"] = {"path": "/etc/hosts", "line": "10.200.0.9 by-another-module"}
    tasks = [create, routes, copy, handlers]
    if fails:
        tasks.append({"name": "Something that does not work", "ansible.builtin.command": "/bin/false"})
    return {**block, "block": [*tasks, commit]}


def routes_of(lab: Lab) -> set[str]:
    return {route["dst"] for route in lab.json("w1", "route", "show", "proto", "157")}


def test_a_block_is_kept_or_undone_as_a_whole(new_lab: LabMaker, play: Player) -> None:
    lab = new_lab()
    for command in ("ip link set ens224 up", "ip address replace 10.100.0.10/24 dev ens224"):
        lab.sh("w1", command)
    hosts = lab.sh("w1", "cat /etc/hosts")
    start = {"hosts": "w1", "gather_facts": False}

    done = play(lab, [{**start, "tasks": [adapted(fails=True)]}])
    assert "rescued=1" in done.output
    assert routes_of(lab) == set()
    assert lab.sh("w1", "cat /etc/hosts") == hosts
    assert lab.sh("w1", "cat /etc/hosts.undone").strip() == "undone"

    listing = example()[1][-1]
    done = play(lab, [{**start, "tasks": [adapted(fails=False), listing]}])
    assert routes_of(lab) == {ROUTE}
    assert "by-another-module" in lab.sh("w1", "cat /etc/hosts")
    states = [one["state"] for one in done.lines[-1]["result"]["transactions"]]
    assert states == ["rolled_back", "committed"]
    again = play(lab, [{**start, "tasks": [adapted(fails=False)]}])
    assert next(line for line in again.lines if "plan" in line["result"])["result"]["plan"] == []
