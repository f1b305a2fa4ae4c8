# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stands in for the module of that name on a node that is simulated: it has no kernel, and its result says so."""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.kubenode.network.plugins.module_utils._nodecache.module import NODE_INFO_OPTIONS
from ansible_collections.kubenode.network.plugins.module_utils.simulated import DOUBLE, told

STEPS = ("enter", "notrack", "nat", "route", "answer")


def main() -> None:
    module = AnsibleModule(argument_spec=NODE_INFO_OPTIONS, supports_check_mode=True)
    node = told(module.params["node_name"], "proof" if module.params["test_query"] else "look")
    broken = node.get("broken", 0) if module.params["test_query"] else 0
    steps = []
    for number, name in enumerate(STEPS, 1):
        wrong = {"kind": "test", "cause": "the test broke it", "fix": "let the test mend it"}
        failed = number == broken
        steps.append({
            "step": number, "name": name, "status": "failed" if failed else "passed", "evidence": [DOUBLE],
            "findings": [wrong] if failed else [],
        })  # fmt: skip
    old = node.get("old_resolver_pods", [])
    evidence = {
        "node": module.params["node_name"], "kube_proxy_mode": node.get("mode", ""), "addresses": [], "listeners": [],
        "old_resolver_pods": old,
    }  # fmt: skip
    pods = [
        {"pid": 1, "command": "pause", "name": name, "name_servers": ["10.96.0.10"], "asks_cache": False}
        for name in node.get("pods", [])
    ]
    copies = [
        {
            "name": name,
            "pid": 1,
            "command": "sleep",
            "name_servers": ["192.0.2.99"],
            "search": [],
            "host_network": False,
        }
        for name in node.get("old_copies", [])
    ]
    module.exit_json(
        resolver={"file": "/etc/resolv.conf", "old_copies": copies, "error": ""},
        changed=False, passed=not broken, steps=steps, node_evidence=evidence, pods=pods, leftovers=[],
        findings=[finding for step in steps for finding in step["findings"]], double=DOUBLE,
        addresses=[{"address": "169.254.20.10", "use": "local"}], hit={"proved": not broken},
        origin={"source": "10.244.9.9", "interface": "", "pid": 0, "how": DOUBLE},
    )  # fmt: skip


if __name__ == "__main__":
    main()
