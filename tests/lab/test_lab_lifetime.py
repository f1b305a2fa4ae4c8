# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Nothing of a lab stays behind: after `down`, after a failure, and after a kill of any of its processes."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Lab, LabMaker


def machine_state() -> tuple[str, str]:
    """The machine's own links and mounts, which no lab may change."""
    links = subprocess.run(["ip", "-oneline", "link"], capture_output=True, text=True, check=True).stdout
    return "\n".join(line.partition("<")[0] for line in links.splitlines()), Path("/proc/self/mountinfo").read_text(
        encoding="utf-8"
    )


def wait_until_gone(lab: Lab) -> None:
    deadline = time.monotonic() + 10
    while lab.processes():
        assert time.monotonic() < deadline, f"still there: {lab.processes()}"
        time.sleep(0.01)


def blocking_ip(folder: Path, call: int) -> Path:
    """A PATH folder whose `ip` never returns from its call of this number, and says so in the file `blocked`."""
    folder.mkdir()
    real = subprocess.run(["sh", "-c", "command -v ip"], capture_output=True, text=True, check=True).stdout.strip()
    script = folder / "ip"
    script.write_text(
        f"#!/bin/sh\necho x >> {folder}/calls\n"
        f"if [ $(wc -l < {folder}/calls) -ge {call} ]; then touch {folder}/blocked; exec sleep 600; fi\n"
        f'exec {real} "$@"\n',
        encoding="utf-8",
    )
    script.chmod(0o755)
    return folder


def start_and_block(lab: Lab, tmp_path: Path, call: int) -> subprocess.Popen[str]:
    """A `scripts/lab up` that hangs in its call of `ip` of this number."""
    folder = blocking_ip(tmp_path / "bin", call)
    lab.env["PATH"] = f"{folder}:{lab.env['PATH']}"
    process = subprocess.Popen(
        [*lab.script, "up", "--workers", "2"], env=lab.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 20
    while not (folder / "blocked").exists():
        assert process.poll() is None and time.monotonic() < deadline, process.communicate(timeout=1)
        time.sleep(0.01)
    return process


def test_down_leaves_nothing(new_lab: LabMaker) -> None:
    before = machine_state()
    lab = new_lab(workers=3)
    # The supervisor, the DNS server, the router, the controller and three workers; sshd writes over its environment.
    assert len(lab.processes()) == 7
    lab.run("down")
    assert lab.processes() == []
    assert not lab.dir.exists()
    assert machine_state() == before


def test_the_lab_ends_with_its_supervisor(new_lab: LabMaker) -> None:
    lab = new_lab(workers=3)
    running = subprocess.Popen([*lab.script, "exec", "w1", "--", "sleep", "600"], env=lab.env)
    try:
        os.kill(lab.record()["supervisor"][0], signal.SIGKILL)
        running.wait(timeout=10)
    finally:
        running.kill()
        running.wait()
    wait_until_gone(lab)
    assert "no lab is up" in lab.run("status", check=False).stderr
    assert "w1 is not running any more" in lab.exec("w1", ["true"], check=False).stderr
    lab.run("up", "--workers", "1")
    assert lab.sh("w1", "hostname") == "w1\n"
    os.kill(lab.record()["supervisor"][0], signal.SIGKILL)
    assert lab.run("down").stdout == "No lab was up; what an ended one had left is gone.\n"
    assert not lab.dir.exists()


@pytest.mark.parametrize("piece", ["w1", "r1", "dns"])
def test_a_killed_piece_is_told_about_and_leaves_nothing(new_lab: LabMaker, piece: str) -> None:
    lab = new_lab(workers=2)
    lab.sh("w1", "sleep 600 > /dev/null 2>&1 &")
    record = lab.record()
    os.kill((record["dns"] if piece == "dns" else record["nodes"][piece])[0], signal.SIGKILL)
    deadline = time.monotonic() + 5
    while "ended" not in (lab.dir / "log").read_text(encoding="utf-8"):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    if piece == "r1":
        assert "the router has ended" in lab.run("status", check=False).stderr
    else:
        assert f"{piece:<5} ended" in lab.run("status").stdout
    if piece != "dns":
        assert f"{piece} is not running any more" in lab.exec(piece, ["true"], check=False).stderr
    assert lab.sh("w2", "hostname") == "w2\n"
    if piece == "w1":
        assert "w1-data" not in {link["ifname"] for link in lab.json("r1", "link")}
    lab.run("down")
    assert lab.processes() == []


@pytest.mark.parametrize("call", [1, 2, 3], ids=["router", "links", "worker"])
def test_a_killed_up_leaves_no_process(new_lab: LabMaker, tmp_path: Path, call: int) -> None:
    before = machine_state()
    lab = new_lab(workers=0)
    process = start_and_block(lab, tmp_path, call)
    assert len(lab.processes()) > 3
    assert "another 'scripts/lab up' or 'down' is at work" in lab.run("up", check=False).stderr
    process.kill()
    process.communicate()
    wait_until_gone(lab)
    assert machine_state() == before
    lab.run("down")
    assert not lab.dir.exists()


@pytest.mark.parametrize("delay", [0.05, 0.1, 0.15, 0.2, 0.3])
def test_a_kill_at_any_time_leaves_a_lab_or_nothing(new_lab: LabMaker, delay: float) -> None:
    lab = new_lab(workers=0)
    process = subprocess.Popen([*lab.script, "up", "--workers", "10"], env=lab.env, stdout=subprocess.DEVNULL)
    time.sleep(delay)
    process.kill()
    process.wait()
    deadline = time.monotonic() + 10
    while lab.processes() and "pid" not in lab.run("status", check=False).stdout:
        assert time.monotonic() < deadline
    lab.run("up", "--workers", "1", check=False)
    assert lab.sh("w1", "hostname") == "w1\n"
    lab.run("down")
    assert lab.processes() == []
    assert not lab.dir.exists()


@pytest.mark.parametrize("victim", ["launcher", "supervisor", "node"])
def test_up_says_so_when_a_piece_is_killed_under_it(new_lab: LabMaker, tmp_path: Path, victim: str) -> None:
    lab = new_lab(workers=0)
    process = start_and_block(lab, tmp_path, 2)
    parents = {
        pid: int(Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[1])
        for pid in lab.processes()
    }
    hanging = [p for p in parents if Path(f"/proc/{p}/cmdline").read_bytes().startswith(b"sleep\x00600")]
    launcher = next(pid for pid, parent in parents.items() if parent == process.pid)
    supervisor = next(pid for pid, parent in parents.items() if parent == launcher)
    pids = {
        "launcher": launcher,
        "supervisor": supervisor,
        "node": max(p for p, parent in parents.items() if parent == supervisor and p not in hanging),
    }
    os.kill(pids[victim], signal.SIGKILL)
    if victim == "node":
        # `ip` of the supervisor hangs; let it go on.
        for pid in hanging:
            os.kill(pid, signal.SIGKILL)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 1
    assert said.startswith("lab: ")
    wait_until_gone(lab)
    assert not lab.dir.exists()


def test_a_failing_up_says_why_and_leaves_nothing(new_lab: LabMaker, tmp_path: Path) -> None:
    lab = new_lab(workers=0)
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "ip").write_text(
        "#!/bin/sh\ncat > /dev/null\necho 'RTNETLINK answers: No space left on device'\n"
        "echo 'Command failed -:3'\nexit 1\n"
    )
    (folder / "ip").chmod(0o755)
    lab.env["PATH"] = f"{folder}:{lab.env['PATH']}"
    result = lab.run("up", check=False)
    assert result.returncode == 1
    assert (
        "'ip address add 192.168.100.1/24 dev management' failed: RTNETLINK answers: No space left on device"
        in result.stderr
    )
    assert "Traceback" not in result.stderr
    wait_until_gone(lab)
    assert not lab.dir.exists()


def test_fifty_workers(new_lab: LabMaker, capsys: pytest.CaptureFixture[str]) -> None:
    lab = new_lab(workers=0)
    began = time.monotonic()
    lab.run("up", "--workers", "50")
    up = time.monotonic() - began
    assert lab.pings("w50", "198.51.100.10")
    assert lab.sh("w50", "hostname") == "w50\n"
    began = time.monotonic()
    lab.run("down")
    with capsys.disabled():
        print(f"\n50 workers: up {up:.1f} s, down {time.monotonic() - began:.1f} s")
    assert lab.processes() == []
