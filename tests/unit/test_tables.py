# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of route tables: read as iproute2 reads them, written with their purpose, never given twice."""

from __future__ import annotations

import pathlib
import shutil
import subprocess

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._state import tables
from ansible_collections.kubenode.network.plugins.module_utils._state.model import StateError, TableSpec
from hypothesis import given
from hypothesis import strategies as st

DEBIAN = "#\n# reserved values\n#\n255\tlocal\n254\tmain\n253\tdefault\n0\tunspec\n#\n#1\tinr.ruhep\n"


def spec(number: int, name: str, purpose: str = "", owner: str | None = "site", origin: str = "tables[0]") -> TableSpec:
    return TableSpec(owner, origin, number, name, purpose)


def test_lines_are_read_as_iproute2_reads_them() -> None:
    text = DEBIAN + "0x64 storage # data\n 200\texternal\nnonsense\n300\n# 400 no\n500 five hundred\nx y\n"
    assert [pair[1:] for pair in tables.parse(text)[4:]] == [(100, "storage"), (200, "external"), (500, "five")]
    assert tables.parse("\n\n7 seven\n") == [(3, 7, "seven")]


def test_the_kernels_own_tables_have_names_without_any_file() -> None:
    assert tables.names([]) == {0: "unspec", 253: "default", 254: "main", 255: "local"}
    assert tables.names(["100 old\n", "100 new\n"])[100] == "new"


def test_our_file_says_purpose_and_owners_by_id() -> None:
    text = tables.render([(spec(200, "external", "public traffic"), ["site", "lab"]), (spec(100, "storage"), [])])
    assert text is not None
    assert text.split("\n")[1:] == ["100\tstorage", "200\texternal\t# public traffic (lab, site)", ""]
    assert tables.names([text])[200] == "external"


def test_an_empty_file_is_no_file() -> None:
    assert tables.render([]) is None


@pytest.mark.skipif(shutil.which("ip") is None, reason="the program ip is not there: install iproute2")
def test_iproute2_understands_our_file(tmp_path: pathlib.Path) -> None:
    (tmp_path / "rt_tables.d").mkdir()
    text = tables.render([(spec(2147483647, "big.one", "a # b? no: c"), ["site"])])
    assert text is not None
    (tmp_path / "rt_tables.d" / "kubenode.conf").write_text(text)
    (tmp_path / "rt_protos.d").mkdir()
    (tmp_path / "rt_protos.d" / "kubenode.conf").write_text(tables.PROTOCOLS_TEXT)
    script = (
        'mount --bind "$1" /etc/iproute2 && ip link set lo up && '
        "ip route add 192.0.2.0/24 dev lo table 2147483647 proto 157 && ip route show table big.one"
    )
    done = subprocess.run(
        ["unshare", "-Urnm", "sh", "-c", script, "sh", str(tmp_path)], check=False, capture_output=True, text=True
    )
    if "unshare" in done.stderr or "mount:" in done.stderr:
        pytest.skip(f"no private namespaces here: {done.stderr.strip()}")
    assert done.stderr == ""
    assert done.stdout.split() == ["192.0.2.0/24", "dev", "lo", "proto", "kubenode", "scope", "link"]


def test_the_files_are_found_where_iproute2_finds_them(tmp_path: pathlib.Path) -> None:
    for path in (
        "usr/share/iproute2/rt_tables", "etc/iproute2/rt_tables.d/a.conf", "etc/iproute2/rt_tables.d/README",
        "usr/share/iproute2/rt_tables.d/a.conf", "usr/share/iproute2/rt_tables.d/b.conf",
    ):  # fmt: skip
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("")
    assert tables.paths(str(tmp_path)) == (
        "/usr/share/iproute2/rt_tables",
        "/etc/iproute2/rt_tables.d/a.conf",
        "/usr/share/iproute2/rt_tables.d/b.conf",
    )
    (tmp_path / "etc/iproute2/rt_tables").write_text("")
    assert tables.paths(str(tmp_path))[0] == "/etc/iproute2/rt_tables"


FOREIGN = {"/etc/iproute2/rt_tables": DEBIAN, "/etc/iproute2/rt_tables.d/site.conf": "\n100 storage\n"}


@pytest.mark.parametrize(
    ("specs", "words"),
    [
        (
            [spec(100, "data")],
            r"table 100 is to be named data, but /etc/iproute2/rt_tables\.d/site\.conf line 2 names it storage",
        ),
        ([spec(101, "storage")], r"name storage is to mean table 101, but .*site\.conf line 2 gives it to table 100"),
        ([spec(2147483648, "big")], "table 2147483648 cannot have a name: .* up to 2147483647"),
        ([spec(254, "mine")], "table 254 is to be named mine, but .* names it main"),
        ([spec(300, "main")], "name main is to mean table 300, but .* gives it to table 254"),
        (
            [spec(7, "a"), spec(7, "b", origin="tables[1]")],
            r"tables\[1\]: table 7 is to be named b, but tables\[0\] names it a",
        ),
        (
            [spec(7, "a"), spec(8, "a", origin="tables[1]")],
            r"tables\[1\]: the name a .* tables\[0\] gives it to table 7",
        ),
    ],
)
def test_contradictions_name_both_sides(specs: list[TableSpec], words: str) -> None:
    with pytest.raises(StateError, match=words):
        tables.check(specs, FOREIGN)


def test_what_agrees_passes() -> None:
    tables.check([spec(100, "storage"), spec(200, "external"), spec(200, "external", owner="lab")], FOREIGN)


@pytest.mark.parametrize("owner", ["a,b", "a\nb", "a(b)", "a#b", "", " a", "a\x07"])
def test_an_owner_that_breaks_a_comment_is_refused(owner: str) -> None:
    with pytest.raises(StateError, match="owner"):
        tables.owners_text([owner])


NAME = st.from_regex(r"[a-z][a-z0-9_.-]{0,8}", fullmatch=True)
PURPOSE = st.text(st.characters(blacklist_categories=("C", "Z")), max_size=12).map(
    lambda text: f"{text} (x)" if len(text) > 9 else text
)
ENTRY = st.tuples(
    st.integers(1, 2**31 - 1), NAME, PURPOSE, st.frozensets(st.sampled_from(["site", "lab", "a.b/c"]), max_size=2)
)


@given(st.lists(ENTRY, max_size=5, unique_by=(lambda entry: entry[0], lambda entry: entry[1])))
def test_what_is_written_is_read_back(entries: list[tuple[int, str, str, frozenset[str]]]) -> None:
    pairs = [(TableSpec(None, tables.PATH, number, name, purpose), owners) for number, name, purpose, owners in entries]
    text = tables.render(pairs) or ""
    assert tables.managed(text) == {pair[0].name: pair for pair in pairs}
    assert tables.names([text]) == {**tables.BUILT_IN, **{number: name for number, name, *_rest in entries}}
