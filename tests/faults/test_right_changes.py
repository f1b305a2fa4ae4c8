# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Right changes under which the connection they came over dies: all are kept."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest

from . import states

if TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import FleetMaker
    from .fleet import Fleet

ORDINARY = (6, 1)
WHOLE = (12, 2)


def _nic(name: str, *addresses: str) -> dict[str, Any]:
    listed = [{"ip": address, "prefix_length": 24} for address in addresses]
    return {"name": name, "type": "ethernet", "state": "up", "ipv4": {"enabled": True, "addresses": listed}}


def _default(gateway: str, nic: str) -> dict[str, Any]:
    return {"config": [{"destination": "0.0.0.0/0", "next_hop_address": gateway, "next_hop_interface": nic}]}


def another_address(worker: str) -> tuple[dict[str, Any], str]:
    """The management address is replaced; the old one is gone with every connection to it."""
    address = f"192.168.100.{states.number(worker) + 100}"
    # The default route goes with the last address of its network, and is a part of the change.
    state = {"interfaces": [_nic("ens192", address)], "routes": _default("192.168.100.1", "ens192")}
    return {"desired_state": state, "addresses_exact": True, "confirm_host": address}, address


def another_nic(worker: str) -> tuple[dict[str, Any], str]:
    """The node is reached through another NIC, at the address there; the management NIC loses its own."""
    address = f"10.100.0.{states.number(worker)}"
    state = {
        "interfaces": [_nic("ens224", address), _nic("ens192")],
        "routes": _default("10.100.0.1", "ens224"),
    }
    return {"desired_state": state, "addresses_exact": True, "confirm_host": address}, address


def another_source(worker: str) -> tuple[dict[str, Any], str]:
    """The default route moves to another NIC and takes the address there for its source; both addresses stay."""
    address = f"10.100.0.{states.number(worker)}"
    state = {"interfaces": [_nic("ens224", address)], "routes": _default("10.100.0.1", "ens224")}
    state["routes"]["config"][0]["source"] = address
    return {"desired_state": state, "confirm_host": address}, address


RIGHT: dict[str, Callable[[str], tuple[dict[str, Any], str]]] = {
    "another address": another_address,
    "another NIC": another_nic,
    "another source": another_source,
}


def _let_through(fleet: Fleet) -> None:
    """The controller can be reached through the data network as well."""
    fleet.router("rule", "del", "priority", "20", "iif", "data", "to", states.CONTROLLER, "blackhole")


def test_a_right_change_that_breaks_its_connection_is_kept(
    new_fleet: FleetMaker, full: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    workers, rounds = WHOLE if full else ORDINARY
    kinds = itertools.cycle(RIGHT)
    total = dict.fromkeys(RIGHT, 0)
    for _ in range(rounds):
        # New ones for each round: where a node is reached afterwards is not where the inventory says.
        fleet = new_fleet(workers)
        _let_through(fleet)
        given = {worker: next(kinds) for worker in fleet.workers}
        wanted = {worker: RIGHT[kind](worker) for worker, kind in given.items()}
        common = {"owner": "right", "allow_default_override": True, "on_conflict": "replace", "rollback_timeout": 40}
        done = fleet.play({worker: {**common, **options} for worker, (options, _) in wanted.items()}).wait()
        assert fleet.wait_until_settled(fleet.workers) <= 0
        for worker, (_, address) in wanted.items():
            (line,) = (line for line in done.lines if line["host"] == worker)
            where = f"{worker}, {given[worker]}: {line}\n{done.output}"
            assert line["outcome"] == "ok", where
            assert line["result"]["confirmed_by"] == "controller", where
            assert fleet.reaches(worker, address), where
            total[given[worker]] += 1
        # Kept means kept: what was to take it back does not come later.
        assert all(fleet.pool.map(fleet.reaches, wanted, [address for _, address in wanted.values()]))
    with capsys.disabled():
        text = ", ".join(f"{count} x {kind}" for kind, count in total.items())
        print(f"\n{sum(total.values())} right changes that break their connection, all kept: {text}")
