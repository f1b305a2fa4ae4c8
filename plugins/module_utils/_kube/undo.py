# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way back of a write that something else than the module finds wrong: a value that goes from run to run. Pure."""

from __future__ import annotations

import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._kube import texts
from ansible_collections.kubenode.network.plugins.module_utils._kube.errors import KubeError


class Undo(t.NamedTuple):
    """What stood there before, and by what it is told that nobody else wrote since."""

    text: str
    records: str
    sha256: str
    """Of the text that was written."""

    def check(self, made: texts.Texts) -> None:
        """Raises KubeError where the text that is to give way is not the one that was written."""
        if made.before != self.text and texts.sha256(made.before) != self.sha256:
            raise KubeError(
                "undo: somebody has edited the text since that write, so it is left as it is; look at it, and edit it "
                "or restore a revision (restore)"
            )


def undo_of(made: texts.Texts) -> dict[str, str]:
    """The value that takes a write back; ``parse`` reads it."""
    return Undo(made.before, made.known, texts.sha256(made.after))._asdict()


def parse(value: t.Mapping[str, t.Any] | None) -> Undo | None:
    """Raises KubeError for what is no such value."""
    if value is None:
        return None
    if set(value) != set(Undo._fields) or not all(isinstance(one, str) for one in value.values()):
        raise KubeError(
            f"undo: a dictionary with {', '.join(sorted(map(str, value))) or 'nothing'} was found; expected is the "
            "undo of an earlier run's result, as it is"
        )
    return Undo(**value)
