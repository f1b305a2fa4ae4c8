# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of scripts/test: which commands each of them is."""

from __future__ import annotations

import argparse
import functools
import os
import pathlib
import subprocess
import sys
import typing as t

from report import Report, finish

ROOT = pathlib.Path(__file__).resolve().parents[2]
ENV = str(ROOT / "scripts" / "env")
TREE = pathlib.Path(os.environ["KUBENODE_TREE"])
OWN_PYTHON = "{}.{}".format(*sys.version_info)
OLDEST_NODE_PYTHON = "3.9"


def _pytest(report: Report, folder: str, what: str, options: list[str], *arguments: str) -> None:
    if not any((ROOT / folder).rglob("test_*.py")):
        report.failed(what, f"{folder} has no tests")
        return
    if report.available(what, [ENV, *options, "true"]):
        report.pytest(what, [ENV, *options, "python", "-m", "pytest", folder, *arguments, *FULL])


@functools.cache
def _node_pythons() -> list[str]:
    """The oldest and the newest Python of nodes found here, without the one that scripts/env runs on anyway."""
    listing = subprocess.run([ENV, "--pythons"], check=True, capture_output=True, text=True).stdout
    found = [line.split()[0] for line in listing.splitlines()]
    return [version for version in dict.fromkeys((found[0], found[-1])) if version != OWN_PYTHON] if found else []


def _on_nodes(report: Report, folder: str, options: list[str], *arguments: str) -> None:
    versions = _node_pythons()
    if OLDEST_NODE_PYTHON not in versions:
        report.skipped(
            f"{folder} on Python {OLDEST_NODE_PYTHON}",
            f"not found (pyenv install {OLDEST_NODE_PYTHON}); its syntax is checked by tests/unit/test_repository.py",
        )
    for version in versions:
        _pytest(report, folder, f"Python {version}", ["--python", version, *options], *arguments)


def unit(report: Report) -> None:
    """Pure code: on both versions of ansible-core, and what runs on nodes on the oldest and the newest Python."""
    for core in ("2.19", "2.21"):
        _pytest(report, "tests/unit", f"ansible-core {core}", ["--core", core])
    _on_nodes(report, "tests/unit", [], "--ignore=tests/unit/controller")


def kernel(report: Report) -> None:
    """The machine's own kernel, in namespaces of its own."""
    _pytest(report, "tests/kernel", f"Python {OWN_PYTHON}", ["--private"])
    _on_nodes(report, "tests/kernel", ["--private"])


PARTS: dict[str, t.Callable[[Report], None]] = {"unit": unit, "kernel": kernel}
FULL: list[str] = []


def main() -> None:
    """Runs the parts named on the command line."""
    parser = argparse.ArgumentParser(prog="scripts/test", description="Runs the tests.")
    parser.add_argument("--full", action="store_true", help="run long series whole, with a new seed")
    parser.add_argument("parts", metavar="PART", nargs="*", help=f"of {' '.join(PARTS)}; default: all")
    options = parser.parse_args()
    if unknown := [name for name in options.parts if name not in PARTS]:
        parser.error(f"unknown part {unknown[0]}: of {' '.join(PARTS)}")
    if options.full:
        FULL.append("--full")
    report = Report(TREE / "logs", ROOT)
    try:
        for name, run in PARTS.items():
            if name in (options.parts or PARTS):
                with report.part(name):
                    run(report)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
    finish(report)


if __name__ == "__main__":
    main()
