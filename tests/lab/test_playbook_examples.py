# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every example of every module does what it says on a worker, and nothing when it is run again."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

if TYPE_CHECKING:
    from conftest import Lab, LabMaker, Player

ROOT = Path(__file__).resolve().parents[2]
# The modules of a worker's network; network_state has the name of their action plugin. The examples of
# network_checkpoint are one story, test_playbook_checkpoint.py, and those of kubelet_dns need a
# systemd, as in the scenario kubelet.
ROUTING = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text())["plugin_routing"]
MODULES = sorted({"network_state", *ROUTING["modules"]} - {"network_checkpoint", "kubelet_dns"})
# What an example needs of the kernel that not each has -> how `ip link add` makes it. tests/vm has a kernel with all.
KINDS = {kind: kind for kind in ("bond", "dummy", "macvlan", "vlan", "vrf")}
FEATURES = {**KINDS, "vlan_filtering": "bridge vlan_filtering 1"}
# What an example stands on: as it says itself, the NICs and addresses of the guides.
GIVEN = [
    "ip link set ens224 up",
    "ip link set ens256 up",
    "ip address add 10.100.0.10/24 dev ens224",
    "ip address add 172.16.0.10/24 dev ens256",
]
STANDS_ON = {
    "interfaces": [],
    "static_routes": GIVEN,
    "route_rules": [*GIVEN, "ip route add 203.0.113.0/24 via 172.16.0.1 table 100"],
    "dns_resolver": [],
    "network_state": [],
    "network_state_info": GIVEN,
    "route_get_info": [
        *GIVEN,
        "ip route add 10.200.0.0/16 via 10.100.0.1 metric 100",
        "ip route add default via 172.16.0.1 table 100",
        "ip rule add from 172.16.0.0/24 lookup 100 priority 100",
        # A host that is asked where it would forward a packet to must be one that forwards.
        "echo 1 > /proc/sys/net/ipv4/ip_forward",
    ],
}
VARIABLES = {
    "worker_labels": {"node-role.kubernetes.io/worker": ""},
    "worker_policies": [
        yaml.safe_load((ROOT / "examples" / "nncp" / name).read_text(encoding="utf-8"))
        for name in ("01-worker-routes.yml",)
    ],
}


def examples(module: str) -> list[dict[str, Any]]:
    """A module's examples: the tasks in its EXAMPLES."""
    tree = ast.parse((ROOT / "plugins" / "modules" / f"{module}.py").read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "EXAMPLES":
            return list(yaml.safe_load(ast.literal_eval(node.value)))
    raise AssertionError(f"{module} has no EXAMPLES")


def needs_a_manager(task: dict[str, Any]) -> bool:
    """Whether an example is for NICs that a manager has; the lab's workers have none."""
    of_one_nic = "interface" in task.get("kubenode.network.dns_resolver", {})
    return of_one_nic or "'dhcp': True" in str(task.get("kubenode.network.interfaces"))


def needs(task: dict[str, Any]) -> set[str]:
    """The FEATURES that an example needs."""
    arguments = task.get("kubenode.network.interfaces") or task.get("kubenode.network.route_get_info") or {}
    found = {entry.get("type") for entry in arguments.get("interfaces", [])}
    text = str(arguments)
    return {
        name for name in FEATURES if name in found or (name not in KINDS and name in text) or f"'{name}': 't" in text
    }


def elsewhere(task: dict[str, Any]) -> bool:
    """Whether an example needs more than a worker: an address to come back to, or a checkpoint that was opened."""
    arguments = task.get("kubenode.network.network_state") or {}
    found = {"confirm_host", "checkpoint"} & arguments.keys()
    if found:
        print(f"{task['name']}: {', '.join(found)} is shown by the tests of confirmed changes")
    return bool(found)


def lacking(lab: Lab) -> set[str]:
    """The FEATURES that this machine's kernel lacks."""
    lines = (
        f"! ip link add kn0 type {kind} 2>&1 | grep -Eq 'Unknown device|not supported' && echo {name}"
        for name, kind in FEATURES.items()
    )
    return set(
        lab.sh("w1", "\n".join(f"{line.removeprefix('! ')}; ip link del kn0 2>&- || :" for line in lines)).split()
    )


@pytest.mark.parametrize("module", MODULES)
def test_every_example_does_what_it_says_and_then_nothing(
    module: str, new_lab: LabMaker, play: Player, tmp_path: Path
) -> None:
    lab = new_lab()
    missing = lacking(lab)
    for command in STANDS_ON[module]:
        lab.sh("w1", command)
    address = lab.json("w1", "link", "show", "ens224")[0]["address"]
    tasks = [task for task in examples(module) if not elsewhere(task)]
    for task in tasks:
        if needs(task) & missing or needs_a_manager(task):
            task["ignore_errors"] = True
    # A failed play leaves out what comes after; each example is followed by itself.
    twice = [again for task in tasks for again in (task, {**task, "name": f"{task['name']} (again)"})]
    policies = (ROOT / "examples" / "nncp" / "01-worker-routes.yml").read_text(encoding="utf-8")
    (tmp_path / "policies.yml").write_text(policies, encoding="utf-8")
    done = play(
        lab,
        [
            {
                "hosts": "w1",
                "gather_facts": False,
                "vars": {**VARIABLES, "data_address": "10.100.0.10", "data_mac_address": address},
                "tasks": twice,
            }
        ],
        check=False,
    )
    problems = [line["result"].get("msg") for line in done.lines if line["outcome"] == "failed"]
    assert problems == []
    assert len(done.lines) == len(twice)
    for task, first, second in zip(tasks, done.lines[::2], done.lines[1::2]):
        if needs(task) & missing:
            (feature,) = needs(task)
            assert first["outcome"] == second["outcome"] == "ignored", task["name"]
            message = first["result"]["msg"]
            print(f"this kernel has no {feature}, so only refused in clear words: {message}")
            assert {feature, "tenant", "ens257"} & set(re.findall(r"\w+", message)), message
            continue
        if needs_a_manager(task):
            assert first["outcome"] == second["outcome"] == "ignored", task["name"]
            assert "nobody manages it" in first["result"]["msg"]
            continue
        assert second["result"]["changed"] is False, (task["name"], second["result"].get("plan"))
