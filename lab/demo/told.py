# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a person wants to read of ansible-playbook's output: the messages of its debug tasks, and the recap.

With --failures: the messages of the tasks that failed.
"""

from __future__ import annotations

import json
import re
import sys

# The default callback with result_format json.
MESSAGE = re.compile(r"^ok: \[(\S+)\] => (\{.*?^\})", re.MULTILINE | re.DOTALL)
FAILURE = re.compile(r"^fatal: \[(\S+)\]: FAILED! => (\{.*?\})$", re.MULTILINE)
RECAP = re.compile(r"^(\S+) +: ok=\d+ +changed=(\d+) +unreachable=(\d+) +failed=(\d+)", re.MULTILINE)
WIDE = 400


def main() -> None:
    output = sys.stdin.read()
    for host, text in (FAILURE if "--failures" in sys.argv else MESSAGE).findall(output):
        message = json.loads(text)["msg"]
        print(f"   {host}:")
        for line in [message] if isinstance(message, str) else message:
            # Evidence has many parts.
            parts = line.split("; ") if len(line) > WIDE else [line]
            print("     " + "\n       ".join(parts))
    for host, changed, unreachable, failed in RECAP.findall(output):
        print(f"   {host}: changed={changed} unreachable={unreachable} failed={failed}")


if __name__ == "__main__":
    main()
