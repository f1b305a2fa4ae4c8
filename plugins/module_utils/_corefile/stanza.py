# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a plugin reads its words: stanzas with arguments and options, as caddyfile.Dispenser hands them out. Pure."""

from __future__ import annotations

import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._corefile.lexer import Token


class Option(t.NamedTuple):
    """A line of a plugin's block."""

    token: Token
    args: list[str]

    @property
    def name(self) -> str:
        return self.token.text


class Stanza(t.NamedTuple):
    """A plugin's line with its block."""

    token: Token
    """The plugin's name, where the words are in order; something else where a brace is out of place."""
    args: list[str]
    options: list[Option]
    has_block: bool


def stanzas(words: t.Sequence[Token]) -> list[Stanza]:
    """The stanzas among all words of one directive in one server block."""
    found = []
    reader = _Dispenser(words)
    while reader.next():
        token = reader.token
        args = reader.remaining_args()
        has_block = reader.at_block()
        options = []
        while reader.next_block():
            options.append(Option(reader.token, reader.remaining_args()))
        found.append(Stanza(token, args, options, has_block))
    return found


class _Dispenser:
    """github.com/coredns/caddy v1.1.4, caddyfile/dispenser.go."""

    def __init__(self, words: t.Sequence[Token]) -> None:
        self.words = words
        self.cursor = -1
        self.nesting = 0

    @property
    def token(self) -> Token:
        return self.words[self.cursor]

    def next(self) -> bool:
        if self.cursor < len(self.words) - 1:
            self.cursor += 1
            return True
        return False

    def next_arg(self) -> bool:
        if self.cursor < len(self.words) - 1:
            here, after = self.words[self.cursor], self.words[self.cursor + 1]
            if here.file == after.file and here.line + here.text.count("\n") == after.line:
                self.cursor += 1
                return True
        return False

    def remaining_args(self) -> list[str]:
        args = []
        while self.next_arg():
            if self.token.text == "{":
                self.cursor -= 1
                break
            args.append(self.token.text)
        return args

    def at_block(self) -> bool:
        if not self.next_arg():
            return False
        self.cursor -= 1
        return self.words[self.cursor + 1].text == "{"

    def next_block(self) -> bool:
        if self.nesting > 0:
            if not self.next():
                return False
            if self.token.text == "{":
                self.cursor -= 1
            else:
                if self.token.text == "}":
                    self.nesting -= 1
                    return False
                return True
        if not self.next_arg():
            return False
        if self.token.text != "{":
            self.cursor -= 1
            return False
        if not self.next() or self.token.text == "}":
            return False
        self.nesting += 1
        return True
