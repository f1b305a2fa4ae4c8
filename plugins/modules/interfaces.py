#!/usr/bin/python
# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: interfaces

short_description: Addresses, MTU and state of interfaces, and VLANs, bonds, bridges, VRFs, macvlans and dummies

version_added: 0.1.0

description:
  - Brings interfaces to the declared state in one change, which is read back from the kernel and undone as a whole if a
    part of it fails.
  - Addresses and links that this collection did not make are left alone.
extends_documentation_fragment:
  - kubenode.network._interfaces
  - kubenode.network._common.owner
  - kubenode.network._common
  - kubenode.network._confirm
  - kubenode.network._attributes

options:
  addresses_exact:
    description:
      - Whether addresses that are not ours (of kube-vip, keepalived, egress gateways, or put there by hand) are removed
        from interfaces whose addresses are listed. By default they stay, with a warning. Addresses that the kernel or
        DHCP made stay in any case.
    type: bool
    default: false

seealso:
  - module: kubenode.network.network_state
    description: Interfaces, routes, rules and resolver as one change.
  - module: kubenode.network.static_routes
  - module: kubenode.network.network_state_info

author:
  - The kubenode.network contributors (@kubenode)
"""

EXAMPLES = r"""
- name: Data and external network, with addresses from the host's variables
  kubenode.network.interfaces:
    owner: worker-nics
    protect:
      - 192.168.100.0/24
    confirm: node
    rollback_timeout: 90
    probes:
      - type: gateway
      - type: dns
    interfaces:
      - name: ens224
        type: ethernet
        state: up
        mtu: 1450
        ipv4:
          enabled: true
          dhcp: false
          addresses:
            - ip: "{{ data_address | default('10.100.0.10') }}"
              prefix_length: 24
        ipv6:
          enabled: true
          dhcp: false
          autoconf: false
          addresses:
            - ip: 2001:db8:100::10
              prefix_length: 64
      - name: ens256
        state: up
        ipv4:
          addresses:
            - ip: 172.16.0.10
              prefix_length: 24

- name: Addresses from DHCP, but neither routes nor DNS servers of the lease (on a NIC that a manager has)
  kubenode.network.interfaces:
    owner: worker-nics
    persist: true
    networkd_keep_foreign: auto
    interfaces:
      - name: ens256
        state: up
        ipv4:
          enabled: true
          dhcp: true
          auto_routes: false
          auto_gateway: false
          auto_dns: false
        ipv6:
          enabled: true
          dhcp: true
          autoconf: true
          auto_routes: false
          auto_gateway: false
          auto_dns: false

- name: A NIC that is found by its MAC address, whatever its name is on this machine
  kubenode.network.interfaces:
    owner: worker-nics
    interfaces:
      - name: data
        identifier: mac-address
        mac_address: "{{ data_mac_address }}"
        state: up
        ipv4:
          addresses:
            - ip: "{{ data_address | default('10.100.0.10') }}"
              prefix_length: 24

- name: Give a NIC another MAC address, and take addresses off it that somebody else has put there
  kubenode.network.interfaces:
    owner: worker-nics
    on_conflict: replace
    allow_default_override: false
    addresses_exact: true
    interfaces:
      - name: ens256
        mac_address: "52:54:00:16:00:0a"
        ipv4:
          addresses:
            - ip: 172.16.0.10
              prefix_length: 24

- name: A bridge for virtual machines
  kubenode.network.interfaces:
    owner: bridges
    interfaces:
      - name: br-vm
        type: bridge
        state: up
        bridge:
          port: []
          options:
            stp: true
            priority: 4096
            forward_delay: 4
            hello_time: 2
            max_age: 20
            ageing_time: 300
            multicast_snooping: true

- name: A bridge that looks at VLAN tags
  kubenode.network.interfaces:
    owner: bridges
    interfaces:
      - name: br-trunk
        type: bridge
        state: up
        bridge:
          options:
            vlan_filtering: true

- name: A macvlan on the data NIC
  kubenode.network.interfaces:
    owner: macvlans
    interfaces:
      - name: mv0
        type: macvlan
        state: up
        macvlan:
          base_iface: ens224
          mode: bridge

- name: A VLAN on the data NIC
  kubenode.network.interfaces:
    owner: vlans
    interfaces:
      - name: ens224.20
        type: vlan
        state: up
        vlan:
          base_iface: ens224
          id: 20
          protocol: 802.1q
        ipv4:
          addresses:
            - ip: 10.20.0.10
              prefix_length: 24

- name: A bond of two NICs
  kubenode.network.interfaces:
    owner: bonds
    interfaces:
      - name: bond0
        type: bond
        state: up
        bond:
          mode: active-backup
          port:
            - ens257
            - ens258
          options:
            miimon: 100
            updelay: 200
            downdelay: 200
            min_links: 1
            primary: ens257
            primary_reselect: better
            fail_over_mac: active
            xmit_hash_policy: layer2

- name: A bond that speaks LACP with its switch
  kubenode.network.interfaces:
    owner: bonds
    interfaces:
      - name: bond1
        type: bond
        state: up
        bond:
          mode: 802.3ad
          options:
            miimon: 100
            lacp_rate: fast
            ad_select: bandwidth
            xmit_hash_policy: layer3+4

- name: A bond that probes its neighbours with ARP
  kubenode.network.interfaces:
    owner: bonds
    interfaces:
      - name: bond2
        type: bond
        state: up
        bond:
          mode: active-backup
          options:
            arp_interval: 0

- name: A VRF with a table of its own
  kubenode.network.interfaces:
    owner: vrfs
    interfaces:
      - name: tenant
        type: vrf
        state: up
        vrf:
          port: []
          table: 200

- name: A dummy for an address of the node's own
  kubenode.network.interfaces:
    owner: dummies
    interfaces:
      - name: lo1
        type: dummy
        state: up
        ipv4:
          addresses:
            - ip: 192.0.2.10
              prefix_length: 32

- name: Take the bridge and the macvlan away again, and the external NIC down without addresses
  kubenode.network.interfaces:
    owner: worker-nics
    interfaces:
      - name: br-vm
        state: absent
      - name: mv0
        state: absent
      - name: ens256
        state: down
        ipv4:
          enabled: false
"""

RETURN = r"""
before:
  description: The interfaces that the plan touches as they were, in the terms of O(interfaces).
  type: dict
  returned: success
  sample:
    interfaces:
      - name: ens224
        type: ethernet
        state: down
after:
  description: The same interfaces as they are afterwards; in check mode as they would be.
  type: dict
  returned: success
  sample:
    interfaces:
      - name: ens224
        type: ethernet
        state: up
        ipv4:
          enabled: true
          addresses:
            - ip: 10.100.0.10
              prefix_length: 24
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
    module = AnsibleModule(argument_spec=ARGUMENT_SPECS["interfaces"], supports_check_mode=True)
    start(module, "interfaces")


if __name__ == "__main__":
    main()
