# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What users get wrong: (module, parameters, what the one error must say).

Each is refused before anything is touched, on a node with ens192 (default route via 192.168.100.1), ens224
(10.100.0.10/24) and ens256 (172.16.0.10/24). The unit tests show the message, the kernel tests that nothing changed.
"""

from __future__ import annotations

import typing as t


class Bad(t.NamedTuple):
    module: str
    params: dict[str, t.Any]
    says: tuple[str, ...]
    """All of these are in the message."""


POLICY = {
    "apiVersion": "nmstate.io/v1",
    "kind": "NodeNetworkConfigurationPolicy",
    "metadata": {"name": "worker-routes"},
    "spec": {"desiredState": {}},
}
VIA = {"next_hop_address": "10.100.0.1", "next_hop_interface": "ens224"}
GOOD_ROUTE = {"destination": "10.200.0.0/16", **VIA}
GOOD_RULE = {"from": "172.16.0.0/24", "table": 100, "priority": 100}


def route(*says: str, **options: t.Any) -> Bad:
    """A route with something wrong; None takes an option out of the good one."""
    entry = {key: value for key, value in {**GOOD_ROUTE, **options}.items() if value is not None}
    return Bad("static_routes", {"routes": [entry]}, says)


def rule(*says: str, **options: t.Any) -> Bad:
    """The good rule with something wrong in it; ``from_`` stands for from."""
    entry = {**GOOD_RULE, **{key.rstrip("_"): value for key, value in options.items()}}
    return Bad("route_rules", {"rules": [entry]}, says)


def nic(*says: str, **options: t.Any) -> Bad:
    return Bad("interfaces", {"interfaces": [{"name": "ens224", **options}]}, says)


def link(name: str, kind: str, options: t.Any, *says: str) -> Bad:
    return Bad("interfaces", {"interfaces": [{"name": name, kind: options}]}, says)


def address(*says: str, family: str = "ipv4", **entry: t.Any) -> Bad:
    return nic(*says, **{family: {"enabled": True, "addresses": [entry]}})


def resolver(*says: str, **options: t.Any) -> Bad:
    return Bad("dns_resolver", options, says)


def state(*says: str, **desired: t.Any) -> Bad:
    return Bad(
        "network_state", {"desired_state": {key.replace("_", "-"): value for key, value in desired.items()}}, says
    )


def policy(*says: str, spec: t.Any = None, **params: t.Any) -> Bad:
    document = {**POLICY, "spec": {"desiredState": {}, **(spec or {})}}
    return Bad("network_state", {"policies": [document], **params}, says)


def node(*says: str, **params: t.Any) -> Bad:
    return Bad("network_state", params, says)


def path(*says: str, **options: t.Any) -> Bad:
    return Bad("route_get_info", {"paths": [{"destination": "10.200.0.1", **options}]}, says)


def checkpoint(*says: str, **params: t.Any) -> Bad:
    return Bad("network_checkpoint", params, says)


def probe(*says: str, **options: t.Any) -> Bad:
    return node(*says, desired_state={}, probes=[options])


def two(first: dict[str, t.Any], second: dict[str, t.Any], *says: str, module: str = "static_routes") -> Bad:
    return Bad(module, {{"static_routes": "routes", "route_rules": "rules"}[module]: [first, second]}, says)


def named(name: str, **desired: t.Any) -> dict[str, t.Any]:
    """A policy of that name."""
    return {
        **POLICY,
        "metadata": {"name": name},
        "spec": {"desiredState": {key.replace("_", "-"): value for key, value in desired.items()}},
    }


BAD_INPUTS: list[Bad] = [
    # --- routes: destination and next hop
    route("routes[0].destination", "prefix length", destination="10.200.0.0/33"),
    route("routes[0].destination", "not an IPv4 or IPv6 address", destination="storage"),
    route("routes[0].destination", "four numbers", destination="10.200.0/16"),
    route("routes[0].destination", "leading zeros", destination="010.200.0.0/16"),
    route("routes[0].destination", "not as a netmask", destination="10.200.0.0/255.255.0.0"),
    route("routes[0].destination", "found 10", destination=10),
    route("routes[0].destination", "10.200.0.0/16", destination=None),
    route("routes[0].destination", "0.0.0.0/0 or ::/0", destination="default", next_hop_address=None),
    route("routes[0].next_hop_address", "IPv6", "destination", destination="2001:db8::/32"),
    route("routes[0].next_hop_address", "IPv4", "RTA_VIA", next_hop_address="fe80::1"),
    route("routes[0].next_hop_address", "10.100.0.999", next_hop_address="10.100.0.999"),
    route("routes[0].next_hop_address", "multicast", next_hop_address="224.0.0.1"),
    route("routes[0].next_hop_address", "unspecified", next_hop_address="0.0.0.0"),
    route("routes[0].next_hop_address", "found false", next_hop_address=False),
    route("next_hop_interface", "link-local", destination="::/0", next_hop_address="fe80::1", next_hop_interface=None),
    route("routes[0]", "next_hop_address or next_hop_interface", next_hop_address=None, next_hop_interface=None),
    route("routes[0].next_hop_interface", "at most 15 bytes", next_hop_interface="storage-network-0"),
    route("routes[0].next_hop_interface", "'/'", next_hop_interface="ens/224"),
    route("next-hop interface 'ens999'", "ens192", next_hop_interface="ens999"),
    route("10.101.0.1", "not on the link of ens224", next_hop_address="10.101.0.1"),
    route("192.0.2.1", "on no link", next_hop_address="192.0.2.1", next_hop_interface=None),
    # --- routes: the other options
    route("routes[0].metric", "from -1 to 4294967295", metric=-2),
    route("routes[0].metric", "4294967296", metric=4294967296),
    route("routes[0].metric", "found true", metric=True),
    route("routes[0].metric", "ten", metric="ten"),
    route("routes[0].metric", "1.5", metric=1.5),
    route("routes[0].table", "253", "255", table=255),
    route("routes[0].table", "the kernel's", table="default"),
    route("routes[0].table", "the kernel's", table="local", state="absent"),
    route("routes[0].destination", "found 0", destination=0, state="absent"),
    route("routes[0].table", "4294967295", table=4294967296),
    route("routing table 'storage'", "no number", table="storage"),
    route("routes[0].table", "name of a routing table", table="my table"),
    route("routes[0].type", "blackhole", type="drop"),
    route("routes[0].next_hop_address", "no next hop in a blackhole route", type="blackhole"),
    route("routes[0].source", "IPv4 address", source="2001:db8::10"),
    route("10.100.0.99", "not an address of this node", source="10.100.0.99"),
    route("routes[0].mtu", "from 68 to 65520", mtu=67),
    route("routes[0].mtu", "1280", destination="2001:db8::/32", next_hop_address=None, mtu=1000),
    route("routes[0].cwnd", "segments", cwnd=0),
    route("routes[0].tos", "multiple of 4", tos=3),
    route("routes[0].on_link", "true or false", on_link="perhaps"),
    route("routes[0].on_link", "The kernel needs both", next_hop_interface=None, on_link=True),
    route("routes[0].weight", "from 1 to 256", weight=257),
    route("routes[0].state", "present or absent", state="gone"),
    route("unsupported option 'gateway'", "next_hop_address", gateway="10.100.0.1"),
    route("unsupported option 'next_hop_adress'", "Did you mean 'next_hop_address'", next_hop_adress="10.100.0.1"),
    route("next_hops[0].weight", "from 1 to 256", next_hop_address=None, next_hop_interface=None,
          next_hops=[{**VIA, "weight": 0}, {"next_hop_address": "172.16.0.1"}]),
    route("next_hops[0]", "next_hop_address or next_hop_interface", next_hop_address=None, next_hop_interface=None,
          next_hops=[{"weight": 2}]),
    route("next_hops[0].next_hop_address", "IPv4", next_hop_address=None, next_hop_interface=None,
          next_hops=[{"next_hop_address": "2001:db8::1"}]),
    route("routes[0].next_hops", "each next hop once", next_hop_address=None, next_hop_interface=None,
          next_hops=[{**VIA, "weight": 1}, {**VIA, "weight": 2}]),
    route("routes[0].next_hop_address", "nothing beside next_hops", next_hops=[VIA]),
    route("routes[0].next_hops", "a list", next_hop_address=None, next_hop_interface=None, next_hops="ens224"),
    Bad("static_routes", {"routes": [{"state": "absent"}]}, ("routes[0]", "at least one field")),
    Bad("static_routes", {"routes": ["10.200.0.0/16"]}, ("'routes'", "dict")),
    Bad("static_routes", {"routes": 5}, ("'routes'", "dict")),
    Bad("static_routes", {}, ("routes", "required")),
    # --- routes that contradict each other
    two({**GOOD_ROUTE, "metric": 100}, {**GOOD_ROUTE, "metric": "100", "next_hop_address": "10.100.0.2"},
        "routes[0]", "routes[1]", "contradict"),
    two(GOOD_ROUTE, {**GOOD_ROUTE, "state": "absent"}, "routes[0]", "routes[1]", "contradict"),
    two({**GOOD_ROUTE, "weight": 1}, {**GOOD_ROUTE, "weight": 2}, "routes[0]", "routes[1]", "contradict"),
    two({**GOOD_ROUTE, "weight": 1}, {**GOOD_ROUTE, "next_hop_address": "10.100.0.2", "weight": 2, "mtu": 1400},
        "routes[0]", "routes[1]", "contradict"),
    # --- rules
    rule("rules[0].from", "prefix length", from_="172.16.0.0/33"),
    rule("rules[0].from", "IPv4 or IPv6", from_="external"),
    rule("rules[0].to", "IPv4 prefix", to="2001:db8::/32"),
    rule("rules[0].family", "ipv4, ipv6", family="inet"),
    rule("rules[0].from", "IPv6 prefix", family="ipv6"),
    rule("rules[0].priority", "kernel's own", priority=0),
    rule("rules[0].priority", "32766", priority=32766),
    rule("rules[0].priority", "found true", priority=True),
    rule("rules[0].priority", "4294967295", priority="99999999999"),
    rule("rules[0].table", "routing table", table=""),
    rule("routing table 'external'", "no number", table="external"),
    rule("rules[0].table", "blackhole", action="blackhole"),
    rule("rules[0].action", "lookup, blackhole", action="goto"),
    rule("rules[0].fwmark", "32 bits", fwmark="0x1ffffffff"),
    rule("rules[0].fwmask", "a fwmark beside it", fwmask="0xff"),
    rule("rules[0].fwmask", "every mark", fwmark=1, fwmask=0),
    rule("rules[0].iif", "at most 15 bytes", iif="a-very-long-interface-name"),
    rule("rules[0].oif", "interface name", oif="ens 224"),
    rule("rules[0].tos", "multiple of 4", tos=1),
    rule("rules[0].tos", "0x1c", tos=32),
    rule("rules[0].ip_protocol", "tcp", ip_protocol="quic"),
    rule("rules[0].source_ports", "port 0 nor 65535", source_ports=65535),
    rule("rules[0].destination_ports", "not above its last", destination_ports="2000-1000"),
    rule("rules[0].uid_range", "2^32-1 is no user", uid_range="0-4294967295"),
    rule("rules[0].invert", "true or false", invert="not"),
    rule("rules[0].suppress_prefix_length", "from 0 to 32", suppress_prefix_length=33),
    rule("rules[0].state", "present, absent", state="up"),
    Bad("route_rules", {"rules": [{"table": 100, "priority": 100}]}, ("rules[0]", "a selector", "from: 0.0.0.0/0")),
    rule("rules[0].from", "found 0", from_=0),
    rule("rules[0]", "matches nothing", from_="0.0.0.0/0", invert=True),
    rule("unsupported option 'src'", "from", src="172.16.0.10"),
    Bad("route_rules", {"rules": [{"state": "absent"}]}, ("rules[0]", "at least one field")),
    Bad("route_rules", {"rules": {"from": "172.16.0.0/24"}}, ("rules", "list")),
    two(GOOD_RULE, {**GOOD_RULE, "table": 200}, "rules[0]", "rules[1]", "contradict", module="route_rules"),
    two(GOOD_RULE, {**GOOD_RULE, "state": "absent"}, "rules[0]", "rules[1]", "contradict", module="route_rules"),
    # --- interfaces
    Bad("interfaces", {"interfaces": [{"state": "up"}]}, ("interfaces[0].name",)),
    Bad("interfaces", {"interfaces": [{"name": "ens999", "state": "up"}]}, ("no interface 'ens999'", "ens192")),
    Bad("interfaces", {"interfaces": [{"name": "ens224:1"}]}, ("interfaces[0].name", "':'")),
    Bad("interfaces", {"interfaces": [{"name": "ens224", "mtu": 1400}, {"name": "ens224", "mtu": 1500}]},
        ("interfaces[0]", "interfaces[1]", "contradict", "ens224")),
    nic("interfaces[0].identifier", "mac-address", identifier="uuid"),
    nic("interfaces[0].mac_address", "finds the NIC by", identifier="mac-address"),
    nic("no interface of this node has the MAC address", identifier="mac-address", mac_address="02:00:00:ff:ff:ff"),
    nic("interfaces[0].mac_address", "Quote it", mac_address=123456),
    nic("interfaces[0].mac_address", "not a group's", mac_address="01:00:5e:00:00:01"),
    nic("interfaces[0].type", "ethernet, dummy", type="wifi"),
    nic("ens224", "not dummy", type="dummy"),
    nic("interfaces[0].state", "up, down, absent", state="present"),
    nic("interfaces[0].mtu", "from 68 to 65536", mtu=65537),
    nic("interfaces[0].mtu", "1280", mtu=1279, ipv6={"enabled": True}),
    nic("interfaces[0].ipv4", "a mapping", ipv4=["10.100.0.10/24"]),
    nic("interfaces[0].ipv6.dhcp", "true or false", ipv6={"dhcp": 2}),
    nic("interfaces[0].ipv4.dhcp", "enabled is false", ipv4={"enabled": False, "dhcp": True}),
    nic("interfaces[0].ipv6.autoconf", "true or false", ipv6={"autoconf": "slaac"}),
    nic("interfaces[0].ipv4.auto_routes", "true or false", ipv4={"dhcp": True, "auto_routes": []}),
    nic("interfaces[0].ipv4.auto_gateway", "true or false", ipv4={"dhcp": True, "auto-gateway": 3}),
    nic("interfaces[0].ipv6.auto_dns", "true or false", ipv6={"dhcp": True, "auto-dns": "some"}),
    nic("unsupported option 'autoconf'", ipv4={"autoconf": False}),
    nic("interfaces[0].ipv4.enabled", "true or false", ipv4={"enabled": 2}),
    nic("interfaces[0].ipv4.addresses", "enabled is false",
        ipv4={"enabled": False, "addresses": [{"ip": "10.100.0.10", "prefix_length": 24}]}),
    nic("10.100.0.10", "24", "25", "contradict", ipv4={"addresses": [
        {"ip": "10.100.0.10", "prefix_length": 24}, {"ip": "10.100.0.10", "prefix_length": 25}]}),
    address("addresses[0].prefix_length", "from 1 to 32", ip="10.100.0.10", prefix_length=33),
    address("addresses[0].prefix_length", "from 1 to 128", family="ipv6", ip="2001:db8::10", prefix_length=0),
    address("addresses[0].prefix_length", "1 to 32", ip="10.100.0.10"),
    address("addresses[0].ip", "prefix_length", ip="10.100.0.10/24", prefix_length=24),
    address("addresses[0].ip", "IPv4 address", ip="2001:db8::10", prefix_length=64),
    address("addresses[0].ip", "broadcast", ip="255.255.255.255", prefix_length=32),
    address("addresses[0].ip", "IPv4 or IPv6", ip=None, prefix_length=24),
    nic("interfaces[0].vlan", "no vlan options", type="ethernet", vlan={"base_iface": "ens224", "id": 5}),
    link("ens224.5", "vlan", {"id": 5}, "vlan.base_iface", "carries the VLAN"),
    link("ens224.5", "vlan", {"base_iface": "ens224", "id": 4095}, "vlan.id", "from 1 to 4094"),
    link("ens224.5", "vlan", {"base_iface": "ens224", "id": 5, "protocol": "qinq"}, "vlan.protocol", "802.1ad"),
    link("ens224.5", "vlan", {"base_iface": "ens224", "id": 5, "qos": 1}, "unsupported option 'qos'"),
    link("bond0", "bond", {"mode": "fastest"}, "bond.mode", "active-backup"),
    link("bond0", "bond", {"mode": 1, "port": ["ens224", "ens224"]}, "bond.port", "each interface once"),
    link("bond0", "bond", {"mode": 1, "options": {"miimon": -1}}, "bond.options.miimon", "from 0"),
    link("bond0", "bond", {"mode": 4, "options": {"lacp_rate": "quick"}}, "bond.options.lacp_rate", "slow, fast"),
    link("bond0", "bond", {"options": {"speed": 10}}, "unsupported option 'speed'", "miimon"),
    link("br0", "bridge", {"port": "ens224"}, "bridge.port", "a list"),
    link("br0", "bridge", {"options": {"forward_delay": 1}}, "bridge.options.forward_delay", "seconds"),
    link("br0", "bridge", {"options": {"stp": "sometimes"}}, "bridge.options.stp", "true or false"),
    link("vrf0", "vrf", {"port": []}, "vrf.table", "routing table"),
    link("vrf0", "vrf", {"table": 254}, "vrf.table", "not main"),
    link("mv0", "macvlan", {"mode": "bridge"}, "macvlan.base_iface"),
    link("mv0", "macvlan", {"base_iface": "ens224", "mode": "tap"}, "macvlan.mode", "private"),
    Bad("interfaces", {"interfaces": [{"name": "x0", "vrf": {"table": 9}, "macvlan": {"base_iface": "ens224"}}]},
        ("interfaces[0]", "one type")),
    # --- resolver, hosts, look-up order
    resolver("servers[0]", "IPv4 or IPv6", servers=["dns.example.com"]),
    resolver("servers[1]", "host", servers=["10.100.0.53", "0.0.0.0"]),
    resolver("servers[0]", "fe80::1%ens192", servers=["fe80::1"]),
    resolver("servers[0]", "no zone", servers=["10.100.0.53%ens224"]),
    resolver("search[0]", "domain name", search=["-storage.example.com"]),
    resolver("search[0]", "253", search=["a" * 64 + ".example.com"]),
    resolver("options[0]", "ndots:N", options=["ndots"]),
    resolver("options[0]", "whole number", options=["timeout:soon"]),
    resolver("options[0]", "rotate", options=["round-robin"]),
    resolver("hosts[0].address", "IPv4 or IPv6", hosts=[{"address": "api", "names": ["api"]}]),
    resolver("hosts[0].names", "at least one", hosts=[{"address": "192.168.100.2", "names": []}]),
    resolver("hosts[0].names", "letters", hosts=[{"address": "192.168.100.2", "names": ["my host"]}]),
    resolver("nsswitch_hosts", "at least one source", nsswitch_hosts=[]),
    resolver("nsswitch_hosts[0]", "such as files", nsswitch_hosts=["[NOTFOUND=return]", "dns"]),
    resolver("nsswitch_hosts[1]", "such as files", nsswitch_hosts=["files", "[NOTFOUND=stop]"]),
    # --- documents
    node("desired_state", "one of desired_state, policies and src"),
    node("policies", desired_state={}, policies=[]),
    node("policies", "list", policies={"metadata": 1}),
    node("desired_state", desired_state=["interfaces"]),
    node("src", "controller", src="policies.yml"),
    node("document 1", "NodeNetworkConfigurationPolicy", policies=["worker-routes"]),
    node("document 1.kind", "NodeNetworkState", policies=[{**POLICY, "kind": "NodeNetworkState"}]),
    node("document 1.apiVersion", "nmstate.io/v1", policies=[{**POLICY, "apiVersion": "v1"}]),
    node("document 1.metadata", "a mapping", policies=[{**POLICY, "metadata": None}]),
    node("document 1.metadata.name", "owner", policies=[{**POLICY, "metadata": {"labels": {}}}]),
    node("document 1.metadata.name", "letters", policies=[{**POLICY, "metadata": {"name": "worker routes"}}]),
    node("policy worker-routes: spec", "a mapping", policies=[{**POLICY, "spec": []}]),
    node("policy worker-routes: spec", "a desiredState", policies=[{**POLICY, "spec": {}}]),
    node("policy worker-routes", "data", policies=[{**POLICY, "data": {}}]),
    node("policy worker-routes is there twice", policies=[POLICY, named("worker-routes", interfaces=[])]),
    policy("node_labels", "nodeSelector", spec={"nodeSelector": {"role": "worker"}}),
    policy("nodeSelector[gpu]", "quote", spec={"nodeSelector": {"gpu": True}}, node_labels={}),
    policy("nodeSelector", "a mapping", spec={"nodeSelector": ["worker"]}, node_labels={}),
    policy("capture", "Jinja", spec={"capture": {"base": "interfaces.name == 'ens224'"}}),
    policy("unsupported option 'desiredstate'", spec={"desiredstate": {}}),
    policy("desiredState", "a mapping", spec={"desiredState": "interfaces"}),
    state("desired_state", "unsupported option 'interface'", "interfaces", interface=[]),
    state("hostname", "ansible.builtin.hostname", hostname={"config": "worker-1"}),
    state("ovs-db", "OVS is not supported", ovs_db={"external_ids": {}}),
    state("ovn", "OVN is not supported", ovn={"bridge-mappings": []}),
    state("interfaces", "a list", interfaces={"name": "ens224"}),
    state("interfaces[0]", "a mapping", interfaces=["ens224"]),
    state("interfaces[0].type", "ovs-bridge", interfaces=[{"name": "br0", "type": "ovs-bridge"}]),
    state("interfaces[0].ethernet", "SR-IOV is not supported",
          interfaces=[{"name": "ens224", "ethernet": {"sr-iov": {"total-vfs": 4}}}]),
    state("interfaces[0].ethtool", "not supported", interfaces=[{"name": "ens224", "ethtool": {"ring": {}}}]),
    state("interfaces[0].controller", "ports", interfaces=[{"name": "ens224", "controller": "bond0"}]),
    state("interfaces[0].lldp", "not supported", interfaces=[{"name": "ens224", "lldp": {"enabled": True}}]),
    state("unsupported option 'vxlan'", interfaces=[{"name": "vx0", "vxlan": {"id": 5}}]),
    state("interfaces[0].ipv4", "unsupported option 'dhcp-client-id'",
          interfaces=[{"name": "ens224", "ipv4": {"dhcp": True, "dhcp-client-id": "ll"}}]),
    state("interfaces[0].ipv6.token", "not supported yet", interfaces=[{"name": "ens224", "ipv6": {"token": "::1"}}]),
    state("allow-extra-address", interfaces=[{"name": "ens224", "ipv4": {"allow-extra-address": False}}]),
    state("address[0]", "valid-life-time", interfaces=[
        {"name": "ens224", "ipv4": {"address": [{"ip": "10.1.1.1", "prefix-length": 24, "valid-life-time": "9sec"}]}}]),
    state("bridge.port[0]", "unsupported option 'vlan'", interfaces=[
        {"name": "br0", "type": "linux-bridge", "bridge": {"port": [{"name": "ens224", "vlan": {"mode": "trunk"}}]}}]),
    state("ports-config", interfaces=[{"name": "bond0", "link-aggregation": {"ports-config": [{"name": "ens224"}]}}]),
    state("routes", "a mapping", routes=[GOOD_ROUTE]),
    state("routes", "unsupported option 'static'", routes={"static": []}),
    state("routes.config", "a list", routes={"config": "none"}),
    state("routes.config[0]", "unsupported option 'nexthop'",
          routes={"config": [{**GOOD_ROUTE, "nexthop": "10.1.1.1"}]}),
    state("route-rules.config[0].ip_protocol",
          route_rules={"config": [{"ip-from": "10.1.0.0/16", "ip-protocol": "x"}]}),
    state("dns-resolver.config", "unsupported option 'servers'", dns_resolver={"config": {"servers": ["10.1.1.1"]}}),
    state("dns-resolver.config.servers[0]", dns_resolver={"config": {"server": ["one"]}}),
    node("routes.config[0].mtu", "strict_nmstate", strict_nmstate=True,
         desired_state={"routes": {"config": [
             {"destination": "10.200.0.0/16", "next-hop-interface": "ens224", "mtu": 1400}]}}),
    node("routes.config[0].next_hop_interface", "ens224", "absent", desired_state={
        "interfaces": [{"name": "ens224", "state": "absent"}], "routes": {"config": [GOOD_ROUTE]}}),
    node("IPv4 disabled", desired_state={
        "interfaces": [{"name": "ens224", "ipv4": {"enabled": False}}], "routes": {"config": [GOOD_ROUTE]}}),
    # --- policies that contradict each other
    node("policy a: routes.config[0]", "policy b: routes.config[0]", "contradict", policies=[
        named("a", routes={"config": [GOOD_ROUTE]}),
        named("b", routes={"config": [{**GOOD_ROUTE, "next_hop_address": "10.100.0.2"}]})]),
    node("policy a: routes.config[0]", "policy b: routes.config[0]", "contradict", policies=[
        named("a", routes={"config": [GOOD_ROUTE]}),
        named("b", routes={"config": [{"destination": "10.200.0.0/16", "state": "absent"}]})]),
    node("policy a: route-rules.config[0]", "policy b: route-rules.config[0]", "contradict", policies=[
        named("a", route_rules={"config": [GOOD_RULE]}),
        named("b", route_rules={"config": [{**GOOD_RULE, "table": 101}]})]),
    node("policy a: interfaces[0]", "policy b: interfaces[0]", "mtu", policies=[
        named("a", interfaces=[{"name": "ens224", "mtu": 9000}]),
        named("b", interfaces=[{"name": "ens224", "mtu": 1500}])]),
    node("policy a: interfaces[0]", "policy b: interfaces[0]", "10.100.0.10", policies=[
        named(name, interfaces=[
            {"name": "ens224", "ipv4": {"address": [{"ip": "10.100.0.10", "prefix-length": length}]}}])
        for name, length in (("a", 24), ("b", 16))]),
    node("policy a: dns-resolver.config", "policy b: dns-resolver.config", "search", policies=[
        named(name, dns_resolver={"config": {"search": [f"{name}.example.com"]}}) for name in ("a", "b")]),
    # --- what stands beside the documents
    node("multi_nic[0].interface", multi_nic=[{"gateway": "172.16.0.1"}]),
    node("multi_nic[0]", "gateway or gateway6", multi_nic=[{"interface": "ens256"}]),
    node("multi_nic[0].gateway", "gateway6", multi_nic=[{"interface": "ens256", "gateway": "2001:db8::1"}]),
    node("multi_nic[0].gateway6", "IPv6", multi_nic=[{"interface": "ens256", "gateway6": "172.16.0.1"}]),
    node("multi_nic[0].table", "of its own",
         multi_nic=[{"interface": "ens256", "gateway": "172.16.0.1", "table": "main"}]),
    node("multi_nic[0].priority", "32765",
         multi_nic=[{"interface": "ens256", "gateway": "172.16.0.1", "priority": 40000}]),
    node("multi_nic[0].forwarded", multi_nic=[{"interface": "ens256", "gateway": "172.16.0.1", "forwarded": "maybe"}]),
    node("multi_nic[1]", "multi_nic[0]", "table 100", multi_nic=[
        {"interface": "ens224", "gateway": "10.100.0.1", "table": 100},
        {"interface": "ens256", "gateway": "172.16.0.1", "table": 100}]),
    node("tables[0].id", tables=[{"id": 0, "name": "storage"}]),
    node("tables[0].id", "254", tables=[{"id": 254, "name": "storage"}]),
    node("tables[0].name", "iproute2", tables=[{"id": 100, "name": "main"}]),
    node("tables[0].name", "digit", tables=[{"id": 100, "name": "100"}]),
    node("tables[0].purpose", "one line", tables=[{"id": 100, "name": "storage", "purpose": "a\nb"}]),
    node("tables[1]", "tables[0]", "contradict", tables=[{"id": 100, "name": "a"}, {"id": 101, "name": "a"}]),
    node("sysctl", "net.ipv4.ip_forward", sysctl={"vm.swappiness": 10}),
    node("sysctl[net.ipv4.ip_forward]", "0 or 1", sysctl={"net.ipv4.ip_forward": True}),
    node("sysctl[net/ipv4/ip_forward]", "contradict", sysctl={"net.ipv4.ip_forward": 1, "net/ipv4/ip_forward": 0}),
    node("hosts[0]", "unsupported option 'ip'", hosts=[{"ip": "10.1.1.1", "names": ["a"]}]),
    node("hosts[0].names", "a list", hosts=[{"address": "10.1.1.1", "names": "api"}]),
    node("nsswitch_hosts", "found []", nsswitch_hosts=[]),
    node("cluster_cidrs[0]", "10.244.0.0", desired_state={}, cluster_cidrs=["10.244.0.0/64"]),
    node("paths[0].destination", paths=[{"destination": "10.200.0.0/16"}]),
    node("addresses_exact", desired_state={}, addresses_exact="perhaps"),
    node("strict_nmstate", desired_state={}, strict_nmstate="perhaps"),
    node("prune", desired_state={}, prune="perhaps"),
    node("state", "nothing declared beside it", desired_state={}, state="absent"),
    node("node_labels", policies=[POLICY], node_labels=["worker"]),
    # --- paths
    Bad("route_get_info", {"paths": [{"source": "10.100.0.10"}]}, ("paths[0].destination",)),
    path("paths[0].destination", "one address", destination="10.200.0.0/16"),
    path("paths[0].source", "IPv4", source="2001:db8::1"),
    path("paths[0].family", "as the destination is", family="ipv6"),
    path("paths[0].mark", "32 bits", mark="0x1ffffffff"),
    path("paths[0].iif", "a source beside it", iif="ens224"),
    path("paths[0].oif", "interface", oif="ens/224"),
    path("paths[0].vrf", "interface", vrf=""),
    path("paths[0].uid", "4294967294", uid=-1),
    path("paths[0].tos", "one byte", tos=256),
    path("paths[0].ip_protocol", "udp", ip_protocol="dns"),
    path("paths[0].source_port", "ip_protocol", source_port=53),
    path("paths[0].destination_port", "from 1 to 65535", ip_protocol="udp", destination_port=65536),
    path("paths[0].expect", "a mapping", expect="10.100.0.1"),
    path("expect", "unsupported option 'via'", expect={"via": "10.100.0.1"}),
    path("paths[0].expect.gateway", expect={"gateway": "router"}),
    path("paths[0].expect.interface", expect={"interface": 5}),
    path("paths[0].expect.source", "IPv4", expect={"source": "::1"}),
    path("paths[0].expect.table", expect={"table": -1}),
    path("paths[0].expect.type", "blackhole", expect={"type": "dropped"}),
    path("paths[0].expect.metric", expect={"metric": "low"}),
    path("paths[0].expect.mtu", "bytes", expect={"mtu": 1}),
    # --- common options
    *(
        bad
        for module, option, entry in (
            ("static_routes", "routes", GOOD_ROUTE),
            ("route_rules", "rules", GOOD_RULE),
            ("interfaces", "interfaces", {"name": "ens224"}),
            ("network_state", "policies", POLICY),
        )
        for bad in (
            Bad(module, {option: [entry], "owner": "my owner"}, ("owner", "letters")),
            Bad(module, {option: [entry], "protect": ["10.0.0.0/40"]}, ("protect[0]", "prefix length")),
            Bad(module, {option: [entry], "on_conflict": "ignore"}, ("on_conflict", "replace")),
            Bad(module, {option: [entry], "allow_default_override": "perhaps"}, ("allow_default_override",)),
            Bad(module, {option: [entry], "persist": "maybe"}, ("persist",)),
            Bad(module, {option: [entry], "networkd_keep_foreign": "never"}, ("networkd_keep_foreign", "auto")),
        )
    ),
    # --- checkpoints
    checkpoint("value of state", state="open"),
    checkpoint("id: found null, expected the id of the checkpoint to commit", state="commit"),
    checkpoint("id: found \"7\", expected none with state: create", state="create", id="7"),
    checkpoint("rollback_timeout: found 9, expected none with state: list", state="list", rollback_timeout=9),
    checkpoint("rollback_timeout: found 4", "from 5 to 86400", state="create", rollback_timeout=4),
    checkpoint("rollback_timeout: found 5", "all probes", state="create", rollback_timeout=5,
               probes=[{"type": "gateway", "timeout": 5}]),
    checkpoint("restore_files[0]: found \"etc/hosts\"", "absolute path", state="create", restore_files=["etc/hosts"]),
    checkpoint("restore_files: found", "for state: create", state="rollback", id="7", restore_files=["/etc/hosts"]),
    checkpoint("undo_commands[0]: found \" \"", "a line for the shell", state="create", undo_commands=[" "]),
    checkpoint("probes[0].type: found \"ping\"", state="create", probes=[{"type": "ping"}]),
    checkpoint("there is no transaction '7' on this node", state="extend", id="7"),
    checkpoint("there is no transaction '../../etc' on this node", state="rollback", id="../../etc"),
    # --- how a change is kept
    *(
        bad
        for module, params in (
            ("static_routes", {"routes": [GOOD_ROUTE]}),
            ("route_rules", {"rules": [GOOD_RULE]}),
            ("interfaces", {"interfaces": [{"name": "ens224"}]}),
            ("network_state", {"policies": [POLICY]}),
            ("dns_resolver", {"servers": ["10.100.0.53"]}),
        )
        for bad in (
            Bad(module, {**params, "confirm": "me"}, ("confirm", "controller, node, none")),
            Bad(module, {**params, "rollback_timeout": 4}, ("rollback_timeout: found 4", "from 5 to 86400")),
            Bad(module, {**params, "confirm": "controller", "confirm_host": "-oProxyCommand=x"},
                ("confirm_host: found", "address or name")),
            Bad(module, {**params, "checkpoint": "../../etc"}, ("checkpoint: found", "network_checkpoint")),
            Bad(module, {**params, "probes": [{"type": "ping"}]}, ("probes[0].type: found \"ping\"", "gateway, dns")),
        )
    ),
    *(
        bad
        for module, params in (
            ("static_routes", {"routes": [GOOD_ROUTE]}),
            ("route_rules", {"rules": [GOOD_RULE]}),
            ("interfaces", {"interfaces": [{"name": "ens224"}]}),
            ("network_state", {"policies": [POLICY]}),
        )
        for bad in (
            Bad(module, {**params, "persist": "perhaps"}, ("persist",)),
            Bad(module, {**params, "networkd_keep_foreign": "never"}, ("networkd_keep_foreign", "auto, yes, no")),
        )
    ),
    node("rollback_timeout", "a whole number", desired_state={}, rollback_timeout=86401),
    node("rollback_timeout: found 5, expected more than 5 seconds", "gateway 2 s + dns 3 s", desired_state={},
         rollback_timeout=5),
    node("rollback_timeout: found 10, expected more than 13 seconds", "probes[0] tcp 3 s + probes[1] command 10 s",
         desired_state={}, rollback_timeout=10, probes=[
             {"type": "tcp", "address": "10.100.0.1", "port": 22}, {"type": "command", "argv": ["/bin/true"]}]),
    node("rollback_timeout: found 60, expected more than 61", desired_state={}, probes=[
        {"type": "gateway", "timeout": 60}, {"type": "route_get", "destination": "10.200.0.1"}]),
    node("confirm_host", "not node", desired_state={}, confirm="node", confirm_host="192.168.100.21"),
    node("confirm_host", "not none", desired_state={}, confirm="none", confirm_host="192.168.100.21"),
    node("confirm_host: found \"\"", desired_state={}, confirm="controller", confirm_host=""),
    node("confirm_host: found", "address or name", desired_state={}, confirm="controller", confirm_host="a b"),
    node("checkpoint: found \"a1\"", "none would keep", desired_state={}, confirm="none", checkpoint="a1"),
    node("rollback_timeout: found 90, expected none beside a checkpoint", desired_state={}, checkpoint="a1",
         rollback_timeout=90),
    node("probes: found [\"gateway\"]", "confirm: controller or node", desired_state={}, confirm="none",
         probes=[{"type": "gateway"}]),
    node("probes", "dictionary requested", desired_state={}, probes=5),
    probe("probes[0].type: found null, expected one of gateway, dns"),
    probe("probes[0]: unsupported option 'adress'. Did you mean 'address'", type="tcp", adress="10.100.0.1"),
    probe("probes[0].port: found 80", "type gateway takes address, interface", type="gateway", port=80),
    probe("probes[0].name: found \"x\"", "nothing but its timeout", type="api_server", name="x"),
    probe("probes[0].timeout: found 0", "from 1 to 600", type="gateway", timeout=0),
    probe("probes[0].required: found \"sometimes\"", type="gateway", required="sometimes"),
    probe("probes[0].address: found \"router\"", "IPv4 or IPv6", type="gateway", address="router"),
    probe("probes[0].address: found \"fe80::1\"", "an interface beside it", type="gateway", address="fe80::1"),
    probe("probes[0].interface: found \"ens/224\"", type="gateway", interface="ens/224"),
    probe("probes[0].name: found \"a..b\"", "1 to 63", type="dns", name="a..b"),
    probe("probes[0].name", "at most 253", type="dns", name=".".join(["a" * 60] * 5)),
    probe("probes[0].server: found \"dns\"", type="dns", server="dns"),
    probe("probes[0].port: found 5353", "a server beside it", type="dns", port=5353),
    probe("probes[0].transport: found \"tls\"", "udp, tcp", type="dns", transport="tls"),
    probe("probes[0].address: found null", type="tcp", port=22),
    probe("probes[0].port: found null", "1 to 65535", type="tcp", address="10.100.0.1"),
    probe("probes[0].source: found \"::1\"", "IPv4", type="tcp", address="10.100.0.1", port=22, source="::1"),
    probe("probes[0].url: found null", type="http"),
    probe("probes[0].url: found \"ftp://10.100.0.5/\"", "http or https", type="http", url="ftp://10.100.0.5/"),
    probe("probes[0].url: found \"http://10.100.0.5:99999/\"", type="http", url="http://10.100.0.5:99999/"),
    probe("probes[0].url: found \"https://...@10.100.0.5\"", "without user", type="http", url="https://a:b@10.100.0.5/"),
    probe("probes[0].status: found 20", "100 to 599", type="http", url="http://10.100.0.5/", status=20),
    probe("probes[0].validate_certs: found \"maybe\"", type="http", url="http://10.100.0.5/", validate_certs="maybe"),
    probe("probes[0].destination: found", "one address", type="route_get", destination="10.200.0.0/16"),
    probe("probes[0].argv: found \"/bin/true\"", "a list", type="command", argv="/bin/true"),
    probe("probes[0].argv: found [\"true\"]", "absolute path", type="command", argv=["true"]),
    resolver("interface: found", "white space", servers=["10.100.0.53"], interface="ens/192"),
    resolver("owner", "letters", servers=["10.100.0.53"], owner="my owner"),
    Bad("static_routes", {"routes": [GOOD_ROUTE], "purge": True}, ("purge", "an owner")),
    Bad("route_rules", {"rules": [GOOD_RULE], "purge": True}, ("purge", "an owner")),
    Bad("interfaces", {"interfaces": [], "addresses_exact": "perhaps"}, ("addresses_exact",)),
    Bad("network_state_info", {"include_foreign": "perhaps"}, ("include_foreign",)),
]  # fmt: skip
