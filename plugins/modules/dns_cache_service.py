#!/usr/bin/python
# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: dns_cache_service

short_description: Run a node-local DNS cache without pods, and restart it without losing a query

version_added: 0.1.0

description:
  - Runs a CoreDNS binary on a node as systemd units, with an interface of its own for the addresses that it answers on,
    and rules that take its queries past connection tracking. Nothing of it needs a container runtime, the API server or
    this collection once it stands; it comes back at boot.
  - The Corefile is made and edited by meaning, as M(kubenode.network.coredns_corefile) does it, so that blocks written
    by hand in C(/etc/kubenode-network/dns-cache/Corefile) stay. What CoreDNS would refuse with the plugins that this
    binary has is an error before anything is changed.
  - A new binary, Corefile or unit is started as a second server beside the one that serves. It is asked, alone, and
    gets the queries when it has answered; the old one answers what it was sent, and ends. Any failure before that
    leaves the old one serving, and the node as it was.
  - A server that hangs is ended and started anew. Where none comes up the rules and the addresses are taken away, so
    that queries for a ClusterIP find CoreDNS again, and it is tried anew every minute.

extends_documentation_fragment:
  - kubenode.network._attributes.service

options:
  state:
    description:
      - V(present) has the cache run as declared, V(restarted) moves to a new server in any case.
      - V(absent) takes it away. Queries go to CoreDNS again before the server ends, and it ends before its addresses
        go. Blocks of the Corefile that somebody else wrote stay.
    type: str
    choices: [present, restarted, absent]
    default: present
  binary:
    description:
      - Absolute path of a CoreDNS on the node. It is copied, so the file may be replaced or removed later. A node-cache
        is refused, as it sets up interface and rules itself.
      - It needs the plugins bind, cache, errors, forward, health, loop and prometheus, and those of the declared edits.
      - Needed unless O(state=absent).
    type: path
  binary_later:
    description:
      - Whether a task brings O(binary) to the node before the module is run outside check mode. Where it is missing in
        check mode, all is checked that can be told without it.
    type: bool
    default: false
  local_ips:
    description:
      - Addresses that the cache answers on. Needed unless O(state=absent).
      - The first is the one by which the server is tested, so it should be the one that is nobody's in the cluster,
        such as V(169.254.20.10). The ClusterIP of the cluster's DNS, where it is to be taken over, comes behind it.
    type: list
    elements: str
  interface:
    description:
      - Name of the interface that has the addresses.
    type: str
    default: nodelocaldns
  interface_type:
    description:
      - Its kind. V(bridge) and V(ifb) are for kernels without V(dummy).
    type: str
    choices: [dummy, bridge, ifb]
    default: dummy
  cluster_domain:
    description:
      - Domain of the cluster.
    type: str
    default: cluster.local
  cluster_upstreams:
    description:
      - Addresses of the cluster's DNS that names of O(cluster_domain) and reverse names are asked of. With the
        ClusterIP among O(local_ips) it has to be another one, such as that of a second Service with the same selector.
      - Needed unless O(state=absent).
    type: list
    elements: str
  upstreams:
    description:
      - Where all other names are asked; addresses, or a file with C(nameserver) lines.
    type: list
    elements: str
    default: [/etc/resolv.conf]
  force_tcp:
    description:
      - Whether O(cluster_upstreams) are asked over TCP, whose connections end when they are closed, and not by a
        timeout of connection tracking.
    type: bool
    default: true
  health_port:
    description:
      - Port of plugin health, on the first of O(local_ips).
    type: int
    default: 8080
  metrics_port:
    description:
      - Port of plugin prometheus, on all addresses of the node.
    type: int
    default: 9253
  rules:
    description:
      - What takes queries past connection tracking, and accepts them in the filter.
      - V(auto) takes V(iptables) where the node's firewall or kube-proxy uses it, otherwise V(nft), and stays with what
        it took first. V(none) is for nodes whose rules somebody else makes.
    type: str
    choices: [auto, nft, iptables, none]
    default: auto
  memory_max:
    description:
      - The most memory that a server may take, a number with K, M or G, or V(infinity). While queries move there are
        two of them. Less than what the caches of the Corefile take when they are full (about 30 MB for each server
        block with the usual 9984 positive and negative answers) is an error.
    type: str
    default: 256M
  owner:
    description:
      - Who declares the edits of the Corefile below. Entries of other owners are left alone.
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
      - Zones that other servers answer for, as in M(kubenode.network.coredns_corefile). Their blocks listen on
        O(local_ips).
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
      - Where a server block sends what it does not know itself, as in M(kubenode.network.coredns_corefile).
    type: list
    elements: dict
  cache:
    description:
      - Plugin cache of a server block, as in M(kubenode.network.coredns_corefile).
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
      - Whole server blocks, as in M(kubenode.network.coredns_corefile). A new one without C(bind) is bound to
        O(local_ips).
    type: list
    elements: dict
  snippets:
    description:
      - Snippets, as in M(kubenode.network.coredns_corefile).
    type: list
    elements: dict
  wait_timeout:
    description:
      - Seconds until a new server has to listen on all of its addresses.
    type: int
    default: 30
  force:
    description:
      - Whether O(state=absent) removes a cache that the node's kubelet still names to pods.
    type: bool
    default: false

seealso:
  - module: kubenode.network.coredns_corefile
    description: The edits of a Corefile, in full.

author:
  - The kubenode.network contributors (@kubenode)
"""

EXAMPLES = r"""
- name: A cache beside the cluster's DNS, on an address of its own
  kubenode.network.dns_cache_service:
    binary: /usr/local/bin/coredns
    local_ips: [169.254.20.10]
    cluster_upstreams: [10.96.0.10]

- name: A cache that answers for the cluster's DNS Service, with zones of the site
  kubenode.network.dns_cache_service:
    state: present
    binary: /opt/coredns/coredns
    binary_later: true
    local_ips: [169.254.20.10, 10.96.0.10]
    interface: nodelocaldns
    interface_type: dummy
    cluster_domain: cluster.local
    cluster_upstreams: [10.96.0.53]
    upstreams: [10.0.0.53, 10.0.0.54]
    force_tcp: true
    health_port: 8080
    metrics_port: 9253
    rules: auto
    memory_max: 256M
    owner: site
    purge: own
    stub_domains:
      - zone: corp.example.com
        servers: [10.0.0.53]
    hosts:
      - address: 10.0.0.80
        names: [registry.example.com]
    forward:
      - server: .
        options: {max_concurrent: 1000}
    cache:
      - server: .
        ttl: 60
    log:
      - server: .
        enabled: false
    errors:
      - server: .
        enabled: true
    servers:
      - zones: ["lab.example.com:53"]
        plugins:
          - bind 169.254.20.10 10.96.0.10
          - import quiet
          - forward . 10.0.0.99
    snippets:
      - name: quiet
        plugins: [errors]
    wait_timeout: 60

- name: A new server, as the old one has an upstream's old address
  kubenode.network.dns_cache_service:
    state: restarted
    binary: /usr/local/bin/coredns
    local_ips: [169.254.20.10]
    cluster_upstreams: [10.96.0.10]

- name: No cache any more
  kubenode.network.dns_cache_service:
    state: absent
    force: false
"""

RETURN = r"""
actions:
  description: What was done, or would be in check mode, a sentence each.
  returned: success
  type: list
  elements: str
  sample: ["write /etc/kubenode-network/dns-cache/Corefile", "move to a new server: the Corefile changes"]
slot:
  description: Which of the two units, C(kubenode-dns-cache@a) and C(kubenode-dns-cache@b), serves.
  returned: O(state=present) or O(state=restarted)
  type: str
  sample: a
gapless:
  description: Whether the queries were moved to the new server with none left to the old one. V(null) where there was
    no old one.
  returned: when something was changed, unless O(state=absent)
  type: bool
rules:
  description: What has the rules.
  returned: O(state=present) or O(state=restarted)
  type: str
  sample: nft
version:
  description: Version of the CoreDNS at O(binary).
  returned: O(state=present) or O(state=restarted), where it is there
  type: str
  sample: 1.15.0
corefile:
  description: The Corefile; also one that was refused.
  returned: O(state=present) or O(state=restarted), and where lint refuses it
  type: str
findings:
  description: What lint says of the Corefile, with line, level (V(error), V(warning)), message and kind.
  returned: O(state=present) or O(state=restarted), and where lint refuses it
  type: list
  elements: dict
rolled_back:
  description: Whether the node was put back as it was.
  returned: failure after a change
  type: bool
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.kubenode.network.plugins.module_utils._cache_service.options import ARGUMENT_SPEC
from ansible_collections.kubenode.network.plugins.module_utils._cache_service.run import run_module


def main() -> None:
    """Entry point of the module."""
    run_module(AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True))


if __name__ == "__main__":
    main()
