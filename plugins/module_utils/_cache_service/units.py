# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The units of the cache. Pure; the script that they run is in ``node_script.py``.

At boot: ``link`` makes the interface with its addresses, then the server of the slot that was last live (``a`` or
``b``) starts, and once it answers ``rules`` takes its queries past connection tracking. ``watch`` asks the server, ends
one that hangs, and lets go of rules and addresses where none comes up: kube-proxy then leads queries to CoreDNS again.
No code of this collection runs then, only ``bash``, iproute2 and nft or iptables.
"""

from __future__ import annotations

from ansible_collections.kubenode.network.plugins.module_utils._cache_service.node_script import text_for
from ansible_collections.kubenode.network.plugins.module_utils._cache_service.options import Options

FOLDER = "/etc/kubenode-network/dns-cache"
PROGRAMS = "/usr/local/libexec/kubenode-network/dns-cache"
"""Each slot's own copy of the binary. Below libexec, where SELinux's policies expect programs."""
SCRIPT = f"{FOLDER}/node"
COREFILE = f"{FOLDER}/Corefile"
RECORDS = f"{COREFILE}.kubenode.json"
USER = "kubenode-dns-cache"
USER_FILE = f"/etc/sysusers.d/{USER}.conf"
SYSTEM = "/etc/systemd/system"
SLOTS = ("a", "b")
LINK, RULES, WATCH, RELEASE = (f"{USER}-{name}.service" for name in ("link", "rules", "watch", "release"))

NETWORKD_PATH = f"/etc/systemd/network/00-{USER}.network"
NETWORKMANAGER_PATH = f"/etc/NetworkManager/conf.d/90-{USER}.conf"
_HEAD = "# Written by kubenode.network. Changes made here are lost.\n"


def instance(slot: str) -> str:
    """Name of the unit of a slot's server."""
    return f"{USER}@{slot}.service"


def corefile_of(slot: str) -> str:
    """Path of the text that a slot's server runs: what was proved, whatever becomes of the Corefile beside it."""
    return f"{COREFILE}.{slot}"


def program_of(slot: str) -> str:
    """Path of the binary that a slot's server runs."""
    return f"{PROGRAMS}/{slot}/coredns"


def files(options: Options, backend: str, networkd: bool, networkmanager: bool) -> dict[str, tuple[str, int]]:
    """Path -> text and mode, of all that does not belong to one slot."""
    found = {
        SCRIPT: (text_for(options, backend, USER), 0o755),
        USER_FILE: (f'{_HEAD}u {USER} - "Node-local DNS cache"\n', 0o644),
        f"{SYSTEM}/{LINK}": (_HEAD + _link(), 0o644),
        f"{SYSTEM}/{USER}@.service": (_HEAD + _server(options), 0o644),
        f"{SYSTEM}/{RULES}": (_HEAD + _rules(), 0o644),
        f"{SYSTEM}/{WATCH}": (_HEAD + _watch(), 0o644),
        f"{SYSTEM}/{RELEASE}": (_HEAD + _release(), 0o644),
    }
    if networkd:
        text = f"{_HEAD}[Match]\nName={options.interface}\n\n[Link]\nUnmanaged=yes\n"
        found[NETWORKD_PATH] = (text, 0o644)
    if networkmanager:
        text = f"{_HEAD}[keyfile]\nunmanaged-devices+=interface-name:{options.interface}\n"
        found[NETWORKMANAGER_PATH] = (text, 0o644)
    return found


def _link() -> str:
    return f"""[Unit]
Description=Interface and addresses of the node-local DNS cache
Documentation=https://docs.ansible.com/ansible/latest/collections/kubenode/network/
After=network-pre.target systemd-networkd.service NetworkManager.service networking.service
Wants=network-pre.target
Before=network-online.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/bash {SCRIPT} link up
ExecStop=/bin/bash {SCRIPT} link down

[Install]
WantedBy=multi-user.target
"""


def _server(options: Options) -> str:
    # Go listens with Multipath TCP unless told, whose sockets take no program that spreads connections (steer.py).
    return f"""[Unit]
Description=Node-local DNS cache, server %i
Documentation=https://docs.ansible.com/ansible/latest/collections/kubenode/network/
Requires={LINK}
After={LINK}
Wants={RULES}
OnFailure={RELEASE}
StartLimitIntervalSec=60
StartLimitBurst=5

[Service]
ExecStart={PROGRAMS}/%i/coredns -conf {COREFILE}.%i
Environment=GODEBUG=multipathtcp=0
User={USER}
AmbientCapabilities=CAP_NET_BIND_SERVICE
CapabilityBoundingSet=CAP_NET_BIND_SERVICE
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectHostname=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_NETLINK AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
UMask=0077
LimitNOFILE=65536
TasksMax=512
MemoryMax={options.memory_max}
OOMScoreAdjust=-900
Restart=always
RestartSec=500ms
TimeoutStopSec=15

[Install]
WantedBy=multi-user.target
"""


def _rules() -> str:
    servers = " ".join(instance(slot) for slot in SLOTS)
    return f"""[Unit]
Description=Rules of the node-local DNS cache
Requires={LINK}
After={LINK} {servers}

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStartPre=/bin/bash {SCRIPT} wait
ExecStart=/bin/bash {SCRIPT} rules up
ExecStop=/bin/bash {SCRIPT} rules down
"""


def _watch() -> str:
    # It holds nothing that takes time to let go of. Under load systemd was seen to miss the end of its last process; it
    # looks again after this time only.
    return f"""[Unit]
Description=Watch over the node-local DNS cache
After={LINK}

[Service]
ExecStart=/bin/bash {SCRIPT} watch
Restart=always
RestartSec=5
TimeoutStopSec=3

[Install]
WantedBy=multi-user.target
"""


def _release() -> str:
    return f"""[Unit]
Description=Letting go of the node-local DNS cache's addresses, as no server comes up

[Service]
Type=oneshot
ExecStart=/bin/bash {SCRIPT} release
"""
