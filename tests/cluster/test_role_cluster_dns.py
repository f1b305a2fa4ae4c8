# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role cluster_dns and its plays in site.yml and reset.yml, on a real cluster, with ansible-playbook."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import typing as t
import urllib.error

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._dns.query import DnsError, query
from ansible_collections.kubenode.network.plugins.module_utils._kube import lease
from ansible_collections.kubenode.network.plugins.module_utils._kube.client import connect
from ansible_collections.kubenode.network.tests.cluster import objects
from ansible_collections.kubenode.network.tests.labs import Play

ROOT = pathlib.Path(__file__).resolve().parents[2]
SITE = "playbooks/site.yml"
RESET = "playbooks/reset.yml"
CLUSTER_NAME = "kubernetes.default.svc.cluster.local"
HOSTS = [{"address": "203.0.113.7", "names": ["app.example.com"]}]
STUB = [{"zone": "corp.example.com", "servers": ["192.0.2.53"]}]
LEASE = lease.Wish("kubenode-network", objects.NAMESPACE, "night shift", 600)


class Runner:
    """ansible-playbook as somebody in the tests' network namespace would type it."""

    def __init__(self, cluster: t.Any, folder: pathlib.Path) -> None:
        self.cluster = cluster
        self._folder = folder
        self._runs = 0
        self.inventory = folder / "inventory.yml"
        node = {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"}
        gone = {"ansible_connection": "ssh", "ansible_ssh_executable": "/bin/false"}
        self.inventory.write_text(json.dumps({"nodes": {"hosts": {"node-1": node, "gone": gone}}}), encoding="utf-8")

    def start(self, playbook: str, *words: str, **variables: t.Any) -> tuple[subprocess.Popen[str], pathlib.Path]:
        self._runs += 1
        results = self._folder / f"{self._runs}.jsonl"
        given = {"cluster_dns_kubeconfig": str(self.cluster.kubeconfig()), "cluster_dns_wait_timeout": 60, **variables}
        env = {
            **os.environ,
            "ANSIBLE_CALLBACK_PLUGINS": str(ROOT / "tests/lab/callbacks"),
            "ANSIBLE_CALLBACKS_ENABLED": "kubenode_results",
            "ANSIBLE_NOCOLOR": "1",
            "KUBENODE_RESULTS": str(results),
        }
        command = ["ansible-playbook", "-i", str(self.inventory), playbook, "-e", json.dumps(given), *words]
        process = subprocess.Popen(
            command, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True,
        )  # fmt: skip
        return process, results

    def end(self, started: tuple[subprocess.Popen[str], pathlib.Path]) -> Play:
        process, results = started
        output, _nothing = process.communicate(timeout=240)
        lines = results.read_text(encoding="utf-8").splitlines() if results.exists() else []
        return Play(process.returncode, output, [json.loads(line) for line in lines])

    def run(self, playbook: str, *words: str, ok: bool = True, **variables: t.Any) -> Play:
        play = self.end(self.start(playbook, *words, **variables))
        assert (play.returncode == 0) == ok, play.output
        return play

    def holder(self) -> str:
        """Who holds the Lease."""
        return str(self.cluster.request("GET", LEASE.path)["spec"].get("holderIdentity", ""))


@pytest.fixture
def runner(cluster: t.Any, tmp_path: pathlib.Path) -> Runner:
    return Runner(cluster, tmp_path)


def text(cluster: t.Any) -> str:
    return str(cluster.config_map()["data"]["Corefile"])


def changed(play: Play) -> list[str]:
    return [line["task"] for line in play.lines if line["result"].get("changed")]


def evidence(play: Play) -> list[str]:
    """The lines that the role ends with."""
    return [
        str(line) for one in play.lines if isinstance(one["result"].get("msg"), list) for line in one["result"]["msg"]
    ]


def test_what_is_declared_comes_and_goes_and_what_others_made_stays(runner: Runner) -> None:
    cluster = runner.cluster
    foreign = dict(cluster.config_map())
    foreign["data"] = {"Corefile": text(cluster) + "hand.example.com:53 {\n    forward . 192.0.2.53\n}\n"}
    cluster.request("PUT", objects.path_of(foreign, named=True), foreign)
    before = text(cluster)
    hand = [{"zone": "hand.example.com", "servers": ["192.0.2.53"], "cache": 0, "errors": False}]
    declared = {"dns_hosts": HOSTS, "dns_stub_domains": [*STUB, *hand], "cluster_dns_test_names": [CLUSTER_NAME]}

    predicted = runner.run(SITE, "--check", "--diff", **declared)
    assert changed(predicted) == ["kubenode.network.cluster_dns : Bring the Corefile to the declared state"]
    assert "+corp.example.com" in predicted.output
    assert text(cluster) == before

    made = runner.run(SITE, **declared)
    assert changed(made) == changed(predicted)
    for pod in cluster.pods():
        assert query("app.example.com", pod["status"]["podIP"], tcp=False) == ["203.0.113.7"]
    told = evidence(made)
    for pod in cluster.pods():
        assert any(pod["metadata"]["uid"] in line and pod["metadata"]["name"] in line for line in told), told
    assert any(line.startswith(f"{CLUSTER_NAME}: 10.96.0.1 (asked each pod") for line in told), told
    assert runner.holder() == ""

    written = text(cluster)
    assert changed(runner.run(SITE, **declared)) == []
    assert text(cluster) == written

    # A variable that goes takes its entries along, and nothing of what was there by hand.
    runner.run(SITE, dns_hosts=HOSTS)
    assert "corp.example.com" not in text(cluster)
    assert "hand.example.com:53 {\n    forward . 192.0.2.53\n}\n" in text(cluster)
    assert changed(runner.run(RESET)) == ["kubenode.network.cluster_dns : Bring the Corefile to the declared state"]
    assert text(cluster) == before
    with pytest.raises(DnsError):
        query("app.example.com", cluster.pods()[0]["status"]["podIP"], tcp=False)


def test_two_runs_at_once_do_it_one_after_the_other(runner: Runner) -> None:
    runner.run(SITE, cluster_dns_wait=False)
    turns = runner.cluster.request("GET", LEASE.path)["spec"]["leaseTransitions"]
    starts = [
        runner.start(SITE, dns_hosts=[{**HOSTS[0], "names": [f"{name}.example.com"]}], cluster_dns_owner=name)
        for name in ("one", "two")
    ]
    plays = [runner.end(start) for start in starts]
    assert [play.returncode for play in plays] == [0, 0], [play.output for play in plays]
    assert all(f"{name}.example.com" in text(runner.cluster) for name in ("one", "two"))
    assert runner.cluster.request("GET", LEASE.path)["spec"]["leaseTransitions"] == turns + 2
    assert runner.holder() == ""


def test_a_run_that_does_not_get_the_lease_changes_nothing_and_names_who_has_it(runner: Runner) -> None:
    before = text(runner.cluster)
    client = connect({"kubeconfig": str(runner.cluster.kubeconfig())})
    lease.take(client, LEASE, False, lambda _line: None)
    refused = runner.run(SITE, ok=False, dns_hosts=HOSTS, cluster_dns_lease_wait_timeout=1)
    assert "Lease kube-system/kubenode-network is held by night shift since" in refused.output
    assert text(runner.cluster) == before
    assert runner.holder() == "night shift"
    # Whoever does without it, does without it.
    assert runner.run(SITE, dns_hosts=HOSTS, cluster_dns_lease=False, cluster_dns_wait=False)
    assert text(runner.cluster) != before
    lease.release(client, LEASE, False)


def test_a_name_that_a_node_loses_puts_the_corefile_back(runner: Runner) -> None:
    node = {"cluster_dns_test_from": "node", "cluster_dns_test_node": "node-1"}
    before = runner.cluster.config_map()
    kept = runner.run(SITE, dns_hosts=HOSTS, cluster_dns_test_names=[CLUSTER_NAME, "app.example.com"], **node)
    told = evidence(kept)
    for transport in ("udp", "tcp"):
        assert f"{CLUSTER_NAME}: 10.96.0.1 (asked {objects.CLUSTER_DNS} over {transport} from node-1)" in told
        assert f"app.example.com: 203.0.113.7 (asked {objects.CLUSTER_DNS} over {transport} from node-1)" in told
    held = runner.cluster.config_map()

    # The names of Services go to a server that nobody is.
    away = [{"zone": "svc.cluster.local", "servers": ["192.0.2.53"]}]
    failed = runner.run(SITE, ok=False, dns_stub_domains=away, cluster_dns_test_names=[CLUSTER_NAME], **node)
    assert f"{CLUSTER_NAME} resolved before the change and no longer does, asked from node-1" in failed.output
    assert "The old text was put back." in failed.output
    now = runner.cluster.config_map()
    assert now["data"] == held["data"] != before["data"]
    assert now["metadata"]["annotations"] == held["metadata"]["annotations"]
    assert query(CLUSTER_NAME, objects.CLUSTER_DNS, tcp=False) == ["10.96.0.1"]
    assert runner.holder() == ""


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"cluster_dns_test_node": "gone"}, "gone (cluster_dns_test_node) cannot be reached, so nothing was changed"),
        ({"cluster_dns_test_node": ""}, "cluster_dns_test_node names no host to ask from"),
        ({"cluster_dns_test_names": []}, "cluster_dns_test_names is empty"),
    ],
)
def test_without_a_node_to_ask_from_nothing_is_changed(runner: Runner, given: dict[str, t.Any], said: str) -> None:
    before = text(runner.cluster)
    node = {
        "cluster_dns_test_from": "node",
        "cluster_dns_test_node": "node-1",
        "cluster_dns_test_names": [CLUSTER_NAME],
    }
    refused = runner.run(SITE, ok=False, dns_hosts=HOSTS, **{**node, **given})
    assert said in refused.output
    assert text(runner.cluster) == before
    assert runner.holder() == ""


def test_the_same_entries_go_into_what_the_corefile_imports(runner: Runner) -> None:
    before = text(runner.cluster)
    flavor = {"cluster_dns_flavor": "coredns-custom", "cluster_dns_key": "site.server", "cluster_dns_wait": False}
    assert len(changed(runner.run(SITE, dns_stub_domains=STUB, **flavor))) == 1
    assert "corp.example.com" in runner.cluster.config_map("coredns-custom")["data"]["site.server"]
    assert changed(runner.run(SITE, dns_stub_domains=STUB, **flavor)) == []
    assert text(runner.cluster) == before
    assert len(changed(runner.run(RESET, **flavor))) == 1
    with pytest.raises(urllib.error.HTTPError):
        runner.cluster.config_map("coredns-custom")


def test_without_a_variable_of_it_the_play_does_nothing(runner: Runner, tmp_path: pathlib.Path) -> None:
    command = ["ansible-playbook", "-i", str(runner.inventory), SITE]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL)
    assert "skipped=1" in done.stdout and "ok=0" in done.stdout


def test_the_role_leaves_the_callers_variables_alone(runner: Runner, tmp_path: pathlib.Path) -> None:
    include = {"name": "kubenode.network.cluster_dns"}
    own = {"cluster_dns_owner": "mine", "dns_hosts": HOSTS, "cluster_dns_kubeconfig": str(runner.cluster.kubeconfig())}
    tasks = [
        {"ansible.builtin.include_role": include, "vars": {**own, "cluster_dns_wait": False}},
        {
            "ansible.builtin.assert": {
                "that": [
                    "cluster_dns_owner is undefined", "dns_hosts is undefined", "cluster_dns_lease is undefined",
                    "cluster_dns_result.changed",
                ]
            }
        },
    ]  # fmt: skip
    playbook = tmp_path / "play.yml"
    playbook.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": tasks}]), encoding="utf-8")
    command = ["ansible-playbook", "-i", str(runner.inventory), str(playbook)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stdout + done.stderr
