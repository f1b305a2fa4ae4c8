#!/usr/bin/python
# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: dns_resolver

short_description: Name servers, search domains, hosts entries and look-up order of a node

version_added: 0.1.0

description:
  - Edits C(/etc/resolv.conf), C(/etc/hosts) and C(/etc/nsswitch.conf) by their meaning. Comments and lines that are not
    concerned stay as they are.
  - Finds out who else writes C(resolv.conf). systemd-resolved, NetworkManager, resolvconf, openresolv and dhclient are
    told of servers, search domains and options in a way that they keep, and the running resolver is read back. Other
    writers are an error with their name. Nothing is ever written through a link.
  - An option that is left out keeps what is there, an empty list clears it.
extends_documentation_fragment:
  - kubenode.network._resolver
  - kubenode.network._resolver.nic
  - kubenode.network._resolver.files
  - kubenode.network._common.owner
  - kubenode.network._confirm
  - kubenode.network._attributes

seealso:
  - module: kubenode.network.network_state
    description: Interfaces, routes, rules and resolver as one change.

author:
  - The kubenode.network contributors (@kubenode)
"""

EXAMPLES = r"""
- name: Two name servers and two search domains
  kubenode.network.dns_resolver:
    owner: worker-dns
    confirm: node
    rollback_timeout: 30
    probes:
      - type: gateway
      - type: dns
    servers:
      - 10.100.0.53
      - 10.100.0.54
    search:
      - storage.internal.example.com
      - internal.example.com
    options:
      - ndots:2
      - timeout:1
      - rotate

- name: A name server of one interface, for the names of its network
  kubenode.network.dns_resolver:
    owner: storage-dns
    interface: ens224
    servers:
      - 10.200.0.53
    search:
      - storage.internal.example.com

- name: Names that must be found without a name server, files before DNS
  kubenode.network.dns_resolver:
    owner: worker-hosts
    hosts:
      - address: 10.100.0.5
        names:
          - registry.internal.example.com
          - registry
    nsswitch_hosts:
      - files
      - dns

- name: No search domains and no options; the servers stay
  kubenode.network.dns_resolver:
    owner: worker-dns
    search: []
    options: []

- name: No hosts entries of this owner any more
  kubenode.network.dns_resolver:
    owner: worker-hosts
    hosts: []
"""

RETURN = r"""
before:
  description: What the plan touches as it was, in the terms of the options.
  type: dict
  returned: success
  sample:
    dns_resolver:
      servers:
        - 192.168.100.1
      search: []
      options: []
after:
  description: The same as it is afterwards; in check mode as it would be.
  type: dict
  returned: success
  sample:
    dns_resolver:
      servers:
        - 10.100.0.53
        - 10.100.0.54
      search: []
      options: []
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
    module = AnsibleModule(argument_spec=ARGUMENT_SPECS["dns_resolver"], supports_check_mode=True)
    start(module, "dns_resolver")


if __name__ == "__main__":
    main()
