# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one exception of this room."""

from __future__ import annotations


class CorefileError(Exception):
    """A Corefile that cannot be read, or an edit that cannot be made.

    ``message`` is the text without its place, ``line`` counts from 1 (0: no line), ``file`` is the absolute path of an
    imported file, empty for the Corefile itself.
    """

    def __init__(self, message: str, line: int = 0, file: str = "") -> None:
        self.message = message
        self.line = line
        self.file = file
        place = f"{file}:{line}: " if file and line else f"line {line}: " if line else ""
        super().__init__(place + message)
