# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a killed node-cache leaves is taken away, exactly that, and never while it would cut somebody off."""

from __future__ import annotations

import pathlib
import re
import shutil
import subprocess
import typing as t

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._cache_service import node_script, units
from ansible_collections.kubenode.network.plugins.module_utils._cache_service.options import Options
from ansible_collections.kubenode.network.plugins.module_utils._nodecache.clean import clean
from ansible_collections.kubenode.network.plugins.module_utils._nodecache.model import NodeCacheError
from ansible_collections.kubenode.network.plugins.module_utils._nodecache.module import NODE_INFO_OPTIONS, NODE_OPTIONS
from ansible_collections.kubenode.network.plugins.module_utils._nodecache.release import release
from ansible_collections.kubenode.network.plugins.module_utils._nodecache.report import info
from ansible_collections.kubenode.network.tests.kernel import nodecache_world as made
from ansible_collections.kubenode.network.tests.kernel.nodecache_world import CLUSTER, INTERFACE, LOCAL, World

if t.TYPE_CHECKING:
    from ansible_collections.kubenode.network.tests.kernel.conftest import Netns

DEFAULTS = {name: option.get("default") for name, option in NODE_OPTIONS.items()}
NFT = made.cannot("nft")
LEGACY = made.cannot("legacy")
pytestmark = pytest.mark.skipif(bool(NFT), reason=NFT)
FLAVOURS = ["nft", pytest.param("legacy", marks=pytest.mark.skipif(bool(LEGACY), reason=LEGACY))]
# Near to node-cache's rules, and none of them.
NEIGHBOURS = f"""*raw
-A PREROUTING -d {CLUSTER}/32 -p udp -m udp --dport 53 -j NOTRACK
-A PREROUTING -d {CLUSTER}/32 -p udp -m udp --dport 5353 -m comment --comment "NodeLocal DNS Cache: mine" -j NOTRACK
-A OUTPUT -p tcp -m tcp --sport 53 -m comment --comment "NodeLocal DNS Cache: skip conntrack" -j NOTRACK
COMMIT
*filter
-A INPUT -d {LOCAL}/32 -p udp -m udp --dport 53 -m comment --comment "our own" -j ACCEPT
-A INPUT -d {LOCAL}/32 -i eth0 -p udp -m udp --dport 53 -m comment --comment "NodeLocal DNS Cache: x" -j ACCEPT
-A INPUT -d {LOCAL}/32 -p udp -m udp --dport 53 -m comment --comment "NodeLocal DNS Cache: no more" -j DROP
COMMIT
"""


@pytest.fixture
def world(netns: Netns, tmp_path: pathlib.Path) -> t.Iterator[World]:
    with made.world(netns, tmp_path) as one:
        yield one


def cleaned(world: World, check: bool = False, **options: t.Any) -> dict[str, t.Any]:
    return clean({**DEFAULTS, **options}, check, str(world.folder))


def saved(flavour: str) -> list[str]:
    text = made.run(f"iptables-{flavour}-save")
    return [line for line in text.splitlines() if line.startswith(("-A", "*"))]


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_interface_and_rules_go_and_nothing_else_does(world: World, flavour: str) -> None:
    world.flavour = flavour
    world.restore(NEIGHBOURS)
    world.restore(made.rules_of_kube_proxy())
    before = saved(flavour)
    world.build(flavour, proxy="")
    standing = saved(flavour)
    foreseen = cleaned(world, check=True)
    assert foreseen["changed"]
    assert len(foreseen["removed"]) == 1 + 24
    assert foreseen["removed"][0] == f"interface {INTERFACE} (bridge) with {LOCAL}/32, {CLUSTER}/32"
    assert saved(flavour) == standing
    done = cleaned(world)
    assert done == foreseen
    assert done["diff"]["before"].count("\n") == 25
    assert done["diff"]["after"] == ""
    assert INTERFACE not in world.netns.indexes
    assert sorted(saved(flavour)) == sorted(before)
    again = cleaned(world)
    assert (again["changed"], again["removed"], again["diff"]["before"]) == (False, [], "")


def test_a_whole_set_without_comments_is_that_of_an_older_release(world: World) -> None:
    # One rule of the twelve, for another address, is anybody's.
    world.restore(NEIGHBOURS)
    before = saved("nft")
    world.restore(re.sub(r'-m comment --comment "[^"]*" ', "", made.rules_of_the_cache([LOCAL])))
    removed = cleaned(world)["removed"]
    assert len(removed) == 12
    assert sorted(saved("nft")) == sorted(before)


@pytest.mark.parametrize("backend", ["nft", "iptables"])
def test_a_cache_without_pods_passes_by_its_own_rules_and_keeps_them(world: World, backend: str) -> None:
    world.build("nft", cache=False)
    world.netns.ip("link", "del", INTERFACE)
    wanted = Options("/x", (LOCAL,), (made.COREDNS_POD,), interface_type="ifb")
    text = node_script.text_for(wanted, backend, units.USER)
    (world.folder / units.SCRIPT[1:]).parent.mkdir(parents=True)
    (world.folder / units.SCRIPT[1:]).write_text(text)
    for words in (["link", "up"], ["rules", "up"]):
        made.run("bash", "-s", *words, text=text)
    server = world.serve(LOCAL)
    options = {name: option.get("default") for name, option in NODE_INFO_OPTIONS.items()}
    options |= {"test_query": False, "timeout": 0.3}
    found = info(options, str(world.folder))
    assert {one["kind"] for one in found["findings"]} == {"not_asked"}
    assert [step["status"] for step in found["steps"]] == ["passed"] * 4 + ["unknown"]
    world.end(server)
    assert not cleaned(world)["changed"]
    assert INTERFACE in world.netns.indexes
    made.run("bash", "-s", "rules", "down", text=text)
    assert "notrack_missing" in {one["kind"] for one in info(options, str(world.folder))["findings"]}


def test_rules_of_nftables_go_by_their_handles(world: World) -> None:
    world.nft(f"""table inet cache {{
        chain raw {{
            type filter hook prerouting priority raw; policy accept;
            ip daddr {CLUSTER} udp dport 53 notrack comment "NodeLocal DNS Cache: skip conntrack"
            ip daddr {CLUSTER} udp dport 53 notrack comment "of somebody else"
        }}
        chain in {{
            type filter hook input priority filter; policy accept;
            ip daddr {CLUSTER} tcp dport 53 counter accept comment "NodeLocal DNS Cache: allow DNS traffic"
            ip daddr {CLUSTER} tcp dport 53 iifname "eth0" accept comment "NodeLocal DNS Cache: not this"
        }}
    }}""")
    assert len(cleaned(world)["removed"]) == 2
    left = made.run("nft", "list", "table", "inet", "cache")
    assert re.findall(r'comment "(.*)"', left) == ["of somebody else", "NodeLocal DNS Cache: not this"]
    assert not cleaned(world)["changed"]


def test_rules_go_where_the_interface_is_gone_already(world: World) -> None:
    world.build("nft", proxy="")
    world.netns.ip("link", "del", INTERFACE)
    assert len(cleaned(world)["removed"]) == 24
    assert not [line for line in saved("nft") if line.startswith("-A")]


def test_a_cache_that_answers_is_never_cut_off(world: World) -> None:
    world.build("nft")
    before = saved("nft")
    server = world.serve(CLUSTER)
    with pytest.raises(NodeCacheError, match=rf"\(pid {server.pid}\) listens on {CLUSTER} .*remove the DaemonSet"):
        cleaned(world, force=True)
    world.end(server)
    # One that has not come to listen yet.
    program = world.folder / "node-cache"
    shutil.copy(shutil.which("sleep") or "", program)
    cache = subprocess.Popen([str(program), "60"])
    try:
        with pytest.raises(NodeCacheError, match=rf"node-cache \(pid {cache.pid}\) runs, so nothing was left behind"):
            cleaned(world, force=True)
    finally:
        cache.kill()
        cache.wait()
    assert saved("nft") == before
    assert INTERFACE in world.netns.indexes
    assert cleaned(world)["changed"]


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_a_cache_that_is_to_end_lets_go_of_the_clusterip_alone(world: World, flavour: str) -> None:
    world.flavour = flavour
    world.restore(NEIGHBOURS)
    world.build(flavour)
    server = world.serve(CLUSTER)
    before = saved(flavour)
    options = {**DEFAULTS, "state": "released", "cluster_ips": [CLUSTER]}
    foreseen = release(options, True)
    assert saved(flavour) == before
    done = release(options, False)
    assert done == foreseen
    assert len(done["removed"]) == 4
    # What it still has to answer is not tracked, as its queries were not.
    gone = [line for line in before if line not in saved(flavour)]
    assert sorted(re.findall(r"-A (\w+) -d (\S+) -p (\w+)", "\n".join(gone))) == sorted(
        (chain, f"{CLUSTER}/32", protocol) for chain in ("OUTPUT", "PREROUTING") for protocol in ("tcp", "udp")
    )
    assert (release(options, False)["changed"], server.poll()) == (False, None)
    looked = info({**{name: one.get("default") for name, one in NODE_INFO_OPTIONS.items()}, "test_query": False})
    assert {one["kind"] for one in looked["findings"] if one["step"] == 3} == {"nat_taken"}, "kube-proxy has it again"
    with pytest.raises(NodeCacheError, match="cluster_ips is empty: state released needs the ClusterIPs"):
        release({**options, "cluster_ips": []}, False)


def test_pods_and_kubelets_that_use_the_address_stand_in_the_way(world: World) -> None:
    world.build("nft", [LOCAL])
    config = world.folder / "var/lib/kubelet/config.yaml"
    config.parent.mkdir(parents=True)
    config.write_text(f"clusterDomain: cluster.local\nclusterDNS:\n- {LOCAL}\n")
    with pytest.raises(NodeCacheError) as caught:
        cleaned(world)
    assert str(caught.value).startswith(f"sleep (pid {world.pod.pid}) asks {LOCAL} and 1 more: without the address")
    assert caught.value.in_use_by[1] == f"the kubelet gives {LOCAL} to new pods (/var/lib/kubelet/config.yaml)"
    assert INTERFACE in world.netns.indexes
    with pytest.raises(NodeCacheError):
        cleaned(world, check=True)
    done = cleaned(world, force=True)
    assert done["in_use_by"] == caught.value.in_use_by
    assert INTERFACE not in world.netns.indexes


def test_pods_that_ask_the_clusterip_do_not(world: World) -> None:
    world.build("nft")
    assert CLUSTER in cleaned(world, cluster_ips=[CLUSTER])["removed"][0]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (
            ["link add {} type bridge", "link add v0 type veth peer name v1", "link set v0 master {}"],
            "has v0 as members",
        ),
        (["link add {} type bridge", "address add 10.1.0.1/24 dev {}"], "holds the network 10.1.0.1/24"),
    ],
)
def test_an_interface_that_no_node_cache_makes_stays(world: World, make: list[str], words: str) -> None:
    for line in make:
        world.netns.ip(*line.format(INTERFACE).split())
    with pytest.raises(NodeCacheError, match=words):
        cleaned(world)
    assert INTERFACE in world.netns.indexes


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"local_ips": [""]}, "local_ips: an empty element"),
        ({"cluster_ips": ["kube-dns"]}, "cluster_ips: 'kube-dns' is not"),
        ({"local_ips": [LOCAL], "cluster_ips": [LOCAL]}, "is in local_ips and in cluster_ips"),
    ],
)
def test_a_wrong_option_is_one_error(world: World, options: dict[str, t.Any], words: str) -> None:
    world.build("nft", proxy="")
    with pytest.raises(NodeCacheError) as caught:
        cleaned(world, **options)
    assert words in str(caught.value)
    assert INTERFACE in world.netns.indexes


def test_without_the_program_that_lists_them_nothing_is_said_to_be_clean(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.build("nft")
    programs = world.folder / "bin"
    programs.mkdir()
    # As on a node without the package iptables: nft shows the rules without their comments.
    (programs / "nft").symlink_to(shutil.which("nft", path="/usr/sbin:/sbin:/usr/bin") or "")
    monkeypatch.setattr(
        "ansible_collections.kubenode.network.plugins.module_utils._nodecache.firewall.FOLDERS", str(programs)
    )
    monkeypatch.setenv("PATH", str(programs))
    with pytest.raises(
        NodeCacheError, match="iptables-nft-save does not print that table: install the package iptables"
    ):
        cleaned(world)
    (programs / "nft").unlink()
    with pytest.raises(NodeCacheError, match=r"chains of nftables \(.*no nft is on the node"):
        cleaned(world)
