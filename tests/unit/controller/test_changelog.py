# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every change that users see is announced: what came since the last release has a fragment."""

from __future__ import annotations

import pathlib
import subprocess

import pytest
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[3]
SEEN_BY_USERS = ["plugins", "roles", "playbooks"]


def fragments() -> dict[str, dict]:
    return {path.name: yaml.safe_load(path.read_text()) for path in (ROOT / "changelogs/fragments").glob("*.y*ml")}


def releases() -> dict[str, dict]:
    return yaml.safe_load((ROOT / "changelogs/changelog.yaml").read_text())["releases"]


def git(*arguments: str) -> list[str]:
    # The checkout may belong to somebody else.
    command = ["git", "-C", str(ROOT), "-c", f"safe.directory={ROOT}", *arguments]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        pytest.skip(f"not a git checkout: {result.stderr.strip()}")
    return result.stdout.splitlines()


def test_the_first_release_is_summarised() -> None:
    assert releases() or any("release_summary" in fragment for fragment in fragments().values())


def test_what_users_see_changed_with_a_fragment() -> None:
    if releases():
        [released] = git("log", "-1", "--format=%H", "--", "changelogs/changelog.yaml")
        changed = git("diff", "--name-only", released, "--", *SEEN_BY_USERS)
    else:
        changed = git("ls-files", "--", *SEEN_BY_USERS)
    assert not changed or fragments(), f"write changelogs/fragments/NAME.yml about {changed[0]}"


def test_the_version_to_be_released_is_new_or_has_no_unreleased_fragments() -> None:
    version = yaml.safe_load((ROOT / "galaxy.yml").read_text())["version"]
    assert not (version in releases() and fragments()), f"{version} is released: raise the version in galaxy.yml"
