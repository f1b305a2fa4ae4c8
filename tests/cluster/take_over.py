# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lets CoreDNS servers take over from each other under load: take_over.py COREDNS FOLDER LOAD DOMAIN ROUNDS.

It runs in a network namespace of its own, which is a node with a pod that asks, and with an upstream that lets one in
ten names of slow.example wait.
Its last line is what the load says, with the number of moves.
"""

from __future__ import annotations

import json
import os
import pathlib
import socket
import subprocess
import sys
import threading
import time

from ansible_collections.kubenode.network.plugins.module_utils._cache_service import steer

LOCAL, UPSTREAM = "169.254.20.10", "192.0.2.53"
# Below the 2 s after which plugin forward asks again (plugin/pkg/proxy).
SLOW_SECONDS = 1.5


def upstream() -> None:
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind((UPSTREAM, 53))
    while True:
        data, peer = server.recvfrom(4096)
        threading.Timer(delay(data), lambda data=data, peer=peer: server.sendto(answer(data), peer)).start()


def upstream_tcp() -> None:
    """What came over TCP plugin forward asks over TCP, several queries over a connection."""
    listening = socket.create_server((UPSTREAM, 53), backlog=100)
    while True:
        peer, _address = listening.accept()
        threading.Thread(target=connection, args=(peer,), daemon=True).start()


def connection(peer: socket.socket) -> None:
    with peer, peer.makefile("rb") as stream:
        while size := stream.read(2):
            data = answer(stream.read(int.from_bytes(size, "big")))
            peer.sendall(len(data).to_bytes(2, "big") + data)


def delay(data: bytes) -> float:
    return SLOW_SECONDS if b"slow" in data and data[12 + data[12]] % 10 == 0 else 0.0


def answer(data: bytes) -> bytes:
    end = 12
    while data[end]:
        end += data[end] + 1
    # A TTL of 0: every query goes to the upstream.
    record = b"\xc0\x0c\0\1\0\1\0\0\0\0\0\4\xcb\0\x71\x07"
    return data[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + data[12 : end + 5] + record


def start(program: str, corefile: pathlib.Path) -> subprocess.Popen[bytes]:
    with (corefile.parent / "log").open("ab") as log:
        process = subprocess.Popen(
            [program, "-conf", str(corefile)], stdout=log, stderr=log, env={**os.environ, "GODEBUG": "multipathtcp=0"}
        )
    end = time.monotonic() + 60
    while steer.missing(process.pid, [LOCAL]):
        if time.monotonic() > end or process.poll() is not None:
            sys.exit((corefile.parent / "log").read_text())
        time.sleep(0.02)
    return process


def pod() -> subprocess.Popen[str]:
    """A process in a pod's namespace, behind a link of its own."""
    # It ends with its standard input, so with this process.
    script = "ip link set lo up && echo ready && read -r _end"
    holder = subprocess.Popen(
        ["unshare", "--net", "sh", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout
    assert holder.stdout.readline() == "ready\n"
    for line in (
        f"ip link add veth0 type veth peer name eth0 netns {holder.pid}",
        "ip address add 10.244.1.1/24 dev veth0",
        "ip link set veth0 up",
        f"nsenter -t {holder.pid} -n ip address add 10.244.1.5/24 dev eth0",
        f"nsenter -t {holder.pid} -n ip link set eth0 up",
        f"nsenter -t {holder.pid} -n ip route add default via 10.244.1.1",
    ):
        subprocess.run(line.split(), check=True)
    return holder


def main() -> None:
    program, folder, load, domain, rounds = sys.argv[1:]
    here = pathlib.Path(folder)
    for line in ("ip link set lo up", f"ip address add {UPSTREAM}/32 dev lo", f"bash {here}/node link up"):
        subprocess.run(line.split(), check=True)
    for serve in (upstream, upstream_tcp):
        threading.Thread(target=serve, daemon=True).start()
    live = start(program, here / "Corefile")
    subprocess.run(["bash", f"{here}/node", "rules", "up"], check=True)
    asker = pod()
    enter = ["nsenter", "-t", str(asker.pid), "-n"]
    asking = subprocess.Popen([*enter, sys.executable, load, LOCAL, domain, str(here / "stop"), str(here / "result")])
    moves = 0
    for _round in range(int(rounds)):
        time.sleep(1)
        new = start(program, here / "Corefile")
        steering = steer.Steering(live.pid, [LOCAL])
        if not steering.try_new():
            sys.exit("the new server does not answer")
        steering.to_new()
        steering.close()
        live.terminate()
        live.wait()
        steer.spread(new.pid)
        live, moves = new, moves + 1
    (here / "stop").touch()
    asking.wait()
    live.kill()
    live.wait()
    print(json.dumps({**json.loads((here / "result").read_text()), "moves": moves}))
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
