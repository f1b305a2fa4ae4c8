# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real CoreDNS on a Corefile, in a network namespace of its own where nothing but the loopback is."""

from __future__ import annotations

import contextlib
import functools
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import threading
import time
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._corefile import versions
from ansible_collections.kubenode.network.tests.cluster.build import built

STARTED = "CoreDNS-"
"""The first words of what it prints once it serves."""


@functools.cache
def coredns() -> pathlib.Path:
    """The binary: CoreDNS on PATH when it is the release that lint's tables end with, else one that is built here."""
    found = shutil.which("coredns")
    if found:
        said = subprocess.run([found, "-version"], capture_output=True, text=True, check=False).stdout
        if said.startswith(STARTED) and versions.number(said.removeprefix(STARTED)) == versions.NEWEST:
            return pathlib.Path(found)
    return built("coredns")


class Server:
    """A running, or ended, CoreDNS."""

    def __init__(self, process: subprocess.Popen[str], folder: pathlib.Path) -> None:
        self.process = process
        self.folder = folder
        self.lines: list[str] = []
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in t.cast("t.IO[str]", self.process.stdout):
            with self._news:
                self.lines.append(line.rstrip())
                self._news.notify_all()
        with self._news:
            self._news.notify_all()

    @property
    def output(self) -> str:
        return "\n".join(self.lines)

    def wait_for(self, pattern: str, seconds: float = 20, start: int = 0) -> re.Match[str] | None:
        """The first match in its output from a line on; None when it ended or took too long without one."""
        deadline = time.monotonic() + seconds
        with self._news:
            while True:
                match = re.search(pattern, "\n".join(self.lines[start:]))
                left = deadline - time.monotonic()
                if match or left <= 0 or (not self._reader.is_alive()):
                    return match
                self._news.wait(min(left, 0.2))

    @property
    def started(self) -> bool:
        """Whether it has come to serve."""
        return self.wait_for(f"(?m)^{STARTED}") is not None

    def ended(self, seconds: float) -> bool:
        """Whether it ends by itself in that time."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True


@contextlib.contextmanager
def running(
    text: str, files: t.Mapping[str, str] | None = None, env: t.Mapping[str, str] | None = None, private: bool = True
) -> t.Iterator[Server]:
    """CoreDNS on a Corefile, whose imports find ``files`` beside it; killed at the end.

    Without ``private`` it runs in the network namespace of the tests, where it can be asked.
    """
    with tempfile.TemporaryDirectory(prefix="kubenode-coredns-") as name:
        folder = pathlib.Path(name)
        for path, content in {"Corefile": text, **(files or {})}.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(content, encoding="utf-8", newline="")
        script = 'ip link set lo up && exec "$0" -conf Corefile'
        apart = ["unshare", "--net", "--"] if private else []
        process = subprocess.Popen(
            [*apart, "sh", "-c", script, str(coredns())],
            cwd=folder,
            env={**os.environ, "GOMAXPROCS": "1", **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            yield Server(process, folder)
        finally:
            process.kill()
            process.wait()
