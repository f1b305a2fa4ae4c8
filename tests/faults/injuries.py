# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens to a worker while it is changed. Each waits for the change to begin, then for a random time."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from .fleet import ROLLBACK_TIMEOUT, Fleet, Running

# Seconds for Ansible to reach a worker, with many of them on few cores.
_BEGIN = 60.0
# Seconds from a module's start to where its change has been confirmed on a busy machine.
_SPAN = 3.5
# Seconds from the journal to the end of what it is about.
_MAKING = 1.2


def _wait_for_a_moment(fleet: Fleet, worker: str, draw: random.Random) -> None:
    """Until a random moment of a change: of the whole of it, or as often of the short time in which it is made."""
    end = time.monotonic() + _BEGIN
    whole = draw.random() < 0.5
    while not (fleet.pythons(worker) if whole else fleet.deadline(worker)):
        assert time.monotonic() < end, f"no module came to {worker}"
        time.sleep(0.01)
    time.sleep(draw.uniform(0, _SPAN if whole else _MAKING))


def kill_module(fleet: Fleet, worker: str, draw: random.Random) -> None:
    """Kill -9 whatever Python runs: the module, what carries the change out, or the one that confirms."""
    _wait_for_a_moment(fleet, worker, draw)
    end = time.monotonic() + 2
    while not fleet.kill_pythons(worker) and time.monotonic() < end:
        time.sleep(0.01)


def cut_connection(fleet: Fleet, worker: str, draw: random.Random) -> None:
    """Nothing comes from the worker any more, for a while that may be longer than its rollback_timeout."""
    _wait_for_a_moment(fleet, worker, draw)
    fleet.cut(worker)
    time.sleep(draw.uniform(0.5, ROLLBACK_TIMEOUT + 4))
    fleet.join(worker)


def restart_node(fleet: Fleet, worker: str, draw: random.Random) -> None:
    """The node's power fails."""
    _wait_for_a_moment(fleet, worker, draw)
    fleet.boot(worker)


def nothing(_fleet: Fleet, _worker: str, _draw: random.Random) -> None:
    """What happens to this one happens to its controller."""


CONTROLLER_KILLED = "controller killed"
COMMIT_RACES = "commit races the watchdog"
INJURIES: dict[str, Callable[[Fleet, str, random.Random], None]] = {
    "module killed": kill_module,
    "connection cut": cut_connection,
    "node restarted": restart_node,
    CONTROLLER_KILLED: nothing,
    COMMIT_RACES: nothing,
}
NODE_RESTARTED = "node restarted"


def kill_controller(fleet: Fleet, play: Running, workers: list[str], draw: random.Random) -> None:
    """Ansible, its forks and their connections end at once."""
    _wait_for_a_moment(fleet, draw.choice(workers), draw)
    play.kill()


def delay_commit(fleet: Fleet, play: Running, workers: list[str], draw: random.Random) -> None:
    """The controller stands still between the change and its confirmation until about when the time is up."""
    while not (deadlines := [deadline for worker in workers if (deadline := fleet.deadline(worker))]):
        assert play.process.poll() is None, play.output()
        time.sleep(0.02)
    with play.standing_still():
        # A commit needs about a second to get there.
        wanted = min(deadlines) - draw.uniform(0.2, 2.2)
        time.sleep(max(0.0, wanted - time.clock_gettime(time.CLOCK_BOOTTIME)))
