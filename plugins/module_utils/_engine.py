# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The node's copy of the engine: the rooms that ``ROOMS`` names, compiled once.

Sent along with every task and compiled from the archive every time, they would cost more than all the rest of a task
that has nothing to change. So a module brings only this file; the action plugin says by ``DIGEST_VARIABLE`` which
engine it is made for, and sends it (``ARCHIVE_VARIABLE``) when the module answers that it is not here.
"""

from __future__ import annotations

import hashlib
import os
import sys
import typing as t

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

DIGEST_VARIABLE = "KUBENODE_NETWORK_ENGINE"
ARCHIVE_VARIABLE = "KUBENODE_NETWORK_ENGINE_ARCHIVE"
MISSING = "kubenode_network_engine_missing"
FOLDER = "/var/lib/kubenode-network/engine"
ROOMS = ("_checkpoint", "_kubelet", "_netlink", "_persist", "_resolver", "_state")

_PACKAGE = "ansible_collections.kubenode.network.plugins.module_utils"
# Of two versions in turn (a rolling upgrade, two controllers) neither is sent again and again.
_KEPT = 3


def digest_of(files: t.Mapping[str, bytes]) -> str:
    """The name of an engine: SHA-256 over its files' names and contents, in the order of the names."""
    found = hashlib.sha256()
    for name in sorted(files):
        found.update(b"%s\0%d\0" % (name.encode(), len(files[name])))
        found.update(files[name])
    return found.hexdigest()


def start(module: AnsibleModule, name: str) -> t.NoReturn:
    """Run the module ``name`` (without the collection) of the engine; the process ends with its result."""
    digest = os.environ.get(DIGEST_VARIABLE, "")
    # It becomes a part of a path.
    if len(digest) != 64 or not digest.isalnum():
        module.fail_json(
            msg="kubenode.network runs its modules through its action plugin, which did not run this one; call it as a "
            f"task by its full name, kubenode.network.{name}"
        )
    folder = os.path.join(FOLDER, digest)
    if not _trusted(folder):
        archive = os.environ.get(ARCHIVE_VARIABLE, "")
        if not archive:
            module.exit_json(changed=False, **{MISSING: True})
        folder = _install(module, archive, digest, folder)
    _enter(folder)
    from importlib import import_module

    import_module(f"{_PACKAGE}._state.entry").run(module, name)
    raise AssertionError("a module ends the process with its result")


def _trusted(folder: str) -> bool:
    """Whether an engine is there, and nobody but this user can have written it."""
    for path in (FOLDER, folder):
        try:
            found = os.lstat(path)
        except OSError:
            return False
        if not os.path.isdir(path) or os.path.islink(path) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
            return False
    return True


def _install(module: AnsibleModule, archive: str, digest: str, folder: str) -> str:
    """Unpack and compile the engine; in check mode, or without the right to keep it, for this one run only."""
    import compileall
    import zipfile

    with zipfile.ZipFile(archive) as opened:
        files = {name: opened.read(name) for name in opened.namelist()}
    if digest_of(files) != digest:
        module.fail_json(msg="the engine of kubenode.network arrived damaged on the node; run the task again")
    keep = not module.check_mode
    if keep:
        try:
            # makedirs gives its mode to the last folder only.
            os.makedirs(os.path.dirname(FOLDER), 0o700, exist_ok=True)
            os.makedirs(FOLDER, 0o700, exist_ok=True)
            keep = _trusted(FOLDER)
        except OSError:
            keep = False
    place = f"{folder}.{os.getpid()}" if keep else os.path.join(module.tmpdir, "kubenode-network-engine")
    os.mkdir(place, 0o700)
    for name, content in files.items():
        path = os.path.join(place, name)
        os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
        with open(path, "wb") as file:
            file.write(content)
    if not keep:
        return place
    compileall.compile_dir(place, quiet=2)
    try:
        os.rename(place, folder)
    except OSError:
        # Another task on this node was faster.
        _remove(place)
    _forget_old(folder)
    return folder


def _forget_old(current: str) -> None:
    others = [os.path.join(FOLDER, name) for name in os.listdir(FOLDER)]
    others.sort(key=lambda path: os.lstat(path).st_mtime, reverse=True)
    for path in [path for path in others if path != current][_KEPT - 1 :]:
        _remove(path)


def _remove(path: str) -> None:
    import shutil

    shutil.rmtree(path, ignore_errors=True)


def _enter(folder: str) -> None:
    """Let the rooms be imported from ``folder``, under the names they have in the collection."""
    from importlib import import_module

    package = import_module(_PACKAGE)
    package.__path__ = [folder, *package.__path__]
    for room in ROOMS:
        shipped = sys.modules.get(f"{_PACKAGE}.{room}")
        if shipped is not None:
            shipped.__path__ = [os.path.join(folder, room), *shipped.__path__]
