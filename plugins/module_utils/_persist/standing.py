# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the configuration of the NICs is as the last run left it: a read per file, no manager is asked."""

from __future__ import annotations

import hashlib
import os
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._netlink.objects import Link
from ansible_collections.kubenode.network.plugins.module_utils._state.model import Owned


def stands(owned: Owned, links: t.Mapping[str, Link], root: str = "/") -> bool:
    """Whether every file that recorded NICs are configured by is unchanged, and who manages them as well."""
    kept: dict[str, str] = {}
    for (kind, identity), record in owned.items():
        if kind == "config" and digest(identity, root) != record.value[0]:
            return False
        if kind == "manager" and identity in links:
            kept[identity] = record.value
    if not kept:
        return True
    from ansible_collections.kubenode.network.plugins.module_utils._persist.detect import comes_back, managers

    found = managers({name: links[name] for name in kept}, root)
    return all(
        found.get(name, "") == manager or (name not in found and comes_back(manager, root))
        for name, manager in kept.items()
    )


def digest(path: str, root: str = "/") -> str:
    """What is at ``path``, in a few characters: a file's content, a link's target, of ``.../`` the names in it."""
    full = os.path.join(root, path.lstrip("/"))
    try:
        if path.endswith("/"):
            return _short("\0".join(sorted(os.listdir(full))).encode("utf-8", "surrogateescape"))
        if os.path.islink(full):
            return digest_of(b"", os.readlink(full))
        with open(full, "rb") as stream:
            return digest_of(stream.read())
    except OSError:
        return ""


def digest_of(content: bytes, link: str = "") -> str:
    """The digest of a file with this content, or of the link to ``link`` that stands at its path."""
    return _short(b"-> " + link.encode() if link else content)


def _short(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32]
