# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NetworkManager as the writer of resolv.conf: servers of the whole node as its global DNS, in a drop-in of our own.

NetworkManager.conf(5): with ``[global-dns-domain-*]`` it takes no server, search domain or option of any profile or
lease. So what is not declared and shall stay has to be in the drop-in too; what the resolver uses now is taken. Search
domains and options alone come before those of profiles.
``files`` lists folders, all else is pure.
"""

from __future__ import annotations

import os
import re
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._persist.contract import Configuration, Resolver
from ansible_collections.kubenode.network.plugins.module_utils._resolver import resolv_conf
from ansible_collections.kubenode.network.plugins.module_utils._resolver.resolv_conf import PATH
from ansible_collections.kubenode.network.plugins.module_utils._state.model import FileState, StateError

DROP_IN = "/etc/NetworkManager/conf.d/90-kubenode-network.conf"
# What NetworkManager asks, also where resolv.conf names a local dnsmasq only (since 1.24).
RUNNING = "/run/NetworkManager/no-stub-resolv.conf"
_MAIN = "/etc/NetworkManager/NetworkManager.conf"
# NetworkManager.conf(5): read in this order, the last value counts, a name in a later folder hides the earlier.
_FOLDERS = ("/usr/lib/NetworkManager/conf.d", "/run/NetworkManager/conf.d", "/etc/NetworkManager/conf.d")
_RELOAD = (("nmcli", "general", "reload", "conf"),)

Files = t.Mapping[str, FileState]


def files(root: str) -> tuple[str, ...]:
    found: dict[str, str] = {}
    for folder in _FOLDERS:
        try:
            names = os.listdir(os.path.join(root, folder.lstrip("/")))
        except OSError:
            continue
        found.update((name, f"{folder}/{name}") for name in names if name.endswith(".conf"))
    places = [found[name] for name in sorted(found)]
    return tuple(dict.fromkeys((_MAIN, *places, DROP_IN, RUNNING)))


def configure(wanted: Resolver, files: Files) -> Configuration:
    found = files.get(DROP_IN, FileState(None))
    text: str | None = None
    warnings: tuple[str, ...] = ()
    if wanted != Resolver():
        _check(wanted, files)
        text, warnings = _render(wanted, files)
    if text == found.text:
        return Configuration(activate=_RELOAD, restore=_RELOAD, warnings=warnings)
    return Configuration({DROP_IN: FileState(text)}, _RELOAD, _RELOAD, warnings=warnings)


def running(files: Files) -> str:
    text = files.get(RUNNING, FileState(None)).text
    return text if text is not None else files.get(PATH, FileState(None)).text or ""


def declared(path: str, text: str) -> dict[str, list[str]]:
    if path != DROP_IN:
        return {}
    values: dict[str, list[str]] = {}
    for line in text.split("\n"):
        name, equals, value = line.partition("=")
        if equals and name in ("servers", "searches", "options"):
            values["search" if name == "searches" else name] = [one for one in value.split(",") if one]
    return values


def _check(wanted: Resolver, files: Files) -> None:
    path, mode = _setting("dns", files)
    if mode == "none":
        raise StateError(
            f"{PATH} says that NetworkManager wrote it, and {path} says dns=none, so that it does no longer: expected "
            f"one of the two. Take the comment out of {PATH}, and it is written as an ordinary file; or take dns=none "
            "away"
        )
    if wanted.servers == ():
        raise StateError(
            f"{PATH} is written by NetworkManager, whose DNS of the whole node cannot be empty: found no servers, "
            "expected at least one. Leave servers out to have those of profiles and leases"
        )
    path, value = _setting("servers", files, r"global-dns-domain-\*")
    if path and path > DROP_IN:
        raise StateError(
            f"{PATH} is written by NetworkManager, and {path} says servers={value} in [global-dns-domain-*], which "
            f"counts before {DROP_IN}: expected no such section there. Take it out, or rename the file so that it is "
            "read earlier"
        )


def _render(wanted: Resolver, files: Files) -> tuple[str, tuple[str, ...]]:
    search, options = wanted.search or (), wanted.options or ()
    warnings: tuple[str, ...] = ()
    if wanted.servers:
        now = resolv_conf.parse(running(files))
        kept = []
        if wanted.search is None and now.search:
            search = now.search
            kept.append(f"search {' '.join(search)}")
        if wanted.options is None and now.options:
            options = now.options
            kept.append(f"options {' '.join(options)}")
        if kept:
            said = (
                f"{PATH}: with servers of the whole node NetworkManager leaves out all that profiles and leases say: "
            )
            warnings = (f"{said}what is in use now is kept ({', '.join(kept)}).",)
    lines = ["# Written by kubenode.network, and overwritten by it.", "[global-dns]"]
    domains = [domain for domain in search if domain != "."]
    if domains:
        lines.append(f"searches={','.join(domains)}")
    if options:
        lines.append(f"options={','.join(options)}")
    if wanted.servers:
        lines += ["", "[global-dns-domain-*]", f"servers={','.join(wanted.servers)}"]
    return "\n".join([*lines, ""]), warnings


def _setting(key: str, files: Files, section: str = "main") -> tuple[str, str]:
    """(file, value) of the last file of others that says ``key`` in ``section``; empty where none does."""
    result = ("", "")
    for path, state in files.items():
        if path == DROP_IN or not path.endswith(".conf") or "/NetworkManager/" not in path or state.text is None:
            continue
        body = re.search(rf"^[ \t]*\[{section}\][ \t]*\n(.*?)(?=^[ \t]*\[|\Z)", state.text, re.MULTILINE | re.DOTALL)
        for value in re.findall(rf"^[ \t]*{key}[ \t]*=[ \t]*(.*?)[ \t]*$", body.group(1) if body else "", re.MULTILINE):
            result = (path, value)
    return result
