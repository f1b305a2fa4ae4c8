# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A proxy before the API server that sees every request: it keeps them, and a test can step in before or after each."""

from __future__ import annotations

import http.client
import http.server
import json
import pathlib
import ssl
import threading
import typing as t

from ansible_collections.kubenode.network.tests.cluster.control_plane import ControlPlane

BEFORE = "before"
AFTER = "after"


class Seen(t.NamedTuple):
    """A request on its way."""

    when: str
    """BEFORE the API server gets it, or AFTER it has answered and before the client learns that."""
    method: str
    path: str
    """With its query."""
    body: bytes

    @property
    def dry_run(self) -> bool:
        return "dryRun=All" in self.path

    def writes(self, what: str = "") -> bool:
        """Whether it changes an object whose path has ``what`` in it."""
        return self.method != "GET" and not self.dry_run and what in self.path.partition("?")[0]


class Gateway:
    """A context manager; clients reach the API server by ``kubeconfig``."""

    def __init__(self, plane: ControlPlane, step_in: t.Callable[[Seen], bool] = lambda _seen: False) -> None:
        """``step_in``: True where the client is gone, and nothing goes on."""
        self.seen: list[Seen] = []
        """All requests, when they came."""
        self._plane = plane
        self._step_in = step_in
        gateway = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def pass_on(self) -> None:
                gateway.passed(self)

            def log_message(self, *_arguments: object) -> None:
                pass

        for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
            setattr(Handler, f"do_{method}", Handler.pass_on)
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._context = ssl.create_default_context(cafile=str(plane.folder / "ca.crt"))

    def __enter__(self) -> Gateway:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def kubeconfig(self, user: str = "admin") -> pathlib.Path:
        """As that of the control plane, through here."""
        config = json.loads(self._plane.kubeconfig(user).read_text(encoding="utf-8"))
        port = self._server.server_address[1]
        config["clusters"][0]["cluster"] = {"server": f"http://127.0.0.1:{port}"}
        path = self._plane.folder / f"{user}-by-{port}.kubeconfig"
        path.write_text(json.dumps(config), encoding="utf-8")
        return path

    @property
    def writes(self) -> list[str]:
        """What was sent to the API server that was no reading, dry runs too."""
        return [f"{one.method} {one.path}" for one in self.seen if one.method != "GET"]

    def passed(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        """One request, passed on and back."""
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        seen = Seen(BEFORE, handler.command, handler.path, body)
        self.seen.append(seen)
        if self._step_in(seen):
            handler.close_connection = True
            return
        there = http.client.HTTPSConnection(self._plane.address, self._plane.port, context=self._context, timeout=60)
        try:
            names = ("Authorization", "Content-Type", "Accept", "User-Agent")
            headers = {name: handler.headers[name] for name in names if handler.headers[name]}
            there.request(handler.command, handler.path, body or None, headers)
            answer = there.getresponse()
            text = answer.read()
        finally:
            there.close()
        if self._step_in(seen._replace(when=AFTER)):
            handler.close_connection = True
            return
        handler.send_response(answer.status)
        handler.send_header("Content-Type", answer.headers.get("Content-Type", "text/plain"))
        handler.send_header("Content-Length", str(len(text)))
        handler.end_headers()
        handler.wfile.write(text)
