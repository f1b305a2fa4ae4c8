#!/usr/bin/python
# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: dns_lookup_info

short_description: Look names up, seen from the machine where the module runs, and compare the answers

version_added: 0.1.0

description:
  - Asks every server for every name over every transport, all at once, and tells rcode, answers and latency.
  - Completes short names by a search list as the machine's own resolver does, or that of a pod, and shows each query
    that this takes. The rules are those of glibc.
  - Fails where an answer is not as expected, naming the name, the server, what was expected and what came.
  - Run it on a node to see what the node sees, with C(delegate_to) from a play on the controller; RV(asked_from) names
    the place.
  - Only DNS is asked. C(/etc/hosts) and whatever else C(nsswitch.conf) names has no part in it, and each server is
    asked for itself, whereas a resolver goes on to the next when one does not answer.
extends_documentation_fragment:
  - kubenode.network._attributes.info

options:
  names:
    description:
      - What to look up; a name, or a dictionary.
    type: list
    elements: raw
    required: true
    suboptions:
      name:
        description:
          - Domain name. One that ends with a dot is asked as it is.
        type: str
        required: true
      type:
        description:
          - Type of records.
        type: str
        default: A
      expect:
        description:
          - What the answer has to be; whatever it is unless told.
        type: dict
        suboptions:
          rcode:
            description:
              - Response code, as V(NOERROR) or V(NXDOMAIN).
            type: str
          answers:
            description:
              - Data of all records of the type, in any order. An empty list for a name without such records.
            type: list
            elements: str
          resolves:
            description:
              - Whether there are records of the type at all.
            type: bool
  servers:
    description:
      - Addresses of the servers. Those of O(resolv_conf) unless told.
    type: list
    elements: str
  port:
    description:
      - Port of the servers.
    type: int
    default: 53
  transports:
    description:
      - Over what to ask. A truncated answer over UDP is asked again over TCP, as resolvers do.
    type: list
    elements: str
    choices: [udp, tcp]
    default: [udp]
  resolver:
    description:
      - Whose rules complete short names. V(none) asks for names as they are. V(host) takes C(search) and C(ndots) of
        O(resolv_conf). V(pod) those of a pod with C(dnsPolicy=ClusterFirst) in O(namespace), on this machine.
    type: str
    choices: [none, host, pod]
    default: none
  namespace:
    description:
      - Namespace of the pod that O(resolver=pod) stands for.
    type: str
    default: default
  cluster_domain:
    description:
      - The cluster's domain, for O(resolver=pod).
    type: str
    default: cluster.local
  search:
    description:
      - Search list in place of that of O(resolver).
    type: list
    elements: str
  ndots:
    description:
      - Names with at least this many dots are asked as they are first, in place of what O(resolver) says; at most 15.
    type: int
  resolv_conf:
    description:
      - The machine's resolver configuration.
    type: path
    default: /etc/resolv.conf
  timeout:
    description:
      - Seconds to wait for an answer, in each attempt.
    type: float
    default: 2.0
  attempts:
    description:
      - How often to ask when no answer comes.
    type: int
    default: 2

requirements:
  - dnspython >= 2.3.0 (Python package, where the module runs)

seealso:
  - module: kubenode.network.coredns_corefile
    description: Asks for names itself, each pod for itself, before and after a change.

author:
  - The kubenode.network contributors (@kubenode)
"""

EXAMPLES = r"""
- name: Do the cluster's DNS and the site's servers know what they should, over both transports?
  kubenode.network.dns_lookup_info:
    names:
      - kubernetes.default.svc.cluster.local
      - name: registry.example.com
        expect:
          answers: [10.0.0.80]
      - name: gone.example.com
        expect:
          rcode: NXDOMAIN
      - name: _https._tcp.kubernetes.default.svc.cluster.local
        type: SRV
        expect:
          resolves: true
    servers: [10.96.0.10, 10.0.0.53]
    transports: [udp, tcp]

- name: What a pod of the namespace shop on this node asks for when it wants cart
  kubenode.network.dns_lookup_info:
    names: [cart]
    servers: [10.96.0.10]
    resolver: pod
    namespace: shop
    cluster_domain: cluster.local

- name: The host's own resolver, with another search list
  kubenode.network.dns_lookup_info:
    names: [registry]
    resolver: host
    resolv_conf: /etc/resolv.conf
    search: [example.com]
    ndots: 2

- name: A server on a port of its own, and patience
  kubenode.network.dns_lookup_info:
    names: [www.example.com]
    servers: [127.0.0.1]
    port: 1053
    timeout: 5
    attempts: 3
"""

RETURN = r"""
asked_from:
  description: Name of the machine that asked.
  returned: success, and where an answer is not as expected
  type: str
  sample: w1
search:
  description: The search list that was followed.
  returned: success, and where an answer is not as expected
  type: list
  elements: str
ndots:
  description: The number of dots from which on a name is asked as it is first.
  returned: success, and where an answer is not as expected
  type: int
results:
  description: One for each name, server and transport, in the order of the options.
  returned: success, and where an answer is not as expected
  type: list
  elements: dict
  contains:
    name:
      description: The name as it was given.
      type: str
      returned: always
    type:
      description: Type of records.
      type: str
      returned: always
    server:
      description: Who was asked.
      type: str
      returned: always
    transport:
      description: Over what.
      type: str
      returned: always
    resolved:
      description: Whether there are records.
      type: bool
      returned: always
    rcode:
      description: Response code at the end of the search; none without an answer.
      type: str
      returned: always
    answers:
      description: Data of the records of that type.
      type: list
      elements: str
      returned: always
    latency_ms:
      description: Milliseconds that all its queries took.
      type: float
      returned: always
    passed:
      description: Whether the answer is as expected.
      type: bool
      returned: always
    problem:
      description: What is not as expected.
      type: str
      returned: always
    queries:
      description: Each query in its order, with C(name), C(transport), C(rcode), C(answers), C(truncated),
        C(latency_ms), and C(error) where no answer came.
      type: list
      elements: dict
      returned: always
  sample:
    - name: cart
      type: A
      server: 10.96.0.10
      transport: udp
      resolved: true
      rcode: NOERROR
      answers: [10.96.7.1]
      latency_ms: 1.2
      passed: true
      problem: ""
      queries:
        - name: cart.shop.svc.cluster.local.
          transport: udp
          rcode: NOERROR
          answers: [10.96.7.1]
          truncated: false
          latency_ms: 1.2
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.kubenode.network.plugins.module_utils._dns.options import LOOKUP_OPTIONS
from ansible_collections.kubenode.network.plugins.module_utils._dns.run import run_lookup


def main() -> None:
    """Entry point of the module."""
    run_lookup(AnsibleModule(argument_spec=LOOKUP_OPTIONS, supports_check_mode=True))


if __name__ == "__main__":
    main()
