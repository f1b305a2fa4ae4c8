# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Corefile that is a file is edited as a ConfigMap's is."""

from __future__ import annotations

import pathlib

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._kube import path
from ansible_collections.kubenode.network.plugins.module_utils._kube.errors import KubeError
from ansible_collections.kubenode.network.plugins.module_utils._kube.texts import Wanted

TEXT = ".:53 {\n    errors # keep\n    forward . 192.0.2.53\n}\n"
WISH = Wanted({"hosts": [{"address": "203.0.113.7", "names": ["a.example.com"]}]}, owner="x")


@pytest.fixture
def corefile(tmp_path: pathlib.Path) -> pathlib.Path:
    file = tmp_path / "Corefile"
    file.write_text(TEXT)
    file.chmod(0o640)
    return file


def test_an_entry_comes_once_and_goes_with_what_is_noted_of_it(corefile: pathlib.Path) -> None:
    first = path.change(str(corefile), WISH, check_mode=False, diff=True)
    assert first["changed"]
    assert "+        203.0.113.7 a.example.com" in first["diff"]["prepared"]
    assert "203.0.113.7 a.example.com" in corefile.read_text()
    assert corefile.stat().st_mode & 0o777 == 0o640
    assert not path.change(str(corefile), WISH, check_mode=False, diff=False)["changed"]
    assert path.change(str(corefile), Wanted(reset=True), check_mode=False, diff=False)["changed"]
    assert corefile.read_text() == TEXT
    assert [one.name for one in corefile.parent.iterdir()] == ["Corefile"]


def test_check_mode_predicts_and_writes_nothing(corefile: pathlib.Path) -> None:
    predicted = path.change(str(corefile), WISH, check_mode=True, diff=False)
    assert corefile.read_text() == TEXT
    assert [one.name for one in corefile.parent.iterdir()] == ["Corefile"]
    assert path.change(str(corefile), WISH, check_mode=False, diff=False) == predicted


def test_a_link_stays_one(corefile: pathlib.Path, tmp_path: pathlib.Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(corefile)
    path.change(str(link), WISH, check_mode=False, diff=False)
    assert link.is_symlink()
    assert "a.example.com" in corefile.read_text()


def test_a_file_that_is_not_there_is_named(tmp_path: pathlib.Path) -> None:
    with pytest.raises(KubeError, match="there is no file"):
        path.change(str(tmp_path / "none"), WISH, check_mode=False, diff=False)


def test_a_text_that_would_be_refused_is_not_written(corefile: pathlib.Path) -> None:
    wish = Wanted({"servers": [{"zones": ["a.example.com"], "plugins": ["cache 30", "nosuchplugin"]}]})
    with pytest.raises(KubeError, match=r"would be refused.*nosuchplugin"):
        path.change(str(corefile), wish, check_mode=False, diff=False)
    assert corefile.read_text() == TEXT
