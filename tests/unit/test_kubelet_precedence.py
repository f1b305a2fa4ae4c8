# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What counts for a kubelet is found as a real one finds it (tests/unit/kubelet_cases.py)."""

from __future__ import annotations

import pathlib

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._kubelet.errors import KEYS
from ansible_collections.kubenode.network.plugins.module_utils._kubelet.sources import find_node
from ansible_collections.kubenode.network.tests.unit.kubelet_cases import CASES, Case


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_what_counts_is_what_counts_for_a_real_kubelet(case: Case, tmp_path: pathlib.Path) -> None:
    words = " ".join(f"'{word}'" for word in case.flags).replace("ROOT/", "/")
    unit = f"[Service]\nExecStart=/usr/bin/kubelet {words}\n"
    for path, text in {**case.files, "etc/systemd/system/kubelet.service": unit}.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text, encoding="utf-8")
    node = find_node(str(tmp_path))
    dns, domain, resolver = [node.effective(option).value for option in KEYS]
    assert (dns or (), domain or "", resolver) == tuple(
        one.replace("ROOT/", "/") if isinstance(one, str) else one for one in case.answer
    )
