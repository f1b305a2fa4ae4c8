# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/promises.md promises nothing that no test shows."""

from __future__ import annotations

import ast
import pathlib
import re
import typing as t

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROMISES = ROOT / "docs" / "promises.md"


class Promise(t.NamedTuple):
    """A promise and the names of what shows it."""

    text: str
    shown_by: list[str]


def parse(text: str) -> list[Promise]:
    """The promises of a document: ``- promise`` items, each with ``  - `name``` items below it."""
    promises: list[Promise] = []
    inside = False
    for line in text.splitlines():
        if line.startswith("- "):
            promises.append(Promise(line[2:], []))
            inside = True
        elif inside and line.startswith("  - "):
            name = re.fullmatch(r"  - `([^`]+)`", line)
            assert name, f"not the name of a test in backquotes: {line!r}"
            promises[-1].shown_by.append(name[1])
        elif line and not line.startswith(" "):
            inside = False
    return promises


def missing(name: str, root: pathlib.Path = ROOT) -> str:
    """Why a name does not lead to what it names; empty when it does."""
    if name.startswith("scripts/test "):
        part = name.split()[1]
        known = re.search(r"Parts: ([a-z ]+);", (root / "scripts/test").read_text(encoding="utf-8"))
        return "" if known and part in known[1].split() else f"scripts/test has no part {part}"
    path, *inner = name.split("[", 1)[0].split("::")
    if not (root / path).is_file():
        return f"{path} does not exist"
    if path.startswith("benchmarks/") and not inner:
        return ""
    if not inner:
        return f"{path} is a file: name the tests in it"
    body = ast.parse((root / path).read_text(encoding="utf-8")).body
    for depth, step in enumerate(inner):
        kind = ast.FunctionDef if depth == len(inner) - 1 else ast.ClassDef
        found = [node for node in body if isinstance(node, kind) and node.name == step]
        if not found or (kind is ast.FunctionDef and not step.startswith("test_")):
            return f"{path} has no test {'::'.join(inner)}"
        body = found[0].body
    return ""


def test_every_promise_is_shown() -> None:
    promises = parse(PROMISES.read_text(encoding="utf-8"))
    assert promises
    assert [promise.text for promise in promises if not promise.shown_by] == []


def test_what_shows_a_promise_exists() -> None:
    names = [name for promise in parse(PROMISES.read_text(encoding="utf-8")) for name in promise.shown_by]
    assert [problem for problem in map(missing, names) if problem] == []


def test_a_promise_may_take_several_lines() -> None:
    text = (
        "# Title\n\n## Part\n\n- First line\n  second line.\n  - `a::b`\n  - `c::d`\n- Another.\n\nText.\n  - no name\n"
    )
    assert parse(text) == [Promise("First line", ["a::b", "c::d"]), Promise("Another.", [])]


def test_a_name_without_backquotes_is_an_error() -> None:
    with pytest.raises(AssertionError, match="backquotes"):
        parse("- Promise\n  - tests/unit/test_a.py::test_b\n")


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("tests/unit/test_gone.py::test_x", "does not exist"),
        ("tests/unit/test_promises.py::test_gone", "has no test test_gone"),
        ("tests/unit/test_promises.py::parse", "has no test parse"),
        ("tests/unit/test_promises.py::Promise::test_gone", "has no test"),
        ("tests/unit/test_promises.py", "name the tests in it"),
        ("scripts/test nowhere", "no part nowhere"),
    ],
)
def test_a_name_that_leads_nowhere_is_told(name: str, why: str) -> None:
    assert why in missing(name)


def test_a_test_with_parameters_is_found() -> None:
    assert missing("tests/unit/test_promises.py::test_a_name_that_leads_nowhere_is_told[scripts/test-x]") == ""
