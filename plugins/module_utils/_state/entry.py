# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a module enters the engine."""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule
    from ansible_collections.kubenode.network.plugins.module_utils._state.model import Desired

_INFO = {"network_state_info": "network_state", "route_get_info": "paths"}


def run(module: AnsibleModule, name: str) -> None:
    """Carry out the module ``name`` (without the collection) with the parameters of ``module``; ends the process."""
    if name in _INFO:
        from ansible_collections.kubenode.network.plugins.module_utils._state import info

        info.run_info(module, getattr(info, _INFO[name]))
        return
    if name == "network_checkpoint":
        from ansible_collections.kubenode.network.plugins.module_utils._checkpoint import checkpoints

        checkpoints.run_module(module)
        return
    if name == "kubelet_dns":
        from ansible_collections.kubenode.network.plugins.module_utils._kubelet import run as kubelet

        kubelet.run_module(module)
        return
    from ansible_collections.kubenode.network.plugins.module_utils._state.options import desired_from_options
    from ansible_collections.kubenode.network.plugins.module_utils._state.run import run_module

    result: dict[str, t.Any] = {}

    def build(params: dict[str, t.Any]) -> Desired:
        desired = desired_from_options(params, name)
        if name == "network_state":
            result["matched"] = not desired.matched or any(selected for _policy, selected in desired.matched)
        return desired

    run_module(module, build, result)
