# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our part of a NIC into a profile of NetworkManager, and out of it again. Pure.

Entries of lists (addresses, routes, rules) that the profile has already are adopted; what we added goes when it is no
longer wanted, unless somebody changed it meanwhile. What stood where we set a single value (method, mtu, dns ...) is
noted in the profile's own ``[user]`` setting, which is made for other programs' data and survives NetworkManager's
rewriting of the file; letting go puts it back.
"""

from __future__ import annotations

import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._netlink.constants import (
    AF_INET,
    AF_INET6,
    RT_TABLE_MAIN,
)
from ansible_collections.kubenode.network.plugins.module_utils._netlink.objects import Address, Route, Rule
from ansible_collections.kubenode.network.plugins.module_utils._persist import networkmanager_entries as e
from ansible_collections.kubenode.network.plugins.module_utils._persist.contract import Dhcp, Nic, Resolver
from ansible_collections.kubenode.network.plugins.module_utils._persist.networkmanager_keyfile import Keyfile
from ansible_collections.kubenode.network.plugins.module_utils._state.model import StateError

NOTES = "kubenode.network."
_ABSENT = "absent"
# Methods under which NetworkManager takes no addresses, and those under which it does nothing at all.
_NO_ADDRESSES = frozenset(("disabled", "ignore", "link-local"))
_IDLE = frozenset(("disabled", "ignore"))
_OFF = {AF_INET: "disabled", AF_INET6: "link-local"}
_DHCP_KEYS = (("ignore-auto-routes", "routes"), ("never-default", "gateway"), ("ignore-auto-dns", "dns"))


class Edited(t.NamedTuple):
    """What became of it beside the document."""

    unexpressed: tuple[tuple[str, t.Any], ...]
    """(kind, object) that this profile cannot say."""
    warnings: tuple[str, ...]


def edit(
    document: Keyfile, previous: Nic, wanted: Nic, path: str, metrics: t.Mapping[int, int | None], replace: bool = False
) -> Edited:
    """Make ``document`` say ``wanted`` where it said ``previous``.

    ``path`` is for messages; ``metrics``: family -> the device's default metric of routes, None where it is unknown;
    ``replace``: edit foreign entries that say the contrary, instead of raising StateError.
    """
    editor = _Editor(document, wanted.name, path, replace, metrics)
    for family, before, after in ((AF_INET, previous.dhcp4, wanted.dhcp4), (AF_INET6, previous.dhcp6, wanted.dhcp6)):
        gone = [(kind, value) for kind, value in wanted.removed if value.family == family]
        editor.addresses(family, _of(family, previous.addresses), _of(family, wanted.addresses), _only("address", gone))
        editor.method(family, before, after)
        editor.routes(family, _of(family, previous.routes), _of(family, wanted.routes), _only("route", gone))
        editor.rules(family, _of(family, previous.rules), _of(family, wanted.rules), _only("rule", gone))
    editor.resolver(previous.resolver or Resolver(), wanted.resolver or Resolver())
    hardware = "802-3-ethernet" if "802-3-ethernet" in document.groups else "ethernet"
    if document.get("connection", "type") == "infiniband":
        hardware = "infiniband"
    editor.put(hardware, "mtu", _number(previous.mtu), _number(wanted.mtu))
    editor.put("connection", "autoconnect", _boolean(previous.up), _boolean(wanted.up), missing="true")
    for section in e.SECTIONS.values():
        # NetworkManager takes a section without a method for damaged; the method of a missing section is auto.
        if document.entries(section) and document.get(section, "method") is None:
            document.set(section, "method", "auto")
    for group in ("user", "ethernet"):
        document.drop_empty(group)
    return Edited(tuple(editor.unexpressed), tuple(editor.warnings))


_Any = t.TypeVar("_Any", Address, Route, Rule)


def _of(family: int, objects: t.Iterable[_Any]) -> list[_Any]:
    return [one for one in objects if one.family == family]


def _only(kind: str, objects: t.Iterable[tuple[str, t.Any]]) -> list[t.Any]:
    return [value for one, value in objects if one == kind]


def _number(value: int | None) -> str | None:
    return None if value is None else str(value)


def _boolean(value: bool | None) -> str | None:
    return None if value is None else str(value).lower()


class _Editor:
    def __init__(
        self, document: Keyfile, name: str, path: str, replace: bool, metrics: t.Mapping[int, int | None]
    ) -> None:
        self.document = document
        self.metrics = metrics
        self.name = name
        self.path = path
        self.replace = replace
        self.unexpressed: list[tuple[str, t.Any]] = []
        self.warnings: list[str] = []

    def put(self, section: str, key: str, ours: str | None, value: str | None, missing: str | None = None) -> None:
        """Set a single value, or let go (``value`` None) of the one that is still ``ours``.

        ``missing``: the value that a missing key stands for.
        """
        note = f"{NOTES}{section}.{key}"
        current, noted = self.document.get(section, key), self.document.get("user", note)
        if value is None:
            if noted is not None and ours is not None:
                if current == ours:
                    self.document.set(section, key, None if noted == _ABSENT else noted)
                self.document.set("user", note, None)
        elif value != (current if current is not None else missing):
            back = noted is not None and value == (missing if noted == _ABSENT else noted)
            if noted is None:
                self.document.set("user", note, _ABSENT if current is None else current)
            elif back:
                self.document.set("user", note, None)
            self.document.set(section, key, None if back and noted == _ABSENT else value)

    # --- lists --------------------------------------------------------------------------------------------------------

    def addresses(self, family: int, previous: list[Address], wanted: list[Address], removed: list[Address]) -> None:
        section = e.SECTIONS[family]
        there: dict[str, tuple[str, str | None]] = {}
        for key, value in self.document.numbered(section, "address"):
            found = e.parse_address(value, family)
            if found is not None:
                there[found[0]] = (key, found[1])
        keep = set()
        for address in wanted:
            text = e.address_text(address)
            if text is None:
                self.unexpressed.append(("address", address))
                continue
            keep.add(text)
            if text not in there:
                key = self.document.free(section, "address")
                self.document.set(section, key, text)
                there[text] = (key, None)
        for number, address in enumerate((*previous, *removed)):
            text = e.address_text(address)
            if text is None or text in keep or text not in there:
                continue
            key, gateway = there.pop(text)
            if number >= len(previous):
                self._may_remove(section, key)
            if gateway is not None and self.document.get(section, "gateway") is None:
                # Somebody's default route stands in the line of our address.
                if not there:
                    raise self._error(section, key, f"{text},{gateway}", f"{text} without the gateway, which needs it")
                self.document.set(section, "gateway", gateway)
            self.document.set(section, key, None)
            self.document.set(section, f"{key}_options", None)

    def routes(self, family: int, previous: list[Route], wanted: list[Route], removed: list[Route]) -> None:
        if not (previous or wanted or removed):
            return
        section = e.SECTIONS[family]
        defaults = self._defaults(section, self.metrics.get(family))
        there = self._routes_there(section, family, defaults)
        ours = {said.key: said for said in map(e.said_of, previous) if said is not None}
        idle = (self.document.get(section, "method") or "auto") in _IDLE
        keep = set()
        for route in wanted:
            said = e.said_of(route)
            if said is None or idle:
                self.unexpressed.append(("route", route))
                continue
            keep.add(said.key)
            key, found = there.get(said.key, ("", None))
            if found == said:
                continue
            if found is None:
                key = self.document.free(section, "route")
            elif found != ours.get(said.key) and not self.replace:
                raise self._error(section, key, self._line(section, key), _route_words(said))
            elif not key.startswith("route"):
                self._without_gateway(section, key)
                key = self.document.free(section, "route")
            value, options = e.route_text(said, defaults)
            self.document.set(section, key, value)
            self.document.set(section, f"{key}_options", options)
            there[said.key] = (key, said)
        for gone, said in ours.items():
            key, found = there.get(gone, ("", None))
            if gone in keep or found is None:
                continue
            if found != said:
                self.warnings.append(
                    f"{self.path}: {key} in [{section}] was ours and has been changed since: it stays as it is."
                )
            elif key.startswith("route"):
                self.document.set(section, key, None)
                self.document.set(section, f"{key}_options", None)
                del there[gone]
        for said in filter(None, map(e.said_of, removed)):
            key, found = there.get(said.key, ("", None))
            if found != said or said.key in keep:
                continue
            self._may_remove(section, key)
            if key.startswith("route"):
                self.document.set(section, key, None)
                self.document.set(section, f"{key}_options", None)
            else:
                self._without_gateway(section, key)

    def _routes_there(self, section: str, family: int, defaults: e.Defaults) -> dict[t.Any, tuple[str, e.Said]]:
        there: dict[t.Any, tuple[str, e.Said]] = {}
        gateway = self.document.get(section, "gateway")
        places = [("gateway", gateway)] if gateway else []
        if not places:
            for key, value in self.document.numbered(section, "address"):
                found = e.parse_address(value, family)
                if found is not None and found[1] is not None:
                    places.append((key, found[1]))
        if places and not self.document.flag(section, "never-default"):
            any_ = "0.0.0.0/0" if family == AF_INET else "::/0"
            said = e.Said(defaults.table, any_, defaults.metric, gateway=places[0][1])
            there[said.key] = (places[0][0], said)
        for key, value in self.document.numbered(section, "route"):
            options = self.document.get(section, f"{key}_options") or ""
            entry = e.parse_route(value, options, family, defaults)
            if entry is not None:
                there[entry.key] = (key, entry)
        return there

    def _defaults(self, section: str, metric: int | None) -> e.Defaults:
        table = self.document.get(section, "route-table") or "0"
        said = self.document.get(section, "route-metric") or "-1"
        if said.isdigit():
            metric = int(said)
        return e.Defaults(int(table) if table.isdigit() and int(table) else RT_TABLE_MAIN, metric)

    def _without_gateway(self, section: str, key: str) -> None:
        if key == "gateway":
            self.document.set(section, key, None)
            return
        value = self.document.get(section, key) or ""
        self.document.set(section, key, value.rpartition(",")[0])

    def rules(self, family: int, previous: list[Rule], wanted: list[Rule], removed: list[Rule]) -> None:
        section = e.SECTIONS[family]
        there: dict[t.Any, tuple[str, Rule]] = {}
        for key, value in self.document.numbered(section, "routing-rule", plural=False):
            found = e.parse_rule(value, family)
            if found is not None:
                there[found.key] = (key, found)
        ours = {rule.key: rule for rule in map(e.bare, previous)}
        keep = set()
        for rule in map(e.bare, wanted):
            text = e.rule_text(rule)
            if text is None:
                self.unexpressed.append(("rule", next(one for one in wanted if e.bare(one) == rule)))
                continue
            keep.add(rule.key)
            key, other = there.get(rule.key, ("", None))
            if other == rule:
                continue
            if other is None:
                key = self.document.free(section, "routing-rule")
            elif other != ours.get(rule.key) and not self.replace:
                raise self._error(section, key, self._line(section, key), text)
            self.document.set(section, key, text)
            there[rule.key] = (key, rule)
        for gone, rule in ours.items():
            key, other = there.get(gone, ("", None))
            if gone in keep or other is None:
                continue
            if other == rule:
                self.document.set(section, key, None)
                del there[gone]
            else:
                self.warnings.append(
                    f"{self.path}: {key} in [{section}] was ours and has been changed since: it stays as it is."
                )

        for rule in map(e.bare, removed):
            key, other = there.get(rule.key, ("", None))
            if other == rule and rule.key not in keep:
                self._may_remove(section, key)
                self.document.set(section, key, None)

    def _may_remove(self, section: str, key: str) -> None:
        """Raise for an entry of somebody else that is to go from the kernel, unless told to edit it."""
        if not self.replace:
            raise self._error(section, key, self._line(section, key), "the removal of it, which the profile would undo")

    # --- single values ------------------------------------------------------------------------------------------------

    def method(self, family: int, before: Dhcp | None, after: Dhcp | None) -> None:
        """``method`` by what is wanted of DHCP and by whether there are addresses, and what of a lease is taken."""
        section = e.SECTIONS[family]
        stands = self.document.get(section, "method")
        current = stands or "auto"
        noted = self.document.get("user", f"{NOTES}{section}.method")
        has = bool(self.document.numbered(section, "address"))
        target = current
        asked, was = _asked(family, after), _asked(family, before)
        if asked == "off":
            if family == AF_INET6 and after is not None and after.autoconf is None and current == "auto":
                self.warnings.append(
                    f"{self.path}: [{section}] method=auto stays: NetworkManager asks for DHCPv6 where router "
                    "advertisements tell it to. Say autoconf: false as well to switch both off."
                )
            elif current in ("auto", "dhcp"):
                target = "manual" if has else _OFF[family]
        elif asked is not None:
            target = asked
        elif was is not None and noted is not None:
            target = noted
        if has and target in _NO_ADDRESSES:
            target = "manual"
        if not has and target == "manual":
            if noted in (None, "manual"):
                # Somebody else's last address is gone: nothing could put that method back.
                self.document.set("user", f"{NOTES}{section}.method", None)
                self.document.set(section, "method", _OFF[family])
                return self._lease(section, before, after)
            target = noted
        if current == "shared" and target != current:
            raise self._error(section, "method", current, target)
        if target != current or (stands is None and has):
            self.put(section, "method", current, target)
        return self._lease(section, before, after)

    def _lease(self, section: str, before: Dhcp | None, after: Dhcp | None) -> None:
        """What of a lease is not taken."""
        for key, field in _DHCP_KEYS:
            have, want = (one is not None and not getattr(one, field) for one in (before, after))
            if want and key == "never-default" and self.document.get(section, "gateway"):
                # An explicit gateway keeps the lease's off already, and never-default would take it away as well.
                want = False
            self.put(section, key, "true" if have else None, "true" if want else None)
        if after is not None and after.enabled and not after.routes and after.gateway:
            self.warnings.append(
                f"interface {self.name}: NetworkManager ignores the default route of a lease together with its other "
                "routes (auto_routes: false)."
            )

    def resolver(self, previous: Resolver, wanted: Resolver) -> None:
        servers, ours = wanted.servers, previous.servers
        if servers is not None and sorted(servers, key=lambda one: ":" in one) != list(servers):
            self.warnings.append(
                f"interface {self.name}: NetworkManager keeps the order of DNS servers within a family only: "
                f"{', '.join(servers)}."
            )
        for family, section in e.SECTIONS.items():
            mine = _servers(servers, family, self.name)
            self._names(section, "dns", _servers(ours, family, self.name), mine)
        # Search domains and options count for the NIC as a whole: they stand where a family is in use.
        home = next((one for one in e.SECTIONS.values() if self._in_use(one)), "ipv4")
        for key, before, after in (
            ("dns-search", previous.search, wanted.search),
            ("dns-options", previous.options, wanted.options),
        ):
            for section in e.SECTIONS.values():
                mine = after if section == home or after is None else ()
                self._names(section, key, before if section == home or before is None else (), mine)

    def _names(self, section: str, key: str, before: tuple[str, ...] | None, after: tuple[str, ...] | None) -> None:
        if after and not self._in_use(section):
            method = self.document.get(section, "method")
            raise StateError(
                f"interface {self.name}: {self.path} says method={method} in [{section}], under which NetworkManager "
                f"takes no {key}: found {', '.join(after)}, expected a method with addresses. Declare addresses or "
                f"dhcp of {section} for {self.name}, or other servers"
            )
        stands = self.document.list_of(section, key)
        if after is not None and stands == after:
            return
        value = None if after is None else "".join(f"{one};" for one in after)
        self.put(section, key, None if before is None else "".join(f"{one};" for one in before), value)

    def _in_use(self, section: str) -> bool:
        return (self.document.get(section, "method") or "auto") not in (*_NO_ADDRESSES, "shared")

    def _line(self, section: str, key: str) -> str:
        options = self.document.get(section, f"{key}_options")
        return f"{self.document.get(section, key)}" + (f" ({options})" if options else "")

    def _error(self, section: str, key: str, found: str, expected: str) -> StateError:
        return StateError(
            f"interface {self.name}: {self.path} says {key}={found} in [{section}]: expected {expected}. Change that "
            "line (nmcli connection modify), declare the same, or say on_conflict: replace"
        )


def _asked(family: int, dhcp: Dhcp | None) -> str | None:
    """The method that is asked for: ``auto``, ``dhcp``, ``off``, or None where nothing is said."""
    if dhcp is None or (dhcp.enabled is None and dhcp.autoconf is None):
        return None
    if family == AF_INET:
        return "auto" if dhcp.enabled else "off"
    if dhcp.enabled and dhcp.autoconf is False:
        return "dhcp"
    return "auto" if dhcp.enabled or dhcp.autoconf else "off"


def _servers(servers: tuple[str, ...] | None, family: int, name: str) -> tuple[str, ...] | None:
    if servers is None:
        return None
    found = (one[: -len(name) - 1] if one.endswith(f"%{name}") else one for one in servers)
    return tuple(one for one in found if (":" in one) == (family == AF_INET6))


def _route_words(said: e.Said) -> str:
    words = [said.destination, f"via {said.gateway}" if said.gateway else "on the link", f"metric {said.metric}"]
    return " ".join([*words, f"table {said.table}"])
