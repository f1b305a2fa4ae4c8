#!/usr/bin/python
# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: static_routes

short_description: Static routes, IPv4 and IPv6, in any table

version_added: 0.1.0

description:
  - Brings a list of routes into the kernel in one change, which is read back and undone as a whole if a part of it
    fails.
  - Ten thousand routes are one task. A loop of tasks costs about as much as all of them for every single route.
  - Routes that this collection did not make are left alone.
extends_documentation_fragment:
  - kubenode.network._routes
  - kubenode.network._common.owner
  - kubenode.network._common
  - kubenode.network._confirm
  - kubenode.network._attributes

options:
  purge:
    description:
      - Whether routes that O(owner) declared before, and that are no longer in O(routes), are removed. Routes of other
        owners and routes that this collection did not make stay.
    type: bool
    default: false

seealso:
  - module: kubenode.network.network_state
    description: Interfaces, routes, rules and resolver as one change.
  - module: kubenode.network.route_rules
  - module: kubenode.network.route_get_info

author:
  - The kubenode.network contributors (@kubenode)
"""

EXAMPLES = r"""
- name: Storage and GPU traffic through the data NIC
  kubenode.network.static_routes:
    owner: worker-routes
    confirm: node
    rollback_timeout: 30
    probes:
      - type: gateway
      - type: dns
    routes:
      - destination: 10.200.0.0/16
        next_hop_address: 10.100.0.1
        next_hop_interface: ens224
        metric: 100
      - destination: 10.50.0.0/24
        next_hop_address: 10.100.0.1
        metric: 150
        source: 10.100.0.10
        mtu: 1400
        cwnd: 20

- name: A route for this afternoon, gone after a reboot
  kubenode.network.static_routes:
    owner: migration
    persist: false
    networkd_keep_foreign: auto
    routes:
      - destination: 10.70.0.0/16
        next_hop_address: 10.100.0.1
        next_hop_interface: ens224

- name: The whole list of this owner; what it no longer lists goes
  kubenode.network.static_routes:
    owner: worker-routes
    purge: true
    routes:
      - destination: 10.200.0.0/16
        next_hop_address: 10.100.0.1
        next_hop_interface: ens224
        metric: 100

- name: A default route in a table of its own, through a gateway that is on no network of the NIC
  kubenode.network.static_routes:
    owner: external
    routes:
      - destination: default
        next_hop_address: 192.0.2.1
        next_hop_interface: ens256
        on_link: true
        table: 100

- name: Two gateways that share the traffic two to one
  kubenode.network.static_routes:
    owner: balanced
    routes:
      - destination: 203.0.113.0/24
        next_hops:
          - next_hop_address: 10.100.0.1
            next_hop_interface: ens224
            weight: 2
          - next_hop_address: 172.16.0.1
            next_hop_interface: ens256
            weight: 1
            on_link: true

- name: The same in NMState's way, one entry for each next hop
  kubenode.network.static_routes:
    owner: balanced-too
    routes:
      - destination: 10.60.0.0/16
        next_hop_address: 10.100.0.1
        next_hop_interface: ens224
        weight: 2
      - destination: 10.60.0.0/16
        next_hop_address: 172.16.0.1
        next_hop_interface: ens256
        weight: 1

- name: Never send these anywhere, and answer with an error for those
  kubenode.network.static_routes:
    owner: closed
    on_conflict: replace
    routes:
      - destination: 192.0.2.0/25
        type: blackhole
      - destination: 192.0.2.128/25
        type: unreachable
        tos: 16

- name: A second default route that never outranks the first, with the way to the storage network protected
  kubenode.network.static_routes:
    owner: second-gateway
    protect:
      - 10.200.0.0/16
    allow_default_override: false
    routes:
      - destination: 0.0.0.0/0
        next_hop_address: 172.16.0.1
        next_hop_interface: ens256
        metric: 2000

- name: Everything to 10.200.0.0/16 over the data NIC goes, with whatever metric and in whatever table
  kubenode.network.static_routes:
    routes:
      - destination: 10.200.0.0/16
        next_hop_interface: ens224
        state: absent
"""

RETURN = r"""
before:
  description: The routes that the plan touches as they were, in the terms of O(routes).
  type: dict
  returned: success
  sample:
    routes: []
after:
  description: The same routes as they are afterwards; in check mode as they would be.
  type: dict
  returned: success
  sample:
    routes:
      - destination: 10.200.0.0/16
        next_hop_address: 10.100.0.1
        next_hop_interface: ens224
        metric: 100
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
    module = AnsibleModule(argument_spec=ARGUMENT_SPECS["static_routes"], supports_check_mode=True)
    start(module, "static_routes")


if __name__ == "__main__":
    main()
