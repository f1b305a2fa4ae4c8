# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Corefiles by the thousand: generated ones, and what becomes of them when they are mutated."""

from __future__ import annotations

import random
import re
import typing as t

ENV = {
    "ZONE": "example.org",
    "PORT": "1053",
    "EMPTY": "",
    "BRACE": "{",
    "WORDS": "a b",
    "IMPORT": "import",
    "PART": "ZO",
}
PLUGINS = (
    "errors",
    "log",
    "cache",
    "forward",
    "hosts",
    "template",
    "rewrite",
    "kubernetes",
    "whoami",
    "import",
    "loop",
)
WORDS = (
    ".", "example.org", "30", "/etc/resolv.conf", "10.0.0.1", '"a b"', '"a\\"b"', '"a#b"', '""', '"two\nlines"',
    "{$ZONE}", "{%PORT%}", "{$NONE}", "a{$ZONE}b", "a#b", 'a"b', "\\", '"\\\\"', "{{", "}}", "{{ .Name }}", '"{"',
    '"}"', "snip", "ü", "{$BRACE}", "{$}", "{%%}", "{$ZONE", "{%EMPTY%}", "{${%PART%}NE}", "é#", "\u3000", "\x1c",
    "\x85", "<&>", "\u2028",
)  # fmt: skip
KEYS = (
    ".", ".:53", "example.org", "example.org:1053", "dns://a.example", "10.0.0.0/24", "tls://.", "{$ZONE}:{$PORT}",
    "a,", ",", "(snip)", "(other)", "(snip)", "()", '"q"', '""', "}", "{$IMPORT}", "x{$BRACE}",
)  # fmt: skip
FILES = {
    "one.conf": "whoami\nlog { \n class all\n}\n",
    "blocks/a.server": "a.example {\n errors\n}\n",
    "blocks/b.server": "b.example {\n import ../one.conf\n}\n",
    "blocks/c.override": "log\nerrors",
    "empty.conf": "",
    "broken.conf": "x.example {\n errors\n",
    "snippets.conf": "(snip) {\n cache 30\n}\n",
    "deep/er/file": "import ../../one.conf\n",
}
IMPORTS = (
    "snip", "other", "one.conf", "blocks/*.server", "blocks/*", "blocks/?.server", "nothing", "none/*", "blocks",
    "*/*", "", "broken.conf", "empty.conf", "snippets.conf", "deep/er/file", "{$ZONE}", "[ab]", "[", "\\",
    "./one.conf", "b?ocks/a.server", "blocks/[", "snip more", "blocks/../one.conf", "\\one.conf", "d*/er/file", "*",
    "?????.conf",
)  # fmt: skip
SPICE = (
    "{", "}", '"', "\\", "#", "\n", "\r", "\r\n", " ", "\t", ",", "(", ")", "import", "import snip\n", "{$", "}",
    "{%", "%}", "\ufeff", " {\n", "\n}\n", "\v", "\f", "\xa0", "\x00", "\u2003", "\x1f", "\udcff", "\udce2\udc82",
)  # fmt: skip


class Sample(t.NamedTuple):
    """A Corefile and what is around it."""

    text: str
    """A lone surrogate stands for a byte that is no UTF-8 (surrogateescape)."""
    files: t.Mapping[str, str]
    env: t.Mapping[str, str]


def corefile(random_: random.Random) -> str:
    """One that is mostly well formed."""
    eol = "\r\n" if random_.random() < 0.1 else "\n"
    parts = []
    if random_.random() < 0.05:
        parts.append("\ufeff")
    for _ in range(random_.choice((1, 1, 2, 2, 3, 5))):
        kind = random_.random()
        if kind < 0.08:
            parts.append(f"import {random_.choice(IMPORTS)}{eol}")
        elif kind < 0.2:
            parts.append(f"({random_.choice(('snip', 'other', 'third'))}) {{{eol}{_body(random_, eol)}}}{eol}")
        else:
            gap = random_.choice((" ", " ", " ", eol, ", ", f",{eol}"))
            keys = gap.join(random_.choice(KEYS) for _ in range(random_.choice((1, 1, 1, 2, 3))))
            brace = random_.choice((" {", " {", " {", " {", f"{eol}{{", "", "{"))
            close = random_.choice(("}", "}", "}", "}", "}", "} x", ""))
            parts.append(f"{keys}{brace}{eol}{_body(random_, eol)}{close}{eol}")
        if random_.random() < 0.2:
            parts.append(f"# {random_.choice(WORDS)} comment{eol}")
    return "".join(parts)


def _body(random_: random.Random, eol: str, depth: int = 0) -> str:
    lines = []
    for _ in range(random_.choice((0, 1, 1, 2, 3, 4))):
        name = random_.choice(PLUGINS)
        if name == "import":
            words = [name, random_.choice(IMPORTS)]
        else:
            words = [name, *(random_.choice(WORDS) for _ in range(random_.choice((0, 0, 1, 1, 2, 3))))]
        line = random_.choice((" ", "  ", "\t", "")) * (depth + 1) + " ".join(words)
        if depth < 3 and random_.random() < 0.25:
            brace = random_.choice((" {", " {", " {", f"{eol}{{"))
            line += f"{brace}{eol}{_body(random_, eol, depth + 1)}" + "\t" * (depth + 1) + "}"
        if random_.random() < 0.1:
            line += random_.choice((" # why", "#why not", " } ", " {", "\\"))
        lines.append(line + eol)
    return "".join(lines)


def mutated(random_: random.Random, text: str) -> str:
    """The same with a few places changed."""
    for _ in range(random_.choice((1, 1, 2, 4))):
        place = random_.randrange(len(text) + 1)
        other = random_.randrange(len(text) + 1)
        low, high = min(place, other), max(place, other)
        high = min(high, low + 12)
        kind = random_.randrange(4)
        if kind == 0:
            text = text[:place] + random_.choice(SPICE) + text[place:]
        elif kind == 1:
            text = text[:low] + text[high:]
        elif kind == 2:
            text = text[:other] + text[low:high] + text[other:]
        else:
            text = text[:low] + random_.choice(SPICE) + text[high:]
    # Two lone surrogates must not meet as one character, nor complete each other's UTF-8.
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")


# Files of this machine are found by the real parser only.
_ELSEWHERE = re.compile(r"import\W*(/|\.\./)")


def samples(seed: int, count: int) -> t.Iterator[Sample]:
    """So many of them: a third as generated, two thirds mutated."""
    random_ = random.Random(seed)
    for number in range(count):
        text = corefile(random_)
        if number % 3:
            text = mutated(random_, text)
        if _ELSEWHERE.search(text):
            text = ""
        yield Sample(text, FILES, ENV)
