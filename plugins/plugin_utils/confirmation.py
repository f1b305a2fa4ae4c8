# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's side of a change that is confirmed: ask over new connections until the node tells how it ended.

Which way the network is does not matter here: the node decides by its own clock, and puts itself back without us.
"""

from __future__ import annotations

import re
import time
import typing as t

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible_collections.kubenode.network.plugins.module_utils._checkpoint.contract import TRANSACTION

Result = dict[str, t.Any]

# The node begins when our first connection is gone; what comes too early only waits there, on a connection that the
# change may break.
_HEAD_START = 0.5
_PAUSE = 1.0
# Seconds between two lines that tell a user who waits.
_TELL_EVERY = 15.0
# A node that went back by a restart needs time for it.
_PATIENCE = 60.0
# A node that can be reached, but does not answer as ours does, is given as long beyond its time.
_WAY_BACK = 15.0


class Node(t.Protocol):
    """What a confirmation needs of a node."""

    def commit(self, transaction: str, seconds: float) -> Result:
        """Ask to keep the change over a new connection that may take ``seconds`` to come up. Raises AnsibleError."""

    def detail(self, text: str) -> None:
        """Something for those who look closer."""

    def tell(self, text: str) -> None:
        """Something for everybody who waits."""


class Clock(t.NamedTuple):
    """Where the time comes from, in seconds and monotonic; a test has a faster one."""

    now: t.Callable[[], float] = time.monotonic
    sleep: t.Callable[[float], None] = time.sleep


CLOCK = Clock()


def confirm(node: Node, transaction: t.Mapping[str, t.Any], clock: Clock | None = None) -> Result:
    """The node's last word on a change: kept, or taken back with the reason.

    ``transaction`` is what the first execution answered with (_checkpoint.contract). Raises AnsibleConnectionFailure
    when the node does not come back though it should have gone back long ago.
    """
    clock = clock or CLOCK
    start = clock.now()
    deadline = start + float(transaction["seconds_left"])
    last = deadline + max(_PATIENCE, 2 * float(transaction["rollback_timeout"]))
    told = start
    clock.sleep(_HEAD_START)
    attempts = 0
    trouble = ""
    while True:
        attempts += 1
        until = deadline if clock.now() < deadline else last
        answer: Result | None = None
        reached = True
        try:
            answer = node.commit(transaction["id"], until - clock.now())
        except AnsibleError as error:
            # The task's own timeout, which a user may set, is none.
            trouble = _first_line(error)
            reached = not isinstance(error, AnsibleConnectionFailure)
        else:
            if TRANSACTION in answer:
                if answer.get("failed") and trouble:
                    answer["msg"] = f"{answer.get('msg')} The controller's last attempt before: {trouble}"
                return answer
            trouble = str(answer.get("msg") or "no result")
        now = clock.now()
        node.detail(f"attempt {attempts} to confirm: {trouble}")
        if now >= (min(last, deadline + _WAY_BACK) if reached else last):
            break
        if now - told >= _TELL_EVERY:
            told = now
            node.tell(_progress(deadline - now, last - now, trouble))
        clock.sleep(_PAUSE)
    if reached:
        message = _lost(transaction, f"it can be reached, but what it answers is: {trouble}")
        return {**(answer or {}), "failed": True, "msg": message}
    raise AnsibleConnectionFailure(_lost(transaction, f"the last attempt said: {trouble}"))


def _progress(until_back: float, until_end: float, trouble: str) -> str:
    if until_back > 0:
        return f"no new connection since the change ({trouble}); in {until_back:.0f} s the node puts itself back"
    return f"not confirmed in time; waiting {until_end:.0f} s more for the node to come back and tell why ({trouble})"


def _lost(transaction: t.Mapping[str, t.Any], trouble: str) -> str:
    return (
        f"change {transaction['id']} was made and not confirmed, and nothing is known of the node since: {trouble}. It "
        f"needs nobody to go back: {transaction['rollback_timeout']} s after the change its watchdog has put it into "
        "the state before, or its next boot does. If it cannot be reached by then, look at what lies between, or at "
        "its console. Once it can, kubenode.network.network_checkpoint with state: list tells what became of it."
    )


def _first_line(error: BaseException) -> str:
    text = str(getattr(error, "message", "") or error).strip()
    # Ansible's own words before those of ssh say less.
    return re.split(r"(?:via|over) ssh: ", text)[-1].splitlines()[-1].strip() if text else type(error).__name__


def insist(
    execute: t.Callable[[], Result], seconds: float, tell: t.Callable[[str], None], clock: Clock | None = None
) -> Result:
    """The answer of ``execute``, which connects anew each time, as soon as it gets one.

    Raises its last AnsibleConnectionFailure when ``seconds`` are over.
    """
    clock = clock or CLOCK
    end = clock.now() + seconds
    told = clock.now()
    while True:
        try:
            return execute()
        except AnsibleConnectionFailure as error:
            now = clock.now()
            if now >= end:
                raise
            if now - told >= _TELL_EVERY:
                told = now
                tell(f"no connection for now ({_first_line(error)}); trying for {end - now:.0f} s more")
            clock.sleep(_PAUSE)
