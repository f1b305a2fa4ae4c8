# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a user takes everything away again: the policy once more, empty. docs/how-it-works.md says what stays."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._state.model import StateError
from ansible_collections.kubenode.network.plugins.module_utils._state.options import desired_from_options
from ansible_collections.kubenode.network.plugins.module_utils._state.owned import load
from ansible_collections.kubenode.network.plugins.module_utils._state.run import execute

from .whole import BESIDE, WHOLE, files, furnish, mtu, policy
from .worlds import not_ours, of_protocol, seen

KEPT = {"etc/resolv.conf", "etc/nsswitch.conf", "etc/iproute2/rt_protos.d/kubenode.conf"}


@pytest.fixture
def root(wired: t.Any, tmp_path: pathlib.Path) -> pathlib.Path:
    return furnish(tmp_path)


def run(root: pathlib.Path, desired_state: dict[str, t.Any], **beside: t.Any) -> dict[str, t.Any]:
    params = {"policies": [policy(desired_state)], "owner": "worker", **beside}
    return execute(desired_from_options(params, "network_state"), root=str(root))


def test_a_policy_that_was_emptied_takes_everything_away_but_what_a_node_lives_by(root: pathlib.Path) -> None:
    filter_before = pathlib.Path("/proc/sys/net/ipv4/conf/ens224/rp_filter").read_text()
    before, mtu_before, files_before = seen("routes", "rules", "rules6"), mtu("ens224"), files(root)
    run(root, WHOLE, **BESIDE)
    assert of_protocol("157")
    assert len(load(str(root))) > 10
    assert seen("routes", "rules", "rules6") != before
    result = run(root, {})
    assert result["changed"] is True
    assert seen("routes", "rules", "rules6") == before
    assert of_protocol("157") == set()
    # What stood before is remembered for the day when all is taken back.
    assert {kind for kind, _name in load(str(root))} <= {"before"}
    assert pathlib.Path("/proc/sys/net/ipv4/conf/ens224/rp_filter").read_text() == filter_before
    left = files(root)
    assert {name for name in left if left[name] != files_before.get(name)} == KEPT
    assert "10.100.0.53" in left["etc/resolv.conf"]
    # A NIC that we did not make keeps what it was set to.
    assert (mtu_before, mtu("ens224")) == (1500, 1400)
    assert run(root, {})["changed"] is False


def test_it_leaves_what_others_have_beside_it(root: pathlib.Path, wired: t.Any) -> None:
    wired.ip("route", "add", "10.61.0.0/16", "via", "10.100.0.9", "dev", "ens224", "proto", "bird")
    wired.ip("addr", "add", "10.100.0.200/32", "dev", "ens224")
    others = not_ours()
    run(root, {"routes": WHOLE["routes"]})
    run(root, {})
    assert not_ours() == others


def test_without_prune_an_emptied_policy_takes_nothing(root: pathlib.Path) -> None:
    run(root, {"routes": WHOLE["routes"]})
    ours = of_protocol("157")
    assert ours
    assert run(root, {}, prune=False)["changed"] is False
    assert of_protocol("157") == ours


def test_another_owner_may_set_the_resolver_once_the_first_no_longer_does(root: pathlib.Path) -> None:
    run(root, {"dns-resolver": WHOLE["dns-resolver"]})
    other = {"desired_state": {"dns-resolver": {"config": {"server": ["10.100.0.54"]}}}, "owner": "other"}
    with pytest.raises(StateError, match="worker set it to"):
        execute(desired_from_options(other, "network_state"), root=str(root))
    run(root, {})
    assert "10.100.0.53" in files(root)["etc/resolv.conf"]
    execute(desired_from_options(other, "network_state"), root=str(root))
    assert "10.100.0.54" in files(root)["etc/resolv.conf"]
