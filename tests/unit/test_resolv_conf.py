# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""resolv.conf is changed by meaning, and what nobody asked to change stays byte for byte."""

from __future__ import annotations

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._resolver import resolv_conf
from ansible_collections.kubenode.network.plugins.module_utils._resolver.resolv_conf import ResolvConf, edit, parse
from ansible_collections.kubenode.network.plugins.module_utils._state.model import ResolverSpec
from hypothesis import given
from hypothesis import strategies as st

TEXT = """\
# By hand; ask Jo.
domain old.example.com
search example.com storage.example.com

nameserver 10.100.0.53  # rack 1
  nameserver 9.9.9.9
nameserver 2001:DB8::53
options ndots:2 rotate
sortlist 10.0.0.0/8
options timeout:1
"""


def spec(**parts: tuple[str, ...] | None) -> ResolverSpec:
    return ResolverSpec(None, "resolver", **parts)


def test_what_a_resolver_reads_is_read() -> None:
    assert parse(TEXT) == ResolvConf(
        ("10.100.0.53", "2001:db8::53"), ("example.com", "storage.example.com"), ("ndots:2", "rotate", "timeout:1")
    )


def test_the_last_search_or_domain_line_and_the_last_number_count() -> None:
    text = "search a.example b.example\ndomain c.example d.example\noptions ndots:2\noptions ndots:5\n"
    assert parse(text) == ResolvConf((), ("c.example",), ("ndots:5",))


@pytest.mark.parametrize(
    "same",
    [
        {},
        {"servers": ("10.100.0.53", "2001:db8::53")},
        {"search": ("example.com", "storage.example.com")},
        {"search": ("Example.com", "storage.example.COM")},
        {"options": ("timeout:1", "rotate", "ndots:2")},
    ],
)
def test_saying_what_stands_changes_nothing(same: dict[str, tuple[str, ...]]) -> None:
    assert edit(TEXT, spec(**same)) == TEXT


def test_servers_keep_their_order_and_a_line_that_stays_keeps_what_is_on_it() -> None:
    edited = edit(TEXT, spec(servers=("10.100.0.54", "10.100.0.53", "fd00::53")))
    assert edited == TEXT.replace(
        "nameserver 10.100.0.53  # rack 1\n  nameserver 9.9.9.9\nnameserver 2001:DB8::53\n",
        "nameserver 10.100.0.54\n  nameserver 9.9.9.9\nnameserver 10.100.0.53  # rack 1\nnameserver fd00::53\n",
    )


def test_a_new_search_list_takes_the_place_of_all_search_and_domain_lines() -> None:
    edited = edit(TEXT, spec(search=("internal.example.com",)))
    assert edited == TEXT.replace("domain old.example.com\n", "").replace(
        "search example.com storage.example.com", "search internal.example.com"
    )


def test_new_options_take_the_place_of_all_options_lines() -> None:
    edited = edit(TEXT, spec(options=("edns0",)))
    assert edited == TEXT.replace("options ndots:2 rotate", "options edns0").replace("options timeout:1\n", "")


def test_empty_lists_clear_and_comments_stay() -> None:
    edited = edit(TEXT, spec(servers=(), search=(), options=()))
    assert edited == "# By hand; ask Jo.\n\n  nameserver 9.9.9.9\nsortlist 10.0.0.0/8\n"
    assert parse(edited) == ResolvConf()


def test_a_file_that_is_not_there_is_written_whole() -> None:
    edited = edit("", spec(servers=("10.100.0.53",), search=("example.com",), options=("ndots:2",)))
    assert edited == "search example.com\nnameserver 10.100.0.53\noptions ndots:2\n"


def test_a_last_line_without_its_end_gets_one_before_ours() -> None:
    assert edit("# mine", spec(servers=("10.0.0.1",))) == "# mine\nnameserver 10.0.0.1\n"
    assert edit("# mine", spec(search=())) == "# mine"


SERVER = st.sampled_from(["10.0.0.1", "10.0.0.2", "192.0.2.53", "fd00::53", "2001:db8::1", "fe80::1%ens224"])
DOMAIN = st.sampled_from(["a.example", "b.example", "c.example.com", "."])
OPTION = st.sampled_from(["rotate", "edns0", "trust-ad", "no-aaaa"])
LINE = st.one_of(
    st.sampled_from(
        ["", "# a comment", "; another", "sortlist 10.0.0.0/8", " nameserver 1.1.1.1", "nameservers 1.1.1.1", "x\xa0y"]
    ),
    SERVER.map(lambda server: f"nameserver {server}"),
    st.lists(DOMAIN, max_size=3).map(lambda domains: "search " + "\t".join(domains)),
    DOMAIN.map(lambda domain: f"domain\t{domain} "),
    st.lists(OPTION, max_size=3).map(lambda options: "options " + " ".join(options)),
    st.text(st.characters(blacklist_characters="\n", blacklist_categories=("Cs",)), max_size=12),
)
FILE = st.tuples(st.lists(LINE, max_size=8).map("\n".join), st.sampled_from(["", "\n", "\r\n"])).map("".join)


def part(values: st.SearchStrategy[str]) -> st.SearchStrategy[tuple[str, ...] | None]:
    return st.one_of(st.none(), st.lists(values, max_size=4, unique=True).map(tuple))


SPEC = st.builds(ResolverSpec, st.none(), st.just("resolver"), part(SERVER), part(DOMAIN), part(OPTION))


def foreign(text: str) -> list[str]:
    keywords = ("nameserver", "search", "domain", "options")
    lines = [line for line in text.split("\n") if resolv_conf._words(line)[0] not in keywords]
    return [line for line in lines if line]


@given(FILE, SPEC)
def test_an_edit_says_what_was_asked_and_is_done_once(text: str, wanted: ResolverSpec) -> None:
    before, edited = parse(text), edit(text, wanted)
    after = parse(edited)
    assert after.servers == (before.servers if wanted.servers is None else wanted.servers)
    folded = [domain.lower() for domain in (before.search if wanted.search is None else wanted.search)]
    assert [domain.lower() for domain in after.search] == folded
    assert set(after.options) == set(before.options if wanted.options is None else wanted.options)
    assert edit(edited, wanted) == edited
    assert foreign(edited) == foreign(text)


@given(FILE)
def test_an_edit_to_what_a_file_says_leaves_every_byte(text: str) -> None:
    now = parse(text)
    assert edit(text, ResolverSpec(None, "resolver", now.servers, now.search, now.options)) == text


def warned(cluster_dns: tuple[str, ...] = (), cidrs: tuple[str, ...] = (), **parts: tuple[str, ...]) -> list[str]:
    return list(resolv_conf.warnings(spec(**parts), cluster_dns, cidrs))


def test_a_fourth_server_is_told_never_to_be_asked() -> None:
    (warning,) = warned(servers=("10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"))
    assert "10.0.0.4 will never be asked" in warning
    assert warned(servers=("10.0.0.1", "10.0.0.2", "10.0.0.3")) == []


def test_search_lists_that_old_resolvers_cut_are_told() -> None:
    assert warned(search=tuple(f"d{number}.example" for number in range(6))) == []
    assert "7 domains" in warned(search=tuple(f"d{number}.example" for number in range(7)))[0]
    assert "257 characters" in warned(search=("a" * 128, "b" * 128))[0]


@pytest.mark.parametrize(
    ("server", "cluster_dns", "cidrs", "reason"),
    [
        ("169.254.20.10", (), (), "NodeLocal DNSCache"),
        ("10.96.0.10", ("10.96.0.10",), (), "clusterDNS"),
        ("fd00:10::a", ("fd00:10:0::A",), (), "clusterDNS"),
        ("10.96.0.11", (), ("fd00::/8", "10.96.0.0/12"), "inside the cluster's 10.96.0.0/12"),
        ("10.0.0.53", ("10.96.0.10",), ("10.96.0.0/12", "fd00::/8"), ""),
    ],
)
def test_a_server_that_is_the_clusters_own_is_a_loop(
    server: str, cluster_dns: tuple[str, ...], cidrs: tuple[str, ...], reason: str
) -> None:
    found = warned(cluster_dns, cidrs, servers=(server,))
    assert (reason in found[0] and "loop" in found[0]) if reason else found == []


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        (
            "kind: KubeletConfiguration\nclusterDNS:\n- 10.96.0.10\n- fd00::a\nclusterDomain: c\n",
            ("10.96.0.10", "fd00::a"),
        ),
        (
            "clusterDNS:   # the cache\n  - \"169.254.20.10\" # first 10.0.0.9\n  - '10.96.0.10'\n",
            ("169.254.20.10", "10.96.0.10"),
        ),
        ('{"clusterDNS": ["10.96.0.10"], "clusterDomain": "cluster.local"}', ("10.96.0.10",)),
        ("clusterDNS: [10.96.0.10, 10.96.0.11]\n", ("10.96.0.10", "10.96.0.11")),
        ("clusterDNS: []\nclusterDomain: x\n", ()),
        ("clusterDomain: 10.0.0.1\n", ()),
    ],
)
def test_the_kubelets_cluster_dns_is_found(text: str, addresses: tuple[str, ...]) -> None:
    assert resolv_conf.kubelet_cluster_dns(text) == addresses
