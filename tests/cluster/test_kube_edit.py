# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing of anybody's edit is lost: many writers on one ConfigMap of a real API server."""

from __future__ import annotations

import time
import typing as t
from concurrent.futures import ThreadPoolExecutor

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._kube import corefile
from ansible_collections.kubenode.network.plugins.module_utils._kube.client import Client, Object, connect
from ansible_collections.kubenode.network.plugins.module_utils._kube.corefile import Request
from ansible_collections.kubenode.network.plugins.module_utils._kube.edit import edit_object
from ansible_collections.kubenode.network.plugins.module_utils._kube.errors import Answered, KubeError
from ansible_collections.kubenode.network.plugins.module_utils._kube.revisions import find_revision, keep, revisions
from ansible_collections.kubenode.network.plugins.module_utils._kube.texts import Wanted

SECONDS = 6
WRITERS = 20


@pytest.fixture
def client(plane: t.Any) -> Client:
    return connect({"kubeconfig": str(plane.kubeconfig())})


@pytest.fixture
def path(plane: t.Any, request: pytest.FixtureRequest) -> t.Iterator[str]:
    name = request.node.name.replace("_", "-").replace("[", "-").replace("]", "")
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"Corefile": ""}}
    plane.request("POST", "/api/v1/namespaces/default/configmaps", body)
    yield f"/api/v1/namespaces/default/configmaps/{name}"
    plane.request("DELETE", f"/api/v1/namespaces/default/configmaps/{name}")


def adding(line: str) -> t.Callable[[Object], Object]:
    def edit(held: Object) -> Object:
        held["data"]["Corefile"] += line + "\n"
        return held

    return edit


def test_many_writers_lose_no_edit(plane: t.Any, path: str, full: bool) -> None:
    """Half of them are runs of coredns_corefile, each an owner of its own; half are strangers that do it right."""
    plane.request("PATCH", path, {"data": {"Corefile": ".:53 {\n    whoami\n}\n"}}, kind="merge-patch")
    written: list[list[str]] = [[] for _ in range(WRITERS)]
    kubeconfig = str(plane.kubeconfig())
    request = Request(name=path.rpartition("/")[2], namespace="default", wait=False)
    end = time.monotonic() + (30 if full else SECONDS)

    def ours(number: int) -> None:
        client = connect({"kubeconfig": kubeconfig})
        while time.monotonic() < end:
            name = f"ours-{number}-{len(written[number])}.example.com"
            options = {"hosts": [{"address": f"203.0.113.{number}", "names": [name]}]}
            wish = Wanted(options, f"owner-{number}", purge="none")
            assert corefile.change(client, wish, request, False, False, lambda _line: None)["changed"]
            written[number].append(f"203.0.113.{number} {name}")

    def theirs(number: int) -> None:
        client = connect({"kubeconfig": kubeconfig})
        while time.monotonic() < end:
            line = f"# theirs-{number}-{len(written[number])}"
            held = client.get(path)
            held["data"]["Corefile"] += line + "\n"
            try:
                client.replace(path, held, fieldManager="stranger")
                written[number].append(line)
            except Answered as error:
                if error.status != 409:
                    raise
            time.sleep(0.05)

    with ThreadPoolExecutor(WRITERS) as pool:
        for one in [pool.submit(ours if number % 2 else theirs, number) for number in range(WRITERS)]:
            one.result()
    held = plane.request("GET", path)["data"]["Corefile"]
    found = [line.strip() for line in held.splitlines() if "theirs-" in line or "ours-" in line]
    lines = [line for group in written for line in group]
    assert sorted(found) == sorted(lines)
    assert all(written[number] for number in range(1, WRITERS, 2)), written
    assert any(written[number] for number in range(0, WRITERS, 2)), written
    print(f"{len(lines)} edits by {WRITERS} writers, 0 lost")


def test_an_edit_without_effect_is_one_request_and_no_write(client: Client, path: str) -> None:
    before = client.get(path)["metadata"]["resourceVersion"]
    client.requests = 0
    result = edit_object(client, path, lambda held: held)
    assert (result.changed, client.requests) == (False, 1)
    assert client.get(path)["metadata"]["resourceVersion"] == before


def test_foreign_keys_labels_and_annotations_stay(client: Client, path: str) -> None:
    client.patch(path, {"metadata": {"labels": {"a": "b"}, "annotations": {"c": "d"}}, "data": {"other": "x"}})
    after = edit_object(client, path, adding("new")).after
    assert after["data"] == {"Corefile": "new\n", "other": "x"}
    assert after["metadata"]["labels"] == {"a": "b"}
    assert after["metadata"]["annotations"] == {"c": "d"}


def test_check_mode_asks_the_server_and_writes_nothing(client: Client, path: str) -> None:
    result = edit_object(client, path, adding("new"), check_mode=True)
    assert result.changed
    assert result.dry_run
    assert client.get(path)["data"]["Corefile"] == ""


def test_check_mode_says_when_the_server_may_not_be_asked(plane: t.Any, path: str) -> None:
    name = "edit-reader"
    rules = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}]
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name}
    version = {"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": name}}
    plane.apply(
        {**version, "kind": "ClusterRole", "rules": rules},
        {
            **version,
            "kind": "ClusterRoleBinding",
            "roleRef": reference,
            "subjects": [{"kind": "User", "name": "reader"}],
        },
    )
    client = connect({"kubeconfig": str(plane.kubeconfig("reader"))})
    result = edit_object(client, path, adding("new"), check_mode=True)
    assert result.changed
    assert not result.dry_run
    assert "forbidden" in result.unchecked
    with pytest.raises(Answered, match="forbidden"):
        edit_object(client, path, adding("new"))


def test_an_immutable_config_map_is_refused_before_a_write(client: Client, path: str) -> None:
    client.patch(path, {"immutable": True})
    with pytest.raises(KubeError, match="immutable"):
        edit_object(client, path, adding("new"))


def test_what_the_server_refuses_is_told_in_its_words(client: Client, path: str) -> None:
    def edit(held: Object) -> Object:
        held["data"]["not a key"] = ""
        return held

    with pytest.raises(Answered, match="not a key"):
        edit_object(client, path, edit)
    assert client.get(path)["data"] == {"Corefile": ""}


def test_replaced_texts_are_kept_once_and_the_oldest_go(client: Client) -> None:
    for number in range(13):
        assert keep(client, "default", "kept", "Corefile", f"text {number}\n") == number + 1
    assert keep(client, "default", "kept", "Corefile", "text 12\n") == 13
    known = revisions(client, "default", "kept")
    assert [one.number for one in known] == list(range(4, 14))
    assert known[-1].who == "admin"
    assert find_revision(client, "default", "kept", "Corefile", 7).text == "text 6\n"
    with pytest.raises(KubeError, match=r"no revision 3 .*kept are: 4, 5"):
        find_revision(client, "default", "kept", "Corefile", 3)


def test_a_cluster_that_is_not_there_is_one_clear_error(plane: t.Any) -> None:
    client = connect({"kubeconfig": str(plane.kubeconfig(server="https://127.0.0.1:1"))})
    with pytest.raises(KubeError, match=r"https://127.0.0.1:1 cannot be reached: .*refused"):
        client.get("/version")


def test_wrong_credentials_are_named(plane: t.Any) -> None:
    client = connect({"host": plane.url, "api_key": "wrong", "ca_cert": str(plane.folder / "ca.crt")})
    with pytest.raises(Answered, match=r"401.*not valid"):
        client.get("/api/v1/namespaces/default")
