# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How new parts of a Corefile look: in the file's own indentation and line ends. Pure."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._corefile.document import (
    Block,
    Directive,
    Document,
    parse,
)
from ansible_collections.kubenode.network.plugins.module_utils._corefile.errors import CorefileError
from ansible_collections.kubenode.network.plugins.module_utils._corefile.lexer import quote

_DEFAULT = "    "
_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_EMPTY_LINE = re.compile(r"\n[ \t\r]*\n")


class Style(t.NamedTuple):
    """What a file's author does."""

    indent: str
    """Before a plugin in a server block."""
    step: str
    """What an option has more than its plugin."""
    eol: str
    """At the end of a line: ``\\n`` or ``\\r\\n``."""
    apart: bool
    """Blocks have an empty line between them."""


def style(document: Document, block: Block | None = None) -> Style:
    """The style of a document; the indentation is the block's where it has one of its own."""
    look = document.memo.get("style")
    if look is None:
        look = document.memo["style"] = _style(document)
    if block is None:
        return t.cast("Style", look)
    indent = _usual(map(indentation, block.directives))
    indent = look.indent if indent is None else indent
    step = _step(block.directives)
    return t.cast("Style", look._replace(indent=indent, step=look.step if step is None else step))


def _style(document: Document) -> Style:
    text = document.text
    eol = "\r\n" if "\r\n" in text and text.count("\r\n") * 2 > text.count("\n") else "\n"
    blocks = [item for item in document.items if isinstance(item, Block)]
    indent = _usual(before for block in blocks for before in map(indentation, block.directives))
    step = next((found for found in (_step(block.directives) for block in blocks) if found), None)
    if indent is None:
        indent = _DEFAULT if step is None else step
    apart = any(_EMPTY_LINE.search(text, first.end, second.start) for first, second in zip(blocks, blocks[1:]))
    return Style(indent, indent or _DEFAULT if step is None else step, eol, apart)


def _usual(found: t.Iterable[str | None]) -> str | None:
    """The first indentation that is one; nothing where lines are never indented, None where no line shows it."""
    usual = None
    for before in found:
        if before:
            return before
        usual = before if usual is None else usual
    return usual


def _step(directives: t.Iterable[Directive]) -> str | None:
    """What an option has more than its plugin, of the first that shows it."""
    for directive in directives:
        outer = indentation(directive)
        inner = next((before for before in map(indentation, directive.options) if before is not None), None)
        if outer is not None and inner is not None and len(inner) > len(outer) and inner.startswith(outer):
            return inner[len(outer) :]
    return None


def indentation(directive: Directive) -> str | None:
    """The blanks before it on its line; None when something else stands there."""
    before = directive.text[line_start(directive.text, directive.start) : directive.start]
    return before if not before.strip(" \t\ufeff") else None


def line_start(text: str, place: int) -> int:
    """Offset of the beginning of a line."""
    return text.rfind("\n", 0, place) + 1


def line_end(text: str, place: int) -> int:
    """Offset behind the line's end."""
    end = text.find("\n", place)
    return len(text) if end == -1 else end + 1


def laid_out(text: str, indent: str, step: str, eol: str) -> str:
    """Lines of plugins and options, indented by their braces; comments stay, quoted words stay as they are.

    The result ends with a line end, or is empty. Raises CorefileError when the braces do not match.
    """
    written = []
    depth = 0
    found = parse(text).tokens
    index = 0
    place = 0
    skip_until = -1
    for line in _LINE.findall(text):
        end = place + len(line)
        here = []
        while index < len(found) and found[index].start < end:
            here.append(found[index])
            index += 1
        bare = line.rstrip("\r\n")
        if place <= skip_until:
            # Inside of a quoted word.
            written.append(bare)
        elif bare.strip():
            closing = bool(here) and here[0].text == "}"
            written.append(indent + step * (depth - closing) + bare.strip())
        for token in here:
            depth += {"{": 1, "}": -1}.get(token.text, 0)
            if depth < 0:
                raise CorefileError(f"a brace too many: {text.strip()!r}")
            skip_until = max(skip_until, token.end - 1)
        place = end
    if depth:
        raise CorefileError(f"a brace is never closed: {text.strip()!r}")
    return "".join(line + eol for line in written)


def words(*parts: str) -> str:
    """A line of words, each quoted where it must be."""
    return " ".join(part if part in {"{", "}"} else quote(part) for part in parts)


def canonical(text: str) -> str:
    """What a plugin's text says, as ``Directive.canonical`` gives it. Raises CorefileError unless it is one plugin."""
    directive = single(text)
    return directive.canonical


def single(text: str) -> Directive:
    """The one plugin, or option, that a text is. Raises CorefileError for none or several, and for wrong braces."""
    document = parse(f"x {{\n{text}\n}}\n")
    try:
        blocks = document.blocks
    except CorefileError as error:
        raise CorefileError(f"{text.strip()!r} is no plugin line: {error.message}") from None
    if blocks and blocks[0].close is None:
        raise CorefileError(f"{text.strip()!r} is no plugin line: its brace is never closed")
    if len(blocks) != 1 or len(blocks[0].directives) != 1 or blocks[0].close != len(document.tokens) - 1:
        found = len(blocks[0].directives) if blocks else 0
        raise CorefileError(f"one plugin is expected, and here are {found}: {text.strip()!r}")
    return blocks[0].directives[0]
