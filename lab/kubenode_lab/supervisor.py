# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lab's processes: how they start, and how all of them end with one.

    scripts/lab up ── launcher ── supervisor ─┬─ sleep (r1)
                                              ├─ sleep (w1) ...
                                              └─ DNS server

The supervisor is the first process of a pid namespace and every node the first of one below it: the kernel ends all of
a namespace with its first process, however that ends, so a kill of the supervisor is the end of the lab, and a kill of
a node's `sleep` the end of the node. Their network and mount namespaces go with them. Until `up` has published the lab,
its end is also the launcher's, and the launcher's the supervisor's (PR_SET_PDEATHSIG).
"""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import socket
import struct
import sys
import traceback
from collections.abc import Callable
from typing import NamedTuple, NoReturn

from kubenode_lab import dns, files, node, syscalls, topology
from kubenode_lab.errors import LabError

_PACKET = 65536
# struct ucred: pid, uid, gid (unix(7)).
_CREDENTIALS = struct.Struct("iII")
_NAMESPACES = "--mount --uts --ipc --net --pid"
_USER_NAMESPACES = f"--user --preserve-credentials {_NAMESPACES}"


class Processes(NamedTuple):
    """The pids of a lab that came up, as the machine sees them, and the options of nsenter(1) that lead into a node."""

    supervisor: int
    dns: int
    nodes: dict[str, int]
    namespaces: str


class Start:
    """A lab that comes up: wait_until_up(), then let_go(), without which it ends with the caller."""

    def __init__(self, lab: str, workers: int) -> None:
        self._privileged = syscalls.may_make_namespaces()
        self._names = [topology.ROUTER, *topology.worker_names(workers)]
        self._socket, remote = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        # The kernel translates the sender's pid into the receiver's pid namespace.
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        sys.stdout.flush()
        sys.stderr.flush()
        caller = os.getpid()
        self._launcher = os.fork()
        if self._launcher == 0:
            self._socket.close()
            _guarded(remote, lambda: _launch(lab, self._names, self._privileged, remote, caller))
        remote.close()

    def wait_until_up(self) -> Processes:
        """The lab's processes, once all of it works. Raises LabError."""
        pids: dict[str, int] = {}
        while True:
            packet, ancillary, _, _ = self._socket.recvmsg(_PACKET, socket.CMSG_SPACE(_CREDENTIALS.size))
            kind, _, text = packet.decode().partition(" ")
            if kind == "error":
                raise LabError(text)
            if kind == "":
                raise LabError("the lab was ended from outside while it came up")
            pids[text] = _CREDENTIALS.unpack(ancillary[0][2])[0]
            if kind == "up":
                break
        return Processes(
            supervisor=pids["supervisor"],
            dns=pids["dns"],
            nodes={name: pids[name] for name in self._names},
            namespaces=_NAMESPACES if self._privileged else _USER_NAMESPACES,
        )

    def let_go(self) -> None:
        """Let the lab stay up without the caller."""
        self._socket.send(b"stay")
        os.waitpid(self._launcher, 0)

    def abandon(self) -> None:
        """End what has come up so far, and wait until nothing of it writes to the lab's folder any more."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._launcher, signal.SIGKILL)
        os.waitpid(self._launcher, 0)
        with contextlib.suppress(ConnectionError):
            while self._socket.recv(_PACKET):
                pass


def _guarded(remote: socket.socket, work: Callable[[], None]) -> NoReturn:
    """Run work in a forked process that must never return to its parent's code; tell of its error on remote."""
    try:
        work()
    except BaseException as error:  # noqa: BLE001  (the last frame of a process: its error goes to who waits for it)
        if not isinstance(error, LabError):
            traceback.print_exc()
        with contextlib.suppress(OSError):
            remote.send(f"error {_describe(error)}".encode()[:_PACKET])
        os._exit(1)
    os._exit(0)


def _describe(error: BaseException) -> str:
    if isinstance(error, LabError):
        return str(error)
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}" if error.filename else str(error)
    return f"{type(error).__name__}: {error}"


def _launch(lab: str, names: list[str], privileged: bool, remote: socket.socket, caller: int) -> None:
    syscalls.die_with_parent(signal.SIGKILL)
    if os.getppid() != caller:
        return
    os.setsid()
    null = os.open(os.devnull, os.O_RDONLY)
    log = os.open(f"{lab}/log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(null, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
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
        _guarded(remote, lambda: _supervise(lab, names, remote, stays))
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

    linked, link = os.pipe()
    pids: dict[str, int] = {}
    ready: dict[str, int] = {}
    for name in names:
        ready[name], write = os.pipe()
        become = functools.partial(_become_node, name, lab, overlay, remote, write, (linked, link))
        pids[name] = _fork_first(become)
        os.close(write)
    for name in names:
        if os.read(ready[name], 1) != b"+":
            raise _failure_of(name, ready[name])
    lines = [line for name in names[1:] for line in topology.link_lines(name, pids[name])]
    router = f"/proc/{pids[topology.ROUTER]}/ns/net"
    node.ip_batch(lines, router)
    os.close(link)
    for name in names:
        if os.read(ready[name], 1):
            raise _failure_of(name, ready[name])
        os.close(ready[name])

    dns_ready, write = os.pipe()
    dns_pid = os.fork()
    if dns_pid == 0:
        _guarded(remote, lambda: _serve_dns(names[1:], router, remote, write))
    os.close(write)
    if os.read(dns_ready, 1) != b"+":
        raise LabError(f"the lab's DNS server did not start; {lab}/log says more")
    os.close(dns_ready)
    return {**{pid: name for name, pid in pids.items()}, dns_pid: "dns"}


def _fork_first(work: Callable[[], None]) -> int:
    """Fork work as the first process of a new pid namespace; its pid as the caller sees it."""
    syscalls.unshare(syscalls.CLONE_NEWPID)
    pid = os.fork()
    if pid == 0:
        work()
        os._exit(1)
    # unshare(2) has moved our next children too, and the next node's namespace is to be beside this one, not below it.
    syscalls.setns("/proc/self/ns/pid")
    return pid


def _become_node(
    name: str, lab: str, overlay: str | None, remote: socket.socket, ready: int, linked: tuple[int, int]
) -> None:
    try:
        os.close(linked[1])
        node.run(name, lab, overlay, remote, ready, linked[0])
    except BaseException as error:  # noqa: BLE001  (the last frame of a process: its error goes to who waits for it)
        os.write(ready, f"!{_describe(error)}".encode())
        os._exit(1)


def _failure_of(name: str, ready: int) -> LabError:
    text = os.read(ready, _PACKET).decode()
    return LabError(f"{name} did not come up: {text or 'its first process was killed'}")


def _serve_dns(workers: list[str], router: str, remote: socket.socket, ready: int) -> None:
    syscalls.setns(router)
    syscalls.set_process_name("kubenode-lab-d")
    server = dns.Server(topology.DNS_ADDRESSES, topology.DNS_PORT, topology.records(workers))
    remote.send(b"dns dns")
    remote.close()
    os.write(ready, b"+")
    os.close(ready)
    server.serve()
