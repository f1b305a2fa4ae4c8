# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects as they are against what is declared: what differs, who made it so, and taking over what others made. Pure.

Who owns a field is told by metadata.managedFields ("Server-Side Apply" of the Kubernetes documentation). An object of
``kubectl apply`` or Helm is taken over as client-go's csaupgrade does it: their entries become ours, so that the next
apply removes of them what we do not declare.
"""

from __future__ import annotations

import json
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._kube.client import Object
from ansible_collections.kubenode.network.plugins.module_utils._nodelocal.objects import MANAGER

Path = tuple[str, ...]
"""Of a field, in the words of fieldsV1: ``f:spec``, ``k:{"name":"node-cache"}``."""

_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
# Those that make whole objects; one who edits an object by hand has another name.
_MAKERS = frozenset(
    {"kubectl-client-side-apply", "kubectl-create", "kubectl-replace", "before-first-apply", "helm", "Helm",
     "OpenAPI-Generator", "Go-http-client"}
)  # fmt: skip
_MAKERS_BY_APPLY = frozenset({"kubectl", "helm"})
# Lists whose entries are told apart by keys (x-kubernetes-list-map-keys of the API's schema); others are one value.
_KEYS: dict[str, tuple[str, ...]] = {
    "containers": ("name",), "volumeMounts": ("mountPath",), "volumes": ("name",), "env": ("name",),
    "imagePullSecrets": ("name",),
}  # fmt: skip
_PORT_KEYS = ({"containerPort", "protocol"}, ("containerPort", "protocol")), ({"port"}, ("port", "protocol"))


def differences(live: Object, declared: Object) -> list[Path]:
    """The fields of ``declared`` that ``live`` has otherwise or lacks."""
    found: list[Path] = []
    body = {key: value for key, value in declared.items() if key not in ("apiVersion", "kind")}
    _compare(live, body, (), "", found)
    return found


def _compare(live: t.Any, declared: t.Any, path: Path, name: str, found: list[Path]) -> None:
    if isinstance(declared, dict) and declared:
        if not isinstance(live, dict):
            found.append(path)
            return
        for key, value in declared.items():
            if key in live or value not in ({}, []):
                _compare(live.get(key), value, (*path, f"f:{key}"), key, found)
    elif isinstance(declared, list) and (keys := _list_keys(name, declared)):
        there = {_key(one, keys): one for one in live or () if isinstance(one, dict)}
        for one in declared:
            key = _key(one, keys)
            if key not in there:
                found.append((*path, key))
            else:
                _compare(there[key], one, (*path, key), "", found)
    elif live != declared and not (declared in ({}, []) and not live):
        found.append(path)


def _list_keys(name: str, declared: list[t.Any]) -> tuple[str, ...]:
    if name == "ports" and declared:
        for marks, keys in _PORT_KEYS:
            if marks <= set(declared[0]):
                return keys
    return _KEYS.get(name, ())


def _key(one: Object, keys: tuple[str, ...]) -> str:
    return "k:" + json.dumps({key: one.get(key) for key in keys}, separators=(",", ":"), sort_keys=True)


def stale(live: Object, declared: Object) -> list[Path]:
    """Fields that are ours in ``live`` by managedFields and no longer declared: the next apply removes them."""
    fields = _ours(live)
    if fields is None:
        return []
    body = {key: value for key, value in declared.items() if key not in ("apiVersion", "kind")}
    return [path for path in _leaves(fields, ()) if not _declares(body, path)]


def _ours(live: Object) -> Object | None:
    for entry in live["metadata"].get("managedFields") or ():
        if entry.get("manager") == MANAGER and entry.get("operation") == "Apply" and not entry.get("subresource"):
            return entry.get("fieldsV1") or {}
    return None


def is_ours(live: Object | None) -> bool:
    """Whether we have applied it."""
    return live is not None and _ours(live) is not None


def _leaves(fields: Object, path: Path) -> t.Iterator[Path]:
    inner = {key: value for key, value in fields.items() if key != "."}
    if not inner and path:
        yield path
    for key, value in inner.items():
        yield from _leaves(value, (*path, key))


def _declares(body: t.Any, path: Path) -> bool:
    for step in path:
        kind, _colon, rest = step.partition(":")
        if kind == "f":
            if not isinstance(body, dict) or rest not in body:
                return False
            body = body[rest]
        elif kind == "k":
            wanted = json.loads(rest)
            there = [one for one in body if all(one.get(key) == value for key, value in wanted.items())]
            if not there:
                return False
            body = there[0]
        else:
            return True
    return True


def strangers(live: Object, paths: t.Iterable[Path]) -> dict[str, list[str]]:
    """Of fields that we declare: who has made them otherwise, and when (as text) -> the fields, readable."""
    found: dict[str, list[str]] = {}
    for path in paths:
        for entry in live["metadata"].get("managedFields") or ():
            foreign = entry.get("manager") != MANAGER and not is_maker(entry)
            if foreign and not entry.get("subresource") and _has(entry.get("fieldsV1") or {}, path):
                who = f"{entry.get('manager')} at {entry.get('time', 'a time unknown')}"
                found.setdefault(who, []).append(readable(path))
    return found


def _has(fields: Object, path: Path) -> bool:
    for step in path:
        if step in fields:
            fields = fields[step]
            continue
        close = [value for key, value in fields.items() if key[:2] == "k:" == step[:2] and _same(key, step)]
        if not close:
            return False
        fields = close[0]
    return True


def _same(one: str, other: str) -> bool:
    return bool(json.loads(one[2:]) == json.loads(other[2:]))


def readable(path: Path) -> str:
    """``spec.template.spec.containers[node-cache].image``."""
    text = ""
    for step in path:
        kind, _colon, rest = step.partition(":")
        if kind == "k":
            text += f"[{'/'.join(str(value) for value in json.loads(rest).values())}]"
        else:
            text += f".{rest}"
    return text.lstrip(".")


def is_maker(entry: Object) -> bool:
    """Whether an entry of managedFields is of something that makes whole objects, and is to be taken over."""
    if entry.get("subresource"):
        return False
    names = _MAKERS_BY_APPLY if entry.get("operation") == "Apply" else _MAKERS
    return entry.get("manager") in names


def adoption(live: Object) -> list[Object] | None:
    """The JSON patch that makes what others have applied ours; None where there is nothing of that kind."""
    fields = live["metadata"].get("managedFields") or []
    makers = [entry for entry in fields if is_maker(entry)]
    annotated = _APPLIED in (live["metadata"].get("annotations") or {})
    if not makers and not annotated:
        return None
    if annotated and not makers:
        # Made by a kubectl under a name of somebody's choosing: the first who wrote it.
        makers = [entry for entry in fields if entry.get("operation") == "Update" and not entry.get("subresource")
                  and entry.get("manager") != MANAGER][:1]  # fmt: skip
    ours = [entry for entry in fields if entry.get("manager") == MANAGER and entry.get("operation") == "Apply"]
    merged: Object = {}
    for entry in (*ours, *makers):
        _merge(merged, entry.get("fieldsV1") or {})
    rest = [entry for entry in fields if not any(entry is one for one in (*ours, *makers))]
    taken = {
        "manager": MANAGER, "operation": "Apply", "apiVersion": (makers or ours or fields)[0].get("apiVersion", "v1"),
        "fieldsType": "FieldsV1", "fieldsV1": merged,
    }  # fmt: skip
    patch = [
        {"op": "replace", "path": "/metadata/managedFields", "value": [*rest, taken]},
        {"op": "replace", "path": "/metadata/resourceVersion", "value": live["metadata"]["resourceVersion"]},
    ]
    if annotated:
        patch.append({"op": "remove", "path": "/metadata/annotations/" + _APPLIED.replace("/", "~1")})
    return patch


def _merge(into: Object, other: Object) -> None:
    for key, value in other.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = json.loads(json.dumps(value))
