# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a cache's metrics page says, and how Services are done by the evidence of a node."""

from __future__ import annotations

import http.server
import json
import pathlib
import threading
import typing as t

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._netlink.objects import Link
from ansible_collections.kubenode.network.plugins.module_utils._nodecache import datapath, iptables, metrics, nftables
from ansible_collections.kubenode.network.plugins.module_utils._nodecache.model import Ruleset

# As CoreDNS 1.15 prints them.
PAGE = r"""# HELP coredns_cache_hits_total The count of cache hits.
# TYPE coredns_cache_hits_total counter
coredns_cache_hits_total{server="dns://169.254.20.10:53",type="success",view="",zones="cluster.local."} 30
coredns_cache_hits_total{server="dns://169.254.20.10:53",type="denial",view="",zones="cluster.local."} 10
coredns_cache_hits_total{server="dns://169.254.20.10:53",type="success",view="",zones="."} 1e+03
coredns_cache_requests_total{server="dns://169.254.20.10:53",view="",zones="cluster.local."} 50
coredns_cache_misses_total{server="dns://169.254.20.10:53",view="",zones="."} 3000 1700000000000
coredns_cache_entries{server="dns://169.254.20.10:53",type="denial",view="",zones="cluster.local."} 4
coredns_reload_failed_total 2
odd{label="a \"quoted\" \\ one, two"} NaN
coredns_nodecache_setup_errors_total{errortype="iptables"} 3
coredns_nodecache_setup_errors_total{errortype="interface_add"} 0
not a sample
half{label="x 5
"""
OLDER = """coredns_cache_hits_total{server="dns://:53",type="success"} 0
coredns_cache_entries{server="dns://:53",type="denial"} 0
"""


def test_hits_misses_entries_and_ratio_of_each_zone_and_server() -> None:
    first, second = metrics.caches(metrics.parse(PAGE))
    assert first == {
        "server": "dns://169.254.20.10:53", "zones": ".", "hits": {"success": 1000}, "misses": 3000, "entries": {},
        "hit_ratio": 0.25,
    }  # fmt: skip
    assert (second["zones"], second["hits"], second["misses"]) == ("cluster.local.", {"success": 30, "denial": 10}, 10)
    assert (second["entries"], second["hit_ratio"]) == ({"denial": 4}, 0.8)
    [idle] = metrics.caches(metrics.parse(OLDER))
    assert idle["hit_ratio"] is None


def test_labels_are_read_with_their_escapes_and_what_is_no_sample_is_left_out() -> None:
    samples = {name: labels for name, labels, _value in metrics.parse(PAGE)}
    assert samples["odd"] == {"label": 'a "quoted" \\ one, two'}
    assert "half" not in samples
    assert metrics.total(metrics.parse(PAGE), "coredns_reload_failed_total") == 2
    assert metrics.by_label(metrics.parse(PAGE), "coredns_nodecache_setup_errors_total", "errortype") == {
        "iptables": 3,
        "interface_add": 0,
    }


@pytest.fixture
def served() -> t.Iterator[t.Callable[[str, int], int]]:
    """Start a server that answers every path with a text and a status; its port."""
    servers: list[http.server.HTTPServer] = []

    def start(text: str, status: int = 200) -> int:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(status)
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_arguments: t.Any) -> None: ...

        server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        servers.append(server)
        return int(server.server_address[1])

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_a_page_that_is_not_there_is_said(served: t.Callable[..., int]) -> None:
    port = served(PAGE)
    found = metrics.report("127.0.0.1", port, port, 5)
    assert found["setup_errors"] == {"iptables": 3}
    assert found["reload_failed"] == 2
    failing = served("no", 503)
    found = metrics.report("127.0.0.1", failing, failing, 5)
    assert "answers 503" in found["error"]
    assert found["caches"] == []
    found = metrics.report("127.0.0.1", port, failing, 5)
    assert "answers 503" in found["setup_errors_unknown"]


IPTABLES = """*nat
:PREROUTING ACCEPT [0:0]
:KUBE-SERVICES - [0:0]
-A PREROUTING -j KUBE-SERVICES
-A KUBE-SERVICES -d 10.96.0.10/32 -p udp -m udp --dport 53 -j ACCEPT
COMMIT
"""
NFTABLES = json.dumps({"nftables": [{"chain": {"family": "ip", "table": "kube-proxy", "name": "services"}}]})


def node(*texts: str) -> Ruleset:
    ruleset = Ruleset()
    for text in texts:
        of_iptables = text.startswith("*")
        chains = iptables.chains(text, "iptables-nft", "ip") if of_iptables else nftables.chains(nftables.listing(text))
        for chain in chains:
            ruleset.add(chain)
    return ruleset


def links(*names: str) -> dict[str, Link]:
    return {name: Link(name, index) for index, name in enumerate(names, 1)}


@pytest.mark.parametrize(
    ("says", "texts", "names", "mode", "interception", "conflicts"),
    [
        ("iptables", [IPTABLES], [], "iptables", "cluster_ip", 0),
        ("nftables", [NFTABLES], [], "nftables", "cluster_ip", 0),
        ("nftables", [NFTABLES, IPTABLES], [], "nftables", "cluster_ip", 1),
        ("ipvs", [IPTABLES], ["kube-ipvs0"], "ipvs", "local_ip", 0),
        ("iptables", [IPTABLES], ["kube-ipvs0"], "iptables", "cluster_ip", 1),
        ("", [IPTABLES], ["cali0123456789a"], "iptables", "cluster_ip", 0),
        ("", [], ["kube-ipvs0"], "ipvs", "local_ip", 0),
        ("", [NFTABLES], [], "nftables", "cluster_ip", 0),
        ("", [], ["cilium_host", "lxc_health"], "cilium", "redirect_policy", 0),
        ("", [], ["eth0"], "", "", 0),
        ("userspace", [IPTABLES], [], "iptables", "cluster_ip", 0),
    ],
)  # fmt: skip
def test_how_services_are_done(
    served: t.Callable[..., int],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: pathlib.Path,
    says: str,
    texts: list[str],
    names: list[str],
    mode: str,
    interception: str,
    conflicts: int,
) -> None:
    monkeypatch.setattr(datapath, "_PROXY_PORT", served(says) if says else served("", 404))
    found = datapath.evidence(node(*texts), links(*names), 5, str(tmp_path))
    assert (found["kube_proxy_mode"], found["interception"]) == (mode, interception)
    assert len(found["conflicts"]) == conflicts, found["conflicts"]
    assert bool(found["source"]) is bool(mode)
    assert all("kube-proxy --cleanup" in words for words in found["conflicts"])


def test_networks_by_their_links_and_by_the_first_file_of_cni(tmp_path: pathlib.Path) -> None:
    folder = tmp_path / "etc/cni/net.d"
    folder.mkdir(parents=True)
    (folder / "10-flannel.conflist").write_text('{"plugins": [{"type": "flannel"}, {"type": "portmap"}]}')
    (folder / "99-loopback.conf").write_text('{"type": "calico"}')
    found = datapath.evidence(Ruleset(), links("cali0123456789a"), 0.2, str(tmp_path))
    assert found["cnis"] == ["Calico", "Flannel"]
    (folder / "10-flannel.conflist").write_text("{")
    found = datapath.evidence(Ruleset(), {}, 0.2, str(tmp_path))
    assert found["cnis"] == []
    assert any("10-flannel.conflist cannot be read" in words for words in found["evidence"])
