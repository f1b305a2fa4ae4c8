# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""netplan: a file of our own per NIC, merged into what other files say of it, for both of its renderers.

Never ``netplan apply``: it drops packets. The generator writes the files of the daemon, the daemon takes them up in the
way that keeps what others have on the NIC (see ``networkd`` and ``networkmanager``). What the generator would write is
looked at beforehand, in a folder of its own: nothing but ours may change.
"""

from __future__ import annotations

import json
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._persist import netplan_entries as entries
from ansible_collections.kubenode.network.plugins.module_utils._persist import netplan_files, netplan_render, networkd
from ansible_collections.kubenode.network.plugins.module_utils._persist.contract import Command, Configuration, Nic
from ansible_collections.kubenode.network.plugins.module_utils._persist.netplan_files import Definition, Listed
from ansible_collections.kubenode.network.plugins.module_utils._persist.networkd_files import usual_broadcast
from ansible_collections.kubenode.network.plugins.module_utils._state.files import read_file
from ansible_collections.kubenode.network.plugins.module_utils._state.model import FileState, State, StateError
from ansible_collections.kubenode.network.plugins.module_utils._state.system import systemd_runs_here

NETWORKD = "netplan (systemd-networkd)"

_HEADER = "# Written by kubenode.network, and overwritten by it.\n"
_GENERATE: Command = ("netplan", "generate")
_RULE_PROTOCOL = 4  # RTPROT_STATIC, of networkd and NetworkManager alike

# Our keys -> the settings in the daemons' files that they may change (lower case).
_SETTINGS = {
    "mtu": ("mtubytes", "mtu"),
    "dhcp4": ("dhcp", "method", "routemetric", "usemtu"),
    "dhcp6": ("dhcp", "method", "routemetric", "usemtu"),
    "accept-ra": ("ipv6acceptra", "method"),
    "activation-mode": ("activationpolicy", "autoconnect"),
    "addresses": ("method", "linklocaladdressing"),
    "nameservers": ("dns", "dns-search", "domains"),
    "dhcp4-overrides": ("ignore-auto-routes", "ignore-auto-dns", "never-default"),
    "dhcp6-overrides": ("ignore-auto-routes", "ignore-auto-dns", "never-default"),
    "networkmanager": ("never-default",),
}


def path_of(name: str) -> str:
    """Our file for a NIC. Names of files decide who has the last word: 90 is behind the installers'."""
    return f"/etc/netplan/90-kubenode-{name}.yaml"


def configure(
    previous: t.Mapping[str, Nic], wanted: t.Mapping[str, Nic], state: State, root: str, on_conflict: str,
    keep_foreign: str = "auto",
) -> Configuration:  # fmt: skip
    """See ``contract``. The generator is run in a scratch folder where something is to change."""
    texts = netplan_files.read(root)
    documents = netplan_files.parse(texts)
    ours = {path: document for path, document in documents.items() if netplan_files.OURS.search(path)}
    theirs = {path: document for path, document in documents.items() if path not in ours}
    foreign = netplan_files.definitions(theirs)
    files: dict[str, FileState] = {}
    kept: list[str] = []
    left: list[tuple[str, t.Any]] = []
    changed: dict[str, tuple[Definition, entries.Entry]] = {}
    conflicts: list[str] = []
    hooks: dict[str, tuple[tuple[str, t.Any], ...]] = {}
    edits: dict[str, list[str]] = {}
    for name in sorted({*previous, *wanted}):
        nic = wanted.get(name)
        found = _definition(name, foreign, state) if nic is not None else None
        entry: entries.Entry = {}
        if nic is not None and found is not None:
            nic, odd = _without_odd(nic, state) if _networkd(name, state) else (nic, [])
            left += odd
            said = entries.definition(nic, _networkd(name, state), _has(found, _networkd(name, state)))
            entry, unexpressed = said
            left += unexpressed
            if not _networkd(name, state):
                hooks[name] = unexpressed
            conflicts += _conflicts(nic, entry, found, on_conflict == "replace", _networkd(name, state), edits)
            changed[name] = (found, entry)
        document = {"network": {"version": 2, found.section: {found.identity: entry}}} if found and entry else None
        text = f"{_HEADER}{json.dumps(document, indent=2)}\n" if document else None
        wished = {path_of(name): FileState(text, 0o600)}
        wished.update(_hook(name, hooks, state))
        wished.update(_drop_ins(name, nic, found, ours.get(path_of(name)), state))
        for path, file in wished.items():
            _differs(files, kept, path, file, root)
    if conflicts:
        raise StateError("\n".join(conflicts))
    for path, keys in edits.items():
        text = netplan_files.without(texts[path], list(dict.fromkeys(keys)), path)
        files[path] = read_file(path, root)._replace(text=text)
    watched = [*netplan_files.FOLDERS[1:], *theirs]
    warnings: list[str] = []
    ready: list[tuple[str, str]] = []
    rules: int | None = None
    names = sorted({*previous, *wanted})
    if any(_networkd(name, state) for name in names):
        # The daemon is the one of NICs without netplan, and is told the same of what others have.
        own = {path for path in (*ours, *files) if netplan_files.OURS.search(path)}
        needed = any(path not in files or files[path].text is not None for path in own)
        for path, file in networkd.node_file(needed, keep_foreign, root, watched, warnings).items():
            if needed or not networkd.has_files(root):
                _differs(files, kept, path, file, root)
        links = [state.links[name] for name in wanted if name in state.links]
        ready += [(f"/run/systemd/netif/links/{link.index}", networkd.READY) for link in links]
        rules = _RULE_PROTOCOL
    answer = Configuration(
        kept=tuple(kept), watched=tuple(dict.fromkeys(watched)), unexpressed=tuple(left), rule_protocol=rules,
        warnings=tuple(warnings),
    )  # fmt: skip
    if not files:
        return answer
    _compare(texts, files, changed, ours, root)
    if root == "/" and not systemd_runs_here():
        raise StateError(
            f"{', '.join(names)}: netplan manages it, but systemd does not run on this very node (another node's /run "
            "is seen), so what it renders for cannot be told: expected systemd as process 1"
        )
    activate = _commands(previous, wanted, changed, state)
    restore = _commands(previous=wanted, wanted=previous, changed=changed, state=state)
    return answer._replace(files=files, activate=activate, restore=restore, ready=tuple(ready))


def _differs(files: dict[str, FileState], kept: list[str], path: str, file: FileState, root: str) -> None:
    if read_file(path, root).text != file.text:
        files[path] = file
    elif file.text is not None:
        kept.append(path)


def _networkd(name: str, state: State) -> bool:
    return state.managers.get(name, NETWORKD) == NETWORKD


def _without_odd(nic: Nic, state: State) -> tuple[Nic, list[tuple[str, t.Any]]]:
    """Addresses that stand with another broadcast address than networkd's are left to a unit of ours.

    netplan has no word for it, and networkd would ask for them again and again: see ``networkd_files``.
    """
    standing = {one: state.addresses.get(one.key) for one in nic.addresses}
    odd = [one for one, held in standing.items() if held is not None and held.broadcast != usual_broadcast(held)]
    kept = tuple(one for one in nic.addresses if one not in odd)
    return nic._replace(addresses=kept), [("address", one) for one in odd]


def _definition(name: str, foreign: t.Mapping[str, Definition], state: State) -> Definition:
    """The one definition that is about the NIC, and about no other."""
    link = state.links.get(name)
    links = tuple(state.links.values())
    found = [one for one in foreign.values() if (link is not None and one.of(link)) or one.identity == name]
    if not found:
        known = ", ".join(sorted(foreign)) or "none"
        raise StateError(
            f"interface {name} is managed by netplan, but none of its files defines it: found definitions {known}, "
            "expected one that matches the interface. Add it to the file of your netplan"
        )
    one = found[-1]
    several = one.of(*links)
    if len(several) > 1:
        raise StateError(
            f"interface {name}: netplan's definition {one.identity} matches {', '.join(sorted(several))}: what is "
            f"said of it holds for all of them. Give {name} a definition of its own"
        )
    return one


def _has(found: Definition, networkd: bool) -> t.Callable[[str, t.Any], bool]:
    def has(name: str, entry: t.Any) -> bool:
        wanted = entries.content(name, entry, networkd)
        return any(entries.content(name, one.value, networkd) == wanted for one in found.values.get(name, ()))

    return has


def _conflicts(
    nic: Nic, entry: entries.Entry, found: Definition, replace: bool, networkd: bool, edits: dict[str, list[str]]
) -> t.Iterator[str]:
    """What files of others say against ours, in words; what shall be replaced goes into ``edits``."""
    against = [*_contraries(entry, found, networkd), *_declared(nic, found, networkd)]
    for key, value, told in against:
        single = not isinstance(value, (list, dict)) and value is not None
        earlier = told.file.rpartition("/")[2] < path_of(nic.name).rpartition("/")[2]
        if replace and single and earlier:
            continue
        if replace and told.file.startswith("/etc/"):
            edits.setdefault(told.file, []).append(told.key)
            continue
        wanted = f"{key}: {json.dumps(value)}" if value is not None else f"no such entry in {key}"
        way = ", or say on_conflict: replace" if told.file.startswith("/etc/") else ""
        yield (
            f"interface {nic.name}: {told.file} says {told.key}: {json.dumps(told.value)}, wanted is {wanted}: take "
            f"{told.key} out of {told.file}{way}"
        )


def _declared(nic: Nic, found: Definition, networkd: bool) -> t.Iterator[tuple[str, t.Any, Listed]]:
    """Entries of files of others for what this run takes away."""
    names = {"address": "addresses", "route": "routes", "rule": "routing-policy"}
    for kind, gone in nic.removed:
        entry: t.Any
        if kind == "address":
            entry = entries.address(gone)
        elif kind == "route":
            entry = entries.route(gone, networkd)
        else:
            entry = entries.rule(gone, networkd=True)
        for one in found.values.get(names[kind], ()) if entry is not None else ():
            if entries.content(names[kind], one.value, networkd) == entries.content(names[kind], entry, networkd):
                yield names[kind], None, one


def _contraries(
    entry: entries.Entry, found: Definition, networkd: bool, above: str = ""
) -> t.Iterator[tuple[str, t.Any, Listed]]:
    for key, value in entry.items():
        name = above + key
        if name in ("routes", "routing-policy"):
            for one in value:
                other = entries.contrary(name, one, found.values.get(name, ()), networkd)
                if other is not None:
                    yield name, one, other
        elif isinstance(value, dict):
            yield from _contraries(value, found, networkd, f"{name}.")
        elif isinstance(value, list):
            # Of servers the order counts, and ours would only be appended.
            others = found.values.get(name, []) if above == "nameservers." else []
            if others and [str(one.value) for one in others] != value:
                yield name, value, others[0]
        else:
            told = found.scalar(name)
            if told is not None and _plain(told.value) != _plain(value):
                yield name, value, told


def _plain(value: t.Any) -> str:
    text = str(value).lower()
    return {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false"}.get(text, text)


def _drop_ins(
    name: str, nic: Nic | None, found: Definition | None, document: t.Any, state: State
) -> dict[str, FileState]:
    """Networkd's drop-in to the file that netplan makes, for what of a lease is taken."""
    paths = dict.fromkeys(netplan_files.definitions({"": document})) if document else {}
    if found is not None:
        paths[found.identity] = None
    text = entries.drop_in(nic) if nic is not None and _networkd(name, state) else None
    folder = "/etc/systemd/network/10-netplan-{}.network.d/90-kubenode-netplan.conf"
    return {
        folder.format(identity): FileState(text if found and identity == found.identity else None) for identity in paths
    }


def _hook(name: str, hooks: t.Mapping[str, tuple[tuple[str, t.Any], ...]], state: State) -> dict[str, FileState]:
    """NetworkManager's dispatcher script for what netplan has no words for: made again after a lease or a reapply."""
    if _networkd(name, state):
        return {}
    from ansible_collections.kubenode.network.plugins.module_utils._persist import networkmanager_commands as nm

    return {nm.hook_path(name): FileState(nm.hook(name, hooks.get(name, ())), 0o755)}


def _compare(
    texts: t.Mapping[str, str],
    files: t.Mapping[str, FileState],
    changed: t.Mapping[str, tuple[Definition, entries.Entry]],
    ours: t.Mapping[str, t.Any],
    root: str,
) -> None:
    """Raises StateError where the generator would change more than we ask for."""
    if netplan_render.rendered(root):
        stale = netplan_render.unapplied(texts, root)
        if stale:
            raise StateError(
                "netplan's files were changed and never applied, and would take effect together with this change: "
                f"{', '.join(stale)} would become different. Run 'netplan try', or take the changes back, first"
            )
    after = {path: text for path, text in texts.items() if path not in files}
    after.update({path: file.text for path, file in files.items() if file.text is not None and "/netplan/" in path})
    plain = {path: text for path, text in texts.items() if path not in ours}
    plain.update({path: files[path].text or "" for path in plain if path in files})
    # Files of ours that stay as they are belong to both sides.
    plain.update({path: texts[path] for path in ours if path not in files})
    identities = [found.identity for found, _entry in changed.values()]
    settings = {one for _found, entry in changed.values() for key in entry for one in _SETTINGS.get(key, ())}
    before, then = netplan_render.render(plain), netplan_render.render(after)
    for definition, entry in changed.values():
        lost = netplan_render.dropped(before, then, definition.identity, entry)
        if lost:
            raise StateError(
                f"netplan does not render all that was written for {definition.identity}: {', '.join(lost)}: its "
                "version does not know them. Leave them out, or say persist: false"
            )
    found = netplan_render.strange(before, then, identities, settings)
    if found:
        raise StateError(
            "netplan would change more than what is wanted: "
            f"{'; '.join(found[:5])}: expected only additions to {', '.join(identities)}. 'netplan generate' on a copy "
            "of /etc/netplan with our files shows it"
        )


def _commands(
    previous: t.Mapping[str, Nic],
    wanted: t.Mapping[str, Nic],
    changed: t.Mapping[str, tuple[Definition, entries.Entry]],
    state: State,
) -> tuple[Command, ...]:
    names = [name for name in sorted({*previous, *wanted}) if name in state.links]
    commands: list[Command] = [_GENERATE]
    if any(_networkd(name, state) for name in names):
        commands += networkd.RESTART
    others = [name for name in names if not _networkd(name, state)]
    if others:
        from ansible_collections.kubenode.network.plugins.module_utils._persist import networkmanager_commands as nm

        identities = [changed[name][0].identity if name in changed else name for name in others]
        folder = "/run/NetworkManager/system-connections"
        commands.append(nm.load(f"{folder}/netplan-{identity}.nmconnection" for identity in identities))
        commands += [nm.reapply(name) for name in others]
    return tuple(commands)
