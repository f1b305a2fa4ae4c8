# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names asked for twice from a pod of the worker that this runs on, and what the counters of its cache say of that.

through_cache.py SERVER POD NAME...: POD is a process in the pod's network namespace.
"""

from __future__ import annotations

import sys

from ansible_collections.kubenode.network.plugins.module_utils._dns.query import query
from ansible_collections.kubenode.network.plugins.module_utils._nodecache import metrics, pods

_METRICS = ("127.0.0.1", 9253, 5)


def counted(what: str) -> int:
    """The sum of a counter of the cache over all its servers and zones."""
    return int(metrics.total(metrics.parse(metrics.fetch(*_METRICS)), f"coredns_cache_{what}_total"))


def main() -> None:
    server, pod, *names = sys.argv[1:]
    hits, misses = counted("hits"), counted("misses")
    for name in names:
        for _time in range(2):
            answers = pods.within(int(pod), lambda name=name: query(name, server, tcp=False))
            print(f"   {name}: {', '.join(answers)} (asked {server} from a pod)")
    print(f"   the cache of the node: hits {hits} -> {counted('hits')}, misses {misses} -> {counted('misses')}")
    if counted("hits") < hits + len(names):
        sys.exit("demo: the second answers did not come from the cache")


if __name__ == "__main__":
    main()
