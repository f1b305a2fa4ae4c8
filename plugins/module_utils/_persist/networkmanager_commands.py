# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How NetworkManager is told: its own commands, and the dispatcher script for what it has no words for. Pure.

All of it is sh, nmcli, busctl and iproute2, as the way back runs without us.
"""

from __future__ import annotations

import re
import shlex
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._persist.contract import Command

DISPATCHER = "/etc/NetworkManager/dispatcher.d"

# nmcli ends with 0 even where a file could not be loaded, and says so.
_LOAD = '! LC_ALL=C nmcli connection load "$@" 2>&1 | grep . >&2'
# 1 is NM_DEVICE_REAPPLY_FLAGS_PRESERVE_EXTERNAL_IP of NetworkManager 1.42: addresses, and static and boot routes, that
# it did not make stay. nmcli has no word for it; older versions refuse it, and drop them. With this flag IPv6 is taken
# off the NIC and put on again (1.42, for a change of IPv4 too; seen with `ip monitor`), which is worse than what it
# spares: where there are IPv6 addresses what is dropped is put back by us.
_REAPPLY = """\
[ -z "$(ip -6 -o address show dev "$1" scope global permanent)" ] || exec nmcli device reapply "$1"
path=$(nmcli -g GENERAL.DBUS-PATH device show "$1") || exit 1
busctl --quiet call org.freedesktop.NetworkManager "$path" org.freedesktop.NetworkManager.Device Reapply \
'a{sa{sv}}tu' 0 0 1 2>/dev/null || nmcli device reapply "$1"
"""
_DISCONNECT = """\
nmcli device disconnect "$1" && exit 0
case $(nmcli -g GENERAL.STATE device show "$1") in [123]0\\ *) exit 0 ;; esac
exit 1
"""
_HOOK = """\
#!/bin/sh
# Written by kubenode.network: what NetworkManager has no words for on {name}. Do not edit: the next run writes it anew.
[ "$1" = {quoted} ] || exit 0
case $2 in up | reapply | dhcp4-change | dhcp6-change) ;; *) exit 0 ;; esac
"""


def load(paths: t.Iterable[str]) -> Command:
    """NetworkManager reads these files anew; those that are gone it forgets."""
    return ("sh", "-c", _LOAD, "nmcli connection load", *paths)


def reapply(interface: str) -> Command:
    """The active profile as it is now, without a flap."""
    return ("sh", "-c", _REAPPLY, "nmcli device reapply", interface)


def up(uuid: str, interface: str) -> Command:
    """Activate a profile, for a NIC on which none is active. DHCP gets 25 s."""
    return ("nmcli", "--wait", "25", "connection", "up", "uuid", uuid, "ifname", interface)


def disconnect(interface: str) -> Command:
    """No profile on the NIC, and none by itself until it is asked for."""
    return ("sh", "-c", _DISCONNECT, "nmcli device disconnect", interface)


def hook_path(interface: str) -> str:
    """The dispatcher script of a NIC."""
    return f"{DISPATCHER}/60-kubenode-{safe_name(interface)}"


def safe_name(interface: str) -> str:
    """The name of a NIC as a part of a file's name."""
    return re.sub(r"[^A-Za-z0-9_.-]", lambda match: f"%{ord(match.group(0)):02x}", interface)


def hook(interface: str, objects: t.Iterable[tuple[str, t.Any]]) -> str | None:
    """The script that makes ``objects`` whenever NetworkManager has configured the NIC; None where there are none."""
    from ansible_collections.kubenode.network.plugins.module_utils._state import iproute2

    lines = [line for kind, value in objects for line in iproute2.add(kind, value)]
    if not lines:
        return None
    text = _HOOK.format(name=interface, quoted=shlex.quote(interface))
    for option, part in zip(("", "-6 "), iproute2.split(lines)):
        if part:
            body = "\n".join(part)
            text += f"ip {option}-force -batch - >/dev/null 2>&1 <<'END'\n{body}\nEND\n"
    return text + "exit 0\n"
