# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our side of the benchmark: ``workload.py read|edit FILE TIMES``."""

from __future__ import annotations

import pathlib
import sys

from ansible_collections.kubenode.network.plugins.module_utils._corefile.document import parse
from ansible_collections.kubenode.network.plugins.module_utils._corefile.wanted import edit

OPTIONS = {
    "stub_domains": [{"zone": "corp.example", "servers": ["10.1.0.53"]}],
    "hosts": [{"address": "10.0.0.9", "names": ["a.example"], "server": "zone1.example"}],
    "cache": [{"ttl": 60, "server": "zone2.example"}],
}


def main() -> None:
    what, file, times = sys.argv[1:]
    text = pathlib.Path(file).read_text(encoding="utf-8")
    for _ in range(int(times)):
        document = parse(text)
        if what == "read":
            assert document.items
        else:
            assert str(edit(document, OPTIONS).document) != text


if __name__ == "__main__":
    main()
