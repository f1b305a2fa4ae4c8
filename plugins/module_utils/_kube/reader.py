# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading with few rights: what may not be read, or is not there, is remembered instead of being fatal."""

from __future__ import annotations

from ansible_collections.kubenode.network.plugins.module_utils._kube.client import Client, Object
from ansible_collections.kubenode.network.plugins.module_utils._kube.errors import Answered


class Reader:
    """Gets of one client; ``unreadable`` names what was refused, with the API server's reason."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.unreadable: list[dict[str, str]] = []

    def find(self, what: str, path: str) -> Object | None:
        """One object; None where there is none, or it may not be read."""
        try:
            return self.client.find(path)
        except Answered as error:
            self._refused(what, error)
            return None

    def items(self, what: str, path: str, **query: str) -> list[Object]:
        """A list; empty where its kind is unknown to this API server, or it may not be read."""
        try:
            return self.client.items(path, **query)
        except Answered as error:
            # A kind whose CustomResourceDefinition is not installed.
            if error.status != 404:
                self._refused(what, error)
            return []

    def _refused(self, what: str, error: Answered) -> None:
        if error.status not in (401, 403):
            raise error
        self.unreadable.append({"what": what, "why": error.message})
