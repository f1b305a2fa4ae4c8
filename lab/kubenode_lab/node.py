# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What runs in a node, a worker or the router, until its first process is nothing but a `sleep`."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from pathlib import Path

from kubenode_lab import files, secure_shell, syscalls, topology
from kubenode_lab.errors import LabError


def run(name: str, site: files.Site, cli: socket.socket, ready: int, linked: int) -> None:
    """Make the caller, the first process of its pid namespace, the node of this name and then `sleep`. Does not return.

    A `+` on the pipe ready says that the network namespace is there; the end of the pipe linked says that the NICs are
    in it. cli receives the node's name, and thereby its pid as the machine sees it. Raises OSError, LabError.
    """
    syscalls.unshare(syscalls.CLONE_NEWNS | syscalls.CLONE_NEWNET | syscalls.CLONE_NEWUTS | syscalls.CLONE_NEWIPC)
    router = name == topology.ROUTER
    files.install(name, site)
    socket.sethostname(name)
    # Before there is any NIC: each takes what `default` says when it comes.
    _set_sysctls(topology.ROUTER_SYSCTLS if router else topology.WORKER_SYSCTLS)
    if router:
        ip_batch(topology.router_lines())
    os.write(ready, b"+")
    os.read(linked, 1)
    if name == topology.CONTROLLER_NODE:
        ip_batch(topology.controller_lines())
    elif not router:
        ip_batch(topology.worker_lines(name))
        secure_shell.start(site.lab)
    cli.send(f"node {name}".encode())
    # Where SIGCHLD is ignored children leave no zombie, and it stays ignored across exec (wait(2), execve(2)): all that
    # the first process of a pid namespace has to do.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    os.execvp("sleep", ["sleep", "infinity"])


def ip_batch(lines: list[str], namespace: str | int | None = None) -> None:
    """Run `ip -batch`, in the network namespace of a /proc/PID/ns/net file or its descriptor.

    Raises LabError with the failing line.
    """

    def enter() -> None:
        if namespace is not None:
            syscalls.setns(namespace)

    result = subprocess.run(
        ["ip", "-batch", "-"],
        input="\n".join(lines) + "\n",
        preexec_fn=enter,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        env={**os.environ, "LC_ALL": "C"},
    )
    if result.returncode != 0:
        number = result.stdout.rpartition(":")[2].strip()
        line = lines[int(number) - 1] if number.isdigit() and int(number) <= len(lines) else "?"
        raise LabError(f"'ip {line}' failed: {result.stdout.strip()}")


def _set_sysctls(values: dict[str, str]) -> None:
    for name, value in values.items():
        path = Path("/proc/sys", name)
        # A kernel without IPv6 lacks its part.
        if path.exists():
            path.write_text(value, encoding="ascii")
