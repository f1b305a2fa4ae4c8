# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook under the name that it has in the collection, as users of an installed collection call it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import LabMaker, Player

FIRST = Path(__file__).resolve().parents[2] / "examples" / "nncp" / "01-worker-routes.yml"


@pytest.mark.parametrize("core", ["2.19", "2.21"])
def test_the_playbook_has_a_name_in_the_collection(new_lab: LabMaker, play: Player, core: str) -> None:
    lab = new_lab()
    words = ("-e", f"worker_network_src={FIRST}", "-e", "worker_network_node_labels={{ node_labels }}")
    assert play(lab, "kubenode.network.site", *words, core=core).only("w1")["changed"] is True
    assert lab.pings("w1", "10.200.0.1")
    assert play(lab, "kubenode.network.site", *words, core=core).only("w1")["changed"] is False
