# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the start of a lab and the restart of a worker share: forked processes, their errors, and what they tell."""

from __future__ import annotations

import contextlib
import functools
import os
import socket
import struct
import sys
import traceback
from collections.abc import Callable
from typing import NoReturn

from kubenode_lab import node, syscalls, topology
from kubenode_lab.errors import LabError
from kubenode_lab.files import Site

_PACKET = 65536
# struct ucred: pid, uid, gid (unix(7)).
_CREDENTIALS = struct.Struct("iII")


class Teller:
    """The two ends of a conversation between `scripts/lab` and what it forks: packets of a kind and a text.

    The kernel translates the sender's pid into the receiver's pid namespace.
    """

    def __init__(self) -> None:
        self.ours, self.theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)

    def next(self) -> tuple[str, str, int]:
        """Kind, text and the sender's pid; all empty once every sender has ended. Raises LabError for a told error."""
        packet, ancillary, _, _ = self.ours.recvmsg(_PACKET, socket.CMSG_SPACE(_CREDENTIALS.size))
        kind, _, text = packet.decode().partition(" ")
        if kind == "error":
            raise LabError(text)
        return kind, text, _CREDENTIALS.unpack(ancillary[0][2])[0] if kind else 0


def guarded(remote: socket.socket, work: Callable[[], None]) -> NoReturn:
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


def become_daemon(lab: str) -> None:
    """Let go of the caller's terminal, and write to the lab's log from now on."""
    os.setsid()
    null = os.open(os.devnull, os.O_RDONLY)
    log = os.open(f"{lab}/log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(null, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)


def start_nodes(names: list[str], site: Site, router: int | None, remote: socket.socket) -> dict[str, int]:
    """Bring up these nodes, connected with the router; their pids in the caller's pid namespace. Raises LabError.

    The caller's folder is the stage. router is a descriptor of the router's network namespace, None where it is one of
    the names.
    """
    linked, link = os.pipe()
    pids: dict[str, int] = {}
    ready: dict[str, int] = {}
    for name in names:
        ready[name], write = os.pipe()
        become = functools.partial(_become_node, name, site, remote, write, (linked, link))
        pids[name] = _fork_first(become)
        os.close(write)
    for name in names:
        if os.read(ready[name], 1) != b"+":
            raise _failure_of(name, ready[name])
    lines: list[str] = []
    for name, pid in pids.items():
        if name == topology.CONTROLLER_NODE:
            lines += topology.controller_link_lines(pid)
        elif name != topology.ROUTER:
            lines += topology.link_lines(name, pid)
    node.ip_batch(lines, f"/proc/{pids[topology.ROUTER]}/ns/net" if router is None else router)
    os.close(link)
    os.close(linked)
    for name in names:
        if os.read(ready[name], 1):
            raise _failure_of(name, ready[name])
        os.close(ready[name])
    return pids


def _fork_first(work: Callable[[], None]) -> int:
    """Fork work as the first process of a new pid namespace; its pid as the caller sees it."""
    syscalls.unshare(syscalls.CLONE_NEWPID)
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        work()
        os._exit(1)
    # unshare(2) has moved our next children too, and the next node's namespace is to be beside this one, not below it.
    syscalls.setns("/proc/self/ns/pid")
    return pid


def _become_node(name: str, site: Site, remote: socket.socket, ready: int, linked: tuple[int, int]) -> None:
    try:
        os.close(linked[1])
        node.run(name, site, remote, ready, linked[0])
    except BaseException as error:  # noqa: BLE001  (the last frame of a process: its error goes to who waits for it)
        os.write(ready, f"!{_describe(error)}".encode())
        os._exit(1)


def _failure_of(name: str, ready: int) -> LabError:
    text = os.read(ready, _PACKET).decode()
    return LabError(f"{name} did not come up: {text or 'its first process was killed'}")
