# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stands in for systemd where no container with a real one is at hand: the few verbs that the cache without pods uses.

It reads the unit files and runs their programs, so interface, rules and servers are real; files that have changed count
after a daemon-reload. It starts nothing anew, sandboxes nothing, and knows no order but that of its caller. The watch
is said to run and does not. Molecule has the same units under a real systemd.
"""

from __future__ import annotations

import os
import pathlib
import re
import signal
import subprocess
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._state import system
from ansible_collections.kubenode.network.plugins.module_utils._state.model import StateError

FOLDER = pathlib.Path("/etc/systemd/system")
PASSWD = pathlib.Path("/etc/passwd")


class Systemd:
    """``run`` takes the place of the product's own; what is none of systemd's programs is really run."""

    def __init__(self) -> None:
        self.enabled: set[str] = set()
        self.active: dict[str, subprocess.Popen[bytes] | None] = {}
        self._texts: dict[str, str] = {}

    def run(self, argv: t.Sequence[str], seconds: float = 30.0, text: str = "") -> str:
        """As ``_state.system.run``. Raises StateError."""
        words = [word for word in argv[1:] if word not in ("--now", "--no-block", "--quiet")]
        if argv[0] == "systemctl":
            return str(getattr(self, "_" + words[0].replace("-", "_"))(*words[1:], now="--now" in argv) or "")
        if argv[0] == "systemd-sysusers":
            match = re.search(r"^u (\S+)", pathlib.Path(argv[1]).read_text(encoding="utf-8"), re.MULTILINE)
            assert match
            PASSWD.write_text(f"{PASSWD.read_text()}{match[1]}:x:990:990::/:/usr/sbin/nologin\n", encoding="utf-8")
            return ""
        if argv[0] == "userdel":
            kept = [line for line in PASSWD.read_text().splitlines(True) if not line.startswith(f"{argv[1]}:")]
            PASSWD.write_text("".join(kept), encoding="utf-8")
            return ""
        return "" if argv[0] in ("journalctl", "restorecon") else system.run(argv, seconds, text)

    def _show(self, _properties: str, name: str, now: bool) -> str:
        assert not now
        process = self.active.get(name)
        state = "inactive"
        if name in self.active:
            state = "active" if process is None or process.poll() is None else "failed"
        return (
            f"ActiveState={state}\nUnitFileState={'enabled' if name in self.enabled else ''}\n"
            f"MainPID={process.pid if process else 0}\nNRestarts=0\n"
        )

    def _daemon_reload(self, now: bool) -> None:
        assert not now
        self._texts = {name: self._read(name) for name in self._texts}

    def _read(self, name: str) -> str:
        file = FOLDER / re.sub(r"@\w+\.", "@.", name)
        return file.read_text(encoding="utf-8") if file.exists() else ""

    def _lines(self, name: str, key: str) -> list[list[str]]:
        text = self._texts.get(name) or self._read(name)
        self._texts[name] = text
        if not text:
            raise StateError(f"systemctl: Unit {name} not found.")
        instance = name.partition("@")[2].partition(".")[0]
        return [line.replace("%i", instance).split() for line in re.findall(rf"^{key}=(.*)$", text, re.MULTILINE)]

    def _enable(self, name: str, now: bool) -> None:
        assert not now
        self._lines(name, "ExecStart")
        self.enabled.add(name)

    def _disable(self, name: str, now: bool) -> None:
        if now:
            self._stop(name, now=False)
        self.enabled.discard(name)

    def _start(self, name: str, now: bool) -> None:
        assert not now
        [command] = self._lines(name, "ExecStart")
        if name in self.active:
            return
        if "oneshot" in (self._texts[name]):
            for words in [*self._lines(name, "ExecStartPre"), command]:
                system.run(words, 60.0)
            self.active[name] = None
        elif "watch" in name:
            self.active[name] = None
        else:
            env = {**os.environ, "GODEBUG": "multipathtcp=0", "GOMAXPROCS": "1"}
            quiet = subprocess.DEVNULL
            self.active[name] = subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=quiet, env=env)

    def _restart(self, name: str, now: bool) -> None:
        self._stop(name, now)
        self._start(name, now)

    def _stop(self, name: str, now: bool) -> None:
        assert not now
        if name not in self.active:
            return
        process = self.active.pop(name)
        if process is not None:
            process.send_signal(signal.SIGTERM)
            process.wait()
        elif "watch" not in name:
            for words in self._lines(name, "ExecStop"):
                system.run(words, 60.0)

    def _reset_failed(self, _name: str, now: bool) -> None:
        assert not now
