# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine that nodes keep: sent when it is not there, compiled once, trusted only when nobody else can write it."""

from __future__ import annotations

import json
import os
import pathlib
import re
import subprocess
import sys
import typing as t

import pytest
from ansible_collections.kubenode.network.plugins.module_utils import _engine
from ansible_collections.kubenode.network.plugins.plugin_utils import engine

# A module as AnsibleModule would hand it over, in a process of its own: the engine changes where imports come from.
PROGRAM = """
import json, sys
sys.dont_write_bytecode = True
from ansible_collections.kubenode.network.plugins.module_utils import _engine
_engine.FOLDER = sys.argv[1]
class Module:
    check_mode = sys.argv[2] == "check"
    tmpdir = sys.argv[3]
    params = {"paths": []}
    def exit_json(self, **result):
        import ansible_collections.kubenode.network.plugins.module_utils as package
        entry = sys.modules.get(package.__name__ + "._state.entry")
        print(json.dumps({**result, "from": entry and entry.__file__}))
        sys.exit(0)
    def fail_json(self, **result):
        self.exit_json(failed=True, **result)
_engine.start(Module(), "route_get_info")
"""


class Node:
    def __init__(self, root: pathlib.Path) -> None:
        self.folder = root / "lib" / "engine"
        self.tmpdir = root / "tmp"
        self.tmpdir.mkdir()
        self.files = engine.files()
        self.digest = _engine.digest_of(self.files)
        self.archive = root / "engine.zip"

    def run(
        self, mode: str = "run", digest: str | None = None, sent: dict[str, bytes] | None = None
    ) -> dict[str, t.Any]:
        """One execution; with ``sent`` the archive of these files is there."""
        variables = {_engine.DIGEST_VARIABLE: self.digest if digest is None else digest}
        if sent is not None:
            self.archive.write_bytes(engine.archive(sent))
            variables[_engine.ARCHIVE_VARIABLE] = str(self.archive)
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, str(self.folder), mode, str(self.tmpdir)],
            env={**os.environ, **variables}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.stdout, done.stderr
        return t.cast("dict[str, t.Any]", json.loads(done.stdout))

    @property
    def kept(self) -> pathlib.Path:
        return self.folder / self.digest


@pytest.fixture
def node(tmp_path: pathlib.Path) -> Node:
    return Node(tmp_path)


def test_a_node_without_the_engine_asks_for_it_and_keeps_it_compiled(node: Node) -> None:
    assert node.run()[_engine.MISSING] is True
    first = node.run(sent=node.files)
    assert first["from"] == str(node.kept / "_state/entry.py") and "failed" not in first
    assert list(node.kept.glob("_state/__pycache__/run.*.pyc"))
    assert node.kept.stat().st_mode & 0o777 == node.folder.stat().st_mode & 0o777 == 0o700
    assert node.run()["from"] == first["from"]


def test_check_mode_keeps_nothing(node: Node) -> None:
    assert str(node.tmpdir) in node.run("check", sent=node.files)["from"]
    assert not node.folder.exists()


def test_another_engine_is_never_taken_for_it(node: Node) -> None:
    node.run(sent=node.files)
    newer = {**node.files, "_state/entry.py": node.files["_state/entry.py"] + b"\n# newer\n"}
    digest = _engine.digest_of(newer)
    assert digest != node.digest
    assert node.run(digest=digest)[_engine.MISSING] is True
    assert digest in node.run(digest=digest, sent=newer)["from"]
    assert node.kept.exists()


def test_old_engines_go(node: Node) -> None:
    for number in range(6):
        files = {**node.files, "_state/number.py": str(number).encode()}
        node.run(digest=_engine.digest_of(files), sent=files)
    assert len(list(node.folder.iterdir())) == 3


@pytest.mark.parametrize("change", ["folder", "engine"])
def test_an_engine_that_others_can_write_is_not_run(node: Node, change: str) -> None:
    node.run(sent=node.files)
    (node.folder if change == "folder" else node.kept).chmod(0o777)
    assert node.run()[_engine.MISSING] is True
    if change == "folder":
        assert str(node.tmpdir) in node.run(sent=node.files)["from"]


def test_what_arrives_damaged_is_refused(node: Node) -> None:
    broken = {**node.files, "_state/entry.py": b"print('something else')"}
    result = node.run(sent=broken)
    assert result["failed"] and "damaged" in result["msg"]
    assert not node.folder.exists()


@pytest.mark.parametrize("digest", ["", "abc", "../" * 21 + "x"])
def test_without_the_action_plugin_a_module_says_how_it_is_run(node: Node, digest: str) -> None:
    result = node.run(digest=digest)
    assert result["failed"] and "kubenode.network.route_get_info" in result["msg"]


def test_equal_engines_make_equal_archives() -> None:
    files = engine.files()
    assert engine.archive(files) == engine.archive(dict(reversed(files.items())))
    assert "_state/entry.py" in files and not any("__pycache__" in name for name in files)


def test_the_modules_bring_nothing_of_the_engine_along() -> None:
    """Whatever a module imports at its top is analysed and sent with every task."""
    plugins = pathlib.Path(_engine.__file__).parent.parent
    for path in (plugins / "modules").glob("*.py"):
        text = path.read_text()
        assert not [room for room in _engine.ROOMS if f"module_utils.{room}" in text], path


def test_what_is_kept_on_nodes_needs_nothing_else() -> None:
    kept = {*_engine.ROOMS, "_argument_spec", "_engine"}
    for room in _engine.ROOMS:
        for path in (pathlib.Path(_engine.__file__).parent / room).rglob("*.py"):
            needed = set(re.findall(r"plugins\.module_utils\.(\w+)", path.read_text(encoding="utf-8")))
            assert needed <= kept, path
