# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a server reads in a Corefile: imports spliced in, environment variables replaced, words by directive. Pure.

This is the reading of github.com/coredns/caddy v1.1.4 (caddyfile/parse.go), step by step, with its errors in its own
words: what it takes is taken here, what it refuses is refused here. Files come from a mapping instead of a disk.
"""

from __future__ import annotations

import posixpath
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._corefile.document import snippet_name
from ansible_collections.kubenode.network.plugins.module_utils._corefile.errors import CorefileError
from ansible_collections.kubenode.network.plugins.module_utils._corefile.glob import BadPattern, glob
from ansible_collections.kubenode.network.plugins.module_utils._corefile.lexer import Token, tokens

MAIN_FILE = "/etc/coredns/Corefile"
"""Where the image's arguments of kubeadm, Kubespray, k3s and others look for it."""

# caddyfile/parse.go: maxSnippetExpansions, maxFileExpansions. What the server says of the second names the first.
_MAX_SNIPPETS = 10_000
_MAX_FILES = 100_000
# The server replaces a variable whose value names itself for ever.
_MAX_REPLACED = 1000


class Files(t.NamedTuple):
    """What the server finds around its Corefile."""

    files: t.Mapping[str, str] = {}
    """Absolute path -> text, of all that an import may name."""
    env: t.Mapping[str, str] = {}
    main: str = MAIN_FILE
    """Absolute path of the Corefile; imports are relative to the file that they stand in."""
    complete: bool = True
    """Nothing else is there. False: an import that names none of ``files`` is passed over and listed, not refused."""


NO_FILES = Files()
"""Nothing is there but the Corefile."""
ANY_FILES = Files(complete=False)
"""Nothing is known of what is there."""


class ServerBlock(t.NamedTuple):
    """Keys, and the words of each directive; the same directive several times is one list."""

    keys: list[str]
    directives: dict[str, list[Token]]
    key: Token
    """The word of its first key: where it stands."""


class Loaded(t.NamedTuple):
    """What the server reads."""

    blocks: list[ServerBlock]
    unmatched: list[Token]
    """Patterns of imports that match no file: the server logs a warning."""
    unknown: list[Token]
    """Imports that name none of the files, where ``Files.complete`` is False."""
    used_snippets: frozenset[str]
    snippets: dict[str, Token]
    """Snippets by name: the token of the key."""
    files: frozenset[str]
    """Paths of the files that were imported."""


def load(found: t.Sequence[Token], around: Files = NO_FILES, known: t.Container[str] | None = None) -> Loaded:
    """Read tokens as the server does. Raises CorefileError with its words where it would refuse them.

    Args:
        found: the tokens of the Corefile.
        around: the files and variables that it finds.
        known: the plugins that the server has; every word is one without it.
    """
    return _Parser(list(found), around, known).parse_all()


def expand(text: str, env: t.Mapping[str, str]) -> str:
    """Replace ``{%NAME%}`` and then ``{$NAME}`` by the variables' values; one that is not set is empty."""
    if "{%" in text:
        text = _replace(text, "{%", "%}", env)
    if "{$" in text:
        text = _replace(text, "{$", "}", env)
    return text


def _replace(text: str, opening: str, closing: str, env: t.Mapping[str, str]) -> str:
    index = text.find(opening)
    rounds = 0
    while index != -1:
        end = text.find(closing, index)
        if end == -1:
            break
        name = text[index + len(opening) : end]
        if end <= index + len(opening):
            return text
        rounds += 1
        if rounds > _MAX_REPLACED:
            raise CorefileError(f"the value of environment variable {name} names itself: the server never ends reading")
        text = text.replace(text[index : end + len(closing)], env.get(name, ""))
        index = text.find(opening)
    return text


class _Parser:
    """caddyfile.parser and the parts of caddyfile.Dispenser that it stands on."""

    def __init__(self, found: list[Token], around: Files, known: t.Container[str] | None) -> None:
        self.tokens = found
        self.around = around
        self.known = known
        self.cursor = -1
        self.eof = False
        self.keys: list[str] = []
        self.key = Token("", 0, True, 0, 0)
        self.directives: dict[str, list[Token]] = {}
        self.snippets: dict[str, list[Token]] = {}
        self.snippet_keys: dict[str, Token] = {}
        self.used: set[str] = set()
        self.read: set[str] = set()
        self.unmatched: list[Token] = []
        self.unknown: list[Token] = []
        self.snippet_expansions = 0
        self.file_expansions = 0

    def parse_all(self) -> Loaded:
        blocks = []
        while self.next():
            self.keys, self.directives, self.key = [], {}, self.tokens[self.cursor]
            self.begin()
            if self.keys:
                blocks.append(ServerBlock(self.keys, self.directives, self.key))
        return Loaded(
            blocks, self.unmatched, self.unknown, frozenset(self.used), self.snippet_keys, frozenset(self.read)
        )

    def begin(self) -> None:
        self.addresses()
        if self.eof:
            return
        name = snippet_name(self.keys)
        if name is None:
            self.block_contents()
            return
        if name in self.snippets:
            raise self.error(f"redeclaration of previously declared snippet {name}")
        body = self.snippet_tokens()
        for index in range(len(body) - 1):
            token = body[index]
            if token.text == "import" and (
                index == 0 or (body[index - 1].file, body[index - 1].line) != (token.file, token.line)
            ):
                if expand(body[index + 1].text, self.around.env) == name:
                    raise self.error(f"maximum snippet import depth ({_MAX_SNIPPETS}) exceeded")
        self.snippets[name] = body
        self.snippet_keys[name] = self.key
        self.keys = []

    def addresses(self) -> None:
        more = False
        while True:
            text = expand(self.value, self.around.env)
            if text == "import" and self.is_new_line():
                self.do_import()
                continue
            if text == "{":
                if more:
                    raise self.error(f"Expected another address but had '{text}' - check for extra comma")
                return
            if text:
                more = text.endswith(",")
                if not self.keys:
                    self.key = self.tokens[self.cursor]
                self.keys.append(text[:-1] if more else text)
            if not self.next():
                if more:
                    raise self.error("Unexpected EOF")
                self.eof = True
                return
            if not more and self.is_new_line():
                return

    def block_contents(self) -> None:
        braces = self.value == "{"
        if not braces:
            self.cursor -= 1
        while self.next():
            if self.value == "}":
                break
            if self.value == "import":
                self.do_import()
                self.cursor -= 1
            else:
                self.directive()
        if braces and self.value != "}":
            raise self.syntax_error("}")

    def directive(self) -> None:
        name = expand(self.value, self.around.env)
        if self.known is not None and name not in self.known:
            raise self.error(f"Unknown directive '{name}'")
        words = self.directives.setdefault(name, [])
        words.append(self.tokens[self.cursor])
        nesting = 0
        while self.next():
            token = self.tokens[self.cursor]
            text = token.text
            if text == "{":
                nesting += 1
            elif nesting == 0 and self.is_new_line():
                self.cursor -= 1
                break
            elif text == "}":
                if nesting == 0:
                    raise self.error("Unexpected '}' because no matching opening brace")
                nesting -= 1
            elif text == "import" and self.is_new_line():
                self.do_import()
                self.cursor -= 1
                continue
            elif "{" in text:
                token = token._replace(text=expand(text, self.around.env))
                self.tokens[self.cursor] = token
            words.append(token)
        if nesting:
            raise self.error("Unexpected EOF")

    def snippet_tokens(self) -> list[Token]:
        if self.value != "{":
            raise self.syntax_error("{")
        body: list[Token] = []
        count = 1
        while self.next():
            if self.value == "}":
                count -= 1
                if count == 0:
                    return body
            if self.value == "{":
                count += 1
            body.append(self.tokens[self.cursor])
        raise self.syntax_error("}")

    def do_import(self) -> None:
        """Put what is imported in the place of the two words, and the cursor on the first of it."""
        start = self.cursor
        if not self.next_on_line():
            raise self.error(
                "Unexpected token '{', expecting argument"
                if self.value == "{"
                else f"Wrong argument count or unexpected line ending after '{self.value}'"
            )
        token = self.tokens[self.cursor]
        pattern = expand(token.text, self.around.env)
        if not pattern:
            raise self.error("Import requires a non-empty filepath")
        if self.next_on_line():
            raise self.error("Import takes only one argument (glob pattern or file)")
        body = self.snippets.get(pattern)
        if body is None:
            if self.file_expansions >= _MAX_FILES:
                raise self.error(f"maximum file import depth ({_MAX_SNIPPETS}) exceeded")
            self.file_expansions += 1
            body = self.files(token, pattern)
        else:
            if self.snippet_expansions >= _MAX_SNIPPETS:
                raise self.error(f"maximum snippet import depth ({_MAX_SNIPPETS}) exceeded")
            self.snippet_expansions += 1
            self.used.add(pattern)
        self.tokens[start : start + 2] = body
        self.cursor = start

    def files(self, token: Token, pattern: str) -> list[Token]:
        path = posixpath.normpath(posixpath.join(posixpath.dirname(token.file or self.around.main), pattern))
        path = path.replace("//", "/", 1) if path.startswith("//") else path
        searched = pattern if pattern.startswith("/") else path
        if searched.count("*") > 1 or searched.count("?") > 1 or ("[" in searched and "]" in searched):
            raise self.error(f"Glob pattern may only contain one wildcard (*), but has others: {searched}")
        try:
            names = glob(searched, self.around.files)
        except BadPattern:
            raise self.error(f"Failed to use import pattern {pattern}: syntax error in pattern") from None
        if not names:
            if not self.around.complete:
                self.unknown.append(token)
            elif any(character in searched for character in "*?[]"):
                self.unmatched.append(token)
            else:
                raise self.error(f"File to import not found: {pattern}")
        found: list[Token] = []
        for name in names:
            file = posixpath.normpath(name)
            if file not in self.around.files:
                raise self.error(f"Could not import {name}: is a directory")
            self.read.add(file)
            found += tokens(self.around.files[file], file)
        return found

    @property
    def value(self) -> str:
        return self.tokens[self.cursor].text if 0 <= self.cursor < len(self.tokens) else ""

    def next(self) -> bool:
        if self.cursor < len(self.tokens) - 1:
            self.cursor += 1
            return True
        return False

    def next_on_line(self) -> bool:
        if self.cursor < len(self.tokens) - 1:
            here, after = self.tokens[self.cursor], self.tokens[self.cursor + 1]
            if here.file == after.file and here.line + here.text.count("\n") == after.line:
                self.cursor += 1
                return True
        return False

    def is_new_line(self) -> bool:
        if self.cursor < 1:
            return True
        if self.cursor >= len(self.tokens):
            return False
        before, here = self.tokens[self.cursor - 1], self.tokens[self.cursor]
        return before.file != here.file or before.line + before.text.count("\n") < here.line

    def error(self, message: str) -> CorefileError:
        return self.place(f"Error during parsing: {message}")

    def syntax_error(self, expected: str) -> CorefileError:
        return self.place(f"Syntax error: Unexpected token '{self.value}', expecting '{expected}'")

    def place(self, message: str) -> CorefileError:
        if 0 <= self.cursor < len(self.tokens):
            return CorefileError(message, self.tokens[self.cursor].line, self.tokens[self.cursor].file)
        return CorefileError(message)
