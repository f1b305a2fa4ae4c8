# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Corefile as a document: server blocks, snippets, imports and plugins with their places in the text. Pure.

A document never changes and never loses a byte: ``str(parse(text)) == text`` for every text. An edit is a list of
splices that makes another document, so that whatever they do not name stays as it was.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._corefile.errors import CorefileError
from ansible_collections.kubenode.network.plugins.module_utils._corefile.lexer import Token, quote, tokens

_VARIABLE = re.compile(r"\{%(?P<percent>.+?)%\}|\{\$(?P<dollar>[^}]+)\}", re.DOTALL)


class Splice(t.NamedTuple):
    """Put ``text`` in the place of ``document.text[start:end]``."""

    start: int
    end: int
    text: str


class Variable(t.NamedTuple):
    """A reference to an environment variable, ``{$NAME}`` or ``{%NAME%}``."""

    name: str
    line: int
    start: int
    end: int


class Directive:
    """A plugin in a server block, an option in a plugin's block, or an import: a word with what belongs to it."""

    __slots__ = ("_tokens", "first", "last", "text")

    def __init__(self, text: str, all_tokens: t.Sequence[Token], first: int, last: int) -> None:
        self.text = text
        self._tokens = all_tokens
        self.first = first
        self.last = last

    @property
    def tokens(self) -> t.Sequence[Token]:
        return self._tokens[self.first : self.last]

    @property
    def name(self) -> str:
        return self._tokens[self.first].text

    @property
    def line(self) -> int:
        return self._tokens[self.first].line

    @property
    def start(self) -> int:
        return self._tokens[self.first].start

    @property
    def end(self) -> int:
        return self._tokens[self.last - 1].end

    @property
    def raw(self) -> str:
        """Its text as it stands, with comments inside it but not those around it."""
        return self.text[self.start : self.end]

    @property
    def opening(self) -> int | None:
        """Index of the token ``{`` of its block."""
        for index in range(self.first + 1, self.last):
            if self._tokens[index].text == "{":
                return index
        return None

    @property
    def args(self) -> list[str]:
        """The words between the name and the block, or the end."""
        opening = self.opening
        return [token.text for token in self._tokens[self.first + 1 : self.last if opening is None else opening]]

    @property
    def options(self) -> list[Directive]:
        """What stands in its block, by lines."""
        opening = self.opening
        if opening is None:
            return []
        found, _close = _body(self.text, self._tokens, opening + 1, self.last, loose=True)
        return found

    def option(self, name: str) -> Directive | None:
        """The first option of that name."""
        return next((option for option in self.options if option.name == name), None)

    @property
    def canonical(self) -> str:
        """What it says, without layout and comments: a word apart by one space, a line per line."""
        written: list[str] = []
        for index, token in enumerate(self.tokens):
            if index:
                written.append("\n" if token.starts_line else " ")
            written.append(quote(token.text) if token.text not in {"{", "}"} else token.text)
        return "".join(written)

    def __repr__(self) -> str:
        return f"<{self.name} on line {self.line}>"


class Block:
    """A server block or a snippet."""

    __slots__ = ("_tokens", "close", "directives", "first", "keys", "keys_end", "last", "opening", "snippet", "text")

    def __init__(
        self,
        text: str,
        all_tokens: t.Sequence[Token],
        span: tuple[int, int, int],
        opening: int | None,
        close: int | None,
        directives: list[Directive],
    ) -> None:
        self.text = text
        self._tokens = all_tokens
        self.first, self.keys_end, self.last = span
        self.keys = _keys(all_tokens[self.first : self.keys_end])
        """Its keys as they are written, without the commas between them."""
        self.snippet = snippet_name(self.keys)
        """Its name, when it is a snippet."""
        self.opening = opening
        """Index of its ``{``; None for the one block of a file without braces, and for a line of keys at the end."""
        self.close = close
        """Index of its ``}``; None without braces, and where the file ends with the brace of its last plugin."""
        self.directives = directives

    @property
    def key_tokens(self) -> t.Sequence[Token]:
        return self._tokens[self.first : self.keys_end]

    @property
    def line(self) -> int:
        return self._tokens[self.first].line

    @property
    def start(self) -> int:
        return self._tokens[self.first].start

    @property
    def end(self) -> int:
        return self._tokens[self.last - 1].end

    @property
    def opening_token(self) -> Token | None:
        return None if self.opening is None else self._tokens[self.opening]

    @property
    def closing_token(self) -> Token | None:
        return None if self.close is None else self._tokens[self.close]

    def plugins(self, name: str) -> list[Directive]:
        """Its directives of that name, in the order of the file."""
        return [directive for directive in self.directives if directive.name == name]

    def __repr__(self) -> str:
        return f"<block {' '.join(self.keys)} on line {self.line}>"


class Document:
    """A Corefile. ``text`` is what it was parsed from; nodes are made when they are asked for."""

    __slots__ = ("_items", "_tokens", "memo", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.memo: dict[str, t.Any] = {}
        """What other modules have worked out about this text."""
        self._tokens: list[Token] | None = None
        self._items: list[Block | Directive] | None = None

    def __str__(self) -> str:
        return self.text

    @property
    def tokens(self) -> list[Token]:
        if self._tokens is None:
            self._tokens = tokens(self.text)
        return self._tokens

    @property
    def items(self) -> list[Block | Directive]:
        """Blocks, snippets, and imports outside of blocks. Raises CorefileError when braces or imports are wrong."""
        if self._items is None:
            self._items = _items(self.text, self.tokens)
        return self._items

    @property
    def blocks(self) -> list[Block]:
        """The server blocks."""
        return [item for item in self.items if isinstance(item, Block) and item.snippet is None]

    @property
    def snippets(self) -> dict[str, Block]:
        return {item.snippet: item for item in self.items if isinstance(item, Block) and item.snippet is not None}

    @property
    def imports(self) -> list[Directive]:
        """The imports outside of blocks."""
        return [item for item in self.items if isinstance(item, Directive)]

    @property
    def variables(self) -> list[Variable]:
        """The environment variables in its words, comments apart."""
        found = []
        for token in self.tokens:
            if "{" in token.text:
                for match in _VARIABLE.finditer(self.text, token.start, token.end):
                    line = token.line + self.text.count("\n", token.start, match.start())
                    found.append(Variable(match["percent"] or match["dollar"], line, match.start(), match.end()))
        return found

    def spliced(self, splices: t.Iterable[Splice]) -> Document:
        """The document with these places replaced; they must not overlap.

        Splices at one place that take nothing away are put in one after the other.
        """
        parts: list[str] = []
        done = 0
        for splice in sorted(splices, key=lambda splice: (splice.start, splice.end)):
            if splice.start < done:
                raise ValueError(f"splices overlap at offset {splice.start}")
            parts += [self.text[done : splice.start], splice.text]
            done = splice.end
        if not parts:
            return self
        return Document("".join([*parts, self.text[done:]]))


def parse(text: str) -> Document:
    """A document of a text. Every text is one: what is wrong in it is told by ``items`` and by ``lint``."""
    return Document(text)


def snippet_name(keys: t.Sequence[str]) -> str | None:
    """The name in ``(name)`` when that is the only key of a block."""
    if len(keys) == 1 and keys[0].startswith("(") and keys[0].endswith(")"):
        return keys[0][1:-1]
    return None


def _keys(key_tokens: t.Sequence[Token]) -> list[str]:
    return [token.text.removesuffix(",") for token in key_tokens if token.text]


def _items(text: str, found: list[Token]) -> list[Block | Directive]:
    items: list[Block | Directive] = []
    index, count = 0, len(found)
    while index < count:
        if found[index].text == "import" and found[index].starts_line:
            end = _line_end(found, index, count)
            _check_import(found, index, end)
            items.append(Directive(text, found, index, end))
            index = end
        else:
            block = _block(text, found, index)
            items.append(block)
            index = block.last
    return items


def _block(text: str, found: list[Token], first: int) -> Block:
    count = len(found)
    index = first
    more = False
    while True:
        token = found[index]
        if token.text == "{":
            if more:
                raise CorefileError("another key is expected after the comma, and here is '{'", token.line)
            break
        if token.text == "import" and token.starts_line:
            raise CorefileError("an import among the keys of a server block", token.line)
        more = token.text.endswith(",") if token.text else more
        index += 1
        if index == count:
            if more:
                raise CorefileError("another key is expected after the comma, and here the file ends", token.line)
            return Block(text, found, (first, index, index), None, None, [])
        if not more and found[index].starts_line:
            break
    keys_end = index
    keys = _keys(found[first:keys_end])
    snippet = snippet_name(keys)
    opening = index if found[index].text == "{" else None
    if opening is None and snippet is not None:
        raise CorefileError(f"snippet ({snippet}) needs braces, and here is {found[index].text!r}", found[index].line)
    directives, close = _body(text, found, index if opening is None else index + 1, count, loose=snippet is not None)
    # The server takes the brace that closes its last plugin for the block's own, at the end of a file.
    if close is None and opening is not None and (snippet is not None or found[-1].text != "}"):
        what = f"snippet ({snippet})" if snippet is not None else f"server block {' '.join(keys)}"
        raise CorefileError(f"the brace of {what} is never closed", found[opening].line)
    return Block(text, found, (first, keys_end, count if close is None else close + 1), opening, close, directives)


def _body(
    text: str, found: t.Sequence[Token], index: int, count: int, loose: bool
) -> tuple[list[Directive], int | None]:
    """The directives up to the ``}`` that closes what they are in, and its index; None when the end comes first.

    ``loose``: in snippets and plugins that brace may stand on a directive's own line.
    """
    directives: list[Directive] = []
    while index < count:
        token = found[index]
        name = token.text
        if name == "}":
            return directives, index
        first = index
        nesting = 1 if loose and name == "{" else 0
        index += 1
        while index < count:
            token = found[index]
            word = token.text
            if word == "{":
                nesting += 1
            elif nesting == 0 and token.starts_line:
                break
            elif word == "}":
                if nesting:
                    nesting -= 1
                elif loose:
                    break
                else:
                    raise CorefileError("'}' has no opening brace: it must stand on a line of its own", token.line)
            index += 1
        if nesting and not loose:
            raise CorefileError(f"the brace of {name} is never closed", found[first].line)
        if name == "import" and not loose:
            _check_import(found, first, index)
        directives.append(Directive(text, found, first, index))
    return directives, None


def _line_end(found: t.Sequence[Token], index: int, count: int) -> int:
    index += 1
    while index < count and not found[index].starts_line:
        index += 1
    return index


def _check_import(found: t.Sequence[Token], first: int, end: int) -> None:
    if end - first != 2 or not found[first + 1].text:
        words = " ".join(token.text for token in found[first + 1 : end]) or "nothing"
        raise CorefileError(f"import takes one snippet, file or pattern, and here is {words}", found[first].line)
