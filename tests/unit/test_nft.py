# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The text of our nftables table, and the marks in it."""

from __future__ import annotations

import json
import pathlib

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._state import nft
from ansible_collections.kubenode.network.plugins.module_utils._state.model import StateError
from hypothesis import given
from hypothesis import strategies as st

# What others use: AWS VPC CNI, Cilium, portmap, kube-proxy, Calico's default (github.com/fwmark/registry).
TAKEN = (0x80, 0x0F00, 0x2000, 0x4000, 0x8000, 0xFFFF0000)
NAMES = [f"nic{number}" for number in range(20)]


def test_our_bits_are_nobodys() -> None:
    assert all(nft.MASK & mask == 0 for mask in TAKEN)


def test_marks_are_distinct_and_within_our_bits() -> None:
    marks = nft.assign(NAMES[: nft.MAX_INTERFACES])
    assert len(set(marks.values())) == nft.MAX_INTERFACES == 14
    assert all(mark and mark & ~nft.MASK == 0 for mark in marks.values())


def test_one_nic_more_than_there_are_marks_is_refused() -> None:
    with pytest.raises(StateError, match="15 interfaces, expected at most 14"):
        nft.assign(NAMES[:15])


@pytest.mark.parametrize("name", ["ens*", 'a"b', "a b", "a\\b", "", "x" * 16])
def test_names_that_nftables_would_not_take_as_they_are_are_refused(name: str) -> None:
    with pytest.raises(StateError, match="interface"):
        nft.assign([name])


SETS = st.lists(st.sampled_from(NAMES), max_size=nft.MAX_INTERFACES, unique=True)


@given(SETS, SETS)
def test_a_nic_keeps_its_mark_while_others_come_and_go(before: list[str], after: list[str]) -> None:
    first = nft.assign(before)
    second = nft.assign(after, nft.render(first))
    assert list(second) == after
    assert len(set(second.values())) == len(after)
    assert {name: mark for name, mark in second.items() if name in first} == {
        name: mark for name, mark in first.items() if name in second
    }


@given(SETS)
def test_the_marks_of_a_text_are_read_back(names: list[str]) -> None:
    marks = nft.assign(names)
    text = nft.render(marks)
    assert (text is None) == (not names)
    assert nft.parse(text or "") == marks
    assert nft.render(nft.parse(text or "")) == text


def test_nonsense_in_a_changed_table_gives_no_marks() -> None:
    text = 'iifname "a" ct state new ct mark set ct mark & 0xfffffffe | 0x1\niifname "b" x | 0x8\niifname "c" x | 0x8\n'
    assert nft.assign(["a", "b", "c"], text) == {"a": 0x10, "b": 0x8, "c": 0x18}


def test_the_text_touches_no_other_bits() -> None:
    text = nft.render({"ens224": 0x8}) or ""
    sets = [line for line in text.split("\n") if " set " in line]
    assert len(sets) == 3
    for line in sets:
        keep, mark = (int(word, 16) for word in line.rsplit("& ", 1)[1].split(" | "))
        assert keep | nft.MASK == 0xFFFFFFFF
        assert (0xFFFFFFFF & keep | mark) & ~nft.MASK & 0xFFFFFFFF == ~nft.MASK & 0xFFFFFFFF
        assert (nft.MASK & keep) | mark == 0x8


def test_what_older_and_newer_programs_list_is_the_same_text() -> None:
    marks = {"ens224": 0x8}
    text = nft.render(marks)

    def listing(mask: int, state: object) -> str:
        def bits(key: dict[str, str]) -> dict[str, object]:
            return {"|": [{"&": [key, mask]}, 8]}

        ct, meta = {"ct": {"key": "mark"}}, {"meta": {"key": "mark"}}
        new = [
            {"match": {"op": "==", "left": {"meta": {"key": "iifname"}}, "right": "ens224"}},
            {"match": {"op": "==", "left": {"ct": {"key": "direction"}}, "right": "original"}},
            {"match": {"op": "in", "left": {"ct": {"key": "state"}}, "right": state}},
            {"mangle": {"key": ct, "value": bits(ct)}},
        ]
        reply = [
            {"match": {"op": "==", "left": {"ct": {"key": "direction"}}, "right": "reply"}},
            {"match": {"op": "==", "left": {"&": [ct, 0x78]}, "right": 8}},
            {"mangle": {"key": meta, "value": bits(meta)}},
        ]
        entries: list[dict[str, object]] = [{"metainfo": {"version": "1"}}, {"table": {"name": nft.TABLE, "handle": 2}}]
        for name, kind in (("prerouting", "filter"), ("output", "route")):
            entries.append({"chain": {"name": name, "type": kind, "hook": name, "prio": -150, "policy": "accept"}})
        entries += [{"rule": {"chain": "prerouting", "expr": new}}]
        entries += [{"rule": {"chain": chain, "handle": 9, "expr": reply}} for chain in ("prerouting", "output")]
        return json.dumps({"nftables": entries})

    assert nft.from_json(listing(0xFFFFFF8F, "new")) == text
    assert nft.from_json(listing(0xFFFFFF87, "new")) == text
    assert nft.from_json(listing(0xFFFFFF8F, "established")) != text
    assert nft.from_json(listing(0xFFFFFF0F, "new")) != text


@pytest.mark.parametrize(
    ("mark", "mask", "ours"),
    [
        (0x8, 0x78, True),
        (0x4000, 0x4000, False),
        (1, 0, False),
        (0xC8, 0, True),
        (0x200, 0xF00, False),
        (0, 0xF, False),
    ],
)
def test_rules_that_ask_for_our_bits_are_known(mark: int, mask: int, ours: bool) -> None:
    assert nft.overlaps(mark, mask) is ours


def test_a_missing_program_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(nft, "_PROGRAM_FOLDERS", str(tmp_path))
    for call in (nft.read, lambda: nft.apply(None)):
        with pytest.raises(StateError, match=r"needs the program nft.* install the package nftables"):
            call()


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (
            "echo 'Error: syntax error, options must be specified before commands' >&2; exit 1",
            "cannot list .* syntax error",
        ),
        ("exec /nowhere/at/all", "cannot list"),
        ("echo '{}'; exit 0", "did not understand"),
        ("echo 'Error: JSON support not compiled-in' >&2; exit 1", "JSON support not compiled-in"),
    ],
)
def test_a_program_that_fails_is_quoted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path, script: str, words: str
) -> None:
    program = tmp_path / "nft"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    with pytest.raises(StateError, match=words):
        nft.read()
