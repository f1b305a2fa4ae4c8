# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes that are confirmed over real SSH, in all the ways that Ansible runs a task."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Lab, LabMaker, Player

DEAD = "192.168.100.99"
# A route to the controller by a gateway that is not there: nothing comes back from the node any more.
CUT_OFF = {
    "owner": "cut",
    "rollback_timeout": 17,
    "allow_default_override": True,
    "routes": [{"destination": "198.51.100.0/24", "next_hop_address": DEAD, "next_hop_interface": "ens192"}],
}
# The command that stands before the session's ssh; the first module's answer gets lost.
CUTTER = """\
#!/bin/sh
if [ -e {flag} ]; then exec {python} "$@"; fi
touch {flag}
{python} "$@" > /dev/null
process=$$
while [ "$process" -gt 1 ]; do
  case $(cat /proc/$process/comm) in sshd*) kill -9 "$process"; exit ;; esac
  read -r _pid _comm _state process _rest < /proc/$process/stat
done
"""


def route(number: int | str, **options: Any) -> dict[str, Any]:
    """A task with one route, to a network of that number."""
    wanted = {"destination": f"10.{number}.0.0/16", "next_hop_address": "192.168.100.1", "next_hop_interface": "ens192"}
    return {"kubenode.network.static_routes": {"owner": f"test{number}", "routes": [wanted], **options}}


def play_of(*tasks: dict[str, Any], hosts: str = "workers", **keywords: Any) -> list[dict[str, Any]]:
    return [{"hosts": hosts, "gather_facts": False, "tasks": list(tasks), **keywords}]


def has_route(lab: Lab, host: str, number: int) -> bool:
    return bool(lab.json(host, "route", "show", f"10.{number}.0.0/16"))


@pytest.mark.parametrize("core", ["2.19", "2.21"])
def test_a_change_is_confirmed_and_the_next_run_is_one_connection(new_lab: LabMaker, play: Player, core: str) -> None:
    lab = new_lab()
    first = play(lab, play_of(route(201)), core=core).only("w1")
    assert first["changed"] and first["confirmed_by"] == "controller"
    assert [(probe["type"], probe["passed"]) for probe in first["probes"] if probe["required"]] == [("gateway", True)]
    assert has_route(lab, "w1", 201)
    again = play(lab, play_of(route(201)), "-vvv", core=core)
    assert not again.only("w1")["changed"]
    assert again.connections("w1") == 1
    assert lab.sh("w1", "ls -d /var/lib/kubenode-network/transactions/*/open 2>&- || :") == ""


@pytest.mark.parametrize(
    "keywords",
    [{}, {"serial": 1}, {"strategy": "free"}, {"throttle": 1}],
    ids=lambda keywords: " ".join(keywords) or "all at once",
)
def test_the_ways_of_a_play(lab: Lab, play: Player, keywords: dict[str, Any]) -> None:
    done = play(lab, play_of(route(202), **keywords))
    for host in ("w1", "w2", "w3"):
        assert done.only(host)["confirmed_by"] == "controller", keywords
        assert has_route(lab, host, 202)
    gone = play(lab, play_of(route(202, purge=True, routes=[]), **keywords))
    assert all(gone.only(host)["confirmed_by"] == "controller" for host in ("w1", "w2", "w3"))
    assert not has_route(lab, "w1", 202)


def test_the_ways_of_a_task(new_lab: LabMaker, play: Player, tmp_path: Path) -> None:
    lab = new_lab(workers=2)
    looped = {**route("{{ item }}"), "loop": [210, 211]}
    tasks = [
        {**route(203), "vars": {"ansible_pipelining": False}},
        {**route(204), "delegate_to": "other"},
        looped,
        {**route(205), "become": True, "become_method": "ansible.builtin.su", "vars": {"ansible_become_flags": "-"}},
        {**route(206), "vars": {"ansible_ssh_args": ""}},
        {**route(207), "vars": {"ansible_pipelining": False, "ansible_ssh_args": ""}},
    ]
    # The inventory's own name for w2 would be evaluated for w1.
    same = {name: f"{{{{ {name} }}}}" for name in ("ansible_ssh_executable", "ansible_control_path_dir")}
    other = {"ansible.builtin.add_host": {"name": "other", "groups": "workers", "ansible_host": "w2", **same}}
    done = play(lab, play_of(other, *tasks, hosts="w1", vars={"ansible_remote_tmp": str(tmp_path / "remote")}))
    _added, *results = done.of("w1")
    for number, result in zip((203, 204, 0, 205, 206, 207), results):
        for one in result.get("results", [result]):
            assert one["changed"] and one["confirmed_by"] == "controller", number
    for number in (203, 210, 211, 205, 206, 207):
        assert has_route(lab, "w1", number), number
    assert has_route(lab, "w2", 204) and not has_route(lab, "w1", 204)
    # Nothing stays on the node of what Ansible and we brought there for the task.
    assert list((tmp_path / "remote").iterdir()) == []


def test_check_mode_is_one_execution_and_leaves_nothing(new_lab: LabMaker, play: Player) -> None:
    lab = new_lab()
    play(lab, play_of(route(201)))
    before = lab.sh("w1", "find /var/lib/kubenode-network | sort")
    done = play(lab, play_of(route(208)), "--check", "-vvv")
    assert done.only("w1")["changed"] and "confirmed_by" not in done.only("w1")
    assert done.connections("w1") == 1
    assert lab.sh("w1", "find /var/lib/kubenode-network | sort") == before


@pytest.mark.parametrize("core", ["2.19", "2.21"])
def test_a_change_that_cuts_the_node_off_takes_itself_back_and_is_failed(
    new_lab: LabMaker, play: Player, core: str
) -> None:
    lab = new_lab()
    before = lab.sh("w1", "ip route show table all proto 157")
    rescue = {"ansible.builtin.debug": {"msg": "rescued"}}
    block = {"block": [{"kubenode.network.static_routes": CUT_OFF}], "rescue": [rescue]}
    done = play(lab, play_of(block), "-v", core=core, check=False)
    failed, rescued = done.of("w1")
    assert rescued["msg"] == "rescued", "unreachable hosts are not rescued"
    assert done.lines[0]["outcome"] == "failed"
    assert failed["rolled_back"] and not failed["changed"]
    assert "The controller's last attempt before: ssh: connect to host" in failed["msg"]
    assert "to confirm it over a new connection" in done.output
    assert lab.sh("w1", "ip route show table all proto 157") == before


def test_the_others_go_on_while_one_node_takes_itself_back(new_lab: LabMaker, play: Player) -> None:
    lab = new_lab(workers=2)
    cut = {"kubenode.network.static_routes": CUT_OFF, "when": "inventory_hostname == 'w1'"}
    done = play(lab, play_of(cut, route(209)), check=False)
    assert done.of("w1")[0]["rolled_back"]
    assert done.of("w2")[-1]["confirmed_by"] == "controller"


def test_an_answer_that_was_lost_is_found_again(new_lab: LabMaker, play: Player, tmp_path: Path) -> None:
    lab = new_lab()
    # A worker shares the machine's /tmp.
    cutter = tmp_path / "cutter"
    cutter.write_text(CUTTER.format(flag=tmp_path / "cut", python=sys.executable), encoding="utf-8")
    cutter.chmod(0o755)
    play(lab, play_of(route(201)))
    done = play(lab, play_of({**route(212), "vars": {"ansible_python_interpreter": str(cutter)}}))
    result = done.only("w1")
    assert result["changed"] and result["confirmed_by"] == "controller"
    assert "asking the node what became of it" in done.output
    assert len(lab.json("w1", "route", "show", "10.212.0.0/16")) == 1


def test_the_managed_address_moves(new_lab: LabMaker, play: Player) -> None:
    lab = new_lab()
    moved = {
        "kubenode.network.interfaces": {
            "owner": "management",
            "addresses_exact": True,
            "allow_default_override": True,
            "confirm_host": "192.168.100.201",
            "rollback_timeout": 40,
            "interfaces": [{"name": "ens192", "ipv4": {"addresses": [{"ip": "192.168.100.201", "prefix_length": 24}]}}],
        }
    }
    result = play(lab, play_of(moved)).only("w1")
    assert result["confirmed_by"] == "controller"
    addresses = [entry["local"] for entry in lab.json("w1", "-4", "address", "show", "ens192")[0]["addr_info"]]
    assert addresses == ["192.168.100.201"]
    later = {**moved, "vars": {"ansible_host": "192.168.100.201"}}
    assert not play(lab, play_of(later)).only("w1")["changed"]


def test_on_the_node_itself_its_own_probes_decide(new_lab: LabMaker) -> None:
    lab = new_lab()
    program = str(Path(sys.executable).with_name("ansible"))

    def run(destination: str, gateway: str, **options: Any) -> tuple[int, str]:
        wanted = {"destination": destination, "next_hop_address": gateway, "next_hop_interface": "ens192"}
        arguments = json.dumps({"owner": "here", "routes": [wanted], **options})
        command = [program, "-i", "localhost,", "-c", "local", "localhost", "-m", "kubenode.network.static_routes"]
        interpreter = ["-e", f"ansible_python_interpreter={sys.executable}"]
        variables = [f"{key}={lab.env[key]}" for key in ("ANSIBLE_COLLECTIONS_PATH", "PYTHONPATH") if key in lab.env]
        done = lab.exec("w1", ["env", *variables, *command, *interpreter, "-a", arguments], check=False)
        return done.returncode, done.stdout + done.stderr

    status, output = run("10.213.0.0/16", "192.168.100.1")
    assert status == 0 and '"confirmed_by": "node"' in output, output
    status, output = run("default", DEAD, allow_default_override=True, on_conflict="replace", rollback_timeout=8)
    assert status != 0 and '"rolled_back": true' in output and f"nobody answers for {DEAD}" in output, output
    assert "192.168.100.1" in lab.sh("w1", "ip route show default")
    status, output = run("10.214.0.0/16", "192.168.100.1", confirm="controller")
    assert status != 0 and "over the connection local" in output, output
