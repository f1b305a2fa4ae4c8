# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run of kubelet_config_map: kubeadm's configuration for kubelets of nodes to come.

Where kubeadm keeps it: cmd/kubeadm/app/constants (KubeletBaseConfigurationConfigMap and its key).
"""

from __future__ import annotations

import json
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._kube.checks import check_key, check_name
from ansible_collections.kubenode.network.plugins.module_utils._kube.client import Client, Object, segment
from ansible_collections.kubenode.network.plugins.module_utils._kube.edit import edit_object
from ansible_collections.kubenode.network.plugins.module_utils._kube.errors import Answered, KubeError
from ansible_collections.kubenode.network.plugins.module_utils._kube.texts import difference
from ansible_collections.kubenode.network.plugins.module_utils._kubelet import config, options
from ansible_collections.kubenode.network.plugins.module_utils._kubelet.errors import KEYS, KubeletError, Value

ANNOTATION = "kubenode.network/kubelet-dns"
"""What was set and what stood there before: JSON, option -> {before, set}."""


class Wanted(t.NamedTuple):
    """The options of kubelet_config_map."""

    settings: dict[str, Value]
    warnings: list[str]
    namespace: str
    name: str
    key: str


def wanted(params: t.Mapping[str, t.Any]) -> Wanted:
    """The options, checked. Raises KubeError for the first that is wrong."""
    try:
        settings, warnings = options.parse(params)
    except KubeletError as error:
        raise KubeError(error.message) from None
    namespace, name = check_name("namespace", params["namespace"]), check_name("name", params["name"])
    return Wanted(settings, warnings, namespace, name, check_key("key", params["key"]))


def change(client: Client, params: t.Mapping[str, t.Any], check_mode: bool, diff: bool) -> dict[str, t.Any]:
    """Make the ConfigMap say what is wanted. Raises KubeError; then it is as it was."""
    wish, warnings, namespace, name, key = wanted(params)
    what = f"ConfigMap {namespace}/{name}, key {key}"
    path = f"/api/v1/namespaces/{segment(namespace)}/configmaps/{segment(name)}"
    texts: list[str] = []
    noticed: list[str] = []

    def edit(held: Object) -> Object:
        text = (held.get("data") or {}).get(key)
        if text is None:
            raise KubeError(
                f"{what}: there is no such key, it has {', '.join(held.get('data') or {}) or 'none'}; set key"
            )
        noticed[:] = []
        try:
            made, records = _edited(text, what, wish, params["state"], _records(held, what), noticed)
        except KubeletError as error:
            raise KubeError(error.message) from None
        texts[:] = [text, made]
        held["data"][key] = made
        annotations = held["metadata"].setdefault("annotations", {})
        annotations.pop(ANNOTATION, None)
        if records:
            annotations[ANNOTATION] = json.dumps(records, sort_keys=True)
        if not annotations:
            del held["metadata"]["annotations"]
        return held

    try:
        edited = edit_object(client, path, edit, check_mode, dry_run=not check_mode)
    except Answered as error:
        if error.status == 404:
            raise KubeError(
                f"{what}: there is no such ConfigMap; kubeadm makes it, so in a cluster without kubeadm tell the nodes "
                f"where they are made, and in an old one set name: kubelet-config-1.23 or the like"
            ) from error
        raise
    before, after = (config.read(text, what) for text in texts)
    result: dict[str, t.Any] = {
        "changed": edited.changed, "attempts": edited.attempts, "warnings": [*warnings, *noticed],
        "before": {option: _plain(before.get(option, (None, 0))[0]) for option in KEYS},
        "after": {option: _plain(after.get(option, (None, 0))[0]) for option in KEYS},
    }  # fmt: skip
    if edited.unchecked:
        result["warnings"].append(f"{what}: {edited.unchecked}")
    if diff:
        result["diff"] = difference(texts[0], texts[1], what)
    return result


def _edited(
    text: str, what: str, wish: dict[str, Value], state: str, records: dict[str, t.Any], noticed: list[str]
) -> tuple[str, dict[str, t.Any]]:
    held = {option: value for option, (value, _line) in config.read(text, what).items()}
    if state == "absent":
        wish = {}
        for option, record in records.items():
            if _plain(held.get(option)) == record["set"]:
                before = record["before"]
                wish[option] = tuple(before) if isinstance(before, list) else before
            else:
                noticed.append(f"{what}: somebody else has set {KEYS[option]} since; it is left alone.")
        return config.edit(text, what, wish), {}
    for option, value in wish.items():
        now = _plain(held.get(option))
        if now == _plain(value):
            continue
        known = records.get(option)
        before = known["before"] if known and known["set"] == now else now
        records[option] = {"before": before, "set": _plain(value)}
        if before == _plain(value):
            del records[option]
    return config.edit(text, what, wish), records


def _records(held: Object, what: str) -> dict[str, t.Any]:
    text = (held["metadata"].get("annotations") or {}).get(ANNOTATION)
    try:
        found: dict[str, t.Any] = json.loads(text) if text else {}
        return {option: {"before": one["before"], "set": one["set"]} for option, one in found.items() if option in KEYS}
    except (ValueError, TypeError, KeyError, AttributeError):
        raise KubeError(
            f"{what}: its annotation {ANNOTATION} is damaged ({text!r}); remove it, then what was set before is not "
            f"known"
        ) from None


def _plain(value: Value) -> t.Any:
    return list(value) if isinstance(value, tuple) else value
