# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A module as a process of its own, as Ansible runs it: it can be killed, or run in another network namespace."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import typing as t

_PACKAGE = "ansible_collections.kubenode.network.plugins.modules"
SECONDS = 180


class Module:
    """A running module. A context manager: it does not outlive it."""

    def __init__(self, name: str, arguments: t.Mapping[str, t.Any], before: t.Sequence[str] = ()) -> None:
        """``before``: a command that runs the module in another place."""
        handle, path = tempfile.mkstemp(suffix=".json")
        with open(handle, "w", encoding="utf-8") as file:
            json.dump({"ANSIBLE_MODULE_ARGS": dict(arguments)}, file)
        self._arguments = pathlib.Path(path)
        self.process = subprocess.Popen(
            [*before, sys.executable, "-m", f"{_PACKAGE}.{name}", path],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")},
        )  # fmt: skip

    def __enter__(self) -> Module:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.process.kill()
        self.process.communicate()
        self._arguments.unlink()

    def result(self) -> dict[str, t.Any]:
        """What it prints when it ends."""
        output, errors = self.process.communicate(timeout=SECONDS)
        assert output, errors
        return t.cast("dict[str, t.Any]", json.loads(output))


def run(name: str, arguments: t.Mapping[str, t.Any], before: t.Sequence[str] = ()) -> dict[str, t.Any]:
    """The result of a module, failed or not."""
    with Module(name, arguments, before) as module:
        return module.result()


def python(code: str, before: t.Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    """Some lines of Python, run in the same place as a module would be."""
    return subprocess.run(
        [*before, sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=SECONDS
    )
