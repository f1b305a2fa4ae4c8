# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said on a machine without dnspython."""

from __future__ import annotations

import sys

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._dns._dnspython_dep import dnspython
from ansible_collections.kubenode.network.plugins.module_utils._dns.errors import CannotAsk


def test_without_dnspython_the_interpreter_and_the_ways_to_it_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name == "dns" or name.startswith("dns.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "dns", None)
    with pytest.raises(CannotAsk) as refused:
        dnspython()
    message = str(refused.value)
    assert "dnspython >= 2.3.0" in message
    assert sys.executable in message
    assert "python3-dnspython" in message
