# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Named tuples written like typing.NamedTuple, without importing typing.

A program that needs nothing but this room (a boot unit, a watchdog) would spend more CPU on importing typing (12 ms, as
much as the interpreter's start) than on reading 5,000 routes.
"""

from __future__ import annotations

import collections

__all__ = ("NamedTuple",)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NamedTuple
else:

    class _FromAnnotations(type):
        """Makes a named tuple of the annotated names in a class body, their values being the defaults."""

        def __new__(cls, name, bases, body):
            if not bases:
                return super().__new__(cls, name, bases, body)
            fields = body.pop("__annotations__")
            defaults = [body.pop(field) for field in fields if field in body]
            base = collections.namedtuple(name, fields, defaults=defaults)  # noqa: PYI024 - see above
            return type(name, (base,), {"__slots__": (), **body})

    class NamedTuple(metaclass=_FromAnnotations):
        """Base of the classes; never an instance's class itself."""
