# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A callback that writes each task's result on each host, a line of JSON each, to the file KUBENODE_RESULTS names."""

from __future__ import annotations

import json
import os
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = r"""
name: kubenode_results
type: notification
short_description: Results of tasks as lines of JSON, for tests
description: Results of tasks as lines of JSON, for tests.
"""


class CallbackModule(CallbackBase):
    """Results in the order in which they come in."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "kubenode_results"

    def _write(self, outcome: str, result: Any) -> None:
        found = getattr(result, "result", None) or result._result
        task, host = getattr(result, "task", None) or result._task, getattr(result, "host", None) or result._host
        line = {"host": host.get_name(), "task": task.get_name(), "outcome": outcome, "result": found}
        with open(os.environ["KUBENODE_RESULTS"], "a", encoding="utf-8") as file:
            file.write(json.dumps(line, default=str) + "\n")

    def v2_runner_on_ok(self, result: Any) -> None:
        self._write("ok", result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        self._write("ignored" if ignore_errors else "failed", result)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        self._write("unreachable", result)

    def v2_runner_on_skipped(self, result: Any) -> None:
        self._write("skipped", result)
