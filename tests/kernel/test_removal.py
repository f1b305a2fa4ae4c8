# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything taken back (`state: absent`): in the kernel and below a root, of one owner and of everybody."""

from __future__ import annotations

import json
import pathlib
import subprocess
import threading
import time
import typing as t

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._state.model import StateError
from ansible_collections.kubenode.network.plugins.module_utils._state.options import desired_from_options
from ansible_collections.kubenode.network.plugins.module_utils._state.owned import Lock, load
from ansible_collections.kubenode.network.plugins.module_utils._state.removal import forget
from ansible_collections.kubenode.network.plugins.module_utils._state.run import Form, execute

from .whole import BESIDE, WHOLE, files, furnish, mtu, policy
from .worlds import not_ours, of_protocol, seen


@pytest.fixture
def root(wired: t.Any, tmp_path: pathlib.Path) -> pathlib.Path:
    return furnish(tmp_path)


def declare(root: pathlib.Path, owner: str | None, state: dict[str, t.Any], **beside: t.Any) -> dict[str, t.Any]:
    params = {"desired_state": state, "owner": owner, **beside}
    return execute(desired_from_options(params, "network_state"), root=str(root))


def take_back(root: pathlib.Path, owner: str | None = None, check: bool = False) -> dict[str, t.Any]:
    desired = desired_from_options({"state": "absent", "owner": owner}, "network_state")
    return execute(desired, check_mode=check, root=str(root), form=Form(diff=True, document=True))


def state_folder(root: pathlib.Path) -> pathlib.Path:
    return root / "var/lib/kubenode-network"


def world() -> t.Any:
    return seen("routes", "rules", "rules6"), mtu("ens224"), addresses()


def addresses() -> set[str]:
    shown = json.loads(subprocess.run(["ip", "-j", "address"], capture_output=True, text=True, check=True).stdout)
    return {f"{link['ifname']} {one['local']}/{one['prefixlen']}" for link in shown for one in link["addr_info"]}


def test_all_that_was_brought_is_gone_and_what_stood_before_is_back(root: pathlib.Path) -> None:
    before, files_before = world(), files(root)
    filter_before = pathlib.Path("/proc/sys/net/ipv4/conf/ens224/rp_filter").read_text()
    declare(root, "worker", WHOLE, **BESIDE)
    assert world() != before and files(root) != files_before
    planned = take_back(root, check=True)
    assert world() != before
    done = take_back(root)
    assert done["changed"] is True
    assert (done["plan"], done["diff"]) == (planned["plan"], planned["diff"])
    assert world() == before
    assert files(root) == files_before
    assert pathlib.Path("/proc/sys/net/ipv4/conf/ens224/rp_filter").read_text() == filter_before
    assert not state_folder(root).exists()


def test_a_second_time_there_is_nothing_to_do(root: pathlib.Path) -> None:
    declare(root, "worker", WHOLE, **BESIDE)
    take_back(root)
    again = take_back(root)
    assert (again["changed"], again["plan"], again["warnings"]) == (False, [], [])
    assert not state_folder(root).exists()


def test_on_a_node_that_we_never_touched_nothing_happens(root: pathlib.Path) -> None:
    before, files_before = world(), files(root)
    assert take_back(root)["changed"] is False
    assert (world(), files(root)) == (before, files_before)


def test_what_was_made_without_an_owner_goes_as_well(root: pathlib.Path) -> None:
    before, files_before = world(), files(root)
    declare(root, None, WHOLE, **BESIDE)
    assert take_back(root)["changed"] is True
    assert (world(), files(root)) == (before, files_before)


def test_of_one_owner_nothing_of_another_goes(root: pathlib.Path) -> None:
    declare(root, "other", {"routes": {"config": [{"destination": "10.201.0.0/16", "next-hop-address": "10.100.0.1"}]}},
            hosts=[{"address": "10.100.0.6", "names": ["mirror"]}], tables=[{"id": 301, "name": "other"}])  # fmt: skip
    before, files_before, records = world(), files(root), load(str(root))
    declare(root, "worker", WHOLE, **BESIDE)
    assert take_back(root, "worker")["changed"] is True
    assert world() == before
    assert files(root) == files_before
    assert load(str(root)) == records
    assert take_back(root, "worker")["changed"] is False


def test_an_object_of_two_owners_goes_with_the_second(root: pathlib.Path) -> None:
    before = world()
    for owner in ("one", "two"):
        declare(root, owner, {"routes": WHOLE["routes"]})
    take_back(root, "one")
    assert of_protocol("157")
    take_back(root, "two")
    assert world() == before


def test_what_was_there_before_and_was_adopted_stays(root: pathlib.Path, wired: t.Any) -> None:
    wired.ip("route", "add", "10.200.0.0/16", "via", "10.100.0.1", "dev", "ens224", "metric", "100", "proto", "boot")
    wired.ip("addr", "add", "10.100.7.7/24", "dev", "ens224")
    before = world()
    assert declare(root, "worker", {"routes": WHOLE["routes"], "interfaces": WHOLE["interfaces"]})["changed"]
    done = take_back(root)
    assert world() == before
    assert any("stays" in warning for warning in done["warnings"])


def test_others_keep_theirs(root: pathlib.Path, wired: t.Any) -> None:
    wired.ip("route", "add", "10.61.0.0/16", "via", "10.100.0.9", "dev", "ens224", "proto", "12")
    wired.ip("route", "add", "10.62.0.0/16", "via", "10.100.0.9", "dev", "ens224", "table", "300", "proto", "bird")
    wired.ip("rule", "add", "to", "10.62.0.0/16", "lookup", "300", "priority", "12000")
    wired.ip("addr", "add", "10.100.0.200/32", "dev", "ens224")
    others = not_ours()
    declare(root, "worker", WHOLE, **BESIDE)
    take_back(root)
    assert not_ours() == others


def test_a_link_that_we_made_goes_and_one_that_was_there_stays(root: pathlib.Path, wired: t.Any) -> None:
    wired.ip("link", "add", "br-theirs", "type", "bridge")
    declare(root, "worker", {"interfaces": [
        {"name": name, "type": "bridge", "state": "up", "ipv4": {"enabled": True, "address": [
            {"ip": address, "prefix-length": 24}]}}
        for name, address in (("br-ours", "10.33.0.1"), ("br-theirs", "10.34.0.1"))
    ]})  # fmt: skip
    assert {"br-ours 10.33.0.1/24", "br-theirs 10.34.0.1/24"} <= addresses()
    take_back(root)
    assert not any("10.33.0.1" in one or "10.34.0.1" in one for one in addresses())
    links = {link["ifname"] for link in wired.json("link")}
    assert "br-ours" not in links and "br-theirs" in links


def test_marks_are_enough_where_the_records_were_lost(root: pathlib.Path) -> None:
    before, files_before = world(), files(root)
    declare(root, "worker", {"routes": WHOLE["routes"], "route-rules": {"config": [
        {"ip-from": "10.9.9.9/32", "route-table": 300}]}}, hosts=BESIDE["hosts"], tables=BESIDE["tables"])  # fmt: skip
    (state_folder(root) / "owned.json").unlink()
    assert take_back(root)["changed"] is True
    assert (world(), files(root)) == (before, files_before)


def test_a_file_that_somebody_edited_since_stays_and_is_named(root: pathlib.Path) -> None:
    declare(root, "worker", {"dns-resolver": WHOLE["dns-resolver"]})
    path = root / "etc/resolv.conf"
    path.write_text(path.read_text() + "options timeout:1\n")
    edited = path.read_text()
    done = take_back(root)
    assert path.read_text() == edited
    assert any("/etc/resolv.conf is not as it was written here" in warning for warning in done["warnings"])
    assert not state_folder(root).exists()


def test_an_mtu_that_somebody_set_since_stays_and_is_named(root: pathlib.Path, wired: t.Any) -> None:
    declare(root, "worker", {"interfaces": [{"name": "ens224", "mtu": 1400}]})
    wired.ip("link", "set", "ens224", "mtu", "1300")
    done = take_back(root)
    assert mtu("ens224") == 1300
    assert any("no longer the 1400" in warning for warning in done["warnings"])


def test_the_first_value_counts_after_several_changes(root: pathlib.Path) -> None:
    before, files_before = world(), files(root)
    for number, server in ((1400, "10.100.0.53"), (1300, "10.100.0.54")):
        declare(root, "worker", {"interfaces": [{"name": "ens224", "mtu": number}],
                                 "dns-resolver": {"config": {"server": [server]}}})  # fmt: skip
    take_back(root)
    assert (world(), files(root)) == (before, files_before)


def test_after_a_policy_was_emptied_it_still_knows_what_stood_before(root: pathlib.Path) -> None:
    before, files_before = world(), files(root)
    for state, beside in ((WHOLE, BESIDE), ({}, {})):
        params = {"policies": [policy(state)], "owner": "worker", **beside}
        execute(desired_from_options(params, "network_state"), root=str(root))
    assert files(root) != files_before
    take_back(root)
    assert (world(), files(root)) == (before, files_before)


def test_a_declaration_beside_it_is_refused() -> None:
    with pytest.raises(StateError, match="state: found"):
        desired_from_options({"state": "absent", "desired_state": {}}, "network_state")


def test_whoever_waited_meanwhile_does_not_hold_a_lock_that_is_gone(tmp_path: pathlib.Path) -> None:
    first = Lock(str(tmp_path))
    first.__enter__()
    late: list[int] = []

    def wait() -> None:
        with Lock(str(tmp_path), 10):
            late.append((state_folder(tmp_path) / "lock").stat().st_ino)

    thread = threading.Thread(target=wait)
    thread.start()
    time.sleep(0.3)
    forget(str(tmp_path))
    first.__exit__()
    thread.join()
    assert late
    with pytest.raises(StateError, match="held for more than"), Lock(str(tmp_path)):
        Lock(str(tmp_path), 0.1).__enter__()
