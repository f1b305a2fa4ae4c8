# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NodeNetworkConfigurationPolicies and NMState documents: the examples as they are, and what each part means."""

from __future__ import annotations

import copy
import pathlib
import typing as t

import pytest
import yaml
from ansible_collections.kubenode.network.plugins.module_utils._state.documents import options_from_documents
from ansible_collections.kubenode.network.plugins.module_utils._state.model import Desired, NextHopSpec, ResolverSpec
from ansible_collections.kubenode.network.plugins.module_utils._state.options import PRUNE_KINDS, desired_from_options

from .state_builder import address, plan_desired, worker

EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "examples"
FILES = sorted((EXAMPLES / "nncp").glob("*.yml"))
WORKER = {"node-role.kubernetes.io/worker": ""}
ADDRESSES = {
    "data_address": "10.100.0.11",
    "data_gateway": "10.100.0.1",
    "external_address": "172.16.0.11",
    "external_gateway": "172.16.0.1",
}
NODE = worker(addresses=[address("10.100.0.10/24", "ens224"), address("172.16.0.10/24", "ens256")])


def load(path: pathlib.Path) -> list[t.Any]:
    return list(yaml.safe_load_all(path.read_text(encoding="utf-8")))


def policies(*documents: t.Any, **params: t.Any) -> Desired:
    return desired_from_options({"policies": list(documents), **params}, "network_state")


def policy(desired: t.Any, name: str = "worker", **spec: t.Any) -> dict[str, t.Any]:
    return {
        "apiVersion": "nmstate.io/v1",
        "kind": "NodeNetworkConfigurationPolicy",
        "metadata": {"name": name},
        "spec": {"desiredState": desired, **spec},
    }


def bare(state: t.Any, **params: t.Any) -> Desired:
    return desired_from_options({"desired_state": state, **params}, "network_state")


def contents(desired: Desired) -> dict[str, t.Any]:
    """What is declared, without where it stands."""
    return {
        name: [spec._replace(origin="") for spec in getattr(desired, name)]
        for name in ("interfaces", "routes", "rules")
    }


# --- the examples ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_example_is_taken_as_it_is(path: pathlib.Path) -> None:
    desired = policies(*load(path), node_labels=WORKER)
    assert desired.warnings == ()
    (matched,) = desired.matched
    assert matched == (load(path)[0]["metadata"]["name"], True)
    assert any((desired.interfaces, desired.routes, desired.rules, desired.resolver))


def test_what_the_examples_declare() -> None:
    routes, gateway, dns, rules, removal = (policies(*load(path), node_labels=WORKER) for path in FILES)
    assert [(spec.name, spec.type, spec.state, spec.ipv4) for spec in routes.interfaces] == [
        ("ens224", "ethernet", "up", (True, (("10.100.0.10", 24),), False, None, None, None, None))
    ]
    assert [(spec.destination, spec.metric, spec.next_hops) for spec in routes.routes] == [
        ("10.200.0.0/16", 100, (NextHopSpec("ens224", "10.100.0.1"),)),
        ("10.50.0.0/24", 150, (NextHopSpec("ens224", "10.100.0.1"),)),
    ]
    assert [(spec.destination, spec.metric) for spec in gateway.routes] == [("0.0.0.0/0", 200)]
    assert dns.resolver is not None
    assert dns.resolver[2:5] == (
        ("10.100.0.53", "10.100.0.54"), ("storage.internal.example.com", "internal.example.com"), None
    )  # fmt: skip
    assert [(spec.destination, spec.metric, spec.table) for spec in rules.routes] == [
        ("0.0.0.0/0", 100, None), ("0.0.0.0/0", None, 100)
    ]  # fmt: skip
    assert [(spec.source, spec.table, spec.priority) for spec in rules.rules] == [("172.16.0.0/24", 100, 100)]
    (pattern,) = removal.routes
    assert (pattern.absent, pattern.destination, pattern.next_hops) == (
        True, "10.200.0.0/16", (NextHopSpec("ens224", None, 0),)
    )  # fmt: skip


def test_the_first_four_examples_are_one_declaration_of_four_owners() -> None:
    documents = [document for path in FILES[:4] for document in load(path)]
    desired = policies(*documents, node_labels=WORKER)
    owners = [document["metadata"]["name"] for document in documents]
    assert desired.matched == tuple((owner, True) for owner in owners)
    assert desired.prune == tuple((owner, kind) for owner in owners for kind in PRUNE_KINDS)
    # 01 and 04 both list ens224 and its address: it is kept for each of them.
    assert [(spec.name, spec.owner) for spec in desired.interfaces] == [
        ("ens224", "worker-routes"), ("ens256", "worker-secondary-gateway"),
        ("ens224", "worker-policy-routing"), ("ens256", "worker-policy-routing"),
    ]  # fmt: skip
    plan = plan_desired(NODE, desired._replace(resolver=None))
    records = {key[1][2]: record.owners for key, record in plan.owned.items() if key[0] == "address"}
    assert records["10.100.0.10"] == ("worker-policy-routing", "worker-routes")
    assert len([change for change in plan.changes if change.kind == "route"]) == 5


@pytest.mark.parametrize("path", sorted((EXAMPLES / "nncp-per-node").glob("*.yml")), ids=lambda path: path.stem)
def test_the_examples_for_a_pool_are_the_others_with_variables(path: pathlib.Path) -> None:
    text = path.read_text(encoding="utf-8")
    for name, value in ADDRESSES.items():
        text = text.replace("{{ " + name + " }}", value)
    assert "{{" not in text
    mine = policies(*yaml.safe_load_all(text), node_labels=WORKER)
    fixed = policies(*load(EXAMPLES / "nncp" / path.name), node_labels=WORKER)
    assert mine.warnings == ()
    assert [spec.name for spec in mine.interfaces] == [spec.name for spec in fixed.interfaces]
    assert contents(mine)["routes"] == contents(fixed)["routes"]
    assert [spec.table for spec in mine.rules] == [spec.table for spec in fixed.rules]
    assert mine.resolver == fixed.resolver


# --- which node ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("selector", "labels", "selected"),
    [
        (None, None, True),
        ({}, None, True),
        ({"role": "worker"}, {"role": "worker", "zone": "a"}, True),
        ({"role": "worker"}, {"role": "storage"}, False),
        ({"role": "worker", "zone": "a"}, {"role": "worker"}, False),
        ({"role": ""}, {}, False),
        ({"gpu": "true", "rack": "7"}, {"gpu": True, "rack": 7}, True),
    ],
)
def test_a_node_selector_matches_every_label(selector: t.Any, labels: t.Any, selected: bool) -> None:
    desired = policies(policy({"interfaces": [{"name": "ens224"}]}, nodeSelector=selector), node_labels=labels)
    assert desired.matched == (("worker", selected),)
    assert bool(desired.interfaces) is selected
    assert bool(desired.prune) is selected


def test_nothing_is_declared_where_no_policy_selects_the_node() -> None:
    document = policy({"interfaces": [{"name": "ens224"}]}, nodeSelector={"role": "storage"})
    desired = policies(document, node_labels={}, tables=[{"id": 7, "name": "t7"}], hosts=[], owner="platform")
    assert desired == Desired(matched=(("worker", False),))


def test_a_policy_that_does_not_select_the_node_leaves_the_others_alone() -> None:
    first = policy({"interfaces": [{"name": "ens224"}]}, "a", nodeSelector={"role": "storage"})
    second = policy({"interfaces": [{"name": "ens256"}]}, "b")
    desired = policies(first, second, node_labels={})
    assert desired.matched == (("a", False), ("b", True))
    assert [spec.owner for spec in desired.interfaces] == ["b"]
    assert {owner for owner, _kind in desired.prune} == {"b"}


# --- shapes of documents ---------------------------------------------------------------------------------------------


def test_a_policy_its_desired_state_and_a_list_say_the_same() -> None:
    state = load(FILES[3])[0]["spec"]["desiredState"]
    name = "worker-policy-routing"
    listed = {"apiVersion": "v1", "kind": "List", "items": [policy(state, name), None]}
    expected = contents(bare(state, owner=name))
    for desired in (
        policies(policy(state, name)),
        policies(None, policy(state, name), None),
        policies(listed),
        policies(policy(state, name), policy(state, name)),
        desired_from_options({"desired_state": policy(state, name)}, "network_state"),
    ):
        assert contents(desired) == expected
    assert bare(state).matched == ()


def test_the_owner_option_owns_all_policies() -> None:
    route = {"destination": "10.200.0.0/16", "next-hop-interface": "ens224"}
    first = policy({"interfaces": [{"name": "ens224", "mtu": 1500}], "routes": {"config": [route]}}, "a")
    second = policy({"interfaces": [{"name": "ens224", "mtu": 1500}]}, "b")
    desired = policies(first, second, owner="all", tables=[{"id": 7, "name": "t7"}])
    assert {spec.owner for spec in (*desired.interfaces, *desired.routes, *desired.tables)} == {"all"}
    assert len(desired.interfaces) == 1
    assert desired.prune == tuple(("all", kind) for kind in PRUNE_KINDS)
    assert policies(first, tables=[{"id": 7, "name": "t7"}]).tables[0].owner == "a"
    assert policies(first, second, tables=[{"id": 7, "name": "t7"}]).tables[0].owner is None


def test_policies_may_each_give_a_part_of_the_resolver_and_of_an_interface() -> None:
    address = {"ip": "10.100.0.10", "prefix-length": 24}
    other = {"ip": "10.100.0.20", "prefix-length": 24}
    first = policy(
        {"dns-resolver": {"config": {"server": ["10.1.1.1"]}},
         "interfaces": [{"name": "ens224", "ipv4": {"address": [address]}}]},
        "a",
    )  # fmt: skip
    second = policy(
        {"dns-resolver": {"config": {"search": ["example.com"], "server": ["10.1.1.1"]}},
         "interfaces": [{"name": "ens224", "mtu": 9000, "ipv4": {"address": [other]}}]},
        "b",
    )  # fmt: skip
    desired = policies(first, second)
    assert desired.resolver is not None
    assert desired.resolver[2:5] == (("10.1.1.1",), ("example.com",), None)
    assert [spec.ipv4.addresses for spec in desired.interfaces if spec.ipv4] == [
        (("10.100.0.10", 24),), (("10.100.0.20", 24),)
    ]  # fmt: skip


def test_a_policy_that_declares_nothing_lets_go_of_all_that_its_owner_has() -> None:
    desired = policies(policy({}))
    assert desired._replace(prune=(), matched=()) == Desired()
    assert desired.prune == tuple(("worker", kind) for kind in PRUNE_KINDS)
    assert policies(policy({}), prune=False).prune == ()


def test_max_unavailable_is_the_plays_serial() -> None:
    (warning,) = policies(policy({}, maxUnavailable="50%")).warnings
    assert "serial" in warning


@pytest.mark.parametrize("version", ["nmstate.io/v1", "nmstate.io/v1beta1", "nmstate.io/v1alpha1"])
def test_the_versions_of_the_api(version: str) -> None:
    assert policies({**policy({}), "apiVersion": version, "status": {"conditions": []}}).matched == (("worker", True),)


# --- what NMState means ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, ((), (), ())),
        ({"server": None}, ((), (), ())),
        ({"server": ["10.1.1.1"]}, (("10.1.1.1",), None, None)),
        ({"search": [], "options": ["rotate"]}, (None, (), ("rotate",))),
    ],
)
def test_a_resolver_configuration_keeps_what_it_leaves_out_and_clears_when_empty(
    config: t.Any, expected: t.Any
) -> None:
    desired = bare({"dns-resolver": {"config": config, "running": {"server": ["9.9.9.9"]}}})
    assert desired.resolver == ResolverSpec(None, "dns-resolver.config", *expected)


def test_what_is_running_is_only_shown() -> None:
    running = [{"destination": "10.0.0.0/8", "anything": 1}]
    desired = bare({"routes": {"running": running}, "route-rules": {"config": None}, "dns-resolver": {"running": {}}})
    assert desired == Desired()


@pytest.mark.parametrize(
    ("interface", "expected"),
    [
        ({}, {"state": "up"}),
        ({"state": "down", "type": "unknown"}, {"state": "down"}),
        ({"lldp": {"enabled": False}, "wait-ip": "any", "accept-all-mac-addresses": False,
          "mptcp": {"address-flags": []}}, {}),
        ({"ethernet": {}, "ipv4": {"enabled": False, "auto-dns": True, "dhcp-client-id": "ll"}},
         {"ipv4": (False, None, None, None, None, None, None)}),
        ({"ipv4": {"enabled": True, "dhcp": False, "auto-dns": False}},
         {"ipv4": (True, None, False, None, None, None, None)}),
        ({"ipv4": {"enabled": True, "dhcp": True, "auto-dns": False, "auto-gateway": False, "auto-routes": True},
          "ipv6": {"enabled": True, "autoconf": True, "auto-routes": False}},
         {"ipv4": (True, None, True, None, True, False, False), "ipv6": (True, None, None, True, False, None, None)}),
        ({"ipv4": {"allow-extra-address": True, "address": [
            {"ip": "10.1.1.1", "prefix-length": 24, "valid-life-time": "forever", "mptcp-flags": []}]}},
         {"ipv4": (None, (("10.1.1.1", 24),), None, None, None, None, None)}),
        ({"type": "vlan", "vlan": {"base-iface": "ens192", "id": 5, "reorder-headers": True}},
         {"type": "vlan", "parent": "ens192", "data": (("id", 5), ("protocol", "802.1q"))}),
        ({"type": "bond", "link-aggregation": {"mode": "active-backup", "port": ["a"], "options": {"miimon": "140"}}},
         {"type": "bond", "ports": ("a",), "data": (("miimon", 140), ("mode", "active-backup"))}),
        ({"type": "vrf", "vrf": {"port": ["a"], "route-table-id": 10}},
         {"type": "vrf", "ports": ("a",), "data": (("table", 10),)}),
        ({"type": "mac-vlan", "mac-vlan": {"base-iface": "a", "mode": "bridge", "promiscuous": True}},
         {"type": "macvlan", "parent": "a", "data": (("mode", "bridge"),)}),
        ({"type": "linux-bridge", "bridge": {"port": [{"name": "a"}], "options": {
            "mac-ageing-time": 300, "stp": {"enabled": True, "hello-time": 2}}}},
         {"type": "bridge", "ports": ("a",), "data": (("ageing_time", 30000), ("hello_time", 200), ("stp_state", 1))}),
        ({"type": "dummy", "mtu": "1500"}, {"type": "dummy", "mtu": 1500}),
        ({"identifier": "mac-address", "mac-address": "52:54:00:AB:CD:EF"},
         {"identifier": "mac-address", "mac_address": "52:54:00:ab:cd:ef"}),
    ],
)  # fmt: skip
def test_a_part_of_an_interface(interface: dict[str, t.Any], expected: dict[str, t.Any]) -> None:
    desired = bare({"interfaces": [{"name": "x0", **interface}]})
    (spec,) = desired.interfaces
    found = {name: getattr(spec, name) for name in expected}
    assert {name: tuple(value) if name in ("ipv4", "ipv6") else value for name, value in found.items()} == expected
    assert desired.warnings == ()


def test_an_ignored_interface_is_not_touched() -> None:
    assert bare({"interfaces": [{"name": "ens224", "state": "ignore", "mtu": 9000}]}).interfaces == ()


def test_what_is_known_and_not_used_is_named_in_a_warning() -> None:
    desired = bare(
        {"description": "storage", "interfaces": [{"name": "ens224", "profile-name": "storage", "driver": "mlx5_core"}]}
    )
    assert [warning.partition(" ")[0] for warning in desired.warnings] == [
        "desired_state.description", "interfaces[0].profile-name", "interfaces[0].driver"
    ]  # fmt: skip


def test_link_local_addresses_are_the_kernels_own() -> None:
    addresses = [{"ip": "FE80::1", "prefix-length": 64}, {"ip": "2001:db8::1", "prefix-length": 64}]
    desired = bare({"interfaces": [{"name": "ens224", "ipv6": {"enabled": True, "address": addresses}}]})
    assert [spec.ipv6 and spec.ipv6.addresses for spec in desired.interfaces] == [(("2001:db8::1", 64),)]
    assert len(desired.warnings) == 1


def test_routes_and_rules_may_use_the_name_of_an_interface_found_by_its_mac_address() -> None:
    name = "the storage network's NIC"
    desired = policies(
        policy({"interfaces": [{"name": name, "identifier": "mac-address", "mac-address": "52:54:00:12:34:56"}]}, "a"),
        policy({"routes": {"config": [{"destination": "10.0.0.0/8", "next-hop-interface": name}]},
                "route-rules": {"config": [{"iif": name, "route-table": 100}]}}, "b"),
    )  # fmt: skip
    assert desired.routes[0].next_hops == (NextHopSpec(name),)
    assert desired.rules[0].iif == name


@pytest.mark.parametrize(
    "state",
    [
        {"routes": {"config": [{"destination": "10.0.0.0/8", "next-hop-interface": "a", "table-id": "storage"}]}},
        {"routes": {"config": [{"destination": "10.0.0.0/8", "next_hop_interface": "a"}]}},
        {"routes": {"config": [{"destination": "10.0.0.0/8", "next-hop-interface": "a", "state": "present"}]}},
        {"routes": {"config": [{"destination": "10.0.0.0/8", "next-hop-interface": "a", "on-link": False}]}},
        {"route-rules": {"config": [{"ip-from": "10.0.0.0/8", "oif": "a"}]}},
        {"route-rules": {"config": [{"from": "10.0.0.0/8"}]}},
        {"route_rules": {"config": [{"ip-from": "10.0.0.0/8"}]}},
        {"interfaces": [{"name": "a", "bond": {"mode": 1}}]},
        {"interfaces": [{"name": "a", "mac_address": "52:54:00:12:34:56"}]},
    ],
)
def test_strict_nmstate_refuses_what_is_ours(state: dict[str, t.Any]) -> None:
    assert bare(state) != Desired()
    with pytest.raises(Exception, match=r"strict_nmstate|unsupported option"):
        bare(state, strict_nmstate=True)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_strict_nmstate_changes_nothing_for_the_examples(path: pathlib.Path) -> None:
    assert policies(*load(path), node_labels=WORKER, strict_nmstate=True) == policies(*load(path), node_labels=WORKER)


def test_documents_become_the_modules_own_options() -> None:
    """What a policy says can be given to the modules of its parts as well."""
    documents = load(FILES[3])
    before = copy.deepcopy(documents)
    ((name, options, matched),) = options_from_documents(documents, WORKER, strict=False)
    assert (name, matched) == ("worker-policy-routing", True)
    whole = policies(*documents, node_labels=WORKER)
    for module, part in (("interfaces", "interfaces"), ("static_routes", "routes"), ("route_rules", "rules")):
        alone = desired_from_options({part: options[part], "owner": name}, module)
        assert contents(alone)[part] == contents(whole)[part]
    assert documents == before
