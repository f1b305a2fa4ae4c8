# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The DNS settings of a KubeletConfiguration, read and set in its text, YAML or JSON. Pure.

kubelet takes both (k8s.io/kubernetes/pkg/kubelet/kubeletconfig/configfiles): JSON is what begins with a brace.
"""

from __future__ import annotations

import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._kubelet import json_edit, yaml_edit
from ansible_collections.kubenode.network.plugins.module_utils._kubelet.errors import KEYS, KubeletError, Value

API_VERSION, KIND = "kubelet.config.k8s.io/v1beta1", "KubeletConfiguration"
Found = dict[str, tuple[Value, int]]


def read(text: str, path: str, keys: t.Collection[str] = ()) -> Found:
    """Option -> value and line of what the text sets. A key that is there and null is there as None.

    ``keys`` are further keys of the top level, found under their own names. Raises KubeletError for what is no
    KubeletConfiguration, or is not understood.
    """
    options = {key: option for option, key in KEYS.items()}
    found = _editor(text).read(text, path, (*options, *keys, "kind", "apiVersion"))
    for name, expected in (("kind", KIND), ("apiVersion", API_VERSION)):
        value, line = found.pop(name, (None, 1))
        if value != expected:
            raise KubeletError(
                f"{path} line {line}: found {name} {value!r}, expected {expected}; this is no configuration that "
                f"kubelet takes, see its log"
            )
    for key, (value, line) in found.items():
        if key in options and value is not None and isinstance(value, tuple) != (key == KEYS["cluster_dns"]):
            kind = "a list of addresses" if key == KEYS["cluster_dns"] else "a text"
            raise KubeletError(f"{path} line {line}: found {key} {value!r}, expected {kind}; kubelet refuses it")
    return {options.get(key, key): one for key, one in found.items()}


def edit(text: str, path: str, wanted: t.Mapping[str, Value]) -> str:
    """The text with these values of options; None takes the key away. Everything else stays byte for byte.

    Raises KubeletError, also where the result would not be read as what is wanted.
    """
    before = read(text, path)
    after: str = _editor(text).edit(text, path, {KEYS[option]: value for option, value in wanted.items()})
    expected = {option: value for option, (value, _line) in before.items() if option not in wanted}
    expected.update({option: value for option, value in wanted.items() if value is not None})
    if {option: value for option, (value, _line) in read(after, path).items()} != expected:
        raise KubeletError(f"{path}: cannot be edited without a change of its other settings; set the values by hand")
    return after


def dropin(wanted: t.Mapping[str, Value]) -> str:
    """A drop-in of ours with these values."""
    head = f"# Written by kubenode.network.kubelet_dns\napiVersion: {API_VERSION}\nkind: {KIND}\n"
    return edit(head, "drop-in", {option: value for option, value in wanted.items() if value is not None})


def _editor(text: str) -> t.Any:
    return json_edit if text.lstrip().startswith("{") else yaml_edit
