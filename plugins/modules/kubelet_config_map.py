#!/usr/bin/python
# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kubelet_config_map

short_description: What kubelets of nodes to come tell pods about DNS

version_added: 0.1.0

description:
  - Sets C(clusterDNS), C(clusterDomain) and C(resolvConf) in the ConfigMap that kubeadm keeps for the kubelets of a
    cluster. Nodes that join get them from there, and so does every node with C(kubeadm upgrade node).
  - No running kubelet changes by it. M(kubenode.network.kubelet_dns) does that on a node.
  - The configuration is edited in its text. Everything else of it stays byte for byte, comments included, and no edit
    of others is lost. What is not understood is refused with its line.
  - Set it last, when every node has its address that answers, and take it back first, before the first node loses it.
    Else a node that joins meanwhile would hand out an address that nobody serves.
options:
  cluster_dns:
    description:
      - Addresses of the DNS servers of pods, in their order. At most three have an effect.
      - Left out, they stay as they are; so do the others.
    type: list
    elements: str
  cluster_domain:
    description:
      - The cluster's domain, from which pods get their search list.
    type: str
  resolv_conf:
    description:
      - File on the nodes that pods with dnsPolicy V(Default) get their resolver from. It has to be there on every node
        to come.
    type: str
  state:
    description:
      - V(absent) takes back what the module has set. The values from before its first change are back then, but for
        those that somebody else has set since.
    type: str
    choices: [present, absent]
    default: present
  name:
    description:
      - Name of the ConfigMap. Clusters that kubeadm made before 1.24 have C(kubelet-config-1.23) and the like.
    type: str
    default: kubelet-config
  namespace:
    description:
      - Its namespace.
    type: str
    default: kube-system
  key:
    description:
      - Its key with the configuration.
    type: str
    default: kubelet
extends_documentation_fragment:
  - kubenode.network._auth
  - kubenode.network._attributes.cluster
notes:
  - Clusters without kubeadm (k3s, RKE2, managed ones) have no such ConfigMap. There the nodes are told where they are
    made.

seealso:
  - module: kubenode.network.kubelet_dns
    description: The same on a node, now.

author:
  - The kubenode.network contributors (@kubenode)
"""

EXAMPLES = r"""
- name: Nodes to come hand out the node-local cache's address, once all of those that are there do
  kubenode.network.kubelet_config_map:
    cluster_dns:
      - 169.254.20.10
  delegate_to: localhost
  run_once: true

- name: Another domain, and the resolver of systemd-resolved, in an older cluster
  kubenode.network.kubelet_config_map:
    name: kubelet-config-1.23
    namespace: kube-system
    key: kubelet
    cluster_domain: corp.example.com
    resolv_conf: /run/systemd/resolve/resolv.conf
  delegate_to: localhost
  run_once: true

- name: Back to what it was, before the first node is changed
  kubenode.network.kubelet_config_map:
    state: absent
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
before:
  description: The values before, by option; null where the key is not there.
  type: dict
  returned: success
  sample: {cluster_dns: [10.96.0.10], cluster_domain: cluster.local, resolv_conf: null}
after:
  description: The values afterwards; in check mode as they would be.
  type: dict
  returned: success
  sample: {cluster_dns: [169.254.20.10], cluster_domain: cluster.local, resolv_conf: null}
attempts:
  description: How often it was written; more than once where others wrote meanwhile.
  type: int
  returned: success
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.kubenode.network.plugins.module_utils._kube.module_kubelet import KUBELET_OPTIONS, run_kubelet


def main() -> None:
    run_kubelet(AnsibleModule(argument_spec=KUBELET_OPTIONS, supports_check_mode=True))


if __name__ == "__main__":
    main()
