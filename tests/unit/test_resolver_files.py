# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file is read to the byte, replaced in one step, and put back exactly, its absence included."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._state import files
from ansible_collections.kubenode.network.plugins.module_utils._state.files import read_file, write_file
from ansible_collections.kubenode.network.plugins.module_utils._state.model import FileState, StateError
from hypothesis import given
from hypothesis import strategies as st

PATH = "/etc/resolv.conf"


@pytest.fixture
def root(tmp_path: pathlib.Path) -> str:
    (tmp_path / "etc").mkdir()
    return str(tmp_path)


def real(root: str, path: str = PATH) -> pathlib.Path:
    return pathlib.Path(root + path)


def test_what_is_not_there_is_read_as_nothing(root: str) -> None:
    assert read_file(PATH, root) == FileState(None)
    assert read_file("/etc/a/b/c", root) == FileState(None)


@given(raw=st.binary(max_size=200))
def test_every_byte_comes_back(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    root = str(tmp_path_factory.getbasetemp())
    write_file("/bytes", FileState(files.decode(raw)), root)
    assert real(root, "/bytes").read_bytes() == raw
    assert files.encode(read_file("/bytes", root).text or "") == raw


def test_a_write_keeps_who_owns_the_file_and_its_attributes(root: str) -> None:
    real(root).write_text("old\n")
    os.chmod(real(root), 0o640)
    try:
        os.setxattr(real(root), "user.kubenode", b"label")
    except OSError as error:
        pytest.skip(f"no extended attributes on this file system: {error}")
    before = real(root).stat()
    state = read_file(PATH, root)
    assert state == FileState("old\n", 0o640)
    write_file(PATH, state._replace(text="new\n"), root)
    after = real(root).stat()
    assert real(root).read_text() == "new\n"
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)
    assert os.getxattr(real(root), "user.kubenode") == b"label"
    assert after.st_ino != before.st_ino
    assert os.listdir(real(root, "/etc")) == ["resolv.conf"]


def test_folders_on_the_way_are_made(root: str) -> None:
    write_file("/etc/iproute2/rt_tables.d/kubenode.conf", FileState("1\tx\n"), root)
    assert read_file("/etc/iproute2/rt_tables.d/kubenode.conf", root) == FileState("1\tx\n")


@pytest.mark.parametrize(
    "before",
    [FileState(None), FileState("old\n", 0o600), FileState(None, link="../run/x"), FileState("seen\n", link="other")],
)
def test_every_state_is_put_back(root: str, before: FileState) -> None:
    if before.link == "other":
        real(root, "/etc/other").write_text("seen\n")
        os.chmod(real(root, "/etc/other"), before.mode)
    write_file(PATH, before, root)
    assert read_file(PATH, root) == before
    write_file(PATH, FileState("new\n"), root)
    assert read_file(PATH, root) == FileState("new\n")
    write_file(PATH, before, root)
    assert read_file(PATH, root) == before


def test_a_links_target_is_never_written(root: str) -> None:
    real(root, "/etc/other").write_text("theirs\n")
    real(root).symlink_to("other")
    write_file(PATH, FileState("ours\n"), root)
    assert real(root, "/etc/other").read_text() == "theirs\n"
    assert not real(root).is_symlink()


def test_absolute_links_stay_below_the_root(root: str) -> None:
    os.makedirs(root + "/run/systemd/resolve")
    real(root, "/run/systemd/resolve/stub-resolv.conf").write_text("nameserver 127.0.0.53\n")
    real(root).symlink_to("/run/systemd/resolve/stub-resolv.conf")
    assert read_file(PATH, root) == FileState("nameserver 127.0.0.53\n", 0o644, "/run/systemd/resolve/stub-resolv.conf")
    real(root).unlink()
    real(root).symlink_to("/etc/hostname-that-is-not-there")
    assert read_file(PATH, root) == FileState(None, link="/etc/hostname-that-is-not-there")


def test_a_left_over_of_a_killed_run_is_no_hindrance(root: str) -> None:
    real(root, "/etc/.resolv.conf.kubenode").write_text("half")
    write_file(PATH, FileState("whole\n"), root)
    assert os.listdir(root + "/etc") == ["resolv.conf"]


def test_what_is_no_file_is_refused(root: str) -> None:
    real(root).mkdir()
    with pytest.raises(StateError, match=r"/etc/resolv\.conf is not a regular file"):
        read_file(PATH, root)
    with pytest.raises(StateError, match=r"cannot write /etc/resolv\.conf"):
        write_file(PATH, FileState("x"), root)
    assert os.listdir(root + "/etc") == ["resolv.conf"]
    os.rmdir(real(root))
    os.mkfifo(real(root))
    with pytest.raises(StateError, match="not a regular file"):
        read_file(PATH, root)


def test_a_write_that_fails_leaves_the_file_and_nothing_beside_it(root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real(root).write_text("old\n")

    def refuse(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", refuse)
    with pytest.raises(StateError, match="No space left"):
        write_file(PATH, FileState("new\n"), root)
    assert real(root).read_text() == "old\n"
    assert os.listdir(root + "/etc") == ["resolv.conf"]


def test_a_file_that_is_a_mount_is_rewritten_in_place(tmp_path: pathlib.Path) -> None:
    target, source = tmp_path / "resolv.conf", tmp_path / "source"
    target.write_text("")
    source.write_text("nameserver 10.0.0.1\nsearch a.example\n")
    code = (
        "import sys; from ansible_collections.kubenode.network.plugins.module_utils._state.files import *; "
        "state = read_file(sys.argv[1]); "
        "write_file(sys.argv[1], state._replace(text='nameserver 10.0.0.2\\n'))"
    )
    script = 'mount --bind "$2" "$1" && exec "$3" -c "$4" "$1"'
    done = subprocess.run(
        ["unshare", "-Urm", "sh", "-c", script, "sh", str(target), str(source), sys.executable, code],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    if "unshare" in done.stderr or "mount:" in done.stderr:
        pytest.skip(f"no private mount namespace here: {done.stderr.strip()}")
    assert (done.returncode, done.stderr) == (0, "")
    assert source.read_text() == "nameserver 10.0.0.2\n"
    assert sorted(os.listdir(tmp_path)) == ["resolv.conf", "source"]
