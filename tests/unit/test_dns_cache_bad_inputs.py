# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each option of the modules for a node's DNS cache has wrong values, and each of them gets one error that names it.

All of it is told before a cluster is asked or a node is looked at: there is neither of them here.
"""

from __future__ import annotations

import importlib.util
import os
import pathlib
import re
import typing as t

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.kubenode.network.plugins.module_utils._argument_spec import ARGUMENT_SPECS
from ansible_collections.kubenode.network.plugins.module_utils._cache_service import options as service
from ansible_collections.kubenode.network.plugins.module_utils._cache_service import text
from ansible_collections.kubenode.network.plugins.module_utils._kube import evict, kubelet, lease
from ansible_collections.kubenode.network.plugins.module_utils._kube.client import connect
from ansible_collections.kubenode.network.plugins.module_utils._kube.errors import KubeError
from ansible_collections.kubenode.network.plugins.module_utils._kube.module import AUTH_OPTIONS
from ansible_collections.kubenode.network.plugins.module_utils._kube.module_evict import EVICT_OPTIONS
from ansible_collections.kubenode.network.plugins.module_utils._kube.module_kubelet import KUBELET_OPTIONS
from ansible_collections.kubenode.network.plugins.module_utils._kube.module_lease import LEASE_OPTIONS
from ansible_collections.kubenode.network.plugins.module_utils._kubelet.errors import KubeletError
from ansible_collections.kubenode.network.plugins.module_utils._kubelet.run import execute
from ansible_collections.kubenode.network.plugins.module_utils._nodecache import clean, report
from ansible_collections.kubenode.network.plugins.module_utils._nodecache.model import NodeCacheError
from ansible_collections.kubenode.network.plugins.module_utils._nodecache.module import NODE_INFO_OPTIONS, NODE_OPTIONS
from ansible_collections.kubenode.network.plugins.module_utils._nodelocal import corefile
from ansible_collections.kubenode.network.plugins.module_utils._nodelocal.module import NODELOCAL_OPTIONS
from ansible_collections.kubenode.network.plugins.module_utils._nodelocal.options import options
from ansible_collections.kubenode.network.plugins.module_utils._state.model import StateError

from .dns_cache_bad_inputs import BAD_INPUTS, CLUSTER, LOCAL, UPSTREAM

Params = dict[str, t.Any]
ROLE = pathlib.Path(__file__).parents[2] / "roles" / "dns_cache"
FACTS = corefile.Facts("cluster_ip", "cluster.local", (CLUSTER,), UPSTREAM)
PLUGINS = frozenset(["bind", "cache", "errors", "forward", "health", "hosts", "log", "loop", "prometheus"])
SERVICE = {"binary": "/opt/coredns", "local_ips": [LOCAL, CLUSTER], "cluster_upstreams": [UPSTREAM]}


class Module(t.NamedTuple):
    spec: dict[str, dict[str, t.Any]]
    check: t.Callable[[Params], t.Any]
    """What the module does before it asks or touches anything."""
    good: Params = {}


MODULES: dict[str, Module] = {
    "nodelocaldns": Module(NODELOCAL_OPTIONS, lambda given: corefile.edit("", "", options(given), FACTS)),
    "nodelocaldns_node_info": Module(NODE_INFO_OPTIONS, report.wanted),
    "nodelocaldns_node": Module(NODE_OPTIONS, clean.wanted),
    "kubelet_dns": Module(ARGUMENT_SPECS["kubelet_dns"], lambda given: execute(given, root="/nowhere")),
    "kubelet_config_map": Module(KUBELET_OPTIONS, kubelet.wanted),
    "dns_cache_service": Module(
        service.ARGUMENT_SPEC, lambda given: text.edit("", "", service.options_of(given), PLUGINS), SERVICE
    ),
    "pod_eviction": Module(EVICT_OPTIONS, evict.wanted, {"pods": [{"name": "shop/cart", "node": "w1"}]}),
    "cluster_lease": Module(LEASE_OPTIONS, lease.wish_of),
    # What the modules of the cluster have in common.
    "connection": Module(AUTH_OPTIONS, connect),
}
if importlib.util.find_spec("kubernetes") is None:
    # It is a package of the controller's; the Pythons of nodes, which run these tests too, are without.
    del MODULES["connection"]
ELEMENTS = {"node_evidence": {"node": "w1"}, "pods": {"name": "shop/cart"}}
CASES = [(name, given, said) for name in MODULES for given, said in BAD_INPUTS[name]]


@pytest.fixture(autouse=True)
def _nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """No cluster of whoever runs this is found."""
    for name in [*os.environ]:
        if name.startswith(("K8S_AUTH_", "KUBE")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", "/nowhere")


def checked(module: str, given: Params) -> t.Any:
    """The parameters as Ansible hands them over; the errors that it has itself."""
    params = {**MODULES[module].good, **given}
    return ArgumentSpecValidator(MODULES[module].spec).validate({k: v for k, v in params.items() if v is not None})


@pytest.mark.parametrize(("module", "given", "said"), CASES)
def test_a_wrong_value_gets_one_error_that_names_it(module: str, given: Params, said: str) -> None:
    result = checked(module, given)
    assert not result.error_messages, result.error_messages
    with pytest.raises((KubeError, KubeletError, NodeCacheError, StateError)) as caught:
        MODULES[module].check(result.validated_parameters)
    message = getattr(caught.value, "message", str(caught.value))
    assert re.search(said, message), message
    assert "\n" not in message


# Of these the API server, and nobody else, knows right and wrong.
FREE = {"api_key", "username", "password", "no_proxy", "impersonate_user"}


def leaves(spec: t.Mapping[str, t.Any], before: str = "") -> t.Iterator[tuple[str, dict[str, t.Any]]]:
    """Each option with its path; of the connection all modules have the same."""
    for name, option in spec.items():
        if spec is not AUTH_OPTIONS and AUTH_OPTIONS.get(name) == option:
            continue
        yield from leaves(option["options"], f"{before}{name}.") if "options" in option else ((before + name, option),)


def paths(given: Params) -> t.Iterator[str]:
    """The options that have a value there."""
    for name, value in given.items():
        yield name
        for one in value if isinstance(value, list) else ():
            yield from (f"{name}.{key}" for key in one) if isinstance(one, dict) else ()


def of_a_kind(option: t.Mapping[str, t.Any]) -> t.Any:
    """A value that is of the wrong kind for Ansible; None where it takes every text."""
    if "choices" in option:
        return "perhaps"
    return {"bool": "perhaps", "int": "many", "float": "many", "dict": "text"}.get(option["type"])


def at(path: str, value: t.Any) -> Params:
    """Parameters with that value at a path, whose first part may be a list of dicts."""
    first, _dot, rest = path.partition(".")
    return {first: [{**ELEMENTS[first], rest: value}]} if rest else {first: value}


@pytest.mark.parametrize("module", MODULES)
def test_every_option_has_wrong_values(module: str) -> None:
    told = {path for given, _said in BAD_INPUTS[module] for path in paths(given)}
    for path, option in leaves(MODULES[module].spec):
        value = of_a_kind(option)
        if value is not None:
            errors = checked(module, at(path, value)).error_messages
            assert len(errors) == 1 and path.rpartition(".")[2] in errors[0], (path, errors)
        # Of two or some values Ansible knows the right ones; of all others somebody has to.
        if value != "perhaps" and path not in FREE:
            assert path in told, f"{module}: {path} has no wrong value in dns_cache_bad_inputs.py"


# Variables of the role that are no option of these modules, and who tells of a wrong value.
ROLES_OWN = {
    "dns_cache_waves": "the filter waves",
    "dns_cache_proof_retries": "the role",
    "dns_cache_pods_wait_timeout": "the role",
    "dns_cache_binary_src": "ansible.builtin.copy",
    "dns_cache_package": "ansible.builtin.package",
    "dns_cache_cluster_host": "Ansible, which delegates to it",
}


def test_every_variable_of_the_role_is_checked_by_a_module_or_the_role() -> None:
    """Shown by runs of the role for its own (test_role_dns_cache.py) and the filter's (test_waves.py)."""
    spec = yaml.safe_load((ROLE / "meta" / "argument_specs.yml").read_text())["argument_specs"]["main"]["options"]
    tasks = "".join(path.read_text() for path in sorted((ROLE / "tasks").glob("*.yml")))
    told = {name for cases in BAD_INPUTS.values() for given, _said in cases for name in given} | set(AUTH_OPTIONS)
    by_variable: dict[str, set[str]] = {}
    for option, variables in re.findall(r"^ +([a-z_]+): (?:>-\n +)?\"?({{ .*)$", tasks, re.MULTILINE):
        for variable in re.findall(r"\bdns_[a-z_]+", variables):
            by_variable.setdefault(variable, set()).add(option)
    unchecked = [
        name
        for name, option in spec.items()
        if of_a_kind(option) != "perhaps" and not by_variable.get(name, set()) & told and name not in ROLES_OWN
    ]
    assert unchecked == []
    assert set(ROLES_OWN) <= set(spec)


@pytest.mark.parametrize("module", MODULES)
def test_what_the_table_starts_from_is_accepted(module: str) -> None:
    good = checked(module, {})
    assert not good.error_messages
    if module == "connection":
        with pytest.raises(KubeError, match="no cluster to talk to"):
            MODULES[module].check({**good.validated_parameters})
    elif module == "kubelet_dns":
        with pytest.raises(KubeletError, match="there is no kubelet on this node"):
            MODULES[module].check(good.validated_parameters)
    else:
        MODULES[module].check(good.validated_parameters)
