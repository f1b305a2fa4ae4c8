# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said where pyroute2 is missing or too old."""

from __future__ import annotations

import sys
import types

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._netlink import _pyroute2_dep
from ansible_collections.kubenode.network.plugins.module_utils._netlink.sock import NetlinkError


def _module(version: object) -> types.ModuleType:
    module = types.ModuleType("pyroute2")
    module.__version__ = version  # type: ignore[attr-defined]
    return module


def test_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyroute2", None)
    with pytest.raises(NetlinkError) as caught:
        _pyroute2_dep.load()
    for words in ("pyroute2 >= 0.7.2", "missing", "python3-pyroute2", "pip install", sys.executable):
        assert words in str(caught.value)


@pytest.mark.parametrize("version", ["0.7.1", "0.6.13", "0.5", "0", ""])
def test_too_old(monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    monkeypatch.setitem(sys.modules, "pyroute2", _module(version))
    with pytest.raises(_pyroute2_dep.MissingPyroute2, match=r"needs .* pyroute2 >= 0\.7\.2 .*found 0"):
        _pyroute2_dep.load()
    assert not _pyroute2_dep.is_usable()


@pytest.mark.parametrize("version", ["0.7.2", "0.7.12", "0.9.7", "0.10.0", "1.0", "0.8.0.post1", "0.9.1rc3"])
def test_new_enough(monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    monkeypatch.setitem(sys.modules, "pyroute2", _module(version))
    assert _pyroute2_dep.load() is sys.modules["pyroute2"]
    assert _pyroute2_dep.is_usable()
