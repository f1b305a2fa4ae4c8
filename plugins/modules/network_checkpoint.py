#!/usr/bin/python
# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: network_checkpoint

short_description: Have a node put itself back unless several tasks together are confirmed

version_added: 0.1.0

description:
  - Opens a checkpoint on the node. Unless it is committed in time, the node undoes by itself what was done since, also
    when the controller is gone, the module was killed, or Python is broken.
  - Modules of this collection become a part of it with their option
    O(kubenode.network.static_routes#module:checkpoint), and are undone precisely, the last one first. What other
    modules do is undone by O(restore_files) and O(undo_commands).
  - A node has one open checkpoint at a time. Modules that do not join it are refused meanwhile.
  - After a restart of the node in between only files are put back, before any manager of network interfaces starts.
    The kernel has forgotten the rest.
  - A single task needs no checkpoint. Every module of this collection that changes something is such a transaction of
    its own.
options:
  state:
    description:
      - V(create) opens a checkpoint, and returns its RV(id).
      - V(extend) has the deadline counted from now on.
      - V(commit) keeps all that was done. It comes over a new connection, waits for tasks that are not through, and
        asks the probes.
      - V(rollback) undoes it at once.
      - V(list) shows the open transactions of the node and the latest that ended, single changes among them.
    type: str
    choices:
      - create
      - extend
      - commit
      - rollback
      - list
    required: true
  id:
    description:
      - Id of the checkpoint to extend, to commit or to roll back.
    type: str
  rollback_timeout:
    description:
      - Seconds until the node puts itself back, from 5 to 86400, for O(state=create) and O(state=extend). It must be
        more than the timeouts of all O(probes) together.
      - 120 unless told. Extended, as many as before.
    type: int
  restore_files:
    description:
      - Files of which O(state=create) makes copies. Undone, they are again what they were, whoever has changed them
        since. One that is not there yet is removed.
    type: list
    elements: path
  undo_commands:
    description:
      - Lines for C(/bin/sh), run when the checkpoint is undone, after O(restore_files) are back. They are run as root
        and have 60 seconds each.
      - After a restart of the node they are not run.
    type: list
    elements: str
extends_documentation_fragment:
  - kubenode.network._confirm.probes
  - kubenode.network._attributes.checkpoint

seealso:
  - module: kubenode.network.network_state
    description: A whole worker in one change, which needs no checkpoint.

author:
  - The kubenode.network contributors (@kubenode)
"""

EXAMPLES = r"""
- name: Several changes that are kept together or not at all
  block:
    - name: Open a checkpoint
      kubenode.network.network_checkpoint:
        state: create
        rollback_timeout: 180
        restore_files:
          - /etc/chrony/chrony.conf
        undo_commands:
          - systemctl restart chrony
        probes:
          - type: gateway
          - type: tcp
            address: 10.200.0.10
            port: 2049
      register: checkpoint

    - name: Routes to the storage network
      kubenode.network.static_routes:
        checkpoint: "{{ checkpoint.id }}"
        owner: storage
        routes:
          - destination: 10.200.0.0/16
            next_hop_address: 10.100.0.1
            next_hop_interface: ens224
            metric: 100

    - name: A file of another module
      ansible.builtin.copy:
        src: chrony.conf
        dest: /etc/chrony/chrony.conf
        mode: "0644"
      notify: Restart chrony

    - name: Handlers count too
      ansible.builtin.meta: flush_handlers

    - name: Keep it all
      kubenode.network.network_checkpoint:
        state: commit
        id: "{{ checkpoint.id }}"
  rescue:
    - name: Undo it all, without waiting for the deadline
      kubenode.network.network_checkpoint:
        state: rollback
        id: "{{ checkpoint.id }}"
      when: checkpoint.id is defined

- name: Ten minutes more for somebody to look at it
  kubenode.network.network_checkpoint:
    state: extend
    id: "{{ checkpoint.id }}"
    rollback_timeout: 600

- name: Which changes wait for their confirmation, and how did the last ones end?
  kubenode.network.network_checkpoint:
    state: list
"""

RETURN = r"""
id:
  description: Id of the checkpoint, for the option C(checkpoint) of other modules and for O(id).
  type: str
  returned: with O(state=create) and O(state=extend)
  sample: 20261122-161500-4be0f3
transaction:
  description: The same with the time that is left.
  type: dict
  returned: but with O(state=list)
  contains:
    id:
      description: The id.
      type: str
      returned: success
    seconds_left:
      description: Seconds until the node puts itself back.
      type: int
      returned: with O(state=create) and O(state=extend)
    rollback_timeout:
      description: Seconds that were given.
      type: int
      returned: with O(state=create) and O(state=extend)
  sample:
    id: 20261122-161500-4be0f3
    seconds_left: 119
    rollback_timeout: 120
probes:
  description: What was asked before it was kept, as in the other modules.
  type: list
  elements: dict
  returned: with O(state=commit), where the checkpoint has O(probes)
rolled_back:
  description: Whether the node is again as it was before. V(false) says that something is left, see RV(left).
  type: bool
  returned: with O(state=rollback), and when a commit failed
left:
  description: What could not be put back.
  type: list
  elements: str
  returned: when RV(rolled_back) is V(false)
transactions:
  description: The open transactions and the latest that ended, the oldest first.
  type: list
  elements: dict
  returned: with O(state=list)
  contains:
    id:
      description: Its id.
      type: str
      returned: success
    kind:
      description: V(checkpoint), or V(change) of a single task.
      type: str
      returned: success
    state:
      description: V(open), V(rolling_back), V(committed) or V(rolled_back).
      type: str
      returned: success
    module:
      description: What has opened it.
      type: str
      returned: success
    owner:
      description: The owner that the module was run for.
      type: str
      returned: success
    started:
      description: When, in UTC.
      type: str
      returned: success
    rollback_timeout:
      description: Seconds that were given.
      type: int
      returned: success
    seconds_left:
      description: Seconds until the node puts itself back.
      type: int
      returned: when it is open
    plan:
      description: What was done, one line each.
      type: list
      elements: str
      returned: success
    messages:
      description: What the way back had to say.
      type: list
      elements: str
      returned: when it was undone
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.kubenode.network.plugins.module_utils._argument_spec import ARGUMENT_SPECS
from ansible_collections.kubenode.network.plugins.module_utils._engine import start


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENT_SPECS["network_checkpoint"], supports_check_mode=True)
    start(module, "network_checkpoint")


if __name__ == "__main__":
    main()
