# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Has each step of a run of dns_cache_service fail once it is done: undo_steps.py COREDNS SCENARIO FOLDER.

The scenarios are install, change and remove. It runs in namespaces of its own, with a private /etc in the folder. Its
last line is a list of the steps, each with the error and what is not as it was before.
"""

from __future__ import annotations

import contextlib
import functools
import json
import pathlib
import shutil
import subprocess
import sys
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._cache_service import (
    node,
    node_script,
    removal,
    service,
    steer,
    units,
)
from ansible_collections.kubenode.network.plugins.module_utils._cache_service.options import Options
from ansible_collections.kubenode.network.plugins.module_utils._state.model import StateError
from ansible_collections.kubenode.network.tests.cluster.systemd_stand_in import PASSWD, Systemd

LOCAL, SECOND, UPSTREAM = "169.254.20.10", "169.254.20.11", "192.0.2.53"
KEPT = ("alternatives", "group", "ld.so.cache", "nsswitch.conf", "passwd", "iproute2")
LOOKS = ("systemctl show", "journalctl", "ip -json", "/bin/bash -s link check", "/bin/bash -s rules check")


class Injected:
    """Fails the step of a number, once it is done."""

    def __init__(self) -> None:
        self.wanted = 0
        self.steps: list[str] = []

    def step(self, what: str, work: t.Callable[[], t.Any]) -> t.Any:
        self.steps.append(what)
        done = work()
        if len(self.steps) == self.wanted:
            raise StateError(f"injected after: {what}")
        return done


def mount_etc(folder: pathlib.Path) -> None:
    """An /etc of our own, in our own mount namespace."""
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(folder)], check=True)
    for name in KEPT:
        if (pathlib.Path("/etc") / name).exists():
            subprocess.run(["cp", "-dR", f"/etc/{name}", str(folder)], check=True)
    (folder / "systemd/system").mkdir(parents=True)
    subprocess.run(["mount", "--bind", str(folder), "/etc"], check=True)


def before_and_after(systemd: Systemd) -> dict[str, t.Any]:
    """All that a run may touch."""
    files = {}
    for root in ("/etc/kubenode-network", "/etc/systemd", "/etc/sysusers.d", units.PROGRAMS):
        for path in sorted(pathlib.Path(root).rglob("*")):
            text = "a program" if path.name == "coredns" else path.read_text() if path.is_file() else "a folder"
            files[str(path)] = f"{path.stat().st_mode:o} {text}"
    shown = json.loads(subprocess.run(["ip", "-json", "address"], check=True, capture_output=True, text=True).stdout)
    links = {one["ifname"]: sorted(each["local"] for each in one["addr_info"]) for one in shown}
    rules = subprocess.run(["nft", "list", "ruleset"], check=True, capture_output=True, text=True).stdout
    answers = not any(LOCAL in held for held in links.values()) or steer.ask(LOCAL, 0x4B4E)
    running = {name: process.pid if process else 0 for name, process in systemd.active.items()}
    return {
        "files": files, "links": links, "rules": rules, "enabled": sorted(systemd.enabled), "running": running,
        "users": PASSWD.read_text(), "answers": answers,
    }  # fmt: skip


def options(program: str, *addresses: str) -> Options:
    return Options(
        program, addresses, (UPSTREAM,), interface_type="bridge", upstreams=(UPSTREAM,), rules="nft", force_tcp=False
    )


def main() -> None:
    program, scenario, folder = sys.argv[1:]
    mount_etc(pathlib.Path(folder))
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    units.PROGRAMS = "/etc/programs/dns-cache"
    # The time that answers on their way get is not what this is about.
    node_script._NFT = node_script._NFT.replace("sleep 2", "sleep 0.05")
    service._STEADY_SECONDS = 0.05
    node.binary = functools.cache(node.binary)
    systemd, injected = Systemd(), Injected()

    def run(argv: t.Sequence[str], seconds: float = 30.0, text: str = "") -> str:
        line = " ".join(argv)
        if line.startswith(LOOKS) or argv[0] == program:
            return systemd.run(argv, seconds, text)
        return str(injected.step(line, lambda: systemd.run(argv, seconds, text)))

    for room in (node, service, removal):
        if hasattr(room, "run"):
            room.run = run
        if hasattr(room, "write_file"):
            real = room.write_file
            room.write_file = lambda path, state, real=real: injected.step(f"write {path}", lambda: real(path, state))
        if hasattr(room, "systemd_runs_here"):
            room.systemd_runs_here = lambda: True
    copy = shutil.copyfile
    service.shutil.copyfile = lambda source, target: injected.step(f"copy to {target}", lambda: copy(source, target))

    works: dict[str, t.Callable[[], t.Any]] = {
        "install": lambda: service.present(options(program, LOCAL), False, False),
        "change": lambda: service.present(options(program, LOCAL, SECOND), False, False),
        "remove": lambda: removal.absent(False, False),
    }
    if scenario != "install":
        works["install"]()
    injected.steps = []
    works[scenario]()
    steps = list(injected.steps)
    _again(scenario, works, program)
    told = []
    for number in _one_of_a_kind(steps):
        injected.wanted, injected.steps = number, []
        before = before_and_after(systemd)
        error, rolled_back = "", None
        try:
            works[scenario]()
        except StateError as caught:
            error, rolled_back = caught.message, caught.details.get("rolled_back")
        injected.wanted = 0
        after = before_and_after(systemd)
        if scenario == "remove":
            # A server that was ended already is started anew.
            before["running"], after["running"] = sorted(before["running"]), sorted(after["running"])
        differs = [f"{key}: {before[key]} -> {after[key]}" for key in before if error and before[key] != after[key]]
        told.append(
            {"step": injected.steps[number - 1], "error": error, "rolled_back": rolled_back, "differs": differs}
        )
        if not error:
            # It has done its work all the same, and the next one starts from the same place.
            _again(scenario, works, program)
    for process in filter(None, systemd.active.values()):
        with contextlib.suppress(OSError):
            process.kill()
    print(json.dumps(told))


def _one_of_a_kind(steps: t.Sequence[str]) -> list[int]:
    """The numbers of the steps, from 1; of many files that are written in a row the first and the last."""
    kinds = ["", *(step.split()[0] == "write" for step in steps), ""]
    return [at for at in range(1, len(steps) + 1) if not (kinds[at - 1] is kinds[at] is kinds[at + 1] is True)]


def _again(scenario: str, works: t.Mapping[str, t.Callable[[], t.Any]], program: str) -> None:
    if scenario == "change":
        service.present(options(program, LOCAL), False, False)
    elif scenario == "remove":
        works["install"]()
    else:
        removal.absent(False, False)


if __name__ == "__main__":
    main()
