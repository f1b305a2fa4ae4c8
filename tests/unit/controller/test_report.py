# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""scripts/test tells the truth: nothing that failed, was skipped or did not run counts as passed."""

from __future__ import annotations

import functools
import importlib.util
import os
import pathlib
import sys
import threading
import time
import types
import typing as t

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def report_module() -> types.ModuleType:
    spec = importlib.util.spec_from_file_location("report", ROOT / "scripts/lib/report.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["report"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def report(report_module: types.ModuleType, tmp_path: pathlib.Path) -> t.Any:
    return report_module.Report(tmp_path / "logs", tmp_path)


def shell(script: str) -> list[str]:
    return ["/bin/sh", "-c", script]


def pytest_on(folder: pathlib.Path, test: str) -> list[str]:
    (folder / "conftest.py").write_text((ROOT / "tests/conftest.py").read_text(encoding="utf-8"), encoding="utf-8")
    (folder / "test_it.py").write_text(test, encoding="utf-8")
    return [sys.executable, "-m", "pytest", "-c", str(ROOT / "pyproject.toml"), "--rootdir", str(folder), str(folder)]


def test_commands_count_by_their_exit_status(report: t.Any, capsys: pytest.CaptureFixture[str]) -> None:
    with report.part("lint"):
        assert report.command("good", shell("exit 0"))
        assert not report.command("bad", shell("echo the reason; exit 1"))
        assert not report.command("not here", shell("echo install it; exit 77"))
    assert str(report.total()) == "1 passed, 1 failed, 1 skipped"
    output = capsys.readouterr().out
    assert "| the reason" in output
    assert "skip  not here: install it" in output


def test_a_part_gives_way_with_its_sessions_too(report: t.Any) -> None:
    own = os.nice(0)
    group = "test ! -e /proc/self/autogroup || grep -q"
    for more in (10, 0):
        with report.part("lint", nice=more):
            assert report.command("priority", shell(f"test $(nice) -eq {min(own + more, 19)}"))
            assert report.command("session", shell(f"{group} 'nice {more}$' /proc/self/autogroup"))


def test_what_cannot_be_prepared_is_skipped_with_the_last_words(
    report: t.Any, capsys: pytest.CaptureFixture[str]
) -> None:
    with report.part("vm"):
        assert report.available("ready", shell("echo getting ready >&2"))
        assert not report.available("guest", shell("echo first >&2; echo no kernel: install one >&2; exit 77"))
        assert not report.available("broken", shell("exit 3"))
    assert str(report.total()) == "0 passed, 1 failed, 1 skipped"
    assert "skip  guest: no kernel: install one" in capsys.readouterr().out


def test_each_test_of_pytest_counts(report: t.Any, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    tests = """
import pytest
def test_good(): pass
def test_bad(): assert False
def test_error(unknown): pass
@pytest.mark.skip(reason="the kernel lacks it")
def test_skipped(): pass
@pytest.mark.full
def test_long(): pass
@pytest.mark.xfail(reason="a known defect")
def test_known(): assert False
"""
    with report.part("unit"):
        report.pytest("here", pytest_on(tmp_path, tests))
    assert str(report.total()) == "1 passed, 2 failed, 3 skipped"
    output = capsys.readouterr().out
    assert "the kernel lacks it" in output
    assert "a long series: scripts/test --full" in output
    assert "a known defect" in output


@pytest.mark.parametrize(
    ("passes_at", "failures", "counted"),
    [
        (2, 1, "2 passed, 0 failed, 0 skipped"),
        (3, 1, "1 passed, 1 failed, 0 skipped"),
        (2, 4, "1 passed, 4 failed, 0 skipped"),
    ],
)
def test_a_second_attempt_at_few_failures_is_told(
    report: t.Any,
    tmp_path: pathlib.Path,
    capsys: pytest.CaptureFixture[str],
    passes_at: int,
    failures: int,
    counted: str,
) -> None:
    tests = f"""
import pathlib, pytest
def test_good(): pass
@pytest.mark.parametrize("number", range({failures}))
def test_unsteady(number):
    attempts = pathlib.Path({str(tmp_path)!r}, f"attempts-{{number}}")
    attempts.open("a").write("x")
    assert len(attempts.read_text()) >= {passes_at}
"""
    first = pytest_on(tmp_path, tests)
    with report.part("kernel"):
        report.pytest("here", first, lambda failed: [*first[:-1], *(str(tmp_path / test) for test in failed)])
    assert str(report.total()) == counted
    assert report.unsteady == (["kernel test_it.py::test_unsteady[0]"] if counted.startswith("2") else [])
    assert "FAIL  here: 1 passed" in capsys.readouterr().out


def test_an_attempt_that_fails_is_shown_and_left_to_the_next(report: t.Any, capsys: pytest.CaptureFixture[str]) -> None:
    with report.part("molecule"):
        assert not report.attempt("netplan", shell("echo the reason; exit 1"))
        assert report.command("netplan, again", shell("exit 0"))
        report.passed_again("netplan")
    assert str(report.total()) == "1 passed, 0 failed, 0 skipped"
    assert "| the reason" in capsys.readouterr().out
    assert report.unsteady == ["molecule netplan"]


def test_a_long_series_runs_when_asked_for(report: t.Any, tmp_path: pathlib.Path) -> None:
    with report.part("unit"):
        report.pytest(
            "here", [*pytest_on(tmp_path, "import pytest\n@pytest.mark.full\ndef test_long(): pass\n"), "--full"]
        )
    assert str(report.total()) == "1 passed, 0 failed, 0 skipped"


@pytest.mark.parametrize(
    "tests", ["", "this is no python", "import os\nos._exit(0)", "import os\ndef test_x(): os._exit(9)"]
)
def test_a_run_of_pytest_without_a_result_is_a_failure(report: t.Any, tmp_path: pathlib.Path, tests: str) -> None:
    with report.part("unit"):
        report.pytest("here", pytest_on(tmp_path, tests))
    assert str(report.total()) == "0 passed, 1 failed, 0 skipped"


@pytest.mark.parametrize(
    ("command", "status", "last"),
    [
        ("exit 0", 0, "1 passed, 0 failed, 0 skipped"),
        ("exit 1", 1, "0 passed, 1 failed, 0 skipped"),
        ("exit 77", 1, "0 passed, 0 failed, 1 skipped"),
    ],
)
def test_the_last_line_is_the_sum_and_the_status_agrees(
    report_module: types.ModuleType,
    report: t.Any,
    capsys: pytest.CaptureFixture[str],
    command: str,
    status: int,
    last: str,
) -> None:
    with report.part("lint"):
        report.command("it", shell(command))
    report.unsteady.append("kernel a test")
    with pytest.raises(SystemExit) as ended:
        report_module.finish(report)
    assert ended.value.code == status
    assert capsys.readouterr().out.splitlines()[-2:] == ["  passed at a second attempt only: kernel a test", last]


def test_a_part_beside_others_is_printed_in_one_piece(report: t.Any, capsys: pytest.CaptureFixture[str]) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def beside() -> None:
        with report.part("sanity", beside=True):
            report.passed("first")
            begun.set()
            go_on.wait(10)
            report.failed("second", "a reason")

    thread = threading.Thread(target=beside)
    with report.part("unit"):
        thread.start()
        assert begun.wait(10)
        report.passed("in front")
        assert "first" not in capsys.readouterr().out
        go_on.set()
        thread.join()
        report.passed("last")
    output = capsys.readouterr().out
    assert output.index("== sanity ==") < output.index("first") < output.index("second") < output.index("last")
    assert str(report.total()) == "3 passed, 1 failed, 0 skipped"
    assert {name: str(tally) for name, (tally, _seconds) in report.parts.items()} == {
        "sanity": "1 passed, 1 failed, 0 skipped",
        "unit": "2 passed, 0 failed, 0 skipped",
    }


def test_the_last_part_is_printed_as_it_goes(report: t.Any, capsys: pytest.CaptureFixture[str]) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def beside() -> None:
        with report.part("sanity", beside=True):
            report.passed("first")
            begun.set()
            go_on.wait(10)
            report.passed("second")
            assert "second" in capsys.readouterr().out

    thread = threading.Thread(target=beside)
    thread.start()
    assert begun.wait(10)
    report.alone()
    assert "first" in capsys.readouterr().out
    go_on.set()
    thread.join()
    assert str(report.total()) == "2 passed, 0 failed, 0 skipped"


def test_lines_of_several_last_parts_tell_whose_they_are(report: t.Any, capsys: pytest.CaptureFixture[str]) -> None:
    both, go_on = threading.Barrier(3, timeout=10), threading.Event()

    def beside(name: str) -> None:
        with report.part(name, beside=True):
            both.wait()
            go_on.wait(10)
            report.passed("it")

    threads = [threading.Thread(target=beside, args=(name,)) for name in ("lab", "cluster")]
    for thread in threads:
        thread.start()
    both.wait()
    report.alone()
    go_on.set()
    for thread in threads:
        thread.join()
    lines = capsys.readouterr().out.splitlines()
    # Who ends last is alone by then, or is not.
    assert {"  lab:  ok    it", "  cluster:  ok    it"} & set(lines)
    assert {line.split(":")[0] for line in lines if line.startswith("== ") and "passed" in line} == {
        "== lab", "== cluster",
    }  # fmt: skip


def test_what_is_stopped_takes_down_what_it_has_set_up(report: t.Any, tmp_path: pathlib.Path) -> None:
    tests = f"""
import pathlib, pytest, time
@pytest.fixture
def lab():
    there = pathlib.Path({str(tmp_path)!r}, "lab")
    there.touch()
    yield
    there.unlink()
def test_long(lab):
    pathlib.Path({str(tmp_path)!r}, "begun").touch()
    time.sleep(60)
"""

    def run() -> None:
        with report.part("lab"):
            report.pytest("here", pytest_on(tmp_path, tests))

    thread = threading.Thread(target=run)
    thread.start()
    deadline = time.monotonic() + 30
    while not (tmp_path / "begun").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert (tmp_path / "begun").exists() and (tmp_path / "lab").exists()
    report.stop()
    thread.join(30)
    assert not (tmp_path / "lab").exists()
    assert str(report.total()) == "0 passed, 1 failed, 0 skipped"


def test_steps_that_run_together_count_for_their_part(report: t.Any, capsys: pytest.CaptureFixture[str]) -> None:
    meeting = threading.Barrier(2, timeout=10)

    def step(number: int) -> None:
        meeting.wait()
        if number % 2:
            report.passed(f"step {number}")
        else:
            report.failed(f"step {number}", "a reason")

    with report.part("molecule"):
        report.together([functools.partial(step, number) for number in range(4)], at_once=2)
    assert str(report.parts["molecule"][0]) == "2 passed, 2 failed, 0 skipped"
    assert "step 3" in capsys.readouterr().out
