# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A ConfigMap reaches pods late, or never: what is waited for, hastened, or restarted."""

from __future__ import annotations

import random
import typing as t

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._kube import corefile
from ansible_collections.kubenode.network.plugins.module_utils._kube.around import TOUCHED
from ansible_collections.kubenode.network.plugins.module_utils._kube.client import connect
from ansible_collections.kubenode.network.plugins.module_utils._kube.corefile import Request
from ansible_collections.kubenode.network.plugins.module_utils._kube.errors import KubeError
from ansible_collections.kubenode.network.plugins.module_utils._kube.texts import Wanted
from ansible_collections.kubenode.network.tests.cluster import objects
from ansible_collections.kubenode.network.tests.cluster.answers import assert_answers

HOSTS = {"hosts": [{"address": "203.0.113.7", "names": ["late.example.com"]}]}
FAR_OFF = "3600s"


def change(
    plane: t.Any, namespace: str, options: dict[str, t.Any], user: str = "admin", **request: t.Any
) -> tuple[dict[str, t.Any], list[str]]:
    """The result, and what was told while it was waited for."""
    told: list[str] = []
    client = connect({"kubeconfig": str(plane.kubeconfig(user))})
    asked = Request(service="dns", namespace=namespace)._replace(**request)
    return corefile.change(client, Wanted(options, "late"), asked, False, False, told.append), told


def served(plane: t.Any, namespace: str) -> None:
    for pod in plane.pods(namespace):
        assert_answers("late.example.com", pod["status"]["podIP"], ["203.0.113.7"])


def test_a_text_that_a_kubelet_brings_late_is_waited_for(plane: t.Any, site: t.Any, seed: int, full: bool) -> None:
    """60 to 90 s with --full, as a kubelet has it; within the default of wait_timeout."""
    seconds = random.Random(seed).randint(60, 90) if full else 6
    namespace = site(objects.QUICK, delay=f"{seconds}s")
    result, told = change(plane, namespace, HOSTS)
    assert told.count("0 of 1 pods run the new Corefile") >= seconds // 3
    assert len(result["evidence"]) == 1
    served(plane, namespace)


def test_a_text_that_does_not_come_in_time_is_put_back(plane: t.Any, site: t.Any) -> None:
    namespace = site(objects.QUICK, delay=FAR_OFF)
    before = plane.config_map(namespace=namespace)["data"]
    with pytest.raises(KubeError, match=r"after 2 s 1 of 1 pods do not run .*raise wait_timeout.*put back") as caught:
        change(plane, namespace, HOSTS, wait_timeout=2)
    assert caught.value.details["rolled_back"] is True
    assert plane.config_map(namespace=namespace)["data"] == before


def test_a_touch_of_the_pods_brings_the_text_at_once(plane: t.Any, site: t.Any) -> None:
    namespace = site(objects.QUICK, delay=FAR_OFF)
    [before] = plane.pods(namespace)
    result, _told = change(plane, namespace, HOSTS, wait_timeout=60, touch_pods=True)
    [after] = plane.pods(namespace)
    assert TOUCHED in after["metadata"]["annotations"]
    assert after["metadata"]["uid"] == before["metadata"]["uid"] == result["evidence"][0]["uid"]
    served(plane, namespace)


def test_a_text_that_never_comes_is_brought_by_a_restart(plane: t.Any, site: t.Any) -> None:
    """Mounted by subPath; and its proof is of the new pods."""
    namespace = site(objects.QUICK, sub_path=True)
    [before] = plane.pods(namespace)
    result, _told = change(plane, namespace, HOSTS, wait_timeout=60)
    assert [one["uid"] for one in result["evidence"]] != [before["metadata"]["uid"]]
    served(plane, namespace)
    again, _told = change(plane, namespace, HOSTS, wait_timeout=60)
    assert (again["changed"], again["evidence"]) == (False, result["evidence"])
    change(plane, namespace, {**HOSTS, "errors": [{"enabled": False}]}, wait=False)
    with pytest.raises(KubeError, match=r"by subPath, where a new text never reaches them.*rollout restart"):
        change(plane, namespace, {**HOSTS, "errors": [{"enabled": False}]}, wait_timeout=60)


def test_a_server_that_does_not_reload_is_proved_by_its_restart(plane: t.Any, site: t.Any) -> None:
    """It never tells what it runs: plugin reload is what does."""
    namespace = site(objects.QUICK.replace("    reload 2s 0s\n", ""))
    unchanged, _told = change(plane, namespace, {})
    assert unchanged["evidence"] == []
    assert any("does not tell what it runs" in one for one in unchanged["warnings"])
    result, _told = change(plane, namespace, HOSTS, wait_timeout=60)
    assert [one["source"] for one in result["evidence"]] == ["start"]
    served(plane, namespace)
    again, _told = change(plane, namespace, HOSTS, wait_timeout=60)
    assert (again["changed"], again["evidence"]) == (False, result["evidence"])
    broken = {"servers": [{"zones": ["broken.example.com"], "plugins": ["tls /no/cert /no/key"]}]}
    with pytest.raises(KubeError, match=r"crashed with the new Corefile: .*/no/cert.*put back"):
        change(plane, namespace, {**HOSTS, **broken}, wait_timeout=60)
    plane.wait_ready("deployments", "coredns", namespace)
    served(plane, namespace)
