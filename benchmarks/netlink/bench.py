# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The codec's speed against iproute2 and pyroute2: prints `name | measured | target | held` (or `short`) per claim.

Each measurement runs in a network namespace of its own. CPU includes the start of every process that takes part.

    python benchmarks/netlink/bench.py [--rounds N]
"""

from __future__ import annotations

import argparse
import importlib.util
import pathlib
import sys
import tempfile
import typing as t

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE)]

import measure  # noqa: E402

ROOT = HERE.parent.parent
NIC = ("link add ens224 type veth peer name peer224", "link set peer224 up", "link set ens224 up")
NETWORK = (*NIC, "addr add 10.100.0.11/24 dev ens224")
PEER_PYROUTE2 = """
import sys
from pyroute2 import IPRoute
with IPRoute() as ipr:
    index = ipr.link_lookup(ifname="ens224")[0]
    for n in range(int(sys.argv[1])):
        network = f"11.{n >> 8 & 255}.{n & 255}.0/25"
        ipr.route("add", dst=network, gateway="10.100.0.1", oif=index, table=1000, proto=157)
"""


class Bench:
    """Commands of both sides, on the same routes."""

    def __init__(self, folder: pathlib.Path, rounds: int) -> None:
        self.folder = folder
        self.rounds = rounds
        self.environment = measure.python_environment(ROOT)

    def lines(self, count: int) -> pathlib.Path:
        """The file that `ip -batch` reads."""
        file = self.folder / f"{count}.batch"
        if not file.exists():
            networks = (f"11.{n >> 8 & 255}.{n & 255}.{(n >> 16) << 7}/25" for n in range(count))
            words = "via 10.100.0.1 dev ens224 table 1000 proto 157"
            file.write_text("".join(f"route add {network} {words}\n" for network in networks))
        return file

    def _codec(self, what: str, count: int) -> measure.Cost:
        return measure.run([sys.executable, str(HERE / "workload.py"), what, str(count)], env=self.environment)

    def codec_apply(self, count: int) -> measure.Cost:
        measure.fresh_network(*NETWORK)
        return self._codec("apply", count)

    def ip_batch(self, count: int) -> measure.Cost:
        measure.fresh_network(*NETWORK)
        return measure.run(["ip", "-batch", str(self.lines(count))])

    def pyroute2_apply(self, count: int) -> measure.Cost:
        measure.fresh_network(*NETWORK)
        return measure.run([sys.executable, "-c", PEER_PYROUTE2, str(count)], env=self.environment)

    def _filled(self, count: int) -> None:
        measure.fresh_network(*NETWORK)
        measure.run(["ip", "-batch", str(self.lines(count))])

    def codec_compare(self, count: int) -> measure.Cost:
        return self._codec("compare", count)

    def ip_json(self) -> measure.Cost:
        load = [sys.executable, "-c", "import json, sys; json.load(sys.stdin)"]
        return measure.run(["ip", "-j", "route", "show", "table", "1000"], load, env=self.environment)

    def claims(self) -> t.Iterator[measure.Claim]:
        """Measure; yields each claim as soon as it is known."""
        ours, peer = measure.in_turns(self.rounds, lambda: self.codec_apply(10_000), lambda: self.ip_batch(10_000))
        yield measure.Claim("apply 10,000 routes, CPU against `ip -batch`", ours.cpu / peer.cpu, 0.6)

        self._filled(10_000)
        ours, peer = measure.in_turns(self.rounds, lambda: self.codec_compare(10_000), self.ip_json)
        name = "read and compare 10,000 routes, CPU against `ip -j route` into json.load"
        yield measure.Claim(name, ours.cpu / peer.cpu, 1.0)

        (made,) = measure.in_turns(1, lambda: self.codec_apply(100_000))
        yield measure.Claim("apply 100,000 routes, memory", made.rss, 80, " MiB")
        (read,) = measure.in_turns(1, lambda: self.codec_compare(100_000))
        yield measure.Claim("read and compare 100,000 routes, memory", read.rss, 80, " MiB")

        if importlib.util.find_spec("pyroute2") is None:
            print("# pyroute2 is not installed for this Python: not measured against it")
            return
        ours, peer = measure.in_turns(2, lambda: self.codec_apply(1000), lambda: self.pyroute2_apply(1000))
        yield measure.Claim("apply 1,000 routes, CPU against pyroute2 one by one", ours.cpu / peer.cpu, 0.25)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="measurements a side, of which the median counts")
    arguments = parser.parse_args()
    measure.enter_private_network()
    with tempfile.TemporaryDirectory(prefix="kubenode-bench-") as folder:
        return measure.report(Bench(pathlib.Path(folder), arguments.rounds).claims())


if __name__ == "__main__":
    sys.exit(main())
