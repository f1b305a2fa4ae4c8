# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to this collection: it may change at any time.
"""The document that `network_state` takes: NMState's desired state in this collection's words."""

from __future__ import annotations

from textwrap import indent

from ansible_collections.kubenode.network.plugins.doc_fragments._interfaces import interfaces
from ansible_collections.kubenode.network.plugins.doc_fragments._resolver import resolver
from ansible_collections.kubenode.network.plugins.doc_fragments._routes import routes
from ansible_collections.kubenode.network.plugins.doc_fragments._rules import rules

# NMState's bridge differs in its ports, which are mappings, and in the place of the spanning tree's options.
BRIDGE = r"""bridge:
  description: What makes a bridge. What is left out keeps the kernel's value.
  type: dict
  suboptions:
    port:
      description: The bridge's ports. Others are released.
      type: list
      elements: dict
      suboptions:
        name:
          description: Name of the port.
          type: str
          required: true
    options:
      description: Options of the bridge.
      type: dict
      suboptions:
        stp:
          description: The spanning tree protocol.
          type: dict
          suboptions:
            enabled:
              description: Whether it runs.
              type: bool
            priority:
              description: The bridge's priority, 0 to 65535.
              type: int
            forward-delay:
              description: Seconds, 2 to 30.
              type: int
            hello-time:
              description: Seconds, 1 to 10.
              type: int
            max-age:
              description: Seconds, 6 to 40.
              type: int
        mac-ageing-time:
          description: Seconds after which an address that is not seen is forgotten, 0 to 1000000.
          type: int
        multicast-snooping:
          description: Whether multicast goes only to the ports that asked for it.
          type: bool
"""


def document_interfaces(path: str, depth: int) -> str:
    """The entry of `interfaces` in the words of a document."""
    text = interfaces(path, 0)
    start, end = text.index("\nbridge:") + 1, text.index("\nvrf:") + 1
    text = text[:start] + BRIDGE + text[end:]
    text = text.replace("\nbond:\n", "\nlink-aggregation:\n  aliases: [bond]\n")
    text = text.replace("\nmacvlan:\n", "\nmac-vlan:\n").replace("  aliases: [mac-vlan]\n", "  aliases: [macvlan]\n")
    text = text.replace("Left out, it stays as it is.", "Left out, it is V(up), as in NMState.")
    text = text.replace("choices: [up, down, absent]", "choices: [up, down, absent, ignore]")
    return indent(text, " " * depth)


# Annotated, as ansible-test's yamllint takes each plain assignment of the class for one literal.
class ModuleDocFragment:
    """Option `desired_state`."""

    DOCUMENTATION: str = (
        r"""
options:
  desired_state:
    description:
      - A desired state as in the C(desiredState) of a NodeNetworkConfigurationPolicy, or one whole policy.
      - Of a whole policy C(metadata.name) is the owner of what it declares, and C(spec.nodeSelector) is compared with
        O(node_labels).
      - One of O(desired_state), O(policies) and O(src) is given, or none of them where only what stands beside a
        document is declared.
      - A key that is not known here is an error that names it.
    type: dict
    suboptions:
      interfaces:
        description: Interfaces. Those that are not listed are left as they are.
        type: list
        elements: dict
        suboptions:
"""
        + document_interfaces("desired_state.interfaces", 10)
        + r"""
      routes:
        description: Routes.
        type: dict
        suboptions:
          config:
            description: The static routes that shall be there, or not (C(state=absent)).
            type: list
            elements: dict
            suboptions:
"""
        + routes("desired_state.routes.config", 14)
        + r"""
      route-rules:
        description: Policy rules.
        type: dict
        aliases: [route_rules]
        suboptions:
          config:
            description: The rules that shall be there, or not (C(state=absent)).
            type: list
            elements: dict
            suboptions:
"""
        + rules("desired_state.route-rules.config", 14)
        + r"""
      dns-resolver:
        description: Resolver of the node.
        type: dict
        aliases: [dns_resolver]
        suboptions:
          config:
            description: What is written to the resolver's configuration. An empty mapping clears servers, search
              domains and options.
            type: dict
            suboptions:
"""
        + resolver(14).replace("servers:", "server:", 1)
    )
