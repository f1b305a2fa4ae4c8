# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The system calls behind a namespace that Python 3.9 lacks: unshare, setns, mount, umount2 and prctl."""

from __future__ import annotations

import ctypes
import os
import struct
from pathlib import Path

from kubenode_lab.errors import LabError

# include/uapi/linux/sched.h
CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
# include/uapi/linux/mount.h
MS_RDONLY = 0x1
MS_REMOUNT = 0x20
MS_BIND = 0x1000
MS_REC = 0x4000
MS_SLAVE = 0x80000
MNT_DETACH = 2
# include/uapi/linux/prctl.h, capability.h
PR_SET_PDEATHSIG = 1
PR_SET_NAME = 15
PR_SET_SECCOMP = 22
CAP_NET_ADMIN = 12
CAP_SYS_ADMIN = 21

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mount.argtypes = (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_char_p)
_libc.prctl.argtypes = (ctypes.c_int, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_ulong)


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)


def unshare(flags: int) -> None:
    """Move the caller (with CLONE_NEWPID: its next child) into new namespaces. Raises OSError."""
    _check(_libc.unshare(flags), f"unshare {flags:#x}")


def setns(namespace: str | int) -> None:
    """Join the namespace of a /proc/PID/ns file, given by its path or its descriptor. Raises OSError."""
    if isinstance(namespace, int):
        _check(_libc.setns(namespace, 0), "setns")
        return
    descriptor = os.open(namespace, os.O_RDONLY)
    try:
        _check(_libc.setns(descriptor, 0), namespace)
    finally:
        os.close(descriptor)


def mount(source: str, target: str, kind: str | None = None, flags: int = 0, options: str = "") -> None:
    """mount(2). Raises OSError that names the target."""
    _check(
        _libc.mount(source.encode(), target.encode(), kind.encode() if kind else None, flags, options.encode()),
        f"mount {kind or 'bind'} on {target}",
    )


def detach(target: str) -> None:
    """Unmount target, with what is still in use staying alive until it is not. Raises OSError."""
    _check(_libc.umount2(target.encode(), MNT_DETACH), f"unmount {target}")


def die_with_parent(signal_number: int) -> None:
    """Send signal_number to the caller when its parent dies; 0 takes that back (PR_SET_PDEATHSIG)."""
    _check(_libc.prctl(PR_SET_PDEATHSIG, signal_number, 0, 0, 0), "prctl PR_SET_PDEATHSIG")


def set_process_name(name: str) -> None:
    """The name that `ps -o comm` shows; at most 15 bytes."""
    buffer = ctypes.create_string_buffer(name.encode())
    _check(_libc.prctl(PR_SET_NAME, ctypes.addressof(buffer), 0, 0, 0), "prctl PR_SET_NAME")


def may_set_groups() -> bool:
    """Whether setgroups(2) is allowed in the caller's user namespace; in one of an ordinary user it is not."""
    try:
        return Path("/proc/self/setgroups").read_text(encoding="ascii").strip() == "allow"
    except FileNotFoundError:
        return True


# include/uapi/linux/seccomp.h, bpf_common.h, audit.h; the numbers of setgroups are those of each architecture's table
# of system calls.
_SECCOMP_MODE_FILTER = 2
_SECCOMP_RET_ALLOW, _SECCOMP_RET_ERRNO = 0x7FFF0000, 0x00050000
_BPF_LOAD_WORD, _BPF_JUMP_IF_EQUAL, _BPF_RETURN = 0x20, 0x15, 0x06
_OFFSET_OF_NUMBER, _OFFSET_OF_ARCHITECTURE = 0, 4
_SETGROUPS = {
    "x86_64": (0xC000003E, 116),
    "aarch64": (0xC00000B7, 159),
    "riscv64": (0xC00000F3, 159),
    "loongarch64": (0xC0000102, 159),
    "ppc64le": (0xC0000015, 81),
    "s390x": (0x80000016, 206),
}


def let_setgroups_pass() -> None:
    """Have setgroups(2) do nothing and succeed, for the caller and what it starts.

    In a user namespace whose group map an ordinary user wrote it always fails, and sshd takes that for the end. There
    is one group, so nothing is lost. Raises OSError, LabError on an architecture that is not known here.
    """
    machine = os.uname().machine
    if machine not in _SETGROUPS:
        known = ", ".join(_SETGROUPS)
        raise LabError(f"an ordinary user's lab runs on {known}, and this is {machine}; run the lab as root")
    architecture, number = _SETGROUPS[machine]
    program = b"".join(
        struct.pack("=HBBI", *line)
        for line in (
            (_BPF_LOAD_WORD, 0, 0, _OFFSET_OF_ARCHITECTURE),
            (_BPF_JUMP_IF_EQUAL, 0, 3, architecture),
            (_BPF_LOAD_WORD, 0, 0, _OFFSET_OF_NUMBER),
            (_BPF_JUMP_IF_EQUAL, 0, 1, number),
            (_BPF_RETURN, 0, 0, _SECCOMP_RET_ERRNO),
            (_BPF_RETURN, 0, 0, _SECCOMP_RET_ALLOW),
        )
    )
    lines = ctypes.create_string_buffer(program, len(program))
    # struct sock_fprog: the number of lines, and where they are.
    header = ctypes.create_string_buffer(struct.pack("@HP", len(program) // 8, ctypes.addressof(lines)))
    _check(_libc.prctl(PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.addressof(header), 0, 0), "prctl PR_SET_SECCOMP")


def may_make_namespaces() -> bool:
    """Whether the caller can make namespaces of every kind without a user namespace of its own."""
    needed = 1 << CAP_SYS_ADMIN | 1 << CAP_NET_ADMIN
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("CapEff:"):
            return int(line.split()[1], 16) & needed == needed
    return False


# Each switch with the value that forbids what the lab needs and the one that allows it. The first is the kernel's own
# (user_namespaces(7)), the second Debian's, the third Ubuntu's.
_SWITCHES = (
    ("user.max_user_namespaces", "0", "15000"),
    ("kernel.unprivileged_userns_clone", "0", "1"),
    ("kernel.apparmor_restrict_unprivileged_userns", "1", "0"),
)


def forbidden(error: OSError) -> LabError:
    """The error of a user namespace that the machine does not allow, with the sysctl that does."""
    for name, closed, opened in _SWITCHES:
        try:
            value = Path("/proc/sys", *name.split(".")).read_text(encoding="ascii").strip()
        except OSError:
            continue
        if value == closed:
            return LabError(
                f"this machine does not let an ordinary user make namespaces: {name} is {value} ({error.strerror}). "
                f"Allow it with 'sysctl -w {name}={opened}' as root, or run the lab as root"
            )
    return LabError(
        f"this machine does not let this process make namespaces ({error.filename}: {error.strerror}), and none of "
        f"{', '.join(name for name, _, _ in _SWITCHES)} says so; a container's seccomp profile may. "
        "Run the lab as root or outside of the container"
    )


def enter_user_namespace(inside_id: int = 0) -> None:
    """Move the caller into a user namespace in which it is user and group inside_id. Raises LabError if forbidden."""
    uid, gid = os.geteuid(), os.getegid()
    try:
        unshare(CLONE_NEWUSER)
        # A group map needs setgroups off unless a privileged process writes it (user_namespaces(7)).
        Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
        Path("/proc/self/uid_map").write_text(f"{inside_id} {uid} 1", encoding="ascii")
        Path("/proc/self/gid_map").write_text(f"{inside_id} {gid} 1", encoding="ascii")
    except OSError as error:
        raise forbidden(error) from error
