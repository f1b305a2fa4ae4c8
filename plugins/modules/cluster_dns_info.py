#!/usr/bin/python
# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: cluster_dns_info

short_description: Find the cluster's DNS, from its Service to the text it serves, and the cluster's networks

version_added: 0.1.0

description:
  - Follows the way that a query takes through the cluster's objects (Service, EndpointSlices, pods, workload, ConfigMap
    and key) and tells each step with its evidence. Nothing is taken by its name alone, so that Kubespray's, RKE2's and
    OpenShift's DNS is found too, and the second Service of NodeLocal DNSCache is not taken for it.
  - Tells whose the Corefile is, where something puts its own text back after every edit, and that owner's own way.
  - Reads the networks of nodes, pods and Services with the object that names each, and which of them overlap; the CNI
    and how Services are done.
  - Works with few rights. What may not be read is listed in RV(unreadable) and is not fatal.
extends_documentation_fragment:
  - kubenode.network._auth
  - kubenode.network._attributes.cluster_info

options:
  service:
    description:
      - Name of the cluster's DNS Service. Found unless told, by the kubelets' C(clusterDNS) or by what serves DNS on
        port 53.
    type: str
  namespace:
    description:
      - Namespace of O(service), C(kube-system) unless told.
    type: str

author:
  - The kubenode.network contributors (@kubenode)
"""

EXAMPLES = r"""
- name: Which ConfigMap is the cluster's Corefile in, and may it be edited?
  kubenode.network.cluster_dns_info:
  delegate_to: localhost
  register: dns

- name: Of two DNS servers, the one that is meant
  kubenode.network.cluster_dns_info:
    service: dns-default
    namespace: openshift-dns
    kubeconfig: /etc/kubernetes/admin.conf
  register: dns

- name: Show it
  ansible.builtin.debug:
    msg: "{{ dns.config_map.namespace }}/{{ dns.config_map.name }}, owner: {{ dns.owner.name | default('nobody') }}"

- name: The networks of pods and Services, for the policy rules of the nodes
  ansible.builtin.set_fact:
    cluster_cidrs: "{{ dns.cidrs | selectattr('use', 'in', ['pod', 'service']) | map(attribute='cidr') | unique }}"
"""

RETURN = r"""
service:
  description: The DNS Service, with its ClusterIPs; null where Services may not be read.
  returned: success
  type: dict
  sample: {"namespace": "kube-system", "name": "kube-dns", "cluster_ips": ["10.96.0.10"]}
config_map:
  description: Where the Corefile is; null where the way there may not be read.
  returned: success
  type: dict
  sample: {"namespace": "kube-system", "name": "coredns", "key": "Corefile"}
corefile:
  description: Its text; null where it may not be read.
  returned: success
  type: str
reaches_pods:
  description: Whether a change of the ConfigMap reaches the pods. It does not where they mount it by C(subPath).
  returned: success
  type: bool
workload:
  description: What makes the pods, how many are wanted and ready, what scales them and by which parameters.
  returned: success
  type: dict
  sample:
    kind: Deployment
    name: coredns
    replicas: 2
    ready: 2
    autoscaler: Deployment kube-system/dns-autoscaler
    autoscaler_parameters: {"min": 2, "nodes_per_replica": 16, "cores_per_replica": 256}
pods:
  description: The pods that answer; none where they may not be read.
  returned: success
  type: list
  elements: dict
  sample: [{"name": "coredns-5d78c9869d-4h6tz", "node": "w1", "ip": "10.244.1.2", "ready": true, "restarts": 0}]
owner:
  description: What undoes edits of the ConfigMap, by which mark it was found, and its own way. Null where nothing does.
  returned: success
  type: dict
  sample:
    name: k3s
    evidence: annotation objectset.rio.cattle.io/owner-gvk=k3s.cattle.io/v1, Kind=Addon
    way_out: put it into the ConfigMap coredns-custom
chain:
  description: The steps by which the ConfigMap was found.
  returned: success
  type: list
  elements: dict
  sample: [{"step": "service", "found": "kube-system/kube-dns", "how": "its ClusterIP is the kubelets' clusterDNS"}]
cluster_domain:
  description: The cluster's domain, and what says so.
  returned: success
  type: dict
  sample: {"name": "cluster.local", "source": "ConfigMap kube-system/kubeadm-config, networking.dnsDomain"}
cidrs:
  description: Networks with their use (V(service), V(pod), V(node) for its address) and the object that names them.
  returned: success
  type: list
  elements: dict
  sample: [{"cidr": "10.96.0.0/12", "use": "service", "source": "ServiceCIDR kubernetes"}]
overlaps:
  description: Networks for different uses that share addresses, a sentence each with both sides.
  returned: success
  type: list
  elements: str
nodes:
  description: The nodes with their addresses and pod networks.
  returned: success
  type: list
  elements: dict
  sample: [{"name": "w1", "addresses": ["192.168.100.101"], "pod_cidrs": ["10.244.1.0/24"]}]
cnis:
  description: The container networks whose DaemonSet runs.
  returned: success
  type: list
  elements: dict
  sample: [{"name": "Calico", "daemon_set": "kube-system/calico-node", "image": "calico/node:v3.30.0"}]
kube_proxy:
  description: How Services are done by what the cluster says of itself; a node is asked on the node.
  returned: success
  type: dict
  sample: {"mode": "iptables", "source": "ConfigMap kube-system/kube-proxy"}
unreadable:
  description: What may not be read, with the API server's reason.
  returned: success
  type: list
  elements: dict
requests:
  description: Requests to the API server.
  returned: success
  type: int
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.kubenode.network.plugins.module_utils._kube.module import AUTH_OPTIONS, run_module


def main() -> None:
    """Entry point of the module."""
    options = {"service": {"type": "str"}, "namespace": {"type": "str"}}
    module = AnsibleModule(argument_spec={**AUTH_OPTIONS, **options}, supports_check_mode=True)
    from ansible_collections.kubenode.network.plugins.module_utils._kube.info import cluster_dns

    run_module(module, lambda client: cluster_dns(client, module.params["service"], module.params["namespace"]))


if __name__ == "__main__":
    main()
