# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""dhclient without resolvconf: it writes resolv.conf anew with every lease. A hook of ours keeps it off. Pure.

dhclient-script(8): what an enter hook defines as ``make_resolv_conf`` is what is called. The file is a plain one then.
"""

from __future__ import annotations

import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._persist.contract import Configuration, Resolver
from ansible_collections.kubenode.network.plugins.module_utils._resolver import resolv_conf
from ansible_collections.kubenode.network.plugins.module_utils._resolver.resolv_conf import PATH
from ansible_collections.kubenode.network.plugins.module_utils._state.model import FileState, ResolverSpec, StateError

# No dot in the name: run-parts(8) passes others over.
HOOK = "/etc/dhcp/dhclient-enter-hooks.d/zz-kubenode-network"
_TEXT = f"""\
# Written by kubenode.network, and overwritten by it: name servers are declared, leases do not change {PATH}.
make_resolv_conf() {{ :; }}
"""


def files(root: str) -> tuple[str, ...]:  # noqa: ARG001 - the contract's
    return (HOOK,)


def configure(wanted: Resolver, files: t.Mapping[str, FileState]) -> Configuration:
    found = files.get(PATH, FileState(None))
    hook = files.get(HOOK, FileState(None))
    if wanted == Resolver():
        return Configuration({HOOK: FileState(None)} if hook.text is not None else {})
    if wanted.servers is None:
        raise StateError(
            f"{PATH} is written by dhclient with every lease: search list and options alone would be lost with the "
            "next one. Declare the servers as well: then leases no longer change the file"
        )
    changed = {} if hook.text == _TEXT else {HOOK: FileState(_TEXT)}
    text = resolv_conf.edit(found.text or "", ResolverSpec(None, "", wanted.servers, wanted.search, wanted.options))
    if text != found.text:
        changed[PATH] = found._replace(text=text)
    return Configuration(changed)


def running(files: t.Mapping[str, FileState]) -> str:
    return files.get(PATH, FileState(None)).text or ""


def declared(path: str, text: str) -> dict[str, list[str]]:
    # The file itself, resolv.conf, tells.
    del path, text
    return {}
