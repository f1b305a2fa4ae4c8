# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options and run of pod_eviction."""

from __future__ import annotations

import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._kube.module import AUTH_OPTIONS, run_module

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

EVICT_OPTIONS: dict[str, dict[str, t.Any]] = {
    **AUTH_OPTIONS,
    "pods": {
        "type": "list", "elements": "dict", "required": True,
        "options": {"name": {"type": "str", "required": True}, "node": {"type": "str"}},
    },
    "node_resolver": {"type": "bool", "default": False},
    "wait_timeout": {"type": "int", "default": 120},
}  # fmt: skip


def run_evict(module: AnsibleModule) -> t.NoReturn:
    """Run pod_eviction."""
    from ansible_collections.kubenode.network.plugins.module_utils._kube import evict
    from ansible_collections.kubenode.network.plugins.module_utils._kube.errors import KubeError

    try:
        pods, seconds = evict.wanted(module.params)
    except KubeError as error:
        module.fail_json(msg=error.message)
    only = module.params["node_resolver"]
    run_module(module, lambda client: evict.evict(client, pods, seconds, module.check_mode, module.debug, only))
