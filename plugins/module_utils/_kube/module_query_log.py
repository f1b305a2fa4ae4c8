# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options and run of dns_query_log."""

from __future__ import annotations

import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._kube.module import AUTH_OPTIONS, run_module

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule
    from ansible_collections.kubenode.network.plugins.module_utils._kube.client import Client

QUERY_LOG_OPTIONS: dict[str, dict[str, t.Any]] = {
    **AUTH_OPTIONS,
    "target": {"type": "str", "choices": ["coredns", "nodelocaldns"], "default": "coredns"},
    "state": {"type": "str", "choices": ["present", "absent", "prepared", "unprepared"], "default": "present"},
    "duration": {"type": "str", "default": "10m"},
    "zones": {"type": "list", "elements": "str", "default": []},
    "classes": {"type": "list", "elements": "str", "default": []},
    "extend": {"type": "bool", "default": False},
    "service": {"type": "str"},
    "namespace": {"type": "str"},
    "on_owner": {"type": "str", "choices": ["fail", "force"], "default": "fail"},
    "wait": {"type": "bool", "default": True},
    "wait_timeout": {"type": "int", "default": 180},
}


def run_query_log(module: AnsibleModule) -> t.NoReturn:
    """Run dns_query_log."""
    from ansible_collections.kubenode.network.plugins.module_utils._kube import query_log, query_log_way
    from ansible_collections.kubenode.network.plugins.module_utils._nodelocal.query_log import CACHES

    params = module.params
    target = CACHES if params["target"] == "nodelocaldns" else query_log_way.COREDNS

    def work(client: Client) -> dict[str, t.Any]:
        wish = query_log.Wish(
            state=params["state"],
            seconds=query_log.seconds_of(params["duration"]),
            zones=tuple(params["zones"]),
            classes=tuple(params["classes"]),
            extend=params["extend"],
            service=params["service"],
            namespace=params["namespace"],
            on_owner=params["on_owner"],
            wait=params["wait"],
            wait_timeout=params["wait_timeout"],
        )
        # Core offers no other way to learn of --diff.
        return query_log.run(client, wish, module.check_mode, module._diff, module.debug, target)  # noqa: SLF001

    run_module(module, work)
