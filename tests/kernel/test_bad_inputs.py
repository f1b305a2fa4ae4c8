# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every wrong input leaves the node exactly as it was: kernel, files, records."""

from __future__ import annotations

import copy
import pathlib
import typing as t

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.kubenode.network.plugins.module_utils._argument_spec import ARGUMENT_SPECS
from ansible_collections.kubenode.network.plugins.module_utils._checkpoint import checkpoints
from ansible_collections.kubenode.network.plugins.module_utils._state.model import StateError
from ansible_collections.kubenode.network.plugins.module_utils._state.options import desired_from_options
from ansible_collections.kubenode.network.plugins.module_utils._state.run import execute, options_of

from tests.unit.bad_input import Bad
from tests.unit.bad_inputs import BAD_INPUTS

from .worlds import run, seen

FILES = {
    "etc/resolv.conf": "search example.com\nnameserver 192.168.100.1\n",
    "etc/hosts": "127.0.0.1 localhost\n",
    "etc/nsswitch.conf": "hosts: files dns\n",
    "etc/iproute2/rt_tables": "255\tlocal\n254\tmain\n253\tdefault\n0\tunspec\n",
}
OURS = {"routes": {"config": [{"destination": "10.77.0.0/16", "next_hop_address": "10.100.0.1", "metric": 77}]}}


@pytest.fixture
def node(netns: t.Any, tmp_path: pathlib.Path) -> pathlib.Path:
    """The node of the unit tests, with a route of ours, and its files below the folder that is returned."""
    netns.veth("ens192", "peer192", "192.168.100.11/24")
    netns.veth("ens224", "peer224", "10.100.0.10/24")
    netns.veth("ens256", "peer256", "172.16.0.10/24")
    netns.ip("route", "add", "default", "via", "192.168.100.1")
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    run(OURS, tmp_path)
    return tmp_path


def files(root: pathlib.Path) -> dict[str, str]:
    return {str(path.relative_to(root)): path.read_text() for path in sorted(root.rglob("*")) if path.is_file()}


def refusal(bad: Bad, root: pathlib.Path, check_mode: bool) -> str:
    result = ArgumentSpecValidator(ARGUMENT_SPECS[bad.module]).validate(copy.deepcopy(bad.params))
    if result.error_messages:
        return "; ".join(result.error_messages)
    params = result.validated_parameters
    try:
        if bad.module == "network_checkpoint":
            checkpoints.run(params, check_mode, str(root))
            return ""
        options = options_of(params)
        execute(desired_from_options(params, bad.module), options, check_mode, str(root))
    except StateError as error:
        return error.message
    return ""


@pytest.mark.parametrize("check_mode", [False, True], ids=["run", "check mode"])
def test_a_wrong_input_leaves_the_node_as_it_was(node: pathlib.Path, check_mode: bool) -> None:
    assert len(BAD_INPUTS) >= 80
    before = (seen(), files(node))
    let_through = [bad for bad in BAD_INPUTS if not refusal(bad, node, check_mode)]
    assert let_through == []
    # One comparison for all: whichever of them had changed something, it would still be there.
    assert (seen(), files(node)) == before


def test_both_modes_refuse_with_the_same_words(node: pathlib.Path) -> None:
    for bad in BAD_INPUTS:
        assert refusal(bad, node, True) == refusal(bad, node, False)
