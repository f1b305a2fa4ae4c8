# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the fault runs stand on: two states that differ, look alike on every worker, and come back after a restart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import states

if TYPE_CHECKING:
    from .conftest import FleetMaker


def test_the_two_states_look_alike_everywhere_and_survive_a_restart(new_fleet: FleetMaker) -> None:
    fleet = new_fleet(2)
    fleet.applied({worker: states.first(worker) for worker in fleet.workers})
    first = fleet.each(fleet.look)
    fleet.applied({worker: states.second(worker) for worker in fleet.workers})
    second = fleet.each(fleet.look)
    assert len({*first.values()}) == len({*second.values()}) == 1
    assert first["w1"] != second["w1"]
    fleet.boot("w1")
    assert fleet.look("w1") == second["w1"]
    fleet.applied({worker: states.first(worker) for worker in fleet.workers})
    assert fleet.each(fleet.look) == first
