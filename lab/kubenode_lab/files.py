# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A node's own /etc, /run, /var/lib and /var/log, in memory.

/etc and /var/lib are overlays over the machine's where the kernel can, else copies; the others start empty.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import uuid
from pathlib import Path
from typing import NamedTuple

from kubenode_lab import syscalls, topology

# What says how the machine itself is configured: a node with it would look as if a manager owned its NICs.
_LEFT_OUT = frozenset(
    {
        "NetworkManager",
        "dhcpcd.conf",
        "hostname",
        "hosts",
        "machine-id",
        "netplan",
        "network",
        "resolv.conf",
        "resolvconf",
        "sysconfig/network-scripts",
        "systemd/network",
        "systemd/resolved.conf",
        "systemd/resolved.conf.d",
    }
)


class Site(NamedTuple):
    """What nodes are made from: the lab's folder, which stays reachable under its path, and what prepare() returned."""

    lab: str
    overlay: str | None


def prepare() -> str | None:
    """Make the /etc that nodes start from in ./etc; return the options of an overlay over it, or None for no overlay.

    The copy is ours from the first to the last file: in a user namespace the machine's own files belong to nobody, and
    an overlay over them could not be written to.
    """
    _copy_tree("/etc", "etc", "")
    # Where tables get their names, and where what is to survive a reboot is written.
    for folder in ("etc/iproute2", "etc/systemd/system"):
        os.makedirs(folder, exist_ok=True)
    if os.environ.get("KUBENODE_LAB_NO_OVERLAY"):
        return None
    for options in ("", ",userxattr"):
        if _overlay_works(options):
            return options
    return None


def install(node: str, site: Site) -> None:
    """Give the calling node, alone in its mount namespace with the stage as its folder, its own files. Raises OSError.

    A node that was here before finds its /etc and /var/lib as it left them.
    """
    lab, overlay = site
    descriptor = os.open(lab, os.O_RDONLY | os.O_DIRECTORY)
    inside = os.stat(descriptor)
    is_new = not os.path.exists(node)
    if overlay is None:
        if is_new:
            shutil.copytree("etc", f"{node}/etc", symlinks=True)
        syscalls.mount(f"{node}/etc", "/etc", flags=syscalls.MS_BIND)
    else:
        _overlay("etc", f"{node}/etc", "/etc", overlay)
    syscalls.mount("tmpfs", "/run", "tmpfs", options="mode=755,size=64m")
    _own_state(node, overlay, is_new)
    # A login is told about there, and it was none on the machine.
    if os.path.isdir("/var/log"):
        syscalls.mount("tmpfs", "/var/log", "tmpfs", options="mode=755,size=64m")
    syscalls.mount("proc", "/proc", "proc")
    # Where a container shows only a part of /sys, the kernel refuses a new one; routes and rules do not need it.
    with contextlib.suppress(OSError):
        syscalls.mount("sysfs", "/sys", "sysfs")
    os.makedirs(lab, exist_ok=True)
    if not os.path.samestat(inside, os.stat(lab)):
        syscalls.mount(f"/proc/self/fd/{descriptor}", lab, flags=syscalls.MS_BIND)
    os.close(descriptor)
    os.chdir("/")
    syscalls.detach(f"{lab}/stage")
    if is_new:
        _write_identity(node)
        _write_accounts(f"{lab}/home/{node}")


def _own_state(node: str, overlay: str | None, is_new: bool) -> None:
    """A /var/lib of the node's own: the machine's folders can be read, and our state folder starts empty."""
    copies = f"{node}/var-lib.copies"
    if overlay is not None and not os.path.exists(copies):
        with contextlib.suppress(OSError):
            _overlay("/var/lib", f"{node}/var-lib", "/var/lib", overlay)
            if is_new:
                _forget_state()
            return
    machine = "/run/machine/var/lib"
    os.makedirs(machine)
    syscalls.mount("/var/lib", machine, flags=syscalls.MS_BIND | syscalls.MS_REC)
    # An ordinary user may not always do so, and cannot write there anyway.
    with contextlib.suppress(OSError):
        syscalls.mount("none", machine, flags=syscalls.MS_BIND | syscalls.MS_REMOUNT | syscalls.MS_RDONLY)
    if is_new:
        os.mkdir(copies)
        for name in os.listdir(machine):
            os.symlink(f"{machine}/{name}", f"{copies}/{name}")
    syscalls.mount(copies, "/var/lib", flags=syscalls.MS_BIND)
    if is_new:
        _forget_state()


def _forget_state() -> None:
    state = Path("/var/lib/kubenode-network")
    if state.is_symlink():
        state.unlink()
    elif state.exists():
        shutil.rmtree(state)
    state.mkdir(mode=0o755)


def _write_identity(node: str) -> None:
    Path("/etc/hostname").write_text(f"{node}\n", encoding="ascii")
    Path("/etc/hosts").write_text(topology.hosts_file(node), encoding="ascii")
    Path("/etc/resolv.conf").write_text(f"nameserver {topology.FIRST_RESOLVER}\n", encoding="ascii")
    Path("/etc/machine-id").write_text(f"{uuid.uuid4().hex}\n", encoding="ascii")


def _write_accounts(home: str) -> None:
    """Let root log in, to a home folder that goes with the lab, and sshd have its unprivileged user.

    A lab of an ordinary user has one id, so that user is root too; and its sshd could not give a terminal to the group
    tty.
    """
    path = Path("/etc/passwd")
    others = [line for line in _lines(path) if line.split(":")[0] not in ("root", "sshd")]
    own = [f"root:x:0:0:root:{home}:/bin/sh", "sshd:x:0:0::/run/sshd:/usr/sbin/nologin"]
    path.write_text("\n".join([*own, *others, ""]), encoding="utf-8", errors="surrogateescape")
    # No password fits, and the account is not locked.
    shadow = Path("/etc/shadow")
    with contextlib.suppress(FileNotFoundError):
        shadow.unlink()
    shadow.touch(mode=0o600)
    shadow.write_text("root:*:19000:0:99999:7:::\n", encoding="ascii")
    if not syscalls.may_set_groups():
        path = Path("/etc/group")
        groups = [line for line in _lines(path) if not line.startswith("tty:")]
        path.write_text("\n".join([*groups, ""]), encoding="utf-8", errors="surrogateescape")


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except FileNotFoundError:
        return []


def _overlay(lower: str, upper: str, target: str, options: str) -> None:
    work = f"{upper}.work"
    os.makedirs(upper, exist_ok=True)
    os.makedirs(work, exist_ok=True)
    syscalls.mount("overlay", target, "overlay", options=f"lowerdir={lower},upperdir={upper},workdir={work}{options}")


def _overlay_works(options: str) -> bool:
    """Whether an overlay takes what an /etc goes through. Some kernels cannot replace a folder in a user namespace."""
    lower = Path("probe/lower")
    try:
        (lower / "folder").mkdir(parents=True)
        (lower / "folder" / "file").write_text("old", encoding="ascii")
        (lower / "file").write_text("old", encoding="ascii")
        merged = Path("probe/merged")
        merged.mkdir()
        _overlay(str(lower), "probe/upper", str(merged), options)
        try:
            (merged / "new").write_text("new", encoding="ascii")
            os.replace(merged / "new", merged / "file")
            shutil.rmtree(merged / "folder")
            (merged / "folder").mkdir()
            return not os.listdir(merged / "folder") and (lower / "file").read_text(encoding="ascii") == "old"
        finally:
            syscalls.detach(str(merged))
    except OSError:
        return False
    finally:
        shutil.rmtree("probe", ignore_errors=True)


def _copy_tree(source: str, target: str, inside: str) -> None:
    """Copy the folders, files and links that the caller may read, with modes and, where it may set them, owners."""
    os.makedirs(target)
    _copy_owner_and_mode(os.stat(source), target)
    try:
        entries = list(os.scandir(source))
    except PermissionError:
        return
    for entry in entries:
        name = f"{inside}{entry.name}"
        if name in _LEFT_OUT:
            continue
        to = f"{target}/{entry.name}"
        # Unreadable is the rule for an ordinary user (shadow, keys), and a file may go while we copy.
        with contextlib.suppress(PermissionError, FileNotFoundError):
            if entry.is_symlink():
                os.symlink(os.readlink(entry.path), to)
            elif entry.is_dir():
                _copy_tree(entry.path, to, f"{name}/")
            elif entry.is_file():
                shutil.copyfile(entry.path, to)
                _copy_owner_and_mode(entry.stat(), to)


def _copy_owner_and_mode(found: os.stat_result, target: str) -> None:
    # PermissionError: not ours to give away; EINVAL: an owner that the user namespace does not know.
    with contextlib.suppress(OSError):
        os.chown(target, found.st_uid, found.st_gid)
    os.chmod(target, stat.S_IMODE(found.st_mode))
