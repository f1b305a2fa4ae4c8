# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our reading of Corefiles is that of CoreDNS's own parser, on thousands of generated and mutated ones."""

from __future__ import annotations

import itertools
import typing as t

import pytest
from ansible_collections.kubenode.network.tests.cluster.build import built
from ansible_collections.kubenode.network.tests.cluster.oracle import BATCH, Oracle, reading
from ansible_collections.kubenode.network.tests.unit.corefile_texts import Sample, samples

ORDINARY, FULL = 10_000, 100_000
SOME_DIRECTIVES = ("errors", "log", "cache", "forward", "kubernetes", "whoami", "template", "rewrite", "class")


@pytest.fixture(scope="module")
def oracle(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Oracle]:
    found = Oracle(built("corefile-oracle"), tmp_path_factory.mktemp("oracle"))
    yield found
    found.close()


def batches(seed: int, count: int) -> t.Iterator[list[Sample]]:
    source = samples(seed, count)
    while batch := list(itertools.islice(source, BATCH)):
        yield batch


@pytest.mark.parametrize("directives", [None, SOME_DIRECTIVES], ids=["any-plugin", "known-plugins"])
def test_tokens_blocks_and_errors_are_those_of_the_real_parser(
    oracle: Oracle, seed: int, full: bool, directives: tuple[str, ...] | None
) -> None:
    count = FULL if full else ORDINARY
    differing, refused, seen = [], 0, 0
    for batch in batches(seed + bool(directives), count):
        for sample, theirs in zip(batch, oracle.readings(batch, directives)):
            ours = reading(sample, oracle.folder, directives)
            seen += 1
            refused += bool(theirs["Error"])
            if ours != theirs:
                differing.append(
                    (sample.text, {key: (ours[key], theirs[key]) for key in theirs if ours[key] != theirs[key]})
                )
    print(f"{seen} Corefiles of seed {seed + bool(directives)}: {refused} refused, {len(differing)} read otherwise")
    assert differing[:3] == [] and seen == count
    assert 0.1 < refused / seen < 0.95, "the samples are all alike"
