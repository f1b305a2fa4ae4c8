# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The argument spec of cluster_lease, and its way from parameters to a result."""

from __future__ import annotations

import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._kube.module import AUTH_OPTIONS, run_module

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

LEASE_OPTIONS: dict[str, dict[str, t.Any]] = {
    **AUTH_OPTIONS,
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "name": {"type": "str", "default": "kubenode-network"},
    "namespace": {"type": "str", "default": "kube-system"},
    "holder": {"type": "str"},
    "duration": {"type": "int", "default": 600},
    "wait_timeout": {"type": "int", "default": 60},
}


def run_lease(module: AnsibleModule) -> t.NoReturn:
    """Run cluster_lease."""
    from ansible_collections.kubenode.network.plugins.module_utils._kube import lease
    from ansible_collections.kubenode.network.plugins.module_utils._kube.errors import KubeError

    try:
        wish = lease.wish_of(module.params)
    except KubeError as error:
        module.fail_json(msg=error.message)
    if module.params["state"] == "absent":
        run_module(module, lambda client: lease.release(client, wish, module.check_mode))
    run_module(module, lambda client: lease.take(client, wish, module.check_mode, module.debug))
