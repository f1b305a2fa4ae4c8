# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random declarations and random belongings of others, for tests against the real kernel; and iproute2's view of it."""

from __future__ import annotations

import json
import random
import subprocess
import time
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._state.options import desired_from_options
from ansible_collections.kubenode.network.plugins.module_utils._state.run import Options, execute

_V4 = ["10.200.0.0/16", "10.50.0.0/24", "203.0.113.1/32", "10.200.4.0/24", "0.0.0.0/0", "198.18.0.0/15"]
_V6 = ["2001:db8:200::/48", "2001:db8:50::/64", "::/0"]
# (address, interface) of gateways that the fixture `wired` can reach.
_GATEWAYS = {
    False: [("10.100.0.1", "ens224"), ("10.100.0.2", "ens224"), ("172.16.0.1", "ens256")],
    True: [("2001:db8:a::1", "ens224"), ("2001:db8:a::2", "ens224"), ("2001:db8:c::1", "ens256")],
}
_SOURCES = ["172.16.0.0/24", "10.0.0.0/8", "192.0.2.7/32"]
# Of routing daemons, DHCP and the kernel; never ours, boot or static.
_FOREIGN_PROTOCOLS = ["kernel", "bird", "zebra", "dhcp", "ra", "99"]


def random_route(draw: random.Random) -> dict[str, t.Any]:
    six = draw.random() < 0.4
    route: dict[str, t.Any] = {
        "destination": draw.choice(_V6 if six else _V4),
        # Never better than the default route of a node, and never equal to that of others.
        "metric": draw.choice([100, 200, 300]),
        "table": draw.choice([254, 254, 100, 7000]),
    }
    kind = draw.random()
    if kind < 0.2:
        route["type"] = draw.choice(["blackhole", "unreachable", "prohibit"])
    elif kind < 0.4:
        hops = draw.sample(_GATEWAYS[six], 2)
        route["next_hops"] = [
            {"next_hop_address": gateway, "next_hop_interface": nic, "weight": draw.choice([1, 3])}
            for gateway, nic in hops
        ]
    else:
        route["next_hop_address"], route["next_hop_interface"] = draw.choice(_GATEWAYS[six])
        if draw.random() < 0.3:
            route["mtu"] = draw.choice([1300, 1400])
    return route


def random_rule(draw: random.Random) -> dict[str, t.Any]:
    rule: dict[str, t.Any] = {"priority": draw.choice([90, 100, 5000]), "table": draw.choice([100, 7000])}
    if draw.random() < 0.7:
        rule["from"] = draw.choice(_SOURCES)
    else:
        rule.update(family=draw.choice(["ipv4", "ipv6"]), fwmark=2, fwmask=2)
    if draw.random() < 0.3:
        rule["iif"] = "ens256"
    return rule


def random_state(draw: random.Random) -> dict[str, t.Any]:
    """Routes and rules for `desired_state`, no two of them with one identity."""
    routes: dict[t.Any, t.Any] = {}
    for _n in range(draw.randint(0, 7)):
        route = random_route(draw)
        routes[(route["destination"], route["metric"], route["table"])] = route
    rules: dict[t.Any, t.Any] = {}
    for _n in range(draw.randint(0, 4)):
        rule = random_rule(draw)
        rules[tuple(sorted((key, value) for key, value in rule.items() if key != "table"))] = rule
    return {"routes": {"config": list(routes.values())}, "route-rules": {"config": list(rules.values())}}


def wait_for_carriers(netns: t.Any) -> None:
    """Until every link is operational: what the kernel does when a carrier comes has been done then."""
    deadline = time.monotonic() + 5
    while any(link["operstate"] == "DOWN" for link in netns.json("link") if link["ifname"] != "lo"):
        assert time.monotonic() < deadline, netns.ip("link")
        time.sleep(0.01)


def add_foreign(netns: t.Any, draw: random.Random) -> None:
    """Things of others with the destinations, tables, metrics, priorities and selectors that declarations use too."""
    four, six = [], []
    for _n in range(draw.randint(1, 8)):
        is6 = draw.random() < 0.4
        gateway, nic = draw.choice(_GATEWAYS[is6])
        where = draw.choice(_V6 if is6 else _V4)
        (six if is6 else four).append(
            f"route add {where} via {gateway} dev {nic} metric {draw.choice([400, 500])} "
            f"table {draw.choice([254, 254, 300])} proto {draw.choice(_FOREIGN_PROTOCOLS)}"
        )
    for _n in range(draw.randint(0, 4)):
        words = [f"rule add pref {draw.choice([91, 101, 5001])} lookup {draw.choice([100, 7000])}"]
        if draw.random() < 0.6:
            words.append("from " + draw.choice(_SOURCES))
        words.append(f"protocol {draw.choice(['boot', 'bird', '99'])}")
        four.append(" ".join(words))
    for family, lines in (("-4", four), ("-6", six)):
        # Twice the same is refused by the kernel, which is fine.
        batch = "\n".join(lines) + "\n"
        subprocess.run(
            ["ip", family, "-force", "-batch", "-"], input=batch, text=True, capture_output=True, check=False
        )


def run(
    state: dict[str, t.Any] | None, root: t.Any, owner: str | None = "o", check: bool = False, **more: t.Any
) -> dict[str, t.Any]:
    """network_state with `state` as owner `owner`."""
    options = Options(more.pop("on_conflict", "fail"), more.pop("allow_default_override", True))
    params = {"desired_state": state if state is not None else {"routes": {"config": []}}, "owner": owner, **more}
    return execute(desired_from_options(params, "network_state"), options, check, str(root))


def _frozen(value: t.Any) -> t.Any:
    if isinstance(value, dict):
        # `expires` and cache times run, and a carrier comes when it comes; they are no part of what a route is.
        return tuple(
            sorted((k, _frozen(v)) for k, v in value.items() if k not in ("expires", "used", "cache", "flags"))
        )
    if isinstance(value, list):
        return tuple(sorted(map(_frozen, value), key=repr))
    return value


def _link(item: dict[str, t.Any]) -> dict[str, t.Any]:
    """A link and its addresses without what goes by itself (duplicate address detection, carrier)."""
    return {
        **{key: item.get(key) for key in ("ifname", "mtu", "address", "master", "link")},
        "up": "UP" in item["flags"],
        "addresses": [
            {key: info.get(key) for key in ("family", "local", "prefixlen", "scope", "label", "broadcast", "protocol")}
            for info in item["addr_info"]
            if not info["local"].startswith("fe80")
        ],
    }


def _by_itself(item: dict[str, t.Any]) -> bool:
    """Whether it comes a second after a link is up: link-local addresses, and IPv6's own entries in table local."""
    destination = str(item.get("dst"))
    return destination.startswith(("fe80", "ff00")) or (":" in destination and item.get("table") == "local")


def seen(*only: str) -> dict[str, list[t.Any]]:
    """What `ip -j -d` shows of routes, rules and addresses, in an order of its own; our own eyes are not asked."""
    found = {}
    for name, arguments in {
        "routes": ["-4", "route", "show", "table", "all"], "routes6": ["-6", "route", "show", "table", "all"],
        "rules": ["-4", "rule"], "rules6": ["-6", "rule"], "addresses": ["addr"],
    }.items():  # fmt: skip
        if not only or name in only:
            done = subprocess.run(["ip", "-j", "-d", *arguments], capture_output=True, text=True, check=True)
            items = [item for item in json.loads(done.stdout or "[]") if not _by_itself(item)]
            found[name] = sorted((_frozen(_link(item) if name == "addresses" else item) for item in items), key=repr)
    return found


def of_protocol(protocol: str) -> set[t.Any]:
    """Routes and rules that iproute2 shows with `protocol`."""
    return {(name, item) for name, items in seen().items() for item in items if ("protocol", protocol) in item}


def not_ours() -> set[t.Any]:
    """Everything that iproute2 shows without our protocol number."""
    return {(name, item) for name, items in seen().items() for item in items if ("protocol", "157") not in item}
