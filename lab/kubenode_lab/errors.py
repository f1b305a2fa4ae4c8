# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lab's one exception."""

from __future__ import annotations


class LabError(Exception):
    """What went wrong, with what was found, what was expected and the way out; printed as it is."""
