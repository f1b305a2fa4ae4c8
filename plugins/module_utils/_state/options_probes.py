# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option ``probes``: what must work after a change for it to be kept."""

from __future__ import annotations

import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._state import options_values as v
from ansible_collections.kubenode.network.plugins.module_utils._state.options_confirm import PROBE_TIMEOUTS
from ansible_collections.kubenode.network.plugins.module_utils._state.options_paths import PATH_KEYS, parse_path

# Type -> the keys it takes beside type, timeout and required.
PROBE_OPTIONS: dict[str, t.AbstractSet[str]] = {
    "gateway": frozenset(("address", "interface")),
    "dns": frozenset(("name", "server", "port", "transport")),
    "tcp": frozenset(("address", "port", "source")),
    "http": frozenset(("url", "status", "validate_certs")),
    "route_get": PATH_KEYS,
    "command": frozenset(("argv",)),
    "api_server": frozenset(),
}
PROBE_KEYS = frozenset(("type", "timeout", "required")).union(*PROBE_OPTIONS.values())
TRANSPORTS = ("udp", "tcp")


def parse_probes(value: t.Any, origin: str) -> tuple[dict[str, t.Any], ...]:
    """Probes in the order given, ready for JSON (Confirm.probes). Raises StateError on the first wrong one."""
    return tuple(_probe(entry, f"{origin}[{position}]") for position, entry in enumerate(v.entries(value, origin)))


def _probe(entry: v.Entry, where: str) -> dict[str, t.Any]:
    entry = v.tidy(entry, PROBE_KEYS, {}, where)
    kind = v.choice(entry.pop("type", None), PROBE_OPTIONS, f"{where}.type")
    timeout = v.integer(entry.pop("timeout", PROBE_TIMEOUTS[kind]), 1, 600, f"{where}.timeout", "seconds")
    required = v.boolean(entry.pop("required", False), f"{where}.required")
    for key, given in entry.items():
        if key not in PROBE_OPTIONS[kind]:
            takes = ", ".join(sorted(PROBE_OPTIONS[kind])) or "nothing but its timeout"
            v.fail(f"{where}.{key}", given, f"nothing: a probe of type {kind} takes {takes}")
    said = {"type": kind, "timeout": timeout, "required": required, "origin": where}
    return {**said, **_PARSERS[kind](entry, where)}


def _gateway(entry: v.Entry, where: str) -> dict[str, t.Any]:
    found: dict[str, t.Any] = {}
    if "interface" in entry:
        found["interface"] = v.interface(entry["interface"], f"{where}.interface")
    if "address" in entry:
        found["address"] = v.unicast_address(entry["address"], f"{where}.address")[1]
        if found["address"].startswith("fe80:") and "interface" not in found:
            v.fail(f"{where}.address", entry["address"], "an interface beside it: every link has such an address")
    return found


def _dns(entry: v.Entry, where: str) -> dict[str, t.Any]:
    found: dict[str, t.Any] = {}
    if "name" in entry:
        found["name"] = _host_name(entry["name"], f"{where}.name")
    if "server" in entry:
        found["server"] = v.unicast_address(entry["server"], f"{where}.server")[1]
    elif "port" in entry:
        v.fail(f"{where}.port", entry["port"], "a server beside it: the node's resolver has its own ports")
    found["port"] = v.integer(entry.get("port", 53), 1, 65535, f"{where}.port")
    found["transport"] = v.choice(entry.get("transport", "udp"), TRANSPORTS, f"{where}.transport")
    return found


def _host_name(value: t.Any, where: str) -> str:
    """A name as a query has it: RFC 1035 2.3.4 limits labels to 63 octets and the whole to 255."""
    name = v.text(value, where, "a name to look up")
    labels = (name.removesuffix(".")).split(".")
    if not name.isascii() or any(not 0 < len(label) < 64 or not label.isprintable() for label in labels):
        v.fail(where, value, "a name of labels with 1 to 63 ASCII characters each")
    if sum(len(label) + 1 for label in labels) > 254 or " " in name:
        v.fail(where, value, "a name of at most 253 characters without spaces")
    return ".".join(labels)


def _tcp(entry: v.Entry, where: str) -> dict[str, t.Any]:
    family, address = v.unicast_address(entry.get("address"), f"{where}.address")
    found = {"address": address, "port": v.integer(entry.get("port"), 1, 65535, f"{where}.port")}
    if "source" in entry:
        found["source"] = v.unicast_address(entry["source"], f"{where}.source", family, "the address is")[1]
    return found


def _http(entry: v.Entry, where: str) -> dict[str, t.Any]:
    from urllib.parse import urlsplit

    url = v.text(entry.get("url"), f"{where}.url", "an http or https URL")
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not url.isascii() or not url.isprintable() or " " in url:
        v.fail(f"{where}.url", url, "an http or https URL such as https://10.100.0.5:6443/livez")
    if parts.username is not None:
        # It would be shown in results and kept in the journal.
        v.fail(f"{where}.url", f"{parts.scheme}://...@{parts.hostname}", "a URL without user and password")
    found: dict[str, t.Any] = {"url": url}
    if "status" in entry:
        given = entry["status"] if isinstance(entry["status"], (list, tuple)) else [entry["status"]]
        found["status"] = [v.integer(one, 100, 599, f"{where}.status") for one in given]
    found["validate_certs"] = v.boolean(entry.get("validate_certs", True), f"{where}.validate_certs")
    return found


def _route_get(entry: v.Entry, where: str) -> dict[str, t.Any]:
    return {"path": parse_path(entry, where)._asdict()}


def _command(entry: v.Entry, where: str) -> dict[str, t.Any]:
    argv = v.strings(entry.get("argv"), f"{where}.argv", "a program, or an argument of it")
    if not argv or not argv[0].startswith("/"):
        v.fail(f"{where}.argv", argv, "a program by its absolute path and its arguments")
    return {"argv": argv}


def _api_server(_entry: v.Entry, _where: str) -> dict[str, t.Any]:
    return {}


_PARSERS: dict[str, t.Callable[[v.Entry, str], dict[str, t.Any]]] = {
    "gateway": _gateway,
    "dns": _dns,
    "tcp": _tcp,
    "http": _http,
    "route_get": _route_get,
    "command": _command,
    "api_server": _api_server,
}
