# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Labs for tests: each in a folder of its own, so that they stand side by side with one another and with a user's."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.kubenode.network.tests.labs import ROOT, Lab, Play

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
