#!/usr/bin/python
# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: coredns_corefile

short_description: Edit the Corefile of the cluster's DNS by meaning, and prove that every CoreDNS has loaded it

version_added: 0.1.0

description:
  - Adds and changes stub domains, hosts entries, forwards, caches, logs, whole server blocks and snippets. Comments,
    order and layout of everything else stay byte for byte.
  - What is added is recorded in an annotation of the ConfigMap, per O(owner). What an owner no longer declares goes,
    and what stood there before comes back; an entry that somebody else made alike is never taken over, nor one that
    somebody edited since.
  - A text that CoreDNS would refuse is never written. The error names the line. What only a server can know, such as a
    file that is not there, is found out beforehand with O(validate=pod).
  - Nothing of anybody's edit is lost. The ConfigMap is written with the version that was read, and the edit is made
    again on what somebody else wrote meanwhile. The text that is replaced is kept as a revision in the ConfigMap
    C(NAME-kubenode-revisions), the last ten.
  - Then it waits until every pod, by uid and start of its container, has loaded this very text. Where one refuses it or
    crashes, or a name of O(test_names) no longer resolves, the old text is put back.
  - A run that is killed before it saw that leaves a note of it in an annotation. The next run with O(wait=true) proves
    that text, or puts the old one back, also where it has nothing else to do.
extends_documentation_fragment:
  - kubenode.network._auth
  - kubenode.network._corefile
  - kubenode.network._attributes.cluster

options:
  name:
    description:
      - Name of the ConfigMap. Found by the way of a query through the cluster's objects unless told, as
        M(kubenode.network.cluster_dns_info) tells it.
    type: str
  namespace:
    description:
      - Namespace of O(name) or O(service), C(kube-system) unless told.
    type: str
  key:
    description:
      - Key of the ConfigMap; found unless told, and V(Corefile) with O(name).
    type: str
  service:
    description:
      - The cluster's DNS Service, where it cannot be found or there are several.
    type: str
  path:
    description:
      - A Corefile on the machine where the module runs, in place of a ConfigMap. The records of entries stand beside it
        in C(PATH.kubenode.json). Nothing is proved.
    type: path

author:
  - The kubenode.network contributors (@kubenode)
"""

EXAMPLES = r"""
- name: Stub domains and hosts entries of the site
  kubenode.network.coredns_corefile:
    owner: site
    stub_domains:
      - zone: corp.example.com
        servers: [10.0.0.53, 10.0.0.54]
        options:
          max_fails: 3
    hosts:
      - address: 10.0.0.80
        names: [registry.example.com]
    test_names:
      - kubernetes.default.svc.cluster.local
    test_from: port_forward
  delegate_to: localhost

- name: Where else queries go, what is kept and what is logged
  kubenode.network.coredns_corefile:
    owner: tuning
    purge: none
    forward:
      - server: .
        servers: [192.0.2.53]
    cache:
      - server: .
        ttl: 60
    log:
      - server: .
        enabled: true
    errors:
      - server: .
        enabled: true
    known_plugins: [unbound]
    coredns_version: 1.11.3
    wait_timeout: 300
    touch_pods: true

- name: A server block and a snippet in Corefile's own words, in another cluster's ConfigMap
  kubenode.network.coredns_corefile:
    name: dns-custom
    namespace: dns
    key: Corefile
    owner: lab
    on_owner: force
    wait: false
    snippets:
      - name: quiet
        plugins: [errors]
    servers:
      - zones: ["lab.example.com:53"]
        plugins:
          - import quiet
          - |-
            template IN A {
              answer "{{ '{{ .Name }}' }} 60 IN A 192.0.2.7"
            }

- name: Of two DNS servers of a cluster, the one that this Service leads to
  kubenode.network.coredns_corefile:
    service: rke2-coredns-rke2-coredns
    owner: site
    log:
      - server: .
        enabled: false

- name: A zone with a certificate that the pods have to have, tried before it is written
  kubenode.network.coredns_corefile:
    owner: site
    validate: pod
    servers:
      - zones: ["tls://corp.example.com"]
        plugins:
          - tls /etc/coredns/certs/tls.crt /etc/coredns/certs/tls.key
          - forward . 10.0.0.53

- name: Back to a text that was replaced
  kubenode.network.coredns_corefile:
    restore: 7

- name: Take a write back that a later task found wrong
  kubenode.network.coredns_corefile:
    undo: "{{ written.undo }}"

- name: Take everything back that this collection added
  kubenode.network.coredns_corefile:
    state: absent

- name: A CoreDNS without a cluster
  kubenode.network.coredns_corefile:
    path: /etc/coredns/Corefile
    owner: site
    stub_domains:
      - zone: corp.example.com
        servers: [10.0.0.53]
"""

RETURN = r"""
changes:
  description: What was changed, a sentence each.
  returned: success
  type: list
  elements: str
  sample: ["added server block corp.example.com"]
config_map:
  description: Where the text is.
  returned: with a ConfigMap
  type: dict
  sample: {"namespace": "kube-system", "name": "coredns", "key": "Corefile"}
resource_version:
  description: Version of the ConfigMap after the run.
  returned: with a ConfigMap
  type: str
sha256:
  description: SHA-256 of the text.
  returned: success
  type: str
attempts:
  description: Writes that were tried, more than one where others wrote meanwhile.
  returned: with a ConfigMap
  type: int
findings:
  description: What lint says of the text, with line, level (V(error), V(warning)), message and kind.
  returned: success, and where it refuses the text
  type: list
  elements: dict
validation:
  description: The pod that tried the text (its name, node and image) and the seconds after which it was ready.
  returned: O(validate=pod) and a change, outside check mode
  type: dict
  sample: {"pod": "coredns-kubenode-validation", "node": "w1", "image": "coredns:1.15.0", "ready_after": 1.5}
evidence:
  description: What each pod was seen to run, by uid and start of its container, and where that was read.
  returned: O(wait=true) outside check mode
  type: list
  elements: dict
tests:
  description: The answers to O(test_names), with the place they were asked from.
  returned: with O(test_names), outside check mode
  type: list
  elements: dict
owner:
  description: What would undo the edit, and its own way.
  returned: failure, where there is one
  type: dict
rolled_back:
  description: Whether the old text was put back.
  returned: failure after a write
  type: bool
overlap:
  description: Seconds in which servers of the old text may still answer, since CoreDNS lets them end gracefully.
  returned: O(wait=true) outside check mode
  type: float
undo:
  description: What O(undo) needs to take this run's write back. It holds the old text.
  returned: changed, outside check mode
  type: dict
requests:
  description: Requests to the API server.
  returned: with a ConfigMap
  type: int
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.kubenode.network.plugins.module_utils._kube.module import COREFILE_OPTIONS, EDITS, run_corefile


def main() -> None:
    """Entry point of the module."""
    run_corefile(
        AnsibleModule(
            argument_spec=COREFILE_OPTIONS,
            mutually_exclusive=[("path", "name"), ("path", "service"), ("name", "service"), ("path", "restore")]
            + [("path", "undo"), ("restore", "undo")]
            + [(back, option) for back in ("restore", "undo") for option in EDITS],
            supports_check_mode=True,
        )
    )


if __name__ == "__main__":
    main()
