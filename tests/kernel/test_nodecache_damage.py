# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each step of a query's way is broken on purpose, and what is wrong is found and named."""

from __future__ import annotations

import pathlib
import subprocess
import sys
import time
import typing as t

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._nodecache.module import NODE_INFO_OPTIONS
from ansible_collections.kubenode.network.plugins.module_utils._nodecache.report import info
from ansible_collections.kubenode.network.tests.kernel import nodecache_world as made
from ansible_collections.kubenode.network.tests.kernel.nodecache_world import BRIDGE, CLUSTER, INTERFACE, LOCAL, POD

if t.TYPE_CHECKING:
    from ansible_collections.kubenode.network.tests.kernel.conftest import Netns

World = made.World
DEFAULTS = {name: option.get("default") for name, option in NODE_INFO_OPTIONS.items()}
NFT = made.cannot("nft")
LEGACY = made.cannot("legacy")
pytestmark = pytest.mark.skipif(bool(NFT), reason=NFT)
FLAVOURS = ["nft", pytest.param("legacy", marks=pytest.mark.skipif(bool(LEGACY), reason=LEGACY))]


@pytest.fixture
def world(netns: Netns, tmp_path: pathlib.Path) -> t.Iterator[World]:
    """A node without anything yet."""
    with made.world(netns, tmp_path) as one:
        yield one


def look(**options: t.Any) -> dict[str, t.Any]:
    """The module's result; without queries, which need a package that nodes may lack."""
    return info({**DEFAULTS, "test_query": False, "timeout": 0.3, "cluster_ips": [CLUSTER], **options}, "/nowhere")


def kinds(found: dict[str, t.Any]) -> set[str]:
    return {f"{one['step']} {one['kind']}" for one in found["findings"]} - {"5 not_asked"}


def serving(world: World) -> None:
    made.parallel(lambda: world.serve(LOCAL), lambda: world.serve(CLUSTER))


@pytest.mark.parametrize("flavour", FLAVOURS)
@pytest.mark.parametrize("proxy", ["iptables", "nftables"])
def test_a_whole_cache_passes_with_evidence_for_each_step(world: World, flavour: str, proxy: str) -> None:
    world.build(flavour, proxy=proxy)
    serving(world)
    found = look()
    assert kinds(found) == set()
    assert [step["status"] for step in found["steps"]] == ["passed"] * 4 + ["unknown"]
    assert found["interception"] == "cluster_ip"
    assert (found["origin"]["source"], found["origin"]["interface"]) == (POD, BRIDGE)
    evidence = [" | ".join(step["evidence"]) for step in found["steps"]]
    for address in (LOCAL, CLUSTER):
        for protocol in ("udp", "tcp"):
            assert f"queries for {address} {protocol} port 53: raw PREROUTING (iptables-{flavour})" in evidence[1]
            assert f"answers of {address} {protocol} port 53: raw OUTPUT (iptables-{flavour})" in evidence[1]
            assert f"{address} {protocol} port 53: " in evidence[4]
            assert f"{address} {protocol}: every chain of the packet filters accepts query and answer" in evidence[4]
        assert f"{address} from {POD} iif {BRIDGE}: local, dev lo" in evidence[3]
    place = f"nat KUBE-SEP-A (iptables-{flavour})" if proxy == "iptables" else "table ip kube-proxy, chain endpoint-a"
    assert f"{CLUSTER} udp: {place} would do" in evidence[2]
    assert made.COREDNS_POD in evidence[2]
    assert f"{LOCAL} udp: no rule translates it" in evidence[2]
    assert found["datapath"]["kube_proxy_mode"] == proxy
    assert found["datapath"]["interception"] == "cluster_ip"
    assert found["leftovers"] == []
    listening = {(one["address"], one["port"], one["protocol"]) for one in found["listeners"] if one["cache"]}
    assert listening == {(address, 53, protocol) for address in (LOCAL, CLUSTER) for protocol in ("udp", "tcp")}
    [pod] = [one for one in found["pods"] if POD in one["addresses"]]
    assert pod["name_servers"] == (CLUSTER,)


def _raw(world: World, *rule: str) -> None:
    world.iptables("-t", "raw", "-D", *rule, "-m", "comment", "--comment", "NodeLocal DNS Cache: skip conntrack",
                   "-j", "NOTRACK")  # fmt: skip


def udp_query_tracked(world: World) -> None:
    _raw(world, "PREROUTING", "-d", CLUSTER, "-p", "udp", "--dport", "53")


def tcp_query_tracked(world: World) -> None:
    _raw(world, "PREROUTING", "-d", LOCAL, "-p", "tcp", "--dport", "53")


def answers_tracked(world: World) -> None:
    _raw(world, "OUTPUT", "-s", LOCAL, "-p", "udp", "--sport", "53")


def own_queries_tracked(world: World) -> None:
    _raw(world, "OUTPUT", "-d", LOCAL, "-p", "udp", "--dport", "53")


def raw_flushed(world: World) -> None:
    world.iptables("-t", "raw", "-F")


def notrack_too_late(world: World) -> None:
    udp_query_tracked(world)
    world.nft(f"""table ip late {{ chain c {{
        type filter hook prerouting priority mangle; policy accept;
        ip daddr {CLUSTER} udp dport 53 notrack
    }}
    }}""")


def no_proxy(world: World) -> None:
    world.iptables("-t", "nat", "-F", "KUBE-SERVICES")


def no_interface(world: World) -> None:
    world.netns.ip("link", "del", INTERFACE)


def no_address(world: World) -> None:
    world.netns.ip("address", "del", f"{CLUSTER}/32", "dev", INTERFACE)


def stale_address(world: World) -> None:
    world.netns.ip("address", "add", "10.96.0.99/32", "dev", INTERFACE)


def address_of_ipvs(world: World) -> None:
    world.netns.ip("link", "add", "kube-ipvs0", "type", "bridge")
    world.netns.ip("address", "add", f"{CLUSTER}/32", "dev", "kube-ipvs0")


def rule_before_local(world: World) -> None:
    world.netns.ip("rule", "add", "pref", "100", "lookup", "local")
    world.netns.ip("rule", "del", "pref", "0")
    world.netns.ip("rule", "add", "pref", "50", "to", CLUSTER, "lookup", "100")
    world.netns.ip("route", "add", "default", "via", POD, "table", "100")


def no_local_route(world: World) -> None:
    world.netns.ip("route", "del", "local", CLUSTER, "dev", INTERFACE, "table", "local")


def reverse_path(world: World) -> None:
    world.netns.ip("route", "add", f"{POD}/32", "dev", "lo")
    pathlib.Path("/proc/sys/net/ipv4/conf/all/rp_filter").write_text("1")


def pod_without_route(world: World) -> None:
    world.in_pod("ip", "route", "del", "default")


def bridge_down(world: World) -> None:
    world.netns.ip("link", "set", BRIDGE, "down")


def wrong_interface(world: World) -> None:
    world.netns.ip("link", "add", "veth9", "type", "veth", "peer", "name", "veth8")


def later_base_chain(world: World) -> None:
    world.nft("""table inet audit { chain strict {
        type filter hook input priority 500; policy accept;
        udp dport 53 drop
    }
    }""")


def chain_inserted_above(world: World) -> None:
    world.iptables("-N", "HARDENING")
    world.iptables("-A", "HARDENING", "-p", "tcp", "--dport", "53", "-j", "DROP")
    world.iptables("-I", "INPUT", "-j", "HARDENING")


def answer_dropped(world: World) -> None:
    world.iptables("-I", "OUTPUT", "-p", "udp", "-m", "multiport", "--sports", "53,5353", "-j", "REJECT")


def policy_drops(world: World) -> None:
    world.nft("""table inet mine { chain in {
        type filter hook input priority -5; policy drop;
        ct state { established, related } accept
        iifname "lo" accept
    }
    }""")


def firewalld_rejects(world: World) -> None:
    world.nft("""table inet firewalld {
        chain filter_INPUT_POLICIES { iifname "cni0" reject with icmpx admin-prohibited; }
        chain filter_INPUT {
            type filter hook input priority filter + 10; policy accept;
            jump filter_INPUT_POLICIES
        }
    }""")


def answer_dropped_late(world: World) -> None:
    world.nft("""table ip out { chain last {
        type filter hook postrouting priority 300; policy accept;
        ip saddr 169.254.0.0/16 oifname "cni*" drop
    }
    }""")


def dropped_on_the_wire(world: World) -> None:
    world.nft("""table netdev wire { chain in {
        type filter hook ingress device "cni0" priority 0; policy accept;
        ip daddr 169.254.20.10 udp dport 53 drop
    }
    }""")


def only_sometimes(world: World) -> None:
    world.nft("""table inet strange { chain in {
        type filter hook input priority 5; policy accept;
        meta skuid 1000 udp dport 53 drop
    }
    }""")


def not_modelled(world: World) -> None:
    world.iptables("-I", "INPUT", "-p", "udp", "-m", "length", "--length", "0:100", "-j", "DROP")


class Damage(t.NamedTuple):
    do: t.Callable[[World], None]
    finds: str
    """Kinds with their steps, one of which is the cause."""
    names: str
    """Words of the cause or the fix."""
    more: t.Collection[str] = ()
    """What else follows from it."""


DAMAGES = [
    Damage(
        udp_query_tracked,
        "2 notrack_missing",
        f"raw table at prerouting takes queries for {CLUSTER} udp",
        ["3 nat_taken"],
    ),
    Damage(tcp_query_tracked, "2 notrack_missing", f"raw table at prerouting takes queries for {LOCAL} tcp"),
    Damage(answers_tracked, "2 notrack_missing", f"raw table at output takes answers of {LOCAL} udp"),
    Damage(own_queries_tracked, "2 notrack_missing", f"output takes the node's own queries for {LOCAL} udp"),
    Damage(
        raw_flushed,
        "3 nat_taken",
        f"past the cache (DNAT --to-destination {made.COREDNS_POD}:53)",
        ["2 notrack_missing"],
    ),
    Damage(notrack_too_late, "2 notrack_late", "at priority -150, and tracking begins at -200", ["3 nat_taken"]),
    Damage(no_proxy, "3 nat_missing", f"kube-proxy has no rule for {CLUSTER} udp"),
    Damage(no_interface, "5 interface_missing", f"there is no interface {INTERFACE}", ["4 address_missing"]),
    Damage(no_address, "5 address_missing", f"{INTERFACE} does not hold {CLUSTER}", ["4 address_missing"]),
    Damage(stale_address, "5 address_stale", "10.96.0.99"),
    Damage(address_of_ipvs, "5 address_twice", "is on kube-ipvs0 as well"),
    Damage(rule_before_local, "4 route_not_local", "table 100 says unicast"),
    Damage(no_local_route, "4 route_not_local", f"{CLUSTER} is on an interface, but"),
    Damage(reverse_path, "4 route_refused", "rp_filter"),
    Damage(pod_without_route, "1 pod_no_route", f"the pod {POD} has no way to {CLUSTER}"),
    Damage(bridge_down, "1 pod_unreachable", f"no route of this node leads to its pod {POD}"),
    Damage(wrong_interface, "1 pod_interface_down", "veth9, by which packets of", ["4 route_refused"]),
    Damage(later_base_chain, "5 filter_drops", "table inet audit, chain strict stops a query"),
    Damage(chain_inserted_above, "5 filter_drops", "HARDENING -p tcp -m tcp --dport 53 -j DROP (reached by -A INPUT"),
    Damage(answer_dropped, "5 filter_drops", "stops the answer of"),
    Damage(policy_drops, "5 filter_drops", "no rule of table inet mine, chain in accepts a query"),
    Damage(firewalld_rejects, "5 filter_drops", "firewall-cmd --permanent --zone=trusted --add-interface=cni0"),
    Damage(answer_dropped_late, "5 filter_drops", "table ip out, chain last stops the answer"),
    Damage(dropped_on_the_wire, "1 filter_drops", "table netdev wire, chain in stops a query"),
    Damage(only_sometimes, "5 filter_unknown", "skuid"),
    Damage(not_modelled, "5 filter_unknown", "-m length"),
]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.do.__name__)
def test_damage_is_found_and_named(world: World, damage: Damage) -> None:
    world.build("nft")
    serving(world)
    damage.do(world)
    interface = {reverse_path: BRIDGE, wrong_interface: "veth9"}.get(damage.do)
    options = {"pod_source": POD, "pod_interface": interface} if interface else {}
    found = look(interception="cluster_ip", local_ips=[LOCAL], **options)
    named = [one for one in found["findings"] if f"{one['step']} {one['kind']}" == damage.finds]
    assert any(damage.names in f"{one['cause']} {one['fix']}" for one in named), found["findings"]
    assert kinds(found) <= {damage.finds, *damage.more}
    assert not found["passed"]
    status = found["steps"][int(damage.finds[0]) - 1]["status"]
    assert status == ("unknown" if damage.finds.endswith("unknown") else "failed")
    assert all(one["cause"] and one["fix"] for one in found["findings"])


def test_there_are_enough_kinds_of_damage() -> None:
    assert len(DAMAGES) >= 15
    assert {damage.finds[0] for damage in DAMAGES} == set("12345")


@pytest.mark.skipif(bool(LEGACY), reason=LEGACY)
def test_a_drop_of_the_other_flavour_counts(world: World) -> None:
    world.build("nft")
    serving(world)
    subprocess.run(["iptables-legacy", "-A", "INPUT", "-p", "udp", "-i", "cni+", "-j", "DROP"], check=True)
    found = look()
    assert kinds(found) == {"5 filter_drops"}
    assert "filter INPUT (iptables-legacy) stops a query" in found["findings"][0]["cause"]
    assert "iptables-legacy -t filter -D INPUT -i cni+ -p udp -j DROP" in found["findings"][0]["fix"]


def test_ipv6_is_looked_at_by_its_own_rules(netns: Netns, tmp_path: pathlib.Path) -> None:
    local, pod = "fd00:90::a", "fd00:10:244:1::5"
    with made.world(netns, tmp_path) as world:
        world.build("nft")
        netns.ip("address", "add", "fd00:10:244:1::1/64", "dev", BRIDGE, "nodad")
        world.in_pod("ip", "address", "add", f"{pod}/64", "dev", "eth0", "nodad")
        world.in_pod("ip", "route", "add", "default", "via", "fd00:10:244:1::1")
        netns.ip("address", "add", f"{local}/128", "dev", INTERFACE, "nodad")
        world.restore(made.rules_of_the_cache([local]), "ip6tables")
        made.parallel(lambda: world.serve(LOCAL), lambda: world.serve(CLUSTER), lambda: world.serve(local))
        found = look(local_ips=[LOCAL, local])
        assert kinds(found) == set()
        evidence = [" | ".join(step["evidence"]) for step in found["steps"]]
        assert f"queries for {local} udp port 53: raw PREROUTING (ip6tables-nft)" in evidence[1]
        assert f"{local} from {pod} iif {BRIDGE}: local" in evidence[3]
        made.run("ip6tables-nft", "-t", "raw", "-F")
        made.run("ip6tables-nft", "-I", "INPUT", "-p", "udp", "-j", "DROP")
        found = look(local_ips=[LOCAL, local])
        assert kinds(found) == {"2 notrack_missing", "5 filter_drops"}
        assert {one["address"] for one in found["findings"] if one["kind"] != "not_asked"} == {local}
        # A bridge that is down checks nothing; a dummy has no duplicates to check for.
        netns.ip("address", "del", f"{local}/128", "dev", INTERFACE)
        netns.ip("address", "add", f"{local}/128", "dev", INTERFACE)
        found = look(local_ips=[LOCAL, local])
        assert "4 address_tentative" in kinds(found)


def test_nobody_listens_and_who_listens_instead(world: World) -> None:
    world.build("nft")
    everywhere = world.serve("0.0.0.0")
    found = look()
    assert kinds(found) == {"5 listens_everywhere"}
    world.end(everywhere)
    tcp_only = world.serve(LOCAL, "tcp")
    found = look()
    assert kinds(found) == {"5 not_listening"}
    silent = {(one["address"], one["protocol"]) for one in found["findings"] if one["kind"] == "not_listening"}
    assert silent == {(LOCAL, "udp"), (CLUSTER, "udp"), (CLUSTER, "tcp")}
    assert f"(pid {tcp_only.pid}) listens" in " ".join(found["steps"][4]["evidence"])


def test_a_pod_that_asks_another_server_is_told(world: World) -> None:
    world.build("nft", [LOCAL])
    found = look(interception="local_ip", cluster_ips=None)
    assert "1 pod_asks_elsewhere" not in kinds(found)
    [pod] = [one for one in found["pods"] if POD in one["addresses"]]
    assert pod["asks_cache"]
    assert found["node_evidence"]["old_resolver_pods"] == [f"sleep (pid {world.pod.pid})"]
    elsewhere = {"interception": "local_ip", "local_ips": ["169.254.20.11"], "cluster_ips": None}
    found = look(**elsewhere)
    assert "1 pod_asks_elsewhere" not in kinds(found), "kubelets are moved after the cache is there"
    assert f"no pod of this node asks the cache yet; the pod asks {LOCAL}" in found["steps"][0]["evidence"]
    found = look(**elsewhere, pod_source=POD)
    assert "1 pod_asks_elsewhere" in kinds(found)


def test_without_dnspython_the_step_says_so(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dns.exception", None)
    world.build("nft")
    serving(world)
    found = look(test_query=True)
    assert {f"{one['step']} {one['kind']}" for one in found["findings"]} == {"5 not_asked"}
    [finding] = found["findings"]
    assert "pip install 'dnspython>=" in finding["cause"]
    assert not found["hit"]["proved"]
    assert "dnspython" in found["hit"]["reason"]


def test_a_node_without_pods_looks_at_its_own_way(world: World) -> None:
    world.build("nft")
    serving(world)
    world.end(world.pod)
    end = time.monotonic() + 20
    while (found := look())["origin"]["pid"]:
        assert time.monotonic() < end
    assert found["origin"]["interface"] == "lo"
    assert kinds(found) == set()
    raw_flushed(world)
    assert kinds(look()) == {"2 notrack_missing", "3 nat_taken"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"local_ips": [LOCAL, ""]}, "local_ips: an empty element"),
        ({"local_ips": ["169.254.20"]}, "local_ips: '169.254.20' is not an IPv4 or IPv6 address"),
        ({"cluster_ips": ["10.96.0.10/32"]}, "cluster_ips: '10.96.0.10/32' is not"),
        ({"local_ips": [CLUSTER]}, "is in local_ips and in cluster_ips"),
        ({"interception": "cluster_ip", "cluster_ips": None}, "cluster_ips names none"),
        ({"pod_source": "10.244.1.500"}, "pod_source: '10.244.1.500' is not"),
        ({"pod_source": "192.0.2.1"}, "pod_source 192.0.2.1 is no address of a pod of this node"),
        ({"pod_source": POD, "pod_interface": "gone0"}, "pod_interface: there is no interface 'gone0'"),
        ({"pod_interface": "lo"}, "without pod_source"),
        ({"interface": "far-too-long-a-name"}, "interface: 'far-too-long-a-name', expected the name"),
        ({"cluster_domain": "cluster..local"}, "cluster_domain: 'cluster..local' is no domain name"),
        ({"test_name": "a" * 64}, "is no domain name"),
        ({"health_port": 0}, "health_port: 0, expected a port"),
        ({"metrics_port": 65536}, "metrics_port: 65536"),
        ({"setup_metrics_port": -1}, "setup_metrics_port: -1"),
        ({"timeout": 0}, "timeout: 0, expected seconds above 0"),
    ],
)  # fmt: skip
def test_a_wrong_option_is_one_error(netns: Netns, options: dict[str, t.Any], words: str) -> None:
    from ansible_collections.kubenode.network.plugins.module_utils._nodecache.model import NodeCacheError

    assert netns
    with pytest.raises(NodeCacheError) as caught:
        look(**options)
    assert words in str(caught.value)
