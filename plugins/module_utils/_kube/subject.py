# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run edits and who reads it: a Corefile here, a text that a Corefile imports in ``extra``."""

from __future__ import annotations

import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._kube import texts
from ansible_collections.kubenode.network.plugins.module_utils._kube.around import around_of
from ansible_collections.kubenode.network.plugins.module_utils._kube.chain import find_chain
from ansible_collections.kubenode.network.plugins.module_utils._kube.client import Client, Object, segment
from ansible_collections.kubenode.network.plugins.module_utils._kube.owner import Owner, find_owner
from ansible_collections.kubenode.network.plugins.module_utils._kube.proof import Running, Where, pods_now
from ansible_collections.kubenode.network.plugins.module_utils._kube.reading import Reading


class Request(t.NamedTuple):
    """The options of a run that are no edits."""

    name: str | None = None
    namespace: str | None = None
    key: str | None = None
    service: str | None = None
    on_owner: str = "fail"
    wait: bool = True
    wait_timeout: int = 180
    test_names: tuple[str, ...] = ()
    test_from: str = "auto"
    revision: int | None = None
    validate: str = "lint"
    touch_pods: bool = False
    undo: t.Mapping[str, t.Any] | None = None
    """An earlier run's way back (``undo.parse``), in place of edits."""


class Subject:
    """The Corefile of the cluster's DNS."""

    keeps_revisions = True
    """Whether the text as it was before an edit is kept."""

    def __init__(self, where: Where, workload: Object | None, running: t.Sequence[Running], reading: Reading) -> None:
        self.where = where
        """The Corefile that the pods run."""
        self.text = where
        """The text that is edited."""
        self.workload = workload
        """Of the pods, where the way there went by it and it may be read."""
        self.running = running
        """The pods, as they are before the run; none where nothing needs them."""
        self.warnings: list[str] = []
        self.found: dict[str, t.Any] = {}
        """Further keys of the result."""
        self.proves = True
        """Whether what the pods load can show that they took the text up."""
        self._reading = reading

    @property
    def what(self) -> str:
        """For messages."""
        return f"ConfigMap {self.text.namespace}/{self.text.config_map}"

    @property
    def path(self) -> str:
        return config_map_path(self.text.namespace, self.text.config_map)

    def pods(self, client: Client) -> list[Running]:
        """The pods as they are now, ``fixed`` where another text never reaches them."""
        return pods_now(client, self.where)

    def reading(self, _held: Object) -> Reading:
        """How the pods read the text, with the ConfigMap as it is."""
        return self._reading

    def text_of(self, held: Object) -> str | None:
        """The text as it is. Raises KubeError where there must be one."""
        return texts.text_of(held, self.text.key, self.what)

    def owner(self, held: Object) -> Owner | None:
        """Who would undo an edit."""
        return find_owner(held, self.workload)

    def new(self) -> Object | None:
        """The ConfigMap where there is none yet; None: there must be one."""
        return None

    def written(self, held: Object, made: texts.Texts) -> Object:
        """The ConfigMap as it shall be; nothing: it goes."""
        return texts.write_into(held, self.text.key, made)


def config_map_path(namespace: str, name: str) -> str:
    return f"/api/v1/namespaces/{segment(namespace)}/configmaps/{segment(name)}"


def corefile_of(client: Client, request: Request) -> Subject:
    """The Corefile that is named, or the one of the cluster's DNS. Raises KubeError where it cannot be found."""
    where, workload = find_corefile(client, request.name, request.namespace, request.key, request.service)
    running = pods_now(client, where) if request.wait else []
    return Subject(where, workload, running, Reading(around_of(client, where, running)))


def find_corefile(
    client: Client, name: str | None, namespace: str | None, key: str | None, service: str | None
) -> tuple[Where, Object | None]:
    """A Corefile by its name, or by the way of a query, and the workload of its pods where that way went by it."""
    if name is not None:
        return Where(namespace or "kube-system", name, key or "Corefile"), None
    chain = find_chain(client, service, namespace)
    labels = ((chain.workload_object or {}).get("spec") or {}).get("selector", {}).get("matchLabels") or {}
    selector = ",".join(f"{name}={value}" for name, value in sorted(labels.items()))
    return Where(chain.namespace, chain.source.name, key or chain.source.key, selector), chain.workload_object
