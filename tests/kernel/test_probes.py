# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Probes against real gateways and servers: what works, what does not, and what no longer does after a change."""

from __future__ import annotations

import json
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import typing as t

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._checkpoint import gateways, neighbours, probes
from ansible_collections.kubenode.network.plugins.module_utils._state.model import StateError
from ansible_collections.kubenode.network.plugins.module_utils._state.observe import observe
from ansible_collections.kubenode.network.plugins.module_utils._state.options_probes import parse_probes

from .answering import Gateway

Evidence = dict[str, t.Any]


@pytest.fixture
def gateway(netns: t.Any, tmp_path: pathlib.Path) -> t.Iterator[Gateway]:
    """The node's gateways, and its default routes: one per family in main, one behind a second NIC in table 100.

    Its resolv.conf, below ``tmp_path``, names the gateway.
    """
    other = Gateway()
    try:
        netns.batch("""
            link add ens192 type veth peer name out192
            link add ens256 type veth peer name out256
            link set ens192 up
            link set ens256 up
            addr add 192.168.100.11/24 dev ens192
            addr add 2001:db8:1::11/64 dev ens192 nodad
            addr add 172.16.0.11/24 dev ens256
        """)
        other.take("out192", "192.168.100.1/24", "2001:db8:1::1/64")
        other.take("out256", "172.16.0.1/24")
        netns.batch("""
            route add default via 192.168.100.1 dev ens192
            route add default via 172.16.0.1 dev ens256 table 100
        """)
        netns.ip("-6", "route", "add", "default", "via", "2001:db8:1::1", "dev", "ens192")
        (tmp_path / "etc").mkdir()
        (tmp_path / "etc/resolv.conf").write_text("nameserver 192.168.100.1\n")
        yield other
    finally:
        other.close()


class Asker:
    """Baseline and run as a change has them: the baseline goes through JSON, as it does through the journal."""

    def __init__(self, root: pathlib.Path) -> None:
        self._root = str(root)

    def before(self, *specs: dict[str, t.Any]) -> dict[str, t.Any]:
        parsed = parse_probes(list(specs), "probes") if specs else None
        return t.cast("dict[str, t.Any]", json.loads(json.dumps(probes.baseline(parsed, observe(), self._root))))

    def after(self, before: dict[str, t.Any], seconds: float = 2.0) -> list[Evidence]:
        return probes.run(before, time.monotonic() + seconds)

    def failure(self, before: dict[str, t.Any], seconds: float = 0.9) -> StateError:
        start = time.monotonic()
        with pytest.raises(StateError) as caught:
            self.after(before, seconds)
        # No attempt lasts longer than there is time.
        assert time.monotonic() - start < max(seconds, 0) + 1
        return caught.value


@pytest.fixture
def asker(tmp_path: pathlib.Path) -> Asker:
    return Asker(tmp_path)


def test_by_default_gateways_and_dns_are_asked(gateway: Gateway, asker: Asker) -> None:
    gateway.serve("dns", "192.168.100.1", 53)
    before = asker.before()
    one, two = asker.after(before)
    assert (one["type"], one["passed"], one["attempts"], one["before"], one["required"]) == (
        "gateway",
        True,
        1,
        True,
        True,
    )
    for address in ("192.168.100.1", "172.16.0.1", "2001:db8:1::1"):
        assert f"{address} answered an echo after" in one["detail"]
    assert (two["type"], two["passed"]) == ("dns", True)
    assert "192.168.100.1 answered NOERROR for the root" in two["detail"]


def test_a_default_route_to_a_dead_gateway_is_found_out(gateway: Gateway, netns: t.Any, asker: Asker) -> None:
    before = asker.before({"type": "gateway"})
    netns.ip("route", "replace", "default", "via", "192.168.100.99", "dev", "ens192")
    error = asker.failure(before)
    assert "nobody answers for 192.168.100.99 on ens192, a gateway since the change" in error.message
    assert "(it worked before the change)" in error.message
    (evidence,) = error.details["probes"]
    assert evidence["passed"] is False and evidence["attempts"] >= 1


def test_a_gateway_that_died_is_found_out_while_the_kernel_still_believes_in_it(
    gateway: Gateway, netns: t.Any, asker: Asker
) -> None:
    gateway.set("ipv4/icmp_echo_ignore_all", 1)
    before = asker.before({"type": "gateway", "address": "192.168.100.1"})
    assert "it answers no echo" in before["probes"][0]["detail"]
    assert asker.after(before)[0]["passed"]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.sendto(b"", ("192.168.100.1", 9))
    time.sleep(0.1)
    gateway.run("ip", "address", "del", "192.168.100.1/24", "dev", "out192")
    assert netns.json("neigh", "show", "192.168.100.1")[0]["state"] != ["FAILED"]
    assert "nobody answers for 192.168.100.1 on ens192" in asker.failure(before).message


def test_a_gateway_that_answered_echoes_must_go_on_to(gateway: Gateway, asker: Asker) -> None:
    before = asker.before({"type": "gateway", "address": "2001:db8:1::1"})
    gateway.set("ipv6/icmp/echo_ignore_all", 1)
    assert "2001:db8:1::1 answers no echo" in asker.failure(before).message


def test_neighbours_of_both_families_are_resolved_without_the_kernels_table(gateway: Gateway, netns: t.Any) -> None:
    gateway.set("ipv4/icmp_echo_ignore_all", 1)
    for address in ("192.168.100.1", "2001:db8:1::1"):
        assert neighbours.resolve(address, "ens192", 1) is not None
    for address in ("192.168.100.77", "2001:db8:1::77"):
        assert neighbours.resolve(address, "ens192", 0.5) is None
    assert neighbours.resolve("127.0.0.1", "lo", 0.2) is None
    assert neighbours.echo("192.168.100.1", "ens192", 0.3) is None
    assert neighbours.echo("2001:db8:1::1", "ens192", 1) is not None
    link_local = next(
        entry["local"]
        for link in json.loads(
            subprocess.check_output(gateway.inside("ip", "-j", "-6", "addr", "show", "dev", "out192"))
        )
        for entry in link["addr_info"]
        if entry["scope"] == "link"
    )
    end = time.monotonic() + 3
    while neighbours.echo(link_local, "ens192", 0.5) is None:
        assert time.monotonic() < end, "duplicate address detection should be over"


def test_it_is_asked_again_until_it_passes(gateway: Gateway, asker: Asker) -> None:
    # IPv4 alone: an IPv6 address would not come back with the link.
    before = asker.before({"type": "gateway", "address": "192.168.100.1"})
    gateway.run("ip", "link", "set", "out192", "down")
    back = threading.Timer(1.5, gateway.run, ("ip", "link", "set", "out192", "up"))
    # A thread is born into the namespace of the one that starts it.
    back.start()
    start = time.monotonic()
    (evidence,) = asker.after(before, 15)
    back.join()
    assert evidence["passed"] and time.monotonic() - start > 1


def test_what_failed_before_cannot_block(gateway: Gateway, asker: Asker) -> None:
    before = asker.before({"type": "gateway"}, {"type": "dns"}, {"type": "tcp", "address": "192.168.100.1", "port": 81})
    passed, dns, tcp = asker.after(before)
    assert passed["passed"] is True
    for evidence in (dns, tcp):
        assert (evidence["before"], evidence["required"], evidence["passed"], evidence["attempts"]) == (
            False,
            False,
            None,
            0,
        )
        assert "failed before the change, so it cannot block" in evidence["detail"]
    assert "Connection refused" in tcp["detail"]


def test_what_is_required_blocks_though_it_failed_before(gateway: Gateway, asker: Asker) -> None:
    wanted = {"type": "tcp", "address": "192.168.100.1", "port": 81, "required": True}
    before = asker.before(wanted)
    assert "tcp 192.168.100.1 port 81: Connection refused (required)" in asker.failure(before).message
    gateway.serve("tcp", "192.168.100.1", 81)
    (evidence,) = asker.after(before)
    assert evidence["passed"] and evidence["before"] is False


def test_a_family_keeps_a_default_gateway(gateway: Gateway, netns: t.Any, asker: Asker) -> None:
    before = asker.before({"type": "gateway"})
    netns.ip("-6", "route", "del", "default")
    assert "no default gateway of IPv6 is left, where 2001:db8:1::1 was one" in asker.failure(before).message


def test_gateways_of_other_tables_come_and_go(gateway: Gateway, netns: t.Any, asker: Asker) -> None:
    before = asker.before({"type": "gateway"})
    netns.ip("route", "replace", "default", "via", "172.16.0.88", "dev", "ens256", "table", "100")
    (evidence,) = asker.after(before)
    assert evidence["passed"] and "172.16.0" not in evidence["detail"]


def test_a_gateway_of_another_table_that_answered_must_go_on_to(gateway: Gateway, asker: Asker) -> None:
    before = asker.before({"type": "gateway"})
    gateway.run("ip", "link", "set", "out256", "down")
    assert "172.16.0.1 answers no echo" in asker.failure(before).message


def test_a_silent_gateway_does_not_block_the_others(gateway: Gateway, netns: t.Any, asker: Asker) -> None:
    netns.ip("route", "add", "default", "via", "192.168.100.44", "dev", "ens192", "metric", "500")
    before = asker.before({"type": "gateway"})
    assert "nobody answers for 192.168.100.44" in before["probes"][0]["detail"]
    assert asker.after(before)[0]["passed"]


def test_a_node_without_gateways_has_none_to_lose(netns: t.Any, asker: Asker, tmp_path: pathlib.Path) -> None:
    before = asker.before()
    assert [entry["before"] for entry in before["probes"]] == [False, False]
    assert before["probes"][0]["detail"] == "there is no default gateway"
    assert [evidence["required"] for evidence in asker.after(before)] == [False, False]


def test_a_default_route_without_a_gateway_counts_as_one(gateway: Gateway, netns: t.Any, asker: Asker) -> None:
    before = asker.before({"type": "gateway"})
    netns.ip("route", "replace", "default", "dev", "ens192")
    assert gateways.Gateway("", "ens192", True, 2) in gateways.defaults(observe())
    assert asker.after(before)[0]["passed"]


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_dns_by_name(gateway: Gateway, asker: Asker, transport: str) -> None:
    gateway.serve("dns", "192.168.100.1", 5353, "3")
    server = {"type": "dns", "server": "192.168.100.1", "port": 5353, "transport": transport}
    before = asker.before(
        {**server, "name": "storage.example.com"}, {**server, "name": "gone.example.com"}, {**server}
    )  # fmt: skip
    found, missing, anything = before["probes"]
    assert found["before"] and "NOERROR for storage.example.com" in found["detail"]
    assert not missing["before"] and "NXDOMAIN for gone.example.com" in missing["detail"]
    assert anything["before"] and "NXDOMAIN for the root" in anything["detail"]


def test_a_forwarder_that_lost_its_servers_has_failed(gateway: Gateway, asker: Asker) -> None:
    gateway.serve("dns", "192.168.100.1", 53, "2")
    before = asker.before({"type": "dns"})
    assert not before["probes"][0]["before"] and "SERVFAIL" in before["probes"][0]["detail"]


def test_the_servers_of_after_the_change_are_asked(gateway: Gateway, asker: Asker, tmp_path: pathlib.Path) -> None:
    gateway.serve("dns", "192.168.100.1", 53)
    gateway.serve("dns", "2001:db8:1::1", 53)
    before = asker.before({"type": "dns", "timeout": 1})
    (tmp_path / "etc/resolv.conf").write_text("nameserver 192.168.100.77\nnameserver 2001:db8:1::1\n")
    (evidence,) = asker.after(before)
    assert "2001:db8:1::1 answered NOERROR" in evidence["detail"]
    (tmp_path / "etc/resolv.conf").write_text("nameserver 192.168.100.77\n")
    assert "192.168.100.77" in asker.failure(before, 3).message
    (tmp_path / "etc/resolv.conf").write_text("search example.com\n")
    assert "no name server in /etc/resolv.conf" in asker.failure(before).message


def test_tcp_from_an_address(gateway: Gateway, asker: Asker) -> None:
    gateway.serve("tcp", "192.168.100.1", 2049)
    tcp = {"type": "tcp", "address": "192.168.100.1", "port": 2049}
    before = asker.before(tcp, {**tcp, "source": "192.168.100.11"}, {**tcp, "source": "10.9.9.9"})
    assert [entry["before"] for entry in before["probes"]] == [True, True, False]
    assert "Cannot assign requested address" in before["probes"][2]["detail"]


def test_http(gateway: Gateway, asker: Asker) -> None:
    for port, status in ((8001, "204"), (8002, "302"), (8003, "503"), (8004, "404")):
        gateway.serve("http", "192.168.100.1", port, status)
    url = "http://192.168.100.1:{}/healthz?x=1"
    before = asker.before(
        *({"type": "http", "url": url.format(port)} for port in (8001, 8002, 8003, 8004, 8005)),
        {"type": "http", "url": url.format(8004), "status": [200, 404]},
        {"type": "http", "url": url.format(8001), "status": 200},
    )
    assert [entry["before"] for entry in before["probes"]] == [True, True, False, False, False, True, False]
    assert before["probes"][1]["detail"] == "HTTP status 302"
    assert "Connection refused" in before["probes"][4]["detail"]


def test_a_server_that_says_nothing_takes_no_longer_than_it_may(gateway: Gateway, asker: Asker) -> None:
    gateway.serve("silent", "192.168.100.1", 8001)
    start = time.monotonic()
    before = asker.before(
        {"type": "http", "url": "http://192.168.100.1:8001/", "timeout": 1},
        {"type": "dns", "server": "192.168.100.1", "port": 8001, "transport": "tcp", "timeout": 1},
    )
    assert 1.9 < time.monotonic() - start < 3.5
    assert [entry["before"] for entry in before["probes"]] == [False, False]
    assert "1.0 s" in before["probes"][1]["detail"]


@pytest.mark.skipif(not shutil.which("openssl"), reason="there is no openssl here to make a certificate with")
def test_the_api_server_of_the_kubelets_configuration(gateway: Gateway, asker: Asker, tmp_path: pathlib.Path) -> None:
    assert "no configuration of a kubelet" in asker.before({"type": "api_server"})["probes"][0]["detail"]
    both = tmp_path / "both.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", "/CN=kubernetes", "-keyout", str(both), "-out", str(tmp_path / "cert.pem")],
        check=True, capture_output=True,
    )  # fmt: skip
    both.write_text(both.read_text() + (tmp_path / "cert.pem").read_text())
    (tmp_path / "etc/kubernetes").mkdir()
    (tmp_path / "etc/kubernetes/kubelet.conf").write_text(
        "clusters:\n- cluster:\n    server: https://192.168.100.1:6443\n"
    )
    server = gateway.serve("https", "192.168.100.1", 6443, str(both))
    before = asker.before({"type": "api_server"}, {"type": "http", "url": "https://192.168.100.1:6443/livez"})
    api, checked = before["probes"]
    assert api["before"] and api["detail"] == "192.168.100.1:6443: HTTP status 401"
    assert not checked["before"] and "CERTIFICATE_VERIFY_FAILED" in checked["detail"]
    assert asker.after(before)[0]["passed"]
    server.kill()
    server.wait()
    assert "the API server: 192.168.100.1:6443: Connection refused" in asker.failure(before).message


def test_route_get(gateway: Gateway, netns: t.Any, asker: Asker) -> None:
    wanted = {"type": "route_get", "destination": "10.200.0.1", "expect": {"gateway": "172.16.0.1", "table": 254}}
    before = asker.before({**wanted, "required": True}, {**wanted, "expect": {"interface": "ens192"}})
    assert [entry["before"] for entry in before["probes"]] == [False, True]
    netns.ip("route", "add", "10.200.0.0/16", "via", "172.16.0.1", "dev", "ens256")
    error = asker.failure(before)
    assert "path to destination 10.200.0.1: expected interface ens192; the kernel answers" in error.message
    assert [evidence["passed"] for evidence in error.details["probes"]] == [True, False]


def test_a_command_and_all_that_it_started_ends_with_its_time(
    asker: Asker, netns: t.Any, tmp_path: pathlib.Path
) -> None:
    left = tmp_path / "left"
    slow = f"(sleep 3; touch {left}) & echo begun; sleep 3"
    start = time.monotonic()
    before = asker.before(
        {"type": "command", "argv": ["/bin/sh", "-c", "echo first; echo last >&2"]},
        {"type": "command", "argv": ["/bin/sh", "-c", "echo not ready; exit 3"]},
        {"type": "command", "argv": ["/bin/sh", "-c", slow], "timeout": 1},
        {"type": "command", "argv": ["/no/such/program"]},
    )
    assert time.monotonic() - start < 2.5
    details = [(entry["before"], entry["detail"]) for entry in before["probes"]]
    assert details[:2] == [(True, "status 0: last"), (False, "status 3: not ready")]
    assert details[2] == (False, "not through in 1.0 s")
    assert details[3] == (False, "cannot be run: No such file or directory")
    time.sleep(2.5)
    assert not left.exists()


def test_nothing_is_asked_where_nothing_shall_be(asker: Asker, netns: t.Any) -> None:
    before = probes.baseline((), observe())
    assert before["probes"] == [] and asker.after(before, -1) == []


def test_without_time_what_must_pass_has_failed(gateway: Gateway, asker: Asker) -> None:
    before = asker.before({"type": "gateway"})
    assert "no time was left to ask" in asker.failure(before, -1).message


def test_another_process_can_run_what_this_one_began(gateway: Gateway, asker: Asker) -> None:
    """As the controller's confirmation does: CLOCK_MONOTONIC is one clock for all of them."""
    before = asker.before({"type": "gateway"})
    program = (
        "import json, sys\n"
        "from ansible_collections.kubenode.network.plugins.module_utils._checkpoint import probes\n"
        "print(json.dumps(probes.run(json.loads(sys.argv[1]), float(sys.argv[2]))))\n"
    )
    arguments = [sys.executable, "-c", program, json.dumps(before), str(time.monotonic() + 10)]
    (evidence,) = json.loads(subprocess.check_output(arguments, text=True))
    assert evidence["passed"] and re.search(r"after \d+\.\d ms", evidence["detail"])
