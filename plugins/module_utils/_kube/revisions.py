# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts that were replaced, kept in a ConfigMap of our own beside the one they come from.

It is named ``NAME-kubenode-revisions``; a revision is a number that only grows, with the text under ``N.text`` and who,
when, the SHA-256 of the text and the records of our entries in it under ``N.json``.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._kube.client import Client, Object, segment
from ansible_collections.kubenode.network.plugins.module_utils._kube.edit import ATTEMPTS, edit_object
from ansible_collections.kubenode.network.plugins.module_utils._kube.errors import Answered, KubeError

KEPT = 10
_LARGEST = 900_000
"""Bytes of all texts and records together: the API server takes objects of 1 MiB (etcd's request limit is 1.5 MiB)."""


class Revision(t.NamedTuple):
    """A text that a ConfigMap's key once had."""

    number: int
    key: str
    text: str
    when: str
    who: str
    records: str | None = None
    """Of our entries in it, as they were noted then; None where that is not known."""

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.text.encode("utf-8", "surrogatepass")).hexdigest()

    def summary(self) -> dict[str, t.Any]:
        """For the result of a module."""
        return {"revision": self.number, "key": self.key, "when": self.when, "who": self.who, "sha256": self.sha256}


def name_of(config_map: str) -> str:
    return f"{config_map}-kubenode-revisions"


def revisions(client: Client, namespace: str, config_map: str) -> list[Revision]:
    """All that are kept, the oldest first; none where nothing was ever replaced."""
    found = client.find(_path(namespace, name_of(config_map)))
    return _decode(found) if found is not None else []


def keep(client: Client, namespace: str, config_map: str, key: str, text: str, records: str = "") -> int:
    """Keep a text that is about to be replaced, with the records of our entries in it; its number.

    One that is the newest already is not kept twice.
    """
    path = _path(namespace, name_of(config_map))
    when = dt.datetime.now(dt.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    who = _who(client)
    kept: list[int] = []

    def add(held: Object) -> Object:
        known = _decode(held)
        same = [one for one in known if one.key == key]
        if same and same[-1].text == text:
            kept[:] = [same[-1].number]
            if same[-1].records == records:
                return held
            left = [one._replace(records=records) if one is same[-1] else one for one in known]
        else:
            number = 1 + max((one.number for one in known), default=0)
            kept[:] = [number]
            left = [*known, Revision(number, key, text, when, who, records)][-KEPT:]
        while len(left) > 1 and sum(map(_size, left)) > _LARGEST:
            del left[0]
        held["data"] = _encode(left)
        return held

    for _attempt in range(ATTEMPTS):
        try:
            edit_object(client, path, add)
        except Answered as error:
            if error.status != 404:
                raise
        else:
            return kept[0]
        body = {
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {
                "name": name_of(config_map), "namespace": namespace,
                "labels": {"app.kubernetes.io/managed-by": "kubenode.network"},
            },
        }  # fmt: skip
        try:
            client.create(path.rpartition("/")[0], add(dict(body)), fieldManager="kubenode.network")
        except Answered as error:
            if error.status != 409:
                raise
        else:
            return kept[0]
    raise KubeError(f"{path}: is made and deleted by others all the time; find who does")


def find_revision(client: Client, namespace: str, config_map: str, key: str, number: int) -> Revision:
    """Raises KubeError, naming those there are, where this one is not kept (any more)."""
    known = [one for one in revisions(client, namespace, config_map) if one.key == key]
    for one in known:
        if one.number == number:
            return one
    numbers = ", ".join(str(one.number) for one in known) or "none"
    raise KubeError(
        f"restore: there is no revision {number} of {namespace}/{config_map}, key {key}; kept are: {numbers}"
    )


def _path(namespace: str, name: str) -> str:
    return f"/api/v1/namespaces/{segment(namespace)}/configmaps/{segment(name)}"


def _who(client: Client) -> str:
    """The user that the API server takes us for; it tells everybody (SelfSubjectReview, Kubernetes 1.28)."""
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    try:
        answer = client.create("/apis/authentication.k8s.io/v1/selfsubjectreviews", body)
        return str(answer["status"]["userInfo"]["username"])
    except (KubeError, KeyError):
        return ""


def _decode(held: Object) -> list[Revision]:
    data = held.get("data") or {}
    found = []
    for name, value in data.items():
        number, dot, kind = name.partition(".")
        if kind != "json" or not dot or not number.isdigit() or f"{number}.text" not in data:
            continue
        try:
            about = json.loads(value)
            text, when, who = data[f"{number}.text"], about.get("when", ""), about.get("who", "")
            found.append(Revision(int(number), about["key"], text, when, who, about.get("records")))
        except (ValueError, KeyError, TypeError, AttributeError):
            # Somebody's own key; it is left alone until it is displaced.
            continue
    return sorted(found, key=lambda one: one.number)


def _size(one: Revision) -> int:
    return len(one.text.encode("utf-8", "surrogatepass")) + len(json.dumps(one.records))


def _encode(known: t.Sequence[Revision]) -> dict[str, str]:
    data = {}
    for one in known:
        data[f"{one.number}.text"] = one.text
        about = {"key": one.key, "when": one.when, "who": one.who, "sha256": one.sha256}
        if one.records is not None:
            about["records"] = one.records
        data[f"{one.number}.json"] = json.dumps(about)
    return data
