# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every wrong input gets one clear error, from the pure half of a run: nothing has been touched when it comes."""

from __future__ import annotations

import copy
import re
import typing as t

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.kubenode.network.plugins.module_utils._argument_spec import ARGUMENT_SPECS
from ansible_collections.kubenode.network.plugins.module_utils._checkpoint import checkpoints
from ansible_collections.kubenode.network.plugins.module_utils._state import (
    options_interfaces,
    options_kinds,
    options_node,
    options_paths,
    options_probes,
    options_routes,
    options_rules,
)
from ansible_collections.kubenode.network.plugins.module_utils._state.model import StateError
from ansible_collections.kubenode.network.plugins.module_utils._state.options import desired_from_options
from ansible_collections.kubenode.network.plugins.module_utils._state.options_confirm import parse_confirm

from .bad_input import GOOD_ROUTE, GOOD_RULE, POLICY, Bad
from .bad_inputs import BAD_INPUTS
from .state_builder import address, plan_desired, worker

NODE = worker(addresses=[address("10.100.0.10/24", "ens224"), address("172.16.0.10/24", "ens256")])


def refusal(bad: Bad) -> str:
    """The message that a run of the module on NODE ends with; empty where it would not end with one."""
    result = ArgumentSpecValidator(ARGUMENT_SPECS[bad.module]).validate(copy.deepcopy(bad.params))
    if result.error_messages:
        return "; ".join(result.error_messages)
    try:
        if "confirm" in ARGUMENT_SPECS[bad.module]:
            parse_confirm(result.validated_parameters)
        if bad.module == "network_checkpoint":
            checkpoints.run(result.validated_parameters, True, "/nowhere")
        plan_desired(NODE, desired_from_options(result.validated_parameters, bad.module))
    except StateError as error:
        return error.message
    return ""


@pytest.mark.parametrize("bad", BAD_INPUTS, ids=lambda bad: f"{bad.module}: {' '.join(bad.says)[:60]}")
def test_a_wrong_input_gets_one_error_that_says_where_and_what(bad: Bad) -> None:
    message = refusal(bad)
    assert [part for part in bad.says if part not in message] == [], message
    assert "\n" not in message


@pytest.mark.parametrize("bad", BAD_INPUTS, ids=lambda bad: f"{bad.module}: {' '.join(bad.says)[:60]}")
def test_parsing_never_changes_what_the_user_gave(bad: Bad) -> None:
    params = copy.deepcopy(bad.params)
    with_defaults = ArgumentSpecValidator(ARGUMENT_SPECS[bad.module]).validate(params)
    before = copy.deepcopy(with_defaults.validated_parameters)
    if bad.module == "network_state_info" or (with_defaults.error_messages and bad.module == "network_checkpoint"):
        return  # it declares nothing; its spec has said everything
    try:
        if bad.module == "network_checkpoint":
            checkpoints.run(with_defaults.validated_parameters, True, "/nowhere")
        desired_from_options(with_defaults.validated_parameters, bad.module)
    except StateError as error:
        assert error.message  # noqa: PT017
    assert with_defaults.validated_parameters == before


def test_the_good_inputs_that_the_table_starts_from_are_accepted() -> None:
    for module, params in (
        ("static_routes", {"routes": [GOOD_ROUTE]}),
        ("route_rules", {"rules": [GOOD_RULE]}),
        ("network_state", {"policies": [POLICY]}),
        ("route_get_info", {"paths": [{"destination": "10.200.0.1"}]}),
    ):
        assert refusal(Bad(module, params, ())) == ""


def test_the_table_is_long_enough() -> None:
    assert len(BAD_INPUTS) >= 80


def refused_options(module: str) -> set[str]:
    """Options that a message of the module's wrong inputs says something was found in."""
    found: set[str] = set()
    for bad in BAD_INPUTS:
        if bad.module == module:
            message = refusal(bad)
            for where in re.findall(r"([\w.\[\]/-]+): found", message) or re.findall(
                r"(?:argument|option|of):? '?(\w+)", message
            ):
                found.update(re.findall(r"[a-z_0-9]+", where.replace("-", "_")))
    return found


# kubelet_dns has a table of its own (test_kubelet_sources.py).
@pytest.mark.parametrize("module", sorted(set(ARGUMENT_SPECS) - {"kubelet_dns"}))
def test_every_option_of_every_module_has_a_wrong_input(module: str) -> None:
    inside: dict[str, t.Iterable[str]] = {
        "static_routes": [*options_routes.ROUTE_KEYS, *options_routes.HOP_KEYS],
        "route_rules": options_rules.RULE_KEYS,
        "interfaces": [
            *options_interfaces.INTERFACE_KEYS,
            *options_interfaces.IP_KEYS["ipv6"],
            *options_interfaces.ADDRESS_KEYS,
            *(name for options in options_kinds.KIND_OPTIONS.values() for name in options),
        ],
        "dns_resolver": [*options_node.RESOLVER_KEYS, *options_node.HOST_KEYS],
        "network_state": [
            *options_node.MULTI_NIC_KEYS,
            *options_node.TABLE_KEYS,
            *(options_probes.PROBE_KEYS - options_paths.PATH_KEYS),
        ],
        "network_state_info": [],
        "network_checkpoint": [],
        "route_get_info": [*options_paths.PATH_KEYS, *options_paths.EXPECT_KEYS],
    }
    assert {*ARGUMENT_SPECS[module], *inside[module]} - refused_options(module) == set()
