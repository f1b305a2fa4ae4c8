# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Node as the API server has it, asked for with the credentials of the kubelet of this very node."""

from __future__ import annotations

import base64
import binascii
import calendar
import contextlib
import json
import os
import re
import tempfile
import time
import typing as t
from urllib.parse import quote, urlsplit

from ansible_collections.kubenode.network.plugins.module_utils._kubelet.sources import Node

_SECONDS = 5.0
# client-go's kubeconfig, block style, flow style or JSON: only one cluster and one user, so the keys say it all.
_FIELD = re.compile(
    r"""["']?\b(server|certificate-authority-data|certificate-authority|client-certificate-data|client-certificate|"""
    r"""client-key-data|client-key|token|insecure-skip-tls-verify)["']?[ \t]*:[ \t]*["']?([^\s"',{}]+)"""
)


class NodeStatus(t.NamedTuple):
    name: str
    ready: bool | None
    """None where it is not known."""
    said: str
    """Why it is not Ready, or not known."""
    heartbeat: float
    """When kubelet last reported it, seconds since the epoch."""
    resources: dict[str, str]
    """What device plugins and the like make allocatable: extended resources, whose names have a domain."""


def ask(node: Node, name: str | None = None) -> NodeStatus:
    """The Node called ``name``, or like the host, as kubelet does. What goes wrong is told by ``said``."""
    name = name or _name(node)
    try:
        status, body = _get(node.kubeconfig, f"/api/v1/nodes/{quote(name, safe='')}")
        if status != 200:
            words = body.get("message") or f"HTTP status {status}"
            return NodeStatus(name, None, f"the API server says: {words}", 0.0, {})
        return _status(name, body)
    except (OSError, ValueError, KeyError, TypeError) as error:
        words = str(getattr(error, "strerror", None) or error or type(error).__name__)
        return NodeStatus(name, None, f"{node.kubeconfig}: {words}", 0.0, {})


def lacking(before: NodeStatus, now: NodeStatus, restarted: float) -> str:
    """What the Node had before a restart at ``restarted`` and has not again; empty where it has all."""
    if not before.ready:
        return ""
    if now.ready is None:
        return f"Node {now.name}: {now.said}"
    # A report of before the restart says nothing. The API has whole seconds.
    if now.heartbeat < int(restarted):
        return f"Node {now.name}: its kubelet has not reported since the restart"
    if not now.ready:
        return f"Node {now.name} is not Ready: {now.said}"
    missing = [
        f"{name} ({now.resources.get(name, '0')} of {amount})"
        for name, amount in before.resources.items() if not _enough(now.resources.get(name, "0"), amount)
    ]  # fmt: skip
    return f"Node {now.name} is Ready, but does not offer again {', '.join(missing)}" if missing else ""


def _enough(now: str, before: str) -> bool:
    if now.isdigit() and before.isdigit():
        return int(now) >= int(before)
    return now == before


def _name(node: Node) -> str:
    # pkg/util/node GetHostname: without blanks, in lower case.
    given = node.flags.get("hostname-override")
    return str(given.value if given and given.value else os.uname().nodename).strip().lower()


def _status(name: str, body: dict[str, t.Any]) -> NodeStatus:
    ready = next((one for one in body["status"].get("conditions") or () if one["type"] == "Ready"), None)
    allocatable = body["status"].get("allocatable") or {}
    resources = {key: str(amount) for key, amount in allocatable.items() if "/" in key and amount != "0"}
    if ready is None:
        return NodeStatus(name, False, "it has no condition Ready", 0.0, resources)
    heartbeat = calendar.timegm(time.strptime(ready["lastHeartbeatTime"], "%Y-%m-%dT%H:%M:%SZ"))
    said = f"{ready.get('reason', '')}: {ready.get('message', '')}"
    return NodeStatus(name, ready["status"] == "True", said, float(heartbeat), resources)


def _get(kubeconfig: str, path: str) -> tuple[int, dict[str, t.Any]]:
    import http.client
    import ssl

    with open(kubeconfig, encoding="utf-8") as file:
        fields: dict[str, str] = {}
        for key, value in _FIELD.findall(file.read()):
            if fields.setdefault(key, value) != value:
                raise ValueError(f"names {key} twice, so it is not clear which is meant")
    parts = urlsplit(fields.get("server", ""))
    if parts.scheme != "https" or not parts.hostname:
        raise ValueError(f"names no API server with https ({fields.get('server', 'none at all')})")
    context = ssl.create_default_context()
    folder = os.path.dirname(kubeconfig)
    with contextlib.ExitStack() as files:

        def path_of(key: str) -> str | None:
            if key in fields:
                return os.path.join(folder, fields[key])
            if f"{key}-data" not in fields:
                return None
            held = files.enter_context(tempfile.NamedTemporaryFile(suffix=".pem"))
            try:
                held.write(base64.b64decode(fields[f"{key}-data"], validate=True))
            except binascii.Error as error:
                raise ValueError(f"{key}-data: {error}") from None
            held.flush()
            return held.name

        authority = path_of("certificate-authority")
        if authority:
            context.load_verify_locations(authority)
        if fields.get("insecure-skip-tls-verify") == "true":
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        certificate = path_of("client-certificate")
        if certificate:
            context.load_cert_chain(certificate, path_of("client-key"))
    connection = http.client.HTTPSConnection(parts.hostname, parts.port or 443, timeout=_SECONDS, context=context)
    headers = {"Accept": "application/json", "User-Agent": "kubenode.network"}
    if "token" in fields:
        headers["Authorization"] = f"Bearer {fields['token']}"
    try:
        connection.request("GET", parts.path.rstrip("/") + path, headers=headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    except http.client.HTTPException as error:
        raise ValueError(f"no HTTP answer: {type(error).__name__}") from None
    finally:
        connection.close()
