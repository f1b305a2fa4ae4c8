# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""multi_nic as one declaration on the real kernel: made, left alone, pruned; asked of the kernel's own lookup."""

from __future__ import annotations

import json
import pathlib
import shutil
import subprocess
import typing as t

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._state.multi_nic import PRIORITY, TABLES

from .worlds import not_ours, run, seen

CIDRS = ["10.244.0.0/16", "10.96.0.0/14"]
NIC = {"interface": "ens256", "gateway": "172.16.0.1", "gateway6": "2001:db8:c::1"}


@pytest.fixture
def node(wired: t.Any, tmp_path: pathlib.Path) -> pathlib.Path:
    wired.ip("route", "add", "default", "via", "10.100.0.1")
    wired.ip("-6", "route", "add", "default", "via", "2001:db8:a::1")
    return tmp_path


def way(*arguments: str) -> tuple[str, str | None]:
    done = subprocess.run(["ip", "-j", "route", "get", *arguments], capture_output=True, text=True, check=True)
    (answer,) = json.loads(done.stdout)
    return answer["dev"], answer.get("gateway")


def nft(verb: str) -> str:
    done = subprocess.run(
        ["nft", verb, "table", "inet", "kubenode_network"], capture_output=True, text=True, check=False
    )  # fmt: skip
    return done.stdout


def apply(root: pathlib.Path, *nics: dict[str, t.Any], **more: t.Any) -> dict[str, t.Any]:
    return run({}, root, multi_nic=list(nics), cluster_cidrs=CIDRS, allow_default_override=False, **more)


def test_replies_leave_by_the_nic_that_was_asked_and_the_cluster_stays_on_main(node: pathlib.Path) -> None:
    others = not_ours()
    result = apply(node, NIC)
    assert result["changed"]
    assert way("203.0.113.9", "from", "172.16.0.11") == ("ens256", "172.16.0.1")
    assert way("2001:db8:9::9", "from", "2001:db8:c::b") == ("ens256", "2001:db8:c::1")
    assert way("172.16.0.77", "from", "172.16.0.11") == ("ens256", None)
    assert way("203.0.113.9") == ("ens224", "10.100.0.1")
    assert way("203.0.113.9", "from", "10.100.0.11") == ("ens224", "10.100.0.1")
    assert way("10.244.3.4", "from", "172.16.0.11") == ("ens224", "10.100.0.1")
    assert way("10.96.0.10", "from", "172.16.0.11") == ("ens224", "10.100.0.1")
    assert not_ours() == others
    names = (node / "etc/iproute2/rt_tables.d/kubenode.conf").read_text()
    assert f"{TABLES[0]}\tnic-ens256" in names
    before = seen()
    again = apply(node, NIC)
    assert (again["changed"], again["plan"]) == (False, []) and seen() == before


def test_a_second_nic_gets_a_table_of_its_own_and_the_first_keeps_its(node: pathlib.Path) -> None:
    apply(node, NIC)
    rules = seen("rules")
    apply(node, {"interface": "ens224", "gateway": "10.100.0.1"}, NIC)
    assert {repr(rule) for rule in rules["rules"]} <= {repr(rule) for rule in seen("rules")["rules"]}
    assert way("203.0.113.9", "from", "10.100.0.11") == ("ens224", "10.100.0.1")


def test_numbers_of_the_users_own_are_taken(node: pathlib.Path) -> None:
    apply(node, {**NIC, "table": 100, "priority": 500})
    found = json.loads(subprocess.run(["ip", "-j", "rule"], capture_output=True, text=True, check=True).stdout)
    ours = [rule for rule in found if rule["priority"] in (499, 500)]
    assert {rule["table"] for rule in ours} == {"100", "main"}
    assert PRIORITY not in {rule["priority"] for rule in found}


def test_what_is_no_longer_listed_goes_with_everything_it_made(node: pathlib.Path) -> None:
    before = seen()
    apply(node, NIC)
    apply(node)
    assert seen() == before
    path = node / "etc/iproute2/rt_tables.d/kubenode.conf"
    assert not path.exists() or "nic-ens256" not in path.read_text()


@pytest.mark.skipif(shutil.which("nft") is None, reason="nft is not installed (apt-get install nftables)")
def test_forwarded_replies_have_their_mark_and_go_with_their_owner(node: pathlib.Path) -> None:
    result = apply(node, {**NIC, "forwarded": True})
    assert any("nftables" in line or "nft" in line for line in result["plan"])
    assert 'iifname "ens256"' in nft("list")
    assert way("203.0.113.9", "mark", "0x8") == ("ens256", "172.16.0.1")
    assert apply(node, {**NIC, "forwarded": True})["changed"] is False
    nft("flush")
    assert apply(node, {**NIC, "forwarded": True})["changed"] is True
    apply(node)
    assert nft("list") == ""
