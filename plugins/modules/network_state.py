#!/usr/bin/python
# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: network_state

short_description: A whole worker's network from one document, or from NodeNetworkConfigurationPolicies

version_added: 0.1.0

description:
  - Takes NodeNetworkConfigurationPolicies as they are, or their bare C(desiredState), on hosts with or without
    NetworkManager and without an operator in the cluster.
  - Interfaces, routes, rules and resolver, and what is declared beside the documents (tables, sysctls, hosts, multi-NIC
    routing), are one change. It is planned against the kernel's own state, read back, and undone as a whole if a part
    of it fails.
  - Every policy owns what it declares. What a policy no longer lists is removed the next time it is applied (O(prune)).
  - What is not understood is an error that names it, never skipped in silence.
extends_documentation_fragment:
  - kubenode.network._desired_state
  - kubenode.network._resolver.files
  - kubenode.network._paths.checked_after
  - kubenode.network._common.owner
  - kubenode.network._common
  - kubenode.network._confirm
  - kubenode.network._attributes

attributes:
  action:
    description: Indicates this has a corresponding action plugin so some parts of the options can be executed on the
      controller.
    support: full
  async:
    description: Supports being used with the C(async) keyword.
    support: none

options:
  state:
    description:
      - V(present) brings the node to what is declared.
      - V(absent) takes back what the collection brought, of the O(owner), or without one of every owner and of runs
        without any. Nothing may be declared beside it.
      - That is routes, rules, addresses, links, the configuration of NICs at their managers, units, names of tables,
        kernel settings, lines in files and marks. Of everybody it is also what carries the collection's marks
        without a record, and the collection's own folder on the node. After a change that the controller confirmed
        the folder stays until the next run, which finds nothing else to take back.
      - What was there before it was declared stays. C(/etc/resolv.conf), C(/etc/nsswitch.conf), kernel settings and the
        MTU and MAC address of NICs become what they were before the first change, unless somebody changed them
        since. That a NIC is up stays.
      - It is a change like any other, planned, confirmed and undone alike.
    type: str
    choices:
      - present
      - absent
    default: present
  policies:
    description:
      - NodeNetworkConfigurationPolicies or bare desired states, applied as one change. Their order means nothing. Two
        that contradict each other are an error that names both.
      - Lists of policies as C(kubectl get nncp -o yaml) prints them are taken as well.
    type: list
    elements: raw
  src:
    description:
      - Files on the controller with one or several such documents each, looked for as other files are (C(files/) of the
        role, beside the playbook). All of them are one change.
      - Its values may be Jinja with the task's variables, such as V("{{ data_address }}"), so that one policy serves a
        pool of nodes. The file is read as YAML first, so an expression stands in quotes.
    type: list
    elements: path
  node_labels:
    description:
      - Labels of this node, which the C(nodeSelector) of policies is compared with.
      - A policy with a C(nodeSelector) is an error without them.
    type: dict
  prune:
    description:
      - Whether objects that an owner declared before, and that its document no longer lists, are removed. Objects of
        other owners and objects that this collection did not make stay.
      - Servers, search domains and options of the resolver stay, as in NMState, until they are cleared by an empty
        list.
    type: bool
    default: true
  strict_nmstate:
    description:
      - Whether documents may only hold what NMState itself knows. Without it this collection's own keys (such as
        C(oif), C(next-hops) or C(on-link)) are taken in documents too.
    type: bool
    default: false
  addresses_exact:
    description:
      - Whether addresses that are not ours (of kube-vip, keepalived, egress gateways, or put there by hand) are removed
        from interfaces whose addresses are listed. By default they stay, with a warning. Addresses that the kernel or
        DHCP made stay in any case.
    type: bool
    default: false
  multi_nic:
    description:
      - Replies leave through the NIC that the request came in on. For each entry a table with the NIC's networks and a
        default route is made, and a rule for each of the NIC's addresses that leads there.
      - O(cluster_cidrs) stay on the main table.
    type: list
    elements: dict
    suboptions:
      interface:
        description: The NIC.
        type: str
        required: true
      gateway:
        description: IPv4 gateway of that NIC's network. At least one of both gateways is needed.
        type: str
      gateway6:
        description: IPv6 gateway of that NIC's network.
        type: str
      table:
        description: Id or name of the routing table to use. Left out, a free one is taken and kept.
        type: raw
      priority:
        description: Priority of the rules, 1 to 32765. Left out, a free one is taken and kept.
        type: int
      forwarded:
        description:
          - Whether this holds for traffic that is forwarded to pods too, by a connection mark in an nftables table of
            this collection's own. Otherwise it holds for the node's own sockets.
        type: bool
        default: false
  tables:
    description: Names of routing tables, written to C(/etc/iproute2/rt_tables.d), and usable wherever an id is.
    type: list
    elements: dict
    suboptions:
      id:
        description: Id of the table, 1 to 4294967295 without 253, 254 and 255.
        type: int
        required: true
      name:
        description: Name of the table.
        type: str
        required: true
      purpose:
        description: What it is for, written beside it.
        type: str
  sysctl:
    description:
      - Kernel settings below C(net.), such as C(net.ipv4.ip_forward). Where an interface's name has a dot, write
        slashes (C(net/ipv4/conf/ens224.20/rp_filter)).
      - Numbers or text, V(0) and V(1) for off and on.
    type: dict
  cluster_cidrs:
    description:
      - Networks of pods and services. O(multi_nic) keeps them on the main table, and a declared route or address that
        overlaps one is an error.
    type: list
    elements: str

seealso:
  - module: kubenode.network.network_state_info
    description: The node's state in the same terms.
  - module: kubenode.network.interfaces
  - module: kubenode.network.static_routes
  - module: kubenode.network.route_rules
  - module: kubenode.network.dns_resolver

author:
  - The kubenode.network contributors (@kubenode)
"""

EXAMPLES = r"""
- name: A policy in the playbook
  kubenode.network.network_state:
    node_labels:
      node-role.kubernetes.io/worker: ""
    desired_state:
      apiVersion: nmstate.io/v1
      kind: NodeNetworkConfigurationPolicy
      metadata:
        name: worker-routes
      spec:
        nodeSelector:
          node-role.kubernetes.io/worker: ""
        desiredState:
          interfaces:
            - name: ens224
              type: ethernet
              state: up
              ipv4:
                enabled: true
                dhcp: false
                address:
                  - ip: "{{ data_address | default('10.100.0.10') }}"
                    prefix-length: 24
          routes:
            config:
              - destination: 10.200.0.0/16
                next-hop-address: 10.100.0.1
                next-hop-interface: ens224
                metric: 100

- name: All policies of a file on the controller, with values from the host's variables
  kubenode.network.network_state:
    src: policies.yml
    node_labels:
      node-role.kubernetes.io/worker: ""
    prune: true
    persist: true
    networkd_keep_foreign: auto
    on_conflict: fail
    allow_default_override: false
    strict_nmstate: true

- name: Policies that were read elsewhere
  kubenode.network.network_state:
    policies: "{{ worker_policies }}"
    node_labels: "{{ worker_labels }}"

- name: A whole worker in one change
  kubenode.network.network_state:
    owner: worker
    protect:
      - 192.168.100.0/24
    addresses_exact: false
    desired_state:
      interfaces:
        - name: ens224
          state: up
          ipv4:
            enabled: true
            address:
              - ip: 10.100.0.10
                prefix-length: 24
        - name: ens256
          state: up
          ipv4:
            enabled: true
            address:
              - ip: 172.16.0.10
                prefix-length: 24
          ipv6:
            enabled: true
            address:
              - ip: 2001:db8:16::10
                prefix-length: 64
      routes:
        config:
          - destination: 10.200.0.0/16
            next-hop-address: 10.100.0.1
            next-hop-interface: ens224
      route-rules:
        config:
          - ip-to: 203.0.113.0/24
            route-table: external
            priority: 100
      dns-resolver:
        config:
          server:
            - 10.100.0.53
            - 10.100.0.54
          search:
            - internal.example.com
    multi_nic:
      - interface: ens256
        gateway: 172.16.0.1
        gateway6: 2001:db8:16::1
        table: external
        priority: 200
        forwarded: false
    tables:
      - id: 100
        name: external
        purpose: replies of the external network
    sysctl:
      net.ipv4.conf.ens256.rp_filter: 2
    hosts:
      - address: 10.100.0.5
        names:
          - registry.internal.example.com
    nsswitch_hosts:
      - files
      - dns
    cluster_cidrs:
      - 10.244.0.0/16
      - 10.96.0.0/16
    paths:
      - destination: 10.200.0.1
        expect:
          gateway: 10.100.0.1
          interface: ens224
      - destination: 203.0.113.1
        source: 172.16.0.10
        expect:
          interface: ens256
          table: external

- name: Take a route back, whatever its metric and table
  kubenode.network.network_state:
    desired_state:
      routes:
        config:
          - destination: 10.200.0.0/16
            next-hop-interface: ens224
            state: absent

- name: Take back what the policy worker-routes brought
  kubenode.network.network_state:
    state: absent
    owner: worker-routes

- name: Kept only if the whole list of what must work does
  kubenode.network.network_state:
    owner: storage-network
    persist: true
    networkd_keep_foreign: auto
    confirm: auto
    rollback_timeout: 90
    probes:
      - type: gateway
      - type: gateway
        address: 192.168.100.1
        interface: ens192
        timeout: 3
      - type: dns
        name: registry.internal.example.com
        server: 10.100.0.53
        port: 53
        transport: udp
      - type: tcp
        address: 10.200.0.5
        port: 2049
        source: 10.100.0.10
        required: false
      - type: http
        url: https://10.100.0.5/v2/
        status: [200, 401]
        validate_certs: false
      - type: route_get
        destination: 10.200.0.5
        expect:
          gateway: 10.100.0.1
      - type: command
        argv: [/usr/bin/systemctl, is-active, kubelet]
      - type: api_server
    desired_state:
      interfaces:
        - name: ens224
          state: up
          ipv4:
            enabled: true
            address:
              - ip: "{{ data_address | default('10.100.0.10') }}"
                prefix-length: 24
      routes:
        config:
          - destination: 10.200.0.0/16
            next-hop-address: 10.100.0.1
            next-hop-interface: ens224

- name: The address that the node is managed by changes, so the confirmation comes over the new one
  kubenode.network.network_state:
    owner: management
    confirm: controller
    confirm_host: 192.168.100.21
    desired_state:
      interfaces:
        - name: ens192
          state: up
          ipv4:
            enabled: true
            address:
              - ip: 192.168.100.21
                prefix-length: 24

- name: A part of a larger change, kept or taken back with the checkpoint
  kubenode.network.network_state:
    owner: storage-network
    checkpoint: "{{ opened.id }}"
    src: policies.yml
"""

RETURN = r"""
matched:
  description: Whether a policy selected this node. V(false) means that nothing was looked at.
  type: bool
  returned: success
before:
  description: What the plan touches as it was, as a desired state.
  type: dict
  returned: success
  sample:
    routes:
      config: []
after:
  description: The same as it is afterwards; in check mode as it would be.
  type: dict
  returned: success
  sample:
    routes:
      config:
        - destination: 10.200.0.0/16
          next_hop_address: 10.100.0.1
          next_hop_interface: ens224
          metric: 100
          table: 254
evidence:
  description: The kernel's answers to O(paths).
  type: list
  elements: dict
  returned: when O(paths) are given, but not in check mode with changes to make
  sample:
    - destination: 10.200.0.1
      answer:
        type: unicast
        gateway: 10.100.0.1
        interface: ens224
        source: 10.100.0.10
        table: 254
      expected:
        gateway: 10.100.0.1
        interface: ens224
      passed: true
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
from ansible_collections.kubenode.network.plugins.module_utils._argument_spec import ARGUMENT_SPECS, STATE_EXCLUSIVE
from ansible_collections.kubenode.network.plugins.module_utils._engine import start


def main() -> None:
    module = AnsibleModule(
        argument_spec=ARGUMENT_SPECS["network_state"], mutually_exclusive=STATE_EXCLUSIVE, supports_check_mode=True
    )
    start(module, "network_state")


if __name__ == "__main__":
    main()
