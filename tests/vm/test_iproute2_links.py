# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Links that are said to `ip` come as they were described, and are said and made again as they were read."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._netlink.objects import Link
from ansible_collections.kubenode.network.plugins.module_utils._state import iproute2
from ansible_collections.kubenode.network.plugins.module_utils._state.observe import observe
from ansible_collections.kubenode.network.tests.kernel.test_iproute2 import batch

LINKS = {
    "dummy": (Link("d0", 0, 1400, True, kind="dummy", mac="02:00:00:00:00:01"),),
    "dummy that is down": (Link("d0", 0, 1500, False, kind="dummy"),),
    "bridge with a port": (
        Link("br0", 0, 1500, True, kind="bridge", data=(("forward_delay", 200), ("stp_state", 1))),
        Link("d0", 0, 1500, True, kind="dummy", master="br0"),
    ),
    "vlan": (Link("v7", 0, 1450, True, kind="vlan", parent="ens224", data=(("id", 7), ("protocol", "802.1q"))),),
    "service vlan": (Link("v7", 0, kind="vlan", parent="ens224", data=(("id", 7), ("protocol", "802.1ad"))),),
    "vrf": (Link("red", 0, 65575, True, kind="vrf", data=(("table", 1010),)),),
    "macvlan": (Link("m0", 0, 1500, True, kind="macvlan", parent="ens224", data=(("mode", "bridge"),)),),
    "bond": (
        Link("b0", 0, 1500, True, kind="bond", data=(("miimon", 100), ("mode", "active-backup"), ("updelay", 200))),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", LINKS)
def test_a_link_comes_as_it_was_described_and_goes(wired: t.Any, case: str) -> None:
    wanted = LINKS[case]
    before = set(observe().links)
    for link in wanted:
        assert "Error" not in batch(iproute2.add("link", link))
    found = observe().links
    for link in wanted:
        one = found[link.name]
        assert (one.kind, one.mtu, one.up, one.master, one.parent) == (
            link.kind, link.mtu, link.up, link.master, link.parent,
        )  # fmt: skip
        assert set(link.data) <= set(one.data)
        assert link.mac in (None, one.mac)
    # A link that was read is said and made again.
    for link in reversed(wanted):
        batch(iproute2.delete("link", link))
    assert set(observe().links) == before
    for link in wanted:
        batch(iproute2.add("link", found[link.name]))
    again = observe().links
    for link in wanted:
        assert again[link.name]._replace(index=0, running=False, flags=0) == found[link.name]._replace(
            index=0, running=False, flags=0
        )
