# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packets through a NIC that a change does not touch, or only adds a route to, all arrive."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from typing import TYPE_CHECKING, Any

from . import states

if TYPE_CHECKING:
    import pytest

    from .conftest import FleetMaker
    from .fleet import Fleet

INTERVAL = "0.02"


class Stream:
    """A ping from a worker, 50 times a second, from its making to lost()."""

    def __init__(self, fleet: Fleet, worker: str, address: str, *options: str) -> None:
        command = [*fleet.lab.script, "exec", worker, "--", "ping", "-n", "-i", INTERVAL, *options, address]
        self._process = subprocess.Popen(
            command, env=fleet.lab.env, stdout=subprocess.PIPE, text=True, start_new_session=True
        )

    def lost(self) -> tuple[int, int]:
        """How many had no answer, of how many; what was on its way at the end does not count."""
        os.killpg(self._process.pid, signal.SIGINT)
        said, _ = self._process.communicate(timeout=10)
        answered = {int(number) for number in re.findall(r"icmp_seq=(\d+) ttl", said)}
        assert answered, said
        return len(set(range(1, max(answered) + 1)) - answered), max(answered)


def with_more_on_data(worker: str) -> dict[str, Any]:
    """The first state, with another MTU, one more address and fewer routes on ens224."""
    change = states.first(worker)
    nic = change["desired_state"]["interfaces"][0]
    nic["mtu"] = 1400
    nic["ipv4"]["addresses"].append({"ip": f"10.100.9.{states.number(worker)}", "prefix_length": 24})
    del change["desired_state"]["routes"]["config"][1]
    return change


def test_no_packet_is_lost_through_an_untouched_nic(new_fleet: FleetMaker, capsys: pytest.CaptureFixture[str]) -> None:
    fleet = new_fleet(1)
    fleet.applied({"w1": states.first("w1")})
    before = fleet.look("w1")
    stream = Stream(fleet, "w1", "203.0.113.1", "-I", f"172.16.0.{states.number('w1')}")
    # Applied, applied again, taken back by its own, and taken back as a probe does not pass.
    for change, changed in (
        (with_more_on_data("w1"), True),
        (with_more_on_data("w1"), False),
        (states.first("w1"), True),
    ):
        result = fleet.applied({"w1": change}).only("w1")
        assert result["changed"] is changed
    # Passes before the change, not after it.
    script = "! ip -4 address show dev ens224 | grep -F 10.100.9."
    probe = {"type": "command", "argv": ["/bin/sh", "-c", script], "timeout": 1}
    failing = {**with_more_on_data("w1"), "probes": [probe], "rollback_timeout": 8}
    result = fleet.play({"w1": failing}).wait().only("w1")
    assert result.get("rolled_back"), result.get("msg")
    assert fleet.look("w1") == before
    lost, sent = stream.lost()
    with capsys.disabled():
        print(f"\nthrough an untouched NIC, {INTERVAL} s apart: {lost} of {sent} packets lost")
    assert lost == 0
    assert sent > 200


def test_no_packet_is_lost_where_a_route_is_added(new_fleet: FleetMaker, capsys: pytest.CaptureFixture[str]) -> None:
    fleet = new_fleet(1)
    fleet.applied({"w1": states.first("w1")})
    change = states.first("w1")
    change["desired_state"]["routes"]["config"].append(
        {"destination": "10.61.0.0/16", "next_hop_address": "10.100.0.1", "next_hop_interface": "ens224"}
    )
    stream = Stream(fleet, "w1", "10.200.0.1")
    assert fleet.applied({"w1": change}).only("w1")["changed"]
    assert fleet.applied({"w1": states.first("w1")}).only("w1")["changed"]
    lost, sent = stream.lost()
    with capsys.disabled():
        print(f"\nthrough the NIC that a route is added to and taken from: {lost} of {sent} packets lost")
    assert lost == 0
    assert sent > 100
