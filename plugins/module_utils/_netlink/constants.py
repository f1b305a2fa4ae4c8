# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers of rtnetlink, under the names of the kernel's headers, and the names people use for them.

Each block says which header of Linux (include/uapi/linux/...) it is from.
"""

from __future__ import annotations

AF_INET = 2
AF_INET6 = 10

# netlink.h
NLM_F_REQUEST = 0x01
NLM_F_MULTI = 0x02
NLM_F_ACK = 0x04
NLM_F_DUMP_INTR = 0x10
NLM_F_DUMP = 0x300
NLM_F_REPLACE = 0x100
NLM_F_EXCL = 0x200  # the same bit as NLM_F_BULK: never on a delete
NLM_F_CREATE = 0x400
NLM_F_APPEND = 0x800
NLM_F_CAPPED = 0x100  # on NLMSG_ERROR
NLM_F_ACK_TLVS = 0x200  # on NLMSG_ERROR
NLMSG_ERROR = 2
NLMSG_DONE = 3
NLMSGERR_ATTR_MSG = 1
NLA_TYPE_MASK = 0x3FFF
NLA_F_NESTED = 0x8000

# rtnetlink.h: messages
RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK, RTM_SETLINK = 16, 17, 18, 19
RTM_NEWADDR, RTM_DELADDR, RTM_GETADDR = 20, 21, 22
RTM_NEWROUTE, RTM_DELROUTE, RTM_GETROUTE = 24, 25, 26
RTM_NEWRULE, RTM_DELRULE, RTM_GETRULE = 32, 33, 34

# rtnetlink.h: route attributes and flags
RTA_DST, RTA_SRC, RTA_IIF, RTA_OIF, RTA_GATEWAY, RTA_PRIORITY, RTA_PREFSRC, RTA_METRICS, RTA_MULTIPATH = range(1, 10)
RTA_FLOW, RTA_CACHEINFO, RTA_TABLE, RTA_MARK, RTA_VIA, RTA_NEWDST, RTA_PREF = 11, 12, 15, 16, 18, 19, 20
RTA_ENCAP_TYPE, RTA_ENCAP, RTA_EXPIRES, RTA_UID, RTA_IP_PROTO, RTA_SPORT, RTA_DPORT = 21, 22, 23, 25, 27, 28, 29
RTA_NH_ID = 30
RTAX_LOCK, RTAX_MTU, RTAX_CC_ALGO = 1, 2, 16
RTM_F_CLONED = 0x200
RTM_F_LOOKUP_TABLE = 0x1000
RTM_F_FIB_MATCH = 0x2000
RTNH_F_ONLINK = 4
RT_TABLE_COMPAT = 252
RT_TABLE_DEFAULT, RT_TABLE_MAIN, RT_TABLE_LOCAL = 253, 254, 255
RT_SCOPE_UNIVERSE, RT_SCOPE_LINK, RT_SCOPE_HOST, RT_SCOPE_NOWHERE = 0, 253, 254, 255

# fib_rules.h
FRA_DST, FRA_SRC, FRA_IIFNAME, FRA_GOTO = 1, 2, 3, 4
FRA_PRIORITY, FRA_FWMARK, FRA_FLOW, FRA_TUN_ID, FRA_SUPPRESS_IFGROUP, FRA_SUPPRESS_PREFIXLEN = 6, 10, 11, 12, 13, 14
FRA_TABLE, FRA_FWMASK, FRA_OIFNAME, FRA_PAD, FRA_L3MDEV, FRA_UID_RANGE, FRA_PROTOCOL = 15, 16, 17, 18, 19, 20, 21
FRA_IP_PROTO, FRA_SPORT_RANGE, FRA_DPORT_RANGE, FRA_DSCP, FRA_FLOWLABEL = 22, 23, 24, 25, 26
FRA_FLOWLABEL_MASK, FRA_SPORT_MASK, FRA_DPORT_MASK, FRA_DSCP_MASK = 27, 28, 29, 30
FIB_RULE_INVERT = 2

# if_addr.h
IFA_ADDRESS, IFA_LOCAL, IFA_LABEL, IFA_BROADCAST, IFA_FLAGS, IFA_RT_PRIORITY, IFA_PROTO = 1, 2, 3, 4, 8, 9, 11
IFA_F_SECONDARY = 0x01
IFA_F_NODAD = 0x02
IFA_F_OPTIMISTIC = 0x04
IFA_F_DADFAILED = 0x08
IFA_F_HOMEADDRESS = 0x10
IFA_F_DEPRECATED = 0x20
IFA_F_TENTATIVE = 0x40
IFA_F_PERMANENT = 0x80
IFA_F_MANAGETEMPADDR = 0x100
IFA_F_NOPREFIXROUTE = 0x200
IFA_F_MCAUTOJOIN = 0x400

# if_link.h and if.h
IFLA_ADDRESS, IFLA_IFNAME, IFLA_MTU, IFLA_LINK, IFLA_MASTER, IFLA_LINKINFO = 1, 3, 4, 5, 10, 18
IFLA_EXT_MASK, IFLA_LINK_NETNSID, IFLA_PROP_LIST, IFLA_ALT_IFNAME, IFLA_PERM_ADDRESS = 29, 37, 52, 53, 54
IFLA_INFO_KIND, IFLA_INFO_DATA = 1, 2
IFF_UP = 0x1
IFF_RUNNING = 0x40
RTEXT_FILTER_SKIP_STATS = 8  # rtnetlink.h

# rtnetlink.h RTN_*
ROUTE_TYPES = {
    "unspec": 0, "unicast": 1, "local": 2, "broadcast": 3, "anycast": 4, "multicast": 5, "blackhole": 6,
    "unreachable": 7, "prohibit": 8, "throw": 9, "nat": 10, "xresolve": 11,
}  # fmt: skip
ROUTE_TYPE_NAMES = {number: name for name, number in ROUTE_TYPES.items()}
# Types that answer instead of forwarding: the kernel shows them without an interface (IPv4) or on lo (IPv6).
REJECT_TYPES = frozenset(("blackhole", "unreachable", "prohibit", "throw"))

# fib_rules.h FR_ACT_*, spelled as `ip rule` does
RULE_ACTIONS = {"lookup": 1, "goto": 2, "nop": 3, "blackhole": 6, "unreachable": 7, "prohibit": 8}
RULE_ACTION_NAMES = {number: name for name, number in RULE_ACTIONS.items()}

# rtnetlink.h RT_SCOPE_*
SCOPES = {"global": 0, "site": 200, "link": 253, "host": 254, "nowhere": 255}
SCOPE_NAMES = {number: name for name, number in SCOPES.items()}

# rtnetlink.h RTAX_*, spelled as `ip route` does
ROUTE_METRICS = {
    "lock": 1, "mtu": 2, "window": 3, "rtt": 4, "rttvar": 5, "ssthresh": 6, "cwnd": 7, "advmss": 8, "reordering": 9,
    "hoplimit": 10, "initcwnd": 11, "features": 12, "rto_min": 13, "initrwnd": 14, "quickack": 15, "congctl": 16,
    "fastopen_no_cookie": 17,
}  # fmt: skip

# rtnetlink.h RTPROT_*, spelled as in iproute2's rt_protos
KUBENODE_PROTOCOL = 157
RT_PROTOS = {
    "unspec": 0, "redirect": 1, "kernel": 2, "boot": 3, "static": 4, "gated": 8, "ra": 9, "mrt": 10, "zebra": 11,
    "bird": 12, "dnrouted": 13, "xorp": 14, "ntk": 15, "dhcp": 16, "mrouted": 17, "keepalived": 18, "babel": 42,
    "openr": 99, "kubenode": KUBENODE_PROTOCOL, "bgp": 186, "isis": 187, "ospf": 188, "rip": 189, "eigrp": 192,
}  # fmt: skip
RT_PROTO_NAMES = {number: name for name, number in RT_PROTOS.items()}

# ipv6/ip6_route.h IP6_RT_PRIO_USER: what the kernel gives an IPv6 route that asks for metric 0.
IPV6_DEFAULT_METRIC = 1024


def protocol_name(number: int) -> str:
    """Name of a route or rule protocol, its decimal number where it has none."""
    return RT_PROTO_NAMES.get(number) or str(number)
