# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A lab and a play on it, as tests see them."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]


class Lab:
    """A lab by its folder. dir is what KUBENODE_LAB_DIR says, inventory the Ansible inventory of all its workers.

    root is the checkout whose scripts/lab is run, prefix the words before it, for a lab of another user.
    """

    def __init__(self, folder: Path, root: Path = ROOT, prefix: tuple[str, ...] = ()) -> None:
        self.dir = folder
        self.inventory = folder / "inventory.yml"
        self.env = {**os.environ, "KUBENODE_LAB_DIR": str(folder)}
        self.script = [*prefix, str(root / "scripts" / "lab")]

    def run(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """scripts/lab with these arguments; with check a failure raises AssertionError with what it said."""
        result = subprocess.run(
            [*self.script, *arguments],
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert not check or result.returncode == 0, f"{arguments}: {result.returncode}\n{result.stdout}{result.stderr}"
        return result

    def exec(self, host: str, argv: list[str], *, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run argv in a node."""
        return self.run("exec", host, "--", *argv, check=check)

    def sh(self, host: str, script: str) -> str:
        """What a shell script prints in a node; it stops at the first command that fails."""
        return self.exec(host, ["sh", "-ec", script]).stdout

    def json(self, host: str, *words: str) -> Any:
        """What `ip -json` says in a node."""
        return json.loads(self.exec(host, ["ip", "-json", *words]).stdout or "[]")

    def pings(self, host: str, address: str, *options: str) -> bool:
        """Whether address answers one ping within half a second."""
        return self.exec(host, ["ping", "-n", "-c1", "-W0.5", *options, address], check=False).returncode == 0

    def record(self) -> Any:
        """The lab's own record of its processes."""
        return json.loads((self.dir / "lab.json").read_text(encoding="ascii"))

    def processes(self) -> list[int]:
        """The pids of all processes that `scripts/lab up` of this folder has started, whatever became of them."""
        mark = f"KUBENODE_LAB_DIR={self.dir}".encode()
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    environment = (entry / "environ").read_bytes()
                except OSError:
                    continue
                if mark in environment.split(b"\0"):
                    found.append(int(entry.name))
        return found


class Play(NamedTuple):
    """What an `ansible-playbook` did."""

    returncode: int
    output: str
    lines: list[dict[str, Any]]
    """host, task, outcome (ok, failed, ignored, skipped, unreachable) and result of each task on each host."""

    def of(self, host: str) -> list[dict[str, Any]]:
        """The results of the tasks that ran on a host."""
        return [line["result"] for line in self.lines if line["host"] == host and line["outcome"] != "skipped"]

    def only(self, host: str) -> dict[str, Any]:
        """The result of the one task that ran on a host."""
        (result,) = self.of(host)
        return result

    def connections(self, host: str) -> int:
        """How often a host was reached; a module execution is one. Needs a run with `-vvv`."""
        return self.output.count(f"<{host}> SSH: EXEC ")
