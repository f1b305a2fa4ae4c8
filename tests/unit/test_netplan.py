# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""netplan: a file of our own per NIC, merged with the files of others; contradictions are told with their place."""

from __future__ import annotations

import json
import pathlib
import shutil
import typing as t

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._netlink.objects import (
    Address,
    Link,
    NextHop,
    Route,
    Rule,
)
from ansible_collections.kubenode.network.plugins.module_utils._persist import (
    netplan,
    netplan_entries,
    netplan_files,
    netplan_render,
    networkd,
)
from ansible_collections.kubenode.network.plugins.module_utils._persist.contract import (
    Configuration,
    Dhcp,
    Nic,
    Resolver,
)
from ansible_collections.kubenode.network.plugins.module_utils._state.files import write_file
from ansible_collections.kubenode.network.plugins.module_utils._state.model import FileState, State, StateError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

NETWORKD, NM = "netplan (systemd-networkd)", "netplan (NetworkManager)"
OURS = "/etc/netplan/90-kubenode-eth1.yaml"
CLOUD = "/etc/netplan/50-cloud-init.yaml"
CLOUD_TEXT = """\
network:
  version: 2
  ethernets:
    eth1:
      addresses: [10.60.2.10/24]
      mtu: 1500
      routes:
      - {to: 10.99.0.0/16, via: 10.60.2.1}
      - {to: default, via: 10.60.2.1, metric: 50}
    other:
      match: {macaddress: "52:54:00:12:34:56"}
      set-name: eth0
    wild:
      match: {name: "ens*"}
"""
LINKS = {
    "eth0": Link("eth0", 2, mac="52:54:00:12:34:56"),
    "eth1": Link("eth1", 3, mac="52:54:00:12:34:57"),
    "ens1": Link("ens1", 4),
    "ens2": Link("ens2", 5),
}


def route(destination: str, gateway: str | None = "10.60.2.1", **parts: t.Any) -> Route:
    family = 10 if ":" in destination else 2
    hops = (NextHop("eth1", gateway),) if parts.get("type", "unicast") == "unicast" else ()
    parts.setdefault("metric", 1024 if family == 10 else 0)
    parts.setdefault("scope", 253 if family == 2 and gateway is None else 0)
    return Route(family, parts.pop("table", 254), destination, next_hops=parts.pop("next_hops", hops), **parts)


WHOLE = Nic(
    "eth1",
    addresses=(Address("eth1", 2, "10.60.2.77", 24), Address("eth1", 10, "fd60:2::77", 64)),
    routes=(
        route("10.98.0.0/16", metrics=((2, 1300),), source="10.60.2.77"),
        route("0.0.0.0/0", table=111),
        route("10.96.0.0/16", None),
        route("10.97.0.0/16", type="blackhole"),
        route("fd98::/64", "fd60:2::1", metric=50),
    ),
    rules=(
        Rule(2, 1000, table=111, source="10.60.2.77/32"),
        Rule(10, 1001, table=111, fwmark=5, fwmask=0xFFFFFFFF, tos=8),
    ),
)


class Node:
    """A tree below a folder, with a generator that is only a copy of what it gets."""

    def __init__(self, root: pathlib.Path, manager: str = NETWORKD, **files: str) -> None:
        self.root = str(root)
        self.state = State(links=LINKS, managers=dict.fromkeys(LINKS, manager))
        for path, text in {CLOUD: CLOUD_TEXT, **files}.items():
            write_file(path, FileState(text, 0o600), self.root)
        self.nics: dict[str, Nic] = {}

    def configure(self, *wanted: Nic, on_conflict: str = "fail") -> Configuration:
        nics = {nic.name: nic for nic in wanted}
        return netplan.configure(self.nics, nics, self.state, self.root, on_conflict)

    def run(self, *wanted: Nic, **options: t.Any) -> Configuration:
        made = self.configure(*wanted, **options)
        for path, file in made.files.items():
            write_file(path, file, self.root)
        self.nics = {nic.name: nic for nic in wanted}
        return made

    def entry(self, path: str = OURS) -> t.Any:
        text = (pathlib.Path(self.root) / path[1:]).read_text()
        ((entry,),) = [section.values() for name, section in json.loads(text[text.index("{") :])["network"].items()
                       if name != "version"]  # fmt: skip
        return entry


@pytest.fixture(autouse=True)
def _no_generator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(netplan_render, "render", lambda texts: {})
    monkeypatch.setattr(netplan_render, "dropped", lambda *_sides: [])


def test_a_nic_is_said_once_and_taken_back_whole(tmp_path: pathlib.Path) -> None:
    node = Node(tmp_path)
    made = node.run(WHOLE)
    assert set(made.files) == {OURS, networkd.NODE_PATH}
    assert made.files[OURS].mode == 0o600
    assert made.activate == made.restore == (("netplan", "generate"), *networkd.RESTART)
    assert made.ready[0][0] == "/run/systemd/netif/links/3"
    assert made.unexpressed == ()
    assert node.entry() == {
        "addresses": ["10.60.2.77/24", "fd60:2::77/64"],
        "routes": [
            {"to": "10.98.0.0/16", "via": "10.60.2.1", "from": "10.60.2.77", "mtu": 1300},
            {"to": "0.0.0.0/0", "via": "10.60.2.1", "table": 111},
            {"to": "10.96.0.0/16", "scope": "link"},
            {"to": "10.97.0.0/16", "type": "blackhole"},
            {"to": "fd98::/64", "via": "fd60:2::1", "metric": 50},
        ],
        "routing-policy": [
            {"from": "10.60.2.77/32", "table": 111, "priority": 1000},
            {"from": "::/0", "table": 111, "priority": 1001, "mark": 5, "type-of-service": 8},
        ],
    }
    again = node.run(WHOLE)
    assert (again.files, again.activate) == ({}, ())
    assert again.kept == (OURS, networkd.NODE_PATH)
    assert {CLOUD, "/etc/netplan/"} <= set(again.watched)
    assert set(node.run().files) == {OURS, networkd.NODE_PATH}
    assert node.run().files == {}
    assert (tmp_path / CLOUD[1:]).read_text() == CLOUD_TEXT


addresses = st.sampled_from(WHOLE.addresses)
parts = st.fixed_dictionaries(
    {
        "addresses": st.lists(st.sampled_from(WHOLE.addresses), unique=True).map(tuple),
        "routes": st.lists(st.sampled_from(WHOLE.routes), unique=True).map(tuple),
        "rules": st.lists(st.sampled_from(WHOLE.rules), unique=True).map(tuple),
        "mtu": st.none() | st.just(1500),
        "up": st.none() | st.booleans(),
        "dhcp4": st.none() | st.builds(Dhcp, st.none(), st.booleans(), st.booleans(), st.booleans()),
        "dhcp6": st.none() | st.builds(Dhcp, st.none(), st.booleans(), st.booleans(), st.booleans(), st.none()),
        "resolver": st.none() | st.just(Resolver(("10.0.0.1",), ("example.com",))),
    }
)


@settings(
    max_examples=max(5, settings.default.max_examples // 4), suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(first=parts, second=parts, manager=st.sampled_from((NETWORKD, NM)))
def test_configured_twice_is_configured_once_and_nothing_leaves_nothing(
    tmp_path: pathlib.Path, first: dict[str, t.Any], second: dict[str, t.Any], manager: str
) -> None:
    shutil.rmtree(tmp_path)
    node = Node(tmp_path, manager)
    for said in (first, second):
        node.run(Nic("eth1", **said))
        assert node.run(Nic("eth1", **said)).files == {}
    node.run()
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {CLOUD[1:]}


def test_what_another_file_says_alike_is_not_said_again(tmp_path: pathlib.Path) -> None:
    node = Node(tmp_path)
    alike = Nic(
        "eth1",
        addresses=(Address("eth1", 2, "10.60.2.10", 24),),
        routes=(route("10.99.0.0/16"), route("0.0.0.0/0", metric=50)),
    )
    assert node.run(alike).files == {}
    # NetworkManager gives a route without a metric one of its own: it is another route.
    node = Node(tmp_path, NM)
    node.run(alike)
    assert node.entry() == {"routes": [{"to": "10.99.0.0/16", "via": "10.60.2.1", "metric": 0}]}


@pytest.mark.parametrize(
    ("nic", "words"),
    [
        (
            Nic("eth1", routes=(route("10.99.0.0/16", "10.60.2.2"),)),
            r"50-cloud-init\.yaml says network\.ethernets\.eth1\.routes\[0\]: .*2\.1.* wanted is routes: .*2\.2.*take",
        ),
        (
            Nic("eth1", routes=(route("0.0.0.0/0", None, metric=50),)),
            r"eth1\.routes\[1\]",
        ),
        (
            Nic("eth1", mtu=9000),
            r'says network\.ethernets\.eth1\.mtu: "1500", wanted is mtu: 9000: .*say on_conflict: replace',
        ),
        (Nic("ens1", mtu=9000), r"definition wild matches ens1, ens2"),
        (Nic("eth2", mtu=9000), r"none of its files defines it: found definitions eth1, other, wild"),
        (
            Nic("eth1", resolver=Resolver(("10.0.0.1",), None, ("rotate",))),
            "netplan knows servers and search domains only",
        ),
    ],
)
def test_a_contradiction_names_file_and_key(tmp_path: pathlib.Path, nic: Nic, words: str) -> None:
    with pytest.raises(StateError, match=words):
        Node(tmp_path).configure(nic)


def test_a_single_value_is_replaced_when_asked_and_ours_is_read_later(tmp_path: pathlib.Path) -> None:
    node = Node(tmp_path)
    node.run(Nic("eth1", mtu=9000), on_conflict="replace")
    assert node.entry() == {"mtu": 9000}
    late = "/etc/netplan/99-late.yaml"
    node = Node(tmp_path, **{late: "network: {ethernets: {eth1: {mtu: 1400}}}"})
    with pytest.raises(StateError, match=r"99-late\.yaml: network\.ethernets\.eth1\.mtu stands in a line"):
        node.configure(Nic("eth1", mtu=9000), on_conflict="replace")


def test_entries_that_say_the_contrary_or_what_is_taken_away_go_when_asked(tmp_path: pathlib.Path) -> None:
    text = """\
# by hand
network:
  ethernets:
    eth1:
      addresses: [10.60.2.10/24]
      routes:
      # the storage
      - to: 10.99.0.0/16
        via: 10.60.2.1
      - to: default   # the way out
        via: 10.60.2.1
      # rules
      routing-policy:
      - {from: 10.60.2.10, table: 5, priority: 7}
      mtu: 1500
"""
    gone = Rule(2, 7, table=5, source="10.60.2.10/32", protocol=4)
    nic = Nic("eth1", routes=(route("10.99.0.0/16", "10.60.2.2"),), removed=(("rule", gone),))
    with pytest.raises(StateError, match=r"(?s)routes\[0\]: .*routing-policy\[0\]: .*wanted is no such entry"):
        Node(tmp_path, **{CLOUD: text}).configure(nic)
    node = Node(tmp_path, **{CLOUD: text})
    node.run(nic, on_conflict="replace")
    left = [line for number, line in enumerate(text.split("\n")) if number not in (7, 8, 12, 13)]
    assert (tmp_path / CLOUD[1:]).read_text() == "\n".join(left)
    assert node.entry() == {"routes": [{"to": "10.99.0.0/16", "via": "10.60.2.2"}]}
    inline = Nic("eth1", removed=(("address", Address("eth1", 2, "10.60.2.10", 24)),))
    two = text.replace("[10.60.2.10/24]", "[10.60.2.10/24, 10.60.2.11/24]")
    with pytest.raises(StateError, match=r"addresses\[0\] stands in a line with others"):
        Node(tmp_path, **{CLOUD: two}).configure(inline, on_conflict="replace")


def test_a_nic_is_found_by_its_mac_address_under_its_definitions_name(tmp_path: pathlib.Path) -> None:
    node = Node(tmp_path)
    node.run(Nic("eth0", mtu=9000))
    assert '"other"' in (tmp_path / "etc/netplan/90-kubenode-eth0.yaml").read_text()


def test_what_of_a_lease_is_taken_stands_in_a_drop_in_of_networkd_per_family(tmp_path: pathlib.Path) -> None:
    node = Node(tmp_path)
    made = node.run(Nic("eth1", dhcp4=Dhcp(True, True, False, False), dhcp6=Dhcp(None, False, False, True, True)))
    path = "/etc/systemd/network/10-netplan-eth1.network.d/90-kubenode-netplan.conf"
    assert (made.files[path].text or "").split("\n")[1:] == [
        "[DHCPv4]", "UseDNS=no", "UseGateway=no", "", "[IPv6AcceptRA]", "UseRoutePrefix=no", "UseGateway=no", "",
    ]  # fmt: skip
    assert node.entry() == {"dhcp4": True, "accept-ra": True}
    assert set(node.run().files) == {path, OURS, networkd.NODE_PATH}


def test_networkmanager_gets_overrides_and_its_dispatcher_what_netplan_drops(tmp_path: pathlib.Path) -> None:
    node = Node(tmp_path, NM)
    made = node.run(WHOLE._replace(dhcp4=Dhcp(True, True, False, False)))
    kinds = sorted(kind for kind, _value in made.unexpressed)
    assert kinds == ["route", "route", "rule", "rule"]
    hook = "/etc/NetworkManager/dispatcher.d/60-kubenode-eth1"
    assert "rule add priority 1000 from 10.60.2.77/32" in (made.files[hook].text or "")
    assert made.files[hook].mode == 0o755
    entry = node.entry()
    assert entry["dhcp4-overrides"] == {"use-dns": False}
    assert entry["networkmanager"] == {"passthrough": {"ipv4.never-default": "true"}}
    assert entry["routes"][0]["metric"] == 0
    assert made.activate[0] == ("netplan", "generate")
    assert any("netplan-eth1.nmconnection" in word for word in made.activate[1])
    assert set(node.run().files) == {OURS, hook}


@pytest.mark.parametrize(
    "left",
    [
        Rule(2, 1000, table=111, iif="eth0"),
        Rule(2, 1000, table=111, uid_range=(0, 10)),
        Rule(2, 1000, action="blackhole"),
        Rule(2, 1000, table=254, suppress_prefix_length=0),
        Rule(2, 1000, table=111, fwmark=1, fwmask=0xFF),
        Rule(2, 1000, table=111, source="10.0.0.1/32", invert=True),
        route("10.0.0.0/8", tos=8),
        route("10.0.0.0/8", next_hops=(NextHop("eth1", "10.60.2.1"), NextHop("eth1", "10.60.2.2"))),
        route("10.0.0.0/8", "fd60:2::1"),
        route("10.0.0.0/8", metrics=((7, 10),)),
        Address("eth1", 2, "10.0.0.1", 32, peer="10.0.0.2"),
        Address("eth1", 2, "10.0.0.1", 32, label="eth1:1"),
    ],
)
def test_what_netplan_cannot_say_is_left_to_others(tmp_path: pathlib.Path, left: t.Any) -> None:
    kind = type(left).__name__.lower()
    fields = {"rule": "rules", "route": "routes", "address": "addresses"}
    made = Node(tmp_path).configure(Nic("eth1", **{fields[kind]: (left,)}))
    assert made.unexpressed == ((kind, left),)
    assert made.files == {}


def test_files_shadow_each_other_by_name_and_are_merged_by_it(tmp_path: pathlib.Path) -> None:
    for path, mtu in (("/lib/netplan/20-a.yaml", 1), ("/run/netplan/20-a.yaml", 2), ("/etc/netplan/10-b.yaml", 3)):
        write_file(path, FileState(f"network: {{ethernets: {{eth1: {{mtu: {mtu}}}}}}}"), str(tmp_path))
    texts = netplan_files.read(str(tmp_path))
    assert list(texts) == ["/etc/netplan/10-b.yaml", "/run/netplan/20-a.yaml"]
    found = netplan_files.definitions(netplan_files.parse(texts))["eth1"].scalar("mtu")
    assert found is not None
    assert (found.value, found.file) == ("2", "/run/netplan/20-a.yaml")


def test_a_damaged_file_is_named(tmp_path: pathlib.Path) -> None:
    with pytest.raises(StateError, match=r"50-cloud-init\.yaml: is no YAML"):
        Node(tmp_path, **{CLOUD: "network: {ethernets"}).configure(Nic("eth1", mtu=1500))


DROPPED = netplan_render.dropped

# --- the comparison of what is rendered -------------------------------------------------------------------------------

NETWORK = "/run/systemd/network/10-netplan-eth1.network"
BASE = (
    "[Match]\nName=eth1\n\n[Network]\nAddress=10.60.2.10/24\n\n[Route]\nDestination=10.99.0.0/16\nGateway=10.60.2.1\n"
)


def test_additions_to_our_nics_are_fine_and_all_else_is_told() -> None:
    more = (
        BASE.replace("\n\n[Route]", "\nAddress=10.60.2.77/24\n\n[Route]", 1) + "\n[Route]\nDestination=10.98.0.0/16\n"
    )
    assert netplan_render.strange({NETWORK: BASE}, {NETWORK: more}, ["eth1"], []) == []
    other = NETWORK.replace("eth1", "eth0")
    assert netplan_render.strange({}, {other: "[Match]\n"}, ["eth1"], []) == [other]
    gone = BASE.replace("Gateway=10.60.2.1", "Gateway=10.60.2.2")
    (line,) = netplan_render.strange({NETWORK: BASE}, {NETWORK: gone}, ["eth1"], [])
    assert line == f"{NETWORK}: [Route] Destination=10.99.0.0/16 Gateway=10.60.2.1"


def test_values_that_are_ours_may_change_and_numbers_of_entries_do_not_count() -> None:
    before = {NETWORK: "[Link]\nMTUBytes=1500\n"}
    after = {NETWORK: "[Link]\nMTUBytes=9000\n"}
    assert netplan_render.strange(before, after, ["eth1"], ["mtubytes"]) == []
    assert netplan_render.strange(before, after, ["eth1"], []) == [f"{NETWORK}: [Link] MTUBytes=1500"]
    path = "/run/NetworkManager/system-connections/netplan-eth1.nmconnection"
    one, two = (
        "[ipv4]\nroute1=10.1.0.0/16,10.0.0.1\n",
        "[ipv4]\nroute1=10.2.0.0/16,10.0.0.1\nroute2=10.1.0.0/16,10.0.0.1\n",
    )
    assert netplan_render.strange({path: one}, {path: two}, ["eth1"], []) == []


def test_what_a_renderer_passes_over_is_told() -> None:
    rules = BASE + "\n[RoutingPolicyRule]\nFrom=10.0.0.1\n"
    entry = {"routes": [1], "routing-policy": [1, 2]}
    assert DROPPED({NETWORK: BASE}, {NETWORK: rules}, "eth1", entry) == ["routes (0 of 1)", "routing-policy (1 of 2)"]


def test_files_that_were_never_applied_are_told(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    node = Node(tmp_path, **{NETWORK: BASE})
    monkeypatch.setattr(
        netplan_render, "render", lambda texts: {NETWORK: BASE + "\n[Route]\nDestination=10.1.0.0/16\n"}
    )
    with pytest.raises(StateError, match=r"never applied.*10-netplan-eth1\.network would become different"):
        node.configure(Nic("eth1", mtu=1500, routes=(route("10.98.0.0/16"),)))


def test_entries_of_files_and_of_ours_are_compared_by_meaning() -> None:
    said = {"to": "default", "via": "10.60.2.1", "on-link": "yes", "table": "254"}
    ours = netplan_entries.route(
        route("0.0.0.0/0", next_hops=(NextHop("eth1", "10.60.2.1", on_link=True),)), networkd=True
    )
    assert netplan_entries.content("routes", said) == netplan_entries.content("routes", ours)
    rule = netplan_entries.rule(WHOLE.rules[0], networkd=True)
    foreign = {"from": "10.60.2.77", "table": "111", "priority": "1000"}
    assert netplan_entries.content("routing-policy", foreign) == netplan_entries.content("routing-policy", rule)
