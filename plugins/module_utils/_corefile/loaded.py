# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hash by which CoreDNS names the configuration it has loaded. Pure."""

from __future__ import annotations

import hashlib
import json
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._corefile.document import Document
from ansible_collections.kubenode.network.plugins.module_utils._corefile.errors import CorefileError
from ansible_collections.kubenode.network.plugins.module_utils._corefile.load import NO_FILES, Files, ServerBlock, load

ALGORITHMS = ("sha512", "md5")
"""``Running configuration SHA512 = `` since CoreDNS 1.9.1, ``MD5 = `` before; plugin/reload/reload.go."""

# encoding/json escapes these for the sake of HTML and JavaScript.
_ESCAPED = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def loaded_hash(document: Document, around: Files = NO_FILES, algorithm: str = "sha512") -> str:
    """The hex digest that a server's log and ``coredns_reload_version_info`` show once it has loaded this text.

    The server hashes what it read (words, their lines, imports spliced in, variables replaced), so that comments and
    blanks at a line's end do not count, but a moved line does. An empty line more makes another hash.

    Args:
        document: the Corefile.
        around: the files it imports and the server's environment. Raises CorefileError when an import is not among
            them, as well as for text that a server refuses.
        algorithm: of ``ALGORITHMS``.
    """
    loaded = load(document.tokens, around)
    if loaded.unknown:
        missing = loaded.unknown[0]
        raise CorefileError(
            f"import {missing.text}: its text is not known here, so what a server makes of it cannot be told",
            missing.line,
            missing.file,
        )
    return digest(loaded.blocks, algorithm)


def digest(blocks: t.Sequence[ServerBlock], algorithm: str = "sha512") -> str:
    """The hash over server blocks, in the form that Go's encoding/json gives to []caddyfile.ServerBlock."""
    if algorithm not in ALGORITHMS:
        raise ValueError(f"{algorithm!r} is none of {', '.join(ALGORITHMS)}")
    plain = [
        {
            "Keys": block.keys,
            "Tokens": {
                name: [{"File": word.file, "Line": word.line, "Text": word.text} for word in block.directives[name]]
                for name in sorted(block.directives)
            },
        }
        for block in blocks
    ]
    written = json.dumps(plain or None, ensure_ascii=False, separators=(",", ":"))
    for character, escape in _ESCAPED.items():
        written = written.replace(character, escape)
    return hashlib.new(algorithm, written.encode(), usedforsecurity=False).hexdigest()
