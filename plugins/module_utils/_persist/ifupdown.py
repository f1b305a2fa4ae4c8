# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ifupdown: a stanza of our own per NIC, and what dhclient takes of a lease, in a hook of ours.

The stanzas stand in a folder of ours that a line at the end of /etc/network/interfaces includes: several stanzas of a
NIC are carried out in the order in which they are read, and ours lean on the addresses of the others. The kernel gets
all of it from us; ``ifdown`` and ``ifup`` are never called.
"""

from __future__ import annotations

import ipaddress
import os
import re
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._netlink.constants import AF_INET
from ansible_collections.kubenode.network.plugins.module_utils._netlink.objects import Route
from ansible_collections.kubenode.network.plugins.module_utils._persist import ifupdown_files
from ansible_collections.kubenode.network.plugins.module_utils._persist.contract import (
    Command,
    Configuration,
    Nic,
)
from ansible_collections.kubenode.network.plugins.module_utils._persist.ifupdown_files import Option, Stanza
from ansible_collections.kubenode.network.plugins.module_utils._resolver import blocks
from ansible_collections.kubenode.network.plugins.module_utils._state import iproute2
from ansible_collections.kubenode.network.plugins.module_utils._state.files import below, read_file
from ansible_collections.kubenode.network.plugins.module_utils._state.model import FileState, State, StateError
from ansible_collections.kubenode.network.plugins.module_utils._state.system import systemd_runs_here

FOLDER = "/etc/network/kubenode-network.d/"
# No dot in the name: run-parts(8) passes others over.
HOOK = "/etc/dhcp/dhclient-enter-hooks.d/kubenode-network"
_INCLUDE = f"source {FOLDER}*"
_HEADER = "# Written by kubenode.network, and overwritten by it.\n"

# Hooks of ifupdown that hand dns-nameservers to a resolver; systemd-resolved's (in Debian 12) fails.
_DNS_HOOKS = ("/etc/network/if-up.d/000resolvconf",)
# dhclient-script(8): what a hook unsets here is not taken. Per part of a lease, in the order of ``Dhcp``.
_LEASE4 = {
    "routes": "new_rfc3442_classless_static_routes new_ms_classless_static_routes new_static_routes",
    "gateway": "new_routers",
    "dns": "new_domain_name_servers new_domain_search new_domain_name",
}
_LEASE6 = {"dns": "new_dhcp6_name_servers new_dhcp6_domain_search"}


def path_of(name: str) -> str:
    return FOLDER + name


def configure(
    previous: t.Mapping[str, Nic], wanted: t.Mapping[str, Nic], state: State, root: str, on_conflict: str
) -> Configuration:
    """See ``contract``."""
    found = ifupdown_files.read(root)
    files: dict[str, FileState] = {}
    kept: list[str] = []
    conflicts: list[str] = []
    edits: dict[str, list[Option]] = {}
    left: list[tuple[str, t.Any]] = []
    activate: list[Command] = []
    restore: list[Command] = []
    drops: list[Route] = []
    hook = _hook_lines(read_file(HOOK, root).text or "")
    for name in sorted({*previous, *wanted}):
        nic = wanted.get(name)
        theirs = found.of(name, FOLDER)
        text = None
        hook.pop(name, None)
        if nic is not None:
            conflicts += _conflicts(nic, theirs, on_conflict == "replace", edits)
            text, unexpressed = stanza(nic, theirs, root)
            left += unexpressed
            lines = _lease_lines(nic)
            if lines:
                hook[name] = lines
            if nic.dhcp4 is not None and not nic.dhcp4.gateway:
                drops += _leased(name, state, root)
        back, there = _runtime(name, previous.get(name), nic, theirs, root)
        restore += back
        activate += there
        _differs(files, kept, path_of(name), FileState(text), root)
    if conflicts:
        raise StateError("\n".join(conflicts))
    for path, options in edits.items():
        files[path] = read_file(path, root)._replace(text=ifupdown_files.without(found.texts[path], options))
    _differs(files, kept, HOOK, FileState(_hook_text(hook)), root)
    if files:
        _include(files, root)
    watched = ("/etc/network/interfaces.d/", *(path for path in found.texts if not path.startswith(FOLDER)))
    if activate and root == "/" and not systemd_runs_here():
        raise StateError(
            f"{', '.join(sorted({*previous, *wanted}))}: the servers of an interface are handed to resolvconf, but "
            "this is not the node's own system (another node's /run is seen): expected systemd as process 1"
        )
    return Configuration(
        files, tuple(activate) if files else (), tuple(restore) if files else (), tuple(left), watched=watched,
        kept=tuple(kept), drops=tuple(drops),
    )  # fmt: skip


def stanza(nic: Nic, theirs: t.Sequence[Stanza], root: str) -> tuple[str | None, list[tuple[str, t.Any]]]:
    """(text of our file for a NIC or None, what iproute2 has no words for)"""
    up: list[str] = []
    down: list[str] = []
    left: list[tuple[str, t.Any]] = []
    if nic.mtu is not None:
        up.append(f"ip link set dev {nic.name} mtu {nic.mtu}")
    if nic.up is False:
        up.append(f"ip link set dev {nic.name} down")
    objects: list[tuple[str, t.Any]] = [("address", one) for one in nic.addresses]
    objects += [("route", one) for one in nic.routes] + [("rule", one) for one in nic.rules]
    for kind, one in objects:
        if _declared(kind, one, theirs):
            continue
        try:
            adds, deletes = iproute2.add(kind, one), iproute2.delete(kind, one)
        except StateError:
            left.append((kind, one))
            continue
        up += _commands(adds)
        if kind != "route" or not any(hop.interface for hop in one.next_hops):
            # The kernel takes routes away with the link that they lead over, and neither rules nor addresses.
            down[:0] = _commands(deletes)
    family, dns = _family(nic, theirs)
    if nic.resolver is not None:
        _check_dns(nic, root)
        dns = [("dns-nameservers", " ".join(nic.resolver.servers or ()))]
        dns += [("dns-search", " ".join(nic.resolver.search or ()))]
    lines = [f"    {option} {value}" for option, value in dns if value]
    lines += [f"    up {line} || true" for line in up] + [f"    down {line} || true" for line in down]
    if not (up or down or nic.resolver):
        return None, left
    return "\n".join([f"{_HEADER}iface {nic.name} {family} manual", *lines, ""]), left


def _commands(lines: t.Iterable[str]) -> list[str]:
    plain, six = iproute2.split(lines)
    return [f"ip {line}" for line in plain] + [f"ip -6 {line}" for line in six]


def _family(nic: Nic, theirs: t.Sequence[Stanza]) -> tuple[str, list[tuple[str, str]]]:
    """(family of our stanza, options for resolvconf that stand there already)

    resolvconf's hook keeps one record per NIC and family, and clears it for a stanza without servers: ours takes the
    family that has none, else it says the same again.
    """
    options: dict[str, list[tuple[str, str]]] = {"inet6": [], "inet": []}
    for one in theirs:
        said = [(option.name, option.value) for option in one.options if option.name.startswith("dns-")]
        options.setdefault(one.family, []).extend(said)
    del nic
    family = next((name for name in ("inet6", "inet") if not options[name]), "inet")
    return family, options[family]


def _check_dns(nic: Nic, root: str) -> None:
    if nic.resolver is not None and nic.resolver.options:
        raise StateError(
            f"interface {nic.name}: options of the resolver ({' '.join(nic.resolver.options)}) for one interface: "
            "ifupdown knows servers and search domains only; declare them for the whole node (without interface)"
        )
    if not any(os.path.exists(below(one, root)) for one in _DNS_HOOKS):
        raise StateError(
            f"interface {nic.name}: DNS servers of one interface: ifupdown hands them to resolvconf or openresolv, and "
            "found is neither of them: install one, or declare the servers for the whole node (without interface)"
        )


# --- what stanzas of others say ---------------------------------------------------------------------------------------


class _Contrary(t.NamedTuple):
    place: Stanza
    option: Option
    wanted: str
    removable: bool = True
    """Whether a stanza without the line still makes sense."""


def _conflicts(nic: Nic, theirs: t.Sequence[Stanza], replace: bool, edits: dict[str, list[Option]]) -> t.Iterator[str]:
    """What stanzas of others say against ours, in words; where it shall be replaced, its lines go into ``edits``."""
    for found in _contraries(nic, theirs):
        if replace and found.removable:
            edits.setdefault(found.place.file, []).append(found.option)
            continue
        more = ", or say on_conflict: replace" if found.removable else ""
        yield (
            f"interface {nic.name}: {found.place.file}:{found.option.line} says {found.option.name} "
            f"{found.option.value}, wanted is {found.wanted}: take the line out{more}"
        )
    yield from _leases(nic, theirs)


def _contraries(nic: Nic, theirs: t.Sequence[Stanza]) -> t.Iterator[_Contrary]:
    removed = [value for kind, value in nic.removed if kind == "route"]
    for one in theirs:
        for option in one.values("mtu"):
            if nic.mtu is not None and option.value != str(nic.mtu):
                yield _Contrary(one, option, f"mtu {nic.mtu}")
        for option, route in _routes(one):
            other = [
                wanted for wanted in nic.routes if _key(wanted) == route[:3] and not _same_hop(wanted, route[3])
            ]  # fmt: skip
            if other:
                yield _Contrary(one, option, " ".join(iproute2.add("route", other[0])))
            elif any(_key(gone) == route[:3] and _same_hop(gone, route[3]) for gone in removed):
                yield _Contrary(one, option, "no such route")
        for kind, gone in nic.removed:
            for option in one.values("address") if kind == "address" and _declared(kind, gone, [one]) else ():
                yield _Contrary(one, option, "no such address", removable=False)


def _leases(nic: Nic, theirs: t.Sequence[Stanza]) -> t.Iterator[str]:
    for name, dhcp in (("inet", nic.dhcp4), ("inet6", nic.dhcp6)):
        asked = [one for one in theirs if one.family == name and one.method in ("dhcp", "auto")]
        if dhcp is None or dhcp.enabled is None or bool(asked) == dhcp.enabled:
            continue
        place = asked[0] if asked else next((one for one in theirs if one.family == name), None)
        where = f"{place.file}:{place.line} says iface {nic.name} {name} {place.method}" if place else "nothing says so"
        yield (
            f"interface {nic.name}: DHCP of {name} shall be {'on' if dhcp.enabled else 'off'}, and {where}: ifupdown "
            "changes that only by taking the interface down. Correct the stanza, and run ifdown and ifup when the "
            "node can spare it"
        )


def _key(route: Route) -> tuple[int, str, int]:
    return (route.table, route.destination, route.metric)


_Hop = tuple[str, str]


def _routes(one: Stanza) -> t.Iterator[tuple[Option, tuple[int, str, int, _Hop]]]:
    """(option, (table, destination, metric, (gateway, interface))) of the routes that a stanza makes."""
    for option in one.options:
        if option.name == "gateway":
            destination = "::/0" if ":" in option.value else "0.0.0.0/0"
            metric = next((item.value for item in one.values("metric")), "1024" if ":" in option.value else "0")
            yield option, (254, destination, _number(metric), (option.value.split()[0] if option.value else "", ""))
        elif option.name in ("up", "post-up", "pre-up"):
            found = _ip_route(option.value)
            if found is not None:
                yield option, found


def _ip_route(line: str) -> tuple[int, str, int, _Hop] | None:
    """A plain ``ip route add``; None for any other command."""
    words = re.split(r"\s+", re.sub(r"(\|\||&&|;|>).*", "", line).strip())
    if not words or os.path.basename(words[0]) != "ip":
        return None
    six = "-6" in words[1:2]
    words = [word for word in words[1:] if not word.startswith("-")]
    if words[:1] not in (["route"], ["r"], ["ro"]) or words[1:2] not in (["add"], ["replace"], ["append"], ["change"]):
        return None
    rest = words[2:]
    if rest[:1] == ["unicast"]:
        rest = rest[1:]
    if not rest:
        return None
    pairs = dict(zip(rest[1::2], rest[2::2]))
    destination = _destination(rest[0], six)
    default = 1024 if ":" in destination else 0
    tables = {"main": 254, "default": 253, "local": 255}
    table = pairs.get("table", "main")
    metric = _number(pairs.get("metric", ""), default)
    return tables.get(table, _number(table, -1)), destination, metric, (pairs.get("via", ""), pairs.get("dev", ""))


def _destination(text: str, six: bool) -> str:
    if text == "default":
        return "::/0" if six else "0.0.0.0/0"
    try:
        return str(ipaddress.ip_network(text, strict=False))
    except ValueError:
        return text


def _same_hop(wanted: Route, hop: _Hop) -> bool:
    gateway, interface = hop
    return (
        any((one.gateway or "") == gateway and interface in ("", one.interface) for one in wanted.next_hops)
        and len(wanted.next_hops) == 1
    )


def _declared(kind: str, one: t.Any, theirs: t.Sequence[Stanza]) -> bool:
    """Whether a stanza of others makes the very object."""
    if kind == "address":
        for place in theirs:
            masks = [option.value for option in place.values("netmask")]
            for option in place.values("address"):
                text = option.value if "/" in option.value or not masks else f"{option.value}/{masks[0]}"
                if _interface(text) == f"{one.address}/{one.prefix_length}":
                    return True
        return False
    if kind != "route" or one.type != "unicast" or one.source or one.metrics or one.tos:
        return False
    return any(
        _key(one) == route[:3] and _same_hop(one, route[3])
        for place in theirs for _option, route in _routes(place)
    )  # fmt: skip


def _interface(text: str) -> str:
    try:
        return str(ipaddress.ip_interface(text))
    except ValueError:
        return text


def _number(text: str, default: int = 0) -> int:
    return int(text) if text.isdigit() else default


# --- leases -----------------------------------------------------------------------------------------------------------


def _lease_lines(nic: Nic) -> tuple[str, ...]:
    """Names of variables that dhclient-script shall not see, a line per family."""
    lines = []
    for dhcp, parts in ((nic.dhcp4, _LEASE4), (nic.dhcp6, _LEASE6)):
        names = [names for part, names in parts.items() if dhcp is not None and not getattr(dhcp, part)]
        if names:
            lines.append(f"unset {' '.join(names)}")
    return tuple(lines)


def _hook_lines(text: str) -> dict[str, tuple[str, ...]]:
    """NIC -> lines, of a hook that ``_hook_text`` made."""
    found: dict[str, tuple[str, ...]] = {}
    for name, body in re.findall(r"^  '([^'\n]+)'\)\n((?:    [^\n]*\n)*?)    ;;$", text, re.MULTILINE):
        found[name] = tuple(line.strip() for line in body.split("\n")[:-1])
    return found


def _hook_text(hook: t.Mapping[str, tuple[str, ...]]) -> str | None:
    if not hook:
        return None
    lines = [_HEADER + 'case "$interface" in']
    for name in sorted(hook):
        lines += [f"  '{name}')", *(f"    {line}" for line in hook[name]), "    ;;"]
    return "\n".join([*lines, "esac", ""])


def _runtime(
    name: str, before: Nic | None, nic: Nic | None, theirs: t.Sequence[Stanza], root: str
) -> tuple[list[Command], list[Command]]:
    """(way back, way there) of what is no kernel object of the plan: the NIC's servers."""
    back: list[Command] = []
    there: list[Command] = []
    if nic is not None and nic.dhcp4 is not None and not nic.dhcp4.dns:
        # What resolvconf has of the lease goes now; the hook keeps it from coming again.
        there += [("resolvconf", "-d", record) for record in _records(name, root)]
    was, shall = (one.resolver if one is not None else None for one in (before, nic))
    if was != shall:
        family, dns = _family(nic or Nic(name), theirs)
        for commands, resolver in ((back, was), (there, shall)):
            said = dict(dns)
            if resolver is not None:
                said = {
                    "dns-nameservers": " ".join(resolver.servers or ()),
                    "dns-search": " ".join(resolver.search or ()),
                }
            commands.append(_hand_over(name, family, said))
    return back, there


def _records(name: str, root: str) -> list[str]:
    """The records that resolvconf or openresolv has of a NIC's lease."""
    places = ("/run/resolvconf/interface/", "/run/resolvconf/interfaces/")
    return [f"{name}.dhclient" for place in places if os.path.exists(below(f"{place}{name}.dhclient", root))]


def _hand_over(name: str, family: str, said: t.Mapping[str, str]) -> Command:
    """What ifup does with dns-* options, without ifup; without any of them resolvconf forgets the NIC's record."""
    if not any(said.values()):
        return ("resolvconf", "-d", f"{name}.{family}")
    variables = [f"IF_{option.upper().replace('-', '_')}={value}" for option, value in said.items() if value]
    return ("env", f"IFACE={name}", f"ADDRFAM={family}", "METHOD=manual", "MODE=start", *variables, _DNS_HOOKS[0])


def _leased(name: str, state: State, root: str) -> list[Route]:
    """Default routes over a NIC through routers of its lease, as dhclient-script made them."""
    text = read_file(f"/var/lib/dhcp/dhclient.{name}.leases", root).text or ""
    routers = set(re.findall(r"[\d.]+", " ".join(re.findall(r"option routers ([^;]+);", text))))
    return [
        route for routes in state.routes.values() for route in routes
        if route.family == AF_INET and route.table == 254 and route.destination == "0.0.0.0/0" and route.protocol == 3
        and any(hop.interface == name and hop.gateway in routers for hop in route.next_hops)
    ]  # fmt: skip


# --- files ------------------------------------------------------------------------------------------------------------


def _differs(files: dict[str, FileState], kept: list[str], path: str, file: FileState, root: str) -> None:
    held = read_file(path, root)
    if held.text != file.text:
        files[path] = file
    elif file.text is not None:
        kept.append(path)


def _include(files: dict[str, FileState], root: str) -> None:
    """The line that includes our folder, as long as there is something in it."""
    try:
        names = {FOLDER + name for name in os.listdir(below(FOLDER, root))}
    except OSError:
        names = set()
    names |= {path for path, file in files.items() if file.text is not None}
    names -= {path for path, file in files.items() if file.text is None}
    held = files.get(ifupdown_files.PATH) or read_file(ifupdown_files.PATH, root)
    text = blocks.edit(held.text or "", [_INCLUDE] if any(name.startswith(FOLDER) for name in names) else [])
    if text != (held.text or ""):
        files[ifupdown_files.PATH] = held._replace(text=text)
