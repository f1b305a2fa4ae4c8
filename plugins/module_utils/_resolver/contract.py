# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of a writer of resolv.conf, and which of this room's modules answers for it.

Every writer that can be told of servers is one module of this room with three functions, all pure but for the first::

    files(root: str) -> tuple[str, ...]
        The files that the other two look at, beside ``resolv_conf.EVIDENCE``; lists folders below ``root``.
    configure(wanted: Resolver, files: Mapping[str, FileState]) -> Configuration
        ``wanted`` is what all owners declared for the whole node; None is nothing of ours, and with nothing at all our
        files go. What says it already is not in the answer. Raises StateError for what this writer cannot say.
    running(files: Mapping[str, FileState]) -> str
        The text of a resolv.conf with what the running resolver uses.
    declared(path: str, text: str) -> dict[str, list[str]]
        What a file of ours says, in the options of the modules.

Servers of a single NIC are no matter of this room: they are ``Nic.resolver`` of the NIC's manager (``_persist``).
"""

from __future__ import annotations

import importlib
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._persist.contract import (
    Activation,
    Configuration,
    Resolver,
)
from ansible_collections.kubenode.network.plugins.module_utils._resolver import resolv_conf
from ansible_collections.kubenode.network.plugins.module_utils._resolver.owner import MANAGED
from ansible_collections.kubenode.network.plugins.module_utils._state.model import FileState

Files = t.Mapping[str, FileState]

_ROOM = __name__.rpartition(".")[0]


class Writer(t.Protocol):
    """A module that answers for a writer."""

    @staticmethod
    def files(root: str) -> tuple[str, ...]: ...

    @staticmethod
    def configure(wanted: Resolver, files: Files) -> Configuration: ...

    @staticmethod
    def running(files: Files) -> str: ...

    @staticmethod
    def declared(path: str, text: str) -> dict[str, list[str]]: ...


def writer(name: str) -> Writer:
    """The module that answers for a writer (one of ``owner.MANAGED``)."""
    return t.cast("Writer", importlib.import_module(f"{_ROOM}.{MANAGED[name]}"))


def declared(path: str, text: str) -> dict[str, list[str]]:
    """What a file of ours for a writer says, in the options of the modules; nothing for any other file."""
    for name in MANAGED:
        module = writer(name)
        if path in module.files("/"):
            return module.declared(path, text)
    return {}


def activation(configuration: Configuration) -> tuple[Activation, Activation]:
    """(way back, way there) as the two sides of a change of kind ``activate``."""
    return Activation(configuration.restore), Activation(configuration.activate)


def missing(wanted: Resolver, text: str) -> str:
    """What of ``wanted`` a running resolver's text does not show, in words; empty where it shows all.

    Ours come first, in our order: a writer may list those of leases and NICs behind them.
    """
    found = resolv_conf.parse(text)
    problems = []
    servers = wanted.servers or ()
    if found.servers[: len(servers)] != servers:
        problems.append(f"servers {' '.join(found.servers) or 'none'} instead of {' '.join(servers)}")
    search = [domain.lower().rstrip(".") for domain in wanted.search or () if domain != "."]
    if [domain.lower().rstrip(".") for domain in found.search][: len(search)] != search:
        problems.append(f"search list {' '.join(found.search) or 'none'} instead of {' '.join(search)}")
    options = [option for option in wanted.options or () if option not in found.options]
    if options:
        problems.append(f"options {' '.join(found.options) or 'none'} without {' '.join(options)}")
    return "; ".join(problems)


def beyond(wanted: Resolver, text: str) -> tuple[str, ...]:
    """Servers that the running resolver has behind the declared ones."""
    servers = wanted.servers or ()
    return tuple(server for server in resolv_conf.parse(text).servers if server not in servers) if servers else ()
