# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Corefile that is a file: edited as a ConfigMap's is, with the records of our entries beside it."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._kube import texts
from ansible_collections.kubenode.network.plugins.module_utils._kube.errors import KubeError
from ansible_collections.kubenode.network.plugins.module_utils._kube.texts import Wanted


def change(path: str, wish: Wanted, check_mode: bool, diff: bool) -> dict[str, t.Any]:
    """Make the file say what is wanted. Raises KubeError; the file is then as it was."""
    noted = f"{path}.kubenode.json"
    text = _read(path)
    if text is None:
        raise KubeError(f"path: there is no file {path}; an empty one will do")
    made = texts.edit_text(text, _read(noted) or "", wish)
    result: dict[str, t.Any] = {
        "changed": made.after != made.before, "changes": list(made.changes), "sha256": texts.sha256(made.after),
        "findings": [one._asdict() for one in made.findings], "warnings": list(made.warnings),
    }  # fmt: skip
    if diff:
        result["diff"] = texts.difference(made.before, made.after, path)
    if check_mode or (made.after == made.before and made.records == made.known):
        return result
    if _read(path) != text:
        raise KubeError(f"{path} was written by somebody else meanwhile: nothing was changed; run again")
    if made.records:
        _write(noted, made.records, path)
    if made.after != made.before:
        _write(path, made.after, path)
    if not made.records:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(noted)
    return result


def _read(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8", newline="") as file:
            return file.read()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise KubeError(f"{path}: cannot be read: {error}") from error


def _write(path: str, text: str, like: str) -> None:
    """Replace a file in one step, with the mode and owner of ``like``; through a link its target."""
    path = os.path.realpath(path)
    try:
        found = os.stat(like)
        handle, scratch = tempfile.mkstemp(dir=os.path.dirname(path))
        try:
            with open(handle, "w", encoding="utf-8", newline="") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(scratch, stat.S_IMODE(found.st_mode))
            if (found.st_uid, found.st_gid) != (os.geteuid(), os.getegid()):
                os.chown(scratch, found.st_uid, found.st_gid)
            os.rename(scratch, path)
        except OSError:
            os.unlink(scratch)
            raise
    except OSError as error:
        raise KubeError(f"{path}: cannot be written: {error.strerror}") from error
