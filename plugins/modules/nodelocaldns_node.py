#!/usr/bin/python
# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: nodelocaldns_node

short_description: Take away what a killed NodeLocal DNSCache left on a node, or have a running one let go

version_added: 0.1.0

description:
  - A node-cache that is killed, or ends with C(-skipteardown), leaves its interface and its rules. In iptables mode the
    cluster's DNS address is then a black hole for the pods of that node. This module removes both.
  - It removes the interface, and the rules of the twelve kinds that node-cache makes for an address of its own, in
    iptables-legacy, iptables-nft and nftables, IPv4 and IPv6. Nothing else, however similar. Rules are known by shape
    and comment, those of older releases, which have no comment, as a whole set for one address.
  - It refuses while a node-cache runs, while something listens on one of the addresses, and while pods or the kubelet
    still use an address of the cache's own, as these would lose their DNS.
  - A node-cache that ends in order takes both along, the interface first. Until its rules are gone too queries for the
    ClusterIP are lost. With O(state=released) before it ends they go to CoreDNS instead.
  - Runs on the node, as root.
requirements:
  - iptables-save and iptables-restore of the flavour that the rules are of, or nft.
extends_documentation_fragment:
  - kubenode.network._attributes.node

options:
  state:
    description:
      - V(absent) removes what was left.
      - V(released) has a cache that runs, and is about to end, let go of O(cluster_ips). Of its rules those go that
        keep queries for them from kube-proxy, all at once. It answers what it was sent, and its other rules, its
        interface and its own addresses stay. A node-cache makes the rules anew within a minute, so end it at once.
    type: str
    choices: [absent, released]
    default: absent
  interface:
    description:
      - The interface that holds the cache's addresses.
    type: str
    default: nodelocaldns
  local_ips:
    description:
      - Addresses of the cache that are its own, besides the link-local ones that O(interface) holds. Rules about them
        are removed even where the interface is gone.
    type: list
    elements: str
    default: []
  cluster_ips:
    description:
      - ClusterIPs of the cluster's DNS Service, for the same reason. Pods that use them do not stand in the way, as
        kube-proxy serves them once the cache's interface is gone.
      - Needed with O(state=released).
    type: list
    elements: str
    default: []
  force:
    description:
      - Remove although pods or the kubelet still use an address of the cache's own. A running cache is never cut off.
    type: bool
    default: false

seealso:
  - module: kubenode.network.nodelocaldns_node_info
    description: Shows what is left, and which pods use it.

author:
  - The kubenode.network contributors (@kubenode)
"""

EXAMPLES = r"""
- name: Clean every node after the cache was removed
  kubenode.network.nodelocaldns_node:
    state: absent

- name: The interface is gone already, and the rules are not
  kubenode.network.nodelocaldns_node:
    interface: nodelocaldns
    local_ips: [169.254.20.10]
    cluster_ips: [10.96.0.10]
    force: true

- name: Have queries go to CoreDNS before the node's cache is ended by hand
  kubenode.network.nodelocaldns_node:
    state: released
    cluster_ips: [10.96.0.10]
"""

RETURN = r"""
removed:
  description: What was removed, or would be in check mode, a line each.
  returned: success
  type: list
  elements: str
  sample:
    - interface nodelocaldns (dummy) with 169.254.20.10/32, 10.96.0.10/32
    - "iptables-legacy raw: -A PREROUTING -d 10.96.0.10/32 -p udp -m udp --dport 53 -j NOTRACK"
in_use_by:
  description: Who used an address of the cache's own and was overruled by O(force).
  returned: success
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.kubenode.network.plugins.module_utils._nodecache.module import NODE_OPTIONS, run_clean


def main() -> None:
    module = AnsibleModule(argument_spec=NODE_OPTIONS, supports_check_mode=True)
    run_clean(module)


if __name__ == "__main__":
    main()
