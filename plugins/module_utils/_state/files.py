# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Small text files of the system, read and written whole. The only place that does.

Text is UTF-8 with ``surrogateescape``, so that any byte comes back as it was; line ends are not translated.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat

from ansible_collections.kubenode.network.plugins.module_utils._state.model import FileState, StateError

_OURS_IN = re.compile(r"/kubenode-network/|/[^/]+\.(?:network|device)\.(?:d|wants)/|/networkd\.conf\.d/")
"""Folders of drop-ins, links and lines that nobody makes but to put one in."""
_MAX_LINKS = 40
"""As in the kernel (MAXSYMLINKS)."""


def read_file(path: str, root: str = "/") -> FileState:
    """Read the file at ``path`` below ``root``; absolute links stay below ``root`` too.

    A symbolic link is told by ``link``; ``text`` is then what it leads to, None where it dangles.
    Raises StateError for what is not a regular file or cannot be read.
    """
    full = below(path, root)
    try:
        link = os.readlink(full)
    except FileNotFoundError:
        return FileState(None)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTDIR):
            raise _cannot("read", path, error) from error
        link = None
    if link is not None and root != "/":
        full = below(_follow(path, root), root)
    try:
        descriptor = os.open(full, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError):
        return FileState(None, link=link)
    except OSError as error:
        raise _cannot("read", path, error) from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise StateError(f"{path} is not a regular file: expected a text file, look at it with 'ls -ld'")
        with open(descriptor, "rb", closefd=False) as stream:
            return FileState(decode(stream.read()), stat.S_IMODE(status.st_mode), link)
    finally:
        os.close(descriptor)


def write_file(path: str, state: FileState, root: str = "/") -> None:
    """Make the file at ``path`` what ``state`` says: its text and mode, a symbolic link, or nothing at all.

    A new text replaces the old file in one step and is on the disk on return; owner and extended attributes (SELinux's
    label, ACLs) of a regular file that stood there are kept. A file that cannot be replaced because it is a mount of
    its own (containers' /etc/resolv.conf) is rewritten in place. A link's target is never written.
    Raises StateError; then the file is as it was.
    """
    full = below(path, root)
    try:
        if state.link is not None:
            os.makedirs(os.path.dirname(full), mode=0o755, exist_ok=True)
            _replace_link(full, state.link)
        elif state.text is None:
            try:
                os.unlink(full)
            except FileNotFoundError:
                return
        else:
            os.makedirs(os.path.dirname(full), mode=0o755, exist_ok=True)
            _replace_text(full, encode(state.text), state.mode)
        _sync_folder(os.path.dirname(full))
        if state.text is None and state.link is None and _OURS_IN.search(path):
            _forget_folder(os.path.dirname(full))
    except OSError as error:
        raise _cannot("write", path, error) from error


def _forget_folder(folder: str) -> None:
    """Remove a folder that we made, and the one around it, when nothing is in it any more."""
    with contextlib.suppress(OSError):
        os.rmdir(folder)
        if folder.endswith("/kubenode-network/nic.d"):
            os.rmdir(os.path.dirname(folder))


def below(path: str, root: str) -> str:
    """``path`` of the node as a path of this process."""
    return path if root == "/" else os.path.join(root, path.lstrip("/"))


def decode(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _follow(path: str, root: str) -> str:
    """Where the links at ``path`` end, as a path below ``root``."""
    for _count in range(_MAX_LINKS):
        try:
            link = os.readlink(below(path, root))
        except OSError:
            return path
        path = os.path.normpath(os.path.join(os.path.dirname(path), link))
    return path


def _replace_link(full: str, target: str) -> None:
    try:
        if os.readlink(full) == target:
            return
    except OSError:
        pass
    temporary = _temporary(full)
    os.symlink(target, temporary)
    _rename(temporary, full)


def _replace_text(full: str, raw: bytes, mode: int) -> None:
    try:
        old: os.stat_result | None = os.lstat(full)
    except FileNotFoundError:
        old = None
    if old is not None and not stat.S_ISREG(old.st_mode):
        old = None
    temporary = _temporary(full)
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        # A mount of its own inside a folder that is read-only.
        if old is None or error.errno not in (errno.EROFS, errno.EACCES, errno.EPERM):
            raise
        return _rewrite(full, raw, mode)
    with open(descriptor, "wb") as stream:
        try:
            if old is not None:
                _keep_identity(full, old, descriptor)
            os.fchmod(descriptor, mode)
            stream.write(raw)
            stream.flush()
            os.fsync(descriptor)
        except BaseException:
            os.unlink(temporary)
            raise
    try:
        _rename(temporary, full)
    except OSError as error:
        if old is None or error.errno not in (errno.EBUSY, errno.EXDEV):
            raise
        _rewrite(full, raw, mode)
    return None


def _keep_identity(full: str, old: os.stat_result, descriptor: int) -> None:
    # An owner may be one that this user namespace does not map.
    with contextlib.suppress(PermissionError):
        os.fchown(descriptor, old.st_uid, old.st_gid)
    try:
        names = os.listxattr(full)
    except OSError:
        return
    for name in names:
        # Some only the kernel or another privilege may set.
        with contextlib.suppress(OSError):
            os.setxattr(descriptor, name, os.getxattr(full, name))


def _rewrite(full: str, raw: bytes, mode: int) -> None:
    with open(os.open(full, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW), "r+b") as stream:
        before = stream.read()
        try:
            _overwrite(stream.fileno(), raw)
            if stat.S_IMODE(os.fstat(stream.fileno()).st_mode) != mode:
                os.fchmod(stream.fileno(), mode)
        except OSError:
            _overwrite(stream.fileno(), before)
            raise


def _overwrite(descriptor: int, raw: bytes) -> None:
    written = 0
    while written < len(raw):
        written += os.pwrite(descriptor, raw[written:], written)
    os.ftruncate(descriptor, len(raw))
    os.fsync(descriptor)


def _rename(temporary: str, full: str) -> None:
    try:
        os.rename(temporary, full)
    except BaseException:
        os.unlink(temporary)
        raise


def _temporary(full: str) -> str:
    # Ours alone: the engine holds its lock, and a left-over of a killed run must not stop the next one.
    temporary = os.path.join(os.path.dirname(full), f".{os.path.basename(full)}.kubenode")
    with contextlib.suppress(OSError):
        os.unlink(temporary)
    return temporary


def _sync_folder(folder: str) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _cannot(what: str, path: str, error: OSError) -> StateError:
    hint = ""
    if what == "write" and error.errno == errno.EPERM:
        hint = f"; 'lsattr {path}' tells whether it is immutable, 'chattr -i' takes that away"
    return StateError(f"cannot {what} {path}: {error.strerror}{hint}")
