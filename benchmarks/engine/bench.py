# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine's speed against the codec alone: prints `name | measured | target | held` (or `short`) per claim.

The engine loads the records of ownership, reads links, addresses, all routes and rules, and plans; the codec reads
one table and compares it. CPU includes the start of the processes.

    python benchmarks/engine/bench.py [--rounds N]
"""

from __future__ import annotations

import argparse
import pathlib
import sys
import tempfile
import typing as t

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent)]

import measure  # noqa: E402

ROOT = HERE.parent.parent
NETWORK = (
    "link add ens224 type veth peer name peer224", "link set peer224 up", "link set ens224 up",
    "addr add 10.100.0.11/24 dev ens224",
)  # fmt: skip
COUNT = 10_000


def claims(rounds: int, folder: str) -> t.Iterator[measure.Claim]:
    environment = measure.python_environment(ROOT)

    def engine(what: str) -> measure.Cost:
        return measure.run([sys.executable, str(HERE / "workload.py"), what, str(COUNT), folder], env=environment)

    def codec() -> measure.Cost:
        workload = HERE.parent / "netlink" / "workload.py"
        return measure.run([sys.executable, str(workload), "compare", str(COUNT)], env=environment)

    measure.fresh_network(*NETWORK)
    engine("set-up")
    ours, module, peer = measure.in_turns(rounds, lambda: engine("engine"), lambda: engine("module"), codec)
    yield measure.Claim(
        "observe and plan 10,000 routes with ownership, CPU against the codec", ours.cpu / peer.cpu, 3.0
    )
    yield measure.Claim("the same from the options of static_routes", module.cpu / peer.cpu, 4.0)
    yield measure.Claim("the same, memory", module.rss, 80, " MiB")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="measurements a side, of which the median counts")
    arguments = parser.parse_args()
    measure.enter_private_network()
    with tempfile.TemporaryDirectory(prefix="kubenode-bench-") as folder:
        return measure.report(claims(arguments.rounds, folder))


if __name__ == "__main__":
    sys.exit(main())
