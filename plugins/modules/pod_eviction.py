#!/usr/bin/python
# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pod_eviction

short_description: Have pods made anew, one after the other, as far as their budgets allow

version_added: 0.1.0

description:
  - Evicts pods, so that their controllers make them anew. A running pod keeps the resolver that it was started with;
    made anew it gets that of its node's kubelet.
  - One pod goes at a time, by the API that a drain uses and that obeys PodDisruptionBudgets. The next one goes when the
    controller has as many ready pods as before.
  - A pod that no controller would make anew, one of a Job, and a static pod stay; RV(left) says why.
  - A pod that is gone, or made anew meanwhile, is none that anything has to be done about.
options:
  pods:
    description:
      - The pods, in their order.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: C(namespace/name).
        type: str
        required: true
      node:
        description:
          - The node that it is on. A pod of the same name that is on another is left alone.
        type: str
  node_resolver:
    description:
      - Whether only pods go whose resolver is a copy of their node's, those with dnsPolicy V(Default), or
        V(ClusterFirst) in the node's network. The others stay, as they would come back with the resolver that they
        have.
    type: bool
    default: false
  wait_timeout:
    description:
      - Seconds for each pod, until its budget lets it go and another one is ready in its place.
    type: int
    default: 120
extends_documentation_fragment:
  - kubenode.network._auth
  - kubenode.network._attributes.cluster_eviction

author:
  - The kubenode.network contributors (@kubenode)
"""

EXAMPLES = r"""
- name: Pods that still ask the old resolver
  kubenode.network.pod_eviction:
    pods:
      - name: shop/cart-7d9c5b6f4-x2x7k
        node: w1
    wait_timeout: 300

- name: CoreDNS and others that copied the node's resolver before it was changed
  kubenode.network.pod_eviction:
    pods:
      - name: kube-system/coredns-674b8bbfcf-9x2xk
    node_resolver: true
"""

RETURN = r"""
evicted:
  description: The pods that were evicted, or would be.
  returned: success, and failure on the way
  type: list
  elements: str
  sample: [shop/cart-7d9c5b6f4-x2x7k]
left:
  description: The pods that were not, and why.
  returned: success, and failure on the way
  type: list
  elements: dict
  sample: [{"name": "shop/debug", "why": "no controller would make it anew: recreate it yourself"}]
requests:
  description: Requests to the API server.
  returned: success
  type: int
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.kubenode.network.plugins.module_utils._kube.module_evict import EVICT_OPTIONS, run_evict


def main() -> None:
    """Entry point of the module."""
    run_evict(AnsibleModule(argument_spec=EVICT_OPTIONS, supports_check_mode=True))


if __name__ == "__main__":
    main()
