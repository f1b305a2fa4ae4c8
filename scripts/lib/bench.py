# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the benchmarks and lays out their lines as one table.

A benchmark prints a line ``name | measured | target | held`` (or ``short``) for each claim on its standard output, and
whatever else it has to say on standard error. It measures a claim and its peer in the same run, so that a busy machine
slows both.
"""

from __future__ import annotations

import pathlib
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
COLUMNS = ("name", "measured", "target", "result")


def rows_of(bench: pathlib.Path) -> list[list[str]]:
    """Runs one benchmark and returns the cells of its lines; one line of its own where it failed."""
    started = time.monotonic()
    print(f"[bench] {bench.parent.name} ...", file=sys.stderr, flush=True)
    done = subprocess.run(
        [sys.executable, bench], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=False
    )
    print(f"[bench] {bench.parent.name}: {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    rows = []
    for line in done.stdout.splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) == len(COLUMNS) and cells[-1] in {"held", "short"}:
            rows.append(cells)
        else:
            print(line, file=sys.stderr)
    if done.returncode != 0 and not any(row[-1] == "short" for row in rows):
        rows.append([bench.parent.name, f"exit status {done.returncode}", "0", "short"])
    elif not rows:
        rows.append([bench.parent.name, "no claim", "at least one", "short"])
    return rows


def main() -> None:
    """Runs the parts named on the command line, all of them without one."""
    found = {bench.parent.name: bench for bench in sorted((ROOT / "benchmarks").glob("*/bench.py"))}
    wanted = sys.argv[1:] or list(found)
    if unknown := [name for name in wanted if name not in found]:
        sys.exit(f"no benchmark {unknown[0]}: of {' '.join(found) or 'none, benchmarks/ has no PART/bench.py'}")
    rows = [row for name in wanted for row in rows_of(found[name])]
    widths = [max(len(row[column]) for row in [list(COLUMNS), *rows]) for column in range(len(COLUMNS))]
    for row in [list(COLUMNS), *rows]:
        print(" | ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())
    short = sum(row[-1] == "short" for row in rows)
    print(f"{len(rows) - short} held, {short} short")
    sys.exit(1 if short or not rows else 0)


if __name__ == "__main__":
    main()
