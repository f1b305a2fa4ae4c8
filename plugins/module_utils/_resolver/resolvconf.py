# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""resolvconf(8) of Debian: our lines in its head and tail, which it copies as they are. Pure.

Servers stand in the head, before those of NICs. Search list and options stand in the tail: the last search list counts,
options add up (resolv.conf(5)).
"""

from __future__ import annotations

import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._persist.contract import Configuration, Resolver
from ansible_collections.kubenode.network.plugins.module_utils._resolver import blocks, resolv_conf
from ansible_collections.kubenode.network.plugins.module_utils._resolver.resolv_conf import PATH
from ansible_collections.kubenode.network.plugins.module_utils._state.model import FileState

HEAD = "/etc/resolvconf/resolv.conf.d/head"
TAIL = "/etc/resolvconf/resolv.conf.d/tail"
_UPDATE = (("resolvconf", "-u"),)


def files(root: str) -> tuple[str, ...]:  # noqa: ARG001 - the contract's
    return (HEAD, TAIL)


def configure(wanted: Resolver, files: t.Mapping[str, FileState]) -> Configuration:
    servers = [f"nameserver {server}" for server in wanted.servers or ()]
    rest = [f"search {' '.join(wanted.search)}"] if wanted.search else []
    rest += [f"options {' '.join(wanted.options)}"] if wanted.options else []
    changed: dict[str, FileState] = {}
    for path, lines, before in ((HEAD, servers, r"^nameserver\b"), (TAIL, rest, "")):
        found = files.get(path, FileState(None))
        text: str | None = blocks.edit(found.text or "", lines, before)
        if text != (found.text or ""):
            # The package brings a head and no tail.
            changed[path] = found._replace(text=None if not text and path == TAIL else text)
    return Configuration(changed, _UPDATE, _UPDATE)


def running(files: t.Mapping[str, FileState]) -> str:
    return files.get(PATH, FileState(None)).text or ""


def declared(path: str, text: str) -> dict[str, list[str]]:
    found = resolv_conf.parse("\n".join(blocks.read(text)))
    parts = ("servers",) if path == HEAD else ("search", "options")
    return {part: list(getattr(found, part)) for part in parts}
