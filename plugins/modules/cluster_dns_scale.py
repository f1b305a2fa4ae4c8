#!/usr/bin/python
# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: cluster_dns_scale

short_description: Set how many pods answer the cluster's DNS, or what decides that

version_added: 0.1.0

description:
  - Finds the Deployment behind the cluster's DNS Service as M(kubenode.network.cluster_dns_info) does, and sets its
    number of replicas, or the parameters of the autoscaler that sets them.
  - Nothing is set that something else would put back. Where an autoscaler governs the replicas, setting them is an
    error that names it.
  - An autoscaler is a HorizontalPodAutoscaler, or the cluster-proportional-autoscaler of many distributions, which has
    its C(linear) parameters in a ConfigMap. Both are found by what they scale, never by their names. Other parameters
    of theirs stay.
extends_documentation_fragment:
  - kubenode.network._auth
  - kubenode.network._attributes.cluster

options:
  service:
    description:
      - Name of the cluster's DNS Service. Found unless told.
    type: str
  namespace:
    description:
      - Namespace of O(service), C(kube-system) unless told.
    type: str
  replicas:
    description:
      - Number of pods, 1 or more. One of O(replicas) and O(autoscaler) is needed.
    type: int
  autoscaler:
    description:
      - Parameters of the autoscaler; those that are left out stay as they are.
    type: dict
    suboptions:
      min:
        description:
          - Fewest replicas.
        type: int
      max:
        description:
          - Most replicas.
        type: int
      cores_per_replica:
        description:
          - A replica for as many cores of the cluster (C(coresPerReplica) of the cluster-proportional-autoscaler).
        type: float
      nodes_per_replica:
        description:
          - A replica for as many nodes of the cluster (C(nodesPerReplica)). Whichever of both asks for more counts.
        type: float
      prevent_single_point_failure:
        description:
          - Whether there are at least two replicas as soon as there are two nodes (C(preventSinglePointFailure)).
        type: bool
      include_unschedulable_nodes:
        description:
          - Whether nodes that take no pods count too (C(includeUnschedulableNodes)).
        type: bool
  wait:
    description:
      - Whether to wait until all O(replicas) are ready. What an autoscaler makes of its parameters is not waited for.
    type: bool
    default: true
  wait_timeout:
    description:
      - Seconds to wait. The number stays as it was set when they are over.
    type: int
    default: 180

author:
  - The kubenode.network contributors (@kubenode)
"""

EXAMPLES = r"""
- name: Four pods for the cluster's DNS
  kubenode.network.cluster_dns_scale:
    replicas: 4
    wait_timeout: 300
  delegate_to: localhost

- name: Without waiting for them, of two DNS servers the one that is meant
  kubenode.network.cluster_dns_scale:
    service: kube-dns
    namespace: kube-system
    replicas: 2
    wait: false
  delegate_to: localhost

- name: A pod for eight nodes or a hundred cores, three at least
  kubenode.network.cluster_dns_scale:
    autoscaler:
      min: 3
      max: 20
      nodes_per_replica: 8
      cores_per_replica: 100
      prevent_single_point_failure: true
      include_unschedulable_nodes: false
  delegate_to: localhost
"""

RETURN = r"""
workload:
  description: What makes the pods.
  returned: success
  type: dict
  sample: {"kind": "Deployment", "namespace": "kube-system", "name": "coredns"}
autoscaler:
  description: What sets its replicas; empty where nothing does.
  returned: success
  type: str
  sample: Deployment kube-system/dns-autoscaler
before:
  description: The replicas, or all parameters of the autoscaler, as they were.
  returned: success
  type: dict
  sample: {"replicas": 2}
after:
  description: The same as they are.
  returned: success
  type: dict
  sample: {"replicas": 4}
requests:
  description: Requests to the API server.
  returned: success
  type: int
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.kubenode.network.plugins.module_utils._kube.module_scale import SCALE_OPTIONS, run_scale


def main() -> None:
    """Entry point of the module."""
    run_scale(
        AnsibleModule(
            argument_spec=SCALE_OPTIONS,
            mutually_exclusive=[("replicas", "autoscaler")],
            required_one_of=[("replicas", "autoscaler")],
            supports_check_mode=True,
        )
    )


if __name__ == "__main__":
    main()
