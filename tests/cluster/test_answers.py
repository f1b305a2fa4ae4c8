# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an edit does to the answers of the running CoreDNS, of every pod, over UDP and TCP."""

from __future__ import annotations

import subprocess
import time
import typing as t

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._dns.query import DnsError, query
from ansible_collections.kubenode.network.plugins.module_utils._kube import corefile
from ansible_collections.kubenode.network.plugins.module_utils._kube.client import connect
from ansible_collections.kubenode.network.plugins.module_utils._kube.corefile import Request
from ansible_collections.kubenode.network.plugins.module_utils._kube.texts import Wanted
from ansible_collections.kubenode.network.tests.cluster.answers import assert_answers
from ansible_collections.kubenode.network.tests.cluster.build import built

CLUSTER_NAME = "kubernetes.default.svc.cluster.local"
FIRST, SECOND = "203.0.113.53", "203.0.113.54"


@pytest.fixture(scope="module")
def upstreams(plane: t.Any, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[None]:
    """Two DNS servers of a site, each of which answers every name with its own address."""
    folder = tmp_path_factory.mktemp("upstreams")
    blocks = [
        f'.:53 {{\n    bind {one}\n    template IN A {{\n        answer "{{{{ .Name }}}} 60 IN A {one}"\n    }}\n}}\n'
        for one in (FIRST, SECOND)
    ]
    (folder / "Corefile").write_text("".join(blocks), encoding="utf-8")
    for one in (FIRST, SECOND):
        subprocess.run(["ip", "addr", "replace", f"{one}/32", "dev", "lo"], check=True)
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen([built("coredns"), "-conf", folder / "Corefile"], stdout=log, stderr=log)
    try:
        for one in (FIRST, SECOND):
            assert_answers("a.example.com", one, [one])
        yield
    finally:
        server.terminate()
        server.wait()


def change(plane: t.Any, namespace: str, options: dict[str, t.Any]) -> dict[str, t.Any]:
    client = connect({"kubeconfig": str(plane.kubeconfig())})
    request = Request(service="dns", namespace=namespace, wait_timeout=60)
    return corefile.change(client, Wanted(options, "answers"), request, False, False, lambda _line: None)


def answered(plane: t.Any, namespace: str, name: str, wanted: list[str] | None) -> None:
    """Every pod answers so, over both protocols."""
    for pod in plane.pods(namespace):
        for tcp in (False, True):
            assert_answers(name, pod["status"]["podIP"], wanted, tcp)


def logs(plane: t.Any, namespace: str) -> list[str]:
    path = f"/api/v1/namespaces/{namespace}/pods"
    return [plane.request("GET", f"{path}/{pod['metadata']['name']}/log") for pod in plane.pods(namespace)]


@pytest.mark.usefixtures("upstreams")
def test_stub_domains_hosts_and_forwards_are_seen_in_the_answers(plane: t.Any, quick: str) -> None:
    declared = {
        "stub_domains": [{"zone": "corp.example.com", "servers": [FIRST], "cache": 0}],
        "hosts": [{"address": "203.0.113.8", "names": ["app.site.example"]}],
        "forward": [{"servers": [SECOND]}],
    }
    assert change(plane, quick, declared)["changed"]
    answered(plane, quick, "www.corp.example.com", [FIRST])
    answered(plane, quick, "app.site.example", ["203.0.113.8"])
    answered(plane, quick, "www.example.net", [SECOND])
    answered(plane, quick, CLUSTER_NAME, ["10.96.0.1"])
    moved = {
        "stub_domains": [{"zone": "corp.example.com", "servers": [SECOND], "cache": 0}],
        "forward": [{"servers": [FIRST]}],
    }
    assert change(plane, quick, moved)["changed"]
    answered(plane, quick, "www.corp.example.com", [SECOND])
    answered(plane, quick, "app.site.example", [FIRST])
    answered(plane, quick, "www.example.net", [FIRST])


@pytest.mark.usefixtures("upstreams")
def test_an_entry_that_leaves_the_variables_goes_and_a_hand_made_equal_one_stays(plane: t.Any, quick: str) -> None:
    held = plane.config_map(namespace=quick)
    by_hand = "hand.example.com:53 {\n    errors\n    forward . " + FIRST + "\n}\n"
    hosts = "    hosts {\n       203.0.113.8 hand.site.example\n       fallthrough\n    }\n    prometheus :9153\n"
    text = held["data"]["Corefile"].replace("    prometheus :9153\n", hosts) + by_hand
    path = f"/api/v1/namespaces/{quick}/configmaps/coredns"
    plane.request("PATCH", path, {"data": {"Corefile": text}}, kind="merge-patch")
    declared = {
        "stub_domains": [
            {"zone": zone, "servers": [FIRST], "cache": 0} for zone in ("hand.example.com", "our.example.com")
        ],
        "hosts": [{"address": "203.0.113.8", "names": [name]} for name in ("hand.site.example", "our.site.example")],
    }
    assert change(plane, quick, declared)["changed"]
    for name, address in (("hand.site.example", "203.0.113.8"), ("our.site.example", "203.0.113.8")):
        answered(plane, quick, name, [address])
    for name in ("www.hand.example.com", "www.our.example.com"):
        answered(plane, quick, name, [FIRST])
    assert change(plane, quick, {})["changed"]
    assert plane.config_map(namespace=quick)["data"]["Corefile"] == text
    answered(plane, quick, "hand.site.example", ["203.0.113.8"])
    answered(plane, quick, "www.hand.example.com", [FIRST])
    for name in ("our.site.example", "www.our.example.com"):
        answered(plane, quick, name, None)


def test_a_log_that_is_switched_on_logs_and_one_that_is_switched_off_does_not(plane: t.Any, quick: str) -> None:
    def asked(name: str) -> list[bool]:
        """Whether each pod's log has a question that it got; an answer to it came in any case."""
        for pod in plane.pods(quick):
            with pytest.raises(DnsError, match="NXDOMAIN"):
                query(name, pod["status"]["podIP"], tcp=False)
        return [f"{name}. udp" in log for log in logs(plane, quick)]

    def wait_until_asked(prefix: str, wanted: bool) -> None:
        deadline = time.monotonic() + 20
        number = 0
        while asked(f"{prefix}{number}.default.svc.cluster.local") != [wanted, wanted]:
            assert time.monotonic() < deadline, logs(plane, quick)
            number += 1
            time.sleep(0.1)

    wait_until_asked("before", False)
    assert change(plane, quick, {"log": [{"server": ".", "enabled": True}]})["changed"]
    wait_until_asked("on", True)
    assert change(plane, quick, {"log": [{"server": ".", "enabled": False}]})["changed"]
    wait_until_asked("off", False)
