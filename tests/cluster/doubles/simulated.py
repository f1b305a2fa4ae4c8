# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a test tells its simulated nodes, and what modules did there: a file for each node, and a log."""

from __future__ import annotations

import json
import os
import pathlib
import typing as t

DOUBLE = "test double: this node is simulated and has no kernel"


def _folder() -> pathlib.Path:
    return pathlib.Path(os.environ["KUBENODE_SIMULATED"])


def log(what: str, words: str) -> None:
    """A line for the test."""
    with (_folder() / "log").open("a", encoding="utf-8") as file:
        file.write(f"{what} {words}\n")


def told(node: str, what: str = "") -> dict[str, t.Any]:
    """What the test says of a node."""
    if what:
        log(what, node)
    path = _folder() / f"{node}.json"
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}


def say(node: str, **more: t.Any) -> None:
    """Add to what is known of a node."""
    (_folder() / f"{node}.json").write_text(json.dumps({**told(node), **more}), encoding="utf-8")
