#!/usr/bin/python
# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: route_get_info

short_description: Ask the kernel which way packets go, and fail where it is not the expected way

version_added: 0.1.0

description:
  - Answers "which way goes a packet to X, from Y, with this mark, in through that interface?" from the kernel's own
    routing, for as many packets as wanted, in one session. No packet is sent.
  - Usable before workloads are deployed, and after every change of the network.
extends_documentation_fragment:
  - kubenode.network._paths
  - kubenode.network._attributes.info

seealso:
  - module: kubenode.network.network_state
    description: Takes paths too, and undoes its change where an expectation is not met.

author:
  - The kubenode.network contributors (@kubenode)
"""

EXAMPLES = r"""
- name: Which way to the storage network?
  kubenode.network.route_get_info:
    paths:
      - destination: 10.200.0.1

- name: Storage over the data NIC, replies of the external network over its own
  kubenode.network.route_get_info:
    paths:
      - destination: 10.200.0.1
        expect:
          gateway: 10.100.0.1
          interface: ens224
          source: 10.100.0.10
          table: main
          type: unicast
          metric: 100
      - destination: 203.0.113.1
        source: 172.16.0.10
        family: ipv4
        expect:
          interface: ens256
          table: 100
      - destination: 10.100.0.1
        expect:
          gateway: ""

- name: Packets of one user's sockets, with a mark, bound to a NIC
  kubenode.network.route_get_info:
    paths:
      - destination: 203.0.113.1
        source: 172.16.0.10
        mark: 0x10
        oif: ens256
        uid: 1000
        tos: 16
        ip_protocol: tcp
        source_port: 40000
        destination_port: 443

- name: A packet that is forwarded
  kubenode.network.route_get_info:
    paths:
      - destination: 10.200.0.1
        source: 192.168.100.77
        iif: ens192

- name: Path MTU within a VRF
  kubenode.network.route_get_info:
    paths:
      - destination: 192.0.2.1
        vrf: tenant
        expect:
          mtu: 1400
"""

RETURN = r"""
evidence:
  description: The kernel's answer to each question, in the order of O(paths).
  type: list
  elements: dict
  returned: always
  contains:
    answer:
      description: What the kernel answers. Parts that a route does not have are V(none).
      type: dict
      returned: success
      contains:
        type:
          description: Kind of the route.
          type: str
          returned: success
        interface:
          description: Outgoing interface.
          type: str
          returned: success
        gateway:
          description: Address of the gateway; none where the destination is on the link.
          type: str
          returned: success
        source:
          description: Source address.
          type: str
          returned: success
        table:
          description: Id of the routing table that has the answer.
          type: int
          returned: success
        metric:
          description: Metric of the route.
          type: int
          returned: success
        mtu:
          description: Path MTU, where the route has one.
          type: int
          returned: success
        error:
          description: Why there is no way.
          type: str
          returned: when the kernel knows no way
    expected:
      description: The O(paths[].expect) of the question.
      type: dict
      returned: success
    passed:
      description: Whether the answer is as expected.
      type: bool
      returned: success
  sample:
    - destination: 10.200.0.1
      answer:
        type: unicast
        gateway: 10.100.0.1
        interface: ens224
        source: 10.100.0.10
        table: 254
        metric: 100
      expected:
        gateway: 10.100.0.1
      passed: true
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.kubenode.network.plugins.module_utils._argument_spec import ARGUMENT_SPECS
from ansible_collections.kubenode.network.plugins.module_utils._engine import start


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENT_SPECS["route_get_info"], supports_check_mode=True)
    start(module, "route_get_info")


if __name__ == "__main__":
    main()
