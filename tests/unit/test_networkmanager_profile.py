# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our part of a NIC goes into a profile of NetworkManager and out of it again, and nothing else changes."""

from __future__ import annotations

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._persist.contract import Dhcp, Nic, Resolver
from ansible_collections.kubenode.network.plugins.module_utils._persist.networkmanager_keyfile import Keyfile
from ansible_collections.kubenode.network.plugins.module_utils._persist.networkmanager_profile import Edited, edit
from ansible_collections.kubenode.network.plugins.module_utils._state.model import StateError
from hypothesis import given
from hypothesis import strategies as st

from .state_builder import address, route, rule

PROFILE = """\
# storage network
[connection]
id=stor
uuid=11111111-2222-3333-4444-555555555555
type=ethernet
interface-name=eth2

[ipv4]
# by hand
address1=10.50.2.11/24
route1=10.60.0.0/16,10.50.2.1
method=manual

[ipv6]
method=link-local
"""
PATH = "/etc/NetworkManager/system-connections/stor.nmconnection"
NOTHING = Nic("eth2")

HAND_MADE = address("10.50.2.11/24", "eth2")
OURS = Nic(
    "eth2",
    mtu=9000,
    up=True,
    addresses=(address("10.50.2.12/24", "eth2"), address("fd50:2::11/64", "eth2")),
    routes=(
        route("10.80.0.0/16", "10.50.2.1", "eth2"),
        route("10.81.0.0/16", "10.50.2.1", "eth2", table=300, source="10.50.2.12", metrics=((2, 1400),)),
        route("fd60::/48", "fd50:2::1", "eth2"),
    ),
    rules=(rule(5200, 300, source="10.50.2.12/32"), rule(5201, 300, family=10, source="fd50:2::11/128")),
    dhcp4=Dhcp(None, gateway=False, dns=False),
    resolver=Resolver(("10.50.2.53",), ("a.example",), ("ndots:2",)),
)
# Each part of it alone and several together.
PARTS = st.sets(st.sampled_from([field for field in Nic._fields if getattr(OURS, field) != getattr(NOTHING, field)]))


def part(fields: set[str]) -> Nic:
    return NOTHING._replace(**{field: getattr(OURS, field) for field in fields})


def edited(
    text: str, previous: Nic = NOTHING, wanted: Nic = NOTHING, replace: bool = False, metric: int | None = 100
) -> tuple[str, Edited]:
    document = Keyfile(text)
    result = edit(document, previous, wanted, PATH, {2: metric, 10: metric}, replace)
    return str(document), result


@given(PARTS)
def test_a_second_run_has_nothing_to_do(fields: set[str]) -> None:
    once = edited(PROFILE, NOTHING, part(fields))[0]
    assert edited(once, part(fields), part(fields))[0] == once


@given(PARTS, PARTS)
def test_letting_go_leaves_the_profile_byte_for_byte(first: set[str], second: set[str]) -> None:
    text = edited(PROFILE, NOTHING, part(first))[0]
    text = edited(text, part(first), part(second))[0]
    assert edited(text, part(second), NOTHING)[0] == PROFILE


@given(PARTS)
def test_nothing_of_the_hand_made_profile_is_lost(fields: set[str]) -> None:
    lines = edited(PROFILE, NOTHING, part(fields))[0].splitlines()
    changed = {"method=link-local"} if "addresses" in fields else set()
    assert [line for line in PROFILE.splitlines() if line not in changed and line not in lines] == []


def test_the_whole_of_it() -> None:
    text, result = edited(PROFILE, NOTHING, OURS)
    document = Keyfile(text)
    assert result == Edited((), ())
    assert document.entries("ipv4") == {
        "address1": "10.50.2.11/24", "route1": "10.60.0.0/16,10.50.2.1", "method": "manual",
        "address2": "10.50.2.12/24", "never-default": "true", "ignore-auto-dns": "true",
        "route2": "10.80.0.0/16,10.50.2.1,0",
        "route3": "10.81.0.0/16,10.50.2.1,0", "route3_options": "table=300,src=10.50.2.12,mtu=1400",
        "routing-rule1": "priority 5200 from 10.50.2.12/32 table 300", "dns": "10.50.2.53;", "dns-search": "a.example;",
        "dns-options": "ndots:2;",
    }  # fmt: skip
    assert document.entries("ipv6") == {
        "method": "manual", "address1": "fd50:2::11/64", "route1": "fd60::/48,fd50:2::1,1024",
        "routing-rule1": "priority 5201 from fd50:2::11/128 table 300",
    }  # fmt: skip
    assert document.entries("ethernet") == {"mtu": "9000"}


def test_what_is_there_is_adopted() -> None:
    there = Nic("eth2", addresses=(HAND_MADE,), routes=(route("10.60.0.0/16", "10.50.2.1", "eth2", metric=100),))
    assert edited(PROFILE, NOTHING, there)[0] == PROFILE


def test_a_route_of_another_metric_is_another_route() -> None:
    text = edited(PROFILE, NOTHING, Nic("eth2", routes=(route("10.60.0.0/16", "10.50.2.1", "eth2"),)))[0]
    assert "route2=10.60.0.0/16,10.50.2.1,0" in text
    assert "route1=10.60.0.0/16,10.50.2.1\n" in text


CONTRARY = [
    (
        Nic("eth2", routes=(route("10.60.0.0/16", "10.50.2.9", "eth2", metric=100),)),
        "",
        "route1=10.60.0.0/16,10.50.2.1",
    ),
    (Nic("eth2", routes=(route("0.0.0.0/0", "10.50.2.9", "eth2", metric=100),)), "gateway=10.50.2.1", "gateway=10.50"),
    (
        Nic("eth2", rules=(rule(5200, 301, source="10.50.2.0/24"),)),
        "routing-rule4=priority 5200 from 10.50.2.0/24 table 300",
        "routing-rule4=priority 5200 from 10.50.2.0/24 table 300",
    ),
    (Nic("eth2", removed=(("address", HAND_MADE),)), "", "address1=10.50.2.11/24"),
    (Nic("eth2", removed=(("route", route("10.60.0.0/16", "10.50.2.1", "eth2", metric=100)),)), "", "route1=10.60"),
]


@pytest.mark.parametrize(("wanted", "line", "named"), CONTRARY, ids=[named for _wanted, _line, named in CONTRARY])
def test_what_the_profile_says_to_the_contrary_is_named(wanted: Nic, line: str, named: str) -> None:
    text = PROFILE.replace("method=manual", f"method=manual\n{line}" if line else "method=manual")
    with pytest.raises(StateError) as caught:
        edited(text, NOTHING, wanted)
    assert PATH in caught.value.message
    assert named in caught.value.message
    assert "on_conflict: replace" in caught.value.message
    replaced = edited(text, NOTHING, wanted, replace=True)[0]
    assert edited(replaced, wanted, wanted)[0] == replaced
    assert named not in replaced


def test_our_own_route_takes_another_gateway_in_its_place() -> None:
    old = Nic("eth2", routes=(route("10.80.0.0/16", "10.50.2.1", "eth2"),))
    new = Nic("eth2", routes=(route("10.80.0.0/16", "10.50.2.2", "eth2"),))
    text = edited(edited(PROFILE, NOTHING, old)[0], old, new)[0]
    assert [line for line in text.splitlines() if "10.80" in line] == ["route2=10.80.0.0/16,10.50.2.2,0"]


def test_what_was_edited_by_hand_since_stays() -> None:
    ours = Nic("eth2", routes=(route("10.80.0.0/16", "10.50.2.1", "eth2"),))
    text = edited(PROFILE, NOTHING, ours)[0].replace("10.80.0.0/16,10.50.2.1,0", "10.80.0.0/16,10.50.2.7,0")
    kept, result = edited(text, ours, NOTHING)
    assert kept == text
    assert "route2" in result.warnings[0]
    with pytest.raises(StateError, match=r"10\.50\.2\.7"):
        edited(text, ours, ours)


def test_lines_are_found_where_nmcli_has_renumbered_them() -> None:
    ours = Nic("eth2", addresses=(address("10.50.2.12/24", "eth2"),))
    text = PROFILE.replace("address1=10.50.2.11/24", "address1=10.50.2.12/24\naddress2=10.50.2.11/24")
    assert "10.50.2.12" not in edited(text, ours, NOTHING)[0]
    assert "address2=10.50.2.11/24" in edited(text, ours, NOTHING)[0]


def test_the_gateway_in_the_line_of_our_address_stays() -> None:
    ours = Nic("eth2", addresses=(address("10.50.2.12/24", "eth2"),))
    text = PROFILE.replace("method=manual", "address2=10.50.2.12/24,10.50.2.1\nmethod=manual")
    assert Keyfile(edited(text, ours, NOTHING)[0]).get("ipv4", "gateway") == "10.50.2.1"


@pytest.mark.parametrize("method", ["disabled", "ignore"])
def test_routes_of_a_family_that_is_off_are_left_to_the_kernel(method: str) -> None:
    text = PROFILE.replace("method=link-local", f"method={method}")
    six = route("fd60::/48", "fe80::1", "eth2")
    same, result = edited(text, NOTHING, Nic("eth2", routes=(six,)))
    assert same == text
    assert result.unexpressed == (("route", six),)


def test_addresses_switch_a_family_on_and_off_again() -> None:
    ours = Nic("eth2", addresses=(address("fd50:2::11/64", "eth2"),))
    text = edited(PROFILE, NOTHING, ours)[0]
    assert Keyfile(text).get("ipv6", "method") == "manual"
    assert Keyfile(edited(text, ours, NOTHING)[0]).get("ipv6", "method") == "link-local"


DHCP = [
    (2, "manual", Dhcp(True), "auto"),
    (2, "auto", Dhcp(False), "manual"),
    (10, "link-local", Dhcp(True), "auto"),
    (10, "link-local", Dhcp(True, autoconf=False), "dhcp"),
    (10, "dhcp", Dhcp(False), "link-local"),
    (10, "auto", Dhcp(False, autoconf=False), "link-local"),
    (10, "auto", Dhcp(False), "auto"),
    (10, "link-local", Dhcp(False, autoconf=True), "auto"),
    (10, "auto", Dhcp(None, dns=False), "auto"),
]


@pytest.mark.parametrize(("family", "before", "dhcp", "after"), DHCP)
def test_dhcp_decides_about_the_method(family: int, before: str, dhcp: Dhcp, after: str) -> None:
    section = "ipv4" if family == 2 else "ipv6"
    start = Keyfile(PROFILE)
    start.set(section, "method", before)
    wanted = Nic("eth2", **{"dhcp4" if family == 2 else "dhcp6": dhcp})
    text = edited(str(start), NOTHING, wanted)[0]
    assert Keyfile(text).get(section, "method") == after
    assert edited(text, wanted, NOTHING)[0] == str(start)


def test_what_is_not_taken_of_a_lease() -> None:
    wanted = Nic("eth2", dhcp4=Dhcp(True, routes=False, gateway=False, dns=False))
    document = Keyfile(edited(PROFILE, NOTHING, wanted)[0])
    for key in ("ignore-auto-routes", "never-default", "ignore-auto-dns"):
        assert document.flag("ipv4", key)
    again = Keyfile(edited(str(document), wanted, Nic("eth2", dhcp4=Dhcp(True)))[0])
    assert not {"ignore-auto-routes", "never-default", "ignore-auto-dns"} & again.entries("ipv4").keys()


def test_a_gateway_by_hand_outlives_a_lease_without_gateway() -> None:
    text = PROFILE.replace("method=manual", "gateway=10.50.2.1\nmethod=manual")
    result = Keyfile(edited(text, NOTHING, Nic("eth2", dhcp4=Dhcp(True, gateway=False)))[0])
    assert result.get("ipv4", "gateway") == "10.50.2.1"
    assert result.get("ipv4", "never-default") is None


def test_routes_without_gateway_of_a_lease_are_told_of() -> None:
    result = edited(PROFILE, NOTHING, Nic("eth2", dhcp4=Dhcp(True, routes=False)))[1]
    assert "default route" in result.warnings[0]


def test_servers_for_a_family_that_is_off_are_an_error() -> None:
    text = PROFILE.replace("method=link-local", "method=disabled")
    with pytest.raises(StateError, match=r"method=disabled in \[ipv6\]"):
        edited(text, NOTHING, Nic("eth2", resolver=Resolver(("fd50:2::53",))))


def test_cleared_servers_come_back_when_let_go() -> None:
    text = PROFILE.replace("method=manual", "dns=10.0.0.1;\ndns-search=old.example;\nmethod=manual")
    cleared = Nic("eth2", resolver=Resolver((), ()))
    empty = edited(text, NOTHING, cleared)[0]
    assert Keyfile(empty).list_of("ipv4", "dns") == Keyfile(empty).list_of("ipv4", "dns-search") == ()
    assert edited(empty, cleared, NOTHING)[0] == text


def test_a_link_local_server_has_no_zone_in_its_own_profile() -> None:
    text = edited(
        PROFILE.replace("method=link-local", "method=auto"), wanted=Nic("eth2", resolver=Resolver(("fe80::1%eth2",)))
    )[0]
    assert Keyfile(text).list_of("ipv6", "dns") == ("fe80::1",)


def test_a_section_that_was_not_there_gets_its_method() -> None:
    text = PROFILE.partition("[ipv6]")[0]
    result = edited(text, NOTHING, Nic("eth2", rules=(rule(5201, 300, family=10),)))[0]
    assert Keyfile(result).get("ipv6", "method") == "auto"


def test_down_and_up() -> None:
    down = Nic("eth2", up=False)
    text = edited(PROFILE, NOTHING, down)[0]
    assert Keyfile(text).get("connection", "autoconnect") == "false"
    assert edited(text, down, Nic("eth2", up=True))[0] == PROFILE
    assert edited(text, down, NOTHING)[0] == PROFILE


def test_the_mtu_of_others_comes_back() -> None:
    text = PROFILE + "\n[802-3-ethernet]\nmtu=1400\n"
    ours = Nic("eth2", mtu=9000)
    changed = edited(text, NOTHING, ours)[0]
    assert Keyfile(changed).get("802-3-ethernet", "mtu") == "9000"
    assert edited(changed, ours, NOTHING)[0] == text


def test_servers_of_both_families() -> None:
    ours = Nic("eth2", addresses=(address("fd50:2::11/64", "eth2"),), resolver=Resolver(("fd50:2::53", "10.50.2.53")))
    text, result = edited(PROFILE, NOTHING, ours)
    assert Keyfile(text).list_of("ipv4", "dns") == ("10.50.2.53",)
    assert Keyfile(text).list_of("ipv6", "dns") == ("fd50:2::53",)
    assert "order of DNS servers" in result.warnings[0]
    assert edited(text, ours, NOTHING)[0] == PROFILE


def test_a_family_without_any_address_left_is_off_and_nothing_is_noted() -> None:
    wanted = Nic("eth2", removed=(("address", HAND_MADE),))
    text = edited(PROFILE, NOTHING, wanted, replace=True)[0]
    assert Keyfile(text).get("ipv4", "method") == "disabled"
    assert "user" not in Keyfile(text).groups
