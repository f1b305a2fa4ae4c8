# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Labs of many workers, whose changes are disturbed."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ansible_collections.kubenode.network.tests.labs import Lab

from .fleet import Fleet

FleetMaker = Callable[[int], Fleet]


@pytest.fixture
def new_fleet(tmp_path: Path) -> Iterator[FleetMaker]:
    """new_fleet(workers) brings up a lab of so many workers for the test alone."""
    made = []
    with tempfile.TemporaryDirectory(prefix="kubenode-test-") as folder:

        def make(workers: int) -> Fleet:
            lab = Lab(Path(folder) / f"lab{len(made)}")
            made.append(lab)
            lab.run("up", "--workers", str(workers))
            return Fleet(lab, tmp_path)

        yield make
        for lab in made:
            lab.run("down", check=False)
