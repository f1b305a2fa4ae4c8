# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a kubelet takes its DNS settings from, in the order of what wins, and what they are.

As in k8s.io/kubernetes/cmd/kubelet/app/server.go: flags of the command line are parsed once more over everything; below
them the ``*.conf`` files of ``--config-dir`` are merged (RFC 7386) in the order of ``filepath.WalkDir`` over the file
of ``--config``; defaults come last. tests/cluster asks a real kubelet.
"""

from __future__ import annotations

import csv
import os
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._kubelet import config, rancher
from ansible_collections.kubenode.network.plugins.module_utils._kubelet.errors import FLAGS, KubeletError, Value
from ansible_collections.kubenode.network.plugins.module_utils._kubelet.units import Word, find_unit
from ansible_collections.kubenode.network.plugins.module_utils._state.files import below, read_file
from ansible_collections.kubenode.network.plugins.module_utils._state.model import StateError

DEFAULTS: dict[str, Value] = {"cluster_dns": None, "cluster_domain": None, "resolv_conf": "/etc/resolv.conf"}
"""pkg/kubelet/apis/config/v1beta1/defaults.go."""
MORE_KEYS = ("healthzPort", "healthzBindAddress")
_OTHER_FLAGS = ("config", "config-dir", "kubeconfig", "hostname-override", "healthz-port", "healthz-bind-address")

# Ours is behind what others put there by a number.
DROPIN = "99-kubenode-network.conf"


class Place(t.NamedTuple):
    """Where a value comes from."""

    file: str
    """Empty: kubelet's own default."""
    line: int
    how: str
    """``flag``, ``dropin``, ``config``, ``default``."""

    def __str__(self) -> str:
        return f"{self.file} line {self.line}" if self.file else "kubelet's default"


class Setting(t.NamedTuple):
    value: Value
    place: Place


class Node(t.NamedTuple):
    """A kubelet of this node, and what it is told."""

    kind: str
    """``kubelet``, ``k3s`` or ``rke2``."""
    unit: str
    """The service to restart."""
    config: str
    """The file of ``--config``; empty where there is none."""
    config_dir: str
    """The folder of ``--config-dir``; empty where there is none."""
    flags: dict[str, Setting]
    """By the flag's name, and the options' settings by the option's."""
    layers: dict[str, list[Setting]]
    """Option -> what sets it, the winner first; the last one is the default."""
    kubeconfig: str
    more: dict[str, Setting]
    """``MORE_KEYS`` as far as a file or a flag has them."""
    told: Word | None = None
    """Of k3s and RKE2: ``kubelet-arg`` of the service's command line."""

    def effective(self, option: str) -> Setting:
        return self.layers[option][0]


def find_node(root: str = "/") -> Node:
    """The kubelet of this node. Raises KubeletError where there is none that can be told."""
    for kind, unit in rancher.UNITS:
        if find_unit(unit, root) is not None and rancher.here(kind, root):
            return _of_rancher(kind, unit, root)
    for path, name, way in _OTHERS:
        if os.path.exists(below(path, root)):
            raise KubeletError(f"this node's kubelet is run by {name} ({path} is there), which tells it itself: {way}")
    found = find_unit("kubelet.service", root)
    if found is None:
        raise KubeletError(
            "there is no kubelet on this node: found neither a unit kubelet.service nor k3s or RKE2, expected one of "
            "them; run this on a node of the cluster"
        )
    if not found.words:
        raise KubeletError(f"{found.path}: found no ExecStart, expected the command line of kubelet")
    if os.path.basename(found.words[0].text) != "kubelet":
        raise KubeletError(
            f"{found.words[0].file} line {found.words[0].line}: found {found.words[0].text}, expected kubelet itself, "
            f"as a program around it may add flags; set the values by hand"
        )
    flags = parse_flags(found.words[1:])
    return _node("kubelet", "kubelet.service", flags, _text(flags, "kubeconfig"), root)


_OTHERS = (
    ("/var/snap/microk8s/current/args/kubelet", "MicroK8s",
     "set --cluster-dns, --cluster-domain and --resolv-conf there, then 'snap restart microk8s.daemon-kubelite'"),
    ("/etc/systemd/system/k0sworker.service", "k0s",
     "set clusterDNS and the like in spec.workerProfiles of k0s.yaml, and start the worker with --profile"),
    ("/etc/systemd/system/k0scontroller.service", "k0s",
     "set clusterDNS and the like in spec.workerProfiles of k0s.yaml, and start the worker with --profile"),
)  # fmt: skip


def _of_rancher(kind: str, unit: str, root: str) -> Node:
    found = rancher.read(kind, unit, root)
    flags = parse_flags(found.kubelet_words)
    if "config-dir" not in flags and os.path.isdir(below(found.config_dir, root)):
        flags["config-dir"] = Setting(found.config_dir, Place(f"{kind}'s own", 0, "default"))
    if found.node_name and "hostname-override" not in flags:
        flags["hostname-override"] = Setting(found.node_name.text, _place(found.node_name))
    node = _node(kind, unit, flags, found.kubeconfig, root)
    for option, word in found.own.items():
        # Where kubelets are told by flags (before 1.32) these are flags that kubelet-arg overrides.
        value: Value = tuple(_csv(word.text)) if option == "cluster_dns" else word.text
        layer = Setting(value, Place(word.file, word.line, "config"))
        layers = node.layers[option]
        if not node.config_dir:
            layers.insert(len(layers) - 1, layer)
    return node._replace(told=found.told)


def _node(kind: str, unit: str, flags: dict[str, Setting], kubeconfig: str, root: str) -> Node:
    main, folder = _text(flags, "config"), _text(flags, "config-dir")
    layers: dict[str, list[Setting]] = {
        option: [Setting(value, Place("", 0, "default"))] for option, value in DEFAULTS.items()
    }
    more: dict[str, Setting] = {}
    files = ([(main, "config")] if main else []) + [(path, "dropin") for path in dropins(folder, root)]
    for path, how in files:
        for name, (value, line) in read_config(path, root).items():
            place = Place(path, line, how)
            if name in MORE_KEYS:
                more[name] = Setting(value, place)
                continue
            if value in (None, ()) or value == "":
                # In a drop-in null takes away what is below it; elsewhere it says nothing (MergePatch).
                value = DEFAULTS[name] if value is None or name != "resolv_conf" else value
            elif name == "resolv_conf" and how == "config":
                value = os.path.join(os.path.dirname(path), str(value))
            layers[name].insert(0, Setting(value, place))
    for option, flag in FLAGS.items():
        if flag in flags:
            layers[option].insert(0, flags[flag])
    return Node(kind, unit, main, folder, flags, layers, kubeconfig or "/etc/kubernetes/kubelet.conf", more)


def handed_out(root: str = "/") -> tuple[tuple[str, ...] | None, str]:
    """The DNS servers that pods of this node get, and the place that says so; None, and why, where it is not known."""
    try:
        found = find_node(root).effective("cluster_dns")
    except (KubeletError, StateError) as error:
        return None, error.message
    return (found.value if isinstance(found.value, tuple) else ()), str(found.place)


def dropins(folder: str, root: str = "/") -> list[str]:
    """The drop-ins of a folder in the order in which they are merged: as ``filepath.WalkDir`` comes by them."""
    found: list[str] = []
    try:
        names = sorted(os.listdir(below(folder, root))) if folder else []
    except OSError:
        return []
    for name in names:
        path = f"{folder.rstrip('/')}/{name}"
        full = below(path, root)
        if os.path.isdir(full) and not os.path.islink(full):
            found += dropins(path, root)
        elif os.path.splitext(f"x{name}")[1] == ".conf":
            found.append(path)
    return found


def read_config(path: str, root: str = "/") -> config.Found:
    """What a configuration file sets. Raises KubeletError also where it is not there."""
    text = read_file(path, root).text
    if text is None:
        raise KubeletError(
            f"{path}: there is no such file, but kubelet is told to read it; kubeadm writes it ('kubeadm upgrade node "
            f"phase kubelet-config', or 'kubeadm join')"
        )
    return config.read(text, path, MORE_KEYS)


def parse_flags(words: t.Sequence[Word]) -> dict[str, Setting]:
    """The flags that concern us, by name, as pflag takes them: '_' is '-', lists add up, of others the last one counts.

    Where a list is written in several places the first one is named.
    """
    names = (*FLAGS.values(), *_OTHER_FLAGS)
    found: dict[str, Setting] = {}
    position = 0
    while position < len(words):
        word = words[position]
        position += 1
        if not word.text.startswith("--"):
            continue
        name, equals, text = word.text[2:].partition("=")
        name = name.replace("_", "-")
        if name not in names:
            continue
        if not equals:
            text = words[position].text if position < len(words) else ""
            position += 1
        if name == FLAGS["cluster_dns"]:
            before = found.get(name)
            so_far = before.value if before and isinstance(before.value, tuple) else ()
            found[name] = Setting((*so_far, *_csv(text)), before.place if before else _place(word))
        else:
            found[name] = Setting(text, _place(word))
    return found


def _csv(text: str) -> list[str]:
    return next(csv.reader([text]), []) if text else []


def _place(word: Word) -> Place:
    return Place(word.file, word.line, "flag")


def _text(flags: t.Mapping[str, Setting], name: str) -> str:
    value = flags[name].value if name in flags else ""
    return str(value or "")
