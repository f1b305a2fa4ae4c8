# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to this collection: it may change at any time.
"""The entry of a list of routes: a module's option and a part of a document."""

from __future__ import annotations

from textwrap import indent

# `{list}` is the path of the list that the entry stands in.
ROUTE = r"""
destination:
  description:
    - The network the route leads to, as a CIDR or a single address. V(default) where a next hop tells the family.
    - Host bits are masked, with a warning. Required unless O({list}[].state=absent).
  type: str
next_hop_address:
  description:
    - Address of the gateway. It must be on the link of the next hop's interface unless O({list}[].on_link=true).
    - With O({list}[].state=absent) the empty string means routes without a gateway.
  type: str
  aliases: [next-hop-address]
next_hop_interface:
  description:
    - The interface the route leaves through. It may be left out where the gateway's network tells it.
  type: str
  aliases: [next-hop-interface]
next_hops:
  description: Several next hops, for a multipath (ECMP) route, in place of the options of one next hop.
  type: list
  elements: dict
  aliases: [next-hops]
  suboptions:
    next_hop_address:
      description: Address of the gateway.
      type: str
      aliases: [next-hop-address]
    next_hop_interface:
      description: The interface the next hop is reached through.
      type: str
      aliases: [next-hop-interface]
    weight:
      description: Share of the traffic, 1 to 256, relative to the other next hops.
      type: int
      default: 1
    on_link:
      description: Take the gateway for reachable, although no network of the interface contains it.
      type: bool
      default: false
      aliases: [on-link]
metric:
  description:
    - The lower metric wins. Left out or V(-1) it is the kernel's default, 0 for IPv4 and 1024 for IPv6.
    - The metric is a part of what a route is. Another metric is another route.
  type: int
table:
  description:
    - Id (1 to 4294967295) or name of the routing table. Left out or V(0) it is the main table, or that of the VRF
      which the next hop's
      interface belongs to.
    - With O({list}[].state=absent) left out means any table.
  type: raw
  aliases: [table-id, table_id]
type:
  description: Kind of the route. Other kinds than V(unicast) have no next hop, packets that match are dropped or
    refused.
  type: str
  choices: [unicast, blackhole, unreachable, prohibit]
  aliases: [route-type, route_type]
source:
  description: Source address that the node's own packets get where they have none yet. It must be an address of the
    node.
  type: str
mtu:
  description: Path MTU of the route in bytes, 68 to 65520, with IPv6 at least 1280.
  type: int
cwnd:
  description: Limit of TCP's congestion window, in segments.
  type: int
tos:
  description: Type of service that packets must have, a multiple of 4, IPv4 only.
  type: int
on_link:
  description: Take the gateway for reachable, although no network of the interface contains it.
  type: bool
  default: false
  aliases: [on-link]
weight:
  description:
    - Entries of one destination, metric and table that have a weight join to one multipath route, as in NMState. From
      1 to 256.
  type: int
state:
  description:
    - V(present) makes the route, or changes the one of the same destination, table and metric.
    - V(absent) removes every route that matches all fields given. A field left out matches anything.
    - A match that belongs to others (kernel, DHCP, router advertisements, routing daemons, container networks) is an
      error that names it
      and its owner.
  type: str
  choices: [present, absent]
  default: present
"""


def routes(path: str, depth: int) -> str:
    """The entry's documentation for a list at ``path``, indented by ``depth``."""
    return indent(ROUTE.replace("{list}", path), " " * depth)


# Annotated, as ansible-test's yamllint takes each plain assignment of the class for one literal.
class ModuleDocFragment:
    """Option `routes`."""

    DOCUMENTATION: str = r"""
options:
  routes:
    description: Routes, IPv4 and IPv6. All of them are one change, give them in one list rather than in a loop of
      tasks.
    type: list
    elements: dict
    required: true
    suboptions:
""" + routes("routes", 6)
