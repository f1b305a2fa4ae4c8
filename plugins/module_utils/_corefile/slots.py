# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Places of a Corefile that hold one entry each, named by meaning: read, fill and clear them. Pure.

A slot is a tuple of strings, so that a record of it can be kept as JSON:

    ("block", SERVER)                     a server block with these keys
    ("snippet", NAME)                     a snippet; its value is its plugins, a line each
    ("plugin", SERVER, PLUGIN)            a plugin in a server block
    ("args", SERVER, PLUGIN)              the arguments of a plugin that stays somebody else's
    ("option", SERVER, PLUGIN, OPTION)    an option in the block of such a plugin
    ("hosts", SERVER)                     ``hosts`` with fallthrough, whatever entries it has
    ("host", SERVER, LINE)                an entry in ``hosts``, address and names
    ("text",)                             all of the text, where it is imported as a whole

SERVER is one or more keys in canonical form with a space between them, ``.:53``. PLUGIN is ``cache``; for those that
may stand several times it goes on with what tells them apart: ``forward .``, or the whole text of a ``rewrite``.
A value is canonical text (``Directive.canonical``), or None for an empty slot.
"""

from __future__ import annotations

import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._corefile import edits
from ansible_collections.kubenode.network.plugins.module_utils._corefile.document import (
    Block,
    Directive,
    Document,
    parse,
)
from ansible_collections.kubenode.network.plugins.module_utils._corefile.errors import CorefileError
from ansible_collections.kubenode.network.plugins.module_utils._corefile.keys import (
    covers,
    is_address,
    server_keys,
    split_zone,
    transport,
)
from ansible_collections.kubenode.network.plugins.module_utils._corefile.layout import single, words

Slot = tuple[str, ...]

# What may stand several times in a server block, each for itself.
_SEVERAL = "acl auto file forward grpc header import k8s_external log rewrite secondary template transfer"
SEVERAL = frozenset(_SEVERAL.split())


def server_of(keys: t.Iterable[str]) -> str:
    """SERVER of keys as people write them: ``.`` and ``.:53`` are one."""
    found = dict.fromkeys(str(one) for key in keys for one in server_keys(key))
    return " ".join(sorted(found))


def plugin_of(text: str) -> str:
    """PLUGIN of a plugin's text."""
    directive = single(text)
    name = directive.name
    if name not in SEVERAL:
        return name
    if name == "forward" and directive.args:
        return f"forward {_zone(directive.args[0])}"
    if name == "import" and directive.args:
        return f"import {directive.args[0]}"
    return directive.canonical


def find_block(document: Document, server: str) -> Block | None:
    """The server block that has all these keys. Raises CorefileError when several have some of them."""
    wanted = set(server.split(" "))
    found = sorted({index for key in wanted for index in _served(document).get(key, ())})
    return _only(server, wanted, [document.blocks[index] for index in found])


def _served(document: Document) -> dict[str, list[int]]:
    """Server blocks, by their number, of every key."""
    index = document.memo.get("served")
    if index is None:
        index = document.memo["served"] = {}
        for number, block in enumerate(document.blocks):
            for key in _keys(block):
                index.setdefault(key, []).append(number)
    return t.cast("dict[str, list[int]]", index)


def _only(server: str, wanted: set[str], found: list[Block]) -> Block | None:
    if len(found) > 1:
        lines = ", ".join(str(block.line) for block in found)
        raise CorefileError(f"{server} stands in several server blocks (lines {lines}): say which one by its own keys")
    if found and not wanted <= _keys(found[0]):
        missing = " ".join(sorted(wanted - _keys(found[0])))
        raise CorefileError(f"the server block of {' '.join(found[0].keys)} does not serve {missing}", found[0].line)
    return found[0] if found else None


def need_block(document: Document, server: str) -> Block:
    """The same; raises CorefileError when there is none."""
    block = find_block(document, server)
    if block is None:
        known = ", ".join(" ".join(block.keys) for block in document.blocks) or "none"
        raise CorefileError(
            f"no server block serves {server}: there is {known}. Name one of these, or declare it in servers"
        )
    return block


def find_plugin(block: Block, plugin: str) -> Directive | None:
    """The plugin in a server block that PLUGIN names."""
    name = plugin.split(" ", 1)[0].split("\n", 1)[0]
    for directive in block.plugins(name):
        if name not in SEVERAL or plugin_of(directive.raw) == plugin:
            return directive
    return None


def read(document: Document, slot: Slot) -> str | None:
    """The value of a slot."""
    kind = slot[0]
    if kind == "text":
        return str(document) if str(document).strip() else None
    if kind == "snippet":
        snippet = document.snippets.get(slot[1])
        return None if snippet is None else body(snippet)
    block = find_block(document, slot[1])
    if block is None or kind == "block":
        return None if block is None else slot[1]
    if kind == "hosts":
        return "hosts" if block.plugins("hosts") else None
    if kind == "host":
        line = _host_line(block, slot[2])
        return None if line is None else line.canonical
    directive = find_plugin(block, slot[2])
    if directive is None or kind == "plugin":
        return None if directive is None else directive.canonical
    if kind == "args":
        return words(*directive.args)
    option = directive.option(slot[3])
    return None if option is None else option.canonical


def raw(document: Document, slot: Slot) -> str | None:
    """What stands in a slot, with its comments: fit to be written back."""
    node = _node(document, slot)
    return read(document, slot) if node is None or slot[0] == "args" else node.raw


def following(document: Document, slot: Slot) -> str:
    """PLUGIN of what stands behind a plugin's slot; empty at the end of a block."""
    block = find_block(document, slot[1]) if slot[0] == "plugin" else None
    node = _node(document, slot)
    if block is None or node is None:
        return ""
    behind = next((directive for directive in block.directives if directive.first == node.last), None)
    return "" if behind is None else plugin_of(behind.raw)


def write(document: Document, slot: Slot, text: str, behind: str = "", verbatim: bool = False) -> Document:
    """Fill a slot, in the place of what it holds. ``text`` is canonical or raw.

    ``behind``: PLUGIN that a new plugin shall stand before, where it is there. ``verbatim``: a plugin's text has its
    own indentation.
    """
    kind = slot[0]
    if kind == "text":
        return parse(text)
    if kind == "block":
        return document if find_block(document, slot[1]) else edits.add_block(document, text.split(" "))
    if kind == "snippet":
        return _write_snippet(document, slot[1], text)
    block = need_block(document, slot[1])
    if kind == "plugin":
        directive = find_plugin(block, slot[2])
        if directive is not None:
            return edits.replace_plugin(document, directive, text, verbatim)
        place = find_plugin(block, behind) if behind else _before(block, slot[2])
        return edits.add_plugin(document, block, text, place, verbatim)
    if kind == "hosts":
        return edits.add_plugin(document, block, "hosts {\nfallthrough\n}", _before(block, "forward ."))
    directive = find_plugin(block, "hosts" if kind == "host" else slot[2])
    if directive is None:
        raise CorefileError(f"{slot[2]} is not in the server block of {slot[1]}", block.line)
    if kind == "args":
        return edits.set_args(document, directive, single(f"x {text}").args)
    if kind == "option":
        return edits.set_option(document, directive, text)
    # CoreDNS takes no entry behind fallthrough.
    return edits.add_option(document, directive, text, directive.option("fallthrough"))


def clear(document: Document, slot: Slot) -> Document:
    """Empty a slot."""
    kind = slot[0]
    if kind == "text":
        return parse("")
    if kind == "snippet":
        snippet = document.snippets.get(slot[1])
        return document if snippet is None else edits.remove_block(document, snippet)
    if kind == "block":
        block = find_block(document, slot[1])
        return document if block is None else edits.remove_block(document, block)
    node = _node(document, slot)
    if node is None:
        return document
    if kind in {"plugin", "hosts"}:
        return edits.remove_plugin(document, node)
    if kind == "args":
        return edits.set_args(document, node, [])
    directive = find_plugin(need_block(document, slot[1]), "hosts" if kind == "host" else slot[2])
    return document if directive is None else edits.remove_option(document, directive, node)


def body(block: Block) -> str:
    """What a snippet says: the canonical text of its plugins, a line each."""
    return "\n".join(directive.canonical for directive in block.directives)


def hosts_pairs(block: Block) -> list[tuple[str, str, Directive]]:
    """Address, lower-case name and line of every entry in ``hosts``."""
    return [
        (line.name, name.rstrip(".").lower(), line)
        for directive in block.plugins("hosts")
        for line in directive.options
        if is_address(line.name)
        for name in line.args
    ]


def plugins_of_text(text: str) -> list[str]:
    """The canonical texts of the plugins that a text has, one behind the other."""
    document = parse(f"x {{\n{text}\n}}\n")
    blocks = document.blocks
    if len(blocks) != 1 or blocks[0].close != len(document.tokens) - 1:
        raise CorefileError(f"the braces do not match: {text.strip()!r}")
    return [directive.canonical for directive in blocks[0].directives]


def _node(document: Document, slot: Slot) -> Directive | None:
    if slot[0] in {"block", "snippet", "text"}:
        return None
    block = find_block(document, slot[1])
    if block is None:
        return None
    if slot[0] == "hosts":
        return find_plugin(block, "hosts")
    if slot[0] == "host":
        return _host_line(block, slot[2])
    directive = find_plugin(block, slot[2])
    if directive is None or slot[0] == "plugin":
        return directive
    return directive.option(slot[3]) if slot[0] == "option" else directive


def _host_line(block: Block, text: str) -> Directive | None:
    for directive in block.plugins("hosts"):
        for line in directive.options:
            if line.canonical == text:
                return line
    return None


def _write_snippet(document: Document, name: str, text: str) -> Document:
    snippet = document.snippets.get(name)
    if snippet is None:
        return edits.add_snippet(document, name, plugins_of_text(text))
    for directive in reversed(snippet.directives):
        document = edits.remove_plugin(document, directive)
    for plugin in plugins_of_text(text):
        document = edits.add_plugin(document, document.snippets[name], plugin)
    return document


def _before(block: Block, plugin: str) -> Directive | None:
    """A new ``forward`` goes before the first one that would take its names.

    So does an ``import`` before a ``log``, of which the first for a name is the one that counts (plugin/log): a file
    may have one that is there for a while.
    """
    name, _space, zone = plugin.partition(" ")
    if name == "import":
        return next(iter(block.plugins("log")), None)
    if name != "forward":
        return None
    return next(
        (other for other in block.plugins("forward") if other.args and covers(_zone(other.args[0]), zone)), None
    )


def _zone(text: str) -> str:
    try:
        return split_zone(transport(text)[1])[0][0]
    except CorefileError:
        return text


def _keys(block: Block) -> set[str]:
    found = set()
    for key in block.keys:
        try:
            found |= {str(one) for one in server_keys(key)}
        except CorefileError:
            # A variable, or a key that lint tells of.
            found.add(key)
    return found
