# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The refusals of docs/guide-refusals.md: the five documents on default routes of metric 0, 100 and 1024."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

if TYPE_CHECKING:
    from conftest import Lab, LabMaker, Player

ROOT = Path(__file__).resolve().parents[2]
GUIDE = ROOT / "docs" / "guide-refusals.md"
DOCUMENTS = {path.name[:2]: path for path in sorted((ROOT / "examples" / "nncp").glob("*.yml"))}
LABELS = {"node-role.kubernetes.io/worker": ""}
METRICS = (0, 100, 1024)
# What a refusal of the guide's table says.
WORDS = {
    "equal metric": "which an equal metric would take over",
    "outranks": "The change would move the IPv4 default route in use",
}


def guide() -> dict[tuple[str, int], str]:
    """(document, metric of the default route) -> the word of the guide's table, without its emphasis."""
    found = {}
    for line in GUIDE.read_text(encoding="utf-8").splitlines():
        row = [cell.strip() for cell in line.strip("|").split("|")]
        if re.fullmatch(r"`0\d-[a-z-]+\.yml`", row[0]):
            found.update({(row[0][1:3], metric): cell.strip("*") for metric, cell in zip(METRICS, row[1:4])})
    return found


def tasks(**options: Any) -> list[dict[str, Any]]:
    """One network_state with these options."""
    return [{"kubenode.network.network_state": {"node_labels": LABELS, **options}}]


def document(number: str, **metrics: int) -> dict[str, Any]:
    """An example document, with other metrics for its default routes: nic=metric."""
    policy: dict[str, Any] = yaml.safe_load(DOCUMENTS[number].read_text(encoding="utf-8"))
    for route in policy["spec"]["desiredState"]["routes"]["config"]:
        if route["destination"] == "0.0.0.0/0" and route["next-hop-interface"] in metrics and "table-id" not in route:
            route["metric"] = metrics[route["next-hop-interface"]]
    return policy


def lab_with(new_lab: LabMaker, metrics: tuple[int, ...]) -> Lab:
    """A lab whose workers have default routes of these metrics."""
    lab = new_lab(workers=len(metrics))
    for number, metric in enumerate(metrics, 1):
        via = "default via 192.168.100.1 dev ens192"
        lab.sh(f"w{number}", f"ip route del {via}; ip route add {via} metric {metric}")
    return lab


def whole(lab: Lab, host: str) -> str:
    """What a refusal must leave as it is."""
    script = (
        "ip route show table all | grep -v -e fe80: -e anycast | sort; ip rule; ip -o -4 address; ip -o link;"
        " cat /etc/resolv.conf; cat /var/lib/kubenode-network/owned.json 2>&- || :"
    )
    return lab.sh(host, script)


def test_the_guide_has_every_document_on_every_default_route() -> None:
    assert guide().keys() == {(number, metric) for number in DOCUMENTS for metric in METRICS}
    assert set(guide().values()) == {"applied", *WORDS}


@pytest.mark.parametrize("number", DOCUMENTS)
def test_the_documents_are_applied_or_refused_as_the_guide_says(number: str, new_lab: LabMaker, play: Player) -> None:
    lab = lab_with(new_lab, METRICS)
    hosts = {f"w{i}": metric for i, metric in enumerate(METRICS, 1)}
    before = {host: whole(lab, host) for host in hosts}
    plays = [{"hosts": "workers", "gather_facts": False, "tasks": tasks(src=str(DOCUMENTS[number]))}]
    done = play(lab, plays, check=False)
    for host, metric in hosts.items():
        outcome = guide()[number, metric]
        (line,) = (line for line in done.lines if line["host"] == host)
        if outcome == "applied":
            assert line["outcome"] == "ok", line["result"].get("msg")
        else:
            assert line["outcome"] == "failed"
            assert WORDS[outcome] in line["result"]["msg"]
            assert whole(lab, host) == before[host]


def test_the_ways_out_of_the_guide(new_lab: LabMaker, play: Player) -> None:
    lab = lab_with(new_lab, (100, 1024))
    ways: dict[str, list[dict[str, Any]]] = {
        "w1": [document("04", ens224=300)],
        "w2": [document("02", ens256=2000), document("04", ens224=3000)],
    }
    done = play(
        lab,
        [
            {"hosts": host, "gather_facts": False, "tasks": [*tasks(policies=ways[host]), *tasks(policies=ways[host])]}
            for host in ways
        ],
    )
    for host in ways:
        assert [result["changed"] for result in done.of(host)] == [True, False]
        assert lab.json(host, "route", "get", "198.51.100.10")[0]["dev"] == "ens192"


def test_what_is_meant_is_allowed(new_lab: LabMaker, play: Player) -> None:
    lab = lab_with(new_lab, (1024,))
    # The controller can be reached that way too, else the change would be undone.
    lab.sh("r1", "ip rule del priority 20 iif external to 198.51.100.10 blackhole")
    given = tasks(policies=[document("02")], allow_default_override=True)
    assert play(lab, [{"hosts": "w1", "gather_facts": False, "tasks": given}]).only("w1")["changed"]
    assert lab.json("w1", "route", "get", "203.0.113.1")[0]["dev"] == "ens256"


def test_a_protected_network_is_not_shadowed(new_lab: LabMaker, play: Player) -> None:
    lab = new_lab()
    given = tasks(src=str(DOCUMENTS["01"]), protect=["10.0.0.0/8"])
    done = play(lab, [{"hosts": "w1", "gather_facts": False, "tasks": given}], check=False)
    assert "the path to the protected network (10.0.0.0/8)" in done.only("w1")["msg"]
    assert "10.200" not in lab.sh("w1", "ip route")


def test_a_manager_that_cannot_be_told_is_an_error_that_names_it(new_lab: LabMaker, play: Player) -> None:
    lab = new_lab()
    # What networkd leaves of a NIC that it has configured, and a process of its name.
    index = lab.json("w1", "link", "show", "ens224")[0]["ifindex"]
    state = "ADMIN_STATE=configured\\nNETWORK_FILE=/etc/systemd/network/data.network\\n"
    lab.sh("w1", f"mkdir -p /run/systemd/netif/links; printf '{state}' > /run/systemd/netif/links/{index}")
    lab.sh("w1", "cp /bin/sleep /run/systemd-network; /run/systemd-network 60 </dev/null >/dev/null 2>&1 &")
    before = whole(lab, "w1")
    given = tasks(src=str(DOCUMENTS["01"]))
    done = play(lab, [{"hosts": "w1", "gather_facts": False, "tasks": given}], check=False)
    # Its files could be written, but it could not be told: no systemd of this very node runs.
    assert "ens224: systemd-networkd manages it, but systemd does not run" in done.only("w1")["msg"]
    assert whole(lab, "w1") == before


def test_a_resolver_of_a_manager_is_not_written(new_lab: LabMaker, play: Player) -> None:
    lab = new_lab()
    lab.sh("w1", "mkdir -p /run/systemd/resolve; mv /etc/resolv.conf /run/systemd/resolve/stub-resolv.conf")
    lab.sh("w1", "ln -s ../run/systemd/resolve/stub-resolv.conf /etc/resolv.conf")
    before = whole(lab, "w1")
    given = tasks(src=str(DOCUMENTS["03"]))
    done = play(lab, [{"hosts": "w1", "gather_facts": False, "tasks": given}], check=False)
    assert "is written by systemd-resolved" in done.only("w1")["msg"]
    assert whole(lab, "w1") == before


def test_a_route_of_a_daemon_is_neither_replaced_nor_removed(new_lab: LabMaker, play: Player) -> None:
    lab = new_lab()
    lab.sh("w1", "ip link set ens224 up; ip address add 10.100.0.10/24 dev ens224")
    # bird, as rt_protos has it.
    lab.sh("w1", "ip route add 10.200.0.0/16 via 10.100.0.77 metric 100 proto 12")
    before = whole(lab, "w1")
    for options in ({"src": str(DOCUMENTS["01"]), "on_conflict": "replace"}, {"src": str(DOCUMENTS["05"])}):
        done = play(lab, [{"hosts": "w1", "gather_facts": False, "tasks": tasks(**options)}], check=False)
        assert "bird" in done.only("w1")["msg"]
        assert whole(lab, "w1") == before
