# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A node with a NodeLocal DNSCache in one namespace and a pod in another, as the real ones make them.

The rules are those that a node-cache was seen to make: twelve for each of its addresses, prepended, with comments.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import threading
import time
import typing as t

from ansible_collections.kubenode.network.tests.kernel import answering

if t.TYPE_CHECKING:
    from ansible_collections.kubenode.network.tests.kernel.conftest import Netns

LOCAL, CLUSTER = "169.254.20.10", "10.96.0.10"
POD, BRIDGE, GATEWAY = "10.244.1.5", "cni0", "10.244.1.1"
INTERFACE = "nodelocaldns"
COREDNS_POD = "10.244.9.9"
HEALTH = 8080
_PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"


def missing(*programs: str) -> str:
    """The first of the programs that is not on this machine; empty where all are."""
    return next((name for name in programs if shutil.which(name, path=_PATH) is None), "")


def run(*command: str, text: str = "") -> str:
    """Run a program; its words when it fails."""
    env = {**os.environ, "PATH": _PATH}
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False, env=env)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}\n{text}"
    return done.stdout


def cannot(flavour: str) -> str:
    """Why this kernel has no such iptables; empty where it has."""
    if program := missing("nft", f"iptables-{flavour}-restore"):
        return f"the program {program} is not there: install the packages iptables and nftables"
    script = f"unshare --net iptables-{flavour} -t raw -L -n"
    done = subprocess.run(
        script.split(), capture_output=True, text=True, check=False, env={**os.environ, "PATH": _PATH}
    )
    return f"this kernel has no iptables-{flavour}: {done.stderr.strip()}" if done.returncode else ""


def skip_conntrack(address: str) -> list[str]:
    """The lines of the raw table for an address with its prefix length."""
    comment = '-m comment --comment "NodeLocal DNS Cache: skip conntrack" -j NOTRACK'
    lines = []
    for protocol in ("tcp", "udp"):
        lines.append(f"-A PREROUTING -d {address} -p {protocol} -m {protocol} --dport 53 {comment}")
        lines.append(f"-A OUTPUT -s {address} -p {protocol} -m {protocol} --sport 53 {comment}")
        lines.append(f"-A OUTPUT -d {address} -p {protocol} -m {protocol} --dport 53 {comment}")
    lines.append(f"-A OUTPUT -d {address} -p tcp -m tcp --dport {HEALTH} {comment}")
    lines.append(f"-A OUTPUT -s {address} -p tcp -m tcp --sport {HEALTH} {comment}")
    return lines


def allow(address: str) -> list[str]:
    """Those of the filter table."""
    comment = '-m comment --comment "NodeLocal DNS Cache: allow DNS traffic" -j ACCEPT'
    lines = []
    for protocol in ("tcp", "udp"):
        lines.append(f"-A INPUT -d {address} -p {protocol} -m {protocol} --dport 53 {comment}")
        lines.append(f"-A OUTPUT -s {address} -p {protocol} -m {protocol} --sport 53 {comment}")
    return lines


def rules_of_the_cache(addresses: t.Sequence[str]) -> str:
    """What iptables-restore takes."""
    prefixes = [f"{address}/{128 if ':' in address else 32}" for address in addresses]
    raw = [line for prefix in prefixes for line in skip_conntrack(prefix)]
    accept = [line for prefix in prefixes for line in allow(prefix)]
    assert len(raw) + len(accept) == 12 * len(addresses)
    return "\n".join(["*raw", *raw, "COMMIT", "*filter", *accept, "COMMIT", ""])


def rules_of_kube_proxy(address: str = CLUSTER) -> str:
    """Those of the DNS Service in iptables mode."""
    lines = [
        "*nat", ":KUBE-SERVICES - [0:0]", ":KUBE-SVC-TCOU7JCQXEZGVUNU - [0:0]", ":KUBE-SEP-A - [0:0]",
        '-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES',
        '-A OUTPUT -m comment --comment "kubernetes service portals" -j KUBE-SERVICES',
    ]  # fmt: skip
    for protocol, name in (("udp", "dns"), ("tcp", "dns-tcp")):
        lines.append(
            f'-A KUBE-SERVICES -d {address}/32 -p {protocol} -m comment --comment "kube-system/kube-dns:{name} cluster '
            f'IP" -m {protocol} --dport 53 -j KUBE-SVC-TCOU7JCQXEZGVUNU'
        )
        lines.append(f"-A KUBE-SEP-A -p {protocol} -m {protocol} -j DNAT --to-destination {COREDNS_POD}:53")
    lines.append('-A KUBE-SVC-TCOU7JCQXEZGVUNU -m comment --comment "kube-system/kube-dns:dns" -j KUBE-SEP-A')
    return "\n".join([*lines, "COMMIT", ""])


# kube-proxy in nftables mode, as it was listed by nft (proxier.go of Kubernetes 1.36), for the DNS Service alone.
KUBE_PROXY_NFT = f"""
table ip kube-proxy {{
    map service-ips {{
        type ipv4_addr . inet_proto . inet_service : verdict
        elements = {{ {CLUSTER} . udp . 53 : goto service-dns, {CLUSTER} . tcp . 53 : goto service-dns }}
    }}
    chain mark-for-masquerade {{ mark set mark or 0x4000; }}
    chain endpoint-a {{
        ip saddr {COREDNS_POD} jump mark-for-masquerade
        meta l4proto tcp dnat to {COREDNS_POD}:53
        meta l4proto udp dnat to {COREDNS_POD}:53
    }}
    chain service-dns {{
        ip daddr {CLUSTER} udp dport 53 ip saddr != 10.244.0.0/16 jump mark-for-masquerade
        numgen random mod 1 vmap {{ 0 : goto endpoint-a }}
    }}
    chain services {{ ip daddr . meta l4proto . th dport vmap @service-ips; }}
    chain nat-prerouting {{
        type nat hook prerouting priority dstnat; policy accept;
        jump services
    }}
    chain nat-output {{
        type nat hook output priority -100; policy accept;
        jump services
    }}
}}
"""


class World:
    """The node is the namespace of the calling thread."""

    def __init__(self, netns: Netns, folder: pathlib.Path, kind: str) -> None:
        self.netns = netns
        self.folder = folder
        self.kind = kind
        self.flavour = "nft"
        self._processes: list[subprocess.Popen[str]] = []

    def build(
        self, flavour: str, addresses: t.Sequence[str] = (LOCAL, CLUSTER), proxy: str = "iptables", cache: bool = True
    ) -> None:
        """A node with its pod, the cache's interface and rules, and kube-proxy's.

        ``cache`` False: of the cache there is but the interface, without an address (a kernel may lack dummy).
        """
        self.flavour = flavour
        self.netns.ip("link", "add", BRIDGE, "type", "bridge")
        self.netns.ip("address", "add", f"{GATEWAY}/24", "dev", BRIDGE)
        self.netns.ip("link", "set", BRIDGE, "up")
        self.pod = self.holder(CLUSTER if CLUSTER in addresses else LOCAL)
        self.netns.ip("link", "add", "veth0", "type", "veth", "peer", "name", "eth0", "netns", str(self.pod.pid))
        self.netns.ip("link", "set", "veth0", "master", BRIDGE, "up")
        for line in (
            "link set lo up", "link set eth0 up", f"address add {POD}/24 dev eth0", f"route add default via {GATEWAY}",
        ):  # fmt: skip
            self.in_pod("ip", *line.split())
        self.netns.ip("link", "add", INTERFACE, "type", self.kind)
        if cache:
            for address in addresses:
                self.netns.ip("address", "add", f"{address}/32", "dev", INTERFACE)
            self.restore(rules_of_the_cache(addresses))
        if proxy == "iptables":
            self.restore(rules_of_kube_proxy())
        elif proxy == "nftables":
            self.nft(KUBE_PROXY_NFT)
        # As the kubelet has it.
        pathlib.Path("/proc/sys/net/ipv4/ip_forward").write_text("1", encoding="ascii")
        self.wait_for_the_bridge()

    def wait_for_the_bridge(self) -> None:
        """Until the bridge forwards for its new port."""
        end = time.monotonic() + 20
        while "state forwarding" not in self.netns.ip("-d", "link", "show", "veth0"):
            assert time.monotonic() < end
            time.sleep(0.02)

    def holder(self, server: str, resolver: str = "", host_network: bool = False) -> subprocess.Popen[str]:
        """A process with a network and a resolv.conf of its own, as a pod has; ``resolver`` is its text."""
        file = self.folder / f"resolv.conf-{len(self._processes)}"
        text = f"search default.svc.cluster.local svc.cluster.local\nnameserver {server}\noptions ndots:5\n"
        file.write_text(resolver or text)
        script = f'mount --bind "{file}" /etc/resolv.conf && echo ready && exec sleep 600'
        apart = ["--mount"] if host_network else ["--net", "--mount"]
        process = subprocess.Popen(
            ["unshare", *apart, "--propagation", "private", "sh", "-c", script], stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self._processes.append(process)
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        return process

    def in_pod(self, *command: str) -> str:
        return run("nsenter", "-t", str(self.pod.pid), "-n", *command)

    def restore(self, text: str, program: str = "iptables") -> None:
        run(f"{program}-{self.flavour}-restore", "--noflush", text=text)

    def iptables(self, *arguments: str) -> None:
        run(f"iptables-{self.flavour}", *arguments)

    def nft(self, text: str) -> None:
        run("nft", "-f", "-", text=text)

    def serve(self, address: str, kind: str = "dns") -> subprocess.Popen[str]:
        """A server on port 53 of an address, started when this returns."""
        command = [sys.executable, str(pathlib.Path(answering.__file__)), kind, address, "53", "3"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self._processes.append(process)
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        return process

    def end(self, process: subprocess.Popen[str]) -> None:
        process.send_signal(signal.SIGKILL)
        process.wait()

    def close(self) -> None:
        for process in self._processes:
            process.kill()
            process.wait()
            if process.stdout:
                process.stdout.close()


@contextlib.contextmanager
def world(netns: Netns, folder: pathlib.Path, kind: str = "bridge") -> t.Iterator[World]:
    """An empty one, whose processes end with it."""
    made = World(netns, folder, kind)
    try:
        yield made
    finally:
        made.close()


def parallel(*works: t.Callable[[], t.Any]) -> None:
    """Start servers side by side, in this thread's namespace, which new threads are born in."""
    threads = [threading.Thread(target=work) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
