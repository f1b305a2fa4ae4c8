# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A kubelet's Node as a real API server has it, and what a real kubelet makes of its configuration."""

from __future__ import annotations

import base64
import json
import pathlib
import re
import subprocess
import threading
import time
import typing as t

import pytest
import yaml
from ansible_collections.kubenode.network.plugins.module_utils._kube import kubelet
from ansible_collections.kubenode.network.plugins.module_utils._kube.client import connect
from ansible_collections.kubenode.network.plugins.module_utils._kube.edit import edit_object
from ansible_collections.kubenode.network.plugins.module_utils._kube.errors import KubeError
from ansible_collections.kubenode.network.plugins.module_utils._kubelet import config, health, node_api, sources
from ansible_collections.kubenode.network.plugins.module_utils._kubelet.errors import KEYS
from ansible_collections.kubenode.network.plugins.module_utils._kubelet.sources import Node
from ansible_collections.kubenode.network.plugins.module_utils._state.model import StateError
from ansible_collections.kubenode.network.tests.cluster.control_plane import token
from ansible_collections.kubenode.network.tests.unit.kubelet_cases import CASES, HEAD
from ansible_collections.kubenode.network.tests.unit.test_kubelet_config import KUBEADM
from hypothesis import given, settings
from hypothesis import strategies as st

MAP = {"name": "kubelet-config", "namespace": "kube-system", "key": "kubelet", "state": "present"}
MAP_PATH = "/api/v1/namespaces/kube-system/configmaps/kubelet-config"
CACHE = ["169.254.20.10"]

# It ends as soon as it would need one, and has told its configuration by then.
NO_CLUSTER = "--kubeconfig=/nonexistent"
SECONDS = 60


def told(binary: pathlib.Path, folder: pathlib.Path, flags: t.Sequence[str]) -> dict[str, t.Any]:
    """The configuration that a kubelet starts with, as it logs it (-v=5)."""
    command = [str(binary), *flags, NO_CLUSTER, "-v=5", f"--root-dir={folder / 'root'}", f"--cert-dir={folder / 'pki'}"]
    done = subprocess.run(command, stderr=subprocess.PIPE, cwd=folder, timeout=SECONDS, check=False)
    log = done.stderr.decode()
    found = re.search(r'"KubeletConfiguration" configuration=<\n(.*?)^ >$', log, re.DOTALL | re.MULTILINE)
    assert found, f"kubelet ended with {done.returncode}:\n{log[-2000:]}"
    return t.cast("dict[str, t.Any]", json.loads(found[1]))


@pytest.mark.full
def test_a_real_kubelet_says_what_the_table_says(
    binaries: t.Callable[[str], pathlib.Path], tmp_path: pathlib.Path
) -> None:
    """A control group of version 1, as build machines may have, would end it before it tells."""
    binary = binaries("kubelet")
    for number, case in enumerate(CASES):
        root = tmp_path / str(number)
        (root / "d").mkdir(parents=True)
        files = {**case.files}
        flags = list(case.flags)
        any_group = "failCgroupV1: false\n"
        if "c.yaml" in files:
            text = files["c.yaml"]
            files["c.yaml"] = text[:-1] + ', "failCgroupV1": false}' if text.startswith("{") else text + any_group
        elif "--config-dir=ROOT/d" in flags:
            files["d/zz.conf"] = HEAD + any_group
        else:
            files["zz.yaml"] = HEAD + any_group
            flags.append("--config=ROOT/zz.yaml")
        for path, text in files.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text, encoding="utf-8")
        found = told(binary, root, [flag.replace("ROOT", str(root)) for flag in flags])
        answer = (tuple(found["ClusterDNS"] or ()), found["ClusterDomain"], found["ResolverConfig"])
        assert answer == tuple(
            one.replace("ROOT", str(root)) if isinstance(one, str) else one for one in case.answer
        ), case.name
    print(f"a real kubelet agrees with {len(CASES)} cases")


ADDRESSES = st.lists(st.sampled_from(["10.0.0.1", "10.0.0.2", "fd00::1"]), max_size=3)
TEXTS = st.sampled_from(["", "a.example", "/etc/a.conf", "b/b.conf"])
SETTINGS = st.fixed_dictionaries(
    {},
    optional={
        "clusterDNS": st.none() | ADDRESSES, "clusterDomain": st.none() | TEXTS, "resolvConf": st.none() | TEXTS,
        "maxPods": st.just(5),
    },
)  # fmt: skip
FLAGS = st.lists(
    st.builds("--cluster{}dns={}".format, st.sampled_from("-_"), ADDRESSES.map(",".join))
    | st.builds("--cluster-domain={}".format, TEXTS)
    | st.builds("--resolv-conf={}".format, TEXTS),
    max_size=3,
)
NAMES = st.sampled_from(["10.conf", "20.conf", "20/a.conf", "20-b.conf", "30.yaml", ".conf", "Z.conf"])


@pytest.mark.full
@settings(max_examples=max(5, settings.default.max_examples // 20))
@given(main=SETTINGS, dropins=st.dictionaries(NAMES, SETTINGS, max_size=3), flags=FLAGS, style=st.booleans())
def test_whatever_a_kubelet_is_told_we_find_what_it_finds(
    binaries: t.Callable[[str], pathlib.Path], tmp_path_factory: pytest.TempPathFactory, main: dict[str, t.Any],
    dropins: dict[str, dict[str, t.Any]], flags: list[str], style: bool,
) -> None:  # fmt: skip
    root = tmp_path_factory.mktemp("node")
    (root / "d").mkdir()
    head = {"apiVersion": config.API_VERSION, "kind": config.KIND}
    texts = {"c.yaml": {**head, "failCgroupV1": False, **main}}
    texts.update({f"d/{name}": {**head, **one} for name, one in dropins.items()})
    for path, held in texts.items():
        (root / path).parent.mkdir(exist_ok=True)
        text = json.dumps(held) if style else yaml.safe_dump(held, sort_keys=False)
        (root / path).write_text(text, encoding="utf-8")
    words = ["--config=ROOT/c.yaml", "--config-dir=ROOT/d", *flags]
    found = told(binaries("kubelet"), root, [word.replace("ROOT", str(root)) for word in words])
    unit = root / "etc/systemd/system/kubelet.service"
    unit.parent.mkdir(parents=True)
    line = " ".join(f"'{word}'" for word in words).replace("ROOT", "")
    unit.write_text(f"[Service]\nExecStart=/usr/bin/kubelet {line}\n", encoding="utf-8")
    ours = [sources.find_node(str(root)).effective(option).value for option in KEYS]
    resolver = found["ResolverConfig"].replace(f"{root}/", "/")
    assert [ours[0] or (), ours[1] or "", ours[2]] == [
        tuple(found["ClusterDNS"] or ()),
        found["ClusterDomain"],
        resolver,
    ]


# --- the Node --------------------------------------------------------------------------------------------------------


@pytest.fixture
def reported(plane: t.Any) -> t.Iterator[t.Callable[..., None]]:
    """Stands for a kubelet that reports its Node ``w9``."""
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "w9"}, "spec": {"unschedulable": True}}
    plane.request("POST", "/api/v1/nodes", node)

    def report(status: str, when: float, **resources: str) -> None:
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(when))
        ready = {"type": "Ready", "status": status, "lastHeartbeatTime": at, "reason": "KubeletX", "message": "as told"}
        amounts = {"cpu": "4", "pods": "110", **{f"{name}.example.com/card": many for name, many in resources.items()}}
        # A merge keeps what is not named, which a kubelet would take away.
        amounts.setdefault("gpu.example.com/card", "0")
        body = {"status": {"conditions": [ready], "allocatable": amounts, "capacity": amounts}}
        plane.request("PATCH", "/api/v1/nodes/w9/status", body, kind="merge-patch")

    yield report
    plane.request("DELETE", "/api/v1/nodes/w9")


def kubeconfig(plane: t.Any, folder: pathlib.Path, text: str) -> Node:
    """A node whose kubelet has this kubeconfig, as kubeadm and client-go write them."""
    authority = base64.b64encode((plane.folder / "ca.crt").read_bytes()).decode()
    path = folder / "kubelet.conf"
    path.write_text(
        text.replace("SERVER", plane.url)
        .replace("AUTHORITY", authority)
        .replace("FOLDER", str(plane.folder))
        .replace("TOKEN", token("admin")),
        encoding="utf-8",
    )
    return Node("kubelet", "kubelet.service", "", "", {}, {}, str(path), {})


BY_CERTIFICATE = """\
apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: AUTHORITY
    server: SERVER
  name: test
contexts:
- context:
    cluster: test
    user: system:node:w9
  name: w9@test
current-context: w9@test
kind: Config
users:
- name: system:node:w9
  user:
    client-certificate: FOLDER/api-to-kubelet.crt
    client-key: FOLDER/api-to-kubelet.key
"""


def test_a_node_is_back_when_it_is_ready_with_what_it_had_and_not_before(
    plane: t.Any, tmp_path: pathlib.Path, reported: t.Callable[..., None]
) -> None:
    here = kubeconfig(plane, tmp_path, BY_CERTIFICATE)
    now = time.time()
    reported("True", now - 60, gpu="4")
    before = node_api.ask(here, "w9")
    assert (before.ready, before.resources) == (True, {"gpu.example.com/card": "4"})

    def lacking() -> str:
        return node_api.lacking(before, node_api.ask(here, "w9"), now)

    assert lacking() == "Node w9: its kubelet has not reported since the restart"
    reported("False", now + 1, gpu="4")
    assert lacking() == "Node w9 is not Ready: KubeletX: as told"
    reported("True", now + 2)
    assert lacking() == "Node w9 is Ready, but does not offer again gpu.example.com/card (0 of 4)"
    reported("True", now + 3, gpu="2")
    assert lacking().endswith("gpu.example.com/card (2 of 4)")
    reported("True", now + 4, gpu="4", nic="1")
    assert lacking() == ""


@pytest.mark.parametrize("comes_back", [True, False])
def test_the_wait_after_a_restart_ends_with_the_resources_or_says_what_is_lacking(
    plane: t.Any, tmp_path: pathlib.Path, reported: t.Callable[..., None], monkeypatch: pytest.MonkeyPatch,
    comes_back: bool,
) -> None:  # fmt: skip
    """The process and its healthz are played; the Node and its kubelet's reports are real objects."""
    here = kubeconfig(plane, tmp_path, BY_CERTIFICATE)
    process = health.Process(1, "active (running)", 0.0, False)
    monkeypatch.setattr(health, "find_process", lambda _unit: process)
    monkeypatch.setattr(health, "healthz", lambda _node: (True, "ok"))
    restarted = time.time()
    reported("True", restarted - 60, gpu="4")
    before = health.look(here, "w9")
    process = process._replace(pid=2)
    reported("True", restarted + 1)
    device_plugin = threading.Timer(3, lambda: reported("True", restarted + 5, gpu="4"))
    try:
        if comes_back:
            device_plugin.start()
            found = health.await_healthy(here, before, restarted, "w9", 60).evidence()
            assert (found["process"], found["node_ready"]) == (2, True)
            assert found["extended_resources"] == {"gpu.example.com/card": "4"}
            return
        with pytest.raises(
            StateError, match=r"did not come back within 3 s: Node w9 .* gpu.example.com/card \(0 of 4\)"
        ):
            health.await_healthy(here, before, restarted, "w9", 3)
    finally:
        device_plugin.cancel()


@pytest.mark.parametrize(
    ("text", "name", "said"),
    [
        (json.dumps({"server": "SERVER", "certificate-authority-data": "AUTHORITY", "token": "TOKEN"}), "w8",
         'nodes "w8" not found'),
        ("server: SERVER\ncertificate-authority-data: AUTHORITY\ntoken: wrong\n", "w9", "Unauthorized"),
        ("server: SERVER\ntoken: TOKEN\n", "w9", "CERTIFICATE_VERIFY_FAILED"),
        ("server: SERVER\nserver: https://other:1\n", "w9", "names server twice"),
        ("server: https://127.0.0.1:1\n", "w9", "Connection refused"),
        ("server: http://127.0.0.1:1\n", "w9", "names no API server with https"),
        ("server: SERVER\ncertificate-authority-data: '*'\n", "w9", "certificate-authority-data: "),
    ],
)  # fmt: skip
def test_a_node_that_cannot_be_asked_for_says_why(
    plane: t.Any, tmp_path: pathlib.Path, reported: t.Callable[..., None], text: str, name: str, said: str
) -> None:
    found = node_api.ask(kubeconfig(plane, tmp_path, text), name)
    assert found.ready is None
    assert said in found.said


# --- kubelets of nodes to come ---------------------------------------------------------------------------------------


@pytest.fixture
def config_map(plane: t.Any) -> t.Iterator[t.Any]:
    """The ConfigMap as kubeadm makes it; returns what it holds now."""
    body = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "kubelet-config"},
        "data": {"kubelet": KUBEADM},
    }
    plane.request("POST", "/api/v1/namespaces/kube-system/configmaps", body)
    yield lambda: plane.request("GET", MAP_PATH)
    plane.request("DELETE", MAP_PATH)


def test_the_config_map_is_set_once_and_taken_back_to_the_byte(plane: t.Any, config_map: t.Any) -> None:
    client = connect({"kubeconfig": str(plane.kubeconfig())})
    wish = {**MAP, "cluster_dns": [*CACHE, "10.96.0.10"], "resolv_conf": "/etc/resolv.conf"}
    predicted = kubelet.change(client, wish, True, True)
    assert config_map()["data"]["kubelet"] == KUBEADM
    made = kubelet.change(client, wish, False, True)
    assert (made["changed"], made["before"], made["after"]) == (True, predicted["before"], predicted["after"])
    assert predicted["diff"] == made["diff"]
    text = KUBEADM.replace("- 10.96.0.10", "- 169.254.20.10\n- 10.96.0.10")
    assert config_map()["data"]["kubelet"] == text.replace("/run/systemd/resolve/resolv.conf", "/etc/resolv.conf")
    version = config_map()["metadata"]["resourceVersion"]
    assert not kubelet.change(client, wish, False, False)["changed"]
    assert config_map()["metadata"]["resourceVersion"] == version
    kubelet.change(client, {**MAP, "cluster_dns": CACHE}, False, False)

    def by_hand(held: t.Any) -> t.Any:
        held["data"]["kubelet"] = "# by hand\n" + held["data"]["kubelet"]
        return held

    edit_object(client, MAP_PATH, by_hand, manager="kubectl")
    assert kubelet.change(client, {**MAP, "state": "absent"}, False, False)["changed"]
    assert config_map()["data"]["kubelet"] == "# by hand\n" + KUBEADM
    assert "annotations" not in config_map()["metadata"]
    assert not kubelet.change(client, {**MAP, "state": "absent"}, False, False)["changed"]


def test_what_somebody_else_has_set_in_the_config_map_since_stays(plane: t.Any, config_map: t.Any) -> None:
    client = connect({"kubeconfig": str(plane.kubeconfig())})
    kubelet.change(client, {**MAP, "cluster_dns": CACHE, "cluster_domain": "corp.example"}, False, False)
    data = {"kubelet": config_map()["data"]["kubelet"].replace("169.254.20.10", "10.9.9.9")}
    client.patch(MAP_PATH, {"data": data})
    back = kubelet.change(client, {**MAP, "state": "absent"}, False, False)
    assert config_map()["data"]["kubelet"] == KUBEADM.replace("10.96.0.10", "10.9.9.9")
    assert "somebody else has set clusterDNS since" in back["warnings"][0]


@pytest.mark.parametrize(
    ("options", "data", "words"),
    [
        ({"cluster_dns": ["kube-dns"]}, {}, r"^cluster_dns\[0\]: found 'kube-dns'"),
        ({"cluster_domain": "A."}, {}, "^cluster_domain: found 'A.'"),
        ({"resolv_conf": "x"}, {}, "^resolv_conf: found 'x'"),
        ({"state": "absent", "cluster_domain": "a"}, {}, "^state: found absent beside cluster_domain"),
        ({"name": "kubelet-config-1.23"}, {}, "kubelet-config-1.23, key kubelet: there is no such ConfigMap; kubeadm"),
        ({"namespace": "default"}, {}, "ConfigMap default/kubelet-config, key kubelet: there is no such ConfigMap"),
        ({"key": "config"}, {}, "key config: there is no such key, it has kubelet"),
        ({}, {"kubelet": HEAD + "clusterDNS: &a\n- 10.0.0.1\n"}, "key kubelet line 3: found 'clusterDNS: &a'"),
        ({}, {"kubelet": "clusterDNS: []\n"}, "key kubelet line 1: found kind None"),
    ],
)
def test_what_cannot_be_set_in_the_config_map_is_one_error(
    plane: t.Any, config_map: t.Any, options: dict[str, t.Any], data: dict[str, str], words: str
) -> None:
    client = connect({"kubeconfig": str(plane.kubeconfig())})
    if data:
        client.patch(MAP_PATH, {"data": data})
    before = config_map()
    wish = {**MAP, **({} if options.get("state") else {"cluster_dns": CACHE}), **options}
    for check_mode in (True, False):
        with pytest.raises(KubeError, match=words):
            kubelet.change(client, wish, check_mode, False)
    assert config_map() == before
