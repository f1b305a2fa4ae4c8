#!/usr/bin/python
# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: dns_query_log

short_description: Have CoreDNS or the caches on the nodes log queries for a while, and surely no longer

version_added: 0.1.0

description:
  - Switches the query log of the cluster's CoreDNS, or of NodeLocal DNSCache (O(target=nodelocaldns)), on for
    O(duration). The cluster's own controllers switch it off again, whatever becomes of the controller of Ansible, and
    no edit that somebody makes in the Corefile meanwhile is lost, as the Corefile is not edited.
  - CoreDNS's pods mount an optional ConfigMap C(coredns-query-log), and the Corefile imports what is in it. The module
    makes that ConfigMap, with one line of plugin C(log). A Job of the same name owns it. It runs no pod and needs no
    image. At its deadline the cluster deletes it (C(ttlSecondsAfterFinished)), and the ConfigMap with it.
  - O(state=prepared) makes this way once. That replaces CoreDNS's pods one after the other, as their Deployment says,
    so do it in quiet times. Where something would put the Deployment or the Corefile back (AKS, k3s, Helm, ...) it is
    refused with the way in which its users add both.
  - Then it waits until every pod has loaded the new configuration. A kubelet takes a minute or more to bring a
    ConfigMap to its pods, and to take it away, so queries are logged that much longer than O(duration) says.
  - Queries in the server block C(.:53) are logged, which is where a query goes that no other block serves. Read them
    with C(kubectl logs -n kube-system -l k8s-app=kube-dns --prefix -f).
  - With O(target=nodelocaldns) the ConfigMap and the Job are C(node-local-dns-query-log), and the way to the pods is
    made wave by wave, by option C(query_log) of M(kubenode.network.nodelocaldns). Logged is what goes to that module's
    own server blocks; one of users logs only if it imports the same file. Nodes whose cache is not ready, or of a wave
    to come, are named in a warning and not waited for.
extends_documentation_fragment:
  - kubenode.network._auth
  - kubenode.network._attributes.cluster

options:
  target:
    description:
      - Whose queries are logged, those that CoreDNS is asked or those that the caches on the nodes are asked. Of what
        the caches answer CoreDNS sees nothing.
    type: str
    choices: [coredns, nodelocaldns]
    default: coredns
  state:
    description:
      - V(present) has queries logged. V(absent) ends it now. V(prepared) makes the way for it, and logs nothing.
        V(unprepared) ends it, and takes the way back. The last two are an error with O(target=nodelocaldns).
    type: str
    choices: [present, absent, prepared, unprepared]
    default: present
  duration:
    description:
      - How long queries are logged, such as V(200s), V(10m) or V(2h). A number without a unit is seconds. At least
        three minutes, at most a day.
      - Where they are logged already, their end stays as it is, but with O(extend=true).
    type: str
    default: 10m
  extend:
    description:
      - Where queries are logged already, log them for O(duration) from now on.
    type: bool
    default: false
  zones:
    description:
      - Log queries for these zones and what is below them. All unless told.
    type: list
    elements: str
    default: []
  classes:
    description:
      - Log answers of these classes of plugin C(log), V(all), V(success), V(denial) and V(error). All unless told.
    type: list
    elements: str
    default: []
  service:
    description:
      - The cluster's DNS Service, where it cannot be found or there are several. An error with O(target=nodelocaldns).
    type: str
  namespace:
    description:
      - Its namespace; with O(target=nodelocaldns) that of the DaemonSet C(node-local-dns), C(kube-system) unless told.
    type: str
  on_owner:
    description:
      - With O(state=prepared), what to do where something else would put the Deployment or the Corefile back. V(force)
        is an error with O(target=nodelocaldns).
    type: str
    choices: [fail, force]
    default: fail
  wait:
    description:
      - Whether to wait until all pods have loaded the configuration, and fail where one does not.
    type: bool
    default: true
  wait_timeout:
    description:
      - Seconds to wait.
    type: int
    default: 180

seealso:
  - module: kubenode.network.nodelocaldns
  - module: kubenode.network.coredns_corefile
author:
  - The kubenode.network contributors (@kubenode)
"""

EXAMPLES = r"""
- name: Once, in quiet times
  kubenode.network.dns_query_log:
    state: prepared
  delegate_to: localhost

- name: Who asks for names that are not there?
  kubenode.network.dns_query_log:
    duration: 10m
    classes: [denial, error]
  delegate_to: localhost

- name: What is asked below a zone, for half an hour from now
  kubenode.network.dns_query_log:
    duration: 30m
    extend: true
    zones: [corp.example.com]
  delegate_to: localhost

- name: Prepare a CoreDNS that has another Service, although a chart of Helm deploys it, and do not wait for its pods
  kubenode.network.dns_query_log:
    state: prepared
    service: dns
    namespace: dns-system
    on_owner: force
    wait: false
  delegate_to: localhost

- name: Log all queries for two hours, on a cluster whose kubelets are slow
  kubenode.network.dns_query_log:
    duration: 2h
    wait: true
    wait_timeout: 600
  delegate_to: localhost

- name: What the caches on the nodes are asked, once nodelocaldns has brought them query_log
  kubenode.network.dns_query_log:
    target: nodelocaldns
    duration: 10m
  delegate_to: localhost

- name: Enough
  kubenode.network.dns_query_log:
    state: absent
  delegate_to: localhost
"""

RETURN = r"""
logging:
  description: Whether queries are logged.
  returned: success
  type: bool
until:
  description: When that ends, by the API server's clock, in UTC; empty where none are logged.
  returned: success
  type: str
  sample: "2026-11-23T10:20:30Z"
changes:
  description: What was done, or would be.
  returned: success
  type: list
  elements: str
  sample: ["made Job kube-system/coredns-query-log, which ends it after 600 s"]
job:
  description: The Job that ends it.
  returned: when queries are logged
  type: dict
  sample: {"namespace": "kube-system", "name": "coredns-query-log"}
workload:
  description: What has the volume, or had it.
  returned: with O(state=prepared) and O(state=unprepared)
  type: dict
  sample: {"kind": "Deployment", "namespace": "kube-system", "name": "coredns"}
evidence:
  description: What each pod showed that it has loaded, as RV(kubenode.network.coredns_corefile#module:evidence).
  returned: when it was waited for
  type: list
  elements: dict
requests:
  description: Requests to the API server.
  returned: success
  type: int
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.kubenode.network.plugins.module_utils._kube.module_query_log import (
    QUERY_LOG_OPTIONS,
    run_query_log,
)


def main() -> None:
    """Entry point of the module."""
    run_query_log(AnsibleModule(argument_spec=QUERY_LOG_OPTIONS, supports_check_mode=True))


if __name__ == "__main__":
    main()
