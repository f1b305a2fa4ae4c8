# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options and run of kubelet_config_map."""

from __future__ import annotations

import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._kube.module import AUTH_OPTIONS, run_module

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

KUBELET_OPTIONS: dict[str, dict[str, t.Any]] = {
    **AUTH_OPTIONS,
    "cluster_dns": {"type": "list", "elements": "str"},
    "cluster_domain": {"type": "str"},
    "resolv_conf": {"type": "str"},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "name": {"type": "str", "default": "kubelet-config"},
    "namespace": {"type": "str", "default": "kube-system"},
    "key": {"type": "str", "default": "kubelet", "no_log": False},
}


def run_kubelet(module: AnsibleModule) -> t.NoReturn:
    """Run kubelet_config_map."""
    from ansible_collections.kubenode.network.plugins.module_utils._kube import kubelet

    # Core offers no other way to learn of --diff.
    diff = module._diff  # noqa: SLF001
    run_module(module, lambda client: kubelet.change(client, module.params, module.check_mode, diff))
