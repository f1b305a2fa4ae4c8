# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""SSH between the controller and the workers: the lab's own keys and configuration, and the sshd of a worker."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

from kubenode_lab import syscalls, topology
from kubenode_lab.errors import LabError

_PORT = 22
# How long sshd may take until it listens, in seconds; one takes 0.02 s, on an idle machine.
_START_TIMEOUT = 20.0
_LISTEN = "0A"  # include/net/tcp_states.h

_SERVER = """\
Port {port}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/client_key.pub
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
# The files belong to the user who brought the lab up, not to a node's root.
StrictModes no
UsePAM no
UseDNS no
PrintMotd no
PrintLastLog no
PermitUserRC no
PidFile none
LogLevel ERROR
# Forks of one controller connect all at once.
MaxStartups 200
Subsystem sftp internal-sftp
SetEnv LANG=C.UTF-8 KUBENODE_LAB_DIR={lab} PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
"""

_CLIENT = """\
Host *
  User root
  Port {port}
  IdentityFile {folder}/client_key
  IdentitiesOnly yes
  IdentityAgent none
  UserKnownHostsFile {folder}/known_hosts
  GlobalKnownHostsFile none
  UpdateHostKeys no
  StrictHostKeyChecking yes
  PasswordAuthentication no
  LogLevel ERROR
"""


def prepare(lab: Path, workers: list[str]) -> None:
    """Write keys and configuration to the folder ssh of a lab's. Raises LabError where ssh-keygen fails.

    All workers have one host key, so that a worker is known under whatever address a test gives it.
    """
    folder = lab / "ssh"
    folder.mkdir(mode=0o700)
    for name in ("host_key", "client_key"):
        command = [
            "ssh-keygen",
            "-q",
            "-t",
            "ed25519",
            "-N",
            "",
            "-C",
            f"kubenode-lab-{name}",
            "-f",
            str(folder / name),
        ]
        result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if result.returncode != 0:
            raise LabError(f"'{' '.join(command)}' failed: {(result.stderr or result.stdout).strip()}")
    host_key = (folder / "host_key.pub").read_text(encoding="ascii").split()
    (folder / "known_hosts").write_text(f"* {host_key[0]} {host_key[1]}\n", encoding="ascii")
    (folder / "sshd_config").write_text(_SERVER.format(port=_PORT, folder=folder, lab=lab), encoding="utf-8")
    hosts = "".join(f"Host {name}\n  HostName {topology.address(name)}\n" for name in workers)
    (folder / "config").write_text(hosts + _CLIENT.format(port=_PORT, folder=folder), encoding="utf-8")


def start(lab: str) -> None:
    """Start the sshd of the calling node, and wait until it listens. Raises LabError, OSError."""
    # sshd starts itself again for each connection and insists on its whole path.
    program = shutil.which("sshd", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")
    if program is None:
        raise LabError("sshd is not installed (package openssh-server)")
    # Its unprivileged half is confined to this folder (sshd(8)).
    os.makedirs("/run/sshd", mode=0o755, exist_ok=True)
    process = subprocess.Popen(
        [program, "-D", "-e", "-f", f"{lab}/ssh/sshd_config"],
        stdin=subprocess.DEVNULL,
        preexec_fn=None if syscalls.may_set_groups() else syscalls.let_setgroups_pass,  # noqa: PLW1509  (one thread)
    )
    deadline = time.monotonic() + _START_TIMEOUT
    while not _listens():
        if process.poll() is not None:
            raise LabError(f"sshd ended with status {process.returncode}; {lab}/log says more")
        if time.monotonic() > deadline:
            raise LabError(f"sshd does not listen after {_START_TIMEOUT:.0f} s; {lab}/log says more")
        time.sleep(0.003)


def _listens() -> bool:
    for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]:
        _, local, _, state = line.split()[:4]
        if state == _LISTEN and int(local.rpartition(":")[2], 16) == _PORT:
            return True
    return False
