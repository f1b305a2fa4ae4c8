# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``state: previous``: nodes go back to the revision before, or to no cache where there was none before."""

from __future__ import annotations

import json
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._kube import texts
from ansible_collections.kubenode.network.plugins.module_utils._kube.client import Client, Object, segment
from ansible_collections.kubenode.network.plugins.module_utils._kube.edit import edit_object
from ansible_collections.kubenode.network.plugins.module_utils._kube.errors import KubeError
from ansible_collections.kubenode.network.plugins.module_utils._nodelocal import apply, compare, objects, waves
from ansible_collections.kubenode.network.plugins.module_utils._nodelocal.look import maps_path, text_of
from ansible_collections.kubenode.network.plugins.module_utils._nodelocal.options import Options
from ansible_collections.kubenode.network.plugins.module_utils._nodelocal.waves import Say


def previous(client: Client, options: Options, check_mode: bool, say: Say) -> dict[str, t.Any]:
    """The result of the module. A second run, with other nodes of the failed rollout or the same, goes the same way."""
    held = find(client, options)
    if held is None:
        return {"changed": False, "changes": [], "pods": [], "nodes": {}, "requests": client.requests}
    marks = held["metadata"].get("annotations") or {}
    namespace = held["metadata"]["namespace"]
    selector = held["spec"]["template"]["spec"].get("nodeSelector") or {}
    nodes, _addresses = waves.nodes_now(client, selector)
    names = sorted(nodes) if options.nodes is None else [name for name in options.nodes if name in nodes]
    mine = set(names)
    target = _target(marks)
    pods = waves.pods_now(client, waves.place_of(held))
    if target:
        todo = [pod.node for pod in pods if pod.node in mine and not _is(pod.revision, target, marks)]
        changed = bool(todo) or not marks.get(objects.TAKEN_BACK)
    else:
        todo = [name for name in names if not nodes[name].held]
        changed = bool(todo)
    changes = [f"went back to {f'revision {target}' if target else 'no cache'} on {len(todo)} nodes"] if changed else []
    if changed and not check_mode:
        changes = go_back(client, namespace, names, options.wait_timeout, say, mine if target else ())
        pods = waves.pods_now(client, waves.place_of(held))
    shown = [pod.shown() for pod in pods if pod.node in mine]
    return {
        "changed": changed, "changes": changes, "pods": shown, "revision": target, "previous_revision": "",
        "requests": client.requests,
    }  # fmt: skip


def find(client: Client, options: Options) -> Object | None:
    """The cache's DaemonSet, wherever it is. Raises KubeError for one that is not ours."""
    found = client.items("/apis/apps/v1/daemonsets", fieldSelector=f"metadata.name={objects.NAME}")
    mine = [one for one in found if options.namespace in (None, one["metadata"]["namespace"])]
    for one in mine:
        if not compare.is_ours(one):
            raise KubeError(
                f"DaemonSet {one['metadata']['namespace']}/{objects.NAME} was neither made nor taken over by this "
                "module; remove it in the way it was made, or take it over first with state: present"
            )
    return mine[0] if mine else None


def _target(marks: t.Mapping[str, str]) -> str:
    """The revision to go back to; empty: no cache. Where that was done already it is the present one."""
    return str(marks.get(objects.REVISION if marks.get(objects.TAKEN_BACK) else objects.PREVIOUS) or "")


def _is(revision: str, target: str, marks: t.Mapping[str, str]) -> bool:
    return revision == target or (not revision and marks.get(objects.ADOPTED) == target)


def go_back(
    client: Client, namespace: str, names: t.Sequence[str], seconds: float, say: Say, had: t.Collection[str]
) -> list[str]:
    """Take these nodes back; what was done, a sentence each.

    ``had``: nodes that had a cache before; the others are held back, and have none again. Raises KubeError.
    """
    path = f"/apis/apps/v1/namespaces/{segment(namespace)}/daemonsets/{objects.NAME}"
    held = client.get(path)
    marks = held["metadata"].get("annotations") or {}
    target = _target(marks)
    changes: list[str] = []
    place = waves.place_of(held)
    if target and not marks.get(objects.TAKEN_BACK):
        marks = _restore(client, namespace, held, target)
        changes.append(f"DaemonSet and Corefile are those of revision {target} again")
    without = [name for name in names if not target or name not in had]
    if without:
        waves.hold(client, without, True)
        waves.wait_gone(client, place, without, seconds, say)
        changes.append(f"{len(without)} nodes are held back and have no cache")
    rest = [name for name in names if target and name in had]
    if rest:
        revisions = {target, *([""] if marks.get(objects.ADOPTED) == target else [])}
        waves.replace(client, place, rest, revisions, seconds, say)
        changes.append(f"{len(rest)} nodes run revision {target} again")
    return changes


def _restore(client: Client, namespace: str, held: Object, target: str) -> dict[str, str]:
    """DaemonSet and text of a revision; the annotations that the DaemonSet has then."""
    kept = client.find(maps_path(namespace, f"{objects.NAME}-{target}"))
    failed = str(held["metadata"]["annotations"][objects.REVISION])
    if kept is None:
        raise KubeError(
            f"revision {target} is not kept: ConfigMap {namespace}/{objects.NAME}-{target} is gone; declare what you "
            "want with state: present"
        )
    body = json.loads(kept["data"][objects.BODY])
    marks: dict[str, str] = body["metadata"]["annotations"]
    marks[objects.TAKEN_BACK] = failed
    marks[objects.PREVIOUS] = ""
    apply.do(client, apply.Step(body, held, True, False, ()))
    _restore_text(client, namespace, kept, failed)
    return marks


def _restore_text(client: Client, namespace: str, kept: Object, failed: str) -> None:
    """The text that people edit, where it is still that of the failed revision."""
    bad = client.find(maps_path(namespace, f"{objects.NAME}-{failed}"))
    if bad is None or not text_of(kept):
        return
    records = (kept["metadata"].get("annotations") or {}).get(texts.RECORDS, "")

    def edit(thing: Object) -> Object:
        if text_of(thing) != text_of(bad):
            return thing
        known = texts.records_of(thing, objects.KEY)
        back = texts.Texts(text_of(thing), text_of(kept), records, known, (), (), ())
        return texts.write_into(thing, objects.KEY, back)

    edit_object(client, maps_path(namespace, objects.NAME), edit)
