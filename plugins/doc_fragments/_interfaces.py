# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to this collection: it may change at any time.
"""The entry of a list of interfaces: a module's option and a part of a document."""

from __future__ import annotations

from textwrap import indent

# `{list}` is the path of the list that the entry stands in.
INTERFACE = r"""
name:
  description:
    - Name of the interface, or one of its alternative names.
    - With O({list}[].identifier=mac-address) it is a name for this entry, of any length, that routes and rules of the
      same task may use.
  type: str
  required: true
identifier:
  description:
    - How the interface is found. V(name) by its name, V(mac-address) by O({list}[].mac_address), as names differ
      between machines.
  type: str
  choices: [name, mac-address]
  default: name
mac_address:
  description:
    - The MAC address to find the interface by, or (with O({list}[].identifier=name)) to give to it.
    - Quote it, YAML takes some for numbers.
  type: str
  aliases: [mac-address]
type:
  description:
    - Kind of the interface. One that does not exist yet is made, except V(ethernet), V(veth) and V(loopback).
    - An existing interface of another kind is an error, it is never made anew. Without a type the kind is left as it
      is.
    - NMState's C(linux-bridge) and C(mac-vlan) are taken for V(bridge) and V(macvlan).
  type: str
  choices: [ethernet, dummy, vlan, bond, bridge, vrf, macvlan, veth, loopback]
state:
  description:
    - V(up) and V(down) set the administrative state. Left out, it stays as it is.
    - V(down) is refused while others have addresses or routes on the interface, which the kernel would drop with it.
    - V(absent) removes an interface that this collection made. Any other one is left without our addresses, routes and
      rules, but never deleted.
  type: str
  choices: [up, down, absent]
mtu:
  description: Maximum transmission unit in bytes, 68 to 65536, with IPv6 at least 1280.
  type: int
ipv4:
  description: IPv4 addresses. Left out, they stay as they are.
  type: dict
  suboptions:
    enabled:
      description: V(false) takes our IPv4 addresses off the interface.
      type: bool
    dhcp:
      description:
        - Whether the NIC's manager asks for a lease (DHCP). Left out, that stays as the manager has it.
        - V(true) needs a NIC that NetworkManager, systemd-networkd or ifupdown manages, and O(persist=true).
      type: bool
    auto_routes:
      description: V(false) keeps the routes of the lease off the node, the default route apart.
      type: bool
      aliases: [auto-routes]
    auto_gateway:
      description: V(false) keeps the default route of the lease off the node.
      type: bool
      aliases: [auto-gateway]
    auto_dns:
      description: V(false) keeps the DNS servers of the lease off the node.
      type: bool
      aliases: [auto-dns]
    addresses:
      description:
        - The interface's static addresses. An empty list takes ours off. Addresses that are not ours stay, with a
          warning, unless O(addresses_exact=true).
      type: list
      elements: dict
      aliases: [address]
      suboptions:
        ip:
          description: The address, without prefix length.
          type: str
          required: true
        prefix_length:
          description: Length of the network's prefix, 1 to 32.
          type: int
          required: true
          aliases: [prefix-length]
ipv6:
  description: IPv6 addresses. Left out, they stay as they are. Link-local addresses of the kernel are never touched.
  type: dict
  suboptions:
    enabled:
      description: V(false) takes our IPv6 addresses off the interface.
      type: bool
    dhcp:
      description:
        - Whether the NIC's manager asks for a lease (DHCPv6). Left out, that stays as the manager has it.
        - V(true) needs a NIC that NetworkManager or systemd-networkd manages, and O(persist=true).
      type: bool
    autoconf:
      description:
        - Whether addresses come from router advertisements. V(true) needs a manager, as DHCP does.
      type: bool
    auto_routes:
      description: V(false) keeps the routes of advertisements off the node, the default route apart.
      type: bool
      aliases: [auto-routes]
    auto_gateway:
      description: V(false) keeps the default route of advertisements off the node.
      type: bool
      aliases: [auto-gateway]
    auto_dns:
      description: V(false) keeps the DNS servers of leases and advertisements off the node.
      type: bool
      aliases: [auto-dns]
    addresses:
      description:
        - The interface's static addresses. An empty list takes ours off. Addresses that are not ours stay, with a
          warning, unless O(addresses_exact=true).
      type: list
      elements: dict
      aliases: [address]
      suboptions:
        ip:
          description: The address, without prefix length.
          type: str
          required: true
        prefix_length:
          description: Length of the network's prefix, 1 to 128.
          type: int
          required: true
          aliases: [prefix-length]
vlan:
  description: What makes a VLAN.
  type: dict
  suboptions:
    base_iface:
      description: The interface that carries the VLAN.
      type: str
      required: true
      aliases: [base-iface]
    id:
      description: VLAN id, 1 to 4094.
      type: int
      required: true
    protocol:
      description: Tag protocol.
      type: str
      choices: [802.1q, 802.1ad]
      default: 802.1q
bond:
  description: What makes a bond. What is left out keeps the kernel's value.
  type: dict
  suboptions:
    mode:
      description: Bonding mode, by its word or the kernel's number. It cannot be changed while the bond has ports.
      type: str
      choices: [balance-rr, active-backup, balance-xor, broadcast, 802.3ad, balance-tlb, balance-alb]
    port:
      description: Names of the bond's ports. Others are released.
      type: list
      elements: str
      aliases: [ports]
    options:
      description: Bonding options, in the kernel's words. A hyphen in a name counts as an underscore.
      type: dict
      suboptions:
        miimon:
          description: Milliseconds between two looks at the carrier.
          type: int
        updelay:
          description: Milliseconds to wait before a port that came up is used.
          type: int
        downdelay:
          description: Milliseconds to wait before a port that went down is given up.
          type: int
        arp_interval:
          description: Milliseconds between ARP probes. Not together with a C(miimon).
          type: int
        min_links:
          description: Number of active ports below which the bond has no carrier.
          type: int
        primary:
          description: The preferred port.
          type: str
        primary_reselect:
          description: When the preferred port takes over again.
          type: str
          choices: [always, better, failure]
        fail_over_mac:
          description: Which MAC address the bond has after a fail-over.
          type: str
          choices: [none, active, follow]
        lacp_rate:
          description: How often LACP packets are asked for.
          type: str
          choices: [slow, fast]
        ad_select:
          description: How the active aggregator is chosen.
          type: str
          choices: [stable, bandwidth, count]
        xmit_hash_policy:
          description: What is hashed to choose the port of a packet.
          type: str
          choices: [layer2, layer3+4, layer2+3, encap2+3, encap3+4, vlan+srcmac]
bridge:
  description: What makes a bridge. What is left out keeps the kernel's value.
  type: dict
  suboptions:
    port:
      description: Names of the bridge's ports. Others are released.
      type: list
      elements: str
      aliases: [ports]
    options:
      description: Options of the bridge. A hyphen in a name counts as an underscore.
      type: dict
      suboptions:
        stp:
          description: Whether the spanning tree protocol runs.
          type: bool
        priority:
          description: The bridge's priority in the spanning tree, 0 to 65535.
          type: int
        forward_delay:
          description: Seconds, 2 to 30.
          type: int
        hello_time:
          description: Seconds, 1 to 10.
          type: int
        max_age:
          description: Seconds, 6 to 40.
          type: int
        ageing_time:
          description: Seconds after which an address that is not seen is forgotten, 0 to 1000000.
          type: int
        vlan_filtering:
          description: Whether the bridge looks at VLAN tags.
          type: bool
        multicast_snooping:
          description: Whether multicast goes only to the ports that asked for it.
          type: bool
vrf:
  description: What makes a VRF.
  type: dict
  suboptions:
    port:
      description: Names of the VRF's ports. Others are released.
      type: list
      elements: str
      aliases: [ports]
    table:
      description: Id or name of the VRF's routing table.
      type: raw
      required: true
      aliases: [table-id, table_id, route-table-id, route_table_id]
macvlan:
  description: What makes a macvlan.
  type: dict
  aliases: [mac-vlan]
  suboptions:
    base_iface:
      description: The interface it stands on.
      type: str
      required: true
      aliases: [base-iface]
    mode:
      description: How the macvlans of one interface see each other. NMState's C(passthrough) is taken for V(passthru).
      type: str
      choices: [private, vepa, bridge, passthru, source]
      default: bridge
"""


def interfaces(path: str, depth: int) -> str:
    """The entry's documentation for a list at ``path``, indented by ``depth``."""
    return indent(INTERFACE.replace("{list}", path), " " * depth)


# Annotated, as ansible-test's yamllint takes each plain assignment of the class for one literal.
class ModuleDocFragment:
    """Option `interfaces`."""

    DOCUMENTATION: str = r"""
options:
  interfaces:
    description: Interfaces, each by what shall hold for it. Interfaces that are not listed are left as they are.
    type: list
    elements: dict
    required: true
    suboptions:
""" + interfaces("interfaces", 6)
