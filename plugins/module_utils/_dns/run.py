# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""dns_lookup_info's way from parameters to a result."""

from __future__ import annotations

import socket
import typing as t

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule


def run_lookup(module: AnsibleModule) -> t.NoReturn:
    """Ask, compare, and exit."""
    from ansible_collections.kubenode.network.plugins.module_utils._dns import lookup, options
    from ansible_collections.kubenode.network.plugins.module_utils._dns.errors import DnsError

    hostname = socket.gethostname()
    try:
        with open(module.params["resolv_conf"], encoding="utf-8", errors="replace") as file:
            text: str | None = file.read()
    except OSError:
        text = None
    try:
        request = options.parse(module.params, text, hostname)
    except DnsError as error:
        module.fail_json(msg=str(error))
    results = lookup.look_up(request)
    wrong = lookup.failures(results)
    shown = {
        "asked_from": hostname, "results": results, "search": list(request.rules.search), "ndots": request.rules.ndots,
    }  # fmt: skip
    if wrong:
        module.fail_json(msg=f"seen from {hostname}: " + "; ".join(wrong), **shown)
    module.exit_json(changed=False, **shown)
    raise AssertionError("exit_json ends the process")
