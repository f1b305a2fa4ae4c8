# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the module's parameters to its result."""

from __future__ import annotations

import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._cache_service.options import options_of
from ansible_collections.kubenode.network.plugins.module_utils._cache_service.removal import absent
from ansible_collections.kubenode.network.plugins.module_utils._cache_service.service import present
from ansible_collections.kubenode.network.plugins.module_utils._state.model import StateError

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule


def run_module(module: AnsibleModule) -> t.NoReturn:
    """Run dns_cache_service."""
    params = module.params
    try:
        if params["state"] == "absent":
            result = absent(params["force"], module.check_mode)
        else:
            # Core offers no other way to learn of --diff.
            result = present(options_of(params), module.check_mode, module._diff)  # noqa: SLF001
    except StateError as error:
        module.fail_json(msg=error.message, **error.details)
    for warning in result.pop("warnings"):
        module.warn(warning)
    module.exit_json(**result)
    raise AssertionError("exit_json ends the process")
