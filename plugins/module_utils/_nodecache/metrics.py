# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The counters of a cache, from its metrics page in Prometheus' text format."""

from __future__ import annotations

import http.client
import re
import typing as t

Labels = dict[str, str]
Sample = tuple[str, Labels, float]

_LINE = re.compile(r"([A-Za-z_:][\w:]*)(?:\{(.*)\})?[ \t]+(\S+)(?:[ \t]+-?\d+)?\s*\Z")
_LABEL = re.compile(r'\s*([A-Za-z_]\w*)="((?:[^"\\]|\\.)*)"\s*,?')
_ESCAPES = {"\\\\": "\\", '\\"': '"', "\\n": "\n"}


def parse(text: str) -> list[Sample]:
    """Name, labels and value of each sample; lines that are none are left out."""
    found = []
    for line in text.splitlines():
        match = None if line.startswith("#") else _LINE.match(line)
        if match is None:
            continue
        try:
            value = float(match[3])
        except ValueError:
            continue
        labels = {
            name: re.sub(r"\\.", lambda escape: _ESCAPES.get(escape[0], escape[0]), quoted)
            for name, quoted in _LABEL.findall(match[2] or "")
        }
        found.append((match[1], labels, value))
    return found


def fetch(address: str, port: int, seconds: float, path: str = "/metrics") -> str:
    """A page over HTTP. Raises OSError where there is none."""
    connection = http.client.HTTPConnection(address, port, timeout=seconds)
    try:
        connection.request("GET", path, headers={"Connection": "close"})
        response = connection.getresponse()
        body = response.read()
        if response.status != 200:
            raise OSError(f"http://{address}:{port}{path} answers {response.status}")
        return body.decode("utf-8", "replace")
    except http.client.HTTPException as error:
        raise OSError(f"http://{address}:{port}{path}: {type(error).__name__} {error}") from error
    finally:
        connection.close()


def caches(samples: t.Iterable[Sample]) -> list[dict[str, t.Any]]:
    """Hits, misses, entries and the hit ratio of each server and its zones (coredns.io/plugins/cache)."""
    found: dict[tuple[str, str], dict[str, t.Any]] = {}
    requests: dict[tuple[str, str], float] = {}
    for name, labels, value in samples:
        if not name.startswith("coredns_cache_"):
            continue
        key = (labels.get("server", ""), labels.get("zones", ""))
        entry = found.setdefault(
            key, {"server": key[0], "zones": key[1], "hits": {}, "misses": 0, "entries": {}, "hit_ratio": None}
        )
        kind = labels.get("type", "")
        if name == "coredns_cache_hits_total":
            entry["hits"][kind] = entry["hits"].get(kind, 0) + int(value)
        elif name == "coredns_cache_entries":
            entry["entries"][kind] = entry["entries"].get(kind, 0) + int(value)
        elif name == "coredns_cache_misses_total":
            entry["misses"] += int(value)
        elif name == "coredns_cache_requests_total":
            requests[key] = requests.get(key, 0) + value
    for key, entry in found.items():
        hits = sum(entry["hits"].values())
        if key in requests:
            # The counter of misses is to go; those of requests and hits stay.
            entry["misses"] = max(0, int(requests[key]) - hits)
        asked = hits + entry["misses"]
        entry["hit_ratio"] = round(hits / asked, 4) if asked else None
    return [found[key] for key in sorted(found)]


def total(samples: t.Iterable[Sample], name: str) -> float:
    """The sum of a metric over its labels."""
    return sum(value for known, _labels, value in samples if known == name)


def by_label(samples: t.Iterable[Sample], name: str, label: str) -> dict[str, int]:
    """Value of a label -> sum of a metric."""
    found: dict[str, int] = {}
    for known, labels, value in samples:
        if known == name:
            found[labels.get(label, "")] = found.get(labels.get(label, ""), 0) + int(value)
    return found


def hits(samples: t.Iterable[Sample]) -> int:
    """All answers out of the cache."""
    return int(total(samples, "coredns_cache_hits_total"))


def report(address: str, port: int, setup_port: int, seconds: float) -> dict[str, t.Any]:
    """What the cache tells of itself. ``error`` where the page of its Corefile cannot be read."""
    url = f"http://{address}:{port}/metrics"
    try:
        samples = parse(fetch(address, port, seconds))
    except OSError as error:
        return {"url": url, "caches": [], "error": f"{url} cannot be read: {error.strerror or error}"}
    found: dict[str, t.Any] = {"url": url, "caches": caches(samples)}
    found["reload_failed"] = int(total(samples, "coredns_reload_failed_total"))
    found["setup_errors"] = {}
    try:
        setup = parse(fetch(address, setup_port, seconds))
    except OSError as error:
        found["setup_errors_unknown"] = f"http://{address}:{setup_port}/metrics: {error.strerror or error}"
    else:
        errors = by_label(setup, "coredns_nodecache_setup_errors_total", "errortype")
        found["setup_errors"] = {kind: count for kind, count in errors.items() if count}
    return found
