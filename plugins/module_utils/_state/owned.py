# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the collection made or adopted on this node, and the lock that lets one run at a time change it.

``/var/lib/kubenode-network/owned.json`` (0600 in a folder 0700) is written whole: to a file beside it, synced, renamed.
Values are positional, and routes that differ in nothing but the destination stand together, since 10,000 routes of one
document are read at every run. A field that is added at the end of a value needs no new version.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._netlink.objects import (
    Address,
    Link,
    NextHop,
    Route,
    Rule,
)
from ansible_collections.kubenode.network.plugins.module_utils._state.model import Owned, Record, StateError

FOLDER = "/var/lib/kubenode-network"
VERSION = 2
LOCK_SECONDS = 30.0

_KERNEL: dict[str, t.Any] = {"link": Link, "address": Address, "rule": Rule}


def path_of(name: str, root: str = "/") -> str:
    """Where a file of the state folder is."""
    return os.path.join(root, FOLDER.lstrip("/"), name)


def load(root: str = "/") -> Owned:
    """The records of this node; empty where nothing was ever recorded.

    Raises StateError when the file cannot be read or understood: taking it as empty would turn what is ours into
    somebody else's.
    """
    path = path_of("owned.json", root)
    try:
        with open(path, "rb") as file:
            text = file.read()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise StateError(f"{path}: cannot be read ({error.strerror}); run as root (become: true)") from None
    try:
        data = json.loads(text, object_hook=_bytes_hook)
        version = data["version"]
        if version > VERSION:
            raise StateError(  # noqa: TRY301
                f"{path}: has format {version}, this version of kubenode.network reads up to {VERSION}; "
                f"use the version that wrote it or a newer one"
            )
        return _decode(data)
    except StateError:
        raise
    except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise StateError(
            f"{path}: is damaged ({type(error).__name__}: {error}); restore it from a backup, or move it away: then "
            f"routes and rules of protocol 157 that a document lists are taken over again, and nothing else is removed"
        ) from None


def _bytes_hook(value: dict[str, t.Any]) -> t.Any:
    return bytes.fromhex(value["hex"]) if len(value) == 1 and "hex" in value else value


def _hex(value: t.Any) -> dict[str, str]:
    if isinstance(value, bytes):
        return {"hex": value.hex()}
    raise TypeError(f"{type(value).__name__} cannot be recorded")


def _tuples(value: t.Any) -> t.Any:
    return tuple([_tuples(item) for item in value]) if isinstance(value, list) else value


def _decode(data: dict[str, t.Any]) -> Owned:
    new = tuple.__new__
    owned: Owned = {}
    # Format 1 did not say whether an object is in the configuration too.
    for names, made, (family, table, *rest), destinations, *persist in data["route"]:
        owners = tuple(names)
        metric, hops, *others = rest
        first = Route(family, table, "", metric, tuple([NextHop(*_tuples(hop)) for hop in hops]), *map(_tuples, others))
        tail = first[3:]
        _family, _table, _destination, *key_tail = first.key
        for destination in destinations:
            key = (family, table, destination, *key_tail)
            route = new(Route, (family, table, destination, *tail))
            owned["route", key] = new(Record, ("route", route, owners, made, bool(persist and persist[0])))
    for kind, make in _KERNEL.items():
        for names, made, row, *persist in data[kind]:
            value = make(*map(_tuples, row))
            owned[kind, value.name if kind == "link" else value.key] = Record(
                kind, value, tuple(names), made, bool(persist and persist[0])
            )
    for names, made, kind, identity, value, *persist in data["other"]:
        owned[kind, _tuples(identity)] = Record(kind, _tuples(value), tuple(names), made, bool(persist and persist[0]))
    return owned


def _encode(owned: Owned) -> bytes:
    data: dict[str, t.Any] = {"version": VERSION, "link": [], "address": [], "rule": [], "other": []}
    alike: dict[t.Any, list[str]] = {}
    for (kind, identity), (_kind, value, owners, made, persist) in owned.items():
        if kind == "route":
            alike.setdefault((owners, made, value[:2] + value[3:], persist), []).append(value.destination)
        elif kind in _KERNEL:
            data[kind].append((owners, made, value, persist))
        else:
            data["other"].append((owners, made, kind, identity, value, persist))
    data["route"] = [
        (owners, made, rest, destinations, persist) for (owners, made, rest, persist), destinations in alike.items()
    ]
    return json.dumps(data, separators=(",", ":"), default=_hex).encode()


def save(owned: Owned, root: str = "/") -> None:
    """Write the records so that a crash leaves either the old file or the new one.

    Raises StateError when the folder cannot be written.
    """
    path = path_of("owned.json", root)
    content = _encode(owned)
    try:
        _make_folder(root)
        handle = os.open(path + ".new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with open(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.rename(path + ".new", path)
        folder = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise StateError(f"{path}: cannot be written ({error.strerror}); run as root (become: true)") from None


def union(old: Owned, new: Owned) -> Owned:
    """What is written before anything is changed: whatever a crash leaves behind is known to be ours."""
    return {**old, **new}


def _make_folder(root: str) -> str:
    folder = path_of("", root)
    if not os.path.isdir(folder):
        os.makedirs(folder, 0o755, exist_ok=True)
        os.chmod(folder, 0o700)
    return folder


class Lock:
    """Held for the whole of a run that may change the node; a context manager.

    It is a flock(2): it goes with its process, however that ends. Another holder is waited for, then named.
    """

    def __init__(self, root: str = "/", seconds: float = LOCK_SECONDS) -> None:
        self._root = root
        self._seconds = seconds
        self._handle = -1

    @property
    def handle(self) -> int:
        """The file descriptor that holds it; a child that keeps it open keeps the lock."""
        return self._handle

    def __enter__(self) -> Lock:
        path = path_of("lock", self._root)
        deadline = time.monotonic() + self._seconds
        while True:
            if self._handle < 0:
                self._open(path)
            try:
                fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if self._is_at(path):
                    break
                # Whoever held it took everything away, the folder too.
                self.__exit__()
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    holder = os.pread(self._handle, 32, 0).decode("ascii", "replace").strip()
                    self.__exit__()
                    raise StateError(
                        f"{path}: held for more than {self._seconds:.0f} s by another run "
                        f"(process {holder or 'unknown'}); wait for it or end it"
                    ) from None
                time.sleep(0.1)
        content = b"%d\n" % os.getpid()
        os.pwrite(self._handle, content, 0)
        os.ftruncate(self._handle, len(content))
        return self

    def _open(self, path: str) -> None:
        try:
            _make_folder(self._root)
            self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StateError(f"{path}: cannot be opened ({error.strerror}); run as root (become: true)") from None

    def _is_at(self, path: str) -> bool:
        try:
            return os.stat(path).st_ino == os.fstat(self._handle).st_ino
        except OSError:
            return False

    def __exit__(self, *_exception: object) -> None:
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1
