# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NetworkManager's keyfile as a document: nothing is lost that is not changed."""

from __future__ import annotations

from ansible_collections.kubenode.network.plugins.module_utils._persist.networkmanager_keyfile import (
    Keyfile,
    escape,
    unescape,
)
from hypothesis import given
from hypothesis import strategies as st

PROFILE = """\
# written by hand
[connection]
id=stor
uuid = 11111111-2222-3333-4444-555555555555
type=ethernet
interface-name=eth2

[ipv4]
# the switch needs both
address1=10.50.2.11/24,10.50.2.1
address1=10.50.2.12/24
route1=10.60.0.0/16,10.50.2.1
route1_options=table=300
method=manual

[x-ours]
unknown key = kept ; as it is
"""

WORDS = st.sampled_from(("ipv4", "ipv6", "ethernet", "user", "x"))
KEYS = st.sampled_from(("method", "address1", "address2", "route1", "route1_options", "mtu", "dns"))
VALUES = st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=12).map(str.strip)
LINES = st.one_of(
    st.builds("[{}]\n".format, WORDS),
    st.builds("{}={}\n".format, KEYS, VALUES),
    st.builds("  {} =  {}\r\n".format, KEYS, VALUES),
    st.builds("# {}\n".format, VALUES),
    st.sampled_from(("\n", " \n", "no sign\n", "[open\n", "[]\n", "=x\n")),
)
DOCUMENTS = st.lists(LINES, max_size=25).map("".join)


@given(st.one_of(DOCUMENTS, st.text()))
def test_any_text_comes_back_as_it_was(text: str) -> None:
    assert str(Keyfile(text)) == text


@given(DOCUMENTS, WORDS, KEYS, VALUES)
def test_an_edit_is_seen_happens_once_and_leaves_all_else(text: str, group: str, key: str, value: str) -> None:
    document = Keyfile(text)
    others = {
        (one, name): document.get(one, name)
        for one in document.groups
        for name in document.entries(one)
        if (one, name) != (group, key)
    }
    document.set(group, key, value)
    once = str(document)
    assert Keyfile(once).get(group, key) == value
    assert {place: Keyfile(once).get(*place) for place in others} == others
    document.set(group, key, value)
    assert str(document) == once
    again = Keyfile(once)
    again.set(group, key, value)
    assert str(again) == once


@given(DOCUMENTS, WORDS, VALUES)
def test_what_was_added_can_be_taken_away_again(text: str, group: str, value: str) -> None:
    document = Keyfile(text)
    key = document.free(group, "address")
    assert document.get(group, key) is None
    document.set(group, key, value)
    document.set(group, key, None)
    kept = str(document)
    assert kept.startswith(text)
    # A new group's head may stay: GLib and NetworkManager take an empty group as none.
    assert kept[len(text) :].replace(f"[{group}]", "").strip() == ""


@given(st.text(st.characters(blacklist_categories=("Cs",))))
def test_escapes_resolve_to_what_was_escaped(text: str) -> None:
    assert unescape(escape(text)) == text


@given(VALUES)
def test_an_escaped_text_survives_the_file(text: str) -> None:
    document = Keyfile()
    document.set("connection", "id", escape(text))
    assert Keyfile(str(document)).text_of("connection", "id") == text


def test_reading_sees_what_networkmanager_sees() -> None:
    document = Keyfile(PROFILE)
    assert document.groups == ("connection", "ipv4", "x-ours")
    assert document.get("connection", "uuid") == "11111111-2222-3333-4444-555555555555"
    # Of equal keys the last counts; options are not routes.
    assert document.numbered("ipv4", "address") == [("address1", "10.50.2.12/24")]
    assert document.numbered("ipv4", "route") == [("route1", "10.60.0.0/16,10.50.2.1")]
    assert document.get("x-ours", "unknown key") == "kept ; as it is"
    assert document.get("ipv6", "method") is None


def test_numbers_keep_networkmanagers_order_and_the_next_is_free() -> None:
    document = Keyfile("[ipv4]\naddress10=a\naddress2=b\naddresses2=c\naddress=d\naddress02=no\n")
    assert [value for _key, value in document.numbered("ipv4", "address")] == ["d", "b", "c", "a"]
    assert document.free("ipv4", "address") == "address11"
    assert Keyfile("").free("ipv4", "route") == "route1"


def test_an_edit_changes_one_line() -> None:
    document = Keyfile(PROFILE)
    document.set("ipv4", "route1_options", "table=301")
    document.set("ipv4", "route2", "10.61.0.0/16,10.50.2.1")
    before, after = PROFILE.splitlines(), str(document).splitlines()
    assert [line for line in after if line not in before] == [
        "route1_options=table=301",
        "route2=10.61.0.0/16,10.50.2.1",
    ]
    assert after.index("route2=10.61.0.0/16,10.50.2.1") == after.index("method=manual") + 1


def test_blanks_around_the_sign_and_line_ends_stay() -> None:
    document = Keyfile("[connection]\r\nuuid =  a\r\n[ipv4]")
    document.set("connection", "uuid", "b")
    document.set("ipv4", "method", "auto")
    assert str(document) == "[connection]\r\nuuid =  b\r\n[ipv4]\nmethod=auto\n"


def test_lists_and_flags() -> None:
    document = Keyfile("[ipv4]\ndns=10.0.0.1;10.0.0.2;\ndns-search=a.example;\nnever-default=1\nmay-fail=false\n")
    assert document.list_of("ipv4", "dns") == ("10.0.0.1", "10.0.0.2")
    assert document.list_of("ipv4", "dns-options") == ()
    assert document.flag("ipv4", "never-default")
    assert not document.flag("ipv4", "may-fail", default=True)
    assert document.flag("ipv4", "absent", default=True)
