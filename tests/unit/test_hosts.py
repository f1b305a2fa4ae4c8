# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our lines in /etc/hosts carry their owners; lines of others are never touched."""

from __future__ import annotations

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._resolver import hosts
from ansible_collections.kubenode.network.plugins.module_utils._state.model import HostSpec, StateError
from hypothesis import assume, given
from hypothesis import strategies as st

TEXT = """\
127.0.0.1 localhost
127.0.1.1\tworker1.example.com worker1   # installed so

10.100.0.5\tregistry\t# by hand
::1 localhost ip6-localhost
"""


def spec(address: str, *names: str, owner: str | None = "site", origin: str = "hosts[0]") -> HostSpec:
    return HostSpec(owner, origin, address, names)


API = spec("10.100.0.7", "api.example.com", "api")
LINE = "10.100.0.7\tapi.example.com api\t# kubenode.network: site\n"


def test_an_entry_becomes_a_marked_line_at_the_end() -> None:
    edited = hosts.edit(TEXT, [API])
    assert edited == TEXT + LINE
    assert hosts.managed(edited) == {("10.100.0.7", ("api.example.com", "api")): ("site",)}
    assert hosts.edit(edited, [API]) == edited


def test_a_file_without_a_last_line_end_gets_one() -> None:
    assert hosts.edit("127.0.0.1 localhost", [API]) == "127.0.0.1 localhost\n" + LINE


def test_an_entry_without_an_owner_is_marked_too() -> None:
    edited = hosts.edit("", [spec("fd00::5", "db", owner=None)])
    assert edited == "fd00::5\tdb\t# kubenode.network\n"
    assert hosts.managed(edited) == {("fd00::5", ("db",)): ()}


def test_what_a_line_of_others_gives_already_gets_no_line() -> None:
    assert hosts.edit(TEXT, [spec("10.100.0.5", "registry")]) == TEXT
    assert hosts.edit(TEXT, [spec("10.100.0.5", "REGISTRY")]) == TEXT


def test_a_name_that_others_give_another_address_is_refused_with_the_line() -> None:
    with pytest.raises(
        StateError, match=r"registry: line 4 of /etc/hosts.*10\.100\.0\.5.*hosts\[0\] wants 10\.9\.9\.9"
    ):
        hosts.edit(TEXT, [spec("10.9.9.9", "Registry")])


def test_a_name_may_have_an_address_of_each_family() -> None:
    assert hosts.edit(TEXT, [spec("fd00::5", "registry")]).endswith("fd00::5\tregistry\t# kubenode.network: site\n")


def test_two_addresses_for_one_name_in_one_run_are_refused() -> None:
    with pytest.raises(StateError, match=r"api: hosts\[0\] says 10\.100\.0\.7, hosts\[1\] says 10\.100\.0\.8"):
        hosts.edit("", [API, spec("10.100.0.8", "api", origin="hosts[1]")])


def test_two_owners_share_a_line_until_the_last_lets_go() -> None:
    both = hosts.edit(hosts.edit(TEXT, [API]), [API._replace(owner="lab")])
    assert both == TEXT + LINE.replace("site", "lab, site")
    one = hosts.edit(both, [], pruned={"site"})
    assert one == TEXT + LINE.replace("site", "lab")
    assert hosts.edit(one, [], pruned={"lab"}) == TEXT


def test_an_owner_prunes_nothing_of_another() -> None:
    text = hosts.edit(TEXT, [API])
    assert hosts.edit(text, [], pruned={"lab"}) == text


def test_lines_without_an_owner_go_only_when_cleared() -> None:
    text = hosts.edit(TEXT, [API._replace(owner=None)])
    assert hosts.edit(text, [], pruned={"site"}) == text
    assert hosts.edit(text, [], clear=True) == TEXT


def test_an_owner_gives_a_name_a_new_address_without_pruning() -> None:
    text = hosts.edit(TEXT, [API])
    edited = hosts.edit(text, [spec("10.100.0.8", "api.example.com", "api")])
    assert edited == TEXT + LINE.replace("10.100.0.7", "10.100.0.8")


def test_names_that_an_owner_does_not_say_anew_stay_on_their_line() -> None:
    text = hosts.edit(TEXT, [API])
    edited = hosts.edit(text, [spec("10.100.0.8", "api")])
    assert edited == (
        TEXT + "10.100.0.7\tapi.example.com\t# kubenode.network: site\n10.100.0.8\tapi\t# kubenode.network: site\n"
    )


def test_another_owners_name_is_not_taken_over() -> None:
    text = hosts.edit(TEXT, [API])
    with pytest.raises(StateError, match=r"api: hosts\[0\] says 10\.100\.0\.8, and the owner site says 10\.100\.0\.7"):
        hosts.edit(text, [spec("10.100.0.8", "api", owner="lab")])
    with pytest.raises(StateError, match="the owner site"):
        hosts.edit(text, [spec("10.100.0.8", "api", owner=None)])


def test_a_line_of_ours_that_was_taken_out_by_hand_comes_back() -> None:
    assert hosts.edit(TEXT, [API]) == hosts.edit(hosts.edit(TEXT, [API]).replace(LINE, ""), [API])


def test_an_owner_that_would_break_the_comment_is_refused() -> None:
    for owner in ("a,b", "a\nb", "a # b", " a", "(a)"):
        with pytest.raises(StateError, match="owner"):
            hosts.edit("", [spec("10.0.0.1", "a", owner=owner)])


def test_a_file_that_cloud_init_writes_is_told() -> None:
    header = "# Your system has configured 'manage_etc_hosts' as True.\n# ... by cloud-init\n"
    assert hosts.is_generated(header + TEXT)
    assert not hosts.is_generated(TEXT)


NAME = st.sampled_from(["api", "db", "Registry", "a.example.com", "b.example.com"])
ADDRESS = st.sampled_from(["10.0.0.1", "10.0.0.2", "fd00::1", "fd00::2"])
OWNER = st.sampled_from([None, "site", "lab"])
FOREIGN = st.one_of(
    st.sampled_from(
        ["", "# a comment", "10.0.0.1", "127.0.0.1 localhost", "fd00::9 other # kubenode.network is a name"]
    ),
    st.tuples(ADDRESS, st.lists(NAME, min_size=1, max_size=2)).map(lambda pair: f"{pair[0]}  {' '.join(pair[1])} "),
    st.text(st.characters(blacklist_characters="\n#", blacklist_categories=("Cs",)), max_size=8),
)
SPECS = st.lists(
    st.builds(
        HostSpec, OWNER, st.just("hosts"), ADDRESS, st.lists(NAME, min_size=1, max_size=2, unique=True).map(tuple)
    ),
    max_size=4,
)


def attempt(text: str, specs: list[HostSpec], pruned: set[str], clear: bool = False) -> str:
    try:
        return hosts.edit(text, specs, pruned, clear)
    except StateError:
        assume(False)
        raise


def others(text: str) -> list[str]:
    return [line for line in text.split("\n") if hosts._parse(line).owners is None]


@given(st.lists(FOREIGN, max_size=5), SPECS, SPECS, st.sets(st.sampled_from(["site", "lab"])), st.booleans())
def test_edits_are_done_once_and_leave_the_lines_of_others(
    foreign: list[str], first: list[HostSpec], second: list[HostSpec], pruned: set[str], clear: bool
) -> None:
    text = "".join(line + "\n" for line in foreign)
    before = attempt(text, first, set())
    after = attempt(before, second, pruned, clear)
    assert others(before) == others(after) == text.split("\n")
    assert hosts.edit(after, second, pruned, clear) == after
    given_names = {
        (hosts._parse(line).address, name.lower()) for line in after.split("\n") for name in hosts._parse(line).names
    }
    assert {(one.address, name.lower()) for one in second for name in one.names} <= given_names


@given(st.lists(FOREIGN, max_size=5), SPECS)
def test_letting_go_of_everything_gives_the_file_as_it_was(foreign: list[str], specs: list[HostSpec]) -> None:
    text = "".join(line + "\n" for line in foreign)
    assert hosts.edit(attempt(text, specs, set()), [], {"site", "lab"}, clear=True) == text
