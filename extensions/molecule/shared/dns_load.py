# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks a DNS server 200 times a second until a file appears, and says what was not answered and what took longest.

dns_load.py ADDRESS NAME STOP-FILE RESULT-FILE

Each query has a socket, so a source port, of its own, and is sent once: where a resolver would have to ask again, it is
a failure. One in ten goes over TCP, over a connection of its own. NAME with a number before it is what is asked for; a
file of fifty names, as most queries of a node are for few.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import sys
import threading
import time

RATE = 200
WORKERS = 64
SECONDS = 5.0
"""A stub resolver's time-out (resolv.conf(5))."""


def question(number: int, name: str) -> bytes:
    """A query for an address (RFC 1035, 4.1)."""
    labels = b"".join(bytes([len(one)]) + one.encode() for one in name.split("."))
    return struct.pack(">6H", number, 0x100, 1, 0, 0, 0) + labels + b"\0\0\1\0\1"


def ask(address: str, number: int, name: str, tcp: bool) -> None:
    """Raises OSError where no answer to this very query comes."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    data = question(number, name)
    with socket.socket(family, socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM) as asking:
        asking.settimeout(SECONDS)
        asking.connect((address, 53))
        asking.sendall(struct.pack(">H", len(data)) + data if tcp else data)
        reply = asking.recv(4096)[2 if tcp else 0 :]
    if reply[:2] != data[:2] or reply[3] & 15 not in (0, 3):
        raise OSError(f"answered with {reply[:12].hex()}")


def main() -> None:
    """Ask until told to stop."""
    address, name, stop, result = sys.argv[1:]
    failed: list[str] = []
    times: list[float] = []

    def work(worker: int) -> None:
        count, due = 0, time.monotonic() + worker / RATE
        while not os.path.exists(stop):
            time.sleep(max(0.0, due - time.monotonic()))
            due += WORKERS / RATE
            started, count = time.monotonic(), count + 1
            try:
                ask(address, (worker << 8 | count) & 0xFFFF, f"n{count % 50}.{name}", count % 10 == 0)
                times.append(time.monotonic() - started)
            except (OSError, IndexError) as error:
                failed.append(f"{'tcp' if count % 10 == 0 else 'udp'}: {error!r}")

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(WORKERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    told = {"asked": len(times) + len(failed), "failed": len(failed), "worst_ms": round(1000 * max(times, default=0))}
    with open(result + ".new", "w", encoding="utf-8") as file:
        json.dump({**told, "errors": failed[:5]}, file)
    os.rename(result + ".new", result)


if __name__ == "__main__":
    main()
