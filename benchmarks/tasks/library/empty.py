#!/usr/bin/python
# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: D100, E402, EXE001

from __future__ import annotations

DOCUMENTATION = r"""
module: empty
short_description: Does nothing, with or without a list of routes
description: What a task costs that does nothing, for the benchmarks.
options:
  routes:
    description: Taken and left alone.
    type: list
    elements: dict
author:
  - The kubenode.network contributors (@kubenode)
"""

from ansible.module_utils.basic import AnsibleModule


def main() -> None:
    module = AnsibleModule(argument_spec={"routes": {"type": "list", "elements": "dict"}}, supports_check_mode=True)
    module.exit_json(changed=False)


if __name__ == "__main__":
    main()
