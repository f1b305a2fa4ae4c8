# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what a user declared of the resolver to what its writer has to be given, and the records.

Pure but for ``files_needed`` and the question whether a manager runs here, asked when it has to be told of something.
"""

from __future__ import annotations

import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._resolver import owner as writers
from ansible_collections.kubenode.network.plugins.module_utils._resolver import resolv_conf
from ansible_collections.kubenode.network.plugins.module_utils._state.declared import agreed, kept_records
from ansible_collections.kubenode.network.plugins.module_utils._state.model import (
    Desired,
    FileState,
    Owned,
    Record,
    ResolverSpec,
    State,
)

if t.TYPE_CHECKING:
    from ansible_collections.kubenode.network.plugins.module_utils._persist.contract import Activation, Resolver

# Where kubelets keep their configuration: kubeadm, Kubespray, k3s, RKE2.
KUBELET_CONFIGS = (
    "/var/lib/kubelet/config.yaml",
    "/etc/kubernetes/kubelet-config.yaml",
    "/var/lib/rancher/k3s/agent/etc/kubelet.conf.d/00-k3s-defaults.conf",
    "/var/lib/rancher/rke2/agent/etc/kubelet.conf.d/00-rke2-defaults.conf",
)
PARTS = ("servers", "search", "options")


class ResolverTarget(t.NamedTuple):
    records: Owned = {}
    files: dict[str, tuple[FileState, str]] = {}
    """Path -> (as it shall be, why)."""
    activations: dict[str, tuple[Activation, Activation]] = {}
    """Writer of resolv.conf -> (way back, way there)."""
    check: tuple[str, Resolver] | None = None
    """(writer, what the running resolver must show afterwards)"""
    warnings: tuple[str, ...] = ()


def files_needed(desired: Desired, root: str = "/") -> tuple[str, ...]:
    """What tells who writes resolv.conf, what is to be read of him, and what tells of forwarding loops."""
    paths = evidence(root)
    if desired.resolver is not None and desired.resolver.servers:
        paths += KUBELET_CONFIGS
    return paths


def evidence(root: str = "/") -> tuple[str, ...]:
    """What tells who writes resolv.conf, and what is to be read of him."""
    from ansible_collections.kubenode.network.plugins.module_utils._state.files import read_file

    paths = writers.evidence(root)
    name = writers.classify({path: read_file(path, root) for path in paths}).name
    if name in writers.MANAGED:
        from ansible_collections.kubenode.network.plugins.module_utils._resolver import contract

        paths += contract.writer(name).files(root)
    return paths


def resolver_target(desired: Desired, state: State, mine: Owned) -> ResolverTarget:
    """``mine``: the records of resolvers. Raises StateError where another owner declared otherwise, where the writer
    cannot say what is declared, and where he cannot be told of it.
    """
    spec = desired.resolver
    if spec is not None and spec.interface is not None:
        # Servers of one NIC are a setting of that NIC, for its manager.
        told = resolv_conf.warnings(spec, _cluster_dns(state), desired.cluster_cidrs)
        return ResolverTarget(mine, warnings=tuple(told))
    records = kept_records(mine, desired)
    warnings: list[str] = []
    if spec is not None:
        for part in PARTS:
            value = getattr(spec, part)
            if value is not None:
                said_by = {spec.owner} if spec.owner else set()
                record = mine.get(("resolver", part))
                owners = agreed(f"resolver {part}", spec.origin, said_by, value, record, desired)
                records["resolver", part] = Record("resolver", value, owners, True)
        warnings += resolv_conf.warnings(spec, _cluster_dns(state), desired.cluster_cidrs)
    writer = writers.classify(state.files)
    if writer.name in writers.MANAGED:
        made = _managed(writer, state, records, any(key not in records for key in mine))
    elif spec is not None:
        made = _plain(writer, state, spec)
    else:
        made = ResolverTarget()
    return made._replace(records=records, warnings=(*warnings, *made.warnings))


def _plain(writer: writers.ResolverOwner, state: State, spec: ResolverSpec) -> ResolverTarget:
    found = state.files.get(resolv_conf.PATH, FileState(None))
    text: str | None = resolv_conf.edit(found.text or "", spec)
    if not text and found.text is None:
        text = None
    if text == found.text:
        return ResolverTarget()
    if not writer.writable:
        raise writers.refusal(writer)
    warnings: tuple[str, ...] = ()
    if writer.name == writers.CONTAINER:
        warnings = (f"{resolv_conf.PATH} is written by the container runtime at each start: {writer.evidence}",)
    files = {resolv_conf.PATH: (found._replace(text=text), f"the resolver; {writer.evidence}")}
    return ResolverTarget(files=files, warnings=warnings)


def _managed(writer: writers.ResolverOwner, state: State, records: Owned, gone: bool) -> ResolverTarget:
    from ansible_collections.kubenode.network.plugins.module_utils._persist.contract import Resolver
    from ansible_collections.kubenode.network.plugins.module_utils._resolver import contract

    values = {part: records["resolver", part].value for part in PARTS if ("resolver", part) in records}
    wanted = Resolver(**values)
    if not values and not gone:
        return ResolverTarget()
    module = contract.writer(writer.name)
    configuration = module.configure(wanted, state.files)
    running = module.running(state.files)
    files = {path: (file, f"the resolver; {writer.evidence}") for path, file in configuration.files.items()}
    further = contract.beyond(wanted, running)
    warnings = configuration.warnings
    if further:
        warnings += (f"{writer.name} has servers of NICs behind the declared ones: {' '.join(further)}",)
    if not files and not contract.missing(wanted, running):
        return ResolverTarget(warnings=warnings)
    if configuration.activate:
        _must_run(writer, state)
    activations = {writer.name: contract.activation(configuration)} if configuration.activate else {}
    return ResolverTarget({}, files, activations, (writer.name, wanted), warnings)


def _must_run(writer: writers.ResolverOwner, state: State) -> None:
    from ansible_collections.kubenode.network.plugins.module_utils._state import system

    if not system.systemd_runs_here():
        raise writers.refusal(writer, "It does not run on this very node, where systemd would start it")
    # NetworkManager writes none before it knows of a server, and nmcli says so itself when it does not run.
    if writer.name != "NetworkManager" and state.files.get(resolv_conf.PATH, FileState(None)).text is None:
        raise writers.refusal(writer, "It has not written the file yet: it does not run")


def check(expected: tuple[str, Resolver], files: t.Mapping[str, FileState]) -> str:
    """What the running resolver does not show of what it was told, in words; empty where it shows all."""
    from ansible_collections.kubenode.network.plugins.module_utils._resolver import contract

    name, wanted = expected
    problem = contract.missing(wanted, contract.writer(name).running(files))
    return f"the resolver, which {name} writes, has {problem}" if problem else ""


def _cluster_dns(state: State) -> list[str]:
    texts = [state.files[path].text or "" for path in KUBELET_CONFIGS if path in state.files]
    return [address for text in texts for address in resolv_conf.kubelet_cluster_dns(text)]
