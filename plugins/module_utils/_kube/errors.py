# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one exception of this room."""

from __future__ import annotations

import typing as t


class KubeError(Exception):
    """It becomes ``fail_json(msg=...)`` in one place.

    The message names the object, what was found, what was expected and the way out.
    """

    def __init__(self, message: str, **details: t.Any) -> None:
        super().__init__(message)
        self.message = message
        self.details = details
        """Further keys of the result."""


class Answered(KubeError):
    """The API server refused a request: ``status`` is the HTTP code, ``reason`` that of its Status object."""

    def __init__(self, message: str, status: int, reason: str, causes: t.Sequence[str] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.causes = tuple(causes)
