# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection that users install: built from this checkout, without network."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys
import tarfile

import pytest
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[3]
GALAXY = yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tarfile.TarFile:
    """The artefact."""
    folder = tmp_path_factory.mktemp("built")
    galaxy = pathlib.Path(sys.executable).with_name("ansible-galaxy")
    subprocess.run(
        [galaxy, "collection", "build", "--output-path", folder, ROOT],
        check=True,
        # No proxy answers there: a build that wants the network fails.
        env={"PATH": "/usr/bin:/bin", "HOME": str(folder), "https_proxy": "http://127.0.0.1:9", "LC_ALL": "C.UTF-8"},
    )
    return tarfile.open(folder / f"kubenode-network-{GALAXY['version']}.tar.gz")


def names(built: tarfile.TarFile) -> set[str]:
    return {member.name for member in built.getmembers() if member.isfile()}


def test_the_collection_has_what_users_need(built: tarfile.TarFile) -> None:
    plugins = {
        str(path.relative_to(ROOT))
        for folder in ("plugins", "roles", "playbooks")
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert plugins | {"README.md", "COPYING", "meta/runtime.yml", "changelogs/changelog.yaml"} <= names(built)


def test_the_collection_has_nothing_of_the_workshop(built: tarfile.TarFile) -> None:
    allowed = {"changelogs", "docs", "examples", "extensions", "meta", "playbooks", "plugins", "roles"}
    allowed_files = {"CHANGELOG.rst", "CONTRIBUTING.md", "COPYING", "FILES.json", "MANIFEST.json", "README.md"}
    allowed_files |= {f"tests/sanity/ignore-{core}.txt" for core in ("2.19", "2.21")}
    strangers = {name for name in names(built) if name.split("/")[0] not in allowed and name not in allowed_files}
    caches = {name for name in names(built) if "__pycache__" in name}
    assert strangers | caches == set()


def test_the_collection_is_small(built: tarfile.TarFile) -> None:
    assert sum(member.size for member in built.getmembers()) < 5_000_000


def test_the_manifest_says_what_galaxy_yml_says(built: tarfile.TarFile) -> None:
    manifest = built.extractfile("MANIFEST.json")
    assert manifest
    info = json.load(manifest)["collection_info"]
    assert {key: info[key] for key in ("namespace", "name", "version")} == {
        key: GALAXY[key] for key in ("namespace", "name", "version")
    }
