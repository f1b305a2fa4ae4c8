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
_UPDATE = (("resolvconf", "-u"),)


def files(root: str) -> tuple[str, ...]:  # noqa: ARG001 - the contract's
    return (CONFIGURATION,)


def configure(wanted: Resolver, files: t.Mapping[str, FileState]) -> Configuration:
    parts = (
        ("name_servers", wanted.servers),
        ("search_domains", wanted.search),
        ("resolv_conf_options", wanted.options),
    )
    lines = [f"{name}='{' '.join(values)}'" for name, values in parts if values is not None]
    found = files.get(CONFIGURATION, FileState(None))
    text = blocks.edit(found.text or "", lines)
    changed = {CONFIGURATION: found._replace(text=text)} if text != (found.text or "") else {}
    return Configuration(changed, _UPDATE, _UPDATE)


def running(files: t.Mapping[str, FileState]) -> str:
    return files.get(PATH, FileState(None)).text or ""
