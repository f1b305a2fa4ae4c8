# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lab's processes: how they start, and how all of them end with one.

    scripts/lab up ── launcher ── supervisor ─┬─ sleep (r1)
                                              ├─ sleep (c1)
                                              ├─ sleep (w1) ── sshd
                                              └─ DNS server

The supervisor is the first process of a pid namespace and every node the first of one below it: the kernel ends all of
a namespace with its first process, however that ends, so a kill of the supervisor is the end of the lab, and a kill of
a node's `sleep` the end of the node. Their network and mount namespaces go with them. Until `up` has published the lab,
its end is also the launcher's, and the launcher's the supervisor's (PR_SET_PDEATHSIG).
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
from typing import NamedTuple

from kubenode_lab import dns, files, processes, syscalls, topology
from kubenode_lab.errors import LabError

_PACKET = 65536
_NAMESPACES = "--mount --uts --ipc --net --pid"
_USER_NAMESPACES = f"--user --preserve-credentials {_NAMESPACES}"


class Processes(NamedTuple):
    """The pids of a lab that came up, as the machine sees them, and what leads into a node or makes one again.

    namespaces are the options of nsenter(1), overlay is what files.prepare() returned.
    """

    supervisor: int
    dns: int
    nodes: dict[str, int]
    namespaces: str
    overlay: str | None


class Start:
    """A lab that comes up: wait_until_up(), then let_go(), without which it ends with the caller."""

    def __init__(self, lab: str, workers: int) -> None:
        self._privileged = syscalls.may_make_namespaces()
        self._names = [topology.ROUTER, topology.CONTROLLER_NODE, *topology.worker_names(workers)]
        self._teller = processes.Teller()
        sys.stdout.flush()
        sys.stderr.flush()
        caller = os.getpid()
        self._launcher = os.fork()
        if self._launcher == 0:
            self._teller.ours.close()
            remote = self._teller.theirs
            processes.guarded(remote, lambda: _launch(lab, self._names, self._privileged, remote, caller))
        self._teller.theirs.close()

    def wait_until_up(self) -> Processes:
        """The lab's processes, once all of it works. Raises LabError."""
        pids: dict[str, int] = {}
        overlay: str | None = None
        while True:
            kind, text, pid = self._teller.next()
            if kind == "":
                raise LabError("the lab was ended from outside while it came up")
            if kind == "overlay":
                overlay = text
                continue
            pids[text] = pid
            if kind == "up":
                break
        return Processes(
            supervisor=pids["supervisor"],
            dns=pids["dns"],
            nodes={name: pids[name] for name in self._names},
            namespaces=_NAMESPACES if self._privileged else _USER_NAMESPACES,
            overlay=overlay,
        )

    def let_go(self) -> None:
        """Let the lab stay up without the caller."""
        self._teller.ours.send(b"stay")
        os.waitpid(self._launcher, 0)

    def abandon(self) -> None:
        """End what has come up so far, and wait until nothing of it writes to the lab's folder any more."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._launcher, signal.SIGKILL)
        os.waitpid(self._launcher, 0)
        with contextlib.suppress(ConnectionError):
            while self._teller.ours.recv(_PACKET):
                pass


def _launch(lab: str, names: list[str], privileged: bool, remote: socket.socket, caller: int) -> None:
    syscalls.die_with_parent(signal.SIGKILL)
    if os.getppid() != caller:
        return
    processes.become_daemon(lab)
    if not privileged:
        syscalls.enter_user_namespace()
    try:
        syscalls.unshare(
            syscalls.CLONE_NEWNS
            | syscalls.CLONE_NEWPID
            | syscalls.CLONE_NEWNET
            | syscalls.CLONE_NEWUTS
            | syscalls.CLONE_NEWIPC
        )
    except OSError as error:
        raise syscalls.forbidden(error) from error
    # New credentials take the signal back (prctl(2)).
    syscalls.die_with_parent(signal.SIGKILL)
    on_its_own, stays = os.pipe()
    if os.fork() == 0:
        os.close(on_its_own)
        processes.guarded(remote, lambda: _supervise(lab, names, remote, stays))
    os.close(stays)
    remote.close()
    os.read(on_its_own, 1)


def _supervise(lab: str, names: list[str], remote: socket.socket, stays: int) -> None:
    syscalls.die_with_parent(signal.SIGKILL)
    syscalls.set_process_name("kubenode-lab")
    children = _bring_up(lab, names, remote)
    remote.send(b"up supervisor")
    if remote.recv(_PACKET) != b"stay":
        return
    syscalls.die_with_parent(0)
    os.write(stays, b"+")
    remote.close()
    while True:
        try:
            pid, status = os.wait()
        except ChildProcessError:
            return
        if pid in children:
            print(f"{children[pid]} ended, wait status {status:#x}", file=sys.stderr, flush=True)


def _bring_up(lab: str, names: list[str], remote: socket.socket) -> dict[int, str]:
    syscalls.mount("none", "/", flags=syscalls.MS_REC | syscalls.MS_SLAVE)
    try:
        syscalls.mount("proc", "/proc", "proc")
    except OSError as error:
        raise syscalls.forbidden(error) from error
    stage = f"{lab}/stage"
    os.mkdir(stage)
    syscalls.mount("tmpfs", stage, "tmpfs", options="mode=755")
    os.chdir(stage)
    overlay = files.prepare()
    if overlay is not None:
        remote.send(f"overlay {overlay}".encode())
    pids = processes.start_nodes(names, files.Site(lab, overlay), None, remote)

    dns_ready, write = os.pipe()
    dns_pid = os.fork()
    if dns_pid == 0:
        workers = [name for name in names if name not in (topology.ROUTER, topology.CONTROLLER_NODE)]
        router = f"/proc/{pids[topology.ROUTER]}/ns/net"
        processes.guarded(remote, lambda: _serve_dns(workers, router, remote, write))
    os.close(write)
    if os.read(dns_ready, 1) != b"+":
        raise LabError(f"the lab's DNS server did not start; {lab}/log says more")
    os.close(dns_ready)
    return {**{pid: name for name, pid in pids.items()}, dns_pid: "dns"}


def _serve_dns(workers: list[str], router: str, remote: socket.socket, ready: int) -> None:
    syscalls.setns(router)
    syscalls.set_process_name("kubenode-lab-d")
    server = dns.Server(topology.DNS_ADDRESSES, topology.DNS_PORT, topology.records(workers))
    remote.send(b"dns dns")
    remote.close()
    os.write(ready, b"+")
    os.close(ready)
    server.serve()
