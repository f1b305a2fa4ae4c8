# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A namespace as a node that declarations of interfaces are applied to, seen through iproute2."""

from __future__ import annotations

import json
import pathlib
import subprocess
import typing as t

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._state.model import StateError
from ansible_collections.kubenode.network.plugins.module_utils._state.options import desired_from_options
from ansible_collections.kubenode.network.plugins.module_utils._state.owned import load
from ansible_collections.kubenode.network.plugins.module_utils._state.run import Options, execute

Entries = t.List[t.Dict[str, t.Any]]  # noqa: UP006 - evaluated at run time

# What the kernel counts or computes by itself.
_UNSTEADY = (
    "ifindex", "operstate", "flags", "stats64", "stats", "promiscuity", "allmulti", "linkmode", "group", "qdisc",
    "txqlen", "num_tx_queues", "num_rx_queues", "gso_max_size", "gso_max_segs", "tso_max_size", "tso_max_segs",
    "gro_max_size", "gso_ipv4_max_size", "gro_ipv4_max_size", "inet6_addr_gen_mode", "max_mtu", "min_mtu", "parentbus",
    "parentdev", "link_index", "link_netnsid", "broadcast", "netns-immutable", "addr_info",
)  # fmt: skip
_UNSTEADY_DATA = (
    "gc_timer", "hello_timer", "tcn_timer", "topology_change_timer", "root_id", "bridge_id", "ad_info", "active_slave",
    "root_port", "root_path_cost", "topology_change", "topology_change_detected",
)  # fmt: skip


_COMMANDS = "rule\nroute show table all\n"


def _lists(text: str) -> t.Iterator[list[t.Any]]:
    """The answers to a batch: one JSON list after the other; nothing where there is nothing to list."""
    decoder, at = json.JSONDecoder(), 0
    while at < len(text):
        value, at = decoder.raw_decode(text, at)
        at += len(text[at:]) - len(text[at:].lstrip())
        yield value


def _by_itself(route: dict[str, t.Any]) -> bool:
    """Whether it comes a second after its link is up: link-local routes, and IPv6 addresses' entries in table local."""
    destination = str(route.get("dst"))
    return destination.startswith(("fe80", "ff00")) or (":" in destination and route.get("table") == "local")


def _link(item: dict[str, t.Any]) -> dict[str, t.Any]:
    info = dict(item.get("linkinfo", {}))
    # What a link is as a port is the kernel's; whose port it is, `master` tells.
    info.pop("info_slave_data", None)
    data = info.get("info_data") or {}
    info["info_data"] = {key: value for key, value in data.items() if key not in _UNSTEADY_DATA}
    kept = {key: value for key, value in item.items() if key not in _UNSTEADY}
    return {**kept, "up": "UP" in item["flags"], "linkinfo": info}


class Node:
    """Its files are below ``root``. ``sparing`` leaves out looks at the whole node that take long in the vm tier."""

    def __init__(self, netns: t.Any, root: pathlib.Path, sparing: bool = False) -> None:
        self.netns = netns
        self.root = root
        self.sparing = sparing
        (root / "proc").symlink_to("/proc")
        # What the very first run writes, so that tests see their own subject only.
        (root / "etc/iproute2/rt_protos.d").mkdir(parents=True)
        (root / "etc/iproute2/rt_protos.d/kubenode.conf").write_text("157\tkubenode\n")

    def run(
        self, interfaces: Entries, check: bool = False, module: str = "interfaces", **more: t.Any
    ) -> dict[str, t.Any]:
        """The module ``interfaces`` with a list of them, or ``network_state`` with a document."""
        options = Options(more.pop("on_conflict", "fail"), more.pop("allow_default_override", True))
        params: dict[str, t.Any] = {"owner": "o", **more}
        if module == "interfaces":
            params["interfaces"] = interfaces
        else:
            parts = {key: {"config": params.pop(key)} for key in ("routes", "route-rules") if key in params}
            params["desired_state"] = {"interfaces": interfaces, **parts}
        return execute(desired_from_options(params, module), options, check, str(self.root))

    def document(self, interfaces: Entries, **more: t.Any) -> dict[str, t.Any]:
        return self.makes(interfaces, module="network_state", **more)

    def makes(self, interfaces: Entries, changed: bool = True, **more: t.Any) -> dict[str, t.Any]:
        """Carry a declaration out: check mode predicts it and touches nothing, and a second run has nothing to do."""
        before = self._seen()
        predicted = self.run(interfaces, check=True, **more)
        assert self._seen() == before, "check mode touched the node"
        result = self.run(interfaces, **more)
        evidence = result.pop("evidence", None)
        # How a change was confirmed is nothing that a prediction has.
        assert (result.pop("confirmed_by", "none"), result.pop("rolled_back", False)) == ("none", False)
        if predicted.pop("evidence", None) == []:
            assert "paths were not asked" in predicted["warnings"].pop()
        assert result == predicted
        assert result["changed"] is changed, result["plan"]
        after, records = self._seen(), self.records()
        again = self.run(interfaces, **more)
        assert again["changed"] is False, again["plan"]
        assert self._seen() == after
        assert self.records() == records
        return {**result, "evidence": evidence}

    def refuses(self, match: str, interfaces: Entries, checked: bool = True, **more: t.Any) -> StateError:
        """The declaration is an error that ``match`` describes, in check mode too, and the node is as it was."""
        before, records = self.seen(), self.records()
        for check in (True, False) if checked and not self.sparing else (False,):
            with pytest.raises(StateError, match=match) as raised:
                self.run(interfaces, check=check, **more)
            assert self.seen() == before, raised.value.message
            assert self.records() == records
        return raised.value

    def _seen(self) -> dict[str, t.Any]:
        return {} if self.sparing else self.seen()

    def records(self) -> t.Any:
        return load(str(self.root))

    def seen(self) -> dict[str, t.Any]:
        """Everything of the network that ``ip -j -d`` shows and that does not change by itself.

        Not the rule that the first VRF of a namespace brings: nobody takes it away again.
        """
        found: dict[str, t.Any] = {"links": {}, "addresses": {}}
        for family in ("-4", "-6"):
            done = subprocess.run(
                ["ip", "-j", "-d", family, "-batch", "-"], input=_COMMANDS, capture_output=True, text=True, check=True
            )
            lists = list(_lists(done.stdout))
            found["rules" + family] = [rule for rule in lists[0] if "l3mdev" not in rule]
            found["routes" + family] = sorted((route for route in lists[1] if not _by_itself(route)), key=repr)
        for item in self.netns.json("addr"):
            found["links"][item["ifname"]] = _link(item)
            found["addresses"][item["ifname"]] = [
                {key: info.get(key) for key in ("local", "prefixlen", "scope", "label", "broadcast", "protocol")}
                for info in item["addr_info"]
                if not info["local"].startswith("fe80")
            ]
        return found

    def links(self) -> dict[str, dict[str, t.Any]]:
        """Name -> what ``ip -j -d link`` shows of it and does not change by itself."""
        return {item["ifname"]: _link(item) for item in self.netns.json("link")}

    def link(self, name: str) -> dict[str, t.Any]:
        return self.links()[name]

    def data(self, name: str) -> dict[str, t.Any]:
        return t.cast("dict[str, t.Any]", self.links()[name]["linkinfo"]["info_data"])

    def addresses(self, name: str) -> list[str]:
        """Without link-local ones: ``10.100.0.11/24``."""
        ((item),) = self.netns.json("addr", "show", "dev", name)
        return sorted(
            f"{one['local']}/{one['prefixlen']}" for one in item["addr_info"] if not one["local"].startswith("fe80")
        )


def ip(*addresses: str) -> dict[str, t.Any]:
    """The value of ``ipv4`` or ``ipv6`` with addresses such as ``10.70.0.1/24``."""
    pairs = (address.split("/") for address in addresses)
    return {"enabled": True, "addresses": [{"ip": one, "prefix_length": int(length)} for one, length in pairs]}
