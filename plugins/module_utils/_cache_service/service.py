# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run: look, plan, change step by step with a way back, move the queries over."""

from __future__ import annotations

import contextlib
import difflib
import os
import pwd
import shutil
import time
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._cache_service import node, steer, text, units
from ansible_collections.kubenode.network.plugins.module_utils._cache_service.options import Options
from ansible_collections.kubenode.network.plugins.module_utils._state.files import read_file, write_file
from ansible_collections.kubenode.network.plugins.module_utils._state.model import FileState, StateError
from ansible_collections.kubenode.network.plugins.module_utils._state.system import run, systemd_runs_here

# What a process that serves has shown when it is still there: set-up errors and a forwarding loop end it sooner.
_STEADY_SECONDS = 0.3


class Undo:
    """The way back: what was done last is undone first."""

    def __init__(self) -> None:
        self._steps: list[tuple[str, t.Callable[[], None]]] = []

    def push(self, what: str, step: t.Callable[[], None]) -> None:
        self._steps.append((what, step))

    def back(self) -> list[str]:
        """What could not be undone."""
        failed = []
        for what, step in reversed(self._steps):
            try:
                step()
            except (StateError, OSError) as error:
                failed.append(f"{what}: {error}")
        return failed


class Plan(t.NamedTuple):
    """What a run finds and wants."""

    options: Options
    made: text.Made
    binary: node.Binary | None
    files: dict[str, tuple[str, int]]
    differing: dict[str, FileState]
    """Path -> what stands there, of the files that are not as they shall be."""
    before: str
    """The script as it stands."""
    live: str
    """The slot that serves; empty: none."""
    stray: str
    """A second slot that runs, left by a run that was cut short."""
    link: bool
    rules: bool
    watch: bool
    server: tuple[str, ...]
    """Why a new server is started; empty: the old one stays."""

    @property
    def actions(self) -> list[str]:
        """What is done, a sentence each."""
        found = [f"write {path}" for path in sorted(self.differing)]
        found += ["set up the interface and its addresses"] if self.link else []
        if self.server:
            found.append(f"{'move to a new server' if self.live else 'start a server'}: {', '.join(self.server)}")
        found += [f"stop server {self.stray}, left by a run that was cut short"] if self.stray else []
        found += ["set the rules"] if self.rules else []
        found += ["start the watch"] if self.watch else []
        return found


def present(options: Options, check_mode: bool, diff: bool) -> dict[str, t.Any]:
    """Have the cache run as declared. Raises StateError; the node is then as it was, or the error says what is not."""
    plan = _plan(options, check_mode)
    result: dict[str, t.Any] = {
        "changed": bool(plan.actions), "actions": plan.actions, "slot": plan.live, "rules": _value(plan, "BACKEND"),
        "findings": list(plan.made.findings), "warnings": list(plan.made.warnings), "corefile": plan.made.text,
    }  # fmt: skip
    if plan.binary is not None:
        result["version"] = plan.binary.version
    if diff:
        result["diff"] = _diff(plan)
    if not plan.actions or check_mode:
        return result
    undo = Undo()
    try:
        result["slot"], result["gapless"] = _apply(plan, undo, result["warnings"])
    except (StateError, OSError) as error:
        failed = undo.back()
        message = error.message if isinstance(error, StateError) else str(error)
        if failed:
            raise StateError(f"{message}. Not all could be put back: {'; '.join(failed)}", rolled_back=False) from error
        raise StateError(f"{message}. The node was put back as it was.", rolled_back=True) from error
    return result


def _value(plan: Plan, name: str) -> str:
    return node.value_of(plan.files[units.SCRIPT][0], name)


def _plan(options: Options, check_mode: bool) -> Plan:
    if not systemd_runs_here():
        raise StateError("systemd is not the first process of this node: the cache is made of its units")
    binary = node.binary(options.binary, options.binary_later and check_mode)
    found = read_file(units.COREFILE), read_file(units.RECORDS)
    made = text.edit(found[0].text or "", found[1].text or "", options, binary.plugins if binary else None)
    before = read_file(units.SCRIPT).text or ""
    live, stray = _slots()
    _check_kept(options, before)
    pids = [node.unit(units.instance(slot)).pid for slot in (live, stray) if slot]
    node.check_node(options, pids)
    wanted = units.files(
        options, node.backend(options.rules, node.value_of(before, "BACKEND")),
        os.path.isdir("/etc/systemd/network"), os.path.isdir("/etc/NetworkManager/conf.d"),
    )  # fmt: skip
    wanted[units.COREFILE] = (made.text, 0o644)
    wanted[units.RECORDS] = (made.records, 0o644)
    differing = {}
    for path, (content, mode) in wanted.items():
        there = read_file(path)
        if (there.text, there.mode, there.link) != (content, mode, None):
            differing[path] = there
    script = wanted[units.SCRIPT][0]
    return Plan(
        options, made, binary, wanted, differing, before, live, stray,
        link=not node.unit(units.LINK).runs or not node.check(script, "link"),
        rules=not node.unit(units.RULES).runs or not node.check(script, "rules"),
        watch=not node.unit(units.WATCH).runs or units.SCRIPT in differing,
        server=tuple(_reasons(options, made, binary, live, differing)),
    )  # fmt: skip


def _slots() -> tuple[str, str]:
    """The slot that serves, and a second one that runs beside it."""
    running = [slot for slot in units.SLOTS if node.unit(units.instance(slot)).runs]
    running.sort(key=lambda slot: not node.unit(units.instance(slot)).enabled)
    return (running[0] if running else "", running[1] if len(running) > 1 else "")


def _check_kept(options: Options, before: str) -> None:
    name = node.value_of(before, "INTERFACE")
    if name and name != options.interface:
        raise StateError(
            f"interface: the cache stands on {name}, and cannot be moved to {options.interface} while it serves: "
            "remove it first (state: absent)"
        )


def _reasons(
    options: Options, made: text.Made, binary: node.Binary | None, live: str, differing: t.Container[str]
) -> t.Iterator[str]:
    if not live:
        yield "none runs"
        return
    if options.restart:
        yield "restart"
    if read_file(units.corefile_of(live)).text != made.text:
        yield "the Corefile changes"
    if binary is not None and node.sha256(units.program_of(live)) != binary.sha256:
        yield f"the binary changes to CoreDNS {binary.version}"
    if f"{units.SYSTEM}/{units.USER}@.service" in differing:
        yield "its unit changes"
    if not node.unit(units.instance(live)).enabled:
        yield "its unit does not start at boot"


def _apply(plan: Plan, undo: Undo, warnings: list[str]) -> tuple[str, bool | None]:
    """All steps; the slot that serves in the end, and whether queries were moved without a gap."""
    _write(plan, undo)
    _user(undo)
    _link(plan, undo)
    if plan.stray:
        node.systemctl("disable", "--now", units.instance(plan.stray))
        _forget(plan.stray)
        if plan.live:
            steer.spread(node.unit(units.instance(plan.live)).pid)
    slot, gapless = plan.live, None
    steering: steer.Steering | None = None
    if plan.server:
        slot = _start(plan, undo)
        if plan.live:
            steering = _try(plan, slot, undo, warnings)
            gapless = steering is not None
    _rules(plan, undo)
    if plan.watch:
        stood = node.unit(units.WATCH)
        if not stood.runs:
            undo.push("watch", lambda: node.systemctl("disable", "--now", units.WATCH))
        node.systemctl("enable", units.WATCH)
        node.systemctl("restart", units.WATCH)
    if plan.server:
        _hand_over(plan, slot, steering, undo)
    with contextlib.suppress(StateError):
        node.script("link", "prune")
    return slot, gapless


def _write(plan: Plan, undo: Undo) -> None:
    reload = any(path.startswith(units.SYSTEM + "/") for path in plan.differing)
    if reload:
        undo.push("daemon-reload", lambda: node.systemctl("daemon-reload"))
    for path, there in plan.differing.items():
        content, mode = plan.files[path]
        undo.push(path, lambda path=path, there=there: write_file(path, there))  # type: ignore[misc]
        write_file(path, FileState(content, mode))
    if reload:
        node.systemctl("daemon-reload")
    if units.NETWORKMANAGER_PATH in plan.differing and node.unit("NetworkManager.service").runs:
        run(["nmcli", "general", "reload", "conf"])


def _user(undo: Undo) -> None:
    if not _has_user():
        undo.push(f"user {units.USER}", forget_user)
        make_user()


def _has_user() -> bool:
    try:
        pwd.getpwnam(units.USER)
    except KeyError:
        return False
    return True


def make_user() -> None:
    """Make the servers' user where there is none. Raises StateError."""
    if not _has_user():
        run(["systemd-sysusers", units.USER_FILE])


def forget_user() -> None:
    """Delete the servers' user where there is one. Raises StateError."""
    if _has_user():
        run(["userdel", units.USER])


def _link(plan: Plan, undo: Undo) -> None:
    stood = node.unit(units.LINK)
    if not stood.runs:
        undo.push("interface", lambda: node.systemctl("disable", "--now", units.LINK))
        node.systemctl("enable", units.LINK)
        try:
            node.systemctl("start", units.LINK)
        except StateError:
            said = node.journal(units.LINK)
            other = "; this kernel has no such kind: choose another interface_type" if "device type" in said else ""
            raise StateError(
                f"interface {plan.options.interface} ({plan.options.interface_type}) could not be made: {said}{other}"
            ) from None
        return
    if plan.before:
        undo.push("addresses", lambda: node.run_text(plan.before, "link", "prune"))
    if plan.link:
        node.script("link", "up")


def _start(plan: Plan, undo: Undo) -> str:
    """Start the other slot's server beside the live one, and wait until it listens everywhere; its slot."""
    slot = next(one for one in units.SLOTS if one != plan.live)
    name, program = units.instance(slot), units.program_of(slot)
    undo.push(f"files of server {slot}", lambda: _forget(slot))
    os.makedirs(os.path.dirname(program), mode=0o755, exist_ok=True)
    shutil.copyfile(plan.options.binary, program + ".new")
    os.chmod(program + ".new", 0o755)  # noqa: S103 - the server's own user has to run it
    os.rename(program + ".new", program)
    with contextlib.suppress(StateError):
        # Where SELinux is: the label that its policy has for the place.
        run(["restorecon", program])
    write_file(units.corefile_of(slot), FileState(plan.made.text, 0o644))
    undo.push(f"server {slot}", lambda: node.systemctl("disable", "--now", name))
    with contextlib.suppress(StateError):
        node.systemctl("reset-failed", name)
    node.systemctl("start", name)
    end = time.monotonic() + plan.options.wait_timeout
    lacking: list[str] = []
    steady = 0.0
    while time.monotonic() < end:
        stands = node.unit(name)
        if stands.restarts or stands.active == "failed":
            raise StateError(f"the new server (CoreDNS {_version(plan)}) does not come up: {node.journal(name)}")
        lacking = steer.missing(stands.pid, plan.options.local_ips) if stands.pid else ["it has no process"]
        if lacking:
            steady = 0.0
        elif not steady:
            steady = time.monotonic()
        elif time.monotonic() - steady >= _STEADY_SECONDS:
            break
        time.sleep(0.05)
    else:
        raise StateError(
            f"the new server does not listen on {', '.join(lacking)} after {plan.options.wait_timeout} s: "
            f"{node.journal(name)}"
        )
    # The live one is asked after in its own way, as this would reach either.
    if not plan.live and not steer.ask(plan.options.local_ips[0], 0x4B4E, 5.0):
        raise StateError(f"the new server does not answer on {plan.options.local_ips[0]}: {node.journal(name)}")
    return slot


def _version(plan: Plan) -> str:
    return plan.binary.version if plan.binary else "?"


def _try(plan: Plan, slot: str, undo: Undo, warnings: list[str]) -> steer.Steering | None:
    """Ask the new server, and it alone; None where the kernel lets nobody steer."""
    addresses = [one for one in plan.options.local_ips if not steer.missing(_pid(plan.live), [one])]
    try:
        steering = steer.Steering(_pid(plan.live), addresses[:1])
    except StateError as error:
        warnings.append(
            f"queries could not be moved to the new server one by one ({error.message}): those that the old one had "
            "not read when it ended were lost, and their askers try again"
        )
        return None
    undo.push("queries of the old server", steering.close)
    undo.push("queries to the old server", steering.to_old)
    if addresses and not steering.try_new():
        raise StateError(f"the new server does not answer on {addresses[0]}: {node.journal(units.instance(slot))}")
    return steering


def _pid(slot: str) -> int:
    return node.unit(units.instance(slot)).pid


def _rules(plan: Plan, undo: Undo) -> None:
    if not plan.rules and units.SCRIPT not in plan.differing:
        return
    stood = node.unit(units.RULES)
    if not stood.runs:
        undo.push("rules", lambda: node.systemctl("stop", units.RULES))
        try:
            node.systemctl("start", units.RULES)
        except StateError as error:
            raise StateError(f"the rules could not be set: {node.journal(units.RULES)}") from error
        if node.check(plan.files[units.SCRIPT][0], "rules"):
            return
    if plan.before:
        undo.push("rules", lambda: node.run_text(plan.before, "rules", "up"))
        _drop_stale(plan)
    node.script("rules", "up")


def _drop_stale(plan: Plan) -> None:
    """Rules of the old script that the new one does not know."""
    old, new = plan.before, plan.files[units.SCRIPT][0]
    if any(node.value_of(old, name) != node.value_of(new, name) for name in ("BACKEND", "HEALTH_PORT")):
        node.run_text(old, "rules", "down")
        return
    kept = node.value_of(new, "ADDRESSES").split()
    held = node.value_of(old, "ADDRESSES")
    gone = " ".join(one for one in held.split() if one not in kept)
    if gone and node.value_of(old, "BACKEND") == "iptables":
        node.run_text(old.replace(f"ADDRESSES='{held}'", f"ADDRESSES='{gone}'"), "rules", "down")


def _hand_over(plan: Plan, slot: str, steering: steer.Steering | None, undo: Undo) -> None:
    node.systemctl("enable", units.instance(slot))
    if not plan.live:
        return
    old = units.instance(plan.live)
    undo.push(f"server {plan.live} at boot", lambda: node.systemctl("enable", old))
    node.systemctl("disable", old)
    if steering is not None:
        steering.to_new()
        # Borrowed sockets stay open when their server ends, and the kernel would go on choosing them.
        steering.close()
    # From here on there is no way back: the new server has answered, and has all queries.
    with contextlib.suppress(StateError):
        node.systemctl("stop", old)
    steer.spread(_pid(slot))
    _forget(plan.live)


def _forget(slot: str) -> None:
    for path in (units.corefile_of(slot), units.program_of(slot), units.program_of(slot) + ".new"):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
    for folder in (f"{units.PROGRAMS}/{slot}", units.PROGRAMS, os.path.dirname(units.PROGRAMS)):
        with contextlib.suppress(OSError):
            os.rmdir(folder)


def _diff(plan: Plan) -> dict[str, str]:
    shown: list[str] = []
    for path, there in sorted(plan.differing.items()):
        shown += difflib.unified_diff(
            (there.text or "").splitlines(keepends=True), plan.files[path][0].splitlines(keepends=True),
            f"before: {path}", f"after: {path}",
        )  # fmt: skip
    shown += [f"# {action}\n" for action in plan.actions if not action.startswith("write ")]
    return {"prepared": "".join(line if line.endswith("\n") else line + "\n" for line in shown)}
