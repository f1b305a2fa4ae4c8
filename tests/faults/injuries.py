# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens to a worker while it is changed. Each waits for the change to begin, then for a random time."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any

from .fleet import ROLLBACK_TIMEOUT, Fleet

# Seconds for Ansible to reach a worker, with many of them on few cores.
_BEGIN = 60.0
# Seconds from a module's start to where its change has been confirmed on a busy machine.
_SPAN = 3.5

# Passes once the transaction that is open has this many seconds left (negative: they are over).
_NEAR_THE_DEADLINE = """\
deadline=$(cat /var/lib/kubenode-network/transactions/*/deadline | sort -n | tail -n 1)
awk -v wanted="$deadline" -v left={left:.2f} '{{exit !($1 >= wanted - left)}}' /proc/uptime
"""


def _when_it_has_begun(fleet: Fleet, worker: str, delay: float) -> None:
    end = time.monotonic() + _BEGIN
    while not fleet.pythons(worker):
        assert time.monotonic() < end, f"no module came to {worker}"
        time.sleep(0.02)
    time.sleep(delay)


def kill_module(fleet: Fleet, worker: str, draw: random.Random) -> None:
    """Kill -9 whatever Python runs: the module, what carries the change out, or the one that confirms."""
    _when_it_has_begun(fleet, worker, draw.uniform(0, _SPAN))
    end = time.monotonic() + 2
    while not fleet.kill_pythons(worker) and time.monotonic() < end:
        time.sleep(0.01)


def cut_connection(fleet: Fleet, worker: str, draw: random.Random) -> None:
    """Nothing comes from the worker any more, for a while that may be longer than its rollback_timeout."""
    _when_it_has_begun(fleet, worker, draw.uniform(0, _SPAN))
    fleet.cut(worker)
    time.sleep(draw.uniform(0.5, ROLLBACK_TIMEOUT + 4))
    fleet.join(worker)


def restart_node(fleet: Fleet, worker: str, draw: random.Random) -> None:
    """The node's power fails."""
    _when_it_has_begun(fleet, worker, draw.uniform(0, _SPAN))
    fleet.boot(worker)


def nothing(_fleet: Fleet, _worker: str, _draw: random.Random) -> None:
    """What happens to this one was arranged before it began."""


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


def racing(draw: random.Random) -> list[dict[str, Any]]:
    """Probes with which a change can be kept only about when its time is up."""
    script = _NEAR_THE_DEADLINE.format(left=draw.uniform(-0.3, 1.2))
    return [{"type": "command", "argv": ["/bin/sh", "-c", script], "timeout": 2}]


def span(draw: random.Random) -> float:
    """A random time within a change, in seconds."""
    return draw.uniform(0, _SPAN)
