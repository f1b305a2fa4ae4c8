# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Has every CoreDNS loaded *this* text? Proved pod by pod, by uid and start of the container.

A ConfigMap reaches a pod when its kubelet projects it, a minute or more after the write; then plugin reload looks at
its interval. CoreDNS logs "Running configuration SHA512 = ..." at every start and reload. Its metric
coredns_reload_version_info has the same value, but only after a first reload, and also after one that failed
(plugin/reload/reload.go): it proves something only where coredns_reload_failed_total has not grown at the look after
the one that first saw it, and where it was another value before, since a text that failed is not tried again as long
as CoreDNS sees no other.
"""

from __future__ import annotations

import itertools
import re
import time
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._kube.chain import (
    Pod,
    over,
    pod_state,
    sources,
)
from ansible_collections.kubenode.network.plugins.module_utils._kube.client import Client, Object, segment
from ansible_collections.kubenode.network.plugins.module_utils._kube.errors import Answered, KubeError
from ansible_collections.kubenode.network.plugins.module_utils._kube.throwaway import tries

POLL_SECONDS = 1.0
IN_VAIN = 20
"""Pods that are asked in vain before the next pause. Of the caches of a thousand nodes most wait for their kubelets,
and each of them needs a request of its own; those that have loaded the text are gone through at once.
"""
_RUNNING = re.compile(r"Running configuration (?:SHA512|MD5) = ([0-9a-f]+)")
# plugin/reload/reload.go and caddy.go; what plugin errors prints of single queries is no complaint about the Corefile.
_FAILED = re.compile(
    r"Corefile changed but reload failed: |Corefile parse failed: |Restart failed: |Error during parsing"
    r"|^/etc/coredns\S*:\d+ - "
)
_VERSION = re.compile(r'^coredns_reload_version_info\{hash="\w+",value="([0-9a-f]+)"\} 1', re.MULTILINE)
_FAILURES = re.compile(r"^coredns_reload_failed_total (\S+)", re.MULTILINE)
_LOG_LINES = 400
_METRICS_SECONDS = 5.0
"""Nobody answers at the address of a pod that has just gone; the API server would try for half a minute."""


class Loaded(t.NamedTuple):
    """What a pod was seen to run."""

    pod: Pod
    hash: str
    """Of the Corefile that it runs; empty where that cannot be told."""
    failures: float | None
    """Reloads that failed since its start; None where its metrics cannot be read."""
    source: str
    """``metrics``, ``log``, or ``start``: the container was started after the text had been written."""
    words: str = ""
    """CoreDNS's own last complaint about its Corefile."""
    version: str = ""
    """The hash in its metrics: of the text that it has loaded or tried last."""

    @property
    def key(self) -> tuple[str, str]:
        """This very run of the container: another start has other counters."""
        return self.pod.uid, self.pod.started

    def evidence(self) -> dict[str, t.Any]:
        """For the result of a module."""
        return {
            "pod": self.pod.name, "uid": self.pod.uid, "started": self.pod.started, "node": self.pod.node,
            "hash": self.hash, "reload_failures": self.failures, "source": self.source,
        }  # fmt: skip

    @property
    def blank(self) -> bool:
        """It has failed at nothing yet, so that a later look at the same run finds no less without this one."""
        return not self.failures and not self.words and not self.pod.restarts

    def brief(self) -> tuple[t.Any, ...]:
        """What a later look at the same run is compared with, as plain values."""
        return self.pod.uid, self.pod.started, self.pod.restarts, self.failures, self.words, self.version


def from_brief(values: t.Sequence[t.Any]) -> Loaded:
    """Raises ValueError for what is no ``brief``."""
    uid, started, restarts, failures, words, version = values
    pod = Pod("", str(uid), "", str(started), int(restarts), True, "", "", 0)
    return Loaded(pod, "", None if failures is None else float(failures), "", str(words), str(version))


class LoadFailed(KubeError):
    """A pod refused the text, or went down with it."""


class Where(t.NamedTuple):
    """The Corefile that pods are looked for by."""

    namespace: str
    config_map: str
    key: str
    selector: str = ""
    """Labels of the pods, where they are known; all pods of the namespace are read otherwise."""
    passed_over: frozenset[str] = frozenset()
    """Pods, by uid, that do not count."""


class Running(t.NamedTuple):
    """A pod that mounts the Corefile."""

    pod: Pod
    fixed: bool
    """By subPath: it keeps the text that it started with."""
    thing: Object
    """The pod as the API server has it."""


def pods_now(client: Client, where: Where) -> list[Running]:
    """The pods that mount the Corefile now; those that are being deleted, or are through, do not count. One request."""
    path = f"/api/v1/namespaces/{segment(where.namespace)}/pods"
    found = []
    for one in client.items(path, labelSelector=where.selector or None):
        if over(one) or tries(one) or one["metadata"]["uid"] in where.passed_over:
            continue
        for container, source in sources(one):
            if (source.name, source.key) == (where.config_map, where.key):
                found.append(Running(pod_state(one, container), source.fixed, one))
                break
    return found


def look(client: Client, namespace: str, pod: Pod, since: Loaded | None = None) -> Loaded:
    """What a pod runs now. One request where its metrics tell, two where the log has to.

    ``since`` is an earlier look at the same run, whose failures are not counted again.
    """
    path = f"/api/v1/namespaces/{segment(namespace)}/pods/{segment(pod.name)}"
    failures, version = None, ""
    try:
        address = f"{path}:{pod.metrics_port}/proxy/metrics"
        metrics = str(client.request("GET", address, decode=False, seconds=_METRICS_SECONDS))
    except KubeError:
        # No plugin prometheus, no right to the proxy, or not up yet: the log tells as well.
        metrics = ""
    if metrics:
        counted = _FAILURES.search(metrics)
        failures = float(counted[1]) if counted else 0.0
        named = _VERSION.findall(metrics)
        version = named[-1] if named else ""
        # A text that was tried in vain before is not tried again, and no failure is counted: only the log tells then.
        known = since.failures if since is not None and version != since.version else None
        if version and failures <= (known or 0.0):
            return Loaded(pod, version, failures, "metrics", version=version)
    log = _log(client, path, pod)
    running = _RUNNING.findall(log)
    return Loaded(pod, running[-1] if running else "", failures, "log", _words(log), version)


def _words(log: str) -> str:
    """The last complaint about a Corefile since the one that runs was loaded."""
    after = log.rpartition("Running configuration")[2]
    complaints = [line.strip() for line in after.splitlines() if _FAILED.search(line.strip())]
    return complaints[-1] if complaints else ""


def _log(client: Client, path: str, pod: Pod, previous: bool = False) -> str:
    try:
        return client.text(f"{path}/log", container=pod.container, tailLines=_LOG_LINES, previous=previous or None)
    except Answered as error:
        if error.status == 403:
            raise KubeError(
                f"neither the metrics nor the log of pod {pod.name} may be read, so nothing proves what it runs: "
                f"{error.message}; allow one of them (docs/rbac.md), or do without proof: wait: false"
            ) from error
        return ""


def last_words(client: Client, namespace: str, pod: Pod) -> str:
    """Why a container ended: the last lines of its former run's log, else of this one's."""
    path = f"/api/v1/namespaces/{segment(namespace)}/pods/{segment(pod.name)}"
    text = _log(client, path, pod, previous=True) or _log(client, path, pod)
    lines = [line for line in text.splitlines() if line.strip()]
    return " / ".join(lines[-3:]) or "its log is empty"


def wait_until_loaded(
    client: Client, where: Where, wanted: str, before: t.Mapping[tuple[str, str], Loaded], seconds: float,
    tell: t.Callable[[str], None] = lambda _line: None, silent: bool = False,
) -> list[Loaded]:  # fmt: skip
    """Wait until every pod runs the text of hash ``wanted``; what each showed as proof.

    A look is one request for all pods, and one or two for each that has not shown it yet, ``IN_VAIN`` of them at most.
    ``before``: what was seen of the pods before the write. ``silent``: the text has no plugin reload, so that CoreDNS
    does not tell what it runs, and the proof is that the pod was started for it. Raises LoadFailed with CoreDNS's own
    words as soon as one refuses the text or crashes, KubeError when ``seconds`` are over.
    """
    deadline = time.monotonic() + seconds
    restarts = {one.pod.uid: one.pod.restarts for one in before.values()}
    settled: dict[tuple[str, str], Loaded] = {}
    asked: dict[str, int] = {}

    def settle(pod: Pod, ask: bool) -> bool:
        if silent and pod.started and pod.started_with == wanted:
            settled[pod.uid, pod.started] = by_start(pod)
        return _settled(client, where, pod, wanted, before, restarts, settled, ask)

    for turn in itertools.count(1):
        pods = [one.pod for one in pods_now(client, where)]
        waiting: list[str] = []
        # Who was asked longest ago is first.
        for pod in sorted(pods, key=lambda one: asked.get(one.uid, 0)):
            ask = len(waiting) < IN_VAIN
            if not settle(pod, ask):
                waiting.append(pod.name)
                if ask:
                    asked[pod.uid] = turn
        if pods and not waiting:
            return [settled[pod.uid, pod.started] for pod in pods]
        if time.monotonic() > deadline:
            some = waiting[:IN_VAIN]
            more = f" and {len(waiting) - len(some)} more" if len(waiting) > len(some) else ""
            raise KubeError(
                f"after {seconds:.0f} s {len(waiting) or 'all'} of {len(pods)} pods do not run the new Corefile: "
                f"{', '.join(some) or 'there is none'}{more}{_complaint(client, where, pods, some)}; a kubelet brings "
                "a ConfigMap within a minute or two, then plugin reload has its interval: raise wait_timeout"
            )
        tell(f"{len(pods) - len(waiting)} of {len(pods)} pods run the new Corefile")
        time.sleep(POLL_SECONDS)
    raise AssertionError("an endless count has ended")


def by_start(pod: Pod) -> Loaded:
    """What a pod shows that was started for a text."""
    return Loaded(pod, pod.started_with, None, "start")


def _complaint(client: Client, where: Where, pods: t.Sequence[Pod], waiting: t.Sequence[str]) -> str:
    """What a pod that is waited for says of its Corefile: CoreDNS does not count one that it cannot parse."""
    for pod in pods:
        if pod.name in waiting and pod.started:
            log = _log(client, f"/api/v1/namespaces/{segment(where.namespace)}/pods/{segment(pod.name)}", pod)
            words = _words(log)
            if words:
                return f" ({pod.name} says: {words})"
    return ""


def _settled(
    client: Client, where: Where, pod: Pod, wanted: str, before: t.Mapping[tuple[str, str], Loaded],
    restarts: dict[str, int], settled: dict[tuple[str, str], Loaded], ask: bool,
) -> bool:  # fmt: skip
    """Whether a pod is through; it is looked at once more as long as it is not, where ``ask`` says so."""
    # One that is up has got over what happened before it was first seen.
    if pod.restarts > restarts.setdefault(pod.uid, pod.restarts if pod.ready else 0):
        words = last_words(client, where.namespace, pod)
        raise LoadFailed(f"pod {pod.name} crashed with the new Corefile: {words}")
    key = (pod.uid, pod.started)
    if ask and pod.started and key not in settled:
        seen = look(client, where.namespace, pod, before.get(key))
        if seen.source == "metrics" and seen.hash == wanted:
            # CoreDNS names a text there a moment before it counts that it failed: once more, when that is over.
            seen = look(client, where.namespace, pod, before.get(key))
        grown = _grown(seen, before.get(key))
        tried = seen.version == wanted != seen.hash
        if (grown or tried) and seen.words:
            raise LoadFailed(f"pod {pod.name} refused the new Corefile: {seen.words}")
        # The log names what runs, whatever failed before.
        if seen.hash == wanted and (not grown or (seen.source == "log" and not seen.words)):
            settled[key] = seen
    return key in settled and pod.ready


def _grown(seen: Loaded, before: Loaded | None) -> bool:
    """Whether a reload failed since the earlier look; by the log where there are no counters."""
    if seen.failures is None:
        return bool(seen.words) and seen.words != (before.words if before is not None else "")
    return seen.failures > ((before.failures or 0.0) if before is not None else 0.0)
