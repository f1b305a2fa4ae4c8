# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NICs that NetworkManager merely watches ("connected (externally)"), once a run gives them addresses.

Such a NIC was addressed by hand. Our unit brings it back at the next boot, and NetworkManager must not ask for a lease
on it then: when that fails it would take all addresses off. So it is told to leave the NIC alone, which it does without
touching anything (1.42: no change at all in the kernel; activating, modifying or applying the profile that it made up
takes the addresses off for a moment, and with them everybody's routes). Giving the NIC back does the same, so the way
back leaves that to NetworkManager's next start.
"""

from __future__ import annotations

import os
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._persist.contract import Command, Configuration, Nic
from ansible_collections.kubenode.network.plugins.module_utils._persist.networkmanager_commands import safe_name
from ansible_collections.kubenode.network.plugins.module_utils._persist.networkmanager_profiles import (
    device,
    profiles,
)
from ansible_collections.kubenode.network.plugins.module_utils._state.files import read_file
from ansible_collections.kubenode.network.plugins.module_utils._state.model import FileState, State

_FOLDER = "/etc/NetworkManager/conf.d"
_TEXT = """\
# Written by kubenode.network: {name} has its addresses from us, and NetworkManager leaves it alone.
[keyfile]
unmanaged-devices+=interface-name:={name}
"""
_RELOAD: Command = ("nmcli", "general", "reload", "conf")


def configure(previous: t.Mapping[str, Nic], wanted: t.Mapping[str, Nic], state: State, root: str) -> Configuration:
    """What NetworkManager has to be told of NICs that our own units configure; nothing where it never was."""
    if not os.path.isdir(os.path.join(root, _FOLDER.lstrip("/"))):
        return Configuration()
    watched = _watched({*previous, *wanted}, state, root)
    files: dict[str, FileState] = {}
    kept = []
    hands_off = []
    for name in sorted({*previous, *wanted} - {""}):
        path = f"{_FOLDER}/90-kubenode-{safe_name(name)}.conf"
        found = read_file(path, root)
        ours = wanted.get(name, Nic(name))
        text = None
        if ours.addresses and (name in watched or found.text is not None):
            text = _TEXT.format(name=name)
        if text == found.text:
            kept += [path] if text is not None else []
            continue
        files[path] = FileState(text)
        if name in state.links:
            # Before the files are read anew without ours, or the addresses would be taken off.
            hands_off.append(("nmcli", "device", "set", name, "managed", "no"))
    if not files:
        return Configuration(kept=tuple(kept))
    commands = (*hands_off, _RELOAD)
    return Configuration(files, commands, commands, kept=tuple(kept))


def _watched(names: t.Iterable[str], state: State, root: str) -> frozenset[str]:
    """Those of ``names`` whose active profile NetworkManager made up from what it found on the NIC."""
    active = {name: device(state.links[name], root).uuid for name in names if name in state.links}
    if not any(active.values()):
        return frozenset()
    external = {profile.uuid for profile in profiles(root) if profile.external}
    return frozenset(name for name, uuid in active.items() if uuid in external)
