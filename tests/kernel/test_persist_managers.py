# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A manager takes up its files in front of the kernel's changes: what it makes, drops and takes away is tolerated.

The manager here is a stand-in, a shell line that touches the kernel as NetworkManager and networkd do (protocol
static); it shows the order of things only. The real ones are shown by the scenarios in extensions/molecule.
"""

from __future__ import annotations

import pathlib
import types
import typing as t

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._persist import configure as core
from ansible_collections.kubenode.network.plugins.module_utils._persist.contract import Configuration, Nic
from ansible_collections.kubenode.network.plugins.module_utils._state import activate
from ansible_collections.kubenode.network.plugins.module_utils._state.files import read_file
from ansible_collections.kubenode.network.plugins.module_utils._state.model import FileState, State, StateError
from ansible_collections.kubenode.network.plugins.module_utils._state.options import desired_from_options
from ansible_collections.kubenode.network.plugins.module_utils._state.run import Options, execute
from ansible_collections.kubenode.network.tests.kernel.interfaces import Node

PROFILE = "/etc/stand-in/ens224"
ROUTE = {
    "destination": "10.200.0.0/16",
    "next_hop_address": "10.100.0.1",
    "next_hop_interface": "ens224",
    "metric": 100,
}
MADE = "ip route add 10.200.0.0/16 via 10.100.0.1 dev ens224 metric 100 proto static"
FOREIGN = "10.9.0.0/16 via 10.100.0.7 dev ens224 proto bird"


class Manager:
    """Writes one file with what is wanted; runs ``does`` to take it up, ``undoes`` when the old one is back."""

    def __init__(self) -> None:
        self.does = "true"
        self.undoes = "true"
        self.more: dict[str, t.Any] = {}

    def configure(
        self, _previous: t.Mapping[str, Nic], wanted: t.Mapping[str, Nic], _state: State, root: str, _on_conflict: str
    ) -> Configuration:
        nic = wanted.get("ens224", Nic("ens224"))._replace(removed=())
        text = "".join(f"{value}\n" for value in (*nic.addresses, *nic.routes, *nic.rules, nic.mtu) if value)
        file = FileState(text or None)
        if read_file(PROFILE, root).text == file.text:
            return Configuration(kept=(PROFILE,) if text else ())
        commands = (("sh", "-c", self.does),)
        return Configuration({PROFILE: file}, commands, (("sh", "-c", self.undoes),), **self.more)


@pytest.fixture
def manager(monkeypatch: pytest.MonkeyPatch) -> Manager:
    made = Manager()
    backend = types.SimpleNamespace(configure=made.configure)
    real = core.import_module
    monkeypatch.setattr(core, "import_module", lambda name: backend if name.endswith("networkmanager") else real(name))
    monkeypatch.setattr(
        core, "managers", lambda links, _root: {"ens224": "NetworkManager"} if "ens224" in links else {}
    )
    monkeypatch.setattr(
        "ansible_collections.kubenode.network.plugins.module_utils._persist.detect.managers",
        lambda links, _root: {"ens224": "NetworkManager"} if "ens224" in links else {},
    )
    monkeypatch.setattr(activate, "SETTLE_SECONDS", 0.3)
    monkeypatch.setattr(activate, "_AGAIN_SECONDS", 0.0)
    return made


@pytest.fixture
def node(netns: t.Any, tmp_path: pathlib.Path) -> Node:
    made = Node(netns, tmp_path)
    (tmp_path / "etc/systemd/system").mkdir(parents=True)
    netns.veth("ens224", "peer224", "10.100.0.10/24")
    netns.ip("route", "add", *FOREIGN.split())
    netns.batch("rule add priority 700 from 10.7.0.0/16 lookup 254 protocol bird")
    return made


def run(node: Node, module: str = "static_routes", persist: bool = True, **params: t.Any) -> dict[str, t.Any]:
    desired = desired_from_options({"owner": "o", "purge": True, **params}, module)
    return execute(desired, Options(persist=persist), False, str(node.root))


def routes(node: Node) -> list[str]:
    return [f"{route['dst']} {route['protocol']}" for route in node.netns.routes("-4", "main")]


def profile(node: Node) -> str | None:
    return read_file(PROFILE, str(node.root)).text


def test_what_the_manager_made_is_not_made_twice_and_is_ours_with_its_protocol(node: Node, manager: Manager) -> None:
    manager.does = MADE
    result = run(node, routes=[ROUTE])
    assert (result["runtime"], result["persistent"]) == (True, True)
    assert routes(node).count("10.200.0.0/16 static") == 1
    assert "10.200.0.0/16 157" not in routes(node)
    (record,) = [one for (kind, _key), one in node.records().items() if kind == "route"]
    assert (record.value.protocol, record.made, record.persist) == (4, True, True)
    again = run(node, routes=[ROUTE])
    assert (again["changed"], again["persistent"]) == (False, False)
    manager.does = "true"
    assert run(node, routes=[])["changed"] is True
    assert "10.200.0.0/16 static" not in routes(node)
    assert profile(node) is None


def test_what_the_manager_did_not_make_is_filled_in(node: Node, manager: Manager) -> None:
    run(node, routes=[ROUTE])
    assert "10.200.0.0/16 157" in routes(node)
    assert run(node, routes=[ROUTE])["changed"] is False


def test_what_the_manager_dropped_of_others_is_put_back(node: Node, manager: Manager) -> None:
    before = node.seen()
    manager.does = f"{MADE}; ip route del 10.9.0.0/16; ip rule del priority 700"
    run(node, routes=[ROUTE])
    after = node.seen()
    assert after["rules-4"] == before["rules-4"]
    assert [route for route in after["routes-4"] if route["dst"] != "10.200.0.0/16"] == before["routes-4"]


def test_an_address_that_flaps_takes_no_route_along(node: Node, manager: Manager) -> None:
    run(node, routes=[ROUTE], persist=False)
    before = node.seen()
    manager.does = "ip addr flush dev ens224; ip addr add 10.100.0.10/24 dev ens224"
    result = run(node, routes=[ROUTE])
    assert (result["changed"], result["runtime"], result["persistent"]) == (True, False, True)
    assert node.seen() == before


def test_what_the_manager_took_away_already_is_not_missed(node: Node, manager: Manager) -> None:
    before = node.seen()
    manager.does = MADE
    run(node, routes=[ROUTE])
    manager.does = "ip route del 10.200.0.0/16"
    run(node, routes=[])
    assert node.seen() == before


def test_a_manager_that_refuses_its_files_gets_the_old_ones_back(node: Node, manager: Manager) -> None:
    before = node.seen()
    manager.does = f"{MADE}; echo no such profile >&2; exit 3"
    manager.undoes = f"cat {node.root}{PROFILE} >/dev/null 2>&1 && exit 1; ip route del 10.200.0.0/16"
    with pytest.raises(
        StateError, match=r"NetworkManager does not take up its configuration: .*no such profile"
    ) as raised:
        run(node, routes=[ROUTE])
    assert raised.value.details["rolled_back"] is True
    assert profile(node) is None
    assert node.seen() == before
    assert not [kind for kind, _key in node.records() if kind == "route"]


def test_a_run_that_is_undone_undoes_what_the_manager_made_too(node: Node, manager: Manager) -> None:
    manager.does = MADE
    before = node.seen()
    state = {"routes": {"config": [
        {"destination": "10.200.0.0/16", "next-hop-address": "10.100.0.1", "next-hop-interface": "ens224",
         "metric": 100}]}}  # fmt: skip
    paths = [{"destination": "10.200.0.5", "expect": {"gateway": "10.100.0.99"}}]
    with pytest.raises(StateError, match=r"10\.100\.0\.99") as raised:
        run(node, "network_state", desired_state=state, paths=paths)
    assert raised.value.details["rolled_back"] is True
    assert profile(node) is None
    assert node.seen() == before


def test_a_rule_is_planned_with_the_protocol_of_the_manager_that_makes_it(node: Node, manager: Manager) -> None:
    manager.more = {"rule_protocol": 4}
    table = {**ROUTE, "table": 100, "metric": 0}
    run(node, routes=[table])
    rules = [{"from": "10.100.0.0/24", "table": 100, "priority": 100}]
    assert run(node, "route_rules", rules=rules, persist=False)["runtime"] is True
    kept = run(node, "route_rules", rules=rules)
    assert any("NetworkManager's from now on" in line for line in kept["plan"])
    found = [rule for rule in node.seen()["rules-4"] if rule["priority"] == 100]
    assert [rule["protocol"] for rule in found] == ["static"]
    assert run(node, "route_rules", rules=rules)["changed"] is False
    assert run(node, "route_rules", rules=[])["changed"] is True
    assert not [rule for rule in node.seen()["rules-4"] if rule["priority"] == 100]


def test_what_a_manager_cannot_say_is_replayed_by_a_unit(node: Node, manager: Manager, netns: t.Any) -> None:
    netns.veth("ens256", "peer256", "172.16.0.10/24")
    both = {"destination": "198.51.100.0/24", "next_hops": [
        {"next_hop_address": "10.100.0.1", "next_hop_interface": "ens224"},
        {"next_hop_address": "172.16.0.1", "next_hop_interface": "ens256"}]}  # fmt: skip
    run(node, routes=[ROUTE, both])
    assert "198.51.100.0" not in (profile(node) or "")
    for name in ("ens224", "ens256"):
        assert "198.51.100.0/24" in (node.root / "etc/kubenode-network/nic.d" / name).read_text()
    assert run(node, routes=[ROUTE, both])["changed"] is False


def test_a_nic_that_nobody_manages_any_more_is_kept_by_a_unit(
    node: Node, manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager.does = MADE
    run(node, routes=[ROUTE])
    for place in ("configure", "detect"):
        monkeypatch.setattr(
            f"ansible_collections.kubenode.network.plugins.module_utils._persist.{place}.managers",
            lambda _links, _root: {},
        )
    manager.does = "echo the manager is gone >&2; exit 1"
    result = run(node, routes=[ROUTE])
    assert (result["runtime"], result["persistent"]) == (False, True)
    assert profile(node) is None
    assert "10.200.0.0/16" in (node.root / "etc/kubenode-network/nic.d/ens224").read_text()


def test_kernel_alone_on_a_managed_nic_says_that_it_may_not_last(node: Node, manager: Manager) -> None:
    result = run(node, routes=[ROUTE], persist=False)
    assert (result["runtime"], result["persistent"]) == (True, False)
    assert any("NetworkManager manages it" in warning for warning in result["warnings"])


def test_a_nic_that_two_managers_claim_is_an_error_that_names_them(
    node: Node, manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    del manager
    monkeypatch.setattr(core, "managers", lambda _links, _root: {"ens224": "NetworkManager and systemd-networkd"})
    before = node.seen()
    with pytest.raises(StateError, match="ens224: NetworkManager and systemd-networkd both claim it"):
        run(node, routes=[ROUTE])
    assert node.seen() == before
