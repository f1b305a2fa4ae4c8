# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to this collection: it may change at any time.
"""What the modules that change a node's network have in common."""

from __future__ import annotations


class ModuleDocFragment:
    """Protection and conflicts; `owner` for every module that changes a node."""

    OWNER = r"""
options:
  owner:
    description:
      - Name under which the declared objects are recorded on the node, in C(/var/lib/kubenode-network/owned.json).
      - An object may have several owners. It is removed when the last of them no longer declares it, and only if this
        collection made it. What was there before is recorded too, but stays.
      - Without an owner nothing is ever removed that is not named as absent or cleared by an empty list.
      - Letters, digits, C(-), C(_) and C(.), starting with a letter or digit.
    type: str
notes:
  - Needs root on the node.
"""

    DOCUMENTATION = r"""
options:
  protect:
    description:
      - Networks (CIDRs) whose path must not change. A plan that would take over a part of one is refused before
        anything is touched.
      - The path to the controller, the path to the API server and the default route in use are always protected.
    type: list
    elements: str
    default: []
  on_conflict:
    description:
      - What to do when an object that an operator made (by hand, by a script, or by a manager's profile) has the same
        identity as a declared one, but other content.
      - V(fail) reports both and changes nothing.
      - V(replace) puts the declared object in its place.
      - Objects of others (routing daemons, container networks, DHCP, the kernel itself) are never replaced.
    type: str
    choices:
      - fail
      - replace
    default: fail
  allow_default_override:
    description:
      - Allow the change to move a protected path, such as the default route in use or the path to the controller.
    type: bool
    default: false
  persist:
    description:
      - Whether what is set also comes back after a reboot, by the configuration of whatever manages the NIC
        (NetworkManager, systemd-networkd, netplan, ifupdown), or by units of this collection where nothing does.
      - With V(false) it holds in the kernel until the node reboots.
    type: bool
    default: true
  networkd_keep_foreign:
    description:
      - Whether systemd-networkd is told to leave alone the routes and rules that it did not make. It removes them
        otherwise, among them those of container networks and what it cannot express itself. The setting is the node's,
        and takes effect by a restart of networkd within the change.
      - V(auto) sets it where the change needs it, and shows that in the plan.
      - V(yes) sets it wherever networkd manages a NIC that is concerned, V(no) never.
    type: str
    choices:
      - auto
      - 'yes'
      - 'no'
    default: auto
notes:
  - VLANs, bonds, bridges, VRFs, macvlans and dummies are made through C(pyroute2), which must be installed on the node
    in that case. Everything else needs nothing but Python 3.9.
  - DHCP and the DNS servers of a single NIC need a manager of that NIC.
"""
