# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's side of the engine that nodes keep (module_utils/_engine): which one it is, and its archive."""

from __future__ import annotations

import io
import os
import zipfile

from ansible_collections.kubenode.network.plugins.module_utils import _engine

_MODULE_UTILS = os.path.dirname(os.path.abspath(_engine.__file__))
# The earliest that a zip archive can say: equal engines make equal archives.
_TIME = (1980, 1, 1, 0, 0, 0)


def files() -> dict[str, bytes]:
    """The engine's files: name relative to module_utils -> content."""
    found = {}
    for room in _engine.ROOMS:
        folder = os.path.join(_MODULE_UTILS, room)
        for name in os.listdir(folder):
            if name.endswith(".py"):
                with open(os.path.join(folder, name), "rb") as file:
                    found[f"{room}/{name}"] = file.read()
    return found


def archive(of: dict[str, bytes]) -> bytes:
    """A zip archive of an engine's files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as opened:
        for name in sorted(of):
            opened.writestr(zipfile.ZipInfo(name, _TIME), of[name], zipfile.ZIP_DEFLATED)
    return buffer.getvalue()
