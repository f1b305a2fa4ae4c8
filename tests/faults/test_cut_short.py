# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes that are cut short at random moments: the node is in the old state or in the new one, and can be reached."""

from __future__ import annotations

import collections
import itertools
import random
from typing import TYPE_CHECKING

import pytest

from . import injuries, states
from .fleet import ROLLBACK_TIMEOUT, Fleet, Running, difference

if TYPE_CHECKING:
    from .conftest import FleetMaker

# Workers that are changed at the same time, and how often.
ORDINARY = (10, 1)
WHOLE = (12, 17)

STATES = {"first": states.first, "second": states.second}


class Round:
    """One change of every worker, into the state it is not in, with something that happens to it meanwhile."""

    def __init__(self, fleet: Fleet, wanted: dict[str, str], kinds: dict[str, str], draw: random.Random) -> None:
        self.fleet = fleet
        self.kinds = kinds
        self._draw = draw
        # Each thread its own.
        self._draws = {worker: random.Random(draw.random()) for worker in kinds}
        self._plays: dict[str, Running] = {}
        # What happens to the controller happens to all of its workers: those have one of their own.
        for group in ("", injuries.CONTROLLER_KILLED, injuries.COMMIT_RACES):
            changes = {
                worker: {**STATES[wanted[worker]](worker), "rollback_timeout": ROLLBACK_TIMEOUT}
                for worker in self._of(group)
            }
            if changes:
                self._plays[group] = fleet.play(changes)

    def _of(self, group: str) -> list[str]:
        special = (injuries.CONTROLLER_KILLED, injuries.COMMIT_RACES)
        return [worker for worker, kind in self.kinds.items() if (kind if kind in special else "") == group]

    def happen(self) -> None:
        """Let it happen."""
        happening = [
            self.fleet.pool.submit(injuries.INJURIES[kind], self.fleet, worker, self._draws[worker])
            for worker, kind in self.kinds.items()
        ]
        for group, injure in (
            (injuries.CONTROLLER_KILLED, injuries.kill_controller),
            (injuries.COMMIT_RACES, injuries.delay_commit),
        ):
            if group in self._plays:
                draw = random.Random(self._draw.random())
                happening.append(self.fleet.pool.submit(injure, self.fleet, self._plays[group], self._of(group), draw))
        for one in happening:
            one.result()

    def results(self) -> dict[str, dict[str, object]]:
        """What Ansible said of each worker, as far as it could."""
        done = [play.wait() for group, play in self._plays.items() if group != injuries.CONTROLLER_KILLED]
        return {line["host"]: {**line["result"], "outcome": line["outcome"]} for play in done for line in play.lines}


def test_a_change_that_is_cut_short_leaves_the_old_state_or_the_new_one(
    new_fleet: FleetMaker, seed: int, full: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    workers, rounds = WHOLE if full else ORDINARY
    draw = random.Random(seed)
    fleet = new_fleet(workers)
    now = dict(zip(fleet.workers, itertools.cycle(STATES)))
    fleet.applied({worker: STATES[name](worker) for worker, name in now.items()})
    looks = {name: fleet.look(worker) for worker, name in list(now.items())[:2]}
    assert all(look == looks[now[worker]] for worker, look in fleet.each(fleet.look).items())
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
        wrong = []
        for worker, kind in round_.kinds.items():
            told = results.get(worker, {})
            state = next((name for name, look in looks.items() if look == found[worker]), "")
            problems = []
            if not state:
                problems.append(f"in between: {difference(looks, found[worker])}")
            if not reached[worker]:
                problems.append("not reached")
            if told.get("outcome") == "ok" and kind != injuries.NODE_RESTARTED and state != wanted[worker]:
                problems.append("told kept, but it was not")
            if told.get("rolled_back") and state != now[worker]:
                problems.append("told taken back, but it was not")
            if problems:
                said = {key: told.get(key) for key in ("outcome", "msg", "rolled_back", "confirmed_by")}
                where = f"round {number}, {worker}, {kind}, from {now[worker]} to {wanted[worker]}"
                wrong.append("\n".join([f"{where}; {fleet.transactions(worker)}; Ansible: {said}", *problems]))
            counts[kind, "new" if state == wanted[worker] else "old"] += 1
            now[worker] = state
        assert not wrong, "\n\n".join(wrong)
        if full:
            with capsys.disabled():
                print(f"\nround {number + 1} of {rounds}: {sum(counts.values())} changes", end="", flush=True)
    # What is left of all this is in nobody's way.
    fleet.applied({worker: states.first(worker) for worker in fleet.workers})
    assert set(fleet.each(fleet.look).values()) == {looks["first"]}
    with capsys.disabled():
        print(f"\n{workers * rounds} changes cut short (seed {seed}); latest {max(latest, 0):.1f} s after its time")
        for kind in injuries.INJURIES:
            print(f"  {kind}: {counts[kind, 'old']} old state, {counts[kind, 'new']} new state")
