# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stands in for the module of that name on a node that is simulated: it keeps what a kubelet was told in a file."""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.kubenode.network.plugins.module_utils._argument_spec import ARGUMENT_SPECS
from ansible_collections.kubenode.network.plugins.module_utils.simulated import DOUBLE, log, say, told


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENT_SPECS["kubelet_dns"], supports_check_mode=True)
    name = module.params["node_name"]
    node = told(name)
    wanted = module.params["cluster_dns"] if module.params["state"] == "present" else node.get("before", ["10.96.0.10"])
    changed = node.get("cluster_dns", ["10.96.0.10"]) != wanted
    if node.get("flag"):
        module.fail_json(msg=f"the kubelet of {name} has --cluster-dns; {DOUBLE}")
    if changed and not module.check_mode:
        log("kubelet", f"{name} {' '.join(wanted)}")
        if node.get("kubelet_dies"):
            module.fail_json(msg=f"the kubelet of {name} does not come back; {DOUBLE}", rolled_back=True)
        say(name, cluster_dns=wanted)
    plan = [f"set clusterDNS {wanted}"] if changed else []
    module.exit_json(changed=changed, plan=plan, after={"cluster_dns": wanted}, double=DOUBLE)


if __name__ == "__main__":
    main()
