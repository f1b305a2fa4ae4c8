# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules document is what they take: argument specs, entries of lists, aliases, and an example for each."""

from __future__ import annotations

import ast
import functools
import importlib
import pathlib
import typing as t

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.kubenode.network.plugins.module_utils._argument_spec import (
    ARGUMENT_SPECS,
    COMMON_OPTIONS,
    CONFIRM_OPTIONS,
)
from ansible_collections.kubenode.network.plugins.module_utils._kube.module import AUTH_OPTIONS
from ansible_collections.kubenode.network.plugins.module_utils._state import (
    documents,
    options_confirm,
    options_interfaces,
    options_kinds,
    options_node,
    options_paths,
    options_probes,
    options_routes,
    options_rules,
)

ROOT = pathlib.Path(__file__).resolve().parents[3]
MODULES = sorted(path.stem for path in (ROOT / "plugins" / "modules").glob("*.py"))
Options = dict[str, dict[str, t.Any]]
# A key that stands for the other spelling of `options.py` is no alias of the option itself.
EXPECTED: dict[str, tuple[t.AbstractSet[str], dict[str, str]]] = {
    "interfaces.interfaces": (options_interfaces.INTERFACE_KEYS, options_interfaces.INTERFACE_ALIASES),
    "interfaces.interfaces.ipv4": (options_interfaces.IP_KEYS["ipv4"], options_interfaces.IP_ALIASES),
    "interfaces.interfaces.ipv6": (options_interfaces.IP_KEYS["ipv6"], options_interfaces.IP_ALIASES),
    "interfaces.interfaces.ipv4.addresses": (options_interfaces.ADDRESS_KEYS, options_interfaces.ADDRESS_ALIASES),
    "interfaces.interfaces.ipv6.addresses": (options_interfaces.ADDRESS_KEYS, options_interfaces.ADDRESS_ALIASES),
    **{
        f"interfaces.interfaces.{kind}": (keys, options_kinds.KIND_ALIASES)
        for kind, keys in options_kinds.KIND_OPTIONS.items()
    },
    "interfaces.interfaces.bond.options": (options_kinds.BOND_OPTIONS.keys(), {}),
    "interfaces.interfaces.bridge.options": (options_kinds.BRIDGE_OPTIONS, {}),
    "static_routes.routes": (options_routes.ROUTE_KEYS, options_routes.ROUTE_ALIASES),
    "static_routes.routes.next_hops": (options_routes.HOP_KEYS, options_routes.ROUTE_ALIASES),
    "network_state.desired_state.routes.config": (options_routes.ROUTE_KEYS, options_routes.ROUTE_ALIASES),
    "route_rules.rules": (options_rules.RULE_KEYS, options_rules.RULE_ALIASES),
    "network_state.desired_state.route-rules.config": (options_rules.RULE_KEYS, options_rules.RULE_ALIASES),
    "dns_resolver.hosts": (options_node.HOST_KEYS, {}),
    "network_state.hosts": (options_node.HOST_KEYS, {}),
    "network_state.tables": (options_node.TABLE_KEYS, {}),
    "network_state.multi_nic": (options_node.MULTI_NIC_KEYS, {}),
    "network_state.paths": (options_paths.PATH_KEYS, {}),
    "route_get_info.paths": (options_paths.PATH_KEYS, {}),
    "route_get_info.paths.expect": (options_paths.EXPECT_KEYS, {}),
}
for _module in ("interfaces", "static_routes", "route_rules", "dns_resolver", "network_state", "network_checkpoint"):
    EXPECTED[f"{_module}.probes"] = (options_probes.PROBE_KEYS, {})
CHOICES: dict[str, t.Iterable[str]] = {
    "network_state.confirm": options_confirm.CONFIRM,
    "network_state.probes.type": options_probes.PROBE_OPTIONS,
    "network_state.probes.transport": options_probes.TRANSPORTS,
    "interfaces.interfaces.type": options_interfaces.TYPES,
    "interfaces.interfaces.bond.mode": options_kinds.BOND_MODES,
    "interfaces.interfaces.macvlan.mode": options_kinds.MACVLAN_MODES,
    "static_routes.routes.type": options_routes.ROUTE_TYPES,
    "route_rules.rules.action": options_rules.RULE_ACTIONS,
    **{
        f"interfaces.interfaces.bond.options.{name}": kind
        for name, kind in options_kinds.BOND_OPTIONS.items()
        if isinstance(kind, tuple) and isinstance(kind[0], str)
    },
}


def literal(module: str, name: str) -> str:
    """A module's DOCUMENTATION or EXAMPLES, without importing it."""
    tree = ast.parse((ROOT / "plugins" / "modules" / f"{module}.py").read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == name:
            return str(ast.literal_eval(node.value))
    raise AssertionError(f"{module} has no {name}")


@functools.cache
def options_of(module: str) -> Options:
    """A module's documented options, with those of its fragments."""
    documentation = yaml.safe_load(literal(module, "DOCUMENTATION"))
    found: Options = {}
    for name in documentation["extends_documentation_fragment"]:
        file, _dot, part = name.removeprefix("kubenode.network.").partition(".")
        fragment = importlib.import_module(f"ansible_collections.kubenode.network.plugins.doc_fragments.{file}")
        text = getattr(fragment.ModuleDocFragment, part.upper() if part else "DOCUMENTATION")
        found.update(yaml.safe_load(text).get("options") or {})
    found.update(documentation.get("options") or {})
    return found


def walk(options: Options, path: str) -> t.Iterator[tuple[str, dict[str, t.Any]]]:
    """Each option at any depth with its path, such as `static_routes.routes.next_hops`."""
    for name, option in options.items():
        yield f"{path}.{name}", option
        yield from walk(option.get("suboptions", {}), f"{path}.{name}")


DOCUMENTED = {path: option for module in MODULES for path, option in walk(options_of(module), module)}


def used(value: t.Any, option: dict[str, t.Any], path: str) -> t.Iterator[str]:
    """Paths of the documented options that an example uses; an alias counts for its option."""
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, dict):
            for name, inner in option.get("suboptions", {}).items():
                for spelling in (name, *inner.get("aliases", ())):
                    if spelling in item:
                        yield f"{path}.{name}"
                        yield from used(item[spelling], inner, f"{path}.{name}")


def examples(module: str) -> t.Iterator[dict[str, t.Any]]:
    """The arguments of a module's own tasks in its examples."""
    tasks = list(yaml.safe_load(literal(module, "EXAMPLES")))
    for task in [inner for outer in tasks for inner in (*outer.get("block", ()), *outer.get("rescue", ()), outer)]:
        if f"kubenode.network.{module}" in task:
            yield task[f"kubenode.network.{module}"] or {}


@functools.cache
def shown(module: str) -> set[str]:
    """Paths of all options in a module's examples."""
    whole = {"suboptions": options_of(module)}
    return {path for arguments in examples(module) for path in used(arguments, whole, module)}


@pytest.mark.parametrize("module", [name for name in MODULES if name in ARGUMENT_SPECS])
def test_the_argument_spec_is_the_documented_one(module: str) -> None:
    spec = ARGUMENT_SPECS[module]
    documented = options_of(module)
    assert documented.keys() == spec.keys()
    for name, option in spec.items():
        for key in ("type", "elements", "required", "default", "choices"):
            assert documented[name].get(key) == option.get(key), f"{name}: {key}"


@pytest.mark.parametrize("module", sorted(ARGUMENT_SPECS))
def test_the_argument_spec_compiles(module: str) -> None:
    spec = ARGUMENT_SPECS[module]
    given = {
        name: [] if option.get("type") == "list" else option.get("choices", ["1"])[0]
        for name, option in spec.items()
        if option.get("required")
    }
    assert ArgumentSpecValidator(spec).validate(given).error_messages == []


@pytest.mark.parametrize("path", EXPECTED)
def test_entries_are_documented_with_the_keys_that_are_taken(path: str) -> None:
    keys, aliases = EXPECTED[path]
    suboptions = DOCUMENTED[path]["suboptions"]
    assert suboptions.keys() == keys
    for name, option in suboptions.items():
        documented = set(option.get("aliases", ()))
        assert documented == {alias for alias, target in aliases.items() if target == name}, name


@pytest.mark.parametrize("path", CHOICES)
def test_choices_are_those_that_are_taken(path: str) -> None:
    assert DOCUMENTED[path]["choices"] == list(CHOICES[path])


def test_an_interface_of_a_document_is_documented_with_the_keys_that_are_taken() -> None:
    suboptions = DOCUMENTED["network_state.desired_state.interfaces"]["suboptions"]
    taken = documents._INTERFACE_KEYS | documents._INTERFACE_ALIASES.keys()
    spelled = {spelling for name, option in suboptions.items() for spelling in (name, *option.get("aliases", ()))}
    assert spelled == taken


# An option of a document is shown by the example of the module that has the same one; see test_entries_are_documented.
SHOWN_ELSEWHERE = ("network_state.desired_state.", "network_state.paths.")
# What all modules have alike is shown by network_state, and the keys of route_get by route_get_info.
ALIKE = {*COMMON_OPTIONS, *CONFIRM_OPTIONS} - {"owner"}
_PATHS = {f"{module}.probes.{key}" for module in ARGUMENT_SPECS for key in options_paths.PATH_KEYS}


# How a cluster is reached is kubernetes.core's, and known.
_AUTH = {f"{module}.{option}" for module in MODULES for option in AUTH_OPTIONS}


@pytest.mark.parametrize(
    "path", [path for path in DOCUMENTED if not path.startswith(SHOWN_ELSEWHERE) and path not in _PATHS | _AUTH]
)
def test_every_option_has_an_example(path: str) -> None:
    module, _dot, option = path.partition(".")
    places = [module, "network_state"] if option.partition(".")[0] in ALIKE else [module]
    assert any(f"{place}.{option}" in shown(place) for place in places)


def test_what_all_modules_have_alike_is_documented_alike() -> None:
    for path, option in DOCUMENTED.items():
        module, _dot, inner = path.partition(".")
        if module in ARGUMENT_SPECS and "confirm" in ARGUMENT_SPECS[module] and inner.partition(".")[0] in ALIKE:
            assert option == DOCUMENTED[f"network_state.{inner}"], path
