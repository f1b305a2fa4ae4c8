# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: waves

short_description: Cut a list into waves, by sizes such as those of serial

version_added: 0.1.0

description:
  - Cuts a list of nodes into waves. The sizes are those of C(serial) of a play, numbers and shares; the last one is
    that of all waves that follow.
positional: sizes

options:
  _input:
    description:
      - What is cut, in its order.
    type: list
    elements: raw
    required: true
  sizes:
    description:
      - Sizes of the waves, each a number or a share such as V(25%), of which one item is the least.
    type: list
    elements: raw
    required: true
  total:
    description:
      - What shares are of. The length of the list unless told.
    type: int

author:
  - The kubenode.network contributors (@kubenode)
"""

EXAMPLES = r"""
- name: One node first, then half of them at a time
  ansible.builtin.debug:
    msg: "{{ ['w1', 'w2', 'w3', 'w4'] | kubenode.network.waves([1, '50%']) }}"  # [['w1'], ['w2', 'w3'], ['w4']]
"""

RETURN = r"""
_value:
  description: The waves, none of them empty.
  type: list
  elements: list
"""

import re
import typing as t

from ansible.errors import AnsibleFilterError


def waves(items: t.Sequence[t.Any], sizes: t.Sequence[t.Any], total: int | None = None) -> list[list[t.Any]]:
    """The waves. Raises AnsibleFilterError for a size that is none.

    Shares are rounded down, as those of ``serial`` are (ansible.utils.helpers.pct_to_int), and are one at least.
    """
    if isinstance(sizes, str) or not isinstance(sizes, t.Sequence):
        sizes = [sizes]
    if not sizes:
        raise AnsibleFilterError("sizes of waves: the list is empty, expected numbers or shares such as [1, '25%']")
    counts = [_count(size, len(items) if total is None else total) for size in sizes]
    found: list[list[t.Any]] = []
    start = 0
    while start < len(items):
        count = counts[min(len(found), len(counts) - 1)]
        found.append(list(items[start : start + count]))
        start += count
    return found


def _count(size: t.Any, total: int) -> int:
    match = re.fullmatch(r"([0-9]+)(%?)", str(size).strip())
    value = int(match[1]) if match else 0
    if match is None or isinstance(size, bool) or not value or (match[2] and value > 100):
        raise AnsibleFilterError(
            f"sizes of waves: {size!r} is neither a number of nodes above 0 nor a share of them such as 25%"
        )
    return max(1, total * value // 100) if match[2] else value


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"waves": waves}
