# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ifupdown: a stanza of our own per NIC behind all others, a hook for leases; contradictions are told with line."""

from __future__ import annotations

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
from ansible_collections.kubenode.network.plugins.module_utils._persist import ifupdown, ifupdown_files
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

INTERFACES, OURS = "/etc/network/interfaces", "/etc/network/kubenode-network.d/eth1"
RESOLVCONF = "/etc/network/if-up.d/000resolvconf"
TEXT = """\
source /etc/network/interfaces.d/*
auto eth1
iface eth1 inet static
    address 10.60.2.10/24
    mtu 1500
    gateway 10.60.2.1
    # a comment
    up ip route add 10.99.0.0/16 \\
        via 10.60.2.1
    post-up /sbin/ip -6 route add default via fd60:2::1 || true
iface eth1 inet6 manual
"""


def route(destination: str, gateway: str = "10.60.2.1", **parts: t.Any) -> Route:
    family = 10 if ":" in destination else 2
    parts.setdefault("metric", 1024 if family == 10 else 0)
    hops = (NextHop("eth1", gateway),)
    return Route(family, parts.pop("table", 254), destination, next_hops=parts.pop("hops", hops), protocol=157, **parts)


WHOLE = Nic(
    "eth1",
    addresses=(Address("eth1", 2, "10.60.2.77", 24), Address("eth1", 10, "fd60:2::77", 64)),
    routes=(route("10.98.0.0/16"), Route(2, 111, "10.97.0.0/16", type="blackhole", protocol=157)),
    rules=(Rule(2, 1000, table=111, source="10.60.2.77/32", protocol=157), Rule(10, 1001, table=111, protocol=157)),
)


class Node:
    def __init__(self, root: pathlib.Path, text: str = TEXT, **files: str) -> None:
        self.root = str(root)
        for path, content in {INTERFACES: text, **files}.items():
            write_file(path, FileState(content), self.root)
        self.state = State(links={"eth1": Link("eth1", 3)}, managers={"eth1": "ifupdown"})
        self.nics: dict[str, Nic] = {}

    def configure(self, *wanted: Nic, on_conflict: str = "fail") -> Configuration:
        return ifupdown.configure(self.nics, {nic.name: nic for nic in wanted}, self.state, self.root, on_conflict)

    def run(self, *wanted: Nic, **options: t.Any) -> Configuration:
        made = self.configure(*wanted, **options)
        for path, file in made.files.items():
            write_file(path, file, self.root)
        self.nics = {nic.name: nic for nic in wanted}
        return made

    def stanza(self) -> list[str]:
        text = (pathlib.Path(self.root) / OURS[1:]).read_text()
        return [line.strip().replace(" || true", "") for line in text.split("\n")[1:-1]]


def test_a_nic_is_said_once_and_taken_back_whole(tmp_path: pathlib.Path) -> None:
    node = Node(tmp_path)
    made = node.run(WHOLE)
    assert set(made.files) == {OURS, INTERFACES}
    assert (made.activate, made.restore, made.unexpressed) == ((), (), ())
    # What needs an address stands behind it, and the file is read behind all others.
    assert node.stanza() == [
        "iface eth1 inet6 manual",
        "up ip address add 10.60.2.77/24 dev eth1 scope 0",
        "up ip address add fd60:2::77/64 dev eth1 scope 0",
        "up ip route add unicast 10.98.0.0/16 table 254 proto 157 scope 0 via 10.60.2.1 dev eth1",
        "up ip route add blackhole 10.97.0.0/16 table 111 proto 157 scope 0",
        "up ip rule add priority 1000 from 10.60.2.77/32 protocol 157 lookup 111",
        "up ip -6 rule add priority 1001 from ::/0 protocol 157 lookup 111",
        "down ip -6 rule delete priority 1001 from ::/0 protocol 157 lookup 111",
        "down ip rule delete priority 1000 from 10.60.2.77/32 protocol 157 lookup 111",
        "down ip route delete blackhole 10.97.0.0/16 table 111 proto 157 scope 0",
        "down ip address delete fd60:2::77/64 dev eth1",
        "down ip address delete 10.60.2.77/24 dev eth1",
    ]
    assert (tmp_path / INTERFACES[1:]).read_text().startswith(TEXT)
    assert list(ifupdown_files.read(node.root).texts)[-1] == OURS
    again = node.run(WHOLE)
    assert (again.files, again.kept) == ({}, (OURS,))
    assert INTERFACES in again.watched
    node.run()
    assert (tmp_path / INTERFACES[1:]).read_text() == TEXT
    assert not (tmp_path / OURS[1:]).exists()


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
    max_examples=max(5, settings.default.max_examples // 4),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(first=parts, second=parts)
def test_configured_twice_is_configured_once_and_nothing_leaves_nothing(
    tmp_path: pathlib.Path, first: dict[str, t.Any], second: dict[str, t.Any]
) -> None:
    shutil.rmtree(tmp_path)
    node = Node(tmp_path, **{RESOLVCONF: ""})
    for said in (first, second):
        node.run(Nic("eth1", **said))
        assert node.run(Nic("eth1", **said)).files == {}
    node.run()
    left = {"/" + str(path.relative_to(tmp_path)): path.read_text() for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {INTERFACES: TEXT, RESOLVCONF: ""}


def test_what_another_stanza_says_alike_is_not_said_again(tmp_path: pathlib.Path) -> None:
    alike = Nic(
        "eth1",
        addresses=(Address("eth1", 2, "10.60.2.10", 24),),
        routes=(route("10.99.0.0/16"), route("0.0.0.0/0"), route("::/0", "fd60:2::1")),
    )
    assert Node(tmp_path).run(alike).files == {}


@pytest.mark.parametrize(
    ("nic", "words"),
    [
        (Nic("eth1", mtu=9000), r"/etc/network/interfaces:5 says mtu 1500, wanted is mtu 9000.*on_conflict: replace"),
        (Nic("eth1", routes=(route("0.0.0.0/0", "10.60.2.2"),)), r"interfaces:6 says gateway 10\.60\.2\.1, wanted is"),
        (
            Nic("eth1", routes=(route("10.99.0.0/16", "10.60.2.2"),)),
            r"interfaces:8 says up ip route add 10\.99\.0\.0/16 .*wanted is route add unicast .*take the line out",
        ),
        (Nic("eth1", routes=(route("::/0", "fd60:2::2"),)), r"interfaces:10 says post-up"),
        (
            Nic("eth1", dhcp4=Dhcp(True)),
            r"DHCP of inet shall be on, and /etc/network/interfaces:3 says iface eth1 inet",
        ),
        (Nic("eth1", resolver=Resolver(("10.0.0.1",))), r"found is neither of them"),
        (Nic("eth1", resolver=Resolver(None, None, ("rotate",))), r"ifupdown knows servers and search domains only"),
    ],
)
def test_a_contradiction_names_file_and_line(tmp_path: pathlib.Path, nic: Nic, words: str) -> None:
    with pytest.raises(StateError, match=words):
        Node(tmp_path).configure(nic)


def test_an_mtu_is_replaced_when_asked(tmp_path: pathlib.Path) -> None:
    node = Node(tmp_path)
    node.run(Nic("eth1", mtu=9000), on_conflict="replace")
    assert "up ip link set dev eth1 mtu 9000" in node.stanza()


def test_lines_that_say_the_contrary_or_what_is_taken_away_go_when_asked(tmp_path: pathlib.Path) -> None:
    node = Node(tmp_path)
    gone = route("10.99.0.0/16")._replace(protocol=3)
    nic = Nic("eth1", routes=(route("0.0.0.0/0", "10.60.2.2"),), removed=(("route", gone),))
    with pytest.raises(StateError, match=r"(?s)es:6 says gateway.*es:8 says up ip route.*no such route"):
        node.configure(nic)
    node.run(nic, on_conflict="replace")
    text = (tmp_path / INTERFACES[1:]).read_text()
    lines = TEXT.split("\n")
    assert text.startswith("\n".join([*lines[:5], lines[6], *lines[9:]]))
    assert "10.60.2.2" in "".join(node.stanza())
    address = Nic("eth1", removed=(("address", Address("eth1", 2, "10.60.2.10", 24)),))
    with pytest.raises(StateError, match=r"interfaces:4 says address 10\.60\.2\.10/24, wanted is no such address"):
        node.configure(address, on_conflict="replace")


def test_a_route_of_another_table_or_metric_is_another_route(tmp_path: pathlib.Path) -> None:
    node = Node(tmp_path)
    made = node.run(Nic("eth1", routes=(route("0.0.0.0/0", "10.60.2.2", table=111), route("0.0.0.0/0", metric=5))))
    assert OURS in made.files


def test_an_object_without_words_is_left_to_others(tmp_path: pathlib.Path) -> None:
    strange = route("10.0.0.0/8", hops=(NextHop("eth1", "10.60.2.1", encap=((21, b"x"),)),))
    made = Node(tmp_path).configure(Nic("eth1", routes=(strange,)))
    assert made.unexpressed == (("route", strange),)
    assert made.files == {}


LEASE = 'lease {\n  interface "eth1";\n  option routers 10.60.2.1;\n}\n'


def test_what_of_a_lease_is_not_taken_stands_in_a_hook_and_the_routers_default_route_goes(
    tmp_path: pathlib.Path,
) -> None:
    node = Node(tmp_path, "iface eth1 inet dhcp\n", **{"/var/lib/dhcp/dhclient.eth1.leases": LEASE})
    leased = route("0.0.0.0/0")._replace(protocol=3)
    foreign = route("0.0.0.0/0", "10.60.2.9", metric=9)._replace(protocol=3)
    node.state = node.state._replace(routes={leased.key: (leased,), foreign.key: (foreign,)})
    made = node.run(Nic("eth1", dhcp4=Dhcp(True, True, False, False), dhcp6=Dhcp(None, dns=False)))
    text = made.files[ifupdown.HOOK].text or ""
    assert "  'eth1')\n    unset new_routers new_domain_name_servers new_domain_search new_domain_name\n" in text
    assert "    unset new_dhcp6_name_servers new_dhcp6_domain_search\n    ;;\nesac\n" in text
    assert made.drops == (leased,)
    assert node.run(Nic("eth1", dhcp4=Dhcp(True, True, False, False), dhcp6=Dhcp(None, dns=False))).files == {}
    assert node.run().files == {ifupdown.HOOK: FileState(None)}


def test_servers_of_a_nic_are_handed_to_resolvconf_beside_those_of_other_stanzas(tmp_path: pathlib.Path) -> None:
    text = "iface eth1 inet static\n  address 10.60.2.10/24\n  dns-nameservers 10.9.9.9\n"
    node = Node(tmp_path, text, **{RESOLVCONF: ""})
    made = node.run(Nic("eth1", resolver=Resolver(("10.0.0.1", "10.0.0.2"), ("example.com",))))
    assert node.stanza() == [
        "iface eth1 inet6 manual", "dns-nameservers 10.0.0.1 10.0.0.2", "dns-search example.com",
    ]  # fmt: skip
    assert made.activate == (
        (
            "env", "IFACE=eth1", "ADDRFAM=inet6", "METHOD=manual", "MODE=start",
            "IF_DNS_NAMESERVERS=10.0.0.1 10.0.0.2", "IF_DNS_SEARCH=example.com", RESOLVCONF,
        ),
    )  # fmt: skip
    assert made.restore == (("resolvconf", "-d", "eth1.inet6"),)


def test_a_stanza_of_ours_says_again_what_it_would_clear(tmp_path: pathlib.Path) -> None:
    text = "iface eth1 inet static\n  dns-nameservers 10.9.9.9\niface eth1 inet6 auto\n  dns-nameservers fd00::9\n"
    node = Node(tmp_path, text)
    node.run(Nic("eth1", routes=(route("10.98.0.0/16"),)))
    assert node.stanza()[:2] == ["iface eth1 inet manual", "dns-nameservers 10.9.9.9"]


def test_included_files_are_read_as_ifupdown_reads_them(tmp_path: pathlib.Path) -> None:
    files = {
        "/etc/network/interfaces.d/a.cfg": "iface eth1 inet static\n",
        "/etc/network/interfaces.d/b": "iface eth1 inet6 auto\n",
    }
    found = ifupdown_files.read(Node(tmp_path, **files).root)
    assert [(one.file.rpartition("/")[2], one.family, one.line) for one in found.of("eth1")] == [
        ("a.cfg", "inet", 1), ("b", "inet6", 1), ("interfaces", "inet", 3), ("interfaces", "inet6", 11),
    ]  # fmt: skip
    node = Node(tmp_path, "source-directory interfaces.d\n", **files)
    assert [one.family for one in ifupdown_files.read(node.root).of("eth1")] == ["inet6"]
