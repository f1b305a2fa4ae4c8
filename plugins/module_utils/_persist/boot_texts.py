# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The texts of our units and of their script; ``boot_unit`` writes the lines that they replay."""

from __future__ import annotations

SCRIPT_PATH = "/etc/kubenode-network/replay"
NODE_UNIT_PATH = "/etc/systemd/system/kubenode-network.service"
NIC_UNIT_PATH = "/etc/systemd/system/kubenode-network@.service"
LINK_UNIT_PATH = "/etc/systemd/system/kubenode-network-link@.service"

SCRIPT = r"""#!/bin/sh
# Written by kubenode.network: brings up what the files beside it say. Harmless when run again.
#   replay              what belongs to no NIC, links that stand on no other; without udev every NIC that is there
#   replay NIC          one NIC
#   replay --link NIC   makes a link
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
LC_ALL=C
export PATH LC_ALL
folder=${0%/*}
failed=0

# batch FILE WORD [OPTION]: the lines of FILE that begin with WORD. What is there already is no failure.
batch() {
    text=$(sed -n "s/^$2 //p" "$1")
    [ -n "$text" ] || return 0
    said=$(printf '%s\n' "$text" | ip ${3:+"$3"} -force -batch - 2>&1 >/dev/null |
        grep -v -e '^Command failed' -e 'File exists' -e 'already assigned')
    [ -n "$said" ] || return 0
    printf '%s: %s\n' "${1##*/}" "$said" >&2
    failed=1
}

there() {
    ip link show dev "$1" >/dev/null 2>&1
}

make() {
    there "$1" || batch "$folder/nic.d/$1" make
}

nic() {
    file=$folder/nic.d/$1
    [ -f "$file" ] || return 0
    master=$(sed -n 's/^port //p' "$file")
    if [ -n "$master" ] && ! ip -o link show dev "$1" | grep -q " master $master "; then
        # A bond takes no port that is up.
        ip link set dev "$1" down
        ip link set dev "$1" master "$master" || failed=1
        ip link set dev "$1" up
    fi
    sed -n 's/^sysctl //p' "$file" | while read -r key value; do
        printf '%s\n' "$value" >"/proc/sys/$key"
    done
    batch "$file" ip
    batch "$file" ip6 -6
}

case ${1-} in
'')
    for file in "$folder"/nic.d/*; do
        [ -f "$file" ] || continue
        grep -q '^on ' "$file" || make "${file##*/}"
    done
    if [ -f "$folder/node" ]; then
        batch "$folder/node" ip
        batch "$folder/node" ip6 -6
    fi
    nic lo
    if [ ! -e /run/udev/control ]; then
        # A link on another one is there once that one is.
        for _pass in 1 2 3; do
            for file in "$folder"/nic.d/*; do
                [ -f "$file" ] || continue
                parent=$(sed -n 's/^on //p' "$file")
                [ -z "$parent" ] || ! there "$parent" || make "${file##*/}"
            done
        done
        for file in "$folder"/nic.d/*; do
            ! there "${file##*/}" || nic "${file##*/}"
        done
    fi
    ;;
--link)
    make "$2"
    ;;
*)
    nic "$1"
    ;;
esac
exit "$failed"
"""

_HEAD = "# Written by kubenode.network. Changes made here are lost.\n"
# An address may still be on its way (a gateway behind a manager's address, duplicate address detection).
_AGAIN = """Type=oneshot
Restart=on-failure
RestartSec=2
"""
_LIMIT = """StartLimitIntervalSec=120
StartLimitBurst=30
"""
_AFTER_MANAGERS = "After=network-pre.target systemd-networkd.service NetworkManager.service networking.service\n"

NODE_UNIT = f"""{_HEAD}[Unit]
Description=Network of this node as kubenode.network keeps it
Documentation=https://docs.ansible.com/ansible/latest/collections/kubenode/network/
Wants=network-pre.target
{_AFTER_MANAGERS}Before=network.target network-online.target
{_LIMIT}
[Service]
{_AGAIN}RemainAfterExit=yes
ExecStart={SCRIPT_PATH}

[Install]
WantedBy=multi-user.target
"""

NIC_UNIT = f"""{_HEAD}[Unit]
Description=Network interface %I as kubenode.network keeps it
BindsTo=sys-subsystem-net-devices-%i.device
After=sys-subsystem-net-devices-%i.device kubenode-network.service
{_AFTER_MANAGERS}Before=network.target network-online.target
{_LIMIT}
[Service]
{_AGAIN}RemainAfterExit=yes
ExecStart={SCRIPT_PATH} %I
"""

# Not bound, and not remembered: each time the link below appears it is made again.
LINK_UNIT = f"""{_HEAD}[Unit]
Description=Making of network interface %I as kubenode.network keeps it
{_AFTER_MANAGERS}Before=network.target network-online.target
{_LIMIT}
[Service]
{_AGAIN}ExecStart={SCRIPT_PATH} --link %I
"""
