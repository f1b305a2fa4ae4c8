# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How servers come to read the text of a ConfigMap's key: it is their Corefile, or a Corefile imports it. Pure."""

from __future__ import annotations

import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._corefile import fragment
from ansible_collections.kubenode.network.plugins.module_utils._corefile.document import Document, parse
from ansible_collections.kubenode.network.plugins.module_utils._corefile.errors import CorefileError
from ansible_collections.kubenode.network.plugins.module_utils._corefile.findings import Finding
from ansible_collections.kubenode.network.plugins.module_utils._corefile.load import ANY_FILES, Files, load

Loading = tuple[Document, Files]
"""A Corefile, and what it is loaded with."""


class Reading(t.NamedTuple):
    """How servers come to read a text."""

    around: Files = ANY_FILES
    """What is around their Corefile."""
    main: str | None = None
    """Their Corefile; None: the text itself."""
    paths: tuple[str, ...] = ()
    """Where they find an imported text."""
    override: bool = False
    """It is imported in a server block, and holds plugins."""

    def loading(self, text: str | None) -> Loading:
        """What they load once the text is this; None: there is none to import."""
        if self.main is None:
            return parse(text or ""), self.around
        files = {path: held for path, held in self.around.files.items() if path not in self.paths}
        files.update((path, text) for path in self.paths if text is not None)
        return parse(self.main), self.around._replace(files=files)

    def imported(self) -> bool:
        """Whether they read it at all; so be it where their Corefile is refused, which lint has to tell."""
        document, around = self.loading("")
        try:
            # Files that are not there yet are none that must be.
            read = load(document.tokens, around._replace(complete=False)).files
        except CorefileError:
            return True
        return self.main is None or bool(read.intersection(self.paths))

    def check(self, text: str) -> None:
        """Raises CorefileError for a text that is not of the kind that is imported here."""
        if self.main is not None:
            (fragment.check_override if self.override else fragment.check_servers)(text)

    def about(self, found: t.Sequence[Finding], before: t.Sequence[Finding]) -> list[Finding]:
        """What is said of this text, or because of it."""
        known = {(one.file, one.kind, one.message) for one in before}
        return [
            one for one in found
            if self.main is None or one.file in self.paths or (one.file, one.kind, one.message) not in known
        ]  # fmt: skip


AS_IT_IS = Reading()
"""The text is the Corefile, and nothing is known of what is around it."""


def plugins(loading: Loading) -> frozenset[str]:
    """The plugins that servers with this configuration have, those of imported files too."""
    document, around = loading
    try:
        return frozenset(name for block in load(document.tokens, around).blocks for name in block.directives)
    except CorefileError:
        return frozenset(one.name for block in document.blocks for one in block.directives)
