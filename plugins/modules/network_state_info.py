#!/usr/bin/python
# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: network_state_info

short_description: The network state of a node, in the terms that network_state takes

version_added: 0.1.0

description:
  - Reads interfaces, routes, policy rules and resolver of a node, in the form of the
    O(kubenode.network.network_state#module:desired_state) of M(kubenode.network.network_state), so that it can be
    saved, compared, and applied again or elsewhere.
extends_documentation_fragment:
  - kubenode.network._attributes.info

options:
  include_foreign:
    description:
      - Whether to show everything, also what the kernel, DHCP, routing daemons and container networks made. This is for
        reading, not for applying it elsewhere.
      - By default only static objects are shown, those of this collection and those that an operator made.
    type: bool
    default: false

seealso:
  - module: kubenode.network.network_state
  - module: kubenode.network.route_get_info

author:
  - The kubenode.network contributors (@kubenode)
"""

EXAMPLES = r"""
- name: Read the node's state
  kubenode.network.network_state_info:
  register: before

- name: Apply it again, which changes nothing
  kubenode.network.network_state:
    desired_state: "{{ before.running }}"

- name: Everything the kernel holds
  kubenode.network.network_state_info:
    include_foreign: true
"""

RETURN = r"""
running:
  description: The node's state as a desired state.
  type: dict
  returned: success
  sample:
    interfaces:
      - name: ens224
        type: ethernet
        state: up
        mtu: 1500
        ipv4:
          enabled: true
          addresses:
            - ip: 10.100.0.10
              prefix_length: 24
    routes:
      config:
        - destination: 10.200.0.0/16
          next_hop_address: 10.100.0.1
          next_hop_interface: ens224
          metric: 100
config:
  description:
    - What this collection keeps of the interfaces for the next boot, as a desired state.
    - RV(running) is what the kernel holds now, whoever made it.
  type: dict
  returned: success
  contains:
    interfaces:
      description: Interfaces, each with its RV(config.interfaces[].manager).
      type: list
      elements: dict
      returned: success
      contains:
        manager:
          description: Who brings it up, null where units of this collection do.
          type: str
          returned: success
    routes:
      description: The key C(config) with a list of routes, as in a desired state.
      type: dict
      returned: success
    route_rules:
      description: The key C(config) with a list of rules, as in a desired state.
      type: dict
      returned: success
    unchanged:
      description: Whether the files are as the last run left them, and so are the managers.
      type: bool
      returned: success
  sample:
    interfaces:
      - name: ens224
        mtu: 1450
        manager: NetworkManager
    routes:
      config:
        - destination: 10.200.0.0/16
          next_hop_address: 10.100.0.1
          next_hop_interface: ens224
          metric: 100
          table: 254
    route_rules:
      config: []
    unchanged: true
tables:
  description: Names of routing tables on this node, as O(kubenode.network.network_state#module:tables) takes them.
  type: list
  elements: dict
  returned: success
  sample:
    - id: 100
      name: external
owners:
  description:
    - What each owner has declared on this node, one line per object in the words of C(ip). What was declared without
      an owner is under the
      empty name.
  type: dict
  returned: success
  sample:
    worker-routes:
      - route 10.200.0.0/16 via 10.100.0.1 dev ens224 metric 100
summary:
  description: A table for people. Each rule in the order in which the kernel asks them, the table it leads to, and the
    routes there.
  type: list
  elements: str
  returned: success
resolver_owner:
  description: Who writes C(/etc/resolv.conf), and how that was found.
  type: dict
  returned: success
  contains:
    name:
      description: Name of the manager, or V(nobody) for a plain file.
      type: str
      returned: success
    path:
      description: The file.
      type: str
      returned: success
    evidence:
      description: What tells the owner.
      type: str
      returned: success
    way_out:
      description: How that manager's own resolver settings are made.
      type: str
      returned: success
  sample:
    name: nobody
    path: /etc/resolv.conf
    evidence: it is a plain file
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.kubenode.network.plugins.module_utils._argument_spec import ARGUMENT_SPECS
from ansible_collections.kubenode.network.plugins.module_utils._engine import start


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENT_SPECS["network_state_info"], supports_check_mode=True)
    start(module, "network_state_info")


if __name__ == "__main__":
    main()
