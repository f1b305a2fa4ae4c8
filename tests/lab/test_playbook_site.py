# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`ansible-playbook site.yml` on the lab's workers, looked at with iproute2."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

if TYPE_CHECKING:
    from conftest import Lab, LabMaker, Play, Player

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / "playbooks" / "site.yml"
DOCUMENTS = ROOT / "examples" / "nncp"
NAMES = ["01-worker-routes.yml", "02-secondary-gateway.yml", "03-dns.yml", "04-policy-routing.yml"]
REMOVE = "05-remove-route.yml"
CORES = ["2.19", "2.21"]
# One policy for a pool: what differs is a host's own.
POOL = """\
---
apiVersion: nmstate.io/v1
kind: NodeNetworkConfigurationPolicy
metadata:
  name: worker-routes
spec:
  nodeSelector:
    node-role.kubernetes.io/worker: ""
  desiredState:
    interfaces:
      - name: "{{ data_interface }}"
        type: ethernet
        state: up
        mtu: "{{ data_mtu | default(omit) }}"
        ipv4:
          enabled: true
          dhcp: false
          address:
            - ip: "{{ data_address }}"
              prefix-length: "{{ data_prefix_length }}"
    routes:
      config:
        - destination: 10.200.0.0/16
          next-hop-address: "{{ data_gateway }}"
          next-hop-interface: "{{ data_interface }}"
          metric: 100
---
apiVersion: nmstate.io/v1
kind: NodeNetworkConfigurationPolicy
metadata:
  name: worker-dns
spec:
  desiredState:
    dns-resolver:
      config:
        server: "{{ dns_servers }}"
        search: "{{ dns_search }}"
"""


def site(play: Player, lab: Lab, src: Path, *words: str, **options: Any) -> Play:
    """Run site.yml with a file of documents."""
    labels = "worker_network_node_labels={{ node_labels }}"
    return play(lab, SITE, "-e", f"worker_network_src={src}", "-e", labels, *words, **options)


def whole_list(folder: Path, names: list[str] = NAMES) -> Path:
    """The documents as one file."""
    path = folder / "policies.yml"
    path.write_text("".join((DOCUMENTS / name).read_text(encoding="utf-8") for name in names), encoding="utf-8")
    return path


def steps(result: dict[str, Any]) -> list[str]:
    """What a plan does to the kernel; the files for the next boot are another tier's subject."""
    return [line for line in result["plan"] if not line.startswith(("+ file", "- file", "~ file", "~ systemd"))]


def kernel(lab: Lab, host: str) -> dict[str, Any]:
    """All that a document can change on a host, as others see it."""
    return {
        # The kernel's own link-local addresses settle while a test looks.
        "routes": lab.sh(host, "ip route show table all | grep -v -e fe80: -e anycast | sort"),
        "rules": lab.sh(host, "ip rule; ip -6 rule"),
        "addresses": lab.sh(host, "ip -o address show scope global | sed 's/ valid_lft.*//'"),
        "links": lab.sh(host, "ip -o link | cut -d' ' -f2-3"),
        "resolver": lab.sh(host, "cat /etc/resolv.conf"),
    }


def routes(lab: Lab, host: str, table: str = "main") -> set[tuple[str, str | None, str, int]]:
    """(destination, gateway, interface, metric) of the routes that are not the kernel's own."""
    return {
        (route["dst"], route.get("gateway"), route["dev"], route.get("metric", 0))
        for route in lab.json(host, "route", "show", "table", table)
        if route.get("protocol") != "kernel"
    }


DEFAULT = ("default", "192.168.100.1", "ens192", 0)
STORAGE = ("10.200.0.0/16", "10.100.0.1", "ens224", 100)
GPU = ("10.50.0.0/24", "10.100.0.1", "ens224", 150)


def test_the_documents_one_by_one(new_lab: LabMaker, play: Player) -> None:
    lab = new_lab()
    assert site(play, lab, DOCUMENTS / NAMES[0]).only("w1")["changed"]
    assert routes(lab, "w1") == {DEFAULT, STORAGE, GPU}
    assert lab.pings("w1", "10.200.0.1")
    assert site(play, lab, DOCUMENTS / NAMES[1]).only("w1")["changed"]
    assert routes(lab, "w1") == {DEFAULT, STORAGE, GPU, ("default", "172.16.0.1", "ens256", 200)}
    assert site(play, lab, DOCUMENTS / NAMES[2]).only("w1")["changed"]
    assert lab.sh("w1", "getent hosts ns1.internal.example.com || grep -c 10.100.0.5 /etc/resolv.conf")
    assert site(play, lab, DOCUMENTS / NAMES[3]).only("w1")["changed"]
    assert routes(lab, "w1", "100") == {("default", "172.16.0.1", "ens256", 0)}
    assert "100:\tfrom 172.16.0.0/24 lookup 100" in lab.sh("w1", "ip rule")
    before = routes(lab, "w1")
    result = site(play, lab, DOCUMENTS / REMOVE).only("w1")
    assert [line.split(" (")[0] for line in steps(result)] == [
        "- route 10.200.0.0/16 via 10.100.0.1 dev ens224 metric 100"
    ]
    assert routes(lab, "w1") == before - {STORAGE}


@pytest.mark.parametrize("core", CORES)
def test_the_list_then_nothing_to_do_in_one_execution(
    new_lab: LabMaker, play: Player, tmp_path: Path, core: str
) -> None:
    lab = new_lab()
    src = whole_list(tmp_path)
    assert site(play, lab, src, core=core).only("w1")["changed"]
    after = kernel(lab, "w1")
    for address in ("10.200.0.1", "10.50.0.1"):
        assert lab.pings("w1", address)
    assert lab.pings("w1", "203.0.113.1", "-I", "172.16.0.10")
    again = site(play, lab, src, "-vvv", core=core)
    result = again.only("w1")
    assert (result["changed"], result["plan"]) == (False, [])
    assert again.connections("w1") == 1
    assert kernel(lab, "w1") == after
    assert len(steps(site(play, lab, DOCUMENTS / REMOVE, core=core).only("w1"))) == 1


def pythons() -> list[str]:
    """The oldest and the newest Python of nodes that are found here."""
    command = [str(ROOT / "scripts" / "env"), "--pythons"]
    found = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[1::2]
    return [found[0], found[-1]]


@pytest.mark.parametrize("python", pythons())
def test_the_list_with_another_python_on_the_node(new_lab: LabMaker, play: Player, tmp_path: Path, python: str) -> None:
    lab = new_lab()
    words = ("-e", f"ansible_python_interpreter={python}")
    assert site(play, lab, whole_list(tmp_path), *words).only("w1")["changed"]
    assert lab.pings("w1", "10.200.0.1")
    assert site(play, lab, whole_list(tmp_path), *words).only("w1")["plan"] == []


@pytest.mark.parametrize("core", CORES)
def test_check_mode_tells_what_the_run_does(new_lab: LabMaker, play: Player, tmp_path: Path, core: str) -> None:
    lab = new_lab()
    src = whole_list(tmp_path)
    before = kernel(lab, "w1")
    told = site(play, lab, src, "--check", "--diff", core=core).only("w1")
    assert kernel(lab, "w1") == before
    assert lab.sh("w1", "ls -A /var/lib/kubenode-network 2>&- || :") == ""
    done = site(play, lab, src, "--diff", core=core).only("w1")
    for key in ("changed", "plan", "before", "after", "diff"):
        assert told[key] == done[key], key
    assert told["diff"]


def test_one_policy_serves_a_pool_with_each_nodes_own_values(new_lab: LabMaker, play: Player, tmp_path: Path) -> None:
    lab = new_lab(workers=3)
    (tmp_path / "pool.yml").write_text(POOL, encoding="utf-8")
    done = site(play, lab, tmp_path / "pool.yml", "-e", '{"workers_serial": "100%"}')
    for number, host in enumerate(("w1", "w2", "w3"), 101):
        assert done.only(host)["changed"]
        assert f" 10.100.0.{number}/24 " in lab.sh(host, "ip -o address show dev ens224")
        assert routes(lab, host) == {DEFAULT, STORAGE}
        assert lab.pings(host, "10.200.0.1")
        assert lab.sh(host, "grep nameserver /etc/resolv.conf").split() == [
            "nameserver", "10.100.0.53", "nameserver", "10.100.0.54",
        ]  # fmt: skip
    again = site(play, lab, tmp_path / "pool.yml")
    assert [again.only(host)["changed"] for host in ("w1", "w2", "w3")] == [False] * 3


def test_a_value_that_a_host_lacks_is_named_with_its_place(new_lab: LabMaker, play: Player, tmp_path: Path) -> None:
    lab = new_lab()
    (tmp_path / "pool.yml").write_text(POOL.replace("data_gateway", "storage_gateway"), encoding="utf-8")
    done = site(play, lab, tmp_path / "pool.yml", check=False)
    line = POOL[: POOL.index("{{ data_gateway")].count("\n") + 1
    assert f"pool.yml:{line}: " in done.only("w1")["msg"]
    assert "'storage_gateway' is undefined" in done.only("w1")["msg"]
    assert routes(lab, "w1") == {DEFAULT}


def test_a_route_that_was_deleted_by_hand_is_put_back(new_lab: LabMaker, play: Player, tmp_path: Path) -> None:
    lab = new_lab()
    src = whole_list(tmp_path)
    site(play, lab, src)
    after = kernel(lab, "w1")
    lab.sh("w1", "ip route del 10.50.0.0/24; ip rule del priority 100")
    result = site(play, lab, src).only("w1")
    assert [line.split(" (")[0] for line in steps(result)] == [
        "+ route 10.50.0.0/24 via 10.100.0.1 dev ens224 metric 150",
        "+ rule priority 100 from 172.16.0.0/24 lookup 100",
    ]
    assert kernel(lab, "w1") == after


def test_a_line_that_leaves_a_document_leaves_the_kernel(new_lab: LabMaker, play: Player, tmp_path: Path) -> None:
    lab = new_lab()
    site(play, lab, whole_list(tmp_path))
    before = routes(lab, "w1")
    document = yaml.safe_load((DOCUMENTS / NAMES[0]).read_text(encoding="utf-8"))
    config = document["spec"]["desiredState"]["routes"]["config"]
    config[:] = [route for route in config if route["destination"] != "10.50.0.0/24"]
    (tmp_path / "shorter.yml").write_text(yaml.safe_dump(document), encoding="utf-8")
    result = site(play, lab, tmp_path / "shorter.yml").only("w1")
    assert routes(lab, "w1") == before - {GPU}
    assert len(steps(result)) == 1
    # The address stands in 04 too.
    assert "10.100.0.10/24" in lab.sh("w1", "ip -o address show dev ens224")


def test_an_empty_policy_takes_back_what_it_had(new_lab: LabMaker, play: Player, tmp_path: Path) -> None:
    lab = new_lab()
    site(play, lab, whole_list(tmp_path))
    before = routes(lab, "w1")
    document = yaml.safe_load((DOCUMENTS / NAMES[0]).read_text(encoding="utf-8"))
    document["spec"]["desiredState"] = {}
    (tmp_path / "empty.yml").write_text(yaml.safe_dump(document), encoding="utf-8")
    site(play, lab, tmp_path / "empty.yml")
    assert routes(lab, "w1") == before - {STORAGE, GPU}
    # What 04 declares too stays.
    assert "10.100.0.10/24" in lab.sh("w1", "ip -o address show dev ens224")


def test_a_policy_for_other_nodes_changes_nothing(new_lab: LabMaker, play: Player) -> None:
    lab = new_lab()
    before = kernel(lab, "w1")
    control_plane = '{"node_labels": {"node-role.kubernetes.io/control-plane": ""}}'
    result = site(play, lab, DOCUMENTS / NAMES[0], "-e", control_plane).only("w1")
    assert (result["matched"], result["changed"]) == (False, False)
    assert kernel(lab, "w1") == before


def test_a_node_selector_without_labels_is_an_error(new_lab: LabMaker, play: Player) -> None:
    lab = new_lab()
    before = kernel(lab, "w1")
    done = play(lab, SITE, "-e", f"worker_network_src={DOCUMENTS / NAMES[0]}", check=False)
    assert "node_labels" in done.only("w1")["msg"]
    assert kernel(lab, "w1") == before


def test_one_host_goes_first_and_its_failure_spares_the_rest(new_lab: LabMaker, play: Player, tmp_path: Path) -> None:
    lab = new_lab(workers=3)
    lab.sh("w1", "ip link del ens224")
    (tmp_path / "pool.yml").write_text(POOL, encoding="utf-8")
    done = site(play, lab, tmp_path / "pool.yml", check=False)
    assert done.returncode != 0
    assert [line["host"] for line in done.lines] == ["w1"]
    assert "ens224" in done.only("w1")["msg"]
    assert routes(lab, "w2") == routes(lab, "w3") == {DEFAULT}


def test_the_role_leaves_the_callers_variables_alone(new_lab: LabMaker, play: Player) -> None:
    names = "{{ hostvars[inventory_hostname].keys() | sort }}"
    new = "(hostvars[inventory_hostname].keys() | difference(names_before)) | sort"
    done = play(
        new_lab(),
        [
            {
                "hosts": "w1",
                "gather_facts": False,
                "vars": {"policies": 1, "tables": 2, "result": 3},
                "tasks": [
                    {"ansible.builtin.set_fact": {"names_before": names}},
                    {
                        "ansible.builtin.include_role": {"name": "kubenode.network.worker_network"},
                        "vars": {"worker_network_desired_state": {"interfaces": [{"name": "ens224"}]}},
                    },
                    {
                        "ansible.builtin.assert": {
                            "that": [
                                "names_before | length > 0",
                                f"{new} == ['names_before', 'worker_network_result']",
                                "[policies, tables, result] == [1, 2, 3]",
                                "worker_network_result is changed",
                            ]
                        }
                    },
                ],
            }
        ],
    )
    assert done.returncode == 0


def test_a_whole_worker_is_one_execution(new_lab: LabMaker, play: Player, tmp_path: Path) -> None:
    lab = new_lab()
    whole = {
        "worker_network_owner": "worker",
        "worker_network_desired_state": {
            "interfaces": [
                {"name": nic, "state": "up", "ipv4": {"enabled": True, "address": [{"ip": ip, "prefix-length": 24}]}}
                for nic, ip in (("ens224", "{{ data_address }}"), ("ens256", "{{ external_address }}"))
            ],
            "routes": {"config": [{"destination": "10.200.0.0/16", "next-hop-address": "{{ data_gateway }}"}]},
            "dns-resolver": {"config": {"server": "{{ dns_servers }}"}},
        },
        "worker_network_multi_nic": [{"interface": "ens256", "gateway": "{{ external_gateway }}", "table": "external"}],
        "worker_network_tables": [{"id": 100, "name": "external", "purpose": "replies of the external network"}],
        "worker_network_sysctl": {"net.ipv4.conf.ens256.rp_filter": 2},
        "worker_network_hosts": [{"address": "10.100.0.5", "names": ["registry.internal.example.com"]}],
        "worker_network_nsswitch_hosts": ["files", "dns"],
        "worker_network_cluster_cidrs": ["10.244.0.0/16"],
        "worker_network_paths": [
            {"destination": "10.200.0.1", "expect": {"interface": "ens224", "gateway": "10.100.0.1"}},
            {
                "destination": "203.0.113.1",
                "source": "{{ external_address }}",
                "expect": {"interface": "ens256", "table": "external"},
            },
        ],
    }
    (tmp_path / "whole.yml").write_text(yaml.safe_dump(whole), encoding="utf-8")
    result = play(lab, SITE, "-e", f"@{tmp_path / 'whole.yml'}").only("w1")
    assert result["changed"]
    assert [answer["passed"] for answer in result["evidence"]] == [True, True]
    assert lab.pings("w1", "203.0.113.1", "-I", "172.16.0.101")
    assert lab.json("w1", "route", "get", "203.0.113.1", "from", "172.16.0.101")[0]["dev"] == "ens256"
    assert lab.sh("w1", "cat /proc/sys/net/ipv4/conf/ens256/rp_filter").strip() == "2"
    assert "10.100.0.5" in lab.sh("w1", "getent hosts registry.internal.example.com")
    again = play(lab, SITE, "-e", f"@{tmp_path / 'whole.yml'}", "-vvv")
    assert (again.only("w1")["changed"], again.connections("w1")) == (False, 1)
    assert [answer["passed"] for answer in again.only("w1")["evidence"]] == [True, True]


def test_what_is_gathered_can_be_applied_again(new_lab: LabMaker, play: Player, tmp_path: Path) -> None:
    lab = new_lab()
    site(play, lab, whole_list(tmp_path))
    before = kernel(lab, "w1")
    tasks: list[dict[str, Any]] = [
        {"kubenode.network.network_state_info": {}, "register": "node"},
        # With persist it would be a change: what nobody has declared so far would be kept for the next boot too.
        {"kubenode.network.network_state": {"desired_state": "{{ node.running }}", "persist": False}},
        {"kubenode.network.network_state_info": {"include_foreign": True}},
    ]
    gathered, applied, everything = play(lab, [{"hosts": "w1", "gather_facts": False, "tasks": tasks}]).of("w1")
    assert applied["changed"] is False
    assert kernel(lab, "w1") == before
    assert sorted(gathered["owners"]) == [
        "worker-dns", "worker-policy-routing", "worker-routes", "worker-secondary-gateway",
    ]  # fmt: skip
    shown = {route["destination"] for route in everything["running"]["routes"]["config"]}
    assert shown > {route["destination"] for route in gathered["running"]["routes"]["config"]}
    assert "10.100.0.0/24" in shown


def test_an_answer_that_is_not_as_expected_fails_with_the_whole_answer(new_lab: LabMaker, play: Player) -> None:
    lab = new_lab()
    paths = [
        {"destination": "192.168.100.1", "expect": {"interface": "ens192", "gateway": ""}},
        {"destination": "10.200.0.1", "expect": {"interface": "ens224"}},
    ]
    tasks = [{"kubenode.network.route_get_info": {"paths": paths}}]
    done = play(lab, [{"hosts": "w1", "gather_facts": False, "tasks": tasks}], check=False)
    result = done.only("w1")
    assert done.returncode != 0
    for word in ("10.200.0.1", "expected interface ens224", "interface ens192", "gateway 192.168.100.1"):
        assert word in result["msg"]
    assert [answer["passed"] for answer in result["evidence"]] == [True, False]


def test_a_path_that_is_not_as_expected_undoes_the_change(new_lab: LabMaker, play: Player) -> None:
    lab = new_lab()
    before = kernel(lab, "w1")
    paths = [{"destination": "10.50.0.1", "expect": {"interface": "ens256"}}]
    words = ("-e", yaml.safe_dump({"worker_network_paths": paths}, default_flow_style=True))
    done = site(play, lab, DOCUMENTS / NAMES[0], *words, check=False)
    assert "interface ens224" in done.only("w1")["msg"]
    assert done.only("w1")["rolled_back"] is True
    assert kernel(lab, "w1") == before
