# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks the real parser (``corefile-oracle``) and ours the same thing."""

from __future__ import annotations

import base64
import json
import pathlib
import subprocess
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._corefile.errors import CorefileError
from ansible_collections.kubenode.network.plugins.module_utils._corefile.lexer import Token, tokens
from ansible_collections.kubenode.network.plugins.module_utils._corefile.load import Files, ServerBlock, load
from ansible_collections.kubenode.network.plugins.module_utils._corefile.loaded import digest
from ansible_collections.kubenode.network.tests.unit.corefile_texts import Sample

BATCH = 500
Reading = dict[str, t.Any]


class Oracle:
    """A running corefile-oracle."""

    def __init__(self, binary: pathlib.Path, folder: pathlib.Path) -> None:
        self.folder = folder
        self.process = subprocess.Popen([binary, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def readings(self, batch: t.Sequence[Sample], directives: t.Sequence[str] | None = None) -> list[Reading]:
        """What the real parser makes of each: ``Tokens``, and ``Blocks`` with ``Hash``, or ``Error``."""
        assert self.process.stdin and self.process.stdout
        inputs = [
            {
                "Corefile": _coded(sample.text),
                "Directives": directives,
                "Files": {name: _coded(text) for name, text in sample.files.items()},
                "Env": dict(sample.env),
            }
            for sample in batch
        ]
        self.process.stdin.write(json.dumps(inputs) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, f"corefile-oracle ended with {self.process.wait()}"
        return t.cast("list[Reading]", json.loads(line))

    def close(self) -> None:
        """End it."""
        assert self.process.stdin and self.process.stdout
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(10)


def reading(sample: Sample, folder: pathlib.Path, directives: t.Sequence[str] | None = None) -> Reading:
    """What ours makes of it, in the oracle's form."""
    main = str(folder / "Corefile")
    # The Corefile itself is no file of the oracle's folder: it is read from memory on both sides.
    around = Files({str(folder / name): text for name, text in sample.files.items()}, sample.env, main)
    words = tokens(sample.text)
    answer: Reading = {"Tokens": [{"Line": word.line, "Text": word.text} for word in words] or None}
    try:
        blocks = load(words, around, directives).blocks
    except CorefileError as error:
        return {**answer, "Blocks": None, "Hash": "", "Error": f"{error.file or main}:{error.line} - {error.message}"}
    return {**answer, "Blocks": [_block(block) for block in blocks] or None, "Hash": digest(blocks), "Error": ""}


def _block(block: ServerBlock) -> Reading:
    return {
        "Keys": block.keys,
        "Tokens": {name: [_word(word) for word in words] for name, words in block.directives.items()},
    }


def _word(word: Token) -> Reading:
    return {"File": word.file, "Line": word.line, "Text": word.text}


def _coded(text: str) -> str:
    return base64.b64encode(text.encode("utf-8", "surrogateescape")).decode()
