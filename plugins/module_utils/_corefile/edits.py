# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Edits of a Corefile by its parts. Each makes another document; what it does not name stays byte for byte. Pure.

Texts of plugins are given without indentation, which is the file's own: ``"forward . 10.0.0.1 {\\nmax_fails 3\\n}"``.
All raise CorefileError for a text that is not what it should be, and for documents whose braces do not match.
"""

from __future__ import annotations

import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._corefile.document import (
    Block,
    Directive,
    Document,
    Splice,
    parse,
)
from ansible_collections.kubenode.network.plugins.module_utils._corefile.errors import CorefileError
from ansible_collections.kubenode.network.plugins.module_utils._corefile.layout import (
    Style,
    indentation,
    laid_out,
    line_end,
    line_start,
    single,
    style,
    words,
)
from ansible_collections.kubenode.network.plugins.module_utils._corefile.lexer import Token, quote

_BLANKS = " \t\r\n\v\f"


def add_block(document: Document, keys: t.Sequence[str], plugins: t.Sequence[str] = ()) -> Document:
    """A new server block behind all others."""
    _closed(document)
    text = document.text
    place = len(text.rstrip(_BLANKS))
    place = line_end(text, place)
    look = style(document)
    before = look.eol if text[:place].strip() and not text[:place].endswith("\n") else ""
    if look.apart and document.items:
        before += look.eol
    return document.spliced([Splice(place, place, before + _block_text(document, words(*keys), plugins))])


def add_snippet(document: Document, name: str, plugins: t.Sequence[str]) -> Document:
    """A new snippet before the first server block, since it must be defined before it is imported."""
    _closed(document)
    first = next((item for item in document.items if not (isinstance(item, Block) and item.snippet is not None)), None)
    if first is None:
        return add_block(document, [f"({name})"], plugins)
    place = line_start(document.text, first.start)
    if document.text[place : first.start].strip(" \t\ufeff"):
        raise CorefileError("the line before this server block has no end of its own: put it on one", first.line)
    place = _above_comments(document.text, place)
    look = style(document)
    text = _block_text(document, f"({name})", plugins) + (look.eol if look.apart else "")
    if document.text.startswith("\ufeff") and place == 0:
        place = 1
    return document.spliced([Splice(place, place, text)])


def remove_block(document: Document, block: Block) -> Document:
    """Take a server block or snippet away, with an empty line before it (or behind the first one)."""
    text = document.text
    start, end = line_start(text, block.start), line_end(text, block.end)
    if text[start : block.start].strip(" \t\ufeff"):
        start = block.start
    if _has_words(document, block.end, end):
        end = block.end
    if text.startswith("\ufeff") and start == 0:
        start = 1
    previous = line_start(text, start - 1) if start > 1 else 0
    if start > 1 and not text[previous:start].strip():
        start = previous
    elif start <= 1 and not text[end : line_end(text, end)].strip():
        end = line_end(text, end)
    return document.spliced([Splice(start, end, "")])


def set_keys(document: Document, block: Block, keys: t.Sequence[str]) -> Document:
    """Give a server block these keys."""
    if not keys:
        raise CorefileError("a server block needs a key", block.line)
    if not block.key_tokens:
        return document.spliced([Splice(block.start, block.start, words(*keys) + " ")])
    return document.spliced([Splice(block.key_tokens[0].start, block.key_tokens[-1].end, words(*keys))])


def add_plugin(
    document: Document, block: Block, text: str, before: Directive | None = None, verbatim: bool = False
) -> Document:
    """A new plugin, or import, at the end of a server block or snippet, or before one of its plugins.

    ``verbatim``: the text has its own indentation, but for its first line.
    """
    single(text)
    look = style(document, block)
    if before is not None and indentation(before) is not None:
        place = line_start(document.text, before.start)
        written = _lines(text, indentation(before) or "", look, verbatim)
        return document.spliced([Splice(place, place, written)])
    written = _lines(text, look.indent, look, verbatim)
    return _insert_line(document, block.line, block.opening_token, block.closing_token, written)


def replace_plugin(document: Document, directive: Directive, text: str, verbatim: bool = False) -> Document:
    """Put another text in the place of a plugin or option; a comment behind it stays."""
    single(text)
    if directive.canonical == single(text).canonical:
        return document
    written = _lines(text, indentation(directive) or "", style(document), verbatim)
    return document.spliced([Splice(directive.start, directive.end, written.strip(_BLANKS))])


def remove_plugin(document: Document, directive: Directive) -> Document:
    """Take a plugin, option or import away, with its lines and the comment behind it."""
    text = document.text
    start, end = directive.start, directive.end
    if indentation(directive) is not None and not _has_words(document, end, line_end(text, end)):
        start, end = line_start(text, start), line_end(text, end)
    else:
        # It shares its line with a brace.
        start = len(text[:start].rstrip(" \t"))
    return document.spliced([Splice(start, end, "")])


def set_args(document: Document, directive: Directive, args: t.Sequence[str]) -> Document:
    """Give a plugin or option other arguments; its block and comments stay."""
    if list(args) == directive.args:
        return document
    opening = directive.opening
    last = directive.last if opening is None else opening
    name = document.tokens[directive.first]
    splice = Splice(name.end, document.tokens[last - 1].end, "".join(" " + quote(arg) for arg in args))
    return document.spliced([splice])


def set_option(document: Document, directive: Directive, text: str, before: Directive | None = None) -> Document:
    """Give a plugin an option: in the place of the first one of that name, else as a new line.

    ``before``: put a new one before that option. A new option stands at the end of the block otherwise.
    """
    current = directive.option(single(text).name)
    if current is not None:
        return replace_plugin(document, current, text)
    return add_option(document, directive, text, before)


def add_option(document: Document, directive: Directive, text: str, before: Directive | None = None) -> Document:
    """Give a plugin one more line in its block, which it gets when it has none."""
    single(text)
    look = style(document)
    outer = indentation(directive)
    outer = look.indent if outer is None else outer
    siblings = [before for before in map(indentation, directive.options) if before]
    inner = siblings[0] if siblings else outer + look.step
    opening = directive.opening
    if opening is None:
        written = laid_out(text, inner, look.step, look.eol)
        return document.spliced([Splice(directive.end, directive.end, f" {{{look.eol}{written}{outer}}}")])
    if before is not None and indentation(before) is not None:
        place = line_start(document.text, before.start)
        return document.spliced([Splice(place, place, laid_out(text, inner, look.step, look.eol))])
    closing = document.tokens[directive.last - 1]
    written = laid_out(text, inner, look.step, look.eol)
    return _insert_line(document, directive.line, document.tokens[opening], closing, written, outer)


def remove_option(document: Document, directive: Directive, option: Directive) -> Document:
    """Take a line out of a plugin's block, and the braces when nothing is left between them."""
    changed = remove_plugin(document, option)
    after = next(
        node
        for item in changed.items
        if isinstance(item, Block)
        for node in item.directives
        if node.first == directive.first
    )
    opening = after.opening
    if opening is None or opening != after.last - 2:
        return changed
    first, last = changed.tokens[opening], changed.tokens[after.last - 1]
    if changed.text[first.end : last.start].strip():
        return changed
    start = len(changed.text[: first.start].rstrip(" \t"))
    return changed.spliced([Splice(start, last.end, "")])


def replace_variable(document: Document, name: str, text: str) -> Document:
    """Put a text in the place of every ``{$NAME}`` and ``{%NAME%}``."""
    return document.spliced(
        Splice(variable.start, variable.end, text) for variable in document.variables if variable.name == name
    )


def _insert_line(
    document: Document, line: int, opening: Token | None, closing: Token | None, written: str, outer: str = ""
) -> Document:
    """Put lines before a closing brace, which then has a line of its own."""
    if opening is None or closing is None:
        raise CorefileError("a block without its two braces cannot be edited: give it both", line)
    start = line_start(document.text, closing.start)
    if start > opening.start and not document.text[start : closing.start].strip(" \t"):
        return document.spliced([Splice(start, start, written)])
    # The brace shares its line with what is before it.
    start = len(document.text[: closing.start].rstrip(" \t"))
    return document.spliced([Splice(start, closing.start, style(document).eol + written + outer)])


def _block_text(document: Document, keys: str, plugins: t.Sequence[str]) -> str:
    look = style(document)
    body = "".join(laid_out(_one(plugin), look.indent, look.step, look.eol) for plugin in plugins)
    return f"{keys} {{{look.eol}{body}}}{look.eol}"


def _lines(text: str, indent: str, look: Style, verbatim: bool) -> str:
    return indent + text + look.eol if verbatim else laid_out(text, indent, look.step, look.eol)


def _one(plugin: str) -> str:
    single(plugin)
    return plugin


def _closed(document: Document) -> None:
    for item in document.items:
        if isinstance(item, Block) and (item.opening is None or item.close is None):
            raise CorefileError("a block without its two braces lets nothing stand beside it: give it both", item.line)


def _has_words(document: Document, start: int, end: int) -> bool:
    return bool(parse(document.text[start:end]).tokens)


def _above_comments(text: str, place: int) -> int:
    """The line on which the comment right above a line begins."""
    while place > 0:
        before = line_start(text, place - 1)
        if not text[before:place].lstrip(" \t\ufeff").startswith("#"):
            break
        place = before
    return place
