#!/usr/bin/python
# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: cluster_lease

short_description: Hold a Lease of the cluster, so that two runs never do the same work together

version_added: 0.1.0

description:
  - Takes, renews and gives back a Lease (C(coordination.k8s.io)), as Kubernetes' own controllers do to elect a leader.
    Two people, or two slices of an AWX job, never hold it at the same time.
  - Of two runs that find it free one gets it. The other one waits up to O(wait_timeout) and then fails, naming who
    holds it, since when and until when.
  - A run that ends without giving it back blocks others until O(duration) is over since it was last renewed. Then the
    next one takes it over. Time is what the API server's clock says, not that of the controllers.
  - A play with several steps renews it before each, by the same O(holder). One step must not take longer than
    O(duration).
extends_documentation_fragment:
  - kubenode.network._auth
  - kubenode.network._attributes.cluster_lease

options:
  state:
    description:
      - V(present) takes the lease, or renews it where O(holder) has it. V(absent) gives it back where O(holder) has it;
        the object stays, free.
    type: str
    choices: [present, absent]
    default: present
  name:
    description:
      - Name of the Lease. Runs that must not meet use the same one.
    type: str
    default: kubenode-network
  namespace:
    description:
      - Namespace of the Lease.
    type: str
    default: kube-system
  holder:
    description:
      - Who holds it, a name that no other run has. Made of user, host and a random part unless told; give the
        RV(lease.holder) of the first step in later ones.
    type: str
  duration:
    description:
      - Seconds that it is held without being renewed.
    type: int
    default: 600
  wait_timeout:
    description:
      - Seconds to wait while somebody else holds it; V(0) fails at once.
    type: int
    default: 60

author:
  - The kubenode.network contributors (@kubenode)
"""

EXAMPLES = r"""
- name: Work that nobody else may do at the same time
  delegate_to: localhost
  run_once: true
  block:
    - name: Hold the lease
      kubenode.network.cluster_lease:
        duration: 900
        wait_timeout: 300
      register: mine

    - name: Stub domains of the site
      kubenode.network.coredns_corefile:
        owner: site
        stub_domains:
          - zone: corp.example.com
            servers: [10.0.0.53]

    - name: Hold it on
      kubenode.network.cluster_lease:
        holder: "{{ mine.lease.holder }}"

    - name: More of it
      ansible.builtin.command: /usr/local/bin/more

  always:
    - name: Give the lease back
      kubenode.network.cluster_lease:
        state: absent
        holder: "{{ mine.lease.holder }}"
      when: mine is succeeded

- name: A lease of one's own
  kubenode.network.cluster_lease:
    name: site-maintenance
    namespace: default
    holder: night shift
    duration: 3600

- name: Give it back
  kubenode.network.cluster_lease:
    state: absent
    name: site-maintenance
    namespace: default
    holder: night shift
"""

RETURN = r"""
lease:
  description: The Lease after the run, or as it would be in check mode.
  returned: success, and where somebody else holds it
  type: dict
  contains:
    holder:
      description: Who holds it; empty where it is free.
      type: str
      returned: success
      sample: admin@controller/1f0c9a3e
    acquired:
      description: Since when, in UTC.
      type: str
      returned: success
    renewed:
      description: When it was last renewed, in UTC.
      type: str
      returned: success
    until:
      description: When it runs out unless it is renewed, in UTC; empty where it is free.
      type: str
      returned: success
    transitions:
      description: How often it went from one holder to another.
      type: int
      returned: success
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.kubenode.network.plugins.module_utils._kube.module_lease import LEASE_OPTIONS, run_lease


def main() -> None:
    """Entry point of the module."""
    run_lease(AnsibleModule(argument_spec=LEASE_OPTIONS, supports_check_mode=True))


if __name__ == "__main__":
    main()
