# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The order of host sources is set on its line, and nothing else of nsswitch.conf moves."""

from __future__ import annotations

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._resolver import nsswitch
from ansible_collections.kubenode.network.plugins.module_utils._state.model import StateError
from hypothesis import given
from hypothesis import strategies as st

TEXT = """\
# /etc/nsswitch.conf
passwd:         files systemd
hosts:          files mdns4_minimal [NOTFOUND=return] dns   # order matters
networks:       files

hosts_extra:    nothing
"""


def test_the_line_is_read_with_its_actions() -> None:
    assert nsswitch.parse(TEXT) == ("files", "mdns4_minimal", "[NOTFOUND=return]", "dns")


def test_the_order_changes_in_place_and_the_comment_stays() -> None:
    edited = nsswitch.edit(TEXT, ("dns", "files"))
    assert edited == TEXT.replace("files mdns4_minimal [NOTFOUND=return] dns", "dns files")


def test_the_same_order_in_other_spacing_is_no_change() -> None:
    text = "hosts:\tfiles\t [ NOTFOUND=return ]  dns\n"
    assert nsswitch.edit(text, ("files", "[NOTFOUND=return]", "dns")) == text


def test_neighbouring_actions_share_their_brackets() -> None:
    edited = nsswitch.edit("", ("files", "[NOTFOUND=return]", "[UNAVAIL=continue]", "dns"))
    assert edited == "hosts: files [NOTFOUND=return UNAVAIL=continue] dns\n"
    assert nsswitch.edit(edited, ("files", "[NOTFOUND=return]", "[UNAVAIL=continue]", "dns")) == edited


def test_several_lines_say_the_same_afterwards() -> None:
    assert nsswitch.edit("hosts: files\nhosts: dns\n", ("files", "dns")) == "hosts: files dns\nhosts: files dns\n"


def test_a_line_is_added_where_there_was_none() -> None:
    assert nsswitch.edit("passwd: files", ("files", "dns")) == "passwd: files\nhosts: files dns\n"


def test_a_source_listed_twice_is_refused() -> None:
    with pytest.raises(StateError, match="dns is listed more than once"):
        nsswitch.edit(TEXT, ("dns", "files", "dns"))


def test_missing_sources_are_told() -> None:
    assert list(nsswitch.warnings(("files", "dns"))) == []
    assert list(nsswitch.warnings(("files", "resolve", "[!UNAVAIL=return]"))) == []
    assert "/etc/hosts" in next(iter(nsswitch.warnings(("dns",))))
    assert "no DNS server" in next(iter(nsswitch.warnings(("files", "myhostname"))))


OTHER = st.one_of(
    st.sampled_from(["", "# hosts: files", "passwd: files", "hosts", "shadow: files # x", "hostsx: a"]),
    st.text(st.characters(blacklist_characters="\n", blacklist_categories=("Cs",)), max_size=10).filter(
        lambda text: "hosts" not in text
    ),
)
SOURCES = st.lists(st.sampled_from(["files", "dns", "myhostname", "resolve"]), min_size=1, unique=True).map(tuple)


@given(st.lists(OTHER, max_size=4), st.none() | SOURCES, st.lists(OTHER, max_size=4), SOURCES)
def test_an_edit_is_done_once_and_leaves_other_lines(
    above: list[str], line: tuple[str, ...] | None, below: list[str], wanted: tuple[str, ...]
) -> None:
    text = "\n".join([*above, *(["hosts:  " + "\t".join(line)] if line else []), *below])
    edited = nsswitch.edit(text, wanted)
    assert nsswitch.parse(edited) == wanted
    assert nsswitch.edit(edited, wanted) == edited
    others = [one for one in edited.split("\n") if not one.startswith("hosts:") and one]
    assert others == [one for one in [*above, *below] if one]
