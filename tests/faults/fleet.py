# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab of many workers that are changed at the same time, each in its own way, and looked at from outside."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.kubenode.network.tests.labs import ROOT, Lab, Play

# What a transaction may take longer than its rollback_timeout until the old state is back, in seconds.
GRACE = 5.0
# A connection that leads nowhere is given up after this many seconds, and a change may take so long until it is kept.
CONNECT_TIMEOUT = 3
ROLLBACK_TIMEOUT = 10
TRANSACTIONS = "var/lib/kubenode-network/transactions"
OPEN = ("open", "rolling-back")

_OPTIONS = (
    "owner",
    "desired_state",
    "allow_default_override",
    "confirm",
    "confirm_host",
    "rollback_timeout",
    "probes",
    "addresses_exact",
    "on_conflict",
    "sysctl",
)
_LOOK = """\
for table in 4 6; do ip -$table route show table all; ip -$table rule; done | grep -v -e fe80: -e ff00: -e anycast
ip -o -4 address
ip -o -6 address show scope global
ip -o link
cat /etc/resolv.conf
"""
# Numbers that differ from node to node and from boot to boot, and what a carrier does by itself.
_VOLATILE = (
    (re.compile(r"^\d+: (?=\S)", re.MULTILINE), ""),
    (re.compile(r"@if\d+|link-netnsid \d+|\\|valid_lft \w+|preferred_lft \w+|state [A-Z]+|qlen \d+"), ""),
    (re.compile(r"link/ether [0-9a-f:]+ "), ""),
    (re.compile(r"<[A-Z_,]*?(UP,)?(LOWER_UP)?>"), r"<\1>"),
    (re.compile(r"expires \d+sec"), ""),
)


class Fleet:
    """The workers of a lab. Every worker's transactions are its own, so all of them go on at the same time."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.lab = lab
        self.folder = folder
        self.workers = [name for name in lab.record()["nodes"] if name.startswith("w")]
        self.pool = ThreadPoolExecutor(max_workers=len(self.workers) + 4)

    # --- changes

    def play(self, changes: Mapping[str, Mapping[str, Any]], hosts: Mapping[str, str] | None = None) -> Running:
        """Start one network_state on each of these workers, all at once. changes are options by worker.

        hosts are addresses to reach them at, where that is not the inventory's.
        """
        # Several fleets of one test share a folder.
        folder = Path(tempfile.mkdtemp(prefix="play", dir=self.folder))
        variables: dict[str, dict[str, Any]] = {worker: {"change": dict(changes[worker])} for worker in changes}
        for worker, host in (hosts or {}).items():
            variables[worker]["ansible_host"] = host
        inventory = {"faults": {"hosts": variables}, "workers": {"hosts": dict.fromkeys(changes)}}
        (folder / "inventory.yml").write_text(yaml.safe_dump(inventory), encoding="utf-8")
        options = {name: f"{{{{ change.{name} | default(omit) }}}}" for name in _OPTIONS}
        task = {"name": "Change", "kubenode.network.network_state": options}
        play = {"hosts": "faults", "gather_facts": False, "strategy": "ansible.builtin.free", "tasks": [task]}
        (folder / "play.yml").write_text(yaml.safe_dump([play]), encoding="utf-8")
        return Running(self, folder, len(changes))

    def applied(self, changes: Mapping[str, Mapping[str, Any]]) -> Play:
        """Carry out changes that nothing disturbs. Raises AssertionError when one fails."""
        done = self.play(changes).wait()
        assert done.returncode == 0, done.output
        return done

    def each(self, work: Callable[[str], Any], workers: Iterable[str] | None = None) -> dict[str, Any]:
        """What work says of each worker, asked at the same time."""
        names = list(self.workers if workers is None else workers)
        return dict(zip(names, self.pool.map(work, names)))

    # --- looking

    def pid(self, node: str) -> int:
        """The first process of a node."""
        return int((self.lab.dir / "nodes" / node).read_text(encoding="ascii").split()[0])

    def root(self, worker: str) -> Path:
        """A worker's files, as it sees them."""
        return Path(f"/proc/{self.pid(worker)}/root")

    def look(self, worker: str) -> str:
        """A worker's state in kernel and files, without what tells it from other workers or one boot from another."""
        lines = self.lab.sh(worker, _LOOK)
        number = 100 + int(worker[1:])
        for pattern, replacement in _VOLATILE:
            lines = pattern.sub(replacement, lines)
        # In the order of the lines tells nothing but the kernel's.
        kernel = "\n".join(sorted(" ".join(line.split()) for line in lines.splitlines()))
        found = f"{kernel}\n{self._files(worker)}\n{self._records(worker)}"
        found = re.sub(rf"\b(192\.168\.100|10\.100\.\d|172\.16\.0)\.{number}\b", r"\1.NUMBER", found)
        return re.sub(rf"\b{worker}\b", "WORKER", found)

    def _files(self, worker: str) -> str:
        root = self.root(worker)
        found = []
        for folder in ("etc/kubenode-network", "etc/systemd/system", "etc/iproute2", "etc/sysctl.d"):
            for path in sorted((root / folder).rglob("*")):
                name = path.relative_to(root)
                if path.is_symlink():
                    found.append(f"{name} -> {os.readlink(path)}")
                elif path.is_file():
                    text = path.read_text(encoding="utf-8", errors="replace")
                    # Ours are short and told whole; the machine's are not to fill a message.
                    ours = "kubenode" in str(name) or "kubenode" in text
                    found.append(f"{name}: {text if ours else hashlib.sha256(text.encode()).hexdigest()[:12]}")
        return "\n".join(found)

    def _records(self, worker: str) -> str:
        path = self.root(worker) / "var/lib/kubenode-network/owned.json"
        if not path.exists():
            return "no records"
        records = json.loads(path.read_text(encoding="utf-8"))
        # A digest of a file is the file's, which is told above.
        text = re.sub(r"\b[0-9a-f]{32}\b", "DIGEST", json.dumps(records, sort_keys=True))
        return "\n".join(
            f"{kind}: {sorted(json.dumps(entry) for entry in entries)}" if isinstance(entries, list) else f"{kind}"
            for kind, entries in json.loads(text).items()
        )

    def transactions(self, worker: str) -> dict[str, str]:
        """A worker's transactions, by id, with the name of what they are in (one marker each)."""
        folder = self.root(worker) / TRANSACTIONS
        found = {}
        # Folders come and go meanwhile, and so may the worker.
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            for entry in sorted(folder.iterdir()):
                with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                    marker = {path.name for path in entry.iterdir()} & {*OPEN, "committed", "rolled-back"}
                    if marker:
                        found[entry.name] = min(marker)
        return found

    def deadline(self, worker: str) -> float | None:
        """When the change of a worker that is still open goes back, by CLOCK_BOOTTIME; None when none is open."""
        deadlines = []
        for identity, state in self.transactions(worker).items():
            if state in OPEN:
                path = self.root(worker) / TRANSACTIONS / identity / "deadline"
                with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                    deadlines.append(float(path.read_text(encoding="ascii")))
        return min(deadlines, default=None)

    def wait_until_settled(self, workers: Iterable[str]) -> float:
        """Wait until no change is open any more; by how many seconds the latest was seen to miss its deadline.

        Raises AssertionError when one is later than GRACE.
        """
        waiting, latest = set(workers), 0.0
        while waiting:
            for worker in sorted(waiting):
                deadline = self.deadline(worker)
                late = time.clock_gettime(time.CLOCK_BOOTTIME) - (deadline or float("inf"))
                latest = max(latest, late)
                assert late < GRACE, f"{worker} did not go back: {self.transactions(worker)}"
                if deadline is None:
                    waiting.discard(worker)
            time.sleep(0.1)
        return latest

    def reaches(self, worker: str, address: str = "") -> bool:
        """Whether the controller reaches a worker, over a new connection."""
        command = [str(ROOT / "lab" / "ssh.sh"), "-o", "ControlPath=none", "-o", f"ConnectTimeout={CONNECT_TIMEOUT}"]
        result = subprocess.run(
            [*command, address or worker, "true"],
            env=self.lab.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=60,
        )
        return result.returncode == 0

    # --- faults

    def pythons(self, worker: str) -> list[int]:
        """The Python processes of a worker: modules, and what carries out a change after them."""
        namespace = os.readlink(f"/proc/{self.pid(worker)}/ns/pid")
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    if (entry / "comm").read_text(encoding="utf-8").startswith("python") and os.readlink(
                        entry / "ns" / "pid"
                    ) == namespace:
                        found.append(int(entry.name))
                except (OSError, ValueError):
                    continue
        return found

    def kill_pythons(self, worker: str) -> int:
        """End all Python in a worker by SIGKILL; how many there were."""
        found = self.pythons(worker)
        for pid in found:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        return len(found)

    def router(self, *words: str) -> None:
        """Run `ip` in the router."""
        self.lab.exec("r1", ["ip", *words])

    def cut(self, worker: str) -> None:
        """Have the router drop all that comes from a worker's management NIC, with its carrier kept."""
        self.router("link", "set", f"{worker}-management", "nomaster")

    def join(self, worker: str) -> None:
        """Take cut() back."""
        self.router("link", "set", f"{worker}-management", "master", "management")

    def boot(self, worker: str) -> None:
        """Restart a worker, and run in it what systemd would run of ours, in its order.

        The lab starts sshd at once. At a boot it comes after the network, so until then the router lets nobody through.
        """
        silence = ("priority", "7", "to", f"192.168.100.{100 + int(worker[1:])}", "blackhole")
        self.router("rule", "add", *silence)
        try:
            self.lab.run("restart", worker)
            self.start_units(worker)
        finally:
            self.router("rule", "del", *silence)

    def start_units(self, worker: str) -> None:
        """What systemd would run of ours at boot: first what puts files back, then each NIC's unit, then the node's."""
        folder = self.root(worker) / "etc/systemd/system"
        units = [path for path in folder.glob("kubenode-network*.service") if "@" not in path.name]
        # What puts files back is ordered before the network, the rest after (systemd.special(7)).
        units.sort(key=lambda path: "Before=network-pre.target" not in path.read_text(encoding="utf-8"))
        commands = []
        for path in units:
            text = path.read_text(encoding="utf-8")
            # The links name their targets as the worker sees them.
            if any(os.path.lexists(wants / path.name) for wants in folder.glob("*.wants")):
                commands += re.findall(r"^ExecStart=(.*)$", text, re.MULTILINE)
            if "Before=network-pre.target" in text:
                self._start(worker, commands)
                commands = []
        for wanted in sorted(folder.glob("sys-subsystem-net-devices-*.device.wants/kubenode-network@*.service")):
            nic = wanted.name.partition("@")[2].removesuffix(".service")
            text = (folder / "kubenode-network@.service").read_text(encoding="utf-8")
            commands += [command.replace("%I", nic) for command in re.findall(r"^ExecStart=(.*)$", text, re.MULTILINE)]
        self._start(worker, commands)

    def _start(self, worker: str, commands: list[str]) -> None:
        for command in commands:
            self.lab.exec(worker, ["sh", "-c", command], check=False)


class Running:
    """An ansible-playbook that runs."""

    def __init__(self, fleet: Fleet, folder: Path, forks: int) -> None:
        self.began = time.monotonic()
        self.results = folder / "results.jsonl"
        self._log = folder / "output"
        words = ["-i", str(fleet.lab.inventory), "-i", str(folder / "inventory.yml"), "--forks", str(forks), "-v"]
        environment = {
            **fleet.lab.env,
            "ANSIBLE_CALLBACK_PLUGINS": str(ROOT / "tests/lab/callbacks"),
            "ANSIBLE_CALLBACKS_ENABLED": "kubenode_results",
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_TIMEOUT": str(CONNECT_TIMEOUT),
            "KUBENODE_RESULTS": str(self.results),
        }
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [str(ROOT / "scripts/env"), "ansible-playbook", *words, str(folder / "play.yml")],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def kill(self) -> None:
        """The end of the controller: Ansible, its forks and their ssh, all at once."""
        # Twice: one of them may have been about to start another.
        self._signal(signal.SIGKILL)
        self._signal(signal.SIGKILL)
        self.process.wait()

    @contextlib.contextmanager
    def standing_still(self) -> Iterator[None]:
        """Ansible and its forks do nothing in between."""
        # Not what enters the lab for them: it takes a child that was stopped for a reason to stop by itself.
        self._signal(signal.SIGSTOP, b"ansible-playbook")
        try:
            yield
        finally:
            self._signal(signal.SIGCONT, b"ansible-playbook")

    def _signal(self, number: int, program: bytes = b"") -> None:
        # Ansible's forks have sessions of their own; what they start has the same environment.
        mark = f"KUBENODE_RESULTS={self.results}".encode()
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    if (
                        mark in (entry / "environ").read_bytes().split(b"\0")
                        and program in (entry / "cmdline").read_bytes()
                    ):
                        os.kill(int(entry.name), number)
                except OSError:
                    continue

    def wait(self, seconds: float = 240) -> Play:
        """Until it has ended; what it did."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"Ansible hangs:\n{self.output()}") from None
        text = self.results.read_text(encoding="utf-8") if self.results.exists() else ""
        return Play(self.process.returncode, self.output(), [json.loads(line) for line in text.splitlines()])

    def output(self) -> str:
        """What it has said so far."""
        return self._log.read_text(encoding="utf-8", errors="replace")


def difference(looks: Mapping[str, str], found: str, most: int = 12) -> str:
    """What a worker lacks (-) and has beyond (+) the state that it is nearest to; at most so many lines."""
    have = set(found.splitlines())
    nearest = min(looks, key=lambda name: len(have.symmetric_difference(looks[name].splitlines())))
    expected = set(looks[nearest].splitlines())
    lines = [f"- {line}" for line in sorted(expected - have)] + [f"+ {line}" for line in sorted(have - expected)]
    more = [f"... and {len(lines) - most} more"] if len(lines) > most else []
    return "\n".join([f"nearest to: {nearest}", *(line[:200] for line in lines[:most]), *more])
