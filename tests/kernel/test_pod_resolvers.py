# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pods with an older copy of their node's resolver are found by what their processes see, and no others are."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._nodecache import resolver
from ansible_collections.kubenode.network.plugins.module_utils._nodecache.pods import pods
from ansible_collections.kubenode.network.tests.kernel import nodecache_world as made
from ansible_collections.kubenode.network.tests.kernel.nodecache_world import CLUSTER, World

if t.TYPE_CHECKING:
    from ansible_collections.kubenode.network.tests.kernel.conftest import Netns

NOW = "search internal.example.com\nnameserver 10.100.0.53\nnameserver 10.100.0.54\n"
UNIT = "[Service]\nExecStart=/usr/bin/kubelet --config=/var/lib/kubelet/config.yaml\n"
HEAD = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n"
CONFIG = f"{HEAD}clusterDNS:\n- {CLUSTER}\nresolvConf: /run/systemd/resolve/resolv.conf\n"


@pytest.fixture
def world(netns: Netns, tmp_path: pathlib.Path) -> t.Iterator[World]:
    """A node whose kubelet copies the servers that systemd-resolved has."""
    with made.world(netns, tmp_path) as one:
        for path, text in (
            ("etc/systemd/system/kubelet.service", UNIT),
            ("var/lib/kubelet/config.yaml", CONFIG),
            ("run/systemd/resolve/resolv.conf", NOW),
            ("etc/resolv.conf", "nameserver 127.0.0.53\n"),
        ):
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text(text)
        yield one


def pod(world: World, number: int, text: str) -> int:
    """A pod that a link leads to, with that resolver; the process id."""
    process = world.holder("", text)
    world.netns.ip("link", "add", f"pod{number}", "type", "veth", "peer", "name", "eth0", "netns", str(process.pid))
    return process.pid


def old(world: World, netns: Netns) -> dict[int, dict[str, t.Any]]:
    found = resolver.copies(pods(netns.socket()), (), "cluster.local", str(world.folder))
    assert found["error"] == ""
    assert (found["file"], found["place"]) == (
        "/run/systemd/resolve/resolv.conf", "/var/lib/kubelet/config.yaml line 5"
    )  # fmt: skip
    return {one["pid"]: one for one in found["old_copies"]}


def test_pods_with_an_older_copy_are_listed_and_no_others(world: World, netns: Netns) -> None:
    coredns = pod(world, 1, "nameserver 10.0.0.2\n")
    searching = pod(world, 2, NOW.replace("internal", "old"))
    # A hostNetwork pod with dnsPolicy Default, such as kube-proxy.
    host = world.holder("", "nameserver 10.0.0.2\n", host_network=True).pid
    pod(world, 3, NOW)
    pod(world, 4, NOW + "nameserver 10.9.9.9\noptions ndots:2\n")
    pod(world, 5, f"search shop.svc.cluster.local svc.cluster.local cluster.local\nnameserver {CLUSTER}\n")
    pod(world, 6, f"nameserver {CLUSTER}\n")
    pod(world, 7, "search shop.svc.cluster.local.\nnameserver 10.9.9.9\n")
    found = old(world, netns)
    assert set(found) == {coredns, searching, host}
    assert found[coredns]["name_servers"] == ["10.0.0.2"]
    assert found[searching]["search"] == ["old.example.com"]
    assert [one["host_network"] for _pid, one in sorted(found.items())] == [False, False, True]
    # The node's own resolver is what they were told again.
    (world.folder / "run/systemd/resolve/resolv.conf").write_text("nameserver 10.0.0.2\n")
    assert coredns not in old(world, netns)


def test_a_file_that_is_not_there_is_said(world: World, netns: Netns) -> None:
    (world.folder / "run/systemd/resolve/resolv.conf").unlink()
    found = resolver.copies(pods(netns.socket()), (), "cluster.local", str(world.folder))
    assert found["error"] == "there is no file /run/systemd/resolve/resolv.conf on this node"
    # Without a kubelet that is known: what kubelets copy unless told.
    (world.folder / "etc/systemd/system/kubelet.service").unlink()
    found = resolver.copies((), (), "cluster.local", str(world.folder))
    assert (found["file"], found["servers"]) == ("/etc/resolv.conf", ["127.0.0.53"])
    assert "there is no kubelet on this node" in found["place"]
