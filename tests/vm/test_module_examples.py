# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The examples that need kinds of links which the machine's own kernel may lack (see tests/lab)."""

from __future__ import annotations

import ast
import pathlib
import typing as t

import pytest
import yaml
from ansible_collections.kubenode.network.plugins.module_utils._state import info
from ansible_collections.kubenode.network.plugins.module_utils._state.options import desired_from_options
from ansible_collections.kubenode.network.plugins.module_utils._state.run import execute

if t.TYPE_CHECKING:
    from ansible_collections.kubenode.network.tests.kernel.conftest import Netns

ROOT = pathlib.Path(__file__).resolve().parents[2]


def examples(module: str) -> dict[str, dict[str, t.Any]]:
    """The arguments of a module's examples by their names; Jinja does not get evaluated."""
    tree = ast.parse((ROOT / "plugins" / "modules" / f"{module}.py").read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "EXAMPLES":
            tasks = yaml.safe_load(ast.literal_eval(node.value))
            return {task["name"]: task[f"kubenode.network.{module}"] for task in tasks}
    raise AssertionError(f"{module} has no EXAMPLES")


INTERFACES = {
    name: arguments
    for name, arguments in examples("interfaces").items()
    if any(entry.get("type") not in (None, "ethernet") for entry in arguments["interfaces"])
}


@pytest.fixture
def nics(netns: Netns) -> Netns:
    """The NICs that the examples name."""
    for number in (224, 257, 258):
        netns.veth(f"ens{number}", f"peer{number}")
    for number in (257, 258):
        netns.ip("link", "set", f"ens{number}", "down")
    return netns


@pytest.mark.parametrize("name", INTERFACES)
def test_an_example_makes_its_link_and_then_nothing(name: str, nics: Netns, tmp_path: pathlib.Path) -> None:
    desired = desired_from_options(INTERFACES[name], "interfaces")
    assert execute(desired, root=str(tmp_path))["changed"]
    for entry in INTERFACES[name]["interfaces"]:
        [link] = nics.json("link", "show", entry["name"])
        assert link["linkinfo"]["info_kind"] == entry["type"]
        assert "UP" in link["flags"]
    assert execute(desired, root=str(tmp_path))["plan"] == []


def test_the_kinds_are_all_in_the_examples() -> None:
    kinds = {entry["type"] for arguments in INTERFACES.values() for entry in arguments["interfaces"]}
    assert kinds == {"bond", "bridge", "dummy", "macvlan", "vlan", "vrf"}


def test_the_example_within_a_vrf(nics: Netns) -> None:
    nics.ip("address", "add", "10.100.0.10/24", "dev", "ens224")
    nics.ip("link", "add", "tenant", "type", "vrf", "table", "200")
    nics.ip("link", "set", "tenant", "up")
    nics.ip("link", "set", "ens224", "master", "tenant")
    nics.ip("route", "add", "192.0.2.0/24", "via", "10.100.0.1", "table", "200", "mtu", "1400")
    arguments = examples("route_get_info")["Path MTU within a VRF"]
    [answer] = info.paths(arguments)["evidence"]
    assert answer["passed"]
    assert answer["answer"]["gateway"] == "10.100.0.1"
