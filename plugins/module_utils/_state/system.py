# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs of the node that a run starts: systemd's and the managers' own tools."""

from __future__ import annotations

import os
import subprocess
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._state.model import StateError

_NAMESPACES = ("net", "mnt", "pid")


def systemd_runs_here() -> bool:
    """Whether systemd is process 1 of the very node that we are on.

    A node that shares /run with its host (a container, a namespace) would otherwise have units started on that host.
    """
    if not os.path.isdir("/run/systemd/system"):
        return False
    try:
        with open("/proc/1/comm", encoding="ascii", errors="replace") as file:
            if file.read().strip() not in ("systemd", "init"):
                return False
        return all(os.readlink(f"/proc/1/ns/{one}") == os.readlink(f"/proc/self/ns/{one}") for one in _NAMESPACES)
    except OSError:
        return False


def run(argv: t.Sequence[str], seconds: float = 30.0, text: str = "") -> str:
    """Run a program with ``text`` as its input; returns what it printed.

    Raises StateError with its own words when it fails, is missing, or is not through in ``seconds``.
    """
    line = " ".join(argv)
    try:
        done = subprocess.run(  # pylint: disable=ansible-bad-function
            argv, input=text, capture_output=True, timeout=seconds, check=False, encoding="utf-8", errors="replace",
            env={**os.environ, "LC_ALL": "C"},
        )  # fmt: skip
    except FileNotFoundError:
        raise StateError(f"{line}: there is no program {argv[0]} on this node") from None
    except subprocess.TimeoutExpired:
        raise StateError(f"{line}: no answer in {seconds:.0f} s") from None
    except OSError as error:
        raise StateError(f"{line}: {error.strerror}") from None
    if done.returncode:
        words = (done.stderr.strip() or done.stdout.strip() or "it said nothing").splitlines()
        raise StateError(f"{line}: failed with {done.returncode}: {' / '.join(words[-3:])}")
    return done.stdout
