# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Labs for tests: each in a folder of its own, so that they stand side by side with one another and with a user's."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]


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


LabMaker = Callable[..., Lab]


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """One lab of three workers for tests that leave it as they found it."""
    with tempfile.TemporaryDirectory(prefix="kubenode-test-") as folder:
        lab = Lab(Path(folder) / "lab")
        lab.run("up")
        yield lab
        lab.run("down")


@pytest.fixture
def new_lab() -> Iterator[LabMaker]:
    """new_lab(workers=1, name="lab") brings up a lab for the test alone; with workers=0 it stays down."""
    made = []
    # A socket's path has 108 bytes, and pytest's folders are named after tests.
    with tempfile.TemporaryDirectory(prefix="kubenode-test-") as folder:

        def make(workers: int = 1, name: str = "lab") -> Lab:
            lab = Lab(Path(folder) / name)
            made.append(lab)
            if workers:
                lab.run("up", "--workers", str(workers))
            return lab

        yield make
        for lab in made:
            lab.run("down", check=False)


class Play(NamedTuple):
    """What an `ansible-playbook` did."""

    returncode: int
    output: str
    lines: list[dict[str, Any]]
    """host, task, outcome (ok, failed, ignored, skipped, unreachable) and result of each task on each host."""

    def of(self, host: str) -> list[dict[str, Any]]:
        """The results of one host, ."""
        return [line["result"] for line in self.lines if line["host"] == host]

    def only(self, host: str) -> dict[str, Any]:
        """The result of the one task that ran on a host."""
        (result,) = self.of(host)
        return result

    def connections(self, host: str) -> int:
        """How often a host was reached; a module execution is one. Needs a run with `-vvv`."""
        return self.output.count(f"<{host}> SSH: EXEC ")


Player = Callable[..., Play]


@pytest.fixture
def play(tmp_path: Path) -> Player:
    """play(lab, playbook, *words, core="2.19", check=True) runs a playbook, a path or a list of plays, on a lab.

    With the given ansible-core, in the environment that scripts/env makes; the test is skipped where it cannot be had.
    """

    def run(lab: Lab, playbook: Path | str | list[Any], *words: str, core: str = "2.19", check: bool = True) -> Play:
        if isinstance(playbook, list):
            path = tmp_path / "play.yml"
            path.write_text(yaml.safe_dump(playbook, sort_keys=False), encoding="utf-8")
            playbook = path
        results = tmp_path / "results.jsonl"
        results.unlink(missing_ok=True)
        env = {
            **lab.env,
            "ANSIBLE_CALLBACK_PLUGINS": str(Path(__file__).parent / "callbacks"),
            "ANSIBLE_CALLBACKS_ENABLED": "kubenode_results",
            "ANSIBLE_NOCOLOR": "1",
            "KUBENODE_RESULTS": str(results),
        }
        words = ("ansible-playbook", "-i", str(lab.inventory), str(playbook), *words)
        done = subprocess.run(
            [str(ROOT / "scripts" / "env"), "--core", core, *words],
            cwd=ROOT,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        if done.returncode == 77:
            pytest.skip(done.stderr.strip())
        output = done.stdout + done.stderr
        assert not check or done.returncode == 0, output
        text = results.read_text(encoding="utf-8") if results.exists() else ""
        return Play(done.returncode, output, [json.loads(line) for line in text.splitlines()])

    return run
