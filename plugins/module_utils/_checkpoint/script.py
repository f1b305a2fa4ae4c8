# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way back of one plan, as files that ``shell.UNDO`` carries out. Pure.

A plan may have been carried out in part. So every inverse is harmless where its change was not made; and since the
kernel's delete is a wildcard that may take what the change did not reach, all of ours that stood at the same place is
made once more at the end. Objects of others are made again only where a step of ours can have taken them along.
"""

from __future__ import annotations

import shlex
import struct
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._netlink import match
from ansible_collections.kubenode.network.plugins.module_utils._netlink.constants import (
    AF_INET,
    AF_INET6,
    IFA_F_SECONDARY,
    KUBENODE_PROTOCOL,
    RT_PROTOS,
)
from ansible_collections.kubenode.network.plugins.module_utils._netlink.objects import Address, Link, Route, Rule
from ansible_collections.kubenode.network.plugins.module_utils._state import iproute2
from ansible_collections.kubenode.network.plugins.module_utils._state.execute import followers
from ansible_collections.kubenode.network.plugins.module_utils._state.files import below, encode
from ansible_collections.kubenode.network.plugins.module_utils._state.model import Change, FileState, State, StateError
from ansible_collections.kubenode.network.plugins.module_utils._state.verify import kernel_made, scope_of

_BATCHED = frozenset(("address", "route", "rule"))
# What can be made at all; a physical NIC or a pod's veth is not ours to make.
_MADE_BY_US = frozenset(("dummy", "vlan", "bond", "bridge", "vrf", "macvlan"))
# ip/iproute.c, ip/iprule.c: what a saved dump starts with; then netlink messages as the kernel writes them.
_MAGIC = {"route": 0x45311224, "rule": 0x71706986}
_NLMSGHDR = struct.Struct("=IHHII")
_STATIC = RT_PROTOS["static"]

OwnerOf = t.Callable[[str], str]


class Step:
    """Files of one step, by their names in its folder; ``undo.sh`` is complete once ``finish`` was called."""

    def __init__(self, root: str = "/", owner_of: OwnerOf = lambda _path: "0:0") -> None:
        self.files: dict[str, bytes] = {"made-addresses": b""}
        self.root = root
        self._owner_of = owner_of
        self._lines: list[str] = []
        self._numbers = 0

    def call(self, function: str, *words: object) -> None:
        self._lines.append(" ".join([function, *(shlex.quote(str(word)) for word in words)]))

    def number(self) -> int:
        self._numbers += 1
        return self._numbers

    def file(self, path: str, before: FileState, after: FileState | None) -> None:
        """``after`` None: whatever stands there is overwritten."""
        number = self.number()
        for which, state in (("before", before), ("after", after)):
            if state is None:
                continue
            if state.link is not None:
                self.files[f"files/{number}.{which}.link"] = state.link.encode("utf-8", "surrogateescape")
            elif state.text is not None:
                self.files[f"files/{number}.{which}"] = encode(state.text)
        full = below(path, self.root)
        words: list[object] = [number, full, f"{before.mode:o}", self._owner_of(full)]
        self.call("file_back", *words, *(["any"] if after is None else []))

    def folder(self, path: str) -> None:
        """A folder that is not there yet."""
        self.call("folder_back", below(path, self.root))

    def command(self, argv: t.Iterable[str]) -> None:
        self.call("run_back", *argv)

    def batch(self, name: str, lines: t.Iterable[str]) -> None:
        """Add lines to the batch ``name``; ``ensure`` is the last one, whose errors are told."""
        for some, suffix in zip(iproute2.split(lines), ("", "-6")):
            if some:
                key = f"{name}{suffix}.batch"
                text = "\n".join([*some, ""]).encode("utf-8", "surrogateescape")
                self.files[key] = self.files.get(key, b"") + text

    def finish(self, header: str) -> dict[str, bytes]:
        text = "\n".join(["# shellcheck shell=sh", f"# {header}", *self._lines, ""])
        return {**self.files, "undo.sh": text.encode("utf-8", "surrogateescape")}


def undo_of(step: Step, changes: t.Sequence[Change], before: State, missing_folders: t.Iterable[str] = ()) -> None:
    """Write the way back of ``changes``, which were planned on ``before``, into ``step``.

    ``missing_folders``: those of the files that are made, innermost first. Raises StateError for what cannot be put
    back from a shell.
    """
    backwards = [change.inverse() for change in reversed(changes)]
    for change in backwards:
        if change.kind == "file":
            step.file(change.name, change.after, change.before)
    for folder in missing_folders:
        step.folder(folder)
    for change in backwards:
        if change.kind == "activate" and change.after is not None:
            for command in change.after.commands:
                step.command(command)
    _Kernel(step, changes, before).write(backwards)


class _Kernel:
    def __init__(self, step: Step, changes: t.Sequence[Change], before: State) -> None:
        self._step = step
        self._changes = changes
        self._before = before
        self._raw: dict[str, list[bytes]] = {}
        self._managed = {
            name for change in changes if change.kind == "activate" and change.after is not None
            for name in change.after.interfaces
        }  # fmt: skip

    def write(self, backwards: t.Sequence[Change]) -> None:
        step = self._step
        flushing = any(_flushes(change) for change in backwards)
        if flushing:
            made = [change.before for change in backwards if change.kind == "address" and change.before is not None]
            # As `ip -o address show` has it in its fourth column.
            shown = [f"{one.address}" if one.peer else f"{one.address}/{one.prefix_length}" for one in made]
            text = "".join(f"{one.interface} {words}\n" for one, words in zip(made, shown))
            step.files["made-addresses"] = text.encode("utf-8", "surrogateescape")
            step.call("others_saved")
        run: list[str] = []
        for change in backwards:
            if change.kind in _BATCHED:
                run += self._lines_of(change)
                continue
            if run:
                self._batch(run)
                run = []
            if change.kind == "link":
                self._link(change)
            elif change.kind == "sysctl":
                self._sysctl(change)
            elif change.kind == "nft":
                self._nft(change)
        if run:
            self._batch(run)
        if flushing:
            # One that was put back behind ours went with it; the routes of others need it.
            again = [line for change in backwards if change.kind == "address" and change.after is not None
                     for line in self._made("address", change.after)]  # fmt: skip
            if again:
                self._batch(again)
            step.call("others_back")
        self._ensure(backwards)

    def _batch(self, lines: t.Sequence[str]) -> None:
        name = f"kernel-{self._step.number()}"
        self._step.batch(name, lines)
        self._step.call("batch", name)

    # --- addresses, routes, rules ---

    def _lines_of(self, change: Change) -> list[str]:
        """An inverse: ``before`` is what the plan made, ``after`` what was there."""
        kind, _name, made, was = change[:4]
        gone = self._deleted(kind, made) if made is not None else []
        if was is None:
            return gone
        if kind == "route" and was.family == AF_INET6 and made is not None:
            # Next hops in their order, whichever of them are there.
            return gone + self._deleted(kind, was) + self._made(kind, was)
        if kind == "address":
            return gone + self._made(kind, was) + self._secondaries(was)
        return gone + self._made(kind, was)

    def _deleted(self, kind: str, value: t.Any) -> list[str]:
        lines = iproute2.delete(kind, value)
        if self._managed and kind in ("route", "rule"):
            # A manager may have made it instead of us; NetworkManager and networkd say `static`.
            twin = value._replace(protocol=_STATIC)
            held: t.Any = self._before.routes if kind == "route" else self._before.rules
            if twin not in held.get(twin.key, ()):
                lines = lines + iproute2.delete(kind, twin)
        return lines

    def _made(self, kind: str, value: t.Any) -> list[str]:
        try:
            if kind != "route":
                return iproute2.add(kind, value)
            stood = self._before.routes.get(value.key, ())
            if value.family == AF_INET and len(stood) > 1 and stood[0] == value:
                return [iproute2.route_line(value, "prepend")]
            return iproute2.route_appended(value)
        except StateError:
            # The kernel's own bytes say what iproute2 has no words for.
            self._raw_route(value) if kind == "route" else self._raw_rule(value)
            return []

    def _secondaries(self, primary: Address) -> list[str]:
        """Others of its network that were behind it come behind it again."""
        lines = []
        for other in self._before.addresses.values():
            if (
                primary.family == AF_INET
                and not primary.flags & IFA_F_SECONDARY
                and other.flags & IFA_F_SECONDARY
                and (other.interface, other.family, other.prefix_length)
                == (primary.interface, AF_INET, primary.prefix_length)
                and _network(other) == _network(primary)
            ):
                lines += iproute2.delete("address", other) + iproute2.add("address", other)
        return lines

    def _raw_route(self, route: Route) -> None:
        from ansible_collections.kubenode.network.plugins.module_utils._netlink.routes import encode_append

        indexes = {name: link.index for name, link in self._before.links.items()}
        self._raw.setdefault("route", []).append(_message(encode_append(route, indexes)))

    def _raw_rule(self, rule: Rule) -> None:
        from ansible_collections.kubenode.network.plugins.module_utils._netlink.rules import encode_rule_add

        self._raw.setdefault("rule", []).append(_message(encode_rule_add(rule, exclusive=False)))

    def _ensure(self, backwards: t.Sequence[Change]) -> None:
        lost = [line for kind, value in self._taken_along() for line in self._made(kind, value)]
        if lost:
            self._step.batch("replay", lost)
            self._step.call("ensure", "replay", "halfway")
        lines: list[str] = []
        for change in backwards:
            if change.kind == "address" and change.after is not None:
                lines += self._made("address", change.after)
        lines += self._rules()
        routes = dict.fromkeys(change.after for change in backwards if change.kind == "route" and change.after)
        scope = scope_of([change for change in self._changes if change.kind == "route"])
        for held in self._before.routes.values():
            for route in held:
                place = (route.family, route.table, route.destination)
                if route.protocol == KUBENODE_PROTOCOL and place in scope.routes:
                    routes.setdefault(route)
        # Link scope before the gateways that are reached through it.
        for route in sorted(routes, key=lambda route: -int(route.scope)):
            lines += self._made("route", route)
        lines = list(dict.fromkeys(lines))
        for what, messages in self._raw.items():
            self._step.files[f"ensure.{what}"] = struct.pack("=I", _MAGIC[what]) + b"".join(dict.fromkeys(messages))
        if lines:
            self._step.batch("ensure", lines)
            self._step.call("ensure", "ensure")
        for what in self._raw:
            self._step.call("raw", "ensure", what)

    def _rules(self) -> list[str]:
        """Ours of each priority that the plan touches, in their order: the first match counts."""
        lines: list[str] = []
        scope = scope_of([change for change in self._changes if change.kind == "rule"])
        foreign = [
            change.before for change in self._changes
            if change.kind == "rule" and change.before is not None and change.before.protocol != KUBENODE_PROTOCOL
        ]  # fmt: skip
        for place in sorted(scope.rules):
            stood = [
                rule for held in self._before.rules.values() for rule in held if (rule.family, rule.priority) == place
            ]
            wanted = [rule for rule in stood if rule.protocol == KUBENODE_PROTOCOL or rule in foreign]
            ours = [rule for rule in wanted if rule.protocol == KUBENODE_PROTOCOL]
            if len(ours) > 1:
                # Taken out and made again in a row, a batch of a few microseconds.
                again = [line for rule in ours for line in iproute2.delete("rule", rule)]
                self._step.batch("order", again)
                self._step.call("batch", "order")
            there: list[Rule] = [rule for rule in stood if rule not in wanted]
            for rule in wanted:
                if match.first_equal_rule(rule, there) not in (None, rule):
                    # `ip rule add` is refused for one that only looks alike; a dump that is restored is not.
                    self._raw_rule(rule)
                    if len(ours) < 2:
                        self._step.batch("order", iproute2.delete("rule", rule))
                        self._step.call("batch", "order")
                else:
                    lines += self._made("rule", rule)
                there.append(rule)
        return lines

    def _taken_along(self) -> list[tuple[str, t.Any]]:
        """What the kernel drops with the plan's own steps, and may not have been put back when the plan broke off."""
        dropping = [change for change in self._changes if _drops(change)]
        if not dropping:
            return []
        scope = scope_of(dropping, self._before)
        made = {change.before for change in self._changes if change.before is not None and change.kind in _BATCHED}
        closed = {change.name for change in dropping if change.kind == "link"}
        found: list[tuple[str, t.Any]] = [
            ("address", address) for address in self._before.addresses.values()
            if address.interface in scope.interfaces and not kernel_made("address", address)
        ]  # fmt: skip
        routes = []
        for held in self._before.routes.values():
            for route in held:
                if kernel_made("route", route) or route in made:
                    continue
                hops = {hop.interface for hop in route.next_hops}
                if route.source in scope.sources or hops & scope.interfaces or hops & closed:
                    routes.append(route)
        routes.sort(key=lambda route: -int(route.scope))
        return found + [("route", route) for route in routes]

    # --- the rest ---

    def _lines_file(self, lines: t.Sequence[str]) -> int:
        number = self._step.number()
        text = "".join(f"{line}\n" for line in lines)
        self._step.files[f"link-{number}.lines"] = text.encode("utf-8", "surrogateescape")
        return number

    def _link(self, change: Change) -> None:
        made: Link | None = change.before
        was: Link | None = change.after
        if was is None and made is not None:
            self._step.call("link_gone", made.name, made.kind)
        elif was is not None and made is None:
            if was.kind in _MADE_BY_US:
                self._step.call("link_made", was.name, self._lines_file(iproute2.add_link(was)))
        elif was is not None and made is not None:
            old = dict(made.data)
            lines = iproute2.link_options(was, [pair for pair in was.data if old.get(pair[0]) != pair[1]])
            lines += self._set_lines(made, was)
            if lines:
                self._step.call("link_set", self._lines_file(lines))

    def _set_lines(self, made: Link, was: Link) -> list[str]:
        """Only what the plan changes."""
        parts = was._replace(mac=was.mac if made.mac != was.mac else None, mtu=was.mtu if made.mtu != was.mtu else 0)
        if made.master == was.master:
            lines = [line for line in iproute2.set_link(parts) if line.split()[4] not in ("master", "nomaster")]
        else:
            lines = iproute2.set_link(parts)
            master = self._before.links.get(was.master or "")
            if master is not None and master.kind == "bond":
                # A bond refuses ports that are up.
                lines.insert(0, iproute2.set_link(was._replace(up=False))[-1])
        if made.master == was.master and made.up == was.up:
            lines = lines[:-1]
        return lines

    def _sysctl(self, change: Change) -> None:
        made, was = change.before, change.after
        if was is None or made is None:
            return
        from ansible_collections.kubenode.network.plugins.module_utils._state.sysctl import read

        number = self._step.number()
        self._step.call("sysctl_back", number, _proc(change.name, self._step), was, made)
        for key in followers(change.name, self._step.root):
            value = read(key, self._step.root)
            if value is not None:
                self._step.call("follower_back", number, _proc(key, self._step), value)

    def _nft(self, change: Change) -> None:
        from ansible_collections.kubenode.network.plugins.module_utils._state import nft

        self._step.files["nft"] = nft.replacing(change.after).encode("utf-8", "surrogateescape")
        self._step.call("nft_back")


def _flushes(change: Change) -> bool:
    """Whether an inverse may make the kernel drop what others have."""
    return (change.kind == "address" and change.before is not None) or change.kind == "link" or _disables(change)


def _drops(change: Change) -> bool:
    """The same of a step of the plan."""
    return (change.kind in ("address", "link") and change.before is not None) or _disables(change)


def _disables(change: Change) -> bool:
    return change.kind == "sysctl" and change.name.endswith(".disable_ipv6")


def _network(address: Address) -> t.Any:
    import ipaddress

    return ipaddress.ip_interface(f"{address.address}/{address.prefix_length}").network


def _proc(key: str, step: Step) -> str:
    from ansible_collections.kubenode.network.plugins.module_utils._state.sysctl import path_of

    return path_of(key, step.root)


def _message(message: tuple[int, int, bytes]) -> bytes:
    number, flags, body = message
    padding = -len(body) % 4
    return _NLMSGHDR.pack(_NLMSGHDR.size + len(body), number, flags, 0, 0) + body + bytes(padding)
