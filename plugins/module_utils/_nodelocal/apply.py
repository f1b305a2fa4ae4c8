# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects of ours at an API server: applied by the server, compared here first so that nothing is asked for nothing."""

from __future__ import annotations

import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._kube.client import Client, Object, segment
from ansible_collections.kubenode.network.plugins.module_utils._kube.edit import ATTEMPTS
from ansible_collections.kubenode.network.plugins.module_utils._kube.errors import Answered, KubeError
from ansible_collections.kubenode.network.plugins.module_utils._nodelocal import compare
from ansible_collections.kubenode.network.plugins.module_utils._nodelocal.objects import MANAGER

_APPLY = "application/apply-patch+yaml"
_PLURALS = {
    "ServiceAccount": "serviceaccounts", "Service": "services", "ConfigMap": "configmaps", "DaemonSet": "daemonsets",
    "CiliumLocalRedirectPolicy": "ciliumlocalredirectpolicies",
}  # fmt: skip
_ADOPTIONS = 3


class Step(t.NamedTuple):
    """What is to be done to an object."""

    declared: Object
    live: Object | None
    todo: bool
    takes_over: bool
    foreign: tuple[str, ...]
    """What others have made of fields that we declare, a sentence each."""

    @property
    def name(self) -> str:
        meta = self.declared["metadata"]
        return f"{self.declared['kind']} {meta['namespace']}/{meta['name']}"

    @property
    def change(self) -> str:
        """What it does, as a sentence."""
        if self.live is None:
            return f"made {self.name}"
        return f"took over {self.name}" if self.takes_over else f"changed {self.name}"


def path_of(thing: Object) -> str:
    """Where the API server has an object."""
    version, meta = thing["apiVersion"], thing["metadata"]
    base = "/api/v1" if version == "v1" else f"/apis/{version}"
    plural = _PLURALS[thing["kind"]]
    return f"{base}/namespaces/{segment(meta['namespace'])}/{plural}/{segment(meta['name'])}"


def plan(client: Client, declared: Object, live: Object | None) -> Step:
    """What is to be done. A dry run is asked for only where the object differs and nothing is to be taken over."""
    if live is None:
        return Step(declared, None, True, False, ())
    takes_over = compare.adoption(live) is not None
    paths = compare.differences(live, declared)
    todo = takes_over or bool(paths) or not compare.is_ours(live) or bool(compare.stale(live, declared))
    foreign: tuple[str, ...] = ()
    if compare.is_ours(live):
        name = f"{declared['kind']} {declared['metadata']['namespace']}/{declared['metadata']['name']}"
        foreign = tuple(
            f"{name}: {', '.join(fields)} was changed by {who}; it is put back as declared"
            for who, fields in compare.strangers(live, paths).items()
        )
    if todo and not takes_over:
        would_be = _apply(client, declared, dry_run=True)
        todo = _without_times(would_be) != _without_times(live)
    return Step(declared, live, todo, takes_over, foreign if todo else ())


def do(client: Client, step: Step) -> Object:
    """Do it; the object as the API server has it then."""
    live = step.live
    if live is not None and step.takes_over:
        _take_over(client, step.declared, live)
    written = _apply(client, step.declared)
    for _time in range(_ADOPTIONS):
        # Fields of an object that has no managedFields get an owner at the first apply: before-first-apply.
        if compare.adoption(written) is None:
            break
        _take_over(client, step.declared, written)
        written = _apply(client, step.declared)
    return written


def try_out(client: Client, declared: Object) -> None:
    """Ask the API server whether it would take an object. Raises KubeError where not."""
    _apply(client, declared, dry_run=True)


def _take_over(client: Client, declared: Object, live: Object) -> None:
    path = path_of(declared)
    for _time in range(ATTEMPTS):
        patch = compare.adoption(live)
        if patch is None:
            return
        try:
            client.patch(path, patch, "application/json-patch+json", fieldManager=MANAGER)
        except Answered as error:
            # Its controller has written the status meanwhile.
            if error.status != 409:
                raise
            live = client.get(path)
        else:
            return
    raise KubeError(f"{path}: others wrote it {ATTEMPTS} times while it was taken over; run again")


def _apply(client: Client, declared: Object, dry_run: bool = False) -> Object:
    try:
        return client.patch(
            path_of(declared), declared, _APPLY, fieldManager=MANAGER, force=True, dryRun="All" if dry_run else None
        )
    except Answered as error:
        meta = declared["metadata"]
        raise Answered(
            f"{declared['kind']} {meta['namespace']}/{meta['name']}: {error.message}", error.status, error.reason,
            error.causes,
        ) from error  # fmt: skip


def _without_times(thing: Object) -> Object:
    meta = dict(thing["metadata"])
    fields = [
        {key: value for key, value in entry.items() if key != "time"}
        for entry in meta.pop("managedFields", None) or ()
        if not entry.get("subresource")
    ]
    meta.pop("resourceVersion", None)
    rest = {key: value for key, value in thing.items() if key not in ("metadata", "status", "apiVersion", "kind")}
    return {**rest, "metadata": {**meta, "managedFields": sorted(fields, key=str)}}


def delete(client: Client, path: str, **options: t.Any) -> bool:
    """Delete an object; whether there was one."""
    try:
        client.request("DELETE", path, options or None)
    except Answered as error:
        if error.status != 404:
            raise
        return False
    return True
