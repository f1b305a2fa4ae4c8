# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which file has to say what, so that a kubelet gets the settings that are wanted; and the way back to those before.

Where kubelet reads drop-ins ours is one of them, and taken away again as a whole. Else its configuration file is
edited, and what stood there before is recorded. A flag wins over both, so one that says otherwise is an error: it
belongs to whoever set the kubelet up (kubeadm, an installer), who would put it back.
"""

from __future__ import annotations

import json
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._kubelet import config, rancher
from ansible_collections.kubenode.network.plugins.module_utils._kubelet.errors import FLAGS, KEYS, KubeletError, Value
from ansible_collections.kubenode.network.plugins.module_utils._kubelet.sources import DROPIN, Node
from ansible_collections.kubenode.network.plugins.module_utils._state.files import read_file
from ansible_collections.kubenode.network.plugins.module_utils._state.model import FileState
from ansible_collections.kubenode.network.plugins.module_utils._state.owned import FOLDER

RECORDS = f"{FOLDER}/kubelet.json"
"""What the settings were before we set them, where a file of somebody else was edited."""

Wish = dict[str, Value]


class Write(t.NamedTuple):
    """A file that is written or removed."""

    path: str
    before: FileState
    after: FileState


class Target(t.NamedTuple):
    writes: tuple[Write, ...]
    after: Wish
    """The effective settings once they are written."""
    lines: tuple[str, ...]
    """What is done, for people."""
    warnings: tuple[str, ...] = ()


def present(node: Node, wish: Wish, root: str = "/") -> Target:
    """What has to be written for these settings. Raises KubeletError where they would have no effect."""
    effective = {option: node.effective(option).value for option in KEYS}
    changes = {option: value for option, value in wish.items() if effective[option] != value}
    if not changes:
        return Target((), effective, ())
    ours = our_file(node)
    for option in changes:
        _check(node, option, wish, ours)
    held = read_file(ours, root)
    if node.kind != "kubelet" and not node.config_dir:
        if node.told:
            raise KubeletError(
                f"{node.told.file} line {node.told.line}: found --kubelet-arg={node.told.text} on the command line of "
                f"{node.kind}, which takes the place of kubelet-arg in all files, expected none; move it to "
                f"kubelet-arg in /etc/rancher/{node.kind}/config.yaml"
            )
        known = {option: _ours(node, option, ours) for option in KEYS}
        _path, text = rancher.argument_dropin(node.kind, {**known, **changes}, root)
        writes = [Write(ours, held, FileState(text, 0o600))]
    elif node.config_dir:
        text = config.dropin(changes) if held.text is None else config.edit(held.text, ours, changes)
        writes = [Write(ours, held, held._replace(text=text, mode=held.mode if held.text is not None else 0o644))]
    else:
        if held.link is not None:
            raise KubeletError(
                f"{ours}: is a symbolic link to {held.link}, expected a file; somebody else manages it, set the values "
                f"there"
            )
        text = config.edit(held.text or "", ours, changes)
        writes = [Write(ours, held, held._replace(text=text))]
        writes.append(_recorded(node, changes, root))
    lines = [f"set {KEYS[option]} {show(value)} (now {show(effective[option])}) in {ours}"
             for option, value in changes.items()]  # fmt: skip
    return Target(tuple(writes), {**effective, **changes}, tuple(lines))


def absent(node: Node, root: str = "/") -> Target:
    """What has to be written to take back what ``present`` has set."""
    effective = {option: node.effective(option).value for option in KEYS}
    ours = our_file(node)
    if ours != node.config:
        held = read_file(ours, root)
        if held.text is None:
            return Target((), effective, ())
        after = {}
        for option in KEYS:
            rest = [one for one in node.layers[option] if one.place.file != ours]
            after[option] = rest[0].value
        return Target((Write(ours, held, FileState(None, held.mode)),), after, (f"remove {ours}",))
    records, held_records = _records(root)
    if not records or not node.config:
        return Target((), effective, ())
    changes, lines, warnings = {}, [], []
    for option, record in records.items():
        if effective[option] == record["set"]:
            changes[option] = record["before"]
            lines.append(f"set {KEYS[option]} back to {show(record['before'])} in {ours}")
        else:
            warnings.append(
                f"{KEYS[option]} is {show(effective[option])}, which somebody else has set since it was made "
                f"{show(record['set'])} here; it is left alone."
            )
    writes = [Write(RECORDS, held_records, FileState(None, held_records.mode))]
    held = read_file(ours, root)
    if changes:
        writes.insert(0, Write(ours, held, held._replace(text=config.edit(held.text or "", ours, changes))))
    return Target(tuple(writes), {**effective, **changes}, tuple(lines), tuple(warnings))


def our_file(node: Node) -> str:
    """The file that is written on such a node. Raises KubeletError where there is none."""
    if node.kind != "kubelet" and not node.config_dir:
        return rancher.argument_path(node.kind)
    if node.config_dir:
        return f"{node.config_dir.rstrip('/')}/{DROPIN}"
    if not node.config:
        raise KubeletError(
            f"{node.unit}: kubelet is told neither --config nor --config-dir, so there is no file to set DNS in; start "
            f"it with --config FILE (kubelet.config.k8s.io/v1beta1), as kubeadm does"
        )
    return node.config


def show(value: Value) -> str:
    """A value for people."""
    if value in (None, "", ()):
        return "unset"
    return ", ".join(value) if isinstance(value, tuple) else str(value)


def _check(node: Node, option: str, wish: Wish, ours: str) -> None:
    winner = node.effective(option)
    place = winner.place
    if place.file == ours:
        return
    if place.how == "flag":
        raise KubeletError(
            f"{place}: found the flag --{FLAGS[option]} {show(winner.value)}, which wins over {ours}, expected none or "
            f"{show(wish[option])}; take it out there ({_whose(node, place.file)}), run 'systemctl daemon-reload', and "
            f"run this again"
        )
    if place.how == "dropin" and node.config_dir:
        # Compared part by part, as a folder's files come where its name does.
        if place.file.split("/") > ours.split("/"):
            raise KubeletError(
                f"{place}: found {KEYS[option]} {show(winner.value)} in a drop-in that comes after {ours}, expected "
                f"none there; take it out, or give that file a lower number"
            )


def _whose(node: Node, path: str) -> str:
    if path.endswith("kubeadm-flags.env"):
        return "kubeadm writes it from nodeRegistration.kubeletExtraArgs"
    if node.kind != "kubelet":
        return f"kubelet-arg of {node.kind}"
    return "KUBELET_EXTRA_ARGS or the unit's own command line"


def _ours(node: Node, option: str, ours: str) -> Value:
    return next((one.value for one in node.layers[option] if one.place.file == ours), None)


def _records(root: str) -> tuple[dict[str, dict[str, Value]], FileState]:
    held = read_file(RECORDS, root)
    if held.text is None:
        return {}, held
    try:
        found: dict[str, dict[str, t.Any]] = json.loads(held.text)
        return {
            option: {name: tuple(one) if isinstance(one, list) else one for name, one in record.items()}
            for option, record in found.items() if option in KEYS
        }, held  # fmt: skip
    except (ValueError, AttributeError):
        raise KubeletError(
            f"{RECORDS}: is damaged; move it away, then what kubelet was told before is not known any more"
        ) from None


def _recorded(node: Node, changes: Wish, root: str) -> Write:
    """Before and after of each; what stood there before our first change, unless somebody else changed it since."""
    records, held = _records(root)
    for option, value in changes.items():
        layers = [one for one in node.layers[option] if one.place.how == "config"]
        now = layers[0].value if layers else None
        known = records.get(option)
        before = known["before"] if known and known["set"] == now else now
        if before == value:
            records.pop(option, None)
        else:
            records[option] = {"before": before, "set": value}
    text = json.dumps(records, sort_keys=True) + "\n" if records else None
    return Write(RECORDS, held, FileState(text, 0o600))
