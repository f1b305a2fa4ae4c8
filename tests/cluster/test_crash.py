# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run that is killed at any point leaves nothing half done: the next one proves what it wrote, or puts it back."""

from __future__ import annotations

import os
import signal
import typing as t

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._kube import corefile, texts
from ansible_collections.kubenode.network.plugins.module_utils._kube.client import connect
from ansible_collections.kubenode.network.plugins.module_utils._kube.corefile import Request
from ansible_collections.kubenode.network.plugins.module_utils._kube.errors import KubeError
from ansible_collections.kubenode.network.plugins.module_utils._kube.texts import Wanted
from ansible_collections.kubenode.network.tests.cluster import objects
from ansible_collections.kubenode.network.tests.cluster.answers import assert_answers
from ansible_collections.kubenode.network.tests.cluster.gateway import AFTER, BEFORE, Gateway, Seen
from ansible_collections.kubenode.network.tests.cluster.module_process import Module

CLUSTER_NAME = "kubernetes.default.svc.cluster.local"
GOOD = {"hosts": [{"address": "203.0.113.7", "names": ["app.example.com"]}]}
BAD = {"servers": [{"zones": ["broken.example.com"], "plugins": ["tls /no/cert /no/key"]}]}
AWAY = {"servers": [{"zones": ["cluster.local"], "plugins": ["template ANY ANY {\nrcode NXDOMAIN\n}"]}]}
TEXT = "configmaps/coredns"


def _writes(seen: Seen) -> bool:
    return seen.writes(TEXT) and seen.path.partition("?")[0].endswith(TEXT)


POINTS: dict[str, t.Callable[[Seen, int], bool]] = {
    "before the revision is kept": lambda seen, _written: "-kubenode-revisions" in seen.path,
    "before the write": lambda seen, _written: seen.when == BEFORE and _writes(seen),
    "after the write": lambda seen, written: seen.when == AFTER and _writes(seen) and written == 1,
    "during the proof": lambda seen, written: seen.when == AFTER and written == 1 and "/proxy/metrics" in seen.path,
    "before the proof is noted": lambda seen, written: seen.when == BEFORE and _writes(seen) and written == 1,
}
"""When the run is killed, by a request and how often the text's ConfigMap was written up to it."""


def killed(cluster: t.Any, point: str, namespace: str, arguments: dict[str, t.Any]) -> None:
    """Run the module, and kill it at that point."""
    process: list[Module] = []
    written = 0

    def step_in(seen: Seen) -> bool:
        nonlocal written
        written += seen.when == AFTER and _writes(seen)
        if not POINTS[point](seen, written):
            return False
        os.kill(process[0].process.pid, signal.SIGKILL)
        process[0].process.wait()
        return True

    with Gateway(cluster, step_in) as gateway:
        given = {"kubeconfig": str(gateway.kubeconfig()), "owner": "test", "wait_timeout": 60, **arguments}
        given.update(service="dns", namespace=namespace)
        with Module("coredns_corefile", given) as module:
            process.append(module)
            module.process.wait(120)
            assert module.process.returncode == -signal.SIGKILL, module.result()


def again(
    cluster: t.Any, namespace: str, options: dict[str, t.Any], purge: str = "own", names: tuple[str, ...] = ()
) -> dict[str, t.Any]:
    client = connect({"kubeconfig": str(cluster.kubeconfig())})
    asked = Request(service="dns", namespace=namespace, wait_timeout=60, test_names=names)
    return corefile.change(client, Wanted(options, "test", purge), asked, False, False, lambda _line: None)


def text_of(cluster: t.Any, namespace: str) -> str:
    return str(cluster.config_map(namespace=namespace)["data"]["Corefile"])


def annotations(cluster: t.Any, namespace: str) -> dict[str, str]:
    return t.cast("dict[str, str]", cluster.config_map(namespace=namespace)["metadata"].get("annotations", {}))


def test_a_run_that_is_killed_before_its_write_has_changed_nothing(plane: t.Any, quick: str) -> None:
    before = plane.config_map(namespace=quick)
    for point in ("before the revision is kept", "before the write"):
        killed(plane, point, quick, GOOD)
        assert plane.config_map(namespace=quick) == before


@pytest.mark.parametrize("point", ["after the write", "during the proof", "before the proof is noted"])
def test_the_next_run_proves_what_a_killed_one_wrote(plane: t.Any, quick: str, point: str) -> None:
    name = f"app{len(point)}.example.com"
    good = {"hosts": [{"address": "203.0.113.7", "names": [name]}]}
    killed(plane, point, quick, good)
    assert texts.UNPROVED in annotations(plane, quick)
    result = again(plane, quick, good)
    assert result["changed"] is False
    assert any("an earlier run wrote this text" in one for one in result["warnings"])
    assert len(result["evidence"]) == 2
    assert texts.UNPROVED not in annotations(plane, quick)
    for pod in plane.pods(quick):
        assert_answers(name, pod["status"]["podIP"], ["203.0.113.7"])


@pytest.mark.parametrize("following", ["the same edit", "another edit", "no edit"])
def test_the_next_run_puts_back_what_coredns_refuses(plane: t.Any, quick: str, following: str) -> None:
    again(plane, quick, GOOD)
    before, noted = text_of(plane, quick), annotations(plane, quick)[texts.RECORDS]
    killed(plane, "after the write", quick, {**GOOD, **BAD})
    assert texts.UNPROVED in annotations(plane, quick)
    wanted = {"the same edit": {**GOOD, **BAD}, "another edit": {"log": [{"server": "."}]}, "no edit": {}}[following]
    purge = "own" if following == "the same edit" else "none"
    with pytest.raises(KubeError, match=r"/no/cert.*old text was put back") as caught:
        again(plane, quick, wanted, purge)
    assert caught.value.details["rolled_back"] is True
    assert text_of(plane, quick) == before
    assert annotations(plane, quick)[texts.RECORDS] == noted
    assert texts.UNPROVED not in annotations(plane, quick)
    assert again(plane, quick, GOOD)["changed"] is False


def test_the_next_run_puts_back_what_took_a_name_away(plane: t.Any, quick: str) -> None:
    """Nobody but the killed run knows that the name resolved: it is in its note."""
    before = text_of(plane, quick)
    killed(plane, "during the proof", quick, {**AWAY, "test_names": [CLUSTER_NAME], "test_from": "here"})
    with pytest.raises(KubeError, match=f"{CLUSTER_NAME} resolved before the change and no longer does"):
        again(plane, quick, AWAY, names=(CLUSTER_NAME,))
    assert text_of(plane, quick) == before


def test_the_next_run_restarts_what_does_not_reload(plane: t.Any, site: t.Any) -> None:
    namespace = site(objects.QUICK.replace("    reload 2s 0s\n", ""))
    uids = {pod["metadata"]["uid"] for pod in plane.pods(namespace)}
    killed(plane, "after the write", namespace, GOOD)
    result = again(plane, namespace, GOOD)
    assert result["changed"] is False
    assert {one["uid"] for one in result["evidence"]}.isdisjoint(uids)
    assert texts.UNPROVED not in annotations(plane, namespace)


def test_an_edit_of_somebody_else_ends_the_claim_of_a_killed_run(plane: t.Any, quick: str) -> None:
    killed(plane, "after the write", quick, BAD)
    held = plane.config_map(namespace=quick)
    fixed = held["data"]["Corefile"].replace("    tls /no/cert /no/key\n", "    whoami # mended\n")
    assert fixed != held["data"]["Corefile"]
    path = f"/api/v1/namespaces/{quick}/configmaps/coredns"
    plane.request("PATCH", path, {"data": {"Corefile": fixed}}, kind="merge-patch")
    result = again(plane, quick, {})
    assert "whoami # mended" in text_of(plane, quick)
    assert len(result["evidence"]) == 2
