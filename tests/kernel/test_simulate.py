# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulated lookup, on which the protected path stands, gives the kernel's own answers."""

from __future__ import annotations

import json
import random
import subprocess
import typing as t

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._state.observe import observe
from ansible_collections.kubenode.network.plugins.module_utils._state.simulate import Fib, number

_PREFIXES = ["10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24", "10.1.2.3/32", "0.0.0.0/0", "0.0.0.0/1", "198.51.100.0/24"]
_PREFIXES6 = ["2001:db8::/32", "2001:db8:1::/48", "2001:db8:1:2::/64", "2001:db8:1:2::3/128", "::/0", "2000::/3"]
_POINTS = ["10.1.2.3", "10.1.2.4", "10.1.9.9", "10.9.9.9", "198.51.100.1", "203.0.113.9", "172.16.0.7", "127.0.0.1"]
_POINTS6 = ["2001:db8:1:2::3", "2001:db8:1:2::4", "2001:db8:1:9::1", "2001:db8:9::1", "2001:4860::1"]


def random_network(ns: t.Any, seed: int) -> None:
    draw = random.Random(seed)
    for name, four, six in (("e1", "192.168.1", "fd00:1"), ("e2", "192.168.2", "fd00:2")):
        ns.veth(name, name + "p", f"{four}.2/24", f"{six}::2/64")
    for family, prefixes, gateways in (
        ("-4", _PREFIXES, {"e1": "192.168.1.1", "e2": "192.168.2.1"}),
        ("-6", _PREFIXES6, {"e1": "fd00:1::1", "e2": "fd00:2::1"}),
    ):
        lines = []
        for _n in range(draw.randint(2, 10)):
            table = draw.choice([254, 254, 100, 7000])
            where, metric = draw.choice(prefixes), draw.choice([10, 20, 30])
            if draw.random() < 0.8:
                nic = draw.choice(["e1", "e2"])
                way = f"via {gateways[nic]} dev {nic}"
                lines.append(f"route add {where} {way} metric {metric} table {table}")
            else:
                kind = draw.choice(["blackhole", "unreachable", "prohibit", "throw"])
                lines.append(f"route add {kind} {where} metric {metric} table {table}")
        for _n in range(draw.randint(0, 4)):
            words = [f"rule add pref {draw.choice([5, 50, 500, 40000])}"]
            if draw.random() < 0.2:
                words.append("not")
            if draw.random() < 0.6:
                words.append(draw.choice(["to", "from"]) + " " + draw.choice(prefixes))
            if draw.random() < 0.2:
                words.append("fwmark 2")
            if draw.random() < 0.2:
                words.append("iif e1")
            action = draw.random()
            if action < 0.8:
                words.append(f"lookup {draw.choice([100, 7000, 254])}")
                if draw.random() < 0.3:
                    words.append(f"suppress_prefixlength {draw.choice([0, 8, 16])}")
            else:
                words.append(draw.choice(["prohibit", "unreachable", "blackhole"]))
            lines.append(" ".join(words))
        # Two routes of one key, or equal rules, are refused by the kernel: -force goes on.
        batch = "\n".join(lines) + "\n"
        subprocess.run(
            ["ip", family, "-force", "-batch", "-"], input=batch, text=True, capture_output=True, check=False
        )
        assert ns.json(family, "route", "show", "table", "all", "proto", "boot"), "nothing was added"


def kernels_way(destination: str, source: str | None) -> set[tuple[str | None, str | None]] | str:
    arguments = ["ip", "-j", "route", "get", destination] + (["from", source] if source else [])
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    if done.returncode:
        return "none"
    (answer,) = json.loads(done.stdout)
    if answer.get("type") in ("blackhole", "unreachable", "prohibit"):
        return "none"
    return {(answer.get("dev"), answer.get("gateway"))}


@pytest.mark.parametrize("seed", range(60))
def test_simulated_lookups_are_the_kernels(netns: t.Any, seed: int) -> None:
    random_network(netns, seed)
    state = observe()
    points = [number(point) for point in _POINTS + _POINTS6]
    fib = Fib(state, points)
    asked = 0
    for point in _POINTS + _POINTS6:
        sources = [None, "192.168.1.2", "192.168.2.2"] if ":" not in point else [None, "fd00:1::2"]
        for source in sources:
            family, address = number(point)
            answer = fib.lookup(family, address, number(source)[1] if source else None)
            simulated: t.Any = "none"
            if answer is not None and answer.type in ("unicast", "local"):
                simulated = {("lo" if answer.type == "local" else hop[0], hop[1]) for hop in answer.hops}
            real = kernels_way(point, source)
            assert simulated == real or ("none" not in (real, simulated) and real <= simulated), (point, source, answer)
            asked += 1
    assert asked == len(_POINTS) * 3 + len(_POINTS6) * 2
