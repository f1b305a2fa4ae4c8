# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what a user declared of files and sysctls to the files, values and records as they shall be. Pure but for ``files_needed``.

Files: resolv.conf, hosts, nsswitch.conf, the names of tables and of our route protocol, and sysctl's file for the next boot.
"""

from __future__ import annotations

import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._state.model import (
    Desired,
    FileState,
    Owned,
    Record,
    State,
    StateError,
)

RESOLV_CONF = "/etc/resolv.conf"
HOSTS = "/etc/hosts"
NSSWITCH = "/etc/nsswitch.conf"
# Where kubelets keep their configuration: kubeadm, Kubespray, k3s, RKE2.
KUBELET_CONFIGS = (
    "/var/lib/kubelet/config.yaml",
    "/etc/kubernetes/kubelet-config.yaml",
    "/var/lib/rancher/k3s/agent/etc/kubelet.conf.d/00-k3s-defaults.conf",
    "/var/lib/rancher/rke2/agent/etc/kubelet.conf.d/00-rke2-defaults.conf",
)
KINDS = ("host", "table", "sysctl", "resolver", "nsswitch")


class SystemTarget(t.NamedTuple):
    """A part of ``Target``."""

    files: dict[str, tuple[FileState, str]] = {}
    """path -> (as it shall be, why); only files that something is declared or recorded about."""
    sysctls: dict[str, tuple[str, tuple[str, ...]]] = {}
    """key -> (value, owners) in the order in which they must be written; the old values of pruned ones included."""
    records: Owned = {}
    """All records of the kinds that were looked at, as they shall be: those of ``owned`` that are not here are forgotten."""
    warnings: tuple[str, ...] = ()


def files_needed(desired: Desired, owned: Owned, root: str = "/") -> tuple[str, ...]:
    """The files that ``file_targets`` and ``sysctl_targets`` want in ``State.files``; lists folders below ``root``."""
    kinds = _kinds(desired, owned)
    result: list[str] = []
    if desired.resolver is not None:
        result += [RESOLV_CONF, *(KUBELET_CONFIGS if desired.resolver.servers else ())]
    if desired.hosts is not None or "host" in kinds:
        result.append(HOSTS)
    if desired.nsswitch_hosts is not None:
        result.append(NSSWITCH)
    if desired.tables or "table" in kinds:
        from ansible_collections.kubenode.network.plugins.module_utils._state import tables

        result += dict.fromkeys([*tables.paths(root), tables.PATH])
    if _writes_protocol(desired):
        result.append("/etc/iproute2/rt_protos.d/kubenode.conf")
    if desired.sysctls or "sysctl" in kinds:
        from ansible_collections.kubenode.network.plugins.module_utils._state import sysctl

        result += [sysctl.PATH, *sysctl.later_files(root)]
    return tuple(result)


def sysctls_needed(desired: Desired, owned: Owned, interfaces: t.Iterable[str]) -> tuple[str, ...]:
    """The keys that ``sysctl_targets`` wants in ``State.sysctls``; ``interfaces``: the names of the node's links."""
    multi_nic = [spec.interface for spec in desired.multi_nic]
    if not (desired.sysctls or multi_nic or "sysctl" in _kinds(desired, owned)):
        return ()
    from ansible_collections.kubenode.network.plugins.module_utils._state import sysctl

    keys = sysctl.needed(sysctl.normalised(desired.sysctls), interfaces, multi_nic)
    return tuple(dict.fromkeys([*keys, *(name for kind, name in owned if kind == "sysctl")]))


def file_targets(desired: Desired, state: State, owned: Owned) -> SystemTarget:
    """The files but sysctl's, with the records of hosts, table names, resolver and nsswitch.

    Raises StateError for what cannot be, for contradictions with other owners or with lines of others, and for a file that a
    manager writes.
    """
    result = SystemTarget({}, {}, {}, ())
    for part, wanted in (
        (_resolver, desired.resolver is not None or "resolver" in _kinds(desired, owned)),
        (_hosts, desired.hosts is not None or "host" in _kinds(desired, owned)),
        (_nsswitch, desired.nsswitch_hosts is not None or "nsswitch" in _kinds(desired, owned)),
        (_tables, bool(desired.tables) or "table" in _kinds(desired, owned)),
        (_protocol, _writes_protocol(desired)),
    ):
        if wanted:
            result = _joined(result, part(desired, state, owned))
    kept = {key: record for key, record in owned.items() if key[0] in KINDS and key[0] != "sysctl"}
    touched = {key[0] for key in result.records}
    return result._replace(records={**{key: kept[key] for key in kept if key[0] not in touched}, **result.records})
