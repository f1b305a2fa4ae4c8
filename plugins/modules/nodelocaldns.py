#!/usr/bin/python
# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: nodelocaldns

short_description: Set up, change, move and remove NodeLocal DNSCache in a cluster, wave by wave

version_added: 0.1.0

description:
  - Makes the objects of NodeLocal DNSCache (ServiceAccount, upstream Service, metrics Service, ConfigMap, DaemonSet,
    and Cilium's redirect policy where it is that) by server-side apply with an own field manager. Objects that
    C(kubectl apply) or Helm made are taken over with nothing stale left in them; what others added to them stays.
  - The Corefile in the ConfigMap C(node-local-dns) is made once and then edited by meaning, as
    M(kubenode.network.coredns_corefile) edits that of the cluster, so that a block that was made by hand survives.
  - Before anything is written, the file that node-cache makes of it (its pillars replaced, with the blocks from the
    ConfigMap C(kube-dns)) is linted for the plugins of the image. A node-cache that starts on a bad file leaves its
    node without DNS.
  - A DaemonSet starts everywhere at once, and a changed ConfigMap reaches all its pods at once. Here nodes that are not
    yet to have the cache carry the label C(kubenode.network/nodelocaldns-hold), pods mount an immutable copy of the
    ConfigMap that is named by its hash, and are replaced only on the nodes of the wave (O(nodes)). A wave whose pods do
    not become ready goes back by itself.
  - A second run finds nothing to do and writes nothing.
extends_documentation_fragment:
  - kubenode.network._auth
  - kubenode.network._attributes.cluster

options:
  state:
    description:
      - V(present) makes it as declared. V(absent) takes the cache from the nodes of O(nodes), and with all of them its
        objects too. V(previous) goes back to the revision before the last change, on O(nodes), for a wave whose proof
        on the node failed; after a first installation that is no cache.
    type: str
    choices: [present, absent, previous]
    default: present
  nodes:
    description:
      - Names of the nodes of this wave. With V([]) objects are made and no node is touched. Unless told, all nodes
        follow in waves of O(wave_size).
      - When the cache is first made, all other nodes are held back. A node that joins the cluster later gets the cache.
    type: list
    elements: str
  wave_size:
    description:
      - How many nodes at a time, where O(nodes) does not say; a number or a share of them.
    type: str
    default: "10%"
  service:
    description:
      - The cluster's DNS Service, where it cannot be found or there are several.
    type: str
  namespace:
    description:
      - Namespace of O(service), C(kube-system) unless told. The cache's objects go where that Service is.
    type: str
  interception:
    description:
      - What becomes of a query. With V(cluster_ip) the cache answers on the ClusterIP itself, with V(local_ip) on the
        addresses of O(local_ips) only, to which kubelets' C(clusterDNS) is moved node by node
        (M(kubenode.network.kubelet_dns)), with V(redirect_policy) Cilium leads the ClusterIP to the node's own pod.
      - V(auto) decides from O(node_evidence), or else from what the cluster says of kube-proxy and its CNI. It is
        recorded; a later V(auto) that finds otherwise is an error.
    type: str
    choices: [auto, cluster_ip, local_ip, redirect_policy]
    default: auto
  change_interception:
    description:
      - Whether another interception than the recorded one may be taken.
    type: bool
    default: false
  node_evidence:
    description:
      - What nodes say of themselves, one entry per node, as M(kubenode.network.nodelocaldns_node_info) returns it in
        C(node_evidence). Nodes whose kube-proxy modes differ are an error.
    type: list
    elements: dict
    default: []
    suboptions:
      node:
        description: Name of the node in the cluster.
        type: str
        required: true
      kube_proxy_mode:
        description: How Services are done on it (V(iptables), V(nftables), V(ipvs), V(cilium), V(ebpf)); empty if
          unknown.
        type: str
        default: ""
      addresses:
        description: Addresses of the node, without those of the cache's own interface.
        type: list
        elements: str
        default: []
      listeners:
        description:
          - Who listens on the cache's ports, without the cache itself. Keys are C(address), C(port), C(protocol) and
            C(process).
        type: list
        elements: dict
        default: []
      old_resolver_pods:
        description:
          - Running pods (C(namespace/name)) whose resolv.conf has an address of O(local_ips). Needed for
            O(state=absent) with V(local_ip).
        type: list
        elements: str
  local_ips:
    description:
      - Addresses of the cache, link-local by custom; of one family, since node-cache serves one.
    type: list
    elements: str
    default: [169.254.20.10]
  cluster_domain:
    description:
      - The cluster's domain. Found unless told.
    type: str
  external_zones_via:
    description:
      - Who is asked for names outside the cluster. With V(node) the resolvers of the node, with V(cluster) CoreDNS.
    type: str
    choices: [node, cluster]
    default: node
  on_bypass:
    description:
      - What to do where CoreDNS serves external zones or hosts entries that clients of the cache would no longer get,
        because of O(external_zones_via=node).
    type: str
    choices: [fail, warn]
    default: fail
  force_tcp:
    description:
      - Whether names of the cluster are asked for over TCP, which conntrack races do not hurt.
    type: bool
    default: true
  owner:
    description:
      - Who declares the entries below. Entries of other owners are left alone.
    type: str
    default: ""
  purge:
    description:
      - V(own) takes away what this owner declared earlier and no longer does, V(none) leaves it.
    type: str
    choices: [own, none]
    default: own
  stub_domains:
    description:
      - Zones that other servers answer for, as in M(kubenode.network.coredns_corefile). Bound to the cache's addresses
        unless told.
    type: list
    elements: dict
  hosts:
    description:
      - Names with fixed addresses, as in M(kubenode.network.coredns_corefile). A name of the cluster's domain goes into
        its block, others into that of V(.), unless C(server) says otherwise.
    type: list
    elements: dict
  forward:
    description:
      - Where a server block sends queries, as in M(kubenode.network.coredns_corefile); replaces what the module would
        write.
    type: list
    elements: dict
  cache:
    description:
      - Plugin cache of a server block, as in M(kubenode.network.coredns_corefile); replaces what the module would
        write. A full cache of the usual 9984 positive and negative answers takes about 30 MB.
    type: list
    elements: dict
  log:
    description:
      - Plugin log of a server block, as in M(kubenode.network.coredns_corefile).
    type: list
    elements: dict
  errors:
    description:
      - Plugin errors of a server block, as in M(kubenode.network.coredns_corefile).
    type: list
    elements: dict
  servers:
    description:
      - Whole server blocks, as in M(kubenode.network.coredns_corefile). A new one without C(bind) is bound to the
        cache's addresses.
    type: list
    elements: dict
  snippets:
    description:
      - Snippets for C(import), as in M(kubenode.network.coredns_corefile).
    type: list
    elements: dict
  known_plugins:
    description:
      - Plugins that the image has beyond those of its version.
    type: list
    elements: str
    default: []
  image:
    description:
      - Image of node-cache without its tag.
    type: str
    default: registry.k8s.io/dns/k8s-dns-node-cache
  image_version:
    description:
      - Tag of the image. It decides which plugins are known.
    type: str
    default: 1.26.4
  registry:
    description:
      - Registry that the image is taken from, in place of the one in O(image).
    type: str
  image_pull_secrets:
    description:
      - Names of Secrets in the cache's namespace.
    type: list
    elements: str
    default: []
  tolerations:
    description:
      - Tolerations of the pods. By default they run on every node, whatever its taints.
    type: list
    elements: dict
  node_selector:
    description:
      - Labels of the nodes that are to have the cache at all.
    type: dict
    default: {kubernetes.io/os: linux}
  resources:
    description:
      - Resources of the container. A memory limit below what the caches of the Corefile take when they are full is an
        error, since the node is without DNS whenever the kernel ends node-cache.
    type: dict
    default: {requests: {cpu: 25m, memory: 64Mi}}
  health_port:
    description:
      - Port of plugin health on the first of O(local_ips).
    type: int
    default: 8080
  metrics_port:
    description:
      - Port of plugin prometheus.
    type: int
    default: 9253
  setup_metrics_port:
    description:
      - Port of node-cache's own metrics, about rules and interface.
    type: int
    default: 9353
  query_log:
    description:
      - Whether M(kubenode.network.dns_query_log) with C(target=nodelocaldns) can have queries logged for a while. By
        itself it logs nothing.
      - Pods then mount an optional ConfigMap C(node-local-dns-query-log), and the module's own server blocks import
        what is in it. That is another template, which comes to the nodes wave by wave, and goes in the same way.
    type: bool
    default: false
  wait:
    description:
      - Whether to wait until the pods of the wave are ready, and to go back otherwise.
    type: bool
    default: true
  wait_timeout:
    description:
      - Seconds to wait for each wave.
    type: int
    default: 300

notes:
  - Interception by V(redirect_policy) is built from Cilium's documentation and its schema. It was not run on a Cilium.
seealso:
  - module: kubenode.network.nodelocaldns_node_info
  - module: kubenode.network.kubelet_dns
  - module: kubenode.network.coredns_corefile
  - module: kubenode.network.dns_query_log
author:
  - The kubenode.network contributors (@kubenode)
"""

EXAMPLES = r"""
- name: Objects first; no node is touched
  kubenode.network.nodelocaldns:
    nodes: []
    node_evidence:
      - node: w1
        kube_proxy_mode: iptables
        addresses: [192.168.100.101]
        listeners:
          - {address: 127.0.0.53, port: 53, protocol: udp, process: systemd-resolve}
  register: cache

- name: The first wave
  kubenode.network.nodelocaldns:
    nodes: [w1]
    wait_timeout: 120
  register: wave

- name: Back, since the proof on the node failed
  kubenode.network.nodelocaldns:
    state: previous
    nodes: [w1]

- name: All nodes, a quarter at a time, with the site's zones and names
  kubenode.network.nodelocaldns:
    wave_size: 25%
    wait: true
    owner: site
    purge: own
    stub_domains:
      - zone: corp.example.com
        servers: [10.0.0.53, 10.0.0.54]
    hosts:
      - address: 10.0.0.80
        names: [registry.example.com]
    cache:
      - server: cluster.local
        options:
          success: [20000, 30]
          denial: [9984, 5]
    log:
      - server: .
        enabled: true
    errors:
      - server: cluster.local
        enabled: true
    forward:
      - server: .
        servers: [192.0.2.53]
    servers:
      - zones: ["lab.example.com:53"]
        plugins: [import quiet, "forward . 10.0.0.55"]
    snippets:
      - name: quiet
        plugins: [errors]
    resources:
      requests: {cpu: 25m, memory: 64Mi}
      limits: {memory: 300Mi}

- name: Only the link-local address, on a cluster with kube-proxy in IPVS mode
  kubenode.network.nodelocaldns:
    interception: local_ip
    change_interception: true
    local_ips: [169.254.20.10]
    cluster_domain: cluster.local
    service: kube-dns
    namespace: kube-system
    external_zones_via: cluster
    on_bypass: warn
    force_tcp: true

- name: An image of one's own from a registry of one's own, other ports
  kubenode.network.nodelocaldns:
    image: registry.k8s.io/dns/k8s-dns-node-cache
    image_version: 1.26.4
    registry: registry.example.com/mirror
    image_pull_secrets: [mirror]
    known_plugins: [unbound]
    node_selector: {kubernetes.io/os: linux}
    tolerations:
      - {operator: Exists}
    health_port: 8081
    metrics_port: 9254
    setup_metrics_port: 9354
    query_log: true

- name: Remove it, once no pod on any node holds the cache's address any more
  kubenode.network.nodelocaldns:
    state: absent
    node_evidence:
      - node: w1
        old_resolver_pods: []
"""

RETURN = r"""
changes:
  description: What was changed, a sentence each.
  returned: success
  type: list
  elements: str
  sample: ["made DaemonSet kube-system/node-local-dns", "let node w1 go"]
interception:
  description:
    - What becomes of a query, and why it was decided so. With O(state=absent) what was recorded, C(mode) empty where
      there was no cache.
  returned: O(state=present) and O(state=absent)
  type: dict
  sample: {"mode": "cluster_ip", "why": "kube-proxy runs in iptables mode (ConfigMap kube-system/kube-proxy)"}
proof:
  description:
    - What M(kubenode.network.nodelocaldns_node_info) is to find on a node that has the cache. Addresses that the cache
      answers on (C(addresses)), its C(interface), the ClusterIPs of the cluster's DNS (C(cluster_dns)),
      the C(upstream) that names of the cluster are asked of, C(domain), C(interception), C(health) (address and port)
      and the ports of both kinds of metrics.
  returned: O(state=present)
  type: dict
  sample:
    interception: cluster_ip
    interface: nodelocaldns
    addresses: [169.254.20.10, 10.96.0.10]
    local_ips: [169.254.20.10]
    cluster_dns: [10.96.0.10]
    upstream: 10.96.77.3
    domain: cluster.local
    health: {"address": "169.254.20.10", "port": 8080}
    metrics_port: 9253
    setup_metrics_port: 9353
pods:
  description: The pods of this wave with their node, uid, start of the container and revision.
  returned: success
  type: list
  elements: dict
  sample: [{"node": "w1", "name": "node-local-dns-x2x7k", "uid": "6a2c...", "revision": "9f8e7d6c5b", "ready": true}]
nodes:
  description:
    - Nodes by what is true of them. C(current) runs what is declared, C(outdated) an older revision, C(held) is held
      back, C(waiting) is to have a pod and has no ready one.
    - With O(state=absent) C(current) has the nodes that keep the cache, as O(nodes) does not name them.
  returned: success
  type: dict
  sample: {"current": ["w1"], "outdated": [], "held": ["w2", "w3"], "waiting": []}
revision:
  description: Hash of the template and the configuration that is declared, and part of the name of the pods' ConfigMap.
  returned: success
  type: str
previous_revision:
  description: That of the revision that O(state=previous) goes back to; empty where that is no cache.
  returned: success
  type: str
corefile:
  description: The file as node-cache makes it from the ConfigMap; of O(state=absent) the text that was removed.
  returned: success
  type: str
memory:
  description: Bytes that the Corefile's caches take when they are full, with the program, and the limit (0, none).
  returned: O(state=present)
  type: dict
  sample: {"needed": 166723584, "limit": 314572800}
findings:
  description: What lint says of RV(corefile), with line, level (V(error), V(warning)), message and kind.
  returned: O(state=present), and where it refuses the text
  type: list
  elements: dict
policies:
  description:
    - Network policies (Kubernetes, Calico, Cilium) that let pods ask the cluster's DNS pods only, with the C(ip_blocks)
      that they have to allow too before their pods are served by the cache.
  returned: O(state=present), when something is to be changed
  type: list
  elements: dict
  sample: [{"kind": "NetworkPolicy", "name": "shop/egress", "why": "...", "ip_blocks": ["169.254.20.10/32"]}]
rolled_back:
  description: Whether the wave was taken back.
  returned: failure of a wave
  type: bool
requests:
  description: Requests to the API server.
  returned: success
  type: int
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.kubenode.network.plugins.module_utils._nodelocal.module import NODELOCAL_OPTIONS, run_nodelocal


def main() -> None:
    """Entry point of the module."""
    run_nodelocal(AnsibleModule(argument_spec=NODELOCAL_OPTIONS, supports_check_mode=True))


if __name__ == "__main__":
    main()
