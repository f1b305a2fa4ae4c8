# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What users declare about a cluster's DNS, as entries of a Corefile. Pure.

``edit`` is what a program calls: it takes the options of the module ``coredns_corefile`` as plain dicts and lists.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._corefile import entries, slots
from ansible_collections.kubenode.network.plugins.module_utils._corefile.document import Block, Document
from ansible_collections.kubenode.network.plugins.module_utils._corefile.entries import Entry, Outcome, Record
from ansible_collections.kubenode.network.plugins.module_utils._corefile.errors import CorefileError
from ansible_collections.kubenode.network.plugins.module_utils._corefile.keys import is_address, is_domain_name
from ansible_collections.kubenode.network.plugins.module_utils._corefile.layout import canonical, single, words
from ansible_collections.kubenode.network.plugins.module_utils._corefile.slots import Slot
from ansible_collections.kubenode.network.plugins.module_utils._corefile.values import upstream

OPTIONS: dict[str, dict[str, type | tuple[type, ...]]] = {
    "stub_domains": {
        "zone": str,
        "servers": list,
        "port": int,
        "options": dict,
        "cache": int,
        "errors": bool,
        "log": bool,
        "bind": list,
    },
    "hosts": {"address": str, "names": list, "server": str},
    "forward": {"server": str, "zone": str, "servers": list, "options": dict},
    "cache": {"server": str, "enabled": bool, "ttl": int, "zones": list, "options": dict},
    "log": {"server": str, "enabled": bool, "zones": list, "classes": list},
    "errors": {"server": str, "enabled": bool, "options": dict},
    "servers": {"zones": list, "plugins": list},
    "snippets": {"name": str, "plugins": list},
}
"""Each option is a list of dicts with these keys; docs/corefile.md says what they mean."""

_REQUIRED = {
    "stub_domains": ("zone", "servers"),
    "hosts": ("address", "names"),
    "servers": ("zones",),
    "snippets": ("name", "plugins"),
}
_NAME = re.compile(r"[^\s\"#{}(),]+")
# What the Kubernetes documentation shows for stub domains.
_STUB_CACHE = 30

Item = t.Mapping[str, t.Any]
Options = t.Mapping[str, t.Sequence[Item]]


def edit(
    document: Document,
    options: Options,
    records: t.Iterable[Record] = (),
    owner: str = "",
    purge: str = "own",
) -> Outcome:
    """Make a Corefile say what is declared. A second call with its outcome changes nothing.

    Args:
        document: the Corefile as it is.
        options: ``OPTIONS``; what is not declared is not touched.
        records: of earlier calls.
        owner: who declares it.
        purge: ``own``: what this owner declared earlier and no longer does goes; ``none``: it stays.

    Raises CorefileError for a wrong option, for what is not there, and for what somebody else has made otherwise.
    """
    known = tuple(records)
    return entries.apply(document, entries_of(document, options, known), known, owner, purge)


def entries_of(document: Document, options: Options, records: t.Iterable[Record] = ()) -> list[Entry]:
    """The entries that are declared, in the form that this document calls for."""
    for name in options:
        if name not in OPTIONS:
            raise CorefileError(f"unknown option {name}: of {', '.join(OPTIONS)}")
    collector = _Collector(document, {record.slot: record for record in records})
    for name in OPTIONS:
        for index, item in enumerate(options.get(name) or ()):
            where = f"{name}[{index}]"
            checked = {key: value for key, value in _checked(name, where, item).items() if value is not None}
            try:
                getattr(collector, name)(checked)
            except CorefileError as error:
                raise CorefileError(f"{where}: {error}") from None
    collector.finish()
    return list(collector.entries.values())


def _checked(name: str, where: str, item: Item) -> Item:
    kinds = OPTIONS[name]
    for key, value in item.items():
        if key not in kinds:
            raise CorefileError(f"{where}: unknown key {key}: of {', '.join(kinds)}")
        kind = kinds[key]
        # To Python a bool is an int.
        if value is not None and (not isinstance(value, kind) or (kind is int and isinstance(value, bool))):
            raise CorefileError(f"{where}.{key}: {value!r} is no {getattr(kind, '__name__', kind)}")
    for key in _REQUIRED.get(name, ()):
        if not item.get(key):
            raise CorefileError(f"{where}: {key} is missing")
    return item


class _Collector:
    """Turns items into entries, one method per option."""

    def __init__(self, document: Document, records: dict[Slot, Record]) -> None:
        self.document = document
        self.records = records
        self.entries: dict[Slot, Entry] = {}
        self.hosts_servers: dict[str, None] = {}

    def add(self, entry: Entry) -> None:
        other = self.entries.get(entry.slot)
        if other is not None and other.value != entry.value:
            raise CorefileError(
                f"{entries.describe(entry.slot)} is declared twice: {other.value!r} and {entry.value!r}"
            )
        self.entries[entry.slot] = entry

    def plugin(self, server: str, text: str) -> None:
        value = canonical(text)
        self.add(Entry(("plugin", server, slots.plugin_of(text)), value, text))

    def stub_domains(self, item: Item) -> None:
        [zone], port = _names([item["zone"]], "zone"), item.get("port", 53)
        key = f"{zone}:{port}"
        server = slots.server_of([key])
        forward = _forward_text(".", item["servers"], item.get("options") or {})
        block = slots.find_block(self.document, server)
        if block is not None and ("block", server) not in self.records:
            _check_foreign_stub(block, key, forward)
            return
        self.add(Entry(("block", server), server, key))
        if item.get("bind"):
            self.plugin(server, words("bind", *_texts(item["bind"])))
        if item.get("errors", True):
            self.plugin(server, "errors")
        if item.get("log", False):
            self.plugin(server, "log")
        if item.get("cache", _STUB_CACHE):
            self.plugin(server, f"cache {item.get('cache', _STUB_CACHE)}")
        self.plugin(server, forward)

    def hosts(self, item: Item) -> None:
        address, names = item["address"].strip(), _texts(item["names"])
        if not is_address(address):
            raise CorefileError(f"{address!r} is no IP address")
        for name in names:
            if not is_domain_name(name) or set(name) & set(' \t\n"#{}'):
                raise CorefileError(f"{name!r} is no host name")
        server = slots.server_of([item.get("server", ".")])
        block = slots.find_block(self.document, server)
        there = set()
        for other, name, line in slots.hosts_pairs(block) if block is not None else ():
            if ("host", server, line.canonical) not in self.records:
                there.add((other, name))
        lacking = [name for name in names if (address, name.rstrip(".").lower()) not in there]
        if lacking:
            text = words(address, *lacking)
            self.add(Entry(("host", server, text), text))
            self.hosts_servers[server] = None

    def finish(self) -> None:
        """``hosts`` itself, and fallthrough in it, where entries go into it; and what is declared in two ways."""
        for slot in self.entries:
            if slot[0] in {"args", "option"} and ("plugin", *slot[1:3]) in self.entries:
                raise CorefileError(
                    f"{entries.describe(('plugin', *slot[1:3]))} is declared twice, by parts and as a whole"
                )
        for server in self.hosts_servers:
            self.add(Entry(("hosts", server), "hosts"))
            block = slots.find_block(self.document, server)
            plugin = slots.find_plugin(block, "hosts") if block is not None else None
            option: Slot = ("option", server, "hosts", "fallthrough")
            if plugin is None or ("hosts", server) in self.records:
                continue
            if option in self.records or plugin.option("fallthrough") is None:
                self.add(Entry(option, "fallthrough"))

    def forward(self, item: Item) -> None:
        zone = item.get("zone", ".")
        options = item.get("options") or {}
        server, slot = self._place(item, slots.plugin_of(words("forward", zone)))
        plugin = self._foreign(server, slot)
        if plugin is None:
            if not item.get("servers"):
                raise CorefileError(f"there is no forward {zone} in {server} yet: servers is missing")
            self.add(Entry(slot, canonical(_forward_text(zone, item["servers"], options))))
            return
        if item.get("servers"):
            servers = _servers(item["servers"])
            self.add(Entry(("args", *slot[1:]), words(plugin.args[0], *servers)))
        self._options(slot, options)

    def cache(self, item: Item) -> None:
        server, slot = self._place(item, "cache")
        if not item.get("enabled", True):
            self.add(Entry(slot, None))
            return
        args = [str(item["ttl"])] if "ttl" in item else []
        args += _texts(item.get("zones", []))
        options = item.get("options") or {}
        if self._foreign(server, slot) is None:
            self.add(Entry(slot, canonical(_plugin_text(["cache", *args], options))))
            return
        if args:
            self.add(Entry(("args", *slot[1:]), words(*args)))
        self._options(slot, options)

    def log(self, item: Item) -> None:
        server = slots.server_of([item.get("server", ".")])
        if item.get("enabled", True):
            options = {"class": item["classes"]} if item.get("classes") else {}
            self.plugin(server, _plugin_text(["log", *_texts(item.get("zones", []))], options))
            return
        block = slots.find_block(self.document, server)
        for directive in block.plugins("log") if block is not None else ():
            slot: Slot = ("plugin", server, slots.plugin_of(directive.raw))
            record = self.records.get(slot)
            if record is None or record.value is None:
                self.add(Entry(slot, None))
        for slot, record in self.records.items():
            if slot[:2] == ("plugin", server) and record.value is None and (slot[2] + "\n ").split()[0] == "log":
                self.add(Entry(slot, None))

    def errors(self, item: Item) -> None:
        server, slot = self._place(item, "errors")
        if not item.get("enabled", True):
            self.add(Entry(slot, None))
        elif self._foreign(server, slot) is None:
            self.add(Entry(slot, canonical(_plugin_text(["errors"], item.get("options") or {}))))
        else:
            self._options(slot, item.get("options") or {})

    def servers(self, item: Item) -> None:
        zones = _names(item["zones"], "zone")
        server = slots.server_of(zones)
        self.add(Entry(("block", server), server, " ".join(zones)))
        for text in _texts(item.get("plugins", [])):
            self.plugin(server, text)

    def snippets(self, item: Item) -> None:
        [name] = _names([item["name"]], "name of a snippet")
        plugins = _texts(item["plugins"])
        value = "\n".join(map(canonical, plugins))
        self.add(Entry(("snippet", name), value, "\n".join(plugins), exclusive=True))

    def _place(self, item: Item, plugin: str) -> tuple[str, Slot]:
        server = slots.server_of([item.get("server", ".")])
        return server, ("plugin", server, plugin)

    def _foreign(self, server: str, slot: Slot) -> t.Any:
        """The plugin in that slot that is not ours: it is there, or will be when we let go of what is there."""
        record = self.records.get(slot)
        if record is not None:
            return None if record.before is None else single(record.before)
        block = slots.find_block(self.document, server)
        return None if block is None else slots.find_plugin(block, slot[2])

    def _options(self, slot: Slot, options: Item) -> None:
        for name, value in options.items():
            line = _option_line(name, value)
            self.add(Entry(("option", *slot[1:], name), None if line is None else canonical(line)))


def _check_foreign_stub(block: Block, key: str, forward: str) -> None:
    """A server block of somebody else satisfies a stub domain when it forwards in the same way."""
    wanted = canonical(forward)
    for plugin in block.plugins("forward"):
        if plugin.args and canonical("forward . " + plugin.raw.split(None, 2)[2]) == wanted:
            return
    there = ", ".join(" ".join(plugin.args) for plugin in block.plugins("forward")) or "without forward"
    raise CorefileError(
        f"the server block of {key} on line {block.line} is not ours and answers otherwise ({there}): change it with "
        "forward, or remove it by hand"
    )


def _forward_text(zone: str, servers: t.Sequence[t.Any], options: Item) -> str:
    return _plugin_text(["forward", zone, *_servers(servers)], options)


def _servers(servers: t.Sequence[t.Any]) -> list[str]:
    found = _texts(servers)
    for server in found:
        if complaint := upstream(server):
            raise CorefileError(complaint)
    return found


def _plugin_text(line: t.Sequence[str], options: Item) -> str:
    lines = [found for found in (_option_line(name, value) for name, value in options.items()) if found is not None]
    head = words(*line)
    return head if not lines else "\n".join([head + " {", *lines, "}"])


def _option_line(name: str, value: t.Any) -> str | None:
    """``max_fails: 3``, ``force_tcp: true``, ``success: [9984, 30]``; None for what shall not stand there."""
    if value is None or value is False:
        return None
    if value is True:
        return words(name)
    return words(name, *_texts(value if isinstance(value, (list, tuple)) else [value]))


def _names(values: t.Sequence[t.Any], what: str) -> list[str]:
    """Words that can stand before the brace of a block, each for itself."""
    found = _texts(values)
    for value in found:
        if not _NAME.fullmatch(value) or value == "import":
            raise CorefileError(f"{value!r} is no {what}")
    return found


def _texts(values: t.Sequence[t.Any]) -> list[str]:
    for value in values:
        if isinstance(value, bool) or not isinstance(value, (str, int)) or not str(value).strip():
            raise CorefileError(f"{value!r} is no text")
    return [str(value) for value in values]
