# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What reading, editing and printing a Corefile costs, against the parser of CoreDNS (Go), which reads only.

python benchmarks/corefile/bench.py [--rounds N]
"""

from __future__ import annotations

import argparse
import pathlib
import sys
import tempfile
import typing as t

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path[:0] = [str(HERE.parent), str(HERE), str(ROOT / "tests" / "cluster")]

import build  # noqa: E402
import measure  # noqa: E402

BLOCK = """\
zone{number}.example:53 {{
    errors
    cache 30 {{
        success 9984 30
    }}
    # the resolvers of site {number}
    forward . 10.{high}.{low}.53 10.{high}.{low}.54 {{
        policy sequential
        max_concurrent 1000
    }}
    hosts {{
        10.{high}.{low}.1 registry.zone{number}.example
        fallthrough
    }}
}}
"""
SIZES = {"10 kB": (10_000, 60), "1 MB": (1_000_000, 1)}
"""Size of the file in bytes, and how often each side goes through it in one measurement."""


class Bench:
    """Both sides, on the same files; what starting each of them costs is taken off."""

    def __init__(self, folder: pathlib.Path, rounds: int) -> None:
        self.folder = folder
        self.rounds = rounds
        self.environment = measure.python_environment(ROOT)
        self.oracle = str(build.built("corefile-oracle"))

    def corefile(self, size: int) -> pathlib.Path:
        """A file of about that size."""
        file = self.folder / f"{size}.corefile"
        if not file.exists():
            blocks: list[str] = []
            length = 0
            while length < size:
                number = len(blocks)
                blocks.append(BLOCK.format(number=number, high=number >> 8 & 255, low=number & 255))
                length += len(blocks[-1])
            file.write_text("".join(blocks), encoding="utf-8")
        return file

    def ours(self, what: str, size: int, times: int) -> measure.Cost:
        command = [sys.executable, str(HERE / "workload.py"), what, str(self.corefile(size)), str(times)]
        return measure.run(command, env=self.environment)

    def theirs(self, size: int, times: int) -> measure.Cost:
        return measure.run([self.oracle, "-time", str(self.corefile(size)), str(times)])

    def _net(self, what: str, size: int, times: int) -> tuple[float, float]:
        """CPU seconds of ours and theirs for so many times, without their starts."""
        ours, theirs, our_start, their_start = measure.in_turns(
            self.rounds,
            lambda: self.ours(what, size, times),
            lambda: self.theirs(size, times * 10),
            lambda: self.ours(what, size, 0),
            lambda: self.theirs(size, 0),
        )
        return ours.cpu - our_start.cpu, (theirs.cpu - their_start.cpu) / 10

    def claims(self) -> t.Iterator[measure.Claim]:
        """Measure; yields each claim as soon as it is known."""
        for name, (size, times) in SIZES.items():
            ours, theirs = self._net("read", size, times)
            yield measure.Claim(f"read {name}, CPU against CoreDNS's parser (Go)", ours / theirs, TARGETS["read"])
            ours, theirs = self._net("edit", size, times)
            yield measure.Claim(
                f"read, edit and print {name}, CPU against CoreDNS's parser (Go), reading",
                ours / theirs,
                TARGETS["edit"],
            )


TARGETS = {"read": 4.0, "edit": 16.0}
"""Ours is Python and keeps every byte's place; the edit is one of three kinds at once, of which each reads again."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="measurements a side, of which the median counts")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kubenode-bench-") as folder:
        return measure.report(Bench(pathlib.Path(folder), arguments.rounds).claims())


if __name__ == "__main__":
    sys.exit(main())
