# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to this collection: it may change at any time.
"""The entry of a list of policy rules: a module's option and a part of a document."""

from __future__ import annotations

from textwrap import indent

# `{list}` is the path of the list that the entry stands in.
RULE = r"""
from:
  description:
    - Network of the packet's source address, as a CIDR or a single address. Host bits are masked, with a warning.
    - With O({list}[].state=absent) the empty string means rules without a source.
  type: str
  aliases: [ip-from, ip_from]
to:
  description:
    - Network of the packet's destination address, as a CIDR or a single address. Host bits are masked, with a warning.
    - With O({list}[].state=absent) the empty string means rules without a destination.
  type: str
  aliases: [ip-to, ip_to]
priority:
  description:
    - Rules are asked in the order of their priorities, 1 to 32765 before the main table.
    - Left out or V(-1) an equal rule of ours keeps its priority, else the first free one of 30000 to 30999 is taken.
  type: int
table:
  description: Id or name of the routing table to look up. Left out it is the main table.
  type: raw
  aliases: [route-table, route_table]
fwmark:
  description: Firewall mark of the packet, as a number, C(0x10) or C(0x10/0xff).
  type: raw
fwmask:
  description: The bits of the mark that are compared. Left out it is all of them.
  type: raw
iif:
  description: Interface that the packet came in through. V(lo) stands for the node's own packets.
  type: str
oif:
  description: Interface that the sending socket is bound to.
  type: str
tos:
  description: Type of service of the packet, a multiple of 4, with IPv4 at most 28.
  type: int
ip_protocol:
  description: Protocol above IP, by its number or by a name such as V(tcp).
  type: raw
  aliases: [ip-protocol]
source_ports:
  description: Source port or range of ports, C(80) or C(1000-2000), within 1 to 65534.
  type: raw
  aliases: [source-ports]
destination_ports:
  description: Destination port or range of ports, C(80) or C(1000-2000), within 1 to 65534.
  type: raw
  aliases: [destination-ports]
uid_range:
  description: User id or range of user ids whose sockets send the packet, C(1000) or C(1000-1999).
  type: raw
  aliases: [uid-range]
invert:
  description: Whether the rule holds for packets that do not match its selectors.
  type: bool
  default: false
action:
  description: What to do with a packet that matches. V(lookup) looks into O({list}[].table), the others drop or refuse
    it.
  type: str
  choices: [lookup, blackhole, unreachable, prohibit]
suppress_prefix_length:
  description:
    - Ignore an answer of the table whose prefix is not longer than this. V(0) ignores its default route.
  type: int
  aliases: [suppress-prefix-length, suppress_prefixlength]
family:
  description:
    - Address family, where neither O({list}[].from) nor O({list}[].to) tells it. A rule with neither is IPv4.
  type: str
  choices: [ipv4, ipv6]
state:
  description:
    - V(present) makes the rule, or changes the table and action of the one with the same selectors and priority.
    - V(absent) removes every rule that matches all fields given. A field left out matches anything.
    - A match that belongs to others is an error that names it. The kernel's own rules 0, 32766 and 32767 are never
      considered.
  type: str
  choices: [present, absent]
  default: present
"""


def rules(path: str, depth: int) -> str:
    """The entry's documentation for a list at ``path``, indented by ``depth``."""
    return indent(RULE.replace("{list}", path), " " * depth)


# Annotated, as ansible-test's yamllint takes each plain assignment of the class for one literal.
class ModuleDocFragment:
    """Option `rules`."""

    DOCUMENTATION: str = r"""
options:
  rules:
    description: Policy rules, IPv4 and IPv6.
    type: list
    elements: dict
    required: true
    suboptions:
""" + rules("rules", 6)
