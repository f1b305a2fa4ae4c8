# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a person wants to read of ansible-playbook's output: the messages of its debug tasks, and the recap."""

from __future__ import annotations

import json
import re
import sys

# The default callback with result_format json.
MESSAGE = re.compile(r"^ok: \[(\S+)\] => (\{.*?^\})", re.MULTILINE | re.DOTALL)
RECAP = re.compile(r"^(\S+) +: ok=\d+ +changed=(\d+) +unreachable=(\d+) +failed=(\d+)", re.MULTILINE)


def main() -> None:
    output = sys.stdin.read()
    for host, text in MESSAGE.findall(output):
        message = json.loads(text)["msg"]
        print(f"   {host}:")
        for line in [message] if isinstance(message, str) else message:
            print(f"     {line}")
    for host, changed, unreachable, failed in RECAP.findall(output):
        print(f"   {host}: changed={changed} unreachable={unreachable} failed={failed}")


if __name__ == "__main__":
    main()
