# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes that cut a node off its controller: each is refused beforehand, or the node comes back by itself."""

from __future__ import annotations

import collections
import itertools
import random
from typing import TYPE_CHECKING, Any

import pytest

from . import states
from .fleet import ROLLBACK_TIMEOUT, difference

if TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import FleetMaker

ORDINARY = (10, 1)
WHOLE = (12, 9)
# Nobody has this address.
DEAD = "192.168.100.99"


def _routes(*routes: dict[str, Any]) -> dict[str, Any]:
    return {"desired_state": {"routes": {"config": list(routes)}}, "on_conflict": "replace"}


def _over(gateway: str, destination: str, nic: str = "ens192", **more: Any) -> dict[str, Any]:
    return {"destination": destination, "next_hop_address": gateway, "next_hop_interface": nic, **more}


def _rule(**rule: Any) -> dict[str, Any]:
    return {"desired_state": {"route_rules": {"config": [rule]}}}


def _management(**more: Any) -> dict[str, Any]:
    return {"desired_state": {"interfaces": [{"name": "ens192", "type": "ethernet", **more}]}}


def _address(*addresses: str) -> dict[str, Any]:
    listed = [{"ip": address, "prefix_length": 24} for address in addresses]
    return {**_management(state="up", ipv4={"enabled": True, "addresses": listed}), "addresses_exact": True}


CUTS: dict[str, Callable[[str], dict[str, Any]]] = {
    "default route to a dead gateway": lambda _: _routes(_over(DEAD, "0.0.0.0/0")),
    "halves of the default route to a dead gateway": lambda _: _routes(
        _over(DEAD, "0.0.0.0/1"), _over(DEAD, "128.0.0.0/1")
    ),
    "route to the controller through another NIC": lambda _: _routes(_over("10.100.0.1", "198.51.100.0/24", "ens224")),
    "blackhole route to the controller": lambda _: _routes(
        {"destination": "198.51.100.10/32", "route_type": "blackhole"}
    ),
    "management address removed": lambda _: _address(),
    "management address replaced by one that nobody knows": lambda worker: _address(
        f"192.168.100.{states.number(worker) + 100}"
    ),
    "NIC down": lambda _: _management(state="down"),
    "rule that blackholes": lambda _: _rule(ip_to="198.51.100.0/24", priority=50, action="blackhole"),
    "rule that blackholes all but the link": lambda _: _rule(ip_to="0.0.0.0/0", priority=50, action="blackhole"),
    "rule to a table with a dead gateway": lambda _: {
        "desired_state": {
            "routes": {"config": [_over(DEAD, "0.0.0.0/0", table_id=300)]},
            "route_rules": {"config": [{"ip_to": "0.0.0.0/0", "priority": 50, "route_table": 300}]},
        }
    },
}


# They would take the default route of an operator along, which has to be moved first, leave or not.
NEVER_LET_THROUGH = ("management address removed", "NIC down")


def test_a_change_that_cuts_the_node_off_is_refused_or_takes_itself_back(
    new_fleet: FleetMaker, seed: int, full: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    workers, rounds = WHOLE if full else ORDINARY
    draw = random.Random(seed)
    fleet = new_fleet(workers)
    fleet.applied({worker: states.first(worker) for worker in fleet.workers})
    before = fleet.each(fleet.look)
    # Each of them once with leave and once, in longer runs, without.
    cuts = itertools.cycle([(name, True) for name in CUTS] + [(name, False) for name in CUTS])
    counts: collections.Counter[tuple[str, str]] = collections.Counter()
    latest = 0.0
    for _ in range(rounds):
        given = {worker: next(cuts) for worker in draw.sample(fleet.workers, workers)}
        changes = {
            worker: {
                "owner": "a-mistake",
                "allow_default_override": allowed,
                "rollback_timeout": ROLLBACK_TIMEOUT,
                **CUTS[name](worker),
            }
            for worker, (name, allowed) in given.items()
        }
        done = fleet.play(changes).wait()
        latest = max(latest, fleet.wait_until_settled(fleet.workers))
        found = fleet.each(fleet.look)
        reached = fleet.each(fleet.reaches)
        for worker, (name, allowed) in given.items():
            (line,) = (line for line in done.lines if line["host"] == worker)
            where = f"{worker}, {name}, {'allowed' if allowed else 'not allowed'}: {line}"
            # Not unreachable: it is there again, and tells why.
            assert line["outcome"] == "failed", where
            assert found[worker] == before[worker], f"{where}\n{difference({'before': before[worker]}, found[worker])}"
            assert reached[worker], where
            back = bool(line["result"].get("rolled_back"))
            assert allowed or not back, f"{where}: it was to be refused"
            counts[name, "came back" if back else "refused"] += 1
    with capsys.disabled():
        back = sum(count for (_, how), count in counts.items() if how == "came back")
        print(
            f"\n{workers * rounds} changes that cut off (seed {seed}): {back} came back by themselves, "
            f"{workers * rounds - back} refused; latest {max(latest, 0):.1f} s after its time"
        )
        for name in CUTS:
            print(f"  {name}: {counts[name, 'came back']} came back, {counts[name, 'refused']} refused")
    assert sum(counts.values()) == workers * rounds
    assert all(counts[name, "came back"] for name in CUTS if name not in NEVER_LET_THROUGH), counts
    assert not any(counts[name, "came back"] for name in NEVER_LET_THROUGH), counts
