# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to this collection: it may change at any time.
"""What the modules that edit CoreDNS's configuration have alike."""

from __future__ import annotations


class ModuleDocFragment:
    """Edits, and how they are written, proved and put back."""

    DOCUMENTATION = r"""
options:
  owner:
    description:
      - Who declares these entries. Entries of other owners are left alone.
    type: str
    default: ""
  purge:
    description:
      - V(own) takes away what this owner declared earlier and no longer does, V(none) leaves it.
    type: str
    choices: [own, none]
    default: own
  state:
    description:
      - V(absent) takes back every entry of the owner that nobody has edited since, of all owners with an empty
        O(owner).
    type: str
    choices: [present, absent]
    default: present
  restore:
    description:
      - Number of a revision to go back to, as the error about one that is not kept lists them. Nothing else is edited
        then.
    type: int
  undo:
    description:
      - RV(undo) of an earlier run, whose write is taken back with what was recorded of it, unless somebody edited the
        text since. For what only a later task can find wrong. Nothing else is edited then.
    type: dict
  stub_domains:
    description:
      - Zones that other servers answer for. Each gets a server block of its own with a forward to them.
      - Keys are C(zone), C(servers) (addresses), and if wanted C(port) (53), C(options) (of plugin forward), C(cache)
        (seconds, 30; 0 for none), C(errors) (true), C(log) (false), C(bind) (addresses).
    type: list
    elements: dict
  hosts:
    description:
      - Names with fixed addresses, served by plugin hosts, which passes all others on.
      - Keys are C(address), C(names) and C(server) (the server block, V(.) unless told).
    type: list
    elements: dict
  forward:
    description:
      - Where a server block sends what it does not know itself.
      - Keys are C(server), C(zone), C(servers) and C(options) of plugin forward.
    type: list
    elements: dict
  cache:
    description:
      - Plugin cache of a server block. Keys are C(server), C(enabled), C(ttl) (seconds), C(zones), C(options).
    type: list
    elements: dict
  log:
    description:
      - Plugin log of a server block. Keys are C(server), C(enabled), C(zones), C(classes).
    type: list
    elements: dict
  errors:
    description:
      - Plugin errors of a server block. Keys are C(server), C(enabled), C(options).
    type: list
    elements: dict
  servers:
    description:
      - Whole server blocks, or plugins of one that is there. Keys are C(zones) and C(plugins), each the text of one
        plugin as it stands in a Corefile, over several lines if need be.
    type: list
    elements: dict
  snippets:
    description:
      - Snippets for C(import). Keys are C(name) and C(plugins).
    type: list
    elements: dict
  known_plugins:
    description:
      - Plugins that a custom build of CoreDNS has beyond those of its release. Those of the present text are known.
    type: list
    elements: str
    default: []
  coredns_version:
    description:
      - Version of CoreDNS, as V(1.11.3), for what its release does not know yet. Plugins of every release pass unless
        told.
    type: str
    default: ""
  on_owner:
    description:
      - What to do where something puts its own text back after every edit (k3s, Helm, Argo CD, an operator ...).
        V(fail)
        tells its own way, V(force) edits all the same.
    type: str
    choices: [fail, force]
    default: fail
  validate:
    description:
      - How a text is looked at before it is written. V(lint) reads it as CoreDNS would, and refuses what that would
        refuse, as far as a text can tell.
      - V(pod) then starts a throw-away pod on it, with image, arguments, mounts, environment, limits and service
        account of the live pods, on a node where those may run. It has to get ready and stay so for two seconds. Where
        it does not start, the error has CoreDNS's own words, and nothing was written. It has no label that a Service or
        a workload selects by, no port of a node and no priority, and is deleted in any case. One that a run could not
        delete ends itself after O(wait_timeout) seconds, and the next run deletes it.
      - Where such a pod cannot run (no right to make it, a quota, PodSecurity, no node that takes it), that is an error
        before anything is written. A CoreDNS in the network of its node, whose Corefile has plugin bind, cannot be
        tried like this.
      - In check mode no pod is started; a warning says so, and whether the API server would take it.
    type: str
    choices: [lint, pod]
    default: lint
  wait:
    description:
      - Whether to wait until every pod has loaded the text, and to put the old one back otherwise.
    type: bool
    default: true
  wait_timeout:
    description:
      - Seconds to wait, and before that for the pod of O(validate=pod). A kubelet brings a changed ConfigMap within a
        minute or two, then plugin reload has its interval.
    type: int
    default: 180
  touch_pods:
    description:
      - Whether to annotate the pods after the write, so that their kubelets bring them the text at once. It needs the
        right to patch pods, and has no part in the proof. Without that right a warning says so.
    type: bool
    default: false
  test_names:
    description:
      - Names that must go on resolving. One that resolved before the change and does not after it puts the old text
        back. Where no pod gives any answer before the change, nothing is changed.
    type: list
    elements: str
    default: []
  test_from:
    description:
      - From where O(test_names) are asked. V(here) asks each pod at its address, over UDP and TCP; V(port_forward) over
        TCP through the API server; V(auto) the first of these that gets an answer.
    type: str
    choices: [auto, here, port_forward]
    default: auto
"""
