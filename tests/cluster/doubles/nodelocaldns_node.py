# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stands in for the module of that name on a node that is simulated: there is nothing to clean, and it says so."""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.kubenode.network.plugins.module_utils._nodecache.module import NODE_OPTIONS
from ansible_collections.kubenode.network.plugins.module_utils.simulated import DOUBLE, log


def main() -> None:
    module = AnsibleModule(argument_spec=NODE_OPTIONS, supports_check_mode=True)
    log(
        "release" if module.params["state"] == "released" else "clean",
        " ".join(module.params["local_ips"] + module.params["cluster_ips"]),
    )
    module.exit_json(changed=False, removed=[], in_use_by=[], double=DOUBLE)


if __name__ == "__main__":
    main()
