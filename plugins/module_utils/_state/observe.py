# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read what a node holds: the kernel through one socket and four dumps, the system's files, sysctls and managers."""

from __future__ import annotations

import typing as t
from operator import itemgetter

from ansible_collections.kubenode.network.plugins.module_utils._netlink.addresses import read_addresses
from ansible_collections.kubenode.network.plugins.module_utils._netlink.links import link_names, read_links
from ansible_collections.kubenode.network.plugins.module_utils._netlink.objects import Route
from ansible_collections.kubenode.network.plugins.module_utils._netlink.routes import read_routes
from ansible_collections.kubenode.network.plugins.module_utils._netlink.rules import read_rules
from ansible_collections.kubenode.network.plugins.module_utils._netlink.sock import RtnlSocket
from ansible_collections.kubenode.network.plugins.module_utils._state.model import State


class Need(t.NamedTuple):
    """What has to be read."""

    kernel: bool = True
    """Links, addresses, routes and rules; always all of them, as ownership and the protected path need all."""
    links: bool = False
    """Links alone."""
    tables: bool = True
    """Names of routing tables, with the files they stand in."""
    files: tuple[str, ...] = ()
    sysctls: tuple[str, ...] = ()
    managers: bool = False
    nft: bool = False


EVERYTHING = Need()

_route_key = itemgetter(*map(Route._fields.index, ("family", "table", "destination", "source_prefix", "tos", "metric")))


def observe(need: Need = EVERYTHING, root: str = "/") -> State:
    """Read what ``need`` names, files below ``root``.

    Raises NetlinkError when the kernel refuses or its state keeps changing, StateError for unreadable files.
    """
    state = State()
    if need.kernel:
        with RtnlSocket() as sock:
            state = read_kernel(sock)
    elif need.links:
        with RtnlSocket() as sock:
            state = State(links={link.name: link for link in read_links(sock)})
    if need.tables or need.files:
        from ansible_collections.kubenode.network.plugins.module_utils._state.files import read_file

        paths = need.files
        if need.tables:
            from ansible_collections.kubenode.network.plugins.module_utils._state import tables

            table_paths = tables.paths(root)
            paths = tuple(dict.fromkeys((*table_paths, *paths)))
        files = {path: read_file(path, root) for path in paths}
        state = state._replace(files=files)
        if need.tables:
            state = state._replace(tables=dict(tables.BUILT_IN))
            for path in table_paths:
                state.tables.update({number: name for _line, number, name in tables.parse(files[path].text or "")})
    if need.sysctls:
        state = state._replace(sysctls=read_sysctls(need.sysctls, root))
    if need.managers:
        from ansible_collections.kubenode.network.plugins.module_utils._persist.detect import managers

        state = state._replace(managers=managers(state.links, root))
    if need.nft:
        from ansible_collections.kubenode.network.plugins.module_utils._state import nft

        state = state._replace(nft=nft.read())
    return state


def read_sysctls(keys: t.Iterable[str], root: str = "/") -> dict[str, str | None]:
    """The kernel's values; None for a key that it does not have."""
    from ansible_collections.kubenode.network.plugins.module_utils._state import sysctl

    return {key: sysctl.read(key, root) for key in keys}


def read_kernel(sock: RtnlSocket) -> State:
    """Links, addresses, routes and rules of the socket's namespace."""
    links = read_links(sock)
    names = link_names(links)
    addresses = read_addresses(sock, names)
    return State(
        links={link.name: link for link in links},
        addresses={address.key: address for address in addresses},
        routes=_grouped(read_routes(sock, names), _route_key),
        rules=_grouped(read_rules(sock), lambda rule: rule.key),
    )


def _grouped(values: list[t.Any], key: t.Callable[[t.Any], t.Any]) -> dict[t.Any, tuple[t.Any, ...]]:
    keys = list(map(key, values))
    # zip of one list makes the tuples of one at C speed: nearly every key stands for a single object.
    grouped: dict[t.Any, tuple[t.Any, ...]] = dict(zip(keys, zip(values)))
    if len(grouped) != len(values):
        grouped = {}
        for one, value in zip(keys, values):
            grouped[one] = (*grouped.get(one, ()), value)
    return grouped
