# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lab's networks: what answers where, the DNS server, and what the router drops when it is told to."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Lab, LabMaker

ANSWERS = ("10.200.0.1", "10.50.0.1", "203.0.113.1")
ADDRESS = """
ip address add 10.100.0.{number}/24 dev ens224
ip link set ens224 up
ip address add 172.16.0.{number}/24 dev ens256
ip link set ens256 up
ip route add 10.200.0.0/16 via 10.100.0.1
ip route add 10.50.0.0/24 via 10.100.0.1
ip route add 203.0.113.0/24 via 172.16.0.1
"""


@pytest.fixture(scope="module")
def addressed(lab: Lab) -> Iterator[Lab]:
    """A lab of two workers whose data and external NICs are configured, with routes to what is behind them."""
    with tempfile.TemporaryDirectory(prefix="kubenode-test-") as folder:
        own = type(lab)(Path(folder) / "lab")
        own.run("up", "--workers", "2")
        for number in (1, 2):
            own.sh(f"w{number}", ADDRESS.format(number=100 + number))
        yield own
        own.run("down")


@pytest.fixture
def dropping(addressed: Lab) -> Iterator[Lab]:
    """The same lab, whose router drops nothing afterwards."""
    yield addressed
    addressed.run("pass", "--all")


def test_the_default_route_leads_to_the_controller_and_nowhere_else(lab: Lab) -> None:
    assert lab.pings("w1", "192.168.100.1")
    assert lab.pings("w1", "198.51.100.10")
    script = "for a in {}; do ping -n -c1 -W0.5 $a > /dev/null && echo $a & done; wait"
    assert lab.sh("w1", script.format(" ".join((*ANSWERS, "10.100.0.1", "10.100.0.53", "172.16.0.1")))) == ""


def test_gateways_and_answers_are_reached_through_their_nics(addressed: Lab) -> None:
    for address in ("10.100.0.1", "172.16.0.1", "10.100.0.102", "172.16.0.102", *ANSWERS):
        assert addressed.pings("w1", address), address


def test_storage_is_behind_the_data_gateway_only(addressed: Lab) -> None:
    addressed.sh("w2", "ip route replace 10.200.0.0/16 via 172.16.0.1")
    assert not addressed.pings("w2", "10.200.0.1")
    addressed.sh("w2", "ip route replace 10.200.0.0/16 via 10.100.0.1")
    assert addressed.pings("w2", "10.200.0.1")


def test_a_reply_needs_the_rule_that_policy_routing_gives_it(new_lab: LabMaker) -> None:
    lab = new_lab()
    lab.sh(
        "w1",
        "ip address add 172.16.0.101/24 dev ens256; ip link set ens256 up;"
        "ip route add default via 172.16.0.1 table 100",
    )
    assert not lab.pings("w1", "203.0.113.1", "-I", "172.16.0.101")
    lab.sh("w1", "ip rule add from 172.16.0.0/24 table 100 priority 100")
    assert lab.pings("w1", "203.0.113.1", "-I", "172.16.0.101")


def test_names_are_resolved_once_resolv_conf_says_where(addressed: Lab) -> None:
    addressed.sh(
        "w1",
        "echo 'search storage.internal.example.com internal.example.com' > /etc/resolv.conf;"
        "echo 'nameserver 10.100.0.53' >> /etc/resolv.conf;"
        "printf 'hosts: files dns\\n' > /etc/nsswitch.conf",
    )
    assert addressed.sh("w1", "getent ahostsv4 r1 | head -n 1").split()[0] == "10.200.0.1"
    assert addressed.sh("w1", "getent ahostsv4 w2 | head -n 1").split()[0] == "10.100.0.102"
    assert addressed.sh("w1", "getent ahostsv4 www.example.com | head -n 1").split()[0] == "203.0.113.1"
    assert addressed.exec("w1", ["getent", "ahostsv4", "nothing.example.com."], check=False).returncode == 2
    addressed.sh("w1", "printf 'nameserver 10.100.0.54\\noptions use-vc\\n' > /etc/resolv.conf")
    assert addressed.sh("w1", "getent ahostsv4 r1.gpu.internal.example.com | head -n 1").split()[0] == "10.50.0.1"


@pytest.mark.parametrize(
    ("words", "silent"),
    [
        (("data",), ("10.100.0.1", "10.200.0.1", "10.50.0.1")),
        (("10.100.0.1",), ("10.100.0.1", "10.200.0.1", "10.50.0.1")),
        (("data", "--from", "w1"), ("10.100.0.1", "10.200.0.1", "10.50.0.1", "10.100.0.102")),
        (("10.200.0.1",), ("10.200.0.1",)),
        (("10.50.0.0/24", "203.0.113.1"), ("10.50.0.1", "203.0.113.1")),
        (("external",), ("203.0.113.1", "172.16.0.1")),
        (("management",), ("192.168.100.1", "198.51.100.10")),
    ],
    ids=lambda value: " ".join(value) if value and value[0][0] != "1" else None,
)
def test_what_is_dropped_is_silent_until_it_passes_again(
    dropping: Lab, words: tuple[str, ...], silent: tuple[str, ...]
) -> None:
    every = ("192.168.100.1", "198.51.100.10", "10.100.0.1", "10.100.0.102", "172.16.0.1", *ANSWERS)
    script = f"for a in {' '.join(every)}; do ping -n -c1 -W0.5 $a > /dev/null && echo $a & done; wait"
    dropping.run("drop", *words)
    assert set(every) - set(dropping.sh("w1", script).split()) == set(silent)
    others = {address for address in silent if address != "10.100.0.102"} if "--from" in words else set()
    assert all(dropping.pings("w2", address) for address in others)
    dropping.run("pass", *words)
    assert set(dropping.sh("w1", script).split()) == set(every)


def test_a_drop_leaves_the_nic_as_it_is(dropping: Lab) -> None:
    before = dropping.json("w1", "link", "show", "dev", "ens224")
    dropping.run("drop", "data", "--from", "w1")
    dropping.sh("w1", "ip link set ens224 down; ip link set ens224 up; ip route replace 10.200.0.0/16 via 10.100.0.1")
    assert not dropping.pings("w1", "10.100.0.1")
    after = dropping.json("w1", "link", "show", "dev", "ens224")
    assert (after[0]["operstate"], after[0]["flags"]) == (before[0]["operstate"], before[0]["flags"])
    dropping.sh("w1", "ip route replace 10.50.0.0/24 via 10.100.0.1")


def test_drops_are_listed_and_not_doubled(dropping: Lab) -> None:
    assert "Dropped: nothing" in dropping.run("status").stdout
    for _ in range(2):
        dropping.run("drop", "data", "10.200.0.1")
        said = dropping.run("drop", "external", "--from", "w2").stdout
    assert said == "Dropped: data, 10.200.0.1, external from w2\n"
    assert said in dropping.run("status").stdout
    assert dropping.run("pass", "data").stdout == "Dropped: 10.200.0.1, external from w2\n"
    assert dropping.run("pass", "--all").stdout == "Dropped: nothing\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("drop",), "say what to drop"),
        (("drop", "ens999"), "neither a network of the lab (management, data, external) nor an IPv4 address"),
        (("drop", "10.0.0.1/8"), "has host bits set"),
        (("drop", "0.0.0.0/0"), "every address"),
        (("drop", "data", "--from", "w9"), "the lab has no worker 'w9'; it has w1 to w2"),
        (("drop", "10.200.0.1", "--from", "w1"), "--from goes with a network of the lab"),
        (("pass",), "say what to pass, or --all"),
        (("pass", "data"), "the router does not drop data; it drops nothing"),
    ],
)
def test_a_drop_that_means_nothing_is_refused(dropping: Lab, words: tuple[str, ...], message: str) -> None:
    result = dropping.run(*words, check=False)
    assert result.returncode == 1
    assert message in result.stderr
    assert "Dropped: nothing" in dropping.run("status").stdout
