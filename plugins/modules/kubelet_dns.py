#!/usr/bin/python
# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kubelet_dns

short_description: What the kubelet of a node tells pods about DNS

version_added: 0.1.0

description:
  - Sets the kubelet's C(clusterDNS), C(clusterDomain) and C(resolvConf) on a node, restarts it, and proves that it
    works and that its Node is Ready again, with the resources of its device plugins. What cannot be proved is put back,
    also when the controller or the module dies on the way.
  - Finds where the kubelet takes these from. Flags of its command line win over drop-ins of C(--config-dir), these over
    the file of C(--config), and that over defaults. RV(effective) says which file and line counts. Without
    O(cluster_dns), O(cluster_domain) and O(resolv_conf) the module only tells.
  - A file is edited in its text, YAML or JSON. Nothing else of it changes, comments and order included, and what is not
    understood is refused with its line. Where the kubelet reads drop-ins, a drop-in of our own is written instead.
  - A flag that says otherwise is an error with its file and line, as it belongs to whoever set the kubelet up.
  - Knows the kubelet as a systemd service (kubeadm, Kubespray and others), k3s and RKE2. MicroK8s and k0s are
    recognised, and the error tells their own way.
  - Running pods keep the resolver they were started with.
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
      - File on the node that pods with dnsPolicy V(Default), such as CoreDNS, get their resolver from.
      - With systemd-resolved C(/run/systemd/resolve/resolv.conf), as the servers of C(/etc/resolv.conf) would lead
        CoreDNS to itself there.
    type: str
  state:
    description:
      - V(absent) takes back what the module has set. The values from before its first change are back then, but for
        those that somebody else has set since.
    type: str
    choices: [present, absent]
    default: present
  restart:
    description:
      - Whether the kubelet is restarted where something changed, or where the file was written after it was started.
      - V(false) only writes. RV(restart_pending) says that it still runs with the old values.
      - k3s and RKE2 restart as a whole; pods of the node go on running.
    type: bool
    default: true
  wait:
    description:
      - Whether to wait until the kubelet is proved to work. V(false) keeps the change untested.
    type: bool
    default: true
  wait_timeout:
    description:
      - Seconds for the proof, from 10 to 3600. After that the files go back and the kubelet is restarted.
    type: int
    default: 120
  node_name:
    description:
      - Name of the Node. As the kubelet's C(--hostname-override), else its host name, unless told.
    type: str
  checkpoint:
    description:
      - Id of a checkpoint of M(kubenode.network.network_checkpoint), which then decides whether the change is kept.
    type: str
extends_documentation_fragment:
  - kubenode.network._attributes.kubelet
notes:
  - Needs root (C(become)) and systemd on the node; of Python only its standard library.
  - The Node is read with the kubelet's own credentials. Where that did not work before the change, or the Node was not
    Ready, only the kubelet's own healthz counts, with a warning.
  - C(kubeadm upgrade node) writes the file anew from the ConfigMap C(kube-system/kubelet-config), and nodes that join
    get theirs from it. See M(kubenode.network.kubelet_config_map).

seealso:
  - module: kubenode.network.kubelet_config_map
    description: The same for nodes to come.
  - module: kubenode.network.dns_resolver
    description: The resolver of the node itself.

author:
  - The kubenode.network contributors (@kubenode)
"""

EXAMPLES = r"""
- name: Pods ask the node-local cache (in a play with serial, node by node)
  kubenode.network.kubelet_dns:
    cluster_dns:
      - 169.254.20.10

- name: CoreDNS gets the real servers of a node with systemd-resolved
  kubenode.network.kubelet_dns:
    cluster_domain: cluster.local
    resolv_conf: /run/systemd/resolve/resolv.conf
    wait_timeout: 300

- name: What do pods of this node get, and which file says so?
  kubenode.network.kubelet_dns:
  register: told

- name: Back to what it was
  kubenode.network.kubelet_dns:
    state: absent

- name: Write now, and restart in the next maintenance
  kubenode.network.kubelet_dns:
    cluster_dns: [10.96.0.10]
    restart: false

- name: Two changes that are kept together or not at all
  kubenode.network.kubelet_dns:
    cluster_dns: [10.96.0.10]
    node_name: worker-1.example.com
    checkpoint: "{{ opened.id }}"

- name: A kubelet that does not work anyway gets new values for its next start
  kubenode.network.kubelet_dns:
    cluster_dns: [10.96.0.10]
    wait: false
"""

RETURN = r"""
kind:
  description: Whose kubelet it is, V(kubelet) of a service of its own, V(k3s) or V(rke2).
  type: str
  returned: success
unit:
  description: The service of systemd.
  type: str
  returned: success
  sample: kubelet.service
effective:
  description: What the files say at the end of the run, with the place that counts, by option.
  type: dict
  returned: success
  sample:
    cluster_dns:
      value: [169.254.20.10]
      source: config
      file: /var/lib/kubelet/config.yaml
      line: 20
    cluster_domain:
      value: cluster.local
      source: config
      file: /var/lib/kubelet/config.yaml
      line: 22
    resolv_conf:
      value: /etc/resolv.conf
      source: default
      file: ""
      line: 0
before:
  description: The values before, by option.
  type: dict
  returned: success
  sample: {cluster_dns: [10.96.0.10], cluster_domain: cluster.local, resolv_conf: /etc/resolv.conf}
after:
  description: The values afterwards; in check mode as they would be.
  type: dict
  returned: success
  sample: {cluster_dns: [169.254.20.10], cluster_domain: cluster.local, resolv_conf: /etc/resolv.conf}
plan:
  description: What is done, one line each.
  type: list
  elements: str
  returned: success
  sample:
    - set clusterDNS 169.254.20.10 (now 10.96.0.10) in /var/lib/kubelet/config.yaml
    - restart kubelet.service
restarted:
  description: Whether the kubelet was restarted.
  type: bool
  returned: success
restart_pending:
  description: Whether the kubelet runs with other values than its files have.
  type: bool
  returned: success
evidence:
  description: What proved that it works.
  type: dict
  returned: when it was restarted and waited for
  sample:
    healthz: "http://127.0.0.1:10248/healthz: 200 ok"
    process: 4711
    node: worker-1
    node_ready: true
    extended_resources: {nvidia.com/gpu: "4"}
    seconds: 14.2
rolled_back:
  description: Whether the files are again as before, and the kubelet was restarted with them.
  type: bool
  returned: when a change failed
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.kubenode.network.plugins.module_utils._argument_spec import ARGUMENT_SPECS
from ansible_collections.kubenode.network.plugins.module_utils._engine import start


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENT_SPECS["kubelet_dns"], supports_check_mode=True)
    start(module, "kubelet_dns")


if __name__ == "__main__":
    main()
