# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waves are cut as `serial` of a play cuts its batches, which Ansible's own function for shares is the witness of."""

from __future__ import annotations

import typing as t

import pytest
from ansible.errors import AnsibleFilterError
from ansible.utils.helpers import pct_to_int
from ansible_collections.kubenode.network.plugins.filter.waves import FilterModule
from hypothesis import given
from hypothesis import strategies as st

waves = FilterModule().filters()["waves"]
SIZE = st.one_of(st.integers(1, 30), st.integers(1, 100).map(lambda number: f"{number}%"))


@given(st.integers(0, 60), st.lists(SIZE, min_size=1, max_size=4))
def test_every_node_is_in_one_wave_and_the_sizes_are_those_of_serial(count: int, sizes: list[t.Any]) -> None:
    nodes = [f"w{number}" for number in range(count)]
    cut = waves(nodes, sizes)
    assert [node for wave in cut for node in wave] == nodes
    wanted = [pct_to_int(size, count) for size in sizes]
    for number, wave in enumerate(cut[:-1]):
        assert len(wave) == wanted[min(number, len(sizes) - 1)]
    assert not cut or 0 < len(cut[-1]) <= wanted[min(len(cut), len(sizes)) - 1]


def test_shares_are_of_the_whole_where_only_the_rest_is_cut() -> None:
    assert waves(["w1", "w2", "w3"], ["50%"], 4) == [["w1", "w2"], ["w3"]]
    assert waves(["w1", "w2"], "1") == [["w1"], ["w2"]]


@pytest.mark.parametrize("size", [0, -1, "0%", "101%", "many", 2.5, True, None])
def test_a_size_that_is_none_is_an_error_that_names_it(size: t.Any) -> None:
    with pytest.raises(AnsibleFilterError, match="neither a number of nodes above 0 nor a share") as caught:
        waves(["w1"], [1, size])
    assert repr(size) in str(caught.value)


def test_no_size_at_all_is_an_error() -> None:
    with pytest.raises(AnsibleFilterError, match="the list is empty"):
        waves(["w1"], [])
