# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Says what a server would refuse in a Corefile, and what it would swallow. Pure.

CoreDNS has no switch that tests a configuration. What it reads is read here in the same way (``load``), and what its
plugins check when they are set up is checked from tables (``rules``, ``versions``).
"""

from __future__ import annotations

from ansible_collections.kubenode.network.plugins.module_utils._corefile import versions
from ansible_collections.kubenode.network.plugins.module_utils._corefile.document import Document
from ansible_collections.kubenode.network.plugins.module_utils._corefile.errors import CorefileError
from ansible_collections.kubenode.network.plugins.module_utils._corefile.findings import (
    COREDNS,
    ERROR,
    KINDS,
    WARNING,
    Finding,
    Findings,
    Target,
)
from ansible_collections.kubenode.network.plugins.module_utils._corefile.lexer import Token, is_closed
from ansible_collections.kubenode.network.plugins.module_utils._corefile.lint_forward import check_forwards
from ansible_collections.kubenode.network.plugins.module_utils._corefile.lint_plugins import (
    check_plugin,
    check_repeated,
)
from ansible_collections.kubenode.network.plugins.module_utils._corefile.lint_servers import (
    Server,
    check_servers,
    server,
)
from ansible_collections.kubenode.network.plugins.module_utils._corefile.load import ANY_FILES, Files, Loaded, load

__all__ = ("ERROR", "WARNING", "Finding", "Target", "lint")


def lint(document: Document, target: Target = COREDNS, around: Files = ANY_FILES) -> list[Finding]:
    """What is wrong with a Corefile for a server, in the order of its lines.

    Args:
        document: the Corefile; never refused, however broken.
        target: the server that shall read it.
        around: what the server finds around it. By default nothing is known of it: an import that is no snippet is
            passed over with a warning. Findings in imported files have the file's path.
    """
    if target.kind not in KINDS:
        raise ValueError(f"target {target.kind!r} is none of {', '.join(KINDS)}")
    findings = Findings()
    _check_text(document, around, findings)
    try:
        loaded = load(document.tokens, around)
    except CorefileError as error:
        findings.found.append(Finding(error.line, ERROR, _explained(document, error), "syntax", error.file))
        return _sorted(findings)
    _check_imports(loaded, target, findings)
    servers = [server(block, findings) for block in loaded.blocks]
    check_servers(servers, target, findings)
    for one in servers:
        _check_server(one, target, around, findings)
    check_repeated(servers, findings)
    return _sorted(findings)


def _check_text(document: Document, around: Files, findings: Findings) -> None:
    found = document.tokens
    for variable in document.variables if around.complete else ():
        if variable.name not in around.env:
            message = f"environment variable {variable.name} is not set: it reads as nothing"
            findings.found.append(Finding(variable.line, WARNING, message, "variable-unset"))
    if found and not is_closed(document.text, found[-1]):
        findings.warning(found[-1], "open-quote", "this quote is never closed: all that follows is one word")
    try:
        items = document.items
    except CorefileError:
        return
    for block in document.blocks:
        if block.opening is not None and block.close is None and items[-1] is block:
            findings.warning(
                found[block.opening],
                "open-brace",
                "this brace is never closed: the server takes the brace of the block's last plugin for it",
            )
        if not block.keys:
            findings.warning(found[block.first], "no-key", "a block without a key: the server reads over it")


def _explained(document: Document, error: CorefileError) -> str:
    """The server's words, and ours where they say more."""
    try:
        _items = document.items
    except CorefileError as ours:
        if ours.line and not error.file:
            place = "" if ours.line == error.line else f"line {ours.line}: "
            return f"{error.message} ({place}{ours.message})"
    return error.message


def _check_imports(loaded: Loaded, target: Target, findings: Findings) -> None:
    for token in loaded.unknown:
        findings.warning(
            token, "import-unknown", f"import {token.text}: its text is not known here and was not looked at"
        )
    for token in loaded.unmatched:
        findings.warning(token, "import-unmatched", f"import {token.text} matches no file")
    for name, token in loaded.snippets.items():
        if token.file and name in target.reserved_snippets:
            findings.error(
                token, "snippet-reserved", f"snippet ({name}) belongs to the platform: import it, do not declare it"
            )
        elif name not in loaded.used_snippets and not token.file and not loaded.unknown:
            findings.warning(token, "snippet-unused", f"snippet ({name}) is never imported")


def _check_server(one: Server, target: Target, around: Files, findings: Findings) -> None:
    known = target.plugins()
    for name, words in one.block.directives.items():
        if name not in known:
            _unknown_plugin(name, words[0], target, findings)
        else:
            check_plugin(name, words, target, findings)
    if not one.block.directives:
        findings.warning(
            one.block.key, "empty-block", f"{' '.join(one.block.keys)} has no plugins: every query is refused"
        )
    check_forwards(one, target, around, findings)


def _unknown_plugin(name: str, where: Token, target: Target, findings: Findings) -> None:
    release = target.release
    way_out = "; if the server is a custom build that has it, name it in known_plugins"
    if target.only_known_plugins:
        findings.error(where, "unknown-plugin", f"{name} is none of the server's plugins")
    elif target.kind == "node-cache":
        hint = " (it is one of CoreDNS's)" if name in versions.coredns_plugins(None) else ""
        findings.error(where, "unknown-plugin", f"node-cache has no plugin {name}{hint}{way_out}")
    elif (came := versions.release_of(name)) and release:
        gone = versions.number(came) or release
        what = f"came with CoreDNS {came}" if gone > release else "is no longer in CoreDNS"
        findings.error(where, "unknown-plugin", f"plugin {name} {what}, and the server is {target.version}{way_out}")
    elif release and release > versions.NEWEST:
        newest = ".".join(map(str, versions.NEWEST))
        message = f"no CoreDNS up to {newest} has a plugin {name}; the server is {target.version} and may have it"
        findings.warning(where, "unknown-plugin", message)
    else:
        findings.error(where, "unknown-plugin", f"no CoreDNS has a plugin {name}{way_out}")


def _sorted(findings: Findings) -> list[Finding]:
    # A finding on a line that several blocks import is one finding.
    return sorted(dict.fromkeys(findings.found), key=lambda finding: (finding.file, finding.line, finding.level))
