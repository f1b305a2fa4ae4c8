# Copyright (c) 2026, kubenode.network contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""netplan's own files: what they define, in the order in which it merges them. Reads below ``root``.

netplan(5), "Introduction": files of the same name shadow each other (/etc before /run before /lib), all others are
merged by their names; scalars of later files win, lists are appended.
"""

from __future__ import annotations

import contextlib
import fnmatch
import json
import os
import re
import sys
import typing as t

from ansible_collections.kubenode.network.plugins.module_utils._netlink.objects import Link
from ansible_collections.kubenode.network.plugins.module_utils._state.files import below, read_file
from ansible_collections.kubenode.network.plugins.module_utils._state.model import StateError

FOLDERS = ("/lib/netplan/", "/run/netplan/", "/etc/netplan/")
OURS = re.compile(r"/90-kubenode-[^/]*\.yaml\Z")

# Everything as text: what YAML 1.1 takes for numbers (52:54:00:12:34:56) is none.
_CONVERT = (
    "import json, sys, yaml\n"
    "texts = json.load(sys.stdin)\n"
    "json.dump({path: yaml.load(text, Loader=yaml.BaseLoader) for path, text in texts.items()}, sys.stdout)\n"
)
# Key -> [first line, line behind, whether it stands inside of [] or {}] of every value, lists by entry.
_PLACES = """
import json, sys, yaml
places = {}
def walk(node, key):
    pairs = []
    if isinstance(node, yaml.MappingNode):
        pairs = [(f"{key}.{name.value}" if key else name.value, name, value) for name, value in node.value]
    elif isinstance(node, yaml.SequenceNode):
        pairs = [(f"{key}[{number}]", value, value) for number, value in enumerate(node.value)]
    for place, first, value in pairs:
        block = isinstance(value, yaml.CollectionNode) and not value.flow_style
        places[place] = [first.start_mark.line, value.end_mark.line + (not block), bool(node.flow_style)]
        walk(value, place)
walk(yaml.compose(sys.stdin.read(), Loader=yaml.BaseLoader), "")
json.dump(places, sys.stdout)
"""
_SECTIONS = (
    "ethernets", "bonds", "bridges", "vlans", "vrfs", "dummy-devices", "virtual-ethernets", "tunnels", "wifis",
)  # fmt: skip


class Listed(t.NamedTuple):
    """One entry of a list, or a scalar."""

    value: t.Any
    file: str
    key: str
    """Where it stands: ``network.ethernets.eth1.routes[0]``."""


class Definition(t.NamedTuple):
    """All that files say of one device."""

    identity: str
    section: str
    match: dict[str, str]
    set_name: str
    values: dict[str, list[Listed]]
    """Key -> what it was given, in the order of the files: of scalars the last counts, entries of lists all."""

    def scalar(self, key: str) -> Listed | None:
        found = self.values.get(key)
        return found[-1] if found else None

    def of(self, *links: Link) -> list[str]:
        """Those of ``links`` that it is about."""
        return [link.name for link in links if self._is(link)]

    def _is(self, link: Link) -> bool:
        if not self.match:
            return link.name == (self.set_name or self.identity)
        if self.set_name and link.name == self.set_name:
            return True
        mac = self.match.get("macaddress", "").lower()
        pattern = self.match.get("name", "")
        if mac and mac not in (link.mac, link.permanent_mac):
            return False
        if pattern and not fnmatch.fnmatchcase(link.name, pattern):
            return False
        # A driver cannot be told from here.
        return bool(mac or pattern)


def read(root: str = "/") -> dict[str, str]:
    """Path -> text of every file that counts, in the order in which they are merged."""
    paths: dict[str, str] = {}
    for folder in FOLDERS:
        try:
            names = os.listdir(below(folder, root))
        except OSError:
            continue
        paths.update({name: folder + name for name in names if name.endswith(".yaml")})
    return {paths[name]: read_file(paths[name], root).text or "" for name in sorted(paths)}


def parse(texts: t.Mapping[str, str]) -> dict[str, t.Any]:
    """Path -> document, all scalars as text. Raises StateError for what is no YAML."""
    if not texts:
        return {}
    try:
        import yaml
    except ImportError:
        return _parse_elsewhere(texts)
    documents = {}
    for path, text in texts.items():
        try:
            # The loader that makes text of everything is as safe as the safe one.
            documents[path] = yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506
        except yaml.YAMLError as error:
            raise _damaged(path, str(error)) from None
    return documents


def _parse_elsewhere(texts: t.Mapping[str, str]) -> dict[str, t.Any]:
    return t.cast("dict[str, t.Any]", json.loads(_run(_CONVERT, json.dumps(texts))))


def _run(program: str, text: str) -> str:
    """What a Python that has the parser makes of a text: ours, or netplan's own."""
    from ansible_collections.kubenode.network.plugins.module_utils._state.system import run

    try:
        import yaml as _yaml  # noqa: F401

        interpreter = sys.executable
    except ImportError:
        interpreter = "/usr/bin/python3"
        with contextlib.suppress(OSError), open("/usr/sbin/netplan", encoding="utf-8", errors="replace") as stream:
            first = stream.readline()
            interpreter = first[2:].split()[0] if first.startswith("#!/") else interpreter
    try:
        return run((interpreter, "-c", program), text=text)
    except StateError as error:
        raise StateError(
            f"netplan's files cannot be read with {interpreter}: {error}: expected YAML and the package python3-yaml; "
            "'netplan get' tells which file is damaged"
        ) from None


def without(text: str, keys: t.Sequence[str], path: str) -> str:
    """The text without these values and entries of lists, every other line as it is.

    Raises StateError where that cannot be done line by line.
    """
    places = json.loads(_run(_PLACES, text))
    lines = text.split("\n")
    gone: set[int] = set()
    for key in _whole(keys, places):
        first, behind, flow = places.get(key, (0, 0, True))
        if flow:
            raise StateError(f"{path}: {key} stands in a line with others: take it out by hand")
        # A comment behind it belongs to what follows.
        while behind - 1 > first and lines[behind - 1].strip()[:1] in ("", "#"):
            behind -= 1
        gone.update(range(first, behind))
    result = "\n".join(line for number, line in enumerate(lines) if number not in gone)
    document = parse({path: result})[path]
    if not isinstance(document, dict) or not isinstance(document.get("network"), dict):
        raise StateError(f"{path}: nothing is left without {', '.join(keys)}: take them out by hand, or the whole file")
    return result


def _whole(keys: t.Sequence[str], places: t.Mapping[str, t.Any]) -> list[str]:
    """The keys, and instead of all entries of a list the list."""
    result = list(keys)
    for owner in {key.rpartition("[")[0] for key in keys if key.endswith("]")}:
        entries = {place for place in places if re.fullmatch(re.escape(owner) + r"\[\d+\]", place)}
        if entries <= set(keys):
            result = [key for key in result if key not in entries] + [owner]
    return result


def definitions(documents: t.Mapping[str, t.Any]) -> dict[str, Definition]:
    """Identity -> what the documents say of it."""
    result: dict[str, Definition] = {}
    for path, document in documents.items():
        network = _mapping(document).get("network")
        for section in _SECTIONS:
            for identity, said in _mapping(_mapping(network).get(section)).items():
                known = result.get(identity) or Definition(identity, section, {}, "", {})
                said = _mapping(said)
                match = {name: str(value) for name, value in _mapping(said.get("match")).items()}
                known = known._replace(match=match or known.match, set_name=said.get("set-name") or known.set_name)
                _collect(known.values, said, path, f"network.{section}.{identity}", "")
                result[identity] = known
    return result


def _collect(values: dict[str, list[Listed]], said: t.Mapping[str, t.Any], path: str, where: str, above: str) -> None:
    for key, value in said.items():
        place, name = f"{where}.{key}", above + key
        if isinstance(value, list):
            entries = [Listed(one, path, f"{place}[{index}]") for index, one in enumerate(value)]
            values.setdefault(name, []).extend(entries)
        elif isinstance(value, dict) and key != "match":
            _collect(values, value, path, place, name + ".")
        else:
            values.setdefault(name, []).append(Listed(value, path, place))


def _mapping(value: t.Any) -> dict[str, t.Any]:
    return value if isinstance(value, dict) else {}


def _damaged(path: str, error: str) -> StateError:
    return StateError(
        f"{path}: is no YAML that can be read ({' '.join(error.split())}): correct it, 'netplan get' tells"
    )
