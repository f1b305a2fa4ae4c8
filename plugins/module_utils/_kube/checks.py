# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that are checked before the API server is asked: names, which become parts of paths, and the way to it."""

from __future__ import annotations

import os
import re
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._kube.errors import KubeError
from ansible_collections.kubenode.network.plugins.module_utils._kubelet.names import is_subdomain

# apimachinery, pkg/util/validation: IsConfigMapKey, IsQualifiedName, IsValidLabelValue.
_KEY = re.compile(r"[-._a-zA-Z0-9]{1,253}\Z")
_URL = re.compile(r"https?://[^\s/]+\S*\Z")
_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?\Z")


def check_name(option: str, name: str) -> str:
    """The name of an object. Raises KubeError with the name of the option."""
    if not is_subdomain(name):
        raise KubeError(
            f"{option}: {name!r} is no name of an object in a cluster (letters in lower case, digits, '-' and '.'); "
            "give it as kubectl shows it"
        )
    return name


def check_key(option: str, key: str) -> str:
    """The key of a ConfigMap. Raises KubeError with the name of the option."""
    if not _KEY.match(key) or key in (".", ".."):
        raise KubeError(f"{option}: {key!r} is no key of a ConfigMap (letters, digits, '-', '_' and '.')")
    return key


def check_labels(option: str, labels: t.Mapping[t.Any, t.Any]) -> None:
    """Labels to select by. Raises KubeError with the name of the option."""
    for key, value in labels.items():
        prefix, slash, name = str(key).rpartition("/")
        if not _LABEL.match(name) or (slash and not is_subdomain(prefix)):
            raise KubeError(f"{option}: {key!r} is no label such as kubernetes.io/os")
        if not isinstance(value, str) or (value and not _LABEL.match(value)):
            raise KubeError(
                f"{option}: {key} has {value!r}, which is no value of a label; expected is a text such as 'true', in "
                "quotes where YAML would make something else of it"
            )


def check_connection(values: t.Mapping[str, t.Any], impersonate: tuple[str, t.Sequence[str]]) -> None:
    """The options of the connection, by name. Raises KubeError for what leads nowhere, or elsewhere than is meant."""
    kubeconfig = values["kubeconfig"]
    if kubeconfig is not None and not isinstance(kubeconfig, (str, dict)):
        raise KubeError(f"kubeconfig: {kubeconfig!r} is neither the path of a file nor the content of one")
    for option in ("host", "proxy"):
        if values[option] and not _URL.match(values[option]):
            raise KubeError(
                f"{option}: {values[option]!r} is no URL such as https://192.0.2.10:6443; without https:// a token "
                "would be sent in the clear"
            )
    for option in ("client_cert", "client_key", "ca_cert"):
        if values[option] and not os.path.exists(values[option]):
            raise KubeError(f"{option}: there is no file {values[option]} where this runs")
    user, groups = impersonate
    if groups and not user:
        raise KubeError(f"impersonate_groups: {', '.join(groups)} without impersonate_user, which has to be there too")
