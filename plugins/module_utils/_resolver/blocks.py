# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our lines in a text file of others: a block between two comments, all else stays byte for byte. Pure."""

from __future__ import annotations

import re
import typing as t

BEGIN = "# kubenode.network: begin (lines up to the end mark are overwritten)"
END = "# kubenode.network: end"

_BLOCK = re.compile(
    r"^# kubenode\.network: begin\b[^\n]*\n(.*?)^# kubenode\.network: end[^\n]*(?:\n|\Z)", re.MULTILINE | re.DOTALL
)


def read(text: str) -> tuple[str, ...]:
    """The lines inside our block; none where there is no block."""
    found = _BLOCK.search(text)
    return tuple(found.group(1).split("\n")[:-1]) if found else ()


def edit(text: str, lines: t.Sequence[str], before: str = "") -> str:
    """Make the block hold ``lines``; without lines there is none.

    It stays where it is. A new one stands in front of the first line that the pattern ``before`` matches, else last.
    """
    block = "".join(f"{line}\n" for line in (BEGIN, *lines, END)) if lines else ""
    found = _BLOCK.search(text)
    if found:
        return text[: found.start()] + block + _BLOCK.sub("", text[found.end() :])
    if not block:
        return text
    place = re.search(before, text, re.MULTILINE) if before else None
    if place:
        return text[: place.start()] + block + text[place.start() :]
    return text + ("\n" if text and not text.endswith("\n") else "") + block
