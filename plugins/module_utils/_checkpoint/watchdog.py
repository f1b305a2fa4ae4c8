# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What puts the node back when nobody confirms: a timer of systemd, or a shell that sleeps; and a unit for the boot.

The timer counts monotonic time. The unit is there only while a transaction is open that has written files: after a
restart the kernel's state is the old one anyway, and the managers must not start with files that nobody confirmed.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._checkpoint import store
from ansible_collections.kubenode.network.plugins.module_utils._state.files import below
from ansible_collections.kubenode.network.plugins.module_utils._state.model import StateError
from ansible_collections.kubenode.network.plugins.module_utils._state.system import run, systemd_runs_here

_UNIT = "kubenode-network-rollback.service"
_UNITS = "/etc/systemd/system"
# Everything that brings up a network comes after network-pre.target (systemd.special(7)); the names are for those
# versions of them that say so only where something else wants it.
_UNIT_TEXT = """\
# Written by kubenode.network while a change waits for its confirmation; gone when it has it.
[Unit]
Description=Put back network configuration that was not confirmed before the restart
DefaultDependencies=no
RequiresMountsFor=/var/lib/kubenode-network /etc
After=local-fs.target
Wants=network-pre.target
Before=network-pre.target NetworkManager.service systemd-networkd.service systemd-resolved.service networking.service
Before=wicked.service systemd-sysctl.service
Conflicts=shutdown.target
Before=shutdown.target

[Service]
Type=oneshot
SyslogIdentifier=kubenode-network
ExecStart=/bin/sh -c 'for undo in /var/lib/kubenode-network/transactions/*/undo.sh; do /bin/sh "$$undo" boot || :; done'

[Install]
WantedBy=sysinit.target
"""


def arm(transaction: store.Transaction, seconds: int) -> None:
    """Have the transaction undone in ``seconds`` from now, unless it has ended by then. Raises StateError."""
    deadline = int(store.uptime()) + seconds
    store.write(transaction.file("deadline"), f"{deadline}\n", whole=True)
    undo = transaction.file("undo.sh")
    if systemd_runs_here():
        _stop_timer(transaction)
        unit = f"kubenode-network-{transaction.id}-{deadline}"
        run([
            "systemd-run", "--quiet", "--collect", f"--unit={unit}", f"--on-active={seconds}s",
            "--timer-property=AccuracySec=100ms", "--service-type=oneshot",
            "--property=SyslogIdentifier=kubenode-network",
            f"--description=Undo the network change {transaction.id} unless it is confirmed",
            "/bin/sh", undo, "watchdog",
        ])  # fmt: skip
        store.write(transaction.file("timer"), unit)
        return
    if store.alive(transaction.file("watchdog")):
        # It looks at the deadline again when it wakes up.
        return
    try:
        shell = subprocess.Popen(  # pylint: disable=ansible-bad-function
            ["/bin/sh", undo, "wait"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            cwd="/", start_new_session=True,
        )  # fmt: skip
    except OSError as error:
        raise StateError(f"/bin/sh {undo} wait: cannot be started ({error.strerror})") from None
    # It outlives us by design.
    shell.returncode = 0
    store.write(transaction.file("watchdog"), f"{shell.pid} {store.started(shell.pid)}")


def disarm(transaction: store.Transaction) -> None:
    """Nothing waits any more for a transaction that has ended; what cannot be stopped finds that out by itself."""
    _stop_timer(transaction)
    path = transaction.file("watchdog")
    if store.alive(path):
        with contextlib.suppress(OSError, ValueError), open(path, encoding="ascii") as file:
            os.killpg(int(file.read().split()[0]), signal.SIGKILL)
    remove_boot_unit(transaction)


def _stop_timer(transaction: store.Transaction) -> None:
    try:
        with open(transaction.file("timer"), encoding="ascii") as file:
            unit = file.read().strip()
    except OSError:
        return
    with contextlib.suppress(StateError):
        run(["systemctl", "stop", f"{unit}.timer"])


def add_boot_unit(transaction: store.Transaction) -> None:
    """Have files put back at the next boot, before any manager starts, where systemd is what boots the node."""
    folder = below(_UNITS, transaction.root)
    if not os.path.isdir(folder):
        return
    unit = os.path.join(folder, _UNIT)
    link = os.path.join(folder, "sysinit.target.wants", _UNIT)
    store.write(transaction.file("boot-unit"), f"{link}\n{unit}\n")
    try:
        store.write(unit, _UNIT_TEXT)
        os.chmod(unit, 0o644)
        os.makedirs(os.path.dirname(link), exist_ok=True)
        with contextlib.suppress(FileExistsError):
            os.symlink(f"../{_UNIT}", link)
        store.sync_folder(os.path.dirname(link))
        store.sync_folder(folder)
    except OSError as error:
        raise StateError(
            f"{unit}: cannot be written ({error.strerror}), so the files of this change could not be put back after a "
            f"restart of the node; nothing was changed"
        ) from None


def remove_boot_unit(transaction: store.Transaction) -> None:
    try:
        with open(transaction.file("boot-unit"), encoding="utf-8") as file:
            paths: t.Sequence[str] = file.read().splitlines()
    except OSError:
        return
    for path in paths:
        with contextlib.suppress(OSError):
            os.unlink(path)
