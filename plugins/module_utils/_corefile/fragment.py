# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts that a Corefile imports: whole server blocks, or plugins of a server block that stands around the import. Pure.

The latter is what AKS and k3s call an override. Its lines are edited as those of the block ``.:53``, which is put
around them for the time of the edit.
"""

from __future__ import annotations

from ansible_collections.kubenode.network.plugins.module_utils._corefile import edits, slots, versions
from ansible_collections.kubenode.network.plugins.module_utils._corefile.document import Block, Document, parse
from ansible_collections.kubenode.network.plugins.module_utils._corefile.errors import CorefileError
from ansible_collections.kubenode.network.plugins.module_utils._corefile.lexer import quote

SERVER = ".:53"
"""The server block whose plugins an override holds, in AKS's and k3s's Corefile."""

# The word stands for the lines around: they begin at the margin, and so do new ones where there are no others.
_HEAD = f"{SERVER} {{\n_\n"
_TAIL = "}\n"
_LINES = 2


def wrapped(text: str) -> Document:
    """An override as a document with one server block, ``SERVER``. Raises CorefileError for wrong braces."""
    end = "" if not text or text.endswith("\n") else "\n"
    document = parse(_HEAD + text + end + _TAIL)
    try:
        items = document.items
    except CorefileError as error:
        raise placed(error) from None
    last = len(document.tokens) - 1
    if len(items) != 1 or not isinstance(items[0], Block) or items[0].close != last:
        raise CorefileError("the braces do not match")
    return document


def unwrapped(document: Document) -> str:
    """The text of an override."""
    text = str(document)
    return text[len(_HEAD) : -len(_TAIL)]


def placed(error: CorefileError) -> CorefileError:
    """An error about a wrapped text, with its line in the text itself."""
    return error if error.file else CorefileError(error.message, max(error.line - _LINES, 0))


def check_override(text: str) -> None:
    """Raises CorefileError for what can only stand outside of a server block."""
    for directive in wrapped(text).blocks[0].directives:
        name = directive.name
        known = name in versions.coredns_plugins(None)
        if name.startswith("(") or (not known and directive.opening is not None and (set(name) & set(".:"))):
            what = "a snippet" if name.startswith("(") else "a server block"
            raise CorefileError(
                f"{name} is {what}, and an override holds lines of plugins for the server block {SERVER}: put it into "
                "a key *.server",
                directive.line - _LINES,
            )


def check_servers(text: str) -> None:
    """Raises CorefileError for what can only stand in a server block, and for a block that has no braces of its own."""
    for item in parse(text).items:
        if not isinstance(item, Block) or item.snippet is not None or not item.keys:
            continue
        if item.keys[0] in versions.coredns_plugins(None):
            raise CorefileError(
                f"{item.keys[0]} is a plugin, and here stand server blocks only: put it into one, or, for the server "
                f"block {SERVER} of a cluster with coredns-custom, into a key *.override",
                item.line,
            )
        if item.opening is None or item.close is None:
            raise CorefileError(
                f"the server block {' '.join(item.keys)} has no braces, so it would take what comes behind it in the "
                "Corefile: give it both",
                item.line,
            )


def with_import(main: str, path: str, override: bool) -> str:
    """A Corefile that imports a file besides: at its end, or in the server block ``SERVER`` (which is made if missing).

    Raises CorefileError where its braces do not match.
    """
    line = f"import {quote(path)}"
    if not override:
        return f"{main.rstrip()}\n{line}\n" if main.strip() else f"{line}\n"
    document = parse(main)
    if slots.find_block(document, SERVER) is None:
        document = edits.add_block(document, [SERVER])
    return str(edits.add_plugin(document, slots.need_block(document, SERVER), line))
