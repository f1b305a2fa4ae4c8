# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to this collection: it may change at any time.
"""Questions to the kernel's routing and what the answers must be."""

from __future__ import annotations

SUBOPTIONS = r"""
    suboptions:
      destination:
        description: Destination address of the packet.
        type: str
        required: true
      source:
        description: Source address of the packet. Left out the node chooses it, as for its own packets.
        type: str
      family:
        description: Address family. It must be that of the destination.
        type: str
        choices: [ipv4, ipv6]
      mark:
        description: Firewall mark of the packet, as a number or as C(0x10).
        type: raw
      iif:
        description: Interface the packet came in through, for packets that are forwarded. Needs O(paths[].source).
        type: str
      oif:
        description: Interface that the sending socket is bound to.
        type: str
      uid:
        description: User id of the sending process.
        type: int
      tos:
        description: Type of service of the packet.
        type: int
      ip_protocol:
        description: Protocol above IP, by its number or by a name such as V(tcp).
        type: raw
      source_port:
        description: Source port. Needs O(paths[].ip_protocol).
        type: int
      destination_port:
        description: Destination port. Needs O(paths[].ip_protocol).
        type: int
      vrf:
        description: The VRF in which the question is asked.
        type: str
      expect:
        description:
          - What the answer must be. An answer that differs fails the task, and the message has the full answer.
        type: dict
        suboptions:
          gateway:
            description: Address of the gateway. The empty string means that the destination is on the link.
            type: str
          interface:
            description: The outgoing interface.
            type: str
          source:
            description: The source address that the kernel chooses.
            type: str
          table:
            description: Id or name of the routing table that has the answer.
            type: raw
          type:
            description: Kind of the route that answers, such as V(unicast), V(local), V(unreachable) or V(blackhole).
            type: str
          metric:
            description: Metric of the route that answers.
            type: int
          mtu:
            description: Path MTU in bytes.
            type: int
"""


# Annotated, as ansible-test's yamllint takes each plain assignment of the class for one literal.
class ModuleDocFragment:
    """Option `paths`: required, and in `checked_after` that of a module that changes the node first."""

    DOCUMENTATION: str = (
        r"""
options:
  paths:
    description: Questions to the kernel's routing, each for one packet. All are asked in one session.
    type: list
    elements: dict
    required: true"""
        + SUBOPTIONS
    )

    CHECKED_AFTER: str = (
        r"""
options:
  paths:
    description:
      - Questions to the kernel's routing that are asked once the change is made, each for one packet. The answers are
        in
        RV(ignore:evidence).
      - An expectation that is not met fails the task and undoes the change. They are not asked in check mode.
    type: list
    elements: dict"""
        + SUBOPTIONS
    )
