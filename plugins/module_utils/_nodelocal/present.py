# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``state: present``: objects once, then the nodes wave by wave, and back where a wave fails."""

from __future__ import annotations

import json
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._kube import texts
from ansible_collections.kubenode.network.plugins.module_utils._kube.client import Client, Object
from ansible_collections.kubenode.network.plugins.module_utils._kube.edit import edit_object
from ansible_collections.kubenode.network.plugins.module_utils._kube.errors import Answered, KubeError
from ansible_collections.kubenode.network.plugins.module_utils._nodelocal import apply, corefile, objects, waves
from ansible_collections.kubenode.network.plugins.module_utils._nodelocal.apply import Step
from ansible_collections.kubenode.network.plugins.module_utils._nodelocal.back import go_back
from ansible_collections.kubenode.network.plugins.module_utils._nodelocal.look import (
    Found,
    check_nodes,
    look,
    maps_path,
)
from ansible_collections.kubenode.network.plugins.module_utils._nodelocal.objects import Desired
from ansible_collections.kubenode.network.plugins.module_utils._nodelocal.options import INTERFACE, Options, wave
from ansible_collections.kubenode.network.plugins.module_utils._nodelocal.trial import try_writes
from ansible_collections.kubenode.network.plugins.module_utils._nodelocal.waves import CachePod, Node, Place, Say


class _Run:
    """What a run knows of nodes and pods."""

    def __init__(self, client: Client, options: Options, found: Found) -> None:
        self.client = client
        self.options = options
        self.found = found
        self.nodes, self.addresses = waves.nodes_now(client, options.node_selector)
        if options.nodes is not None:
            unknown = [name for name in options.nodes if name not in self.nodes]
            if unknown:
                raise KubeError(
                    f"nodes: {', '.join(unknown)} is no node of the cluster with {_labels(options.node_selector)}: "
                    f"there are {', '.join(sorted(self.nodes)[:10]) or 'none'}"
                )
            down = [name for name in options.nodes if not self.nodes[name].ready]
            if down:
                raise KubeError(
                    f"nodes: {', '.join(down)} is not Ready, so that nothing could be proved there; leave it out, or "
                    "bring it back first"
                )
        self.place = waves.place_of(found.held) if found.held is not None else _new_place(found)
        self.pods = waves.pods_now(client, self.place) if found.held is not None else []

    @property
    def text(self) -> str:
        """The text that people edit as it is to be; pods of another's installation still mount it: then it stays."""
        return self.found.made.texts.after


def present(client: Client, options: Options, check_mode: bool, diff: bool, say: Say) -> dict[str, t.Any]:
    """Make the cache as it is declared, on the nodes of this wave or on all. Raises KubeError; then nothing is half."""
    found = look(client, options)
    run = _Run(client, options, found)
    declared = _declared(run)
    steps = [
        apply.plan(client, one, found.live[name])
        for one, name in zip(declared.applied(), ("account", "upstream", "metrics"))
    ]
    if declared.redirect is not None:
        steps.append(apply.plan(client, declared.redirect, found.live["redirect"]))
    daemon_set = apply.plan(client, declared.daemon_set, found.held)
    todo = [step for step in steps if step.todo]
    chunks = _chunks(run, declared.revision)
    later = _later(run, chunks)
    edits = (_edits(found) and not later) or found.config_map is None
    result = _result(run, declared, [*todo, *([daemon_set] if daemon_set.todo else [])], chunks, later)
    if diff:
        name = f"ConfigMap {found.namespace}/{objects.NAME}, key {objects.KEY}"
        result["diff"] = texts.difference(found.made.texts.before, found.made.texts.after, name)
    if todo or daemon_set.todo or chunks or edits:
        result["policies"] = check_nodes(client, options, found, run.addresses)
    result["warnings"] += [one for one in found.warnings if one not in result["warnings"]]
    for step in (*steps, daemon_set):
        result["warnings"] += step.foreign
    if check_mode:
        _try(client, (*steps, daemon_set), result)
    else:
        _write(run, declared, todo, daemon_set, chunks, result)
        direct = any(pod.direct for pod in run.pods)
        _roll(run, declared, chunks, result, say)
        if direct and not later:
            _edit(run, result)
        _tidy(run, declared, bool(todo or daemon_set.todo or chunks))
    result["requests"] = client.requests
    return result


def _declared(run: _Run) -> Desired:
    found = run.found
    made = objects.desired(run.options, found.facts, run.text, found.service, found.held, found.made.texts.records)
    marks = made.daemon_set["metadata"]["annotations"]
    marks[objects.PREVIOUS] = _previous(run, made.revision)
    there = ((run.found.held or {}).get("metadata") or {}).get("annotations") or {}
    if there.get(objects.REVISION) == made.revision and objects.TAKEN_BACK in there:
        # What a wave went back to is declared again: nothing is new.
        marks[objects.TAKEN_BACK] = there[objects.TAKEN_BACK]
    return made


def _previous(run: _Run, revision: str) -> str:
    """The revision to go back to: what ran before, where that had come to all of its nodes."""
    held = run.found.held
    if held is None:
        return ""
    marks = held["metadata"].get("annotations") or {}
    now = marks.get(objects.REVISION)
    if now is None:
        return str(_adopted(run)["metadata"]["labels"][objects.REVISION])
    before = str(marks.get(objects.PREVIOUS, ""))
    if now == revision:
        return before
    if not run.pods:
        return before
    whole = all(pod.revision == now for pod in run.pods)
    return str(now) if whole or not before else before


def _adopted(run: _Run) -> Object:
    held = run.found.held
    if held is None:
        raise AssertionError("there is a DaemonSet to take over")
    return objects.adopted(held, {objects.KEY: run.found.text} if run.found.text else {})


def _chunks(run: _Run, revision: str) -> list[list[str]]:
    """The waves of this run: nodes that are held back, or have no ready pod of what is declared."""
    fine = {pod.node for pod in run.pods if pod.ready and not pod.leaving and pod.revision == revision}
    names = sorted(run.nodes) if run.options.nodes is None else list(run.options.nodes)
    names = [name for name in names if run.nodes[name].ready and (name not in fine or run.nodes[name].held)]
    if run.options.nodes is not None:
        return [names] if names else []
    size = wave(run.options.wave_size, len(run.nodes))
    return [names[start : start + size] for start in range(0, len(names), size)]


def _edits(found: Found) -> bool:
    """Whether the text, or what is noted of it, is to be another."""
    made = found.made.texts
    return (made.after, made.records) != (made.before, made.known)


def _later(run: _Run, chunks: t.Sequence[t.Sequence[str]]) -> bool:
    """Whether pods are left, after this run, that mount the text which people edit."""
    going = {name for names in chunks for name in names}
    return any(pod.direct and pod.node not in going for pod in run.pods)


def _write(
    run: _Run, declared: Desired, todo: t.Sequence[Step], daemon_set: Step, chunks: t.Sequence[t.Sequence[str]],
    result: dict[str, t.Any],
) -> None:  # fmt: skip
    """Objects, what pods need before the pods. Services come first: the upstream's address goes into their
    environment.
    """
    client, found = run.client, run.found
    _try_writes(run, declared, (*todo, daemon_set), chunks)
    for step in todo:
        if step.declared["kind"] != "CiliumLocalRedirectPolicy":
            apply.do(client, step)
    if not found.facts.upstream:
        _lint_again(run)
    if found.config_map is None:
        made = found.made.texts
        body = objects.config_map(found.namespace, made.after, _note(made.records), _note(texts.sha256(made.after)))
        client.create(maps_path(found.namespace), body, fieldManager=objects.MANAGER)
        result["changes"].insert(0, f"made ConfigMap {found.namespace}/{objects.NAME}")
        result["changed"] = True
    elif _edits(found) and not any(pod.direct for pod in run.pods):
        # Else once the last of them is replaced: they take every text up at once.
        _edit(run, result)
    if not daemon_set.todo:
        return
    if found.held is not None and objects.REVISION not in (found.held["metadata"].get("annotations") or {}):
        _keep(client, _adopted(run))
    _keep(client, declared.config_map)
    if found.held is None:
        first = set(chunks[0]) if chunks else set()
        held = [name for name, node in sorted(run.nodes.items()) if name not in first and not node.held]
        waves.hold(client, held, True)
    apply.do(client, daemon_set)
    for step in todo:
        if step.declared["kind"] == "CiliumLocalRedirectPolicy":
            apply.do(client, step)


def _try_writes(
    run: _Run, declared: Desired, steps: t.Sequence[Step], chunks: t.Sequence[t.Sequence[str]]
) -> None:  # fmt: skip
    found, names = run.found, [name for chunk in chunks for name in chunk]
    made = [declared.config_map] if steps[-1].todo else []
    if found.config_map is None:
        # What is written into it later makes no difference to whether it may be made.
        made.append(objects.config_map(found.namespace, found.made.texts.after, "", ""))
    first = set(chunks[0]) if chunks else set()
    held = [name for name in run.nodes if found.held is None and name not in first]
    held += [name for name in names if run.nodes[name].held]
    mine = set(names)
    old = [pod for pod in run.pods if pod.node in mine and pod.revision != declared.revision and not pod.leaving]
    edited = found.config_map if _edits(found) else None
    try_writes(
        run.client, steps, made, edited, held[0] if held else "", f"{run.place.path}/{old[0].name}" if old else ""
    )


def _lint_again(run: _Run) -> None:
    """The upstream Service has an address now: the file that the pods make of it is looked at before they do."""
    service = run.client.get(apply.path_of(_upstream_of(run)))
    facts = run.found.facts._replace(upstream=str(service["spec"].get("clusterIP") or ""))
    corefile.edit(run.found.made.texts.before, run.found.made.texts.known, run.options, facts)


def _upstream_of(run: _Run) -> Object:
    meta = {"name": objects.UPSTREAM, "namespace": run.found.namespace}
    return {"apiVersion": "v1", "kind": "Service", "metadata": meta}


def _note(text: str) -> str:
    """An annotation per key, as ``texts`` has them."""
    return json.dumps({objects.KEY: text}, separators=(",", ":"), sort_keys=True, ensure_ascii=False)


def _edit(run: _Run, result: dict[str, t.Any]) -> None:
    """The one read-modify-write, on whatever stands there by now."""
    found = run.found

    def edit(held: Object) -> Object:
        data = held.get("data") or {}
        held["data"] = data
        before = str(data.get(objects.KEY, ""))
        made = corefile.edit(before, texts.records_of(held, objects.KEY), run.options, found.facts).texts
        if made.after != run.text:
            raise KubeError(
                f"ConfigMap {found.namespace}/{objects.NAME} was edited while this run went on; nothing of it is lost: "
                "run again"
            )
        return texts.write_into(held, objects.KEY, made)

    edited = edit_object(run.client, maps_path(found.namespace, objects.NAME), edit)
    result["changed"] = result["changed"] or edited.changed


def _keep(client: Client, config_map: Object) -> None:
    """A revision: it is there already, or is made; nobody can change it."""
    try:
        client.create(maps_path(config_map["metadata"]["namespace"]), config_map, fieldManager=objects.MANAGER)
    except Answered as error:
        if error.status != 409:
            raise


def _roll(
    run: _Run, declared: Desired, chunks: t.Sequence[t.Sequence[str]], result: dict[str, t.Any], say: Say
) -> None:
    client, options = run.client, run.options
    place = waves.place_of(declared.daemon_set)
    result["pods"] = []
    had = {pod.node for pod in run.pods}
    for number, names in enumerate(chunks, 1):
        say(f"wave {number} of {len(chunks)}: {len(names)} nodes")
        held = [name for name in names if run.nodes[name].held or (run.found.held is None and number > 1)]
        waves.hold(client, held, False)
        if not options.wait:
            _restart(run, place, names, declared.revision)
            continue
        try:
            pods = waves.replace(client, place, names, {declared.revision}, options.wait_timeout, say)
        except KubeError as error:
            raise _taken_back(run, declared, names, had, error, say) from error
        result["pods"] += [pod.shown() for pod in pods]
        result["changes"].append(f"wave {number} of {len(chunks)}: {', '.join(names[:10])}")
    if chunks:
        run.pods = waves.pods_now(client, place)
        mine = {name for names in chunks for name in names}
        run.nodes = {name: Node(name, node.held and name not in mine) for name, node in run.nodes.items()}
        if run.found.held is None:
            run.nodes = {name: node._replace(held=name not in mine) for name, node in run.nodes.items()}
        result["nodes"] = _by_state(run.nodes, run.pods, declared.revision)


def _restart(run: _Run, place: Place, names: t.Sequence[str], revision: str) -> None:
    mine = set(names)
    for pod in run.pods:
        if pod.node in mine and pod.revision != revision and not pod.leaving:
            apply.delete(run.client, f"{place.path}/{pod.name}")


def _taken_back(
    run: _Run, declared: Desired, names: t.Sequence[str], had: t.Collection[str], error: KubeError, say: Say
) -> KubeError:
    """The error to raise once a failed wave is as it was before."""
    try:
        changes = go_back(run.client, run.found.namespace, names, run.options.wait_timeout, say, had)
    except KubeError as problem:
        return KubeError(
            f"{error.message}. The wave could not be taken back ({problem.message}); see state: previous",
            rolled_back=False, revision=declared.revision, nodes_of_wave=list(names),
        )  # fmt: skip
    return KubeError(
        f"{error.message}. The wave was taken back: {'; '.join(changes)}.",
        rolled_back=True, revision=declared.revision, nodes_of_wave=list(names),
    )  # fmt: skip


def _tidy(run: _Run, declared: Desired, changed: bool) -> None:
    """Revisions that no pod mounts any more go, but for the one before; the redirect policy of another interception
    too.
    """
    if not changed:
        return
    client, namespace = run.client, run.found.namespace
    if run.found.facts.interception != "redirect_policy" and objects.recorded(run.found.held) == "redirect_policy":
        base = f"/apis/cilium.io/v2/namespaces/{namespace}/ciliumlocalredirectpolicies"
        apply.delete(client, f"{base}/{objects.NAME}")
    kept = {declared.revision, declared.daemon_set["metadata"]["annotations"][objects.PREVIOUS]}
    kept |= {pod.revision for pod in run.pods}
    for one in client.each(maps_path(namespace), labelSelector=objects.REVISION):
        if one["metadata"]["labels"][objects.REVISION] not in kept:
            apply.delete(client, maps_path(namespace, one["metadata"]["name"]))


def _try(client: Client, steps: t.Sequence[Step], result: dict[str, t.Any]) -> None:
    """Check mode: the API server is asked about what would be made; what exists was asked about already."""
    for step in steps:
        if step.todo and step.live is None:
            try:
                apply.try_out(client, step.declared)
            except Answered as error:
                if error.status != 403:
                    raise
                result["warnings"].append(f"not checked by the API server: {error.message}")


def _result(
    run: _Run, declared: Desired, steps: t.Sequence[Step], chunks: t.Sequence[t.Sequence[str]], later: bool
) -> dict[str, t.Any]:
    found, options = run.found, run.options
    facts = found.facts
    upstream = facts.cluster_dns[0] if facts.interception == "local_ip" else facts.upstream
    redirected = facts.interception == "redirect_policy"
    proof = {
        "interception": facts.interception, "interface": "" if redirected else INTERFACE,
        "addresses": list(facts.cluster_dns if redirected else corefile.addresses(options, facts)),
        "local_ips": [] if redirected else list(options.local_ips), "cluster_dns": list(facts.cluster_dns),
        "upstream": upstream, "domain": facts.domain,
        "health": {"address": "" if redirected else options.local_ips[0], "port": options.health_port},
        "metrics_port": options.metrics_port, "setup_metrics_port": options.setup_metrics_port,
    }  # fmt: skip
    changes = [step.change for step in steps]
    mine = None if options.nodes is None else set(options.nodes)
    warnings = texts.strangers(found.config_map, objects.KEY) if found.config_map is not None else []
    warnings += [f"node {name} is not Ready and was left as it is" for name in _down(run)]
    if not later:
        changes += [f"Corefile: {change}" for change in found.made.texts.changes]
    elif found.made.texts.changes:
        warnings.append(
            f"ConfigMap {found.namespace}/{objects.NAME} is edited once the last pod that mounts it itself is "
            "replaced; new pods have their text already"
        )
    return {
        "changed": bool(changes or chunks or found.config_map is None),
        "changes": changes, "interception": found.decision._asdict(), "proof": proof,
        "pods": [pod.shown() for pod in run.pods if mine is None or pod.node in mine],
        "nodes": _by_state(run.nodes, run.pods, declared.revision), "revision": declared.revision,
        "previous_revision": declared.daemon_set["metadata"]["annotations"][objects.PREVIOUS],
        "corefile": found.made.rendered, "memory": {"needed": found.made.memory, "limit": options.memory_limit},
        "findings": [one._asdict() for one in found.made.texts.findings], "warnings": warnings,
    }  # fmt: skip


def _down(run: _Run) -> list[str]:
    return sorted(name for name, node in run.nodes.items() if not node.ready)


def _by_state(nodes: t.Mapping[str, Node], pods: t.Sequence[CachePod], revision: str) -> dict[str, list[str]]:
    by_node = {pod.node: pod for pod in pods if not pod.leaving}
    found: dict[str, list[str]] = {"current": [], "outdated": [], "held": [], "waiting": []}
    for name, node in sorted(nodes.items()):
        pod = by_node.get(name)
        if pod is not None and pod.revision != revision:
            found["outdated"].append(name)
        elif pod is not None and pod.ready:
            found["current"].append(name)
        else:
            found["held" if node.held else "waiting"].append(name)
    return found


def _new_place(found: Found) -> Place:
    selector = ",".join(f"{key}={value}" for key, value in objects.LABELS.items())
    return Place(found.namespace, selector)


def _labels(selector: t.Mapping[str, str]) -> str:
    return ", ".join(f"{key}={value}" for key, value in selector.items()) or "any labels"
