# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to this collection: it may change at any time.
"""How a change is confirmed, and what must work afterwards."""

from __future__ import annotations


class ModuleDocFragment:
    """The options about keeping a change."""

    DOCUMENTATION = r"""
options:
  confirm:
    description:
      - Who must confirm a change for it to be kept. Before the first step the node writes down the way back and arms a
        watchdog, and without a confirmation within O(rollback_timeout) it puts itself back, whatever has become of the
        controller.
      - With V(controller) the node changes itself while no connection is open. The controller then connects anew, asks
        for O(probes) and confirms. This is a second execution of a module, and only a change costs it.
      - With V(node) the node's own O(probes) suffice.
      - V(none) keeps the change at once, for building images. What fails on the way is still undone.
      - V(auto) is V(node) over the connection V(ansible.builtin.local#connection), and V(controller) over all others.
    type: str
    choices:
      - auto
      - controller
      - node
      - none
    default: auto
  confirm_host:
    description:
      - Address or name under which the controller connects for the confirmation, for a change of the address that it
        manages the node by. Unless told it connects as before.
      - Needs O(confirm=controller), and a connection that leads to a host over the network.
    type: str
  rollback_timeout:
    description:
      - Seconds until the node puts itself back if nobody confirms, from 5 to 86400. It must be more than the timeouts
        of all O(probes), and with O(confirm=controller) than those and the timeout of one connection together.
      - 60 unless told, 120 when links or DHCP change.
    type: int
  checkpoint:
    description:
      - Id of a checkpoint that M(kubenode.network.network_checkpoint) opened. The change becomes a part of it, and is
        kept or taken back with it.
      - The checkpoint's deadline is the one that counts, so O(rollback_timeout) is not given beside it.
    type: str
  probes:
    description:
      - What must work for a change to be kept. Each is tried before the change, and one that failed then cannot block.
        Afterwards they are repeated until all have passed or the time is up.
      - Unless told, every default gateway that answered before, and DNS if it worked before. A list takes their place,
        an empty one asks for nothing.
    type: list
    elements: dict
    suboptions:
      type:
        description:
          - V(gateway) is an ICMP echo, and for a gateway that does not answer any the resolution of its link-layer
            address. Without O(probes[].address) it is every default gateway that answered before, those which have
            taken their place in the main table, and that at least one is left.
          - V(dns) is an answer from O(probes[].server), or else from one of the node's name servers. With
            O(probes[].name) that name must exist.
          - V(tcp) is a connection to O(probes[].address) and O(probes[].port).
          - V(http) is an answer to a GET of O(probes[].url), without a proxy.
          - V(route_get) is a question to the kernel's routing, as M(kubenode.network.route_get_info) asks it.
          - V(command) is a program of yours that ends with 0.
          - V(api_server) is an HTTPS answer, whatever its status, from one of the servers in the kubelet's
            configuration.
        type: str
        choices: [gateway, dns, tcp, http, route_get, command, api_server]
        required: true
      timeout:
        description:
          - Seconds that one attempt may take, from 1 to 600. Unless told 2 for V(gateway), 3 for V(dns) and V(tcp), 5
            for V(http) and V(api_server), 1 for V(route_get), 10 for V(command).
        type: int
      required:
        description:
          - Whether it must pass even if it failed before the change, such as a probe of what the change shall bring
            about. V(false) unless told.
        type: bool
      address:
        description: Address to reach with V(gateway) and V(tcp).
        type: str
      interface:
        description: Interface through which V(gateway) asks. A link-local address needs it.
        type: str
      name:
        description: Name that V(dns) looks up, with its dots to the end; no search domain is tried.
        type: str
      server:
        description: Name server that V(dns) asks in place of the node's own ones.
        type: str
      port:
        description: Port of V(tcp), and of O(probes[].server), for which it is 53 unless told.
        type: int
      transport:
        description: How V(dns) asks, V(udp) unless told.
        type: str
        choices: [udp, tcp]
      url:
        description: What V(http) gets. Redirections are not followed.
        type: str
      status:
        description: HTTP status or list of them that V(http) takes for success. Unless told each from 200 to 399.
        type: raw
      validate_certs:
        description: Whether V(http) checks the server's certificate, V(true) unless told.
        type: bool
      argv:
        description: Program of V(command), by its absolute path, with its arguments. No shell is involved.
        type: list
        elements: str
      destination:
        description: Destination address of the packet that V(route_get) asks for.
        type: str
      source:
        description: Source address of the packet for V(route_get), and of the connection for V(tcp).
        type: str
      family:
        description: Address family, for V(route_get). It must be that of the destination.
        type: str
        choices: [ipv4, ipv6]
      mark:
        description: Firewall mark of the packet, for V(route_get).
        type: raw
      iif:
        description: Interface the packet came in through, for V(route_get). Needs O(probes[].source).
        type: str
      oif:
        description: Interface that the sending socket is bound to, for V(route_get).
        type: str
      uid:
        description: User id of the sending process, for V(route_get).
        type: int
      tos:
        description: Type of service of the packet, for V(route_get).
        type: int
      ip_protocol:
        description: Protocol above IP, for V(route_get).
        type: raw
      source_port:
        description: Source port, for V(route_get).
        type: int
      destination_port:
        description: Destination port, for V(route_get).
        type: int
      vrf:
        description: The VRF in which V(route_get) asks.
        type: str
      expect:
        description: What the answer to V(route_get) must be, as in M(kubenode.network.route_get_info).
        type: dict
"""

    # The same options where nothing else of this fragment is there.
    PROBES: str = "options:\n" + DOCUMENTATION[DOCUMENTATION.index("  probes:\n") :]
