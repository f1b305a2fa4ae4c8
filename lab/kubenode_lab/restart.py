# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A worker's restart: its processes end at once and its network is made anew; its files in /etc and /var/lib stay."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys

from kubenode_lab import processes, syscalls, topology
from kubenode_lab.errors import LabError
from kubenode_lab.files import Site
from kubenode_lab.folder import END_TIMEOUT, Process, Record


def restart(worker: str, site: Site, record: Record) -> Process:
    """Restart a worker of the lab that record tells of; its new first process. Raises LabError, OSError."""
    old = record.nodes[worker]
    if not record.nodes[topology.ROUTER].is_running():
        raise LabError("the router has ended; start afresh with: scripts/lab down; scripts/lab up")
    namespaces = {}
    try:
        # Held until the new ones are there: the kernel gives the number of a namespace that has ended to the next one,
        # and what compares numbers would take the node for the one before its restart.
        if old.is_running():
            namespaces["old"] = os.open(f"/proc/{old.pid}/ns/net", os.O_RDONLY)
        for name in ("user", "mnt", "uts", "ipc", "pid"):
            if name != "user" or "--user" in record.namespaces:
                namespaces[name] = os.open(f"/proc/{record.supervisor.pid}/ns/{name}", os.O_RDONLY)
        namespaces["router"] = os.open(f"/proc/{record.nodes[topology.ROUTER].pid}/ns/net", os.O_RDONLY)
        if not old.kill(END_TIMEOUT):
            raise LabError(f"{worker}, pid {old.pid}, does not end; it may wait for a disk")
        return _start(worker, site, namespaces)
    finally:
        for descriptor in namespaces.values():
            os.close(descriptor)


def _start(worker: str, site: Site, namespaces: dict[str, int]) -> Process:
    teller = processes.Teller()
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        teller.ours.close()
        processes.guarded(teller.theirs, lambda: _enter(worker, site, namespaces, teller.theirs))
    teller.theirs.close()
    try:
        kind, _, pid = teller.next()
        found = Process.of(pid) if kind else None
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        raise
    finally:
        os.waitpid(child, 0)
    if found is None:
        raise LabError(f"{worker} was ended from outside while it came up")
    return found


def _enter(worker: str, site: Site, namespaces: dict[str, int], remote: socket.socket) -> None:
    # In the order in which each gives the right to the next.
    for name in ("user", "mnt", "uts", "ipc", "pid"):
        if name in namespaces:
            syscalls.setns(namespaces[name])
    # From here on /proc shows the supervisor's processes, and a child is one of them.
    child = os.fork()
    if child == 0:
        processes.guarded(remote, lambda: _make(worker, site, namespaces["router"], remote))
    os.waitpid(child, 0)


def _make(worker: str, site: Site, router: int, remote: socket.socket) -> None:
    processes.become_daemon(site.lab)
    os.chdir(f"{site.lab}/stage")
    for network in topology.NETWORKS:
        # Gone already where the old namespace was the last to hold it.
        subprocess.run(
            ["ip", "link", "del", topology.port(worker, network)],
            preexec_fn=lambda: syscalls.setns(router),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        )
    processes.start_nodes([worker], site, router, remote)
