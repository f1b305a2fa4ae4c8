# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to this collection: it may change at any time.
"""Resolver options, hosts entries and look-up order."""

from __future__ import annotations

from textwrap import indent

RESOLVER = r"""
servers:
  description:
    - Name servers in the order in which they are asked. A link-local address carries its interface, C(fe80::1%ens192).
    - Left out they stay as they are, an empty list clears them. More than three are written, with a warning, as
      resolvers ignore the rest.
  type: list
  elements: str
search:
  description:
    - Domains to search for names. Left out they stay as they are, an empty list clears them.
    - More than 6 domains, or more than 256 characters, give a warning, as old resolvers cut them off.
  type: list
  elements: str
options:
  description:
    - Options of the resolver as in C(resolv.conf), such as C(ndots:2), C(timeout:1), C(attempts:2), C(rotate) or
      C(edns0). Left out they stay as they are, an empty list clears them.
  type: list
  elements: str
"""

INTERFACE = r"""
interface:
  description:
    - Tells the manager of this interface of O(servers) and O(search), instead of the whole node. It keeps them with the
      interface and takes them away with it.
    - It takes an interface that NetworkManager, systemd-networkd, netplan or ifupdown manages. O(options) for one
      interface are known to NetworkManager only.
  type: str
"""

FILES = r"""
hosts:
  description:
    - Lines for C(/etc/hosts). They stand in a block of their own, the rest of the file is not touched.
    - Left out they stay as they are. An empty list removes those of O(owner).
  type: list
  elements: dict
  suboptions:
    address:
      description: IPv4 or IPv6 address.
      type: str
      required: true
    names:
      description: The names of that address, the canonical one first.
      type: list
      elements: str
      required: true
nsswitch_hosts:
  description:
    - Sources of host names in their order, the C(hosts) line of C(/etc/nsswitch.conf), such as V(files) and V(dns),
      with actions such as V([NOTFOUND=return]) between them. Left out the line stays as it is.
  type: list
  elements: str
"""


def resolver(depth: int) -> str:
    """The documentation of servers, search and options, indented by ``depth``."""
    return indent(RESOLVER, " " * depth)


# Annotated, as ansible-test's yamllint takes each plain assignment of the class for one literal.
class ModuleDocFragment:
    """Options `servers`, `search`, `options`; in `nic` an interface's, in `files` /etc/hosts and nsswitch.conf."""

    DOCUMENTATION: str = "options:\n" + resolver(2)
    NIC: str = "options:\n" + indent(INTERFACE, "  ")
    FILES: str = "options:\n" + indent(FILES, "  ")
