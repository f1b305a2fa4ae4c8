# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The process that makes a change while the controller's connection may break: it has nothing to do with it."""

from __future__ import annotations

import os
import signal
import time
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._checkpoint import store

# The answer of the module is on its way when its process has ended; so long may it take to leave the node.
_GRACE = 0.3
_PATIENCE = 10.0


def detach(work: t.Callable[[], None], pid_file: str, keep: t.Collection[int]) -> None:
    """Do ``work`` in a process of its own once this one has ended, and go on here.

    ``pid_file`` has its number and start time on return. File descriptors other than ``keep`` are closed in it.
    """
    parent = os.getpid()
    written, told = os.pipe()
    pid = os.fork()
    if pid:
        os.close(written)
        store.write(pid_file, f"{pid} {store.started(pid)}")
        # It waits until it is on record, so that nobody takes it for dead.
        os.write(told, b"1")
        os.close(told)
        return
    # Nothing of the module's own ways to end may run here.
    try:
        os.close(told)
        os.setsid()
        os.chdir("/")
        on_record = os.read(written, 1)
        os.close(written)
        _close(keep)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        if on_record:
            deadline = time.monotonic() + _PATIENCE
            while os.getppid() == parent and time.monotonic() < deadline:
                time.sleep(0.01)
            time.sleep(_GRACE)
            work()
    finally:
        os._exit(0)


def _close(keep: t.Collection[int]) -> None:
    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(null, number)
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and int(name) not in keep:
            try:
                os.close(int(name))
            except OSError:
                continue
