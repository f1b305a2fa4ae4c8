# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the commands of scripts/test, shows how they fare, and adds up what they counted.

Parts may run beside each other, in threads. One thread prints as it goes; the lines of the others are kept until their
part ends, or until the first thread is through (``Report.alone``); where several are left then, lines begin with their
part.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import fcntl
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import threading
import time
import typing as t

UNAVAILABLE = 77
"""scripts/env and tests/vm/run end so when this machine cannot do what was asked; the way out is in their output."""
HEARTBEAT_SECONDS = 30
STOP_SECONDS = 30
TAIL_LINES = 40
# A session has a share of the processor as a whole, and priorities count inside of it only (sched(7), autogroup).
_GIVE_WAY = '{ echo "$0" > /proc/self/autogroup; } 2> /dev/null; exec nice -n "$0" "$@"'
SECOND_ATTEMPTS = 3
"""So many failures of a step at most are tried again; more are no accident."""


@dataclasses.dataclass
class Tally:
    """How many tests passed, failed and were skipped."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __iadd__(self, other: Tally) -> Tally:
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped
        return self

    def __str__(self) -> str:
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


class _Lane(threading.local):
    """What a thread is at."""

    def __init__(self) -> None:
        self.part = Tally()
        self.name = ""
        self.kept: list[str] | None = None
        """Lines that are printed later; None prints them at once."""
        self.nice = 0


class Report:
    """Prints the run as it goes; ``parts`` holds what was counted, by part."""

    def __init__(self, logs: pathlib.Path, root: pathlib.Path) -> None:
        self.logs = logs
        self.root = root
        self.parts: dict[str, tuple[Tally, float]] = {}
        self.unsteady: list[str] = []
        """What passed at a second attempt only."""
        self._lane = _Lane()
        self._printing = threading.RLock()
        self._kept: dict[str, list[str]] = {}
        self._alone = False
        self._open: set[str] = set()
        """Parts that have begun and not ended."""
        self._running: set[subprocess.Popen[t.Any]] = set()
        logs.mkdir(parents=True, exist_ok=True)

    @contextlib.contextmanager
    def part(self, name: str, beside: bool = False, nice: int = 0) -> t.Iterator[None]:
        """All that this thread reports inside belongs to this part; ``beside`` others it is printed at its end.

        ``nice`` is how much what it runs gives way to others (nice(1)).
        """
        lane = self._lane
        lane.part, lane.name, lane.kept, lane.nice = Tally(), name, None, nice
        with self._printing:
            if beside and not self._alone:
                lane.kept = self._kept[name] = []
            self._open.add(name)
        started = time.monotonic()
        self._say(f"== {name} ==")
        with (self.logs / f"{name}.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self._say("  another run of this part in this checkout is under way: waiting for its end")
                fcntl.flock(lock, fcntl.LOCK_EX)
            try:
                yield
            finally:
                seconds = time.monotonic() - started
                with self._printing:
                    self.parts[name] = (lane.part, seconds)
                    self._say(f"== {name}: {lane.part} ({seconds:.1f} s)\n")
                    self._open.discard(name)
                    if self._kept.pop(name, None) is not None and lane.kept:
                        print("\n".join(lane.kept), flush=True)
                    lane.kept = None

    def together(self, steps: t.Iterable[t.Callable[[], object]], at_once: int) -> None:
        """Run steps of the part that this thread is at, several at a time; each reports when it has ended."""
        lane = self._lane
        mine = lane.part, lane.name, lane.kept, lane.nice

        def run(step: t.Callable[[], object]) -> None:
            self._lane.part, self._lane.name, self._lane.kept, self._lane.nice = mine
            step()

        with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
            futures = [pool.submit(run, step) for step in steps]
            try:
                for future in futures:
                    future.result()
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                self.stop()
                raise

    def alone(self) -> None:
        """No part prints as it goes any more: those beside it do so from now on."""
        with self._printing:
            self._alone = True
            for lines in self._kept.values():
                if lines:
                    print("\n".join(lines), flush=True)
                lines.clear()

    def stop(self) -> None:
        """End what runs in any thread; it has half a minute to take down what it has set up."""
        running = [process for process in list(self._running) if process.poll() is None]
        for process in running:
            os.killpg(process.pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        for process in running:
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)

    def _say(self, text: str) -> None:
        with self._printing:
            if self._alone and len(self._open) > 1 and not text.startswith("=="):
                text = f"  {self._lane.name}:{text}"
            if self._lane.kept is None or self._alone:
                print(text, flush=True)
            else:
                self._lane.kept.append(text)

    def total(self) -> Tally:
        """The sum over all parts."""
        total = Tally()
        for tally, _seconds in self.parts.values():
            total += tally
        return total

    def passed(self, what: str) -> None:
        """Counts and prints a check that stands."""
        with self._printing:
            self._lane.part.passed += 1
        self._say(f"  ok    {what}")

    def failed(self, what: str, why: str) -> None:
        """Counts and prints a check that does not stand; ``why`` may have many lines."""
        with self._printing:
            self._lane.part.failed += 1
        self._show_failure(what, why)

    def _show_failure(self, what: str, why: str) -> None:
        self._say(f"  FAIL  {what}")
        for line in why.splitlines():
            self._say(f"        | {line}")

    def skipped(self, what: str, why: str) -> None:
        """Counts and prints what could not be done here, and why."""
        with self._printing:
            self._lane.part.skipped += 1
        self._say(f"  skip  {what}: {why}")

    def available(self, what: str, command: list[str]) -> bool:
        """Runs what prepares a step, with its progress shown; counts a skip or a failure where it does not succeed."""
        last = ""
        with subprocess.Popen(
            command, cwd=self.root, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        ) as process:
            for line in t.cast("t.IO[str]", process.stderr):
                last = line.strip()
                self._say(f"  {last}")
        if process.returncode == UNAVAILABLE:
            self.skipped(what, re.sub(r"^\[\w+\] ", "", last))
        elif process.returncode != 0:
            self.failed(what, f"{' '.join(command)} ended with {process.returncode}")
        return process.returncode == 0

    def command(
        self, what: str, command: list[str], cwd: pathlib.Path | None = None, telling: str = "", **environment: str
    ) -> bool:
        """Runs a check that passes or fails as a whole. Returns whether it passed.

        Args:
            what: its name in the report, and of its log.
            command: run with an empty standard input; its output goes to the log, the tail of it is shown on failure.
            cwd: the checkout unless told.
            telling: a pattern; of a failure's output only the lines that start so are shown.
            environment: variables on top of this process's own.
        """
        status = self._attempt(what, command, cwd, telling, environment)
        if status not in (0, UNAVAILABLE):
            with self._printing:
                self._lane.part.failed += 1
        return status == 0

    def attempt(self, what: str, command: list[str], **environment: str) -> bool:
        """Runs a check whose failure is shown, not counted: the caller tries again. Returns whether it need not."""
        return self._attempt(what, command, None, "", environment) in (0, UNAVAILABLE)

    def _attempt(
        self, what: str, command: list[str], cwd: pathlib.Path | None, telling: str, environment: dict[str, str]
    ) -> int:
        started = time.monotonic()
        status, log = self._run(what, command, cwd, environment)
        took = f"({time.monotonic() - started:.1f} s)"
        if status == 0:
            self.passed(f"{what} {took}")
        elif status == UNAVAILABLE:
            self.skipped(what, _tail(log, 3).replace("\n", " "))
        else:
            self._show_failure(f"{what} {took}, exit status {status}, log: {log}", _tail(log, TAIL_LINES, telling))
        return status

    def passed_again(self, what: str) -> None:
        """Notes for the summary that a check, which failed at first, passed at a second attempt."""
        with self._printing:
            self.unsteady.append(f"{self._lane.name} {what}")

    def pytest(
        self, what: str, command: list[str], again: t.Callable[[list[str]], list[str]] | None = None, **environment: str
    ) -> None:
        """Runs a pytest command line and counts each of its tests.

        Args:
            what: its name in the report, and of its log.
            command: the command line.
            again: makes the command line of a second attempt from the failed tests; both attempts are shown.
            environment: variables on top of this process's own.
        """
        counts, failed = self._pytest_once(what, command, environment)
        if again and 0 < len(failed) <= SECOND_ATTEMPTS:
            self._say(f"  ...   {what}: a second attempt at what failed")
            counts_again, failed_again = self._pytest_once(f"{what}, again", again(failed), environment)
            if not failed_again and counts_again.failed == 0:
                counts.passed += len(failed)
                counts.failed -= len(failed)
                for name in failed:
                    self.passed_again(name)
        self._lane.part += counts

    def _pytest_once(self, what: str, command: list[str], environment: dict[str, str]) -> tuple[Tally, list[str]]:
        """Returns what was counted, and the names of the tests that failed."""
        counts_file = self.log(what).with_suffix(".json")
        counts_file.unlink(missing_ok=True)
        started = time.monotonic()
        status, log = self._run(what, command, None, {**environment, "KUBENODE_COUNTS": str(counts_file)})
        took = f"({time.monotonic() - started:.1f} s)"
        if status == UNAVAILABLE:
            self._say(f"  skip  {what}: " + _tail(log, 3).replace("\n", " "))
            return Tally(skipped=1), []
        counts: dict[str, t.Any] = {"passed": 0, "failed": [], "skipped": []}
        if counts_file.exists():
            counts = json.loads(counts_file.read_text(encoding="utf-8"))
        tally = Tally(counts["passed"], len(counts["failed"]), len(counts["skipped"]))
        if status == 0 and tally.passed + tally.skipped > 0:
            self._say(f"  ok    {what}: {tally} {took}")
        else:
            # Without a failed test it is pytest itself that failed: a usage error, a crash, nothing collected.
            tally.failed = tally.failed or 1
            self._show_failure(f"{what}: {tally} {took}, exit status {status}, log: {log}", _tail(log, TAIL_LINES))
        self._print_skips(counts["skipped"])
        return tally, counts["failed"]

    def _print_skips(self, skipped: list[tuple[str, str]]) -> None:
        reasons: dict[str, list[str]] = {}
        for where, why in skipped:
            reasons.setdefault(why.removeprefix("Skipped: "), []).append(where)
        for why, tests in reasons.items():
            more = f" and {len(tests) - 1} more" if len(tests) > 1 else ""
            self._say(f"  skip  {tests[0]}{more}: {why}")

    def log(self, what: str) -> pathlib.Path:
        """Where the output of that step goes."""
        return self.logs / f"{self._lane.name}-{what}.log".replace(" ", "-").replace("/", "-").lower()

    def _run(
        self, what: str, command: list[str], cwd: pathlib.Path | None, environment: dict[str, str]
    ) -> tuple[int, pathlib.Path]:
        log = self.log(what)
        with (
            log.open("wb") as output,
            subprocess.Popen(
                ["sh", "-c", _GIVE_WAY, str(self._lane.nice), *command] if self._lane.nice else command,
                cwd=cwd or self.root,
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            ) as process,
        ):
            started = time.monotonic()
            self._running.add(process)
            try:
                while True:
                    try:
                        return process.wait(HEARTBEAT_SECONDS), log
                    except subprocess.TimeoutExpired:
                        seconds = time.monotonic() - started
                        if self._lane.kept is None or self._alone:
                            self._say(f"  ...   {what}: {seconds:.0f} s, {_tail(log, 1)[-90:]}")
            finally:
                self._running.discard(process)
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGTERM)


def _tail(log: pathlib.Path, lines: int, telling: str = "") -> str:
    text = log.read_text(encoding="utf-8", errors="replace").rstrip().splitlines()
    text = [line for line in text if re.match(telling, line)] or text
    return "\n".join(line.rstrip() for line in text[-lines:])


def finish(report: Report) -> t.NoReturn:
    """Prints the summary, whose last line is the sum, and ends the program with the run's status."""
    total = report.total()
    print("== summary ==")
    for name, (tally, seconds) in report.parts.items():
        print(f"  {name:8} {seconds:7.1f} s   {tally}")
    for name in report.unsteady:
        print(f"  passed at a second attempt only: {name}")
    print(total, flush=True)
    sys.exit(1 if total.failed or not total.passed else 0)
