#!/usr/bin/python
# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: route_rules

short_description: Policy rules, that is which routing table a packet is looked up in

version_added: 0.1.0

description:
  - Brings a list of policy rules into the kernel in one change, which is read back and undone as a whole if a part of
    it fails.
  - Rules that this collection did not make are left alone. A rule that leads to an empty table is a warning.
extends_documentation_fragment:
  - kubenode.network._rules
  - kubenode.network._common.owner
  - kubenode.network._common
  - kubenode.network._confirm
  - kubenode.network._attributes

options:
  purge:
    description:
      - Whether rules that O(owner) declared before, and that are no longer in O(rules), are removed. Rules of other
        owners and rules that this collection did not make stay.
    type: bool
    default: false

seealso:
  - module: kubenode.network.network_state
    description: Interfaces, routes, rules and resolver as one change, and rules for hosts with several NICs made from
      a gateway (O(kubenode.network.network_state#module:multi_nic)).
  - module: kubenode.network.static_routes
  - module: kubenode.network.route_get_info

author:
  - The kubenode.network contributors (@kubenode)
"""

EXAMPLES = r"""
- name: Traffic from the external network's addresses goes back out through the external NIC
  kubenode.network.route_rules:
    owner: worker-policy-routing
    confirm: node
    rollback_timeout: 30
    probes:
      - type: gateway
      - type: dns
    rules:
      - from: 172.16.0.0/24
        table: 100
        priority: 100

- name: The same with all that a rule can select by
  kubenode.network.route_rules:
    owner: selective
    persist: true
    networkd_keep_foreign: auto
    on_conflict: fail
    allow_default_override: false
    protect:
      - 10.200.0.0/16
    rules:
      - from: 172.16.0.0/24
        to: 203.0.113.0/24
        priority: 110
        table: 100
        iif: lo
        tos: 16
        ip_protocol: tcp
        source_ports: 1024-2048
        destination_ports: 443
        uid_range: 1000-1999
      - fwmark: 0x10
        fwmask: 0xff
        priority: 120
        table: 100
      - oif: ens256
        priority: 130
        table: 100

- name: Everything but the default route of the main table, before any other table is asked
  kubenode.network.route_rules:
    owner: main-first
    rules:
      - family: ipv4
        priority: 90
        table: main
        suppress_prefix_length: 0

- name: What does not come from the data network asks the main table first, and two networks are closed
  kubenode.network.route_rules:
    owner: closed
    rules:
      - from: 10.100.0.0/24
        invert: true
        table: main
        priority: 140
      - to: 192.0.2.0/24
        action: prohibit
        priority: 141
        state: present
      - from: 2001:db8:dead::/48
        action: unreachable
        priority: 141

- name: The whole list of this owner; what it no longer lists goes
  kubenode.network.route_rules:
    owner: selective
    purge: true
    rules:
      - fwmark: 0x10
        fwmask: 0xff
        priority: 120
        table: 100

- name: No rule for table 100 any more, whoever declared it
  kubenode.network.route_rules:
    rules:
      - table: 100
        state: absent
"""

RETURN = r"""
before:
  description: The rules that the plan touches as they were, in the terms of O(rules).
  type: dict
  returned: success
  sample:
    rules: []
after:
  description: The same rules as they are afterwards; in check mode as they would be.
  type: dict
  returned: success
  sample:
    rules:
      - from: 172.16.0.0/24
        priority: 100
        table: 100
        family: ipv4
runtime:
  description: Whether the kernel changes now. In check mode whether it would.
  type: bool
  returned: success
persistent:
  description: Whether files change that hold for the next boot.
  type: bool
  returned: success
plan:
  description: The steps in the order in which they are carried out, one line each, in the words of C(ip).
  type: list
  elements: str
  returned: success
warnings:
  description: What was tidied, and what should be looked at.
  type: list
  elements: str
  returned: when there are any
confirmed_by:
  description: Who confirmed the change, V(controller), V(node) or V(none).
  type: str
  returned: when a change was kept for good, so not for a part of a checkpoint
  sample: controller
probes:
  description:
    - What was asked before the change was kept, and whether it passed. One that failed before the change could not
      block (V(required)).
  type: list
  elements: dict
  returned: when the change was to be confirmed by the controller or the node
  sample:
    - type: gateway
      target: 192.168.100.1 on ens192
      before: true
      required: true
      passed: true
      attempts: 1
      detail: echo reply after 0.4 ms
rolled_back:
  description:
    - Whether the node is again as it was before. V(false) says that the way back failed too, and the message tells
      what is left. The message also has the reason.
  type: bool
  returned: when a change failed
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.kubenode.network.plugins.module_utils._argument_spec import ARGUMENT_SPECS
from ansible_collections.kubenode.network.plugins.module_utils._engine import start


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENT_SPECS["route_rules"], supports_check_mode=True)
    start(module, "route_rules")


if __name__ == "__main__":
    main()
