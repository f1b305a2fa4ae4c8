# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has to be read of a node for a declaration."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._state.model import PROTOCOLS_PATH, Desired, Owned
from ansible_collections.kubenode.network.plugins.module_utils._state.observe import Need

_KERNEL_KINDS = frozenset(("link", "address", "route", "rule"))


def needs(desired: Desired, owned: Owned, root: str = "/") -> Need:
    """Everything that ``resolve`` and ``plan`` look at for this declaration, and what it may prune."""
    pruned = {kind for _owner, kind in desired.prune}
    kernel = bool(
        desired.interfaces or desired.routes or desired.rules or desired.multi_nic or desired.paths or desired.sysctls
        or pruned & _KERNEL_KINDS or (desired.resolver and desired.resolver.interface)
    )  # fmt: skip
    tables = bool(
        desired.tables or desired.multi_nic or "table" in pruned
        or any(isinstance(one.table, str) for one in t.cast("t.Sequence[t.Any]", (*desired.routes, *desired.rules)))
    )  # fmt: skip
    files: list[str] = []
    if (desired.routes or desired.rules or desired.multi_nic) and not os.path.exists(
        os.path.join(root, PROTOCOLS_PATH[1:])
    ):
        files.append(PROTOCOLS_PATH)
    if _system(desired, owned, pruned):
        from ansible_collections.kubenode.network.plugins.module_utils._state.system_target import files_needed

        files += files_needed(desired, owned, root)
    return Need(kernel, tables=tables, files=tuple(dict.fromkeys(files)), nft=_nft(desired, owned, pruned))


def sysctls(desired: Desired, owned: Owned, links: t.Iterable[str]) -> tuple[str, ...]:
    """The kernel settings that have to be read; ``links`` are the names of the node's interfaces."""
    if not (desired.sysctls or desired.multi_nic or (desired.prune and any(kind == "sysctl" for kind, _key in owned))):
        return ()
    from ansible_collections.kubenode.network.plugins.module_utils._state.system_target import sysctls_needed

    return sysctls_needed(desired, owned, links)


def _nft(desired: Desired, owned: Owned, pruned: t.AbstractSet[str]) -> bool:
    """Whether our nftables table is concerned: somebody declares forwarded replies, or may let go of them."""
    if any(spec.forwarded for spec in desired.multi_nic):
        return True
    return bool("nft" in pruned or desired.multi_nic) and any(kind == "nft" for kind, _interface in owned)


def _system(desired: Desired, owned: Owned, pruned: t.AbstractSet[str]) -> bool:
    """Whether the declaration is about files or sysctls too."""
    return bool(
        desired.resolver or desired.tables or desired.multi_nic or desired.sysctls or desired.hosts is not None
        or desired.nsswitch_hosts is not None or (pruned and any(kind not in _KERNEL_KINDS for kind, _key in owned))
    )  # fmt: skip
