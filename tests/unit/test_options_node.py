# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Interfaces, resolver, hosts, table names, sysctls and multi_nic as users write them, and what becomes of them."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._state.model import (
    Desired,
    InterfaceSpec,
    IpSpec,
    MultiNicSpec,
    ResolverSpec,
    TableSpec,
)
from ansible_collections.kubenode.network.plugins.module_utils._state.options import desired_from_options


def interfaces(*entries: dict[str, t.Any], **params: t.Any) -> Desired:
    return desired_from_options({"interfaces": list(entries), **params}, "interfaces")


def interface(**options: t.Any) -> InterfaceSpec:
    (spec,) = interfaces({"name": "ens224", **options}).interfaces
    return spec


def resolver(**params: t.Any) -> Desired:
    return desired_from_options(params, "dns_resolver")


def node(**params: t.Any) -> Desired:
    return desired_from_options(params, "network_state")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, {}),
        ({"state": "down"}, {"state": "down"}),
        ({"type": "linux-bridge"}, {"type": "bridge"}),
        ({"type": "ethernet"}, {"type": "ethernet"}),
        ({"mtu": "9000"}, {"mtu": 9000}),
        ({"mac-address": "52-54-00-AB-CD-EF"}, {"mac_address": "52:54:00:ab:cd:ef"}),
        ({"ipv4": {"enabled": "no"}}, {"ipv4": IpSpec(False)}),
        ({"ipv4": {"dhcp": False, "addresses": []}}, {"ipv4": IpSpec(None, (), False)}),
        ({"ipv6": {"enabled": True, "autoconf": "false"}}, {"ipv6": IpSpec(True, autoconf=False)}),
        (
            {"ipv4": {"address": [
                {"ip": "10.100.0.11", "prefix-length": "24"}, {"ip": "10.100.0.10", "prefix_length": 24}]}},
            {"ipv4": IpSpec(None, (("10.100.0.10", 24), ("10.100.0.11", 24)))},
        ),
        (
            {"ipv6": {"addresses": [{"ip": "2001:DB8::00:1", "prefix_length": 64}] * 2}},
            {"ipv6": IpSpec(None, (("2001:db8::1", 64),))},
        ),
        (
            {"vlan": {"base-iface": "ens192", "id": "100"}},
            {"type": "vlan", "parent": "ens192", "data": (("id", 100), ("protocol", "802.1q"))},
        ),
        ({"vrf": {"ports": ["b", "a"], "table-id": 10}},
         {"type": "vrf", "ports": ("a", "b"), "data": (("table", 10),)}),
        ({"vrf": {"table": "blue"}}, {"type": "vrf", "data": (("table", "blue"),)}),
        (
            {"mac-vlan": {"base_iface": "ens192", "mode": "passthrough"}},
            {"type": "macvlan", "parent": "ens192", "data": (("mode", "passthru"),)},
        ),
        (
            {"bond": {"mode": 4, "port": ["b", "a"], "options": {"miimon": "100", "lacp-rate": 1, "primary": "a"}}},
            {"type": "bond", "ports": ("a", "b"),
             "data": (("lacp_rate", "fast"), ("miimon", 100), ("mode", "802.3ad"), ("primary", "a"))},
        ),
        (
            {"type": "linux-bridge", "bridge": {
                "port": [], "options": {"stp": False, "forward-delay": 15, "priority": 1}}},
            {"type": "bridge", "ports": (), "data": (("forward_delay", 1500), ("priority", 1), ("stp_state", 0))},
        ),
    ],
)  # fmt: skip
def test_an_option_of_an_interface(options: dict[str, t.Any], expected: dict[str, t.Any]) -> None:
    assert interface(**options) == InterfaceSpec(None, "interfaces[0]", "ens224")._replace(**expected)


def test_equal_entries_collapse() -> None:
    one = {"name": "ens224", "mtu": 1500}
    assert len(interfaces(one, {"name": "ens224", "mtu": "1500"}).interfaces) == 1


def test_an_interface_found_by_its_mac_address_may_have_a_long_profile_name() -> None:
    spec = interface(name="the storage network", identifier="mac-address", mac_address="52:54:00:12:34:56")
    assert (spec.name, spec.identifier, spec.mac_address) == ("the storage network", "mac-address", "52:54:00:12:34:56")


def test_an_absent_interface_warns_of_settings_that_mean_nothing() -> None:
    desired = interfaces({"name": "bond0", "type": "bond", "state": "absent", "mtu": 1500, "bond": {"mode": 1}})
    assert desired.interfaces == (InterfaceSpec(None, "interfaces[0]", "bond0", type="bond", state="absent"),)
    assert desired.warnings == ("interfaces[0]: state absent makes bond, mtu meaningless",)


@pytest.mark.parametrize("ip", ["10.100.0.0", "10.100.0.255"])
def test_the_address_of_a_network_instead_of_a_host_gets_a_warning(ip: str) -> None:
    (warning,) = interfaces({"name": "ens224", "ipv4": {"addresses": [{"ip": ip, "prefix_length": 24}]}}).warnings
    assert ip in warning
    assert interfaces({"name": "ens224", "ipv4": {"addresses": [{"ip": ip, "prefix_length": 31}]}}).warnings == ()


# --- resolver --------------------------------------------------------------------------------------------------------


def test_what_is_left_out_keeps_and_an_empty_list_clears() -> None:
    spec = resolver(servers=["10.100.0.53", "2001:DB8::53", "fe80::1%ens192"], options=[]).resolver
    assert spec == ResolverSpec(None, "resolver", ("10.100.0.53", "2001:db8::53", "fe80::1%ens192"), None, ())
    assert resolver().resolver is None
    assert resolver(servers=None, hosts=[]).resolver is None


@pytest.mark.parametrize(
    ("given", "expected", "warned"),
    [
        (["ndots:2", "rotate", "edns0"], ("ndots:2", "rotate", "edns0"), False),
        (["ndots:20"], ("ndots:20",), True),
        (["timeout:0x5"], ("timeout:5",), False),
        (["rotate", "rotate"], ("rotate",), True),
    ],
)
def test_resolver_options(given: list[str], expected: tuple[str, ...], warned: bool) -> None:
    desired = resolver(options=given)
    assert desired.resolver is not None
    assert desired.resolver.options == expected
    assert bool(desired.warnings) is warned


@pytest.mark.parametrize("name", ["example.com", "example.com.", "_tcp.example.com", "a" * 63 + ".b", "."])
def test_a_search_domain_is_taken_as_it_is(name: str) -> None:
    desired = resolver(search=[name])
    assert desired.resolver is not None
    assert desired.resolver.search == (name,)


def test_hosts_of_one_address_join() -> None:
    hosts = resolver(
        owner="storage",
        hosts=[
            {"address": "10.100.0.2", "names": ["nas.example.com", "nas"]},
            {"address": "2001:DB8::2", "names": ["nas"]},
            {"address": "10.100.0.2", "names": ["backup", "nas"]},
        ],
    )
    assert hosts.hosts is not None
    assert [(host.address, host.names) for host in hosts.hosts] == [
        ("10.100.0.2", ("nas.example.com", "nas", "backup")), ("2001:db8::2", ("nas",))
    ]  # fmt: skip
    assert hosts.prune == (("storage", "host"),)
    assert resolver(owner="storage", servers=[]).prune == ()


def test_nsswitch_takes_sources_and_actions() -> None:
    sources = ["files", "mdns4_minimal", "[NOTFOUND=return]", "resolve", "[!UNAVAIL=return]", "dns"]
    assert resolver(nsswitch_hosts=sources).nsswitch_hosts == tuple(sources)
    assert resolver().nsswitch_hosts is None


# --- what stands beside documents ------------------------------------------------------------------------------------


def test_tables_have_an_id_a_name_and_a_purpose() -> None:
    tables = node(tables=[{"id": "100", "name": "external", "purpose": "replies"}, {"id": 7, "name": "t7"}]).tables
    assert tables == (TableSpec(None, "tables[0]", 100, "external", "replies"), TableSpec(None, "tables[1]", 7, "t7"))


@pytest.mark.parametrize(
    ("given", "key"),
    [
        ("net.ipv4.ip_forward", "net.ipv4.ip_forward"),
        ("net/ipv4/ip_forward", "net.ipv4.ip_forward"),
        ("net/ipv4/conf/ens224.5/rp_filter", "net.ipv4.conf.ens224/5.rp_filter"),
        ("net.ipv4.conf.ens224/5.rp_filter", "net.ipv4.conf.ens224/5.rp_filter"),
    ],
)
def test_a_sysctl_key_may_have_slashes(given: str, key: str) -> None:
    (spec,) = node(sysctl={given: " 1\t 2 "}).sysctls
    assert (spec.key, spec.value) == (key, "1 2")


def test_multi_nic() -> None:
    entry = {
        "interface": "ens256",
        "gateway": "172.16.0.1",
        "gateway6": "fe80::1",
        "table": "external",
        "priority": "100",
    }
    assert node(multi_nic=[entry, {**entry, "forwarded": "no"}]).multi_nic == (
        MultiNicSpec(None, "multi_nic[0]", "ens256", "172.16.0.1", "fe80::1", "external", 100, False),
    )


def test_the_owner_has_what_stands_beside_the_documents() -> None:
    desired = node(owner="platform", tables=[{"id": 7, "name": "t7"}], sysctl={"net.ipv4.ip_forward": 1}, hosts=[])
    assert desired.hosts == ()
    assert {spec.owner for spec in (*desired.tables, *desired.sysctls)} == {"platform"}
    assert ("platform", "table") in desired.prune
    assert node(owner="platform", hosts=[], prune=False).prune == ()
    assert node(hosts=[]).prune == ()


def test_cluster_cidrs_are_canonical() -> None:
    assert node(desired_state={}, cluster_cidrs=["10.244.0.0/16", "fd00::/48"]).cluster_cidrs == (
        "10.244.0.0/16",
        "fd00::/48",
    )
