# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to this collection: it may change at any time.
"""The document that `network_state` takes: NMState's desired state in this collection's words."""

from __future__ import annotations

from ansible_collections.kubenode.network.plugins.doc_fragments._interfaces import interfaces
from ansible_collections.kubenode.network.plugins.doc_fragments._resolver import resolver
from ansible_collections.kubenode.network.plugins.doc_fragments._routes import routes
from ansible_collections.kubenode.network.plugins.doc_fragments._rules import rules


class ModuleDocFragment:
    """Option `desired_state`."""

    DOCUMENTATION = (
        r"""
options:
  desired_state:
    description:
      - A desired state as in the C(desiredState) of a NodeNetworkConfigurationPolicy, or one whole policy.
      - Of a whole policy C(metadata.name) is the owner of what it declares, and C(spec.nodeSelector) is compared with O(node_labels).
      - One of O(desired_state), O(policies) and O(src) is given, or none of them where only what stands beside a document is declared.
      - A key that is not known here is an error that names it.
    type: dict
    suboptions:
      interfaces:
        description: Interfaces. Those that are not listed are left as they are.
        type: list
        elements: dict
        suboptions:
"""
        + interfaces("desired_state.interfaces", 10)
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
            description: What is written to the resolver's configuration. An empty mapping clears servers, search domains and options.
            type: dict
            suboptions:
"""
        + resolver(14)
    )
