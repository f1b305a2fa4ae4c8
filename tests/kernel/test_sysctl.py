# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernel settings in a private namespace: what the kernel takes, answers, and does along with them."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
import typing as t

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._state import sysctl
from ansible_collections.kubenode.network.plugins.module_utils._state.model import State, StateError, SysctlSpec
from ansible_collections.kubenode.network.plugins.module_utils._state.observe import read_kernel

if t.TYPE_CHECKING:
    from .conftest import Netns

# An ICMPv6 router advertisement (RFC 4861 4.2): hop limit 64, router lifetime 1800 s.
ADVERTISE = """
import socket
advertiser = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
advertiser.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
index = socket.if_nametoindex("r192")
advertiser.sendto(bytes([134, 0, 0, 0, 64, 0, 0x07, 0x08]) + bytes(8), ("ff02::1", 0, 0, index))
"""
FORWARDING = "net.ipv6.conf.all.forwarding"
ACCEPT = "net.ipv6.conf.ens192.accept_ra"


@pytest.fixture
def advertised(netns: Netns) -> t.Iterator[Netns]:
    """ens192 with a default route from a router's advertisement."""
    with contextlib.ExitStack() as stack:
        router = stack.enter_context(subprocess.Popen(["unshare", "--net", "sleep", "300"]))
        stack.callback(router.kill)
        deadline = time.monotonic() + 10
        while os.readlink(f"/proc/{router.pid}/ns/net") == os.readlink("/proc/self/ns/net"):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        inside = ["nsenter", "-t", str(router.pid), "-n"]
        netns.ip("link", "add", "ens192", "type", "veth", "peer", "name", "r192", "netns", router.pid)
        # The router's first packets would wait for the check of its address, and its address for a carrier.
        sysctl.write("net.ipv6.conf.ens192.dad_transmits", "0")
        sysctl.write(ACCEPT, "1")
        netns.ip("link", "set", "ens192", "up")
        subprocess.run(
            [*inside, "sh", "-ec", "echo 0 >/proc/sys/net/ipv6/conf/r192/dad_transmits; ip link set r192 up"],
            check=True,
        )
        while not netns.ip("-6", "route", "show", "default"):
            assert time.monotonic() < deadline, "no default route after the advertisements"
            subprocess.run([*inside, sys.executable, "-c", ADVERTISE], check=False, stderr=subprocess.DEVNULL)
            time.sleep(0.1)
        yield netns


def state_of(netns: Netns) -> State:
    keys = sysctl.needed([SysctlSpec(None, "s", FORWARDING, "1")], ["lo", "ens192"])
    return read_kernel(netns.socket())._replace(sysctls={key: sysctl.read(key) for key in keys})


def test_forwarding_that_would_lose_the_advertised_route_is_refused_for_a_reason(advertised: Netns) -> None:
    with pytest.raises(StateError, match="IPv6 default route that ens192 has from router advertisements"):
        sysctl.check({FORWARDING: "1"}, state_of(advertised))
    sysctl.write(FORWARDING, "1")
    assert advertised.ip("-6", "route", "show", "default") == ""


def test_with_accept_ra_2_in_the_same_run_the_route_stays(advertised: Netns) -> None:
    specs = sysctl.normalised([SysctlSpec(None, "s", FORWARDING, "1"), SysctlSpec(None, "s", ACCEPT, "2")])
    assert sysctl.check({spec.key: spec.value for spec in specs}, state_of(advertised)) == []
    for spec in specs:
        sysctl.write(spec.key, spec.value)
    assert "proto ra" in advertised.ip("-6", "route", "show", "default")


def test_values_are_read_back_as_they_were_written(wired: Netns) -> None:
    for key, value in (
        ("net.ipv4.ip_local_port_range", "20000 30000"),
        ("net.ipv4.conf.ens224.rp_filter", "2"),
        ("net.ipv6.conf.ens224.accept_ra", "2"),
    ):
        assert sysctl.read(key) != value
        sysctl.write(key, value)
        assert sysctl.read(key) == value


def test_an_interface_with_a_dot_in_its_name_has_its_keys(netns: Netns) -> None:
    netns.veth("ens224.100", "peer")
    key = sysctl.dotted("net.ipv4.conf.ens224.100.rp_filter", "s")
    sysctl.write(key, "2")
    with open("/proc/sys/net/ipv4/conf/ens224.100/rp_filter", encoding="ascii") as file:
        assert file.read() == "2\n"


def test_what_the_kernel_refuses_is_told_and_changes_nothing(wired: Netns) -> None:
    before = sysctl.read("net.ipv4.ip_forward")
    with pytest.raises(StateError, match=r"the kernel refused sysctl net\.ipv4\.ip_forward = many: Invalid argument"):
        sysctl.write("net.ipv4.ip_forward", "many")
    assert sysctl.read("net.ipv4.ip_forward") == before
    assert sysctl.read("net.ipv4.no_such_key") is None
    with pytest.raises(StateError, match=r"net\.ipv4\.no_such_key is not there"):
        sysctl.write("net.ipv4.no_such_key", "1")
    with pytest.raises(StateError, match=r"net\.ipv4\.route\.flush cannot be read"):
        sysctl.read("net.ipv4.route.flush")
