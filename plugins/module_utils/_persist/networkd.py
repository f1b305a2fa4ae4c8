# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""systemd-networkd: a drop-in per NIC, taken up by a restart of the daemon.

A restart loses no packet, no address and no route of others, unlike `networkctl reload`, which configures a NIC anew;
but it leaves what the files no longer say. So the plan's own changes remove that, precisely, after the restart.
"""

from __future__ import annotations

import os
import re
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._persist import networkd_files as texts
from ansible_collections.kubenode.network.plugins.module_utils._persist.contract import Command, Configuration, Nic
from ansible_collections.kubenode.network.plugins.module_utils._state.files import read_file
from ansible_collections.kubenode.network.plugins.module_utils._state.model import FileState, State, StateError
from ansible_collections.kubenode.network.plugins.module_utils._state.plan_routes import same_route
from ansible_collections.kubenode.network.plugins.module_utils._state.plan_rules import same_rule, selectors
from ansible_collections.kubenode.network.plugins.module_utils._state.system import systemd_runs_here

FOLDER = "/etc/systemd/network/"
NODE_PATH = "/etc/systemd/networkd.conf.d/90-kubenode.conf"
NAME = "90-kubenode.conf"
# systemd.network(5): of equal names the first folder's counts.
_FOLDERS = ("/etc/systemd/network/", "/run/systemd/network/", "/usr/local/lib/systemd/network/",
            "/usr/lib/systemd/network/", "/lib/systemd/network/")  # fmt: skip
_NODE_FILES = ("/etc/systemd/networkd.conf",)
_NODE_FOLDERS = ("/etc/systemd/networkd.conf.d/", "/run/systemd/networkd.conf.d/", "/usr/lib/systemd/networkd.conf.d/")
_KEEP = ("ManageForeignRoutes", "ManageForeignRoutingPolicyRules")
_KEEP_TEXT = (
    "# Written by kubenode.network (networkd_keep_foreign): routes and rules of others stay.\n"
    "[Network]\nManageForeignRoutes=no\nManageForeignRoutingPolicyRules=no\n"
)
_UNIT = "systemd-networkd.service"
# More than five starts in ten seconds are refused, which this forgets; a restart that failed may still have come back.
RESTART: tuple[Command, ...] = (
    ("systemctl", "reset-failed", _UNIT),
    ("systemctl", "restart", _UNIT),
    ("systemctl", "is-active", "--quiet", _UNIT),
)
# "configured" may take half a minute (it waits for a router's advertisement); what is static is asked for before.
READY = r"^ADMIN_STATE=(configuring|configured|failed|unmanaged|linger)$|^CARRIER_STATE=(no-carrier|off|missing)$"
_RTPROT_STATIC = 4


def configure(
    previous: t.Mapping[str, Nic], wanted: t.Mapping[str, Nic], state: State, root: str = "/",
    on_conflict: str = "fail", keep_foreign: str = "auto",
) -> Configuration:  # fmt: skip
    """Raises StateError where a file of others says the contrary, naming file and key."""
    there = _our_files(root)
    files: dict[str, FileState] = {}
    watched: list[str] = [FOLDER]
    unexpressed: list[tuple[str, t.Any]] = []
    warnings: list[str] = []
    ready: list[tuple[str, str]] = []
    stale: list[tuple[str, t.Any]] = []
    for name in sorted({*previous, *wanted}):
        goal: dict[str, FileState] = {}
        if name in wanted:
            base = _base(name, state, root)
            watched += base.watched
            nic, left = _split(_as_standing(wanted[name], state))
            unexpressed += left
            nic, edits = _settled(nic, base, on_conflict)
            goal.update(edits)
            path, text = _file(name, nic, base)
            if text:
                goal[path] = FileState(text)
            if name in state.links:
                ready.append((f"/run/systemd/netif/links/{state.links[name].index}", READY))
        for path, nic_name in there.items():
            if nic_name == name and path not in goal:
                goal[path] = FileState(None)
        if _lost_dhcp(previous.get(name), wanted.get(name)) and not _asks(_base(name, state, root)):
            from ansible_collections.kubenode.network.plugins.module_utils._persist.leases import lease

            stale += lease(name, state)
        files.update(goal)
    ours_left = {path for path in there if path not in files}
    ours_left.update(path for path, file in files.items() if file.text is not None and _is_ours(path))
    files.update(node_file(bool(ours_left), keep_foreign, root, watched, warnings))
    changed = {path: file for path, file in files.items() if file.text != read_file(path, root).text}
    restart: tuple[Command, ...] = ()
    if changed and root == "/":
        if not systemd_runs_here():
            raise StateError(
                f"{', '.join(sorted(wanted or previous))}: systemd-networkd manages it, but systemd does not run on "
                "this very node (another node's /run is seen), so it cannot be restarted: expected systemd as process 1"
            )
        restart = RESTART
    return Configuration(
        files=changed,
        activate=restart,
        restore=restart,
        unexpressed=tuple(unexpressed),
        stale=tuple(stale),
        watched=tuple(dict.fromkeys(watched)),
        kept=tuple(path for path in files if path not in changed and files[path].text is not None),
        ready=tuple(ready),
        rule_protocol=_RTPROT_STATIC,
        warnings=tuple(warnings),
    )


def _lost_dhcp(before: Nic | None, after: Nic | None) -> bool:
    """Whether we asked for a lease and say nothing of it any more."""
    asked = before is not None and before.dhcp4 is not None and bool(before.dhcp4.enabled)
    return asked and (after is None or after.dhcp4 is None or after.dhcp4.enabled is None)


def _asks(base: Base) -> bool:
    now = [value.lower() for text in (base.text, *base.later.values()) for value in _dhcp_values(text)]
    return bool(now) and now[-1] in texts.YES | {"ipv4", "v4", "both"}


# --- what is there ---------------------------------------------------------------------------------------------------


class Base(t.NamedTuple):
    """The files of others that apply to a NIC."""

    path: str | None
    text: str
    later: dict[str, str]
    """Drop-ins of others in the order in which they are read."""
    shared: bool
    """Whether the file applies to other NICs too."""
    watched: tuple[str, ...]


def has_files(root: str) -> bool:
    """Whether NICs have drop-ins or files of ours."""
    return bool(_our_files(root))


def _our_files(root: str) -> dict[str, str]:
    """Our file -> the NIC that it is for."""
    found: dict[str, str] = {}
    for entry in _names(FOLDER, root):
        path = f"{FOLDER}{entry}/{NAME}" if entry.endswith(".network.d") else FOLDER + entry
        if _is_ours(path):
            marked = re.match(r"# kubenode\.network: (\S+)", read_file(path, root).text or "")
            if marked:
                found[path] = marked.group(1)
    return found


def _is_ours(path: str) -> bool:
    return path.endswith(f".network.d/{NAME}") or re.search(r"/[^/]*-kubenode-[^/]*\.network$", path) is not None


def _base(name: str, state: State, root: str) -> Base:
    """The file that applies by networkd's own word, or what our copy of it was made from."""
    path = _applies(name, state, root)
    if path is not None and _is_ours(path):
        copied = re.search(r"^# Copy of (/\S+)$", read_file(path, root).text or "", re.MULTILINE)
        path = copied.group(1) if copied else None
        shared = True
    else:
        others = [one for one in state.links if one != name and _applies(one, state, root) == path]
        shared = path is not None and bool(others)
    if path is None:
        return Base(None, "", {}, True, ())
    text = read_file(path, root).text or ""
    shared = shared or not texts.one_nic(texts.sections(text), name)
    later: dict[str, str] = {}
    folders = [f"{folder}{os.path.basename(path)}.d/" for folder in _FOLDERS]
    for folder in folders:
        for entry in _names(folder, root):
            if entry.endswith(".conf") and entry != NAME and entry not in {os.path.basename(one) for one in later}:
                later[folder + entry] = read_file(folder + entry, root).text or ""
    later = dict(sorted(later.items(), key=lambda item: os.path.basename(item[0])))
    return Base(path, text, later, shared, (path, *later, folders[0]))


def _applies(name: str, state: State, root: str) -> str | None:
    if name not in state.links:
        return None
    text = read_file(f"/run/systemd/netif/links/{state.links[name].index}", root).text or ""
    found = re.search(r"^NETWORK_FILE=(.+)$", text, re.MULTILINE)
    return found.group(1) if found else None


def _names(folder: str, root: str) -> list[str]:
    try:
        return sorted(os.listdir(os.path.join(root, folder.lstrip("/"))))
    except OSError:
        return []


# --- what it shall be ------------------------------------------------------------------------------------------------


def _as_standing(nic: Nic, state: State) -> Nic:
    """The addresses as the kernel has them now, with what a declaration does not say (broadcast address, metric)."""
    addresses = []
    for address in nic.addresses:
        usual = address._replace(broadcast=address.broadcast or texts.usual_broadcast(address))
        addresses.append(state.addresses.get(address.key, usual))
    return nic._replace(addresses=tuple(addresses))


def _split(nic: Nic) -> tuple[Nic, list[tuple[str, t.Any]]]:
    """What a file can say, and what it cannot."""
    left: list[tuple[str, t.Any]] = []
    kept: dict[str, list[t.Any]] = {"address": [], "route": [], "rule": []}
    for kind, found in (("address", nic.addresses), ("route", nic.routes), ("rule", nic.rules)):
        for value in t.cast("tuple[t.Any, ...]", found):
            if texts.expressible(kind, value):
                kept[kind].append(value)
            else:
                left.append((kind, value))
    addresses, routes, rules = (tuple(kept[kind]) for kind in ("address", "route", "rule"))
    return nic._replace(addresses=addresses, routes=routes, rules=rules), left


def _settled(nic: Nic, base: Base, on_conflict: str) -> tuple[Nic, dict[str, FileState]]:
    """The NIC without what files of others say already, and their files without what contradicts it."""
    gone: dict[str, list[tuple[int, int]]] = {}
    same: set[tuple[str, t.Any]] = set()
    sources = {base.path: base.text, **base.later} if base.path else base.later
    for path, text in sources.items():
        for one in texts.said(text, path or "", nic.name):
            verdict, value = _compared(one, nic)
            if verdict == "same":
                same.add((one.kind, value))
            elif verdict:
                _contrary(one, verdict, on_conflict)
                gone.setdefault(one.path, []).append(one.lines)
    _check_later(nic, base)
    nic = nic._replace(
        addresses=tuple(value for value in nic.addresses if ("address", value) not in same),
        routes=tuple(value for value in nic.routes if ("route", value) not in same),
        rules=tuple(value for value in nic.rules if ("rule", value) not in same),
    )
    return nic, {path: FileState(texts.without(sources[path], lines)) for path, lines in gone.items()}


def _compared(one: texts.Said, nic: Nic) -> tuple[str, t.Any]:
    """``same`` with the wanted object, what it contradicts in words, or nothing."""
    from ansible_collections.kubenode.network.plugins.module_utils._state.describe import object_text

    removed = nic.removed
    if one.kind == "address":
        for address in nic.addresses:
            if address.address == one.value.address:
                same = address.prefix_length == one.value.prefix_length
                return ("same" if same else object_text("address", address), address)
        gone = any(kind == "address" and value.key == one.value.key for kind, value in removed)
    elif one.kind == "route":
        for route in nic.routes:
            if route.key == one.value.key:
                return ("same" if same_route(one.value, route) else object_text("route", route), route)
        gone = any(
            kind == "route" and value.key == one.value.key and same_route(one.value, value) for kind, value in removed
        )
    else:
        for rule in nic.rules:
            if selectors(rule) == selectors(one.value):
                return ("same" if same_rule(one.value, rule) else object_text("rule", rule), rule)
        gone = any(
            kind == "rule" and selectors(value) == selectors(one.value) and same_rule(one.value, value)
            for kind, value in removed
        )
    return (f"the removal of {object_text(one.kind, one.value)}" if gone else "", None)


def _contrary(one: texts.Said, wanted: str, on_conflict: str) -> None:
    from ansible_collections.kubenode.network.plugins.module_utils._state.describe import object_text

    found = f"{one.path}, line {one.lines[0] + 1}, {one.where}: declares {object_text(one.kind, one.value)}"
    if on_conflict != "replace":
        raise StateError(
            f"{found}, the contrary of {wanted}: at the next start of systemd-networkd it would be there again. Take "
            "it out of that file, or set on_conflict: replace, which does"
        )
    if not one.path.startswith("/etc/"):
        raise StateError(
            f"{found}, the contrary of {wanted}; that file is not the administrator's to edit: make a copy of it below "
            f"{FOLDER}, without that section"
        )


def _check_later(nic: Nic, base: Base) -> None:
    """A drop-in that is read after ours has the last word about what can be said only once."""
    said = {"MTUBytes": ("Link", None if nic.mtu is None else str(nic.mtu))}
    for path, text in base.later.items():
        if os.path.basename(path) < NAME or base.shared:
            continue
        for key, (section, wanted) in said.items():
            found = texts.values(texts.sections(text), section, key)
            if wanted is not None and found and found[-1] != wanted:
                raise StateError(
                    f"{path}: [{section}] {key}={found[-1]} is read after our {NAME} and says the contrary of "
                    f"{wanted}: take that line out, or give the file a name that sorts before ours"
                )


def _file(name: str, nic: Nic, base: Base) -> tuple[str, str]:
    """Our file for a NIC, and its text; no text where there is nothing to say."""
    now = [value for text in (base.text, *base.later.values()) for value in _dhcp_values(text)]
    body = texts.ours(nic, now)
    head = f"# kubenode.network: {name}\n# Written by kubenode.network. Changes made here are lost.\n"
    if not base.shared and base.path is not None:
        return f"{FOLDER}{os.path.basename(base.path)}.d/{NAME}", head + body if body else ""
    # A drop-in would apply to every NIC that the file applies to: this one gets a file of its own, read before it.
    first = os.path.basename(base.path) if base.path else "~"
    prefix = next(one for one in ("50", "05", "00", "0", "!") if f"{one}-kubenode-{name}.network" < first)
    path = f"{FOLDER}{prefix}-kubenode-{name}.network"
    if not body:
        return path, ""
    copied = "".join(_without_match(text) for text in (base.text, *base.later.values()))
    origin = f"# Copy of {base.path}\n# with what is declared for this interface alone.\n" if base.path else ""
    return path, f"{head}{origin}[Match]\nName={name}\n\n{copied}{body}"


def _dhcp_values(text: str) -> list[str]:
    return texts.values(texts.sections(text), "Network", "DHCP")


def _without_match(text: str) -> str:
    parts = texts.sections(text)
    ends = [part.first for part in parts[1:]] + [len(text.split("\n"))]
    gone = [(part.first, end) for part, end in zip(parts, ends) if part.name == "Match"]
    body = texts.without(text, gone).strip("\n")
    return body + "\n\n" if body else ""


# --- the node --------------------------------------------------------------------------------------------------------


def node_file(
    needed: bool, keep_foreign: str, root: str, watched: list[str], warnings: list[str]
) -> dict[str, FileState]:
    """Whether networkd is told to leave routes and rules of others alone."""
    paths = list(_NODE_FILES)
    for folder in _NODE_FOLDERS:
        paths += [
            folder + name for name in _names(folder, root) if name.endswith(".conf") and folder + name != NODE_PATH
        ]
    watched += paths
    said: dict[str, tuple[str, str]] = {}
    for path in paths:
        for key in _KEEP:
            for value in texts.values(texts.sections(read_file(path, root).text or ""), "Network", key):
                said[key] = (value, path)
    if not needed or keep_foreign == "no" or (keep_foreign == "auto" and said):
        for key, (value, path) in said.items() if needed and keep_foreign == "auto" else ():
            if value.lower() not in ("no", "false", "0", "off", "n", "f"):
                warnings.append(
                    f"{path}: {key}={value}: systemd-networkd removes what others have on its NICs when it configures "
                    "them anew; networkd_keep_foreign: yes overrules it"
                )
        return {NODE_PATH: FileState(None)}
    return {NODE_PATH: FileState(_KEEP_TEXT)}
