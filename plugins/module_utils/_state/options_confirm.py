# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options about keeping a change: who confirms it, how long that may take, and what must work afterwards."""

from __future__ import annotations

import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._state import options_values as v

CONFIRM = ("auto", "controller", "node", "none")
ROLLBACK_TIMEOUT = 60
SLOW_ROLLBACK_TIMEOUT = 120
"""Seconds when links or DHCP change: carriers, bridges and leases take their time."""
# Type of a probe -> seconds that one attempt may take unless its entry says otherwise.
PROBE_TIMEOUTS = {"gateway": 2, "dns": 3, "tcp": 3, "http": 5, "route_get": 1, "command": 10, "api_server": 5}
# What is asked when nothing is said: what answered before.
DEFAULT_PROBES = ("gateway", "dns")


class Confirm(t.NamedTuple):
    """How a change is kept."""

    by: str = "none"
    """``controller``, ``node`` or ``none``."""
    rollback_timeout: int | None = None
    """Seconds; None where it was not said (``seconds`` tells the default)."""
    checkpoint: str | None = None
    """Id of the open checkpoint that the run joins."""
    probes: tuple[dict[str, t.Any], ...] | None = None
    """Each ``type``, ``timeout``, ``origin`` and what its type takes, ready for JSON; None asks the default ones."""

    def seconds(self, slow: bool) -> int:
        """The time after which the node puts itself back; ``slow`` when links or DHCP change."""
        return self.rollback_timeout or (SLOW_ROLLBACK_TIMEOUT if slow else ROLLBACK_TIMEOUT)


def parse_confirm(params: v.Entry) -> Confirm:
    """The options of a module about keeping its change.

    ``auto`` was resolved by the controller; where it was not, only the node itself can tell. Raises StateError.
    """
    by = params.get("confirm") or "auto"
    by = "node" if v.choice(by, CONFIRM, "confirm") == "auto" else by
    timeout, checkpoint, probes = (params.get(name) for name in ("rollback_timeout", "checkpoint", "probes"))
    if timeout is not None:
        timeout = v.integer(timeout, 5, 86400, "rollback_timeout", "seconds")
    if params.get("confirm_host") is not None:
        _check_host(params["confirm_host"], by)
    if checkpoint is not None:
        _check_checkpoint(checkpoint, by, timeout)
    if probes is not None:
        from ansible_collections.kubenode.network.plugins.module_utils._state.options_probes import parse_probes

        probes = parse_probes(probes, "probes")
        if probes and by == "none":
            v.fail("probes", [probe["type"] for probe in probes], "confirm: controller or node beside them",
                   "With none the change is kept at once, and nothing is asked")  # fmt: skip
    found = Confirm(by, timeout, checkpoint, probes)
    if by != "none" and checkpoint is None:
        _check_sum(found)
    return found


def _check_host(host: t.Any, by: str) -> None:
    # It becomes an argument of ssh.
    if not isinstance(host, str) or not host or host[0] == "-" or not host.isprintable() or any(map(str.isspace, host)):
        v.fail("confirm_host", host, "the address or name under which the node can be reached after the change")
    if by != "controller":
        v.fail("confirm_host", host, f"confirm: controller beside it, not {by}",
               "Only the controller connects to it; over the connection local there is none to confirm")  # fmt: skip


def _check_checkpoint(checkpoint: t.Any, by: str, timeout: int | None) -> None:
    # It becomes a part of a path.
    if not isinstance(checkpoint, str) or not checkpoint.replace("-", "").isalnum() or len(checkpoint) > 64:
        v.fail("checkpoint", checkpoint, "the id of an open checkpoint, as network_checkpoint returned it")
    if by == "none":
        v.fail("checkpoint", checkpoint, "confirm: controller or node beside it",
               "none would keep at once what the checkpoint shall be able to take back")  # fmt: skip
    if timeout is not None:
        v.fail("rollback_timeout", timeout, "none beside a checkpoint, which has its own",
               "Extend the checkpoint with network_checkpoint, state: extend")  # fmt: skip


def _check_sum(confirm: Confirm) -> None:
    """Raise where the probes could not all be tried once before the node puts itself back."""
    limit = confirm.seconds(False)
    if confirm.probes is None:
        parts = [(name, PROBE_TIMEOUTS[name]) for name in DEFAULT_PROBES]
    else:
        parts = [(f"{probe['origin']} {probe['type']}", probe["timeout"]) for probe in confirm.probes]
    total = sum(seconds for _name, seconds in parts)
    if total >= limit:
        spelled = " + ".join(f"{name} {seconds} s" for name, seconds in parts)
        v.fail("rollback_timeout", limit, f"more than {total} seconds",
               f"The probes alone may take as long ({spelled}); give it more, or give them less")  # fmt: skip
