# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one exception of this room."""

from __future__ import annotations


class DnsError(Exception):
    """A question that cannot be asked, or has no usable answer; the message names it, the server and the reason."""


class NoAnswer(DnsError):
    """Nothing came back at all: no server there, or no way to it."""


class CannotAsk(DnsError):
    """Nothing was asked: what asks is not installed."""
