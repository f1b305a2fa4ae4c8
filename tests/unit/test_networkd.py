# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""systemd-networkd's files say what is wanted, a second look finds nothing to do, and others' lines stay."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._netlink.objects import Address, NextHop, Route, Rule
from ansible_collections.kubenode.network.plugins.module_utils._persist import networkd
from ansible_collections.kubenode.network.plugins.module_utils._persist.contract import (
    Configuration,
    Dhcp,
    Nic,
    Resolver,
)
from ansible_collections.kubenode.network.plugins.module_utils._persist.networkd_files import expressible, ours, said
from ansible_collections.kubenode.network.plugins.module_utils._state.files import read_file, write_file
from ansible_collections.kubenode.network.plugins.module_utils._state.model import State, StateError
from ansible_collections.kubenode.network.tests.unit.state_builder import address, link, route, rule, state
from hypothesis import given
from hypothesis import strategies as st

BASE = "/etc/systemd/network/10-ens224.network"
DROP_IN = f"{BASE}.d/90-kubenode.conf"
PLAIN = "# by hand\n[Match]\nName=ens224\n\n[Network]\nAddress=10.100.0.10/24\n"
NODE = state([link("ens192", 2), link("ens224", 3)])
DATA = route("10.200.0.0/16", "10.100.0.1", "ens224", metric=100, protocol=157)
TABLE = route("0.0.0.0/0", "10.100.0.1", "ens224", table=100, protocol=157)
LOOKUP = rule(100, 100, source="10.100.0.0/24", protocol=157)
NIC = Nic("ens224", mtu=1450, addresses=(address("10.100.0.11/24", "ens224"),), routes=(DATA, TABLE), rules=(LOOKUP,))


@pytest.fixture
def root(tmp_path: pathlib.Path) -> str:
    for index, path in ((2, "/etc/systemd/network/10-ens192.network"), (3, BASE)):
        put(tmp_path, f"run/systemd/netif/links/{index}", f"ADMIN_STATE=configured\nNETWORK_FILE={path}\n")
    put(tmp_path, BASE, PLAIN)
    return str(tmp_path)


def put(root: str | pathlib.Path, path: str, text: str) -> None:
    full = pathlib.Path(root, path.lstrip("/"))
    full.parent.mkdir(parents=True, exist_ok=True)
    full.write_text(text)


def configured(root: str, nic: Nic, before: Nic | None = None, node: State = NODE, **more: t.Any) -> Configuration:
    """Configure, write what was answered, and find nothing to do the second time."""
    previous = {} if before is None else {before.name: before}
    found = networkd.configure(previous, {nic.name: nic}, node, root, **more)
    for path, file in found.files.items():
        write_file(path, file, root)
    again = networkd.configure({nic.name: nic}, {nic.name: nic}, node, root, **more)
    assert again.files == {}
    assert not again.activate
    return found


def text(root: str, path: str) -> str:
    return read_file(path, root).text or ""


def test_a_nic_gets_a_drop_in_beside_its_file_which_stays_as_it_is(root: str) -> None:
    found = configured(root, NIC)
    assert set(found.files) == {DROP_IN, networkd.NODE_PATH}
    assert text(root, BASE) == PLAIN
    assert text(root, DROP_IN).startswith("# kubenode.network: ens224\n")
    assert "[Link]\nMTUBytes=1450\n" in text(root, DROP_IN)
    assert "[Route]\nDestination=10.200.0.0/16\nGateway=10.100.0.1\nMetric=100\nProtocol=157\n" in text(root, DROP_IN)
    assert "[RoutingPolicyRule]\nPriority=100\nFrom=10.100.0.0/24\nTable=100\n" in text(root, DROP_IN)
    assert found.rule_protocol == 4


def test_with_the_last_of_it_our_files_and_folders_go(root: str) -> None:
    configured(root, NIC)
    gone = networkd.configure({"ens224": NIC}, {}, NODE, root)
    assert {path: file.text for path, file in gone.files.items()} == {DROP_IN: None, networkd.NODE_PATH: None}
    for path, file in gone.files.items():
        write_file(path, file, root)
    assert not pathlib.Path(root, f"{BASE}.d"[1:]).exists()
    assert text(root, BASE) == PLAIN


def test_what_the_file_says_already_is_not_said_twice(root: str) -> None:
    put(root, BASE, PLAIN + "\n[Route]\nDestination=10.200.0.0/16\nGateway=10.100.0.1\nMetric=100\n")
    configured(root, NIC._replace(addresses=(address("10.100.0.10/24", "ens224"),)))
    assert "10.200.0.0/16" not in text(root, DROP_IN)
    assert "[Address]" not in text(root, DROP_IN)


@pytest.mark.parametrize(
    ("lines", "where"),
    [
        (
            "[Route]\nDestination=10.200.0.0/16\nGateway=10.100.0.7\nMetric=100\n",
            r"10-ens224\.network, line 8, \[Route\]",
        ),
        ("[RoutingPolicyRule]\nFrom=10.100.0.0/24\nPriority=100\nTable=200\n", r"\[RoutingPolicyRule\]"),
        ("[Address]\nAddress=10.100.0.11/16\n", r"\[Address\] Address"),
    ],
)
def test_what_a_file_of_others_says_to_the_contrary_is_an_error_that_names_it(
    root: str, lines: str, where: str
) -> None:
    put(root, BASE, PLAIN + "\n" + lines)
    with pytest.raises(StateError, match=where):
        networkd.configure({}, {"ens224": NIC}, NODE, root)
    assert text(root, BASE) == PLAIN + "\n" + lines
    configured(root, NIC, on_conflict="replace")
    assert text(root, BASE) == PLAIN


def test_what_is_taken_away_but_stands_in_a_file_of_others_would_come_back(root: str) -> None:
    put(root, BASE, PLAIN + "Gateway=10.100.0.1\n\n[Route]\nDestination=10.9.0.0/16\nGateway=10.100.0.7\n")
    going = Nic("ens224", removed=(("route", route("10.9.0.0/16", "10.100.0.7", "ens224", protocol=4)),))
    with pytest.raises(StateError, match=r"line 9.*removal of route 10\.9\.0\.0/16"):
        networkd.configure({}, {"ens224": going}, NODE, root)
    configured(root, going, on_conflict="replace")
    assert text(root, BASE) == PLAIN + "Gateway=10.100.0.1\n"


def test_a_file_that_is_not_the_administrators_is_not_edited(root: str) -> None:
    where = "/run/systemd/network/10-ens224.network"
    put(root, where, PLAIN + "\n[Address]\nAddress=10.100.0.11/16\n")
    put(root, "run/systemd/netif/links/3", f"ADMIN_STATE=configured\nNETWORK_FILE={where}\n")
    with pytest.raises(StateError, match=r"make a copy of it below /etc/systemd/network"):
        networkd.configure({}, {"ens224": NIC}, NODE, root, on_conflict="replace")


@pytest.mark.parametrize("match", ["Name=ens*", "Name=ens224 ens192", "Driver=virtio_net"])
def test_a_file_of_several_nics_is_copied_for_the_one(root: str, match: str) -> None:
    put(root, BASE, PLAIN.replace("Name=ens224", match))
    configured(root, NIC)
    ours_path = "/etc/systemd/network/05-kubenode-ens224.network"
    copy = text(root, ours_path)
    assert "[Match]\nName=ens224\n" in copy
    assert match not in copy
    assert "Address=10.100.0.10/24" in copy
    # networkd says so once it took it up; what was copied is still known.
    put(root, "run/systemd/netif/links/3", f"ADMIN_STATE=configured\nNETWORK_FILE={ours_path}\n")
    assert networkd.configure({"ens224": NIC}, {"ens224": NIC}, NODE, root).files == {}
    gone = networkd.configure({"ens224": NIC}, {}, NODE, root)
    assert gone.files[ours_path].text is None


def test_a_drop_in_that_is_read_later_has_the_last_word(root: str) -> None:
    put(root, f"{BASE}.d/99-mtu.conf", "[Link]\nMTUBytes=9000\n")
    with pytest.raises(StateError, match=r"99-mtu\.conf: \[Link\] MTUBytes=9000"):
        networkd.configure({}, {"ens224": NIC}, NODE, root)


def test_a_lease_without_its_routes_gateway_and_servers(root: str) -> None:
    dhcp = Dhcp(True, routes=False, gateway=False, dns=False)
    configured(root, Nic("ens224", dhcp4=dhcp, dhcp6=Dhcp(False, dns=False, autoconf=True)))
    found = text(root, DROP_IN)
    assert "[DHCPv4]\nUseRoutes=no\nUseGateway=no\nUseDNS=no\n" in found
    assert "DHCP=ipv4\nIPv6AcceptRA=yes\n" in found
    assert "[IPv6AcceptRA]\nDHCPv6Client=no\nUseAutonomousPrefix=yes\nUseDNS=no\n" in found


def test_the_family_that_is_not_declared_keeps_its_lease(root: str) -> None:
    put(root, BASE, PLAIN + "DHCP=yes\n")
    configured(root, Nic("ens224", dhcp4=Dhcp(False)))
    assert "DHCP=ipv6\n" in text(root, DROP_IN)


def test_a_gateway_is_kept_where_only_the_routes_are_not_taken(root: str) -> None:
    configured(root, Nic("ens224", dhcp4=Dhcp(True, routes=False)))
    assert "UseRoutes=no\nUseGateway=yes\n" in text(root, DROP_IN)


def test_servers_of_a_nic_take_the_place_of_others_and_options_are_refused(root: str) -> None:
    put(root, BASE, PLAIN + "DNS=9.9.9.9\n")
    configured(root, Nic("ens224", resolver=Resolver(("10.100.0.53",), ())))
    assert "DNS=\nDNS=10.100.0.53\nDomains=\n" in text(root, DROP_IN)
    with pytest.raises(StateError, match="options of the resolver"):
        networkd.configure({}, {"ens224": Nic("ens224", resolver=Resolver(options=("rotate",)))}, NODE, root)


def test_an_address_that_stands_is_described_as_it_stands(root: str) -> None:
    # Another broadcast address than the kernel's lets networkd 252 ask for it thousands of times a second.
    for broadcast, line in (("10.100.0.255", ""), (None, "Broadcast=no\n"), ("10.100.0.0", "Broadcast=10.100.0.0\n")):
        held = address("10.100.0.11/24", "ens224", broadcast=broadcast)
        configured(root, NIC, node=NODE._replace(addresses={held.key: held}))
        assert f"Address=10.100.0.11/24\n{line}\n" in text(root, DROP_IN)
    configured(root, NIC)
    assert "Address=10.100.0.11/24\n\n" in text(root, DROP_IN)


@pytest.mark.parametrize(
    ("own", "option", "written", "warned"),
    [
        ("", "auto", True, False),
        ("[Network]\nManageForeignRoutes=no\n", "auto", False, False),
        ("[Network]\nManageForeignRoutingPolicyRules=yes\n", "auto", False, True),
        ("[Network]\nManageForeignRoutingPolicyRules=yes\n", "yes", True, False),
        ("", "no", False, False),
    ],
)
def test_what_is_others_stays_unless_the_node_says_otherwise(
    root: str, own: str, option: str, written: bool, warned: bool
) -> None:
    put(root, "etc/systemd/networkd.conf", own)
    found = configured(root, NIC, keep_foreign=option)
    assert (networkd.NODE_PATH in found.files, bool(found.warnings)) == (written, warned)


def test_what_it_cannot_say_is_handed_back(root: str) -> None:
    shared = route(
        "10.8.0.0/16", None, "ens224", next_hops=(NextHop("ens224", "10.100.0.1"), NextHop("ens224", "10.100.0.2"))
    )
    uid = rule(90, 100, uid_range=(1000, 1999), protocol=157)
    by_hand = rule(91, 100, source="10.0.0.0/8", protocol=3)
    found = configured(root, NIC._replace(routes=(DATA, shared), rules=(uid, by_hand)))
    assert set(found.unexpressed) == {("route", shared), ("rule", uid), ("rule", by_hand)}
    assert "RoutingPolicyRule" not in text(root, DROP_IN)


def test_a_nic_that_networkd_lost_leaves_no_lease(root: str) -> None:
    leased = address("10.100.0.99/24", "ens224", flags=0)
    way = route("10.66.0.0/16", "10.100.0.1", "ens224", protocol=16)
    node = NODE._replace(addresses={leased.key: leased}, routes={way.key: (way,)})
    before = Nic("ens224", dhcp4=Dhcp(True))
    configured(root, before, node=node)
    assert set(networkd.configure({"ens224": before}, {}, node, root).stale) == {("address", leased), ("route", way)}
    put(root, BASE, PLAIN + "DHCP=ipv4\n")
    assert networkd.configure({"ens224": before}, {}, node, root).stale == ()


# --- properties ------------------------------------------------------------------------------------------------------

_V4 = st.sampled_from(["10.0.0.0/8", "10.200.0.0/16", "192.0.2.7/32", "0.0.0.0/0"])
_V6 = st.sampled_from(["2001:db8::/32", "2001:db8:1::1/128", "::/0"])
_TABLES = st.sampled_from([254, 100, 4000000000])


@st.composite
def routes(draw: st.DrawFn) -> Route:
    six = draw(st.booleans())
    kind = draw(st.sampled_from(["unicast", "unicast", "blackhole", "unreachable", "prohibit"]))
    gateway = draw(st.sampled_from([None, "2001:db8::1" if six else "10.100.0.1"]))
    hops = (NextHop("ens224", gateway, on_link=bool(gateway) and draw(st.booleans())),) if kind == "unicast" else ()
    return Route(
        10 if six else 2, draw(_TABLES), draw(_V6 if six else _V4), draw(st.integers(1, 2**32 - 1)), hops, kind,
        protocol=157, scope=0 if six or gateway or kind != "unicast" else 253,
        source=draw(st.sampled_from([None, "2001:db8::9" if six else "10.100.0.10"])),
        metrics=draw(st.sampled_from([(), ((2, 1400),)])),
    )  # fmt: skip


@st.composite
def rules(draw: st.DrawFn) -> Rule:
    six = draw(st.booleans())
    prefixes = st.none() | (_V6 if six else _V4)
    action = draw(st.sampled_from(["lookup", "blackhole", "unreachable", "prohibit"]))
    mark = draw(st.sampled_from([(0, 0), (16, 0xFF), (1, 0xFFFFFFFF)]))
    return Rule(
        10 if six else 2, draw(st.integers(1, 32765)), action, draw(_TABLES) if action == "lookup" else 0,
        draw(prefixes), draw(prefixes), draw(st.sampled_from([0, 16])), *mark,
        draw(st.sampled_from([None, "lo"])),
        draw(st.sampled_from([None, "ens224"])), draw(st.sampled_from([0, 6, 17])),
        draw(st.sampled_from([None, (53, 53), (1024, 2048)])), invert=draw(st.booleans()), protocol=157,
        suppress_prefix_length=draw(st.sampled_from([None, 0, 8])) if action == "lookup" else None,
    )  # fmt: skip


_ADDRESSES = st.sampled_from(["10.100.0.10/24", "172.16.0.1/32", "2001:db8::10/64"]).map(
    lambda one: address(one, "ens224")
)


@given(st.lists(_ADDRESSES, max_size=2, unique=True), st.lists(routes(), max_size=3), st.lists(rules(), max_size=3))
def test_what_is_written_says_what_is_wanted(some: list[Address], ways: list[Route], looks: list[Rule]) -> None:
    for kind, found in (("address", some), ("route", ways), ("rule", looks)):
        assert all(expressible(kind, value) for value in t.cast("list[t.Any]", found))
    nic = Nic("ens224", addresses=tuple(some), routes=tuple(ways), rules=tuple(looks))
    read = [one.value for one in said(ours(nic, ()), "x.network", "ens224")]
    wanted = [
        *(one._replace(flags=0) for one in some),
        *(one._replace(protocol=0, scope=0) for one in ways),
        *(one._replace(protocol=0) for one in looks),
    ]
    assert read == wanted
