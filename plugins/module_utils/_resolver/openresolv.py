# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""openresolv: our assignments at the end of its resolvconf.conf(5), a shell text in which the last one counts. Pure."""

from __future__ import annotations

import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._persist.contract import Configuration, Resolver
from ansible_collections.kubenode.network.plugins.module_utils._resolver import blocks
from ansible_collections.kubenode.network.plugins.module_utils._resolver.resolv_conf import PATH
from ansible_collections.kubenode.network.plugins.module_utils._state.model import FileState

CONFIGURATION = "/etc/resolvconf.conf"
_NAMES = {"servers": "name_servers", "search": "search_domains", "options": "resolv_conf_options"}
_UPDATE = (("resolvconf", "-u"),)


def files(root: str) -> tuple[str, ...]:  # noqa: ARG001 - the contract's
    return (CONFIGURATION,)


def configure(wanted: Resolver, files: t.Mapping[str, FileState]) -> Configuration:
    lines = [
        f"{name}='{' '.join(getattr(wanted, option))}'"
        for option, name in _NAMES.items() if getattr(wanted, option) is not None
    ]  # fmt: skip
    found = files.get(CONFIGURATION, FileState(None))
    text = blocks.edit(found.text or "", lines)
    changed = {CONFIGURATION: found._replace(text=text)} if text != (found.text or "") else {}
    return Configuration(changed, _UPDATE, _UPDATE)


def running(files: t.Mapping[str, FileState]) -> str:
    return files.get(PATH, FileState(None)).text or ""


def declared(path: str, text: str) -> dict[str, list[str]]:
    del path
    values = dict(line.split("=", 1) for line in blocks.read(text))
    return {option: values[name].strip("'").split() for option, name in _NAMES.items() if name in values}
