# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all tiers share: the long runs of `--full`, the seed of everything random, and the counts for scripts/test.

Hypothesis takes its number of examples from here: 60, 1,000 with ``--full``, 15 with ``--brief``, which scripts/test
says to the second and third Python that run the same tests. A test whose examples are dear takes a share of it,
``@settings(max_examples=max(5, settings.default.max_examples // 4))``, so that ``--full`` still means more.
"""

from __future__ import annotations

import json
import os
import pathlib
import random
import signal
import typing as t

import hypothesis
import pytest

ORDINARY_SEED = 20261

# Several test runs share few cores: how long an example takes says nothing.
hypothesis.settings.register_profile(
    "ordinary", max_examples=60, deadline=None, database=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.register_profile("brief", hypothesis.settings.get_profile("ordinary"), max_examples=15)
hypothesis.settings.register_profile("full", hypothesis.settings.get_profile("ordinary"), max_examples=1000)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--full", action="store_true", help="run long series whole, with a new seed each time")
    parser.addoption("--brief", action="store_true", help="fewer examples, where another Python runs the same tests")


def _interrupt(_number: int, _frame: object) -> t.NoReturn:
    raise KeyboardInterrupt


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    # Whoever ends a run that way wants no lab and no server left behind: fixtures are torn down.
    signal.signal(signal.SIGTERM, _interrupt)
    full = config.getoption("--full")
    hypothesis.settings.load_profile("full" if full else "brief" if config.getoption("--brief") else "ordinary")
    seed = os.environ.get("KUBENODE_SEED") or (random.SystemRandom().randrange(10**9) if full else ORDINARY_SEED)
    config.option.kubenode_seed = int(seed)
    if config.getoption("--hypothesis-seed") is None:
        config.option.hypothesis_seed = str(seed)


def pytest_report_header(config: pytest.Config) -> str:
    return (
        f"kubenode: seed {config.option.kubenode_seed} (repeat with KUBENODE_SEED), "
        f"{hypothesis.settings.default.max_examples} examples a property"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--full"):
        return
    for item in items:
        if item.get_closest_marker("full"):
            item.add_marker(pytest.mark.skip(reason="a long series: scripts/test --full"))


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """The run's seed, for a test's own ``random.Random(seed)``."""
    return request.config.option.kubenode_seed


@pytest.fixture
def full(request: pytest.FixtureRequest) -> bool:
    """Whether long series run whole."""
    return request.config.getoption("--full")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Leaves the counts for scripts/test in the file it named."""
    target = os.environ.get("KUBENODE_COUNTS")
    if not target:
        return
    stats = terminalreporter.stats
    # A skipped module is reported at its collection, hence without the tests in it.
    skipped = [
        (report.nodeid, report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr))
        for report in stats.get("skipped", [])
    ] + [(report.nodeid, f"expected to fail: {report.wasxfail}") for report in stats.get("xfailed", [])]
    counts = {
        "passed": len(stats.get("passed", [])),
        "failed": [report.nodeid for kind in ("failed", "error") for report in stats.get(kind, [])],
        "skipped": skipped,
    }
    pathlib.Path(target).write_text(json.dumps(counts), encoding="utf-8")
