# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The verbs of scripts/lab."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from pathlib import Path

from kubenode_lab import secure_shell, topology
from kubenode_lab.errors import LabError
from kubenode_lab.files import Site
from kubenode_lab.folder import END_TIMEOUT, Folder, Process, Record
from kubenode_lab.restart import restart
from kubenode_lab.router import Drop, Router, parse
from kubenode_lab.supervisor import Start

_LAB = Path(__file__).resolve().parent.parent

_EPILOG = """\
Networks, gateways and what answers behind them:
  management  ens192  192.168.100.0/24  192.168.100.1  198.51.100.10, the controller c1; the default route
  data        ens224  10.100.0.0/24     10.100.0.1     10.200.0.1, 10.50.0.1, 203.0.113.1; DNS at 10.100.0.53 and .54
  external    ens256  172.16.0.0/24     172.16.0.1     203.0.113.1
ens224 and ens256 start down and without addresses. Worker i is number 100+i on each network.

The lab's folder is KUBENODE_LAB_DIR, else kubenode-lab-UID in XDG_RUNTIME_DIR or /tmp. Give a second lab another one.
"""


def main() -> int:
    """Run one verb; the exit code."""
    arguments = _parser().parse_args()
    folder = Folder(Path(os.environ["KUBENODE_LAB_DIR"]).absolute())
    try:
        code: int = arguments.verb(folder, arguments)
    except (LabError, OSError) as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/lab",
        description="A lab on this machine: workers with three NICs each and a router, made of network namespaces.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = parser.add_subparsers(required=True, metavar="VERB")

    up = verbs.add_parser("up", help="bring the lab up")
    up.add_argument(
        "--workers", type=_worker_count, default=3, metavar="N", help=f"1 to {topology.MAX_WORKERS}; default 3"
    )
    # scripts/lab itself does this part, and the verb cluster; they are here for the help.
    up.add_argument("--cluster", action="store_true", help="with an API server and CoreDNS, as the verb cluster")
    up.set_defaults(verb=_up)
    verbs.add_parser(
        "cluster", help="start an API server and CoreDNS beside the lab; the first time they are built, for minutes"
    )

    down = verbs.add_parser("down", help="take the lab down, with all that runs in it")
    down.set_defaults(verb=_down)

    status = verbs.add_parser("status", help="show the nodes and what the router drops")
    status.set_defaults(verb=_status)

    again = verbs.add_parser(
        "restart",
        help="restart a worker: its processes end, its network is made anew",
        description="Restart a worker as a power cut would: its processes end at once, its network starts as after "
        "'up'. Its files in /etc and /var/lib stay. There is no systemd that would run what is to run at boot.",
    )
    again.add_argument("worker")
    again.set_defaults(verb=_restart)

    # scripts/lab itself runs this one; it is here for the help.
    run = verbs.add_parser("exec", help="run a command in a node, or a shell: exec HOST [-- CMD...]")
    run.add_argument("host")
    run.add_argument("cmd", nargs="*")

    for name, verb, text in (
        ("drop", _drop, "have the router drop traffic, silently"),
        ("pass", _pass, "have the router pass again what it drops"),
    ):
        drop = verbs.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        drop.add_argument(
            "what",
            nargs="*",
            metavar="WHAT",
            help="a network or its gateway: what comes from there is dropped, as if the router were off; or another "
            "address or prefix: what the router would forward or answer to or from it",
        )
        drop.add_argument(
            "--from",
            dest="worker",
            metavar="WORKER",
            help="only what this worker sends and receives through the network",
        )
        if name == "pass":
            drop.add_argument("--all", action="store_true", help="everything")
        drop.set_defaults(verb=verb)
    return parser


def _worker_count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= topology.MAX_WORKERS:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number of workers from 1 to {topology.MAX_WORKERS}")
    return int(text)


def _up(folder: Folder, arguments: argparse.Namespace) -> int:
    began = time.monotonic()
    folder.claim()
    try:
        inventory = _write_entries(folder, arguments.workers)
    except BaseException:
        folder.release()
        raise
    start = Start(str(folder.path), arguments.workers)
    try:
        pids = start.wait_until_up()
        folder.write_record(
            Record(
                workers=arguments.workers,
                supervisor=Process.of(pids.supervisor),
                dns=Process.of(pids.dns),
                nodes={name: Process.of(pid) for name, pid in pids.nodes.items()},
                namespaces=pids.namespaces,
                overlay=pids.overlay,
            )
        )
        start.let_go()
    except BaseException as error:
        start.abandon()
        log = _log_of(folder)
        folder.release()
        if isinstance(error, LabError):
            raise LabError(f"{error}{log}") from error
        raise
    workers = topology.worker_names(arguments.workers)
    names = workers[0] if len(workers) == 1 else f"{workers[0]} to {workers[-1]}"
    others = f"router {topology.ROUTER}, controller {topology.CONTROLLER_NODE}"
    print(f"The lab is up: {others}, {names} ({time.monotonic() - began:.1f} s).")
    print(f"Inventory: {inventory}")
    return 0


def _log_of(folder: Folder) -> str:
    try:
        text = (folder.path / "log").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
    return f"\n{text}" if text else ""


def _write_entries(folder: Folder, workers: int) -> Path:
    """The inventory of this lab, beside the variables and scripts that the one in the checkout uses."""
    for name in ("group_vars", "common.sh", "enter.sh", "ssh.sh"):
        (folder.path / name).symlink_to(_LAB / name)
    names = topology.worker_names(workers)
    for name in (topology.ROUTER, topology.CONTROLLER_NODE, *names):
        (folder.path / "home" / name).mkdir(parents=True)
    secure_shell.prepare(folder.path, names)
    inventory = folder.path / "inventory.yml"
    inventory.write_text(topology.inventory(workers), encoding="ascii")
    return inventory


def _down(folder: Folder, _arguments: argparse.Namespace) -> int:
    if not folder.is_a_lab():
        raise LabError(f"no lab is up in {folder.path}")
    record = folder.record()
    was_up = record is not None and record.supervisor.is_running()
    if record is not None and not record.supervisor.kill(END_TIMEOUT):
        raise LabError(f"the lab's supervisor, pid {record.supervisor.pid}, does not end; it may wait for a disk")
    if folder.wait_until_free():
        folder.release()
    print("The lab is down." if was_up else "No lab was up; what an ended one had left is gone.")
    return 0


def _status(folder: Folder, _arguments: argparse.Namespace) -> int:
    record = folder.running()
    for name, process in {**record.nodes, "dns": record.dns}.items():
        print(f"{name:<5} {f'pid {process.pid}' if process.is_running() else 'ended'}")
    print(f"Dropped: {', '.join(map(str, _router(folder, record).drops())) or 'nothing'}")
    print(f"Inventory: {folder.path / 'inventory.yml'}")
    return 0


def _restart(folder: Folder, arguments: argparse.Namespace) -> int:
    record = folder.running()
    workers = topology.worker_names(record.workers)
    if arguments.worker not in workers:
        raise LabError(f"the lab has no worker '{arguments.worker}'; it has {workers[0]} to {workers[-1]}")
    router = _router(folder, record)
    drops = [drop for drop in router.drops() if drop.worker == arguments.worker]
    router.let_pass(drops)
    folder.replace_node(arguments.worker, restart(arguments.worker, Site(str(folder.path), record.overlay), record))
    router.drop(drops)
    print(f"{arguments.worker} is up again.")
    return 0


def _router(folder: Folder, record: Record) -> Router:
    if not record.nodes[topology.ROUTER].is_running():
        raise LabError("the router has ended; start afresh with: scripts/lab down; scripts/lab up")
    command = [str(_LAB / "enter.sh"), topology.ROUTER, "-c", 'exec "$0" "$@"']
    return Router(command, topology.worker_names(record.workers))


def _drop(folder: Folder, arguments: argparse.Namespace) -> int:
    record = folder.running()
    router = _router(folder, record)
    wanted = _wanted(arguments, record)
    if not wanted:
        raise LabError("say what to drop: a network, its gateway or an address; 'scripts/lab --help' lists them")
    router.drop(wanted)
    return _show_drops(router)


def _pass(folder: Folder, arguments: argparse.Namespace) -> int:
    record = folder.running()
    router = _router(folder, record)
    wanted = _wanted(arguments, record)
    if arguments.all == bool(wanted):
        raise LabError("say what to pass, or --all; 'scripts/lab status' lists what is dropped")
    router.let_pass(router.drops() if arguments.all else wanted)
    return _show_drops(router)


def _wanted(arguments: argparse.Namespace, record: Record) -> list[Drop]:
    return [parse(what, arguments.worker, topology.worker_names(record.workers)) for what in arguments.what]


def _show_drops(router: Router) -> int:
    print(f"Dropped: {', '.join(map(str, router.drops())) or 'nothing'}")
    return 0
