# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options and run of cluster_dns_scale."""

from __future__ import annotations

import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._kube.module import AUTH_OPTIONS, run_module

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule
    from ansible_collections.kubenode.network.plugins.module_utils._kube.client import Client

SCALE_OPTIONS: dict[str, dict[str, t.Any]] = {
    **AUTH_OPTIONS,
    "service": {"type": "str"},
    "namespace": {"type": "str"},
    "replicas": {"type": "int"},
    "autoscaler": {
        "type": "dict",
        "options": {
            "min": {"type": "int"},
            "max": {"type": "int"},
            "cores_per_replica": {"type": "float"},
            "nodes_per_replica": {"type": "float"},
            "prevent_single_point_failure": {"type": "bool"},
            "include_unschedulable_nodes": {"type": "bool"},
        },
    },
    "wait": {"type": "bool", "default": True},
    "wait_timeout": {"type": "int", "default": 180},
}


def run_scale(module: AnsibleModule) -> t.NoReturn:
    """Run cluster_dns_scale."""
    from ansible_collections.kubenode.network.plugins.module_utils._kube.scale import Wish, scale

    # Core offers no other way to learn of --diff.
    diff = module._diff  # noqa: SLF001
    wish = Wish(**{name: module.params[name] for name in Wish._fields})

    def work(client: Client) -> dict[str, t.Any]:
        result = scale(client, wish, module.check_mode)
        if diff:
            result["diff"] = {"before": result["before"], "after": result["after"]}
        return result

    run_module(module, work)
