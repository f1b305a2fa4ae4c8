# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Queries without a pause, over UDP and TCP, while something happens."""

from __future__ import annotations

import threading
import time
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._dns.query import DnsError, query

INTERVAL = 0.05


class Prober:
    """A context manager that asks for a name every 50 ms over each protocol, and counts."""

    def __init__(self, name: str, server: str) -> None:
        self.asked = 0
        self.failures: list[str] = []
        self._name, self._server = name, server
        self._end = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(tcp,), daemon=True) for tcp in (False, True)]

    def __enter__(self) -> Prober:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join()

    def wait_for(self, more: int, seconds: float = 60) -> None:
        """Until it has asked so many times more."""
        enough, deadline = self.asked + more, time.monotonic() + seconds
        while self.asked < enough and time.monotonic() < deadline:
            time.sleep(INTERVAL)

    def _ask(self, tcp: bool) -> None:
        following = time.monotonic()
        start: t.Final = following
        while not self._end.is_set():
            try:
                query(self._name, self._server, tcp)
            except DnsError as error:
                self.failures.append(f"{time.monotonic() - start:.2f} s: {error}")
            self.asked += 1
            following = max(following + INTERVAL, time.monotonic())
            self._end.wait(following - time.monotonic())
