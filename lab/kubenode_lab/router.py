# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the router can be told to drop. Its rules and ports are the only record, so that what `status` shows is so."""

from __future__ import annotations

import ipaddress
import json
import subprocess
from typing import Any, NamedTuple

from kubenode_lab import topology
from kubenode_lab.errors import LabError


class Drop(NamedTuple):
    """What the router drops: a network, all of it or what one worker sends through it, or an address.

    what is the network's name or an IPv4 address or prefix in CIDR notation. worker is None for all of them.
    """

    what: str
    worker: str | None = None

    def __str__(self) -> str:
        return f"{self.what} from {self.worker}" if self.worker else self.what

    @property
    def network(self) -> topology.Network | None:
        """The network that what names."""
        return next((network for network in topology.NETWORKS if network.name == self.what), None)


def parse(what: str, worker: str | None, workers: list[str]) -> Drop:
    """The Drop that a user means: a network by name, gateway, subnet or NIC, or any other address. Raises LabError."""
    if worker is not None and worker not in workers:
        raise LabError(f"the lab has no worker '{worker}'; it has {workers[0]} to {workers[-1]}")
    for network in topology.NETWORKS:
        if what in (network.name, network.gateway, network.subnet, network.nic):
            return Drop(network.name, worker)
    names = ", ".join(network.name for network in topology.NETWORKS)
    try:
        prefix = ipaddress.IPv4Network(what)
    except ValueError as error:
        raise LabError(
            f"'{what}' is neither a network of the lab ({names}) nor an IPv4 address or prefix: {error}"
        ) from None
    if prefix.prefixlen == 0:
        raise LabError(f"'{what}' is every address; to drop everything name the networks: {names}")
    if worker is not None:
        raise LabError(f"--from goes with a network of the lab ({names}), not with '{what}'")
    return Drop(prefix.compressed.removesuffix("/32"))


class Router:
    """The running router, reached by command, the words that run a program in it."""

    def __init__(self, command: list[str], workers: list[str]) -> None:
        self._command = command
        self._workers = workers

    def drops(self) -> list[Drop]:
        """What the router drops now."""
        bridges = {network.name for network in topology.NETWORKS}
        found: dict[Drop, None] = {}
        for rule in self._json("rule", "show"):
            if rule["priority"] != topology.DROP_PRIORITY:
                continue
            if rule.get("iif") in bridges:
                found[Drop(rule["iif"])] = None
            elif rule.get("dst"):
                length = rule.get("dstlen", 32)
                found[Drop(rule["dst"] if length == 32 else f"{rule['dst']}/{length}")] = None
        masters = {link["ifname"]: link.get("master") for link in self._json("link", "show")}
        for worker in self._workers:
            for network in topology.NETWORKS:
                port = topology.port(worker, network)
                if port in masters and masters[port] is None:
                    found[Drop(network.name, worker)] = None
        return list(found)

    def drop(self, wanted: list[Drop]) -> None:
        """Start to drop what is not dropped yet."""
        current = self.drops()
        for drop in wanted:
            if drop not in current:
                self._change(drop, "add")

    def let_pass(self, wanted: list[Drop]) -> None:
        """Take drops back. Raises LabError for what is not dropped."""
        current = self.drops()
        for drop in wanted:
            if drop not in current:
                known = ", ".join(map(str, current)) or "nothing"
                raise LabError(f"the router does not drop {drop}; it drops {known}")
            self._change(drop, "del")

    def _change(self, drop: Drop, verb: str) -> None:
        priority = str(topology.DROP_PRIORITY)
        network = drop.network
        if network is None:
            for side in ("to", "from"):
                self._ip("rule", verb, "priority", priority, side, drop.what, "type", "blackhole")
        elif drop.worker is None:
            self._ip("rule", verb, "priority", priority, "iif", network.name, "type", "blackhole")
        else:
            # Out of the bridge the port keeps its carrier, so the worker notices nothing but silence. Without a rule,
            # what arrives on it would still reach the router itself.
            port = topology.port(drop.worker, network)
            rule = ("rule", verb, "priority", priority, "iif", port, "type", "blackhole")
            link = ("link", "set", port, "nomaster") if verb == "add" else ("link", "set", port, "master", network.name)
            for words in (rule, link) if verb == "add" else (link, rule):
                self._ip(*words)

    def _json(self, *words: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self._run("ip", "-4", "-json", *words) or "[]")
        return found

    def _ip(self, *words: str) -> None:
        self._run("ip", "-4", *words)

    def _run(self, *words: str) -> str:
        result = subprocess.run([*self._command, *words], capture_output=True, text=True, check=False)
        if result.returncode != 0:
            raise LabError(f"'{' '.join(words)}' failed in the router: {result.stderr.strip()}")
        return result.stdout
