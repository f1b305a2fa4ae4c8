# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Links of every kind are undone by the shell, from any request of a plan, with what others have on them."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._checkpoint import watchdog
from ansible_collections.kubenode.network.plugins.module_utils._state.apply import apply
from ansible_collections.kubenode.network.tests.kernel.applying import everything
from ansible_collections.kubenode.network.tests.kernel.test_apply_properties import planned
from ansible_collections.kubenode.network.tests.kernel.test_checkpoint_undo import killed_after, opened, undone

if t.TYPE_CHECKING:
    import pathlib

    from ansible_collections.kubenode.network.tests.kernel.conftest import Netns

ON_IT = {"ipv4": {"enabled": True, "addresses": [{"ip": "10.107.0.5", "prefix_length": 24}]}}
DOCUMENTS: dict[str, dict[str, t.Any]] = {
    "a vlan with a route": {
        "interfaces": [{"name": "ens224.7", "type": "vlan", "vlan": {"base-iface": "ens224", "id": 7}, **ON_IT}],
        "routes": {"config": [{"destination": "10.200.0.0/16", "next_hop_interface": "ens224.7",
                               "next_hop_address": "10.107.0.1"}]},
    },
    "a bridge over a NIC": {
        "interfaces": [{"name": "br0", "type": "linux-bridge", "bridge": {"port": [{"name": "ens257"}]}, **ON_IT}]
    },
    "a bond of two NICs": {
        "interfaces": [{"name": "bond0", "type": "bond", **ON_IT,
                        "link-aggregation": {"mode": "active-backup", "port": ["ens257", "ens258"]}}]
    },
    "a vrf around a NIC": {
        "interfaces": [{"name": "blue", "type": "vrf", "vrf": {"port": ["ens257"], "route-table-id": 1010}}]
    },
    "a smaller mtu": {"interfaces": [{"name": "ens224", "mtu": 1300}]},
    "a NIC that comes up": {"interfaces": [{"name": "ens258", "state": "up", **ON_IT}]},
}  # fmt: skip


@pytest.fixture
def nics(netns: Netns) -> Netns:
    for number in (224, 257, 258):
        netns.veth(f"ens{number}", f"peer{number}")
    netns.ip("link", "set", "ens258", "down")
    netns.batch("""
        addr add 10.100.0.11/24 dev ens224
        addr add 2001:db8:a::b/64 dev ens224 nodad
        addr add 10.103.0.11/24 dev ens257
        addr add 2001:db8:c::b/64 dev ens257 nodad
        route add 10.210.0.0/16 via 10.100.0.9 dev ens224 proto bird
        route add 2001:db8:210::/48 via 2001:db8:a::9 dev ens224 proto bird
    """)
    return netns


def held(nics: Netns) -> dict[str, t.Any]:
    """All but the rule that the kernel makes with a namespace's first VRF, and keeps."""
    found = everything(nics)
    for name in ("rule", "rule6"):
        found[name] = [rule for rule in found[name] if "l3mdev" not in rule]
    return found


@pytest.mark.parametrize("requests", [2, 100])
@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_go_back_from_any_request(name: str, requests: int, nics: Netns, tmp_path: pathlib.Path) -> None:
    before = held(nics)
    state, plan = planned(DOCUMENTS[name], {})
    assert plan.changes
    run = opened(plan, state, str(tmp_path))
    if requests == 100:
        apply(plan.changes, state)
    else:
        killed_after(plan.changes, state, requests)
    undone(run)
    assert held(nics) == before
    watchdog.disarm(run.transaction)


def test_a_link_that_the_plan_removes_is_made_again(nics: Netns, tmp_path: pathlib.Path) -> None:
    state, plan = planned(DOCUMENTS["a vlan with a route"], {})
    apply(plan.changes, state)
    before = everything(nics)
    state, removal = planned({}, plan.owned)
    assert [change.kind for change in removal.changes if change.kind == "link"]
    run = opened(removal, state, str(tmp_path))
    apply(removal.changes, state)
    assert "ens224.7" not in nics.indexes
    undone(run)
    assert everything(nics) == before
    watchdog.disarm(run.transaction)
