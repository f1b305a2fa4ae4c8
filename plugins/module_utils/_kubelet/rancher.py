# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What k3s and RKE2 tell the kubelet that is a part of them.

Their configuration is that of docs.k3s.io/installation/configuration: ``config.yaml``, then ``config.yaml.d/*.yaml`` in
alphabetical order; the last file that has a key counts, ``KEY+`` appends; flags of the command line override. Since
1.32 the kubelet has a folder of drop-ins that the user may add to, and ``cluster-dns`` and the like are written into
its ``00-*-defaults.conf`` by k3s itself; before, they are flags. ``kubelet-arg`` is a flag always.
"""

from __future__ import annotations

import os
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._kubelet import yaml_edit
from ansible_collections.kubenode.network.plugins.module_utils._kubelet.errors import FLAGS, KubeletError, Value
from ansible_collections.kubenode.network.plugins.module_utils._kubelet.units import Word, find_unit
from ansible_collections.kubenode.network.plugins.module_utils._state.files import below, read_file

# Kind -> services; a server is a node too.
UNITS = (
    ("k3s", "k3s.service"), ("k3s", "k3s-agent.service"),
    ("rke2", "rke2-server.service"), ("rke2", "rke2-agent.service"),
)  # fmt: skip
_KEYS = ("kubelet-arg", "data-dir", "node-name", *FLAGS.values())


class Rancher(t.NamedTuple):
    kubelet_words: tuple[Word, ...]
    """What ``kubelet-arg`` adds, as flags."""
    own: dict[str, Word]
    """Options that k3s' or RKE2's own settings give to its kubelet."""
    config_dir: str
    """Where drop-ins of the kubelet are, from 1.32 on."""
    kubeconfig: str
    node_name: Word | None
    told: Word | None
    """``kubelet-arg`` of the service's own command line, which takes the place of those of all files."""


def here(kind: str, root: str = "/") -> bool:
    """Whether this node was set up by it; an installer may leave a unit that nobody starts."""
    return os.path.isdir(below(f"/var/lib/rancher/{kind}", root)) or os.path.isdir(below(f"/etc/rancher/{kind}", root))


def read(kind: str, unit: str, root: str = "/") -> Rancher:
    """What the service ``unit`` tells its kubelet. Raises KubeletError for a file that is not understood."""
    found = find_unit(unit, root)
    words = found.words if found else ()
    main = next((word.text for word in _flag(words, "config")), f"/etc/rancher/{kind}/config.yaml")
    settings: dict[str, list[Word]] = {}
    for path in (main, *_dropins(f"{main}.d", root)):
        text = read_file(path, root).text
        if not (text or "").strip():
            continue
        keys = [name + plus for name in _KEYS for plus in ("", "+")]
        for key, (value, line) in yaml_edit.read(text or "", path, keys).items():
            held = settings.get(key.rstrip("+"), []) if key.endswith("+") else []
            settings[key.rstrip("+")] = [*held, *_words(value, path, line)]
    for name in _KEYS:
        told = _flag(words, name)
        if told:
            settings[name] = told
    data = settings["data-dir"][-1].text if settings.get("data-dir") else f"/var/lib/rancher/{kind}"
    own = {}
    for option, flag in FLAGS.items():
        given = settings.get(flag)
        if given:
            own[option] = given[0]._replace(text=",".join(word.text for word in given))
    arguments = tuple(word._replace(text=f"--{word.text}") for word in settings.get("kubelet-arg", ()))
    names = settings.get("node-name")
    return Rancher(
        arguments, own, f"{data}/agent/etc/kubelet.conf.d", f"{data}/agent/kubelet.kubeconfig",
        names[-1] if names else None, next(iter(_flag(words, "kubelet-arg")), None),
    )  # fmt: skip


def _words(value: Value, path: str, line: int) -> list[Word]:
    values = value if isinstance(value, tuple) else (value,) if value is not None else ()
    return [Word(one, path, line) for one in values]


def _dropins(folder: str, root: str) -> list[str]:
    try:
        names = sorted(os.listdir(below(folder, root)))
    except OSError:
        return []
    return [f"{folder}/{name}" for name in names if name.endswith((".yaml", ".yml"))]


def _flag(words: t.Sequence[Word], name: str) -> list[Word]:
    found = []
    for number, word in enumerate(words):
        flag, equals, value = word.text.partition("=")
        if flag != f"--{name}":
            continue
        if equals:
            found.append(word._replace(text=value))
        elif number + 1 < len(words):
            found.append(words[number + 1])
    return found


def argument_path(kind: str) -> str:
    """Our file for k3s and RKE2 before 1.32."""
    return f"/etc/rancher/{kind}/config.yaml.d/99-kubenode-network.yaml"


def argument_dropin(kind: str, wanted: t.Mapping[str, Value], root: str = "/") -> tuple[str, str]:
    """Path and text of our file for k3s and RKE2 before 1.32, whose kubelet has no drop-ins."""
    path = argument_path(kind)
    arguments = []
    for option, value in wanted.items():
        if value is not None:
            text = ",".join(value) if isinstance(value, tuple) else value
            arguments.append(f"- {yaml_edit.emit(f'{FLAGS[option]}={text}')}\n")
    later = [one for one in _dropins(os.path.dirname(path), root) if one > path]
    for one in later:
        if "kubelet-arg" in yaml_edit.read(read_file(one, root).text or "", one, ("kubelet-arg",)):
            raise KubeletError(
                f"{one}: has kubelet-arg, which would take the place of what {path} says; write kubelet-arg+ there"
            )
    return path, "# Written by kubenode.network.kubelet_dns\nkubelet-arg+:\n" + "".join(arguments)
