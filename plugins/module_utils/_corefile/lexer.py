# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tokens of a Corefile, with their places in the text. Pure.

The rules are those of github.com/coredns/caddy v1.1.4, caddyfile/lexer.go, which CoreDNS and node-cache read with:
``"`` opens a quoted token only at a token's start, ``\\"`` is the only escape, ``#`` begins a comment that ends with
the line, or in mid-word with the next whitespace, and ``\\r`` outside quotes is nothing at all.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._corefile.errors import CorefileError

# Go's unicode.IsSpace; Python's own notion has \x1c to \x1f as well.
_BLANK = r" \t\n\v\f\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_SPACE = rf"\r{_BLANK}"
_TOKEN = re.compile(
    rf"""(?P<word> [^{_SPACE}"\#] [^{_SPACE}\#]* (?: \r+ [^{_SPACE}\#]+ )* ) (?: \r* \# [^{_BLANK}]* )?
    | (\n)
    | " (?P<quoted> [^"\\]* (?: \\. [^"\\]* )* ) (?: (?P<closed> " ) | \\? \Z )
    | \# [^\n]*""",
    re.DOTALL | re.VERBOSE,
)
_WORD, _NEWLINE, _QUOTED, _CLOSED = 1, 2, 3, 4
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
# What is not UTF-8, when the text was read with surrogateescape; to Go each such byte is U+FFFD.
_NOT_UTF8 = re.compile("[\ud800-\udfff]")
_NEEDS_QUOTES = re.compile(rf'^"|[{_SPACE}\#]')


class Token(t.NamedTuple):
    """A word as the server sees it, and where it stands."""

    text: str
    line: int
    """Of its first character, from 1."""
    starts_line: bool
    """It is on another line than the token before it ends on."""
    start: int
    end: int
    """Offsets in the text: ``text[start:end]`` is the token with its quotes and escapes."""
    file: str = ""
    """Absolute path of the imported file that it is in; empty for the Corefile itself."""


def tokens(text: str, file: str = "") -> list[Token]:
    """The tokens of a text; every text has some reading.

    A quote that is never closed makes the rest of the text one token, as it does in CoreDNS.
    """
    found: list[Token] = []
    add = found.append
    # Past NamedTuple's own constructor: it is a third of the time that a large file takes.
    new = tuple.__new__
    line, starts_line = 1, True
    for match in _TOKEN.finditer(text, 1 if text.startswith("\ufeff") else 0):
        kind = match.lastindex
        if kind == _WORD:
            word = match[_WORD]
            if "\r" in word:
                word = word.replace("\r", "")
            start, end = match.span(_WORD)
            add(new(Token, (word, line, starts_line, start, end, file)))
            starts_line = False
        elif kind == _NEWLINE:
            line += 1
            starts_line = True
        elif kind is not None:
            word = match[_QUOTED]
            breaks = word.count("\n")
            if "\\" in word:
                word = _ESCAPED.sub(_unescape, word)
            if word or kind == _CLOSED:
                add(Token(word, line, starts_line, match.start(), match.end(), file))
                line += breaks
                starts_line = False
    if _NOT_UTF8.search(text):
        return [token._replace(text=_NOT_UTF8.sub("\ufffd", token.text)) for token in found]
    return found


def quote(word: str) -> str:
    """How to write a word so that the lexer reads it back; quotes only where it needs them.

    Raises CorefileError for one that cannot be written at all (a backslash before a quote, or at the end of a word that
    needs quotes).
    """
    if word and not _NEEDS_QUOTES.search(word):
        return word
    written = '"' + word.replace('"', '\\"') + '"'
    if [token.text for token in tokens(written)] != [word]:
        raise CorefileError(
            f"{word!r} cannot be written in a Corefile: a backslash stands before a quote or at the end, where it "
            "would be read as an escape"
        )
    return written


def is_closed(text: str, token: Token) -> bool:
    """Whether a token is no quoted one that only the text's end ended."""
    if not text.startswith('"', token.start):
        return True
    match = _TOKEN.match(text, token.start)
    return match is not None and match[_CLOSED] is not None


def _unescape(match: re.Match[str]) -> str:
    return '"' if match[1] == '"' else match[0]
