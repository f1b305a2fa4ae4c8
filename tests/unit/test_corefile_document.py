# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lexer, document, hash and the edits of single parts."""

from __future__ import annotations

import hashlib
import textwrap

import pytest
from ansible_collections.kubenode.network.plugins.module_utils._corefile import edits
from ansible_collections.kubenode.network.plugins.module_utils._corefile.document import Document, parse
from ansible_collections.kubenode.network.plugins.module_utils._corefile.errors import CorefileError
from ansible_collections.kubenode.network.plugins.module_utils._corefile.keys import server_keys
from ansible_collections.kubenode.network.plugins.module_utils._corefile.lexer import quote, tokens
from ansible_collections.kubenode.network.plugins.module_utils._corefile.load import ANY_FILES, Files, load
from ansible_collections.kubenode.network.plugins.module_utils._corefile.loaded import loaded_hash

KUBEADM = textwrap.dedent("""\
    .:53 {
        errors
        health {
           lameduck 5s
        }
        # the cluster's own names
        kubernetes cluster.local in-addr.arpa ip6.arpa {
           pods insecure   # as ever
           fallthrough in-addr.arpa ip6.arpa
        }
        forward . /etc/resolv.conf
        cache 30   # half a minute
        reload
    }
    """)


def changed(before: str, after: Document) -> tuple[list[str], list[str]]:
    """Lines that went and lines that came."""
    old, new = before.splitlines(keepends=True), str(after).splitlines(keepends=True)
    return [line for line in old if line not in new], [line for line in new if line not in old]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a\rb", ["ab"]),
        ('"a\\"b"', ['a"b']),
        ('"a\\\\"b"', ["a\\\\", 'b"']),
        ('"x"y', ["x", "y"]),
        ('a"b c"', ['a"b', 'c"']),
        ('""', [""]),
        ('"', []),
        ('"open # to the end\n}', ["open # to the end\n}"]),
        ('"ends with \\', ["ends with "]),
        ("foo#bar baz", ["foo", "baz"]),
        ("foo #bar baz\nqux", ["foo", "qux"]),
        ("\ufeffa \ufeffb", ["a", "\ufeffb"]),
        ("a\x1cb c", ["a\x1cb", "c"]),
        ("a\u3000b\x85c\xa0d", ["a", "b", "c", "d"]),
        ("'a b'", ["'a", "b'"]),
        ("a\udcff", ["a\ufffd"]),
    ],
)
def test_words_are_those_of_the_server(text: str, words: list[str]) -> None:
    assert [token.text for token in tokens(text)] == words


def test_a_word_keeps_the_line_it_starts_on() -> None:
    assert [(token.text, token.line, token.starts_line) for token in tokens('a "b\nc" d\ne')] == [
        ("a", 1, True),
        ("b\nc", 1, False),
        ("d", 2, False),
        ("e", 3, True),
    ]


@pytest.mark.parametrize("word", ["a", "a b", "", 'a"b', '"', "a#b", "a\nb", "\\a", "C:\\x", "{$X}", "#"])
def test_a_quoted_word_is_read_back(word: str) -> None:
    assert [token.text for token in tokens(f"x {quote(word)} y")] == ["x", word, "y"]


@pytest.mark.parametrize("word", ["a \\", 'a \\"b'])
def test_a_word_that_cannot_be_written_is_refused(word: str) -> None:
    with pytest.raises(CorefileError, match="cannot be written"):
        quote(word)


def test_the_document_has_blocks_plugins_and_options() -> None:
    document = parse(KUBEADM)
    [block] = document.blocks
    assert block.keys == [".:53"]
    assert [directive.name for directive in block.directives] == [
        "errors",
        "health",
        "kubernetes",
        "forward",
        "cache",
        "reload",
    ]
    [kubernetes] = block.plugins("kubernetes")
    assert kubernetes.args == ["cluster.local", "in-addr.arpa", "ip6.arpa"]
    assert [(option.name, option.args) for option in kubernetes.options] == [
        ("pods", ["insecure"]),
        ("fallthrough", ["in-addr.arpa", "ip6.arpa"]),
    ]
    assert kubernetes.line == 7 and kubernetes.options[1].line == 9


def test_the_document_has_snippets_imports_and_variables() -> None:
    document = parse("(a) {\nerrors }\nimport *.conf\n{$ZONE}:{%PORT%}, b {\nimport a\nwhoami # {$NO}\n}\n")
    assert list(document.snippets) == ["a"] and document.snippets["a"].directives[0].name == "errors"
    assert [found.args for found in document.imports] == [["*.conf"]]
    assert document.blocks[0].keys == ["{$ZONE}:{%PORT%}", "b"]
    assert [(variable.name, variable.line) for variable in document.variables] == [("ZONE", 4), ("PORT", 4)]


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("a {\n b {\n}\n c\n", 1, "server block a is never closed"),
        ("a {\n b {\n c\n", 2, "brace of b is never closed"),
        ("(a) {\n b\n", 1, r"snippet \(a\) is never closed"),
        ("a {\n b }\n", 2, "no opening brace"),
        ("a, {\n}\n", 1, "another key is expected"),
        ("a {\n import\n}\n", 2, "import takes one"),
        ("import a b\n", 1, "import takes one"),
    ],
)
def test_wrong_braces_are_told_with_the_line_where_they_open(text: str, line: int, message: str) -> None:
    document = parse(text)
    assert str(document) == text
    with pytest.raises(CorefileError, match=message) as caught:
        _items = document.items
    assert caught.value.line == line


def test_a_new_plugin_has_the_indentation_of_its_neighbours() -> None:
    document = parse(KUBEADM)
    after = edits.add_plugin(document, document.blocks[0], "hosts {\n10.0.0.1 a.example\nfallthrough\n}")
    assert changed(KUBEADM, after) == ([], ["    hosts {\n", "       10.0.0.1 a.example\n", "       fallthrough\n"])


def test_tabs_and_the_line_ends_of_windows_are_kept() -> None:
    text = ".:53 {\r\n\terrors\r\n\thealth {\r\n\t\tlameduck 5s\r\n\t}\r\n}\r\n"
    document = parse(text)
    after = edits.add_plugin(document, document.blocks[0], "forward . 10.0.0.1 {\nmax_fails 3\n}")
    assert str(after) == text[:-3] + "\tforward . 10.0.0.1 {\r\n\t\tmax_fails 3\r\n\t}\r\n}\r\n"


def test_a_comment_behind_a_plugin_stays_when_it_changes_and_goes_with_it() -> None:
    document = parse(KUBEADM)
    [cache] = document.blocks[0].plugins("cache")
    assert changed(KUBEADM, edits.set_args(document, cache, ["60"]))[1] == ["    cache 60   # half a minute\n"]
    assert changed(KUBEADM, edits.replace_plugin(document, cache, "cache 5"))[1] == ["    cache 5   # half a minute\n"]
    assert changed(KUBEADM, edits.remove_plugin(document, cache)) == (["    cache 30   # half a minute\n"], [])


def test_an_option_makes_the_block_it_needs_and_takes_it_along() -> None:
    document = parse(KUBEADM)
    after = edits.set_option(document, document.blocks[0].plugins("cache")[0], "success 9984 30")
    assert changed(KUBEADM, after)[1] == ["    cache 30 {\n", "       success 9984 30\n", "    }   # half a minute\n"]
    [cache] = after.blocks[0].plugins("cache")
    assert str(edits.remove_option(after, cache, cache.options[0])) == KUBEADM


def test_an_option_changes_in_its_place() -> None:
    document = parse(KUBEADM)
    after = edits.set_option(document, document.blocks[0].plugins("kubernetes")[0], "pods verified")
    assert changed(KUBEADM, after)[1] == ["       pods verified   # as ever\n"]


def test_a_block_on_one_line_is_opened() -> None:
    document = parse(". {\n errors { stacktrace }\n}\n")
    after = edits.set_option(document, document.blocks[0].directives[0], "consolidate 5m x")
    assert str(after) == ". {\n errors { stacktrace\n  consolidate 5m x\n }\n}\n"
    assert [option.canonical for option in after.blocks[0].directives[0].options] == ["stacktrace", "consolidate 5m x"]


@pytest.mark.parametrize("text", [KUBEADM, KUBEADM + "\na {\n}\n", KUBEADM.rstrip("\n") + "\n\n", "# only this\n", ""])
def test_blocks_and_snippets_come_and_go_without_a_trace(text: str) -> None:
    document = parse(text)
    added = edits.add_block(document, ["b.example:53"], ["errors", "forward . 10.0.0.1"])
    assert str(edits.remove_block(added, added.blocks[-1])) == text
    added = edits.add_snippet(document, "common", ["errors"])
    assert list(added.snippets) == ["common"] and (not text or str(added).startswith(("(common) {\n", "# only")))
    assert str(edits.remove_block(added, added.snippets["common"])) == text


def test_a_snippet_goes_before_what_may_import_it_and_after_the_others() -> None:
    text = "(a) {\n errors\n}\n# the one\n. {\n import a\n}\n"
    assert str(edits.add_snippet(parse(text), "b", ["log"])) == (
        "(a) {\n errors\n}\n(b) {\n log\n}\n# the one\n. {\n import a\n}\n"
    )


def test_keys_and_variables_change_alone() -> None:
    document = parse("{$ZONE}:53 a # b\n{\n forward . {$UP} # {$UP}\n}\n")
    keys = edits.set_keys(document, document.blocks[0], ["c", "d"])
    assert str(keys) == "c d # b\n{\n forward . {$UP} # {$UP}\n}\n"
    assert str(edits.replace_variable(document, "UP", "10.0.0.1")) == (
        "{$ZONE}:53 a # b\n{\n forward . 10.0.0.1 # {$UP}\n}\n"
    )


@pytest.mark.parametrize("text", ["errors\nlog", "", "errors }", "errors {", "}"])
def test_a_text_that_is_not_one_plugin_is_refused(text: str) -> None:
    document = parse(KUBEADM)
    with pytest.raises(CorefileError):
        edits.add_plugin(document, document.blocks[0], text)


def test_a_file_without_braces_is_not_edited() -> None:
    document = parse(".\nwhoami\n")
    with pytest.raises(CorefileError, match="braces"):
        edits.add_block(document, ["a"])
    with pytest.raises(CorefileError, match="braces"):
        edits.add_plugin(document, document.blocks[0], "log")


@pytest.mark.parametrize(
    ("key", "zones"),
    [
        (".", [".:53"]),
        ("EXAMPLE.org:1053", ["example.org.:1053"]),
        ("tls://example.org", ["tls://example.org.:853"]),
        ("https://.", ["https://.:443"]),
        ("10.0.0.0/24", ["0.0.10.in-addr.arpa.:53"]),
        ("10.2.0.0/15:53", ["2.10.in-addr.arpa.:53", "3.10.in-addr.arpa.:53"]),
        ("2001:db8::/32", ["8.b.d.0.1.0.0.2.ip6.arpa.:53"]),
    ],
)
def test_a_key_stands_for_its_zones(key: str, zones: list[str]) -> None:
    assert [str(found) for found in server_keys(key)] == zones


def test_the_hash_counts_words_and_lines_and_nothing_else() -> None:
    first = loaded_hash(parse(KUBEADM))
    assert len(first) == 128
    assert loaded_hash(parse(KUBEADM.replace("# half a minute", "# 30 s"))) == first
    assert loaded_hash(parse("\n" + KUBEADM)) != first
    assert loaded_hash(parse(KUBEADM.replace("cache 30", "cache 31"))) != first


def test_the_hash_is_over_what_go_would_write() -> None:
    words = b'{"File":"","Line":2,"Text":"log"},{"File":"","Line":2,"Text":"\\u003cx\\u0026"}'
    written = b'[{"Keys":["."],"Tokens":{"log":[' + words + b"]}}]"
    assert loaded_hash(parse(". {\nlog <x&\n}")) == hashlib.sha512(written).hexdigest()
    assert loaded_hash(parse(". {\nlog <x&\n}"), algorithm="md5") == hashlib.md5(written).hexdigest()
    assert loaded_hash(parse("")) == hashlib.sha512(b"null").hexdigest()


def test_the_hash_needs_what_is_imported() -> None:
    text = ". {\n import x.conf\n}\n"
    with pytest.raises(CorefileError, match="not known here"):
        loaded_hash(parse(text), ANY_FILES)
    with pytest.raises(CorefileError, match="not found"):
        loaded_hash(parse(text))
    files = Files({"/etc/coredns/x.conf": "whoami"})
    assert loaded_hash(parse(text), files) != loaded_hash(parse(". {\n whoami\n}\n"))


def test_a_variable_that_names_itself_is_refused_where_the_server_would_hang() -> None:
    with pytest.raises(CorefileError, match="names itself"):
        load(tokens("{$A} {\n}\n"), Files({}, {"A": "{$A}"}))
