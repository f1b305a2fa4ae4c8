# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names whose answers are what a test is about."""

from __future__ import annotations

import time
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._dns.query import DnsError, query

SECONDS = 20


def assert_answers(name: str, server: str, wanted: list[str] | None, tcp: bool = False) -> None:
    """That a server answers so, or (None) that it has no answer with data, at the latest in a while.

    The servers of a former text answer beside the new ones until their lameduck time is over.
    """
    deadline = time.monotonic() + SECONDS
    while True:
        found: t.Any
        try:
            found = query(name, server, tcp, seconds=1)
        except DnsError as error:
            found = error
        if (found == wanted) or (wanted is None and isinstance(found, DnsError)):
            return
        assert time.monotonic() < deadline, f"{server} answers {found} for {name}, not {wanted}"
        time.sleep(0.1)
