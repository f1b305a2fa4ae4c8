#!/usr/bin/python
# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: coredns_extra_config

short_description: Edit what the cluster's Corefile imports, and prove that every CoreDNS has loaded it

version_added: 0.1.0

description:
  - Some clusters put their own Corefile back after every edit, and import the text of another ConfigMap that is the
    operator's. AKS, k3s and Gardener call it C(coredns-custom). Elsewhere one is made, as C(coredns-extra-configs).
    This module edits a key of it with the entries, records, revisions and care of
    M(kubenode.network.coredns_corefile).
  - The text is looked at where it is imported. A zone that the Corefile or another file serves already, a second
    C(hosts) in the same server block or a line that stands in the wrong kind of file is refused, with file and line.
  - Then it waits until every pod has loaded a configuration with this very text, which the hash that CoreDNS shows
    counts in. Where one refuses it or crashes, or a name of O(test_names) no longer resolves, the old text is put back.
  - Where nothing imports the text, or the pods do not mount the ConfigMap, it says what is missing, and how this kind
    of cluster is given it. With O(wait=true) that is an error and nothing is written, otherwise a warning.
  - The ConfigMap is made where it is missing, with an empty key too. Both go with the last entry when it was this
    module that made them. Other keys are left alone.
extends_documentation_fragment:
  - kubenode.network._auth
  - kubenode.network._corefile
  - kubenode.network._attributes.cluster

options:
  flavor:
    description:
      - V(extra-configs) is a ConfigMap whose key C(Corefile) is imported beside the Corefile's own server blocks. The
        snippet C(common) belongs to the platform there. It may be imported and not declared.
      - V(coredns-custom) is that of AKS, k3s and Gardener. Keys C(NAME.server) hold server blocks, keys
        C(NAME.override) plugins of the server block C(.:53).
    type: str
    choices: [extra-configs, coredns-custom]
    default: extra-configs
  server:
    description:
      - Who imports it. V(node-cache) is NodeLocal DNSCache, which has fewer plugins and runs in the node's network.
        What it has loaded cannot be proved where its Corefile has C(__PILLAR__) words, and a warning says so.
    type: str
    choices: [coredns, node-cache]
    default: coredns
  name:
    description:
      - Name of the ConfigMap. Unless told it is C(coredns-extra-configs) (C(node-local-dns-extra-configs) with
        O(server=node-cache)) or C(coredns-custom), by O(flavor).
    type: str
  key:
    description:
      - Key of the ConfigMap, C(Corefile) unless told. With O(flavor=coredns-custom) it has to be told, and ends in
        C(.server) or C(.override).
    type: str
  namespace:
    description:
      - Namespace of CoreDNS, and so of the ConfigMap. That of the cluster's DNS unless told; C(kube-system) with
        O(service) or O(corefile_name).
    type: str
  service:
    description:
      - The cluster's DNS Service, where it cannot be found or there are several.
    type: str
  corefile_name:
    description:
      - Name of the ConfigMap with the Corefile that imports this one. Found by the way of a query through the cluster's
        objects unless told; C(node-local-dns) with O(server=node-cache).
    type: str
  corefile_key:
    description:
      - Its key; found unless told, and V(Corefile) with O(corefile_name).
    type: str
  content:
    description:
      - All of the key's text, in place of edits. A text that somebody else has put there is not replaced.
    type: str
  plugins:
    description:
      - Plugins of the server block C(.:53), for a key C(NAME.override). Each is the text of one plugin as it stands in
        a Corefile, over several lines if need be.
      - Of the other edits such a key takes O(hosts), O(forward), O(cache), O(log) and O(errors).
    type: list
    elements: str

author:
  - The kubenode.network contributors (@kubenode)
"""

EXAMPLES = r"""
- name: A stub domain on AKS or k3s
  kubenode.network.coredns_extra_config:
    flavor: coredns-custom
    key: corp.server
    owner: site
    stub_domains:
      - zone: corp.example.com
        servers: [10.0.0.53, 10.0.0.54]
    test_names:
      - kubernetes.default.svc.cluster.local
    test_from: port_forward
  delegate_to: localhost

- name: Log and rewrite in the server block of everything else there
  kubenode.network.coredns_extra_config:
    flavor: coredns-custom
    key: site.override
    owner: site
    log:
      - server: .
        enabled: true
    plugins:
      - rewrite name exact www.example.com web.default.svc.cluster.local

- name: A ConfigMap that the cluster's Corefile imports
  kubenode.network.coredns_extra_config:
    flavor: extra-configs
    name: coredns-extra-configs
    key: Corefile
    owner: site
    purge: none
    snippets:
      - name: quiet
        plugins: [errors]
    servers:
      - zones: [lab.example.com]
        plugins: [import quiet, forward . 10.0.0.53]
    hosts:
      - server: lab.example.com
        address: 10.0.0.80
        names: [registry.lab.example.com]
    forward:
      - server: lab.example.com
        servers: [10.0.0.53, 10.0.0.54]
    cache:
      - server: lab.example.com
        ttl: 60
    errors:
      - server: lab.example.com
        enabled: true
    known_plugins: [unbound]
    coredns_version: 1.11.3
    on_owner: fail
    validate: pod
    wait_timeout: 300
    touch_pods: true

- name: The same for NodeLocal DNSCache, before its pods mount it
  kubenode.network.coredns_extra_config:
    server: node-cache
    corefile_name: node-local-dns
    corefile_key: Corefile
    namespace: kube-system
    content: |
      corp.example.com {
          import common
          forward . 10.0.0.53
      }
    wait: false

- name: Of two DNS servers of a cluster, the one that this Service leads to; back to a text that was replaced
  kubenode.network.coredns_extra_config:
    service: rke2-coredns-rke2-coredns
    restore: 3

- name: Take a write back that a later task found wrong
  kubenode.network.coredns_extra_config:
    undo: "{{ written.undo }}"

- name: Take everything back that this collection added to a key
  kubenode.network.coredns_extra_config:
    flavor: coredns-custom
    key: corp.server
    state: absent
"""

RETURN = r"""
changes:
  description: What was changed, a sentence each.
  returned: success
  type: list
  elements: str
  sample: ["added server block corp.example.com:53"]
config_map:
  description: Where the text is.
  returned: success
  type: dict
  sample: {"namespace": "kube-system", "name": "coredns-custom", "key": "corp.server"}
imported_by:
  description:
    - The ConfigMap with the Corefile that is to import it, the files that this would be in the pods (C(paths)), and
      whether it does (C(imported)).
  returned: success
  type: dict
  sample:
    namespace: kube-system
    name: coredns
    key: Corefile
    paths: [/etc/coredns/custom/corp.server]
    imported: true
resource_version:
  description: Version of the ConfigMap after the run; empty where there is none.
  returned: success
  type: str
sha256:
  description: SHA-256 of the text.
  returned: success
  type: str
attempts:
  description: Writes that were tried, more than one where others wrote meanwhile.
  returned: success
  type: int
findings:
  description: What lint says of the text, with file (in the pods), line, level, message and kind.
  returned: success, and where it refuses the text
  type: list
  elements: dict
validation:
  description: The pod that tried the text (its name, node and image) and the seconds after which it was ready.
  returned: O(validate=pod) and a change, outside check mode
  type: dict
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
  returned: success
  type: int
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.kubenode.network.plugins.module_utils._kube.module import (
    EXTRA_EDITS,
    EXTRA_OPTIONS,
    run_extra_config,
)


def main() -> None:
    """Entry point of the module."""
    run_extra_config(
        AnsibleModule(
            argument_spec=EXTRA_OPTIONS,
            mutually_exclusive=[("corefile_name", "service")]
            + [("restore", "undo")]
            + [(back, option) for back in ("restore", "undo") for option in EXTRA_EDITS]
            + [("content", option) for option in EXTRA_EDITS[1:]],
            required_if=[("flavor", "coredns-custom", ["key"])],
            supports_check_mode=True,
        )
    )


if __name__ == "__main__":
    main()
