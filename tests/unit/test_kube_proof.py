# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A text that CoreDNS is about to refuse is not taken for proved.

The API server is a double here: no real CoreDNS can be held between the two lines of plugin/reload that name a text in
the metrics and count that it failed. All else about the proof is shown on real ones, in tests/cluster.
"""

from __future__ import annotations

import copy
import re
import typing as t

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._kube import proof
from ansible_collections.kubenode.network.plugins.module_utils._kube.errors import KubeError
from ansible_collections.kubenode.network.plugins.module_utils._kube.proof import LoadFailed, Where, wait_until_loaded

WHERE = Where("kube-system", "coredns", "Corefile")
OLD, NEW = "0a" * 64, "0b" * 64
WORDS = "[ERROR] Restart failed: listen tcp :53: bind: address already in use"
POD = {
    "metadata": {"name": "coredns-1", "uid": "u1"},
    "spec": {
        "nodeName": "w1",
        "containers": [
            {
                "name": "coredns",
                "args": ["-conf", "/etc/coredns/Corefile"],
                "volumeMounts": [{"name": "config", "mountPath": "/etc/coredns"}],
            }
        ],
        "volumes": [{"name": "config", "configMap": {"name": "coredns"}}],
    },
    "status": {
        "phase": "Running",
        "conditions": [{"type": "Ready", "status": "True"}],
        "containerStatuses": [
            {
                "name": "coredns",
                "ready": True,
                "restartCount": 0,
                "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}},
            }
        ],
    },
}


class Double:
    """Answers looks at the metrics one after the other; the last one stays."""

    def __init__(self, *scrapes: tuple[str, int]) -> None:
        self.scrapes = list(scrapes)

    def items(self, _path: str, **_query: t.Any) -> list[dict[str, t.Any]]:
        return [POD]

    def request(self, _method: str, _path: str, **_options: t.Any) -> str:
        version, failures = self.scrapes.pop(0) if len(self.scrapes) > 1 else self.scrapes[0]
        return (
            f'coredns_reload_version_info{{hash="sha512",value="{version}"}} 1\n'
            f"coredns_reload_failed_total {failures}\n"
        )

    def text(self, _path: str, **_query: t.Any) -> str:
        return f"[INFO] plugin/reload: Running configuration SHA512 = {OLD}\n{WORDS}\n"


def prove(*scrapes: tuple[str, int]) -> list[t.Any]:
    return wait_until_loaded(t.cast(t.Any, Double(*scrapes)), WHERE, NEW, {}, seconds=0.0)


def test_a_failure_that_is_counted_a_moment_after_the_text_was_named_is_seen() -> None:
    with pytest.raises(LoadFailed, match="address already in use"):
        prove((NEW, 0), (NEW, 1))


def test_a_text_that_stays_without_a_failure_is_proved() -> None:
    (shown,) = prove((NEW, 0), (NEW, 0))
    assert (shown.hash, shown.source, shown.failures) == (NEW, "metrics", 0.0)


class Fleet:
    """Many pods, of which some have the new text and the others wait for their kubelets."""

    def __init__(self, names: list[str]) -> None:
        self.names = names
        self.new: set[str] = set()
        self.asked: list[str] = []
        self.looks = 0

    def items(self, _path: str, **_query: t.Any) -> list[dict[str, t.Any]]:
        self.looks += 1
        pods = []
        for name in self.names:
            pod = copy.deepcopy(POD)
            pod["metadata"] = {"name": name, "uid": name}
            pods.append(pod)
        return pods

    def request(self, _method: str, path: str, **_options: t.Any) -> str:
        name = path.partition("/pods/")[2].partition(":")[0]
        self.asked.append(name)
        return f'coredns_reload_version_info{{hash="sha512",value="{NEW if name in self.new else OLD}"}} 1\n'

    def text(self, _path: str, **_query: t.Any) -> str:
        self.asked.append("log")
        return ""


def test_of_many_pods_a_few_are_asked_at_a_time_and_each_gets_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a thousand caches cost the API server while their kubelets take a minute."""
    names = [f"cache-{number:03}" for number in range(100)]
    fleet = Fleet(names)
    turns: list[int] = []

    def pause(_seconds: float) -> None:
        turns.append(len(fleet.asked))
        if len(turns) == 5:
            # All were asked once; now the ConfigMap is there.
            assert sorted(fleet.asked) == names
            fleet.new.update(names)

    monkeypatch.setattr(proof.time, "sleep", pause)
    shown = wait_until_loaded(t.cast(t.Any, fleet), WHERE, NEW, {}, seconds=600.0)
    assert sorted(one.pod.name for one in shown) == names
    assert turns == [proof.IN_VAIN * turn for turn in range(1, 6)]
    # Once to see it, and once more for a failure that is counted a moment later.
    assert (fleet.looks, len(fleet.asked)) == (6, 300)


def test_pods_that_are_passed_over_are_not_asked_and_of_many_that_fail_some_are_named() -> None:
    names = [f"cache-{number:03}" for number in range(100)]
    fleet = Fleet(names)
    where = WHERE._replace(passed_over=frozenset(names[:40]))
    with pytest.raises(KubeError, match=r"60 of 60 pods do not run the new Corefile: cache-040, .*") as told:
        wait_until_loaded(t.cast(t.Any, fleet), where, NEW, {}, seconds=0.0)
    assert len(re.findall("cache-", told.value.message)) == proof.IN_VAIN and "and 40 more" in told.value.message
    assert not set(names[:40]) & set(fleet.asked)
    assert fleet.asked.count("log") == proof.IN_VAIN
