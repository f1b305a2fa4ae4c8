# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fixtures of tests/kernel, in a guest whose kernel has every kind of link (``tests/vm/run``)."""

from __future__ import annotations

import pathlib

import pytest
from ansible_collections.kubenode.network.tests.kernel.conftest import _fresh_netns, netns, wired

__all__ = ["_fresh_netns", "netns", "wired"]


@pytest.fixture(scope="session", autouse=True)
def _guest() -> None:
    if "User Mode Linux" not in pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8"):
        pytest.fail("this is not the guest: scripts/test vm", pytrace=False)
