# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NetworkManager as the manager of a NIC: its active profile gets our part, and is applied again without a flap.

Reads keyfiles and the device's state file below ``root`` and runs nothing. Profiles are found by UUID, as their names
are free. What is written is a keyfile in /etc (0600), which NetworkManager is told to load and to ``Reapply``.
"""

from __future__ import annotations

import re
import typing as t
import uuid as uuids

from ansible_collections.kubenode.network.plugins.module_utils._netlink.constants import AF_INET, AF_INET6, RT_PROTOS
from ansible_collections.kubenode.network.plugins.module_utils._netlink.objects import Link
from ansible_collections.kubenode.network.plugins.module_utils._persist import networkmanager_commands as commands
from ansible_collections.kubenode.network.plugins.module_utils._persist.contract import Command, Configuration, Nic
from ansible_collections.kubenode.network.plugins.module_utils._persist.networkmanager_keyfile import Keyfile, escape
from ansible_collections.kubenode.network.plugins.module_utils._persist.networkmanager_profile import edit
from ansible_collections.kubenode.network.plugins.module_utils._persist.networkmanager_profiles import (
    DEVICES,
    ETC,
    SUFFIX,
    Profile,
    active,
    device,
    profiles,
)
from ansible_collections.kubenode.network.plugins.module_utils._state.files import read_file
from ansible_collections.kubenode.network.plugins.module_utils._state.model import FileState, State, StateError

_PROTOCOL = RT_PROTOS["static"]
"""Of every route and rule that NetworkManager makes; it knows no other."""
_ROUTING = r"routes?\d*(_options)?|routing-rule\d*"
_ROUTING_OR_ADDRESS = _ROUTING + r"|address(es)?\d*(_options)?"
# RFC 4122 4.3: profiles of ours get the same UUID on every run.
_NAMESPACE = uuids.UUID("6b1f1c4e-2f0e-5d2a-9a53-8d0f6e0c7c57")


class _Work(t.NamedTuple):
    """What one NIC needs."""

    files: dict[str, FileState]
    unexpressed: tuple[tuple[str, t.Any], ...]
    warnings: tuple[str, ...]
    kept: tuple[str, ...]
    activate: tuple[Command, ...]
    restore: tuple[Command, ...]
    later: bool = False


def configure(
    previous: t.Mapping[str, Nic], wanted: t.Mapping[str, Nic], state: State, root: str, on_conflict: str
) -> Configuration:
    """See ``contract``. What a keyfile cannot say is in ``unexpressed``, and in a dispatcher script that replays it."""
    found = profiles(root)
    files: dict[str, FileState] = {}
    unexpressed: list[tuple[str, t.Any]] = []
    warnings: list[str] = []
    kept: list[str] = []
    watched = [f"{ETC}/"]
    activate: list[Command] = []
    restore: list[Command] = []
    later = set()
    for name in sorted({*previous, *wanted}):
        link = state.links.get(name)
        work = _nic(
            previous.get(name, Nic(name)), wanted.get(name, Nic(name)), state, found, root, on_conflict == "replace"
        )
        files.update(work.files)
        unexpressed += work.unexpressed
        warnings += work.warnings
        kept += work.kept
        activate += work.activate
        restore += work.restore
        if work.later:
            later.add(name)
        if link is not None:
            watched.append(f"{DEVICES}/{link.index}")
    profile_files = [path for path in files if not path.startswith(f"{commands.DISPATCHER}/")]
    if profile_files:
        activate.insert(0, commands.load(profile_files))
        restore.insert(0, commands.load(profile_files))
    return Configuration(
        files, tuple(activate), tuple(restore), tuple(unexpressed), tuple(watched), tuple(kept), later=frozenset(later),
        rule_protocol=_PROTOCOL, route_protocol=_PROTOCOL, warnings=tuple(dict.fromkeys(warnings)),
    )  # fmt: skip


def _nic(
    previous: Nic, wanted: Nic, state: State, found: t.Sequence[Profile], root: str, replace: bool
) -> _Work:  # fmt: skip
    name = wanted.name
    link = state.links.get(name)
    status = device(link, root)
    targets = active(name, link, status.uuid, found, root)
    if not targets:
        if wanted == Nic(name):
            return _Work({}, (), (), (), (), ())
        targets = [_new_profile(name, link)]
    files: dict[str, FileState] = {}
    kept = []
    touched: set[str] = set()
    unexpressed: tuple[tuple[str, t.Any], ...] = ()
    warnings: tuple[str, ...] = ()
    own = _new_profile(name, link) if link is not None else None
    if own is not None and own.path == targets[0].path:
        # What NetworkManager made up for a NIC without a profile would come back where ours is told to stay down.
        files.update((one.path, FileState(None)) for one in found if one.generated and one.bound == name)
    for profile in targets:
        document = Keyfile(str(profile.document))
        edited = edit(
            document, previous, wanted, profile.path, dict.fromkeys((AF_INET, AF_INET6), status.metric), replace
        )
        unexpressed, warnings = edited
        touched |= _differences(profile.document, document)
        path, text = profile.path, str(document)
        if own is not None and path == own.path and text == str(own.document):
            # Nothing of ours is left in a profile that is ours alone.
            files = {path: FileState(None)}
            continue
        if text == profile.text:
            kept.append(path)
            continue
        if not profile.writable:
            # NetworkManager's own way with profiles of packages, and with those that it made up: a copy in /etc.
            path = profile.path_in_etc
            document.drop_group(".nmmeta")
            text = str(document)
            if profile.generated:
                files[profile.path] = FileState(None)
        files[path] = FileState(text, 0o600)
    hook = commands.hook_path(name)
    script = commands.hook(name, unexpressed)
    stands = read_file(hook, root)
    if (stands.text, stands.mode if stands.text is not None else None) != (script, 0o755 if script else None):
        files[hook] = FileState(script, 0o755)
    elif script is not None:
        kept.append(hook)
    gone = own is not None and own.path in files and files[own.path].text is None
    if status.uuid and not gone and _left_as_it_is(touched, name, state):
        return _Work(files, unexpressed, warnings, tuple(kept), (), (), later=True)
    activate, restore = _commands(wanted, status.uuid, targets[0], files, link is not None)
    return _Work(files, unexpressed, warnings, tuple(kept), activate, restore)


def _left_as_it_is(touched: t.Iterable[str], name: str, state: State) -> bool:
    """Whether NetworkManager needs only read the profile, while we change the kernel.

    A profile that is applied again has all IPv6 addresses taken off the NIC and put on again, with everybody's IPv6
    routes, also for a change of IPv4 (1.42.4; seen with `ip monitor`). For routes and rules that is never worth it, for
    addresses not where there is IPv6. It finds what we made when it starts the next time.
    """
    six = any(one.interface == name and one.family == AF_INET6 and one.scope == 0 for one in state.addresses.values())
    pattern = _ROUTING_OR_ADDRESS if six else _ROUTING
    return all(re.fullmatch(pattern, key) for key in touched)


def _differences(before: Keyfile, after: Keyfile) -> set[str]:
    """Keys that differ, without our notes and NetworkManager's."""
    groups = {*before.groups, *after.groups} - {"user", ".nmmeta"}
    return {
        key
        for group in groups
        for key, _value in set(before.entries(group).items()) ^ set(after.entries(group).items())
    }


def _new_profile(name: str, link: Link | None) -> Profile:
    """A profile of our own for a NIC that has none: bound by name, no address of its own."""
    if link is None:
        raise StateError(
            f"interface {name}: NetworkManager managed it, and it is not there now: expected the NIC or a profile with "
            f"interface-name={name} to write to. Plug it in, or declare it absent"
        )
    document = Keyfile()
    for section, key, value in (
        ("connection", "id", escape(f"kubenode-{name}")),
        ("connection", "uuid", str(uuids.uuid5(_NAMESPACE, name))),
        ("connection", "type", "ethernet"),
        ("connection", "interface-name", escape(name)),
        ("ipv4", "method", "disabled"),
        ("ipv6", "method", "link-local"),
    ):
        document.set(section, key, value)
    path = f"{ETC}/kubenode-{commands.safe_name(name)}{SUFFIX}"
    return Profile(path, "", document, document.text_of("connection", "uuid"))


def _commands(
    wanted: Nic, uuid: str, profile: Profile, files: t.Mapping[str, FileState], present: bool
) -> tuple[tuple[Command, ...], tuple[Command, ...]]:
    if not present or all(path.startswith(f"{commands.DISPATCHER}/") for path in files):
        return (), ()
    if profile.path in files and files[profile.path].text is None and not profile.generated:
        return (), ((commands.up(uuid, wanted.name),) if uuid else ())
    if wanted.up is False:
        return (commands.disconnect(wanted.name),), ((commands.up(uuid, wanted.name),) if uuid else ())
    if not uuid:
        # Nothing of the profile is on the NIC yet: there is nothing that could flap.
        back = commands.disconnect(wanted.name)
        return (commands.up(profile.uuid, wanted.name),), (back,)
    again = commands.reapply(wanted.name)
    return (again,), (again,)
