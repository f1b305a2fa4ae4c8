# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the controller decides of a change's confirmation before the first execution, and makes of both answers."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleActionFail
from ansible_collections.kubenode.network.plugins.module_utils._state.model import StateError
from ansible_collections.kubenode.network.plugins.module_utils._state.options_confirm import (
    DEFAULT_PROBES,
    PROBE_TIMEOUTS,
    parse_confirm,
)
from ansible_collections.kubenode.network.plugins.plugin_utils import connections

Result = dict[str, t.Any]

# Keys of an answer that are about its own execution.
_OF_EXECUTION = ("invocation", "_ansible_parsed", "_ansible_no_log")


def resolve(confirm: t.Any, transport: str) -> t.Any:
    """Who confirms: ``auto`` is the node over the connection local, the controller over all others.

    What is no valid value is left to the module, which knows the words for it.
    """
    if confirm in (None, "", "auto"):
        return "node" if transport == "local" else "controller"
    if confirm == "controller" and transport == "local":
        raise AnsibleActionFail(
            'confirm: found "controller", expected auto, node or none over the connection local: it stays when the '
            "network goes, so that it confirms nothing. Reach the node by ssh, or let its own probes decide (node)."
        )
    return confirm


def check(arguments: dict[str, t.Any], connection: t.Any) -> None:
    """Raise AnsibleActionFail for what only the controller can know to be impossible."""
    if arguments["confirm"] != "controller":
        return
    if arguments.get("confirm_host") and not connections.takes_host(connection):
        raise AnsibleActionFail(
            f'confirm_host: found "{arguments["confirm_host"]}", expected none over the connection '
            f"{connections.transport(connection)}, which leads to no host that has another address. It is for ssh."
        )
    try:
        confirm = parse_confirm(arguments)
    except StateError:
        return  # the module says it, as in check mode and with every other confirmation
    if confirm.checkpoint is not None:
        return
    timeout = connections.connect_timeout(connection)
    if confirm.probes is None:
        probes = sum(PROBE_TIMEOUTS[name] for name in DEFAULT_PROBES)
    else:
        probes = sum(probe["timeout"] for probe in confirm.probes)
    limit = confirm.seconds(False)
    if limit <= timeout + probes:
        raise AnsibleActionFail(
            f"rollback_timeout: found {limit}, expected more than {timeout + probes} seconds: a new connection may "
            f"take {timeout} s (timeout of the connection {connections.transport(connection)}) and the probes "
            f"{probes} s, so that a right change might not be confirmed in time. Give it more, or them less."
        )


def was_killed(result: Result) -> bool:
    """Whether a result says no more than that the module's process was ended by a signal."""
    status = result.get("rc")
    return "module_stdout" in result and isinstance(status, int) and (status < 0 or status > 128)


def together(first: Result, second: Result) -> Result:
    """The task's result: what the node says of the outcome, beside what the plan said."""
    found = {**first, **{key: value for key, value in second.items() if key not in _OF_EXECUTION}}
    # Its internals are of no use once it is over.
    found.pop("transaction", None)
    found["warnings"] = list(dict.fromkeys([*first.get("warnings", ()), *second.get("warnings", ())]))
    if not found["warnings"]:
        del found["warnings"]
    if second.get("failed"):
        back = bool(second.get("rolled_back"))
        found["changed"] = not back
        for name in ("runtime", "persistent"):
            if back and name in found:
                found[name] = False
    return found
