# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lint says of a Corefile what a real CoreDNS says when it starts with it."""

from __future__ import annotations

import random
import re
import subprocess
import typing as t
from concurrent.futures import ThreadPoolExecutor

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._corefile import versions
from ansible_collections.kubenode.network.plugins.module_utils._corefile.document import parse
from ansible_collections.kubenode.network.plugins.module_utils._corefile.lint import ERROR, Target, lint
from ansible_collections.kubenode.network.plugins.module_utils._corefile.load import NO_FILES
from ansible_collections.kubenode.network.tests.cluster.build import module_folder
from ansible_collections.kubenode.network.tests.cluster.coredns_process import coredns, running
from ansible_collections.kubenode.network.tests.unit import corefile_cases as cases

LOOP_SECONDS = 40


def start(text: str) -> tuple[bool, str]:
    """Whether CoreDNS comes to serve, and what it prints."""
    with running(text) as server:
        return server.started, server.output


@pytest.fixture(scope="module")
def verdicts() -> t.Iterator[dict[str, tuple[bool, str]]]:
    """What CoreDNS makes of every text of the table."""
    tables = (cases.REFUSED, cases.DAMAGED, cases.SWALLOWED)
    texts = [case.text for table in tables for case in table.values()]
    texts += [*cases.VALID.values(), *cases.VALID_ELSEWHERE.values()]
    coredns()
    with ThreadPoolExecutor(4) as pool:
        yield dict(zip(texts, pool.map(start, texts)))


@pytest.mark.parametrize("name", cases.REFUSED)
def test_coredns_refuses_what_lint_calls_an_error(verdicts: dict[str, tuple[bool, str]], name: str) -> None:
    started, output = verdicts[cases.REFUSED[name].text]
    assert not started, output


@pytest.mark.parametrize("name", cases.LOOPS)
def test_coredns_ends_itself_on_a_loop(name: str) -> None:
    with running(cases.LOOPS[name].text) as server:
        assert server.ended(LOOP_SECONDS), server.output
        assert server.wait_for("Loop .* detected"), server.output


@pytest.mark.parametrize("name", [*cases.DAMAGED, *cases.SWALLOWED])
def test_coredns_starts_with_what_it_swallows(verdicts: dict[str, tuple[bool, str]], name: str) -> None:
    started, output = verdicts[{**cases.DAMAGED, **cases.SWALLOWED}[name].text]
    assert started, output


@pytest.mark.parametrize("name", [*cases.VALID, *cases.VALID_ELSEWHERE])
def test_coredns_starts_with_what_lint_calls_valid(verdicts: dict[str, tuple[bool, str]], name: str) -> None:
    started, output = verdicts[{**cases.VALID, **cases.VALID_ELSEWHERE}[name]]
    assert started, output


def mutated(choose: random.Random) -> str:
    """A valid Corefile with a line or a word changed, doubled, moved in from another or taken out."""
    valid = [text for name, text in cases.VALID.items() if name not in ("root", "forward to a file")]
    words = (
        "0",
        "-1",
        "5",
        "30s",
        "abc",
        "10%",
        "127.0.0.1",
        "192.0.2.1",
        ":8080",
        "{",
        "}",
        "",
        "a.example",
        "1h",
        ".",
    )
    lines = choose.choice(valid).split("\n")
    for _ in range(choose.choice((1, 1, 2))):
        place = choose.randrange(len(lines))
        line = lines[place].split(" ")
        kind = choose.randrange(6)
        if kind == 0:
            lines.insert(place, lines[place])
        elif kind == 1 and len(lines) > 1:
            del lines[place]
        elif kind == 2:
            line[choose.randrange(len(line))] = choose.choice(words)
        elif kind == 3:
            line.insert(choose.randrange(1, len(line) + 1), choose.choice(words))
        elif kind == 4 and len(line) > 1:
            del line[choose.randrange(1, len(line))]
        else:
            lines.insert(place, choose.choice(choose.choice(valid).split("\n")))
        if kind in (2, 3, 4):
            lines[place] = " ".join(line)
    return "\n".join(lines)


def test_lint_calls_nothing_an_error_that_coredns_starts_with(seed: int, full: bool) -> None:
    choose = random.Random(seed)
    texts = list(dict.fromkeys(mutated(choose) for _ in range(1000 if full else 100)))
    coredns()
    with ThreadPoolExecutor(4) as pool:
        verdicts = list(pool.map(start, texts))
    wrong, missed = [], []
    for text, (started, output) in zip(texts, verdicts):
        errors = [
            finding for finding in lint(parse(text), Target(version="1.15.0"), NO_FILES) if finding.level == ERROR
        ]
        # A loop ends the server later, and only with the plugin `loop`; a stray brace is swallowed.
        if started and not all(finding.kind in ("loop", "stray-brace") for finding in errors):
            wrong.append((text, errors))
        elif not started and not errors:
            missed.append((text, output))
    print(f"{len(texts)} mutated Corefiles of seed {seed}: lint misses {len(missed)} that CoreDNS refuses")
    assert wrong == []
    assert len(missed) <= len(texts) // 15, missed


# What lint says of examples that would not start as they stand in the documentation.
WRONG_EXAMPLES = {"loop": {"loop"}, "nomad": {"plugin-twice"}}
_EXAMPLE = re.compile(
    r"^(?:~~~|```) *(?:corefile|txt|conf)?\n(.*?)^(?:~~~|```)", re.DOTALL | re.MULTILINE | re.IGNORECASE
)
_BLOCK = re.compile(r"(?:\.|\(\w+\)|\w+://\S+|[\w-]+\.[\w.:/-]*)(?::\d+)? ?[^\n\[]*\{$", re.MULTILINE)


def test_lint_takes_every_example_of_coredns_own_documentation() -> None:
    folder = module_folder("coredns", "github.com/coredns/coredns")
    wrong: dict[str, set[str]] = {}
    seen = 0
    for readme in sorted(folder.glob("plugin/*/README.md")):
        for text in _EXAMPLE.findall(readme.read_text(encoding="utf-8")):
            if not _BLOCK.match(text.strip()):
                continue
            seen += 1
            findings = lint(parse(text), Target(version="1.15.0", host_network=True))
            kinds = {finding.kind for finding in findings if finding.level == ERROR}
            if kinds:
                wrong.setdefault(readme.parent.name, set()).update(kinds)
    assert seen > 130
    assert wrong == WRONG_EXAMPLES


def test_the_plugins_of_this_release_are_those_that_lint_knows() -> None:
    said = subprocess.run([coredns(), "-plugins"], capture_output=True, text=True, check=True).stdout
    assert set(said.split()) == versions.coredns_plugins(versions.NEWEST)
