# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A node that is managed over IPv6, through a default route that router advertisements keep alive for seconds only."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from .fleet import ROLLBACK_TIMEOUT, Fleet

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .conftest import FleetMaker

PREFIX = "2001:db8:100::"
# Shorter than a change may wait for its confirmation.
LIFETIME = 9
NIC = "net.ipv6.conf.ens192"
_ROUTER = f"""\
cd /proc/sys/net/ipv6/conf
for name in all default management controller; do echo 0 > $name/disable_ipv6; done
echo 1 > all/forwarding
echo 0 > management/accept_dad
echo 0 > controller/accept_dad
ip link set management down; ip link set management up
ip link set controller down; ip link set controller up
ip -6 address add {PREFIX}1/64 dev management nodad
ip -6 address add 2001:db8:198::1/64 dev controller nodad
"""
_CONTROLLER = """\
ip -6 address add 2001:db8:198::10/64 dev eth0 nodad
ip -6 route add default via 2001:db8:198::1
"""
_WORKER = """\
cd /proc/sys/net/ipv6/conf/ens192
echo 1 > accept_ra; echo 1 > autoconf; echo 0 > accept_dad
"""

REFUSED: dict[str, dict[str, Any]] = {
    "forwarding": {"net.ipv6.conf.all.forwarding": 1},
    "forwarding of the NIC": {f"{NIC}.forwarding": 1},
    "advertisements ignored": {f"{NIC}.accept_ra": 0},
}


def address(worker: str) -> str:
    """What a worker makes of the prefix and its MAC address (RFC 4291, appendix A)."""
    return f"{PREFIX}ff:fe00:{100 + int(worker[1:]):x}"


@pytest.fixture
def fleet(new_fleet: FleetMaker) -> Iterator[Fleet]:
    """Four workers that the controller reaches over IPv6."""
    fleet = new_fleet(len(REFUSED) + 1)
    fleet.lab.sh("r1", _ROUTER)
    fleet.lab.sh("c1", _CONTROLLER)
    fleet.each(lambda worker: fleet.lab.sh(worker, _WORKER))
    script = str(Path(__file__).with_name("router_advertisements.py"))
    command = [*fleet.lab.script, "exec", "r1", "--", sys.executable, script, "management", PREFIX, str(LIFETIME)]
    advertiser = subprocess.Popen(command, env=fleet.lab.env, start_new_session=True)
    end = time.monotonic() + 30
    while not all(fleet.each(lambda worker: fleet.reaches(worker, address(worker))).values()):
        assert time.monotonic() < end, fleet.lab.sh("w1", "ip -6 address; ip -6 route")
    yield fleet
    advertiser.kill()
    advertiser.wait()


def test_forwarding_with_an_advertised_default_route_is_refused_and_a_dead_one_taken_back(
    fleet: Fleet, capsys: pytest.CaptureFixture[str]
) -> None:
    common = {"owner": "a-mistake", "allow_default_override": True, "rollback_timeout": ROLLBACK_TIMEOUT}
    *refused, dead = fleet.workers
    changes = {
        worker: {**common, "desired_state": {}, "sysctl": sysctl} for worker, sysctl in zip(refused, REFUSED.values())
    }
    route = {"destination": "::/0", "next_hop_address": f"{PREFIX}99", "next_hop_interface": "ens192", "metric": 5}
    changes[dead] = {**common, "desired_state": {"routes": {"config": [route]}}}
    before = fleet.each(fleet.look)
    done = fleet.play(changes, hosts={worker: address(worker) for worker in fleet.workers}).wait()
    fleet.wait_until_settled(fleet.workers)
    for worker in fleet.workers:
        (line,) = (line for line in done.lines if line["host"] == worker)
        assert line["outcome"] == "failed", line
        assert fleet.look(worker) == before[worker], line
        assert fleet.reaches(worker, address(worker)), line
        assert bool(line["result"].get("rolled_back")) is (worker == dead), line
        if worker != dead:
            assert "default route" in line["result"]["msg"], line
    with capsys.disabled():
        print(f"\n{len(fleet.workers)} changes that cut off over IPv6: 1 came back by itself, {len(refused)} refused")
