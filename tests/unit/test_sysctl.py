# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernel settings: their names, what they mean together, and their file for the next boot."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._netlink.objects import Address, NextHop, Route
from ansible_collections.kubenode.network.plugins.module_utils._state import sysctl
from ansible_collections.kubenode.network.plugins.module_utils._state.model import State, StateError, SysctlSpec
from hypothesis import given
from hypothesis import strategies as st


def spec(key: str, value: str = "1", origin: str = "sysctl[0]") -> SysctlSpec:
    return SysctlSpec("site", origin, key, value)


@pytest.mark.parametrize(
    ("given_key", "key", "path"),
    [
        ("net.ipv4.ip_forward", "net.ipv4.ip_forward", "net/ipv4/ip_forward"),
        ("net/ipv4/ip_forward", "net.ipv4.ip_forward", "net/ipv4/ip_forward"),
        ("net.ipv4.conf.ens224.rp_filter", "net.ipv4.conf.ens224.rp_filter", "net/ipv4/conf/ens224/rp_filter"),
        (
            "net.ipv4.conf.ens224/100.rp_filter",
            "net.ipv4.conf.ens224/100.rp_filter",
            "net/ipv4/conf/ens224.100/rp_filter",
        ),
        (
            "net.ipv4.conf.ens224.100.rp_filter",
            "net.ipv4.conf.ens224/100.rp_filter",
            "net/ipv4/conf/ens224.100/rp_filter",
        ),
        (
            "net/ipv4/conf/ens224.100/rp_filter",
            "net.ipv4.conf.ens224/100.rp_filter",
            "net/ipv4/conf/ens224.100/rp_filter",
        ),
        (
            "net.ipv6.neigh.ens224/100.gc_stale_time",
            "net.ipv6.neigh.ens224/100.gc_stale_time",
            "net/ipv6/neigh/ens224.100/gc_stale_time",
        ),
        ("net.netfilter.nf_conntrack_max", "net.netfilter.nf_conntrack_max", "net/netfilter/nf_conntrack_max"),
    ],
)
def test_keys_come_in_one_form(given_key: str, key: str, path: str) -> None:
    assert sysctl.dotted(given_key, "sysctl[0]") == key
    assert sysctl.path_of(key, "/") == f"/proc/sys/{path}"
    assert sysctl.interface_of(key) == (path.split("/")[3] if "conf" in path or "neigh" in path else None)


@pytest.mark.parametrize(
    "key",
    [
        "kernel.panic", "vm.swappiness", "net.ipv4", "net.ipv4.", "net.unix.max_dgram_qlen", "net.ipv4..x", "/",
        "net.ipv4.a b",
        "net.ipv4.conf.a=b.rp_filter", "net/ipv4/../../kernel/panic", "net.ipv4.//.//.kernel.panic", "net.ipv4.x#", "",
    ],
)  # fmt: skip
def test_keys_that_are_not_the_networks_are_refused(key: str) -> None:
    with pytest.raises(StateError, match=r"sysctl\[0\]: sysctl .*expected a key below net\.ipv4\."):
        sysctl.dotted(key, "sysctl[0]")


@pytest.mark.parametrize("value", ["", "  ", "1\x07"])
def test_values_that_are_no_line_are_refused(value: str) -> None:
    with pytest.raises(StateError, match="expected numbers or words"):
        sysctl.normalised([spec("net.core.somaxconn", value)])


def test_tabs_are_blanks() -> None:
    (only,) = sysctl.normalised([spec("net.ipv4.ip_local_port_range", " 32768\t60999 ")])
    assert only.value == "32768 60999"


def test_contradictions_name_both_sides() -> None:
    with pytest.raises(StateError, match=r"sysctl\[0\] wants .* = 1, sysctl\[1\] wants .* = 2"):
        sysctl.normalised([spec("net.ipv4.conf.a.rp_filter"), spec("net/ipv4/conf/a/rp_filter", "2", "sysctl[1]")])
    with pytest.raises(StateError, match=r"net\.ipv4\.ip_forward = 1.*net\.ipv4\.conf\.all\.forwarding = 0"):
        sysctl.normalised([spec("net.ipv4.ip_forward"), spec("net.ipv4.conf.all.forwarding", "0", "sysctl[1]")])


def test_what_sets_the_settings_of_others_is_written_before_them() -> None:
    keys = [
        "net.ipv4.conf.ens224.forwarding", "net.ipv4.conf.all.rp_filter", "net.ipv6.conf.all.forwarding",
        "net.ipv4.ip_forward", "net.ipv6.conf.ens192.accept_ra", "net.ipv4.conf.default.rp_filter",
    ]  # fmt: skip
    ordered = [one.key for one in sysctl.normalised([spec(key) for key in keys])]
    assert ordered[0] == "net.ipv6.conf.ens192.accept_ra"
    assert set(ordered[1:3]) == {"net.ipv6.conf.all.forwarding", "net.ipv4.ip_forward"}
    assert ordered[3:] == [
        "net.ipv4.conf.all.rp_filter",
        "net.ipv4.conf.default.rp_filter",
        "net.ipv4.conf.ens224.forwarding",
    ]


def test_the_file_has_owners_on_lines_of_their_own() -> None:
    text = sysctl.render(
        [
            ("net.ipv4.conf.ens224/100.rp_filter", "2", ["site"]),
            ("net.ipv4.ip_forward", "1", ["site", "lab"]),
            ("net.core.somaxconn", "1024", []),
            ("net.ipv4.conf.ens192.rp_filter", "2", ["site"]),
        ]
    )
    assert text == (
        "# Written by kubenode.network: kernel settings and their owners.\n"
        "# lab, site\nnet.ipv4.ip_forward = 1\n"
        "#\nnet.core.somaxconn = 1024\n"
        "# site\nnet.ipv4.conf.ens192.rp_filter = 2\nnet.ipv4.conf.ens224/100.rp_filter = 2\n"
    )
    assert sysctl.parse(text)["net.ipv4.conf.ens224/100.rp_filter"] == "2"
    assert sysctl.render([]) is None


KEY = st.builds(
    "net.{}.conf.{}.{}".format,
    st.sampled_from(["ipv4", "ipv6"]),
    st.sampled_from(["all", "ens224", "ens224/100"]),
    st.sampled_from(["rp_filter", "forwarding"]),
)
VALUE = st.from_regex(r"[a-z0-9]+( [a-z0-9]+)?", fullmatch=True)


@given(st.dictionaries(KEY, st.tuples(VALUE, st.sets(st.sampled_from(["site", "lab"])))))
def test_what_is_written_is_read_back(entries: dict[str, tuple[str, set[str]]]) -> None:
    text = sysctl.render((key, value, owners) for key, (value, owners) in entries.items()) or ""
    assert sysctl.parse(text) == {key: value for key, (value, _owners) in entries.items()}


def test_a_file_that_is_read_later_at_boot_is_told(tmp_path: pathlib.Path) -> None:
    for path in (
        "etc/sysctl.d/10-a.conf",
        "usr/lib/sysctl.d/99-b.conf",
        "etc/sysctl.d/95-c.conf",
        "run/sysctl.d/95-c.conf",
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("")
    assert sysctl.later_files(str(tmp_path)) == (
        "/etc/sysctl.d/95-c.conf",
        "/usr/lib/sysctl.d/99-b.conf",
        "/etc/sysctl.conf",
    )
    later = {"/etc/sysctl.conf": "# x\n-net/ipv4/ip_forward=0\nnet.ipv4.conf.all.rp_filter = 2\n; y\nnonsense\n"}
    ours = {"net.ipv4.ip_forward": "1", "net.ipv4.conf.all.rp_filter": "2"}
    assert list(sysctl.overridden(ours, later)) == [
        "/etc/sysctl.conf sets net.ipv4.ip_forward = 0 at the next boot, after our 1: take that line away"
    ]


def node(**sysctls: str) -> State:
    addresses = [Address(name, 2, f"10.{number}.0.11", 24) for number, name in enumerate(["ens192", "ens224"])]
    keys = {key.replace("__", "."): value for key, value in sysctls.items()}
    return State(addresses={address.key: address for address in addresses}, sysctls=keys)


RP = "net.ipv4.conf.%s.rp_filter"


@pytest.mark.parametrize(
    ("values", "found", "words"),
    [
        ({"ens224": "0"}, {"all": "1"}, ["rp_filter 0 of ens224 has no effect", "strict"]),
        ({"ens224": "2"}, {"all": "1"}, []),
        ({"ens224": "1"}, {"all": "2"}, ["rp_filter 1 of ens224 has no effect"]),
        ({"ens224": "0"}, {"all": "0"}, []),
        ({"ens224": "1"}, {"all": "0"}, ["strict (1) on ens224"]),
        ({"ens224": "0", "all": "0"}, {"all": "1"}, []),
        ({"all": "1"}, {"all": "0", "ens192": "0", "ens224": "2"}, ["strict (1) on ens192 of"]),
        ({"ens224/100": "1"}, {}, ["strict (1) on ens224.100"]),
    ],
)  # fmt: skip
def test_reverse_path_filters_are_judged_by_the_larger_of_two(
    values: dict[str, str], found: dict[str, str], words: list[str]
) -> None:
    state = State(addresses=node().addresses, sysctls={RP % name: value for name, value in found.items()})
    warnings = sysctl.check({RP % name: value for name, value in values.items()}, state)
    assert len(warnings) == len(words)
    for warning, word in zip(warnings, words):
        assert word in warning


def test_a_strict_filter_on_a_multi_nic_interface_is_told_without_being_listed() -> None:
    state = State(sysctls={RP % "all": "0", RP % "ens224": "1"})
    (warning,) = sysctl.check({}, state, ["ens224"])
    assert "strict (1) on ens224" in warning
    assert sysctl.check({}, State(sysctls={RP % "all": "2", RP % "ens224": "1"}), ["ens224"]) == []


def default_route(protocol: int, interface: str = "ens192") -> State:
    route = Route(10, 254, "::/0", 1024, (NextHop(interface, "fe80::1"),), protocol=protocol)
    return State(routes={route.key: (route,)})


FORWARDING = "net.ipv6.conf.all.forwarding"
ACCEPT = "net.ipv6.conf.ens192.accept_ra"


@pytest.mark.parametrize("key", [FORWARDING, "net.ipv6.conf.ens192.forwarding"])
def test_ipv6_forwarding_that_takes_away_an_advertised_default_route_is_refused(key: str) -> None:
    state = default_route(9)._replace(sysctls={ACCEPT: "1"})
    with pytest.raises(
        StateError,
        match=r"would remove the IPv6 default route that ens192 has.*Set net\.ipv6\.conf\.ens192\.accept_ra = 2",
    ):
        sysctl.check({key: "1"}, state)
    with pytest.raises(StateError, match="accept_ra"):
        sysctl.check({key: "1", ACCEPT: "1"}, state)


@pytest.mark.parametrize(
    ("values", "state"),
    [
        ({FORWARDING: "1", ACCEPT: "2"}, default_route(9)._replace(sysctls={ACCEPT: "1"})),
        ({FORWARDING: "1"}, default_route(9)._replace(sysctls={ACCEPT: "2"})),
        ({FORWARDING: "1"}, default_route(9)._replace(sysctls={ACCEPT: "0"})),
        ({FORWARDING: "0"}, default_route(9)._replace(sysctls={ACCEPT: "1"})),
        ({FORWARDING: "1"}, default_route(4)._replace(sysctls={ACCEPT: "1"})),
        ({"net.ipv6.conf.ens224.forwarding": "1"}, default_route(9)._replace(sysctls={ACCEPT: "1"})),
        ({"net.ipv4.ip_forward": "1"}, default_route(9)),
    ],
)
def test_ipv6_forwarding_that_loses_nothing_passes(values: dict[str, str], state: State) -> None:
    assert sysctl.check(values, state) == []


@pytest.mark.parametrize("key", [ACCEPT, "net.ipv6.conf.ens192.accept_ra_defrtr"])
def test_an_advertised_default_route_is_not_left_to_expire(key: str) -> None:
    advertised = default_route(9)._replace(sysctls={key: "1"})
    with pytest.raises(StateError, match="would let the IPv6 default route expire that ens192 has"):
        sysctl.check({key: "0"}, advertised)
    with pytest.raises(StateError, match="expire"):
        sysctl.check({key: "0", FORWARDING: "1"}, advertised)
    for values, state in (
        ({key: "2"}, advertised),
        ({key: "0"}, advertised._replace(sysctls={key: "0"})),
        ({key: "0"}, default_route(4)._replace(sysctls={key: "1"})),
        ({key: "0"}, default_route(9, "ens224")._replace(sysctls={key: "1"})),
    ):
        assert sysctl.check(values, state) == []


def test_disabling_ipv6_under_addresses_or_routes_is_refused() -> None:
    key = "net.ipv6.conf.ens192.disable_ipv6"
    with pytest.raises(StateError, match=r"makes the kernel drop .* route ::/0"):
        sysctl.check({key: "1"}, default_route(4)._replace(sysctls={key: "0"}))
    address = Address("ens192", 10, "fd00::b", 64)
    state = State(addresses={address.key: address}, sysctls={key: "0"})
    with pytest.raises(StateError, match="fd00::b on ens192"):
        sysctl.check({key: "1"}, state)
    assert sysctl.check({key: "1"}, state._replace(sysctls={key: "1"})) == []
    assert sysctl.check({key: "1"}, default_route(4, "ens224")._replace(sysctls={key: "0"})) == []
    link_local = Address("ens192", 10, "fe80::1", 64, scope=253)
    assert sysctl.check({key: "1"}, State(addresses={link_local.key: link_local}, sysctls={key: "0"})) == []


@pytest.mark.parametrize(
    ("keys", "multi_nic", "more"),
    [
        (["net.core.somaxconn"], [], []),
        ([RP % "ens224"], [], [RP % "all"]),
        ([RP % "all"], [], [RP % "ens192", RP % "ens224/100"]),
        ([], ["ens224.100"], [RP % "all", RP % "ens224/100"]),
        ([FORWARDING], [], [ACCEPT, "net.ipv6.conf.ens224/100.accept_ra", "net.ipv6.conf.lo.accept_ra"]),
    ],
)
def test_what_has_to_be_read_for_the_judgement_is_named(keys: list[str], multi_nic: list[str], more: list[str]) -> None:
    needed = sysctl.needed([spec(key) for key in keys], ["lo", "ens192", "ens224.100"], multi_nic)
    assert set(needed) == {*keys, *more}


def tree(root: pathlib.Path, **values: t.Any) -> str:
    for key, value in values.items():
        path = root / "proc/sys/net/ipv4" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(value)
    return str(root)


def test_values_are_read_and_written_below_proc_sys(tmp_path: pathlib.Path) -> None:
    root = tree(tmp_path, ip_local_port_range="32768\t60999\n")
    key = "net.ipv4.ip_local_port_range"
    assert sysctl.read(key, root) == "32768 60999"
    assert sysctl.read("net.ipv4.conf.gone0.rp_filter", root) is None
    sysctl.write(key, "1024 2048", root)
    assert sysctl.read(key, root) == "1024 2048"
    with pytest.raises(StateError, match=r"net\.ipv4\.conf\.gone0\.rp_filter is not there"):
        sysctl.write("net.ipv4.conf.gone0.rp_filter", "1", root)
