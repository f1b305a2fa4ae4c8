# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""pyroute2, the one package that nodes may need: for creating, changing and deleting links only.

Importing it costs some 0.16 s of CPU, so nothing imports it before a link has to be made.
"""

from __future__ import annotations

import errno
import sys
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._netlink.sock import NetlinkError

MINIMUM_VERSION = (0, 7, 2)
MISSING = (
    "creating, changing and deleting VLANs, bonds, bridges, VRFs, macvlans and dummies needs the Python library "
    "pyroute2 >= 0.7.2 on the node, {found}: install the package python3-pyroute2 (Debian, Ubuntu, Fedora, EPEL), or "
    "run `pip install 'pyroute2>=0.7.2'` for {python}"
)


class MissingPyroute2(NetlinkError):
    """pyroute2 is not there or too old; the message says what to install."""

    def __init__(self, found: str) -> None:
        super().__init__(errno.ENOPKG, MISSING.format(found=found, python=sys.executable))


def load() -> t.Any:
    """The module ``pyroute2``; raises MissingPyroute2."""
    try:
        import pyroute2
    except ImportError as error:
        raise MissingPyroute2(f"which is missing ({error})") from None
    version = installed_version(pyroute2)
    if version < MINIMUM_VERSION:
        raise MissingPyroute2(f"found {'.'.join(map(str, version))}")
    return pyroute2


def is_usable() -> bool:
    """Whether links can be made here (for tests and pre-flight checks; imports pyroute2)."""
    try:
        load()
    except MissingPyroute2:
        return False
    return True


def installed_version(module: t.Any) -> tuple[int, ...]:
    """(major, minor, patch) of the imported pyroute2; zeros where it does not tell."""
    text = getattr(module, "__version__", "")
    if not isinstance(text, str):  # some releases have a submodule of that name
        text = getattr(text, "__version__", "")
    numbers = []
    for part in text.split(".")[:3]:
        digits = "".join(character for character in part if character.isdigit())
        numbers.append(int(digits) if digits else 0)
    return tuple(numbers + [0] * (3 - len(numbers)))
