#!/usr/bin/python
# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: nodelocaldns_node_info

short_description: Prove on a node that a pod's DNS query takes its way through NodeLocal DNSCache

version_added: 0.1.0

description:
  - Follows a query from a pod to the cache and back in five steps (the query enters, it is not tracked, kube-proxy's
    NAT is not taken, the route is local, the cache gets it and answers) and tells each with its evidence, and what
    failed with its cause and its fix.
  - The verdict of the packet filter is that of all chains together, those of iptables-legacy, of iptables-nft and of
    every nftables table. A rule with a match that is not understood makes the verdict V(unknown), never accepted.
  - Reads the cache's own counters and proves a hit by a name that nobody else asks for.
  - Tells who else listens on the cache's ports, what a killed node-cache left behind, which pods ask the cache, and how
    Services are done on this node.
  - Runs on the node, as root. Queries are sent from a pod's own namespace where one is found, from the node otherwise.
requirements:
  - dnspython, for the queries alone. Where it is missing the steps that need an answer say so.
  - nft and iptables-save, where the node has rules of theirs. What cannot be listed for want of a program is
    V(unknown).
extends_documentation_fragment:
  - kubenode.network._attributes.info

options:
  interface:
    description:
      - The interface that holds the cache's addresses.
    type: str
    default: nodelocaldns
  local_ips:
    description:
      - Addresses of the cache that are its own, one per family. Unless told, the link-local ones that O(interface)
        holds, and V(169.254.20.10) where it holds none.
    type: list
    elements: str
  cluster_ips:
    description:
      - ClusterIPs of the cluster's DNS Service. Unless told, the other addresses of O(interface).
    type: list
    elements: str
  interception:
    description:
      - Which addresses the cache answers on.
      - V(cluster_ip) expects O(local_ips) and O(cluster_ips), V(local_ip) expects O(local_ips) alone.
      - V(auto) is V(cluster_ip) where O(interface) holds another address than O(local_ips).
    type: str
    choices: [auto, cluster_ip, local_ip]
    default: auto
  pod_source:
    description:
      - Address of a pod of this node, whose way is looked at. One is found unless told.
    type: str
  pod_interface:
    description:
      - The node's interface by which packets of O(pod_source) come in. That of the route to it unless told.
    type: str
  cluster_domain:
    description:
      - The cluster's domain, below which unique names are asked for.
    type: str
    default: cluster.local
  test_name:
    description:
      - The name that is asked for. An answer that there is no such name is an answer.
      - Unless told, C(kubernetes.default.svc) below O(cluster_domain).
    type: str
  test_query:
    description:
      - Whether queries are sent. Without them the steps rest on what the kernel says of itself.
    type: bool
    default: true
  node_name:
    description:
      - Name of the node in the cluster, for RV(node_evidence). The name of the host, in lower case, unless told.
    type: str
  health_port:
    description:
      - Port of the cache's health check.
    type: int
    default: 8080
  metrics_port:
    description:
      - Port of the cache's own metrics, as its Corefile has it.
    type: int
    default: 9253
  setup_metrics_port:
    description:
      - Port of the metrics of node-cache itself (C(-metrics-listen-address)).
    type: int
    default: 9353
  timeout:
    description:
      - Seconds that each query and each metrics page may take.
    type: float
    default: 3.0

seealso:
  - module: kubenode.network.nodelocaldns_node
    description: Takes away what a killed node-cache left.

author:
  - The kubenode.network contributors (@kubenode)
"""

EXAMPLES = r"""
- name: Prove the cache on every node
  kubenode.network.nodelocaldns_node_info:
    cluster_ips: [10.96.0.10]
  register: cache

- name: Stop where a step failed
  ansible.builtin.assert:
    that: cache.passed
    fail_msg: "{{ cache.findings }}"

- name: kube-proxy in IPVS mode, dual stack, the way of one pod
  kubenode.network.nodelocaldns_node_info:
    interface: nodelocaldns
    interception: local_ip
    local_ips: [169.254.20.10, "fd00:90::a"]
    pod_source: 10.244.1.7
    pod_interface: cali0123456789a
    cluster_domain: example.internal
    test_name: db.prod.svc.example.internal

- name: Look only, with other ports than the usual ones
  kubenode.network.nodelocaldns_node_info:
    test_query: false
    node_name: w1.example.com
    health_port: 18080
    metrics_port: 19253
    setup_metrics_port: 19353
    timeout: 1.5
"""

RETURN = r"""
passed:
  description: Whether all five steps passed. A step that is unknown did not.
  returned: success
  type: bool
steps:
  description: The five steps, in the order of the query's way.
  returned: success
  type: list
  elements: dict
  contains:
    step:
      description: Its number.
      type: int
      returned: success
    name:
      description: One of V(enter), V(notrack), V(nat), V(route), V(answer).
      type: str
      returned: success
    status:
      description: V(passed), V(failed), or V(unknown) where something could not be read or understood.
      type: str
      returned: success
    evidence:
      description: What was found, a sentence each.
      type: list
      elements: str
      returned: success
    findings:
      description: What is wrong or unknown, with its cause and its fix.
      type: list
      elements: dict
      returned: success
  sample:
    - step: 2
      name: notrack
      status: failed
      evidence: ["10.96.0.10 tcp: raw PREROUTING (iptables-legacy): -d 10.96.0.10/32 -p tcp ... -j NOTRACK"]
      findings:
        - kind: notrack_missing
          address: 10.96.0.10
          protocol: udp
          cause: no rule of the raw table at prerouting takes queries for 10.96.0.10 udp port 53 out of tracking
          fix: restart the node-cache pod of this node, which sets its rules anew
findings:
  description: The findings of all steps.
  returned: success
  type: list
  elements: dict
addresses:
  description: The addresses that are expected, with whose they are.
  returned: success
  type: list
  elements: dict
  sample: [{"address": "169.254.20.10", "use": "local"}, {"address": "10.96.0.10", "use": "cluster"}]
interception:
  description: V(cluster_ip) or V(local_ip), as told or found.
  returned: success
  type: str
origin:
  description: Whose way was looked at, and how it was found. C(pid) is a process of the pod, 0 for the node.
  returned: success
  type: dict
  sample: {"source": "10.244.1.7", "interface": "cni0", "pid": 4211, "how": "a pod of this node"}
listeners:
  description: Who listens on port 53 and the cache's other ports. C(cache) tells the cache itself.
  returned: success
  type: list
  elements: dict
  sample: [{"address": "169.254.20.10", "port": 53, "protocol": "udp", "pid": 3311, "command": "/node-cache",
            "cache": true}]
metrics:
  description: The counters of the cache. C(error) where they could not be read.
  returned: success
  type: dict
  sample:
    url: http://127.0.0.1:9253/metrics
    caches:
      - server: dns://169.254.20.10:53
        zones: cluster.local.
        hits: {"success": 310, "denial": 12}
        misses: 40
        entries: {"success": 22, "denial": 4}
        hit_ratio: 0.89
    setup_errors: {}
    reload_failed: 0
hit:
  description:
    - A name that nobody else asks for, asked twice. C(proved) where the second answer had less time to live, and
      the counter of hits grew.
  returned: when O(test_query=true)
  type: dict
  sample: {"name": "kubenode-5d1e.cluster.local.", "first_ttl": 5, "second_ttl": 3, "proved": true, "reason": ""}
pods:
  description:
    - Pods found by their namespaces, with the name servers of their resolv.conf. C(asks_cache) tells those that
      lose their DNS when the cache's own addresses go.
  returned: success
  type: list
  elements: dict
  sample: [{"pid": 4211, "command": "nginx", "addresses": ["10.244.1.7"], "name_servers": ["10.96.0.10"],
            "host_network": false, "name": "default/web-0", "asks_cache": false,
            "search": [default.svc.cluster.local, svc.cluster.local, cluster.local]}]
resolver:
  description:
    - What pods with dnsPolicy V(Default), CoreDNS above all, get as their resolver on this node, and which pods have
      something else, mostly an older copy. They keep it until they are made anew.
  returned: success
  type: dict
  contains:
    file:
      description: The file that the kubelet copies (C(resolvConf)).
      type: str
      returned: success
    place:
      description: What says so.
      type: str
      returned: success
    servers:
      description: Its servers.
      type: list
      elements: str
      returned: success
    search:
      description: Its search list.
      type: list
      elements: str
      returned: success
    old_copies:
      description:
        - Pods that neither ask the cluster's DNS nor have a copy of the file as it is. One with dnsPolicy V(None)
          is among them as well, which only the API server can tell; M(kubenode.network.pod_eviction) does with
          O(kubenode.network.pod_eviction#module:node_resolver=true).
      type: list
      elements: dict
      returned: success
    error:
      description: Why the file could not be read. Empty where it was.
      type: str
      returned: success
  sample:
    file: /etc/resolv.conf
    place: kubelet's default
    servers: [10.100.0.53]
    search: [internal.example.com]
    old_copies:
      - {"name": "kube-system/coredns-674b8bbfcf-9x2xk", "pid": 4107, "command": "/coredns", "name_servers": [10.0.0.2],
         "search": [], "host_network": false}
    error: ""
leftovers:
  description:
    - Rules and interface that no running node-cache answers for, as M(kubenode.network.nodelocaldns_node) takes them
      away. Empty while one runs.
  returned: success
  type: list
  elements: str
node_evidence:
  description:
    - What the module C(nodelocaldns) takes as an entry of its C(node_evidence), to decide about C(interception=auto),
      to check the ports, and to know who still uses the cache.
    - C(node) is O(node_name), or the name of the host; the cluster may know the node by another.
  returned: success
  type: dict
  sample:
    node: w1
    kube_proxy_mode: iptables
    addresses: [192.168.100.101]
    listeners: [{"address": "127.0.0.53", "port": 53, "protocol": "udp", "process": "/lib/systemd/systemd-resolved"}]
    old_resolver_pods: []
datapath:
  description:
    - How Services are done on this node, by the node's own evidence.
  returned: success
  type: dict
  contains:
    kube_proxy_mode:
      description: V(iptables), V(nftables), V(ipvs), V(cilium), or empty where nothing tells.
      type: str
      returned: success
    source:
      description: What told it. kube-proxy's own answer counts most, what stands in the kernel next.
      type: str
      returned: success
    interception:
      description: What fits, V(cluster_ip), V(local_ip) or V(redirect_policy). Empty where the mode is.
      type: str
      returned: success
    evidence:
      description: Everything that was looked at and what it said.
      type: list
      elements: str
      returned: success
    conflicts:
      description: Where two pieces of evidence disagree, such as rules that an earlier mode left.
      type: list
      elements: str
      returned: success
    cnis:
      description: Container networks recognised by their interfaces and by the files in /etc/cni/net.d.
      type: list
      elements: str
      returned: success
  sample:
    kube_proxy_mode: iptables
    source: http://127.0.0.1:10249/proxyMode
    interception: cluster_ip
    evidence: ["kube-proxy answers iptables", "chains KUBE-SERVICES in the nat table of iptables-nft"]
    conflicts: []
    cnis: [Calico]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.kubenode.network.plugins.module_utils._nodecache.module import NODE_INFO_OPTIONS, run_info


def main() -> None:
    module = AnsibleModule(argument_spec=NODE_INFO_OPTIONS, supports_check_mode=True)
    run_info(module)


if __name__ == "__main__":
    main()
