# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds for every Corefile: nothing is lost, edits do what they say and no more, and undo gives back what was."""

from __future__ import annotations

import random
import re
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._corefile import edits
from ansible_collections.kubenode.network.plugins.module_utils._corefile.document import Block, Document, parse
from ansible_collections.kubenode.network.plugins.module_utils._corefile.entries import (
    dump_records,
    parse_records,
    reset,
)
from ansible_collections.kubenode.network.plugins.module_utils._corefile.errors import CorefileError
from ansible_collections.kubenode.network.plugins.module_utils._corefile.lexer import quote, tokens
from ansible_collections.kubenode.network.plugins.module_utils._corefile.lint import lint
from ansible_collections.kubenode.network.plugins.module_utils._corefile.load import NO_FILES, load
from ansible_collections.kubenode.network.plugins.module_utils._corefile.wanted import edit
from ansible_collections.kubenode.network.tests.unit.corefile_texts import corefile, mutated
from hypothesis import assume, given
from hypothesis import strategies as st

SEEDS = st.integers(min_value=0, max_value=2**32)
NAMES = st.from_regex(r"[a-z]{1,4}\.example", fullmatch=True)
ADDRESSES = st.integers(1, 250).map("10.1.2.{}".format)
COMMENTS = st.sampled_from(["", "# a comment", "# {", "# }", '# "', "   "])
RAW = st.sampled_from(
    ["errors", "log", "cache 30", "cache 5 {\nsuccess 10\n}", "bufsize 1232", "rewrite name a b", "loop", "whoami"]
    + ["forward . 10.9.9.9 {\nmax_fails 1\n}", "forward x.example 10.9.9.8", "hosts {\n10.0.0.1 z\nfallthrough\n}"]
)
ZONES = (".:53", "a.example", "b.example:1053")


def text_of(seed: int) -> str:
    source = random.Random(seed)
    text = corefile(source)
    return mutated(source, text) if seed % 2 else text


def document_of(seed: int) -> Document | None:
    document = parse(text_of(seed))
    try:
        _items = document.items
    except CorefileError:
        return None
    return document


@given(st.one_of(st.text(), SEEDS.map(text_of)))
def test_every_text_is_a_document_that_prints_as_it_was(text: str) -> None:
    document = parse(text)
    assert str(document) == text
    end = 0
    for token in document.tokens:
        assert end <= token.start < token.end <= len(text)
        end = token.end
    try:
        _items = document.items
    except CorefileError:
        pass
    assert str(document) == text
    assert isinstance(lint(document), list)


@given(SEEDS)
def test_the_document_has_the_words_that_the_server_reads(seed: int) -> None:
    text = re.sub(r"import|\{[$%]", "x", text_of(seed))
    document = parse(text)
    assume("(" not in text and all(token.text != "import" for token in document.tokens))
    try:
        expected = load(tokens(text), NO_FILES).blocks
    except CorefileError:
        expected = None
    try:
        blocks = [block for block in document.blocks if block.keys]
    except CorefileError:
        assert expected is None
        return
    assert expected is not None
    assert [block.keys for block in blocks] == [block.keys for block in expected]
    for ours, theirs in zip(blocks, expected):
        words: dict[str, list[str]] = {}
        for directive in ours.directives:
            words.setdefault(directive.name, []).extend(token.text for token in directive.tokens)
        assert words == {name: [word.text for word in found] for name, found in theirs.directives.items()}


@given(st.text(min_size=1))
def test_what_quote_writes_is_read_back(word: str) -> None:
    try:
        written = quote(word)
    except CorefileError:
        assert "\\" in word
        return
    assume(not re.search("[\ud800-\udfff]", word))
    assert [token.text for token in tokens("x " + written)] == ["x", word]


@given(SEEDS, RAW, st.randoms(use_true_random=False))
def test_an_edit_changes_its_part_and_no_other(seed: int, text: str, choose: random.Random) -> None:
    document = document_of(seed)
    assume(document is not None)
    assert document is not None
    whole = [index for index, block in enumerate(document.blocks) if None not in (block.opening, block.close)]
    assume(whole)
    index = choose.choice(whole)
    block = document.blocks[index]
    before = [directive.canonical for directive in block.directives]
    added = edits.add_plugin(document, block, text)
    after = [directive.canonical for directive in added.blocks[index].directives]
    assert after == [*before, parse(f"x {{\n{text}\n}}").blocks[0].directives[0].canonical]
    others = [_words(other) for number, other in enumerate(document.items) if other is not block]
    assert [_words(other) for number, other in enumerate(added.items) if other is not added.blocks[index]] == others
    assert comments(str(added)) == comments(str(document))
    removed = edits.remove_plugin(added, added.blocks[index].directives[-1])
    assert [directive.canonical for directive in removed.blocks[index].directives] == before


def comments(text: str) -> list[str]:
    return re.findall(r"#[^\n]*", text)


def _words(item: t.Any) -> list[str]:
    last = item.last
    document_tokens = item._tokens
    return [token.text for token in document_tokens[item.first : last]]


@st.composite
def kubeadm_like(draw: st.DrawFn) -> str:
    """Well-formed Corefiles in many styles, with blocks that the options below name."""
    indent = draw(st.sampled_from(["    ", "\t", "  ", ""]))
    step = draw(st.sampled_from(["    ", "\t", "   "]))
    eol = draw(st.sampled_from(["\n", "\r\n"]))
    gap = draw(st.sampled_from(["", eol]))
    lines = []
    for zone in ZONES[: draw(st.integers(1, 3))]:
        lines.append(f"{zone} {{")
        names = set()
        for text in draw(st.lists(RAW, max_size=4)):
            if text.split()[0] in names:
                continue
            names.add(text.split()[0])
            depth = 0
            for line in text.split("\n"):
                depth -= line == "}"
                lines.append(indent + step * depth + line)
                depth += line.endswith("{")
            comment = draw(COMMENTS)
            if comment:
                lines.append(indent + comment)
        lines.append("}")
        if gap:
            lines.append("")
    return eol.join(lines) + eol


@st.composite
def options_for(draw: st.DrawFn) -> dict[str, t.Any]:
    options: dict[str, t.Any] = {}
    if draw(st.booleans()):
        zones = draw(st.lists(NAMES.map(lambda name: "stub." + name), max_size=3, unique=True))
        options["stub_domains"] = [
            {"zone": zone, "servers": draw(st.lists(ADDRESSES, min_size=1, max_size=3, unique=True))} for zone in zones
        ]
    if draw(st.booleans()):
        options["hosts"] = [
            {"address": draw(ADDRESSES), "names": draw(st.lists(NAMES, min_size=1, max_size=3, unique=True))}
            for _ in range(draw(st.integers(1, 3)))
        ]
    if draw(st.booleans()):
        options["forward"] = [{"servers": [draw(ADDRESSES)], "options": {"max_fails": draw(st.integers(1, 5))}}]
    if draw(st.booleans()):
        options["cache"] = [{"ttl": draw(st.integers(1, 99)), "enabled": draw(st.booleans())}]
    if draw(st.booleans()):
        options["log"] = [{"enabled": draw(st.booleans())}]
    if draw(st.booleans()):
        options["errors"] = [{"enabled": draw(st.booleans())}]
    if draw(st.booleans()):
        options["servers"] = [{"zones": ["own.example"], "plugins": draw(st.lists(RAW, max_size=1))}]
    if draw(st.booleans()):
        options["snippets"] = [{"name": "own", "plugins": ["errors", "log"]}]
    return options


@given(kubeadm_like(), options_for(), options_for())
def test_what_is_declared_is_there_and_goes_without_a_trace(
    text: str, first: dict[str, t.Any], second: dict[str, t.Any]
) -> None:
    outcome = edit(parse(text), first)
    again = edit(outcome.document, first, outcome.records)
    assert (str(again.document), again.records, again.changes) == (str(outcome.document), outcome.records, ())
    other = edit(outcome.document, second, parse_records(dump_records(outcome.records)))
    straight = edit(parse(text), second)
    assert meaning(other.document) == meaning(straight.document)
    gone = reset(other.document, other.records)
    assert (gone.records, gone.kept) == ((), ())
    # What was taken away comes back before the plugin that stood behind it, be there comments between them or not.
    took = any(not item.get("enabled", True) for items in (*first.values(), *second.values()) for item in items)
    assert sorted(map(str.strip, str(gone.document).splitlines())) == sorted(map(str.strip, text.splitlines()))
    assert str(gone.document) == text or took


@given(kubeadm_like(), options_for())
def test_what_is_declared_lints_no_worse_and_keeps_all_comments(text: str, options: dict[str, t.Any]) -> None:
    before = {(finding.kind, finding.message) for finding in lint(parse(text)) if finding.level == "error"}
    outcome = edit(parse(text), options)
    after = {(finding.kind, finding.message) for finding in lint(outcome.document) if finding.level == "error"}
    assert {kind for kind, _message in after} <= {kind for kind, _message in before}
    assert comments(str(outcome.document)) == comments(text)
    assert ("\r\n" in text) == ("\r\n" in str(outcome.document)) and str(outcome.document).count("\n") == (
        str(outcome.document).count("\r\n") if "\r\n" in text else str(outcome.document).count("\n")
    )


def meaning(document: Document) -> list[tuple[list[str], list[str]]]:
    """Blocks in any order, each with its plugins in any order, and hosts entries in any order."""
    found = []
    for item in document.items:
        assert isinstance(item, Block)
        plugins = ["\n".join(sorted(directive.canonical.split("\n"))) for directive in item.directives]
        found.append((item.keys, sorted(plugins)))
    return sorted(found)
