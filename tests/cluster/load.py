# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Queries at a rate from somebody else's network, each from a port of its own and never repeated: none may be lost."""

from __future__ import annotations

import json
import subprocess
import sys
import typing as t

RATE = 200
CLIENT = """
import json, os, selectors, socket, struct, sys, time
server, rate = sys.argv[1], int(sys.argv[2])
os.set_blocking(0, False)
name = b"".join(bytes((len(l),)) + l for l in b"kubernetes default svc cluster local".split()) + b"\\0"
waiting, selector, sent, worst, start = {}, selectors.DefaultSelector(), 0, 0.0, time.monotonic()
selector.register(0, selectors.EVENT_READ)
ending = None
while ending is None or (waiting and time.monotonic() < ending + 10):
    now = time.monotonic()
    if ending is None and now >= start + sent / rate:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.connect((server, 53))
        sock.send(struct.pack("!HHHHHH", sent & 0xFFFF, 0x100, 1, 0, 0, 0) + name + struct.pack("!HH", 1, 1))
        waiting[sock] = now
        selector.register(sock, selectors.EVENT_READ)
        sent += 1
        if sent % 10 == 0:
            print(10, flush=True)
    for key, _events in selector.select(max(0, min(0.1, start + sent / rate - time.monotonic()))):
        if key.fileobj == 0:
            selector.unregister(0)
            ending = time.monotonic()
            continue
        try:
            good = key.fileobj.recv(4096)[3] & 15 == 0
        except OSError:
            good = False
        selector.unregister(key.fileobj)
        key.fileobj.close()
        began = waiting.pop(key.fileobj) if good else None
        worst = max(worst, time.monotonic() - began) if began else worst
print(json.dumps({"sent": sent, "lost": len(waiting), "worst_ms": worst * 1000}))
"""


class Load:
    """A context manager: the client runs in the place that the command ``enter`` leads to."""

    def __init__(self, enter: t.Sequence[str], server: str, env: t.Mapping[str, str] | None = None) -> None:
        command = [*enter, sys.executable, "-c", CLIENT, server, str(RATE)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env)

    def wait(self, count: int) -> None:
        """Until that many more have been sent."""
        for _number in range(count // 10):
            assert t.cast("t.IO[str]", self._process.stdout).readline() == "10\n"

    def end(self) -> dict[str, t.Any]:
        """Send no more, wait for the last answers, and count."""
        told, _errors = self._process.communicate("end\n", timeout=120)
        return t.cast("dict[str, t.Any]", json.loads(told.splitlines()[-1]))

    def __enter__(self) -> Load:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._process.kill()
        self._process.communicate()
