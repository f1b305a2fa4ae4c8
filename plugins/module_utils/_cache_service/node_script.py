# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The script that the units of the cache run, at boot too: interface, rules, and the watch over the server. Pure."""

from __future__ import annotations

from ansible_collections.kubenode.network.plugins.module_utils._cache_service.options import Options

ALIAS = "kubenode.network"
"""Of the interface: by it we know our own."""
TABLE = "kubenode_dns_cache"
COMMENT = "kubenode.network DNS cache"


def text_for(options: Options, backend: str, name: str) -> str:
    """The script for a node.

    Args:
        options: of the cache.
        backend: nft, iptables or none.
        name: what the names of the units begin with.
    """
    values = {
        "INTERFACE": options.interface, "KIND": options.interface_type, "ADDRESSES": " ".join(options.local_ips),
        "BACKEND": backend, "HEALTH_PORT": str(options.health_port), "ALIAS": ALIAS, "TABLE": TABLE,
        "COMMENT": COMMENT, "NAME": name,
    }  # fmt: skip
    return _SCRIPT.replace("@VALUES@", "".join(f"{word}='{value}'\n" for word, value in values.items())).replace(
        "@TABLES@", _NFT if backend == "nft" else _IPTABLES if backend == "iptables" else _NO_RULES
    )


_SCRIPT = r"""#!/bin/bash
# Written by kubenode.network: network of the node-local DNS cache. Harmless when run again.
#   link up|prune|check|down    interface and addresses; prune takes away the addresses that are no longer listed
#   rules up|check|down         queries past connection tracking
#   wait, watch, release        see the units
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
LC_ALL=C
export PATH LC_ALL
@VALUES@
held() {
    ip -o address show dev "$INTERFACE" 2>/dev/null | awk '{print $4}' | sed 's,/.*,,'
}

listed() {
    case " $ADDRESSES " in *" $1 "*) ;; *) return 1 ;; esac
}

link_up() {
    ip link show dev "$INTERFACE" >/dev/null 2>&1 ||
        ip link add name "$INTERFACE" type "$KIND" || return 1
    ip link set dev "$INTERFACE" alias "$ALIAS" || return 1
    for address in $ADDRESSES; do
        held | grep -qxF "$address" && continue
        case $address in
        *:*)
            # An IPv6 address is nobody's while its interface is down.
            ip link set dev "$INTERFACE" addrgenmode none
            ip link set dev "$INTERFACE" up || return 1
            ip address add "$address/128" dev "$INTERFACE" nodad || return 1
            ;;
        *) ip address add "$address/32" dev "$INTERFACE" || return 1 ;;
        esac
    done
}

ours() {
    ip -o link show dev "$INTERFACE" 2>/dev/null | grep -q " alias $ALIAS\$"
}

link_check() {
    ours || return 1
    for address in $ADDRESSES; do
        held | grep -qxF "$address" || return 1
    done
    for address in $(held); do
        case $address in fe80:*) continue ;; esac
        listed "$address" || return 1
    done
}

link_prune() {
    for address in $(held); do
        case $address in fe80:*) continue ;; esac
        listed "$address" || ip address del "$address" dev "$INTERFACE" 2>/dev/null ||
            ip address del "$address/32" dev "$INTERFACE" || ip address del "$address/128" dev "$INTERFACE"
    done
    return 0
}

link_down() {
    ! ours || ip link delete dev "$INTERFACE"
}

@TABLES@
# Whether the server answers: a query of class CHAOS, which CoreDNS refuses at once, whatever its zones.
answers() {
    exec 3<>"/dev/udp/${ADDRESSES%% *}/53" || return 1
    printf '\113\116\0\0\0\1\0\0\0\0\0\0\0\0\20\0\3' >&3 2>/dev/null
    reply=$(timeout 2 head -c 2 <&3 2>/dev/null)
    exec 3>&-
    [ "$reply" = KN ]
}

running() {
    for slot in a b; do
        case $(systemctl is-active "$NAME@$slot.service") in
        active | activating | deactivating | reloading) return 0 ;;
        esac
    done
    return 1
}

release() {
    ! running || return 0
    echo "no server comes up: rules and addresses are taken away, and queries find their way without the cache" >&2
    systemctl stop "$NAME-rules.service"
    systemctl stop "$NAME-link.service"
}

# Every 5 s. Three times no answer: a server that runs and hangs is ended (systemd starts it anew), and where none runs
# the addresses are let go. Then it is tried again every minute.
watch() {
    failed=0
    while sleep 5; do
        if answers; then
            failed=0
            systemctl is-active --quiet "$NAME-rules.service" || systemctl start --no-block "$NAME-rules.service"
            continue
        fi
        failed=$((failed + 1))
        [ "$failed" -ge 3 ] || continue
        if running; then
            failed=0
            for slot in a b; do
                systemctl is-active --quiet "$NAME@$slot.service" || continue
                echo "server $slot does not answer: ended" >&2
                systemctl kill --signal=KILL "$NAME@$slot.service"
            done
        elif [ "$failed" -eq 3 ]; then
            release
        elif [ $((failed % 12)) -eq 0 ]; then
            for slot in a b; do
                systemctl is-enabled --quiet "$NAME@$slot.service" || continue
                systemctl reset-failed "$NAME@$slot.service"
                systemctl start --no-block "$NAME@$slot.service"
            done
        fi
    done
}

case "$1 $2" in
'link up') link_up ;;
'link prune') link_prune ;;
'link check') link_check ;;
'link down') link_down ;;
'rules up') rules_up ;;
'rules check') rules_check ;;
'rules down') rules_down ;;
'wait ')
    for _try in $(seq 300); do
        ! answers || exit 0
        sleep 0.1
    done
    echo "no answer from ${ADDRESSES%% *} in 30 s: rules are not set" >&2
    exit 1
    ;;
'watch ') watch ;;
'release ') release ;;
*) sed -n 's/^#   //p' "$0" && exit 2 ;;
esac
"""

_NO_RULES = """rules_up() { :; }
rules_check() { :; }
rules_down() { :; }
"""

# NF_IP_PRI_RAW is -300 (linux/netfilter_ipv4.h): before connection tracking, so before any DNAT. While the queries
# that were read are still answered, replies stay untracked: what conntrack knew of them would come from the wrong side.
_NFT = r"""
family() {
    case $1 in *:*) echo ip6 ;; *) echo ip ;; esac
}

# table [leaving]: only the replies.
table() {
    echo "table inet $TABLE {"
    if [ -z "$1" ]; then
        echo "chain prerouting { type filter hook prerouting priority -300; policy accept;"
        for address in $ADDRESSES; do
            for protocol in udp tcp; do
                echo "$(family "$address") daddr $address $protocol dport 53 notrack"
            done
        done
        echo "}"
    fi
    echo "chain output { type filter hook output priority -300; policy accept;"
    for address in $ADDRESSES; do
        family=$(family "$address")
        for protocol in udp tcp; do
            echo "$family saddr $address $protocol sport 53 notrack"
            [ -n "$1" ] || echo "$family daddr $address $protocol dport 53 notrack"
        done
        [ -n "$1" ] || echo "$family daddr $address tcp dport $HEALTH_PORT notrack"
        [ -n "$1" ] || echo "$family saddr $address tcp sport $HEALTH_PORT notrack"
    done
    echo "}"
    if [ -z "$1" ]; then
        echo "chain input { type filter hook input priority -1; policy accept;"
        for address in $ADDRESSES; do
            for protocol in udp tcp; do echo "$(family "$address") daddr $address $protocol dport 53 accept"; done
        done
        echo "}"
        echo "chain replies { type filter hook output priority -1; policy accept;"
        for address in $ADDRESSES; do
            for protocol in udp tcp; do echo "$(family "$address") saddr $address $protocol sport 53 accept"; done
        done
        echo "}"
    fi
    echo "}"
}

replace() {
    printf 'table inet %s\ndelete table inet %s\n%s\n' "$TABLE" "$TABLE" "$1" | nft -f -
}

rules_up() {
    replace "$(table)"
}

rules_check() {
    shown=$(nft -n list table inet "$TABLE" 2>/dev/null) || return 1
    wanted=$(table | grep -cE ' (notrack|accept)$')
    [ "$(printf '%s\n' "$shown" | grep -cE ' (notrack|accept)$')" -eq "$wanted" ] || return 1
    for address in $ADDRESSES; do
        [ "$(printf '%s\n' "$shown" | grep -cF "addr $address ")" -eq 12 ] || return 1
    done
}

rules_down() {
    nft list table inet "$TABLE" >/dev/null 2>&1 || return 0
    replace "$(table leaving)" && sleep 2 && nft delete table inet "$TABLE"
}
"""

_IPTABLES = r"""
# tables_of ADDRESS
tables_of() {
    case $1 in *:*) echo "ip6tables -w" ;; *) echo "iptables -w" ;; esac
}

# Replies and the filter first, then what makes the difference.
rules() {
    for protocol in udp tcp; do
        echo "raw OUTPUT -s $1 -p $protocol --sport 53 -j NOTRACK"
        echo "filter INPUT -d $1 -p $protocol --dport 53 -j ACCEPT"
        echo "filter OUTPUT -s $1 -p $protocol --sport 53 -j ACCEPT"
    done
    echo "raw OUTPUT -d $1 -p tcp --dport $HEALTH_PORT -j NOTRACK"
    echo "raw OUTPUT -s $1 -p tcp --sport $HEALTH_PORT -j NOTRACK"
    for protocol in udp tcp; do
        echo "raw OUTPUT -d $1 -p $protocol --dport 53 -j NOTRACK"
        echo "raw PREROUTING -d $1 -p $protocol --dport 53 -j NOTRACK"
    done
}

# do_rule -C|-I|-D ADDRESS TABLE CHAIN MATCHES...
do_rule() {
    way=$1 program=$(tables_of "$2") place=$3 chain=$4
    shift 4
    $program -t "$place" "$way" "$chain" -m comment --comment "$COMMENT" "$@"
}

rules_check() {
    for address in $ADDRESSES; do
        while read -r line; do
            # shellcheck disable=SC2086
            do_rule -C "$address" $line 2>/dev/null || return 1
        done < <(rules "$address")
    done
}

rules_up() {
    for address in $ADDRESSES; do
        while read -r line; do
            # shellcheck disable=SC2086
            do_rule -C "$address" $line 2>/dev/null || do_rule -I "$address" $line || return 1
        done < <(rules "$address")
    done
}

# remove PATTERN: the rules of all addresses that match it, the last first.
remove() {
    for address in $ADDRESSES; do
        while read -r line; do
            # shellcheck disable=SC2086
            while do_rule -C "$address" $line 2>/dev/null; do do_rule -D "$address" $line || return 1; done
        done < <(rules "$address" | tac | grep "$1")
    done
}

rules_down() {
    remove 'dport 53 -j NOTRACK' || return 1
    sleep 2
    remove '' || return 1
}
"""
