# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kubernetes client: where it is imported, the versions that will do, and what is said where it is missing."""

from __future__ import annotations

import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._kube.errors import KubeError

MINIMUM_VERSION = "28.1.0"

if t.TYPE_CHECKING:
    from kubernetes.client import Configuration


def kubernetes() -> tuple[type[Configuration], t.Any, t.Any]:
    """(class Configuration, module config, module client.rest) of the client. Raises KubeError where it is missing.

    Imported at the first call: it takes a quarter of a second, which a run on a file does not need.
    """
    import sys

    way_out = f"install it there: {sys.executable} -m pip install 'kubernetes>={MINIMUM_VERSION}'"
    try:
        import kubernetes as package
        from kubernetes import config
        from kubernetes.client import Configuration, rest
    except ImportError as error:
        raise KubeError(
            f"the Python package kubernetes cannot be imported by {sys.executable} ({error}); {way_out}, or set "
            "ansible_python_interpreter to a Python that has it"
        ) from error
    found = str(package.__version__)
    if _numbers(found) < _numbers(MINIMUM_VERSION):
        raise KubeError(
            f"the Python package kubernetes is {found}, and has to be {MINIMUM_VERSION} or newer; {way_out}"
        )
    return Configuration, config, rest


def _numbers(version: str) -> tuple[int, ...]:
    numbers = []
    for part in version.split(".")[:3]:
        digits = part[: len(part) - len(part.lstrip("0123456789"))]
        numbers.append(int(digits or 0))
    return tuple(numbers)
