# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""DNS servers log queries for a while, and the cluster itself ends that: dns_query_log.

The pods mount an optional ConfigMap, and the Corefile imports what is in it: CoreDNS's by ``query_log_way``, those of
the caches on the nodes by nodelocaldns (``_nodelocal.query_log``). Queries are logged as long as that ConfigMap is
there. It is owned by a Job without pods (parallelism 0), whose activeDeadlineSeconds is the time that was asked for:
the Job's controller fails it then, the TTL controller deletes it at once (ttlSecondsAfterFinished 0), and the garbage
collector the ConfigMap with it. Nobody edits the Corefile meanwhile.
"""

from __future__ import annotations

import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._corefile.fragment import SERVER
from ansible_collections.kubenode.network.plugins.module_utils._kube import corefile, query_log_job
from ansible_collections.kubenode.network.plugins.module_utils._kube.client import Client, Object
from ansible_collections.kubenode.network.plugins.module_utils._kube.errors import KubeError
from ansible_collections.kubenode.network.plugins.module_utils._kube.extra import Extra, extra_as
from ansible_collections.kubenode.network.plugins.module_utils._kube.owner import Owner
from ansible_collections.kubenode.network.plugins.module_utils._kube.query_log_target import (
    KEY,
    OWNER,
    Say,
    Target,
    Way,
)
from ansible_collections.kubenode.network.plugins.module_utils._kube.query_log_way import COREDNS
from ansible_collections.kubenode.network.plugins.module_utils._kube.subject import Request, config_map_path
from ansible_collections.kubenode.network.plugins.module_utils._kube.texts import Texts, Wanted

SHORTEST, LONGEST = 180, 86400
"""Seconds. A kubelet takes up to a minute and a half to bring a ConfigMap to its pods, so that less might log nothing;
and a log that is forgotten fills disks."""
CLASSES = ("all", "success", "denial", "error")
"""Of plugin log."""
_UNITS = {"s": 1, "m": 60, "h": 3600}


class Wish(t.NamedTuple):
    """The options of dns_query_log."""

    state: str = "present"
    seconds: int = 600
    zones: tuple[str, ...] = ()
    """Names below which queries are logged; none: all."""
    classes: tuple[str, ...] = ()
    extend: bool = False
    service: str | None = None
    namespace: str | None = None
    on_owner: str = "fail"
    wait: bool = True
    wait_timeout: int = 180

    @property
    def request(self) -> Request:
        """As the run of a Corefile takes it."""
        return Request(
            namespace=self.namespace, service=self.service, on_owner=self.on_owner, wait=self.wait,
            wait_timeout=self.wait_timeout,
        )  # fmt: skip


def seconds_of(text: str) -> int:
    """``200``, ``200s``, ``10m`` or ``2h`` in seconds. Raises KubeError."""
    number, unit = (text[:-1], text[-1:]) if text[-1:] in _UNITS else (text, "s")
    value = int(number) * _UNITS[unit] if number.isascii() and number.isdigit() and len(number) < 8 else 0
    if not SHORTEST <= value <= LONGEST:
        raise KubeError(
            f"duration: {text or 'nothing'} is given, and from {SHORTEST} seconds to {LONGEST // 3600} hours are "
            "possible, such as 200s, 10m or 2h; declare a lasting log with coredns_corefile or nodelocaldns (log)"
        )
    return value


def run(
    client: Client, wish: Wish, check_mode: bool, diff: bool, say: Say = lambda _line: None, target: Target = COREDNS
) -> dict[str, t.Any]:
    """Bring the query log of a target to a state. Raises KubeError; all is as before then, but where it says so."""
    wrong = [one for one in wish.classes if one not in CLASSES]
    if wrong:
        raise KubeError(f"classes: {', '.join(wrong)} is none of plugin log's: {', '.join(CLASSES)}")
    prepare, unprepare = target.prepare, target.unprepare
    if wish.state in ("prepared", "unprepared") and (prepare is None or unprepare is None):
        raise KubeError(
            f"state: {wish.state} is given, and {target.servers} is prepared by {target.prepared_by}; here it is "
            "present or absent"
        )
    if wish.state == "prepared" and prepare is not None:
        result = prepare(client, wish.request, check_mode, diff, say)
    elif wish.state == "present":
        result = _switch_on(client, target, wish, check_mode, diff, say)
    else:
        result = _switch_off(client, target, wish, check_mode, diff, say)
        if wish.state == "unprepared" and unprepare is not None:
            way = unprepare(client, wish.request, check_mode, diff, say)
            way["warnings"] = [*result["warnings"], *way["warnings"]]
            result = {
                **result, **way, "changed": result["changed"] or way["changed"],
                "changes": [*result["changes"], *way["changes"]],
            }  # fmt: skip
    return {**result, "requests": client.requests}


class _Log(Extra):
    """The key of our ConfigMap, which goes with the Job."""

    keeps_revisions = False
    job: Object | None = None

    def new(self) -> Object | None:
        made = super().new() or {}
        made["metadata"]["labels"] = dict(query_log_job.LABELS)
        return made

    def owner(self, _held: Object) -> Owner | None:
        return None

    def written(self, held: Object, made: Texts) -> Object:
        if made.gone or self.job is None:
            # Whatever else is in it: it was made for this.
            return {}
        after = super().written(held, made)
        meta = self.job["metadata"]
        after["metadata"]["ownerReferences"] = [
            {"apiVersion": "batch/v1", "kind": "Job", "name": meta["name"], "uid": meta["uid"]}
        ]
        return after


def _find(target: Target, way: Way, job: Object | None) -> t.Callable[[Client, Request], _Log]:
    def find(client: Client, request: Request) -> _Log:
        log = extra_as(_Log, client, request._replace(name=target.name, key=KEY), way.options)
        log.job = job
        return log

    return find


def _switch_on(client: Client, target: Target, wish: Wish, check_mode: bool, diff: bool, say: Say) -> dict[str, t.Any]:
    way = target.look(client, wish.request)
    if not way.imported:
        raise KubeError(way.missing)
    query_log_job.check_ours(client, way.namespace, target.name)
    known = query_log_job.find(client, way.namespace, target.name)
    changes = []
    mine = known is None and not check_mode
    what = f"Job {way.namespace}/{target.name}"
    if known is None:
        job = query_log_job.make(client, way.namespace, target.name, target.servers, wish.seconds, check_mode)
        changes.append(f"made {what}, which ends it after {wish.seconds} s")
    else:
        job = known
        if wish.extend:
            job = query_log_job.extend(client, known, wish.seconds, check_mode)
            changes.append(f"{what} ends it {wish.seconds} s from now")
    names = " ".join(wish.zones) or "."
    text = f"log {names}"
    if wish.classes:
        text = f"{text} {{\nclass {' '.join(wish.classes)}\n}}"
    wanted = Wanted({"servers": [{"zones": [SERVER], "plugins": [text]}]}, owner=OWNER)
    try:
        result = corefile.change(client, wanted, way.request, check_mode, diff, say, _find(target, way, job))
    except BaseException:
        # The ConfigMap was put back where it had been written; and the Job of a run that is killed ends by itself.
        if mine:
            query_log_job.delete(client, job)
        raise
    return {
        **result, "changed": result["changed"] or bool(changes), "changes": [*changes, *result["changes"]],
        "warnings": [*way.warnings, *result["warnings"]], "logging": True, "until": query_log_job.until(job),
        "job": {"namespace": way.namespace, "name": target.name},
    }  # fmt: skip


def _switch_off(client: Client, target: Target, wish: Wish, check_mode: bool, diff: bool, say: Say) -> dict[str, t.Any]:
    way = target.look(client, wish.request)
    path = config_map_path(way.namespace, target.name)
    held, job = client.find(path), query_log_job.find(client, way.namespace, target.name)
    result: dict[str, t.Any] = {"changed": False, "changes": [], "warnings": []}
    if held is not None:
        query_log_job.check_ours(client, way.namespace, target.name, held)
        if way.imported:
            wanted = Wanted(owner=OWNER, reset=True)
            result = corefile.change(client, wanted, way.request, check_mode, diff, say, _find(target, way, None))
            result["warnings"] = [*way.warnings, *result["warnings"]]
        else:
            # Nobody reads it, so there is nothing to prove.
            client.delete(path, held["metadata"]["uid"], held["metadata"]["resourceVersion"], check_mode)
            result.update(changed=True, changes=[f"deleted ConfigMap {way.namespace}/{target.name}"])
    if job is not None:
        result["changed"] = True
        result["changes"] = [*result["changes"], f"deleted Job {way.namespace}/{target.name}"]
        if not check_mode:
            query_log_job.delete(client, job)
    return {**result, "logging": False, "until": ""}
