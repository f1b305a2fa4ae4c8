# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes that are cut short at random moments: the node is in the old state or in the new one, and can be reached."""

from __future__ import annotations

import collections
import itertools
import random
import time
from typing import TYPE_CHECKING, Any

import pytest

from . import injuries, states
from .fleet import ROLLBACK_TIMEOUT, Fleet, Running, difference

if TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import FleetMaker

# Workers that are changed at the same time, and how often.
ORDINARY = (10, 2)
WHOLE = (12, 17)

STATES = {"first": states.first, "second": states.second}


class Round:
    """One change of every worker, into the state it is not in, with something that happens to it meanwhile."""

    def __init__(self, fleet: Fleet, wanted: dict[str, str], kinds: dict[str, str], draw: random.Random) -> None:
        self.fleet = fleet
        self.kinds = kinds
        # Each thread its own.
        self._draws = {worker: random.Random(draw.random()) for worker in kinds}
        changes = {worker: self._change(worker, STATES[wanted[worker]]) for worker in kinds}
        self._doomed = {worker: kind == injuries.CONTROLLER_KILLED for worker, kind in kinds.items()}
        self._plays: dict[bool, Running] = {}
        for doomed in (False, True):
            some = {worker: change for worker, change in changes.items() if self._doomed[worker] == doomed}
            if some:
                self._plays[doomed] = fleet.play(some)
        self._draw = draw

    def _change(self, worker: str, state: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
        change = {**state(worker), "confirm": "controller", "rollback_timeout": ROLLBACK_TIMEOUT}
        if self.kinds[worker] == injuries.COMMIT_RACES:
            change["probes"] = injuries.racing(self._draws[worker])
        return change

    def happen(self) -> None:
        """Let it happen; until the controller has ended, by itself or not."""
        happening = [
            self.fleet.pool.submit(injuries.INJURIES[kind], self.fleet, worker, self._draws[worker])
            for worker, kind in self.kinds.items()
        ]
        if True in self._plays:
            victims = [worker for worker, doomed in self._doomed.items() if doomed]
            while not any(self.fleet.pythons(worker) for worker in victims):
                assert self._plays[True].process.poll() is None, self._plays[True].output()
                time.sleep(0.02)
            time.sleep(injuries.span(self._draw))
            self._plays[True].kill()
        for one in happening:
            one.result()

    def results(self) -> dict[str, dict[str, Any]]:
        """What Ansible said of each worker, as far as it could."""
        if False not in self._plays:
            return {}
        done = self._plays[False].wait()
        return {line["host"]: {**line["result"], "outcome": line["outcome"]} for line in done.lines}


def test_a_change_that_is_cut_short_leaves_the_old_state_or_the_new_one(
    new_fleet: FleetMaker, seed: int, full: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    workers, rounds = WHOLE if full else ORDINARY
    draw = random.Random(seed)
    fleet = new_fleet(workers)
    looks = {}
    for name in ("second", "first"):
        fleet.applied({worker: STATES[name](worker) for worker in fleet.workers})
        (looks[name],) = set(fleet.each(fleet.look).values())
    now = dict.fromkeys(fleet.workers, "first")
    counts: collections.Counter[tuple[str, str]] = collections.Counter()
    latest = 0.0
    kinds = itertools.cycle(injuries.INJURIES)
    for number in range(rounds):
        wanted = {worker: "second" if state == "first" else "first" for worker, state in now.items()}
        order = draw.sample(fleet.workers, workers)
        round_ = Round(fleet, wanted, {worker: next(kinds) for worker in order}, draw)
        round_.happen()
        results = round_.results()
        latest = max(latest, fleet.wait_until_settled(fleet.workers))
        found = fleet.each(fleet.look)
        reached = fleet.each(fleet.reaches)
        for worker, kind in round_.kinds.items():
            told = results.get(worker, {})
            where = f"round {number}, {worker}, {kind}; Ansible: {told}; {fleet.transactions(worker)}"
            state = next((name for name, look in looks.items() if look == found[worker]), None)
            assert state, f"{where}: in between\n{difference(looks, found[worker])}"
            assert reached[worker], f"{where}: not reached"
            if told.get("outcome") == "ok" and kind != injuries.NODE_RESTARTED:
                assert state == wanted[worker], f"{where}: told kept, but it was not"
            if told.get("rolled_back"):
                assert state == now[worker], f"{where}: told taken back, but it was not"
            counts[kind, "new" if state == wanted[worker] else "old"] += 1
            now[worker] = state
    # What is left of all this is in nobody's way.
    fleet.applied({worker: states.first(worker) for worker in fleet.workers})
    assert set(fleet.each(fleet.look).values()) == {looks["first"]}
    with capsys.disabled():
        print(f"\n{workers * rounds} changes cut short (seed {seed}); latest {max(latest, 0):.1f} s after its time")
        for kind in injuries.INJURIES:
            print(f"  {kind}: {counts[kind, 'old']} old state, {counts[kind, 'new']} new state")
